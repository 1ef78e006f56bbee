"""The quarantine in the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from csms.storage import quarantine
from csms.storage.store import Store

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
TEXT = '[2,"%s","StartTransaction",{"connectorId":"one"}]'


async def add(
    store: Store, text: str, *, identity: str = "CP1", at: datetime = NOW, reason: str = "type"
) -> None:
    """Put a message into quarantine."""
    await store.write(
        partial(
            quarantine.add,
            identity=identity,
            action="StartTransaction",
            text=text,
            reason=reason,
            at=at,
        )
    )


async def test_refused_message_is_kept_as_it_came(store: Store) -> None:
    """The raw text waits for a person."""
    await add(store, TEXT % 1)

    [kept] = await store.read(quarantine.page)
    assert (kept.identity, kept.action, kept.text) == ("CP1", "StartTransaction", TEXT % 1)
    assert (kept.reason, kept.first_at, kept.last_at, kept.times) == ("type", NOW, NOW, 1)


@pytest.mark.parametrize("text", [TEXT, '[2, "%s", "StartTransaction", {"connectorId": "one"}]'])
async def test_retries_are_counted(store: Store, text: str) -> None:
    """The same content with another message id is the same message."""
    later = NOW + timedelta(minutes=1)
    await add(store, TEXT % 1)
    await add(store, text % 2, at=later)

    [kept] = await store.read(quarantine.page)
    assert (kept.text, kept.first_at, kept.last_at, kept.times) == (TEXT % 1, NOW, later, 2)


async def test_other_messages_are_kept_too(store: Store) -> None:
    """Other content, other stations, and text that is no JSON."""
    await add(store, TEXT % 1)
    await add(store, TEXT % 1, identity="CP2")
    await add(store, TEXT.replace("one", "two") % 1)
    await add(store, "no json")
    await add(store, "{}")

    kept = await store.read(quarantine.page)
    assert len(kept) == 5
    of_two = await store.read(partial(quarantine.page, identity="CP2"))
    assert [one.identity for one in of_two] == ["CP2"]


async def test_pages_are_newest_first_and_messages_can_be_removed(store: Store) -> None:
    """The cursor is the last record."""
    for text in ("a", "b", "c"):
        await add(store, text)

    newest, middle = await store.read(partial(quarantine.page, limit=2))
    rest = await store.read(partial(quarantine.page, before_id=middle.record_id))
    is_removed = await store.write(partial(quarantine.remove, record_id=newest.record_id))

    assert [one.text for one in (newest, middle, *rest)] == ["c", "b", "a"]
    assert is_removed is True
    assert await store.write(partial(quarantine.remove, record_id=newest.record_id)) is False
    assert [one.text for one in await store.read(quarantine.page)] == ["b", "a"]


async def test_broken_station_cannot_fill_the_disk(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its newest messages are kept, and others' are not touched."""
    monkeypatch.setattr(quarantine, "MAX_PER_CHARGE_POINT", 3)
    await add(store, "other", identity="CP2")
    for number in range(5):
        await add(store, str(number))

    kept = await store.read(quarantine.page)
    assert [one.text for one in kept] == ["4", "3", "2", "other"]
