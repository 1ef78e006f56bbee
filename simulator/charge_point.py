"""The charge point itself, without I/O: inputs and moments in, outputs out.

Spec: OCPP 1.6 ed. 2 with errata v4.0. The shell (`simulator.client`) carries the outputs out, in
order, and wakes the charge point at `next_wakeup_s`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from uuid import uuid4

from simulator.clock import Moment
from simulator.errors import LocalProtocolError
from simulator.frames import (
    CALL,
    Call,
    CallError,
    CallResult,
    Frame,
    Unreadable,
    encode_call,
    encode_error,
    encode_result,
    parse,
)
from simulator.outputs import Output, ScriptedAnswer, Transmit
from simulator.session import Reply, Request, Session
from simulator.timers import Timers


class ChargePoint:
    """One charge point: what it knows, what it does, what it answers."""

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
        milliseconds: bool = True,
        new_message_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self.identity = identity
        self.is_active = True
        self.is_connected = False
        self._new_message_id = new_message_id
        self._session = Session()
        self._timers = Timers()
        self._outputs: list[Output] = []
        self._late_answers = 0
        self._scripted: dict[str, deque[ScriptedAnswer]] = {}

    # --- the shell's side ----------------------------------------------------------------------

    def connected(self, now: Moment) -> list[Output]:
        """Take note that the WebSocket is open."""
        self.is_connected = True
        return self._finish(now)

    def disconnected(self, now: Moment) -> list[Output]:
        """Take note that the WebSocket is gone; every CALL of ours ends."""
        self.is_connected = False
        for reply in self._session.connection_lost():
            reply.request.on_reply(reply, now)
        return self._finish(now)

    def receive_text(self, text: str, now: Moment) -> list[Output]:
        """Take one message of the CSMS."""
        return self.receive(parse(text), now)

    def receive(self, frame: Frame, now: Moment) -> list[Output]:
        """Take one frame of the CSMS and answer it, if it is a CALL."""
        if isinstance(frame, Call):
            self._answer(frame, now)
        else:
            self._receive_other(frame, now)
        return self._finish(now)

    def _receive_other(self, frame: CallResult | CallError | Unreadable, now: Moment) -> None:
        if isinstance(frame, Unreadable):
            if frame.message_type == CALL and frame.message_id is not None:
                text = encode_error(
                    frame.message_id, "FormationViolation", "; ".join(frame.defects)
                )
                self._outputs.append(Transmit(text))
            return
        reply = self._session.receive(frame)
        if reply is not None:
            reply.request.on_reply(reply, now)

    def next_wakeup_s(self) -> float | None:
        """Return when `wake` is wanted, in monotonic seconds."""
        times = [self._timers.next_s(), self._session.deadline_s]
        return min((time_s for time_s in times if time_s is not None), default=None)

    def wake(self, now: Moment) -> list[Output]:
        """Do what is due."""
        self._timers.run_due(now)
        reply = self._session.expire(now)
        if reply is not None:
            reply.request.on_reply(reply, now)
        return self._finish(now)

    @property
    def is_idle(self) -> bool:
        """Whether no CALL of ours waits or is open and no late answer is still to leave."""
        return self._session.is_idle and not self._late_answers

    def apply(self, event: str, arguments: Mapping[str, object], now: Moment) -> list[Output]:
        """Let something happen to the charge point, by name."""
        raise LocalProtocolError(f"unknown input {event!r}")

    # --- scripts -------------------------------------------------------------------------------

    def submit(self, request: Request, now: Moment) -> list[Output]:
        """Send a CALL the script wrote, as soon as no other one is open."""
        if not self.is_connected:
            raise LocalProtocolError("not connected")
        self._session.submit(request)
        return self._finish(now)

    def script_answer(self, action: str, answer: ScriptedAnswer, *, times: int = 1) -> None:
        """Answer the next `times` requests of `action` in this way."""
        self._scripted.setdefault(action, deque()).extend([answer] * times)

    # --- answering -----------------------------------------------------------------------------

    def answer(self, call: Call, now: Moment) -> list[Output]:
        """Answer a CALL as scripted, or as the model sees fit."""
        self._answer(call, now)
        return self._finish(now)

    def _answer(self, call: Call, now: Moment) -> None:
        scripted = self._scripted.get(call.action)
        script = scripted.popleft() if scripted else ScriptedAnswer()
        if script.is_silent:
            return
        response: CallResult | CallError
        if script.error_code:
            response = CallError(
                call.message_id,
                script.error_code,
                script.error_description,
                dict(script.error_details),
            )
        elif script.payload is not None:
            response = CallResult(call.message_id, dict(script.payload))
        else:
            response = self.respond(call, now)
        if script.delay_s > 0:
            self._late_answers += 1
            self._timers.set(
                ("answer", self._late_answers, call.message_id),
                now.s + script.delay_s,
                lambda _: self._answer_late(response),
            )
        else:
            self._outputs.append(Transmit(encode(response)))

    def _answer_late(self, response: CallResult | CallError) -> None:
        self._late_answers -= 1
        self._outputs.append(Transmit(encode(response)))

    def respond(self, call: Call, now: Moment) -> CallResult | CallError:
        """Return the model's answer to a CALL."""
        return CallError(call.message_id, "NotSupported", f"{call.action} is not supported")

    # --- inside --------------------------------------------------------------------------------

    def _finish(self, now: Moment) -> list[Output]:
        """Send what may be sent, and hand all outputs over."""
        if self.is_connected:
            request = self._session.next(now)
            if request is not None:
                payload = request.payload() if callable(request.payload) else request.payload
                text = encode_call(request.message_id, request.action, payload)
                self._outputs.append(Transmit(text, request))
        outputs, self._outputs = self._outputs, []
        return outputs


def encode(response: CallResult | CallError) -> str:
    """Return the text of an answer."""
    if isinstance(response, CallResult):
        return encode_result(response.message_id, response.payload)
    return encode_error(response.message_id, response.code, response.description, response.details)


__all__ = ["ChargePoint", "Reply", "encode"]
