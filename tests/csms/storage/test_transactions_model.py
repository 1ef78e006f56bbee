"""Any order of starts, stops and their repetitions, held against a model of a few dictionaries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from csms.domain.transactions import Start, Stop, read_start, read_stop
from csms.storage import transactions
from csms.storage.database import open_engines
from csms.storage.migrate import migrate
from csms.storage.transactions import StopOutcome

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)

identities = st.sampled_from(["CP1", "CP2"])

starts = st.builds(
    lambda identity, connector_id, minute: read_start(
        identity,
        {
            "connectorId": connector_id,
            "idTag": "Tag",
            "meterStart": 0,
            "timestamp": f"2026-01-31T11:0{minute}:00Z",
        },
        received_at=NOW,
    ),
    identities,
    st.integers(1, 2),
    st.integers(0, 2),
)
stops = st.builds(
    lambda identity, nth, meter_stop: (identity, nth, meter_stop),
    identities,
    st.integers(-1, 6),
    st.integers(1, 2),
)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A connection to a migrated database."""
    path: Path = tmp_path_factory.mktemp("model") / "csms.sqlite3"
    writer, _ = open_engines(f"sqlite:///{path}")
    migrate(writer)
    with writer.connect() as opened:
        yield opened


class Model:
    """What must be known after any history."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.owners: dict[int, str] = {}
        self.closed: dict[int, str] = {}
        self.orphans: set[str] = set()

    def start(self, begun: Start, transaction_id: int) -> None:
        """A known start has its id, a new one an id nobody had."""
        if begun.key not in self.ids:
            assert transaction_id not in self.owners
            self.ids[begun.key] = transaction_id
            self.owners[transaction_id] = begun.identity
        assert self.ids[begun.key] == transaction_id

    def stop(self, ended: Stop, transaction_id: int) -> StopOutcome:
        """Return what a stop does."""
        if self.owners.get(transaction_id) == ended.identity:
            if transaction_id not in self.closed:
                self.closed[transaction_id] = ended.key
                return StopOutcome.CLOSED
            if self.closed[transaction_id] == ended.key:
                return StopOutcome.REPEATED
        if ended.key in self.orphans:
            return StopOutcome.REPEATED
        self.orphans.add(ended.key)
        return StopOutcome.ORPHANED


@given(messages=st.lists(starts | stops, max_size=25))
def test_any_history_leaves_what_the_model_knows(
    connection: Connection, messages: list[Start | tuple[str, int, int]]
) -> None:
    """Nothing is doubled, lost or closed by strangers, whatever comes in whatever order."""
    model = Model()
    with connection.begin() as unit:
        for message in messages:
            if isinstance(message, Start):
                started = transactions.start(connection, message, allow_concurrent=True)
                model.start(message, started.transaction_id)
                continue
            identity, nth, meter_stop = message
            given_ids = sorted(model.owners)
            claimed = given_ids[nth] if 0 <= nth < len(given_ids) else -1
            payload = {
                "transactionId": claimed,
                "meterStop": meter_stop,
                "timestamp": "2026-01-31T11:30:00Z",
            }
            ended = read_stop(identity, payload, received_at=NOW)
            outcome = transactions.stop(connection, ended).outcome
            assert outcome is model.stop(ended, claimed)

        stored = transactions.page(connection, limit=1000)
        orphans = transactions.orphans(connection, limit=1000)
        unit.rollback()
    assert {one.transaction_id: one.identity for one in stored} == model.owners
    assert {one.transaction_id for one in stored if one.stopped_at} == set(model.closed)
    assert len(orphans) == len(model.orphans)
