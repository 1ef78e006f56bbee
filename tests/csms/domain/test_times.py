"""Reading and writing times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.domain.times import ParsedTime, format_time, parse_time

NOON = datetime(2026, 1, 31, 12, 34, 56, tzinfo=UTC)
TENTHS = NOON + timedelta(microseconds=789_000)

offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timedelta(minutes=minutes))
moments = st.datetimes(
    min_value=datetime(1970, 1, 3),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:34:56.789Z",
        "2026-01-31t12:34:56.789z",
        "2026-01-31 12:34:56.789Z",
        "2026-01-31T12:34:56,789Z",
        "2026-01-31T12:34:56.7890000001Z",
        "20260131T123456.789Z",
        "20260131T133456.789+0100",
        "2026-01-31T13:34:56.789+01:00",
        "2026-01-31T13:34:56.789+0100",
        "2026-01-31T13:34:56.789+01",
        "2026-01-31T13:34:56.789 +01:00",
        "2026-01-31T12:04:56.789-00:30",
        "2026-02-01T02:34:56.789+14:00",
        "  2026-01-31T12:34:56.789Z\n",
        "2026-01-31T12:34:56.789 UTC",
    ],
)
def test_every_form_of_one_moment_reads_alike(text: str) -> None:
    """Offsets, fractions, case, separators and the basic form do not change the moment."""
    assert parse_time(text) == ParsedTime(TENTHS)


@pytest.mark.parametrize(
    "text", ["2026-01-31T12:34:56.789", "2026-01-31 12:34:56.789", "20260131T123456.789"]
)
def test_missing_offset_is_utc_and_flagged(text: str) -> None:
    """A time without an offset is read as UTC and says so (CS-DATA-03)."""
    assert parse_time(text) == ParsedTime(TENTHS, is_naive=True)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-31T24:00:00Z", datetime(2026, 2, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2026-01-31T12:34Z", datetime(2026, 1, 31, 12, 34, tzinfo=UTC)),
        ("1970-01-01T00:00:07Z", datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_legal_oddities_are_read(text: str, at: datetime) -> None:
    """The end of a day, a leap second, missing seconds and clocks never set are times too."""
    assert parse_time(text) == ParsedTime(at)


def test_mere_date_is_midnight_without_a_zone() -> None:
    """A date alone means its first moment, in UTC, flagged."""
    assert parse_time("2026-01-31") == ParsedTime(datetime(2026, 1, 31, tzinfo=UTC), is_naive=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-02-30T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-31T24:00:01Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:61Z",
        "2026-01-31T12:30.5Z",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00+01:60",
        "2026-01-31T12:00:00ZZ",
        "2026-01-31T12:00:00+",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "0000-01-01T00:00:00Z",
        "२०२६-01-31T12:00:00Z",
        "2026-W05-6",
        1738326896,
        None,
        ["2026-01-31T12:00:00Z"],
    ],
)
def test_what_is_no_time_is_none(text: object) -> None:
    """No guess is made for what cannot be read."""
    assert parse_time(text) is None


@given(at=moments, offset=offsets, digits=st.integers(6, 12))
def test_any_offset_and_fraction_gives_back_the_moment(
    at: datetime, offset: timedelta, digits: int
) -> None:
    """What any zone writes with any precision is read as the same moment."""
    local = at.astimezone(timezone(offset))
    text = local.isoformat(timespec="microseconds")
    head, tail = text[:26], text[26:]

    assert parse_time(head + "0" * (digits - 6) + tail) == ParsedTime(at)


@given(at=moments)
def test_what_is_written_is_read_back_to_the_millisecond(at: datetime) -> None:
    """Writing cuts to milliseconds and loses nothing else."""
    text = format_time(at)

    assert len(text) == len("2026-01-31T12:34:56.789Z")
    assert parse_time(text) == ParsedTime(at.replace(microsecond=at.microsecond // 1000 * 1000))


@given(st.text(alphabet="0123456789-+:.,TtZz ", max_size=40))
def test_reading_never_raises(text: str) -> None:
    """Whatever comes is a time in UTC or none."""
    parsed = parse_time(text)

    assert parsed is None or parsed.at.tzinfo is UTC


def test_written_time_has_three_digits_and_a_literal_z() -> None:
    """The one form this CSMS sends (CS-DATA-02)."""
    assert format_time(NOON) == "2026-01-31T12:34:56.000Z"
    assert format_time(TENTHS.astimezone(timezone(timedelta(hours=-5)))) == (
        "2026-01-31T12:34:56.789Z"
    )


def test_naive_time_is_never_written() -> None:
    """A time without a zone has no meaning and is refused."""
    with pytest.raises(ValueError, match="naive"):
        format_time(datetime(2026, 1, 31))  # noqa: DTZ001 - the point of the test
