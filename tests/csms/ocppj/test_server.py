"""The listener with real sockets and a real database: handshakes, connections, their ends."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvloop
from sqlalchemy import Connection
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from csms import credentials
from csms.credentials import CredentialChecker
from csms.domain.model import ConnectionEvent, RegistrationStatus
from csms.ocppj import connection as connection_module
from csms.ocppj import server as server_module
from csms.ocppj.commands import Answered, CommandNotAllowed, Disconnected
from csms.ocppj.door import Credentials
from csms.ocppj.handlers import Handlers, HandlerSettings, Received
from csms.ocppj.server import OcppServer, OcppSettings
from csms.ocppj.session import MAX_WAITING_CALLS
from csms.storage import charge_points, message_log, quarantine
from csms.storage.errors import CommitFailed
from csms.storage.store import Store
from tests.csms.ocppj.fakes import BOOT

REQUEST_LINE = b"GET /ocpp/CP1 HTTP/1.1\r\n"
OCPP = [Subprotocol("ocpp1.6")]
KEY = "0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF"
START = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": "2026-01-31T12:34:56Z"}


def now() -> datetime:
    return datetime.now(UTC)


class System:
    """A started listener with its database."""

    def __init__(self, store: Store, server: OcppServer) -> None:
        self.store = store
        self.server = server

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.server.port}/ocpp/"

    async def register(self, identity: str, **options: Any) -> None:
        await self.store.write(
            partial(charge_points.register, identity=identity, at=now(), **options)
        )

    async def events(self, identity: str) -> list[ConnectionEvent]:
        events = await self.store.read(partial(charge_points.connection_events, identity=identity))
        return events[::-1]

    async def until_event(self, identity: str, event: str) -> ConnectionEvent:
        """Wait until something was noted about a connection."""
        async with asyncio.timeout(5):
            while True:
                for one in await self.events(identity):
                    if one.event == event:
                        return one
                await asyncio.sleep(0.005)

    def connect(self, path: str = "CP1", **options: Any) -> connect:
        options.setdefault("subprotocols", OCPP)
        return connect(self.url + path, proxy=None, compression=None, **options)


@asynccontextmanager
async def running(
    folder: Path, *, credential_checker: Credentials | None = None, **options: Any
) -> AsyncIterator[System]:
    """Run a listener; CP1 is known and accepts commands after its first boot."""
    store = Store.open(f"sqlite:///{folder}/csms.sqlite3")
    server = OcppServer(
        settings=OcppSettings(**options),
        store=store,
        handlers=Handlers(store, settings=HandlerSettings(), now=now),
        credentials=credential_checker or CredentialChecker(),
        now=now,
    )
    try:
        await server.start()
        system = System(store, server)
        await system.register("CP1")
        yield system
    finally:
        await server.close()
        await store.close()


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    async with running(tmp_path) as started:
        yield started


async def ask(client: ClientConnection, action: str, payload: Any, message_id: str = "1") -> Any:
    await client.send(json.dumps([2, message_id, action, payload]))
    return json.loads(await asyncio.wait_for(client.recv(), 5))


async def close_of(client: ClientConnection) -> tuple[int, str]:
    """Wait for the server to close and return its code and reason."""
    try:
        async with asyncio.timeout(5):
            while True:
                await client.recv()
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")


@asynccontextmanager
async def raw(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a plain TCP connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def narrow_socket(port: int) -> socket.socket:
    """Return a connected socket into which little fits before it must be read."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", port))
    narrow.setblocking(False)
    return narrow


async def status_of(opening: connect) -> int:
    """Return the HTTP status a handshake was refused with."""
    with pytest.raises(InvalidStatus) as caught:
        async with opening:
            pass
    return caught.value.response.status_code


def basic(user: str, password: bytes) -> dict[str, str]:
    encoded = base64.b64encode(user.encode() + b":" + password).decode()
    return {"Authorization": f"Basic {encoded}"}


# --- who may come in -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identity", "path"),
    [
        ("CP1", "CP1"),
        ("RDAM 123", "RDAM%20123"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("a+b", "a+b"),
        ("ü", "%C3%BC"),
        ("CP1", "some/tenant/CP1?token=x&path=/CP2"),
    ],
)
async def test_identity_comes_from_the_path(system: System, identity: str, path: str) -> None:
    """The session bears the decoded identity (CS-WS-03)."""
    await system.register(identity)
    async with system.connect(path) as client:
        await ask(client, "BootNotification", BOOT)

        assert system.server.registry.identities() == [identity]


@pytest.mark.parametrize(
    "path", ["CP2", "", "cp1", "CP1/", "CP%201", "CP1%", "%FF", "CP1%00", "x" * 300]
)
async def test_unknown_identity_is_not_found(system: System, path: str) -> None:
    """HTTP 404, no WebSocket (CS-WS-04)."""
    assert await status_of(system.connect(path)) == 404


@pytest.mark.parametrize(
    ("credential", "headers", "status"),
    [
        ("key", basic("AL1000", bytes.fromhex(KEY)), 101),
        ("key", {"Authorization": "Basic QUwxMDAwOgABAgMEBQYH////////////////"}, 101),
        ("key", basic("AL1000", b"x" * 20), 401),
        ("key", basic("AL1000", b""), 401),
        ("key", basic("CP1", bytes.fromhex(KEY)), 401),
        ("key", basic("al1000", bytes.fromhex(KEY)), 401),
        ("key", {"Authorization": "Bearer x"}, 401),
        ("key", {"Authorization": "Basic %%%"}, 401),
        ("key", {}, 401),
        ("password", basic("AL1000", "pass:wörd".encode()), 101),
        ("password", basic("AL1000", b"pass:word"), 401),
        (None, {}, 101),
        (None, basic("AL1000", b"whatever"), 101),
    ],
)
async def test_credentials(
    system: System, credential: str | None, headers: dict[str, str], status: int
) -> None:
    """Raw bytes, the user name is the identity, 401 asks for Basic (CS-WS-10, CS-WS-11)."""
    verifier = {
        "key": credentials.for_key(KEY),
        "password": credentials.for_password("pass:wörd"),
        None: None,
    }[credential]
    await system.register("AL1000", credential=verifier)
    opening = system.connect("AL1000", additional_headers=headers)
    if status == 101:
        async with opening:
            return
    with pytest.raises(InvalidStatus) as caught:
        async with opening:
            pass

    assert caught.value.response.status_code == status
    assert caught.value.response.headers["WWW-Authenticate"].startswith("Basic ")


async def test_identity_with_slash_authenticates(system: System) -> None:
    """The user name is the decoded identity."""
    await system.register("a/b:c", credential=credentials.for_key(KEY))
    headers = basic("a/b:c", bytes.fromhex(KEY))

    async with system.connect("a%2Fb:c", additional_headers=headers) as client:
        assert (await ask(client, "BootNotification", BOOT))[0] == 3


async def test_open_stations_can_be_kept_out(tmp_path: Path) -> None:
    """With lowest_security_profile 1 a charge point without credential is refused."""
    async with running(tmp_path, lowest_security_profile=1) as system:
        assert await status_of(system.connect()) == 401
        await system.register("CP2", credential=credentials.for_key(KEY))
        async with system.connect(
            "CP2", additional_headers=basic("CP2", bytes.fromhex(KEY))
        ) as client:
            assert (await ask(client, "BootNotification", BOOT))[0] == 3


@pytest.mark.parametrize("status", list(RegistrationStatus))
async def test_automatic_registration(tmp_path: Path, status: RegistrationStatus) -> None:
    """Where the operator allows it, a newcomer is registered with the status he chose."""
    async with running(tmp_path, unknown_charge_points=status) as system:
        async with system.connect("new%20one") as client:
            answer = await ask(client, "BootNotification", BOOT)
            assert answer[2]["status"] == status
        record = await system.store.read(partial(charge_points.get, identity="new one"))

        assert record is not None
        assert record.registration is status


@pytest.mark.parametrize("offered", [None, [Subprotocol("ocpp2.0.1")]])
async def test_broken_handshake_registers_nobody(
    tmp_path: Path, offered: list[Subprotocol] | None
) -> None:
    """A scanner that asks for a path must not leave a charge point behind."""
    async with running(tmp_path, unknown_charge_points=RegistrationStatus.ACCEPTED) as system:
        assert await status_of(system.connect("new", subprotocols=offered)) == 400
        assert await status_of(system.connect("")) == 404
        async with raw(system.server.port) as (reader, writer):
            writer.write(b"GET /ocpp/new HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 426 " in await reader.readline()

        assert len(await system.store.read(charge_points.page)) == 1


async def test_unreadable_database_refuses_with_503(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The charge point will try again; 404 or 401 would be a lie."""

    async def fail(operation: Callable[[Connection], Any]) -> Any:
        raise CommitFailed("locked")

    monkeypatch.setattr(system.store, "read", fail)

    assert await status_of(system.connect()) == 503


# --- subprotocol and compression -----------------------------------------------------------------


@pytest.mark.parametrize(
    "offered",
    [["ocpp1.6"], ["ocpp2.0.1", "ocpp1.6"], ["ocpp1.6", "ocpp2.0.1"], ["ocpp0.1", "ocpp1.6"]],
)
@pytest.mark.parametrize("mismatch", ["reject", "close"])
async def test_offered_1_6_is_chosen(tmp_path: Path, offered: list[str], mismatch: str) -> None:
    """Exactly one of the offered names comes back (CS-WS-06)."""
    async with running(tmp_path, subprotocol_mismatch=mismatch) as system:
        names = [Subprotocol(name) for name in offered]
        async with system.connect(subprotocols=names) as client:
            assert client.subprotocol == "ocpp1.6"


@pytest.mark.parametrize("offered", [None, ["ocpp1.5"], ["OCPP1.6"], ["ocpp2.0.1", "ocpp1.5"]])
async def test_mismatch_is_refused_with_400(system: System, offered: list[str] | None) -> None:
    """As the newest official case demands, even when the URL speaks of 1.6 (CS-WS-07)."""
    names = [Subprotocol(name) for name in offered] if offered else None

    assert await status_of(system.connect("ocpp1.6/CP1", subprotocols=names)) == 400


async def test_mismatch_may_close_after_the_handshake(tmp_path: Path) -> None:
    """By setting: 101 without the header, then close (CS-WS-05)."""
    async with running(tmp_path, subprotocol_mismatch="close") as system:
        async with system.connect(subprotocols=None) as client:
            assert client.subprotocol is None
            assert (await close_of(client))[0] == 1002
        assert "CP1" not in system.server.registry
        assert await status_of(system.connect("CP2", subprotocols=None)) == 404


async def test_a_fleet_that_comes_at_once_waits_in_the_kernel(system: System) -> None:
    """Hundreds of connections before our loop takes any lose no SYN, which would cost seconds."""
    with ExitStack() as stack:
        for _ in range(400):
            address = ("127.0.0.1", system.server.port)
            stack.enter_context(socket.create_connection(address, timeout=0.5))


async def test_compression_is_declined(system: System) -> None:
    """An offer is no demand; the connection works without (CS-WS-16)."""
    async with connect(system.url + "CP1", subprotocols=OCPP, proxy=None) as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers
        assert (await ask(client, "BootNotification", BOOT))[0] == 3


# --- messages ------------------------------------------------------------------------------------


async def test_a_session_from_boot_to_stop(system: System) -> None:
    """The listener, the handlers and the database together."""
    async with system.connect() as client:
        assert (await ask(client, "Heartbeat", {}))[2] == "SecurityError"
        assert (await ask(client, "BootNotification", BOOT))[2]["status"] == "Accepted"
        started = await ask(client, "StartTransaction", START, "s")
        again = await ask(client, "StartTransaction", START, "s")
        assert again == started
        transaction_id = started[2]["transactionId"]
        stop = {"transactionId": transaction_id, "meterStop": 5, "timestamp": START["timestamp"]}
        assert await ask(client, "StopTransaction", stop) == [3, "1", {}]
        assert (await ask(client, "MeterValues", {"connectorId": 1}))[2] == "ProtocolError"
    [kept] = await system.store.read(quarantine.page)

    assert kept.text == '[2, "1", "MeterValues", {"connectorId": 1}]'


async def test_acceptance_outlives_the_connection(system: System) -> None:
    """After a mere reconnect everything is served at once (CS-BOOT-03)."""
    async with system.connect() as client:
        await ask(client, "BootNotification", BOOT)
    async with system.connect() as client:
        assert (await ask(client, "Heartbeat", {}))[0] == 3


async def test_command_over_the_wire(system: System) -> None:
    """Out, a CALL of the charge point across, and the answer in."""
    async with system.connect() as client:
        await ask(client, "BootNotification", BOOT)
        sending = asyncio.create_task(system.server.commands.send("CP1", "ClearCache", {}))
        kind, message_id, action, payload = json.loads(await client.recv())
        assert (kind, action, payload) == (2, "ClearCache", {})
        assert (await ask(client, "Heartbeat", {}, "x"))[:2] == [3, "x"]
        await client.send(json.dumps([3, message_id, {"status": "Rejected"}]))

        assert await sending == Answered({"status": "Rejected"})


@pytest.mark.parametrize("way", ["close", "abort"])
async def test_waiting_command_ends_with_the_connection(system: System, way: str) -> None:
    """At once, and it is not sent again on the next connection (CS-WS-17)."""
    async with system.connect() as client:
        await ask(client, "BootNotification", BOOT)
        sending = asyncio.create_task(system.server.commands.send("CP1", "ClearCache", {}))
        await client.recv()
        if way == "close":
            await client.close()
        else:
            client.transport.abort()
        assert await asyncio.wait_for(sending, 1) == Disconnected()
    async with system.connect() as client:
        assert (await ask(client, "Heartbeat", {}))[0] == 3


async def test_waiting_command_ends_although_handlers_hang(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead disk holds the reader back, but not the news that the connection is gone."""
    going_on = asyncio.Event()

    async def hang(received: Received) -> dict[str, Any]:
        await going_on.wait()
        return {}

    async with system.connect() as client:
        await ask(client, "BootNotification", BOOT)
        sending = asyncio.create_task(system.server.commands.send("CP1", "ClearCache", {}))
        await client.recv()
        monkeypatch.setattr(system.server.handlers, "handle", hang)
        for number in range(MAX_WAITING_CALLS + 2):
            await client.send(f'[2,"{number}","Heartbeat",{{}}]')
        client.transport.abort()
        assert await asyncio.wait_for(sending, 1) == Disconnected()
        going_on.set()


async def test_frames_of_any_make_are_read(system: System) -> None:
    """Fragments, binary frames, a byte order mark, letters in a wrong encoding (CS-WS-18, 19)."""
    async with system.connect() as client:
        await client.send(['[2,"f","Boot', "Notification", f'",{json.dumps(BOOT)}]'])
        assert json.loads(await client.recv())[:2] == [3, "f"]
        await client.send(b'[2,"b","Heartbeat",{}]')
        answer = await client.recv()
        assert isinstance(answer, str)
        assert json.loads(answer)[:2] == [3, "b"]
        await client.send('\ufeff[2,"m","Heartbeat",{}]')
        assert json.loads(await client.recv())[:2] == [3, "m"]
        latin = '[2,"l","DataTransfer",{"vendorId":"Müller"}]'.encode("latin-1")
        await client.send(latin, text=True)
        assert json.loads(await client.recv())[:2] == [3, "l"]


async def test_message_beyond_the_limit_closes_with_1009(system: System) -> None:
    """Up to the limit it is read, also in fragments (CS-WS-18)."""
    limit = 1_048_576
    frame = '[2,"1","DataTransfer",{"vendorId":"v","data":"%s"}]'
    async with system.connect(max_size=None) as client:
        await ask(client, "BootNotification", BOOT)
        await client.send(frame % ("x" * (limit - len(frame) + 2)))
        assert json.loads(await client.recv())[:2] == [3, "1"]
        await client.send(frame % ("x" * limit))

        assert (await close_of(client))[0] == 1009


async def test_everything_is_logged(system: System) -> None:
    """Raw frames of both directions; an AuthorizationKey is masked."""
    async with system.connect() as client:
        await ask(client, "BootNotification", BOOT)
        await client.send("garbage")
        await ask(client, "Heartbeat", {})
        change = {"key": "AuthorizationKey", "value": KEY}
        sending = asyncio.create_task(
            system.server.commands.send("CP1", "ChangeConfiguration", change)
        )
        message_id = json.loads(await client.recv())[1]
        await client.send(json.dumps([3, message_id, {"status": "Accepted"}]))
        await sending
    await system.store.flush()
    log = [one.message for one in await system.store.read(message_log.page)][::-1]

    assert [(one.direction, one.action) for one in log] == [
        ("received", "BootNotification"),
        ("sent", "BootNotification"),
        ("received", None),
        ("received", "Heartbeat"),
        ("sent", "Heartbeat"),
        ("sent", "ChangeConfiguration"),
        ("received", "ChangeConfiguration"),
    ]
    assert log[2].text == "garbage"
    assert not any(KEY in one.text for one in log)


# --- connections that come and go ----------------------------------------------------------------


async def test_newest_connection_wins(system: System) -> None:
    """The old one is closed, its command ends, its end leaves the new one alone (CS-WS-17)."""
    async with system.connect() as old:
        await ask(old, "BootNotification", BOOT)
        sending = asyncio.create_task(system.server.commands.send("CP1", "ClearCache", {}))
        await old.recv()
        async with system.connect() as new:
            assert (await ask(new, "Heartbeat", {}))[0] == 3
            assert await asyncio.wait_for(sending, 2) == Disconnected()
            assert await close_of(old) == (1000, "replaced by a newer connection")
            await system.until_event("CP1", "closed")

            assert system.server.registry.identities() == ["CP1"]
            assert (await ask(new, "Heartbeat", {}, "2"))[0] == 3
            sending = asyncio.create_task(system.server.commands.send("CP1", "ClearCache", {}))
            message_id = json.loads(await new.recv())[1]
            await new.send(json.dumps([3, message_id, {"status": "Accepted"}]))
            assert await sending == Answered({"status": "Accepted"})
    events = [one.event for one in await system.events("CP1")]

    assert events[:4] == ["connected", "replaced", "connected", "closed"]


async def test_old_connection_is_not_heard_any_more(system: System) -> None:
    """What the replaced connection still sends is not carried out."""
    async with system.connect() as old:
        await ask(old, "BootNotification", BOOT)
        old.transport.pause_reading()  # the close does not reach it
        async with system.connect() as new:
            assert (await ask(new, "Heartbeat", {}))[0] == 3
            await old.send(json.dumps([2, "late", "StartTransaction", START]))
            assert (await ask(new, "Heartbeat", {}, "2"))[0] == 3
            await system.store.flush()
            log = await system.store.read(partial(message_log.page, action="StartTransaction"))
            assert log == []
        old.transport.resume_reading()


async def test_many_reconnects_at_once_leave_one_session(system: System) -> None:
    """A race of connections of one identity ends with exactly one that works."""
    clients = await asyncio.gather(*(system.connect() for _ in range(10)))
    alive = []
    for client in clients:
        try:
            await ask(client, "BootNotification", BOOT)
            alive.append(client)
        except ConnectionClosed:
            pass

    assert len(alive) == 1
    assert system.server.registry.identities() == ["CP1"]
    await asyncio.gather(*(client.close() for client in clients))


async def test_operator_can_disconnect(system: System) -> None:
    """A charge point that was removed is closed, and tells so in its history."""
    async with system.connect() as client:
        await ask(client, "BootNotification", BOOT)
        assert system.server.disconnect("CP1", "charge point removed")
        assert not system.server.disconnect("CP1")
        assert await close_of(client) == (1008, "charge point removed")
    closed = await system.until_event("CP1", "closed")

    assert closed.detail == "code 1008: charge point removed"


async def test_operator_decision_reaches_the_live_session(system: System) -> None:
    """`set_registration` acts on who is connected, and does nothing for others."""
    async with system.connect() as client:
        await ask(client, "BootNotification", BOOT)
        system.server.set_registration("CP2", RegistrationStatus.REJECTED)
        system.server.set_registration("CP1", RegistrationStatus.REJECTED)

        assert (await ask(client, "Heartbeat", {}))[2] == "SecurityError"


async def test_acceptance_that_was_not_told_does_not_come_with_a_reconnect(
    system: System,
) -> None:
    """The charge point still holds itself for Pending (CS-BOOT-06)."""
    for decided in (RegistrationStatus.PENDING, RegistrationStatus.ACCEPTED):
        async with system.connect() as client:
            await ask(client, "BootNotification", BOOT)
        await system.store.write(
            partial(charge_points.change, identity="CP1", at=now(), registration=decided)
        )
    async with system.connect() as client:
        assert (await ask(client, "Heartbeat", {}))[2] == "SecurityError"
        with pytest.raises(CommandNotAllowed):
            await system.server.commands.send("CP1", "RemoteStartTransaction", {"idTag": "A"})
        await ask(client, "BootNotification", BOOT, "2")
        assert (await ask(client, "Heartbeat", {}, "3"))[0] == 3


async def test_session_tells_who_and_when(system: System) -> None:
    """Facts for the API."""
    before = now()
    async with system.connect() as client:
        await ask(client, "BootNotification", BOOT)
        session = system.server.registry.get("CP1")
        assert session is not None
        assert session.is_accepted
        assert before <= session.connected_at <= session.last_received_at <= now()
        assert session.remote_address.startswith("127.0.0.1:")


# --- peers that misbehave ------------------------------------------------------------------------


@pytest.mark.slow
async def test_station_that_does_not_read_is_closed(tmp_path: Path) -> None:
    """Once more than the send buffer waits for it; the others do not notice."""
    async with running(tmp_path, send_buffer_bytes=20_000) as system:
        await system.register("CP2")
        narrow = narrow_socket(system.server.port)
        async with system.connect(sock=narrow) as deaf, system.connect("CP2") as other:
            await ask(deaf, "BootNotification", BOOT)
            await ask(other, "BootNotification", BOOT)
            deaf.transport.pause_reading()
            flood = asyncio.create_task(_flood(deaf))
            closed = await system.until_event("CP1", "closed")
            await flood

            assert closed.detail.endswith("it does not read")
            assert (await ask(other, "Heartbeat", {}))[0] == 3


@pytest.mark.slow
async def test_station_that_pings_and_does_not_read_is_closed(tmp_path: Path) -> None:
    """Pongs fill the send buffer as well."""
    async with running(tmp_path, send_buffer_bytes=20_000) as system:
        narrow = narrow_socket(system.server.port)
        async with system.connect(sock=narrow) as deaf:
            deaf.transport.pause_reading()
            with suppress(ConnectionClosed):
                for number in range(1_000_000):
                    await deaf.ping(f"{number:0125}")
        closed = await system.until_event("CP1", "closed")

        assert closed.detail.endswith("it does not read")


async def _flood(client: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        for number in range(1_000_000):
            await client.send(f'[2,"{number:036}","{"Foo" * 10}",{{}}]')


async def test_tiny_frames_are_taken_in_bit_by_bit(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood in one segment must not hold the event loop until all of it is parsed."""
    sizes: list[int] = []
    enough = asyncio.Event()
    take = connection_module.Connection.data_received

    def data_received(connection: connection_module.Connection, data: bytes) -> None:
        sizes.append(len(data))
        take(connection, data)
        if sum(sizes) > 2 * connection_module.READ_BYTES:
            enough.set()

    monkeypatch.setattr(connection_module.Connection, "data_received", data_received)
    async with system.connect(max_queue=None) as client:
        await ask(client, "BootNotification", BOOT)
        client.transport.write(b"\x81\x81\0\0\0\0x" * 1300)
        await asyncio.wait_for(enough.wait(), 5)

    assert max(sizes) <= connection_module.READ_BYTES


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "count", "at_least_s"),
    [
        ("garbage", 300, 300 * server_module.USELESS_PAUSE_S),
        ('[3,"never-asked",{}]', 300, 300 * server_module.USELESS_PAUSE_S),
        (
            f'[2,"1","DataTransfer",{{"vendorId":"v","data":"{"x" * 100_000}"}}]',
            2,
            200_000 / server_module.LARGE_FRAME_RATE,
        ),
        ('[2,"1","Foo",{}]', 2000, 20 * server_module.FLOOD_PAUSE_S),
    ],
)
async def test_who_asks_much_of_us_is_slowed_down(
    system: System, text: str, count: int, at_least_s: float
) -> None:
    """Useless, large and piled-up messages are read at a pace that leaves room for others."""
    async with system.connect(max_queue=None) as client:
        await ask(client, "BootNotification", BOOT)
        clock = asyncio.get_running_loop().time
        started_s = clock()
        for _ in range(count):
            await client.send(text)
        await client.send('[2,"last","Heartbeat",{}]')
        while json.loads(await client.recv())[1] != "last":
            pass

        assert at_least_s <= clock() - started_s < at_least_s + 5


async def test_messages_one_by_one_are_not_slowed_down(system: System) -> None:
    """Who waits for each answer never meets a pause, however many they are."""
    async with system.connect() as client:
        await ask(client, "BootNotification", BOOT)
        pauses = []
        sleep = asyncio.sleep

        async def noted(delay_s: float) -> None:
            pauses.append(delay_s)
            await sleep(delay_s)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio, "sleep", noted)
            for number in range(100):
                await ask(client, "Heartbeat", {}, f"{number}")

    assert set(pauses) <= {0}


async def test_vanished_peers_are_found_without_pings(system: System) -> None:
    """TCP keepalive is on, and the kernel hides little of what a peer does not read."""
    async with system.connect():
        [connection] = system.server._connections
        tcp = connection.transport.get_extra_info("socket")

        assert tcp.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert tcp.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * 65_536


@pytest.mark.slow
async def test_silent_station_is_pinged_and_closed(tmp_path: Path) -> None:
    """A peer that gives no sign of life, not even a pong, is closed."""
    settings: dict[str, Any] = {
        "ping_interval_s": 0.05,
        "ping_timeout_s": 0.1,
        "close_timeout_s": 0.1,
    }
    async with running(tmp_path, **settings) as system:
        async with system.connect() as client:
            client.transport.pause_reading()
            closed = await system.until_event("CP1", "closed")
            client.transport.abort()

        assert "no sign of life" in closed.detail


@pytest.mark.slow
async def test_any_traffic_proves_life(tmp_path: Path) -> None:
    """A charge point that answers no ping but talks is left alone."""
    settings: dict[str, Any] = {"ping_interval_s": 0.05, "ping_timeout_s": 0.2}
    async with running(tmp_path, **settings) as system, system.connect(max_queue=None) as client:
        client.transport.pause_reading()  # no pongs
        for number in range(20):
            await client.send(f'[2,"{number}","Foo",{{}}]')
            await asyncio.sleep(0.03)
        client.transport.resume_reading()

        assert json.loads(await client.recv())[2] == "SecurityError"


@pytest.mark.slow
async def test_pongs_are_enough(tmp_path: Path) -> None:
    """An idle charge point that pongs stays."""
    settings: dict[str, Any] = {"ping_interval_s": 0.03, "ping_timeout_s": 0.1}
    async with running(tmp_path, **settings) as system, system.connect() as client:
        await asyncio.sleep(0.4)

        assert (await ask(client, "BootNotification", BOOT))[0] == 3


async def test_slow_handshake_is_cut(tmp_path: Path) -> None:
    """Who never finishes the request does not keep its socket."""
    async with (
        running(tmp_path, handshake_timeout_s=0.1) as system,
        raw(system.server.port) as (reader, writer),
    ):
        writer.write(REQUEST_LINE)

        assert await asyncio.wait_for(_drained(reader), 5) == b""


async def _drained(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
        b"GET /ocpp/CP\xc3\xbc HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
    ],
)
async def test_what_is_no_handshake_is_ended_quietly(
    system: System, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Port scanners leave no stack trace, and the listener goes on."""
    async with raw(system.server.port) as (reader, writer):
        writer.write(request_)
        answer = await asyncio.wait_for(_drained(reader), 5)

    assert not answer.startswith(b"HTTP/1.1 101")
    assert "Traceback" not in caplog.text
    async with system.connect() as client:
        assert (await ask(client, "BootNotification", BOOT))[0] == 3


# --- the end -------------------------------------------------------------------------------------


async def test_of_too_many_silent_connections_the_oldest_makes_room(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Charge points ask at once; those who are in are not counted."""
    monkeypatch.setattr("csms.ocppj.connection.MAX_SILENT", 2)
    await system.register("CP1")
    async with system.connect() as station, AsyncExitStack() as stack:
        silent = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", system.server.port)
            stack.callback(writer.close)
            silent.append(reader)
        with suppress(ConnectionError):
            assert await asyncio.wait_for(silent[0].read(), 2) == b""

        async with system.connect() as again:
            await asyncio.wait_for(station.wait_closed(), 2)  # replaced, not dropped
            assert station.close_code == 1000
            await (await again.ping())
        assert not silent[2].at_eof()


async def test_close_says_1001_to_everyone(tmp_path: Path) -> None:
    """Commands under way end, events are noted, and new connections are refused."""
    async with running(tmp_path) as system:
        await system.register("CP2")
        async with system.connect() as first, system.connect("CP2") as second:
            await ask(first, "BootNotification", BOOT)
            sending = asyncio.create_task(system.server.commands.send("CP1", "ClearCache", {}))
            await first.recv()
            port = system.server.port
            closing = asyncio.create_task(system.server.close())

            assert (await close_of(first))[0] == 1001
            assert (await close_of(second))[0] == 1001
            await closing
            assert await sending == Disconnected()
            assert not system.server.is_serving
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        assert (await system.events("CP2"))[-1].event == "closed"


async def test_close_does_not_wait_for_those_who_do_not(tmp_path: Path) -> None:
    """A peer that never answers the close and one amid its handshake are cut."""
    async with running(tmp_path, close_timeout_s=0.1) as system, system.connect() as deaf:
        await ask(deaf, "BootNotification", BOOT)
        deaf.transport.pause_reading()
        async with raw(system.server.port) as (_, writer):
            writer.write(REQUEST_LINE)
            started_s = asyncio.get_running_loop().time()
            await system.server.close()

            assert asyncio.get_running_loop().time() - started_s < 1.5
        deaf.transport.abort()


async def test_close_cuts_handshakes_at_once(tmp_path: Path) -> None:
    """Nobody there has a session to end in order."""
    async with running(tmp_path) as system, raw(system.server.port) as (_, writer):
        writer.write(REQUEST_LINE)
        await asyncio.sleep(0.05)
        started_s = asyncio.get_running_loop().time()
        await system.server.close()

        assert asyncio.get_running_loop().time() - started_s < 1


async def test_taken_port_is_an_os_error(system: System, tmp_path: Path) -> None:
    """The shell turns it into a message for people."""
    second = OcppServer(
        settings=OcppSettings(port=system.server.port),
        store=system.store,
        handlers=system.server.handlers,
        credentials=CredentialChecker(),
        now=now,
    )
    with pytest.raises(OSError, match="address already in use"):
        await second.start()
    assert not second.is_serving
    await second.close()


# --- the other event loop ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario",
    [
        test_station_that_does_not_read_is_closed,
        test_station_that_pings_and_does_not_read_is_closed,
        test_silent_station_is_pinged_and_closed,
        test_any_traffic_proves_life,
        test_slow_handshake_is_cut,
        test_mismatch_may_close_after_the_handshake,
        test_close_says_1001_to_everyone,
        test_close_does_not_wait_for_those_who_do_not,
    ],
)
def test_same_with_uvloop(scenario: Callable[[Path], Any], tmp_path: Path) -> None:
    """What depends on the transport holds in uvloop, which `csms serve` uses."""
    uvloop.run(scenario(tmp_path))


class SlowChecker:
    """Takes as long over a password as the test wants."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def check(self, verifier: str, password: bytes, *, address: str) -> bool:
        self.asked.set()
        await self.go_on.wait()
        return True


async def test_a_charge_point_removed_during_its_handshake_stays_out(tmp_path: Path) -> None:
    """Who is not known any more when the password has been checked is not let in."""
    checker = SlowChecker()
    async with running(tmp_path, credential_checker=checker) as system:
        await system.register("CP2", credential=credentials.for_key(KEY))
        key = basic("CP2", bytes.fromhex(KEY))
        opening = asyncio.create_task(_opened(system, "CP2", key))
        await checker.asked.wait()

        await system.store.write(partial(charge_points.remove, identity="CP2"))
        assert system.server.disconnect("CP2") is False
        checker.go_on.set()

        client = await opening
        assert (await close_of(client))[0] == 1008
        assert system.server.registry.get("CP2") is None


async def test_a_decision_during_the_handshake_counts(tmp_path: Path) -> None:
    """A charge point rejected while its password is checked gets no commands."""
    checker = SlowChecker()
    async with running(tmp_path, credential_checker=checker) as system:
        await system.register("CP2", credential=credentials.for_key(KEY))
        key = basic("CP2", bytes.fromhex(KEY))
        opening = asyncio.create_task(_opened(system, "CP2", key))
        await checker.asked.wait()

        rejected = RegistrationStatus.REJECTED
        await system.store.write(
            partial(charge_points.change, identity="CP2", registration=rejected, at=now())
        )
        system.server.set_registration("CP2", rejected)
        checker.go_on.set()

        client = await opening
        await system.until_event("CP2", "connected")
        with pytest.raises(CommandNotAllowed):
            await system.server.commands.send("CP2", "ClearCache", {})
        await client.close()


async def _opened(system: System, identity: str, headers: dict[str, str]) -> ClientConnection:
    return await system.connect(identity, additional_headers=headers)
