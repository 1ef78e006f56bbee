"""Any history of updates, held against a charge point that applies or loses them (CS-LAL)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from csms.domain.authorization import fold
from csms.domain.local_lists import Entry, Update, UpdateStatus, UpdateType
from csms.domain.model import AuthorizationStatus, IdTagInfo
from csms.storage import local_lists
from csms.storage.database import open_engines
from csms.storage.migrate import migrate

NOW: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
ACCEPTED: Final = IdTagInfo(AuthorizationStatus.ACCEPTED)
BLOCKED: Final = IdTagInfo(AuthorizationStatus.BLOCKED, NOW, "GROUP")

entries = st.dictionaries(
    st.sampled_from("ABC"), st.sampled_from([ACCEPTED, BLOCKED, None]), max_size=3
)
fates = st.sampled_from(["answered", "answer lost", "request lost", "failed", "not supported"])


@dataclass(frozen=True)
class Send:
    """An update, its distance to the highest version sent, and what becomes of it."""

    is_full: bool
    changes: dict[str, IdTagInfo | None]
    ahead: int
    fate: str


@dataclass(frozen=True)
class Report:
    """GetLocalListVersion."""


@dataclass(frozen=True)
class Restart:
    """The CSMS ends and starts again."""


aheads = st.sampled_from([1, 1, 1, 2, 0, -1])
sends = st.builds(Send, st.booleans(), entries, aheads, fates)
steps = st.lists(st.one_of(sends, sends, sends, st.builds(Report), st.builds(Restart)), max_size=12)


@dataclass
class Station:
    """A charge point's list; `is_mute` reports 0 whatever it holds."""

    is_mute: bool
    version: int = 0
    tags: dict[str, IdTagInfo] = field(default_factory=dict)

    def take(self, update: Update) -> UpdateStatus:
        if update.update_type is UpdateType.DIFFERENTIAL and update.version <= self.version:
            return UpdateStatus.VERSION_MISMATCH
        if update.update_type is UpdateType.FULL:
            self.tags = {}
        for entry in update.entries:
            self.tags.pop(fold(entry.id_tag), None)
            if entry.info is not None:
                self.tags[fold(entry.id_tag)] = entry.info
        self.version = update.version
        return UpdateStatus.ACCEPTED

    @property
    def reported(self) -> int:
        return 0 if self.is_mute else self.version


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A connection to a migrated database."""
    path: Path = tmp_path_factory.mktemp("lists") / "csms.sqlite3"
    writer, _ = open_engines(f"sqlite:///{path}")
    migrate(writer)
    with writer.connect() as opened:
        yield opened


def _send(connection: Connection, station: Station, step: Send) -> None:
    known = local_lists.get(connection, "CP1")
    update = Update(
        version=max(1, known.last_version + step.ahead),
        update_type=UpdateType.FULL if step.is_full else UpdateType.DIFFERENTIAL,
        entries=tuple(
            Entry(tag, info)
            for tag, info in step.changes.items()
            if info is not None or not step.is_full
        ),
    )
    record_id = local_lists.request(connection, "CP1", sent=update, at=NOW)
    status = UpdateStatus.UNKNOWN
    match step.fate:
        case "answered":
            status = station.take(update)
        case "answer lost":
            station.take(update)
        case "failed":
            status = UpdateStatus.FAILED
        case "not supported":
            status = UpdateStatus.NOT_SUPPORTED
    local_lists.settle(connection, record_id, status=status, at=NOW)


@given(history=steps, is_mute=st.booleans())
def test_known_list_is_what_the_charge_point_holds(
    connection: Connection, history: list[Send | Report | Restart], is_mute: bool
) -> None:
    """After any history: known entries are true; and an accepted full list is known."""
    station = Station(is_mute)
    with connection.begin() as transaction:
        for step in history:
            match step:
                case Send():
                    _send(connection, station, step)
                case Report():
                    local_lists.record_version(connection, "CP1", version=station.reported, at=NOW)
                case Restart():
                    local_lists.settle_interrupted(connection, at=NOW)
            known = local_lists.get(connection, "CP1")
            held = local_lists.entries(connection, "CP1")
            if known.is_known:
                assert {key: entry.info for key, entry in held.items()} == station.tags
                assert known.version in (None, station.version)
            if isinstance(step, Send) and step.is_full and step.fate == "answered":
                assert known.is_known
                assert known.is_ours
            assert known.entry_count == len(held)
        transaction.rollback()


def test_change_upon_a_doubt_stays_in_doubt(connection: Connection) -> None:
    """An accepted change says nothing of the one before, whose answer was lost."""
    station = Station(is_mute=False)
    with connection.begin() as transaction:
        _send(connection, station, Send(True, {"A": ACCEPTED}, 1, "answered"))
        _send(connection, station, Send(False, {"B": ACCEPTED}, 1, "answer lost"))
        _send(connection, station, Send(False, {"C": ACCEPTED}, 1, "answered"))

        known = local_lists.get(connection, "CP1")
        assert (known.is_known, known.needs_full, known.version) == (False, True, 3)
        transaction.rollback()


def test_entries_come_in_pages(connection: Connection) -> None:
    """In the order of the folded tags, from after any of them."""
    with connection.begin() as transaction:
        update = Update(1, UpdateType.FULL, tuple(Entry(tag, ACCEPTED) for tag in "bCaD"))
        record_id = local_lists.request(connection, "CP1", sent=update, at=NOW)
        local_lists.settle(connection, record_id, status=UpdateStatus.ACCEPTED, at=NOW)

        first = local_lists.entry_page(connection, "CP1", limit=2)
        rest = local_lists.entry_page(connection, "CP1", after="B", limit=9)

        assert [one.id_tag for one in first + rest] == ["a", "b", "C", "D"]
        transaction.rollback()


def test_updates_of_an_open_end_keep_their_entries_no_others(connection: Connection) -> None:
    """Lists can be long: only what a version may still confirm is kept a second time."""
    with connection.begin() as transaction:
        for version, status in ((1, UpdateStatus.ACCEPTED), (2, UpdateStatus.UNKNOWN)):
            update = Update(version, UpdateType.FULL, (Entry("A", ACCEPTED),))
            record_id = local_lists.request(connection, "CP1", sent=update, at=NOW)
            local_lists.settle(connection, record_id, status=status, at=NOW)

        rows = connection.exec_driver_sql(
            "SELECT version, entries IS NULL FROM local_list_updates ORDER BY id"
        )
        assert [tuple(row) for row in rows] == [(1, 1), (2, 0)]
        transaction.rollback()
