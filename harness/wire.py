"""What one case sees of its wire while it runs: the events, and a way to wait for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from harness.leftovers import Ledger
from simulator.frames import Call, CallError, CallResult, parse
from simulator.trace import Direction, Event, EventKind


class Wire:
    """The events of one charge point, in order, and what they add up to.

    Attributes:
        is_open: whether its connection is open, as far as the events tell.
        connection: number of the connection that was opened last.
    """

    def __init__(self, on_change: Callable[[Ledger], None] | None = None) -> None:
        """Start with nothing.

        Args:
            on_change: told after every frame; keeps the journal of open transactions.
        """
        self.events: list[Event] = []
        self.ledger = Ledger()
        self.is_open = False
        self.connection = 0
        self._on_change = on_change
        self._indices: dict[int, int] = {}
        self._changed = asyncio.Event()

    def record(self, event: Event) -> None:
        """Take the next event."""
        self._indices[id(event)] = len(self.events)
        self.events.append(event)
        if event.kind is EventKind.OPENED:
            self.is_open, self.connection = True, event.connection
        elif event.kind is EventKind.CLOSED and event.connection == self.connection:
            self.is_open = False  # else it is one that another took the place of
        self.ledger.note(event)
        if self._on_change is not None and event.kind is EventKind.FRAME:
            self._on_change(self.ledger)
        self.wake()

    def wake(self) -> None:
        """Let everyone who waits look again."""
        self._changed.set()

    def index_of(self, event: Event | None) -> int | None:
        """Return the place of an event, None where there is none."""
        return None if event is None else self._indices.get(id(event))

    async def until(self, is_so: Callable[[], bool], *, deadline_s: float | None) -> bool:
        """Wait until something holds; False when it does not before the deadline.

        Args:
            is_so: asked after each event, and whenever `wake` was called.
            deadline_s: on the monotonic clock; None waits for ever.
        """
        while not is_so():
            self._changed.clear()
            try:
                async with asyncio.timeout_at(deadline_s):
                    await self._changed.wait()
            except TimeoutError:
                return is_so()
        return True

    def last(self, kind: EventKind, *, since: int = 0) -> int | None:
        """Return the index of the last event of a kind, from index `since` on."""
        for index in range(len(self.events) - 1, since - 1, -1):
            if self.events[index].kind is kind:
                return index
        return None

    def answer_to(self, message_id: str, *, since: int) -> int | None:
        """Return the index of the first answer of the CSMS with this id, from `since` on."""
        for index in range(since, len(self.events)):
            event = self.events[index]
            if event.direction is Direction.RECEIVED and event.kind is EventKind.FRAME:
                frame = parse(event.text)
                if isinstance(frame, CallResult | CallError) and frame.message_id == message_id:
                    return index
        return None

    def calls_sent(self, *, since: int) -> list[tuple[int, Call]]:
        """Return our CALLs from `since` on, with their indices."""
        found = []
        for index in range(since, len(self.events)):
            event = self.events[index]
            if event.direction is Direction.SENT and event.kind is EventKind.FRAME:
                frame = parse(event.text)
                if isinstance(frame, Call):
                    found.append((index, frame))
        return found

    def result_at(self, index: int | None) -> dict[str, object] | None:
        """Return the payload of a CALLRESULT; None where the event is something else."""
        frame = parse(self.events[index].text) if index is not None else None
        return frame.payload if isinstance(frame, CallResult) else None

    def partners(self, index: int) -> list[int]:
        """Return the answers, from the other side, to the CALL at `index`."""
        event = self.events[index]
        frame = parse(event.text) if event.kind is EventKind.FRAME else None
        if not isinstance(frame, Call):
            return []
        found = []
        for later in range(index + 1, len(self.events)):
            other = self.events[later]
            if other.kind is EventKind.FRAME and other.direction is not event.direction:
                answer = parse(other.text)
                if isinstance(answer, CallResult | CallError) and (
                    answer.message_id == frame.message_id
                ):
                    found.append(later)
        return found

    @property
    def has_answers(self) -> bool:
        """Whether the CSMS ever sent a frame."""
        return any(event.direction is Direction.RECEIVED for event in self.events)


def monotonic_s() -> float:
    """Return the clock of the events and of the loop's deadlines."""
    return time.monotonic()
