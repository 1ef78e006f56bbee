"""What the CSMS answers to each CALL of a charge point.

Every answer is a CALLRESULT payload that fits the strictest reading of the schemas: no null, no
field beyond them. A transaction message is answered only after it is stored for good. Nothing here
sends anything by itself, and business outcomes are never CALLERRORs (CS-RPC-12, 13).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from csms.domain.authorization import authorize
from csms.domain.file_jobs import JobKind
from csms.domain.model import ChargePoint, IdTagInfo, RegistrationStatus
from csms.domain.numbers import INT32_MAX, whole_number
from csms.domain.registration import boot_interval_s, read_boot
from csms.domain.security_events import read_event
from csms.domain.statuses import read_status
from csms.domain.times import format_time
from csms.domain.transactions import read_start, read_stop
from csms.domain.triggers import FollowingMessage, connector_of
from csms.ocppj.errors import CallFailure, ErrorCode
from csms.ocppj.trigger_watch import TriggerWatch
from csms.storage import (
    charge_points,
    file_jobs,
    id_tags,
    meter_values,
    security_events,
    statuses,
    transactions,
    triggers,
)
from csms.storage.errors import StorageError
from csms.storage.store import Store

logger = logging.getLogger(__name__)

# Sent by charge points whether or not a job is known; always acknowledged in full (CS-FW-01,
# CS-FW-02, CS-SEC-13, CS-SEC-15).
FILE_STATUSES: Final = {
    "DiagnosticsStatusNotification": JobKind.DIAGNOSTICS,
    "FirmwareStatusNotification": JobKind.FIRMWARE,
    "LogStatusNotification": JobKind.LOG,
    "SignedFirmwareStatusNotification": JobKind.SIGNED_FIRMWARE,
}


@dataclass(frozen=True, slots=True)
class Received:
    """A CALL that passed the registration gate, validation and the duplicate check.

    Attributes:
        payload: an object; `null` was turned into an empty one.
        text: the frame as it came.
        quirks: known faults the validator let pass; they are kept with the record.
    """

    identity: str
    action: str
    message_id: str
    payload: dict[str, Any]
    text: str
    received_at: datetime
    quirks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerSettings:
    """What an operator can set about the answers.

    Attributes:
        heartbeat_interval_s: for accepted charge points without an interval of their own.
        boot_retry_interval_s: for the others; 0 leaves the choice to them (CS-BOOT-02).
        allow_concurrent_transactions: whether a tag may have more than one running transaction.
    """

    heartbeat_interval_s: int = 300
    boot_retry_interval_s: int = 60
    allow_concurrent_transactions: bool = True


class CertificateRequests(Protocol):
    """Takes certificate requests of charge points, and answers them by a command later."""

    async def request(self, identity: str, csr: str) -> bool:
        """Take a request; False refuses it."""

    def answered(self, identity: str) -> None:
        """A CALL is about to be answered: from the next turn on commands follow its answer."""


class Handlers:
    """Carries out what charge points ask for."""

    def __init__(
        self,
        store: Store,
        *,
        settings: HandlerSettings,
        now: Callable[[], datetime],
        triggers: TriggerWatch | None = None,
        certificates: CertificateRequests | None = None,
    ) -> None:
        self._store = store
        self._triggers = triggers or TriggerWatch()
        self._certificates = certificates
        self._settings = settings
        self._now = now
        self._handlers: dict[str, Callable[[Received], Awaitable[dict[str, Any]]]] = {
            "Authorize": self._authorize,
            "BootNotification": self._boot_notification,
            "DataTransfer": self._data_transfer,
            "Heartbeat": self._heartbeat,
            "MeterValues": self._meter_values,
            "SecurityEventNotification": self._security_event,
            "SignCertificate": self._sign_certificate,
            "StartTransaction": self._start_transaction,
            "StatusNotification": self._status_notification,
            "StopTransaction": self._stop_transaction,
        }
        for action, kind in FILE_STATUSES.items():
            self._handlers[action] = partial(self._file_status, kind)
        self.known: frozenset[str] = frozenset(self._handlers)

    async def handle(self, received: Received) -> dict[str, Any]:
        """Carry out a CALL of a `known` action and return the CALLRESULT's payload.

        Raises:
            CallFailure: the answer is a CALLERROR: InternalError where it could not be stored.
        """
        try:
            answer = await self._handlers[received.action](received)
            await self._note_triggered(received)
            if self._certificates is not None:  # last: what it sends must follow this answer
                self._certificates.answered(received.identity)
            return answer
        except StorageError as exc:
            logger.error(
                "%s: %s %s was not stored: %s",
                received.identity,
                received.action,
                received.message_id,
                exc,
            )
            raise CallFailure(ErrorCode.INTERNAL_ERROR, "The message was not stored.") from exc

    async def _authorize(self, received: Received) -> dict[str, Any]:
        id_tag = str(received.payload.get("idTag", ""))
        tag = await self._store.read(partial(id_tags.get, id_tag=id_tag))
        return {"idTagInfo": _id_tag_info(authorize(tag, at=self._now()))}

    async def _boot_notification(self, received: Received) -> dict[str, Any]:
        boot = read_boot(received.payload)

        def record(connection: Connection) -> ChargePoint | None:
            identity, at = received.identity, received.received_at
            version = boot.firmware_version
            file_jobs.record_boot(connection, identity, version=version, at=at)
            return charge_points.record_boot(connection, identity, boot=boot, at=at)

        charge_point = await self._store.write(record)
        # Removed while connected: the next connection is refused, until then it is Rejected.
        status = charge_point.registration if charge_point else RegistrationStatus.REJECTED
        interval_s = boot_interval_s(
            charge_point,
            heartbeat_interval_s=self._settings.heartbeat_interval_s,
            retry_interval_s=self._settings.boot_retry_interval_s,
        )
        return {
            "status": status.value,
            "currentTime": format_time(self._now()),
            "interval": interval_s,
        }

    async def _data_transfer(self, received: Received) -> dict[str, Any]:
        # No vendor's messages are agreed on; an unknown vendor gets no data back (CS-DT-01).
        return {"status": "UnknownVendorId"}

    async def _file_status(self, kind: JobKind, received: Received) -> dict[str, Any]:
        payload = received.payload
        await self._store.write(
            partial(
                file_jobs.record_status,
                identity=received.identity,
                kind=kind,
                status=str(payload.get("status", "")),
                request_id=whole_number(payload.get("requestId")) if kind.has_request_id else None,
                at=received.received_at,
                flags=received.quirks,
            )
        )
        return {}

    async def _heartbeat(self, received: Received) -> dict[str, Any]:
        return {"currentTime": format_time(self._now())}

    async def _meter_values(self, received: Received) -> dict[str, Any]:
        payload = received.payload
        meter_value = payload.get("meterValue")
        await self._store.write(
            partial(
                meter_values.add,
                identity=received.identity,
                connector_id=whole_number(payload.get("connectorId"), maximum=INT32_MAX),
                transaction_id=whole_number(payload.get("transactionId")),
                meter_value=meter_value if isinstance(meter_value, list) else [],
                received_at=received.received_at,
                flags=received.quirks,
            )
        )
        return {}

    async def _note_triggered(self, received: Received) -> None:
        """Keep that a message followed a trigger; hardly any does."""
        connector_id = connector_of(received.action, received.payload)
        record_id = self._triggers.match(
            received.identity, received.action, connector_id, received.received_at
        )
        if record_id is None:
            return
        message = FollowingMessage(received.message_id, connector_id, received.received_at)
        try:
            await self._store.write(partial(triggers.follow, record_id=record_id, message=message))
        except StorageError as exc:  # what the message itself says is stored
            logger.error("%s: a triggered message was not noted: %s", received.identity, exc)

    async def _security_event(self, received: Received) -> dict[str, Any]:
        # Whatever its type is, nothing is answered (CS-SEC-07).
        event = read_event(received.payload, received_at=received.received_at)
        await self._store.write(
            partial(
                security_events.report,
                identity=received.identity,
                event=event,
                at=received.received_at,
                flags=received.quirks,
            )
        )
        return {}

    async def _sign_certificate(self, received: Received) -> dict[str, Any]:
        csr = str(received.payload.get("csr", ""))
        is_taken = self._certificates is not None and await self._certificates.request(
            received.identity, csr
        )
        return {"status": "Accepted" if is_taken else "Rejected"}

    async def _start_transaction(self, received: Received) -> dict[str, Any]:
        begun = read_start(
            received.identity,
            received.payload,
            received_at=received.received_at,
            quirks=received.quirks,
        )
        started = await self._store.write(
            partial(
                transactions.start,
                begun=begun,
                allow_concurrent=self._settings.allow_concurrent_transactions,
            )
        )
        return {
            "transactionId": started.transaction_id,
            "idTagInfo": _id_tag_info(started.id_tag_info),
        }

    async def _status_notification(self, received: Received) -> dict[str, Any]:
        report = read_status(
            received.payload, received_at=received.received_at, quirks=received.quirks
        )
        if report.connector_id is None:
            raise CallFailure(
                ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "connectorId is not a connector."
            )
        await self._store.write(partial(statuses.record, identity=received.identity, report=report))
        return {}

    async def _stop_transaction(self, received: Received) -> dict[str, Any]:
        ended = read_stop(
            received.identity,
            received.payload,
            received_at=received.received_at,
            quirks=received.quirks,
        )
        stopped = await self._store.write(partial(transactions.stop, ended=ended))
        if stopped.id_tag_info is None:  # omitted, not null and not empty (CS-STOP-03)
            return {}
        return {"idTagInfo": _id_tag_info(stopped.id_tag_info)}


def _id_tag_info(info: IdTagInfo) -> dict[str, Any]:
    payload = {"status": info.status.value}
    if info.expires_at is not None:
        payload["expiryDate"] = format_time(info.expires_at)
    if info.parent_id_tag is not None:
        payload["parentIdTag"] = info.parent_id_tag
    return payload
