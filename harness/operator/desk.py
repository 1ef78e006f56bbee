"""Where a run and a person meet: what is to be done now, what was said, how far it is.

Everything happens on the event loop of the run. The faces (terminal, page) live on other threads:
they read a frozen `View`, are told when there is a new one, and hand in what the person said.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from harness.attendant import Watched
from harness.drivers.driver import (
    Credentials,
    Driver,
    DriverOutcome,
    Operation,
    Outcome,
    ProvisioningError,
)
from harness.matching import Mismatch
from harness.model import Json, OperatorStep, Receive
from harness.operator import presses
from harness.operator.preparation import Preparation, preparation_of
from harness.operator.spec import DEADLINE_S
from harness.operator.table import NEEDS_REASON, Act, Event, Phase, Sign, choices, follow
from harness.operator.words import Instruction, instruct, span_words
from harness.results import CaseResult, OperatorAnswer, Verdict
from harness.wire import monotonic_s

_log = logging.getLogger(__name__)

STOPPED: Final = "stopped by the operator"
_LONGEST_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A case in the list; `verdict` is None until it ran."""

    case_id: str
    title: str
    verdict: Verdict | None = None
    is_current: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that a face shows, at one moment.

    Attributes:
        version: rises with every change; `frames` with every frame of the case.
        explanation: what was wrong with the last press.
        deadline_s: on the monotonic clock, of what is waited for; `time_s` is all of it.
        stopping: the run ends after this.
    """

    version: int = 0
    frames: int = 0
    phase: Phase = Phase.STARTING
    sut_name: str = ""
    identity: str = ""
    case_id: str = ""
    title: str = ""
    purpose: str = ""
    instruction: Instruction | None = None
    explanation: str = ""
    deadline_s: float | None = None
    time_s: float = 0.0
    preparation: Preparation | None = None
    cases: tuple[CaseLine, ...] = ()
    stopping: bool = False

    @property
    def choices(self) -> tuple[Act, ...]:
        """What the person can say now."""
        return tuple(act for act in choices(self.phase) if not (self.stopping and act is Act.STOP))

    @property
    def done(self) -> int:
        """How many cases have a verdict."""
        return sum(line.verdict is not None for line in self.cases)


@dataclass(slots=True)
class _Order:
    """Something the person is to press."""

    step: str
    operation: Operation
    instruction: Instruction
    outcome: asyncio.Future[DriverOutcome]
    began_s: float
    deadline_s: float
    pressed_s: float | None = None
    explanation: str = ""
    last_wrong: int | None = None


class Desk:
    """One run's meeting place. Made and used on one event loop, but for what says otherwise."""

    def __init__(
        self,
        *,
        deadline_s: float = DEADLINE_S,
        action_timeout_s: float = 30.0,
        sut_name: str = "",
        on_stop: Callable[[str], None] = lambda reason: None,
    ) -> None:
        """Prepare.

        Args:
            deadline_s: how long the person has for each thing.
            action_timeout_s: how long a frame may take once it was pressed.
            on_stop: ends the run; called on the run's event loop.
        """
        self.on_stop = on_stop
        self._deadline_s = deadline_s
        self._action_timeout_s = action_timeout_s
        self._view = View(sut_name=sut_name)
        self._listeners: list[Callable[[View], None]] = []
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready: asyncio.Future[str] | None = None
        self._case: _Attendance | None = None
        self._has_page = False

    # --- for faces, from any thread --------------------------------------------------------------

    @property
    def view(self) -> View:
        """What is to be shown now."""
        return self._view

    def subscribe(self, listener: Callable[[View], None]) -> None:
        """Be told of every new view, on the run's thread: hand it on and return."""
        with self._lock:
            self._listeners.append(listener)
        listener(self._view)

    def unsubscribe(self, listener: Callable[[View], None]) -> None:
        """Be told no more."""
        with self._lock:
            self._listeners.remove(listener)

    def say(self, act: Act, reason: str = "", *, version: int | None = None) -> str:
        """Take what the person said; return why it has no meaning now, or "".

        Args:
            version: of the view the person looked at: what is out of date is not taken for an
                answer to what came since.
        """
        loop = self._loop
        if loop is None or loop.is_closed():
            return "the run has not begun, or is over"
        try:
            return asyncio.run_coroutine_threadsafe(self._said(act, reason, version), loop).result(
                timeout=5
            )
        except (RuntimeError, TimeoutError, asyncio.CancelledError):
            return "the run is over"

    def sequence(self) -> CaseResult | None:
        """Return what the case at hand has shown so far; None where there is none."""
        loop, case = self._loop, self._case
        if loop is None or loop.is_closed() or case is None:
            return None

        async def so_far() -> CaseResult:
            return case.watched.so_far()

        try:
            return asyncio.run_coroutine_threadsafe(so_far(), loop).result(timeout=5)
        except (RuntimeError, TimeoutError, asyncio.CancelledError):
            return None

    # --- for the run -----------------------------------------------------------------------------

    def list_cases(self, lines: Sequence[CaseLine]) -> None:
        """Take the cases of the run in their order. From any thread, before it begins."""
        self._show(cases=tuple(lines))

    def note_result(self, result: CaseResult) -> None:
        """Take note of a case that ended."""
        if result.verdict is Verdict.NOT_RUN:
            return
        self._show(
            cases=tuple(
                replace(line, verdict=result.verdict, is_current=False)
                if line.case_id == result.case_id
                else line
                for line in self._view.cases
            )
        )

    def over(self) -> None:
        """End the conversation."""
        self._follow(Sign.OVER, deadline_s=None, instruction=None, explanation="")

    def begin(self) -> None:
        """Belong to the event loop that runs now."""
        self._loop = asyncio.get_running_loop()

    def changed(self) -> None:
        """Take note that a frame crossed the wire."""
        self._show(frames=self._view.frames + 1)

    def driver(self, inner: Driver | None) -> Driver:
        """Return the driver that is this person."""
        from harness.operator.driver import OperatorDriver

        self.begin()
        return OperatorDriver(self, inner)

    def attend(self, identity: str, case: Watched) -> _Attendance:
        """Begin a case."""
        self.begin()
        self._case = _Attendance(self, identity, case)
        scenario = case.scenario
        self._show(
            identity=identity,
            case_id=scenario.id,
            title=scenario.title,
            purpose=scenario.purpose,
            frames=0,
            cases=tuple(
                replace(line, is_current=line.case_id == scenario.id) for line in self._view.cases
            ),
        )
        return self._case

    async def prepare(
        self, identities: Sequence[Credentials], id_tags: Mapping[str, Sequence[str]]
    ) -> None:
        """Have the person make what the run needs.

        Raises:
            ProvisioningError: it cannot be made.
        """
        self.begin()
        self._ready = asyncio.get_running_loop().create_future()
        self._follow(Sign.PREPARATION, preparation=preparation_of(identities, id_tags))
        trouble = await self._ready
        self._show(preparation=None)
        if trouble:
            raise ProvisioningError(trouble)

    def prepared(self) -> None:
        """Take note that somebody else made it."""
        self.begin()
        self._follow(Sign.PREPARED)

    async def carry_out(self, identity: str, operation: Operation) -> DriverOutcome:
        """Wait until the person did, or said, something about the order that was announced."""
        case = self._case
        order = case.announced(operation) if case is not None else None
        if case is None or order is None:
            return DriverOutcome(Outcome.FAILED, f"nobody was told to press {operation}")
        try:
            return await case.carry_out(order)
        finally:
            case.close(order)

    # --- inside ----------------------------------------------------------------------------------

    async def _said(self, act: Act, reason: str, version: int | None) -> str:
        view = self._view
        if follow(view.phase, act) is None:
            return "that has no meaning now"
        if version is not None and version < self._asked_in and act is not Act.STOP:
            return "that came too late: something else is asked now"
        reason = " ".join(reason.split())[:_LONGEST_REASON]
        if act in NEEDS_REASON and not reason:
            return "please give a reason"
        if act is Act.STOP:
            self._show(stopping=True)
            if self._ready is not None and not self._ready.done():
                self._ready.set_result(STOPPED)
            self.on_stop(STOPPED)
            return ""
        if self._ready is not None and not self._ready.done():
            self._follow(act)
            self._ready.set_result("" if act is Act.READY else f"the operator cannot: {reason}")
            return ""
        if self._case is not None:
            self._case.said(act, reason)
        return ""

    _asked_in = 0  # version of the view in which the present question was put

    def _follow(self, event: Event, **changes: object) -> None:
        phase = follow(self._view.phase, event)
        if phase is None:
            _log.debug("%s has no meaning in %s", event, self._view.phase)
            phase = self._view.phase
        if event in (Sign.ORDER, Sign.MISPRESS, Sign.PREPARATION):
            self._asked_in = self._view.version + 1
        self._show(phase=phase, **changes)

    def _show(self, **changes: object) -> None:
        with self._lock:
            version = self._view.version + 1
            self._view = replace(self._view, version=version, **changes)  # type: ignore[arg-type]
            view, listeners = self._view, tuple(self._listeners)
        for listener in listeners:
            listener(view)


class _Attendance:
    """The person at one case."""

    def __init__(self, desk: Desk, identity: str, watched: Watched) -> None:
        self.watched = watched
        self._desk = desk
        self._identity = identity
        self._orders: list[_Order] = []  # open ones, the first is asked for
        self._answers: list[OperatorAnswer] = []
        self._mispresses: dict[int, str] = {}
        self._final: set[str] = set()
        self._meant: dict[str, int] = {}

    # --- what steps tell -------------------------------------------------------------------------

    def asks(
        self, step: OperatorStep, receive: Receive | None, payload: Mapping[str, Json]
    ) -> None:
        operation = Operation(step.action)
        instruction = instruct(
            operation,
            payload,
            identity=self._identity,
            rules=receive.payload if receive is not None else None,
            now=datetime.now(UTC),
            note=step.note,
        )
        now_s = monotonic_s()
        order = _Order(
            step.path,
            operation,
            instruction,
            asyncio.get_running_loop().create_future(),
            began_s=now_s,
            deadline_s=now_s + self._desk._deadline_s,
        )
        self._orders.append(order)
        self._show_first()

    def mispress(
        self, step: OperatorStep, action: str, payload: object, mismatches: Sequence[Mismatch]
    ) -> str:
        order = self._of(step)
        if order is None or order.outcome.done():
            return ""
        if action != order.operation:
            return presses.wrong_action(action, order.operation)
        return presses.wrong_fields(order.operation, payload, mismatches, order.instruction)

    def mispressed(self, step: OperatorStep, words: str, event: int) -> None:
        order = self._of(step)
        if order is None:
            return
        self._mispresses[event] = step.path
        self._note(order, "wrong_press", words, event)
        order.explanation, order.last_wrong, order.pressed_s = words, event, None
        order.deadline_s = max(order.deadline_s, monotonic_s() + self._desk._deadline_s)
        if order is self._orders[0]:
            self._show_order(Sign.MISPRESS, order)

    def refusal(self, action: str) -> dict[str, Json] | None:
        return presses.REFUSALS.get(Operation(action))

    def came(self, step: OperatorStep) -> None:
        order = self._of(step)
        if order is not None and not order.outcome.done():
            took = span_words(monotonic_s() - order.began_s)
            order.outcome.set_result(DriverOutcome(Outcome.DONE, f"a person did it, in {took}"))
            self._leave(order, Sign.CAME)

    def is_final(self, step: OperatorStep) -> bool:
        return step.path in self._final

    def meant(self, step: OperatorStep) -> int | None:
        return self._meant.get(step.path)

    @property
    def mispresses(self) -> Collection[int]:
        return self._mispresses.keys()

    def end(self) -> tuple[OperatorAnswer, ...]:
        for order in list(self._orders):
            self._leave(order, Sign.WITHDRAWN)
        return tuple(self._answers)

    # --- what the driver does --------------------------------------------------------------------

    def announced(self, operation: Operation) -> _Order | None:
        open_ones = (one for one in self._orders if one.operation is operation)
        return next((one for one in open_ones if not one.outcome.done()), None)

    async def carry_out(self, order: _Order) -> DriverOutcome:
        while not order.outcome.done():
            deadline_s = order.deadline_s
            if order.pressed_s is not None:
                deadline_s = order.pressed_s + self._desk._action_timeout_s
            left_s = deadline_s - monotonic_s()
            if left_s <= 0:
                return self._time_is_up(order)
            await asyncio.wait([order.outcome], timeout=min(left_s, 1.0))
        return order.outcome.result()

    def close(self, order: _Order) -> None:
        self._leave(order, Sign.WITHDRAWN)

    def _time_is_up(self, order: _Order) -> DriverOutcome:
        if order.pressed_s is not None:
            self._final.add(order.step)
            return DriverOutcome(Outcome.DONE, "the operator pressed it, and nothing came")
        self._note(order, "deadline", "", None)
        waited = span_words(self._desk._deadline_s)
        return DriverOutcome(Outcome.SKIPPED, f"nobody did anything about it within {waited}")

    # --- what the person says --------------------------------------------------------------------

    def said(self, act: Act, reason: str) -> None:
        if not self._orders:
            return
        order = self._orders[0]
        self._note(order, act.value, reason, order.last_wrong if act in _ABOUT_FRAME else None)
        match act:
            case Act.SKIP:
                outcome = DriverOutcome(Outcome.SKIPPED, reason)
            case Act.CANNOT:
                outcome = DriverOutcome(Outcome.UNSUPPORTED, reason)
            case Act.THIS_IS_IT:
                self._final.add(order.step)
                if order.last_wrong is not None:
                    self._meant[order.step] = order.last_wrong
                words = "the operator says that this is what the system sends"
                outcome = DriverOutcome(Outcome.DONE, words)
            case Act.PRESSED:
                order.pressed_s = monotonic_s()
                order.explanation = ""
                self._show_order(act, order)
                return
            case _:
                if act is Act.NOT_ME and order.last_wrong is not None:
                    self._mispresses.pop(order.last_wrong, None)  # judged as unasked
                order.explanation = ""
                self._show_order(act, order)
                return
        order.outcome.set_result(outcome)
        self._leave(order, act)

    # --- inside ----------------------------------------------------------------------------------

    def _of(self, step: OperatorStep) -> _Order | None:
        return next((one for one in self._orders if one.step == step.path), None)

    def _note(self, order: _Order, kind: str, words: str, event: int | None) -> None:
        self._answers.append(
            OperatorAnswer(datetime.now(UTC), order.step, kind, words=words, event=event)
        )

    def _leave(self, order: _Order, event: Event) -> None:
        if order not in self._orders:
            return
        was_first = order is self._orders[0]
        self._orders.remove(order)
        if was_first:
            self._desk._follow(event, instruction=None, explanation="", deadline_s=None)
            self._show_first()

    def _show_first(self) -> None:
        if self._orders and self._desk.view.phase in (Phase.RUNNING, Phase.STARTING):
            self._show_order(Sign.ORDER, self._orders[0])

    def _show_order(self, event: Event, order: _Order) -> None:
        deadline_s, time_s = order.deadline_s, self._desk._deadline_s
        if order.pressed_s is not None:
            time_s = self._desk._action_timeout_s
            deadline_s = order.pressed_s + time_s
        self._desk._follow(
            event,
            instruction=order.instruction,
            explanation=order.explanation,
            deadline_s=deadline_s,
            time_s=time_s,
        )


_ABOUT_FRAME: Final = frozenset({Act.AGAIN, Act.THIS_IS_IT, Act.NOT_ME})
