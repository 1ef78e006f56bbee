"""The firmware repository, and updates of charge points from it."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from csms.domain.file_jobs import FirmwareFile, Job, JobKind
from csms.domain.times import format_time
from csms.files.vault import Incoming, Vault
from csms.ocppj.outcomes import CommandOutcome
from csms.operations.commanding import Commanding
from csms.operations.file_jobs import FileJobEffect, FileSettings, new_job, new_token
from csms.storage import file_jobs, firmware
from csms.storage.store import Store


class FirmwareUpdates:
    """Keeps firmware files and tells charge points to fetch them.

    Attributes:
        effect: what belongs to every UpdateFirmware.
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
        self.effect = FileJobEffect(store, JobKind.FIRMWARE, window=settings.window, now=now)

    @property
    def max_bytes(self) -> int:
        """Of one file."""
        return self._settings.max_firmware_bytes

    # --- the repository ----------------------------------------------------------------------

    async def receive(self) -> Incoming:
        """Begin to receive a file.

        Raises:
            OSError: nothing can be stored.
        """
        return await asyncio.to_thread(self._vault.receive, limit_bytes=self.max_bytes)

    async def offer(
        self, incoming: Incoming, *, name: str, version: str
    ) -> tuple[FirmwareFile, bool]:
        """Offer a received file, in place of another of this name; say whether the name is new.

        Downloads under way end with the file they began with.

        Raises:
            OSError: it cannot be stored.
        """
        stored = await asyncio.to_thread(incoming.keep)
        file = FirmwareFile(
            name=name,
            version=version,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            stored_as=stored.stored_as,
            uploaded_at=self._now(),
        )
        replaced = await self._store.write(partial(firmware.put, file=file))
        if replaced is not None:
            await asyncio.to_thread(self._vault.remove, replaced.stored_as)
        return file, replaced is None

    async def withdraw(self, name: str) -> bool:
        """Offer a file no longer; say whether it was."""
        removed = await self._store.write(partial(firmware.remove, name=name))
        if removed is not None:
            await asyncio.to_thread(self._vault.remove, removed.stored_as)
        return removed is not None

    # --- updates -----------------------------------------------------------------------------

    async def order(
        self,
        commanding: Commanding,
        identity: str,
        file: FirmwareFile,
        *,
        retrieve_at: datetime | None,
        retries: int | None,
        retry_interval_s: int | None,
    ) -> tuple[int, CommandOutcome]:
        """Tell a charge point to fetch and install a file; return the job and the outcome.

        Raises:
            InvalidCommand: the charge point's state forbids it; the job says so too.
            NoAddress: charge points could not reach us.
        """
        now = self._now()
        token = new_token()
        location = f"{self._base_url()}/files/firmware/{token}/{quote(file.name, safe='')}"
        payload: dict[str, Any] = {
            "location": location,
            "retrieveDate": format_time(retrieve_at or now),
        }
        if retries is not None:
            payload["retries"] = retries
        if retry_interval_s is not None:
            payload["retryInterval"] = retry_interval_s
        job = new_job(
            identity,
            JobKind.FIRMWARE,
            payload,
            requested_at=now,
            window=self._settings.window,
            token=token,
            protocol="http",
            firmware={
                "name": file.name,
                "version": file.version,
                "size": file.size_bytes,
                "sha256": file.sha256,
            },
        )
        job_id = await self.effect.prepare(location, job)
        return job_id, await commanding.send(identity, "UpdateFirmware", payload)

    async def job_of(self, token: str) -> tuple[Job, FirmwareFile] | None:
        """Return the job whose location is asked for and the file offered now; None if closed."""
        job = await self._store.read(partial(file_jobs.by_token, token=token))
        if (
            job is None
            or job.kind is not JobKind.FIRMWARE
            or job.firmware is None
            or not job.command.may_have_arrived
            or self._now() >= job.until_at
        ):
            return None
        name = str(job.firmware["name"])
        file = await self._store.read(partial(firmware.get, name=name))
        return None if file is None else (job, file)
