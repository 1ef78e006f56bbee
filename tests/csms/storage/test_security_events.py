"""Security events in the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from csms.domain.security_events import EventKey, EventSource, Reported
from csms.storage import security_events
from csms.storage.security_events import Count
from csms.storage.store import Store

AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
KEY = EventKey("CP1", "InvalidCredentials", "192.0.2.1")


async def _report(store: Store, identity: str, type_: str, *, at: datetime = AT) -> int:
    event = Reported(type_, "info", "2026-01-31T11:00:00Z", AT - timedelta(hours=1))
    return await store.write(
        partial(security_events.report, identity=identity, event=event, at=at, flags=("quirk",))
    )


async def _count(store: Store, *counts: Count) -> list[int]:
    return await store.write(partial(security_events.count, counts=counts))


async def test_reported_event_comes_back_as_it_was(store: Store) -> None:
    """All of it."""
    record_id = await _report(store, "CP1", "FirmwareUpdated")

    (found,) = await store.read(security_events.page)

    assert (found.record_id, found.identity, found.source) == (
        record_id,
        "CP1",
        EventSource.CHARGE_POINT,
    )
    assert (found.type, found.detail, found.address) == ("FirmwareUpdated", "info", None)
    assert (found.timestamp, found.occurred_at) == (
        "2026-01-31T11:00:00Z",
        AT - timedelta(hours=1),
    )
    assert (found.received_at, found.last_at, found.times, found.flags) == (AT, AT, 1, ("quirk",))


async def test_equal_reports_are_kept_one_by_one(store: Store) -> None:
    """They are a charge point's log."""
    await _report(store, "CP1", "ResetOrReboot")
    await _report(store, "CP1", "ResetOrReboot")

    assert len(await store.read(security_events.page)) == 2


async def test_count_of_ours_goes_up_in_its_record(store: Store) -> None:
    """And its last time with it."""
    later = AT + timedelta(seconds=5)
    (record_id,) = await _count(store, Count(None, KEY, "wrong password", AT, AT, 1))
    again = await _count(store, Count(record_id, KEY, "wrong password", AT, later, 7))

    (found,) = await store.read(security_events.page)

    assert again == [record_id]
    assert (found.times, found.received_at, found.last_at) == (7, AT, later)
    assert (found.source, found.address) == (EventSource.CSMS, "192.0.2.1")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["C", "B", "A"]),
        ({"identity": "CP1"}, ["C", "A"]),
        ({"source": EventSource.CSMS}, ["C"]),
        ({"type_": "B"}, ["B"]),
        ({"since": AT + timedelta(seconds=1)}, ["C", "B"]),
        ({"until": AT + timedelta(seconds=1)}, ["A"]),
        ({"limit": 1}, ["C"]),
    ],
)
async def test_events_can_be_searched(
    store: Store, wanted: dict[str, object], expected: list[str]
) -> None:
    """By charge point, source, type and time; newest first."""
    second, third = AT + timedelta(seconds=1), AT + timedelta(seconds=2)
    await _report(store, "CP1", "A")
    await _report(store, "CP2", "B", at=second)
    await _count(store, Count(None, EventKey("CP1", "C", None), "", third, third, 1))

    found = await store.read(partial(security_events.page, **wanted))  # type: ignore[arg-type]

    assert [one.type for one in found] == expected


async def test_oldest_events_go_but_not_those_of_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a charge point reports, and what strangers cause in its name, have bounds apart."""
    monkeypatch.setattr(security_events, "EVERY", 1)
    monkeypatch.setattr(security_events, "KEPT", 2)
    monkeypatch.setattr(security_events, "KEPT_OF_OURS", 3)
    for number in range(4):
        await _report(store, "CP1", f"CP1-{number}")
        await _report(store, "CP2", f"CP2-{number}")
        await _count(store, Count(None, EventKey("CP1", f"ours-{number}", None), "", AT, AT, 1))

    found = [one.type for one in await store.read(security_events.page)]

    assert sorted(found) == [
        *("CP1-2", "CP1-3"),
        *("CP2-2", "CP2-3"),
        *("ours-1", "ours-2", "ours-3"),
    ]
