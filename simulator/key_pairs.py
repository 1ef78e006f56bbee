"""New key pairs and requests to sign them. Slow, and by chance: for a thread of the shell."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from simulator.outputs import CsrEnd, KeyType, MakeCsr

RSA_BITS: Final = 2048  # the least that is allowed, security white paper A00.FR.501
PUBLIC_EXPONENT: Final = 65_537


def make_csr(order: MakeCsr) -> CsrEnd:
    """Make a key pair and a request signed with it; SHA-256 in every case."""
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    match order.key_type:
        case KeyType.RSA:
            key = rsa.generate_private_key(public_exponent=PUBLIC_EXPONENT, key_size=RSA_BITS)
        case KeyType.ECDSA:
            key = ec.generate_private_key(ec.SECP256R1())
    try:
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, order.organisation),
                x509.NameAttribute(NameOID.COMMON_NAME, order.common_name),
            ]
        )
        csr = x509.CertificateSigningRequestBuilder(subject).sign(key, hashes.SHA256())
    except ValueError as exc:  # a name that no certificate can hold
        return CsrEnd(problem=f"{type(exc).__name__}: {exc}")
    return CsrEnd(
        csr_pem=csr.public_bytes(serialization.Encoding.PEM).decode(),
        private_key_pem=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
    )
