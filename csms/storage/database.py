"""Opening the database, and the only place that knows it is SQLite.

WAL mode with synchronous=FULL: a commit returns after fsync, so what was acknowledged survives a
power cut; readers never wait for the writer. Another database system would need its own pragmas,
its own `insert` with conflict clauses and its own idea of an outage, all of them here.
"""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any, Final, cast

import orjson
from sqlalchemy import URL, Connection, CursorResult, Engine, create_engine, event, make_url
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from csms.storage.errors import DatabaseUnusable

__all__ = ["READERS", "insert", "is_outage", "new_id", "open_engines", "to_json"]

WAL_PAGES: Final = 10_000  # 40 MB; pages that change often are copied back more rarely
READERS: Final = 4
BUSY_TIMEOUT_S: Final = 2.0  # less than the shortest answer timeout seen in charge points

# Result codes that blame the database's surroundings, not the statement (sqlite.org/rescode.html).
_OUTAGES: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOTADB,
    }
)


def to_json(value: Any) -> str:
    """Serialise JSON values of any shape; orjson refuses huge integers and lone surrogates."""
    try:
        return orjson.dumps(value).decode()
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(value, separators=(",", ":"))


def open_engines(url: str) -> tuple[Engine, Engine]:
    """Return the engine of the one writer and the engine of the readers; connects to nothing.

    Raises:
        DatabaseUnusable: the URL is none of SQLite, or its directory does not exist.
    """
    parsed = _sqlite_url(url)
    writer = create_engine(parsed, poolclass=NullPool, **_OPTIONS)
    readers = create_engine(
        parsed, poolclass=QueuePool, pool_size=READERS, max_overflow=0, **_OPTIONS
    )
    pragmas = ("journal_mode=WAL", "synchronous=FULL", f"wal_autocheckpoint={WAL_PAGES}")
    _prepare(writer, begin="BEGIN IMMEDIATE", pragmas=pragmas)
    _prepare(readers, begin="BEGIN", pragmas=("query_only=ON",))
    return writer, readers


def is_outage(exc: Exception) -> bool:
    """Say whether the database's surroundings are to blame, so that a later try may succeed."""
    if not isinstance(exc, DBAPIError) or exc.orig is None:
        return False
    code = getattr(exc.orig, "sqlite_errorcode", None)
    if code is None:  # raised by the driver itself, such as on a closed connection
        return exc.connection_invalidated
    return code & 0xFF in _OUTAGES


_OPTIONS: Final[dict[str, Any]] = {
    "connect_args": {"timeout": BUSY_TIMEOUT_S},
    "json_serializer": to_json,
    "json_deserializer": json.loads,
    "hide_parameters": True,  # id tags and credentials stay out of error messages and logs
}


def new_id(result: CursorResult[Any]) -> int:
    """Return the id an insert gave; RETURNING is not known to every SQLite in use."""
    return cast("tuple[int]", result.inserted_primary_key)[0]


def _sqlite_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as exc:
        raise DatabaseUnusable(
            f"{url!r} is not a database URL; expected something like sqlite:///csms.sqlite3"
        ) from exc
    shown = parsed.render_as_string(hide_password=True)
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise DatabaseUnusable(f"{shown}: only SQLite is supported, as in sqlite:///csms.sqlite3")
    if not parsed.database or parsed.database == ":memory:":
        raise DatabaseUnusable(f"{shown}: a file is needed, as in sqlite:///csms.sqlite3")
    path = Path(parsed.database).absolute()
    if path.is_dir():
        raise DatabaseUnusable(f"{path} is a directory; name a file in it")
    if not path.parent.is_dir():
        raise DatabaseUnusable(f"the directory {path.parent} does not exist; create it first")
    return parsed.set(drivername="sqlite", database=str(path))


def create_private_file(engine: Engine) -> None:
    """Make the database file readable for its owner alone, if it does not exist yet.

    Raises:
        OSError: it cannot be created.
    """
    os.close(os.open(str(engine.url.database), os.O_RDWR | os.O_CREAT, 0o600))


def _prepare(engine: Engine, *, begin: str, pragmas: tuple[str, ...]) -> None:
    """Let SQLAlchemy, not the driver, say when transactions begin, and how."""

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in (*pragmas, "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def began(connection: Connection) -> None:
        connection.exec_driver_sql(begin)
