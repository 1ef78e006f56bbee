"""Bringing a database to the schema of this version with Alembic.

The migrations are part of the package, so they work from an installed wheel.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from csms.storage.database import create_private_file
from csms.storage.errors import DatabaseTooNew, DatabaseUnusable


def migrate(engine: Engine) -> None:
    """Create or upgrade the schema in one transaction; leave one that is up to date alone.

    Raises:
        DatabaseTooNew: it has a revision this version does not know.
        DatabaseUnusable: it cannot be opened or written, or is no database.
    """
    shown = engine.url.database
    try:
        create_private_file(engine)
        with engine.begin() as connection:
            _upgrade(connection)
    except OSError as exc:
        raise DatabaseUnusable(f"the database {shown} cannot be opened: {exc.strerror}") from exc
    except DBAPIError as exc:
        raise DatabaseUnusable(f"the database {shown} cannot be used: {exc.orig}") from exc


def config() -> Config:
    """Return Alembic's settings for the migrations of this package."""
    settings = Config()
    folder = str(Path(__file__).parent / "migrations")
    settings.set_main_option("script_location", folder.replace("%", "%%"))  # else interpolated
    settings.set_main_option("path_separator", "os")
    return settings


def _upgrade(connection: Connection) -> None:
    settings = config()
    scripts = ScriptDirectory.from_config(settings)
    known = {script.revision for script in scripts.walk_revisions()}
    found = set(MigrationContext.configure(connection).get_current_heads())
    if unknown := found - known:
        raise DatabaseTooNew(
            f"the database {connection.engine.url.database} was written by a newer version of csms:"
            f" its schema {', '.join(sorted(unknown))} is not among those this version knows"
            f" (newest: {scripts.get_current_head()}). Install that version or name another"
            " database."
        )
    if found != {scripts.get_current_head()}:
        settings.attributes["connection"] = connection
        command.upgrade(settings, "head")
