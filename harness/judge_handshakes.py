"""Connections that must be refused, and TLS handshakes without a WebSocket: what they show. Pure.

A refusal counts when our request or ClientHello left and the server ended it: by an HTTP status, a
TLS alert, the end of the stream or a reset. A certificate that we did not trust is no refusal.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Final

from harness.certificates import LEAST_KEY_BITS
from harness.checks import finding
from harness.model import Refusal
from harness.results import Finding, Severity
from simulator.errors import HandshakeRefused, RefusalKind
from simulator.server_certificate import CertificateFacts
from simulator.tls import TlsFacts
from simulator.tls_names import TlsVersion

# The server ended it, and how.
_REFUSALS: Final = {
    RefusalKind.HTTP: "an HTTP status",
    RefusalKind.ALERT: "a TLS alert",
    RefusalKind.EOF: "the end of the connection",
    RefusalKind.RESET: "a reset",
}


def judge_refusal(wanted: Refusal, refused: HandshakeRefused) -> list[Finding]:
    """Return what is wrong with a connection that was to be refused and did not come about."""
    match refused.kind:
        case RefusalKind.HTTP:
            return _status(wanted, refused)
        case RefusalKind.ALERT | RefusalKind.EOF | RefusalKind.RESET:
            return []
        case RefusalKind.NOT_TRUSTED:
            return [not_trusted(refused.reason)]
        case RefusalKind.CLOSED_PORT:
            message = f"The connection was not refused, there is no port for it: {refused.reason}."
            return [
                finding(
                    "connection.unreachable",
                    message,
                    expected="a refused connection",
                    actual="a closed port",
                    severity=Severity.WARNING if wanted.takes_unreachable else None,
                )
            ]
        case RefusalKind.TIMEOUT:
            return [
                finding(
                    "connection.undecided",
                    f"The CSMS neither took nor refused the connection: {refused.reason}.",
                    expected="a refused connection",
                    actual="no answer",
                )
            ]
        case _:
            return [
                finding(
                    "connection.undecided",
                    f"Nothing tells whether the connection was refused: {refused.reason}.",
                    expected=", ".join(_REFUSALS.values()),
                    actual=refused.kind.value.replace("_", " "),
                    severity=Severity.INCONCLUSIVE,
                )
            ]


def _status(wanted: Refusal, refused: HandshakeRefused) -> list[Finding]:
    status = refused.status
    if status == 101:  # RFC 6455 §4.2.2: the server took it, however wrongly
        return [
            finding(
                "connection.not-refused",
                f"The CSMS did not refuse the connection: {refused.reason}.",
                expected="a refused connection",
                actual="HTTP 101",
            )
        ]
    if wanted.statuses and status not in wanted.statuses:
        return [_other_status(status, wanted.statuses, None)]
    if wanted.natural and status not in wanted.natural:
        return [_other_status(status, wanted.natural, Severity.WARNING)]
    return []


def _other_status(
    status: int | None, expected: Sequence[int], severity: Severity | None
) -> Finding:
    wanted = " or ".join(map(str, expected))
    return finding(
        "connection.status",
        f"The CSMS refused the connection with HTTP {status}, where {wanted} belongs.",
        expected=f"HTTP {wanted}",
        actual=f"HTTP {status}",
        severity=severity,
    )


def not_refused(url: str, offered: str) -> Finding:
    """Say that a connection came about that must not.

    Args:
        offered: what the charge point did about it, such as "without credentials"; may be empty.
    """
    return finding(
        "connection.not-refused",
        f"The CSMS took a connection {f'{offered} ' if offered else ''}at {url}, which it has to "
        "refuse in the handshake; to close it afterwards is no refusal.",
        expected="a refused connection",
        actual="HTTP 101",
    )


def not_trusted(reason: str) -> Finding:
    """Say that the server's certificate is not good for whom we wanted to speak to."""
    return finding(
        "handshake.not-trusted",
        f"The charge point hung up: {reason}. Are `tls.trust_anchors` of the system-under-test "
        "file right?",
        expected="a certificate that leads to a trust anchor and names the server",
        actual=reason,
    )


# --- TLS handshakes alone --------------------------------------------------------------------


def judge_suite(
    suite: str, facts: TlsFacts | None, refused: HandshakeRefused | None
) -> list[Finding]:
    """Say whether the server can do a suite that was offered alone."""
    if facts is not None and facts.suite == suite:
        return []
    actual = facts.suite if facts is not None else ""
    if refused is not None:
        if refused.kind not in _REFUSALS:
            return [unreached(refused)]
        actual = refused.reason
    return [
        finding(
            "tls.suite",
            f"No handshake with {suite} alone came about: {actual}.",
            expected=suite,
            actual=actual,
        )
    ]


def judge_none(least: TlsVersion, refused: HandshakeRefused) -> Finding:
    """Say what it means that no handshake came about though all that is usual was offered."""
    if refused.kind not in _REFUSALS:
        return unreached(refused)
    return finding(
        "tls.version",
        f"No TLS handshake of {least} or newer came about: {refused.reason}.",
        expected=f"{least} or newer",
        actual=refused.reason,
    )


def judge_version(least: TlsVersion, facts: TlsFacts) -> list[Finding]:
    """Say whether the version that a server chose, all being offered, is new enough."""
    if TlsVersion(facts.version).code >= least.code:
        return []
    return [
        finding(
            "tls.version",
            f"The CSMS chose {facts.version}.",
            expected=f"{least} or newer",
            actual=facts.version,
        )
    ]


def judge_1_3(facts: TlsFacts | None, refused: HandshakeRefused | None) -> list[Finding]:
    """Say whether the server can do TLS 1.3."""
    if facts is not None:
        return []
    if refused is not None and refused.kind not in _REFUSALS:
        return [unreached(refused)]
    reason = refused.reason if refused is not None else "no handshake"
    return [
        finding(
            "tls.version-1-3",
            f"The CSMS does not speak TLS 1.3: {reason}.",
            expected=TlsVersion.TLS_1_3,
            actual=reason,
        )
    ]


def judge_weak(
    what: str, facts: TlsFacts | None, refused: HandshakeRefused | None
) -> list[Finding]:
    """Say whether the server refuses what it must not speak."""
    if facts is None and refused is not None:
        return [] if refused.kind in _REFUSALS else [unreached(refused)]
    actual = f"{facts.version} with {facts.suite}" if facts is not None else "a handshake"
    return [
        finding(
            "tls.weak",
            f"The CSMS takes {what}, which protects nothing any more.",
            expected="a refused handshake",
            actual=actual,
        )
    ]


def judge_certificate(certificate: CertificateFacts, *, host: str) -> list[Finding]:
    """Hold a server's certificate against what the white paper demands of it (A00.FR.501-511).

    Args:
        host: name of the server.
    """
    if certificate.problem:
        return [
            finding(
                "tls.certificate",
                f"The CSMS shows something that is no X.509 certificate: {certificate.problem}.",
                expected="an X.509 certificate",
                actual=certificate.problem,
            )
        ]
    found = []
    least = LEAST_KEY_BITS.get(certificate.key_kind)
    key = f"{certificate.key_kind} {certificate.key_bits}".strip()
    if least is None or certificate.key_bits < least:
        sizes = ", ".join(f"{kind} {bits}" for kind, bits in LEAST_KEY_BITS.items())
        message = f"The certificate of the CSMS has a key of {key} bits."
        found.append(finding("tls.key-size", message, expected=f"at least {sizes}", actual=key))
    if not certificate.serial.strip("0"):
        message = "The certificate of the CSMS has no serial number."
        found.append(
            finding("tls.serial-number", message, expected="a serial number", actual="none")
        )
    return [*found, *_common_name(certificate, host)]


def _common_name(certificate: CertificateFacts, host: str) -> list[Finding]:
    names = [name.lower().rstrip(".") for name in certificate.common_names]
    if host.lower().rstrip(".") in names:
        return []
    shown = ", ".join(certificate.common_names) or "none"
    is_no_name = _is_address(host) or host.lower() == "localhost"
    message = (
        f"The common name cannot be checked: {host} is no name that a CSMS has."
        if is_no_name
        else f"The common name of the certificate is {shown}, not {host}."
    )
    return [
        finding(
            "tls.common-name",
            message,
            expected=host,
            actual=shown,
            severity=Severity.WARNING if is_no_name else None,
        )
    ]


def unreached(refused: HandshakeRefused) -> Finding:
    """Say that a handshake showed nothing about the server."""
    return finding(
        "connection.undecided",
        f"The handshake shows nothing: {refused.reason}.",
        expected="an answer in TLS",
        actual=refused.kind.value.replace("_", " "),
        severity=Severity.INCONCLUSIVE,
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def refusal_kind(detail: Mapping[str, object]) -> RefusalKind | None:
    """Return how a connection was refused, from the detail of a REFUSED event."""
    kind = detail.get("kind")
    return RefusalKind(kind) if isinstance(kind, str) and kind in list(RefusalKind) else None
