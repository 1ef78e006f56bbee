"""Histories stay bounded."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection

from csms.storage import charge_points, history
from csms.storage.store import Store

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


async def test_oldest_records_of_a_chatty_station_go(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its newest records stay, and so do all of others."""
    monkeypatch.setattr(history, "KEPT", 20)
    monkeypatch.setattr(history, "EVERY", 10)

    def chatter(connection: Connection) -> None:
        record = charge_points.record_connection
        record(connection, "CP2", event="connected", at=NOW)
        for number in range(99):
            record(connection, "CP1", event=str(number), at=NOW)

    await store.write(chatter)

    def events(connection: Connection) -> list[list[str]]:
        return [
            [one.event for one in charge_points.connection_events(connection, identity)]
            for identity in ("CP1", "CP2")
        ]

    chatty, quiet = await store.read(events)
    assert chatty == [str(number) for number in reversed(range(79, 99))]
    assert quiet == ["connected"]
