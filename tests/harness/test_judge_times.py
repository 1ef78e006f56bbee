"""Times the CSMS sends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge_times import judge_clock, judge_time, read_time

SENT = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("2026-01-31T12:34:56Z", []),
        ("2026-01-31T12:34:56.789Z", []),
        ("2016-12-31T23:59:60Z", []),
        ("2026-01-31T12:34:56+00:00", ["time.form"]),
        ("2026-01-31T12:34:56-00:00", ["time.form"]),
        ("2026-01-31T12:34:56.7Z", ["time.form"]),
        ("2026-01-31T12:34:56.789012Z", ["time.form"]),
        ("2026-01-31T12:34:56.789012345Z", ["time.form"]),
        ("2026-01-31t12:34:56z", ["time.form"]),
        ("2026-01-31T13:34:56+01:00", ["time.not-utc"]),
        ("2026-01-31T12:34:56-00:30", ["time.not-utc"]),
        ("2026-01-31T12:34:56", ["time.no-zone"]),
        ("2026-01-31T12:34:56.789", ["time.no-zone"]),
        ("2026-01-31 12:34:56Z", ["time.format"]),
        ("2026-01-31T12:34Z", ["time.format"]),
        ("2026-01-31", ["time.format"]),
        ("2026-02-30T12:34:56Z", ["time.format"]),
        ("2026-01-31T24:00:00Z", ["time.format"]),
        ("2026-01-31T12:34:60Z", ["time.format"]),
        ("2026-01-31T12:34:61Z", ["time.format"]),
        ("2026-01-31T12:34:56+0000", ["time.format"]),
        ("2026-01-31T12:34:56+25:00", ["time.format"]),
        ("2026-01-31T12:34:56.Z", ["time.format"]),
        ("2026-01-31T12:34:56,5Z", ["time.format"]),
        ("20260131T123456Z", ["time.format"]),
        ("٢٠٢٦-01-31T12:34:56Z", ["time.format"]),
        ("2026-01-31T12:34:56Z\n", ["time.format"]),
        ("now", ["time.format"]),
        ("", ["time.format"]),
        (None, []),
        (5, []),
    ],
    ids=repr,
)
def test_forms(text: object, rules: list[str]) -> None:
    """Each form of a time is right, odd or wrong; what is no text is the schema's business."""
    assert [one.rule for one in judge_time("$.currentTime", text)] == rules


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:34:56.5Z", datetime(2026, 1, 31, 12, 34, 56, 500_000, tzinfo=UTC)),
        ("2026-01-31T13:34:56+01:00", datetime(2026, 1, 31, 12, 34, 56, tzinfo=UTC)),
        ("2026-01-31T12:34:56", datetime(2026, 1, 31, 12, 34, 56, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00+10:00", None),
        ("yesterday", None),
    ],
)
def test_moments(text: str, moment: datetime | None) -> None:
    """A time is read as the moment it names, whatever its zone."""
    assert read_time(text) == moment


@pytest.mark.parametrize(
    ("off_s", "answered_s", "is_off"),
    [
        (0, 0.1, False),
        (-4.9, 0.1, False),
        (5.0, 0.1, False),
        (-5.1, 0.1, True),
        (5.2, 0.1, True),
        (25, 30, False),
        (3600, 0.1, True),
    ],
)
def test_clocks(off_s: float, answered_s: float, is_off: bool) -> None:
    """A clock is off when it is 5 s away from the whole span in which it can have been read."""
    text = (SENT + timedelta(seconds=off_s)).isoformat()
    received = SENT + timedelta(seconds=answered_s)

    found = list(judge_clock("$.currentTime", text, sent_at=SENT, received_at=received))

    assert [one.rule for one in found] == (["time.clock"] if is_off else [])


@given(st.text())
def test_any_text_can_be_judged(text: str) -> None:
    """No text raises, and what cannot be read is said to be no time."""
    rules = [one.rule for one in judge_time("$", text)]

    assert (read_time(text) is None) == ("time.format" in rules)


@given(st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9000, 1, 1)))  # noqa: DTZ001
def test_the_preferred_forms_are_never_complained_about(moment: datetime) -> None:
    """Every moment in either form of OCPP is right and read back."""
    text = moment.isoformat(timespec="milliseconds") + "Z"

    assert list(judge_time("$", text)) == []
    assert read_time(text) == moment.replace(
        microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC
    )
