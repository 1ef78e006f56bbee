"""Inserts that happen for every message: compiled once, given to the driver as text.

SQLAlchemy compiles, binds and wraps anew at each execution, which takes longer than SQLite itself.
Errors are still SQLAlchemy's, so that an outage is recognised as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Insert
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

_DIALECT = sqlite.dialect()


class FastInsert:
    """One insert into a table; values are given by position."""

    def __init__(self, statement: Insert, *columns: str) -> None:
        """Compile a statement.

        Args:
            columns: names of the columns that get a value, in the order of the values.
        """
        compiled = statement.compile(dialect=_DIALECT, column_keys=list(columns))
        table = statement.table
        self._text = str(compiled)
        self._places = [columns.index(name) for name in compiled.positiontup or ()]
        self._written: list[tuple[int, Callable[[Any], Any]]] = []
        for place, name in enumerate(compiled.positiontup or ()):
            process = table.c[name].type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
            if process is not None:
                self._written.append((place, process))

    def row(self, *values: object) -> tuple[object, ...]:
        """Return values as the driver takes them."""
        row = [values[place] for place in self._places]
        for place, process in self._written:
            row[place] = process(row[place])
        return tuple(row)

    def one(self, connection: Connection, *values: object) -> bool:
        """Insert a row; say whether it is there because of that."""
        with self._cursor(connection) as cursor:
            cursor.execute(self._text, self.row(*values))
            return bool(cursor.rowcount > 0)

    def many(self, connection: Connection, rows: Sequence[tuple[object, ...]]) -> None:
        """Insert what `row` returned."""
        with self._cursor(connection) as cursor:
            cursor.executemany(self._text, rows)

    @contextmanager
    def _cursor(self, connection: Connection) -> Iterator[Any]:
        """Give a cursor of the driver within the connection's transaction."""
        cursor = connection.connection.cursor()
        try:
            yield cursor
        except connection.dialect.loaded_dbapi.Error as exc:
            kind = connection.dialect.loaded_dbapi.Error
            raise DBAPIError.instance(
                self._text, None, exc, kind, hide_parameters=True, dialect=connection.dialect
            ) from exc
        finally:
            cursor.close()
