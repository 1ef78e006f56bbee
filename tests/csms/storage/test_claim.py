"""Only one program serves charge points from a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from csms.storage.errors import DatabaseUnusable
from csms.storage.store import Store


async def test_database_is_served_once(tmp_path: Path) -> None:
    """A second program would settle what the first is in the middle of."""
    url = f"sqlite:///{tmp_path / 'csms.sqlite3'}"
    first = Store.open(url, is_served=True)
    with pytest.raises(DatabaseUnusable, match="is served by another csms"):
        Store.open(url, is_served=True)
    await Store.open(url).close()  # one that serves nobody, such as `csms token`, may use it
    await first.close()

    await Store.open(url, is_served=True).close()


async def test_database_that_cannot_be_used_is_not_claimed(tmp_path: Path) -> None:
    """Once it was put right, the next try finds no claim of the first."""
    path = tmp_path / "csms.sqlite3"
    path.write_bytes(b"no database at all, but long enough to be read as one")
    with pytest.raises(DatabaseUnusable, match="cannot be used"):
        Store.open(f"sqlite:///{path}", is_served=True)
    path.unlink()

    await Store.open(f"sqlite:///{path}", is_served=True).close()


def test_place_for_the_claim_is_needed(tmp_path: Path) -> None:
    """The message names the database."""
    (tmp_path / "csms.sqlite3.lock").mkdir()
    with pytest.raises(DatabaseUnusable, match=r"csms\.sqlite3 cannot be locked"):
        Store.open(f"sqlite:///{tmp_path / 'csms.sqlite3'}", is_served=True)
