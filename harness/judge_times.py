"""Times the CSMS sends: form, zone, and whether its clock is right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from harness.checks import finding
from harness.results import Finding

CLOCK_TOLERANCE_S: Final = 5.0

# RFC 3339 §5.6, with the zone left optional so that its absence can be named.
_TIME: Final = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt](?P<clock>[0-9]{2}:[0-9]{2}):(?P<second>[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]+))?(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})?",
    re.ASCII,
)
_PREFERRED: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3})?Z", re.ASCII
)
_FORM: Final = "YYYY-MM-DDThh:mm:ss.sssZ or YYYY-MM-DDThh:mm:ssZ"


def read_time(text: object) -> datetime | None:
    """Return the moment a text names, UTC where it names no zone, or None when it is no time."""
    if not isinstance(text, str) or not (parts := _TIME.fullmatch(text)):
        return None
    zone = (parts["zone"] or "Z").upper().replace("Z", "+00:00")
    second = min(int(parts["second"]), 59)  # a leap second is a second like the one before
    if int(parts["second"]) > second and not (
        parts["second"] == "60" and parts["clock"].endswith("59")
    ):
        return None
    fraction = (parts["fraction"] or "0")[:6].ljust(6, "0")
    try:
        written = f"{parts['date']}T{parts['clock']}:{second:02}.{fraction}{zone}"
        return datetime.fromisoformat(written).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def judge_time(path: str, text: object) -> Iterator[Finding]:
    """Say what is wrong with one time."""
    if not isinstance(text, str):
        return  # a wrong type is the schema's business
    parts = _TIME.fullmatch(text)
    if parts is None or read_time(text) is None:
        yield finding(
            "time.format", f"{path} is no date-time: {text[:60]!r}.", expected=_FORM, actual=text
        )
        return
    zone = parts["zone"]
    if zone is None:
        yield finding("time.no-zone", f"{path} says no zone: {text}.", expected=_FORM, actual=text)
    elif zone.upper() != "Z" and zone[1:] != "00:00":
        yield finding("time.not-utc", f"{path} is not in UTC: {text}.", expected=_FORM, actual=text)
    elif not _PREFERRED.fullmatch(text):
        yield finding(
            "time.form",
            f"{path} has a form that some charge points cannot read: {text}.",
            expected=_FORM,
            actual=text,
        )


def judge_clock(
    path: str, text: object, *, sent_at: datetime, received_at: datetime
) -> Iterator[Finding]:
    """Say whether a `currentTime` is off; the CSMS took it between our CALL and its answer."""
    at = read_time(text)
    if at is None:
        return
    tolerance = timedelta(seconds=CLOCK_TOLERANCE_S)
    if sent_at - tolerance <= at <= received_at + tolerance:
        return
    off_s = (at - (sent_at if at < sent_at else received_at)).total_seconds()
    where = "behind" if off_s < 0 else "ahead of"
    present = received_at.isoformat(timespec="seconds")
    yield finding(
        "time.clock",
        f"{path} is {abs(off_s):.1f} s {where} the harness's clock.",
        expected=f"{present}, {CLOCK_TOLERANCE_S:g} s off at most",
        actual=str(text),
    )
