"""What PEM texts say: chains, keys, names, hash data, signatures. Pure, no keys are made here.

Spec: OCPP 1.6 security white paper ed. 3 §2.4, §5; hash data as in RFC 6960 §4.1.1.
"""

from __future__ import annotations

import warnings
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from harness.model import Json

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"
_HASHES: Final[Mapping[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]]] = {
    "SHA256": hashes.SHA256,
    "SHA384": hashes.SHA384,
    "SHA512": hashes.SHA512,
}
HASH_ALGORITHMS: Final = tuple(_HASHES)
# Least key sizes, security white paper ed. 3 §2.4 (A00.FR.501, .502 …).
LEAST_KEY_BITS: Final = {"RSA": 2048, "DSA": 2048, "EC": 224}
_SIGNATURES: Final = {
    SignatureAlgorithmOID.RSA_WITH_SHA256: "SHA256withRSA",
    SignatureAlgorithmOID.RSA_WITH_SHA384: "SHA384withRSA",
    SignatureAlgorithmOID.RSA_WITH_SHA512: "SHA512withRSA",
    SignatureAlgorithmOID.RSA_WITH_SHA1: "SHA1withRSA",
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: "SHA256withECDSA",
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: "SHA384withECDSA",
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: "SHA512withECDSA",
    SignatureAlgorithmOID.ECDSA_WITH_SHA1: "SHA1withECDSA",
}
# What the parser raises for a certificate or key it cannot make sense of.
_UNREADABLE: Final = (ValueError, UnsupportedAlgorithm, x509.InvalidVersion, TypeError)


class Unreadable(ValueError):
    """A text that should be a certificate or a request and is none."""


class Difference(NamedTuple):
    """One fact of a certificate that is not as it should be."""

    what: str
    expected: str
    actual: str


def read_chain(text: object) -> list[x509.Certificate]:
    """Return the certificates of a PEM text that holds nothing else.

    Raises:
        Unreadable: something else is in it, or one of them is no X.509 certificate.
    """
    if not isinstance(text, str) or not text.strip():
        raise Unreadable("no text")
    found = []
    rest = text.strip()
    while rest:
        body, end, tail = rest.partition(_END)
        if not end or not body.startswith(_BEGIN):
            raise Unreadable("something that is no PEM certificate")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # odd, but readable
            try:
                certificate = x509.load_pem_x509_certificate(f"{body}{end}\n".encode())
                certificate.public_key()
            except _UNREADABLE as error:
                raise Unreadable(f"no X.509 certificate: {error}") from error
        found.append(certificate)
        rest = tail.strip()
    return found


def same_pem(one: object, other: object) -> bool:
    """Say whether two PEM texts differ in line ends and blanks around lines only."""
    if not isinstance(one, str) or not isinstance(other, str):
        return False
    return _lines(one) == _lines(other)


def describe(text: object) -> str:
    """Return whose certificate a PEM text is, in words; for what is none, why."""
    try:
        leaf, *others = read_chain(text)
    except Unreadable as error:
        return str(error)
    more = f" and {len(others)} more" if others else ""
    name = leaf.subject.rfc4514_string() or "nobody"
    return f"the certificate of {name} with the serial number {leaf.serial_number:x}{more}"


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]


def public_key_of(text: object) -> bytes:
    """Return the public key, as DER, of a request or of the first certificate of a chain.

    Raises:
        Unreadable: the text is neither.
    """
    key: object
    if isinstance(text, str) and "CERTIFICATE REQUEST-----" in text:
        try:
            key = x509.load_pem_x509_csr(text.encode()).public_key()
        except _UNREADABLE as error:
            raise Unreadable(f"no certificate request: {error}") from error
    else:
        key = read_chain(text)[0].public_key()
    return _der(key)


def _der(key: object) -> bytes:
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]  # every public key has it
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def key_of(certificate: x509.Certificate) -> tuple[str, int]:
    """Return kind and size in bits of a certificate's key."""
    key = certificate.public_key()
    match key:
        case rsa.RSAPublicKey():
            return "RSA", key.key_size
        case dsa.DSAPublicKey():
            return "DSA", key.key_size
        case ec.EllipticCurvePublicKey():
            return "EC", key.key_size
        case _:
            return type(key).__name__.removesuffix("PublicKey"), 0


def signature_of(certificate: x509.Certificate) -> str:
    """Return the signature algorithm by the name that Java has for it, such as SHA256withRSA."""
    oid = certificate.signature_algorithm_oid
    if oid == SignatureAlgorithmOID.RSASSA_PSS:
        try:
            used = certificate.signature_hash_algorithm
        except UnsupportedAlgorithm:
            used = None
        return f"{used.name.upper() if used else '?'}withRSA-PSS"
    return _SIGNATURES.get(oid, oid.dotted_string)


def subject_of(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    """Return an attribute of the subject's name; empty where it has none."""
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""


def differences(expected: Mapping[str, Json], chain: object) -> Iterator[Difference]:
    """Hold the first certificate of a chain against what is expected of it.

    Args:
        expected: any of ``public_key_of``, ``signature_algorithm``, ``common_name``,
            ``organization`` and ``key_bits``.
    """
    try:
        leaf = read_chain(chain)[0]
    except Unreadable as error:
        yield Difference("chain", "X.509 certificates in PEM form", str(error))
        return
    if "public_key_of" in expected:
        try:
            wanted = public_key_of(expected["public_key_of"])
        except Unreadable as error:
            yield Difference("public key", "that of a request", f"the request is {error}")
        else:
            if wanted != _der(leaf.public_key()):
                yield Difference("public key", "that of the request", "another one")
    kind, bits = key_of(leaf)
    sizes = expected.get("key_bits")
    if isinstance(sizes, dict):
        least = sizes.get(kind)
        if not isinstance(least, int):
            allowed = " or ".join(sizes)
            yield Difference("key", f"of kind {allowed}", f"of kind {kind}")
        elif bits < least:
            yield Difference("key size", f"at least {least} bits ({kind})", f"{bits} bits")
    shown = {
        "signature_algorithm": signature_of(leaf),
        "common_name": subject_of(leaf, NameOID.COMMON_NAME),
        "organization": subject_of(leaf, NameOID.ORGANIZATION_NAME),
    }
    for name, actual in shown.items():
        if name in expected and expected[name] != actual:
            yield Difference(name.replace("_", " "), str(expected[name]), actual or "none")


def hash_data(certificate: object, algorithm: str) -> dict[str, Json]:
    """Return certificateHashData of a self-signed certificate, hexadecimal in small letters.

    Raises:
        Unreadable: the text is no certificate, or the algorithm is not one of the three.
    """
    if algorithm not in _HASHES:
        raise Unreadable(f"{algorithm!r} is no hash algorithm; known: {', '.join(_HASHES)}")
    leaf, *issuers = read_chain(certificate)
    issuer = issuers[0] if issuers else leaf
    request = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, _HASHES[algorithm]()).build()
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": request.issuer_name_hash.hex(),
        "issuerKeyHash": request.issuer_key_hash.hex(),
        "serialNumber": format(leaf.serial_number, "x"),
    }


def verifies(signature: object, *, certificate: object, content: object) -> bool:
    """Say whether a base64 signature is right for a base64 content, over SHA-256.

    RSA is tried in both of its forms: which one was agreed on, no field tells.

    Raises:
        Unreadable: the certificate is none, or the content is no base64.
    """
    key = read_chain(certificate)[0].public_key()
    signed = _decoded(content)
    if signed is None:
        raise Unreadable("the content is no base64 text")
    given = _decoded(signature)
    if given is None:
        return False
    match key:
        case rsa.RSAPublicKey():
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
            return any(
                _holds(partial(key.verify, given, signed, form, hashes.SHA256()))
                for form in (padding.PKCS1v15(), pss)
            )
        case ec.EllipticCurvePublicKey():
            return _holds(partial(key.verify, given, signed, ec.ECDSA(hashes.SHA256())))
        case _:
            raise Unreadable("the certificate has a key that signs no firmware")


def _holds(verify: Callable[[], object]) -> bool:
    try:
        verify()
    except InvalidSignature:
        return False
    return True


def _decoded(text: object) -> bytes | None:
    if not isinstance(text, str):
        return None
    try:
        return b64decode("".join(text.split()), validate=True)
    except (Base64Error, ValueError):
        return None
