"""The message log: what crossed the wires, for a set time and up to a set size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, select

from csms.domain.model import LoggedMessage, StoredMessage
from csms.domain.secrets import mask_secrets
from csms.storage.fast_insert import FastInsert
from csms.storage.tables import messages

RECEIVED: Final = "received"  # from the charge point
SENT: Final = "sent"

ENTRY_BYTES: Final = 100  # about what an entry takes beside its text
PRUNE_STEP: Final = 2_000  # entries one transaction deletes at most; a few milliseconds

_APPEND = FastInsert(
    insert(messages),
    *("identity", "direction", "at", "action", "message_id", "text", "end_bytes"),
)
_NEWEST = select(messages.c.end_bytes).order_by(messages.c.id.desc()).limit(1)
_OLDEST = (
    select(messages.c.id, messages.c.at, messages.c.end_bytes)
    .order_by(messages.c.id)
    .limit(bindparam("step"))
)
_PRUNE = delete(messages).where(messages.c.id <= bindparam("last_id"))


@dataclass(frozen=True, slots=True)
class MessageLogLimits:
    """How much of the wire is remembered; an age of zero switches the log off."""

    age: timedelta
    size_bytes: int


def append(connection: Connection, entries: Sequence[LoggedMessage]) -> None:
    """Add frames in order, without their secrets."""
    end_bytes = connection.execute(_NEWEST).scalar() or 0
    rows = []
    for entry in entries:
        text = mask_secrets(entry.text)
        end_bytes += len(text) + ENTRY_BYTES
        rows.append(
            _APPEND.row(
                *(entry.identity, entry.direction, entry.at),
                *(entry.action, entry.message_id, text, end_bytes),
            )
        )
    if rows:
        _APPEND.many(connection, rows)


def prune(
    connection: Connection, limits: MessageLogLimits, *, at: datetime, step: int = PRUNE_STEP
) -> int:
    """Delete the oldest frames that are too old or too much, at most `step`; say how many."""
    newest = connection.execute(_NEWEST).scalar()
    if newest is None:
        return 0
    too_old, too_much = at - limits.age, newest - limits.size_bytes
    last_id, count = None, 0
    for id_, logged_at, end_bytes in connection.execute(_OLDEST, {"step": step}):
        if logged_at >= too_old and end_bytes > too_much:
            break
        last_id, count = id_, count + 1
    if last_id is not None:
        connection.execute(_PRUNE, {"last_id": last_id})
    return count


def page(
    connection: Connection,
    *,
    identity: str | None = None,
    direction: str | None = None,
    action: str | None = None,
    before_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
) -> list[StoredMessage]:
    """Return frames, newest first. `since` is included, `until` is not."""
    query = select(messages).order_by(messages.c.id.desc()).limit(limit)
    for column, wanted in (
        (messages.c.identity, identity),
        (messages.c.direction, direction),
        (messages.c.action, action),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    if before_id is not None:
        query = query.where(messages.c.id < before_id)
    if since is not None:
        query = query.where(messages.c.at >= since)
    if until is not None:
        query = query.where(messages.c.at < until)
    return [
        StoredMessage(
            row.id,
            LoggedMessage(
                row.identity, row.direction, row.at, row.text, row.action, row.message_id
            ),
        )
        for row in connection.execute(query)
    ]
