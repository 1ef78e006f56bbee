"""Certificate signing requests of charge points: read, and checked before anybody signs.

A request is untrusted input. Taken from it are the public key and names; its extensions are never
looked at. Spec: security whitepaper ed. 3, A00.FR.501 to 511, A02 (CS-SEC-06, CS-SEC-08).
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from csms.domain.certificates import MAX_PEM
from csms.pki.certificates import (
    UNREADABLE,
    BadCertificate,
    blocks,
    common_name,
    key_name,
    organisations,
    pem_of,
)

MIN_RSA_BITS: Final = 2048  # A00.FR.502
MAX_RSA_BITS: Final = 8192  # what costs every later check of a signature its time
CURVES: Final = frozenset(  # at least 224 bits (A00.FR.503), known to TLS libraries
    {
        "secp224r1",
        "secp256r1",
        "secp384r1",
        "secp521r1",
        "brainpoolP256r1",
        "brainpoolP384r1",
        "brainpoolP512r1",
    }
)
MAX_NAME: Final = 64  # characters of CN, O, OU; RFC 5280 appendix A.1

_LABELS: Final = frozenset({"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"})
_SOUND_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
# What of a subject is kept; the rest is left out of the certificate.
_KEPT: Final = (
    NameOID.COUNTRY_NAME,
    NameOID.STATE_OR_PROVINCE_NAME,
    NameOID.LOCALITY_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
    NameOID.COMMON_NAME,
    NameOID.SERIAL_NUMBER,
)

RequestKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class RefusedRequest(ValueError):
    """The request must not be signed; the message says why, without text of the request."""


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """A request whose sender holds the private key.

    Attributes:
        public_key: of an acceptable kind and size.
        subject: the parts of the subject that a certificate may have.
        common_name: exactly one, printable, 1 to 64 characters.
        digest: SHA-256 of what is asked for, hex: the same request has the same, also when it is
            signed anew.
        key_digest: SHA-256 of the public key, hex.
        pem: the request, with LF line ends.
    """

    public_key: RequestKey
    subject: x509.Name
    common_name: str
    organisations: tuple[str, ...]
    key: str
    digest: str
    key_digest: str
    pem: str


def read_request(text: str) -> SigningRequest:
    """Read a CSR in PEM and check all that can be checked without knowing its sender.

    Takes some time: not for the event loop.

    Raises:
        RefusedRequest: it is none, its self-signature is broken, its key too weak or too strange.
    """
    request = _load(text)
    try:
        key = request.public_key()
        subject = request.subject
        algorithm = request.signature_hash_algorithm
    except UNREADABLE as error:
        raise RefusedRequest(f"the request cannot be read ({type(error).__name__})") from None
    checked = _check_key(key)  # before the signature: a huge key would make that slow
    if not isinstance(algorithm, _SOUND_HASHES):
        raise RefusedRequest("the request is not signed with SHA-256, SHA-384 or SHA-512")
    if not _is_signature_valid(request):
        raise RefusedRequest("the request's own signature is broken")
    name = _check_text(common_name(subject), "common name")
    kept = _kept(subject)
    return SigningRequest(
        public_key=checked,
        subject=kept,
        common_name=name,
        organisations=tuple(organisations(kept)),
        key=key_name(checked),
        digest=sha256(request.tbs_certrequest_bytes).hexdigest(),
        key_digest=key_digest(checked),
        pem=request.public_bytes(Encoding.PEM).decode("ascii"),
    )


def key_digest(key: RequestKey) -> str:
    """Return the SHA-256 of a public key, hex."""
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _load(text: str) -> x509.CertificateSigningRequest:
    if len(text) > 2 * MAX_PEM:
        raise RefusedRequest("the request is too long")
    try:
        found = blocks(text)
    except BadCertificate:
        raise RefusedRequest("the request is not PEM") from None
    if len(found) != 1 or found[0][0] not in _LABELS:
        raise RefusedRequest("a PEM certificate request is expected, and nothing else")
    try:
        return x509.load_pem_x509_csr(pem_of("CERTIFICATE REQUEST", found[0][1]))
    except UNREADABLE as error:
        raise RefusedRequest(f"the request cannot be read ({type(error).__name__})") from None


def _check_key(key: object) -> RequestKey:
    match key:
        case rsa.RSAPublicKey():
            if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
                raise RefusedRequest(
                    f"an RSA key has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits, not {key.key_size}"
                )
            numbers = key.public_numbers()
            # Larger ones only make every check of a signature slow.
            if numbers.e % 2 == 0 or not 3 <= numbers.e < 2**32 or numbers.n % 2 == 0:
                raise RefusedRequest("the RSA key is a strange one")
            return key
        case ec.EllipticCurvePublicKey():
            if key.curve.name not in CURVES:
                raise RefusedRequest("the key is on an elliptic curve that is not supported")
            return key
    raise RefusedRequest("the key is neither RSA nor on an elliptic curve")


def _is_signature_valid(request: x509.CertificateSigningRequest) -> bool:
    try:
        return request.is_signature_valid
    except UNREADABLE:
        return False


def _check_text(text: str | None, what: str) -> str:
    if text is None:
        raise RefusedRequest(f"the subject has not exactly one {what}")
    if not 1 <= len(text) <= MAX_NAME or not text.isprintable() or text != text.strip():
        raise RefusedRequest(f"the {what} is empty, too long or has odd characters")
    return text


def _kept(subject: x509.Name) -> x509.Name:
    """Return the usual attributes of a subject, written anew; strange ones are left out.

    Raises:
        RefusedRequest: a usual one has a value that no certificate can have.
    """
    kept = []
    for attribute in subject:
        if attribute.oid not in _KEPT:
            continue
        value = attribute.value
        if not isinstance(value, str):
            raise RefusedRequest("the subject has an attribute in a strange encoding")
        try:
            kept.append(x509.NameAttribute(attribute.oid, _check_text(value, "subject")))
        except ValueError as error:
            if isinstance(error, RefusedRequest):
                raise
            raise RefusedRequest("the subject has an attribute of a wrong length") from None
    return x509.Name(kept)
