"""Everything that is checked in every case, from the raw frames and their times alone.

The judge pairs calls and answers itself and does not know what the simulator's session made of
them. `judge` looks at one case; `harness.judge_run` at a run as a whole. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from harness import schemas
from harness.checks import finding, printable
from harness.judge_connection import judge_connections
from harness.judge_frames import Frame, MessageType, read_frame, shorten, spelled
from harness.judge_payloads import Message, judge_own_call, judge_payload
from harness.model import Position, SendRaw
from harness.results import CsmsCall, Exchange, ExchangeOutcome, Finding, Severity
from harness.schemas import Kind
from simulator.trace import Direction, Event, EventKind

DEFAULT_BUDGET: Final = "ocpp_response_timeout"
# Lag of the harness's own loop above which a measured time is shown, but not held to its target.
DISTURBED_S: Final = 0.020
# A CSMS may give up on a CALL we leave unanswered and send the next (CS-RPC-07). No product gives
# up sooner than this, so a second CALL before it is one too many.
SHORTEST_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A response budget: beyond the limit is wrong, beyond the target is slow."""

    limit_s: float
    target_s: float | None = None


@dataclass(frozen=True, slots=True)
class StepRef:
    """The step an event belongs to."""

    path: str
    position: Position | None = None


def _no_lag(_sent_s: float, _received_s: float) -> float:
    return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeContext:
    """What the judge has to know besides the events.

    Attributes:
        budgets: by name; ``ocpp_response_timeout`` must be there.
        budget_of: name of the budget by message id of our CALL, where it is not the default.
        strict: unasked calls and missed targets fail.
        lag_s: how long the harness's own loop lagged at worst between two monotonic times.
        expected_calls: events with CALLs of the CSMS that some step awaited.
        steps: the step by event, for our CALLs and raw texts and for the CALLs of the CSMS.
        raw: the step by event, for raw texts we sent, expressions resolved.
        wanted_closes: CLOSED events the scenario asked for, whoever came first.
        judged_handshakes: OPENED and REFUSED events that somebody else judges.
        completed_s: monotonic time of the case's last expected frame; None where it broke off.
        ended_s: monotonic time when the harness stopped looking.
        pong_timeout_s: how long a pong may take.
        shortest_timeout_s: before this the CSMS has not given up on a CALL of its own.
    """

    budgets: Mapping[str, Limit]
    ended_s: float
    budget_of: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    lag_s: Callable[[float, float], float] = _no_lag
    expected_calls: Collection[int] = ()
    steps: Mapping[int, StepRef] = field(default_factory=dict)
    raw: Mapping[int, SendRaw] = field(default_factory=dict)
    wanted_closes: Collection[int] = ()
    judged_handshakes: Collection[int] = ()
    completed_s: float | None = None
    pong_timeout_s: float = 10.0
    shortest_timeout_s: float = SHORTEST_TIMEOUT_S


class Judgement(NamedTuple):
    """What the judge found: findings in the order of events, and who waited how long for whom."""

    findings: tuple[Finding, ...]
    exchanges: tuple[Exchange, ...]
    csms_calls: tuple[CsmsCall, ...]


def judge(events: Sequence[Event], *, context: JudgeContext) -> Judgement:
    """Judge one case."""
    judging = _Judging(events, context)
    judging.walk()
    return judging.judgement()


@dataclass(slots=True)
class _OwnCall:
    """A CALL, or raw text, of the charge point."""

    index: int
    event: Event
    action: str
    message_id: str
    payload: object
    owed: frozenset[str] = frozenset({"result"})  # or none, error: from SendRaw.answers
    codes: tuple[str, ...] = ()
    answer_ids: tuple[object, ...] = ()
    answer: int | None = None
    answer_frame: Frame | None = None


@dataclass(slots=True)
class _CsmsCall:
    """A CALL of the CSMS."""

    index: int
    event: Event
    frame: Frame
    message_id: str
    answer: int | None = None


@dataclass(slots=True)
class _Connection:
    """What was said on one connection so far."""

    own: dict[str, _OwnCall] = field(default_factory=dict)
    csms: dict[str, _CsmsCall] = field(default_factory=dict)
    closed: int | None = None


class _Judging:
    """One pass over the events of a case."""

    def __init__(self, events: Sequence[Event], context: JudgeContext) -> None:
        self._events = events
        self._context = context
        self._connections: dict[tuple[str, int], _Connection] = {}
        self._own: list[_OwnCall] = []
        self._csms: list[_CsmsCall] = []
        self._findings: list[Finding] = []

    def walk(self) -> None:
        """Read all events, then judge what only the end shows."""
        for index, event in enumerate(self._events):
            connection = self._connections.setdefault(
                (event.identity, event.connection), _Connection()
            )
            match event.kind, event.direction:
                case EventKind.FRAME | EventKind.BINARY, Direction.SENT:
                    self._sent(connection, index, event)
                case EventKind.FRAME | EventKind.BINARY, Direction.RECEIVED:
                    self._received(connection, index, event)
                case EventKind.CLOSED, _:
                    connection.closed = index
                case _:
                    pass
        for call in self._own:
            self._judge_exchange(call)
        self._add(
            judge_connections(
                self._events,
                wanted_closes=self._context.wanted_closes,
                judged_handshakes=self._context.judged_handshakes,
                completed_s=self._context.completed_s,
                ended_s=self._context.ended_s,
                pong_timeout_s=self._context.pong_timeout_s,
            )
        )

    def judgement(self) -> Judgement:
        """Return what was found."""
        last = len(self._events)
        ordered = sorted(self._findings, key=lambda one: last if one.event is None else one.event)
        exchanges = [
            self._exchange(call)
            for call in self._own
            if "none" not in call.owed or call.answer is not None
        ]
        return Judgement(
            tuple(ordered),
            tuple(exchanges),
            tuple(self._csms_call(call) for call in self._csms),
        )

    # --- frames as they come ---------------------------------------------------------------------

    def _sent(self, connection: _Connection, index: int, event: Event) -> None:
        text = event.text
        if event.kind is EventKind.BINARY:
            text = bytes.fromhex(text).decode(errors="replace")
        frame, _ = read_frame(text)
        raw = self._context.raw.get(index)
        if raw is not None:
            message_id = raw.message_id or str(frame.message_id or "")
            call = _OwnCall(
                index,
                event,
                frame.action,
                message_id,
                frame.payload,
                owed=raw.answers,
                codes=raw.codes,
                answer_ids=raw.answer_ids,
            )
        elif frame.type is MessageType.CALL and isinstance(frame.message_id, str):
            call = _OwnCall(index, event, frame.action, frame.message_id, frame.payload)
            if not self._was_misled():
                self._add(judge_own_call(frame.action, frame.payload), index)
        else:
            answered = connection.csms.get(_key(frame.message_id))
            if answered is not None and answered.answer is None:
                answered.answer = index
            return
        connection.own[call.message_id or f"event {index}"] = call
        self._own.append(call)

    def _was_misled(self) -> bool:
        """Say whether the CSMS gave a faulty value, which our own CALLs may have to repeat."""
        return any(
            one.severity is Severity.FAILURE and one.rule.startswith("schema.")
            for one in self._findings
        )

    def _received(self, connection: _Connection, index: int, event: Event) -> None:
        text = event.text
        if event.kind is EventKind.BINARY:
            self._add([finding("frame.binary", "A message came as binary.", actual=text)], index)
            try:
                text = bytes.fromhex(text).decode()
            except ValueError:
                return
        frame, findings = read_frame(text)
        if frame.type is MessageType.CALL:
            self._add(findings, index)
            self._csms_called(connection, index, event, frame)
        elif frame.type is None:
            self._add(findings, index)
        else:
            self._answered(connection, index, event, frame, findings)

    def _csms_called(self, connection: _Connection, index: int, event: Event, frame: Frame) -> None:
        found: list[Finding] = []
        message_id = _key(frame.message_id)
        call = _CsmsCall(index, event, frame, message_id)
        is_repeated = False
        earlier = connection.csms.get(message_id)
        if earlier is not None:
            is_repeated = (
                earlier.answer is None
                and earlier.frame.action == frame.action
                and earlier.frame.payload == frame.payload
            )
            found.append(_reused(message_id, is_repeated=is_repeated))
        found += self._overlaps(connection, event, frame)
        if frame.action and frame.action not in schemas.ACTIONS:
            message = f"OCPP 1.6 has no action {shorten(frame.action)!r}."
            found.append(finding("call.unknown-action", message, actual=frame.action))
        elif frame.action and frame.action not in schemas.CSMS_ACTIONS:
            message = f"{frame.action} is sent by charge points only."
            found.append(finding("call.direction", message, actual=frame.action))
        elif frame.action and index not in self._context.expected_calls and not is_repeated:
            found.append(
                finding(
                    "wire.unasked-call",
                    f"The CSMS sent a {frame.action} that nobody asked for.",
                    expected="no CALL here",
                    actual=shorten(event.text),
                    strict=self._context.strict,
                )
            )
        if frame.has_payload:
            found += judge_payload(
                Message(frame.action, Kind.CALL, frame.payload, {}, event.at, event.at)
            )
        self._add(found, index)
        self._csms.append(call)
        connection.csms[message_id] = call

    def _overlaps(self, connection: _Connection, event: Event, frame: Frame) -> list[Finding]:
        """A CALL that came before we answered the one before: the CSMS cannot have waited."""
        still_open = [
            call
            for call in connection.csms.values()
            if call.answer is None
            and event.monotonic_s - call.event.monotonic_s < self._context.shortest_timeout_s
        ]
        return [
            finding(
                "call.overlap",
                f"{frame.action or 'A CALL'} came while {call.frame.action or 'a CALL'} "
                f"({call.message_id}) was not answered yet.",
                expected="one open CALL",
                actual="two",
            )
            for call in still_open[-1:]
        ]

    def _answered(
        self,
        connection: _Connection,
        index: int,
        event: Event,
        frame: Frame,
        findings: list[Finding],
    ) -> None:
        message_id = frame.message_id
        call = connection.own.get(message_id) if isinstance(message_id, str) else None
        call = call or self._accepting(connection, message_id)
        if call is None:
            self._add([*findings, self._stray_answer(connection, event, frame)], index)
            return
        step = call.index
        if call.index in self._context.raw:
            # The id is the one we sent, or one the step takes: it is no fault of the answer.
            findings = [one for one in findings if one.rule != "frame.message-id"]
        self._add(findings, index, step)
        if call.answer is not None:
            again = finding(
                "answer.twice",
                f"{call.action or 'The CALL'} ({call.message_id}) was answered again.",
                expected="one answer",
                actual=shorten(event.text),
            )
            self._add([again], index, step)
            return
        call.answer, call.answer_frame = index, frame
        self._add(_wrong_kind(call, frame, event.text), index, step)
        if frame.type is MessageType.CALL_RESULT and frame.has_payload and "result" in call.owed:
            message = Message(
                call.action, Kind.RESULT, frame.payload, call.payload, call.event.at, event.at
            )
            self._add(judge_payload(message), index, step)

    def _accepting(self, connection: _Connection, message_id: object) -> _OwnCall | None:
        """Return the first raw text that may be answered under this id and is not yet."""
        key = _key(message_id)
        return next(
            (
                call
                for call in connection.own.values()
                if call.answer is None and key in map(_key, call.answer_ids)
            ),
            None,
        )

    def _stray_answer(self, connection: _Connection, event: Event, frame: Frame) -> Finding:
        waiting = [
            call
            for call in connection.own.values()
            if call.answer is None and "none" not in call.owed
        ]
        if waiting:
            call = waiting[-1]
            return finding(
                "answer.wrong-id",
                f"An answer came under an id that no open CALL has, while "
                f"{call.action or 'a CALL'} ({call.message_id}) waits for one.",
                expected=call.message_id,
                actual=shorten(str(frame.message_id)),
            )
        return finding(
            "answer.unsolicited",
            "An answer came that no CALL on this connection asked for.",
            expected="no answer",
            actual=shorten(event.text),
        )

    # --- exchanges -------------------------------------------------------------------------------

    def _budget(self, call: _OwnCall) -> tuple[str, Limit]:
        name = self._context.budget_of.get(call.message_id, DEFAULT_BUDGET)
        return name, self._context.budgets[name]

    def _exchange(self, call: _OwnCall) -> Exchange:
        name, limit = self._budget(call)
        duration_s: float | None = None
        lag_s = 0.0
        outcome = ExchangeOutcome.UNANSWERED
        if call.answer is not None and call.answer_frame is not None:
            sent_s = call.event.monotonic_s
            received_s = self._events[call.answer].monotonic_s
            duration_s = received_s - sent_s
            lag_s = self._context.lag_s(sent_s, received_s)
            is_error = call.answer_frame.type is MessageType.CALL_ERROR
            outcome = ExchangeOutcome.CALL_ERROR if is_error else ExchangeOutcome.RESULT
        return Exchange(
            action=call.action,
            message_id=call.message_id,
            budget=name,
            outcome=outcome,
            duration_s=duration_s,
            # Our own lag never makes an answer late, nor excuses what it does not explain.
            is_late=duration_s is not None and duration_s - lag_s > limit.limit_s,
            is_disturbed=lag_s > DISTURBED_S,
            sent_event=call.index,
            answer_event=call.answer,
        )

    def _judge_exchange(self, call: _OwnCall) -> None:
        if "none" in call.owed and call.answer is None:
            return
        exchange = self._exchange(call)
        _, limit = self._budget(call)
        name = call.action or "The message"
        if exchange.duration_s is None:
            self._add([self._unanswered(call, limit)], call.index)
        elif exchange.is_late:
            late = finding(
                "answer.late",
                f"{name} was answered after {exchange.duration_s:.2f} s.",
                expected=f"{limit.limit_s:g} s at most ({exchange.budget})",
                actual=f"{exchange.duration_s:.2f} s",
            )
            self._add([late], call.answer, call.index)
        elif (
            limit.target_s is not None
            and exchange.duration_s > limit.target_s
            and not exchange.is_disturbed
        ):
            slow = finding(
                "response.target",
                f"{name} was answered after {exchange.duration_s * 1000:.0f} ms.",
                expected=f"{limit.target_s * 1000:.0f} ms at most ({exchange.budget})",
                actual=f"{exchange.duration_s * 1000:.0f} ms",
                strict=self._context.strict,
            )
            self._add([slow], call.answer, call.index)

    def _unanswered(self, call: _OwnCall, limit: Limit) -> Finding:
        name = f"{call.action or 'The message'} ({call.message_id})"
        sent_s = call.event.monotonic_s
        closed = self._connections[call.event.identity, call.event.connection].closed
        until_s, ending = self._context.ended_s, ""
        if closed is not None:
            event = self._events[closed]
            until_s, ending = event.monotonic_s, str(event.detail.get("by", "lost"))
        waited_s = until_s - sent_s
        if ending in ("csms", "lost"):
            how = "closed" if ending == "csms" else "dropped"
            return finding(
                "answer.missing",
                f"{name} was not answered before the CSMS {how} the connection.",
                expected="an answer",
                actual=f"the end of the connection after {waited_s:.2f} s",
            )
        if waited_s >= limit.limit_s:
            return finding(
                "answer.missing",
                f"{name} was not answered within {waited_s:.1f} s.",
                expected=f"an answer within {limit.limit_s:g} s",
                actual="none",
            )
        return finding(
            "answer.unobserved",
            f"{name} had no answer when the harness stopped looking after {waited_s:.2f} s.",
            expected=f"{limit.limit_s:g} s to answer",
            actual=f"{waited_s:.2f} s",
        )

    def _csms_call(self, call: _CsmsCall) -> CsmsCall:
        waited_s: float | None = None
        if call.answer is not None:
            waited_s = self._events[call.answer].monotonic_s - call.event.monotonic_s
        return CsmsCall(
            action=printable(call.frame.action),
            message_id=printable(call.message_id),
            waited_s=waited_s,
            received_event=call.index,
            answer_event=call.answer,
        )

    # --- findings --------------------------------------------------------------------------------

    def _add(
        self, findings: Sequence[Finding], index: int | None = None, step_of: int | None = None
    ) -> None:
        """Keep findings, placed at an event and at the step of `step_of`, or of that event."""
        for one in findings:
            event = index if one.event is None else one.event
            anchor = step_of if step_of is not None else event
            step = self._context.steps.get(anchor) if anchor is not None else None
            self._findings.append(
                replace(
                    one,
                    event=event,
                    step=step.path if step else one.step,
                    position=step.position if step else one.position,
                )
            )


def _key(message_id: object) -> str:
    """Return what tells ids apart, those of a wrong type too."""
    return message_id if isinstance(message_id, str) else json.dumps(message_id)


def _reused(message_id: str, *, is_repeated: bool) -> Finding:
    if is_repeated:
        return finding(
            "call.repeated",
            "The same CALL came again under the same id, before we answered the first.",
            expected="one CALL",
            actual=shorten(message_id),
        )
    return finding(
        "call.id-reused",
        "A CALL has an id that an earlier CALL on this connection had.",
        expected="a new message id",
        actual=shorten(message_id),
    )


def _wrong_kind(call: _OwnCall, frame: Frame, text: str) -> list[Finding]:
    """Say whether an answer is of the kind that is owed."""
    name = call.action or "The message"
    is_error = frame.type is MessageType.CALL_ERROR
    said = f"{frame.code}: {frame.description}" if frame.description else frame.code
    if ("error" if is_error else "result") in call.owed:
        if is_error and call.codes and spelled(frame.code) not in call.codes:
            return [
                finding(
                    "answer.error-code",
                    f"{name} was answered by a CALLERROR with a code that does not fit.",
                    expected=" or ".join(call.codes),
                    actual=said,
                )
            ]
        return []
    if "result" in call.owed:
        return [
            finding(
                "answer.call-error",
                f"{name} was answered by a CALLERROR: {said}.",
                expected="a CALLRESULT",
                actual=f"CALLERROR {said}",
            )
        ]
    if "error" in call.owed:
        return [
            finding(
                "answer.error-owed",
                f"{name} is faulty, but was answered by a CALLRESULT.",
                expected=f"a CALLERROR {' or '.join(call.codes)}".strip(),
                actual=shorten(text),
            )
        ]
    return [
        finding(
            "answer.unexpected",
            f"{name} ({call.message_id}) was answered, though no answer is owed.",
            expected="no answer",
            actual=shorten(text),
        )
    ]
