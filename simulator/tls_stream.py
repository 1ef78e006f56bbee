"""TLS on an asyncio connection, written so that each way a handshake may end can be told.

asyncio and uvloop have TLS of their own, but they make one of a peer that closes and one that
resets, hide an alert that comes after the handshake, and let certificate and request out before
anybody could look at the name in the server's certificate.
"""

from __future__ import annotations

import asyncio
from typing import cast

from simulator.errors import RefusalKind
from simulator.tls import Engine, TlsOffer, TlsProblem


class TlsStream(asyncio.Transport, asyncio.Protocol):
    """What stands between a TCP transport below and a protocol above.

    Attributes:
        engine: the TLS of this connection.
    """

    def __init__(self, offer: TlsOffer, host: str) -> None:
        """Make the ClientHello.

        Raises:
            CannotOffer: our own side cannot offer this.
        """
        super().__init__()
        self._tcp: asyncio.Transport
        self.engine = Engine(offer, host)
        self._above: asyncio.Protocol | None = None
        self._shaken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Who was cancelled meanwhile does not ask how it ended.
        self._shaken.add_done_callback(lambda shaken: shaken.cancelled() or shaken.exception())
        self._early = b""
        self._is_lost = False
        self._lost_by: Exception | None = None

    async def shake_hands(self) -> None:
        """Wait for the end of the handshake; nothing more is read then before `start`.

        Raises:
            TlsProblem: it failed.
        """
        await self._shaken

    def start(self, protocol: asyncio.Protocol) -> None:
        """Give the connection to the protocol above."""
        self._above = protocol
        protocol.connection_made(self)
        if self._early:
            protocol.data_received(self._early)
        if self._is_lost:
            asyncio.get_running_loop().call_soon(protocol.connection_lost, self._lost_by)
        elif self.engine.is_ended:
            self._end(protocol)
        elif not self._tcp.is_closing():
            self._tcp.resume_reading()

    # --- the protocol that TCP sees ------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the ClientHello."""
        self._tcp = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Go on with the handshake, or hand over what was said inside TLS."""
        text = self.engine.receive(data)
        self._send()  # after a problem that is our own alert, if OpenSSL has one
        if self._above is None:
            self._early += text
        elif text:
            self._above.data_received(text)
        if self.engine.problem is not None:
            self._fail(self.engine.problem)
        elif self.engine.is_ended and self._above is not None:
            self._end(self._above)
        elif self.engine.facts is not None and not self._shaken.done():
            self._tcp.pause_reading()
            self._shaken.set_result(None)

    def eof_received(self) -> bool | None:
        """Take the end of TCP for the end of all: TLS has no half of a connection."""
        if not self._shaken.done():
            self._shaken.set_exception(self.engine.eof())
        elif self._above is not None:
            self._above.eof_received()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits for something."""
        self._is_lost = True
        self._lost_by = self._lost_by or exc
        if not self._shaken.done():
            if exc is None:
                self._shaken.set_exception(self.engine.eof())
            else:
                reason = "reset: the connection was cut during the TLS handshake"
                self._shaken.set_exception(TlsProblem(reason, RefusalKind.RESET))
        elif self._above is not None:
            self._above.connection_lost(self._lost_by)

    def pause_writing(self) -> None:
        """Hand on that there is too much to send."""
        if self._above is not None:
            self._above.pause_writing()

    def resume_writing(self) -> None:
        """Hand on that there is room again."""
        if self._above is not None:
            self._above.resume_writing()

    def _send(self) -> None:
        data = self.engine.to_send()
        if data and not self._tcp.is_closing():
            self._tcp.write(data)

    def _fail(self, problem: TlsProblem) -> None:
        self._lost_by = problem
        if not self._shaken.done():
            self._shaken.set_exception(problem)
        self._tcp.close()

    def _end(self, above: asyncio.Protocol) -> None:
        """Answer the server's farewell with ours."""
        above.eof_received()
        self.close()

    # --- the transport that the protocol above sees --------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Say something inside TLS."""
        if not self._tcp.is_closing():
            self.engine.send(bytes(data))
            self._send()

    def can_write_eof(self) -> bool:
        """TLS closes both directions or none."""
        return False

    def close(self) -> None:
        """Say farewell and close once everything is sent."""
        if not self._tcp.is_closing():
            self.engine.close()
            self._send()
            self._tcp.close()

    def abort(self) -> None:
        """Cut the connection."""
        self._tcp.abort()

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return self._tcp.is_closing()

    def is_reading(self) -> bool:
        """Whether what comes is handed over."""
        return self._tcp.is_reading()

    def pause_reading(self) -> None:
        """Leave what comes where it is."""
        self._tcp.pause_reading()

    def resume_reading(self) -> None:
        """Hand over again what comes."""
        self._tcp.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Say how much may wait before `pause_writing`."""
        self._tcp.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait."""
        return self._tcp.get_write_buffer_size()

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return what the TCP transport knows."""
        return self._tcp.get_extra_info(name, default)
