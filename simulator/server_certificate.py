"""What the certificate of a server says, and whether it is that server's.

The white paper (ed. 3, A00.FR.508 … 511) wants the server's name as common name and advises against
subjectAltName, most clients know subjectAltName alone: either is good here.
"""

from __future__ import annotations

import ipaddress
import ssl
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from simulator.clock import format_time


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """A certificate as a judge wants to read it.

    Attributes:
        pem: the certificate itself.
        problem: why it cannot be read; all that follows is then empty.
        common_names: of the subject; one, if all is well.
        organizations: of the subject.
        dns_names: of subjectAltName.
        ip_addresses: of subjectAltName.
        serial: hexadecimal digits.
        key_kind: ``RSA``, ``EC`` or what else it is.
        key_bits: length of the modulus or order, 0 where unknown.
        signature: the algorithm it was signed with, ``sha256WithRSAEncryption``.
    """

    pem: str
    problem: str = ""
    subject: str = ""
    common_names: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    issuer: str = ""
    serial: str = ""
    key_kind: str = ""
    key_bits: int = 0
    signature: str = ""
    not_before_at: datetime | None = None
    not_after_at: datetime | None = None

    def as_detail(self) -> dict[str, object]:
        """Return the facts as JSON values, times as text."""
        detail: dict[str, object] = asdict(self)
        for name, value in detail.items():
            if isinstance(value, tuple):
                detail[name] = list(value)
            elif isinstance(value, datetime):
                detail[name] = format_time(value, milliseconds=False)
        return detail


def read_certificate(der: bytes) -> CertificateFacts:
    """Return what a certificate says; never raises, a strange one says so."""
    pem = ssl.DER_cert_to_PEM_cert(der)
    try:
        with warnings.catch_warnings():
            # Deviations from RFC 5280 that are read nevertheless: the judge's business.
            warnings.simplefilter("ignore")
            return _read(x509.load_der_x509_certificate(der), pem)
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as exc:
        return CertificateFacts(pem=pem, problem=str(exc) or type(exc).__name__)


def _read(certificate: x509.Certificate, pem: str) -> CertificateFacts:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns_names = tuple(names.get_values_for_type(x509.DNSName))
        addresses = tuple(str(one) for one in names.get_values_for_type(x509.IPAddress))
    except x509.ExtensionNotFound:
        dns_names = addresses = ()
    key_kind, key_bits = _key(certificate)
    oid = certificate.signature_algorithm_oid
    return CertificateFacts(
        pem=pem,
        subject=certificate.subject.rfc4514_string(),
        common_names=_values(certificate.subject, NameOID.COMMON_NAME),
        organizations=_values(certificate.subject, NameOID.ORGANIZATION_NAME),
        dns_names=dns_names,
        ip_addresses=addresses,
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        key_kind=key_kind,
        key_bits=key_bits,
        signature=getattr(oid, "_name", oid.dotted_string),
        not_before_at=certificate.not_valid_before_utc,
        not_after_at=certificate.not_valid_after_utc,
    )


def _values(name: x509.Name, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    return tuple(str(one.value) for one in name.get_attributes_for_oid(oid))


def _key(certificate: x509.Certificate) -> tuple[str, int]:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "EC", key.key_size
    return type(key).__name__.removesuffix("PublicKey").lstrip("_"), 0


def names_host(facts: CertificateFacts, host: str) -> bool:
    """Whether a certificate was made for this host, by common name or subjectAltName."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return any(_covers(name, host) for name in (*facts.common_names, *facts.dns_names))
    # An address as common name or dnsName is no address by RFC 5280, but what people do.
    candidates: Sequence[str] = (
        *facts.ip_addresses,
        *facts.common_names,
        *facts.dns_names,
    )
    return any(_is_address(one, address) for one in candidates)


def _is_address(text: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return ipaddress.ip_address(text) == address
    except ValueError:
        return False


def _covers(pattern: str, host: str) -> bool:
    """Compare host names; ``*`` may stand for the whole leftmost label (RFC 6125 §6.4.3)."""
    pattern, host = _plain(pattern), _plain(host)
    if not pattern.startswith("*."):
        return bool(host) and pattern == host
    label, dot, rest = host.partition(".")
    return bool(label and dot) and pattern[2:] == rest and "." in rest


def _plain(name: str) -> str:
    name = name.rstrip(".").lower()
    try:
        return name.encode("idna").decode()
    except UnicodeError:  # underscores and the like: compared as they are
        return name
