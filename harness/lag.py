"""Watches how late our own event loop is: answers measured meanwhile are not the CSMS's fault."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from types import TracebackType
from typing import Final

_PERIOD_S: Final = 0.005
NOTEWORTHY_S: Final = 0.005  # less is the ordinary jitter of timers


class LagMonitor:
    """Notes every time in which the loop came late.

    The loop's clock is `time.monotonic`, the one that events carry.
    """

    def __init__(self) -> None:
        self._ends: list[float] = []
        self._lags: list[float] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> LagMonitor:
        self._task = asyncio.create_task(self._watch(), name="loop lag")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def note(self, *, end_s: float, lag_s: float) -> None:
        """Note that the loop did nothing for `lag_s` before `end_s`."""
        self._ends.append(end_s)
        self._lags.append(lag_s)

    def lag_s(self, start_s: float, end_s: float) -> float:
        """Return the longest lag that touches the time between two monotonic moments, or 0.

        A frame may be read in the same turn of the loop in which the lag ends, before the monitor
        itself has run; so the lag is asked for after the case, not while it runs.
        """
        longest = 0.0
        for index in range(bisect_left(self._ends, start_s), len(self._ends)):
            lag_s = self._lags[index]
            if self._ends[index] - lag_s - _PERIOD_S > end_s:
                break
            longest = max(longest, lag_s)
        return longest

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + _PERIOD_S
            await asyncio.sleep(_PERIOD_S)
            now_s = loop.time()
            if now_s - due_s > NOTEWORTHY_S:
                self.note(end_s=now_s, lag_s=now_s - due_s)
