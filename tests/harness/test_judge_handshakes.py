"""Refusals, and what TLS handshakes show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.judge_handshakes import (
    judge_1_3,
    judge_certificate,
    judge_none,
    judge_refusal,
    judge_suite,
    judge_version,
    judge_weak,
    refusal_kind,
)
from harness.model import Refusal
from harness.results import Finding, Severity
from simulator.errors import HandshakeRefused, Phase, RefusalKind
from simulator.server_certificate import CertificateFacts
from simulator.tls import TlsFacts
from simulator.tls_names import TlsVersion

SUITE = "TLS_RSA_WITH_AES_128_GCM_SHA256"
GOOD = CertificateFacts(
    pem="PEM", common_names=("csms.example",), serial="7f", key_kind="EC", key_bits=256
)
FACTS = TlsFacts(version="TLSv1.2", suite=SUITE, certificate=GOOD, shows_certificate=False)
HOST = "csms.example"


def refused(kind: RefusalKind, status: int | None = None) -> HandshakeRefused:
    return HandshakeRefused("why", kind=kind, phase=Phase.HTTP, status=status)


def told(found: list[Finding]) -> list[tuple[str, Severity]]:
    return [(one.rule, one.severity) for one in found]


@pytest.mark.parametrize("kind", [RefusalKind.ALERT, RefusalKind.EOF, RefusalKind.RESET])
def test_the_server_ending_it_is_a_refusal(kind: RefusalKind) -> None:
    """An alert, the end of the stream and a reset are refusals, whatever status was asked for."""
    assert judge_refusal(Refusal(statuses=(401,)), refused(kind)) == []


@pytest.mark.parametrize(
    ("status", "wanted", "found"),
    [
        (401, Refusal(), []),
        (500, Refusal(), []),
        (401, Refusal(statuses=(401, 429)), []),
        (403, Refusal(statuses=(401, 429)), [("connection.status", Severity.FAILURE)]),
        (403, Refusal(natural=(401,)), [("connection.status", Severity.WARNING)]),
        (401, Refusal(natural=(401,)), []),
        (101, Refusal(), [("connection.not-refused", Severity.FAILURE)]),
    ],
)
def test_a_status_is_a_refusal_unless_it_opens_the_connection(
    status: int, wanted: Refusal, found: list[tuple[str, Severity]]
) -> None:
    """Any status but 101 refuses; the case may name those that belong there."""
    assert told(judge_refusal(wanted, refused(RefusalKind.HTTP, status))) == found


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (RefusalKind.NOT_TRUSTED, ("handshake.not-trusted", Severity.FAILURE)),
        (RefusalKind.CLOSED_PORT, ("connection.unreachable", Severity.INCONCLUSIVE)),
        (RefusalKind.TIMEOUT, ("connection.undecided", Severity.FAILURE)),
        (RefusalKind.UNREACHABLE, ("connection.undecided", Severity.INCONCLUSIVE)),
        (RefusalKind.NOT_TLS, ("connection.undecided", Severity.INCONCLUSIVE)),
        (RefusalKind.NOT_HTTP, ("connection.undecided", Severity.INCONCLUSIVE)),
    ],
)
def test_what_is_no_refusal_is_told(kind: RefusalKind, found: tuple[str, Severity]) -> None:
    """Nothing else counts: neither our own distrust, nor silence, nor a port that is not there."""
    assert told(judge_refusal(Refusal(), refused(kind))) == [found]


def test_a_closed_port_may_count_with_a_warning() -> None:
    """Where the step says so, a port that was shut has refused."""
    found = judge_refusal(Refusal(takes_unreachable=True), refused(RefusalKind.CLOSED_PORT))

    assert told(found) == [("connection.unreachable", Severity.WARNING)]


def test_a_suite_is_there_when_it_was_agreed_on() -> None:
    """A refusal, or another suite, means that it is missing; silence means nothing."""
    assert judge_suite(SUITE, FACTS, None) == []
    assert told(judge_suite("TLS_OTHER", FACTS, None)) == [("tls.suite", Severity.FAILURE)]
    for kind in (RefusalKind.ALERT, RefusalKind.EOF, RefusalKind.RESET):
        (found,) = judge_suite(SUITE, None, refused(kind))
        assert found.rule == "tls.suite"
        assert SUITE in found.message
    (unseen,) = judge_suite(SUITE, None, refused(RefusalKind.TIMEOUT))
    assert unseen.severity is Severity.INCONCLUSIVE


def test_versions_are_held_to_the_least() -> None:
    """What is older fails; a server without TLS 1.3 is warned of."""
    assert judge_version(TlsVersion.TLS_1_2, FACTS) == []
    assert told(judge_version(TlsVersion.TLS_1_3, FACTS)) == [("tls.version", Severity.FAILURE)]
    assert judge_none(TlsVersion.TLS_1_2, refused(RefusalKind.ALERT)).rule == "tls.version"
    assert judge_none(TlsVersion.TLS_1_2, refused(RefusalKind.TIMEOUT)).rule == (
        "connection.undecided"
    )
    assert judge_1_3(FACTS, None) == []
    assert told(judge_1_3(None, refused(RefusalKind.EOF))) == [
        ("tls.version-1-3", Severity.WARNING)
    ]
    assert told(judge_1_3(None, refused(RefusalKind.CLOSED_PORT))) == [
        ("connection.undecided", Severity.INCONCLUSIVE)
    ]


def test_what_protects_nothing_must_be_refused() -> None:
    """A handshake that comes about fails; only the server's own end is a refusal."""
    assert judge_weak("TLS 1.1", None, refused(RefusalKind.ALERT)) == []
    assert told(judge_weak("TLS 1.1", FACTS, None)) == [("tls.weak", Severity.FAILURE)]
    assert told(judge_weak("TLS 1.1", None, refused(RefusalKind.TIMEOUT))) == [
        ("connection.undecided", Severity.INCONCLUSIVE)
    ]


@pytest.mark.parametrize(
    ("certificate", "rule"),
    [
        (replace(GOOD, problem="odd"), "tls.certificate"),
        (replace(GOOD, key_kind="RSA", key_bits=2047), "tls.key-size"),
        (replace(GOOD, key_bits=223), "tls.key-size"),
        (replace(GOOD, key_kind="Ed25519", key_bits=0), "tls.key-size"),
        (replace(GOOD, serial=""), "tls.serial-number"),
        (replace(GOOD, serial="0"), "tls.serial-number"),
        (replace(GOOD, common_names=("other.example",)), "tls.common-name"),
        (replace(GOOD, common_names=()), "tls.common-name"),
    ],
)
def test_each_fault_of_a_certificate_is_found(certificate: CertificateFacts, rule: str) -> None:
    """A certificate with one fault has one finding, which fails."""
    assert told(judge_certificate(certificate, host=HOST)) == [(rule, Severity.FAILURE)]


@pytest.mark.parametrize("kind", ["RSA", "DSA"])
def test_a_sound_certificate_passes(kind: str) -> None:
    """The least sizes are allowed, and the name is that of the address, in any case."""
    assert judge_certificate(GOOD, host="CSMS.example") == []
    assert judge_certificate(replace(GOOD, key_kind=kind, key_bits=2048), host=HOST) == []
    assert judge_certificate(replace(GOOD, key_bits=224), host=HOST) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_name_that_is_none_cannot_be_checked(host: str) -> None:
    """An address or localhost that the certificate does not name only warns."""
    found = judge_certificate(GOOD, host=host)

    assert told(found) == [("tls.common-name", Severity.WARNING)]
    assert judge_certificate(replace(GOOD, common_names=(host,)), host=host) == []


def test_the_kind_of_a_refusal_is_read_from_its_event() -> None:
    """Details without a kind, or with one nobody knows, have none."""
    assert refusal_kind({"kind": "eof"}) is RefusalKind.EOF
    assert refusal_kind({"kind": "odd"}) is None
    assert refusal_kind({}) is None
