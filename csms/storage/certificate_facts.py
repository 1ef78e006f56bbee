"""The columns that say of a certificate what it says of itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Row

from csms.domain.certificates import CertificateFacts


def values(facts: CertificateFacts | None) -> dict[str, Any]:
    """Return the columns' values; nothing where there is no certificate."""
    return {} if facts is None else asdict(facts)


def facts_of(row: Row[Any]) -> CertificateFacts | None:
    """Return what the columns say; None where there is no certificate."""
    if row.fingerprint is None:
        return None
    return CertificateFacts(
        subject=row.subject,
        issuer=row.issuer,
        serial=row.serial,
        fingerprint=row.fingerprint,
        key=row.key,
        not_before=row.not_before,
        not_after=row.not_after,
    )
