"""The local authorization lists of charge points, and the updates sent to them.

An update is written down before it leaves and settled when it ended; one whose end is open makes
the list unknown. Accepted entries are kept one a row: lists can be long and change little.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, func, select, update

from csms.domain import local_lists as rules
from csms.domain.authorization import fold
from csms.domain.local_lists import (
    Entry,
    LocalList,
    LocalListUpdate,
    Update,
    UpdateStatus,
    UpdateType,
)
from csms.domain.model import AuthorizationStatus, IdTagInfo
from csms.storage import history
from csms.storage.database import insert
from csms.storage.tables import (
    charge_points,
    local_list_entries,
    local_list_updates,
    local_lists,
)

_LIST = select(local_lists).where(local_lists.c.identity == bindparam("identity"))
_OPEN = (UpdateStatus.REQUESTED.value, UpdateStatus.UNKNOWN.value)


def get(connection: Connection, identity: str) -> LocalList:
    """Return what is known of a charge point's list."""
    row = connection.execute(_LIST, {"identity": identity}).one_or_none()
    if row is None:
        return LocalList(identity)
    own = local_list_entries.c.identity == identity
    count = connection.execute(select(func.count()).where(own)).scalar_one()
    doubts = _open_updates(connection, row)
    return LocalList(
        identity=identity,
        version=row.version,
        is_known=row.is_known and not doubts,
        is_ours=row.is_ours,
        is_complete=row.is_complete,
        entry_count=count,
        accepted_at=row.accepted_at,
        reported_version=row.reported_version,
        reported_at=row.reported_at,
        unconfirmed=_local_list_update(doubts[-1]) if doubts else None,
        highest_version=row.highest_version,
    )


def entries(connection: Connection, identity: str) -> dict[str, Entry]:
    """Return all entries known to be accepted, by folded tag."""
    query = select(local_list_entries).where(local_list_entries.c.identity == identity)
    return {row.key: _entry(row) for row in connection.execute(query)}


def entry_page(
    connection: Connection, identity: str, *, after: str | None = None, limit: int = 100
) -> list[Entry]:
    """Return entries in order of their folded tags, those after a given tag."""
    query = (
        select(local_list_entries)
        .where(local_list_entries.c.identity == identity)
        .order_by(local_list_entries.c.key)
        .limit(limit)
    )
    if after is not None:
        query = query.where(local_list_entries.c.key > fold(after))
    return [_entry(row) for row in connection.execute(query)]


def update_page(
    connection: Connection, identity: str, *, before_id: int | None = None, limit: int = 100
) -> list[LocalListUpdate]:
    """Return the updates sent to a charge point, newest first."""
    query = (
        select(local_list_updates)
        .where(local_list_updates.c.identity == identity)
        .order_by(local_list_updates.c.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        query = query.where(local_list_updates.c.id < before_id)
    return [_local_list_update(row) for row in connection.execute(query)]


def request(connection: Connection, identity: str, *, sent: Update, at: datetime) -> int:
    """Write down an update that is about to leave; return its record."""
    row = _touch(connection, identity)
    if sent.version > row.highest_version:
        _set(connection, identity, highest_version=sent.version)
    row_of_update = {
        "identity": identity,
        "version": sent.version,
        "update_type": sent.update_type.value,
        "entry_count": len(sent.entries),
        "entries": rules.write_entries(sent.entries),
        "status": UpdateStatus.REQUESTED.value,
        "requested_at": at,
    }
    return history.record(connection, local_list_updates, row_of_update)


def withdraw(connection: Connection, record_id: int) -> None:
    """Forget an update that was never sent."""
    connection.execute(delete(local_list_updates).where(local_list_updates.c.id == record_id))


def settle(connection: Connection, record_id: int, *, status: UpdateStatus, at: datetime) -> None:
    """Write down how an update ended, and what that makes true of the list."""
    record = connection.execute(
        select(local_list_updates).where(local_list_updates.c.id == record_id)
    ).one_or_none()
    if record is None:
        return
    row = _touch(connection, record.identity)
    if status is UpdateStatus.ACCEPTED:
        _accept(connection, row, record, at)
    elif status is UpdateStatus.VERSION_MISMATCH and record.version > (row.version or 0):
        # The charge point has a higher version than we thought: somebody else changed its list.
        _set(connection, record.identity, is_known=False)
    _close(connection, local_list_updates.c.id == record_id, status, at)


def record_version(connection: Connection, identity: str, *, version: int, at: datetime) -> None:
    """Take in the version a charge point reports, which may tell how an open update ended.

    Some charge points report 0 or -1 whatever they accepted. Such a report says nothing, unless
    the charge point has told better before, or has booted since and may have lost its list.
    """
    row = _touch(connection, identity)
    changes: dict[str, Any] = {"reported_version": version, "reported_at": at}
    doubts = _open_updates(connection, row)
    told = [one for one in doubts if one.version == version]
    if version >= 1 and version == row.version:
        changes["is_version_told"] = True
        if not told:  # else two updates have this version
            _close(connection, _among(doubts), UpdateStatus.NOT_APPLIED, at)
    elif version >= 1 and told:
        changes["is_version_told"] = True
        _accept(connection, row, told[-1], at)
        _close(connection, _among(told[-1:]), UpdateStatus.ACCEPTED, at)
        later = [one for one in doubts if one.id > told[-1].id]
        _close(connection, _among(later), UpdateStatus.NOT_APPLIED, at)
    elif version >= 1:
        changes["is_known"] = False
    elif row.version is None:
        if version == 0 and not doubts:  # empty: a known beginning
            changes |= {"is_known": True, "is_ours": True}
    elif _is_lost(connection, row):
        changes["is_known"] = False
    _set(connection, identity, **changes)


def begin_split(connection: Connection, identity: str, *, first: int, last: int) -> None:
    """Note the versions of a list that leaves in portions: it is whole with the last of them."""
    _touch(connection, identity)
    _set(connection, identity, split_from=first, split_until=last)


def end_split(connection: Connection, identity: str) -> None:
    """Note that no portions follow, whether or not all arrived."""
    _set(connection, identity, split_from=None, split_until=None)


def settle_interrupted(connection: Connection, *, at: datetime) -> None:
    """After a start: what was under way when the program ended has an unknown end."""
    _close(
        connection,
        local_list_updates.c.status == UpdateStatus.REQUESTED.value,
        UpdateStatus.UNKNOWN,
        at,
    )
    connection.execute(
        update(local_lists)
        .where(local_lists.c.split_from.is_not(None))
        .values(split_from=None, split_until=None)
    )


def _accept(connection: Connection, row: Row[Any], record: Row[Any], at: datetime) -> None:
    identity = record.identity
    is_full = record.update_type == UpdateType.FULL.value
    doubts = [one for one in _open_updates(connection, row) if one.id < record.id]
    if is_full:
        connection.execute(
            delete(local_list_entries).where(local_list_entries.c.identity == identity)
        )
    _apply(connection, identity, rules.read_entries(record.entries or ()))
    changes: dict[str, Any] = {}
    if is_full:
        changes = {"is_known": True, "is_ours": True}
    elif doubts:
        changes = {"is_known": False}
    if _is_portion(row, record.version):
        changes["is_complete"] = False
    elif is_full or record.version == row.split_until:
        changes["is_complete"] = True
    _set(
        connection,
        identity,
        version=record.version,
        accepted_at=at,
        settled_update_id=record.id,
        **changes,
    )


def _is_portion(row: Row[Any], version: int) -> bool:
    """Say whether more portions must follow this version."""
    return row.split_from is not None and row.split_from <= version < row.split_until


def _apply(connection: Connection, identity: str, changed: Iterable[Entry]) -> None:
    new = insert(local_list_entries)
    put = new.on_conflict_do_update(
        index_elements=[local_list_entries.c.identity, local_list_entries.c.key],
        set_={
            name: new.excluded[name] for name in ("id_tag", "status", "expires_at", "parent_id_tag")
        },
    )
    remove = delete(local_list_entries).where(
        local_list_entries.c.identity == identity,
        local_list_entries.c.key == bindparam("of_key"),
    )
    rows = []
    gone = []
    for entry in changed:
        if entry.info is None:
            gone.append({"of_key": fold(entry.id_tag)})
        else:
            rows.append(
                {
                    "identity": identity,
                    "key": fold(entry.id_tag),
                    "id_tag": entry.id_tag,
                    "status": entry.info.status.value,
                    "expires_at": entry.info.expires_at,
                    "parent_id_tag": entry.info.parent_id_tag,
                }
            )
    if gone:
        connection.execute(remove, gone)
    if rows:
        connection.execute(put, rows)


def _is_lost(connection: Connection, row: Row[Any]) -> bool:
    """Say whether a report of no list means that an accepted list is gone."""
    own = local_list_entries.c.identity == row.identity
    if connection.execute(select(local_list_entries.c.key).where(own).limit(1)).first() is None:
        return False  # an empty list is reported as 0
    booted_at = connection.execute(
        select(charge_points.c.booted_at).where(charge_points.c.identity == row.identity)
    ).scalar()
    return row.is_version_told or (booted_at is not None and booted_at > row.accepted_at)


def _open_updates(connection: Connection, row: Row[Any]) -> list[Row[Any]]:
    """Return the updates since the last accepted one whose end is not known, oldest first."""
    query = (
        select(local_list_updates)
        .where(
            local_list_updates.c.identity == row.identity,
            local_list_updates.c.id > (row.settled_update_id or 0),
            local_list_updates.c.status.in_(_OPEN),
        )
        .order_by(local_list_updates.c.id)
    )
    return list(connection.execute(query))


def _among(updates: list[Row[Any]]) -> ColumnElement[bool]:
    return local_list_updates.c.id.in_([one.id for one in updates])


def _close(
    connection: Connection, which: ColumnElement[bool], status: UpdateStatus, at: datetime
) -> None:
    values: dict[str, Any] = {"status": status.value, "settled_at": at}
    if status is not UpdateStatus.UNKNOWN:  # else its version may tell later that it was applied
        values["entries"] = None
    connection.execute(update(local_list_updates).where(which).values(**values))


def _touch(connection: Connection, identity: str) -> Row[Any]:
    row = connection.execute(_LIST, {"identity": identity}).one_or_none()
    if row is None:
        values = {
            "identity": identity,
            "is_known": False,
            "is_ours": False,
            "is_complete": True,
            "highest_version": 0,
            "is_version_told": False,
            # Those before were of a charge point that was forgotten.
            "settled_update_id": connection.execute(
                select(func.max(local_list_updates.c.id)).where(
                    local_list_updates.c.identity == identity
                )
            ).scalar(),
        }
        connection.execute(insert(local_lists), values)
        row = connection.execute(_LIST, {"identity": identity}).one()
    return row


def _set(connection: Connection, identity: str, **values: Any) -> None:
    connection.execute(
        update(local_lists).where(local_lists.c.identity == identity).values(**values)
    )


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        row.id_tag,
        IdTagInfo(AuthorizationStatus(row.status), row.expires_at, row.parent_id_tag),
    )


def _local_list_update(row: Row[Any]) -> LocalListUpdate:
    return LocalListUpdate(
        record_id=row.id,
        identity=row.identity,
        version=row.version,
        update_type=UpdateType(row.update_type),
        entry_count=row.entry_count,
        status=UpdateStatus(row.status),
        requested_at=row.requested_at,
        settled_at=row.settled_at,
    )
