"""Named deadlines of a charge point: what is due when. Pure; the shell asks and wakes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from simulator.clock import Moment


@dataclass(frozen=True, slots=True)
class _Timer:
    due_s: float
    action: Callable[[Moment], None]


class Timers:
    """Deadlines by name; setting a name again moves its deadline."""

    def __init__(self) -> None:
        self._timers: dict[Hashable, _Timer] = {}

    def __contains__(self, name: Hashable) -> bool:
        return name in self._timers

    def set(self, name: Hashable, due_s: float, action: Callable[[Moment], None]) -> None:
        """Call `action` at monotonic time `due_s`, instead of what `name` was set to before."""
        self._timers[name] = _Timer(due_s, action)

    def cancel(self, name: Hashable) -> None:
        """Forget a deadline, if it is set."""
        self._timers.pop(name, None)

    def clear(self) -> None:
        """Forget every deadline."""
        self._timers.clear()

    def cancel_where(self, is_meant: Callable[[Hashable], bool]) -> None:
        """Forget every deadline whose name is meant."""
        for name in [name for name in self._timers if is_meant(name)]:
            del self._timers[name]

    def next_s(self) -> float | None:
        """Return when the next deadline is, None where there is none."""
        return min((timer.due_s for timer in self._timers.values()), default=None)

    def run_due(self, now: Moment) -> None:
        """Call everything that is due, in the order and with the time at which it was due.

        A wake-up that comes late thus gives the same series of events as one that came in time.
        """
        while self._timers:
            name = min(self._timers, key=lambda name: self._timers[name].due_s)
            timer = self._timers[name]
            if timer.due_s > now.s:
                return
            del self._timers[name]
            timer.action(now.back_to(timer.due_s))
