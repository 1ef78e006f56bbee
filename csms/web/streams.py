"""Bodies of any size: to disk and from disk in pieces, with bounded memory."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import IO, Final

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from csms.files.ranges import Part, Refusal, requested_part
from csms.files.vault import FileTooLarge, Incoming
from csms.web.problems import Problem

PIECE_BYTES: Final = 262_144
IDLE_S: Final = 60.0  # without a byte
MAX_STREAMED_BYTES: Final = 2**50  # for the framework, whose limit is fixed; ours is a setting


class BrokenOff(Exception):
    """The body did not come whole; the message says why."""


async def receive_body(request: Request, incoming: Incoming) -> None:
    """Write a request's body to disk.

    Raises:
        BrokenOff: the client went away or fell silent.
        OSError: it is too large or cannot be stored.
    """
    pieces = bytearray()
    body = request.stream()
    broken_off = ""
    try:
        while True:
            async with asyncio.timeout(IDLE_S):
                piece = await anext(body, None)
            if piece is None:
                break
            pieces += piece
            if len(pieces) >= PIECE_BYTES:
                await asyncio.to_thread(incoming.write, bytes(pieces))
                pieces.clear()
    except ClientDisconnect:
        broken_off = "the connection ended in the middle"
    except TimeoutError:
        broken_off = f"nothing came for {IDLE_S:g} s"
    await asyncio.to_thread(incoming.write, bytes(pieces))
    if broken_off:
        raise BrokenOff(broken_off)


def check_announced(request: Request, limit_bytes: int) -> None:
    """Refuse a body that is too long or is a part of something, before it is read.

    Raises:
        Problem: it is.
    """
    if int(request.headers.get("content-length", 0)) > limit_bytes:
        raise too_large(limit_bytes)
    if "content-range" in request.headers:  # RFC 9110 §14.5: stored, it would pass for the whole
        raise Problem(HTTPStatus.BAD_REQUEST, "partial-upload", "send the whole file at once")


def too_large(limit_bytes: int) -> Problem:
    """Return the problem of a file that is too large."""
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "content-too-large",
        f"a file here has at most {limit_bytes} bytes",
    )


def not_stored(error: OSError, limit_bytes: int) -> Problem:
    """Return the problem of a file that could not be stored."""
    if isinstance(error, FileTooLarge):
        return too_large(limit_bytes)
    return Problem(
        HTTPStatus.INSUFFICIENT_STORAGE,
        "not-stored",
        f"the file could not be stored: {error.strerror or error}",
    )


class FileAnswer(Response):
    """A file, or the part of it that was asked for.

    The file is opened once: what is sent is all from one file, whatever happens to its name.
    """

    def __init__(
        self,
        file: IO[bytes],
        *,
        etag: str,
        headers: Mapping[str, str],
        begun: Callable[[Part], Awaitable[int]] | None = None,
        ended: Callable[[int, int, bool], Awaitable[None]] | None = None,
        may_resume: bool = True,
        media_type: str = "application/octet-stream",
    ) -> None:
        """Prepare an answer.

        Args:
            file: open for reading; it is closed when it was served.
            etag: its strong entity tag, quoted.
            headers: further ones.
            begun: told what will be sent; returns a number for `ended`.
            ended: told that number, the bytes sent and whether that was all.
            may_resume: see `requested_part`.
            media_type: of the file.
        """
        super().__init__(media_type=media_type)
        self._file = file
        self._etag = etag
        self._more = dict(headers)
        self._begun = begun
        self._ended = ended
        self._may_resume = may_resume

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        try:
            await self._serve(scope, receive, send)
        finally:
            await asyncio.to_thread(self._file.close)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        size_bytes = await asyncio.to_thread(self._file.seek, 0, 2)
        part = requested_part(
            _conditions(scope), etag=self._etag, size_bytes=size_bytes, may_resume=self._may_resume
        )
        headers = {"etag": self._etag, "accept-ranges": "bytes", **self._more}
        if isinstance(part, Refusal):
            if part is Refusal.NOT_SATISFIABLE:
                headers["content-range"] = f"bytes */{size_bytes}"
            answer = Response(status_code=part.value, headers=headers)
            await answer(scope, receive, send)
            return
        headers["content-type"] = self.media_type or ""
        headers["content-length"] = str(part.end - part.first)
        if part.is_partial:
            headers["content-range"] = f"bytes {part.first}-{part.end - 1}/{size_bytes}"
        await send(
            {
                "type": "http.response.start",
                "status": 206 if part.is_partial else 200,
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            }
        )
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
        else:
            await self._send_part(part, size_bytes, receive, send)

    async def _send_part(self, part: Part, size_bytes: int, receive: Receive, send: Send) -> None:
        number = await self._begun(part) if self._begun else 0
        at = await asyncio.to_thread(self._file.seek, part.first)
        gone = asyncio.create_task(_disconnected(receive))
        try:
            while at < part.end and not gone.done():
                piece = await asyncio.to_thread(self._file.read, min(PIECE_BYTES, part.end - at))
                if not piece:
                    raise OSError("the file on disk ended too soon")
                is_last = at + len(piece) == part.end
                await send({"type": "http.response.body", "body": piece, "more_body": not is_last})
                if not gone.done():
                    at += len(piece)
            if part.first == part.end:
                await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            if self._ended:
                await self._ended(number, at - part.first, at == size_bytes)


def _conditions(scope: Scope) -> dict[str, str]:
    """Return the request's headers; several of one name joined (RFC 9110 §5.2)."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    if scope["method"] == "HEAD":  # RFC 9110 §14.2: Range is defined for GET alone
        headers.pop("range", None)
    return headers


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
