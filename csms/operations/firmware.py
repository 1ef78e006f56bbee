"""The firmware repository, and updates of charge points from it."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from csms.domain.file_jobs import FirmwareFile, Job, JobKind, with_location
from csms.domain.times import format_time
from csms.files.vault import Incoming, Vault
from csms.ocppj.outcomes import CommandOutcome
from csms.operations.commanding import Commanding
from csms.operations.file_jobs import (
    FileJobEffect,
    FileSettings,
    new_job,
    new_request_id,
    new_token,
    tries,
)
from csms.pki.firmware_signatures import check_signature
from csms.storage import file_jobs, firmware
from csms.storage.store import Store

ACTIONS: Final = {
    JobKind.FIRMWARE: "UpdateFirmware",
    JobKind.SIGNED_FIRMWARE: "SignedUpdateFirmware",
}


class Unsigned(Exception):
    """A file without a signature cannot be ordered with one."""


class FirmwareUpdates:
    """Keeps firmware files and tells charge points to fetch them.

    Attributes:
        effects: what belongs to every UpdateFirmware and SignedUpdateFirmware, by action.
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
        self.effects = {
            action: FileJobEffect(store, kind, window=settings.window, now=now)
            for kind, action in ACTIONS.items()
        }

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

    async def sign(
        self, file: FirmwareFile, *, signature: str, signing_certificate: str
    ) -> FirmwareFile | None:
        """Keep a signature beside a file; None where the file was replaced meanwhile.

        Raises:
            BadSignature: it does not fit the file.
        """
        checked = check_signature(
            file.sha256,
            signature=signature,
            signing_certificate=signing_certificate,
            at=self._now(),
        )
        return await self._store.write(
            partial(
                firmware.sign,
                file=file,
                signature=checked.signature,
                signing_certificate=checked.signing_certificate,
                signature_algorithm=checked.algorithm,
            )
        )

    async def unsign(self, file: FirmwareFile) -> FirmwareFile | None:
        """Keep no signature beside a file; None where the file was replaced meanwhile."""
        return await self._store.write(
            partial(
                firmware.sign,
                file=file,
                signature=None,
                signing_certificate=None,
                signature_algorithm=None,
            )
        )

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
        order = {"retrieveDate": format_time(retrieve_at or self._now())}
        return await self._order(
            commanding,
            identity,
            file,
            JobKind.FIRMWARE,
            order | tries(retries, retry_interval_s),
        )

    async def order_signed(
        self,
        commanding: Commanding,
        identity: str,
        file: FirmwareFile,
        *,
        retrieve_at: datetime | None,
        install_at: datetime | None,
        retries: int | None,
        retry_interval_s: int | None,
    ) -> tuple[int, CommandOutcome]:
        """Tell a charge point to fetch a file, check its signature, and install it.

        Raises:
            Unsigned: the file has no signature.
            BadSignature: its certificate is no good any more.
            InvalidCommand: the charge point's state forbids it; the job says so too.
            NoAddress: charge points could not reach us.
        """
        if file.signature is None or file.signing_certificate is None:
            raise Unsigned(file.name)
        check_signature(
            file.sha256,
            signature=file.signature,
            signing_certificate=file.signing_certificate,
            at=self._now(),
        )
        order: dict[str, Any] = {
            "requestId": new_request_id(),
            "firmware": {
                "retrieveDateTime": format_time(retrieve_at or self._now()),
                "signature": file.signature,
                "signingCertificate": file.signing_certificate,
            },
        }
        if install_at is not None:
            order["firmware"]["installDateTime"] = format_time(install_at)
        return await self._order(
            commanding,
            identity,
            file,
            JobKind.SIGNED_FIRMWARE,
            order | tries(retries, retry_interval_s),
        )

    async def _order(
        self,
        commanding: Commanding,
        identity: str,
        file: FirmwareFile,
        kind: JobKind,
        order: dict[str, Any],
    ) -> tuple[int, CommandOutcome]:
        token = new_token()
        location = f"{self._base_url()}/files/firmware/{token}/{quote(file.name, safe='')}"
        order = with_location(kind, order, location)
        job = new_job(
            identity,
            kind,
            order,
            requested_at=self._now(),
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
        job_id = await self.effects[ACTIONS[kind]].prepare(location, job)
        return job_id, await commanding.send(identity, ACTIONS[kind], order)

    async def job_of(self, token: str) -> tuple[Job, FirmwareFile] | None:
        """Return the job whose location is asked for and the file offered now; None if closed."""
        job = await self._store.read(partial(file_jobs.by_token, token=token))
        if (
            job is None
            or not job.kind.is_firmware
            or job.firmware is None
            or job.canceled_at is not None
            or not job.command.may_have_arrived
            or self._now() >= job.until_at
        ):
            return None
        name = str(job.firmware["name"])
        file = await self._store.read(partial(firmware.get, name=name))
        if file is None:
            return None
        if job.kind is JobKind.SIGNED_FIRMWARE and file.sha256 != job.firmware["sha256"]:
            return None  # the signature that was ordered is not this file's
        return job, file
