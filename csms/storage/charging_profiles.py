"""What each charge point holds of charging profiles, as far as its answers tell (CS-SC).

Before a command leaves, all it may change is marked unknown; only the answer makes it known again.
So a CSMS that ends in between claims nothing. Whether a TxProfile still lives is not written down:
it does as long as its transaction (§7.10), so it is read from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from csms.domain.authorization import fold
from csms.domain.charging_profiles import HeldProfile, ProfileState, Purpose
from csms.domain.model import AuthorizationStatus
from csms.storage.database import new_id
from csms.storage.tables import charging_profiles, transactions

# No ConnectionTimeOut is that long, and a start that was queued offline comes after it anyway.
OFFERED_FOR: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RunningTransaction:
    """What runs on a connector."""

    transaction_id: int
    connector_id: int | None
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command under way may change.

    Attributes:
        record_id: the profile it may install; None for a clearing command.
        gone: profiles that are gone if the charge point accepts.
        doubted: profiles that were known before, and as what; some may be among `gone`.
    """

    record_id: int | None
    gone: tuple[int, ...]
    doubted: tuple[tuple[int, str], ...]


def held(connection: Connection, identity: str) -> list[HeldProfile]:
    """Return what a charge point holds or may hold, oldest first, without ended transactions'."""
    return _living(connection, identity)[0]


def running(connection: Connection, identity: str) -> list[RunningTransaction]:
    """Return the transactions that run, newest first.

    One whose stop never came is over once another was accepted on its connector.
    """
    newest = (
        select(transactions.c.connector_id, func.max(transactions.c.id).label("id"))
        .where(
            transactions.c.identity == identity,
            transactions.c.authorization_status == AuthorizationStatus.ACCEPTED.value,
        )
        .group_by(transactions.c.connector_id)
    )
    accepted = {row.connector_id: row.id for row in connection.execute(newest)}
    rows = connection.execute(
        select(transactions)
        .where(transactions.c.identity == identity, transactions.c.stop_received_at.is_(None))
        .order_by(transactions.c.id.desc())
    )
    return [
        RunningTransaction(row.id, row.connector_id, row.started_at)
        for row in rows
        if row.id >= accepted.get(row.connector_id, 0)
    ]


def ask_to_install(
    connection: Connection,
    identity: str,
    *,
    connector_id: int | None,
    transaction_id: int | None,
    id_tag: str | None,
    payload: dict[str, Any],
    replaces: Callable[[HeldProfile], bool],
    at: datetime,
) -> Asked:
    """Write down that a profile is about to be sent.

    Args:
        connector_id: None where the charge point chooses.
        transaction_id: of a TxProfile; None where a remote start brings it.
        id_tag: of the remote start that brings it.
        payload: the ChargingProfile.
        replaces: tells which profiles it takes the place of.
        at: now.
    """
    living, dead = _living(connection, identity)
    expired = [
        one.record_id
        for one in living
        if one.purpose is Purpose.TX
        and one.transaction_id is None
        and one.requested_at < at - OFFERED_FOR
    ]
    _remove(connection, [*dead, *expired])
    concerned = [one for one in living if one.record_id not in expired and replaces(one)]
    row = {
        "identity": identity,
        "connector_id": connector_id,
        "transaction_id": transaction_id,
        "id_tag_key": None if id_tag is None else fold(id_tag),
        "state": ProfileState.UNKNOWN.value,
        "payload": payload,
        "requested_at": at,
    }
    record_id = new_id(connection.execute(insert(charging_profiles), row))
    gone = tuple(one.record_id for one in concerned)
    return Asked(record_id, gone, _doubt(connection, concerned))


def ask_to_clear(
    connection: Connection, identity: str, *, clears: Callable[[HeldProfile], tuple[bool, bool]]
) -> Asked:
    """Write down that profiles are about to be cleared; see `domain.charging_profiles.clears`."""
    found = [(one, clears(one)) for one in held(connection, identity)]
    possible = [one for one, (_, may) in found if may]
    gone = tuple(one.record_id for one, (surely, _) in found if surely)
    return Asked(None, gone, _doubt(connection, possible))


def settle(
    connection: Connection, asked: Asked, *, is_accepted: bool, state: ProfileState, at: datetime
) -> None:
    """Write down what a command's answer made true; without an answer all stays unknown.

    Args:
        asked: what the command was to change.
        is_accepted: else nothing was changed.
        state: of the profile that was accepted.
        at: when the answer came.
    """
    if is_accepted:
        _remove(connection, list(asked.gone))
        _set(connection, asked.record_id, state=state.value, answered_at=at)
        return
    if asked.record_id is not None:
        _remove(connection, [asked.record_id])
    for record_id, known_as in asked.doubted:
        _set(connection, record_id, state=known_as)


def _living(connection: Connection, identity: str) -> tuple[list[HeldProfile], list[int]]:
    """Return the profiles that may be there, and the records of those that died."""
    rows = connection.execute(
        select(charging_profiles)
        .where(charging_profiles.c.identity == identity)
        .order_by(charging_profiles.c.id)
    ).all()
    alive: set[int] | None = None
    living, dead = [], []
    for row in rows:
        one = HeldProfile(
            record_id=row.id,
            identity=identity,
            connector_id=row.connector_id,
            transaction_id=row.transaction_id,
            state=ProfileState(row.state),
            payload=row.payload,
            requested_at=row.requested_at,
            answered_at=row.answered_at,
        )
        if one.purpose is Purpose.TX:
            if alive is None:
                alive = {each.transaction_id for each in running(connection, identity)}
            if row.id_tag_key is not None:
                one = _begun(connection, one, row.id_tag_key)
            if one.transaction_id is not None and one.transaction_id not in alive:
                dead.append(one.record_id)
                continue
        living.append(one)
    return living, dead


def _begun(connection: Connection, offered: HeldProfile, id_tag_key: str) -> HeldProfile:
    """Return a remote start's profile with the transaction that came of it, if one did."""
    query = (
        select(transactions.c.id, transactions.c.connector_id)
        .where(
            transactions.c.identity == offered.identity,
            transactions.c.id_tag_key == id_tag_key,
            transactions.c.start_received_at >= offered.requested_at,
        )
        .order_by(transactions.c.id)
        .limit(1)
    )
    if offered.connector_id is not None:
        query = query.where(transactions.c.connector_id == offered.connector_id)
    found = connection.execute(query).one_or_none()
    if found is None:
        return offered
    is_offered = offered.state is ProfileState.OFFERED
    return replace(
        offered,
        connector_id=found.connector_id,
        transaction_id=found.id,
        state=ProfileState.INSTALLED if is_offered else offered.state,
    )


def _doubt(connection: Connection, concerned: list[HeldProfile]) -> tuple[tuple[int, str], ...]:
    """Mark profiles unknown; return which were not before, and what was written of them."""
    query = select(charging_profiles.c.id, charging_profiles.c.state).where(
        charging_profiles.c.id.in_([one.record_id for one in concerned]),
        charging_profiles.c.state != ProfileState.UNKNOWN.value,
    )
    known = tuple((row.id, row.state) for row in connection.execute(query).all())
    for record_id, _ in known:
        _set(connection, record_id, state=ProfileState.UNKNOWN.value)
    return known


def _set(connection: Connection, record_id: int | None, **values: Any) -> None:
    if record_id is not None:
        connection.execute(
            update(charging_profiles).where(charging_profiles.c.id == record_id).values(values)
        )


def _remove(connection: Connection, record_ids: list[int]) -> None:
    if record_ids:
        connection.execute(delete(charging_profiles).where(charging_profiles.c.id.in_(record_ids)))
