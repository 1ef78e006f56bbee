"""Runs one scenario on one simulated charge point, step by step, and hands over what came of it.

It waits for events with deadlines, never for a fixed time. It decides only what a step itself can
know: whether a payload matches its pattern and whether a request came. Everything else is judged
from the recorded frames afterwards.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, cast
from uuid import uuid4

from harness import expressions, matching
from harness.awaited import Arrival, Awaited, leaves
from harness.cleanup import clean_up
from harness.drivers.driver import Driver, DriverOutcome, Outcome
from harness.judge import JudgeContext, Limit, StepRef, judge
from harness.model import (
    AnyOrder,
    Connect,
    Disconnect,
    Do,
    ErrorAnswer,
    Fields,
    Json,
    ModelAnswer,
    ModelCall,
    NoAnswer,
    OperatorStep,
    Receive,
    ResultAnswer,
    Scenario,
    Send,
    SendRaw,
    Step,
    Wait,
)
from harness.results import (
    CaseResult,
    DriverReport,
    Finding,
    Severity,
    StepResult,
    Verdict,
    verdict_of,
)
from harness.sut import Budget
from harness.wire import Wire, monotonic_s
from simulator.client import Call, HandshakeRefused, Station
from simulator.errors import LocalProtocolError
from simulator.trace import Event, EventKind

_log = logging.getLogger(__name__)

DEFAULT_BUDGET: Final = "ocpp_response_timeout"

# An answer that came within a third more than its limit is late, not missing.
_PATIENCE: Final = 4 / 3
# A driver that said no is believed after this: its word may overtake the frame it speaks of.
_AFTER_REFUSAL_S: Final = 2.0
_PONG_TIMEOUT_S: Final = 10.0
# An interrupted run must be gone within two seconds.
_INTERRUPTED_CLEANUP_S: Final = 0.9
_INTERRUPTED_CLOSE_S: Final = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a case is run with; see RunOptions and the system-under-test file."""

    edition: str
    strict: bool
    settle_s: float
    action_timeout_s: float
    milliseconds: bool
    budgets: Mapping[str, Budget]

    def limit_s(self, budget: str) -> float:
        """Return the limit of a budget, the general one where the name has none of its own."""
        return self.budgets.get(budget, self.budgets[DEFAULT_BUDGET]).limit_s


@dataclass(frozen=True, slots=True)
class TagAnswer:
    """What the CSMS said about a card of a role, and what it should have said."""

    role: str
    is_expected: bool
    status: str


class _StepFailed(Exception):
    """The step did not come to its end; the rest of the case is not run."""


@dataclass(slots=True)
class _Command:
    """An operator step under way; `began` is the number of events before it."""

    step: OperatorStep
    started_at: datetime
    started_s: float
    began: int
    task: asyncio.Task[DriverOutcome]
    ended_s: float | None = None


@dataclass(slots=True)
class _Progress:
    """What is known about the steps so far."""

    findings: list[Finding] = field(default_factory=list)
    results: dict[str, StepResult] = field(default_factory=dict)
    steps_of: dict[int, StepRef] = field(default_factory=dict)
    raw: dict[int, SendRaw] = field(default_factory=dict)
    budget_of: dict[str, str] = field(default_factory=dict)
    wanted_closes: set[int] = field(default_factory=set)
    tag_answers: list[TagAnswer] = field(default_factory=list)
    pings_s: list[float] = field(default_factory=list)
    own_timers_s: float = 0.0
    completed_s: float | None = None


class Runner:
    """One run of one scenario."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        make_station: Callable[[Callable[[Event], None], Callable[[Call], bool]], Station],
        wire: Wire,
        driver: Driver,
        settings: Settings,
        variables: Mapping[str, Json],
        id_tags: Mapping[str, str],
        lag_s: Callable[[float, float], float],
    ) -> None:
        """Prepare a run; nothing happens yet.

        Args:
            make_station: makes the charge point from what records its events and takes its CALLs.
            variables: standard variables and those of the system-under-test file.
            id_tags: the leased tags by role, for words about cards that seem unknown.
            lag_s: longest lag of our loop between two monotonic moments.
        """
        self._scenario = scenario
        self._settings = settings
        self._driver = driver
        self._lag_s = lag_s
        self._roles = {tag.casefold(): role for role, tag in id_tags.items()}
        self._steps = _of_edition(scenario.steps, settings.edition)
        self._wire = wire
        self._station = make_station(wire.record, self._on_call)
        self._awaited = Awaited(self._steps)
        self._variables: dict[str, Json] = dict(variables)
        self._gathered: dict[str, list[Json]] = {}
        self._commands: dict[str, _Command] = {}
        self._answered: set[int] = set()
        self._pings: set[asyncio.Task[None]] = set()
        self._waiting_since: dict[str, float] = {}
        self._early: dict[str, asyncio.Task[None]] = {}
        self._step_began = 0
        self._requirement = " ".join(
            part for part in (scenario.id, scenario.section and f"§{scenario.section}") if part
        )
        self._progress = _Progress()
        self._walking: asyncio.Task[None] | None = None
        self._cleaning: asyncio.Task[list[Finding]] | None = None
        self._interrupted = ""

    @property
    def tag_answers(self) -> list[TagAnswer]:
        """What the CSMS said about cards."""
        return self._progress.tag_answers

    def interrupt(self, reason: str) -> None:
        """End the case soon: no more steps, no settling, a short clean-up."""
        self._interrupted = self._interrupted or reason
        self._wire.wake()
        if self._walking is not None:
            self._walking.cancel()
        if self._cleaning is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(_INTERRUPTED_CLEANUP_S, self._cleaning.cancel)

    async def run(self, on_settling: Callable[[], None]) -> CaseResult:
        """Run the case to its end.

        Args:
            on_settling: called when the last step is done: others may use the slot.
        """
        started_at, started_s = datetime.now(UTC), monotonic_s()
        try:
            if not self._interrupted:
                await self._walk_until_interrupted()
            on_settling()
            settle_s = 0.0 if self._interrupted else await self._settle()
            ended_s = monotonic_s()
            observed = len(self._wire.events)
            cut_short = self._interrupted
            warnings = await self._clean_up()
        finally:
            reports = await self._end_commands()
            await self._shut_down()
        return self._result(
            started_at=started_at,
            started_s=started_s,
            settle_s=settle_s,
            ended_s=ended_s,
            observed=observed,
            cut_short=cut_short,
            warnings=warnings,
            reports=reports,
        )

    # --- the walk ---------------------------------------------------------------------------

    async def _walk_until_interrupted(self) -> None:
        self._walking = asyncio.create_task(self._walk(), name=f"{self._scenario.id} steps")
        try:
            await asyncio.wait([self._walking])
        finally:
            if not self._walking.done():
                # The whole run is cancelled: the steps end first, then the clean-up follows.
                self._walking.cancel()
                await asyncio.wait([self._walking])
        if not self._walking.cancelled():
            self._walking.result()

    async def _walk(self) -> None:
        try:
            for step in self._steps:
                await self._run(step)
        except _StepFailed:
            return
        finally:
            await self._answer_rest()
        self._progress.completed_s = monotonic_s()

    async def _run(self, step: Step) -> None:
        """Run one step and note what became of it."""
        began_at, began_s, began = datetime.now(UTC), monotonic_s(), len(self._wire.events)
        outcome = "failed"
        self._awaited.begin(step)
        try:
            await self._perform(step)
            if self._has_failed(step):
                raise _StepFailed
            outcome = "passed"
        except (expressions.UnknownVariable, expressions.BadExpression) as error:
            self._fail(step, "harness.variable", Severity.ERROR, f"{error}; see the scenario.")
            raise _StepFailed from error
        except LocalProtocolError as error:
            message = f"The simulated charge point cannot do this: {error}."
            self._fail(step, "harness.step", Severity.ERROR, message)
            raise _StepFailed from error
        except _StepFailed:
            raise
        except Exception as error:  # the evidence so far must not be lost with it
            _log.exception("step %s of %s broke off", step.path, self._scenario.id)
            message = f"The harness itself failed: {type(error).__name__}: {error}"
            self._fail(step, "harness.error", Severity.ERROR, message)
            raise _StepFailed from error
        finally:
            self._step_began = began
            self._progress.results[step.path] = StepResult(
                path=step.path,
                kind=_kind(step),
                title=_title(step),
                position=step.position,
                started_at=began_at,
                duration_s=monotonic_s() - began_s,
                outcome=outcome,
            )

    async def _perform(self, step: Step) -> None:
        match step:
            case Send():
                await self._send(step)
            case SendRaw():
                await self._send_raw(step)
            case Do():
                await self._do(step)
            case OperatorStep():
                self._operate(step)
            case Receive():
                await self._receive(step)
            case Wait():
                await self._wait(step)
            case Disconnect():
                await self._disconnect(step)
            case Connect():
                await self._connect(step)
            case AnyOrder():
                await self._any_order(step)

    # --- connection -------------------------------------------------------------------------

    async def _connect(self, step: Connect) -> None:
        began = len(self._wire.events)
        if self._is_offline:
            await self._station.wait_closed()  # the old one's tasks may still be ending
        try:
            await self._station.connect()
        except HandshakeRefused as error:
            raise _StepFailed from error
        finally:
            for kind in (EventKind.OPENED, EventKind.REFUSED):
                event = self._wire.last(kind, since=began)
                if event is not None:
                    self._ref(event, step)
        ping = asyncio.create_task(self._ping(), name=f"{self._scenario.id} ping")
        self._pings.add(ping)
        ping.add_done_callback(self._pings.discard)

    async def _ping(self) -> None:
        """Measure the network's share of all times, once for each connection."""
        round_trip_s = await self._station.ping(_PONG_TIMEOUT_S)
        if round_trip_s is not None:
            self._progress.pings_s.append(round_trip_s)

    async def _disconnect(self, step: Disconnect) -> None:
        if not self._is_offline:
            if step.how == "drop":
                self._station.drop()
            else:
                await self._station.close()
            await self._station.wait_closed()
            closed = self._wire.last(EventKind.CLOSED)
        else:
            # The CSMS was faster, as some are after a Reset: only the step just before counts.
            closed = self._wire.last(EventKind.CLOSED, since=self._step_began)
        if closed is not None:
            self._progress.wanted_closes.add(closed)
            self._ref(closed, step)

    # --- what the charge point sends --------------------------------------------------------

    async def _send(self, step: Send) -> None:
        scope = self._scope(step)
        payload = cast("dict[str, Json]", self._resolve(step.payload, scope))
        message_id = str(uuid4())
        self._progress.budget_of[message_id] = step.budget
        answer = await self._station.call(
            step.action,
            payload,
            timeout_s=self._settings.limit_s(step.budget) * _PATIENCE,
            message_id=message_id,
        )
        sent = self._wire.index_of(answer.sent)
        if sent is not None:
            self._ref(sent, step)
        if answer.result is None:
            raise _StepFailed  # refused, late beyond patience or lost: the frames tell which
        event = self._wire.index_of(answer.received)
        found = self._match(step.expect, answer.result, f"{step.action}.conf", step, event, scope)
        self._match_warnings(step.warn, answer.result, f"{step.action}.conf", step, event, scope)
        self._note_tag(payload, answer.result, found)

    async def _send_raw(self, step: SendRaw) -> None:
        scope = self._scope(step)
        text = str(self._resolve(step.text, scope))
        message_id = str(self._resolve(step.message_id, scope))
        event = self._wire.index_of(await self._station.send_text(text))
        if event is None:
            raise _StepFailed
        resolved = replace(step, text=text, message_id=message_id)
        self._progress.raw[event] = resolved
        self._ref(event, step)
        if step.answer == "none" or not message_id:
            return
        deadline_s = monotonic_s() + self._settings.limit_s(DEFAULT_BUDGET) * _PATIENCE
        came = await self._wire.until(
            lambda: self._wire.answer_to(message_id, since=event) is not None or self._is_offline,
            deadline_s=deadline_s,
        )
        if not came or self._wire.answer_to(message_id, since=event) is None:
            raise _StepFailed

    async def _do(self, step: Do) -> None:
        scope = self._scope(step)
        began = len(self._wire.events)
        arguments = cast("dict[str, Json]", self._resolve(step.arguments, scope))
        await self._station.apply(step.event, **arguments)
        since = began
        for expected in step.calls:
            since = await self._model_call(step, expected, since, scope) + 1

    async def _model_call(
        self, step: Do, expected: ModelCall, since: int, scope: dict[str, Json]
    ) -> int:
        """Await the model's next CALL of the action named, and its answer; return its index."""

        def sent() -> tuple[int, Call] | None:
            calls = self._wire.calls_sent(since=since)
            return next((one for one in calls if one[1].action == expected.action), None)

        deadline_s = monotonic_s() + self._settings.action_timeout_s
        await self._wire.until(
            lambda: sent() is not None or self._is_offline, deadline_s=deadline_s
        )
        made = sent()
        if made is None:
            calls = [call.action for _, call in self._wire.calls_sent(since=since)]
            message = (
                f"The model was to send {expected.action} after `{step.event}`, "
                f"but sent {', '.join(calls) or 'nothing'}."
            )
            self._fail(step, "harness.model", Severity.ERROR, message)
            raise _StepFailed
        index, call = made
        self._ref(index, step)
        limit_s = self._settings.limit_s(DEFAULT_BUDGET) * _PATIENCE
        await self._wire.until(
            lambda: (
                self._wire.answer_to(call.message_id, since=index) is not None or self._is_offline
            ),
            deadline_s=self._wire.events[index].monotonic_s + limit_s,
        )
        if expected.payload is not None:
            self._match_model(expected.payload, call.payload, step, index, scope)
        answer = self._wire.answer_to(call.message_id, since=index)
        result = self._wire.result_at(answer)
        if result is None:
            raise _StepFailed
        rule = f"{expected.action}.conf"
        self._match(expected.expect, result, rule, step, answer, scope)
        self._match_warnings(expected.warn, result, rule, step, answer, scope)
        return index

    # --- what the CSMS sends ----------------------------------------------------------------

    def _on_call(self, call: Call) -> bool:
        """Take a CALL that a step awaits; leave any other to the model, at once."""
        step = self._awaited.take(call, len(self._wire.events) - 1)
        self._wire.wake()
        if step is None:
            return False
        if step.path not in self._waiting_since:
            # Its turn has not come, but a charge point does not let the CSMS wait for that: some
            # answer nothing else meanwhile.
            early = self._take(step, self._awaited.arrived[step.path])
            self._early[step.path] = asyncio.create_task(early, name=f"{step.path} early")
        return True

    def _operate(self, step: OperatorStep) -> None:
        payload = cast("dict[str, Json]", self._resolve(step.payload, self._scope(step)))
        identity = self._station.endpoint.identity
        task = asyncio.create_task(
            self._driver.command(identity, step.action, payload),
            name=f"{self._scenario.id} {step.action}",
        )
        began = len(self._wire.events)
        command = _Command(step, datetime.now(UTC), monotonic_s(), began, task)
        self._commands[step.path] = command

        def ended(_: asyncio.Task[DriverOutcome]) -> None:
            command.ended_s = monotonic_s()
            self._wire.wake()

        task.add_done_callback(ended)

    async def _receive(self, step: Receive) -> None:
        self._waiting_since.setdefault(step.path, monotonic_s())
        arrival = await self._arrival(step)
        if arrival is None:
            return
        early = self._early.pop(step.path, None)
        if early is not None:
            # It may have needed what only the steps in between could tell: then it is its turn now.
            with suppress(expressions.UnknownVariable):
                await early
                return
        await self._take(step, arrival)

    async def _any_order(self, step: AnyOrder) -> None:
        """Run the inner steps; what the CSMS sends is taken in the order in which it comes."""
        waiting: list[Receive] = []
        for inner in step.steps:
            if isinstance(inner, Receive):
                self._awaited.begin(inner)
                self._waiting_since[inner.path] = monotonic_s()
                waiting.append(inner)
            else:
                await self._run(inner)
        deadline_s = monotonic_s() + self._settings.action_timeout_s
        while waiting:

            def came() -> list[Receive]:
                arrived = self._awaited.arrived
                found = [one for one in waiting if one.path in arrived]  # used at once
                return sorted(found, key=lambda one: arrived[one.path].event)

            def is_hopeless() -> bool:
                return all(_has_refused(self._command_of(one)) for one in waiting)

            await self._wire.until(
                lambda: bool(came()) or self._is_offline or is_hopeless(), deadline_s=deadline_s
            )
            following = (came() or waiting)[0]
            waiting.remove(following)
            await self._run(following)

    async def _arrival(self, step: Receive) -> Arrival | None:
        """Wait for the step's CALL; None when an optional one did not come."""
        command = self._command_of(step)
        later = self._receives_after(step) if step.optional else []
        # With neither, nothing would ever tell that an optional CALL will not come any more.
        can_tell = not step.optional or later or command is not None
        time_s = self._settings.action_timeout_s if can_tell else self._settings.settle_s
        deadline_s = self._waiting_since[step.path] + time_s

        def is_over() -> bool:
            arrived = self._awaited.arrived
            return (
                step.path in arrived
                or self._is_offline
                or any(one.path in arrived for one in later)
            )

        def is_given_up() -> bool:
            has_ended = command is not None and command.ended_s is not None
            return _has_refused(command) or (step.optional and has_ended)

        await self._wire.until(lambda: is_over() or is_given_up(), deadline_s=deadline_s)
        if not is_over() and command is not None and command.ended_s is not None:
            # The driver's word may overtake the frame it speaks of.
            believed_s = command.ended_s + _AFTER_REFUSAL_S
            await self._wire.until(is_over, deadline_s=min(deadline_s, believed_s))
        self._awaited.end(step)
        arrival = self._awaited.arrived.get(step.path)
        if arrival is None and not step.optional:
            self._fail_missing(step, command)
            raise _StepFailed
        return arrival

    async def _take(self, step: Receive, arrival: Arrival) -> None:
        """Judge a CALL of the CSMS against its step and answer it, whatever it is like."""
        scope = self._scope(step)
        self._ref(arrival.event, step)
        payload = arrival.call.payload
        rule = f"{step.action}.req"
        self._match(step.payload, payload, rule, step, arrival.event, scope)
        self._match_warnings(step.warn, payload, rule, step, arrival.event, scope)
        await self._answer(step, arrival)

    async def _answer(self, step: Receive, arrival: Arrival) -> None:
        scope = self._scope(step)
        match step.answer:
            case ModelAnswer():
                self._answered.add(arrival.event)
                await self._station.answer_as_model(arrival.call)
            case ResultAnswer(delay_s=delay_s):
                payload = cast("dict[str, Json]", self._resolve(step.answer.payload, scope))
                self._answered.add(arrival.event)
                await asyncio.sleep(delay_s)
                await self._station.answer(arrival.call, payload)
            case ErrorAnswer(code=code, description=description, delay_s=delay_s):
                details = cast("dict[str, Json]", self._resolve(step.answer.details, scope))
                self._answered.add(arrival.event)
                await asyncio.sleep(delay_s)
                await self._station.answer_error(arrival.call, code, description, details)
            case NoAnswer():
                self._answered.add(arrival.event)

    async def _answer_rest(self) -> None:
        """Answer what is not answered yet for steps that were never reached."""
        if self._interrupted:
            for early in self._early.values():
                early.cancel()
        await asyncio.gather(*self._early.values(), return_exceptions=True)
        for arrival in self._awaited.arrived.values():
            if arrival.event not in self._answered and not self._is_offline:
                self._answered.add(arrival.event)
                await self._station.answer_as_model(arrival.call)

    def _fail_missing(self, step: Receive, command: _Command | None) -> None:
        since = command.began if command is not None else self._step_began
        strays = [stray.action for stray in self._awaited.strays if stray.event >= since]
        others = ", ".join(strays)
        instead = f" It sent {others} instead." if others else ""
        if self._is_offline:
            instead += " The connection had ended."
        outcome = _outcome_of(command)
        if outcome is None or outcome.outcome is Outcome.DONE:
            said = f" The driver had reported: {outcome.summary}" if outcome else ""
            waited_s = self._settings.action_timeout_s
            message = f"{step.action} did not come within {waited_s:g} s.{instead}{said}"
            self._fail(step, "request.missing", Severity.FAILURE, message)
            return
        said = f": {outcome.summary}" if outcome.summary else ""
        message = (
            f"{step.action} was not observed, and the driver {_WORDS[outcome.outcome]}{said}."
            + instead
        )
        self._fail(step, "request.not-observed", Severity.INCONCLUSIVE, message)

    # --- time -------------------------------------------------------------------------------

    async def _wait(self, step: Wait) -> None:
        seconds = self._resolve(step.seconds, self._scope(step))
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            message = f"`wait` needs a number of seconds, not {seconds!r}."
            self._fail(step, "harness.step", Severity.ERROR, message)
            raise _StepFailed
        began_s, was_online = monotonic_s(), not self._is_offline
        try:
            # A connection that ends meanwhile ends the wait: the next step could not follow.
            lost = await self._wire.until(
                lambda: was_online and self._is_offline, deadline_s=began_s + seconds
            )
        finally:
            self._progress.own_timers_s += monotonic_s() - began_s
        if lost and not isinstance(self._leaf_after(step), Disconnect):
            raise _StepFailed

    async def _settle(self) -> float:
        """Keep the connection open to see that nothing more comes."""
        if self._is_offline:
            return 0.0
        began_s = monotonic_s()
        await self._wire.until(
            lambda: self._is_offline or bool(self._interrupted),
            deadline_s=began_s + self._settings.settle_s,
        )
        return monotonic_s() - began_s

    # --- the end ----------------------------------------------------------------------------

    async def _clean_up(self) -> list[Finding]:
        limit_s = min(self._settings.limit_s(DEFAULT_BUDGET), 10.0)
        time_s = _INTERRUPTED_CLEANUP_S if self._interrupted else 2 * limit_s
        self._cleaning = asyncio.create_task(
            clean_up(
                self._station,
                self._wire,
                milliseconds=self._settings.milliseconds,
                answer_timeout_s=min(limit_s, time_s),
                time_s=time_s,
            ),
            name=f"{self._scenario.id} clean-up",
        )
        try:
            await asyncio.wait([self._cleaning])
        finally:
            self._cleaning.cancel()  # it outlives nobody who waits for it
        if self._cleaning.cancelled():
            message = f"The case was not cleaned up to its end: {self._interrupted}."
            return [Finding("cleanup.incomplete", Severity.WARNING, message)]
        return self._cleaning.result()

    async def _end_commands(self) -> tuple[DriverReport, ...]:
        """Tell what every driver call came to; those still open are given up."""
        reports = []
        for command in self._commands.values():
            outcome = _outcome_of(command) or DriverOutcome(Outcome.PENDING, "")
            duration_s = command.ended_s - command.started_s if command.ended_s else None
            if not command.task.done():
                command.task.cancel()
                duration_s = None
            reports.append(
                DriverReport(
                    step=command.step.path,
                    action=command.step.action,
                    outcome=outcome.outcome.value,
                    summary=outcome.summary,
                    started_at=command.started_at,
                    duration_s=duration_s,
                )
            )
        tasks = [command.task for command in self._commands.values()]
        await asyncio.gather(*tasks, return_exceptions=True)
        return tuple(reports)

    async def _shut_down(self) -> None:
        for ping in list(self._pings):
            ping.cancel()
        await asyncio.gather(*self._pings, return_exceptions=True)
        try:
            async with asyncio.timeout(_INTERRUPTED_CLOSE_S if self._interrupted else None):
                await self._station.shut_down()
        except TimeoutError:
            self._station.drop()
            await self._station.shut_down()

    def _result(
        self,
        *,
        started_at: datetime,
        started_s: float,
        settle_s: float,
        ended_s: float,
        observed: int,
        cut_short: str,
        warnings: list[Finding],
        reports: tuple[DriverReport, ...],
    ) -> CaseResult:
        events = tuple(self._wire.events)
        # Clean-up is not part of the case: its frames are shown, but only how the connection
        # ended is judged.
        kept = [i for i, e in enumerate(events) if i < observed or e.kind is not EventKind.FRAME]
        progress = self._progress
        judged = judge(
            [events[index] for index in kept],
            context=JudgeContext(
                budgets={
                    name: Limit(limit_s=budget.limit_s, target_s=budget.target_s)
                    for name, budget in self._settings.budgets.items()
                },
                budget_of=progress.budget_of,
                strict=self._settings.strict,
                lag_s=self._lag_s,
                # What came while it was awaited was asked for, reached or not.
                expected_calls={one.event for one in self._awaited.arrived.values()},
                steps=progress.steps_of,
                raw=progress.raw,
                wanted_closes=progress.wanted_closes,
                completed_s=progress.completed_s,
                ended_s=ended_s,
                pong_timeout_s=_PONG_TIMEOUT_S,
            ),
        )
        found = [
            finding if finding.event is None else replace(finding, event=kept[finding.event])
            for finding in judged.findings
        ]
        findings = (*_in_order([*progress.findings, *found, *self._differences()]), *warnings)
        if cut_short:
            findings = tuple(warnings)  # half a case proves nothing
        scenario = self._scenario
        verdict = Verdict.NOT_RUN if cut_short else verdict_of(findings)
        return CaseResult(
            case_id=scenario.id,
            title=scenario.title,
            profile=scenario.profile,
            requirement=scenario.requirement,
            position=scenario.position,
            identity=self._station.endpoint.identity,
            verdict=verdict,
            reason=cut_short or _reason(findings, verdict),
            findings=findings,
            steps=tuple(self._step_result(step) for step in leaves(self._steps)),
            events=events,
            exchanges=judged.exchanges,
            csms_calls=judged.csms_calls,
            driver_reports=reports,
            ping_round_trips_s=tuple(progress.pings_s),
            started_at=started_at,
            duration_s=monotonic_s() - started_s,
            own_timers_s=progress.own_timers_s,
            settle_s=settle_s,
        )

    def _differences(self) -> list[Finding]:
        """Compare what the driver said with what was seen; the frames are right, it is told."""
        found = []
        for path, operator in self._awaited.operator_of.items():
            arrival, command = self._awaited.arrived.get(path), self._commands.get(operator.path)
            outcome = _outcome_of(command)
            answers = self._wire.partners(arrival.event) if arrival else []
            result = self._wire.result_at(answers[0]) if answers else None
            if outcome is None or result is None or outcome.outcome is Outcome.PENDING:
                continue
            said = outcome.answer.get("status") if isinstance(outcome.answer, dict) else None
            if outcome.outcome is not Outcome.DONE:
                message = f"the driver {_WORDS[outcome.outcome]}: {outcome.summary}"
            elif isinstance(said, str) and "status" in result and said != result["status"]:
                message = f"it was {result['status']!r}, but the driver was told {said!r}"
            else:
                continue
            found.append(
                Finding(
                    "driver.differs",
                    Severity.WARNING,
                    f"{operator.action} was answered by the charge point; {message}.",
                    step=operator.path,
                    position=operator.position,
                    event=answers[0],
                )
            )
        return found

    # --- small things -----------------------------------------------------------------------

    @property
    def _is_offline(self) -> bool:
        return not self._wire.is_open

    def _scope(self, step: Step) -> dict[str, Json]:
        return expressions.scope(
            self._variables,
            step.bindings,
            now=datetime.now(UTC),
            milliseconds=self._settings.milliseconds,
        )

    def _resolve(self, value: Json, scope: Mapping[str, Json]) -> Json:
        return expressions.resolve(
            value, scope, now=datetime.now(UTC), milliseconds=self._settings.milliseconds
        )

    def _ref(self, event: int, step: Step) -> None:
        self._progress.steps_of[event] = StepRef(path=step.path, position=step.position)

    def _fail(self, step: Step, rule: str, severity: Severity, message: str) -> None:
        self._progress.findings.append(
            Finding(
                rule=rule,
                severity=severity,
                message=message,
                requirement=self._requirement,
                step=step.path,
                position=step.position,
            )
        )

    def _has_failed(self, step: Step) -> bool:
        return any(
            one.step == step.path and one.severity is not Severity.WARNING
            for one in self._progress.findings
        )

    def _match(
        self,
        pattern: Fields | None,
        payload: object,
        rule: str,
        step: Step,
        event: int | None,
        scope: Mapping[str, Json],
        severity: Severity = Severity.FAILURE,
    ) -> tuple[Finding, ...]:
        """Hold a payload against a pattern; keep what it captures; return what does not hold."""
        if pattern is None:
            return ()
        now = datetime.now(UTC)
        result = matching.match(pattern, payload, variables=scope, now=now, gathered=self._gathered)
        self._variables |= result.captures
        for name, value in result.gathered.items():
            self._gathered.setdefault(name, []).append(value)
        found = matching.findings(
            result,
            rule=f"rule.{rule}",
            severity=severity,
            requirement=self._requirement,
            step=step.path,
            position=step.position,
            event=event,
        )
        self._progress.findings += found
        return found

    def _match_warnings(
        self,
        pattern: Fields | None,
        payload: object,
        rule: str,
        step: Step,
        event: int | None,
        scope: Mapping[str, Json],
    ) -> None:
        self._match(pattern, payload, rule, step, event, scope, Severity.WARNING)

    def _match_model(
        self, pattern: Fields, payload: object, step: Do, event: int, scope: Mapping[str, Json]
    ) -> None:
        """Hold our own model against the scenario: where they differ, the harness is wrong."""
        result = matching.match(pattern, payload, variables=scope, now=datetime.now(UTC))
        self._variables |= result.captures
        self._progress.findings += matching.findings(
            result,
            rule="harness.model",
            severity=Severity.ERROR,
            step=step.path,
            position=step.position,
            event=event,
        )

    def _note_tag(
        self, payload: Mapping[str, Json], result: Mapping[str, object], found: tuple[Finding, ...]
    ) -> None:
        """Remember what the CSMS thinks of a leased card, and ask whether it knows it at all."""
        tag, info = payload.get("idTag"), result.get("idTagInfo")
        role = self._roles.get(tag.casefold()) if isinstance(tag, str) else None
        if role is None or not isinstance(info, dict):
            return
        status = str(info.get("status"))
        wrong = [one for one in found if one.expected.startswith("$.idTagInfo.status")]
        self._progress.tag_answers.append(TagAnswer(role, not wrong, status))
        if wrong and status == "Invalid":
            hint = f" Is id tag {tag} ({role}) provisioned in the Central System?"
            findings = self._progress.findings
            at = findings.index(wrong[0])
            findings[at] = replace(wrong[0], message=wrong[0].message + hint)

    def _command_of(self, step: Receive) -> _Command | None:
        operator = self._awaited.operator_of.get(step.path)
        return self._commands.get(operator.path) if operator else None

    def _leaf_after(self, step: Step) -> Step | None:
        following = self._leaves_after(step)
        return following[0] if following else None

    def _leaves_after(self, step: Step) -> list[Step]:
        flat = list(leaves(self._steps))
        at = next(index for index, one in enumerate(flat) if one.path == step.path)
        return flat[at + 1 :]

    def _receives_after(self, step: Receive) -> list[Receive]:
        """Return the receive steps that follow without anything in between."""
        found = []
        for following in self._leaves_after(step):
            if not isinstance(following, Receive):
                break
            found.append(following)
        return found

    def _step_result(self, step: Step) -> StepResult:
        refs = self._progress.steps_of
        own = sorted(index for index, ref in refs.items() if ref.path == step.path)
        events = sorted({*own, *(other for index in own for other in self._wire.partners(index))})
        result = self._progress.results.get(step.path) or StepResult(
            path=step.path,
            kind=_kind(step),
            title=_title(step),
            position=step.position,
            started_at=None,
            duration_s=None,
            outcome="not_run",
        )
        return replace(result, events=tuple(events))


_WORDS: Final = {
    Outcome.REFUSED: "was refused",
    Outcome.FAILED: "failed",
    Outcome.PENDING: "has not said anything yet",
}

_KINDS: Final[dict[type[Step], str]] = {
    Send: "send",
    SendRaw: "send_raw",
    Do: "do",
    OperatorStep: "operator",
    Receive: "receive",
    Wait: "wait",
    Disconnect: "disconnect",
    Connect: "connect",
    AnyOrder: "any_order",
}


def _of_edition(steps: tuple[Step, ...], edition: str) -> tuple[Step, ...]:
    """Return the steps that an edition of the case list has."""
    kept: list[Step] = []
    for step in steps:
        if step.editions.includes(edition):
            if isinstance(step, AnyOrder):
                step = replace(step, steps=_of_edition(step.steps, edition))
            kept.append(step)
    return tuple(kept)


def _outcome_of(command: _Command | None) -> DriverOutcome | None:
    if command is None:
        return None
    if not command.task.done() or command.task.cancelled():
        return DriverOutcome(Outcome.PENDING, "")
    error = command.task.exception()
    if error is not None:
        _log.error("driver failed on %s", command.step.action, exc_info=error)
        return DriverOutcome(Outcome.FAILED, f"{type(error).__name__}: {error}")
    return command.task.result()


def _has_refused(command: _Command | None) -> bool:
    """Say whether the CSMS declined; an interface that broke off says nothing about the CSMS."""
    outcome = _outcome_of(command)
    return outcome is not None and outcome.outcome is Outcome.REFUSED


def _kind(step: Step) -> str:
    return _KINDS[type(step)]


def _title(step: Step) -> str:
    """Return one line for people."""
    match step:
        case Send():
            title = f"Charge point sends {step.action}"
        case SendRaw():
            title = "Charge point sends a raw text"
        case Do():
            title = f"Charge point: {step.event.replace('_', ' ')}"
        case OperatorStep():
            title = f"Operator triggers {step.action}"
        case Receive():
            title = f"Central System sends {step.action}"
        case Wait():
            title = "Time passes"
        case Disconnect():
            title = "Connection is cut" if step.how == "drop" else "Connection is closed"
        case Connect():
            title = "Charge point connects"
        case AnyOrder():
            title = "In any order"
    return f"{title} ({step.note})" if step.note else title


def _in_order(findings: list[Finding]) -> list[Finding]:
    """Sort by the frame that shows it; what has none comes last, as it was found."""
    last = max((one.event for one in findings if one.event is not None), default=0) + 1
    return sorted(findings, key=lambda one: last if one.event is None else one.event)


def _reason(findings: tuple[Finding, ...], verdict: Verdict) -> str:
    """Return the message of the finding that decided."""
    return (
        next((one.message for one in findings if verdict_of([one]) is verdict), "")
        if (verdict is not Verdict.PASSED)
        else ""
    )
