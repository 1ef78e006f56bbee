"""Triggered messages: what was asked for, and what followed (CS-TRG)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from csms.domain.times import format_time, parse_time
from csms.domain.triggers import FollowingMessage, Trigger, TriggerStatus
from csms.storage import history
from csms.storage.tables import triggers


def request(
    connection: Connection,
    identity: str,
    *,
    requested_message: str,
    is_extended: bool = False,
    connector_id: int | None,
    at: datetime,
) -> int:
    """Write down a TriggerMessage that is about to leave; return its record."""
    row: dict[str, Any] = {
        "identity": identity,
        "requested_message": requested_message,
        "is_extended": is_extended,
        "connector_id": connector_id,
        "status": TriggerStatus.REQUESTED.value,
        "requested_at": at,
        "followed_by": [],
    }
    return history.record(connection, triggers, row)


def withdraw(connection: Connection, record_id: int) -> None:
    """Forget a trigger that was never sent."""
    connection.execute(delete(triggers).where(triggers.c.id == record_id))


def settle(connection: Connection, record_id: int, *, status: TriggerStatus, at: datetime) -> None:
    """Write down how a TriggerMessage was answered."""
    values: dict[str, Any] = {"status": status.value}
    if status is not TriggerStatus.UNKNOWN:
        values["answered_at"] = at
    connection.execute(update(triggers).where(triggers.c.id == record_id).values(**values))


def follow(connection: Connection, record_id: int, *, message: FollowingMessage) -> None:
    """Write down a message that followed a trigger."""
    row = connection.execute(select(triggers).where(triggers.c.id == record_id)).one_or_none()
    if row is None:
        return
    written = {
        "messageId": message.message_id,
        "connectorId": message.connector_id,
        "receivedAt": format_time(message.received_at),
    }
    connection.execute(
        update(triggers)
        .where(triggers.c.id == record_id)
        .values(followed_by=[*row.followed_by, written])
    )


def settle_interrupted(connection: Connection) -> None:
    """After a start: what was under way when the program ended has an unknown end."""
    connection.execute(
        update(triggers)
        .where(triggers.c.status == TriggerStatus.REQUESTED.value)
        .values(status=TriggerStatus.UNKNOWN.value)
    )


def get(connection: Connection, identity: str, record_id: int) -> Trigger | None:
    """Return a trigger of a charge point."""
    query = select(triggers).where(triggers.c.identity == identity, triggers.c.id == record_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _trigger(row)


def page(
    connection: Connection, identity: str, *, before_id: int | None = None, limit: int = 100
) -> list[Trigger]:
    """Return what a charge point was triggered to send, newest first."""
    query = (
        select(triggers)
        .where(triggers.c.identity == identity)
        .order_by(triggers.c.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        query = query.where(triggers.c.id < before_id)
    return [_trigger(row) for row in connection.execute(query)]


def _trigger(row: Row[Any]) -> Trigger:
    return Trigger(
        record_id=row.id,
        identity=row.identity,
        requested_message=row.requested_message,
        is_extended=row.is_extended,
        connector_id=row.connector_id,
        status=TriggerStatus(row.status),
        requested_at=row.requested_at,
        answered_at=row.answered_at,
        followed_by=tuple(_following(one) for one in row.followed_by),
    )


def _following(written: dict[str, Any]) -> FollowingMessage:
    received = parse_time(written["receivedAt"])
    if received is None:
        raise ValueError(f"not written by `follow`: {written!r}")
    return FollowingMessage(written["messageId"], written["connectorId"], received.at)
