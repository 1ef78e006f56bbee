"""Meter readings in the database."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from csms.storage import meter_values
from csms.storage.store import Store

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
READING = {"timestamp": "2026-01-31T11:00:00Z", "sampledValue": [{"value": "1"}]}


async def add(store: Store, **fields: Any) -> bool:
    """Store an ordinary message with some fields changed."""
    message: dict[str, Any] = {
        "identity": "CP1",
        "connector_id": 1,
        "transaction_id": 7,
        "meter_value": [READING],
        "received_at": NOW,
    }
    return await store.write(partial(meter_values.add, **(message | fields)))


async def test_readings_come_back_as_they_were(store: Store) -> None:
    """Odd values, too large numbers and all."""
    odd = [READING, {"timestamp": 5, "sampledValue": [{"value": 10**30, "unit": "\ud800"}]}]

    assert await add(store, meter_value=odd, flags=("numeric value",)) is True

    [record] = await store.read(partial(meter_values.page, identity="CP1"))
    assert (record.meter_value, record.flags) == (odd, ("numeric value",))
    assert (record.connector_id, record.transaction_id, record.received_at) == (1, 7, NOW)


async def test_message_sent_again_is_one_record(store: Store) -> None:
    """Whatever its message id and time of receipt (CS-METER-09)."""
    await add(store)

    assert await add(store, received_at=NOW.replace(hour=13)) is False
    assert len(await store.read(partial(meter_values.page, identity="CP1"))) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"identity": "CP2"},
        {"connector_id": 2},
        {"transaction_id": None},
        {"meter_value": [READING | {"timestamp": "2026-01-31T11:00:01Z"}]},
        {"meter_value": [READING | {"sampledValue": [{"value": "2"}]}]},
        {"meter_value": [READING, READING]},
        {"meter_value": []},
    ],
)
async def test_other_content_is_another_record(store: Store, fields: dict[str, Any]) -> None:
    """Each part of the content counts; no reading is mistaken for a copy."""
    await add(store)

    assert await add(store, **fields) is True


async def test_transaction_has_its_own_stations_readings(store: Store) -> None:
    """Another station that names the same transaction does not get in (CS-METER-06)."""
    await add(store)
    await add(store, identity="CP2")
    await add(store, transaction_id=-1)

    found = await store.read(partial(meter_values.of_transaction, identity="CP1", transaction_id=7))

    assert [(record.identity, record.transaction_id) for record in found] == [("CP1", 7)]


async def test_transactions_readings_come_in_pages(store: Store) -> None:
    """Oldest first, the cursor is the last record."""
    for number in range(3):
        await add(store, meter_value=[READING | {"sampledValue": [{"value": str(number)}]}])
    of_seven = partial(meter_values.of_transaction, identity="CP1", transaction_id=7)

    first = await store.read(partial(of_seven, limit=2))
    second = await store.read(partial(of_seven, after_id=first[-1].record_id, limit=2))

    read = [sample.received_value for record in first + second for sample in record.samples]
    assert read == ["0", "1", "2"]


async def test_pages_are_newest_first(store: Store) -> None:
    """With and without transaction, by connector, cursor by record."""
    for connector_id in (0, 1, 2):
        await add(store, connector_id=connector_id, transaction_id=None)

    newest, middle = await store.read(partial(meter_values.page, identity="CP1", limit=2))
    rest = await store.read(partial(meter_values.page, identity="CP1", before_id=middle.record_id))
    of_one = await store.read(partial(meter_values.page, identity="CP1", connector_id=1))

    assert [record.connector_id for record in (newest, middle, *rest)] == [2, 1, 0]
    assert of_one == [middle]
