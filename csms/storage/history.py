"""Bounds for histories that a charge point can lengthen at will."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Insert, Table, delete, insert, select

from csms.storage.database import new_id

KEPT: Final = 10_000  # records of one charge point in one history
EVERY: Final = 100  # records between two looks at the length


def record(connection: Connection, table: Table, row: dict[str, Any]) -> int:
    """Add a record and return its id; now and then delete the charge point's oldest over `KEPT`."""
    record_id = new_id(connection.execute(_insertion(table), row))
    if record_id % EVERY == 0:
        _shorten(connection, table, row["identity"])
    return record_id


@cache
def _insertion(table: Table) -> Insert:
    return insert(table)


def _shorten(connection: Connection, table: Table, identity: str) -> None:
    own = table.c.identity == identity
    first_too_many = select(table.c.id).where(own).order_by(table.c.id.desc()).offset(KEPT).limit(1)
    last_id = connection.execute(first_too_many).scalar()
    if last_id is not None:
        connection.execute(delete(table).where(own, table.c.id <= last_id))
