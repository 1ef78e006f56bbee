"""Triggered messages: what was asked for, and what followed.

Spec: OCPP 1.6 ed. 2 §5.17 (CS-TRG). The answer to TriggerMessage only announces the message, which
comes as a CALL of its own like any other; it is recognised by its action, its connector and time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from csms.domain.numbers import INT32_MAX, whole_number

WINDOW: Final = timedelta(seconds=60)  # what comes later is not counted as an effect
MAX_FOLLOWING: Final = 256  # messages kept for one trigger; one for each connector

# What ExtendedTriggerMessage asks for, where the message is called otherwise (whitepaper §6.16).
EXTENDED_NAMES: Final = {
    "FirmwareStatusNotification": "SignedFirmwareStatusNotification",
    "SignChargePointCertificate": "SignCertificate",
}

# The others concern the charge point as a whole; for them `connectorId` means nothing (§6.51).
OF_CONNECTORS: Final = frozenset({"MeterValues", "StatusNotification"})


class TriggerStatus(StrEnum):
    """How a TriggerMessage was answered; the station's words (§7.41) and ours."""

    REQUESTED = "Requested"
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    NOT_IMPLEMENTED = "NotImplemented"
    REFUSED = "Refused"  # by a CALLERROR
    UNKNOWN = "Unknown"  # no answer, or none that can be understood


ANSWERS: Final = frozenset(
    {TriggerStatus.ACCEPTED, TriggerStatus.REJECTED, TriggerStatus.NOT_IMPLEMENTED}
)
REFUSALS: Final = frozenset(
    {TriggerStatus.REJECTED, TriggerStatus.NOT_IMPLEMENTED, TriggerStatus.REFUSED}
)


@dataclass(frozen=True, slots=True)
class FollowingMessage:
    """A message that came after a trigger and is what was asked for."""

    message_id: str
    connector_id: int | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Trigger:
    """A TriggerMessage and its effect.

    Attributes:
        is_extended: it was an ExtendedTriggerMessage, of the security whitepaper.
        connector_id: None asks all connectors, or does not matter.
        followed_by: what came within `WINDOW`; nothing where the charge point refused.
    """

    record_id: int
    identity: str
    requested_message: str
    is_extended: bool
    connector_id: int | None
    status: TriggerStatus
    requested_at: datetime
    answered_at: datetime | None
    followed_by: tuple[FollowingMessage, ...]


@dataclass(slots=True, eq=False)
class Expectation:
    """What a trigger still waits for.

    Attributes:
        action: of the message.
        until: what comes later is no effect of it.
        is_accepted: the message was promised; otherwise nobody knows.
        seen: connectors whose message came, None for one that is of no connector.
    """

    record_id: int
    action: str
    connector_id: int | None
    until: datetime
    is_accepted: bool
    seen: set[int | None] = field(default_factory=set)

    def meets(self, action: str, connector_id: int | None, at: datetime) -> bool:
        """Say whether a message is one that was asked for and did not come yet."""
        if action != self.action or at > self.until:
            return False
        if action not in OF_CONNECTORS:
            return not self.seen
        if self.connector_id is not None:
            return connector_id == self.connector_id and not self.seen
        return connector_id not in self.seen and len(self.seen) < MAX_FOLLOWING

    @property
    def is_met(self) -> bool:
        """Whether nothing more can follow."""
        is_single = self.action not in OF_CONNECTORS or self.connector_id is not None
        return bool(self.seen) and is_single


def awaited_action(requested_message: str, *, is_extended: bool) -> str:
    """Return the action of the message that a trigger asks for."""
    return (
        EXTENDED_NAMES.get(requested_message, requested_message)
        if is_extended
        else (requested_message)
    )


def connector_of(action: str, payload: Mapping[str, Any]) -> int | None:
    """Return the connector a message is about; None where it is about none."""
    if action not in OF_CONNECTORS:
        return None
    return whole_number(payload.get("connectorId"), maximum=INT32_MAX)


def read_status(payload: Mapping[str, Any]) -> TriggerStatus:
    """Return what a TriggerMessage.conf says; Unknown for a word that is none of the standard's."""
    status = payload.get("status")
    if isinstance(status, str) and status in ANSWERS:
        return TriggerStatus(status)
    return TriggerStatus.UNKNOWN
