"""Reservations. Spec: OCPP 1.6 ed. 2 §5.1, §5.13 (CS-RES).

One row for each ReserveNow, whatever its id: an id may be given again. The newest row that was not
refused is the one its id means.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from csms.domain.numbers import INT32_MAX
from csms.domain.reservations import (
    CHARGE_POINT,
    OPEN,
    OPEN_CANCELLATIONS,
    CancellationStatus,
    Reservation,
    ReservationState,
    ReserveNow,
    is_for,
    state_now,
)
from csms.domain.transactions import Start
from csms.storage.database import new_id
from csms.storage.tables import reservations, transactions

_OPEN: Final = [state.value for state in OPEN]
# Not those under way: their answer tells.
_HELD_STATES: Final = [ReservationState.ACCEPTED.value, ReservationState.UNKNOWN.value]
_newer = reservations.alias("newer")
_is_being_replaced = exists().where(
    _newer.c.identity == reservations.c.identity,
    _newer.c.reservation_id == reservations.c.reservation_id,
    _newer.c.id > reservations.c.id,
    _newer.c.state.in_([ReservationState.REQUESTED.value, ReservationState.UNKNOWN.value]),
)
_is_transaction_open = exists().where(
    transactions.c.id == reservations.c.transaction_id,
    transactions.c.stop_received_at.is_(None),
)
_ALL = select(
    reservations,
    _is_being_replaced.label("is_being_replaced"),
    _is_transaction_open.label("is_transaction_open"),
)
_CANDIDATES = (
    select(reservations)
    .where(
        reservations.c.identity == bindparam("identity"),
        reservations.c.state.not_in(
            [ReservationState.REFUSED.value, ReservationState.REPLACED.value]
        ),
        reservations.c.transaction_id.is_(None),
        reservations.c.reservation_id == bindparam("reservation_id"),
    )
    .order_by(reservations.c.id.desc())
)
_HELD = (
    select(reservations)
    .where(
        reservations.c.state.in_(_OPEN),
        reservations.c.identity == bindparam("identity"),
        reservations.c.connector_id.in_((CHARGE_POINT, bindparam("connector_id"))),
        reservations.c.expires_at > bindparam("started_at"),
        reservations.c.requested_at <= bindparam("started_at"),
    )
    .order_by(reservations.c.id.desc())
)


def free_id(connection: Connection, *, besides: frozenset[int] = frozenset()) -> int:
    """Return a reservation id that no charge point was ever given, nor is one of `besides`."""
    newest = connection.execute(select(func.max(reservations.c.reservation_id))).scalar()
    candidate = max(newest or 0, 0, *besides) + 1
    if candidate <= INT32_MAX:
        return candidate
    # Somebody gave the last number there is.
    candidate = connection.execute(select(func.count()).select_from(reservations)).scalar_one() + 1
    while candidate in besides or _is_taken(connection, candidate):
        candidate += 1
    return candidate


def _is_taken(connection: Connection, reservation_id: int) -> bool:
    query = select(exists().where(reservations.c.reservation_id == reservation_id))
    return bool(connection.execute(query).scalar())


def request(connection: Connection, identity: str, *, wish: ReserveNow, at: datetime) -> int:
    """Write down a ReserveNow that is about to leave; return its record."""
    result = connection.execute(
        insert(reservations),
        {
            "identity": identity,
            "reservation_id": wish.reservation_id,
            "connector_id": wish.connector_id,
            "id_tag": wish.id_tag,
            "parent_id_tag": wish.parent_id_tag,
            "expires_at": wish.expires_at,
            "state": ReservationState.REQUESTED.value,
            "requested_at": at,
            "changed_at": at,
        },
    )
    return new_id(result)


def withdraw(connection: Connection, record_id: int) -> None:
    """Forget a reservation that was never sent."""
    connection.execute(delete(reservations).where(reservations.c.id == record_id, _is_requested()))


def settle(
    connection: Connection,
    record_id: int,
    *,
    state: ReservationState,
    at: datetime,
    refusal: str | None = None,
) -> None:
    """Write down how a ReserveNow ended; an accepted one replaces an older one of its id.

    A transaction may have begun with it before its answer was processed; then it stays used.
    """
    values = {"state": state.value, "refusal": refusal, "changed_at": at}
    connection.execute(
        update(reservations).where(reservations.c.id == record_id, _is_requested()).values(**values)
    )
    if state is not ReservationState.ACCEPTED:
        return
    row = connection.execute(select(reservations).where(reservations.c.id == record_id)).one()
    connection.execute(
        update(reservations)
        .where(
            reservations.c.identity == row.identity,
            reservations.c.reservation_id == row.reservation_id,
            reservations.c.id < record_id,
            reservations.c.state.in_(_OPEN),
        )
        .values(state=ReservationState.REPLACED.value, changed_at=at)
    )


def request_cancellation(
    connection: Connection, identity: str, reservation_id: int, *, at: datetime
) -> int | None:
    """Write down a CancelReservation that is about to leave.

    Returns:
        The record of the reservation it is about; None where there is none to cancel.
    """
    where = {"identity": identity, "reservation_id": reservation_id}
    row = connection.execute(_CANDIDATES, where).first()
    if row is None:
        return None
    _set(connection, row.id, cancellation=CancellationStatus.REQUESTED.value, changed_at=at)
    return int(row.id)


def settle_cancellation(
    connection: Connection,
    record_id: int,
    *,
    status: CancellationStatus | None,
    at: datetime,
) -> None:
    """Write down how a CancelReservation ended; None forgets one that was never sent.

    Only Accepted changes the reservation.
    """
    value = None if status is None else status.value
    _set(connection, record_id, cancellation=value, changed_at=at)
    if status is CancellationStatus.ACCEPTED:
        connection.execute(
            update(reservations)
            .where(reservations.c.id == record_id, reservations.c.state.in_(_OPEN))
            .values(state=ReservationState.CANCELLED.value)
        )


def use(
    connection: Connection,
    begun: Start,
    *,
    transaction_id: int,
    group: str | None,
    is_accepted: bool,
) -> None:
    """Mark the reservation used with which a new transaction began (CS-START-07).

    That is the one StartTransaction names, whatever we thought of it: a queued start may come
    after it expired. Without a number it is one that this tag holds on this connector, for the
    standard ends it then (§5.13).

    Args:
        connection: of the writer.
        begun: the StartTransaction.
        transaction_id: its transaction.
        group: the parent of its tag.
        is_accepted: the tag was accepted; a refused start uses nothing by itself.
    """
    place: dict[str, Any] = {"identity": begun.identity}
    if begun.reservation_id is not None:
        query = _CANDIDATES
        place |= {"reservation_id": begun.reservation_id}
    elif is_accepted:
        query = _HELD
        place |= {"connector_id": begun.connector_id, "started_at": begun.started_at}
    else:
        return
    found = list(connection.execute(query, place))
    own = [
        row
        for row in found
        if is_for(row.id_tag, row.parent_id_tag, id_tag=begun.id_tag, group=group)
    ]
    if begun.reservation_id is not None:
        own = own or found
    else:  # one for this very connector before one for any
        own.sort(key=lambda row: row.connector_id == CHARGE_POINT)
    for row in own[:1]:
        _set(
            connection,
            row.id,
            state=ReservationState.IN_USE.value,
            transaction_id=transaction_id,
            changed_at=begun.received_at,
        )


def terminate(
    connection: Connection, identity: str, *, connector_id: int, status: str, at: datetime
) -> None:
    """End what a connector, or the charge point as a whole, can no longer hold (CS-RES-04)."""
    where = and_(
        reservations.c.identity == identity,
        reservations.c.state.in_(_HELD_STATES),
        reservations.c.expires_at > at,
    )
    if connector_id != CHARGE_POINT:
        where = and_(where, reservations.c.connector_id == connector_id)
    connection.execute(
        update(reservations)
        .where(where)
        .values(state=ReservationState.TERMINATED.value, ended_by=status, changed_at=at)
    )


def expire(connection: Connection, *, at: datetime) -> datetime | None:
    """Write down what has expired by now; return when the next will, None for never."""
    connection.execute(
        update(reservations)
        .where(reservations.c.state.in_(_HELD_STATES), reservations.c.expires_at <= at)
        .values(state=ReservationState.EXPIRED.value, changed_at=reservations.c.expires_at)
    )
    return next_expiry(connection)


def next_expiry(connection: Connection) -> datetime | None:
    """Return when the next reservation expires; None for never."""
    is_held = reservations.c.state.in_(_HELD_STATES)
    query = select(func.min(reservations.c.expires_at)).where(is_held)
    return connection.execute(query).scalar()


def settle_interrupted(connection: Connection, *, at: datetime) -> None:
    """After a start: what was under way when the program ended has an unknown end."""
    connection.execute(
        update(reservations)
        .where(_is_requested())
        .values(state=ReservationState.UNKNOWN.value, changed_at=at)
    )
    connection.execute(
        update(reservations)
        .where(reservations.c.cancellation == CancellationStatus.REQUESTED.value)
        .values(cancellation=CancellationStatus.UNKNOWN.value, changed_at=at)
    )


def get(
    connection: Connection, identity: str, reservation_id: int, *, at: datetime
) -> Reservation | None:
    """Return what an id means now: its newest reservation, one that was refused as the last.

    A newer one that was refused left the older one as it was.
    """
    query = (
        _ALL.where(
            reservations.c.identity == identity, reservations.c.reservation_id == reservation_id
        )
        .order_by(reservations.c.state == ReservationState.REFUSED.value, reservations.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _reservation(row, at)


def get_record(connection: Connection, record_id: int, *, at: datetime) -> Reservation | None:
    """Return the reservation one ReserveNow asked for."""
    row = connection.execute(_ALL.where(reservations.c.id == record_id)).one_or_none()
    return None if row is None else _reservation(row, at)


def page(
    connection: Connection,
    *,
    at: datetime,
    identity: str | None = None,
    is_active: bool | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[Reservation]:
    """Return reservations, newest first.

    Args:
        connection: any.
        at: the moment that counts for states.
        identity: only of this charge point.
        is_active: only those a charge point may hold, or only those that are over or in use.
        before_id: only older ones.
        limit: at most so many.
    """
    query: Select[Any] = _ALL.order_by(reservations.c.id.desc()).limit(limit)
    if identity is not None:
        query = query.where(reservations.c.identity == identity)
    if is_active is not None:
        held = and_(reservations.c.state.in_(_OPEN), reservations.c.expires_at > at)
        query = query.where(held if is_active else ~held)
    if before_id is not None:
        query = query.where(reservations.c.id < before_id)
    return [_reservation(row, at) for row in connection.execute(query)]


def _is_requested() -> ColumnElement[bool]:
    return reservations.c.state == ReservationState.REQUESTED.value


def _set(connection: Connection, record_id: int, **values: Any) -> None:
    connection.execute(update(reservations).where(reservations.c.id == record_id).values(**values))


def _reservation(row: Row[Any], at: datetime) -> Reservation:
    cancellation = None if row.cancellation is None else CancellationStatus(row.cancellation)
    return Reservation(
        record_id=row.id,
        identity=row.identity,
        reservation_id=row.reservation_id,
        connector_id=row.connector_id,
        id_tag=row.id_tag,
        parent_id_tag=row.parent_id_tag,
        expires_at=row.expires_at,
        state=state_now(
            ReservationState(row.state),
            expires_at=row.expires_at,
            at=at,
            is_cancelling=cancellation in OPEN_CANCELLATIONS,
            is_being_replaced=row.is_being_replaced,
            is_transaction_open=row.is_transaction_open,
        ),
        refusal=row.refusal,
        cancellation=cancellation,
        transaction_id=row.transaction_id,
        ended_by=row.ended_by,
        requested_at=row.requested_at,
        changed_at=row.changed_at,
    )
