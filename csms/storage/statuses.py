"""Connector statuses: the newest of each connector, and the history."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select

from csms.domain.model import ConnectorState, StatusRecord
from csms.domain.reservations import ENDING_STATUSES
from csms.domain.statuses import StatusReport, is_newer
from csms.storage import history, reservations
from csms.storage.database import insert
from csms.storage.tables import connectors, statuses

_KNOWN = select(connectors.c.ordered_at, connectors.c.received_at, connectors.c.is_stale).where(
    connectors.c.identity == bindparam("identity"),
    connectors.c.connector_id == bindparam("connector_id"),
)
_NEW = insert(connectors)
_SET = _NEW.on_conflict_do_update(
    index_elements=[connectors.c.identity, connectors.c.connector_id],
    set_={column.name: _NEW.excluded[column.name] for column in connectors.c},
)


def record(connection: Connection, identity: str, report: StatusReport) -> bool:
    """Keep a report; say whether it became the connector's state.

    Raises:
        ValueError: it names no usable connector.
    """
    if report.connector_id is None:
        raise ValueError("a status without a connector")
    where = {"identity": identity, "connector_id": report.connector_id}
    known = connection.execute(_KNOWN, where).one_or_none()
    is_current = known is None or is_newer(
        report,
        known_ordered_at=known.ordered_at,
        known_received_at=known.received_at,
        is_known_stale=known.is_stale,
    )
    row = where | {
        "status": report.status,
        "error_code": report.error_code,
        "info": report.info,
        "vendor_id": report.vendor_id,
        "vendor_error_code": report.vendor_error_code,
        "reported_at": report.reported_at,
        "received_at": report.received_at,
    }
    unchanging = {
        "timestamp": report.timestamp,
        "is_current": is_current,
        "flags": list(report.flags),
    }
    history.record(connection, statuses, row | unchanging)
    if is_current:
        connection.execute(_SET, row | {"ordered_at": report.ordered_at, "is_stale": False})
        if report.status in ENDING_STATUSES:
            reservations.terminate(
                connection,
                identity,
                connector_id=report.connector_id,
                status=report.status,
                at=report.received_at,
            )
    return is_current


def connector_states(connection: Connection, identity: str) -> list[ConnectorState]:
    """Return what is known of a charge point's connectors, in order of their numbers."""
    query = (
        select(connectors)
        .where(connectors.c.identity == identity)
        .order_by(connectors.c.connector_id)
    )
    return [
        ConnectorState(
            identity=row.identity,
            connector_id=row.connector_id,
            status=row.status,
            error_code=row.error_code,
            info=row.info,
            vendor_id=row.vendor_id,
            vendor_error_code=row.vendor_error_code,
            reported_at=row.reported_at,
            received_at=row.received_at,
            is_stale=row.is_stale,
        )
        for row in connection.execute(query)
    ]


def page(
    connection: Connection,
    identity: str,
    *,
    connector_id: int | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[StatusRecord]:
    """Return a charge point's status history, newest first."""
    query = (
        select(statuses)
        .where(statuses.c.identity == identity)
        .order_by(statuses.c.id.desc())
        .limit(limit)
    )
    if connector_id is not None:
        query = query.where(statuses.c.connector_id == connector_id)
    if before_id is not None:
        query = query.where(statuses.c.id < before_id)
    return [
        StatusRecord(
            record_id=row.id,
            identity=row.identity,
            connector_id=row.connector_id,
            status=row.status,
            error_code=row.error_code,
            info=row.info,
            vendor_id=row.vendor_id,
            vendor_error_code=row.vendor_error_code,
            timestamp=row.timestamp,
            reported_at=row.reported_at,
            received_at=row.received_at,
            is_current=row.is_current,
            flags=tuple(row.flags),
        )
        for row in connection.execute(query)
    ]
