"""Readings outside StartTransaction and StopTransaction, one row a message.

The readings are kept as they came; `csms.domain.meter_values` makes sense of them when somebody
asks. That keeps the answer fast and the evidence whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from csms.domain.model import MeterValuesRecord
from csms.storage.database import insert, to_json
from csms.storage.fast_insert import FastInsert
from csms.storage.tables import meter_values

_ADD = FastInsert(
    insert(meter_values).on_conflict_do_nothing(),
    *("identity", "connector_id", "transaction_id", "received_at"),
    *("sampled_at", "digest", "meter_value", "flags"),
)
_OF_TRANSACTION = (
    select(meter_values)
    .where(
        meter_values.c.transaction_id == bindparam("transaction_id"),
        meter_values.c.identity == bindparam("identity"),
        meter_values.c.id > bindparam("after_id"),
    )
    .order_by(meter_values.c.id)
)


def add(
    connection: Connection,
    *,
    identity: str,
    connector_id: int | None,
    transaction_id: int | None,
    meter_value: list[Any],
    received_at: datetime,
    flags: Sequence[str] = (),
) -> bool:
    """Store a MeterValues message; one that came before is recognised, and nothing happens.

    Returns:
        Whether it is new (CS-METER-09).
    """
    text = to_json(meter_value)
    content = f"{connector_id} {transaction_id} {text}".encode(errors="replace")
    digest = hashlib.blake2b(content, digest_size=8).digest()
    return _ADD.one(
        connection,
        *(identity, connector_id, transaction_id, received_at),
        *(_first_timestamp(meter_value), int.from_bytes(digest, "big", signed=True)),
        *(text, list(flags) or None),
    )


def of_transaction(
    connection: Connection,
    *,
    identity: str,
    transaction_id: int,
    after_id: int = 0,
    limit: int | None = None,
) -> list[MeterValuesRecord]:
    """Return what a charge point sent for its transaction, in order of arrival (CS-METER-06)."""
    where = {"identity": identity, "transaction_id": transaction_id, "after_id": after_id}
    query = _OF_TRANSACTION if limit is None else _OF_TRANSACTION.limit(limit)
    return [_record(row) for row in connection.execute(query, where)]


def page(
    connection: Connection,
    identity: str,
    *,
    connector_id: int | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[MeterValuesRecord]:
    """Return a charge point's readings, newest first, with and without transaction."""
    query = (
        select(meter_values)
        .where(meter_values.c.identity == identity)
        .order_by(meter_values.c.id.desc())
        .limit(limit)
    )
    if connector_id is not None:
        query = query.where(meter_values.c.connector_id == connector_id)
    if before_id is not None:
        query = query.where(meter_values.c.id < before_id)
    return [_record(row) for row in connection.execute(query)]


def _first_timestamp(meter_value: list[Any]) -> str:
    first = meter_value[0] if meter_value else None
    timestamp = first.get("timestamp") if isinstance(first, dict) else None
    return timestamp[:64] if isinstance(timestamp, str) else ""


def _record(row: Row[Any]) -> MeterValuesRecord:
    return MeterValuesRecord(
        record_id=row.id,
        identity=row.identity,
        connector_id=row.connector_id,
        transaction_id=row.transaction_id,
        received_at=row.received_at,
        meter_value=json.loads(row.meter_value),
        flags=tuple(row.flags or ()),
    )
