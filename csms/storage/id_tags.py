"""The id tags the operator issued."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select

from csms.domain.authorization import fold
from csms.domain.model import AuthorizationStatus, IdTag
from csms.storage.database import insert
from csms.storage.tables import id_tags

MAX_LENGTH = 20  # IdToken, OCPP 1.6 ed. 2 §7.28

_GET = select(id_tags).where(id_tags.c.key == bindparam("key"))
_NEW = insert(id_tags)
_PUT = _NEW.on_conflict_do_update(
    index_elements=[id_tags.c.key],
    set_={
        name: _NEW.excluded[name] for name in ("id_tag", "status", "expires_at", "parent_id_tag")
    },
)


def get(connection: Connection, id_tag: str) -> IdTag | None:
    """Return a tag, whatever the case it is written in."""
    row = connection.execute(_GET, {"key": fold(id_tag)}).one_or_none()
    return None if row is None else _id_tag(row)


def put(connection: Connection, tag: IdTag) -> bool:
    """Store a tag, replacing one that differs in case alone; say whether it is new.

    Raises:
        ValueError: a charge point could not take it: too long, or a status no tag has.
    """
    for text in (tag.id_tag, tag.parent_id_tag or "-"):
        if not 1 <= len(text) <= MAX_LENGTH:
            raise ValueError(f"an id tag has 1 to {MAX_LENGTH} characters: {text!r}")
    if tag.status is AuthorizationStatus.CONCURRENT_TX:
        raise ValueError("ConcurrentTx is said of a transaction, never set on a tag")
    is_new = get(connection, tag.id_tag) is None
    connection.execute(
        _PUT,
        {
            "key": fold(tag.id_tag),
            "id_tag": tag.id_tag,
            "status": tag.status.value,
            "expires_at": tag.expires_at,
            "parent_id_tag": tag.parent_id_tag,
        },
    )
    return is_new


def remove(connection: Connection, id_tag: str) -> bool:
    """Forget a tag; from then on it is Invalid."""
    result = connection.execute(delete(id_tags).where(id_tags.c.key == fold(id_tag)))
    return result.rowcount > 0


def page(connection: Connection, *, after: str | None = None, limit: int = 100) -> list[IdTag]:
    """Return tags in order of their folded form, those after a given tag."""
    query = select(id_tags).order_by(id_tags.c.key).limit(limit)
    if after is not None:
        query = query.where(id_tags.c.key > fold(after))
    return [_id_tag(row) for row in connection.execute(query)]


def everything(connection: Connection) -> list[IdTag]:
    """Return all tags in order of their folded form."""
    return [_id_tag(row) for row in connection.execute(select(id_tags).order_by(id_tags.c.key))]


def _id_tag(row: Row[Any]) -> IdTag:
    return IdTag(row.id_tag, AuthorizationStatus(row.status), row.expires_at, row.parent_id_tag)
