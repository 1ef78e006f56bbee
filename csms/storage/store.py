"""One writer, many readers: the way from asyncio into the database and back.

All writing goes through one thread with one connection. It commits at once when it is free and
gathers only what arrived during the last commit; there is no timer. `Store.write` returns after
the commit, and with it after fsync. Readers are threads with connections of their own and never
wait for the writer.

Operations are plain functions of a connection. They may run twice: when one of a batch fails, the
batch is rolled back and each is tried alone, so that only the culprit fails. They must return
plain data and have no effect outside the database.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from csms.domain.model import LoggedMessage
from csms.storage.claim import claim_database, release_database
from csms.storage.database import READERS, is_outage, open_engines
from csms.storage.errors import CommitFailed, StoreClosed
from csms.storage.log_buffer import LogBuffer
from csms.storage.message_log import MessageLogLimits
from csms.storage.migrate import migrate

T = TypeVar("T")
Operation = Callable[[Connection], T]

MAX_BATCH: Final = 500  # operations in one transaction
LOG_DELAY_S: Final = 0.5  # how long log entries may wait for company
LOG_RETRY_S: Final = 2.0  # after the log could not be written

logger = logging.getLogger(__name__)


class _Job(Generic[T]):
    """An operation on its way, and who waits for it."""

    __slots__ = ("future", "loop", "operation")

    def __init__(
        self,
        operation: Operation[T],
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[T],
    ) -> None:
        self.operation = operation
        self.loop = loop
        self.future = future


class _Flush(_Job[None]):
    """A wish to have the message log written now."""

    __slots__ = ()


_WAKE: Final = object()  # the message log has something again
_CLOSE: Final = object()

_Outcome = tuple[_Job[Any], Any, BaseException | None]


class Store:
    """The open database. Create it with `Store.open`; all async methods belong to one loop."""

    def __init__(
        self, writer: Engine, readers: Engine, limits: MessageLogLimits, claim: int | None = None
    ) -> None:
        self._claim = claim
        self._writer = writer
        self._readers = readers
        self._jobs: SimpleQueue[Any] = SimpleQueue()
        self._log = LogBuffer(limits)
        self._connection: Connection | None = None
        self._is_closed = False
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="csms-reader")
        self._thread = Thread(target=self._run, name="csms-writer", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls,
        url: str,
        *,
        message_log_age: timedelta = timedelta(days=14),
        message_log_bytes: int = 512_000_000,
        is_served: bool = False,
    ) -> Store:
        """Open a database, creating or migrating it as needed.

        Args:
            url: as in ``sqlite:///csms.sqlite3``.
            is_served: charge points are served from it, and only one program may do that: each
                would take what the other is in the middle of for interrupted.
            message_log_age: how long frames are kept; zero switches the message log off.
            message_log_bytes: how much text of frames is kept.

        Raises:
            DatabaseTooNew: a newer version of the program wrote it.
            DatabaseUnusable: it cannot be opened or written, or is served by another program.
        """
        writer, readers = open_engines(url)
        claim = claim_database(writer) if is_served else None
        try:
            migrate(writer)
        except BaseException:
            release_database(claim)
            raise
        limits = MessageLogLimits(message_log_age, message_log_bytes)
        return cls(writer, readers, limits, claim)

    async def write(self, operation: Operation[T]) -> T:
        """Run an operation in the writer's transaction; return its result after the commit.

        A caller that is cancelled stops waiting; the operation happens all the same.

        Raises:
            CommitFailed: nothing was stored; a later try may succeed.
            StoreClosed: the store was closed.
            Exception: whatever the operation raised; then nothing of it was stored.
        """
        if self._is_closed:
            raise StoreClosed("the database was closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(operation, loop, future))
        return await future

    async def read(self, operation: Operation[T]) -> T:
        """Run an operation on a read-only snapshot of what is committed.

        Raises:
            CommitFailed: the database cannot be read now.
            StoreClosed: the store was closed.
        """
        if self._is_closed:
            raise StoreClosed("the database was closed")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, operation)

    def log_message(self, entry: LoggedMessage) -> None:
        """Add a frame to the message log, soon; never waits and never fails."""
        if self._log.add(entry):
            self._jobs.put(_WAKE)

    @property
    def dropped_messages(self) -> int:
        """How many frames the message log lost because the database could not keep up."""
        return self._log.dropped

    async def flush(self) -> None:
        """Write what the message log holds back, as far as the database lets us."""
        if self._is_closed:
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._jobs.put(_Flush(lambda _: None, loop, future))
        await future

    async def close(self) -> None:
        """Finish what was asked for, write the message log and close; more calls do nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        await asyncio.get_running_loop().run_in_executor(None, self._shut_down)

    def _shut_down(self) -> None:
        self._pool.shutdown()
        self._readers.dispose()
        self._jobs.put(_CLOSE)
        self._thread.join()
        release_database(self._claim)

    # --- readers ------------------------------------------------------------------------------

    def _read(self, operation: Operation[T]) -> T:
        try:
            with self._readers.connect() as connection:
                return operation(connection)
        except SQLAlchemyError as exc:
            if is_outage(exc):
                raise CommitFailed(f"the database cannot be read: {_cause(exc)}") from exc
            raise

    # --- the writer's thread ------------------------------------------------------------------

    def _run(self) -> None:
        log_due_s: float | None = None
        is_closing = False
        while not is_closing:
            jobs, flushes, is_woken, is_closing = self._gather(log_due_s)
            if jobs:
                self._answer(self._commit(jobs))
            if is_woken and log_due_s is None:
                log_due_s = monotonic() + LOG_DELAY_S
            if flushes or is_closing:
                while self._write_log():
                    pass
                self._answer([(flush, None, None) for flush in flushes])
                log_due_s = None if self._log.is_empty() else monotonic() + LOG_RETRY_S
            elif log_due_s is not None and log_due_s <= monotonic():
                log_due_s = self._tend_log()
        self._disconnect()

    def _tend_log(self) -> float | None:
        """Write a portion of the message log; say when the next is due."""
        if not self._write_log():
            return monotonic() + LOG_RETRY_S
        if self._log.has_full_portion():
            return monotonic()  # after the operations that came meanwhile
        return None if self._log.is_empty() else monotonic() + LOG_DELAY_S

    def _gather(
        self, log_due_s: float | None
    ) -> tuple[list[_Job[Any]], list[_Job[Any]], bool, bool]:
        """Wait for the first of anything, then take all that is there."""
        jobs: list[_Job[Any]] = []
        flushes: list[_Job[Any]] = []
        is_woken = is_closing = False
        try:
            timeout_s = None if log_due_s is None else max(0.0, log_due_s - monotonic())
            item = self._jobs.get(timeout=timeout_s)
            while True:
                if item is _WAKE:
                    is_woken = True
                elif item is _CLOSE:
                    is_closing = True
                elif type(item) is _Flush:
                    flushes.append(item)
                else:
                    jobs.append(item)
                    if len(jobs) == MAX_BATCH:
                        break
                item = self._jobs.get_nowait()
        except Empty:
            pass
        return jobs, flushes, is_woken, is_closing

    def _commit(self, jobs: Sequence[_Job[Any]]) -> list[_Outcome]:
        """Run jobs in one transaction; where one fails, each in its own."""
        try:
            results = self._transact([job.operation for job in jobs])
        except CommitFailed as exc:
            return [(job, None, CommitFailed(*exc.args)) for job in jobs]
        except Exception as exc:
            if len(jobs) == 1:
                return [(jobs[0], None, exc)]
        else:
            return [(job, result, None) for job, result in zip(jobs, results, strict=True)]
        outcomes: list[_Outcome] = []
        for position, job in enumerate(jobs):
            outcome = self._commit([job])[0]
            outcomes.append(outcome)
            if isinstance(outcome[2], CommitFailed):  # the rest would only wait for the same
                outcomes += [
                    (later, None, CommitFailed(*outcome[2].args)) for later in jobs[position + 1 :]
                ]
                break
        return outcomes

    def _transact(self, operations: Sequence[Operation[Any]]) -> list[Any]:
        try:
            if self._connection is None:
                self._connection = self._writer.connect()
            with self._connection.begin():
                return [operation(self._connection) for operation in operations]
        except Exception as exc:
            # A fresh connection forgets whatever state the failure left behind.
            self._abandon()
            if not is_outage(exc):
                raise
            logger.error("The database cannot be written: %s", _cause(exc))
            raise CommitFailed(f"the database cannot be written: {_cause(exc)}") from exc

    def _write_log(self) -> bool:
        """Write a portion of the message log; False where nothing is left or nothing can be done.

        A log that cannot be written keeps its entries, within the buffer's bounds, and stands in
        nobody's way.
        """
        try:
            portion = self._log.portion()
            return bool(portion) and self._write_portion(portion)
        except Exception:  # whatever it is, the writer goes on
            logger.exception("The message log cannot be written")
            return False

    def _write_portion(self, portion: list[LoggedMessage]) -> bool:
        try:
            self._transact([self._log.operation(portion)])
        except CommitFailed:
            return False
        except Exception:
            if len(portion) > 1:  # only the culprit is lost
                return all(self._write_portion([entry]) for entry in portion)
            logger.exception("The message log lost a frame of %r", portion[0].identity)
        self._log.forget(portion)
        return True

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _abandon(self) -> None:
        """Close a connection without touching what it was doing."""
        if self._connection is not None:
            self._connection.invalidate()
            self._disconnect()

    @staticmethod
    def _answer(outcomes: list[_Outcome]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
        for outcome in outcomes:
            by_loop.setdefault(outcome[0].loop, []).append(outcome)
        for loop, its_outcomes in by_loop.items():
            try:
                loop.call_soon_threadsafe(_resolve, its_outcomes)
            except RuntimeError:  # the loop was closed; nobody waits any more
                logger.debug("nobody waits for %d outcomes", len(its_outcomes))


def _resolve(outcomes: list[_Outcome]) -> None:
    for job, result, exc in outcomes:
        if job.future.done():  # cancelled
            continue
        if exc is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(exc)


def _cause(exc: Exception) -> str:
    return str(getattr(exc, "orig", None) or exc)
