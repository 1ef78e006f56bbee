"""Diagnostics: asking for them, and receiving them over HTTP and FTP.

A job's file is taken once, as a whole; parts are kept apart until then. The newest try wins: an
older one, whose connection may be dead, is cut off. The FTP server listens only while a job wants
a file by FTP.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from csms.domain.file_jobs import Job, JobKind, wants_file
from csms.domain.times import format_time
from csms.files.ftp_server import FtpServer, Refused
from csms.files.vault import Incoming, Vault
from csms.ocppj.outcomes import CommandOutcome
from csms.operations.commanding import Commanding, Order, Send
from csms.operations.file_jobs import (
    EVERYWHERE,
    FileJobEffect,
    FileSettings,
    NoAddress,
    is_password_of,
    new_job,
    new_token,
)
from csms.storage import file_jobs
from csms.storage.errors import StorageError
from csms.storage.store import Store

NEXT_LOOK_S: Final = 3600.0  # at the latest, whether the FTP server is still wanted
JUST_AFTER_S: Final = 0.05  # timers and clocks differ
DESK_TIMEOUT_S: Final = 10.0  # for the event loop to decide for the FTP thread

T = TypeVar("T")

_logger: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class _Reception:
    """A transfer under way."""

    job: Job
    transfer_id: int
    incoming: Incoming


class Diagnostics:
    """Asks charge points for diagnostics and takes them."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        settings: FileSettings,
        *,
        base_url: Callable[[], str],
        now: Callable[[], datetime],
    ) -> None:
        """Prepare; `base_url` tells where charge points reach our HTTP server, or NoAddress."""
        self._store = store
        self._vault = vault
        self._settings = settings
        self._base_url = base_url
        self._now = now
        self._jobs = FileJobEffect(store, JobKind.DIAGNOSTICS, window=settings.window, now=now)
        self._receptions: dict[str, _Reception] = {}  # by name on disk
        self._listening = asyncio.Lock()
        self._ftp: FtpServer | None = None
        self._draining: list[FtpServer] = []
        self._next_look: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    # --- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen again for those who were told to come before the CSMS ended."""
        await self.look_after_ftp()

    async def close(self) -> None:
        """Cut off what is under way."""
        self._is_closed = True
        if self._next_look is not None:
            self._next_look.cancel()
        async with self._listening:
            servers = [*self._draining, *([self._ftp] if self._ftp else [])]
            self._ftp = None
        for server in servers:
            server.stop()
        for server in servers:
            await asyncio.to_thread(server.join, 2.0)
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def max_bytes(self) -> int:
        """Of one file."""
        return self._settings.max_diagnostics_bytes

    @property
    def ftp_port(self) -> int | None:
        """The port the FTP server listens on; None while it does not."""
        return None if self._ftp is None else self._ftp.port

    # --- commands ----------------------------------------------------------------------------

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Send a GetDiagnostics of whoever, as a job."""
        try:
            return await self._jobs.carry_out(order, send)
        finally:
            self._look_soon()

    async def order(
        self,
        commanding: Commanding,
        identity: str,
        *,
        protocol: str,
        start_at: datetime | None,
        stop_at: datetime | None,
        retries: int | None,
        retry_interval_s: int | None,
    ) -> tuple[int, CommandOutcome]:
        """Ask a charge point for diagnostics; return the job and the outcome.

        Raises:
            InvalidCommand: the charge point's state forbids it; the job says so too.
            NoAddress: charge points could not reach us.
        """
        order: dict[str, Any] = {}
        if retries is not None:
            order["retries"] = retries
        if retry_interval_s is not None:
            order["retryInterval"] = retry_interval_s
        if start_at is not None:
            order["startTime"] = format_time(start_at)
        if stop_at is not None:
            order["stopTime"] = format_time(stop_at)
        if protocol == "http":
            token, password = new_token(), None
            order["location"] = f"{self._base_url()}/files/diagnostics/{token}/"
            job_id = await self._prepare(identity, order, protocol, token, password)
        else:
            # Shorter than for HTTP: clients in charge points have small buffers.
            token, password = new_token()[:16], new_token()[:24]
            host = self._ftp_host()
            try:
                async with self._listening:
                    port = await self._listen()
                    order["location"] = f"ftp://{token}:{password}@{host}:{port}/"
                    job_id = await self._prepare(identity, order, protocol, token, password)
            except BaseException:  # then nobody may want to be listened for
                self._look_soon()
                raise
        return job_id, await commanding.send(identity, "GetDiagnostics", order)

    async def _prepare(
        self,
        identity: str,
        order: dict[str, Any],
        protocol: str,
        token: str,
        password: str | None,
    ) -> int:
        job = new_job(
            identity,
            JobKind.DIAGNOSTICS,
            order,
            requested_at=self._now(),
            window=self._settings.window,
            token=token,
            protocol=protocol,
            password=password,
        )
        return await self._jobs.prepare(order["location"], job)

    def _ftp_host(self) -> str:
        settings, public_url = self._settings.ftp, self._settings.public_url
        public_host = None if public_url is None else urlsplit(public_url).hostname
        host = settings.announced_address or public_host or settings.host
        if host in EVERYWHERE:
            raise NoAddress("set ftp_announced_address or public_url: how do stations reach us?")
        return f"[{host}]" if ":" in host else host

    async def give_up(self, job: Job) -> None:
        """Wait for a job's file no longer, and delete what came of it."""
        for reception in list(self._receptions.values()):
            if reception.job.job_id == job.job_id:
                reception.incoming.supersede()
        await self._store.write(partial(file_jobs.close, job_id=job.job_id, at=self._now()))
        forget = partial(file_jobs.forget_files, job_id=job.job_id)
        await self._forget(await self._store.write(forget))
        await self.look_after_ftp()

    # --- receiving ---------------------------------------------------------------------------

    async def begin(self, token: str, *, protocol: str, name: str) -> Incoming:
        """Begin to receive the file of the job with this token.

        Raises:
            LookupError: no such location, or it is closed.
            FileExistsError: its file is there.
            OSError: nothing can be stored.
        """
        job = await self.wanted(token, protocol)
        for earlier in list(self._receptions.values()):
            if earlier.job.job_id == job.job_id:
                earlier.incoming.supersede()
        incoming = await asyncio.to_thread(
            self._vault.receive, limit_bytes=self._settings.max_diagnostics_bytes
        )
        try:
            transfer_id = await self._store.write(
                partial(
                    file_jobs.begin_transfer,
                    job=job,
                    protocol=protocol,
                    name=name,
                    at=self._now(),
                    stored_as=incoming.stored_as,
                )
            )
        except BaseException:
            incoming.discard()
            raise
        self._receptions[incoming.stored_as] = _Reception(job, transfer_id, incoming)
        return incoming

    async def end(self, incoming: Incoming, *, is_whole: bool, detail: str = "") -> bool:
        """Write down how a transfer ended; tell whether the whole file is safely stored."""
        reception = self._receptions.pop(incoming.stored_as)
        try:
            stored = await asyncio.to_thread(incoming.keep)
            is_whole, superfluous = await self._store.write(
                partial(
                    file_jobs.end_upload,
                    transfer_id=reception.transfer_id,
                    size_bytes=stored.size_bytes,
                    sha256=stored.sha256,
                    is_whole=is_whole,
                    detail=detail,
                    at=self._now(),
                )
            )
        except (OSError, StorageError) as error:
            _logger.error("job %d: the file was not stored: %s", reception.job.job_id, error)
            await asyncio.to_thread(incoming.discard)
            return False
        await self._forget(superfluous)
        _logger.info(
            "%s: diagnostics job %d: %d bytes, %s",
            reception.job.identity,
            reception.job.job_id,
            stored.size_bytes,
            "whole" if is_whole else f"not whole: {detail}",
        )
        if is_whole:
            self._look_soon()
        return is_whole

    async def wanted(self, token: str, protocol: str) -> Job:
        """Return the job that waits for a file at this location; raise as `begin` does."""
        job = await self._store.read(partial(file_jobs.by_token, token=token))
        if job is None or job.kind is not JobKind.DIAGNOSTICS or job.protocol != protocol:
            raise LookupError("no such location")
        has_whole = await self._store.read(partial(file_jobs.has_whole, job_id=job.job_id))
        if has_whole and job.closed_at is None:
            raise FileExistsError("the file is here already")
        if not wants_file(job, has_whole=has_whole, now=self._now()):
            raise LookupError("nothing is taken here any more")
        return job

    async def _forget(self, stored_names: list[str]) -> None:
        for name in stored_names:
            await asyncio.to_thread(self._vault.remove, name)

    # --- FTP ---------------------------------------------------------------------------------

    async def look_after_ftp(self) -> None:
        """Listen if a job wants it, and do not if none does."""
        async with self._listening:
            if self._is_closed:
                return
            try:
                waiting = await self._store.read(partial(file_jobs.waiting_by_ftp, now=self._now()))
            except StorageError as error:
                _logger.error("whether FTP is wanted cannot be read: %s", error)
                self._look_in(NEXT_LOOK_S / 60)
                return
            if not waiting:
                await self._stop_listening()
                return
            soonest = min(job.until_at for job in waiting)
            left_s = (soonest - self._now()).total_seconds()
            self._look_in(min(max(left_s, 0.0) + JUST_AFTER_S, NEXT_LOOK_S))
            try:
                await self._listen()
            except NoAddress as error:
                _logger.error("%s", error)

    async def _listen(self) -> int:
        """Return the port of the FTP server, which listens from now on.

        Raises:
            NoAddress: it cannot.
        """
        if self._ftp is None:
            settings = self._settings.ftp
            server = FtpServer(settings, _Desk(self), root=ftp_root(self._settings.directory))
            try:
                await asyncio.to_thread(server.start)
            except OSError as error:
                raise NoAddress(
                    f"FTP cannot listen on {settings.host}:{settings.port}:"
                    f" {error.strerror or error}; set ftp_host or ftp_port to what is free"
                ) from None
            self._ftp = server
            _logger.info("FTP listens on %s:%d", settings.host, server.port)
        return self._ftp.port

    async def _stop_listening(self) -> None:
        if self._ftp is not None:
            _logger.info("FTP is not wanted any more")
            server, self._ftp = self._ftp, None
            self._draining = [one for one in self._draining if one.is_running]
            self._draining.append(server)
            await asyncio.to_thread(server.drain)

    def _look_in(self, delay_s: float) -> None:
        if self._next_look is not None:
            self._next_look.cancel()
        self._next_look = asyncio.get_running_loop().call_later(delay_s, self._look_soon)

    def _look_soon(self) -> None:
        if not self._is_closed:
            task = asyncio.create_task(self.look_after_ftp())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


class _Desk:
    """Decides for the FTP server's thread, in the event loop."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics
        self._loop = asyncio.get_running_loop()

    def may_log_in(self, user: str, password: str) -> bool:
        try:
            job = self._ask(self._diagnostics.wanted(user, "ftp"))
        except (LookupError, FileExistsError, StorageError, TimeoutError):
            return False
        return is_password_of(job, password)

    def begin(self, user: str, name: str) -> Incoming:
        try:
            return self._ask(self._diagnostics.begin(user, protocol="ftp", name=name))
        except (LookupError, FileExistsError) as error:
            raise Refused(str(error)) from None
        except (StorageError, TimeoutError) as error:
            raise OSError(str(error)) from None

    def end(self, incoming: Incoming, *, is_whole: bool, detail: str) -> bool:
        try:
            return self._ask(self._diagnostics.end(incoming, is_whole=is_whole, detail=detail))
        except (KeyError, TimeoutError):
            return False

    def _ask(self, question: Coroutine[Any, Any, T]) -> T:
        answer = asyncio.run_coroutine_threadsafe(question, self._loop)
        return answer.result(DESK_TIMEOUT_S)


def ftp_root(directory: Path) -> Path:
    """Return the empty directory that is the root of every FTP session."""
    return directory / "empty"
