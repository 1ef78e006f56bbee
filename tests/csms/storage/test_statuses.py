"""Connector statuses in the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from csms.domain.model import BootInformation, ConnectorState
from csms.domain.statuses import read_status
from csms.storage import charge_points, statuses
from csms.storage.store import Store

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


async def report(store: Store, *, identity: str = "CP1", **fields: Any) -> bool:
    """Record an ordinary status with some fields changed."""
    payload = {"connectorId": 1, "errorCode": "NoError", "status": "Available"} | fields
    read = read_status(payload, received_at=NOW)
    return await store.write(partial(statuses.record, identity=identity, report=read))


async def states(store: Store, identity: str = "CP1") -> list[ConnectorState]:
    """Return what is known of the connectors."""
    return await store.read(partial(statuses.connector_states, identity=identity))


async def test_newest_status_is_the_state(store: Store) -> None:
    """A second status takes the place of the first, in every field."""
    await report(store, info="door", vendorId="v", vendorErrorCode="E", errorCode="OtherError")

    assert await report(store, status="Charging") is True

    assert await states(store) == [
        ConnectorState("CP1", 1, "Charging", "NoError", None, None, None, NOW, NOW, is_stale=False)
    ]


async def test_older_status_is_history_only(store: Store) -> None:
    """An old error that comes late hides nothing newer, and is kept (CS-STAT-02)."""
    await report(store, status="Available", timestamp="2026-01-31T11:59:00Z")

    is_current = await report(
        store, status="Faulted", errorCode="GroundFailure", timestamp="2026-01-31T11:00:00Z"
    )

    assert is_current is False
    assert [state.status for state in await states(store)] == ["Available"]
    late, first = await store.read(partial(statuses.page, identity="CP1"))
    assert (late.status, late.error_code, late.is_current) == ("Faulted", "GroundFailure", False)
    assert (late.reported_at, late.timestamp) == (
        NOW - timedelta(hours=1),
        "2026-01-31T11:00:00Z",
    )
    assert (first.status, first.is_current) == ("Available", True)


async def test_connector_0_says_nothing_of_the_others(store: Store) -> None:
    """The main controller has a state of its own (CS-STAT-03)."""
    await report(store, connectorId=1, status="Charging")
    await report(store, connectorId=0, status="Unavailable")

    assert [(state.connector_id, state.status) for state in await states(store)] == [
        (0, "Unavailable"),
        (1, "Charging"),
    ]


async def test_status_after_boot_replaces_the_stale_one(store: Store) -> None:
    """The burst after a boot counts, whatever its times say (CS-BOOT-09)."""
    await report(store, status="Charging", timestamp="2026-01-31T11:59:00Z")
    boot = partial(charge_points.record_boot, identity="CP1", boot=BootInformation(), at=NOW)
    await store.write(boot)

    await report(store, status="Available", timestamp="2026-01-31T09:00:00Z")

    [state] = await states(store)
    assert (state.status, state.is_stale) == ("Available", False)


async def test_charge_points_do_not_mix(store: Store) -> None:
    """The same connector number at another station is another connector."""
    await report(store, status="Charging")
    await report(store, identity="CP2", status="Faulted")

    assert [state.status for state in await states(store)] == ["Charging"]
    assert [state.status for state in await states(store, "CP2")] == ["Faulted"]


async def test_history_comes_in_pages_and_by_connector(store: Store) -> None:
    """Newest first, the cursor is the last record."""
    for connector_id in (1, 2, 1):
        await report(store, connectorId=connector_id)

    newest, middle = await store.read(partial(statuses.page, identity="CP1", limit=2))
    rest = await store.read(partial(statuses.page, identity="CP1", before_id=middle.record_id))
    of_one = await store.read(partial(statuses.page, identity="CP1", connector_id=1))

    assert [record.connector_id for record in (newest, middle, *rest)] == [1, 2, 1]
    assert [record.connector_id for record in of_one] == [1, 1]


async def test_flags_are_kept(store: Store) -> None:
    """What was odd about a status is in its record."""
    await report(store, status="Occupied")

    [record] = await store.read(partial(statuses.page, identity="CP1"))
    assert record.flags == ("status_unknown",)


async def test_status_without_a_connector_is_refused(store: Store) -> None:
    """There is no place to put it."""
    with pytest.raises(ValueError, match="without a connector"):
        await report(store, connectorId=-1)
