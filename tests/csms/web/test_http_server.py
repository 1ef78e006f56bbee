"""The HTTP server as a part of our event loop."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from csms.web.http_server import HttpServer


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("hello")(scope, receive, send)


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    """A server on a free port of this machine."""
    server = HttpServer(_app, host="127.0.0.1", port=0)
    await server.start()
    yield server
    await server.close()


async def test_start_leaves_signals_alone() -> None:
    """The program, not the HTTP server, decides what a signal means."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    server = HttpServer(_app, host="127.0.0.1", port=0)

    await server.start()
    during = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    await server.close()

    assert during == before


async def test_answers_are_not_held_back(server: HttpServer) -> None:
    """Nagle's algorithm is off for accepted connections: each answer would wait 40 ms."""
    accepted: list[socket.socket] = []

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        for connection in server._server.server_state.connections:
            accepted.append(connection.transport.get_extra_info("socket"))
        await _app(scope, receive, send)

    server._server.config.loaded_app = look
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(f"http://127.0.0.1:{server.port}/")

    assert accepted
    assert all(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for one in accepted)


async def test_every_address_of_a_name_is_served_at_one_port() -> None:
    """localhost may be 127.0.0.1 and ::1; what this machine does not have is left out."""
    server = HttpServer(_app, host="localhost", port=0)
    await server.start()
    addresses = {one.getsockname()[0] for one in server._sockets}
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            for address in addresses:
                host = f"[{address}]" if ":" in address else address
                assert (await client.get(f"http://{host}:{server.port}/")).text == "hello"
    finally:
        await server.close()

    assert "127.0.0.1" in addresses


async def test_taken_port_is_an_error_and_leaves_nothing_open(server: HttpServer) -> None:
    """The caller learns it as an OSError; nothing ends the program."""
    with pytest.raises(OSError, match="in use"):
        await HttpServer(_app, host="127.0.0.1", port=server.port).start()


async def test_close_is_quick_and_may_come_twice(server: HttpServer) -> None:
    """An idle keep-alive connection holds nothing up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"hello")

    async with asyncio.timeout(1.0):
        await server.close()
        await server.close()

    assert await reader.read() == b""
    writer.close()
