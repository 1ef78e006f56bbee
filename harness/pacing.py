"""How gently a system is treated: connections at a time, messages in a second.

A message waits before it is written, and its time is taken as it is written: no answer's measured
time has such a wait in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from harness.awaited import leaves
from harness.model import Connect, ProbeTls, Step


@dataclass(frozen=True, slots=True)
class Limits:
    """What the file allows; None allows everything."""

    max_connections: int | None = None
    max_messages_per_second: float | None = None

    def share(self, workers: int) -> Limits:
        """Return what each of several processes may do, so that together they keep to it."""
        connections, rate = self.max_connections, self.max_messages_per_second
        return Limits(
            None if connections is None else connections // workers,
            None if rate is None else rate / workers,
        )

    def cases(self, wanted: int) -> int:
        """Return how many cases may run at a time: none waits long for its turn to speak."""
        rate = self.max_messages_per_second
        return wanted if rate is None else min(wanted, max(1, int(rate)))


class Pace:
    """Lets messages go one after the other, evenly spaced."""

    def __init__(self, per_second: float | None) -> None:
        self._interval_s = 1.0 / per_second if per_second else 0.0
        self._next_s = 0.0

    async def turn(self) -> None:
        """Wait until the next message may go."""
        if not self._interval_s:
            return
        now_s = asyncio.get_running_loop().time()
        at_s = max(now_s, self._next_s)
        self._next_s = at_s + self._interval_s
        if at_s > now_s:
            await asyncio.sleep(at_s - now_s)


class Slot:
    """One place among the cases that run at a time; given back once."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots = slots
        self._is_held = True

    def release(self) -> None:
        """Let another case begin."""
        if self._is_held:
            self._is_held = False
            self._slots.release()


class Room:
    """Counts the connections that may be open. Who needs several takes them together."""

    def __init__(self, limit: int | None) -> None:
        self._free = limit
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def take(self, connections: int) -> AsyncIterator[None]:
        """Wait for as many, and give them back after."""
        if self._free is None:
            yield
            return
        async with self._changed:
            while self._free < connections:
                await self._changed.wait()
            self._free -= connections
        try:
            yield
        finally:
            # No await before the count is right again: a cancelled case must not leak any.
            self._free += connections
            await asyncio.shield(self._tell())

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def connections_of(steps: Sequence[Step]) -> int:
    """Return how many connections a case has open at a time at most. Pure."""
    steps = list(leaves(steps))
    beside = sum(isinstance(step, Connect) and step.beside for step in steps)
    return 1 + beside + any(isinstance(step, ProbeTls) for step in steps)
