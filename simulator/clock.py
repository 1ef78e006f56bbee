"""Time as an argument: one moment on both clocks, and the forms OCPP writes and reads it in.

Nothing here reads a clock; the shell does (`simulator.client`), tests make moments up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Moment:
    """The same instant on the wall clock and on the monotonic clock.

    Attributes:
        at: aware UTC time, for time stamps.
        s: monotonic seconds, for everything that is waited for.
    """

    at: datetime
    s: float

    def back_to(self, s: float) -> Moment:
        """Return the moment at monotonic time `s`, for something that was due in the past."""
        return Moment(self.at + timedelta(seconds=s - self.s), s)


def format_time(at: datetime, *, milliseconds: bool) -> str:
    """Return `at` as OCPP time stamp in UTC, ``2026-01-31T12:34:56.789Z`` or without fraction."""
    text = at.astimezone(UTC).isoformat(timespec="milliseconds" if milliseconds else "seconds")
    return text.removesuffix("+00:00") + "Z"


def parse_time(text: object) -> datetime | None:
    """Return the time a CSMS wrote, or None where it is not ISO 8601; no zone means UTC."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter at either end of what a datetime can be
        return None
