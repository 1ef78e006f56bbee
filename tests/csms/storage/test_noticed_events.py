"""Our own events find their way into the database by themselves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection

from csms.domain.security_events import SecurityEvent
from csms.storage import noticed_events, security_events
from csms.storage.errors import CommitFailed
from csms.storage.noticed_events import SecurityEvents
from csms.storage.store import Store

AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def _events(store: Store) -> SecurityEvents:
    return SecurityEvents(store, lambda: AT)


async def _stored(store: Store) -> list[SecurityEvent]:
    return await store.read(security_events.page)


async def test_event_is_written_without_a_flush(store: Store) -> None:
    """Whoever notices it does not wait."""
    events = _events(store)
    events.note("CP1", "InvalidCredentials", "wrong password", "192.0.2.1")

    async with asyncio.timeout(5):
        while not (found := await _stored(store)):
            pass

    assert (found[0].identity, found[0].type) == ("CP1", "InvalidCredentials")
    assert (found[0].detail, found[0].address) == ("wrong password", "192.0.2.1")
    await events.close()


async def test_count_goes_up_in_one_record(store: Store) -> None:
    """Also after it was written, and by itself."""
    events = _events(store)
    events.note("CP1", "A", "", None)
    await events.flush()
    for _ in range(9):
        events.note("CP1", "A", "", None)
    await events.flush()

    assert [one.times for one in await _stored(store)] == [10]
    await events.close()


async def test_writes_at_the_same_time_make_one_record(store: Store) -> None:
    """The second waits for the first."""
    events = _events(store)
    events.note("CP1", "A", "", None)
    await asyncio.gather(events.flush(), events.flush(), events.flush())

    assert len(await _stored(store)) == 1
    await events.close()


async def test_close_writes_what_is_left_and_takes_no_more(store: Store) -> None:
    """What was noted before the end is there after it."""
    events = _events(store)
    events.note("CP1", "A", "", None)
    await asyncio.sleep(0)  # the writer is in the middle of it
    events.note("CP1", "B", "", None)
    await events.close()
    events.note("CP1", "C", "", None)
    await events.flush()

    assert [one.type for one in await _stored(store)] == ["B", "A"]


async def test_database_in_trouble_gets_them_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost and nothing is doubled; it tries again by itself."""
    monkeypatch.setattr(noticed_events, "PAUSE_S", 0.0)
    real, failures = security_events.count, [CommitFailed("locked")] * 3

    def count(connection: Connection, counts: list[security_events.Count]) -> list[int]:
        if failures:
            raise failures.pop()
        return real(connection, counts)

    monkeypatch.setattr(security_events, "count", count)
    events = _events(store)
    events.note("CP1", "A", "", None)

    async with asyncio.timeout(5):
        while not (found := await _stored(store)):
            pass

    assert [one.times for one in found] == [1]
    await events.close()


async def test_closed_database_raises_nothing(store: Store) -> None:
    """The program ends all the same."""
    events = _events(store)
    await store.close()
    events.note("CP1", "A", "", None)

    await events.close()
