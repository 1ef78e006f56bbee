"""Migrations and what a database must look like to be opened."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from csms.domain.model import IdTag
from csms.storage import id_tags
from csms.storage.database import open_engines
from csms.storage.errors import DatabaseTooNew, DatabaseUnusable
from csms.storage.migrate import config, migrate
from csms.storage.store import Store
from csms.storage.tables import metadata


def path_of(url: str) -> Path:
    """Return the database's file."""
    return Path(url.removeprefix("sqlite:///"))


def test_migrations_make_the_tables_the_code_knows(url: str) -> None:
    """Nothing is missing in the migrations, nothing is only there."""
    writer, _ = open_engines(url)
    migrate(writer)

    with writer.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrations_can_be_undone(url: str) -> None:
    """Down to nothing and up again."""
    writer, _ = open_engines(url)
    migrate(writer)

    with writer.begin() as connection:
        settings = config()
        settings.attributes["connection"] = connection
        command.downgrade(settings, "base")
        tables = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")
        left = {row[0] for row in tables} - {"sqlite_sequence"}
    migrate(writer)

    assert left == {"alembic_version"}


async def test_reopening_keeps_what_was_there(url: str) -> None:
    """Opening again changes nothing."""
    store = Store.open(url)
    await store.write(lambda connection: id_tags.put(connection, IdTag("A")))
    await store.close()

    again = Store.open(url)

    assert await again.read(lambda connection: id_tags.get(connection, "A")) == IdTag("A")
    await again.close()


def test_newer_database_is_refused_by_name(url: str) -> None:
    """A schema of the future is not touched, and the message says what to do."""
    writer, _ = open_engines(url)
    migrate(writer)
    with writer.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'from the future'")

    with pytest.raises(DatabaseTooNew, match=r"newer version of csms.*from the future"):
        Store.open(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://user:secret@host/db", r"postgresql://user:\*\*\*@host/db: only SQLite"),
        ("csms.sqlite3", "is not a database URL"),
        ("sqlite://", "a file is needed"),
        ("sqlite:///:memory:", "a file is needed"),
        ("sqlite:////nowhere/at/all/csms.sqlite3", "directory /nowhere/at/all does not exist"),
        ("sqlite:////proc", "/proc is a directory"),
        ("sqlite:////proc/csms.sqlite3", "cannot be opened"),
    ],
)
def test_impossible_urls_are_explained(url: str, message: str) -> None:
    """Each error says what is wrong with the URL."""
    with pytest.raises(DatabaseUnusable, match=message):
        Store.open(url)


def test_file_of_another_kind_is_refused(url: str) -> None:
    """A file that is no database is left as it is."""
    path_of(url).write_text("a letter to my grandmother\n" * 100)

    with pytest.raises(DatabaseUnusable, match="not a database"):
        Store.open(url)

    assert path_of(url).read_text().startswith("a letter")


@pytest.mark.slow
def test_locked_database_is_refused(url: str) -> None:
    """Another program that migrates or writes at that moment is named as the reason."""
    other = sqlite3.connect(path_of(url), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(DatabaseUnusable, match="locked"):
        Store.open(url)

    other.close()


async def test_database_is_private(url: str) -> None:
    """Only its owner may read credentials and tokens."""
    store = Store.open(url)
    await store.close()

    assert stat.S_IMODE(path_of(url).stat().st_mode) == 0o600


async def test_relative_url_is_relative_to_where_we_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later change of directory opens no second database."""
    monkeypatch.chdir(tmp_path)
    store = Store.open("sqlite:///here.sqlite3")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    await store.read(lambda connection: id_tags.get(connection, "A"))
    await store.close()

    assert list((tmp_path / "elsewhere").iterdir()) == []
