"""Certificates for tests: made quickly, on EC keys where nothing else is asked for."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
END = datetime(2090, 1, 1, tzinfo=UTC)
FIRMWARE = b"firmware 2.5.1"


@cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """Return an RSA key, the same for the same number."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


def ec_key() -> ec.EllipticCurvePrivateKey:
    """Return a new EC key."""
    return ec.generate_private_key(ec.SECP256R1())


def pem(signed: x509.Certificate) -> str:
    """Return a certificate as PEM text."""
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: PrivateKey) -> str:
    """Return a private key as PEM text."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def name(common_name: str, organisation: str | None = "Preflight") -> x509.Name:
    """Return a subject."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organisation is not None:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(attributes)


@dataclass(frozen=True)
class Authority:
    """A certificate that may sign others, and its key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def pem(self) -> str:
        """The certificate as PEM text."""
        return pem(self.certificate)

    def issue(
        self,
        public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
        subject: x509.Name,
        *,
        begin: datetime = BEGIN,
        end: datetime = END,
        is_authority: bool = False,
        extensions: tuple[x509.ExtensionType, ...] = (),
        serial_number: int | None = None,
    ) -> x509.Certificate:
        """Return a certificate signed by this authority."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.certificate.subject)
            .public_key(public_key)
            .serial_number(serial_number or x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
        )
        for extension in (x509.BasicConstraints(is_authority, None), *extensions):
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def sign_csr(self, csr_pem: str) -> str:
        """Return the certificate a request asks for, with this authority's behind it."""
        csr = x509.load_pem_x509_csr(csr_pem.encode())
        key = csr.public_key()
        assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
        return pem(self.issue(key, csr.subject)) + self.pem

    def sub_authority(self, common_name: str) -> Authority:
        """Return an authority below this one."""
        key = ec_key()
        subject = name(common_name)
        return Authority(self.issue(key.public_key(), subject, is_authority=True), key)


def make_root(
    common_name: str = "Root",
    key: PrivateKey | None = None,
    *,
    begin: datetime = BEGIN,
    end: datetime = END,
    is_authority: bool = True,
    serial_number: int | None = None,
) -> Authority:
    """Return a self-signed authority."""
    key = key or ec_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(name(common_name))
        .public_key(key.public_key())
        .serial_number(serial_number or x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
    )
    return Authority(builder.sign(key, hashes.SHA256()), key)


def sign(key: PrivateKey, content: bytes = FIRMWARE, *, scheme: str = "") -> str:
    """Return a signature in Base64; `scheme` chooses PSS for an RSA key."""
    match key:
        case rsa.RSAPrivateKey():
            digest = hashes.SHA256()
            pss = padding.PSS(padding.MGF1(digest), padding.PSS.MAX_LENGTH)
            used = pss if scheme == "PSS" else padding.PKCS1v15()
            signature = key.sign(content, used, digest)
        case ec.EllipticCurvePrivateKey():
            signature = key.sign(content, ec.ECDSA(hashes.SHA256()))
    return base64.b64encode(signature).decode()


DAY = timedelta(days=1)


def public_key_of(private_key_pem: str) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    """Return the public half of a private key."""
    key = serialization.load_pem_private_key(private_key_pem.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key.public_key()


def usage(*, digital_signature: bool = False, key_agreement: bool = False) -> x509.KeyUsage:
    """Return what a key may be used for."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=key_agreement,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
