"""Reservations and their life. Spec: OCPP 1.6 ed. 2 §3.12, §5.1, §5.13, §7.40 (CS-RES).

What is stored is what was said; what holds now follows from it and from the time. A command whose
answer never came leaves a reservation unknown, until its time is over or it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from csms.domain.authorization import fold
from csms.domain.times import parse_time

CHARGE_POINT: Final = 0  # connector id of a reservation for any connector


class ReservationState(StrEnum):
    """Where a reservation is in its life."""

    REQUESTED = "Requested"  # ReserveNow is under way
    ACCEPTED = "Accepted"
    REFUSED = "Refused"
    UNKNOWN = "Unknown"  # nobody knows whether the charge point holds it
    IN_USE = "InUse"  # a transaction that began with it still runs
    USED = "Used"  # that transaction has ended
    EXPIRED = "Expired"
    CANCELLED = "Cancelled"
    REPLACED = "Replaced"  # its id was given again
    TERMINATED = "Terminated"  # by a connector that went Faulted or Unavailable (§5.13)


# What the charge point may hold. The others are over; nothing but a transaction changes them.
OPEN: Final = (ReservationState.REQUESTED, ReservationState.ACCEPTED, ReservationState.UNKNOWN)

ENDING_STATUSES: Final = frozenset({"Faulted", "Unavailable"})


class CancellationStatus(StrEnum):
    """How the last CancelReservation of a reservation ended."""

    REQUESTED = "Requested"
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    REFUSED = "Refused"  # by a CALLERROR
    UNKNOWN = "Unknown"


OPEN_CANCELLATIONS: Final = (CancellationStatus.REQUESTED, CancellationStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class ReserveNow:
    """What a ReserveNow.req asks for; `connector_id` 0 is any connector."""

    reservation_id: int
    connector_id: int
    id_tag: str
    parent_id_tag: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Reservation:
    """A reservation somebody asked a charge point for.

    Attributes:
        state: what holds now.
        refusal: the charge point's status or error code when it refused.
        cancellation: how the last attempt to cancel it ended; None without one.
        transaction_id: what began with it.
        ended_by: the status that terminated it.
    """

    record_id: int
    identity: str
    reservation_id: int
    connector_id: int
    id_tag: str
    parent_id_tag: str | None
    expires_at: datetime
    state: ReservationState
    refusal: str | None
    cancellation: CancellationStatus | None
    transaction_id: int | None
    ended_by: str | None
    requested_at: datetime
    changed_at: datetime


def read_reserve_now(payload: Mapping[str, Any]) -> ReserveNow:
    """Read a ReserveNow.req that is fit to be sent.

    Raises:
        ValueError: its expiryDate cannot be read.
    """
    expires = parse_time(payload["expiryDate"])
    if expires is None:
        raise ValueError("expiryDate is no time")
    return ReserveNow(
        reservation_id=payload["reservationId"],
        connector_id=payload["connectorId"],
        id_tag=payload["idTag"],
        parent_id_tag=payload.get("parentIdTag"),
        expires_at=expires.at,
    )


def state_now(
    stored: ReservationState,
    *,
    expires_at: datetime,
    at: datetime,
    is_cancelling: bool,
    is_being_replaced: bool,
    is_transaction_open: bool,
) -> ReservationState:
    """Return what holds of a reservation at a moment.

    Args:
        stored: what was written down last.
        expires_at: when its time is over.
        at: the moment.
        is_cancelling: a CancelReservation is under way, or its end is not known.
        is_being_replaced: the same of a newer ReserveNow with its id.
        is_transaction_open: the transaction that used it runs.
    """
    if stored is ReservationState.IN_USE and not is_transaction_open:
        return ReservationState.USED
    if stored not in OPEN:
        return stored
    if expires_at <= at:
        return ReservationState.EXPIRED
    if stored is ReservationState.ACCEPTED and (is_cancelling or is_being_replaced):
        return ReservationState.UNKNOWN
    return stored


def is_for(
    reservation_tag: str,
    reservation_group: str | None,
    *,
    id_tag: str,
    group: str | None,
) -> bool:
    """Say whether a tag may use a reservation: it is the tag's own or its group's (§5.13)."""
    if fold(reservation_tag) == fold(id_tag):
        return True
    return bool(reservation_group and group and fold(reservation_group) == fold(group))
