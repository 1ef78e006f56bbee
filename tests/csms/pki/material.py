"""Keys, signing requests and certificates for tests; RSA keys are made once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@cache
def rsa_key(bits: int = 2048, number: int = 0, exponent: int = 65_537) -> rsa.RSAPrivateKey:
    """An RSA key; another one for another number."""
    return rsa.generate_private_key(exponent, bits)


@cache
def ec_key(number: int = 0) -> ec.EllipticCurvePrivateKey:
    """A key on P-256; another one for another number."""
    return ec.generate_private_key(ec.SECP256R1())


def name(common_name: str | None = "CP1", organisation: str | None = "CPO") -> x509.Name:
    """A subject."""
    attributes = []
    if organisation is not None:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    if common_name is not None:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(attributes)


def request(
    key: Key | None = None,
    *,
    subject: x509.Name | None = None,
    is_pss: bool = False,
    extensions: Sequence[x509.ExtensionType] = (),
) -> x509.CertificateSigningRequest:
    """A signing request."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        name() if subject is None else subject
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    key = key or ec_key()
    if is_pss:
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        return builder.sign(key, hashes.SHA256(), rsa_padding=pss)
    return builder.sign(key, hashes.SHA256())


def csr(key: Key | None = None, *, common_name: str = "CP1", organisation: str = "CPO") -> str:
    """A signing request in PEM."""
    return pem(request(key, subject=name(common_name, organisation)))


def broken_csr() -> str:
    """A signing request whose own signature is wrong."""
    data = bytearray(request(rsa_key()).public_bytes(Encoding.DER))
    data[-1] ^= 1
    return pem(x509.load_der_x509_csr(bytes(data)))


def pem(one: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """Its PEM."""
    return one.public_bytes(Encoding.PEM).decode()


def root(
    common_name: str = "Root", *, key: Key | None = None, until: datetime | None = None
) -> x509.Certificate:
    """A self-signed root."""
    return certificate(name(common_name), key=key, until=until, is_authority=True)


def certificate(
    subject: x509.Name,
    *,
    key: Key | None = None,
    issuer: x509.Certificate | None = None,
    issuer_key: Key | None = None,
    begin: datetime | None = None,
    until: datetime | None = None,
    serial: int | None = None,
    is_authority: bool = False,
) -> x509.Certificate:
    """A certificate, signed by itself or by an issuer."""
    key = key or ec_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number() if serial is None else serial)
        .not_valid_before(begin or AT - timedelta(days=1))
        .not_valid_after(until or AT + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(issuer_key or key, hashes.SHA256())
    )
