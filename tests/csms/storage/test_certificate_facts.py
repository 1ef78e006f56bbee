"""What a certificate says of itself, in columns."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from csms.domain.certificates import CertificateFacts
from csms.storage import certificate_facts

FACTS = CertificateFacts(
    subject="CN=CP1",
    issuer="CN=Root",
    serial="ff",
    fingerprint="ab",
    key="RSA 2048",
    not_before=datetime(2026, 1, 31, tzinfo=UTC),
    not_after=datetime(2027, 1, 31, tzinfo=UTC),
)


def test_facts_come_back() -> None:
    """Each in a column of its own."""
    row = cast(Any, SimpleNamespace(**certificate_facts.values(FACTS)))

    assert certificate_facts.facts_of(row) == FACTS


def test_no_certificate_is_no_facts() -> None:
    """Before it is signed."""
    assert certificate_facts.values(None) == {}
    assert certificate_facts.facts_of(cast(Any, SimpleNamespace(fingerprint=None))) is None
