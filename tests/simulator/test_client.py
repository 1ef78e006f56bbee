"""A station on real sockets: what crosses the wire, when, and how it ends."""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from simulator.charge_point import ChargePoint
from simulator.client import Call, Endpoint, HandshakeRefused, Station
from simulator.errors import LocalProtocolError
from simulator.outputs import (
    Credential,
    KeyType,
    MakeCsr,
    Ping,
    ScriptedAnswer,
    UseCredentials,
)
from simulator.tls import TlsOffer
from simulator.trace import Direction, Event, EventKind
from tests import miniature_pki as pki
from tests.simulator.tls_rig import offer, root_pem, server_context, tls_csms

Handler = Callable[[ServerConnection], Awaitable[None]]


async def answering(socket: ServerConnection) -> None:
    """Answer every CALL with an empty result."""
    async for text in socket:
        frame = json.loads(text)
        if frame[0] == 2:
            await socket.send(json.dumps([3, frame[1], {}]))


@asynccontextmanager
async def csms(handler: Handler = answering, **options: object) -> AsyncIterator[str]:
    """Run a server on a free port and give its address."""
    settings = {"subprotocols": [Subprotocol("ocpp1.6")], "close_timeout": 0.05, **options}
    async with serve(handler, "127.0.0.1", 0, **settings) as server:  # type: ignore[arg-type]
        port = server.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/ocpp"


class Bench:
    """A station with its record."""

    def __init__(
        self,
        url: str,
        *,
        identity: str = "CP 1/2",
        password: bytes | None = None,
        on_call: Callable[[Call], bool] | None = None,
        open_timeout_s: float = 5.0,
        is_active: bool = False,
        keys: dict[str, str] | None = None,
    ) -> None:
        self.events: list[Event] = []
        self.notices: list[str] = []
        self.station = Station(
            ChargePoint(identity, keys=keys),
            Endpoint(url, identity, password),
            record=self.events.append,
            on_call=on_call,
            is_active=is_active,
            open_timeout_s=open_timeout_s,
            on_notice=self.notices.append,
        )

    def actions(self) -> list[str]:
        """Return the actions of the CALLs sent."""
        frames = [json.loads(text) for text in self.texts(Direction.SENT)]
        return [frame[2] for frame in frames if frame[0] == 2]

    def kinds(self) -> list[EventKind]:
        """Return the kinds of all events so far."""
        return [event.kind for event in self.events]

    def texts(self, direction: Direction) -> list[str]:
        """Return the texts that went one way."""
        return [event.text for event in self.events if event.direction is direction]


async def test_call_gets_its_answer_and_both_are_recorded() -> None:
    """A CALL returns its result with the events of both frames, in the order of time."""
    async with csms() as url:
        bench = Bench(url)
        await bench.station.connect()
        answer = await bench.station.call("Heartbeat", {}, timeout_s=5)
        await bench.station.shut_down()

    assert answer.result == {}
    assert answer.sent is bench.events[1]
    assert answer.received is bench.events[2]
    assert answer.sent.monotonic_s <= answer.received.monotonic_s
    assert bench.kinds() == [
        EventKind.OPENED,
        EventKind.FRAME,
        EventKind.FRAME,
        EventKind.CLOSED,
    ]
    assert bench.events[0].detail["subprotocol"] == "ocpp1.6"
    assert bench.events[3].detail["by"] == "charge_point"


async def test_identity_is_percent_encoded_and_password_is_raw_bytes() -> None:
    """The handshake carries the encoded identity and bytes that are no text."""
    seen: list[Request] = []

    def look(_: ServerConnection, request: Request) -> None:
        seen.append(request)

    key = bytes.fromhex("0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF")
    async with csms(process_request=look) as url:
        bench = Bench(url, identity="AL1000", password=key)
        await bench.station.connect()
        await bench.station.shut_down()
        other = Bench(url)
        await other.station.connect()
        await other.station.shut_down()

    # the test vector of OCPP-J 1.6 §6.2.2
    expected = "Basic QUwxMDAwOgABAgMEBQYH////////////////"
    assert seen[0].headers["Authorization"] == expected
    assert "Authorization" not in seen[1].headers
    assert seen[1].path == "/ocpp/CP%201%2F2"


async def test_calls_wait_for_each_other() -> None:
    """Two CALLs at once leave one after the other."""
    open_calls: list[str] = []
    crossed = asyncio.Event()

    async def slow(socket: ServerConnection) -> None:
        async for text in socket:
            open_calls.append(json.loads(text)[1])
            if len(open_calls) > 1:
                crossed.set()
            await asyncio.sleep(0)
            message_id = open_calls.pop()
            await socket.send(json.dumps([3, message_id, {}]))

    async with csms(slow) as url:
        bench = Bench(url)
        await bench.station.connect()
        await asyncio.gather(*(bench.station.call("Heartbeat", {}, timeout_s=5) for _ in range(10)))
        await bench.station.shut_down()

    directions = [event.direction for event in bench.events if event.kind is EventKind.FRAME]
    assert directions == [Direction.SENT, Direction.RECEIVED] * 10
    assert not crossed.is_set()


async def test_missing_answer_times_out() -> None:
    """No answer is told as such, and the next CALL is free to leave."""

    async def silent_once(socket: ServerConnection) -> None:
        await socket.recv()
        await answering(socket)

    async with csms(silent_once) as url:
        bench = Bench(url)
        await bench.station.connect()
        missing = await bench.station.call("Heartbeat", {}, timeout_s=0.02)
        given = await bench.station.call("Heartbeat", {}, timeout_s=5)
        await bench.station.shut_down()

    assert missing.timed_out
    assert missing.sent is not None
    assert missing.received is None
    assert given.result == {}


async def test_call_error_is_returned() -> None:
    """A CALLERROR is the answer's error, not an exception."""

    async def refusing(socket: ServerConnection) -> None:
        async for text in socket:
            message_id = json.loads(text)[1]
            await socket.send(json.dumps([4, message_id, "NotSupported", "no", {}]))

    async with csms(refusing) as url:
        bench = Bench(url)
        await bench.station.connect()
        answer = await bench.station.call("Heartbeat", {}, timeout_s=5)
        await bench.station.shut_down()

    assert answer.error is not None
    assert answer.error.code == "NotSupported"


async def test_connection_closed_by_csms() -> None:
    """A close frame of the CSMS ends the open CALL and is recorded as the CSMS's."""

    async def leaving(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.close(1001, "going away")

    async with csms(leaving) as url:
        bench = Bench(url)
        await bench.station.connect()
        answer = await bench.station.call("Heartbeat", {}, timeout_s=5)
        await bench.station.wait_closed()
        again = await bench.station.call("Heartbeat", {}, timeout_s=5)

    assert answer.disconnected
    assert answer.sent is not None
    assert again.disconnected
    assert again.sent is None
    assert bench.events[-1].kind is EventKind.CLOSED
    assert bench.events[-1].detail == {"code": 1001, "reason": "going away", "by": "csms"}
    assert not bench.station.is_connected


async def test_connection_lost() -> None:
    """A transport that ends without a close frame is recorded as lost."""

    async def dying(socket: ServerConnection) -> None:
        socket.transport.abort()

    async with csms(dying) as url:
        bench = Bench(url)
        await bench.station.connect()
        await bench.station.wait_closed()

    assert bench.events[-1].detail["by"] == "lost"
    assert bench.events[-1].detail["code"] == 1006


async def test_dropped_connection_reopens() -> None:
    """A dropped connection is recorded as dropped; the next one has the next number."""
    async with csms() as url:
        bench = Bench(url)
        await bench.station.connect()
        bench.station.drop()
        await bench.station.wait_closed()
        await bench.station.connect()
        await bench.station.shut_down()

    closed = [event for event in bench.events if event.kind is EventKind.CLOSED]
    assert [event.detail["by"] for event in closed] == ["dropped", "charge_point"]
    assert [event.connection for event in bench.events] == [1, 1, 2, 2]


async def test_csms_call_is_left_to_the_caller() -> None:
    """A CALL that `on_call` takes is not answered by the model; the caller answers it."""
    taken: asyncio.Queue[Call] = asyncio.Queue()

    def take(call: Call) -> bool:
        taken.put_nowait(call)
        return call.action == "Reset"

    received: list[str] = []

    async def asking(socket: ServerConnection) -> None:
        await socket.send('[2,"a","Reset",{"type":"Soft"}]')
        await socket.send('[2,"b","Nonsense",{}]')
        async for text in socket:
            received.append(str(text))
            if len(received) == 2:
                await socket.close()

    async with csms(asking) as url:
        bench = Bench(url, on_call=take)
        await bench.station.connect()
        call = await taken.get()
        event = await bench.station.answer(call, {"status": "Rejected"})
        await bench.station.wait_closed()

    assert event is not None
    assert event.text == '[3,"a",{"status":"Rejected"}]'
    assert event.text in received
    assert any('[4,"b",' in text for text in received)


async def test_scripted_answers() -> None:
    """A script's answer, CALLERROR, silence and delay take the model's place, once each."""

    async def asking(socket: ServerConnection) -> None:
        for number in range(3):
            await socket.send(json.dumps([2, str(number), "ClearCache", {}]))
        await answers.put(str(await socket.recv()))
        await answers.put(str(await socket.recv()))
        await socket.send('[2,"late","ClearCache",{}]')
        await answers.put(str(await socket.recv()))
        await socket.close()

    answers: asyncio.Queue[str] = asyncio.Queue()
    async with csms(asking) as url:
        bench = Bench(url)
        script = bench.station.charge_point.script_answer
        script("ClearCache", ScriptedAnswer(payload={"status": "Rejected"}))
        script("ClearCache", ScriptedAnswer(is_silent=True))
        script("ClearCache", ScriptedAnswer(error_code="InternalError", error_description="x"))
        script("ClearCache", ScriptedAnswer(payload={"status": "Accepted"}, delay_s=0.02))
        await bench.station.connect()
        await bench.station.wait_closed()

    assert await answers.get() == '[3,"0",{"status":"Rejected"}]'
    assert await answers.get() == '[4,"2","InternalError","x",{}]'
    assert await answers.get() == '[3,"late",{"status":"Accepted"}]'
    asked, answered = bench.events[-3:-1]
    assert asked.text.startswith('[2,"late"')
    assert answered.monotonic_s - asked.monotonic_s >= 0.019  # timers tick in milliseconds


async def test_junk_does_not_end_the_reader() -> None:
    """Binary, broken and unknown messages are recorded, and the next CALL is still served."""

    async def rude(socket: ServerConnection) -> None:
        for junk in ("", "junk", "[]", '[9,"1",{}]', "[" * 50_000, b"\x00\x01", '[3,"no",{}]'):
            await socket.send(junk)
        await answering(socket)

    async with csms(rude) as url:
        bench = Bench(url)
        await bench.station.connect()
        answer = await bench.station.call("Heartbeat", {}, timeout_s=5)
        await bench.station.shut_down()

    assert answer.result == {}
    assert bench.kinds().count(EventKind.BINARY) == 1
    assert bench.events[6].text == "0001"
    assert bench.texts(Direction.RECEIVED)[:4] == ["", "junk", "[]", '[9,"1",{}]']


async def test_raw_text_leaves_as_it_stands() -> None:
    """Any text can be sent, spaces and all."""
    received: asyncio.Queue[str] = asyncio.Queue()

    async def listening(socket: ServerConnection) -> None:
        async for text in socket:
            await received.put(str(text))

    async with csms(listening) as url:
        bench = Bench(url)
        await bench.station.connect()
        event = await bench.station.send_text(' [2 , "x",')
        assert await received.get() == ' [2 , "x",'
        await bench.station.shut_down()

    assert event is bench.events[1]
    assert await bench.station.send_text("gone") is None


async def test_ping_is_timed_and_recorded() -> None:
    """A ping gives its round trip and two events."""
    async with csms() as url:
        bench = Bench(url)
        await bench.station.connect()
        round_trip_s = await bench.station.ping(5.0)
        await bench.station.shut_down()

    assert round_trip_s is not None
    assert 0 <= round_trip_s < 5
    assert bench.kinds()[1:3] == [EventKind.PING, EventKind.PONG]
    assert await bench.station.ping(5.0) is None


@pytest.mark.parametrize("status", [400, 401, 404, 302, 503])
async def test_http_refusal_has_its_status(status: int) -> None:
    """A refusal by HTTP is raised and recorded with the status, redirects included."""

    def refuse(socket: ServerConnection, _: Request) -> Response:
        response = socket.respond(status, "no\n")
        response.headers["Location"] = "ws://127.0.0.1:9/"
        return response

    async with csms(process_request=refuse) as url:
        bench = Bench(url)
        with pytest.raises(HandshakeRefused) as caught:
            await bench.station.connect()

    assert caught.value.status == status
    assert str(status) in caught.value.reason
    assert bench.kinds() == [EventKind.REFUSED]
    assert bench.events[0].detail["status"] == status


async def test_missing_subprotocol_is_not_hidden() -> None:
    """A 101 answer that chose no subprotocol opens the connection and says so."""
    async with csms(subprotocols=None) as url:
        bench = Bench(url)
        await bench.station.connect()
        await bench.station.shut_down()

    assert bench.events[0].kind is EventKind.OPENED
    assert bench.events[0].detail["subprotocol"] is None


async def test_subprotocol_that_was_not_offered_is_refused() -> None:
    """A CSMS that chooses what nobody offered did not shake hands."""

    def choose(*_: object) -> Subprotocol:
        return Subprotocol("ocpp2.0.1")

    async with csms(select_subprotocol=choose) as url:
        bench = Bench(url)
        with pytest.raises(HandshakeRefused) as caught:
            await bench.station.connect()

    assert caught.value.status == 101
    assert "ocpp2.0.1" in caught.value.reason


@asynccontextmanager
async def tcp_server(
    serve_one: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """Run a plain TCP server and give its address as if it spoke WebSocket."""
    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp"


async def refusal(url: str, open_timeout_s: float = 5.0) -> HandshakeRefused:
    """Return what connecting to `url` raises."""
    bench = Bench(url, open_timeout_s=open_timeout_s)
    with pytest.raises(HandshakeRefused) as caught:
        await bench.station.connect()
    assert bench.events[0].detail["reason"] == caught.value.reason
    assert caught.value.status is None
    return caught.value


async def test_unreachable_reset_eof_timeout_and_nonsense_are_told_apart() -> None:
    """Each way of not answering has its own reason."""

    async def eof(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.transport.abort()

    async def nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n\r\n")
        writer.close()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with tcp_server(eof) as url:
        assert (await refusal(url)).reason.startswith(("EOF", "reset"))
    async with tcp_server(reset) as url:
        assert (await refusal(url)).reason.startswith(("EOF", "reset"))
    async with tcp_server(nonsense) as url:
        assert (await refusal(url)).reason.startswith("the answer is no HTTP")
    async with tcp_server(silent) as url:
        assert (await refusal(url, open_timeout_s=0.05)).reason.startswith("timeout")
    assert (await refusal(url)).reason.startswith("unreachable")
    assert (await refusal("http://127.0.0.1:9/x")).reason.startswith("not a WebSocket address")


async def test_connecting_twice_is_our_own_mistake() -> None:
    """A station that is connected refuses to connect again."""
    async with csms() as url:
        bench = Bench(url)
        await bench.station.connect()
        with pytest.raises(LocalProtocolError):
            await bench.station.connect()
        await bench.station.shut_down()


async def test_csms_that_never_reads_does_not_stop_our_reader() -> None:
    """We go on reading while our own writing is stuck."""
    spoken, over = asyncio.Event(), asyncio.Event()

    async def deaf(socket: ServerConnection) -> None:
        socket.transport.pause_reading()
        await spoken.wait()
        for number in range(20):
            await socket.send(json.dumps([2, str(number), "ClearCache", {}]))
        await over.wait()
        socket.transport.abort()

    calls: list[Call] = []
    heard = asyncio.Event()

    def count(call: Call) -> bool:
        calls.append(call)
        if len(calls) == 20:
            heard.set()
        return True

    async with csms(deaf) as url:
        bench = Bench(url, on_call=count)
        await bench.station.connect()
        writes = [asyncio.create_task(bench.station.send_text("x" * 2**20)) for _ in range(16)]
        spoken.set()
        async with asyncio.timeout(5):
            await heard.wait()
        bench.station.drop()
        over.set()
        await asyncio.gather(*writes)
        await bench.station.wait_closed()

    assert len(calls) == 20


async def test_closed_socket_is_not_our_exception() -> None:
    """Writing to a connection the peer just closed raises nothing."""

    async def brief(socket: ServerConnection) -> None:
        try:
            await socket.recv()
        except ConnectionClosed:
            return
        await socket.close()

    async with csms(brief) as url:
        bench = Bench(url)
        await bench.station.connect()
        await asyncio.gather(*(bench.station.send_text("x") for _ in range(50)))
        await bench.station.wait_closed()

    assert bench.events[-1].kind is EventKind.CLOSED


# --- an active station -----------------------------------------------------------------------


async def accepting(socket: ServerConnection) -> None:
    """Accept everybody and everything."""
    answers = {
        "BootNotification": {
            "status": "Accepted",
            "currentTime": "2026-01-31T12:00:00Z",
            "interval": 300,
        },
        "Authorize": {"idTagInfo": {"status": "Accepted"}},
        "StartTransaction": {"transactionId": 1, "idTagInfo": {"status": "Accepted"}},
    }
    with suppress(ConnectionClosed):
        async for text in socket:
            frame = json.loads(text)
            if frame[0] == 2:
                await socket.send(json.dumps([3, frame[1], answers.get(frame[2], {})]))


async def test_active_station_boots_and_charges() -> None:
    """The model speaks by itself, and inputs make it speak."""
    async with csms(accepting) as url:
        bench = Bench(url, is_active=True)
        await bench.station.apply("power_on")
        await bench.station.connect()
        await bench.station.wait_until_idle()
        await bench.station.apply("plug_in", connector_id=1)
        await bench.station.apply("present_tag", id_tag="A")
        await bench.station.wait_until_idle()
        await bench.station.shut_down()

    assert bench.actions() == [
        "BootNotification",
        *["StatusNotification"] * 4,
        "Authorize",
        "StartTransaction",
        "StatusNotification",
    ]
    assert bench.station.charge_point.connectors[1].report.status == "Charging"


@pytest.mark.slow
async def test_timers_run_without_a_connection() -> None:
    """What is due while offline happens, and is told with the next connection."""
    async with csms(accepting) as url:
        bench = Bench(url, is_active=True, keys={"ConnectionTimeOut": "1"})
        await bench.station.apply("power_on")
        await bench.station.connect()
        await bench.station.wait_until_idle()
        bench.station.drop()
        await bench.station.wait_closed()
        bench.events.clear()
        await bench.station.apply("plug_in", connector_id=1)
        await bench.station.wait_until(lambda: bool(bench.notices))
        await bench.station.connect()
        await bench.station.wait_until_idle()
        await bench.station.shut_down()

    (text,) = bench.texts(Direction.SENT)
    assert json.loads(text)[3]["status"] == "Finishing"
    assert bench.notices == ["Connector 1: nothing happened within ConnectionTimeOut"]


async def test_reset_answers_first_then_hangs_up_then_boots() -> None:
    """The answer leaves before the socket closes, and the next connection starts with boot."""
    resets = iter([True, False])

    async def resetting(socket: ServerConnection) -> None:
        if next(resets):
            await socket.send('[2,"r","Reset",{"type":"Hard"}]')
        await accepting(socket)

    async with csms(resetting) as url:
        bench = Bench(url, is_active=True)
        await bench.station.connect()
        await bench.station.apply("power_on")
        await bench.station.wait_closed()
        assert bench.events[-1].detail["by"] == "charge_point"
        assert '[3,"r",{"status":"Accepted"}]' in bench.texts(Direction.SENT)
        bench.events.clear()
        await bench.station.connect()
        await bench.station.wait_until_idle()
        await bench.station.shut_down()

    assert bench.actions() == ["BootNotification", *["StatusNotification"] * 3]


async def test_power_loss_cuts_the_line() -> None:
    """Without power there is no close frame."""
    async with csms(accepting) as url:
        bench = Bench(url, is_active=True)
        await bench.station.connect()
        await bench.station.apply("power_on")
        await bench.station.wait_until_idle()
        await bench.station.apply("power_off")
        await bench.station.wait_closed()

    assert bench.events[-1].detail["by"] == "dropped"


async def test_connection_without_pong_is_given_up() -> None:
    """A ping that is never answered ends the connection, whatever TCP believes."""

    async def deaf(socket: ServerConnection) -> None:
        socket.transport.pause_reading()
        await over.wait()
        socket.transport.abort()

    over = asyncio.Event()
    async with csms(deaf) as url:
        bench = Bench(url, is_active=True)
        await bench.station.connect()
        assert await bench.station.ping(0.01) is None
        bench.station._carry_out([Ping(timeout_s=0.02)])
        await bench.station.wait_closed()
        over.set()

    assert bench.kinds()[-2:] == [EventKind.PING, EventKind.CLOSED]
    assert bench.events[-1].detail["by"] == "dropped"


async def test_impossible_input_is_raised() -> None:
    """An input that cannot happen is the caller's to know."""
    bench = Bench("ws://127.0.0.1:9/x", is_active=True)
    with pytest.raises(LocalProtocolError, match="the power is off"):
        await bench.station.apply("reboot")


# --- security profiles -----------------------------------------------------------------------


class Door:
    """A CSMS that commands one thing after the other, and notes how a station came in."""

    def __init__(self, commands: list[tuple[str, dict[str, object]]]) -> None:
        self.commands = commands
        self.results: list[dict[str, object]] = []
        self.seen: list[tuple[str | None, object]] = []
        self.csr = ""
        self._changed = asyncio.Event()

    async def wait_until(self, is_so: Callable[[], object]) -> None:
        """Wait for something that a station has to say."""
        async with asyncio.timeout(5):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    async def serve(self, socket: ServerConnection) -> None:
        """Accept the station, then command what is next."""
        tls = socket.transport.get_extra_info("ssl_object")
        certificate = tls and tls.getpeercert()
        assert socket.request is not None
        self.seen.append(
            (
                socket.request.headers.get("Authorization"),
                certificate and certificate["subject"][0][0][1],
            )
        )
        name, payload = self.commands.pop(0)
        await socket.send(json.dumps([2, "c", name, payload]))
        async for text in socket:
            frame = json.loads(text)
            self._changed.set()
            if frame[0] == 3:
                self.results.append(frame[2])
                continue
            if frame[2] == "SignCertificate":
                self.csr = frame[3]["csr"]
            now = datetime.now(UTC).isoformat()
            answer = {"status": "Accepted", "currentTime": now, "interval": 300}
            with suppress(ConnectionClosed):  # what it said before it left is still to be read
                await socket.send(json.dumps([3, frame[1], answer]))


async def test_station_climbs_to_the_highest_profile() -> None:
    """A station goes where its profile is served, with a password, then with a certificate."""
    key = "00FF" * 8 + "3A3A"
    raised: dict[str, object] = {"key": "SecurityProfile", "value": "2"}
    door = Door(
        [
            ("ChangeConfiguration", {"key": "AuthorizationKey", "value": key}),
            ("ChangeConfiguration", raised),
            ("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"}),
        ]
    )
    context = server_context(clients=ssl.CERT_OPTIONAL, kinds=("EC",))
    events: list[Event] = []
    async with csms(door.serve) as plain, tls_csms(context, door.serve) as secure:
        charge_point = ChargePoint(
            "CP1",
            keys={"SecurityProfile": "1", "CpoName": "Preflight"},
            password=b"first",
            central_system_roots=[root_pem()],
            key_type=KeyType.ECDSA,
        )
        station = Station(
            charge_point,
            Endpoint(plain, "CP1", b"first"),
            record=events.append,
            is_active=True,
            endpoints={
                2: Endpoint(secure, "CP1", tls=offer()),
                3: Endpoint(secure, "CP1", tls=offer()),
            },
        )
        await station.apply("power_on")
        for _ in range(2):
            await station.connect()
            await station.wait_closed()
        await station.connect()
        await door.wait_until(lambda: door.csr)
        chain = pki.pem(pki.authority().sign(door.csr, ["CP1"]))
        await station.close()
        door.commands += [
            ("CertificateSigned", {"certificateChain": chain}),
            ("ChangeConfiguration", {**raised, "value": "3"}),
            ("ClearCache", {}),
        ]
        await station.connect()
        await door.wait_until(lambda: len(door.results) == 4)
        await station.close()
        await station.connect()
        await station.wait_closed()
        await station.connect()
        await station.shut_down()

    new = "Basic " + b64encode(b"CP1:" + bytes.fromhex(key)).decode()
    assert [result["status"] for result in door.results[:5]] == ["Accepted"] * 5
    assert door.seen == [
        ("Basic " + b64encode(b"CP1:first").decode(), None),
        (new, None),
        (new, None),
        (new, None),
        (new, None),
        (None, "CP1"),
    ]
    assert [str(event.detail["url"])[:4] for event in events if event.kind is EventKind.OPENED] == [
        *["ws:/"] * 2,
        *["wss:"] * 4,
    ]


async def test_station_goes_back_to_what_was_taken_before() -> None:
    """New credentials that are refused again and again give way to the old ones."""
    wrong = b64encode(b"CP1:" + bytes(20)).decode()
    change: dict[str, object] = {"key": "AuthorizationKey", "value": "00" * 20}
    door = Door([("ChangeConfiguration", change), ("ClearCache", {})])
    refused = 0

    def look(socket: ServerConnection, request: Request) -> Response | None:
        nonlocal refused
        if request.headers["Authorization"] != f"Basic {wrong}":
            return None
        refused += 1
        return socket.respond(401, "no\n")

    async with csms(door.serve, process_request=look) as url:
        keys = {"SecurityProfile": "1"}
        bench = Bench(url, identity="CP1", password=b"old", is_active=True, keys=keys)
        await bench.station.apply("power_on")
        await bench.station.connect()
        await bench.station.wait_closed()
        for _ in range(3):
            with pytest.raises(HandshakeRefused):
                await bench.station.connect()
        await bench.station.connect()
        await bench.station.shut_down()

    assert refused == 3
    assert [basic for basic, _ in door.seen] == ["Basic " + b64encode(b"CP1:old").decode()] * 2


@pytest.mark.parametrize(
    ("wanted", "password", "chain"),
    [
        (UseCredentials(security_profile=0), None, ""),
        (UseCredentials(security_profile=1), b"present", ""),
        (UseCredentials(security_profile=1, password=b"new"), b"new", ""),
        (UseCredentials(security_profile=2), b"second", ""),
        (UseCredentials(security_profile=2, password=b"new"), b"new", ""),
        (UseCredentials(security_profile=3), None, "third"),
        (UseCredentials(security_profile=3, password=b"new"), None, "third"),
        (
            UseCredentials(
                security_profile=3, certificate=Credential(chain_pem="new", private_key_pem="key")
            ),
            None,
            "new",
        ),
    ],
)
def test_each_profile_shows_its_own(
    wanted: UseCredentials, password: bytes | None, chain: str
) -> None:
    """Profiles 1 and 2 send a password, 3 shows a certificate, none of them both."""
    third = TlsOffer(certificate_chain_pem="third", private_key_pem="key")
    station = Station(
        ChargePoint("CP1", keys={"SecurityProfile": "1"}),
        Endpoint("ws://first", "CP1", b"present"),
        record=lambda _: None,
        endpoints={
            2: Endpoint("wss://second", "CP1", b"second", tls=third),
            3: Endpoint("wss://third", "CP1", b"third", tls=third),
        },
    )
    station.use(wanted)
    station.use(replace(wanted, roots_pem=("root",)))

    tls = station.endpoint.tls
    assert tls is not None
    assert station.endpoint.password == password
    assert (tls.certificate_chain_pem, bool(tls.private_key_pem)) == (chain, bool(chain))
    assert tls.installed_roots_pem == ("root",)
    assert (
        station.endpoint.url
        == {
            0: "ws://first",
            1: "ws://first",
            2: "wss://second",
            3: "wss://third",
        }[wanted.security_profile]
    )


async def test_keys_that_are_still_made_at_the_end_trouble_nobody() -> None:
    """A station that is shut down takes no request to sign any more."""
    bench = Bench("ws://127.0.0.1:9")
    order = MakeCsr(number=1, key_type=KeyType.ECDSA, common_name="CP1", organisation="O")
    bench.station._carry_out([order])
    await bench.station.shut_down()

    assert not bench.station._key_makers
