"""Transaction messages that had to be refused: their raw text waits for a person."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, select

from csms.domain.model import QuarantinedMessage
from csms.storage.database import insert
from csms.storage.tables import quarantine

MAX_PER_CHARGE_POINT: Final = 1_000  # a broken station must not fill the disk

_NEW = insert(quarantine)
_ADD = _NEW.on_conflict_do_update(
    index_elements=[quarantine.c.identity, quarantine.c.content],
    set_={
        "times": quarantine.c.times + 1,
        "last_at": _NEW.excluded.last_at,
        "reason": _NEW.excluded.reason,
    },
)
_COUNT = (
    select(func.count())
    .select_from(quarantine)
    .where(quarantine.c.identity == bindparam("identity"))
)
_OLDEST = select(func.min(quarantine.c.id)).where(quarantine.c.identity == bindparam("identity"))


def add(
    connection: Connection, identity: str, *, action: str, text: str, reason: str, at: datetime
) -> None:
    """Keep a refused message; the same content sent again is only counted."""
    connection.execute(
        _ADD,
        {
            "identity": identity,
            "action": action,
            "content": _digest(text),
            "text": text,
            "reason": reason,
            "first_at": at,
            "last_at": at,
            "times": 1,
        },
    )
    where = {"identity": identity}
    if connection.execute(_COUNT, where).scalar_one() > MAX_PER_CHARGE_POINT:
        oldest = connection.execute(_OLDEST, where).scalar_one()
        connection.execute(delete(quarantine).where(quarantine.c.id == oldest))


def page(
    connection: Connection,
    *,
    identity: str | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[QuarantinedMessage]:
    """Return refused messages, newest first."""
    query = select(quarantine).order_by(quarantine.c.id.desc()).limit(limit)
    if identity is not None:
        query = query.where(quarantine.c.identity == identity)
    if before_id is not None:
        query = query.where(quarantine.c.id < before_id)
    return [
        QuarantinedMessage(
            record_id=row.id,
            identity=row.identity,
            action=row.action,
            text=row.text,
            reason=row.reason,
            first_at=row.first_at,
            last_at=row.last_at,
            times=row.times,
        )
        for row in connection.execute(query)
    ]


def remove(connection: Connection, record_id: int) -> bool:
    """Delete a message somebody has dealt with."""
    result = connection.execute(delete(quarantine).where(quarantine.c.id == record_id))
    return result.rowcount > 0


def _digest(text: str) -> str:
    """Return what equal content has in common: all but the message id, which retries renew."""
    try:
        frame = json.loads(text)
        content = json.dumps([frame[0], *frame[2:]])
    except (ValueError, TypeError, LookupError, RecursionError):
        content = text
    return hashlib.sha256(content.encode(errors="replace")).hexdigest()
