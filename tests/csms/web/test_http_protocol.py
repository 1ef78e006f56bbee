"""What a stranger can hold open at the HTTP listener, and for how long."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from csms.web.http_protocol import Waiting
from csms.web.http_server import HttpServer

SOON_S = 0.05
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"
Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer without a look at the body, at /large with more than sockets hold."""
    large = "x" * 30_000_000 if scope["path"] == "/large" else "hello"
    await PlainTextResponse(large)(scope, receive, send)


@contextlib.asynccontextmanager
async def serving(
    *, head_within_s: float = 5.0, read_within_s: float = 5.0, limit: int = 100
) -> AsyncIterator[Callable[[], AbstractAsyncContextManager[Peer]]]:
    """Run a server; yield what connects to it."""
    server = HttpServer(
        _app,
        host="127.0.0.1",
        port=0,
        waiting=Waiting(limit),
        head_within_s=head_within_s,
        read_within_s=read_within_s,
    )
    await server.start()

    @contextlib.asynccontextmanager
    async def connect() -> AsyncIterator[Peer]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1000)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    try:
        yield connect
    finally:
        await server.close()


async def is_ended(reader: asyncio.StreamReader) -> bool:
    """Wait for the end of a connection; what comes before it is read."""
    async with asyncio.timeout(2):
        with contextlib.suppress(ConnectionError):
            while await reader.read(65_536):
                pass
    return True


@pytest.mark.parametrize(
    "sent",
    [b"", HEAD, HEAD + b"X: 1\r\n", HEAD + b"\r\n" + HEAD],
    ids=["nothing", "half a head", "more of it", "half of a second"],
)
async def test_head_must_come_soon(sent: bytes) -> None:
    """Nobody waits for the rest."""
    async with serving(head_within_s=SOON_S) as connect, connect() as (reader, writer):
        writer.write(sent)

        assert await is_ended(reader)


async def test_dripping_head_gains_no_time() -> None:
    """A byte now and then is the usual way to hold a connection."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(SOON_S / 5)

    async with serving(head_within_s=SOON_S) as connect, connect() as (reader, writer):
        writer.write(HEAD + b"X: ")
        dripping = asyncio.create_task(drip(writer))

        assert await is_ended(reader)

        dripping.cancel()


async def test_body_that_nobody_wants_is_not_waited_for() -> None:
    """The answer has left; the rest of the request may not hold the connection."""
    async with serving(head_within_s=SOON_S) as connect, connect() as (reader, writer):
        writer.write(HEAD + b"Content-Length: 1000\r\n\r\nsome")
        assert b"200" in await reader.readline()

        assert await is_ended(reader)


async def test_answer_that_nobody_reads_is_not_kept() -> None:
    """Without an end to it each would hold its memory as well."""
    async with serving(read_within_s=SOON_S) as connect, connect() as (reader, writer):
        writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        await asyncio.sleep(4 * SOON_S)
        transport.resume_reading()

        received = 0
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                received += len(data)

        assert received < 30_000_000


async def test_whoever_waits_longest_makes_room() -> None:
    """Newcomers are served, and so is who just had an answer."""
    async with serving(limit=2) as connect, contextlib.AsyncExitStack() as stack:
        silent, _ = await stack.enter_async_context(connect())
        reader, writer = await stack.enter_async_context(connect())
        writer.write(HEAD + b"\r\n")
        assert b"200" in await reader.readline()
        newest, asking = await stack.enter_async_context(connect())

        assert await is_ended(silent)
        asking.write(HEAD + b"\r\n")
        assert b"200" in await newest.readline()
        writer.write(HEAD + b"\r\n")
        assert (await reader.readuntil(b"hello")).startswith(b"date")
        assert b"200" in await reader.readline()
