"""One WebSocket of a charge point: it never makes anyone wait for its peer."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Sequence
from typing import Final

from websockets.asyncio.server import Server, ServerConnection, broadcast
from websockets.frames import CloseCode
from websockets.server import ServerProtocol

from csms.ocppj.door import Admitted, Visitor
from csms.ocppj.session import Session

KERNEL_SEND_BYTES: Final = 65_536  # else the kernel hides for megabytes that a peer does not read
MAX_SILENT: Final = 4096  # connections that have not asked for anything yet
READ_BYTES: Final = 4096  # at a time; what is in them is parsed in one go, frame by tiny frame

_logger: Final = logging.getLogger(__name__)

# Finds a peer that vanished without a word when no pings are set.
_TCP_KEEPALIVE: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 20, "TCP_KEEPCNT": 3}


class Connection(ServerConnection):
    """A connection that never makes anyone wait for its peer."""

    def __init__(
        self,
        connections: "set[Connection]",
        silent: "dict[Connection, None]",
        buffer: memoryview,
        protocol: ServerProtocol,
        server: Server,
        **options: float | int | None,
    ) -> None:
        super().__init__(protocol, server, **options)  # type: ignore[arg-type]  # of several types
        self.admitted: Admitted | None = None
        self.decisions = 0  # how many an operator had taken when `admitted` was read
        self.session: Session | None = None
        self._connections = connections
        self._silent = silent
        self._buffer = buffer
        self._end = ""
        self._heard_s = self.loop.time()
        self._pinged_s: float | None = None
        self._closing: asyncio.Task[None] | None = None

    # Wire of the session.

    def push(self, data: bytes) -> None:
        """Send one text message without waiting; nothing happens on a closing connection."""
        broadcast((self,), data, text=True)

    def begin_close(self, code: int, reason: str) -> None:
        """Begin the closing handshake without waiting for it."""
        if self._closing is None:
            self._end = self._end or reason
            self._closing = self.loop.create_task(self.close(code, reason))

    def forget_handshake(self) -> None:
        """Free the headers, which are a sixth of what an idle connection costs."""
        if self.request is not None and self.response is not None:
            self.request.headers.clear()
            self.response.headers.clear()

    @property
    def address(self) -> str:
        """The peer's address with its port."""
        address = self.remote_address
        return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)

    def visitor(self, identity: str, authorization: Sequence[str]) -> Visitor:
        """Return what the peer shows of itself."""
        tls = self.transport.get_extra_info("ssl_object")
        address = self.remote_address
        return Visitor(
            identity=identity,
            address=str(address[0]) if isinstance(address, tuple) else str(address),
            is_tls=tls is not None,
            authorization=tuple(authorization),
            certificate=None if tls is None else tls.getpeercert(binary_form=True),
        )

    def how_it_ended(self) -> str:
        """Tell for people why the connection ended."""
        code = self.close_code
        said = f"code {code}" if code is not None else "no close code"
        reason = self._end or self.close_reason or ""
        return f"{said}: {reason}" if reason else said

    def check_life(self, now_s: float, *, interval_s: float, timeout_s: float) -> None:
        """Ping a silent peer; close it when it stays silent. Any traffic proves life."""
        if self._pinged_s is not None and self._heard_s >= self._pinged_s:
            self._pinged_s = None
        if self._pinged_s is None:
            if now_s - self._heard_s >= interval_s:
                self._pinged_s = now_s
                self.protocol.send_ping(b"life")
                self.send_data()
        elif now_s - self._pinged_s >= timeout_s:
            self.begin_close(CloseCode.INTERNAL_ERROR, "no sign of life")

    def has_asked(self) -> None:
        """Count as somebody who wants something: the request is here."""
        self._silent.pop(self, None)

    # Events of the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connections.add(self)
        self._silent[self] = None
        tcp = transport.get_extra_info("socket")
        if tcp is not None and tcp.family in (socket.AF_INET, socket.AF_INET6):
            with contextlib.suppress(OSError):
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_SEND_BYTES)
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                for name, value in _TCP_KEEPALIVE.items():
                    if hasattr(socket, name):
                        tcp.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        super().connection_made(transport)
        self.transport.set_protocol(_SmallReads(self, self._buffer))
        if len(self._silent) > MAX_SILENT:  # a charge point asks at once: the oldest is none
            oldest = next(iter(self._silent))
            oldest.has_asked()
            oldest.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._heard_s = self.loop.time()
        super().data_received(data)

    def pause_writing(self) -> None:
        # Called when more than the send buffer waits: pongs count, too.
        super().pause_writing()
        self._end = "it does not read"
        if self.session is not None:
            _logger.warning("%s: closed, it does not read", self.session.identity)
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._silent.pop(self, None)
        super().connection_lost(exc)
        if self.session is not None:
            self.session.end()


class _SmallReads(asyncio.BufferedProtocol):
    """Lets a connection read a little at a time.

    Otherwise up to 256 KiB of tiny frames are taken in before anyone else has a turn. The buffer
    is one for all connections: it is emptied before the event loop turns to another.
    """

    __slots__ = ("_buffer", "_connection")

    def __init__(self, connection: Connection, buffer: memoryview) -> None:
        self._connection = connection
        self._buffer = buffer

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._connection.data_received(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> None:
        self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()
