"""The bounded buffer between the event loop, which logs frames, and the writer, which stores them.

One thread adds, one thread takes; neither ever waits for the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection

from csms.domain.model import LoggedMessage
from csms.storage import charge_points, message_log
from csms.storage.message_log import MessageLogLimits

MAX_ENTRIES: Final = 20_000
MAX_TEXT: Final = 64_000_000  # characters
PORTION_ENTRIES: Final = 1500  # index pages are written once a portion; a few milliseconds
PORTION_TEXT: Final = 2_000_000
SEEN_EVERY: Final = timedelta(seconds=60)


class LogBuffer:
    """Frames that wait to be stored."""

    def __init__(self, limits: MessageLogLimits) -> None:
        self._limits = limits
        self._entries: deque[LoggedMessage] = deque()
        self._text_in = 0  # written by the adding thread alone
        self._text_out = 0  # written by the taking thread alone
        self._is_announced = False
        self._seen_at: dict[str, datetime] = {}
        self.dropped = 0

    def add(self, entry: LoggedMessage) -> bool:
        """Take an entry; say whether the taking thread must be woken."""
        if not self._limits.age:
            return False
        size = len(entry.text)
        if len(self._entries) >= MAX_ENTRIES or self._text_in - self._text_out + size > MAX_TEXT:
            self.dropped += 1
            return False
        self._text_in += size
        self._entries.append(entry)
        if self._is_announced:
            return False
        self._is_announced = True
        return True

    def portion(self) -> list[LoggedMessage]:
        """Return the oldest entries, as many as one transaction should write; they stay."""
        portion: list[LoggedMessage] = []
        size = 0
        # By index: an iterator would break when the other thread adds meanwhile.
        for index in range(min(len(self._entries), PORTION_ENTRIES)):
            entry = self._entries[index]
            size += len(entry.text)
            if portion and size > PORTION_TEXT:
                break
            portion.append(entry)
        return portion

    def operation(self, portion: list[LoggedMessage]) -> Callable[[Connection], None]:
        """Return what writes a portion, prunes a little and notes who was seen."""
        return partial(_write, entries=portion, limits=self._limits, seen=self._seen(portion))

    def forget(self, portion: list[LoggedMessage]) -> None:
        """Drop a portion that was written, or cannot be."""
        for entry in portion:
            self._entries.popleft()
            self._text_out += len(entry.text)
        self._seen_at.update(self._seen(portion))

    def has_full_portion(self) -> bool:
        """Say whether writing goes on without waiting for company."""
        return (
            len(self._entries) >= PORTION_ENTRIES or self._text_in - self._text_out > PORTION_TEXT
        )

    def is_empty(self) -> bool:
        """Say whether nothing waits; from then on the next entry announces itself."""
        self._is_announced = False
        if not self._entries:
            return True
        self._is_announced = True
        return False

    def _seen(self, portion: list[LoggedMessage]) -> dict[str, datetime]:
        """Return who gave a sign of life worth writing down."""
        seen: dict[str, datetime] = {}
        for entry in portion:
            if entry.direction == message_log.RECEIVED:
                before = self._seen_at.get(entry.identity)
                if before is None or entry.at - before >= SEEN_EVERY:
                    seen[entry.identity] = entry.at
        return seen


def _write(
    connection: Connection,
    *,
    entries: list[LoggedMessage],
    limits: MessageLogLimits,
    seen: dict[str, datetime],
) -> None:
    message_log.append(connection, entries)
    message_log.prune(connection, limits, at=entries[-1].at)
    charge_points.record_seen(connection, seen)
