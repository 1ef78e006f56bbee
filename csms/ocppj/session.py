"""One live charge point: its CALLs in order of arrival, our CALLs one at a time.

Reading a frame never waits for a handler. CALLs of the charge point line up and one short-lived
task works them off; answers to our CALLs are matched at once, so both directions may cross
(CS-RPC-05, CS-RPC-06). The session knows no socket and no database: see `Wire` and `Services`.

A repeated message id gets the stored answer only on the same connection, only while the frame is
the same to the byte, and only for a short time: some charge points count from "1" with every boot,
some never count at all.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeAlias

from csms.domain.model import LoggedMessage, RegistrationStatus
from csms.domain.registration import stricter
from csms.domain.triggers import awaited_action
from csms.ocppj import frames
from csms.ocppj.errors import CallFailure, ErrorCode
from csms.ocppj.frames import BadCall, Call, CallError, CallResult, MessageId, Unreadable
from csms.ocppj.handlers import Received
from csms.ocppj.outcomes import (
    Answered,
    CommandOutcome,
    Disconnected,
    Malformed,
    Refused,
    TimedOut,
)
from csms.ocppj.schemas import ACTIONS
from csms.ocppj.validation import TRANSACTION_ACTIONS, check, is_sendable_answer
from csms.storage.errors import StorageError

MAX_WAITING_CALLS: Final = 32  # of the charge point; then reading pauses
LARGE_CALL: Final = 65_536  # characters; one of these may wait at a time
MAX_STORED_ANSWERS: Final = 8  # a charge point has at most a few CALLs open
STORED_ANSWER_S: Final = 60.0
STORED_TIME_S: Final = 10.0  # for answers that set the charge point's clock
CALLS_PER_TURN: Final = 4  # then other charge points have their turn
MAX_COMPLAINTS: Final = 10  # logged one by one for each connection, then ever more rarely

# What may come from a charge point that is not accepted because we asked for it (CS-BOOT-04).
_CAUSED_BY: Final = {
    "GetDiagnostics": "DiagnosticsStatusNotification",
    "GetLog": "LogStatusNotification",
    "SignedUpdateFirmware": "SignedFirmwareStatusNotification",
    "UpdateFirmware": "FirmwareStatusNotification",
}
_SETS_CLOCK: Final = frozenset({"BootNotification", "Heartbeat"})

_Waiting: TypeAlias = tuple[Call | BadCall, str, datetime, bool]  # frame, text, at, is UTF-8

_logger: Final = logging.getLogger(__name__)


class Wire(Protocol):
    """The connection as a session needs it; nothing here waits or raises."""

    def push(self, data: bytes) -> None:
        """Send one text message, unless the connection is closing."""

    def begin_close(self, code: int, reason: str) -> None:
        """Begin to close the connection."""


class CallHandlers(Protocol):
    """What carries out the CALLs of charge points."""

    @property
    def known(self) -> frozenset[str]:
        """The actions that are done here."""

    async def handle(self, received: Received) -> dict[str, Any]:
        """Return the payload of the CALLRESULT, or raise CallFailure."""


class Services(Protocol):
    """What all sessions share."""

    now: Callable[[], datetime]
    log_message: Callable[[LoggedMessage], None]  # never waits, never fails

    @property
    def handlers(self) -> CallHandlers:
        """What carries out CALLs."""

    async def quarantine(
        self, *, identity: str, action: str, text: str, reason: str, at: datetime
    ) -> None:
        """Keep a transaction message that is refused."""

    def keep(self, task: "asyncio.Task[None]") -> None:
        """Hold on to a task until it is done."""


@dataclass(slots=True, eq=False)
class Command:
    """One CALL of ours, waiting for its turn or for its answer."""

    message_id: str
    action: str
    payload: dict[str, Any]
    timeout_s: float
    outcome: "asyncio.Future[CommandOutcome]"


class Session:
    """The state of one connection of one charge point.

    Attributes:
        registration: what the charge point was told last, or what closes the gate since.
        security_profile: what it came with.
        is_accepted: its CALLs are carried out (CS-BOOT-03, CS-BOOT-04).
    """

    __slots__ = (
        "_answers",
        "_calls",
        "_commands",
        "_complaints",
        "_decided",
        "_loop",
        "_max_commands",
        "_open",
        "_room",
        "_services",
        "_timer",
        "_told",
        "_triggered",
        "_wire",
        "_worker",
        "connected_at",
        "identity",
        "is_accepted",
        "is_ended",
        "last_received_at",
        "registration",
        "remote_address",
        "security_profile",
    )

    def __init__(
        self,
        identity: str,
        *,
        wire: Wire,
        services: Services,
        registration: RegistrationStatus,
        is_accepted: bool,
        told: RegistrationStatus | None = None,
        max_commands: int,
        remote_address: str = "",
        security_profile: int = 0,
    ) -> None:
        self.identity = identity
        self.registration = registration
        self.is_accepted = is_accepted
        self.is_ended = False
        self.remote_address = remote_address
        self.security_profile = security_profile
        self.connected_at = services.now()
        self.last_received_at = self.connected_at
        self._wire = wire
        self._services = services
        self._loop = asyncio.get_running_loop()
        self._told = told
        self._decided: RegistrationStatus | None = None
        self._complaints = 0
        self._max_commands = max_commands
        # Made when needed: an idle connection is to cost little.
        self._calls: deque[_Waiting] | None = None
        self._worker: asyncio.Task[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._answers: dict[MessageId, tuple[int, str, float]] | None = None
        self._commands: deque[Command] | None = None
        self._open: Command | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._triggered: set[str] | None = None

    # --- the charge point speaks -----------------------------------------------------------

    def receive(self, text: str, *, is_utf8: bool = True) -> bool:
        """Take one message in; False when it is of no use: nobody can answer or match it.

        Afterwards wait for `room` before reading the next.
        """
        at = self._services.now()
        self.last_received_at = at
        frame = frames.parse(text)
        match frame:
            case Call() | BadCall():
                self._log("received", text, at, frame.action, frame.message_id)
                if self._calls is None:
                    self._calls = deque()
                self._calls.append((frame, text, at, is_utf8))
                if self._worker is None:
                    self._worker = self._loop.create_task(self._work(self._calls))
                    self._services.keep(self._worker)
                return True
            case CallResult() | CallError():
                command = self._open
                if command is not None and command.message_id == frame.message_id:
                    self._log("received", text, at, command.action, frame.message_id)
                    self._finish(command, _outcome(frame))
                    return True
                # Late, or never asked for (CS-RPC-07, CS-RPC-08).
                self._log("received", text, at, None, frame.message_id)
                self._complain("answer %r belongs to no open CALL", frame.message_id)
                return False
            case Unreadable():
                self._log("received", text, at, None, None)
                self._complain("dropped a message: %s", frame.reason)
                return False

    @property
    def is_full(self) -> bool:
        """Whether the reader must wait for `room`: many CALLs wait, or a large one does."""
        calls = self._calls
        if not calls:
            return False
        return len(calls) >= MAX_WAITING_CALLS or len(calls[-1][1]) > LARGE_CALL

    async def room(self) -> None:
        """Wait until another CALL may line up."""
        while self.is_full and not self.is_ended:
            self._room = self._loop.create_future()
            await self._room

    async def _work(self, calls: deque[_Waiting]) -> None:
        """Answer the CALLs that lined up, in their order.

        What was received before the connection ended is carried out all the same: its sender may
        have sent its last words and left.
        """
        try:
            turns = 0
            while calls:
                frame, text, at, is_utf8 = calls.popleft()
                self._make_room()
                answer = await self._answer(frame, text, at, is_utf8)
                if not self.is_ended:
                    self._send(answer, frame.action, frame.message_id)
                turns += 1
                if turns % CALLS_PER_TURN == 0:
                    await asyncio.sleep(0)
        finally:
            self._worker = None
            self._calls = None

    def _make_room(self) -> None:
        if self._room is not None:
            if not self._room.done():
                self._room.set_result(None)
            self._room = None

    async def _answer(self, frame: Call | BadCall, text: str, at: datetime, is_utf8: bool) -> bytes:
        """Carry one CALL out and return the frame of its answer."""
        message_id = frame.message_id
        try:
            self._check_gate(frame.action)
            if isinstance(frame, BadCall):
                raise CallFailure(frame.code, frame.description)
            stored = self._stored_answer(message_id, text)
            if stored is not None:
                return stored
            result = await self._carry_out(frame, text, at, is_utf8)
            answer = frames.call_result(message_id, result)
        except CallFailure as failure:
            if failure.code is not ErrorCode.INTERNAL_ERROR:  # else it was logged, and is retried
                self._complain("%s %r: %s", frame.action or "a CALL", message_id, failure)
                if failure.code is not ErrorCode.SECURITY_ERROR:
                    await self._keep_refused(frame.action, text, failure, at)
            return frames.call_error(message_id, failure.code, failure.description)
        except StorageError as error:
            _logger.error("%s: %s %r not stored: %s", *self._tag(frame), error)
            return frames.call_error(message_id, ErrorCode.INTERNAL_ERROR, "try again later")
        except Exception:
            _logger.exception("%s: %s %r failed", *self._tag(frame))
            bug = CallFailure(ErrorCode.INTERNAL_ERROR, "the message could not be processed")
            await self._keep_refused(frame.action, text, bug, at)
            return frames.call_error(message_id, bug.code, bug.description)
        self._store_answer(message_id, text, answer, frame.action)
        return answer

    def _tag(self, frame: Call | BadCall) -> tuple[str, str, MessageId]:
        return self.identity, frame.action, frame.message_id

    async def _carry_out(
        self, frame: Call, text: str, at: datetime, is_utf8: bool
    ) -> dict[str, Any]:
        action = frame.action
        if action not in self._services.handlers.known:
            if action in ACTIONS:  # done by charge points only, or not yet (CS-RPC-18)
                raise CallFailure(ErrorCode.NOT_SUPPORTED, "this action is not supported here")
            raise CallFailure(ErrorCode.NOT_IMPLEMENTED, "this action is not known")
        if len(text) > LARGE_CALL:  # a walk through thousands of odd samples takes its time
            payload, quirks = await asyncio.to_thread(check, action, frame.payload)
        else:
            payload, quirks = check(action, frame.payload)
        if not is_utf8:
            quirks += ("message: not UTF-8",)
        if action == "BootNotification":
            self._decided = None
        received = Received(self.identity, action, str(frame.message_id), payload, text, at, quirks)
        result = await self._services.handlers.handle(received)
        if not is_sendable_answer(action, result):
            raise AssertionError(f"the answer to {action} breaks its schema")
        if action == "BootNotification":
            self._told = RegistrationStatus(result["status"])
            # The operator may have decided after the handler looked.
            self._learn(stricter(self._told, self._decided or self._told))
        return result

    def _check_gate(self, action: str) -> None:
        """Let through what a charge point in this state may send (OCPP-J errata 3.10)."""
        if self.is_accepted or action == "BootNotification":
            return
        if self._triggered is not None and action in self._triggered:
            return
        raise CallFailure(
            ErrorCode.SECURITY_ERROR, "the charge point has not been accepted by BootNotification"
        )

    async def _keep_refused(
        self, action: str, text: str, failure: CallFailure, at: datetime
    ) -> None:
        """Quarantine a transaction message: the charge point will drop it (CS-ORD-04)."""
        if action not in TRANSACTION_ACTIONS:
            return
        try:
            await self._services.quarantine(
                identity=self.identity, action=action, text=text, reason=str(failure), at=at
            )
        except Exception as error:
            _logger.error("%s: a refused %s was not kept: %s", self.identity, action, error)

    def _stored_answer(self, message_id: MessageId, text: str) -> bytes | None:
        entry = None if self._answers is None else self._answers.get(message_id)
        if entry is None:
            return None
        fingerprint, answer, until_s = entry
        if fingerprint != hash(text) or self._loop.time() >= until_s:
            return None
        return answer.encode()

    def _store_answer(self, message_id: MessageId, text: str, answer: bytes, action: str) -> None:
        if self._answers is None:
            self._answers = {}
        self._answers.pop(message_id, None)
        if len(self._answers) >= MAX_STORED_ANSWERS:
            del self._answers[next(iter(self._answers))]
        lifetime_s = STORED_TIME_S if action in _SETS_CLOCK else STORED_ANSWER_S
        # As text: the bytes orjson makes keep a far larger buffer.
        self._answers[message_id] = (hash(text), answer.decode(), self._loop.time() + lifetime_s)

    # --- the operator speaks ---------------------------------------------------------------

    def decide(self, status: RegistrationStatus) -> None:
        """Take the operator's decision in; the charge point is told by its next BootNotification.

        Until then one that was told Rejected gets no commands (CS-BOOT-07).
        """
        self._decided = status
        self._answers = None  # the same BootNotification is to hear of it
        if status is not RegistrationStatus.ACCEPTED:
            self._learn(stricter(status, self._told or status))

    def _learn(self, status: RegistrationStatus) -> None:
        self.registration = status
        self.is_accepted = status is RegistrationStatus.ACCEPTED
        if self.is_accepted:
            self._triggered = None

    def submit(self, command: Command) -> bool:
        """Queue a CALL for the charge point; False when too many wait already."""
        if self.is_ended:
            _settle(command, Disconnected())
            return True
        if self._commands is None:
            self._commands = deque()
        elif len(self._commands) >= self._max_commands:
            # Those whose caller went away hold no place.
            self._commands = deque(one for one in self._commands if not one.outcome.done())
            if len(self._commands) >= self._max_commands:
                return False
        self._commands.append(command)
        self._send_next()
        return True

    def _send_next(self) -> None:
        """Send the next command, unless one is open (CS-RPC-05)."""
        while self._open is None and self._commands:
            command = self._commands.popleft()
            if command.outcome.done():  # the caller went away
                continue
            self._open = command
            self._allow_triggered(command)
            self._timer = self._loop.call_later(command.timeout_s, self._time_out, command)
            data = frames.call(command.message_id, command.action, command.payload)
            self._send(data, command.action, command.message_id)

    def _allow_triggered(self, command: Command) -> None:
        if self.is_accepted:
            return
        caused = _CAUSED_BY.get(command.action)
        if command.action in ("TriggerMessage", "ExtendedTriggerMessage"):
            is_extended = command.action == "ExtendedTriggerMessage"
            caused = awaited_action(command.payload["requestedMessage"], is_extended=is_extended)
        if caused is not None:
            self._triggered = {caused, *(self._triggered or ())}

    def _finish(self, command: Command, outcome: CommandOutcome) -> None:
        self._open = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        _settle(command, outcome)
        self._send_next()

    def _time_out(self, command: Command) -> None:
        _logger.warning(
            "%s: no answer to %s %s within %g s",
            self.identity,
            command.action,
            command.message_id,
            command.timeout_s,
        )
        self._finish(command, TimedOut(command.timeout_s))

    # --- the end ---------------------------------------------------------------------------

    def end(self) -> None:
        """The connection is gone: nothing more is sent, and nobody waits any longer."""
        if self.is_ended:
            return
        self.is_ended = True
        commands = list(self._commands or ())
        self._commands = None
        if self._open is not None:
            commands.append(self._open)
            self._open = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for command in commands:
            _settle(command, Disconnected())
        self._make_room()

    def close(self, code: int, reason: str) -> None:
        """End the session and begin to close its connection."""
        self.end()
        self._wire.begin_close(code, reason)

    # --- shared ----------------------------------------------------------------------------

    def _send(self, data: bytes, action: str | None, message_id: MessageId) -> None:
        self._wire.push(data)
        self._log("sent", data.decode(), self._services.now(), action, message_id)

    def _log(
        self,
        direction: str,
        text: str,
        at: datetime,
        action: str | None,
        message_id: MessageId | None,
    ) -> None:
        self._services.log_message(
            LoggedMessage(
                self.identity,
                direction,
                at,
                text,
                action or None,
                None if message_id is None else str(message_id),
            )
        )

    def _complain(self, message: str, *arguments: object) -> None:
        """Log what the peer did wrong, but do not let it fill the log."""
        self._complaints += 1
        count = self._complaints
        if count <= MAX_COMPLAINTS or count & (count - 1) == 0:
            _logger.warning("%s: " + message + " (%d so far)", self.identity, *arguments, count)


def _outcome(frame: CallResult | CallError) -> CommandOutcome:
    if isinstance(frame, CallError):
        return Refused(frame.code, frame.description, frame.details)
    if type(frame.payload) is not dict:
        return Malformed("the payload of the answer is not an object")
    return Answered(frame.payload)


def _settle(command: Command, outcome: CommandOutcome) -> None:
    if not command.outcome.done():
        command.outcome.set_result(outcome)
