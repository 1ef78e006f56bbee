"""How each kind of step is performed: what the charge point sends, awaits, lets pass.

Every step waits for events with deadlines, never for a fixed time. It decides only what a step can
know itself: whether a payload matches its pattern and whether a request came.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import uuid4

from harness.answering import Answering
from harness.attendant import Attendance
from harness.awaited import Arrival, Awaited, leaves, leaves_after, receives_after
from harness.commands import WORDS, Command, Commands
from harness.connections import Connections, StepFailed
from harness.drivers.driver import Driver
from harness.evidence import DEFAULT_BUDGET, Evidence
from harness.expressions import BadExpression, UnknownVariable
from harness.missing import missing
from harness.model import (
    AnyOrder,
    Connect,
    Disconnect,
    Do,
    Json,
    Make,
    ModelCall,
    OperatorStep,
    ProbeTls,
    Receive,
    Respond,
    Send,
    SendRaw,
    Step,
    Wait,
)
from harness.results import Severity
from harness.wire import monotonic_s
from simulator.client import Call, Station
from simulator.errors import LocalProtocolError
from simulator.trace import EventKind

_log = logging.getLogger(__name__)

# An answer that came within a third more than its limit is late, not missing.
_PATIENCE: Final = 4 / 3
# A driver that said no is believed after this: its word may overtake the frame it speaks of.
_AFTER_REFUSAL_S: Final = 2.0
# While a person takes their time, where the Central System named no interval, and at the most.
_HEARTBEAT_S: Final = 60.0
_SHORTEST_HEARTBEAT_S: Final = 1.0
# How long an operator waits for the word on an order that was carried out.
FINISHING_S: Final = 5.0


class Steps:
    """The steps of one case, on one charge point."""

    def __init__(
        self,
        evidence: Evidence,
        driver: Driver,
        make_connections: Callable[[Callable[[Call], bool]], Connections],
    ) -> None:
        """Prepare; nothing happens yet.

        Args:
            make_connections: makes the case's connections from what takes their CALLs.
        """
        self._evidence = evidence
        self._wire = evidence.wire
        self.connections = make_connections(self._on_call)
        self._answering = Answering(evidence, self.connections)
        self.awaited = Awaited(evidence.steps)
        self.commands = Commands(driver, self.station.endpoint.identity, evidence.wire)
        self.attendance: Attendance | None = None  # of the person who acts, where one does
        self._settings = evidence.settings
        self.current: tuple[Step, float] | None = None  # which step runs, and since when
        self._began = 0  # number of events when the step before began
        self._in_groups = {
            inner.path
            for step in evidence.steps
            if isinstance(step, AnyOrder)
            for inner in leaves(step.steps)
        }
        self._early: dict[str, asyncio.Task[None]] = {}
        self._beside: list[asyncio.Future[Any]] = []  # what is sent while a person is waited for
        self._waiting_since: dict[str, float] = {}

    async def run(self, step: Step) -> None:
        """Run one step and note what became of it.

        Raises:
            StepFailed: the case cannot go on.
        """
        if isinstance(step, OperatorStep):
            # Some interfaces take one order at a time.
            await self._wire.until(
                lambda: not self.is_operator_busy, deadline_s=monotonic_s() + FINISHING_S
            )
        began_at, began_s, began = datetime.now(UTC), monotonic_s(), len(self._wire.events)
        outcome = "failed"
        self.current = (step, began_s)
        self.awaited.begin(step)
        try:
            await self._perform(step)
            if not self._evidence.has_failed(step):
                outcome = "passed"
            elif not isinstance(step, ProbeTls):  # what TLS lacks hinders nothing that follows
                raise StepFailed
        except asyncio.CancelledError:
            outcome = "not_run"
            raise
        except StepFailed:
            raise
        except (UnknownVariable, BadExpression) as error:
            message = f"{error}; see the scenario."
            self._evidence.fail(step, "harness.variable", Severity.ERROR, message)
            raise StepFailed from error
        except LocalProtocolError as error:
            message = f"The simulated charge point cannot do this: {error}."
            self._evidence.fail(step, "harness.step", Severity.ERROR, message)
            raise StepFailed from error
        except Exception as error:  # the evidence so far must not be lost with it
            _log.exception("step %s of %s broke off", step.path, self._evidence.scenario.id)
            message = f"The harness itself failed: {type(error).__name__}: {error}"
            self._evidence.fail(step, "harness.error", Severity.ERROR, message)
            raise StepFailed from error
        finally:
            self.current = None
            self._began = began
            self._evidence.note_step(step, outcome, began_at=began_at, began_s=began_s)

    async def end(self, *, is_interrupted: bool) -> None:
        """Answer what is not answered yet: the CSMS waits for it, whether its step was reached."""
        if is_interrupted:
            for early in self._early.values():
                early.cancel()
        await asyncio.gather(*self._early.values(), *self._beside, return_exceptions=True)
        await self._answering.answer_rest(self.awaited.arrived.values())
        if not is_interrupted:
            await self._disown()

    @property
    def station(self) -> Station:
        """The charge point whose connection counts."""
        return self.connections.station

    async def _perform(self, step: Step) -> None:
        match step:
            case Send():
                await self._send(step)
            case SendRaw():
                await self._send_raw(step)
            case Do():
                await self._do(step)
            case OperatorStep():
                payload = self._evidence.resolve_object(step.payload, self._evidence.scope(step))
                if self.attendance is not None:
                    self.attendance.asks(step, self.awaited.receive_of(step), payload)
                self.commands.begin(step, payload)
            case Receive():
                await self._receive(step)
            case Respond():
                await self._answering.respond(step)
            case Wait():
                await self._wait(step)
            case Disconnect():
                await self.connections.disconnect(step, since=self._began)
            case Connect():
                await self.connections.connect(step)
            case Make():
                await self.connections.make(step)
            case ProbeTls():
                await self.connections.probe(step)
            case AnyOrder():
                await self._any_order(step)

    @property
    def is_operator_busy(self) -> bool:
        """Whether the driver has not told yet what became of an order that was carried out."""
        arrived = self.awaited.arrived
        return any(
            command.ended_s is None and path in arrived and self._wire.partners(arrived[path].event)
            for path, operator in self.awaited.operator_of.items()
            if (command := self.commands.of(operator)) is not None
        )

    async def _disown(self) -> None:
        """Let nothing stand for an order that, as the driver tells, was not carried out.

        A CSMS may ask on its own for what a step takes in any form: then the frame shows less
        than the step is about.
        """
        for step in leaves(self._evidence.steps):
            arrival = self.awaited.arrived.get(step.path)
            command = self.commands.of(self.awaited.operator_of.get(step.path))
            if arrival is None or command is None or command.is_in(arrival.call.payload):
                continue
            deadline_s = monotonic_s() + FINISHING_S
            await self._wire.until(partial(_has_ended, command), deadline_s=deadline_s)
            if command.came_to_nothing:
                message = (
                    f"A {command.step.action} came, but not what was ordered, and the driver "
                    f"{WORDS[command.outcome.outcome]}: {command.outcome.summary}"
                )
                self._evidence.fail(step, "request.not-observed", Severity.INCONCLUSIVE, message)

    def _is_answer(self, command: Command, misfit: Arrival) -> bool:
        """Say whether what fits no rule of a step is to be held against it all the same."""
        has_said = self.attendance is not None  # a person said which it is
        return has_said or not command.came_to_nothing or command.is_in(misfit.call.payload)

    # --- what the charge point sends --------------------------------------------------------

    async def _send(self, step: Send) -> None:
        scope = self._evidence.scope(step)
        payload = self._evidence.resolve_object(step.payload, scope)
        message_id = str(self._evidence.resolve(step.message_id, scope)) or str(uuid4())
        self._evidence.budget_of[message_id] = step.budget
        answer = await self.station.call(
            step.action,
            payload,
            timeout_s=self._settings.limit_s(step.budget) * _PATIENCE,
            message_id=message_id,
        )
        sent = self._wire.index_of(answer.sent)
        if sent is not None:
            self._evidence.refer(sent, step)
        if answer.result is None:
            raise StepFailed  # refused, late beyond patience or lost: the frames tell which
        event = self._wire.index_of(answer.received)
        found = self._evidence.hold(
            answer.result,
            rule=f"{step.action}.conf",
            step=step,
            event=event,
            scope=scope,
            expect=step.expect,
            warn=step.warn,
        )
        self._evidence.note_tag(payload, answer.result, found)

    async def _send_raw(self, step: SendRaw) -> None:
        scope = self._evidence.scope(step)
        text = str(self._evidence.resolve(step.text, scope))
        message_id = str(self._evidence.resolve(step.message_id, scope))
        began = len(self._wire.events)
        if step.is_binary:
            sent = await self.station.send_bytes(bytes.fromhex(text))
        else:
            sent = await self.station.send_text(text)
        event = self._wire.index_of(sent)
        if event is None:
            if not self._is_offline or self._wire.last(EventKind.CLOSED, since=began) is None:
                message = "The text could not be sent: the connection had ended."
                self._evidence.fail(step, "harness.step", Severity.INCONCLUSIVE, message)
            raise StepFailed
        resolved = replace(step, text=text, message_id=message_id)
        self._evidence.raw[event] = resolved
        self._evidence.refer(event, step)
        if "none" in step.answers:
            return  # there is nothing to wait for; what may come is judged when it comes
        deadline_s = monotonic_s() + self._settings.limit_s(DEFAULT_BUDGET) * _PATIENCE
        came = await self._wire.until(
            lambda: self._wire.answer_to(message_id, since=event) is not None or self._is_offline,
            deadline_s=deadline_s,
        )
        if not came or self._wire.answer_to(message_id, since=event) is None:
            raise StepFailed

    async def _do(self, step: Do) -> None:
        scope = self._evidence.scope(step)
        began = len(self._wire.events)
        arguments = self._evidence.resolve_object(step.arguments, scope)
        await self.station.apply(step.event, **arguments)
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
            self._evidence.fail(step, "harness.model", Severity.ERROR, message)
            raise StepFailed
        index, call = made
        self._evidence.refer(index, step)
        limit_s = self._settings.limit_s(DEFAULT_BUDGET) * _PATIENCE
        await self._wire.until(
            lambda: (
                self._wire.answer_to(call.message_id, since=index) is not None or self._is_offline
            ),
            deadline_s=self._wire.events[index].monotonic_s + limit_s,
        )
        if expected.payload is not None:
            self._evidence.match_model(expected.payload, call.payload, step, index, scope)
        answer = self._wire.answer_to(call.message_id, since=index)
        result = self._wire.result_at(answer)
        if result is None:
            raise StepFailed
        self._evidence.hold(
            result,
            rule=f"{expected.action}.conf",
            step=step,
            event=answer,
            scope=scope,
            expect=expected.expect,
            warn=expected.warn,
        )
        return index

    # --- what the CSMS sends ----------------------------------------------------------------

    def _on_call(self, call: Call) -> bool:
        """Take a CALL that a step awaits; leave any other to the model, at once."""
        event = len(self._wire.events) - 1
        step = self.awaited.take(
            call,
            event,
            lambda one: self._fits(one, call),
            is_last_meant=self.attendance is not None,
        )
        self._wire.wake()
        if step is None:
            self._answering.leave(event)
            return self._decline_mispress(call, event)  # else the model answers
        if self.attendance is not None and (operator := self.awaited.operator_of.get(step.path)):
            self.attendance.came(operator)
        if step.path not in self._waiting_since:
            # Its turn has not come, but a charge point does not let the CSMS wait for that: some
            # answer nothing else meanwhile.
            early = self._take(step, self.awaited.arrived[step.path])
            self._early[step.path] = asyncio.create_task(early, name=f"{step.path} early")
        return True

    def _fits(self, step: Receive, call: Call) -> bool:
        """Say whether a CALL can be the one a step awaits.

        A CSMS may ask on its own for the same action while an order is under way; in a group no
        order tells which is which.
        """
        command = self._command_of(step)
        if command is None:
            return True
        if self.attendance is not None:
            return not self._mispress(command, step, call)
        if step.path in self._in_groups:
            return True
        return self._evidence.fits(step, call.payload, asked=command.started_at)

    def _mispress(self, command: Command, step: Receive, call: Call) -> str:
        """Explain why a person pressed something else; "" where the frame is to be judged."""
        if self.attendance is None:
            return ""
        mismatches = self._evidence.mismatches(step, call.payload, asked=command.started_at)
        return self.attendance.mispress(command.step, call.action, call.payload, mismatches)

    def _decline_mispress(self, call: Call, event: int) -> bool:
        """Tell the person of a frame that another button sends, and refuse it.

        Returns:
            Whether it is answered here.
        """
        if self.attendance is None:
            return False
        for path, operator in self.awaited.operator_of.items():
            command, receive = self.commands.of(operator), self.awaited.receive_of(operator)
            if command is None or command.ended_s is not None or path in self.awaited.arrived:
                continue
            if call.action != operator.action:
                words = self.attendance.mispress(operator, call.action, call.payload, ())
            elif receive is not None and self.awaited.is_misfit(path, event):
                words = self._mispress(command, receive, call)
            else:
                continue
            if words:
                self.attendance.mispressed(operator, words, event)
                refusal = self.attendance.refusal(call.action)
                if refusal is None:
                    return False
                answer = self.station.answer(call, refusal)
                self._beside.append(asyncio.ensure_future(answer))
                return True
        return False

    async def _receive(self, step: Receive) -> None:
        self._waiting_since.setdefault(step.path, monotonic_s())
        arrival = await self._arrival(step)
        if arrival is None:
            return
        early = self._early.pop(step.path, None)
        if early is not None:
            # It may have needed what only the steps in between could tell: then it is its turn now.
            with suppress(UnknownVariable):
                await early
                return
        await self._take(step, arrival)

    async def _any_order(self, step: AnyOrder) -> None:
        """Run the inner steps; what the CSMS sends is taken in the order in which it comes."""
        waiting: list[Receive] = []
        for inner in step.steps:
            if isinstance(inner, Receive):
                self.awaited.begin(inner)
                self._waiting_since[inner.path] = monotonic_s()
                waiting.append(inner)
            else:
                await self.run(inner)
        while waiting:
            await self._patience(waiting)
            deadline_s = monotonic_s() + self._settings.action_timeout_s

            def came() -> list[Receive]:
                arrived = self.awaited.arrived
                found = [one for one in waiting if one.path in arrived]  # used at once
                return sorted(found, key=lambda one: arrived[one.path].event)

            def is_hopeless() -> bool:
                commands = [self._command_of(one) for one in waiting]
                return all(command and command.is_refused for command in commands)

            await self._wire.until(
                lambda: bool(came()) or self._is_offline or is_hopeless(), deadline_s=deadline_s
            )
            following = (came() or waiting)[0]
            waiting.remove(following)
            await self.run(following)

    async def _arrival(self, step: Receive) -> Arrival | None:
        """Wait for the step's CALL; None when an optional one did not come."""
        command = self._command_of(step)
        later = receives_after(self._evidence.steps, step) if step.optional else []
        # With neither, nothing would ever tell that an optional CALL will not come any more.
        can_tell = not step.optional or later or command is not None
        time_s = self._settings.action_timeout_s if can_tell else self._settings.settle_s
        deadline_s = self._waiting_since[step.path] + time_s

        def is_over() -> bool:
            arrived = self.awaited.arrived
            return (
                step.path in arrived
                or self._is_offline
                or any(one.path in arrived for one in later)
            )

        def is_given_up() -> bool:
            if command is None or command.ended_s is None:
                return False
            is_final = self.attendance is not None and self.attendance.is_final(command.step)
            is_misfit = step.path in self.awaited.misfits
            return command.is_refused or step.optional or is_misfit or is_final

        if await self._patience([step, *later]):
            deadline_s = max(deadline_s, monotonic_s() + time_s)
        await self._wire.until(lambda: is_over() or is_given_up(), deadline_s=deadline_s)
        if not is_over() and command is not None and command.ended_s is not None:
            # The driver's word may overtake the frame it speaks of; what it never asked for
            # does not come.
            believed_s = command.ended_s + (0 if command.is_unasked else _AFTER_REFUSAL_S)
            misfit = self.awaited.misfits.get(step.path)
            if misfit is not None:
                came_s = self._wire.events[misfit.event].monotonic_s
                believed_s = max(command.ended_s, came_s) + self._settings.settle_s
            await self._wire.until(is_over, deadline_s=min(deadline_s, believed_s))
        self.awaited.end(step)
        if self.attendance is not None and command is not None:
            self.awaited.forget_misfit(step, but=self.attendance.meant(command.step))
        misfit = self.awaited.misfits.get(step.path)
        if command is None or misfit is None or self._is_answer(command, misfit):
            self.awaited.settle(step)
        arrival = self.awaited.arrived.get(step.path)
        if arrival is None and not step.optional:
            self._fail_missing(step, command)
            raise StepFailed
        return arrival

    async def _patience(self, waiting: Sequence[Receive]) -> bool:
        """Wait until a person did something about one of these: that takes the time it takes.

        Returns:
            Whether somebody was waited for.
        """
        commands = [command for one in waiting if (command := self._command_of(one)) is not None]
        if not commands or not self.commands.are_patient:
            return False

        def is_told() -> bool:
            return (
                all(command.ended_s is not None for command in commands)
                or any(one.path in self.awaited.arrived for one in waiting)
                or self._is_offline
            )

        while not await self._wire.until(
            is_told, deadline_s=monotonic_s() + self._heartbeat_interval_s()
        ):
            if not self._evidence.scenario.uses_model:  # else the model does so by itself
                limit_s = self._settings.limit_s(DEFAULT_BUDGET) * _PATIENCE
                beat = self.station.call("Heartbeat", {}, timeout_s=limit_s)
                self._beside.append(asyncio.ensure_future(beat))
        return True

    def _heartbeat_interval_s(self) -> float:
        """Return how often a charge point that only waits says that it is there."""
        for index in range(len(self._wire.events) - 1, -1, -1):
            result = self._wire.result_at(index)
            if result is not None and "currentTime" in result and "interval" in result:
                interval = result["interval"]
                if isinstance(interval, int) and interval > 0:
                    return max(float(interval), _SHORTEST_HEARTBEAT_S)
        return _HEARTBEAT_S

    async def _take(self, step: Receive, arrival: Arrival) -> None:
        """Judge a CALL of the CSMS against its step and answer it, whatever it is like."""
        scope = self._evidence.scope(step)
        self._evidence.refer(arrival.event, step)
        command = self._command_of(step)
        self._evidence.hold(
            arrival.call.payload,
            rule=f"{step.action}.req",
            step=step,
            event=arrival.event,
            scope=scope,
            expect=step.payload,
            warn=step.warn,
            asked=command.started_at if command else None,
        )
        await self._answering.answer(step, arrival)

    def _fail_missing(self, step: Receive, command: Command | None) -> None:
        since = command.began if command is not None else self._began
        strays = [stray.action for stray in self.awaited.strays if stray.event >= since]
        instead = f" It sent {', '.join(strays)} instead." if strays else ""
        if self._is_offline:
            instead += " The connection had ended."
        for one in missing(
            step.action,
            command.outcome if command is not None else None,
            waited_s=self._settings.action_timeout_s,
            instead=instead,
            is_person=self.attendance is not None,
        ):
            self._evidence.fail(step, one.rule, one.severity, one.message)

    async def _wait(self, step: Wait) -> None:
        seconds = self._evidence.resolve(step.seconds, self._evidence.scope(step))
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            message = f"`wait` needs a number of seconds, not {seconds!r}."
            self._evidence.fail(step, "harness.step", Severity.ERROR, message)
            raise StepFailed
        began_s, was_online = monotonic_s(), not self._is_offline
        try:
            # A connection that ends meanwhile ends the wait: the next step could not follow.
            lost = await self._wire.until(
                lambda: was_online and self._is_offline, deadline_s=began_s + seconds
            )
        finally:
            self._evidence.own_timers_s += monotonic_s() - began_s
        following = leaves_after(self._evidence.steps, step)
        if lost and not (following and isinstance(following[0], Disconnect)):
            raise StepFailed

    # --- small things -----------------------------------------------------------------------

    @property
    def _is_offline(self) -> bool:
        return not self._wire.is_open

    def _command_of(self, step: Receive) -> Command | None:
        return self.commands.of(self.awaited.operator_of.get(step.path))


def _has_ended(command: Command) -> bool:
    return command.ended_s is not None
