"""Diagnostics and logs: asking for them, and receiving them over HTTP and FTP.

A job's file is taken once, as a whole; parts are kept apart until then. The newest try wins: an
older one, whose connection may be dead, is cut off.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from csms.domain.file_jobs import Job, JobKind, wants_file, with_location
from csms.files.ftp_server import Refused
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
from csms.operations.ftp_door import FtpDoor, ftp_root
from csms.storage import file_jobs
from csms.storage.errors import StorageError
from csms.storage.store import Store

DESK_TIMEOUT_S: Final = 10.0  # for the event loop to decide for the FTP thread

ACTIONS: Final = {JobKind.DIAGNOSTICS: "GetDiagnostics", JobKind.LOG: "GetLog"}
PATHS: Final = {JobKind.DIAGNOSTICS: "diagnostics", JobKind.LOG: "logs"}  # below /files/

T = TypeVar("T")

_logger: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class _Reception:
    """A transfer under way."""

    job: Job
    transfer_id: int
    incoming: Incoming


class Uploads:
    """Asks charge points for diagnostics and logs, and takes them.

    Attributes:
        effects: what belongs to every GetDiagnostics and GetLog, by action.
    """

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
        self._receptions: dict[str, _Reception] = {}  # by name on disk
        self._door = FtpDoor(
            store, settings.ftp, _Desk(self), root=ftp_root(settings.directory), now=now
        )
        self.effects = {
            action: _UploadEffect(
                store, kind, window=settings.window, now=now, after=self._door.look_soon
            )
            for kind, action in ACTIONS.items()
        }

    # --- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen again for those who were told to come before the CSMS ended."""
        await self._door.look()

    async def close(self) -> None:
        """Cut off what comes by FTP."""
        await self._door.close()

    @property
    def max_bytes(self) -> int:
        """Of one file."""
        return self._settings.max_diagnostics_bytes

    # --- commands ----------------------------------------------------------------------------

    async def order(
        self,
        commanding: Commanding,
        identity: str,
        kind: JobKind,
        order: dict[str, Any],
        *,
        protocol: str,
    ) -> tuple[int, CommandOutcome]:
        """Send a command that lacks only our location; return the job and the outcome.

        Args:
            kind: of the job; its command is sent.
            order: the command's payload without the location.
            protocol: ``http`` or ``ftp``.

        Raises:
            InvalidCommand: the charge point's state forbids it; the job says so too.
            NoAddress: charge points could not reach us.
        """
        effect = self.effects[ACTIONS[kind]]
        if protocol == "http":
            token = new_token()
            location = f"{self._base_url()}/files/{PATHS[kind]}/{token}/"
            order = with_location(kind, order, location)
            job_id = await effect.prepare(
                location, self._job(identity, kind, order, token=token, protocol=protocol)
            )
        else:
            # Shorter than for HTTP: clients in charge points have small buffers.
            token, password = new_token()[:16], new_token()[:24]
            host = self._ftp_host()
            async with self._door.opened() as port:
                location = f"ftp://{token}:{password}@{host}:{port}/"
                order = with_location(kind, order, location)
                job = self._job(
                    identity, kind, order, token=token, protocol=protocol, password=password
                )
                job_id = await effect.prepare(location, job)
        return job_id, await commanding.send(identity, ACTIONS[kind], order)

    def _job(
        self, identity: str, kind: JobKind, order: dict[str, Any], **of_location: Any
    ) -> file_jobs.NewJob:
        return new_job(
            identity,
            kind,
            order,
            requested_at=self._now(),
            window=self._settings.window,
            **of_location,
        )

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
        await self._door.look()

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
            "%s: %s job %d: %d bytes, %s",
            reception.job.identity,
            reception.job.kind,
            reception.job.job_id,
            stored.size_bytes,
            "whole" if is_whole else f"not whole: {detail}",
        )
        if is_whole:
            self._door.look_soon()
        return is_whole

    async def wanted(self, token: str, protocol: str) -> Job:
        """Return the job that waits for a file at this location; raise as `begin` does."""
        job = await self._store.read(partial(file_jobs.by_token, token=token))
        if job is None or job.kind not in ACTIONS or job.protocol != protocol:
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


class _UploadEffect(FileJobEffect):
    """A job whose command may make the FTP server needed, or needed no more."""

    def __init__(
        self,
        store: Store,
        kind: JobKind,
        *,
        window: timedelta,
        now: Callable[[], datetime],
        after: Callable[[], None],
    ) -> None:
        super().__init__(store, kind, window=window, now=now)
        self._after = after

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Send the command of a job, whoever gave it."""
        try:
            return await super().carry_out(order, send)
        finally:
            self._after()


class _Desk:
    """Decides for the FTP server's thread, in the event loop."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._loop = asyncio.get_running_loop()

    def may_log_in(self, user: str, password: str) -> bool:
        try:
            job = self._ask(self._uploads.wanted(user, "ftp"))
        except (LookupError, FileExistsError, StorageError, TimeoutError):
            return False
        return is_password_of(job, password)

    def begin(self, user: str, name: str) -> Incoming:
        try:
            return self._ask(self._uploads.begin(user, protocol="ftp", name=name))
        except (LookupError, FileExistsError) as error:
            raise Refused(str(error)) from None
        except (StorageError, TimeoutError) as error:
            raise OSError(str(error)) from None

    def end(self, incoming: Incoming, *, is_whole: bool, detail: str) -> bool:
        try:
            return self._ask(self._uploads.end(incoming, is_whole=is_whole, detail=detail))
        except (KeyError, TimeoutError):
            return False

    def _ask(self, question: Coroutine[Any, Any, T]) -> T:
        answer = asyncio.run_coroutine_threadsafe(question, self._loop)
        return answer.result(DESK_TIMEOUT_S)
