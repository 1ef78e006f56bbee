"""Reading certificates that anybody may have made: bounded, exact, with one error.

What can be odd about a certificate ends in BadCertificate: broken encodings, unknown keys,
several certificates where one is expected. Private keys are not read here.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from csms.domain.certificates import CertificateFacts, HashAlgorithm, HashData

MAX_CERTIFICATE: Final = 20_000  # characters or bytes of one; sound ones have two thousand
MAX_CHAIN: Final = 10  # certificates in a chain

# What the library raises for input that it cannot make sense of, by experience and fuzzing.
UNREADABLE: Final = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    Warning,  # where warnings are made errors
)

_HASHES: Final[dict[HashAlgorithm, hashes.HashAlgorithm]] = {
    HashAlgorithm.SHA256: hashes.SHA256(),
    HashAlgorithm.SHA384: hashes.SHA384(),
    HashAlgorithm.SHA512: hashes.SHA512(),
}
_BEGIN: Final = "-----BEGIN "
_BLOCK: Final = re.compile(
    r"-----BEGIN ([A-Z0-9 ]{1,40})-----\s([A-Za-z0-9+/=\s]*)-----END \1-----", re.ASCII
)


class BadCertificate(ValueError):
    """What was given is no certificate that can be used; the message says why."""


def blocks(text: str) -> list[tuple[str, str]]:
    """Return the PEM blocks of a text as label and body; line ends of any kind, even written out.

    Raises:
        BadCertificate: something that begins like a block is none.
    """
    text = text.replace("\\r", "\n").replace("\\n", "\n")  # escaped twice: seen in the field
    found = [(match[1], match[2]) for match in _BLOCK.finditer(text)]
    if len(found) != text.count(_BEGIN):
        raise BadCertificate("it is not PEM")
    return found


def pem_of(label: str, body: str) -> bytes:
    """Return a clean PEM block: LF line ends of 64 characters, whatever the lines were."""
    text = "".join(body.split())
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def read_chain(text: str) -> list[x509.Certificate]:
    """Read certificates in PEM, at least one.

    Raises:
        BadCertificate: there is none, too many, or one that cannot be read.
    """
    if len(text) > MAX_CHAIN * MAX_CERTIFICATE:
        raise BadCertificate("it is too long")
    found = blocks(text)
    if not found:
        raise BadCertificate("there is no PEM certificate")
    if len(found) > MAX_CHAIN:
        raise BadCertificate(f"there are more than {MAX_CHAIN} certificates")
    return [_read_block(label, body) for label, body in found]


def _read_block(label: str, body: str) -> x509.Certificate:
    if label != "CERTIFICATE":
        raise BadCertificate(f"a PEM block is {label}, not CERTIFICATE")
    if len(body) > MAX_CERTIFICATE:
        raise BadCertificate("a certificate is too long")
    try:
        certificate = x509.load_pem_x509_certificate(pem_of(label, body))
    except UNREADABLE as error:
        raise BadCertificate(f"it cannot be read: {_why(error)}") from None
    return _checked(certificate)


def read_one(text: str) -> x509.Certificate:
    """Read exactly one certificate in PEM.

    Raises:
        BadCertificate: there is none, more than one, or it cannot be read.
    """
    found = read_chain(text)
    if len(found) != 1:
        raise BadCertificate(f"one certificate is expected, not {len(found)}")
    return found[0]


def read_der(data: bytes) -> x509.Certificate:
    """Read a certificate as it comes in a TLS handshake.

    Raises:
        BadCertificate: it cannot be read.
    """
    if len(data) > MAX_CERTIFICATE:
        raise BadCertificate("it is too long")
    try:
        certificate = x509.load_der_x509_certificate(data)
    except UNREADABLE as error:
        raise BadCertificate(f"it cannot be read: {_why(error)}") from None
    return _checked(certificate)


def _checked(certificate: x509.Certificate) -> x509.Certificate:
    """Touch everything that is decoded late, so that nothing fails later.

    Raises:
        BadCertificate: it cannot be read after all.
    """
    facts(certificate)
    return certificate


def facts(certificate: x509.Certificate) -> CertificateFacts:
    """Return what a certificate says of itself.

    Raises:
        BadCertificate: a part of it cannot be read.
    """
    try:
        if certificate.serial_number < 0:
            raise BadCertificate("its serial number is negative")
        return CertificateFacts(
            subject=_shown(certificate.subject),
            issuer=_shown(certificate.issuer),
            serial=serial_text(certificate.serial_number),
            fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
            key=key_name(certificate.public_key()),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )
    except BadCertificate:
        raise
    except UNREADABLE as error:
        raise BadCertificate(f"it cannot be read: {_why(error)}") from None


def serial_text(number: int) -> str:
    """Return a serial number as OCPP writes it: hex without leading zeros or ``0x``."""
    return f"{number:x}"


def key_name(key: CertificatePublicKeyTypes) -> str:
    """Return kind and size of a key for people."""
    match key:
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePublicKey():
            return f"EC {key.curve.name}"
    return type(key).__name__.removesuffix("PublicKey")


def common_name(name: x509.Name) -> str | None:
    """Return the one common name of a subject; None where there is none, or more than one.

    Two would let one reader see this name and another see that.
    """
    found = _texts(name, NameOID.COMMON_NAME)
    return found[0] if len(found) == 1 else None


def organisations(name: x509.Name) -> list[str]:
    """Return the organisations of a subject."""
    return _texts(name, NameOID.ORGANIZATION_NAME)


def _texts(name: x509.Name, kind: x509.ObjectIdentifier) -> list[str]:
    values = (attribute.value for attribute in name.get_attributes_for_oid(kind))
    return [value if isinstance(value, str) else value.decode("latin-1") for value in values]


def _shown(name: x509.Name) -> str:
    """Return a name for people: control characters escaped, and not endless."""
    text = name.rfc4514_string()[:500]
    return text.encode("unicode_escape").decode() if not text.isprintable() else text


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Say whether a certificate is its own issuer, and proves it."""
    return is_issued_by(certificate, certificate)


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Say whether an issuer's key made the signature of a certificate."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def hash_data(
    certificate: x509.Certificate, issuer: x509.Certificate, algorithm: HashAlgorithm
) -> HashData:
    """Return how a certificate is named on the wire, as in OCSP (RFC 6960 §4.1.1).

    Raises:
        BadCertificate: its parts cannot be hashed.
    """
    try:
        builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, _HASHES[algorithm])
        request = builder.build()
    except UNREADABLE as error:
        raise BadCertificate(f"it cannot be hashed: {_why(error)}") from None
    return HashData(
        algorithm,
        request.issuer_name_hash.hex(),
        request.issuer_key_hash.hex(),
        serial_text(request.serial_number),
    )


def names_of(certificate: x509.Certificate) -> tuple[HashData, ...]:
    """Return how a certificate is named under each algorithm.

    The key hash is of the issuer's key: empty where the certificate is not its own issuer.

    Raises:
        BadCertificate: its parts cannot be hashed.
    """
    names = tuple(hash_data(certificate, certificate, one) for one in HashAlgorithm)
    if is_self_signed(certificate):
        return names
    return tuple(replace(one, issuer_key_hash="") for one in names)


def write_chain(certificates: Iterable[x509.Certificate]) -> str:
    """Return certificates as PEM with LF line ends (the official tool takes no other)."""
    return "".join(one.public_bytes(Encoding.PEM).decode("ascii") for one in certificates)


def _why(error: BaseException) -> str:
    """Return the library's reason, shortened: parts of it may come from outside."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 and text.isprintable() else type(error).__name__
