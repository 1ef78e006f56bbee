"""What the CSMS knows: charge points, tags, transactions, readings. Frozen data only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from csms.domain.meter_values import Sample, samples
from csms.domain.scopes import Scope


class RegistrationStatus(StrEnum):
    """Whether a charge point may operate (OCPP 1.6 ed. 2 §7.39)."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


class AuthorizationStatus(StrEnum):
    """What an id tag may do (OCPP 1.6 ed. 2 §7.2)."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    CONCURRENT_TX = "ConcurrentTx"


@dataclass(frozen=True, slots=True)
class BootInformation:
    """What a charge point said of itself in its last BootNotification, as it came."""

    charge_point_vendor: str | None = None
    charge_point_model: str | None = None
    charge_point_serial_number: str | None = None
    charge_box_serial_number: str | None = None
    firmware_version: str | None = None
    iccid: str | None = None
    imsi: str | None = None
    meter_type: str | None = None
    meter_serial_number: str | None = None


@dataclass(frozen=True, slots=True)
class ChargePoint:
    """A charge point the operator knows, or that was registered by itself.

    Attributes:
        identity: decoded, as in the URL; case-sensitive.
        registration: what the operator decided; survives reconnects and restarts (CS-BOOT-03).
        credential: opaque verifier text of `csms.credentials`; None for an open station.
        heartbeat_interval_s: overrides the CSMS-wide interval.
        boot: the last BootNotification's content.
        is_boot_proven: whoever sent it had proven to be the charge point (security profile 1 to 3).
        booted_at: when that came; None before the first.
        accepted_at: when a BootNotification was last answered Accepted. Only then does the
            charge point know; the operator's decision alone is not enough.
        last_seen_at: the last sign of life that was written down; a live session knows better.
        send_local_list_max_length: entries one SendLocalList may have, as the operator set it.
        security_profile: 0 to 3, how it has to connect (security whitepaper, A00).
        target_security_profile: a higher one it was told to take; open until it connects so.
        certificate_name: a common name its certificates may bear beside those known of it.
    """

    identity: str
    registration: RegistrationStatus
    credential: str | None
    heartbeat_interval_s: int | None
    registered_at: datetime
    updated_at: datetime
    boot: BootInformation = BootInformation()
    is_boot_proven: bool = False
    booted_at: datetime | None = None
    accepted_at: datetime | None = None
    last_seen_at: datetime | None = None
    send_local_list_max_length: int | None = None
    security_profile: int = 0
    target_security_profile: int | None = None
    certificate_name: str | None = None


@dataclass(frozen=True, slots=True)
class IdTag:
    """A token the operator issued.

    Attributes:
        status: Accepted, Blocked, Expired or Invalid; never ConcurrentTx (CS-AUTH-03).
        expires_at: from then on an accepted tag is Expired; None for never.
        parent_id_tag: the group; members of one group may stop each other's transactions.
    """

    id_tag: str
    status: AuthorizationStatus = AuthorizationStatus.ACCEPTED
    expires_at: datetime | None = None
    parent_id_tag: str | None = None


@dataclass(frozen=True, slots=True)
class IdTagInfo:
    """What a charge point is told of a token (OCPP 1.6 ed. 2 §7.27)."""

    status: AuthorizationStatus
    expires_at: datetime | None = None
    parent_id_tag: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectorState:
    """The newest status known of one connector; 0 is the charge point itself.

    Attributes:
        status: a status of §7.7, or whatever word the charge point used.
        reported_at: the charge point's time of the status, or of receipt where it gave none.
        is_stale: the charge point booted since (CS-BOOT-09).
    """

    identity: str
    connector_id: int
    status: str
    error_code: str
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    reported_at: datetime
    received_at: datetime
    is_stale: bool


@dataclass(frozen=True, slots=True)
class StatusRecord:
    """One StatusNotification as it came, oldest and newest alike.

    Attributes:
        timestamp: what the charge point wrote, as text; None where it wrote nothing.
        is_current: it became the connector's state when it came (CS-STAT-02).
    """

    record_id: int
    identity: str
    connector_id: int
    status: str
    error_code: str
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    timestamp: str | None
    reported_at: datetime
    received_at: datetime
    is_current: bool
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Transaction:
    """A charging session, from its StartTransaction to its StopTransaction.

    Attributes:
        transaction_id: unique for ever, positive, 32 bit.
        connector_id: None where the charge point sent no usable number.
        id_tag: as received.
        authorization: what the start was answered with; a refused start is a transaction too.
        meter_start_wh: register reading; None where it was no usable number.
        started_at: the charge point's time, or of receipt where it gave no readable one.
        stopped_at: None while it runs.
        stop_reason: `Local` where the charge point gave none (CS-STOP-05).
        transaction_data: MeterValue objects of the StopTransaction, as they came.
        flags: what is odd about it, see `csms.domain.transactions.Flag`, and field quirks.
    """

    transaction_id: int
    identity: str
    connector_id: int | None
    id_tag: str
    authorization: IdTagInfo
    meter_start_wh: int | None
    started_at: datetime
    start_received_at: datetime
    reservation_id: int | None
    meter_stop_wh: int | None
    stopped_at: datetime | None
    stop_received_at: datetime | None
    stop_reason: str | None
    stop_id_tag: str | None
    transaction_data: list[Any]
    flags: tuple[str, ...]

    @property
    def samples(self) -> list[Sample]:
        """The samples of the StopTransaction with defaults and normal units."""
        return samples(self.transaction_data)

    @property
    def energy_wh(self) -> int | None:
        """What was delivered; None while it runs, or where the meter tells nothing sane."""
        if self.meter_start_wh is None or self.meter_stop_wh is None:
            return None
        energy_wh = self.meter_stop_wh - self.meter_start_wh
        return energy_wh if energy_wh >= 0 else None


@dataclass(frozen=True, slots=True)
class OrphanStop:
    """A StopTransaction that closes nothing we know, kept for reconciliation (CS-STOP-02).

    Attributes:
        claimed_transaction_id: the number as text; any size.
        cause: ``unknown``, ``foreign`` (another charge point's) or ``already_stopped``.
        payload: as received.
    """

    record_id: int
    identity: str
    claimed_transaction_id: str
    cause: str
    stopped_at: datetime
    received_at: datetime
    payload: dict[str, Any]
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MeterValuesRecord:
    """One MeterValues message.

    Attributes:
        transaction_id: as received, where it fits; may be -1, 0 or another station's.
        meter_value: MeterValue objects as they came.
    """

    record_id: int
    identity: str
    connector_id: int | None
    transaction_id: int | None
    received_at: datetime
    meter_value: list[Any]
    flags: tuple[str, ...]

    @property
    def samples(self) -> list[Sample]:
        """Its samples with defaults and normal units."""
        return samples(self.meter_value)


@dataclass(frozen=True, slots=True)
class ConnectionEvent:
    """Something that happened to a charge point's connection."""

    record_id: int
    identity: str
    event: str
    at: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """One frame on a charge point's wire.

    Attributes:
        direction: ``received`` (from the charge point) or ``sent``.
        text: the frame; secrets are masked when it is stored.
    """

    identity: str
    direction: str
    at: datetime
    text: str
    action: str | None = None
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message-log entry with its place in the log."""

    record_id: int
    message: LoggedMessage


@dataclass(frozen=True, slots=True)
class QuarantinedMessage:
    """A transaction message that was refused; its raw text waits for a person.

    Attributes:
        times: how often the charge point sent it.
    """

    record_id: int
    identity: str
    action: str
    text: str
    reason: str
    first_at: datetime
    last_at: datetime
    times: int


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A bearer token of the HTTP API; only its digest is kept."""

    name: str
    digest: str
    created_at: datetime
    revoked_at: datetime | None
    scope: Scope
