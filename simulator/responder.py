"""Answers the CALLs of the CSMS: as a script says, or as the model sees fit; now or later."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from simulator import answers, payloads, security_answers
from simulator.boot import Registration
from simulator.clock import Moment
from simulator.errors import RemoteProtocolError
from simulator.frames import Call, CallError, CallResult, encode_error, encode_result
from simulator.outputs import ScriptedAnswer

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint

_FollowUp = Callable[[Moment], object]
_LATE_ANSWER: Final = "late answer"
_HANDLERS: Final = answers.HANDLERS | security_answers.HANDLERS


class Responder:
    """The answering side of one charge point."""

    def __init__(self, station: ChargePoint) -> None:
        self._station = station
        self._wire = station.wire
        self._scripted: dict[str, deque[ScriptedAnswer]] = {}
        self._late_answers = 0

    @property
    def is_idle(self) -> bool:
        """Whether no late answer is still to leave."""
        return not self._late_answers

    def script(self, action: str, answer: ScriptedAnswer, times: int) -> None:
        """Answer the next `times` requests of `action` in this way."""
        self._scripted.setdefault(action, deque()).extend([answer] * times)

    def forget_late_answers(self) -> None:
        """Drop the answers that are still to leave: there is nobody to take them."""
        self._wire.timers.cancel_where(_is_late_answer)
        self._late_answers = 0

    def answer(self, call: Call, now: Moment) -> None:
        """Answer a CALL, and then do what follows from the answer."""
        station = self._station
        scripted = self._scripted.get(call.action)
        script = scripted.popleft() if scripted else ScriptedAnswer()
        if script.is_silent:
            return
        follow_up: _FollowUp | None = None
        answer: CallResult | CallError
        if script.error_code:
            details = dict(script.error_details)
            answer = CallError(
                call.message_id, script.error_code, script.error_description, details
            )
        elif script.payload is not None:
            answer = CallResult(call.message_id, dict(script.payload))
        elif station.is_active and station.registration is Registration.REJECTED:
            return  # a rejected charge point does not answer (§4.2)
        else:
            answer, follow_up = self.respond(call, now)

        def leave(now: Moment) -> None:
            self._wire.transmit(encode(answer))
            # Deeds need power; without it the line is in the hands of a script.
            if follow_up is not None and station.is_active and self._wire.has_power:
                follow_up(now)

        if script.delay_s <= 0:
            leave(now)
            return

        def leave_late(now: Moment) -> None:
            self._late_answers -= 1
            leave(now)

        self._late_answers += 1
        name = (_LATE_ANSWER, call.message_id, self._late_answers)
        self._wire.timers.set(name, now.s + script.delay_s, leave_late)

    def respond(self, call: Call, now: Moment) -> tuple[CallResult | CallError, _FollowUp | None]:
        """Return the model's own answer, and the deeds that follow it."""
        if call.defects:
            return CallError(call.message_id, "FormationViolation", call.defects[0]), None
        try:
            request = payloads.read_request(call.action, call.payload)
            response = _HANDLERS[call.action](self._station, request, now)
        except RemoteProtocolError as exc:
            return CallError(call.message_id, exc.code, exc.description), None
        return CallResult(call.message_id, response.payload), response.follow_up


def _is_late_answer(name: object) -> bool:
    return isinstance(name, tuple) and name[0] == _LATE_ANSWER


def encode(answer: CallResult | CallError) -> str:
    """Return the text of an answer."""
    if isinstance(answer, CallResult):
        return encode_result(answer.message_id, answer.payload)
    return encode_error(answer.message_id, answer.code, answer.description, answer.details)
