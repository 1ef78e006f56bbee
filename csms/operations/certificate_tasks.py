"""Which certificates somebody has to look after, because they end soon or have ended."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from csms.domain.certificates import (
    CertificateFacts,
    CertificateTask,
    InstalledCertificate,
    IssuedCertificate,
    TaskKind,
    is_due,
    longest_held,
)
from csms.pki.authority import SERVER_RENEWAL, CertificateAuthority
from csms.pki.certificates import facts
from csms.pki.key_files import PkiError, read_certificates
from csms.storage import installed_certificates, issued_certificates
from csms.storage.store import Store

# Ours are renewed by themselves; one that was not a day after its time needs somebody.
_OWN_SERVER: Final = SERVER_RENEWAL - timedelta(days=1)

_TODO: Final = {
    TaskKind.SERVER: "replace the file by a renewed certificate; it is read again by itself",
    TaskKind.AUTHORITY: "make a new root and install it on every charge point",
    TaskKind.CLIENT_AUTHORITY: "replace it in the file of tls_client_ca",
    TaskKind.ISSUED: "have the charge point renew it: trigger SignChargePointCertificate",
    TaskKind.INSTALLED: "install its successor, then delete it",
}

_logger: Final = logging.getLogger(__name__)


class CertificateTasks:
    """Looks through files and database for certificates that end.

    Args:
        given: files of server certificates that the operator looks after.
        client_ca: the file of authorities trusted for charge points.
    """

    def __init__(
        self,
        store: Store,
        authority: CertificateAuthority,
        now: Callable[[], datetime],
        *,
        given: Sequence[Path] = (),
        client_ca: Path | None = None,
    ) -> None:
        self._store = store
        self._authority = authority
        self._now = now
        self._given = tuple(given)
        self._client_ca = client_ca

    async def due(self, within: timedelta) -> list[CertificateTask]:
        """Return what has ended or ends within a time, the most urgent first.

        Raises:
            StorageError: the database cannot be read.
        """
        at = self._now()
        issued, installed = await self._store.read(_held)
        found = await asyncio.to_thread(lambda: list(self._files(at, within)))
        found += _of_charge_points(longest_held(issued), installed, at, within)
        return sorted(found, key=lambda one: one.facts.not_after)

    def _files(self, at: datetime, within: timedelta) -> Iterator[CertificateTask]:
        for path in self._given:
            yield from self._file(TaskKind.SERVER, path, at, within, count=1)
        if not self._given:
            for path in self._authority.server_chains:
                yield from self._file(TaskKind.SERVER, path, at, min(within, _OWN_SERVER), count=1)
        yield from self._file(TaskKind.AUTHORITY, self._authority.trust_file, at, within)
        if self._client_ca is not None:
            yield from self._file(TaskKind.CLIENT_AUTHORITY, self._client_ca, at, within)

    def _file(
        self,
        kind: TaskKind,
        path: Path,
        at: datetime,
        within: timedelta,
        *,
        count: int | None = None,
    ) -> Iterator[CertificateTask]:
        try:
            certificates = read_certificates(path)
        except PkiError as error:
            _logger.error("%s", error)
            return
        for certificate in certificates[:count]:
            shown = facts(certificate)
            if is_due(shown.not_after, at=at, within=within):
                yield _task(kind, path.name, shown, at)


def _held(
    connection: Connection,
) -> tuple[list[IssuedCertificate], list[InstalledCertificate]]:
    return issued_certificates.held(connection), installed_certificates.held(connection)


def _of_charge_points(
    issued: Sequence[IssuedCertificate],
    installed: Sequence[InstalledCertificate],
    at: datetime,
    within: timedelta,
) -> Iterator[CertificateTask]:
    held: list[tuple[TaskKind, str, IssuedCertificate | InstalledCertificate]] = [
        *((TaskKind.ISSUED, "client certificate", one) for one in issued),
        *((TaskKind.INSTALLED, one.certificate_type, one) for one in installed),
    ]
    for kind, what, one in held:
        if one.facts is not None and is_due(one.facts.not_after, at=at, within=within):
            yield _task(kind, what, one.facts, at, identity=one.identity, record_id=one.record_id)


def _task(
    kind: TaskKind,
    what: str,
    shown: CertificateFacts,
    at: datetime,
    *,
    identity: str | None = None,
    record_id: int | None = None,
) -> CertificateTask:
    return CertificateTask(
        kind=kind,
        what=what,
        todo=_TODO[kind],
        facts=shown,
        is_expired=shown.not_after <= at,
        identity=identity,
        record_id=record_id,
    )
