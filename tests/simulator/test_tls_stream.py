"""TLS between a transport and a protocol: what comes early, late, or never."""

from __future__ import annotations

import asyncio
import ssl

from simulator.errors import RefusalKind
from simulator.tls import TlsProblem
from simulator.tls_stream import TlsStream
from tests.simulator.tls_rig import AlertingServer, alerting_server, offer, server_context


class Above(asyncio.Protocol):
    """A protocol that notes what it is told."""

    def __init__(self) -> None:
        self.heard = b""
        self.told: list[object] = []
        self.has_heard = asyncio.Event()
        self.is_over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.told.append(transport)

    def data_received(self, data: bytes) -> None:
        self.heard += data
        self.has_heard.set()

    def eof_received(self) -> None:
        self.told.append("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(exc)
        self.is_over.set_result(None)


class Eager(AlertingServer):
    """A server that speaks in the same breath as it ends the handshake."""

    def shaken(self) -> None:
        self._tls.write(b"welcome")


class Hasty(Eager):
    """A server that speaks and is gone."""

    def shaken(self) -> None:
        super().shaken()
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            self._transport.write(self._outgoing.read())
            self._transport.close()


async def connect(url: str) -> TlsStream:
    """Connect and shake hands."""
    stream = TlsStream(offer(), "127.0.0.1")
    port = int(url.rpartition(":")[2].partition("/")[0])
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: stream, "127.0.0.1", port)
    await stream.shake_hands()
    return stream


async def test_words_that_come_with_the_handshake_are_not_lost() -> None:
    """What a server says before anybody listens is kept for who comes."""
    async with alerting_server(server_context(), kind=Eager) as url:
        stream = await connect(url)
        above = Above()
        stream.start(above)
        await above.has_heard.wait()
        stream.abort()
        await above.is_over

    assert above.heard == b"welcome"
    assert above.told[0] is stream
    assert stream.is_closing()


async def test_farewell_that_comes_with_the_handshake_is_not_lost() -> None:
    """A server that is gone before anybody listens was there, and is gone."""
    async with alerting_server(server_context(), kind=Hasty) as url:
        stream = await connect(url)
        above = Above()
        stream.start(above)
        await above.is_over

    assert above.heard == b"welcome"
    assert above.told == [stream, "eof", None]


async def test_alert_in_the_middle_is_why_it_ended() -> None:
    """An alert after the handshake ends the connection, and says why."""
    async with alerting_server(server_context(clients=ssl.CERT_REQUIRED)) as url:
        stream = await connect(url)
        above = Above()
        stream.start(above)
        await above.is_over

    problem = above.told[-1]
    assert isinstance(problem, TlsProblem)
    assert (problem.kind, problem.alert) == (RefusalKind.ALERT, "certificate_required")


async def test_nothing_is_written_after_the_end() -> None:
    """Who goes on speaking after closing is not heard, and raises nothing."""
    visits: list[AlertingServer] = []
    async with alerting_server(server_context(), visits=visits) as url:
        stream = await connect(url)
        above = Above()
        stream.start(above)
        stream.write(b"last")
        stream.close()
        stream.write(b"words")
        stream.close()
        await above.is_over
        await visits[0].is_over

    assert visits[0].heard == b"last"
    assert not stream.can_write_eof()
    assert above.told == [stream, None]
