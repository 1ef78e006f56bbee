"""What every request passes before a route sees it: the path as sent, and the bearer token.

An ASGI layer and not a dependency, because the framework parses a body before it solves
dependencies: nobody without a token makes us read one.
"""

import hmac
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from csms.credentials import api_token_digest
from csms.storage.errors import StorageError
from csms.web import problems
from csms.web.problems import Problem

OPEN_PATHS: Final = frozenset({"/health/live", "/health/ready", "/openapi.json"})
FILES: Final = "/files/"  # for charge points: a secret in the path is their token
MAX_BODY_BYTES: Final = 1_048_576  # as large as a frame to a charge point may be
# Bodies that are streamed to disk; their routes bound them by the settings.
STREAMED: Final = (("PUT", "/api/v1/firmware/"), ("PUT", FILES), ("POST", FILES))

_logger: Final = logging.getLogger(__name__)


class Gate:
    """Lets requests with a valid bearer token through, and those for `OPEN_PATHS` and `FILES`.

    Args:
        app: what is behind the gate.
        api_token: the token from the settings, if any.
        is_known: tells whether the digest of a token is that of a live one.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        api_token: str | None,
        is_known: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._app = app
        self._api_token_digest = None if api_token is None else api_token_digest(api_token)
        self._is_known = is_known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Routes match the path before percent-decoding, so that an identity with an encoded
        # slash stays one segment; each parameter is decoded by itself (csms.web.parameters).
        scope["path"] = scope["raw_path"].decode("ascii")
        if scope["path"] not in OPEN_PATHS and not scope["path"].startswith(FILES):
            problem = await self._refusal(scope)
            if problem is not None:
                await problems.respond(problem)(scope, receive, send)
                return
        if _announced_bytes(scope) > MAX_BODY_BYTES and not _is_streamed(scope):
            problem = Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "content-too-large",
                f"a request body has at most {MAX_BODY_BYTES} bytes",
            )
            await problems.respond(problem)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except Exception:  # answered with a problem already
            _logger.exception("%s %s failed", scope["method"], scope["path"])

    async def _refusal(self, scope: Scope) -> Problem | None:
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, token = (values[0] if len(values) == 1 else b"").partition(b" ")
        if scheme.lower() != b"bearer" or not token.strip():
            return _unauthorized("send the header `Authorization: Bearer TOKEN`")
        digest = api_token_digest(token.strip().decode("utf-8", "surrogateescape"))
        if self._api_token_digest is not None and hmac.compare_digest(
            digest, self._api_token_digest
        ):
            return None
        try:
            if await self._is_known(digest):
                return None
        except StorageError as error:
            return Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "storage-unavailable",
                f"the token cannot be checked: {error}",
                headers={"Retry-After": "1"},
            )
        return _unauthorized("this token is unknown or was revoked")


def _is_streamed(scope: Scope) -> bool:
    return any(
        scope["method"] == method and scope["path"].startswith(prefix)
        for method, prefix in STREAMED
    )


def _announced_bytes(scope: Scope) -> int:
    values = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(values[0]) if values else 0  # the server has checked that it is a number


def _unauthorized(detail: str) -> Problem:
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "unauthorized",
        f"{detail}; `csms token add NAME` makes one",
        headers={"WWW-Authenticate": 'Bearer realm="csms"'},
    )
