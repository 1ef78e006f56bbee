"""The charge point itself, without I/O: inputs and moments in, outputs out.

Spec: OCPP 1.6 ed. 2 with errata v4.0. The shell (`simulator.client`) carries the outputs out, in
order, and wakes the charge point at `next_wakeup_s`. What each part decides is in its own module;
here they are put together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from itertools import count
from typing import Final, Unpack
from uuid import uuid4

from simulator import hearsay, inputs, payloads
from simulator.answers import OCCUPIED
from simulator.authorization import IdTagStore
from simulator.boot import BootEvent, Registration
from simulator.charging import Charging, is_busy
from simulator.clock import Moment
from simulator.connector import LOCAL_LIST_CONFLICT, NO_ERROR, Connector, Status
from simulator.delivery import Delivery
from simulator.errors import LocalProtocolError
from simulator.firmware import INSTALL_S, Firmware
from simulator.frames import (
    CALL,
    Call,
    CallError,
    CallResult,
    Frame,
    Unreadable,
    encode_call,
    encode_error,
    parse,
)
from simulator.keys import Configuration
from simulator.local_list import LocalList
from simulator.meter import Meter
from simulator.metering import Metering
from simulator.outputs import (
    CsrEnd,
    Hangup,
    Output,
    Ping,
    ScriptedAnswer,
    TransferEnd,
    Transmit,
)
from simulator.queue import TransactionQueue
from simulator.registration import Registrar
from simulator.reporting import StatusReports
from simulator.responder import Responder, encode
from simulator.security import Security, SecurityOptions
from simulator.session import Reply, Request
from simulator.smart_charging import SmartCharging
from simulator.transactions import Reason
from simulator.uploads import DIAGNOSTICS_FAILURES, LOG_FAILURES, UploadFaults, Uploads
from simulator.wire import Wire

__all__ = ["ChargePoint", "encode"]

DEFAULT_POWER_W: Final = 11_040.0  # three phases, 230 V, 16 A
DIAGNOSTICS_BYTES: Final = 20_000


class ChargePoint:
    """One charge point: what it knows, what it does, what it answers.

    Attributes:
        connectors: by number; 0 is the charge point as a whole.
        transactions_by_script: transactionIds a script got by hand-written frames, with connector.
    """

    def __init__(
        self,
        identity: str,
        *,
        connectors: int = 2,
        vendor: str = "Preflight",
        model: str = "Simulator",
        serial_number: str = "",
        firmware_version: str = "",
        keys: Mapping[str, str] | None = None,
        needs_reboot: Iterable[str] = (),
        has_fixed_cable: bool = False,
        power_w: float = DEFAULT_POWER_W,
        meter_wh: float = 0.0,
        holds_back: bool = True,
        diagnostics_bytes: int = DIAGNOSTICS_BYTES,
        install_s: float = INSTALL_S,
        milliseconds: bool = True,
        new_message_id: Callable[[], str] = lambda: str(uuid4()),
        **security: Unpack[SecurityOptions],
    ) -> None:
        """Make a charge point without power: it begins to act with `power_on`.

        Args:
            keys: configuration values that replace the defaults.
            needs_reboot: keys whose change takes effect with the next start only.
            has_fixed_cable: cables hang on the charge point and are not locked.
            power_w: what an EV draws.
            meter_wh: register of every meter at the beginning.
            holds_back: messages about a transaction wait for its id; else, before the id is
                known, they say -1 (both are met in the field, errata 3.18).
            diagnostics_bytes: how long the diagnostics file is.
            install_s: what the installation of firmware takes.
            milliseconds: time stamps carry them.
            security: options of `Security`, with their defaults.

        Raises:
            LocalProtocolError: an unknown key or an impossible value in `keys`.
        """
        self.identity = identity
        self.vendor = vendor
        self.model = model
        self.serial_number = serial_number
        self.transactions_by_script: dict[int, int] = {}
        self.keys = Configuration(
            keys,
            connectors=connectors,
            has_lock=not has_fixed_cable,
            needs_reboot=tuple(needs_reboot),
        )
        self.connectors = {
            number: Connector(
                id=number,
                meter=Meter(offered_w=max(power_w, DEFAULT_POWER_W), energy_wh=meter_wh),
                has_lock=number > 0 and not has_fixed_cable,
            )
            for number in range(connectors + 1)
        }
        self.wire = Wire(keys=self.keys, milliseconds=milliseconds, new_message_id=new_message_id)
        self.registrar = Registrar(
            self.wire,
            boot_payload=self._boot_payload,
            on_accepted=self._accepted,
            on_clock_set=lambda now: self.security.events.note("SettingSystemTime", now),
        )
        self.reports = StatusReports(self.wire, self.connectors)
        self._queue = TransactionQueue()
        self._delivery = Delivery(self.wire, self._queue, name="queue")
        self.metering = Metering(self.wire, self.connectors, self._delivery, holds_back=holds_back)
        self.charging = Charging(
            self.wire,
            self.connectors,
            reports=self.reports,
            delivery=self._delivery,
            metering=self.metering,
            power_w=power_w,
            holds_back=holds_back,
            on_list_conflict=self._list_conflict,
        )
        numbers = count(1)
        self.security = Security(
            self.wire,
            common_name=lambda: self.serial_number or self.identity,
            speaks=lambda: self.is_active,
            numbers=numbers,
            **security,
        )
        self.firmware = Firmware(
            self.wire,
            self.connectors,
            self.security.events,
            version=firmware_version,
            refresh=self.refresh,
            numbers=numbers,
            install_s=install_s,
        )
        self.upload_faults = UploadFaults()
        self.diagnostics = Uploads(
            self.wire,
            "DiagnosticsStatusNotification",
            failures=DIAGNOSTICS_FAILURES,
            faults=self.upload_faults,
            numbers=numbers,
        )
        self.logs = Uploads(
            self.wire,
            "LogStatusNotification",
            failures=LOG_FAILURES,
            faults=self.upload_faults,
            numbers=numbers,
        )
        self.diagnostics_bytes = diagnostics_bytes
        self.smart_charging = SmartCharging(self.wire, self.connectors, refresh=self.refresh)
        self._responder = Responder(self)
        self._soft_reset_waits = False

    # --- what can be seen ----------------------------------------------------------------------

    @property
    def registration(self) -> Registration:
        """Where the charge point stands with its CSMS."""
        return self.registrar.state

    @property
    def is_active(self) -> bool:
        """Whether the model speaks by itself; else it only answers, and notes what scripts send."""
        return self.registrar.is_active

    @is_active.setter
    def is_active(self, is_active: bool) -> None:
        self.registrar.is_active = is_active

    @property
    def is_connected(self) -> bool:
        """Whether the WebSocket is open."""
        return self.wire.is_connected

    @property
    def is_idle(self) -> bool:
        """Whether no CALL of ours waits or is open and no late answer is still to leave."""
        return self.wire.session.is_idle and self._responder.is_idle

    @property
    def cache(self) -> IdTagStore:
        """The authorization cache."""
        return self.charging.cache

    @property
    def firmware_version(self) -> str:
        """What BootNotification says of the firmware."""
        return self.firmware.version

    @property
    def local_list(self) -> LocalList:
        """The local authorization list."""
        return self.charging.local_list

    @property
    def queued_messages(self) -> int:
        """How many messages about transactions wait for delivery."""
        return len(self._queue)

    # --- the shell's side ----------------------------------------------------------------------

    def connected(self, now: Moment) -> list[Output]:
        """Take note that the WebSocket is open.

        After a restart that means BootNotification; else changed statuses and then the queue
        (OCPP-J 1.6 §5.4).
        """
        self.wire.is_connected = True
        self.security.access.connected()
        if self.is_active:
            self._schedule_ping(now)
            if self.registration is Registration.STARTING:
                self.registrar.boot_if_due(now)
            elif self.registration is Registration.ACCEPTED:
                self.registrar.note_activity(now)
                self.reports.send_changed(now)
                self._delivery.pump(now)
                self.firmware.pump()
                self.diagnostics.feed.pump()
                self.logs.feed.pump()
                self.security.pump(now)
        return self._finish(now)

    def refused(self, kind: str, status: int | None, alert: str, now: Moment) -> list[Output]:
        """Take note that a connection did not come about.

        Args:
            kind: how, one of `RefusalKind`.
            status: of the HTTP answer.
            alert: name of the TLS alert.
        """
        self.security.access.refused(kind, status, alert, now)
        return self._finish(now)

    def disconnected(self, now: Moment) -> list[Output]:
        """Take note that the WebSocket is gone; every CALL of ours ends."""
        self.wire.is_connected = False
        for name in ("heartbeat", "queue", "security events", "ping"):
            self.wire.timers.cancel(name)
        self._responder.forget_late_answers()
        for reply in self.wire.session.connection_lost():
            reply.request.on_reply(reply, now)
        return self._finish(now)

    def receive_text(self, text: str, now: Moment) -> list[Output]:
        """Take one message of the CSMS."""
        return self.receive(parse(text), now)

    def receive(self, frame: Frame, now: Moment) -> list[Output]:
        """Take one frame of the CSMS and answer it, if it is a CALL."""
        self.registrar.note_activity(now)
        match frame:
            case Call():
                self._responder.answer(frame, now)
            case CallResult() | CallError():
                reply = self.wire.session.receive(frame)
                if reply is not None:
                    reply.request.on_reply(reply, now)
            case Unreadable(message_type=int(kind), message_id=str(message_id)) if kind == CALL:
                self.wire.transmit(
                    encode_error(message_id, "FormationViolation", "; ".join(frame.defects)[:255])
                )
            case Unreadable():  # nothing that could be answered
                self.security.events.note("InvalidMessages", now, "; ".join(frame.defects))
        return self._finish(now)

    def next_wakeup_s(self) -> float | None:
        """Return when `wake` is wanted, in monotonic seconds."""
        times = (self.wire.timers.next_s(), self.wire.session.deadline_s)
        return min((time_s for time_s in times if time_s is not None), default=None)

    def transfer_ended(self, number: int, end: TransferEnd, now: Moment) -> list[Output]:
        """Take note of how a `Download` or an `Upload` went."""
        self.firmware.ended(number, end, now)
        self.diagnostics.ended(number, end, now)
        self.logs.ended(number, end, now)
        return self._finish(now)

    def csr_made(self, number: int, end: CsrEnd, now: Moment) -> list[Output]:
        """Take the result of a `MakeCsr`."""
        self.security.renewal.made(number, end)
        return self._finish(now)

    def wake(self, now: Moment) -> list[Output]:
        """Do what is due."""
        self.wire.timers.run_due(now)
        reply = self.wire.session.expire(now)
        if reply is not None:
            reply.request.on_reply(reply, now)
        return self._finish(now)

    # --- scripts -------------------------------------------------------------------------------

    def apply(self, event: str, arguments: Mapping[str, object], now: Moment) -> list[Output]:
        """Let something happen to the charge point, by the name of one of `inputs.INPUTS`.

        Raises:
            LocalProtocolError: no such input, wrong arguments, or it cannot happen now.
        """
        if not self.is_active:
            raise LocalProtocolError(f"{event}: this charge point only answers, it does not act")
        inputs.run(self, event, arguments, now)
        return self._finish(now)

    def submit(self, request: Request, now: Moment) -> list[Output]:
        """Send a CALL that a script wrote, once no other one is open; the model takes note.

        Raises:
            LocalProtocolError: there is no connection.
        """
        if not self.wire.is_connected:
            raise LocalProtocolError("not connected")

        def on_reply(reply: Reply, now: Moment) -> None:
            hearsay.note(self, request, reply, now)
            request.on_reply(reply, now)

        noted = Request(
            request.action, request.payload, request.message_id, request.timeout_s, on_reply
        )
        self.wire.session.submit(noted)
        return self._finish(now)

    def script_answer(self, action: str, answer: ScriptedAnswer, *, times: int = 1) -> None:
        """Answer the next `times` requests of `action` in this way."""
        self._responder.script(action, answer, times)

    def set_clock(self, ahead_s: float) -> None:
        """Let the charge point's own clock differ from true time, and stay so."""
        self.registrar.is_clock_scripted = True
        self.wire.clock_offset = timedelta(seconds=ahead_s)

    # --- answering -----------------------------------------------------------------------------

    def answer(self, call: Call, now: Moment) -> list[Output]:
        """Answer a CALL as scripted, or as the model sees fit."""
        self._responder.answer(call, now)
        return self._finish(now)

    def respond(self, call: Call, now: Moment) -> CallResult | CallError:
        """Return the model's own answer, without the deeds that follow it."""
        return self._responder.respond(call, now)[0]

    # --- what answers ask for ------------------------------------------------------------------

    def charging_order(self) -> list[int]:
        """Return connectors in the order a remote start without one tries them: plugged first."""
        numbers = [number for number in self.connectors if number > 0]
        return sorted(numbers, key=lambda n: (not self.connectors[n].inputs.is_plugged, n))

    def can_start_remotely(self, connector: Connector, id_tag: str) -> bool:
        """Whether RemoteStartTransaction may be accepted for a connector (§5.11)."""
        if connector.id == 0 or not self.charging.is_open_to(connector, id_tag):
            return False
        if not self.is_active:
            is_reserved = self.charging.reserving.book.at(connector.id) is not None
            status = self.seen_status(connector)
            return status not in OCCUPIED or (is_reserved and status is Status.RESERVED)
        return (
            self.registration is Registration.ACCEPTED
            and self.charging.can_start(connector)
            and connector.permission is None
            and connector.asking is None
        )

    def is_busy(self, connector: Connector) -> bool:
        """Whether taking a connector out of service has to wait."""
        if self.is_active:
            return is_busy(connector)
        in_transaction = connector.id in self.transactions_by_script.values()
        return in_transaction or self.seen_status(connector) is Status.PREPARING

    def seen_status(self, connector: Connector) -> Status:
        """Return the status; of a passive charge point, what its script told last."""
        if self.is_active:
            return connector.report.status
        told = self.reports.told(connector.id)
        return connector.report.status if told is None else told.status

    def set_availability(
        self, connectors: Iterable[Connector], *, is_operative: bool, now: Moment
    ) -> None:
        """Put connectors in service, or out of it as soon as nobody is busy; survives restarts."""
        for connector in connectors:
            if is_operative:
                connector.inoperative_scheduled = False
                connector.change(is_available=True)
            elif connector.inputs.is_available:
                connector.inoperative_scheduled = True
        self._refresh_all(now)

    def key_changed(self, name: str, now: Moment) -> None:
        """Let a changed key take effect on what it times."""
        match name.casefold():
            case "metervaluesampleinterval":
                for connector in self.connectors.values():
                    self.metering.schedule_samples(connector, now)
            case "clockaligneddatainterval":
                self.metering.schedule_aligned(now)
            case "heartbeatinterval":
                self.registrar.note_activity(now)
            case "websocketpinginterval":
                self._schedule_ping(now)
            case "authorizationkey" | "securityprofile" | "cponame":
                self.security.events.note("ReconfigurationOfSecurityParameters", now, name)
                self.security.access.follow()

    def soft_reset(self, now: Moment) -> None:
        """Stop transactions, deliver their end if that is possible at once, restart (§5.14)."""
        self.charging.is_closing = True
        self._soft_reset_waits = True
        self.charging.stop_all(Reason.SOFT_RESET, now)

    def hard_reset(self, now: Moment) -> None:
        """Restart at once; transactions end with it and are told after the boot (§5.14)."""
        self.restart(Reason.HARD_RESET, now)

    # --- power and restarts ----------------------------------------------------------------------

    def power_on(self, now: Moment) -> None:
        """Start up; BootNotification goes as soon as there is a connection."""
        self.registrar.move(BootEvent.POWER_ON)
        self.security.events.note("StartupOfTheDevice", now)
        self._take_pending_keys()
        self._refresh_all(now)
        self.charging.reserving.arm(now)
        self.registrar.boot_if_due(now)

    def power_off(self, now: Moment) -> None:
        """Lose power; what ran is told after the next boot, with the last values (§3.7)."""
        self.registrar.move(BootEvent.POWER_OFF)
        self._go_down(Reason.POWER_LOSS, now)
        self.wire.outputs.append(Hangup(is_abrupt=True))

    def restart(self, reason: Reason, now: Moment) -> None:
        """End what runs, tell it after the boot, and start anew on a new connection."""
        self.registrar.move(BootEvent.RESTART)
        self._go_down(reason, now)
        self.charging.reserving.arm(now)
        self.security.events.note("ResetOrReboot", now, reason)
        self.security.events.note("StartupOfTheDevice", now)
        self._take_pending_keys()
        self.wire.outputs.append(Hangup())

    def _take_pending_keys(self) -> None:
        self.keys.restart()
        self.security.access.follow(hangs_up=False)

    def _go_down(self, reason: Reason, now: Moment) -> None:
        self._responder.forget_late_answers()
        self.wire.timers.clear()
        self._soft_reset_waits = False
        self.charging.stop_all(reason, now)
        self.charging.forget_volatile(now)
        self.firmware.go_down(now)
        self.diagnostics.go_down()
        self.logs.go_down()

    def _schedule_ping(self, now: Moment) -> None:
        """Set the next WebSocket ping; 0 switches them off (OCPP-J 1.6 §5.3)."""
        interval_s = self.keys.integer("WebSocketPingInterval")
        if interval_s <= 0 or not self.wire.is_connected:
            self.wire.timers.cancel("ping")
            return

        def ping(now: Moment) -> None:
            self.wire.outputs.append(Ping(timeout_s=float(interval_s)))
            self._schedule_ping(now)

        self.wire.timers.set("ping", now.s + interval_s, ping)

    def _boot_payload(self) -> dict[str, object]:
        return payloads.boot_notification(
            vendor=self.vendor,
            model=self.model,
            serial_number=self.serial_number,
            firmware_version=self.firmware_version,
        )

    def _accepted(self, now: Moment) -> None:
        """Say what has to be said after each accepted boot (errata 3.22), then the rest."""
        self.firmware.booted(now)
        self.security.pump(now)
        self.reports.send_all(now)
        self.metering.schedule_aligned(now)
        self._delivery.pump(now)
        self.firmware.resume(now)
        self.diagnostics.resume(now)
        self.logs.resume(now)
        self.charging.reserving.arm(now)

    def list_updated(self, now: Moment) -> None:
        """Take a new list for free of conflicts, until one shows."""
        whole = self.connectors[0]
        if whole.error_code == LOCAL_LIST_CONFLICT:
            whole.error_code = NO_ERROR
            self.refresh(whole, now)

    def _list_conflict(self, id_tag: str, now: Moment) -> None:
        """Tell that list and CSMS disagree (§3.5.2)."""
        whole = self.connectors[0]
        if self.is_active and whole.error_code == NO_ERROR:
            self.wire.notice(f"The local list says something else of {id_tag} than the CSMS")
            whole.error_code = LOCAL_LIST_CONFLICT
            self.refresh(whole, now)

    # --- common ----------------------------------------------------------------------------------

    def refresh(self, connector: Connector, now: Moment) -> None:
        """Let everything follow a connector's inputs after they changed."""
        if connector.id == 0:
            is_waiting = connector.inoperative_scheduled and any(
                one.inputs.is_available for one in self.connectors.values() if one.id > 0
            )
            if connector.inoperative_scheduled and not is_waiting:
                connector.inoperative_scheduled = False
                connector.change(is_available=False)
            self.reports.refresh(connector, now)
            if connector.report.status is not Status.AVAILABLE:
                self.charging.reserving.lose_all(now)  # who reserved could not come
        else:
            self.charging.set_inputs(connector, now)

    def _refresh_all(self, now: Moment) -> None:
        for connector in reversed(self.connectors.values()):  # 0 follows the others
            self.refresh(connector, now)

    def _finish(self, now: Moment) -> list[Output]:
        """Send what may be sent, and hand all outputs over."""
        self.smart_charging.apply(now)
        if self.connectors[0].inoperative_scheduled:
            self.refresh(self.connectors[0], now)
        if self._soft_reset_waits and self._has_said_goodbye():
            self.restart(Reason.SOFT_RESET, now)
        if self.firmware.go_on(now):
            self.restart(Reason.REBOOT, now)
        if self.wire.is_connected:
            request = self.wire.session.next(now)
            if request is not None:
                payload = request.payload() if callable(request.payload) else request.payload
                self.wire.transmit(
                    encode_call(request.message_id, request.action, payload), request
                )
        outputs = self.wire.outputs
        self.wire.outputs = []
        if any(isinstance(output, Transmit) for output in outputs):
            self.registrar.note_activity(now)
        return outputs

    def _has_said_goodbye(self) -> bool:
        """Whether a soft reset need not wait any longer for its StopTransactions."""
        is_delivered = len(self._queue) == 0 and self.wire.session.is_idle
        return is_delivered or self._queue.is_stuck or not self.wire.is_online
