"""One charge point on real WebSockets: carries out what the model wants, keeps its times.

The tasks of a connection (reader, writer, timer) live in one `TaskGroup` and end with it. The
reader never waits for the writer, so a CSMS that does not read cannot stop us from reading.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, assert_never
from uuid import uuid4

from simulator.charge_point import ChargePoint, encode
from simulator.errors import HandshakeRefused, LocalProtocolError
from simulator.frames import Call, CallError, CallResult, Payload, parse
from simulator.key_pairs import make_csr
from simulator.outputs import (
    CancelTransfer,
    Download,
    Hangup,
    MakeCsr,
    Notice,
    Output,
    Ping,
    TransferEnd,
    Transmit,
    Upload,
    UseCredentials,
)
from simulator.session import Outcome, Reply, Request
from simulator.tls import TlsOffer
from simulator.trace import Event
from simulator.transfers import Transfers
from simulator.transport import Connection, Endpoint, open_connection, read_clock

__all__ = ["Answer", "Call", "CallError", "Endpoint", "HandshakeRefused", "Station"]

# Security profiles, white paper ed. 3 §1.
SEND_PASSWORD: Final = (1, 2)
SHOWS_CERTIFICATE: Final = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """How a CALL of ours ended.

    Attributes:
        sent: the event of our frame; None where it never left.
        received: the event of the answer; None where none came.
        result: payload of the CALLRESULT.
        error: the CALLERROR.
        timed_out: no answer came in time.
        disconnected: the connection ended before one came.
    """

    sent: Event | None
    received: Event | None = None
    result: Payload | None = None
    error: CallError | None = None
    timed_out: bool = False
    disconnected: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Outgoing:
    """One thing the writer does: write `text`, or close where it is None."""

    text: str | bytes | None
    request: Request | None = None
    written: asyncio.Future[Event | None] | None = None


class Station:
    """One charge point on real WebSockets; its model can be overridden at every point.

    Attributes:
        endpoint: where the next connection goes, as whom; may be replaced at any time.
        connections: how many connections were opened; events name them by this number.
    """

    def __init__(
        self,
        charge_point: ChargePoint,
        endpoint: Endpoint,
        *,
        record: Callable[[Event], None],
        on_call: Callable[[Call], bool] | None = None,
        is_active: bool = False,
        open_timeout_s: float = 30.0,
        on_notice: Callable[[str], None] | None = None,
        endpoints: Mapping[int, Endpoint] | None = None,
        pace: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Make a station that is not connected yet.

        Args:
            endpoint: where it connects first.
            record: told of every event at the moment it happens.
            on_call: asked about every CALL of the CSMS; True means the caller answers it itself.
            is_active: the model speaks by itself (boot, heartbeat, meter values …).
            on_notice: told what somebody in front of the charge point would notice.
            endpoints: by security profile, where the model goes when it changes its profile; one
                that is not there is served where the station connects now.
            pace: waited for before a connection is opened and before each message is written;
                the event of the message is younger than that wait.
        """
        self.charge_point = charge_point
        self.endpoint = endpoint
        profile = charge_point.keys.integer("SecurityProfile")
        self._endpoints = {profile: endpoint, **(endpoints or {})}
        self._record = record
        self._on_call = on_call
        self._on_notice = on_notice
        self._open_timeout_s = open_timeout_s
        self._pace = pace
        self._connection: Connection | None = None
        self.connections = 0
        self._life: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._outbox: deque[_Outgoing] = deque()
        self._outbox_filled = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_s: float | None = None
        self._changed = asyncio.Event()
        self._last_received: Event | None = None
        self._sent: dict[Request, Event] = {}
        self._pings = 0
        self._transfers = Transfers(self._report_transfer)
        self._key_makers: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        charge_point.is_active = is_active

    # --- connection ----------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """Whether the WebSocket is open."""
        return self._connection is not None

    async def connect(self) -> None:
        """Open a connection; what the model has to say about it is sent.

        Raises:
            CannotOffer: our own TLS cannot offer what the endpoint wants.
            HandshakeRefused: no WebSocket came about.
            LocalProtocolError: there is one already.
        """
        if self._life is not None and not self._life.done():
            raise LocalProtocolError(f"{self.endpoint.identity} is connected already")
        self.connections += 1
        if self._pace is not None:
            await self._pace()
        try:
            connection = await open_connection(
                self.endpoint,
                number=self.connections,
                record=self._record,
                timeout_s=self._open_timeout_s,
            )
        except HandshakeRefused as exc:
            now = read_clock()
            self._carry_out(self.charge_point.refused(exc.kind, exc.status, exc.alert, now))
            raise
        self._connection = connection
        self._outbox.clear()
        self._life = asyncio.create_task(self._live(connection))
        self._carry_out(self.charge_point.connected(read_clock()))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection in order; nothing happens where there is none."""
        if self._connection is not None:
            await self._connection.close(code, reason)
        await self.wait_closed()

    def use(self, wanted: UseCredentials) -> None:
        """Connect in another way from the next time on, as the model wants it."""
        base = self._endpoints.get(wanted.security_profile, self.endpoint)
        self.endpoint = _with_credentials(base, wanted, now=self.endpoint)

    def drop(self) -> None:
        """Cut the transport without a close frame."""
        if self._connection is not None:
            self._connection.drop()

    async def wait_closed(self) -> None:
        """Wait until the connection ended and its CLOSED event is recorded."""
        if self._life is not None:
            await asyncio.wait([self._life])
            self._life.result()  # a fault of ours must not stay unseen

    # --- frames by hand ------------------------------------------------------------------------

    async def call(
        self,
        action: str,
        payload: Mapping[str, object],
        *,
        timeout_s: float,
        message_id: str | None = None,
    ) -> Answer:
        """Send a CALL once no other of ours is open, and wait for its end.

        `timeout_s` counts from the frame leaving. A missing answer is no exception.
        """
        if not self.is_connected:
            return Answer(None, disconnected=True)
        ended: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def on_reply(reply: Reply, _: object) -> None:
            if not ended.done():
                ended.set_result(self._answer_of(reply))

        request = Request(action, payload, message_id or str(uuid4()), timeout_s, on_reply)
        self._carry_out(self.charge_point.submit(request, read_clock()))
        return await ended

    async def send_text(self, text: str) -> Event | None:
        """Send any text as it stands; return its event, None where it could not leave."""
        return await self._write(text)

    async def send_bytes(self, data: bytes) -> Event | None:
        """Send a binary message; return its event, None where it could not leave."""
        return await self._write(data)

    async def answer(self, call: Call, payload: Mapping[str, object]) -> Event | None:
        """Answer a CALL with a CALLRESULT."""
        return await self._write(encode(CallResult(call.message_id, dict(payload))))

    async def answer_error(
        self,
        call: Call,
        code: str,
        description: str = "",
        details: Mapping[str, object] | None = None,
    ) -> Event | None:
        """Answer a CALL with a CALLERROR."""
        error = CallError(call.message_id, code, description, dict(details or {}))
        return await self._write(encode(error))

    async def answer_as_model(self, call: Call) -> None:
        """Let the model answer a CALL that `on_call` took over."""
        self._carry_out(self.charge_point.answer(call, read_clock()))
        await self._flushed()

    async def ping(self, timeout_s: float) -> float | None:
        """Send a WebSocket ping; return its round trip in seconds, None without a pong."""
        if self._connection is None:
            return None
        self._pings += 1
        return await self._connection.ping(str(self._pings), timeout_s=timeout_s)

    async def wait_until_idle(self) -> None:
        """Wait until everything was sent and every CALL of ours answered or given up."""
        await self.wait_until(lambda: not self._outbox and self.charge_point.is_idle)

    async def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something about the charge point is so; asked after everything it does."""
        while not is_so():
            self._changed.clear()
            await self._changed.wait()

    async def apply(self, event: str, **arguments: object) -> None:
        """Let something happen to the charge point; what its model then says is sent.

        Args:
            event: one of `simulator.charge_point.INPUTS`.

        Raises:
            LocalProtocolError: no such input, wrong arguments, or it cannot happen now.
        """
        self._carry_out(self.charge_point.apply(event, arguments, read_clock()))
        await self._flushed()

    async def shut_down(self) -> None:
        """Close, and stop the model's clock: nothing happens on this station any more."""
        await self.close()
        self._transfers.close()
        for maker in list(self._key_makers):
            maker.cancel()
            await asyncio.wait([maker])
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self._timer_due_s = None

    # --- inside --------------------------------------------------------------------------------

    async def _live(self, connection: Connection) -> None:
        """Serve one connection until it ended."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                writer = tasks.create_task(self._write_outbox(connection))
                try:
                    await self._read(connection)
                finally:
                    writer.cancel()
        finally:
            self._connection = self._tasks = None
            self._clear_outbox()
            self._carry_out(self.charge_point.disconnected(read_clock()))
            self._sent.clear()

    async def _read(self, connection: Connection) -> None:
        while True:
            message = await connection.receive()
            if message is None:
                return
            text, self._last_received = message
            frame = parse(text)
            if isinstance(frame, Call) and self._on_call is not None and self._on_call(frame):
                continue
            self._carry_out(self.charge_point.receive(frame, read_clock()))

    async def _write_outbox(self, connection: Connection) -> None:
        while True:
            while self._outbox:
                outgoing = self._outbox[0]
                if outgoing.text is None:
                    await connection.close()
                    event = None
                else:
                    if self._pace is not None:
                        await self._pace()
                    event = await connection.send(outgoing.text, partial(self._note, outgoing))
                self._outbox.popleft()
                if outgoing.written is not None and not outgoing.written.done():
                    outgoing.written.set_result(event)
            self._changed.set()
            self._outbox_filled.clear()
            await self._outbox_filled.wait()

    def _note(self, outgoing: _Outgoing, event: Event) -> None:
        if outgoing.request is not None:
            self._sent[outgoing.request] = event

    def _clear_outbox(self) -> None:
        for outgoing in self._outbox:
            if outgoing.written is not None and not outgoing.written.done():
                outgoing.written.set_result(None)
        self._outbox.clear()

    async def _write(self, text: str | bytes) -> Event | None:
        if self._connection is None:
            return None
        written: asyncio.Future[Event | None] = asyncio.get_running_loop().create_future()
        self._put(_Outgoing(text, written=written))
        return await written

    async def _flushed(self) -> None:
        await self.wait_until(lambda: not self._outbox)

    def _put(self, outgoing: _Outgoing) -> None:
        self._outbox.append(outgoing)
        self._outbox_filled.set()

    def _carry_out(self, outputs: list[Output]) -> None:
        """Do what the model wants, in order, and arm the one timer."""
        for output in outputs:
            match output:
                case Transmit():
                    self._put(_Outgoing(output.text, output.request))
                case Hangup(is_abrupt=True):
                    self.drop()
                case Hangup():
                    self._put(_Outgoing(None))
                case Ping():
                    if self._tasks is not None:
                        self._tasks.create_task(self._keep_alive(output.timeout_s))
                case Download() | Upload():
                    self._loop = asyncio.get_running_loop()
                    self._transfers.roots_pem = _roots_of(self.endpoint)
                    self._transfers.start(output)
                case CancelTransfer():
                    self._transfers.cancel(output.number)
                case MakeCsr():
                    maker = asyncio.create_task(self._make_csr(output))
                    self._key_makers.add(maker)
                    maker.add_done_callback(self._key_makers.discard)
                case UseCredentials():
                    self.use(output)
                case Notice():
                    if self._on_notice is not None:
                        self._on_notice(output.text)
                case _:
                    assert_never(output)
        self._arm_timer()
        self._changed.set()

    async def _keep_alive(self, timeout_s: float) -> None:
        """Ping; a connection without pong is dead, whatever TCP believes."""
        connection = self._connection
        if await self.ping(timeout_s) is None and connection is not None:
            connection.drop()

    def _report_transfer(self, number: int, end: TransferEnd) -> None:
        """Hand over, from the transfer's thread, how it went; after the loop's end nobody asks."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._transfer_ended, number, end)

    def _transfer_ended(self, number: int, end: TransferEnd) -> None:
        self._carry_out(self.charge_point.transfer_ended(number, end, read_clock()))

    async def _make_csr(self, order: MakeCsr) -> None:
        end = await asyncio.to_thread(make_csr, order)
        self._carry_out(self.charge_point.csr_made(order.number, end, read_clock()))

    def _arm_timer(self) -> None:
        due_s = self.charge_point.next_wakeup_s()
        if due_s == self._timer_due_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due_s = due_s
        if due_s is None:
            self._timer = None
        else:
            delay_s = max(0.0, due_s - read_clock().s)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._wake)

    def _wake(self) -> None:
        self._timer = self._timer_due_s = None
        self._carry_out(self.charge_point.wake(read_clock()))

    def _answer_of(self, reply: Reply) -> Answer:
        sent = self._sent.pop(reply.request, None)
        match reply.answer:
            case CallResult():
                return Answer(sent, self._last_received, result=reply.answer.payload)
            case CallError():
                return Answer(sent, self._last_received, error=reply.answer)
            case None:
                timed_out = reply.outcome is Outcome.TIMED_OUT
                return Answer(sent, timed_out=timed_out, disconnected=not timed_out)
            case _:
                assert_never(reply.answer)


def _roots_of(endpoint: Endpoint) -> tuple[str, ...]:
    """Return what the CSMS's other servers are trusted by as well."""
    offer = endpoint.tls
    if offer is None:
        return ()
    return (offer.trust_anchors_pem or "", *offer.installed_roots_pem)


def _with_credentials(base: Endpoint, wanted: UseCredentials, *, now: Endpoint) -> Endpoint:
    """Return an endpoint with what the model wants to show there, and to trust.

    Args:
        now: the present endpoint; its password stays where neither model nor `base` has one.
    """
    profile = wanted.security_profile
    passwords = (wanted.password, base.password, now.password)
    password = next((one for one in passwords if one is not None), None)
    offer = base.tls or TlsOffer()
    chain_pem, private_key_pem = offer.certificate_chain_pem, offer.private_key_pem
    if wanted.certificate is not None:
        chain_pem = wanted.certificate.chain_pem
        private_key_pem = wanted.certificate.private_key_pem
    shows_certificate = profile == SHOWS_CERTIFICATE
    tls = replace(
        offer,
        certificate_chain_pem=chain_pem if shows_certificate else "",
        private_key_pem=private_key_pem if shows_certificate else "",
        installed_roots_pem=wanted.roots_pem,
    )
    return replace(base, password=password if profile in SEND_PASSWORD else None, tls=tls)
