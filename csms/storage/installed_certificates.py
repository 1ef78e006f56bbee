"""Root certificates on charge points: installed by command, reported, deleted (CS-SEC-11, -12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, select, update

from csms.domain.certificates import (
    CertificateFacts,
    HashAlgorithm,
    HashData,
    InstalledCertificate,
    InstalledState,
    is_named,
)
from csms.storage import certificate_facts, history
from csms.storage.tables import installed_certificates as table

MAX_REPORTED: Final = 500  # certificates in one answer; stores of charge points hold a few

# What the charge point may hold.
_POSSIBLE: Final = [state.value for state in (InstalledState.INSTALLED, InstalledState.UNKNOWN)]


def request(
    connection: Connection,
    identity: str,
    *,
    certificate_type: str,
    pem: str,
    facts: CertificateFacts | None,
    names: Sequence[HashData],
    at: datetime,
) -> int:
    """Write down an InstallCertificate that is about to leave; return its record.

    Args:
        connection: of the writer.
        identity: the charge point.
        certificate_type: what it is to be trusted for.
        pem: as it is sent.
        facts: None where it is no certificate.
        names: as the charge point may name it.
        at: now.
    """
    row = {
        "identity": identity,
        "certificate_type": certificate_type,
        "state": InstalledState.REQUESTED.value,
        "pem": pem,
        "names": [asdict(name) for name in names],
        "requested_at": at,
        "changed_at": at,
        **certificate_facts.values(facts),
    }
    return history.record(connection, table, row)


def withdraw(connection: Connection, record_id: int) -> None:
    """Forget a certificate that was never sent."""
    connection.execute(delete(table).where(table.c.id == record_id))


def settle(connection: Connection, record_id: int, *, state: InstalledState, at: datetime) -> None:
    """Write down how an InstallCertificate ended; one installed again is one certificate."""
    connection.execute(
        update(table).where(table.c.id == record_id).values(state=state.value, changed_at=at)
    )
    row = connection.execute(select(table).where(table.c.id == record_id)).one_or_none()
    if row is None or row.fingerprint is None or state is not InstalledState.INSTALLED:
        return
    connection.execute(
        update(table)
        .where(
            table.c.identity == row.identity,
            table.c.certificate_type == row.certificate_type,
            table.c.fingerprint == row.fingerprint,
            table.c.id < record_id,
            table.c.state.in_(_POSSIBLE),
        )
        .values(state=InstalledState.GONE.value, changed_at=at)
    )


def record_reported(
    connection: Connection,
    identity: str,
    *,
    certificate_type: str,
    reported: Sequence[HashData],
    at: datetime,
) -> None:
    """Keep what a charge point says it holds of a type: that, and nothing else."""
    rows = list(
        connection.execute(
            select(table)
            .where(table.c.identity == identity, table.c.certificate_type == certificate_type)
            .order_by(table.c.id.desc())
        )
    )
    still = set()
    unique = {data.key: data for data in reported[:MAX_REPORTED]}
    for data in unique.values():
        found = _newest(rows, data)
        if found is None:
            unknown = {
                "identity": identity,
                "certificate_type": certificate_type,
                "state": InstalledState.INSTALLED.value,
                "names": [asdict(data)],
                "reported": asdict(data),
                "reported_at": at,
                "requested_at": at,
                "changed_at": at,
            }
            still.add(history.record(connection, table, unknown))
            continue
        still.add(found.id)
        values: dict[str, Any] = {"reported": asdict(data), "reported_at": at}
        if found.state != InstalledState.INSTALLED.value:
            values |= {"state": InstalledState.INSTALLED.value, "changed_at": at}
        connection.execute(update(table).where(table.c.id == found.id).values(**values))
    for row in rows:
        if row.id not in still and row.state in _POSSIBLE:
            _set(connection, row.id, state=InstalledState.GONE.value, changed_at=at)


def _newest(rows: Sequence[Row[Any]], data: HashData) -> Row[Any] | None:
    """Return the newest record of a certificate, one that may be held before others."""
    named = [row for row in rows if is_named(_names(row), data)]
    return next((row for row in named if row.state in _POSSIBLE), next(iter(named), None))


def record_deletion(
    connection: Connection, identity: str, *, data: HashData, answer: str, at: datetime
) -> None:
    """Write down how a DeleteCertificate was answered; gone is what was deleted or not found."""
    is_gone = answer in ("Accepted", "NotFound")
    found = connection.execute(
        select(table).where(table.c.identity == identity, table.c.state.in_(_POSSIBLE))
    )
    for row in list(found):
        if is_named(_names(row), data):
            values: dict[str, Any] = {"deletion": answer, "changed_at": at}
            if is_gone:
                values["state"] = InstalledState.GONE.value
            _set(connection, row.id, **values)


def settle_interrupted(connection: Connection, *, at: datetime) -> None:
    """After a start: what was under way when the program ended has an unknown end."""
    connection.execute(
        update(table)
        .where(table.c.state == InstalledState.REQUESTED.value)
        .values(state=InstalledState.UNKNOWN.value, changed_at=at)
    )


def get(connection: Connection, identity: str, record_id: int) -> InstalledCertificate | None:
    """Return a certificate on a charge point."""
    query = select(table).where(table.c.identity == identity, table.c.id == record_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _installed(row)


def page(
    connection: Connection, identity: str, *, before_id: int | None = None, limit: int = 100
) -> list[InstalledCertificate]:
    """Return what a charge point was given or reported, newest first."""
    query = (
        select(table).where(table.c.identity == identity).order_by(table.c.id.desc()).limit(limit)
    )
    if before_id is not None:
        query = query.where(table.c.id < before_id)
    return [_installed(row) for row in connection.execute(query)]


def held(connection: Connection) -> list[InstalledCertificate]:
    """Return what all charge points hold, as far as known."""
    query = select(table).where(table.c.state == InstalledState.INSTALLED.value)
    return [_installed(row) for row in connection.execute(query.order_by(table.c.id))]


def _set(connection: Connection, record_id: int, **values: Any) -> None:
    connection.execute(update(table).where(table.c.id == record_id).values(**values))


def _names(row: Row[Any]) -> list[HashData]:
    return [_hash_data(one) for one in row.names]


def _hash_data(written: dict[str, Any]) -> HashData:
    return HashData(**{**written, "algorithm": HashAlgorithm(written["algorithm"])})


def _installed(row: Row[Any]) -> InstalledCertificate:
    return InstalledCertificate(
        record_id=row.id,
        identity=row.identity,
        certificate_type=row.certificate_type,
        state=InstalledState(row.state),
        facts=certificate_facts.facts_of(row),
        pem=row.pem,
        names=tuple(_names(row)),
        reported=None if row.reported is None else _hash_data(row.reported),
        reported_at=row.reported_at,
        deletion=row.deletion,
        requested_at=row.requested_at,
        changed_at=row.changed_at,
    )
