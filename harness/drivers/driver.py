"""What every way of making a Central System act has in common.

A driver starts an operation and tells what it was told. It never decides a verdict: the wire does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from harness.model import Json


class Operation(StrEnum):
    """All that a driver can be asked for: a closed set."""

    # OCPP 1.6 ed. 2 §5, in its order.
    CANCEL_RESERVATION = "CancelReservation"
    CHANGE_AVAILABILITY = "ChangeAvailability"
    CHANGE_CONFIGURATION = "ChangeConfiguration"
    CLEAR_CACHE = "ClearCache"
    CLEAR_CHARGING_PROFILE = "ClearChargingProfile"
    DATA_TRANSFER = "DataTransfer"
    GET_COMPOSITE_SCHEDULE = "GetCompositeSchedule"
    GET_CONFIGURATION = "GetConfiguration"
    GET_DIAGNOSTICS = "GetDiagnostics"
    GET_LOCAL_LIST_VERSION = "GetLocalListVersion"
    REMOTE_START_TRANSACTION = "RemoteStartTransaction"
    REMOTE_STOP_TRANSACTION = "RemoteStopTransaction"
    RESERVE_NOW = "ReserveNow"
    RESET = "Reset"
    SEND_LOCAL_LIST = "SendLocalList"
    SET_CHARGING_PROFILE = "SetChargingProfile"
    TRIGGER_MESSAGE = "TriggerMessage"
    UNLOCK_CONNECTOR = "UnlockConnector"
    UPDATE_FIRMWARE = "UpdateFirmware"
    # Security extension.
    CERTIFICATE_SIGNED = "CertificateSigned"
    DELETE_CERTIFICATE = "DeleteCertificate"
    EXTENDED_TRIGGER_MESSAGE = "ExtendedTriggerMessage"
    GET_INSTALLED_CERTIFICATE_IDS = "GetInstalledCertificateIds"
    GET_LOG = "GetLog"
    INSTALL_CERTIFICATE = "InstallCertificate"
    SIGNED_UPDATE_FIRMWARE = "SignedUpdateFirmware"
    # Provisioning: stations, and id tags by role.
    STATION = "station"
    VALID_TAG = "id_tag.valid"
    SECOND_VALID_TAG = "id_tag.valid_2"
    PARENT_TAG = "id_tag.parent"
    INVALID_TAG = "id_tag.invalid"
    EXPIRED_TAG = "id_tag.expired"
    BLOCKED_TAG = "id_tag.blocked"

    @property
    def role(self) -> str:
        """The role of the id tags it registers; empty for any other operation."""
        return self.partition(".")[2]

    @property
    def is_command(self) -> bool:
        """Whether it makes the Central System send the request of this name."""
        return self is not Operation.STATION and not self.role


COMMANDS: Final = tuple(one for one in Operation if one.is_command)
ROLES: Final = {one.role: one for one in Operation if one.role}


@dataclass(frozen=True, slots=True)
class Credentials:
    """One charge point identity the run may use, and what it proves itself with.

    Attributes:
        password: for Basic auth.
        role: what it is for, where it is for something special; empty: for any case.
        serial_number, organization: subject of its certificates.
    """

    identity: str
    password: bytes | None = field(default=None, repr=False)
    security_profile: int = 0
    role: str = ""
    serial_number: str = ""
    organization: str = ""


class Outcome(StrEnum):
    """What became of a command, as far as the driver can tell."""

    DONE = "done"
    REFUSED = "refused"  # the Central System declined: offline, unknown
    UNSUPPORTED = "unsupported"  # nothing was asked: no way to ask for it, or for this form of it
    SKIPPED = "skipped"  # a person passed over it
    FAILED = "failed"  # the interface itself broke
    PENDING = "pending"  # nothing was said yet


@dataclass(frozen=True, slots=True)
class DriverOutcome:
    """What the driver was told.

    Attributes:
        summary: one line for people.
        answer: the charge point's own answer, where the interface hands it on.
    """

    outcome: Outcome
    summary: str
    answer: Json = None


class DriverError(Exception):
    """There can be no such driver; the message names cause and remedy."""


class ProvisioningError(Exception):
    """The Central System would not register what the run needs; the message names the request."""


class Driver(Protocol):
    """Makes one Central System act."""

    @property
    def is_patient(self) -> bool:
        """Whether a command may take its time (a person): it has no deadline until it was told."""

    def cannot(self, operation: Operation) -> str:
        """Return why an operation is out of its reach, before anything runs; "" when it is not.

        A role or station it does not register is one that has to be there already.
        """

    def remarks(self) -> Sequence[str]:
        """Return what it noticed that belongs to no command, as whole sentences."""

    async def prepare(
        self, identities: Sequence[Credentials], id_tags: Mapping[str, Sequence[str]]
    ) -> None:
        """Register the identities and id tags, or raise ProvisioningError."""

    async def restore(self, credentials: Credentials) -> bool:
        """Register an identity anew, after a case changed it; False where nothing can do so.

        Raises:
            ProvisioningError: the Central System would not.
        """

    async def command(
        self, identity: str, operation: Operation, payload: Mapping[str, Json]
    ) -> DriverOutcome:
        """Make the Central System send a request; never raises for what the other side does."""

    async def close(self) -> None:
        """Give back what the driver holds."""


class NoDriver:
    """Nobody acts: cases with operator steps stay inconclusive."""

    is_patient = False

    def cannot(self, operation: Operation) -> str:
        """Say that nobody can do anything, and what to do about it."""
        if operation.is_command:
            return (
                f"no driver: nobody can make the Central System send {operation}; "
                "add a `driver` to the system-under-test file"
            )
        return "no driver: nothing registers stations and id tags; they have to be there"

    def remarks(self) -> Sequence[str]:
        """Notice nothing."""
        return ()

    async def prepare(
        self, identities: Sequence[Credentials], id_tags: Mapping[str, Sequence[str]]
    ) -> None:
        """Register nothing: whoever wrote the file says that all of it exists."""

    async def restore(self, credentials: Credentials) -> bool:
        """Register nothing."""
        return False

    async def command(
        self, identity: str, operation: Operation, payload: Mapping[str, Json]
    ) -> DriverOutcome:
        """Ask for nothing, and say why."""
        return DriverOutcome(Outcome.UNSUPPORTED, self.cannot(operation))

    async def close(self) -> None:
        """Hold nothing."""
