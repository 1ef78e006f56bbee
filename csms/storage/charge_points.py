"""Charge points: who is known, what they said at boot, what happened to their connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypedDict, Unpack

from sqlalchemy import Connection, Row, bindparam, case, delete, select, update

from csms.domain.certificates import IssuedState
from csms.domain.model import (
    BootInformation,
    ChargePoint,
    ConnectionEvent,
    RegistrationStatus,
)
from csms.storage import history
from csms.storage.database import insert
from csms.storage.tables import (
    capabilities,
    charge_points,
    connections,
    connectors,
    installed_certificates,
    issued_certificates,
    local_list_entries,
    local_lists,
)


class Changes(TypedDict, total=False):
    """What an operator may set; what is left out stays as it is."""

    registration: RegistrationStatus
    credential: str | None
    heartbeat_interval_s: int | None
    send_local_list_max_length: int | None
    security_profile: int
    target_security_profile: int | None
    certificate_name: str | None


_GET = select(charge_points).where(charge_points.c.identity == bindparam("identity"))
_REGISTER = insert(charge_points).on_conflict_do_nothing()
_BOOT = (
    update(charge_points)
    .where(charge_points.c.identity == bindparam("of_identity"))
    .values(
        boot=bindparam("boot"),
        booted_at=bindparam("booted_at"),
        last_seen_at=bindparam("booted_at"),
    )
)
_ACCEPTED = (
    update(charge_points)
    .where(
        charge_points.c.identity == bindparam("of_identity"),
        charge_points.c.registration == RegistrationStatus.ACCEPTED.value,
    )
    .values(accepted_at=bindparam("at"))
)
_STALE = (
    update(connectors)
    .where(connectors.c.identity == bindparam("of_identity"))
    .values(is_stale=True)
)
_SEEN = (
    update(charge_points)
    .where(charge_points.c.identity == bindparam("of_identity"))
    .values(last_seen_at=bindparam("seen_at"))
)


def get(connection: Connection, identity: str) -> ChargePoint | None:
    """Return a charge point; identities are case-sensitive."""
    row = connection.execute(_GET, {"identity": identity}).one_or_none()
    return None if row is None else _charge_point(row)


def page(
    connection: Connection, *, after: str | None = None, limit: int = 100
) -> list[ChargePoint]:
    """Return charge points by identity, those after a given one."""
    query = select(charge_points).order_by(charge_points.c.identity).limit(limit)
    if after is not None:
        query = query.where(charge_points.c.identity > after)
    return [_charge_point(row) for row in connection.execute(query)]


def register(
    connection: Connection,
    identity: str,
    *,
    at: datetime,
    registration: RegistrationStatus = RegistrationStatus.ACCEPTED,
    credential: str | None = None,
    heartbeat_interval_s: int | None = None,
    send_local_list_max_length: int | None = None,
    security_profile: int | None = None,
    target_security_profile: int | None = None,
    certificate_name: str | None = None,
) -> ChargePoint:
    """Make a charge point known and return it; one that is known stays as it is.

    Without a security profile it gets 1 where it has a credential, else 0.
    """
    if security_profile is None:
        security_profile = 0 if credential is None else 1
    row = {
        "identity": identity,
        "registration": registration.value,
        "credential": credential,
        "heartbeat_interval_s": heartbeat_interval_s,
        "send_local_list_max_length": send_local_list_max_length,
        "security_profile": security_profile,
        "target_security_profile": target_security_profile,
        "certificate_name": certificate_name,
        "registered_at": at,
        "updated_at": at,
    }
    connection.execute(_REGISTER, row)
    return _charge_point(connection.execute(_GET, {"identity": identity}).one())


def change(
    connection: Connection, identity: str, *, at: datetime, **changes: Unpack[Changes]
) -> ChargePoint | None:
    """Set what is given and return the charge point; None where it is not known."""
    values: dict[str, Any] = {**changes, "updated_at": at}
    if "registration" in changes:
        values["registration"] = changes["registration"].value
    connection.execute(
        update(charge_points).where(charge_points.c.identity == identity).values(**values)
    )
    return get(connection, identity)


def settle_credential(connection: Connection, *, either: str, proven: str) -> None:
    """Drop what else a credential accepted, unless it was changed meanwhile; its salt names it."""
    connection.execute(
        update(charge_points).where(charge_points.c.credential == either).values(credential=proven)
    )


def raise_profile(
    connection: Connection, identity: str, *, was: int, to: int
) -> ChargePoint | None:
    """Make the profile a charge point proved its own, unless it was decided anew meanwhile.

    An open upgrade to it is settled; one beyond it stays open.
    """
    connection.execute(
        update(charge_points)
        .where(
            charge_points.c.identity == identity,
            charge_points.c.security_profile == was,
        )
        .values(
            security_profile=to,
            target_security_profile=case(
                (
                    charge_points.c.target_security_profile > to,
                    charge_points.c.target_security_profile,
                ),
                else_=None,
            ),
        )
    )
    return get(connection, identity)


def withdraw_target(connection: Connection, identity: str, *, target: int, was: int | None) -> None:
    """Put the target of an upgrade back, unless it was settled or decided anew meanwhile."""
    connection.execute(
        update(charge_points)
        .where(
            charge_points.c.identity == identity,
            charge_points.c.target_security_profile == target,
        )
        .values(target_security_profile=was)
    )


def remove(connection: Connection, identity: str) -> bool:
    """Forget a charge point and what it holds; transactions, history and revocations stay."""
    for table in (
        connectors,
        capabilities,
        local_lists,
        local_list_entries,
        installed_certificates,
    ):
        connection.execute(delete(table).where(table.c.identity == identity))
    connection.execute(  # those of our own authority open no door any more
        delete(issued_certificates).where(
            issued_certificates.c.identity == identity,
            issued_certificates.c.state != IssuedState.REVOKED.value,
        )
    )
    result = connection.execute(delete(charge_points).where(charge_points.c.identity == identity))
    return result.rowcount > 0


def record_boot(
    connection: Connection, identity: str, *, boot: BootInformation, at: datetime
) -> ChargePoint | None:
    """Keep a BootNotification and return the charge point, which says how to answer.

    The connectors' statuses are stale from now on (CS-BOOT-09).
    """
    known = get(connection, identity)
    is_proven = known is not None and known.security_profile > 0
    said = {**asdict(boot), "is_proven": is_proven}
    connection.execute(_BOOT, {"of_identity": identity, "boot": said, "booted_at": at})
    connection.execute(_ACCEPTED, {"of_identity": identity, "at": at})
    connection.execute(_STALE, {"of_identity": identity})
    return get(connection, identity)


def record_seen(connection: Connection, seen: Mapping[str, datetime]) -> None:
    """Note signs of life."""
    if seen:
        rows = [{"of_identity": identity, "seen_at": at} for identity, at in seen.items()]
        connection.execute(_SEEN, rows)


def record_connection(
    connection: Connection, identity: str, *, event: str, at: datetime, detail: str = ""
) -> None:
    """Keep what happened to a connection, such as ``connected``, ``replaced``, ``closed``."""
    row = {"identity": identity, "event": event, "at": at, "detail": detail}
    history.record(connection, connections, row)
    record_seen(connection, {identity: at})


def connection_events(
    connection: Connection, identity: str, *, before_id: int | None = None, limit: int = 100
) -> list[ConnectionEvent]:
    """Return a charge point's connection history, newest first."""
    query = (
        select(connections)
        .where(connections.c.identity == identity)
        .order_by(connections.c.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        query = query.where(connections.c.id < before_id)
    return [
        ConnectionEvent(row.id, row.identity, row.event, row.at, row.detail)
        for row in connection.execute(query)
    ]


def _charge_point(row: Row[Any]) -> ChargePoint:
    boot = dict(row.boot or {})
    is_boot_proven = boot.pop("is_proven", False)
    return ChargePoint(
        identity=row.identity,
        registration=RegistrationStatus(row.registration),
        credential=row.credential,
        heartbeat_interval_s=row.heartbeat_interval_s,
        registered_at=row.registered_at,
        updated_at=row.updated_at,
        boot=BootInformation(**boot),
        is_boot_proven=is_boot_proven,
        booted_at=row.booted_at,
        accepted_at=row.accepted_at,
        last_seen_at=row.last_seen_at,
        send_local_list_max_length=row.send_local_list_max_length,
        security_profile=row.security_profile,
        target_security_profile=row.target_security_profile,
        certificate_name=row.certificate_name,
    )
