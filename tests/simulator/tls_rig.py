"""Servers that speak TLS well, badly, or not at all, for the tests of the transport."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache
from typing import Final, cast

from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from simulator.tls import TlsOffer
from tests import miniature_pki as pki

FOUR: Final = ":".join(pki.SUITES.values())
V2, V3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def root_pem() -> str:
    """Return the root that all good certificates here come from."""
    return pki.pem(pki.authority().root)


def offer(**changes: object) -> TlsOffer:
    """Return an offer that trusts that root."""
    return TlsOffer(**{"trust_anchors_pem": root_pem(), **changes})  # type: ignore[arg-type]


@cache
def client_credentials(name: str = "CP1", authority: str = "Miniature root") -> dict[str, str]:
    """Return a client certificate with its key, as `TlsOffer` takes them."""
    key = pki.key("EC", name)
    certificate = pki.authority(authority).issue(key.public_key(), name)
    return {"certificate_chain_pem": pki.pem(certificate), "private_key_pem": pki.key_pem(key)}


@cache
def server_context(
    *,
    kinds: tuple[str, ...] = ("EC", "RSA-2048"),
    name: str = "127.0.0.1",
    hosts: tuple[str, ...] = (),
    authority: str = "Miniature root",
    ends_in: timedelta = 30 * pki.DAY,
    begins_in: timedelta = -pki.DAY,
    suites: str = FOUR,
    oldest: ssl.TLSVersion = V2,
    newest: ssl.TLSVersion = V3,
    clients: ssl.VerifyMode = ssl.CERT_NONE,
) -> ssl.SSLContext:
    """Return a server's context with one certificate for each kind of key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = oldest, newest
    context.set_ciphers(suites)
    for kind in kinds:
        key = pki.key(kind, "server")
        certificate = pki.authority(authority).issue(
            key.public_key(), name, hosts=hosts, begins_in=begins_in, ends_in=ends_in
        )
        path = pki.written(f"rig-{kind}.pem", pki.key_pem(key) + pki.pem(certificate))
        context.load_cert_chain(path)
    context.verify_mode = clients
    context.load_verify_locations(cadata=root_pem())
    return context


async def greeting(socket: ServerConnection) -> None:
    """Say one word and stay."""
    await socket.send("[]")
    await socket.wait_closed()


@asynccontextmanager
async def tls_csms(
    context: ssl.SSLContext | None = None,
    handler: Callable[[ServerConnection], Awaitable[None]] = greeting,
    **options: object,
) -> AsyncIterator[str]:
    """Run a WebSocket server over TLS and give its address."""
    settings = {"subprotocols": [Subprotocol("ocpp1.6")], "close_timeout": 0.05, **options}
    async with serve(
        handler,
        "127.0.0.1",
        0,
        ssl=context or server_context(),
        **settings,  # type: ignore[arg-type]
    ) as server:
        yield f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp"


@asynccontextmanager
async def tcp_server(serve_one: Serve, **options: object) -> AsyncIterator[str]:
    """Run a TCP server and give its address as if it spoke WebSocket over TLS."""
    server = await asyncio.start_server(serve_one, "127.0.0.1", 0, **options)  # type: ignore[arg-type]
    async with server:
        yield f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp"


async def read_hello(reader: asyncio.StreamReader) -> bytes:
    """Read one TLS record."""
    head = await reader.readexactly(5)
    return head + await reader.readexactly(int.from_bytes(head[3:], "big"))


def answering_hello(data: bytes) -> Serve:
    """Return what reads a ClientHello, writes bytes, and closes."""

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_hello(reader)
        writer.write(data)
        writer.close()

    return serve_one


def alert(number: int, *, level: int = 2) -> bytes:
    """Return an alert that is not encrypted."""
    return bytes([21, 3, 3, 0, 2, level, number])


class AlertingServer(asyncio.Protocol):
    """A TLS server that sends its alerts, which those of asyncio do not.

    Attributes:
        heard: what came inside TLS.
        is_over: done once the connection ended.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.is_over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._transport: asyncio.Transport
        self._is_shaken = False
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the ClientHello."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Go on with TLS; hang up after an alert."""
        self._incoming.write(data)
        try:
            if not self._is_shaken:
                self._tls.do_handshake()
                self._is_shaken = True
                self.shaken()
            self.heard += self._tls.read(65_536)
        except ssl.SSLWantReadError:
            self._transport.write(self._outgoing.read())
        except ssl.SSLError as exc:
            self.failed(exc)
            self._transport.write(self._outgoing.read())
            self._transport.close()

    def shaken(self) -> None:
        """Be told that the handshake is over."""

    def failed(self, exc: ssl.SSLError) -> None:
        """Be told why TLS ends here."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that it is over."""
        self.is_over.set_result(None)

    @property
    def client_certificate(self) -> bytes | None:
        """What the client showed, once the handshake was over."""
        return self._tls.getpeercert(binary_form=True) if self._is_shaken else None

    def say(self, text: bytes) -> None:
        """Say something inside TLS."""
        self._tls.write(text)
        self._transport.write(self._outgoing.read())


@asynccontextmanager
async def alerting_server(
    context: ssl.SSLContext,
    *,
    kind: type[AlertingServer] = AlertingServer,
    visits: list[AlertingServer] | None = None,
) -> AsyncIterator[str]:
    """Run a server that sends its alerts; note each of its connections."""

    def serve_one() -> AlertingServer:
        connection = kind(context)
        if visits is not None:
            visits.append(connection)
        return connection

    server = await asyncio.get_running_loop().create_server(serve_one, "127.0.0.1", 0)
    async with server:
        yield f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp"
