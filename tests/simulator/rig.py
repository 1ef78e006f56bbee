"""A charge point before a tiny CSMS, both without I/O, on a clock that moves when told to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from simulator.charge_point import ChargePoint
from simulator.clock import Moment, format_time
from simulator.frames import Call, CallError, CallResult, encode_call, encode_error, encode_result
from simulator.frames import parse as parse_frame
from simulator.key_pairs import make_csr
from simulator.outputs import (
    CancelTransfer,
    Cause,
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
from simulator.session import Request

START = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)

Payload = dict[str, Any]
Answering = Callable[[Payload], Payload | CallError | None]

ACCEPTED = {"idTagInfo": {"status": "Accepted"}}
FAILURE = CallError("", "InternalError", "no")


class Rig:
    """One charge point, its CSMS, and everything that crossed between them.

    `answers` says what the CSMS answers to an action: a payload, a CALLERROR, or None for silence.
    """

    def __init__(self, *, boots: bool = True, **options: Any) -> None:
        ids = count(1)
        self.s = 1000.0
        self.charge_point = ChargePoint("CP1", new_message_id=lambda: f"cp-{next(ids)}", **options)
        self.calls: list[tuple[str, Payload]] = []
        self.sent: list[Call | CallResult | CallError] = []
        self.notices: list[str] = []
        self.hangups: list[Hangup] = []
        self.pings = 0
        self.transfers: list[Download | Upload] = []
        self.cancelled: list[int] = []
        self.csr_orders: list[MakeCsr] = []
        self.credentials: list[UseCredentials] = []
        self.is_connected = False
        self.holds_answers = False
        self.held: list[Call] = []
        self._csms_ids = count(1)
        self._transaction_ids = count(1)
        self.answers: dict[str, Answering] = {
            "BootNotification": lambda _: {
                "status": "Accepted",
                "currentTime": format_time(self.now.at, milliseconds=True),
                "interval": 300,
            },
            "Heartbeat": lambda _: {"currentTime": format_time(self.now.at, milliseconds=True)},
            "Authorize": lambda _: ACCEPTED,
            "StartTransaction": lambda _: {
                "transactionId": next(self._transaction_ids),
                **ACCEPTED,
            },
            "DataTransfer": lambda _: {"status": "UnknownVendorId"},
            "SignCertificate": lambda _: {"status": "Accepted"},
        }
        if boots:
            self.do("power_on")
            self.connect()
            self.dialogue()

    @property
    def now(self) -> Moment:
        """This moment."""
        return Moment(START + timedelta(seconds=self.s), self.s)

    def do(self, event: str, **arguments: object) -> None:
        """Let something happen to the charge point."""
        self._carry_out(self.charge_point.apply(event, arguments, self.now))

    def by_hand(self, action: str, payload: Payload) -> None:
        """Send a CALL a script wrote."""
        request = Request(action, payload, f"hand-{self.s}-{action}", 30.0, lambda *_: None)
        self._carry_out(self.charge_point.submit(request, self.now))

    def connect(self) -> None:
        """Open the connection."""
        self.is_connected = True
        self._carry_out(self.charge_point.connected(self.now))

    def drop(self) -> None:
        """Lose the connection."""
        self.is_connected = False
        self.held.clear()
        self._carry_out(self.charge_point.disconnected(self.now))

    def reconnect_after_hangup(self) -> None:
        """Do what the shell does when the charge point hung up."""
        assert self.hangups
        self.hangups.clear()
        self.drop()
        self.connect()

    def advance(self, seconds: float) -> None:
        """Let time pass, waking the charge point whenever it wants to be."""
        end_s = self.s + seconds
        while True:
            due_s = self.charge_point.next_wakeup_s()
            if due_s is None or due_s > end_s:
                break
            self.s = max(self.s, due_s)
            self._carry_out(self.charge_point.wake(self.now))
        self.s = end_s

    def ask(self, action: str, payload: Mapping[str, object] | None = None) -> Payload | str | None:
        """Send a CALL of the CSMS; return the result, the error code, or None for silence."""
        message_id = f"csms-{next(self._csms_ids)}"
        before = len(self.sent)
        text = encode_call(message_id, action, payload or {})
        self._carry_out(self.charge_point.receive_text(text, self.now))
        for frame in self.sent[before:]:
            if isinstance(frame, CallResult) and frame.message_id == message_id:
                return frame.payload
            if isinstance(frame, CallError) and frame.message_id == message_id:
                return frame.code
        return None

    def refuse(self, kind: str = "http", status: int | None = 401, alert: str = "") -> None:
        """Let an attempt to connect fail."""
        self._carry_out(self.charge_point.refused(kind, status, alert, self.now))

    def make_csr(self) -> None:
        """Let the oldest request for a certificate be made."""
        order = self.csr_orders.pop(0)
        end = make_csr(order)
        self._carry_out(self.charge_point.csr_made(order.number, end, self.now))

    def receive_text(self, text: str) -> None:
        """Send any text to the charge point."""
        self._carry_out(self.charge_point.receive_text(text, self.now))

    def transferred(
        self,
        problem: str = "",
        *,
        cause: Cause = Cause.OTHER,
        size_bytes: int = 1000,
        sha256: str = "",
    ) -> None:
        """Let the oldest transfer end."""
        transfer = self.transfers.pop(0)
        end = TransferEnd(problem=problem, cause=cause, size_bytes=size_bytes, sha256=sha256)
        self._carry_out(self.charge_point.transfer_ended(transfer.number, end, self.now))

    def release(self) -> None:
        """Answer what was held."""
        held, self.held = self.held, []
        for call in held:
            self._answer(call)

    def take(self) -> list[tuple[str, Payload]]:
        """Return the CALLs since the last time and forget them."""
        calls, self.calls = self.calls, []
        return calls

    def payload(self, action: str) -> Payload:
        """Return the content of the only CALL of this action since the last time."""
        (payload,) = [payload for name, payload in self.calls if name == action]
        return payload

    def story(self) -> list[str]:
        """Return the CALLs since the last time in short, such as ``Status 1 Charging``."""
        return [in_short(action, payload) for action, payload in self.take()]

    def dialogue(self) -> list[str]:
        """Return everything the charge point sent since the last time, answers included."""
        frames, self.sent = self.sent, []
        self.calls.clear()
        return [_line(frame) for frame in frames]

    def _carry_out(self, outputs: list[Output]) -> None:
        queue = list(outputs)
        while queue:
            output = queue.pop(0)
            match output:
                case Notice():
                    self.notices.append(output.text)
                case Ping():
                    self.pings += 1
                case Download() | Upload():
                    self.transfers.append(output)
                case MakeCsr():
                    self.csr_orders.append(output)
                case UseCredentials():
                    self.credentials.append(output)
                case CancelTransfer():
                    self.cancelled.append(output.number)
                case Hangup():
                    self.hangups.append(output)
                case Transmit():
                    frame = parse_frame(output.text)
                    assert isinstance(frame, Call | CallResult | CallError)
                    assert frame.defects == ()
                    self.sent.append(frame)
                    if isinstance(frame, Call):
                        assert self.is_connected, frame
                        self.calls.append((frame.action, frame.payload))
                        if self.holds_answers:
                            self.held.append(frame)
                        else:
                            queue += self._answer_outputs(frame)

    def _answer(self, call: Call) -> None:
        self._carry_out(self._answer_outputs(call))

    def _answer_outputs(self, call: Call) -> list[Output]:
        answer = self.answers[call.action](call.payload) if call.action in self.answers else {}
        if answer is None:
            return []
        if isinstance(answer, CallError):
            text = encode_error(call.message_id, answer.code, answer.description)
        else:
            text = encode_result(call.message_id, answer)
        return self.charge_point.receive_text(text, self.now)


def _line(frame: Call | CallResult | CallError) -> str:
    match frame:
        case Call():
            return in_short(frame.action, frame.payload)
        case CallResult():
            return f"conf {frame.payload.get('status', '')}".strip()
        case CallError():
            return f"error {frame.code}"


def in_short(action: str, payload: Payload) -> str:
    """Return a CALL in a few words."""
    match action:
        case "StatusNotification":
            error = "" if payload["errorCode"] == "NoError" else f" {payload['errorCode']}"
            return f"Status {payload['connectorId']} {payload['status']}{error}"
        case "Authorize":
            return f"Authorize {payload['idTag']}"
        case "StartTransaction":
            return f"Start {payload['connectorId']} {payload['idTag']}"
        case "StopTransaction":
            return f"Stop {payload['transactionId']} {payload['reason']}"
        case "MeterValues":
            transaction = f" {payload['transactionId']}" if "transactionId" in payload else ""
            return f"Meter {payload['connectorId']}{transaction}"
        case "BootNotification":
            return "Boot"
        case "FirmwareStatusNotification":
            return f"Firmware {payload['status']}"
        case "DiagnosticsStatusNotification":
            return f"Diagnostics {payload['status']}"
        case "SignedFirmwareStatusNotification":
            return f"Signed {payload['status']} {payload.get('requestId', '')}".strip()
        case "LogStatusNotification":
            return f"Log {payload['status']} {payload.get('requestId', '')}".strip()
        case "SecurityEventNotification":
            return f"Event {payload['type']}"
        case _:
            return action
