"""Every error answer of the HTTP API: problem details as of RFC 9457.

Each has `type`, `title`, `status` and `detail`; `errors` lists the fields of a request that
cannot be used. What the framework refuses by itself (404, 405, 413, 422) has the same form.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from csms.storage.errors import StorageError

TYPE_PREFIX: Final = "urn:ocpp-csms:problem:"
MEDIA_TYPE: Final = "application/problem+json"

# The framework says 400 of a body that is no UTF-8, 413 of one that is too long.
_SLUGS: Final = {
    HTTPStatus.BAD_REQUEST: "malformed-json",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "content-too-large",
}


class Problem(Exception):
    """An error answer; `members` are shown beside the four that every problem has."""

    def __init__(
        self,
        status: HTTPStatus,
        slug: str,
        detail: str,
        *,
        title: str = "",
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.detail = detail
        self.title = title or slug.replace("-", " ").capitalize()
        self.headers = headers
        self.members = members


def invalid(field: str, message: str) -> Problem:
    """Return the problem of one field of a request that cannot be used."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-request",
        f"{field}: {message}",
        errors=[{"field": field, "message": message}],
    )


def respond(problem: Problem) -> Response:
    """Return the HTTP answer of a problem."""
    body = {
        "type": TYPE_PREFIX + problem.slug,
        "title": problem.title,
        "status": problem.status.value,
        "detail": problem.detail,
        **problem.members,
    }
    return Response(
        orjson.dumps(body, default=str),
        status_code=problem.status,
        headers=dict(problem.headers or {}),
        media_type=MEDIA_TYPE,
    )


def install(app: FastAPI) -> None:
    """Make the application answer every error as a problem."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(StorageError, _on_storage_error)
    app.add_exception_handler(Exception, _on_defect)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  # what it is installed for
    return respond(error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # what it is installed for
    status = HTTPStatus(error.status_code)
    detail = {
        HTTPStatus.NOT_FOUND: f"{request.url.path} is no resource of this API",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not possible here",
    }.get(status, str(error.detail))
    slug = _SLUGS.get(status) or status.phrase.lower().replace(" ", "-")
    return respond(Problem(status, slug, detail, title=status.phrase, headers=error.headers))


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # what it is installed for
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        reason = found[0].get("ctx", {}).get("error", "not JSON")
        position = found[0]["loc"][-1]
        return respond(
            Problem(
                HTTPStatus.BAD_REQUEST,
                "malformed-json",
                f"the body is not JSON: {reason} at character {position}",
                title="Malformed JSON",
            )
        )
    errors = [{"field": field_name(one["loc"]), "message": _message(one)} for one in found]
    detail = "; ".join(f"{one['field']}: {one['message']}" for one in errors)
    return respond(
        Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", detail, errors=errors)
    )


async def _on_storage_error(request: Request, error: Exception) -> Response:
    return respond(
        Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "storage-unavailable",
            f"nothing was changed: {error}",
            headers={"Retry-After": "1"},
        )
    )


async def _on_defect(request: Request, error: Exception) -> Response:
    # The framework raises the error again after this answer; the gate logs it.
    return respond(
        Problem(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "internal-error",
            "a defect of the CSMS; its log tells more",
        )
    )


def field_name(location: Sequence[Any]) -> str:
    """Return the name of a field as the caller wrote it: `expiryDate`, `limit`, `tags[2].name`."""
    places = location[1:] if len(location) > 1 else location
    return "".join(
        f"[{place}]" if isinstance(place, int) else f"{'.' if index else ''}{place}"
        for index, place in enumerate(places)
    )


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "no such field"
    if error["type"] == "missing":
        return "is required"
    return str(error["msg"]).removeprefix("Value error, ")
