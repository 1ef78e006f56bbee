"""Times are written in the form OCPP wants and read in every form ISO 8601 has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from simulator.clock import Moment, format_time, parse_time

AT = datetime(2026, 1, 31, 12, 34, 56, 789_999, tzinfo=UTC)


def test_time_with_milliseconds() -> None:
    """Milliseconds are three digits and end in Z."""
    assert format_time(AT, milliseconds=True) == "2026-01-31T12:34:56.789Z"


def test_time_without_milliseconds() -> None:
    """Without milliseconds there is no fraction at all."""
    assert format_time(AT, milliseconds=False) == "2026-01-31T12:34:56Z"


def test_other_zones_are_written_in_utc() -> None:
    """A time of another zone is the same instant in UTC."""
    at = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert format_time(at, milliseconds=True) == "2026-01-31T12:34:56.789Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31T13:00:00+01:00",
        "2026-01-31T12:00:00.000",
        "2026-01-31T12:00:00.0000000Z",
    ],
)
def test_any_iso_form_is_read(text: str) -> None:
    """Offsets, fractions and a missing zone all give the same instant."""
    assert parse_time(text) == datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["yesterday", "", None, 17])
def test_no_time_is_none(text: object) -> None:
    """What is no time is None, not an exception."""
    assert parse_time(text) is None


def test_moment_goes_back_on_both_clocks() -> None:
    """A moment in the past keeps both clocks in step."""
    assert Moment(AT, 100.0).back_to(97.5) == Moment(AT - timedelta(seconds=2.5), 97.5)
