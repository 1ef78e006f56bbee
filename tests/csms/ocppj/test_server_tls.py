"""The listener over TLS: what the transport in between must not change, in both event loops."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvloop
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from csms import credentials
from csms.credentials import CredentialChecker
from csms.ocppj.handlers import Handlers, HandlerSettings
from csms.ocppj.server import OcppServer, OcppSettings
from csms.ocppj.tls import charge_point_context
from csms.storage import charge_points
from csms.storage.store import Store
from tests.csms.ocppj.fakes import BOOT
from tests.csms.ocppj.test_server import (
    OCPP,
    System,
    ask,
    basic,
    close_of,
    narrow_socket,
    now,
    raw,
)
from tests.csms.tls_files import client_context, server_files

KEY = "aa" * 20

pytestmark = pytest.mark.slow


class TlsSystem(System):
    """A listener with both doors; CP1 and CP2 have security profile 2."""

    def connect(self, path: str = "CP1", **options: Any) -> connect:
        """Open a connection with the right password."""
        if "sock" not in options:
            options["host"] = "127.0.0.1"
        return connect(
            f"wss://localhost:{self.server.tls_port}/ocpp/{path}",
            proxy=None,
            compression=None,
            subprotocols=OCPP,
            ssl=client_context(),
            server_hostname="localhost",
            additional_headers=basic(path, bytes.fromhex(KEY)),
            **options,
        )


@asynccontextmanager
async def running(folder: Path, **options: Any) -> AsyncIterator[TlsSystem]:
    store = Store.open(f"sqlite:///{folder}/csms.sqlite3")
    server = OcppServer(
        settings=OcppSettings(tls_port=0, **options),
        store=store,
        handlers=Handlers(store, settings=HandlerSettings(), now=now),
        credentials=CredentialChecker(),
        now=now,
        tls=charge_point_context(server_files(folder)),
    )
    try:
        await server.start()
        await server.start_tls()
        verifier = credentials.for_key(KEY)
        for identity in ("CP1", "CP2"):
            await store.write(
                partial(
                    charge_points.register,
                    identity=identity,
                    at=now(),
                    credential=verifier,
                    security_profile=2,
                )
            )
        yield TlsSystem(store, server)
    finally:
        await server.close()
        await store.close()


async def messages_of_any_size_are_answered(folder: Path) -> None:
    """Records of TLS are other pieces than frames: tiny ones, and one of a megabyte."""
    async with running(folder) as system, system.connect(max_size=None, max_queue=None) as client:
        await ask(client, "BootNotification", BOOT)
        for number in range(200):
            await client.send(f'[2,"{number}","Heartbeat",{{}}]')
        for number in range(200):
            assert json.loads(await client.recv())[:2] == [3, str(number)]
        data = {"vendorId": "v", "data": "x" * 1_000_000}

        assert (await ask(client, "DataTransfer", data))[2] == {"status": "UnknownVendorId"}


async def the_live_session_is_found_at_both_doors(folder: Path) -> None:
    """One registry: the newest connection wins, whichever door it came through."""
    async with running(folder) as system:
        async with system.connect() as first, system.connect() as second:
            await ask(second, "BootNotification", BOOT)
            assert await close_of(first) == (1000, "replaced by a newer connection")
            session = system.server.registry.get("CP1")
            assert session is not None
            assert session.security_profile == 2
        await system.until_event("CP1", "closed")

        assert system.server.registry.identities() == []


async def station_that_does_not_read_is_closed(folder: Path) -> None:
    """Once more than the send buffer waits for it; the others do not notice."""
    async with running(folder, send_buffer_bytes=20_000) as system:
        narrow = narrow_socket(system.server.tls_port)
        async with system.connect(sock=narrow) as deaf, system.connect("CP2") as other:
            await ask(deaf, "BootNotification", BOOT)
            await ask(other, "BootNotification", BOOT)
            deaf.transport.pause_reading()
            with suppress(ConnectionClosed):
                for number in range(1_000_000):
                    await deaf.send(f'[2,"{number:036}","{"Foo" * 10}",{{}}]')
            closed = await system.until_event("CP1", "closed")

            assert closed.detail.endswith("it does not read")
            assert (await ask(other, "Heartbeat", {}))[0] == 3
            deaf.transport.abort()


async def silent_station_is_pinged_and_closed(folder: Path) -> None:
    """A peer that gives no sign of life is closed."""
    settings = {"ping_interval_s": 0.05, "ping_timeout_s": 0.1, "close_timeout_s": 0.1}
    async with running(folder, **settings) as system, system.connect() as client:
        client.transport.pause_reading()
        closed = await system.until_event("CP1", "closed")
        client.transport.abort()

        assert "no sign of life" in closed.detail


async def close_says_1001_to_everyone(folder: Path) -> None:
    """Charge points learn that the Central System ends, at both doors."""
    async with running(folder) as system:
        await system.register("PLAIN")
        plain = await System(system.store, system.server).connect("PLAIN")
        clients = [await system.connect(), await system.connect("CP2"), plain]

        await system.server.close()

        assert [(await close_of(client))[0] for client in clients] == [1001] * 3


async def close_does_not_wait_for_those_who_do_not(folder: Path) -> None:
    """Neither for a TLS handshake that never ends nor for a peer that does not answer."""
    async with running(folder, close_timeout_s=0.2) as system:
        client = await system.connect()
        client.transport.pause_reading()
        async with raw(system.server.tls_port):
            began_s = asyncio.get_running_loop().time()

            await system.server.close()

            assert asyncio.get_running_loop().time() - began_s < 2
        client.transport.abort()


async def unfinished_handshake_is_cut(folder: Path) -> None:
    """Who never says a word of TLS does not keep its socket; nor who says nothing after it."""
    async with running(folder, handshake_timeout_s=0.1) as system:
        async with raw(system.server.tls_port) as (reader, _):
            assert await asyncio.wait_for(_rest(reader), 5) == b""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            system.server.tls_port,
            ssl=client_context(),
            server_hostname="localhost",
        )
        assert await asyncio.wait_for(_rest(reader), 5) == b""
        writer.close()


async def no_tls_at_all_is_refused(folder: Path) -> None:
    """A plain request at the TLS door, and the other way round, is no WebSocket."""
    async with running(folder) as system:
        async with raw(system.server.tls_port) as (reader, writer):
            writer.write(b"GET /ocpp/CP1 HTTP/1.1\r\n\r\n")
            assert b"HTTP" not in await asyncio.wait_for(_rest(reader), 5)
        async with system.connect() as client:
            assert (await ask(client, "BootNotification", BOOT))[0] == 3


async def _rest(reader: asyncio.StreamReader) -> bytes:
    with suppress(OSError):
        return await reader.read()
    return b""


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize(
    "scenario",
    [
        messages_of_any_size_are_answered,
        the_live_session_is_found_at_both_doors,
        station_that_does_not_read_is_closed,
        silent_station_is_pinged_and_closed,
        close_says_1001_to_everyone,
        close_does_not_wait_for_those_who_do_not,
        unfinished_handshake_is_cut,
        no_tls_at_all_is_refused,
    ],
    ids=lambda scenario: scenario.__name__,
)
def test_over_tls(
    run: Callable[[Any], None], scenario: Callable[[Path], Any], tmp_path: Path
) -> None:
    """Each in both event loops: asyncio's TLS and uvloop's are different programs."""
    run(scenario(tmp_path))
