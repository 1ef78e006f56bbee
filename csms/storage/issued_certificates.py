"""Certificates of charge points: asked for, signed, brought there, used, revoked (CS-SEC-08).

A certificate of our own authority that is not in this table opens no door. What has been revoked
stays revoked: no later answer changes it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select, update

from csms.domain.certificates import (
    ATTEMPTS,
    HELD,
    OPEN,
    REQUESTS_PER_HOUR,
    WAITING,
    CertificateFacts,
    IssuedCertificate,
    IssuedState,
    Origin,
    Wish,
)
from csms.storage import certificate_facts, charge_points, history
from csms.storage.tables import issued_certificates as table

_IS_DUE: Final = (
    (table.c.origin == Origin.REQUEST.value)
    & table.c.state.in_([state.value for state in OPEN])
    & (table.c.attempts < ATTEMPTS)
)
_NO_KEY: Final = ""  # of certificates that others signed


def request(connection: Connection, identity: str, *, wish: Wish, at: datetime) -> int | str:
    """Take a sound request; return its record, or why it must be refused.

    The same request again, while the first is open, is the same record; one that was sent without
    an answer is due again. A new one takes the place of what was not sent yet.
    """
    own = table.c.identity == identity
    if wish.origin is Origin.REQUEST:
        repeated = connection.execute(
            select(table.c.id, table.c.state, table.c.is_proven).where(
                own,
                table.c.origin == wish.origin.value,
                table.c.request_digest == wish.digest,
                table.c.state.in_([state.value for state in OPEN]),
            )
        ).first()
        if repeated is not None:
            again: dict[str, Any] = {"is_proven": repeated.is_proven or wish.is_proven}
            if repeated.state == IssuedState.SENT.value:
                again["attempts"] = 0
            _set(connection, repeated.id, **again)
            return int(repeated.id)
        recent = select(func.count()).where(own, table.c.requested_at > at - timedelta(hours=1))
        if connection.execute(recent).scalar_one() >= REQUESTS_PER_HOUR:
            return f"more than {REQUESTS_PER_HOUR} requests in an hour"
    refusal = _of_others(connection, identity, wish)
    if refusal is not None:
        return refusal
    if wish.origin is Origin.REQUEST:
        connection.execute(
            update(table)
            .where(
                own,
                table.c.origin == wish.origin.value,
                table.c.state.in_([state.value for state in WAITING]),
            )
            .values(state=IssuedState.SUPERSEDED.value, changed_at=at)
        )
    row = {
        "identity": identity,
        "origin": wish.origin.value,
        "state": IssuedState.REQUESTED.value,
        "common_name": wish.common_name,
        "is_proven": wish.is_proven,
        "request": wish.request,
        "request_digest": wish.digest,
        "key_digest": wish.key_digest,
        "detail": "",
        "attempts": 0,
        "requested_at": at,
        "changed_at": at,
    }
    return history.record(connection, table, row)


def _of_others(connection: Connection, identity: str, wish: Wish) -> str | None:
    """Say whose the key or the name is, where it is not this charge point's."""
    found = connection.execute(
        select(table.c.identity, table.c.state).where(table.c.key_digest == wish.key_digest)
    )
    for row in found:
        if row.identity != identity:  # a certificate for each charge point (A00.FR.403)
            return f"its key is that of {row.identity!r}"
        if row.state == IssuedState.REVOKED.value:
            return "a certificate of its key was revoked"
    if wish.common_name != identity:
        other = charge_points.get(connection, wish.common_name)
        me = charge_points.get(connection, identity)
        if other is not None and (me is None or me.certificate_name != wish.common_name):
            return f"its common name is the identity of {wish.common_name!r}"
    return None


def sign(
    connection: Connection, record_id: int, *, facts: CertificateFacts, chain: str, at: datetime
) -> bool:
    """Write the signed certificate down; False where it is not wanted any more."""
    result = connection.execute(
        update(table)
        .where(table.c.id == record_id, table.c.state == IssuedState.REQUESTED.value)
        .values(
            state=IssuedState.SIGNED.value,
            chain=chain,
            changed_at=at,
            **certificate_facts.values(facts),
        )
    )
    return result.rowcount > 0


def fail(connection: Connection, record_id: int, *, detail: str, at: datetime) -> None:
    """Give up on a certificate that cannot be signed, or not be brought to the charge point."""
    connection.execute(
        update(table)
        .where(table.c.id == record_id, table.c.state.in_([state.value for state in OPEN]))
        .values(state=IssuedState.FAILED.value, detail=detail, changed_at=at)
    )


def give_up(connection: Connection, *, before: datetime, at: datetime) -> None:
    """Give up on certificates whose charge points did not come for them."""
    connection.execute(
        update(table)
        .where(
            table.c.origin == Origin.REQUEST.value,
            table.c.state.in_([state.value for state in OPEN]),
            table.c.requested_at < before,
        )
        .values(
            state=IssuedState.FAILED.value,
            detail="the charge point did not come for it",
            changed_at=at,
        )
    )


def due(connection: Connection) -> set[str]:
    """Return the charge points for which a certificate has to be signed or sent."""
    return set(connection.execute(select(table.c.identity).where(_IS_DUE)).scalars())


def next_due(connection: Connection, identity: str) -> IssuedCertificate | None:
    """Return what has to be signed or sent to a charge point: the newest it asked for."""
    query = (
        select(table)
        .where(table.c.identity == identity, _IS_DUE)
        .order_by(table.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _issued(row)


def begin(
    connection: Connection,
    identity: str,
    *,
    facts: CertificateFacts,
    common_name: str,
    chain: str,
    at: datetime,
) -> int:
    """Write down that a CertificateSigned is about to leave; return the record.

    A certificate we did not sign gets a record of its own.
    """
    row = connection.execute(
        select(table).where(table.c.identity == identity, table.c.fingerprint == facts.fingerprint)
    ).first()
    if row is None:
        record = {
            "identity": identity,
            "origin": Origin.COMMAND.value,
            "state": IssuedState.SENT.value,
            "common_name": common_name,
            "is_proven": True,
            "request": "",
            "request_digest": "",
            "key_digest": _NO_KEY,
            "chain": chain,
            "detail": "",
            "attempts": 1,
            "requested_at": at,
            "changed_at": at,
            **certificate_facts.values(facts),
        }
        return history.record(connection, table, record)
    values: dict[str, Any] = {"attempts": row.attempts + 1, "changed_at": at}
    if row.state not in (IssuedState.IN_USE.value, IssuedState.REVOKED.value):
        values["state"] = IssuedState.SENT.value
    _set(connection, row.id, **values)
    return int(row.id)


def withdraw(connection: Connection, record_id: int, *, at: datetime) -> None:
    """Take back that a CertificateSigned leaves: it was not sent."""
    connection.execute(
        update(table)
        .where(table.c.id == record_id, table.c.state == IssuedState.SENT.value)
        .values(state=IssuedState.SIGNED.value, attempts=table.c.attempts - 1, changed_at=at)
    )


def settle(
    connection: Connection,
    record_id: int,
    *,
    state: IssuedState,
    at: datetime,
    detail: str = "",
    is_final: bool = True,
) -> None:
    """Write down how a CertificateSigned ended; one that is final is not sent again by itself.

    The charge point may have used the certificate before its answer was processed.
    """
    values: dict[str, Any] = {"state": state.value, "detail": detail, "changed_at": at}
    if is_final:
        values["attempts"] = ATTEMPTS
    connection.execute(
        update(table)
        .where(table.c.id == record_id, table.c.state == IssuedState.SENT.value)
        .values(**values)
    )


def find(connection: Connection, fingerprint: str) -> IssuedCertificate | None:
    """Return the record of a certificate."""
    query = select(table).where(table.c.fingerprint == fingerprint).order_by(table.c.id.desc())
    row = connection.execute(query).first()
    return None if row is None else _issued(row)


def use(connection: Connection, record_id: int, *, at: datetime) -> bool:
    """Note that a charge point proved itself with a certificate; False for a revoked one."""
    result = connection.execute(
        update(table)
        .where(table.c.id == record_id, table.c.state != IssuedState.REVOKED.value)
        .values(
            state=IssuedState.IN_USE.value,
            used_at=func.coalesce(table.c.used_at, at),
            changed_at=at,
        )
    )
    return result.rowcount > 0


def revoke(
    connection: Connection, identity: str, record_id: int, *, reason: str, at: datetime
) -> IssuedCertificate | None:
    """Revoke a certificate for good and return it; None where the charge point has no such one."""
    connection.execute(
        update(table)
        .where(
            table.c.identity == identity,
            table.c.id == record_id,
            table.c.state != IssuedState.REVOKED.value,
        )
        .values(state=IssuedState.REVOKED.value, detail=reason, revoked_at=at, changed_at=at)
    )
    return get(connection, identity, record_id)


def get(connection: Connection, identity: str, record_id: int) -> IssuedCertificate | None:
    """Return a certificate of a charge point."""
    query = select(table).where(table.c.identity == identity, table.c.id == record_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _issued(row)


def page(
    connection: Connection, identity: str, *, before_id: int | None = None, limit: int = 100
) -> list[IssuedCertificate]:
    """Return a charge point's certificates, newest first."""
    query = (
        select(table).where(table.c.identity == identity).order_by(table.c.id.desc()).limit(limit)
    )
    if before_id is not None:
        query = query.where(table.c.id < before_id)
    return [_issued(row) for row in connection.execute(query)]


def held(connection: Connection) -> list[IssuedCertificate]:
    """Return what all charge points hold, as far as known."""
    query = select(table).where(table.c.state.in_([state.value for state in HELD]))
    return [_issued(row) for row in connection.execute(query.order_by(table.c.id))]


def _set(connection: Connection, record_id: int, **values: Any) -> None:
    connection.execute(update(table).where(table.c.id == record_id).values(**values))


def _issued(row: Row[Any]) -> IssuedCertificate:
    return IssuedCertificate(
        record_id=row.id,
        identity=row.identity,
        origin=Origin(row.origin),
        state=IssuedState(row.state),
        common_name=row.common_name,
        is_proven=row.is_proven,
        request=row.request,
        facts=certificate_facts.facts_of(row),
        chain=row.chain,
        detail=row.detail,
        attempts=row.attempts,
        requested_at=row.requested_at,
        changed_at=row.changed_at,
        used_at=row.used_at,
        revoked_at=row.revoked_at,
    )
