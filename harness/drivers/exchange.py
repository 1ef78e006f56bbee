"""One HTTP client towards one Central System: requests from templates, answers bounded, login.

A request is sent once; only when the login is not valid any more it is sent again, because then
nothing was done. Redirects are not followed: what was meant for one server is for no other.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, cast

import httpx

from harness.drivers.driver import DriverError
from harness.drivers.http_spec import (
    CommandTemplate,
    HttpDriverSpec,
    LoginTemplate,
    RequestTemplate,
)
from harness.drivers.template import Absent, Values, fill, fill_path, fill_text, find
from harness.model import Json

_MAX_ANSWER: Final = 1 << 20  # bytes
_SUMMARY_LENGTH: Final = 300
_LOOKED_AT: Final = 16 * 1024  # bytes of an answer that a summary may be made of
_CONNECT_TIMEOUT_S: Final = 10.0
# Logging in with a wrong password again and again locks accounts.
_LOGIN_PAUSE_S: Final = 30.0


class ExchangeError(Exception):
    """No answer that could be read: nobody listens, it broke, the login failed."""


@cache
def tls_context() -> ssl.SSLContext:
    """Return the one context of all HTTP clients: reading the certificates takes 50 ms."""
    return httpx.create_ssl_context(trust_env=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP request was answered."""

    status: int
    content: bytes
    url: str
    location: str = ""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def is_client_error(self) -> bool:
        """Whether the status is 4xx."""
        return 400 <= self.status < 500

    @property
    def body(self) -> Json:
        """The JSON in it; None where there is none."""
        try:
            return cast(Json, json.loads(self.content))
        except (ValueError, RecursionError):
            return None


class Exchange:
    """Sends requests as their templates say."""

    def __init__(
        self,
        spec: HttpDriverSpec,
        *,
        timeout_s: float,
        mask: Callable[[str], str],
        on_secret: Callable[[str], None],
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            mask: takes secrets out of a text, before it is cut.
            on_secret: told what logging in gave.

        Raises:
            DriverError: a trust anchor cannot be read.
        """
        self._spec = spec
        self._timeout_s = timeout_s
        self._mask = mask
        self._login = _Login(spec.login, self._once, on_secret) if spec.login else None
        # trust_env off: a proxy of the machine must not stand between us and the CSMS.
        self._http = httpx.AsyncClient(
            base_url=spec.base_url.rstrip("/"),
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
            follow_redirects=False,
            trust_env=False,
            verify=_trusting(spec.trust_anchors),
        )

    async def close(self) -> None:
        """Close the HTTP connections."""
        await self._http.aclose()

    async def log_in(self) -> None:
        """Log in now where that is asked for, or raise ExchangeError."""
        if self._login is not None:
            await self._login.session()

    async def send(self, template: CommandTemplate | RequestTemplate, values: Values) -> Answer:
        """Send a request and return its answer.

        Raises:
            ExchangeError: there was none.
            NoValue: the request cannot be expressed.
        """
        if self._login is None:
            return await self._once(template, values, self._spec.headers)
        session = await self._login.session()
        answer = await self._once(template, {**values, **session.values}, self._spec.headers)
        if answer.status not in self._login.renew_on:
            return answer
        session = await self._login.session(instead_of=session)
        return await self._once(template, {**values, **session.values}, self._spec.headers)

    def said(self, answer: Answer) -> str:
        """Return an answer in one line, without secrets."""
        # Masked before it is cut: half a secret would not be known as one.
        content = answer.content[:_LOOKED_AT].decode("utf-8", errors="replace")
        text = self._mask(" ".join(content.split()))
        if len(text) > _SUMMARY_LENGTH:
            text = text[:_SUMMARY_LENGTH] + "…"
        if 300 <= answer.status < 400:
            to = self._mask(answer.location) or "nowhere"
            text = f"redirects to {to}, which is not followed; correct `driver.base_url` {text}"
        return f"HTTP {answer.status} {text}".rstrip()

    async def _once(
        self,
        template: CommandTemplate | RequestTemplate,
        values: Values,
        headers: Mapping[str, str],
    ) -> Answer:
        tables = self._spec.tables
        sent = {name: fill_text(text, values, tables) for name, text in headers.items()}
        if self._spec.basic_auth and not any(name.lower() == "authorization" for name in sent):
            sent["Authorization"] = _basic(*self._spec.basic_auth)
        for name, text in template.headers.items():
            sent = {key: one for key, one in sent.items() if key.lower() != name.lower()}
            sent[name] = fill_text(text, values, tables)
        sent.setdefault("Accept-Encoding", "identity")  # what is short stays short
        content = None
        body = fill(template.body, values, tables) if template.body is not None else None
        if body is not None and template.method != "GET":
            content = json.dumps(body, ensure_ascii=False).encode()
            sent.setdefault("Content-Type", "application/json")
        path = fill_path(template.path, values, tables)
        what = f"{template.method} {self._spec.base_url.rstrip('/')}{template.path}"
        try:
            # One deadline for the whole exchange: httpx only bounds the gaps between bytes.
            async with (
                asyncio.timeout(self._timeout_s),
                self._http.stream(template.method, path, headers=sent, content=content) as response,
            ):
                return await _read(response)
        except TimeoutError:
            cause = f"no answer within {self._timeout_s:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            cause = str(error) or type(error).__name__
        raise ExchangeError(self._mask(f"{what}: {cause}"))


@dataclass(frozen=True, slots=True)
class _Session:
    values: dict[str, Json]
    ends_s: float | None


class _Login:
    """Logs in once for all who need it, and anew when that is not valid any more."""

    def __init__(
        self,
        template: LoginTemplate,
        send: Callable[[RequestTemplate, Values, Mapping[str, str]], Awaitable[Answer]],
        on_secret: Callable[[str], None],
    ) -> None:
        self.renew_on = template.renew_on
        self._template = template
        self._send = send
        self._on_secret = on_secret
        self._lock = asyncio.Lock()
        self._session: _Session | None = None
        self._failed: tuple[float, str] | None = None

    async def session(self, *, instead_of: _Session | None = None) -> _Session:
        """Return what a login gave; a new one instead of one that was refused."""
        async with self._lock:
            now_s = time.monotonic()
            held = self._session
            is_over = held is not None and held.ends_s is not None and now_s >= held.ends_s
            if held is not None and held is not instead_of and not is_over:
                return held
            self._session = None
            if self._failed is not None and now_s < self._failed[0]:
                raise ExchangeError(self._failed[1])
            try:
                self._session = await self._log_in()
            except ExchangeError as error:
                self._failed = (time.monotonic() + _LOGIN_PAUSE_S, str(error))
                raise
            return self._session

    async def _log_in(self) -> _Session:
        request, began_s = self._template.request, time.monotonic()
        # Without the headers of the other requests: they hold what this is to give.
        answer = await self._send(request, {}, {})
        accepted = answer.status in request.accept if request.accept else answer.is_success
        if not accepted:
            # What it says about a password is nothing to show.
            raise ExchangeError(
                f"could not log in: {request.method} {request.path} answered "
                f"HTTP {answer.status}; see `driver.login` in the system-under-test file"
            )
        values = captured(answer, request)
        for value in values.values():
            if isinstance(value, str):
                self._on_secret(value)
        lifetime_s = self._template.lifetime_s
        return _Session(values, began_s + lifetime_s * 0.9 if lifetime_s else None)


def captured(answer: Answer, request: RequestTemplate) -> dict[str, Json]:
    """Return the named values of an answer, or raise ExchangeError."""
    body = answer.body
    values: dict[str, Json] = {}
    for name, pointer in request.capture.items():
        found: Json | Absent = find(body, pointer)
        if isinstance(found, Absent) or found is None:
            raise ExchangeError(
                f"{request.method} {request.path} answered HTTP {answer.status} without "
                f"anything at {pointer or 'the top'!r}, which should give ${name}"
            )
        values[name] = found
    return values


async def _read(response: httpx.Response) -> Answer:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > _MAX_ANSWER:
            raise ValueError(f"the answer is longer than {_MAX_ANSWER} bytes")
    location = response.headers.get("Location", "")
    return Answer(response.status_code, bytes(content), str(response.url), location)


def _trusting(anchors: Sequence[Path]) -> ssl.SSLContext:
    if not anchors:
        return tls_context()
    context = httpx.create_ssl_context(trust_env=False)
    for path in anchors:
        try:
            context.load_verify_locations(path)
        except (OSError, ssl.SSLError) as error:
            raise DriverError(
                f"{path} cannot be read as PEM certificates: {error}; "
                "correct `driver.trust_anchors`"
            ) from error
    return context


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def present(values: Values) -> dict[str, Json]:
    """Return values without those that are not there."""
    return {name: value for name, value in values.items() if not isinstance(value, Absent)}
