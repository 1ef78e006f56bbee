"""A fast insert writes what SQLAlchemy's own would have written."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, insert, select, text
from sqlalchemy.exc import DBAPIError

from csms.storage.database import insert as insert_or
from csms.storage.database import open_engines
from csms.storage.fast_insert import FastInsert
from csms.storage.migrate import migrate
from csms.storage.tables import meter_values

COLUMNS = ("flags", "identity", "received_at", "sampled_at", "digest", "meter_value")
AT = datetime(2026, 1, 31, 14, 34, 56, 789012, tzinfo=timezone(timedelta(hours=2)))


@pytest.fixture
def writer(tmp_path: Path) -> Engine:
    """Return the engine of a fresh database."""
    engine, _ = open_engines(f"sqlite:///{tmp_path / 'csms.sqlite3'}")
    migrate(engine)
    return engine


def raw(connection: Connection) -> list[tuple[object, ...]]:
    """Return what the database holds, not what SQLAlchemy makes of it."""
    names = "flags, identity, received_at, sampled_at, digest, meter_value, transaction_id"
    return [
        tuple(row)
        for row in connection.execute(text(f"SELECT {names} FROM meter_values ORDER BY id"))  # noqa: S608 -- fixed
    ]


@pytest.mark.parametrize("flags", [None, ["meterValue: empty"]])
def test_values_are_written_as_sqlalchemy_writes_them(
    writer: Engine, flags: list[str] | None
) -> None:
    """Times, JSON and missing columns look the same, whatever the order of the columns."""
    values = (flags, "CP1", AT, "2026-01-31", 5, "[]")
    with writer.begin() as connection:
        assert FastInsert(insert(meter_values), *COLUMNS).one(connection, *values)
        slow = dict(zip(COLUMNS, values, strict=True)) | {"digest": 6}
        connection.execute(insert(meter_values), slow)
        fast_row, slow_row = raw(connection)

    assert (*fast_row[:4], 6, *fast_row[5:]) == slow_row


def test_what_is_there_already_is_told(writer: Engine) -> None:
    """With a conflict clause the second insert of the same content does nothing."""
    statement = FastInsert(insert_or(meter_values).on_conflict_do_nothing(), *COLUMNS)
    with writer.begin() as connection:
        first = statement.one(connection, None, "CP1", AT, "2026-01-31", 5, "[]")
        again = statement.one(connection, None, "CP1", AT, "2026-01-31", 5, "[]")

    assert (first, again) == (True, False)


def test_many_rows_go_in_one_execution(writer: Engine) -> None:
    """Rows keep their order."""
    statement = FastInsert(insert(meter_values), *COLUMNS)
    rows = [statement.row(None, "CP1", AT, "2026-01-31", n, "[]") for n in range(3)]
    with writer.begin() as connection:
        statement.many(connection, rows)
        found = connection.execute(select(meter_values.c.digest, meter_values.c.received_at)).all()

    assert [tuple(row) for row in found] == [(n, AT.astimezone(UTC)) for n in range(3)]


def test_a_naive_time_is_refused() -> None:
    """The checks of the column types are kept."""
    statement = FastInsert(insert(meter_values), *COLUMNS)

    with pytest.raises(ValueError, match="naive"):
        statement.row(None, "CP1", AT.replace(tzinfo=None), "2026-01-31", 5, "[]")


def test_errors_are_those_of_sqlalchemy(writer: Engine) -> None:
    """An outage is recognised by its class, so no error of the driver may come through bare."""
    statement = FastInsert(insert(meter_values), *COLUMNS)

    with writer.begin() as connection:
        connection.execute(text("PRAGMA query_only=ON"))
        with pytest.raises(DBAPIError, match="readonly"):
            statement.one(connection, None, "CP1", AT, "2026-01-31", 5, "[]")
