"""Signatures of firmware files: checked before a file is offered with one.

Spec: security whitepaper ed. 3, L01, A00.FR.706 (CS-SEC-14, CS-SEC-16). Who made the certificate is
not checked here: charge points know their manufacturer's root, we do not.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from csms.domain.certificates import MAX_PEM
from csms.pki.certificates import UNREADABLE, BadCertificate, read_chain, write_chain

MAX_SIGNATURE: Final = 800  # characters of FirmwareType.signature
MIN_RSA_BITS: Final = 2048  # A00.FR.503
MIN_EC_BITS: Final = 224  # A00.FR.504


class BadSignature(ValueError):
    """A file must not be offered with this signature; the message says why.

    Attributes:
        part: what is wrong: ``signature`` or ``signing_certificate``.
    """

    def __init__(self, part: str, message: str) -> None:
        super().__init__(message)
        self.part = part


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that fits its file.

    Attributes:
        signature: Base64, in one line.
        signing_certificate: PEM, its issuers behind it if any.
        algorithm: how it was made.
    """

    signature: str
    signing_certificate: str
    algorithm: str


def check_signature(
    sha256: str, *, signature: str, signing_certificate: str, at: datetime
) -> Signature:
    """Return the signature as it can be sent, if it is one of the file with this SHA-256.

    Raises:
        BadSignature: it is not, or the certificate is no good at this time.
    """
    signature = "".join(signature.split())
    if len(signature) > MAX_SIGNATURE:
        raise BadSignature("signature", f"has more than {MAX_SIGNATURE} characters")
    try:
        raw = base64.b64decode(signature, validate=True)
    except (ValueError, binascii.Error):
        raise BadSignature("signature", "is not Base64") from None
    try:
        chain = read_chain(signing_certificate)
    except BadCertificate as error:
        raise BadSignature("signing_certificate", str(error)) from None
    certificate = chain[0]
    # As it was given, where that is clean: charge points and testers may compare texts.
    is_clean = signing_certificate.isascii() and "\\" not in signing_certificate
    text = signing_certificate if is_clean else write_chain(chain)
    if len(text) > MAX_PEM:
        raise BadSignature("signing_certificate", f"has more than {MAX_PEM} characters")
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise BadSignature("signing_certificate", "is expired or not valid yet")
    algorithm = _fitting(certificate.public_key(), raw, bytes.fromhex(sha256))
    if algorithm is None:
        raise BadSignature(
            "signature", "is none of this file with the certificate's key, with SHA-256"
        )
    return Signature(signature, text, algorithm)


def _fitting(key: object, signature: bytes, digest: bytes) -> str | None:
    """Return the algorithm with which a signature is right; None without one."""
    hashed = Prehashed(hashes.SHA256())
    ways: dict[str, Callable[[], None]]
    match key:
        case rsa.RSAPublicKey():
            if key.key_size < MIN_RSA_BITS:
                raise BadSignature("signing_certificate", f"an RSA key of {key.key_size} bits")
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
            ways = {
                "SHA256withRSA": lambda: key.verify(signature, digest, padding.PKCS1v15(), hashed),
                "SHA256withRSA-PSS": lambda: key.verify(signature, digest, pss, hashed),
            }
        case ec.EllipticCurvePublicKey():
            if key.curve.key_size < MIN_EC_BITS:
                raise BadSignature("signing_certificate", f"an EC key of {key.curve.key_size} bits")
            ways = {"SHA256withECDSA": lambda: key.verify(signature, digest, ec.ECDSA(hashed))}
        case _:
            raise BadSignature("signing_certificate", "its key is neither RSA nor EC")
    for name, verify in ways.items():
        try:
            verify()
        except (InvalidSignature, *UNREADABLE):
            continue
        return name
    return None
