"""The one writer: durable, gathering, and unharmed by what fails."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from csms.domain.model import IdTag, LoggedMessage
from csms.storage import charge_points, id_tags, message_log
from csms.storage.errors import CommitFailed, StoreClosed
from csms.storage.store import Operation, Store

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def put(name: str) -> Operation[bool]:
    """Return an operation that stores a tag."""
    return partial(id_tags.put, tag=IdTag(name))


def has(name: str) -> Operation[bool]:
    """Return an operation that looks for a tag."""
    return lambda connection: id_tags.get(connection, name) is not None


def frame(number: int, *, identity: str = "CP1") -> LoggedMessage:
    """Return a logged frame that can be told from others."""
    at = NOW + timedelta(seconds=number)
    return LoggedMessage(identity, message_log.RECEIVED, at, f'[2,"{number}"]')


class Gate:
    """Holds the writer inside an operation, so that others have to gather behind it."""

    def __init__(self) -> None:
        self._is_reached = threading.Event()
        self._may_leave = threading.Event()

    def stop_here(self) -> None:
        """Wait, in the writer's thread."""
        self._is_reached.set()
        assert self._may_leave.wait(timeout=10)

    async def reached(self) -> None:
        """Wait until the writer waits."""
        assert await asyncio.to_thread(self._is_reached.wait, 10)

    async def hold(self, store: Store) -> asyncio.Task[None]:
        """Occupy the writer; return what ends when it is let go."""
        task = asyncio.create_task(store.write(lambda _: self.stop_here()))
        await self.reached()
        return task

    def open(self) -> None:
        """Let the writer go on."""
        self._may_leave.set()


def driver_of(connection: Connection) -> sqlite3.Connection:
    """Return the driver's own connection."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


async def test_writer_is_durable_and_strict(store: Store) -> None:
    """The connection that writes waits for the disk with every commit (issue §2, durability)."""

    def pragmas(connection: Connection) -> dict[str, object]:
        return {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("synchronous", "journal_mode", "foreign_keys", "busy_timeout")
        }

    assert await store.write(pragmas) == {
        "synchronous": 2,  # FULL
        "journal_mode": "wal",
        "foreign_keys": 1,
        "busy_timeout": 2000,
    }


async def test_answer_comes_after_the_commit(store: Store) -> None:
    """A caller is answered when COMMIT has returned, and with synchronous=FULL fsync has too."""
    gate = Gate()
    statements: list[str] = []

    def trace(statement: str) -> None:
        statements.append(statement)
        if statement == "COMMIT":  # called before it is carried out
            gate.stop_here()

    def watched(connection: Connection) -> None:
        driver_of(connection).set_trace_callback(trace)
        id_tags.put(connection, IdTag("A"))

    waiting = asyncio.ensure_future(store.write(watched))
    await gate.reached()
    answered_early = await store.read(has("A")) or waiting.done()
    gate.open()
    await waiting

    assert not answered_early
    assert statements[-1] == "COMMIT"
    assert await store.read(has("A")) is True


async def test_uncommitted_work_is_not_acknowledged(store: Store, url: str) -> None:
    """While the commit cannot happen, the caller waits and others see nothing."""
    gate = Gate()
    held = await gate.hold(store)
    writing = asyncio.ensure_future(store.write(put("A")))

    assert await store.read(has("A")) is False
    assert not writing.done()

    gate.open()
    await asyncio.gather(held, writing)
    assert await store.read(has("A")) is True


async def test_what_arrives_during_a_commit_is_written_together(store: Store) -> None:
    """Twenty operations that gathered behind one share one transaction."""
    gate = Gate()
    held = await gate.hold(store)
    statements: list[str] = []

    def watch(connection: Connection) -> None:
        driver_of(connection).set_trace_callback(statements.append)

    writes: list[asyncio.Future[Any]] = [asyncio.ensure_future(store.write(watch))]
    writes += [asyncio.ensure_future(store.write(put(f"T{n}"))) for n in range(20)]
    await asyncio.sleep(0)
    gate.open()
    await asyncio.gather(held, *writes)

    assert sum(statement.startswith("INSERT INTO id_tags") for statement in statements) == 20
    assert statements.count("COMMIT") == 1


async def test_lonely_operation_waits_for_nobody(store: Store) -> None:
    """Without company an operation is committed at once; there is no gathering time."""
    loop = asyncio.get_running_loop()
    await store.write(put("warm"))

    begun = loop.time()
    for number in range(5):
        await store.write(put(f"T{number}"))

    assert loop.time() - begun < 0.25


async def test_failing_operation_fails_alone(store: Store) -> None:
    """One bad operation in a batch costs nobody else anything."""
    gate = Gate()
    held = await gate.hold(store)

    def bad(connection: Connection) -> None:
        id_tags.put(connection, IdTag("half"))
        connection.execute(text("INSERT INTO id_tags (key) VALUES ('no columns')"))

    writes = [
        asyncio.ensure_future(store.write(operation))
        for operation in (put("before"), bad, put("after"))
    ]
    await asyncio.sleep(0)
    gate.open()
    before, failure, after = await asyncio.gather(*writes, return_exceptions=True)
    await held

    assert (before, after) == (True, True)
    assert isinstance(failure, Exception)
    assert not isinstance(failure, CommitFailed)
    assert "NOT NULL" in str(failure)
    assert await store.read(has("before")) is True
    assert await store.read(has("after")) is True
    assert await store.read(has("half")) is False


async def test_outage_among_replayed_operations_spares_the_rest_the_wait(store: Store) -> None:
    """Once the database is known to be out, those behind fail at once, untried."""
    gate = Gate()
    held = await gate.hold(store)
    tried: list[Connection] = []

    def wrong(_: Connection) -> None:
        raise LookupError("mine alone")

    def unlucky(_: Connection) -> None:
        full = sqlite3.OperationalError("database or disk is full")
        full.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise OperationalError(None, None, full)

    writes = [asyncio.ensure_future(store.write(one)) for one in (wrong, unlucky, tried.append)]
    await asyncio.sleep(0)
    gate.open()
    await held
    failures = await asyncio.gather(*writes, return_exceptions=True)

    assert [type(failure) for failure in failures] == [LookupError, CommitFailed, CommitFailed]
    assert tried == []


async def test_operation_may_refuse_with_its_own_error(store: Store) -> None:
    """What an operation raises reaches its caller, and nothing of it is stored."""

    def refuse(connection: Connection) -> None:
        id_tags.put(connection, IdTag("A"))
        raise LookupError("not here")

    with pytest.raises(LookupError, match="not here"):
        await store.write(refuse)

    assert await store.read(has("A")) is False
    assert await store.write(put("A")) is True


async def test_cancelled_caller_harms_nobody(store: Store) -> None:
    """Who stops waiting is forgotten; the operation happens."""
    gate = Gate()
    held = await gate.hold(store)
    impatient = asyncio.ensure_future(store.write(put("A")))
    patient = asyncio.ensure_future(store.write(put("B")))
    await asyncio.sleep(0)
    impatient.cancel()
    gate.open()
    await asyncio.gather(held, patient)

    assert await store.read(has("A")) is True


async def test_locked_database_fails_and_recovers(store: Store, url: str) -> None:
    """While another program holds the database nothing is acknowledged; later all is well."""
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    await store.write(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout=1"))
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(CommitFailed, match="locked"):
        await store.write(put("A"))

    other.execute("ROLLBACK")
    other.close()
    assert await store.write(put("A")) is True


async def test_every_waiting_caller_hears_of_the_failure(store: Store) -> None:
    """A commit that fails fails for all who were in it, each with an exception of its own."""
    gate = Gate()
    held = await gate.hold(store)
    spoil = asyncio.ensure_future(
        store.write(lambda connection: connection.exec_driver_sql("PRAGMA query_only=ON"))
    )
    writes = [asyncio.ensure_future(store.write(put(name))) for name in "AB"]
    await asyncio.sleep(0)
    gate.open()
    await held
    failures = await asyncio.gather(spoil, *writes, return_exceptions=True)

    assert [type(failure) for failure in failures] == [CommitFailed] * 3
    assert len({id(failure) for failure in failures}) == 3


async def test_read_only_database_fails_and_recovers(store: Store) -> None:
    """A database that turns read-only acknowledges nothing, and works again without restart."""
    await store.write(lambda connection: connection.exec_driver_sql("PRAGMA query_only=ON"))

    with pytest.raises(CommitFailed, match="readonly"):
        await store.write(put("A"))

    assert await store.read(has("A")) is False
    assert await store.write(put("A")) is True


async def test_full_database_fails_and_recovers(store: Store) -> None:
    """When no page is left nothing is acknowledged; with room again it goes on."""

    def fill(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    await store.write(fill)

    with pytest.raises(CommitFailed, match="full"):
        await store.write(partial(charge_points.register, identity="x" * 50_000, at=NOW))

    assert await store.write(partial(charge_points.register, identity="x" * 50_000, at=NOW))


@pytest.mark.slow
def test_full_disk_loses_nothing_acknowledged(url: str) -> None:
    """With RLIMIT_FSIZE as the full disk: what was acknowledged is there, what failed is not."""
    program = """
import asyncio, resource, sys
from functools import partial
from csms.domain.model import IdTag
from csms.storage import id_tags
from csms.storage.errors import CommitFailed
from csms.storage.store import Store

async def main():
    store = Store.open(sys.argv[1])
    acknowledged = failed = 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    while failed < 3:
        try:
            await store.write(partial(id_tags.put, tag=IdTag(f"T{acknowledged}")))
            acknowledged += 1
        except CommitFailed:
            failed += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    await store.write(partial(id_tags.put, tag=IdTag("room again")))
    await store.close()
    print(acknowledged)

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program, url], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    acknowledged = int(done.stdout)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        tags = {row[0] for row in database.execute("SELECT id_tag FROM id_tags")}
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    assert acknowledged > 10
    assert tags == {f"T{number}" for number in range(acknowledged)} | {"room again"}


@pytest.mark.slow
def test_killed_program_loses_nothing_acknowledged(url: str) -> None:
    """After kill -9 in the middle of work every acknowledged row is there."""
    program = """
import asyncio, sys
from functools import partial
from csms.domain.model import IdTag
from csms.storage import id_tags
from csms.storage.store import Store

async def one(store, number):
    await store.write(partial(id_tags.put, tag=IdTag(f"T{number}")))
    print(number, flush=True)

async def main():
    store = Store.open(sys.argv[1])
    for first in range(0, 100_000, 10):
        await asyncio.gather(*(one(store, first + n) for n in range(10)))

asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, url], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        acknowledged = [int(running.stdout.readline()) for _ in range(200)]
        os.kill(running.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in running.stdout if line.endswith("\n")]

    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        tags = {row[0] for row in database.execute("SELECT id_tag FROM id_tags")}
    database.close()
    assert {f"T{number}" for number in acknowledged} <= tags


async def test_readers_do_not_wait_for_the_writer(store: Store) -> None:
    """A long transaction keeps nobody from reading."""
    gate = Gate()
    held = await gate.hold(store)

    assert await store.read(has("A")) is False

    gate.open()
    await held


async def test_readers_cannot_write(store: Store) -> None:
    """Only the one writer writes."""
    with pytest.raises(CommitFailed, match="readonly"):
        await store.read(put("A"))


async def test_closed_store_refuses(url: str) -> None:
    """After close nothing is accepted, and closing again is no error."""
    store = Store.open(url)
    waiting = asyncio.ensure_future(store.write(put("A")))
    await asyncio.sleep(0)
    await store.close()
    await store.close()
    await store.flush()

    assert await waiting is True  # what was asked for before is done
    with pytest.raises(StoreClosed):
        await store.write(put("B"))
    with pytest.raises(StoreClosed):
        await store.read(has("A"))


async def test_close_leaves_one_file(url: str) -> None:
    """A closed database is complete in its file, ready to be copied."""
    store = Store.open(url)
    await store.write(put("A"))
    await store.close()

    assert [path.name for path in Path(url.removeprefix("sqlite:///")).parent.iterdir()] == [
        "csms.sqlite3"
    ]


# --- message log ------------------------------------------------------------------------------


async def test_logged_messages_are_there_after_a_flush(store: Store) -> None:
    """More frames than one portion holds arrive complete and in order."""
    frames = [frame(number) for number in range(700)]
    for one in frames:
        store.log_message(one)
    await store.flush()

    stored = await store.read(partial(message_log.page, limit=1000))
    assert [entry.message for entry in reversed(stored)] == frames
    assert store.dropped_messages == 0


@pytest.mark.slow
async def test_log_is_written_without_a_flush(store: Store) -> None:
    """An idle writer writes the log by itself, again and again."""
    for number in range(2):
        store.log_message(frame(number))
        async with asyncio.timeout(5):
            while len(await store.read(message_log.page)) != number + 1:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_log_is_written_by_close(url: str) -> None:
    """What waits is not lost at the end."""
    store = Store.open(url)
    store.log_message(frame(1))
    await store.close()

    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        assert database.execute("SELECT count(*) FROM messages").fetchone() == (1,)
    database.close()


async def test_log_in_trouble_keeps_its_frames_and_nobody_waiting(store: Store) -> None:
    """A log that cannot be written is kept for later; operations do not suffer."""
    store.log_message(frame(1))
    await store.write(lambda connection: connection.exec_driver_sql("PRAGMA query_only=ON"))
    await store.flush()
    assert await store.read(message_log.page) == []

    assert await store.write(put("A")) is True
    await store.flush()
    assert len(await store.read(message_log.page)) == 1


async def test_poisoned_frame_is_lost_alone(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """A frame that no database takes costs its neighbours nothing."""
    for identity in ("CP1", "\ud800", "CP3"):
        store.log_message(frame(1, identity=identity))
    await store.flush()

    stored = await store.read(message_log.page)
    assert [entry.message.identity for entry in stored] == ["CP3", "CP1"]
    assert "lost a frame" in caplog.text


async def test_log_is_bounded_while_the_writer_is_busy(store: Store) -> None:
    """Under pressure frames are dropped and counted, memory stays."""
    gate = Gate()
    held = await gate.hold(store)
    for number in range(20_010):
        store.log_message(frame(number))

    assert store.dropped_messages == 10

    gate.open()
    await held


async def test_log_can_be_off(url: str) -> None:
    """An age of zero keeps no frames at all."""
    store = Store.open(url, message_log_age=timedelta())
    store.log_message(frame(1))
    await store.flush()

    assert await store.read(message_log.page) == []
    await store.close()


async def test_secrets_are_masked_in_the_log(store: Store) -> None:
    """The key of a charge point never reaches the disk (CS-WS-13)."""
    secret = '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"AABB"}]'
    store.log_message(LoggedMessage("CP1", message_log.SENT, NOW, secret))
    await store.flush()

    [stored] = await store.read(message_log.page)
    assert "AABB" not in stored.message.text


async def test_signs_of_life_are_noted_now_and_then(store: Store) -> None:
    """The log's frames tell when a charge point was last heard, at most once a minute."""
    await store.write(partial(charge_points.register, identity="CP1", at=NOW))

    seen = []
    for second in (0, 30, 61):
        store.log_message(frame(second))
        await store.flush()
        charge_point = await store.read(partial(charge_points.get, identity="CP1"))
        assert charge_point is not None
        seen.append(charge_point.last_seen_at)

    assert seen == [NOW, NOW, NOW + timedelta(seconds=61)]
