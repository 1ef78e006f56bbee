"""Transaction messages keep their order, are tried again and at last dropped (§3.7.1)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from simulator.clock import Moment
from simulator.queue import Message, TransactionQueue, retry_delay_s


def at(s: float) -> Moment:
    """Return a moment."""
    return Moment(datetime(2026, 1, 1, tzinfo=UTC), s)


def message() -> Message:
    """Return a message like any other."""
    return Message(action="MeterValues", payload=dict)


def test_one_after_the_other() -> None:
    """The second message waits until the first was answered."""
    queue, first, second = TransactionQueue(), message(), message()
    queue.put(first)
    queue.put(second)

    assert queue.next(at(0)) is first
    assert queue.next(at(0)) is None
    assert queue.delivered() is first
    assert queue.next(at(0)) is second
    assert len(queue) == 1


def test_three_attempts_with_growing_pauses() -> None:
    """3 attempts, 60 s: sent, again after 60 s, again after 120 s, dropped (§3.7.1)."""
    queue, only = TransactionQueue(), message()
    queue.put(only)
    sent, now_s = [], 0.0
    while len(queue):
        if queue.next(at(now_s)) is not None:
            sent.append(now_s)
            queue.failed(at(now_s), attempts=3, interval_s=60)
        now_s += 1.0

    assert sent == [0.0, 60.0, 180.0]


def test_dropped_message_makes_way() -> None:
    """A message that is given up does not hold up the next."""
    queue, first, second = TransactionQueue(), message(), message()
    queue.put(first)
    queue.put(second)
    queue.next(at(0))

    assert queue.failed(at(0), attempts=1, interval_s=60) is first
    assert queue.next(at(0)) is second


def test_lost_connection_is_no_failure() -> None:
    """A message under way when the connection goes is sent again at once, and not counted."""
    queue, only = TransactionQueue(), message()
    queue.put(only)
    queue.next(at(0))
    queue.interrupted()

    assert only.sends == 0
    assert queue.due_s == 0.0
    assert queue.next(at(1)) is only


def test_pause_survives_a_lost_connection() -> None:
    """A message that waits to be tried again goes on waiting."""
    queue = TransactionQueue()
    queue.put(message())
    queue.next(at(0))
    queue.failed(at(0), attempts=3, interval_s=60)
    queue.interrupted()

    assert queue.is_stuck
    assert queue.due_s == 60.0
    assert queue.next(at(59.9)) is None


@pytest.mark.parametrize(("sends", "delay_s"), [(1, 60), (2, 120), (3, 180)])
def test_delay_grows_with_the_attempts(sends: int, delay_s: int) -> None:
    """The pause is the interval times the number of sends so far."""
    assert retry_delay_s(60, sends) == delay_s
