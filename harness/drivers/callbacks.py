"""Where a Central System brings the charge point's answer after it took a command.

Every command has a path of its own that nobody can guess. What comes there in time is its answer;
what comes late, twice or elsewhere is noted and not believed.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, cast

import h11

from harness.drivers.driver import DriverError
from harness.drivers.http_spec import CallbackSpec
from harness.drivers.template import fill_text
from harness.model import Json

_MAX_HEAD: Final = 16 * 1024  # bytes
_MAX_BODY: Final = 256 * 1024  # bytes
_REQUEST_TIMEOUT_S: Final = 10.0
_MAX_CONNECTIONS: Final = 64
_REMEMBERED: Final = 4096  # commands that are over, to know whose a late callback is
_MAX_REMARKS: Final = 20
_METHODS: Final = (b"POST", b"PUT")


@dataclass(frozen=True, slots=True)
class Expected:
    """A callback that is awaited.

    Attributes:
        url: what the Central System is to be told.
        body: what came, once it did.
    """

    url: str
    body: asyncio.Future[Json]


class Callbacks:
    """A small HTTP server that takes what it awaits."""

    def __init__(self, spec: CallbackSpec) -> None:
        self._spec = spec
        self._server: asyncio.Server | None = None
        self._starting = asyncio.Lock()
        self._base_url = ""
        self._awaited: dict[str, tuple[str, Expected]] = {}
        self._over: OrderedDict[str, str] = OrderedDict()
        self._remarks: list[str] = []
        self._unnoted = 0
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What came and belonged to no command that waited for it."""
        more = (f"{self._unnoted} more callbacks were not believed.",) if self._unnoted else ()
        return (*self._remarks, *more)

    async def start(self) -> None:
        """Listen.

        Raises:
            DriverError: it cannot.
        """
        async with self._starting:
            if self._server is None:
                await self._start()

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    @contextmanager
    def expect(self, what: str) -> Iterator[Expected]:
        """Await a callback inside the block.

        Args:
            what: the command in words.
        """
        token = secrets.token_urlsafe(24)
        expected = Expected(f"{self._base_url}/{token}", asyncio.get_running_loop().create_future())
        self._awaited[token] = (what, expected)
        try:
            yield expected
        finally:
            del self._awaited[token]
            expected.body.cancel()
            self._over[token] = what
            if len(self._over) > _REMEMBERED:
                self._over.popitem(last=False)

    # --- inside -----------------------------------------------------------------------------

    async def _start(self) -> None:
        spec = self._spec
        try:
            server = await asyncio.start_server(self._connected, spec.listen, spec.port)
        except OSError as error:
            raise DriverError(
                f"cannot listen on {spec.listen}:{spec.port} for callbacks: "
                f"{error.strerror or error}; correct `driver.callback`"
            ) from error
        port = server.sockets[0].getsockname()[1]
        host = f"[{spec.listen}]" if ":" in spec.listen else spec.listen
        self._base_url = fill_text(spec.url or f"http://{host}:$port", {"port": port}).rstrip("/")
        self._server = server

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        is_welcome = len(self._connections) < _MAX_CONNECTIONS
        self._connections.add(task)
        try:
            if is_welcome:
                with suppress(OSError, TimeoutError):
                    async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                        await self._serve(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self._connections.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        request: h11.Request | None = None
        body = bytearray()
        status = 400
        try:
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    if connection.they_are_waiting_for_100_continue:
                        interim = h11.InformationalResponse(status_code=100, headers=[])
                        await _write(writer, connection.send(interim))
                    connection.receive_data(await reader.read(_MAX_HEAD))
                elif isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.Data):
                    body += event.data
                    if len(body) > _MAX_BODY:
                        self._note("A callback was too long, and not read.")
                        status = 413
                        break
                elif isinstance(event, h11.EndOfMessage):
                    status = self._take(request, bytes(body))
                    break
                else:  # it went away
                    return
        except h11.RemoteProtocolError as error:
            status = error.error_status_hint
        if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            # No length with 204 (RFC 9110 §8.6); the connection ends the others.
            headers = [("Connection", "close")]
            if status != 204:
                headers.append(("Content-Length", "0"))
            response = h11.Response(status_code=status, headers=headers)
            await _write(writer, connection.send(response))

    def _take(self, request: h11.Request | None, body: bytes) -> int:
        """Return the status for a request, after it was believed or noted."""
        if request is None:
            return 400
        token = request.target.decode("latin-1").partition("?")[0].lstrip("/").rpartition("/")[2]
        what, expected = self._awaited.get(token, ("", None))
        if expected is None:
            if token in self._over:
                self._note(f"A callback for {self._over[token]} came late, and was not believed.")
            else:
                self._note("A callback came to a path that no command has, and was not believed.")
            return 404
        if request.method not in _METHODS:
            self._note(f"A callback for {what} was no POST, and was not believed.")
            return 405
        try:
            content = cast(Json, json.loads(body)) if body.strip() else None
        except (ValueError, RecursionError):
            self._note(f"A callback for {what} was no JSON, and was not believed.")
            return 400
        if expected.body.done():
            self._note(f"A callback for {what} came twice; only the first was believed.")
            return 404
        expected.body.set_result(content)
        return 204

    def _note(self, remark: str) -> None:
        if remark in self._remarks or len(self._remarks) >= _MAX_REMARKS:
            self._unnoted += 1
        else:
            self._remarks.append(remark)


async def _write(writer: asyncio.StreamWriter, *parts: bytes | None) -> None:
    writer.writelines([part for part in parts if part])
    await writer.drain()
