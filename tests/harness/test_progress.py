"""How far a run is, on a terminal, elsewhere and in CI."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence

import pytest
from rich.console import Console

from harness.activity import Activity
from harness.progress import Progress, words
from harness.results import Verdict


class Screen(io.StringIO):
    """A file that may be a terminal, and tells when something was written."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal
        self.written = threading.Event()

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> int:
        count = super().write(text)
        self.written.set()
        return count


WAITING = (
    Activity("TC_037_1_CSMS", "its own timer", 12.4),
    Activity("TC_012_CSMS", "RemoteStopTransaction from the CSMS", 3.0),
    Activity("TC_001_CSMS", "the answer to Heartbeat", 0.1),
)


def progress(
    screen: Screen, *, environment: dict[str, str] | None = None, quiet_s: float = 60.0
) -> Progress:
    def activities() -> Sequence[Activity]:
        return WAITING

    console = Console(file=screen, width=80, highlight=False, _environ={})
    return Progress(console, 77, activities, environment=environment or {}, quiet_s=quiet_s)


def test_a_terminal_shows_what_cases_wait_for() -> None:
    """A bar with the verdicts so far, and what takes long; it is gone in the end."""
    screen = Screen(is_terminal=True)
    shown = progress(screen)

    shown.start()
    shown.advance(Verdict.PASSED)
    shown.advance(Verdict.FAILED)
    shown.stop()

    text = screen.getvalue()
    assert shown.is_live
    assert not shown.tells_each
    assert "1 passed" in text
    assert "1 failed" in text
    assert "2/77" in text
    assert "TC_037_1_CSMS waits for its own timer, 12 s" in text
    assert "TC_012_CSMS waits for RemoteStopTransaction from the CSMS, 3 s" in text
    assert "TC_001_CSMS" not in text


def test_elsewhere_each_case_gets_a_line_and_long_waits_are_told() -> None:
    """Nothing is drawn in place; who watches a log learns why nothing happens."""
    screen = Screen(is_terminal=False)
    shown = progress(screen, quiet_s=0.01)

    shown.start()
    assert screen.written.wait(10)
    shown.stop()

    assert (shown.is_live, shown.tells_each) == (False, True)
    first = screen.getvalue().splitlines()[0]
    assert first == "0 of 77 done: TC_037_1_CSMS waits for its own timer, 12 s, and 2 more"


@pytest.mark.parametrize("value", ["true", "1", "yes"])
def test_in_ci_it_is_quiet(value: str) -> None:
    """Neither a line for each case nor for what is waited for."""
    screen = Screen(is_terminal=False)
    shown = progress(screen, environment={"CI": value}, quiet_s=0.01)

    shown.start()
    shown.advance(Verdict.PASSED)
    shown.stop()

    assert (shown.is_live, shown.tells_each) == (False, False)
    assert screen.getvalue() == ""


@pytest.mark.parametrize("value", ["", "false", "0"])
def test_ci_may_be_said_not_to_be(value: str) -> None:
    """Some people set the variable to say no."""
    assert progress(Screen(is_terminal=False), environment={"CI": value}).tells_each


def test_what_a_case_waits_for_is_one_line() -> None:
    """Case, reason, and for how long."""
    assert words(WAITING[1]) == "TC_012_CSMS waits for RemoteStopTransaction from the CSMS, 3 s"
