"""API tokens in the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from alembic import command

from csms.domain.model import ApiToken
from csms.domain.scopes import Scope
from csms.storage import api_tokens
from csms.storage.database import open_engines
from csms.storage.migrate import config, migrate
from csms.storage.store import Store

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


async def test_token_is_found_by_its_digest(store: Store) -> None:
    """Only the digest is known."""
    await store.write(partial(api_tokens.add, name="ci", digest="d1", at=NOW))

    assert await store.read(partial(api_tokens.find_valid, digest="d1")) == ApiToken(
        "ci", "d1", NOW, None, Scope.MANAGE
    )
    assert await store.read(partial(api_tokens.find_valid, digest="d2")) is None


async def test_revoked_token_is_not_found(store: Store) -> None:
    """It stays in the list, with its end, and can be revoked once."""
    await store.write(partial(api_tokens.add, name="ci", digest="d1", at=NOW))

    assert await store.write(partial(api_tokens.revoke, name="ci", at=LATER)) is True
    assert await store.write(partial(api_tokens.revoke, name="ci", at=LATER)) is False
    assert await store.read(partial(api_tokens.find_valid, digest="d1")) is None
    assert await store.read(api_tokens.everything) == [
        ApiToken("ci", "d1", NOW, LATER, Scope.MANAGE)
    ]


@pytest.mark.parametrize("scope", Scope)
async def test_scope_is_kept(store: Store, scope: Scope) -> None:
    """As it was given."""
    await store.write(partial(api_tokens.add, name="ci", digest="d1", at=NOW, scope=scope))

    found = await store.read(partial(api_tokens.find_valid, digest="d1"))

    assert found is not None
    assert found.scope is scope


def test_tokens_of_before_may_do_everything(url: str) -> None:
    """The migration takes nothing from anybody."""
    writer, _ = open_engines(url)
    migrate(writer)
    with writer.begin() as connection:
        settings = config()
        settings.attributes["connection"] = connection
        command.downgrade(settings, "0008")
        connection.exec_driver_sql(
            "INSERT INTO api_tokens (name, digest, created_at) VALUES ('old', 'd', '2026-01-31')"
        )
    migrate(writer)

    with writer.connect() as connection:
        (token,) = api_tokens.everything(connection)

    assert (token.name, token.scope) == ("old", Scope.MANAGE)


async def test_names_are_unique(store: Store) -> None:
    """A name that was used, and be it revoked, is not given again."""
    await store.write(partial(api_tokens.add, name="ci", digest="d1", at=NOW))

    assert await store.write(partial(api_tokens.add, name="ci", digest="d2", at=NOW)) is False
    assert await store.write(partial(api_tokens.add, name="other", digest="d2", at=NOW)) is True
