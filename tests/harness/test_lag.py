"""The loop's own lag is noticed, and found for the times it touches."""

from __future__ import annotations

import asyncio
import time

import pytest

from harness.lag import LagMonitor


@pytest.mark.parametrize(
    ("start_s", "end_s", "lag_s"),
    [
        (10.0, 10.1, 0.0),  # over before the lag
        (10.0, 10.55, 0.1),  # the answer came while the loop lagged
        (10.55, 10.7, 0.1),  # the request left while it lagged
        (10.0, 12.0, 0.3),  # the longest of two
        (10.61, 10.8, 0.0),  # begun after it
        (11.5, 12.0, 0.0),  # after all
    ],
)
def test_lag_of_a_time(start_s: float, end_s: float, lag_s: float) -> None:
    """Only lags that overlap a measured time count."""
    monitor = LagMonitor()
    monitor.note(end_s=10.6, lag_s=0.1)
    monitor.note(end_s=11.2, lag_s=0.3)

    assert monitor.lag_s(start_s, end_s) == lag_s


async def test_blocked_loop_is_noticed() -> None:
    """What blocks the loop shows as lag of about its length."""
    async with LagMonitor() as monitor:
        await asyncio.sleep(0.01)
        started_s = time.monotonic()
        time.sleep(0.05)  # noqa: ASYNC251  # this is the fault that has to be noticed
        ended_s = time.monotonic()
        await asyncio.sleep(0.01)

    assert 0.03 < monitor.lag_s(started_s, ended_s) < 0.2
