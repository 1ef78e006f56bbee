"""Which CALLs of the CSMS a case awaits at a moment, and which nobody asked for.

A `receive` step is open for its CALL from the moment on at which the CSMS has a reason to send it:
its operator step began, or, where no operator is involved, the last step before it did. A frame
that comes before that does not satisfy the step; it is unasked. So is one that comes in time but
does not fit the step of an order, if another follows that does: some systems ask on their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.model import AnyOrder, Connect, Do, OperatorStep, Receive, Send, SendRaw, Step
from simulator.frames import Call

_CAUSES = (Send, SendRaw, Do, OperatorStep, Connect)


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A CALL that came while it was awaited; `event` is its index."""

    call: Call
    event: int


@dataclass(frozen=True, slots=True)
class Stray:
    """A CALL that nobody awaited."""

    action: str
    event: int


class Awaited:
    """The CALLs a case waits for, has got, and did not ask for."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.arrived: dict[str, Arrival] = {}  # by path of the receive step
        self.strays: list[Stray] = []
        self.misfits: dict[str, Arrival] = {}  # of the right action, by path of the receive step
        self.operator_of: dict[str, OperatorStep] = {}  # by path of the receive step
        self._receive_of: dict[str, Receive] = {}  # by path of the operator step
        self._opened_by: dict[str, list[Receive]] = {}  # by path of the step that opens them
        self._open: list[Receive] = []
        self._pair(list(leaves(steps)))

    def begin(self, step: Step) -> None:
        """Take note that a step begins."""
        self._open += self._opened_by.pop(step.path, [])

    def end(self, step: Receive) -> None:
        """Take note that a receive step waits no more."""
        self._open = [one for one in self._open if one.path != step.path]

    def take(
        self,
        call: Call,
        event: int,
        fits: Callable[[Receive], bool] = lambda step: True,
        *,
        is_last_meant: bool = False,
    ) -> Receive | None:
        """Give a CALL to the first open step that wants it; None when it is unasked.

        What has the action only, but does not fit, is unasked until `settle` says otherwise.

        Args:
            is_last_meant: of several that do not fit, the last one counts: a person tried again.
        """
        wanting = [step for step in self._open if step.action == call.action]
        for step in wanting:
            if fits(step):
                self.end(step)
                self.arrived[step.path] = Arrival(call, event)
                return step
        for step in wanting[:1]:
            if is_last_meant:
                self.misfits[step.path] = Arrival(call, event)
            self.misfits.setdefault(step.path, Arrival(call, event))
        self.strays.append(Stray(call.action, event))
        return None

    def forget_misfit(self, step: Receive, *, but: int | None) -> None:
        """Forget what a person sent by mistake, unless it was meant; `but` is that event."""
        misfit = self.misfits.get(step.path)
        if misfit is not None and misfit.event != but:
            del self.misfits[step.path]

    def settle(self, step: Receive) -> None:
        """Take what does not fit for the step's CALL, where nothing that fits came."""
        misfit = self.misfits.get(step.path)
        if misfit is not None and step.path not in self.arrived:
            self.arrived[step.path] = misfit
            self.strays = [stray for stray in self.strays if stray.event != misfit.event]

    def is_misfit(self, path: str, event: int) -> bool:
        """Say whether a CALL has the action a step awaits, and nothing else that it should."""
        misfit = self.misfits.get(path)
        return misfit is not None and misfit.event == event

    def receive_of(self, operator: OperatorStep) -> Receive | None:
        """Return the step that awaits what an operator step asks for."""
        return self._receive_of.get(operator.path)

    def _pair(self, steps: list[Step]) -> None:
        operators: list[OperatorStep] = []
        cause: Step | None = None
        for step in steps:
            if isinstance(step, Receive):
                asked = next((one for one in operators if one.action == step.action), None)
                if asked is not None:
                    operators.remove(asked)
                    self.operator_of[step.path] = asked
                    self._receive_of[asked.path] = step
                opener = asked or cause or step
                self._opened_by.setdefault(opener.path, []).append(step)
            elif isinstance(step, _CAUSES):
                cause = step
                if isinstance(step, OperatorStep):
                    operators.append(step)


def leaves(steps: Sequence[Step]) -> Iterator[Step]:
    """Yield the steps without their groups."""
    for step in steps:
        if isinstance(step, AnyOrder):
            yield from leaves(step.steps)
        else:
            yield step


def leaves_after(steps: Sequence[Step], step: Step) -> list[Step]:
    """Return the steps that follow one of them, without their groups."""
    flat = list(leaves(steps))
    at = next(index for index, one in enumerate(flat) if one.path == step.path)
    return flat[at + 1 :]


def receives_after(steps: Sequence[Step], step: Receive) -> list[Receive]:
    """Return the receive steps that follow one of them without anything in between."""
    found = []
    for following in leaves_after(steps, step):
        if not isinstance(following, Receive):
            break
        found.append(following)
    return found
