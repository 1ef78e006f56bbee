"""What a person who acts in place of an interface has to be told, and may decide.

The runner and its steps know no more of operator mode than this.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from harness.drivers.driver import Driver
from harness.matching import Mismatch
from harness.model import Json, OperatorStep, Receive, Scenario
from harness.results import CaseResult, OperatorAnswer


class Watched(Protocol):
    """A case that is running."""

    @property
    def scenario(self) -> Scenario:
        """What it is."""

    def so_far(self) -> CaseResult:
        """Return what it has shown until now, without a verdict."""


class Attendance(Protocol):
    """A person at one case."""

    def asks(
        self, step: OperatorStep, receive: Receive | None, payload: Mapping[str, Json]
    ) -> None:
        """Take note of what the driver is asked for next, and of what the case demands of it."""

    def mispress(
        self, step: OperatorStep, action: str, payload: object, mismatches: Sequence[Mismatch]
    ) -> str:
        """Explain why a frame is not what the person was to cause; "" where it is to be judged."""

    def mispressed(self, step: OperatorStep, words: str, event: int) -> None:
        """Tell the person so."""

    def refusal(self, action: str) -> dict[str, Json] | None:
        """Return how the charge point declines such a frame; None where its model answers."""

    def came(self, step: OperatorStep) -> None:
        """Take note that the frame came."""

    def is_final(self, step: OperatorStep) -> bool:
        """Whether the person said that nothing else will come."""

    def meant(self, step: OperatorStep) -> int | None:
        """Return the event of the frame that the person says is what the system sends."""

    @property
    def mispresses(self) -> Collection[int]:
        """The events of frames that the person caused by mistake."""

    def end(self) -> tuple[OperatorAnswer, ...]:
        """Return what the person said; nothing more is asked in this case."""


class Attendant(Protocol):
    """A person at a run."""

    def driver(self, inner: Driver | None) -> Driver:
        """Return the driver that is this person; `inner` registers what the run needs."""

    def attend(self, identity: str, case: Watched) -> Attendance:
        """Begin a case."""

    def changed(self) -> None:
        """Take note that a frame crossed the wire."""
