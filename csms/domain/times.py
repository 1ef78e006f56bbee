"""Times on the wire: one tolerant reader, one strict writer.

Spec: OCPP 1.6 ed. 2 §3.14, §3.15 (CS-DATA-01 … 03). Nothing here reads a clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_ISO_8601: Final = re.compile(
    r"""
    (?P<year>\d{4}) (?: -(?P<month>\d\d)-(?P<day>\d\d) | (?P<month_b>\d\d)(?P<day_b>\d\d) )
    (?:
        (?: [Tt] | \ + )
        (?P<hour>\d\d)
        (?: :(?P<minute>\d\d) (?: :(?P<second>\d\d) )?
          | (?P<minute_b>\d\d) (?P<second_b>\d\d)? )
        (?: [.,] (?P<fraction>\d+) )?
        \ *
        (?: (?P<zulu> [Zz] | UTC | utc | GMT )
          | (?P<sign> [+\-\N{MINUS SIGN}] ) (?P<off_h>\d\d) (?: :? (?P<off_m>\d\d) )? )?
    )?
    """,
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class ParsedTime:
    """A time as a charge point meant it.

    Attributes:
        at: aware, UTC.
        is_naive: it came without an offset and was read as UTC (CS-DATA-03).
    """

    at: datetime
    is_naive: bool = False


def parse_time(text: object) -> ParsedTime | None:
    """Read any ISO 8601 date and time a charge point may send; None where it is none.

    Takes every offset, any number of fractional digits, lower-case ``t`` and ``z``, a space for
    the ``T``, the basic form, a missing offset, missing seconds or a mere date (both midnight and
    UTC then), ``24:00:00`` and leap seconds (read as the following second). Digits finer than a
    microsecond are cut off.
    """
    if not isinstance(text, str):
        return None
    match = _ISO_8601.fullmatch(text.strip())
    if match is None:
        return None
    part = match.groupdict()
    hour = int(part["hour"] or 0)
    minute = int(part["minute"] or part["minute_b"] or 0)
    second = int(part["second"] or part["second_b"] or 0)
    microsecond = int((part["fraction"] or "0")[:6].ljust(6, "0"))
    offset_h, offset_m = int(part["off_h"] or 0), int(part["off_m"] or 0)
    if part["fraction"] and not (part["second"] or part["second_b"]):
        return None  # of a minute or an hour: legal, and never seen
    is_end_of_day = (hour, minute, second, microsecond) == (24, 0, 0, 0)
    if (hour > 23 and not is_end_of_day) or minute > 59 or second > 60:
        return None
    if offset_h > 23 or offset_m > 59:
        return None
    offset = timedelta(hours=offset_h, minutes=offset_m)
    if part["sign"] not in (None, "+"):
        offset = -offset
    try:
        day = datetime(
            int(part["year"]),
            int(part["month"] or part["month_b"]),
            int(part["day"] or part["day_b"]),
            tzinfo=timezone(offset),
        )
        since_midnight = timedelta(
            hours=hour, minutes=minute, seconds=second, microseconds=microsecond
        )
        at = (day + since_midnight).astimezone(UTC)
    except (ValueError, OverflowError):  # no such day, or outside the years 1 to 9999
        return None
    return ParsedTime(at, is_naive=part["zulu"] is None and part["sign"] is None)


def format_time(at: datetime) -> str:
    """Write an aware time as ``2026-01-31T12:34:56.789Z``, the one form this CSMS sends.

    Raises:
        ValueError: the time is naive.
    """
    if at.tzinfo is not UTC:
        if at.tzinfo is None:
            raise ValueError(f"a naive time has no defined meaning: {at!r}")
        at = at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds")[:-6] + "Z"
