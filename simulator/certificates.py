"""Certificates and signatures, checked with the `cryptography` library; pure.

Spec: OCPP 1.6 security white paper ed. 3, A00.FR.501-511, M03-M05, L01; hash data as in RFC 6960.
Whatever is wrong comes as `BadCertificate`, in words for people.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final, TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from simulator.errors import SimulatorError

MIN_RSA_BITS: Final = 2048  # A00.FR.501
MIN_EC_BITS: Final = 224  # A00.FR.502
SHA256_BYTES: Final = 32

ExtensionT = TypeVar("ExtensionT", bound=x509.ExtensionType)
PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class BadCertificate(SimulatorError):
    """A certificate, a chain or a request is not what it should be."""


class HashAlgorithm(StrEnum):
    """What certificates are named by, white paper §6.10."""

    SHA256 = "SHA256"
    SHA384 = "SHA384"
    SHA512 = "SHA512"


_HASHES: Final[dict[HashAlgorithm, hashes.HashAlgorithm]] = {
    HashAlgorithm.SHA256: hashes.SHA256(),
    HashAlgorithm.SHA384: hashes.SHA384(),
    HashAlgorithm.SHA512: hashes.SHA512(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateHashData:
    """What names a certificate on the wire; digits are lower case.

    Attributes:
        serial_number: hexadecimal, without leading zeros.
    """

    hash_algorithm: HashAlgorithm
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


@dataclass(slots=True)
class Refusals:
    """What somebody arranged: the next certificates are refused, whatever they are.

    Attributes:
        times: how many.
        signing_status: what SignedUpdateFirmware is answered then.
    """

    times: int = 0
    signing_status: str = "InvalidCertificate"

    def check(self) -> None:
        """Refuse, if that is arranged.

        Raises:
            BadCertificate: it is.
        """
        if self.times:
            self.times -= 1
            raise BadCertificate("as somebody arranged")


# What the library raises at parts that cannot be read, most of them only when they are.
_MALFORMED: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@contextmanager
def _as_bad(what: str) -> Iterator[None]:
    """Say in our own words what cannot be read."""
    try:
        yield
    except _MALFORMED as exc:
        raise BadCertificate(f"{what}: {exc}") from exc


def read_chain(pem: str) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a PEM text, in their order.

    Raises:
        BadCertificate: it holds none, or one that cannot be read.
    """
    with _as_bad("not a certificate in PEM"):
        chain = tuple(x509.load_pem_x509_certificates(pem.encode()))
        for certificate in chain:
            _ = certificate.subject, certificate.issuer, certificate.extensions
            _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    for certificate in chain:
        public_key(certificate)
    return chain


def read_one(pem: str) -> x509.Certificate:
    """Return the only certificate of a PEM text.

    Raises:
        BadCertificate: it cannot be read, or there are several.
    """
    chain = read_chain(pem)
    if len(chain) != 1:
        raise BadCertificate(f"{len(chain)} certificates where one was expected")
    return chain[0]


def to_pem(certificate: x509.Certificate) -> str:
    """Return a certificate as PEM text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def public_key(signed: x509.Certificate | x509.CertificateSigningRequest) -> PublicKey:
    """Return the key a certificate or a request speaks of.

    Raises:
        BadCertificate: it is of another kind than RSA or EC, or too short (A00.FR.501-502).
    """
    with _as_bad("unusable key"):
        key = signed.public_key()
    match key:
        case rsa.RSAPublicKey() if key.key_size >= MIN_RSA_BITS:
            return key
        case ec.EllipticCurvePublicKey() if key.key_size >= MIN_EC_BITS:
            return key
        case rsa.RSAPublicKey() | ec.EllipticCurvePublicKey():
            raise BadCertificate(f"a key of {key.key_size} bits is too short")
        case _:
            raise BadCertificate("neither an RSA nor an EC key")


def read_csr_key(pem: str) -> PublicKey:
    """Return the key that a certificate signing request wants certified.

    Raises:
        BadCertificate: it cannot be read, or is not signed with that key.
    """
    with _as_bad("not a certificate signing request in PEM"):
        csr = x509.load_pem_x509_csr(pem.encode())
        is_signed = csr.is_signature_valid
    if not is_signed:
        raise BadCertificate("the request is not signed with its own key")
    return public_key(csr)


# --- names and hash data -------------------------------------------------------------------------


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether one certificate is signed by the other, and the other may sign."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *_MALFORMED):
        return False
    return _may_issue(issuer)


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Whether a certificate is a root of its own."""
    return is_issued_by(certificate, certificate)


def find_issuer(
    certificate: x509.Certificate, candidates: Sequence[x509.Certificate]
) -> x509.Certificate | None:
    """Return who signed a certificate: itself or a candidate; None where nobody known did."""
    for candidate in (certificate, *candidates):
        if is_issued_by(certificate, candidate):
            return candidate
    return None


def hash_data(
    certificate: x509.Certificate, issuer: x509.Certificate, algorithm: HashAlgorithm
) -> CertificateHashData:
    """Return what names a certificate, as OCSP does it (RFC 6960 §4.1.1)."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, _HASHES[algorithm])
    request = builder.build()
    return CertificateHashData(
        hash_algorithm=algorithm,
        issuer_name_hash=request.issuer_name_hash.hex(),
        issuer_key_hash=request.issuer_key_hash.hex(),
        serial_number=f"{certificate.serial_number:x}",
    )


def subject_of(certificate: x509.Certificate) -> str:
    """Return whose certificate it is, for people."""
    return certificate.subject.rfc4514_string()


# --- checks --------------------------------------------------------------------------------------


def check_dates(certificate: x509.Certificate, at: datetime) -> None:
    """Check that a certificate is in force at a time.

    Raises:
        BadCertificate: not yet, or no more.
    """
    if at < certificate.not_valid_before_utc:
        raise BadCertificate(f"not valid before {certificate.not_valid_before_utc.isoformat()}")
    if at > certificate.not_valid_after_utc:
        raise BadCertificate(f"expired at {certificate.not_valid_after_utc.isoformat()}")


def check_path(
    chain: Sequence[x509.Certificate],
    at: datetime,
    anchors: Sequence[x509.Certificate] | None,
) -> None:
    """Check that each certificate is in force and signed by the next, up to an anchor.

    Args:
        anchors: one of them must be the last certificate or have signed it; None leaves the end
            of the chain unchecked.

    Raises:
        BadCertificate: the chain does not hold.
    """
    for certificate in chain:
        check_dates(certificate, at)
    for certificate, issuer in pairwise(chain):
        if not is_issued_by(certificate, issuer):
            raise BadCertificate(
                f"{subject_of(certificate)} is not signed by {subject_of(issuer)}, which follows it"
            )
    if anchors is None:
        return
    last = chain[-1]
    for anchor in anchors:
        if last == anchor or is_issued_by(last, anchor):
            check_dates(anchor, at)
            return
    raise BadCertificate(f"nobody we trust signed {subject_of(last)}")


def check_root(certificate: x509.Certificate, at: datetime) -> None:
    """Check that a certificate may be installed to trust others by it.

    Raises:
        BadCertificate: it is out of date, or says that it is no authority.
    """
    check_dates(certificate, at)
    if not _may_issue(certificate):
        raise BadCertificate(f"{subject_of(certificate)} is not of a certificate authority")


def check_own(
    chain: Sequence[x509.Certificate],
    at: datetime,
    *,
    keys: Sequence[PublicKey],
    common_name: str,
    organisation: str,
    anchors: Sequence[x509.Certificate] | None,
) -> None:
    """Check the certificate that the CSMS had signed for a charge point (A02, A03, A00.FR.403-407).

    Args:
        keys: those we hold the private half of.
        common_name: stands in CN.
        organisation: stands in O, where the certificate has one; many authorities drop it.

    Raises:
        BadCertificate: it is not for us, or the chain does not hold.
    """
    leaf = chain[0]
    if public_key(leaf) not in keys:
        raise BadCertificate("the certificate is for another key than that of our request")
    names = _texts(leaf, NameOID.COMMON_NAME)
    if not any(common_name in name for name in names):
        raise BadCertificate(f"the certificate is for {', '.join(names)}, not for {common_name}")
    organisations = _texts(leaf, NameOID.ORGANIZATION_NAME)
    if organisations and not any(organisation in name for name in organisations):
        found = ", ".join(organisations)
        raise BadCertificate(f"the certificate names {found} as organisation, not {organisation}")
    usages = _extension(leaf, x509.ExtendedKeyUsage)
    wanted = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if usages is not None and wanted.isdisjoint(usages):
        raise BadCertificate("the certificate is not meant for TLS clients")
    check_path(chain, at, anchors)


def check_signing(
    pem: str, at: datetime, anchors: Sequence[x509.Certificate] | None
) -> x509.Certificate:
    """Return the certificate firmware is signed with, after checking it (L01.FR.02).

    Raises:
        BadCertificate: firmware signed with it cannot be trusted.
    """
    chain = read_chain(pem)
    usage = _extension(chain[0], x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        raise BadCertificate(f"{subject_of(chain[0])} is not meant for signing")
    check_path(chain, at, anchors)
    return chain[0]


def is_signature_right(certificate: x509.Certificate, signature: str, sha256: str) -> bool:
    """Whether a Base64 signature over a file with this SHA-256 was made with a certificate's key.

    RSA in both paddings, PKCS #1 v1.5 and PSS, and ECDSA, each with SHA-256 (L01).
    """
    try:
        signed = base64.b64decode("".join(signature.split()), validate=True)
        digest = bytes.fromhex(sha256)
    except (binascii.Error, ValueError):
        return False
    if len(digest) != SHA256_BYTES:
        return False
    key, algorithm = public_key(certificate), Prehashed(hashes.SHA256())
    match key:
        case rsa.RSAPublicKey():
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
            return any(
                _verifies(key, signed, digest, padding) for padding in (padding.PKCS1v15(), pss)
            )
        case ec.EllipticCurvePublicKey():
            try:
                key.verify(signed, digest, ec.ECDSA(algorithm))
            except InvalidSignature:
                return False
            return True


def _verifies(
    key: rsa.RSAPublicKey, signature: bytes, digest: bytes, scheme: padding.AsymmetricPadding
) -> bool:
    try:
        key.verify(signature, digest, scheme, Prehashed(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _may_issue(certificate: x509.Certificate) -> bool:
    """Whether a certificate is of an authority; those of version 1 cannot say so (RFC 5280)."""
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    is_old = certificate.version is x509.Version.v1
    is_authority = is_old if constraints is None else constraints.ca
    return is_authority and (usage is None or usage.key_cert_sign)


def _extension(certificate: x509.Certificate, kind: type[ExtensionT]) -> ExtensionT | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _texts(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(oid)]
