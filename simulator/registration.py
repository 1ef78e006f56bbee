"""Registers at the CSMS, keeps the clock, sends heartbeats. Spec: OCPP 1.6 ed. 2 §4.2, §4.6.

The legal moves are in `simulator.boot`; this sends and waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from simulator.boot import EVENT_OF_STATUS, TRANSITIONS, BootEvent, Registration
from simulator.clock import Moment, parse_time
from simulator.frames import CallResult
from simulator.moves import advance
from simulator.session import Outcome, Reply
from simulator.wire import Wire

OWN_BOOT_INTERVAL_S: Final = 60.0  # where the CSMS leaves it to us, or did not answer properly
OWN_HEARTBEAT_INTERVAL_S: Final = 300  # where the CSMS accepts us with interval 0
CLOCK_TOLERANCE_S: Final = 1.0  # smaller differences are the way of the answer, not the clock


class Registrar:
    """One charge point's standing with its CSMS.

    Attributes:
        is_active: it boots and beats by itself; else it only takes note.
        is_clock_scripted: the clock is not set by the CSMS.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        boot_payload: Callable[[], Mapping[str, object]],
        on_accepted: Callable[[Moment], None],
        on_clock_set: Callable[[Moment], None],
    ) -> None:
        """Start without power.

        Args:
            boot_payload: makes the content of BootNotification.
            on_accepted: what to do once our own BootNotification was accepted.
            on_clock_set: what to do once the clock was set to another time.
        """
        self._wire = wire
        self._boot_payload = boot_payload
        self._on_accepted = on_accepted
        self._on_clock_set = on_clock_set
        self.state = Registration.OFF
        self.is_active = True
        self.is_clock_scripted = False

    def move(self, event: BootEvent) -> None:
        """Take a move of the table."""
        self.state = advance(TRANSITIONS, self.state, event)
        self._wire.has_power = self.state is not Registration.OFF
        self._wire.is_registered = self.state is Registration.ACCEPTED

    def boot_if_due(self, now: Moment) -> None:
        """Send BootNotification if that is what comes next and there is a connection."""
        if self.is_active and self._wire.is_connected and self.state is Registration.STARTING:
            self.move(BootEvent.BOOT_SENT)
            self._wire.call("BootNotification", self._boot_payload(), self._boot_ended)

    def boot_again(self, now: Moment) -> None:
        """Send BootNotification before its time, because the CSMS asked for it (§5.17)."""
        if (self.state, BootEvent.RETRY_DUE) in TRANSITIONS:
            self._wire.timers.cancel("boot")
            self.move(BootEvent.RETRY_DUE)
            self.boot_if_due(now)

    def _boot_ended(self, reply: Reply, now: Moment) -> None:
        if self.state is not Registration.BOOTING:
            return  # the power went, or another restart came between
        if reply.outcome is Outcome.DISCONNECTED:
            self.move(BootEvent.CONNECTION_LOST)
        elif isinstance(reply.answer, CallResult) and self._is_usable(reply.answer.payload):
            self._take_answer(reply.answer.payload, now)
            if self._wire.is_registered:
                self._on_accepted(now)
        else:
            self.move(BootEvent.ANSWER_FAILED)
            self._retry_after(OWN_BOOT_INTERVAL_S, now)

    def adopt(self, payload: Mapping[str, Any], now: Moment) -> None:
        """Take over the answer to a BootNotification that a script sent by hand."""
        if not self._is_usable(payload):
            return
        if self.state is Registration.OFF:
            self.move(BootEvent.POWER_ON)
        self.move(BootEvent.RESTART)
        self.move(BootEvent.BOOT_SENT)
        self._take_answer(payload, now)

    def _is_usable(self, payload: Mapping[str, Any]) -> bool:
        return str(payload.get("status")) in EVENT_OF_STATUS

    def _take_answer(self, payload: Mapping[str, Any], now: Moment) -> None:
        self.move(EVENT_OF_STATUS[str(payload["status"])])
        given = payload.get("interval")
        interval_s = given if isinstance(given, int) and given > 0 else 0
        self._wire.was_registered = self._wire.is_registered
        self._wire.timers.cancel("boot")
        if not self._wire.is_registered:
            self._wire.timers.cancel("heartbeat")
            self._retry_after(float(interval_s) or OWN_BOOT_INTERVAL_S, now)
            return
        self._wire.keys.set("HeartbeatInterval", str(interval_s or OWN_HEARTBEAT_INTERVAL_S))
        self._set_clock(payload, now)
        self.note_activity(now)

    def _retry_after(self, delay_s: float, now: Moment) -> None:
        def retry(now: Moment) -> None:
            self.move(BootEvent.RETRY_DUE)
            self.boot_if_due(now)

        if self.is_active:
            self._wire.timers.set("boot", now.s + delay_s, retry)

    def _set_clock(self, payload: Mapping[str, Any], now: Moment) -> None:
        told_at = parse_time(payload.get("currentTime"))
        if told_at is not None and not self.is_clock_scripted:
            offset = told_at - now.at
            is_same = abs(offset.total_seconds()) <= CLOCK_TOLERANCE_S
            before = self._wire.clock_offset
            self._wire.clock_offset = timedelta() if is_same else offset
            if abs((self._wire.clock_offset - before).total_seconds()) > CLOCK_TOLERANCE_S:
                self._on_clock_set(now)

    def note_activity(self, now: Moment) -> None:
        """Put the next Heartbeat off: it is due after HeartbeatInterval of silence (§4.6)."""
        if self.is_active and self._wire.is_online:
            due_s = now.s + self._wire.keys.integer("HeartbeatInterval")
            self._wire.timers.set("heartbeat", due_s, self.beat)

    def beat(self, now: Moment) -> None:
        """Send a Heartbeat."""
        self._wire.call("Heartbeat", {}, self._beat_ended)

    def _beat_ended(self, reply: Reply, now: Moment) -> None:
        if isinstance(reply.answer, CallResult):
            self._set_clock(reply.answer.payload, now)
