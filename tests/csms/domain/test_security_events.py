"""What a charge point's event says, and how ours are counted and bounded."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.domain.security_events import (
    MAX_DETAIL,
    MAX_IN_ALL,
    MAX_OF_ADDRESS,
    WINDOW,
    Coalescing,
    EventKey,
    Noticed,
    read_event,
)

AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
KEY = EventKey("CP1", "InvalidCredentials", "192.0.2.1")


def _write(coalescing: Coalescing) -> list[Noticed]:
    """Stand for the database; return what was written."""
    noticed = coalescing.unwritten()
    for one in noticed:
        one.written = one.times
    return noticed


@pytest.mark.parametrize(
    ("timestamp", "occurred_at"),
    [
        ("2026-01-31T11:00:00Z", AT - timedelta(hours=1)),
        ("2026-01-31 13:00:00+01:00", AT),
        ("yesterday", AT),
        ("", AT),
    ],
)
def test_time_of_an_event_is_the_charge_points(timestamp: str, occurred_at: datetime) -> None:
    """Where it is a time; the text is kept whatever it is."""
    payload = {"type": "Anything", "timestamp": timestamp, "techInfo": "info"}

    event = read_event(payload, received_at=AT)

    assert (event.type, event.detail, event.timestamp) == ("Anything", "info", timestamp)
    assert event.occurred_at == occurred_at


def test_equal_events_of_a_minute_are_one() -> None:
    """With their number, the first one's detail, and the times of the first and the last."""
    coalescing = Coalescing()
    coalescing.note(KEY, "first", at=AT)
    coalescing.note(KEY, "second", at=AT + timedelta(seconds=59))

    (noticed,) = coalescing.unwritten()

    assert (noticed.times, noticed.detail) == (2, "first")
    assert (noticed.first_at, noticed.last_at) == (AT, AT + timedelta(seconds=59))


def test_what_was_written_is_written_again_only_after_it_happened_again() -> None:
    """As the same record."""
    coalescing = Coalescing()
    coalescing.note(KEY, "", at=AT)
    (before,) = _write(coalescing)

    assert _write(coalescing) == []
    coalescing.note(KEY, "", at=AT)
    assert _write(coalescing) == [before]


def test_another_minute_is_another_event() -> None:
    """Once the former is in the database."""
    coalescing = Coalescing()
    coalescing.note(KEY, "", at=AT)
    (first,) = _write(coalescing)
    coalescing.note(KEY, "", at=AT + WINDOW)
    (second,) = _write(coalescing)

    assert second is not first
    assert (first.times, second.times) == (1, 1)


def test_nothing_is_lost_while_the_database_cannot_be_written() -> None:
    """The count goes on in the old record."""
    coalescing = Coalescing()
    coalescing.note(KEY, "", at=AT)
    coalescing.note(KEY, "", at=AT + 2 * WINDOW)

    assert [one.times for one in coalescing.unwritten()] == [2]


def test_a_clock_that_was_set_back_keeps_nothing_for_ever() -> None:
    """A window from the future has ended as well."""
    coalescing = Coalescing()
    coalescing.note(KEY, "", at=AT)
    _write(coalescing)
    coalescing.note(KEY, "", at=AT - timedelta(days=1))

    assert [one.first_at for one in coalescing.unwritten()] == [AT - timedelta(days=1)]


def test_one_address_cannot_cause_many_different_events() -> None:
    """A stranger may name any identity; the count goes on without one."""
    coalescing = Coalescing()
    for number in range(MAX_OF_ADDRESS + 10):
        coalescing.note(EventKey(f"CP{number}", KEY.type, KEY.address), "", at=AT)
    coalescing.note(EventKey("CP0", KEY.type, KEY.address), "", at=AT)
    coalescing.note(EventKey("CP-other", KEY.type, "192.0.2.2"), "", at=AT)

    found = {one.key: one.times for one in coalescing.unwritten()}

    assert len(found) == MAX_OF_ADDRESS + 2
    assert found[EventKey(None, KEY.type, KEY.address)] == 10
    assert found[EventKey("CP0", KEY.type, KEY.address)] == 2
    assert found[EventKey("CP-other", KEY.type, "192.0.2.2")] == 1


def test_many_addresses_cannot_cause_many_more() -> None:
    """Nothing is lost: the total is right."""
    coalescing = Coalescing()
    for number in range(3 * MAX_IN_ALL):
        coalescing.note(EventKey("CP1", KEY.type, f"192.0.2.{number}"), "", at=AT)

    noticed = coalescing.unwritten()

    assert len(noticed) == MAX_IN_ALL + 1
    assert sum(one.times for one in noticed) == 3 * MAX_IN_ALL
    assert noticed[-1].key == EventKey(None, KEY.type, None)


def test_what_strangers_write_is_made_fit_to_show() -> None:
    """Long texts are cut, control characters replaced."""
    coalescing = Coalescing()
    coalescing.note(EventKey("CP\n1", "T", "a" * 500), "\x1b[2J" + "x" * 5000, at=AT)

    (noticed,) = coalescing.unwritten()

    assert noticed.key.identity == "CP\ufffd1"
    assert noticed.key.address == "a" * 100
    assert noticed.detail.startswith("\ufffd[2J")
    assert len(noticed.detail) == MAX_DETAIL


@given(
    st.lists(
        st.tuples(
            st.sampled_from([f"CP{number}" for number in range(80)]),
            st.sampled_from(["A", "B"]),
            st.sampled_from(["192.0.2.1", None]),
            st.integers(0, 40),
            st.booleans(),
        ),
        max_size=300,
    )
)
def test_every_event_is_counted_once(
    notes: list[tuple[str, str, str | None, int, bool]],
) -> None:
    """Whatever comes, and whenever it is written."""
    coalescing, at, records = Coalescing(), AT, dict[int, Noticed]()
    for identity, type_, address, later_s, is_written in notes:
        at += timedelta(seconds=later_s)
        coalescing.note(EventKey(identity, type_, address), "", at=at)
        if is_written:
            records |= {id(one): one for one in _write(coalescing)}
    records |= {id(one): one for one in _write(coalescing)}

    assert sum(one.written for one in records.values()) == len(notes)
