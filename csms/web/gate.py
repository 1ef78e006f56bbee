"""What every request passes before a route sees it: the path as sent, the bearer token, its scope.

An ASGI layer and not a dependency, because the framework parses a body before it solves
dependencies: nobody without a token makes us read one.
"""

import hmac
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Request

from csms.credentials import api_token_digest
from csms.domain.model import ApiToken
from csms.domain.scopes import Scope
from csms.domain.secrets import mask_location
from csms.storage.errors import StorageError
from csms.web import problems
from csms.web.problems import Problem
from csms.web.scopes import required_scope

OPEN_PATHS: Final = frozenset({"/health/live", "/health/ready", "/openapi.json"})
FILES: Final = "/files/"  # for charge points: a secret in the path is their token
MAX_BODY_BYTES: Final = 1_048_576  # as large as a frame to a charge point may be
# Bodies that are streamed to disk; their routes bound them by the settings.
STREAMED: Final = (("PUT", "/api/v1/firmware/"), ("PUT", FILES), ("POST", FILES))

_logger: Final = logging.getLogger(__name__)


class Gate:
    """Lets requests with a good bearer token through, and those for `OPEN_PATHS` and `FILES`.

    Args:
        app: what is behind the gate.
        api_token: the token from the settings, if any; it is good for everything.
        find: returns the live token with this digest.
        note: takes a security event: its type, what happened, and the address.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        api_token: str | None,
        find: Callable[[str], Awaitable[ApiToken | None]],
        note: Callable[[str, str, str | None], None],
    ) -> None:
        self._app = app
        self._api_token_digest = None if api_token is None else api_token_digest(api_token)
        self._find = find
        self._note = note

    async def __call__(self, scope: Request, receive: Receive, send: Send) -> None:
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
            _logger.exception("%s %s failed", scope["method"], mask_location(scope["path"]))

    async def _refusal(self, scope: Request) -> Problem | None:
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
            known = await self._find(digest)
        except StorageError as error:
            return Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "storage-unavailable",
                f"the token cannot be checked: {error}",
                headers={"Retry-After": "1"},
            )
        address = None if scope["client"] is None else scope["client"][0]
        if known is None:
            self._note("InvalidApiToken", "a token that is unknown or was revoked", address)
            return _unauthorized("this token is unknown or was revoked")
        required = required_scope(scope["method"], scope["path"])
        if not known.scope.includes(required):
            return _forbidden(known, required)
        return None


def _forbidden(token: ApiToken, required: Scope) -> Problem:
    challenge = f'Bearer realm="csms", error="insufficient_scope", scope="{required}"'
    return Problem(
        HTTPStatus.FORBIDDEN,
        "forbidden",
        f"this wants the scope {required}, and the token {token.name!r} has {token.scope};"
        f" `csms token add NAME --scope {required}` makes one",
        headers={"WWW-Authenticate": challenge},  # RFC 6750 §3.1
    )


def _is_streamed(scope: Request) -> bool:
    return any(
        scope["method"] == method and scope["path"].startswith(prefix)
        for method, prefix in STREAMED
    )


def _announced_bytes(scope: Request) -> int:
    values = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(values[0]) if values else 0  # the server has checked that it is a number


def _unauthorized(detail: str) -> Problem:
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "unauthorized",
        f"{detail}; `csms token add NAME` makes one",
        headers={"WWW-Authenticate": 'Bearer realm="csms"'},
    )
