"""Security events of charge points and of our own doors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from csms.domain.security_events import EventKey, EventSource, Reported, SecurityEvent
from csms.storage.database import new_id
from csms.storage.tables import security_events

KEPT: Final = 10_000  # of what a charge point reports
KEPT_OF_OURS: Final = 50_000  # of all identities together: strangers name any
EVERY: Final = 100  # records between two looks at the length


@dataclass(frozen=True, slots=True)
class Count:
    """Equal events of ours: a new record, or a higher count of one there is."""

    record_id: int | None
    key: EventKey
    detail: str
    first_at: datetime
    last_at: datetime
    times: int


def report(
    connection: Connection,
    identity: str,
    *,
    event: Reported,
    at: datetime,
    flags: tuple[str, ...] = (),
) -> int:
    """Keep what a charge point reported; return the record."""
    row = {
        "identity": identity,
        "source": EventSource.CHARGE_POINT.value,
        "type": event.type,
        "detail": event.detail,
        "address": None,
        "timestamp": event.timestamp,
        "occurred_at": event.occurred_at,
        "received_at": at,
        "last_at": at,
        "times": 1,
        "flags": list(flags),
    }
    record_id = new_id(connection.execute(insert(security_events), row))
    if record_id % EVERY == 0:
        own = security_events.c.identity == identity
        _shorten(connection, own, source=EventSource.CHARGE_POINT, kept=KEPT)
    return record_id


def count(connection: Connection, counts: Sequence[Count]) -> list[int]:
    """Write events of ours down; return the record of each."""
    records = []
    for one in counts:
        if one.record_id is None:
            records.append(_add(connection, one))
            continue
        connection.execute(
            update(security_events)
            .where(security_events.c.id == one.record_id)
            .values(times=one.times, last_at=one.last_at)
        )
        records.append(one.record_id)
    return records


def page(
    connection: Connection,
    *,
    identity: str | None = None,
    source: EventSource | None = None,
    type_: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[SecurityEvent]:
    """Return events, newest first. `since` is included, `until` is not."""
    query = select(security_events).order_by(security_events.c.id.desc()).limit(limit)
    for column, wanted in (
        (security_events.c.identity, identity),
        (security_events.c.source, source and source.value),
        (security_events.c.type, type_),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    if before_id is not None:
        query = query.where(security_events.c.id < before_id)
    if since is not None:
        query = query.where(security_events.c.received_at >= since)
    if until is not None:
        query = query.where(security_events.c.received_at < until)
    return [_event(row) for row in connection.execute(query)]


def _add(connection: Connection, one: Count) -> int:
    row: dict[str, Any] = {
        "identity": one.key.identity,
        "source": EventSource.CSMS.value,
        "type": one.key.type,
        "detail": one.detail,
        "address": one.key.address,
        "occurred_at": one.first_at,
        "received_at": one.first_at,
        "last_at": one.last_at,
        "times": one.times,
        "flags": [],
    }
    record_id = new_id(connection.execute(insert(security_events), row))
    if record_id % EVERY == 0:
        _shorten(connection, source=EventSource.CSMS, kept=KEPT_OF_OURS)
    return record_id


def _shorten(
    connection: Connection, *which: ColumnElement[bool], source: EventSource, kept: int
) -> None:
    """Delete the oldest; what strangers cause displaces nothing a charge point reported."""
    which = (*which, security_events.c.source == source.value)
    first_too_many = (
        select(security_events.c.id)
        .where(*which)
        .order_by(security_events.c.id.desc())
        .offset(kept)
        .limit(1)
    )
    last_id = connection.execute(first_too_many).scalar()
    if last_id is not None:
        connection.execute(delete(security_events).where(*which, security_events.c.id <= last_id))


def _event(row: Row[Any]) -> SecurityEvent:
    values = dict(row._mapping)
    return SecurityEvent(
        record_id=values.pop("id"),
        source=EventSource(values.pop("source")),
        flags=tuple(values.pop("flags")),
        **values,
    )
