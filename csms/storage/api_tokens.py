"""Bearer tokens of the HTTP API, as digests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from csms.domain.model import ApiToken
from csms.domain.scopes import Scope
from csms.storage.database import insert
from csms.storage.tables import api_tokens

_ADD = insert(api_tokens).on_conflict_do_nothing()
_VALID = select(api_tokens).where(
    api_tokens.c.digest == bindparam("digest"), api_tokens.c.revoked_at.is_(None)
)
_REVOKE = (
    update(api_tokens)
    .where(api_tokens.c.name == bindparam("of_name"), api_tokens.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("at"))
)


def add(
    connection: Connection, *, name: str, digest: str, at: datetime, scope: Scope = Scope.MANAGE
) -> bool:
    """Keep a new token; False where the name is taken, also by a revoked one."""
    row = {"name": name, "digest": digest, "created_at": at, "scope": scope.value}
    return connection.execute(_ADD, row).rowcount > 0


def find_valid(connection: Connection, digest: str) -> ApiToken | None:
    """Return the token with this digest, unless it was revoked."""
    row = connection.execute(_VALID, {"digest": digest}).one_or_none()
    return None if row is None else _api_token(row)


def revoke(connection: Connection, *, name: str, at: datetime) -> bool:
    """Make a token useless; False where no valid one has this name."""
    return connection.execute(_REVOKE, {"of_name": name, "at": at}).rowcount > 0


def everything(connection: Connection) -> list[ApiToken]:
    """Return all tokens, revoked ones included, oldest first."""
    query = select(api_tokens).order_by(api_tokens.c.created_at, api_tokens.c.name)
    return [_api_token(row) for row in connection.execute(query)]


def _api_token(row: Row[Any]) -> ApiToken:
    return ApiToken(row.name, row.digest, row.created_at, row.revoked_at, Scope(row.scope))
