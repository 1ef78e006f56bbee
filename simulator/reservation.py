"""Reservations: who may use which connector until when. Spec: OCPP 1.6 ed. 2 §3.11, §5.2, §5.13.

The book, the rule for what ReserveNow is answered, and what follows for the connectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from simulator.authorization import is_same_group, is_same_tag
from simulator.clock import Moment
from simulator.connector import Connector, Permission, Status
from simulator.wire import Wire

WHOLE: Final = 0  # the connectorId of a reservation that is for no particular connector


class ReservationStatus(StrEnum):
    """§7.40."""

    ACCEPTED = "Accepted"
    FAULTED = "Faulted"
    OCCUPIED = "Occupied"
    REJECTED = "Rejected"
    UNAVAILABLE = "Unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """One reservation.

    Attributes:
        connector_id: what was asked for; 0 for any connector.
        held_id: the connector that is kept free for it; None while none is free.
    """

    id: int
    connector_id: int
    id_tag: str
    parent_id_tag: str | None
    expires_at: datetime
    held_id: int | None = None

    def is_for(self, id_tag: str, parent_id_tag: str | None) -> bool:
        """Whether it was made for this idTag or its group."""
        return is_same_tag(self.id_tag, id_tag) or is_same_group(self.parent_id_tag, parent_id_tag)

    def may_be_for(self, id_tag: str) -> bool:
        """Whether it is for this idTag, or could be once its group is known."""
        return is_same_tag(self.id_tag, id_tag) or self.parent_id_tag is not None


class Reservations:
    """The reservations of one charge point; they survive restarts."""

    def __init__(self) -> None:
        self._by_id: dict[int, Reservation] = {}

    def __iter__(self) -> Iterator[Reservation]:
        return iter(tuple(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, reservation_id: int) -> Reservation | None:
        """Return a reservation by its id."""
        return self._by_id.get(reservation_id)

    def put(self, reservation: Reservation) -> None:
        """Make a reservation, or replace the one with its id (§5.13)."""
        self._by_id[reservation.id] = reservation

    def remove(self, reservation_id: int) -> Reservation | None:
        """End a reservation; return it, None where there is none."""
        return self._by_id.pop(reservation_id, None)

    def remove_expired(self, at: datetime) -> list[Reservation]:
        """End those whose time is over."""
        over = [one for one in self._by_id.values() if at >= one.expires_at]
        for reservation in over:
            del self._by_id[reservation.id]
        return over

    def at(self, connector_id: int) -> Reservation | None:
        """Return the reservation a connector is kept free for."""
        found = (one for one in self._by_id.values() if one.held_id == connector_id)
        return next(found, None)

    def used_by(
        self, connector_id: int, id_tag: str, parent_id_tag: str | None
    ) -> Reservation | None:
        """Return the reservation that ends when this idTag starts on this connector.

        That of the connector itself, else one for any connector.
        """
        own = self.at(connector_id)
        if own is not None and own.is_for(id_tag, parent_id_tag):
            return own
        anywhere = (
            one
            for one in self._by_id.values()
            if one.connector_id == WHOLE and one.is_for(id_tag, parent_id_tag)
        )
        return next(anywhere, None)

    def hold(self, reservation: Reservation, connector_id: int | None) -> None:
        """Keep another connector free for a reservation, or none."""
        self._by_id[reservation.id] = replace(reservation, held_id=connector_id)


_REFUSALS: Final = {
    Status.FAULTED: ReservationStatus.FAULTED,
    Status.UNAVAILABLE: ReservationStatus.UNAVAILABLE,
}


def decide_reservation(
    wanted: Reservation,
    *,
    at: datetime,
    whole: Status,
    statuses: Mapping[int, Status],
    takes_whole: bool,
) -> tuple[ReservationStatus, int | None]:
    """Return what ReserveNow is answered, and the connector that is then kept free.

    Args:
        whole: status of the charge point as a whole.
        statuses: of every connector; one that is kept free for the reservation that is replaced
            counts as Available.
        takes_whole: ReserveConnectorZeroSupported.
    """
    number = wanted.connector_id
    is_known = takes_whole if number == WHOLE else number in statuses
    if not is_known or wanted.expires_at <= at:
        return ReservationStatus.REJECTED, None
    if whole in _REFUSALS:
        return _REFUSALS[whole], None
    meant = statuses if number == WHOLE else {number: statuses[number]}
    free = [number for number, status in meant.items() if status is Status.AVAILABLE]
    if free:
        return ReservationStatus.ACCEPTED, min(free)
    # All alike say why; in a mixture, one that is in use could become free.
    refusals = {_REFUSALS.get(status, ReservationStatus.OCCUPIED) for status in meant.values()}
    if len(refusals) > 1:
        refusals.discard(ReservationStatus.FAULTED)
    if len(refusals) > 1:
        refusals.discard(ReservationStatus.UNAVAILABLE)
    return refusals.pop(), None


class Reserving:
    """Keeps connectors free for those who reserved, until they come or their time is over."""

    def __init__(
        self,
        wire: Wire,
        connectors: Mapping[int, Connector],
        *,
        refresh: Callable[[Connector, Moment], None],
    ) -> None:
        """Begin without reservations.

        Args:
            refresh: lets a connector's status follow after its inputs changed.
        """
        self._wire = wire
        self._connectors = {number: one for number, one in connectors.items() if number > WHOLE}
        self._refresh = refresh
        self.book = Reservations()

    def ask(
        self, wanted: Reservation, statuses: Mapping[int, Status], now: Moment
    ) -> ReservationStatus:
        """Make a reservation if it can be made; what it replaces does not stand in its way.

        Args:
            statuses: of all connectors, 0 included.
        """
        at = self._wire.local_time(now)
        self.book.remove_expired(at)
        replaced = self.book.get(wanted.id)
        freed = None if replaced is None else replaced.held_id
        seen = {
            number: Status.AVAILABLE if number == freed and status is Status.RESERVED else status
            for number, status in statuses.items()
        }
        for reservation in self.book:  # a passive charge point may not have told it yet
            number = reservation.held_id
            is_other = number is not None and reservation.id != wanted.id
            if number is not None and is_other and seen.get(number) is Status.AVAILABLE:
                seen[number] = Status.RESERVED
        whole = seen.pop(WHOLE, Status.AVAILABLE)
        takes_whole = self._wire.keys.boolean("ReserveConnectorZeroSupported")
        status, held_id = decide_reservation(
            wanted, at=at, whole=whole, statuses=seen, takes_whole=takes_whole
        )
        if status is ReservationStatus.ACCEPTED:
            self.book.put(replace(wanted, held_id=held_id))
        return status

    def settle_all(self, now: Moment) -> None:
        """Let every connector follow the book, and wait for the next to expire."""
        for connector in self._connectors.values():
            self._refresh(connector, now)
        self.arm(now)

    def arm(self, now: Moment) -> None:
        """Wait for the next reservation to expire, by the charge point's own clock."""
        at = self._wire.local_time(now)
        next_at = min((one.expires_at for one in self.book), default=None)
        if next_at is None or not self._wire.has_power:
            self._wire.timers.cancel("reservation")
        elif next_at <= at:
            self._expire(now)
        else:
            due_s = now.s + (next_at - at).total_seconds()
            self._wire.timers.set("reservation", due_s, self._expire)

    def _expire(self, now: Moment) -> None:
        for reservation in self.book.remove_expired(self._wire.local_time(now)):
            self._wire.notice(f"Reservation {reservation.id} expired")
        self.settle_all(now)

    def use(self, connector: Connector, permission: Permission) -> int | None:
        """End the reservation of somebody whose transaction starts; return its id."""
        reservation = self.book.used_by(connector.id, permission.id_tag, permission.parent_id_tag)
        if reservation is None:
            return None
        self.book.remove(reservation.id)
        return reservation.id

    def release(self, connector: Connector) -> None:
        """Let a connector go that is not kept free any more; called before its status follows."""
        if connector.inputs.is_reserved and self.book.at(connector.id) is None:
            connector.change(is_reserved=False)

    def follow(self, connector: Connector, now: Moment) -> bool:
        """End or move what a connector is no longer good for, keep it free if it has become so.

        Returns:
            Whether its status has to follow again.
        """
        status = connector.report.status
        held = self.book.at(connector.id)
        if held is not None and status in _REFUSALS:
            self._lose(held, connector, now)
        elif status is Status.AVAILABLE:
            homeless = (one for one in self.book if one.held_id is None)
            held = held or next(homeless, None)
            if held is not None:
                self.book.hold(held, connector.id)
                connector.change(is_reserved=True)
                return True
        return False

    def lose_all(self, now: Moment) -> None:
        """End every reservation: the charge point as a whole is out of service (§5.13)."""
        if len(self.book):
            for reservation in self.book:
                self.book.remove(reservation.id)
            self.settle_all(now)

    def _lose(self, held: Reservation, connector: Connector, now: Moment) -> None:
        """A connector kept free has failed: the reservation ends, unless another one will do."""
        connector.change(is_reserved=False)
        if held.connector_id != WHOLE:
            self.book.remove(held.id)
            self._wire.notice(f"Reservation {held.id} ended with connector {connector.id}")
            return
        self.book.hold(held, None)
        for other in self._connectors.values():
            if other.report.status is Status.AVAILABLE:
                self._refresh(other, now)
                return
