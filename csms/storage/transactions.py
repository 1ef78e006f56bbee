"""Charging sessions. Spec: OCPP 1.6 ed. 2 §4.8, §4.10 (CS-START, CS-STOP).

All operations here run one after the other in the writer, so a start that comes twice at the same
time still makes one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, not_, select, update

from csms.domain.authorization import authorize, authorize_start, fold, refreshed
from csms.domain.model import AuthorizationStatus, IdTagInfo, OrphanStop, Transaction
from csms.domain.transactions import (
    Flag,
    OrphanCause,
    Start,
    Stop,
    start_flags,
    stop_flags,
    unique,
)
from csms.storage import id_tags, reservations
from csms.storage.database import insert, new_id
from csms.storage.tables import orphan_stops, transactions


@dataclass(frozen=True, slots=True)
class Started:
    """What a StartTransaction is answered.

    Attributes:
        is_repeated: the same start came before; nothing new was made.
    """

    transaction_id: int
    id_tag_info: IdTagInfo
    is_repeated: bool


class StopOutcome(Enum):
    """What a StopTransaction did."""

    CLOSED = "closed"
    REPEATED = "repeated"  # the same stop came before
    ORPHANED = "orphaned"  # kept apart: it closes nothing we know


@dataclass(frozen=True, slots=True)
class Stopped:
    """What a StopTransaction is answered: `id_tag_info` only where it named a tag."""

    outcome: StopOutcome
    id_tag_info: IdTagInfo | None


_BY_START_KEY = select(transactions).where(transactions.c.start_key == bindparam("start_key"))
_BY_ID = select(transactions).where(transactions.c.id == bindparam("of_id"))
# A connector carries one session at a time, so an open one on the same connector is only waiting
# for its stop (CS-START-10) and no concurrent use of the tag. Refused starts charge nothing.
_RUNNING_ELSEWHERE = (
    select(transactions.c.id)
    .where(
        transactions.c.id_tag_key == bindparam("tag_key"),
        transactions.c.stop_received_at.is_(None),
        transactions.c.authorization_status == AuthorizationStatus.ACCEPTED.value,
        not_(
            and_(
                transactions.c.identity == bindparam("identity"),
                transactions.c.connector_id == bindparam("connector_id"),
            )
        ),
    )
    .limit(1)
)
_PREVIOUS = (
    select(transactions.c.meter_stop_wh, transactions.c.stop_received_at)
    .where(
        transactions.c.identity == bindparam("identity"),
        transactions.c.connector_id == bindparam("connector_id"),
    )
    .order_by(transactions.c.id.desc())
    .limit(1)
)
_START = insert(transactions)
_CLOSE = (
    update(transactions)
    .where(transactions.c.id == bindparam("of_id"))
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in (
                "meter_stop_wh",
                "stopped_at",
                "stop_received_at",
                "stop_reason",
                "stop_id_tag",
                "stop_key",
                "stop_payload",
                "flags",
            )
        }
    )
)
_FLAG = (
    update(transactions)
    .where(transactions.c.id == bindparam("of_id"))
    .values(flags=bindparam("new_flags"))
)
_ORPHAN = insert(orphan_stops).on_conflict_do_nothing()


def start(connection: Connection, begun: Start, *, allow_concurrent: bool) -> Started:
    """Begin a transaction, or find the one this start began when it came before (CS-START-05).

    A refused start gets a transaction too: the charge point may carry on and stop with its id.
    """
    known = connection.execute(_BY_START_KEY, {"start_key": begun.key}).one_or_none()
    if known is not None:
        return _started_again(connection, _transaction(known), begun)
    place = {"identity": begun.identity, "connector_id": begun.connector_id}
    tag = id_tags.get(connection, begun.id_tag)
    elsewhere = connection.execute(_RUNNING_ELSEWHERE, place | {"tag_key": fold(begun.id_tag)})
    info = authorize_start(
        tag,
        at=begun.received_at,
        has_other_transaction=elsewhere.first() is not None,
        allow_concurrent=allow_concurrent,
    )
    previous = connection.execute(_PREVIOUS, place).one_or_none()
    flags = start_flags(
        begun,
        previous_meter_stop_wh=None if previous is None else previous.meter_stop_wh,
        is_connector_busy=previous is not None and previous.stop_received_at is None,
    )
    result = connection.execute(
        _START,
        place
        | {
            "id_tag": begun.id_tag,
            "id_tag_key": fold(begun.id_tag),
            "authorization_status": info.status.value,
            "authorization_expires_at": info.expires_at,
            "authorization_parent": info.parent_id_tag,
            "meter_start_wh": begun.meter_start_wh,
            "started_at": begun.started_at,
            "start_received_at": begun.received_at,
            "reservation_id": begun.reservation_id,
            "start_key": begun.key,
            "start_payload": begun.payload,
            "flags": list(flags),
        },
    )
    transaction_id = new_id(result)
    reservations.use(
        connection,
        begun,
        transaction_id=transaction_id,
        group=None if tag is None else tag.parent_id_tag,
        is_accepted=info.status is AuthorizationStatus.ACCEPTED,
    )
    return Started(transaction_id, info, is_repeated=False)


def stop(connection: Connection, ended: Stop) -> Stopped:
    """Close the charge point's own transaction; keep any other stop as an orphan (CS-STOP-02)."""
    stop_tag = None if ended.id_tag is None else id_tags.get(connection, ended.id_tag)
    info = None if ended.id_tag is None else authorize(stop_tag, at=ended.received_at)
    row = None
    if ended.transaction_id is not None:
        row = connection.execute(_BY_ID, {"of_id": ended.transaction_id}).one_or_none()
    if row is None or row.identity != ended.identity:
        cause = OrphanCause.UNKNOWN if row is None else OrphanCause.FOREIGN
        return Stopped(_keep_orphan(connection, ended, cause), info)
    if row.stop_key == ended.key:
        return Stopped(StopOutcome.REPEATED, info)
    if row.stop_received_at is not None:
        return Stopped(_keep_orphan(connection, ended, OrphanCause.ALREADY_STOPPED), info)
    transaction = _transaction(row)
    flags = stop_flags(
        transaction,
        ended,
        start_tag=id_tags.get(connection, transaction.id_tag),
        stop_tag=stop_tag,
    )
    values = {
        "meter_stop_wh": ended.meter_stop_wh,
        "stopped_at": ended.stopped_at,
        "stop_received_at": ended.received_at,
        "stop_reason": ended.reason,
        "stop_id_tag": ended.id_tag,
        "stop_key": ended.key,
        "stop_payload": ended.payload,
        "flags": list(flags),
    }
    connection.execute(
        _CLOSE,
        {f"new_{name}": value for name, value in values.items()}
        | {"of_id": transaction.transaction_id},
    )
    return Stopped(StopOutcome.CLOSED, info)


def get(connection: Connection, transaction_id: int) -> Transaction | None:
    """Return a transaction."""
    row = connection.execute(_BY_ID, {"of_id": transaction_id}).one_or_none()
    return None if row is None else _transaction(row)


def page(
    connection: Connection,
    *,
    identity: str | None = None,
    connector_id: int | None = None,
    id_tag: str | None = None,
    is_running: bool | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[Transaction]:
    """Return transactions, newest first. `since` (included) and `until` look at the start."""
    query = select(transactions).order_by(transactions.c.id.desc()).limit(limit)
    if identity is not None:
        query = query.where(transactions.c.identity == identity)
    if connector_id is not None:
        query = query.where(transactions.c.connector_id == connector_id)
    if id_tag is not None:
        query = query.where(transactions.c.id_tag_key == fold(id_tag))
    if is_running is not None:
        runs = transactions.c.stop_received_at.is_(None)
        query = query.where(runs if is_running else not_(runs))
    if since is not None:
        query = query.where(transactions.c.started_at >= since)
    if until is not None:
        query = query.where(transactions.c.started_at < until)
    if before_id is not None:
        query = query.where(transactions.c.id < before_id)
    return [_transaction(row) for row in connection.execute(query)]


def orphans(
    connection: Connection,
    *,
    identity: str | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[OrphanStop]:
    """Return stops that closed nothing, newest first."""
    query = select(orphan_stops).order_by(orphan_stops.c.id.desc()).limit(limit)
    if identity is not None:
        query = query.where(orphan_stops.c.identity == identity)
    if before_id is not None:
        query = query.where(orphan_stops.c.id < before_id)
    return [
        OrphanStop(
            record_id=row.id,
            identity=row.identity,
            claimed_transaction_id=row.claimed_transaction_id,
            cause=row.cause,
            stopped_at=row.stopped_at,
            received_at=row.received_at,
            payload=row.payload,
            flags=tuple(row.flags),
        )
        for row in connection.execute(query)
    ]


def _started_again(connection: Connection, known: Transaction, begun: Start) -> Started:
    info = refreshed(known.authorization, at=begun.received_at)
    if known.stopped_at is not None and Flag.STARTED_AGAIN not in known.flags:
        flags = unique([*known.flags, Flag.STARTED_AGAIN])
        connection.execute(_FLAG, {"of_id": known.transaction_id, "new_flags": list(flags)})
    return Started(known.transaction_id, info, is_repeated=True)


def _keep_orphan(connection: Connection, ended: Stop, cause: OrphanCause) -> StopOutcome:
    result = connection.execute(
        _ORPHAN,
        {
            "identity": ended.identity,
            "claimed_transaction_id": ended.claimed_transaction_id,
            "cause": cause.value,
            "stop_key": ended.key,
            "stopped_at": ended.stopped_at,
            "received_at": ended.received_at,
            "payload": ended.payload,
            "flags": list(unique(ended.flags)),
        },
    )
    return StopOutcome.ORPHANED if result.rowcount else StopOutcome.REPEATED


def _transaction(row: Row[Any]) -> Transaction:
    info = IdTagInfo(
        AuthorizationStatus(row.authorization_status),
        row.authorization_expires_at,
        row.authorization_parent,
    )
    return Transaction(
        transaction_id=row.id,
        identity=row.identity,
        connector_id=row.connector_id,
        id_tag=row.id_tag,
        authorization=info,
        meter_start_wh=row.meter_start_wh,
        started_at=row.started_at,
        start_received_at=row.start_received_at,
        reservation_id=row.reservation_id,
        meter_stop_wh=row.meter_stop_wh,
        stopped_at=row.stopped_at,
        stop_received_at=row.stop_received_at,
        stop_reason=row.stop_reason,
        stop_id_tag=row.stop_id_tag,
        transaction_data=_readings(row.stop_payload),
        flags=tuple(row.flags),
    )


def _readings(payload: dict[str, Any] | None) -> list[Any]:
    readings = (payload or {}).get("transactionData")
    return readings if isinstance(readings, list) else []
