"""The FTP server as a door that is open only while somebody is expected.

Which jobs want a file by FTP is read from the database; a timer looks again when the first of them
runs out.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from csms.files.ftp_server import Desk, FtpServer, FtpSettings
from csms.operations.file_jobs import NoAddress
from csms.storage import file_jobs
from csms.storage.errors import StorageError
from csms.storage.store import Store

NEXT_LOOK_S: Final = 3600.0  # at the latest, whether the FTP server is still wanted
JUST_AFTER_S: Final = 0.05  # timers and clocks differ

_logger: Final = logging.getLogger(__name__)


def ftp_root(directory: Path) -> Path:
    """Return the empty directory that is the root of every FTP session."""
    return directory / "empty"


class FtpDoor:
    """Listens while a job wants it."""

    def __init__(
        self,
        store: Store,
        settings: FtpSettings,
        desk: Desk,
        *,
        root: Path,
        now: Callable[[], datetime],
    ) -> None:
        """Prepare; `desk` decides about logins and files, `root` is an empty directory."""
        self._store = store
        self._settings = settings
        self._desk = desk
        self._root = root
        self._now = now
        self._listening = asyncio.Lock()
        self._ftp: FtpServer | None = None
        self._draining: list[FtpServer] = []
        self._next_look: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

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

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[int]:
        """Listen, and tell the port; in the context a job is made that wants it.

        Raises:
            NoAddress: it cannot.
        """
        try:
            async with self._listening:
                yield await self._listen()
        except BaseException:  # then nobody may want to be listened for
            self.look_soon()
            raise

    async def look(self) -> None:
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

    def look_soon(self) -> None:
        """Look without anybody waiting for it."""
        if not self._is_closed:
            task = asyncio.create_task(self.look())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _listen(self) -> int:
        """Return the port of the FTP server, which listens from now on.

        Raises:
            NoAddress: it cannot.
        """
        if self._ftp is None:
            settings = self._settings
            server = FtpServer(settings, self._desk, root=self._root)
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
        self._next_look = asyncio.get_running_loop().call_later(delay_s, self.look_soon)
