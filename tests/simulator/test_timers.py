"""Deadlines run in order, with the time at which they were due."""

from __future__ import annotations

from datetime import UTC, datetime

from simulator.clock import Moment
from simulator.timers import Timers

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_due_timers_run_in_order_at_their_times() -> None:
    """A late wake-up gives the series a punctual one would have given."""
    timers, seen = Timers(), []
    timers.set("b", 2.0, lambda now: seen.append(("b", now.s)))
    timers.set("a", 1.0, lambda now: seen.append(("a", now.s)))
    timers.set("c", 9.0, lambda now: seen.append(("c", now.s)))

    timers.run_due(Moment(START, 5.0))

    assert seen == [("a", 1.0), ("b", 2.0)]
    assert timers.next_s() == 9.0


def test_timer_that_sets_itself_again_catches_up() -> None:
    """A repeating deadline runs once for each time it was due."""
    timers, seen = Timers(), []

    def tick(now: Moment) -> None:
        seen.append(now.s)
        timers.set("tick", now.s + 10.0, tick)

    timers.set("tick", 10.0, tick)
    timers.run_due(Moment(START, 35.0))

    assert seen == [10.0, 20.0, 30.0]


def test_setting_again_moves_and_cancelling_forgets() -> None:
    """A name has one deadline at most."""
    timers = Timers()
    timers.set("a", 1.0, lambda now: None)
    timers.set("a", 5.0, lambda now: None)
    timers.set(("b", 1), 7.0, lambda now: None)

    assert timers.next_s() == 5.0
    timers.cancel("a")
    assert "a" not in timers
    timers.cancel_where(lambda name: isinstance(name, tuple))
    assert timers.next_s() is None
