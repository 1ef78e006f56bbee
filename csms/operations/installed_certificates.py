"""Root certificates on charge points: what commands about them make true (CS-SEC-11, CS-SEC-12).

Every InstallCertificate, GetInstalledCertificateIds and DeleteCertificate is followed here, whoever
sent it; one at a time to a charge point, so that a list is not older than what it is held against.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from csms.domain.certificates import (
    CertificateFacts,
    HashData,
    InstalledCertificate,
    InstalledState,
    read_hash_data,
    write_hash_data,
)
from csms.ocppj import command_rules
from csms.ocppj.outcomes import Answered, CommandOutcome, Refused
from csms.operations.commanding import Commanding, Order, Send
from csms.operations.locks import Locks
from csms.operations.recording import send_recorded
from csms.pki.certificates import BadCertificate, facts, names_of, read_one, write_chain
from csms.storage import installed_certificates
from csms.storage.store import Store

_INSTALLED: Final = {
    "Accepted": InstalledState.INSTALLED,
    "Rejected": InstalledState.REJECTED,
    "Failed": InstalledState.FAILED,
}
_DELETIONS: Final = frozenset({"Accepted", "Failed", "NotFound"})


class InstallCertificateEffect:
    """What an InstallCertificate makes true of a charge point's roots."""

    def __init__(self, store: Store, locks: Locks, now: Callable[[], datetime]) -> None:
        self._store = store
        self._locks = locks
        self._now = now

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Write it down, send it, settle it; the charge point judges the certificate."""
        if command_rules.problems(order.action, order.payload):
            return await send()  # which refuses it
        pem = order.payload["certificate"]
        known, names = await asyncio.to_thread(_read, pem)
        async with self._locks.of(order.identity):
            record_id = await self._store.write(
                partial(
                    installed_certificates.request,
                    identity=order.identity,
                    certificate_type=order.payload["certificateType"],
                    pem=pem,
                    facts=known,
                    names=names,
                    at=self._now(),
                )
            )
            order.on_recorded(record_id)

            async def withdraw() -> None:
                await self._store.write(
                    partial(installed_certificates.withdraw, record_id=record_id)
                )

            async def settle(outcome: CommandOutcome | None) -> None:
                await self._store.write(
                    partial(
                        installed_certificates.settle,
                        record_id=record_id,
                        state=_installed(outcome),
                        at=self._now(),
                    )
                )

            return await send_recorded(send, withdraw=withdraw, settle=settle)


def _read(pem: str) -> tuple[CertificateFacts | None, Sequence[HashData]]:
    try:
        certificate = read_one(pem)
        return facts(certificate), names_of(certificate)
    except BadCertificate:  # an operator may want to see it refused
        return None, ()


def _installed(outcome: CommandOutcome | None) -> InstalledState:
    match outcome:
        case Answered({"status": str(status)}) if status in _INSTALLED:
            return _INSTALLED[status]
        case Refused():
            return InstalledState.REFUSED
    return InstalledState.UNKNOWN


class GetInstalledCertificateIdsEffect:
    """What a charge point's list tells of the roots it holds."""

    def __init__(self, store: Store, locks: Locks, now: Callable[[], datetime]) -> None:
        self._store = store
        self._locks = locks
        self._now = now

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Send it and keep the answer."""
        async with self._locks.of(order.identity):
            outcome = await send()
            reported = _reported(outcome)
            if reported is not None:
                await self._store.write(
                    partial(
                        installed_certificates.record_reported,
                        identity=order.identity,
                        certificate_type=order.payload["certificateType"],
                        reported=reported,
                        at=self._now(),
                    )
                )
        return outcome


def _reported(outcome: CommandOutcome) -> list[HashData] | None:
    """Return what was reported; None where the answer tells nothing."""
    match outcome:
        case Answered({"status": "NotFound"}):
            return []
        case Answered({"status": "Accepted", "certificateHashData": list(items)}):
            read = [read_hash_data(one) for one in items]
            return [one for one in read if one is not None]
        case Answered({"status": "Accepted"} as payload) if "certificateHashData" not in payload:
            return []  # some say so when there is none
    return None


class DeleteCertificateEffect:
    """What a DeleteCertificate makes true of a charge point's roots."""

    def __init__(self, store: Store, locks: Locks, now: Callable[[], datetime]) -> None:
        self._store = store
        self._locks = locks
        self._now = now

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Send it and keep the answer."""
        data = read_hash_data(order.payload.get("certificateHashData"))
        async with self._locks.of(order.identity):
            outcome = await send()
            match outcome:
                case Answered({"status": str(status)}) if status in _DELETIONS and data:
                    await self._store.write(
                        partial(
                            installed_certificates.record_deletion,
                            identity=order.identity,
                            data=data,
                            answer=status,
                            at=self._now(),
                        )
                    )
        return outcome


async def install(
    commanding: Commanding, store: Store, identity: str, *, certificate_type: str, pem: str
) -> tuple[CommandOutcome, InstalledCertificate | None]:
    """Install a root on a charge point, as clean PEM with LF line ends.

    Returns:
        How that ended, and the certificate as it stands now; none where nothing was sent.

    Raises:
        BadCertificate: it is not exactly one certificate.
        InvalidCommand: it must not be sent; nothing was.
    """
    certificate = await asyncio.to_thread(read_one, pem)
    payload: dict[str, Any] = {
        "certificateType": certificate_type,
        "certificate": write_chain([certificate]),
    }
    recorded: list[int] = []
    outcome = await commanding.send(
        identity, "InstallCertificate", payload, on_recorded=recorded.append
    )
    if not recorded:
        return outcome, None
    found = await store.read(
        partial(installed_certificates.get, identity=identity, record_id=recorded[0])
    )
    return outcome, found


async def remove(commanding: Commanding, installed: InstalledCertificate) -> CommandOutcome:
    """Delete a root from a charge point.

    Raises:
        InvalidCommand: it must not be sent; nothing was.
        LookupError: nobody knows how the charge point names it.
    """
    data = installed.deletable_as
    if data is None:
        raise LookupError("its hash data is not known; list what the charge point holds first")
    return await commanding.send(
        installed.identity, "DeleteCertificate", {"certificateHashData": write_hash_data(data)}
    )
