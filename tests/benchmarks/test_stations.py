"""The load generator measures what happened, and stops at anything a server must not do."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request
from websockets.typing import Subprotocol

from benchmarks.messages import WORKLOADS, Voice
from benchmarks.stations import Account, LoadError, Station, boot_all, measure

Talk = Callable[[ServerConnection], Awaitable[None]]


async def echo_results(connection: ServerConnection) -> None:
    """Answer every CALL with an empty CALLRESULT, large enough for two-byte lengths."""
    async for text in connection:
        await connection.send(json.dumps([3, json.loads(text)[1], {"padding": "x" * 200}]))


async def serving(talk: Talk) -> tuple[Server, Account]:
    """Return a server on a free port, and an account for it."""
    server = await serve(talk, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")])
    port = next(iter(server.sockets)).getsockname()[1]
    return server, Account(port, "/ocpp", "BENCH/1", "TAG", b"secret")


async def test_stations_shake_hands_and_boot() -> None:
    """The identity is percent-encoded, the password sent, the subprotocol offered."""
    requests: list[Request] = []

    async def talk(connection: ServerConnection) -> None:
        assert connection.request is not None
        requests.append(connection.request)
        await echo_results(connection)

    server, account = await serving(talk)
    async with server:
        stations = [Station(account) for _ in range(3)]
        durations_s = await boot_all(stations)
        for station in stations:
            station.close()

    assert len(durations_s) == len(requests) == 3
    assert requests[0].path == "/ocpp/BENCH%2F1"
    assert requests[0].headers["Authorization"].startswith("Basic ")
    assert requests[0].headers["Sec-WebSocket-Protocol"] == "ocpp1.6"


async def test_measure_counts_answers_and_processor_time() -> None:
    """A window holds the latencies of its answers and the difference of the CPU clock."""
    server, account = await serving(echo_results)
    clock = itertools.count(10.0, 2.5)
    async with server:
        station = Station(account)
        await boot_all([station])
        window = await measure(
            [station],
            WORKLOADS["Heartbeat"],
            cpu_s=lambda: next(clock),
            warm_up_s=0.01,
            duration_s=0.05,
        )
        station.close()

    assert window.cpu_s == 2.5
    assert window.latencies_s
    assert all(0 < latency_s < 1 for latency_s in window.latencies_s)


async def test_a_ping_is_answered() -> None:
    """A server that pings its stations keeps them."""
    ponged = asyncio.Event()

    async def talk(connection: ServerConnection) -> None:
        await (await connection.ping(b"there?"))
        ponged.set()
        await echo_results(connection)

    server, account = await serving(talk)
    async with server:
        station = Station(account)
        await station.open()
        await asyncio.wait_for(ponged.wait(), 5)
        station.close()


async def test_an_error_answer_stops_the_measurement() -> None:
    """A CALLERROR is cheap to send: counting it would flatter the server."""

    async def talk(connection: ServerConnection) -> None:
        async for text in connection:
            await connection.send(json.dumps([4, json.loads(text)[1], "InternalError", "", {}]))

    server, account = await serving(talk)
    async with server:
        station = Station(account)
        await station.open()
        with pytest.raises(LoadError, match="InternalError"):
            await station.ask(Voice("TAG").heartbeat())
        station.close()


async def test_a_closed_connection_stops_the_measurement() -> None:
    """A station that was thrown out does not wait for ever."""

    async def talk(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.close(1008)

    server, account = await serving(talk)
    async with server:
        station = Station(account)
        await station.open()
        with pytest.raises(LoadError, match="closed with"):
            await station.ask(Voice("TAG").heartbeat())
        station.close()


async def test_a_refused_handshake_is_named() -> None:
    """The status line of the refusal is in the error."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(LoadError, match="401 Unauthorized"):
            await Station(Account(port, "", "BENCH1", "TAG")).open()
