"""Server certificates, client certificates and TLS clients for tests; keys are made once."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from csms.ocppj.tls import CertificateFiles, TlsFiles
from tests.csms.pki.material import Key, ec_key, name, rsa_key


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate with its key, both PEM."""

    certificate: str
    key: str

    def write(self, folder: Path, stem: str) -> CertificateFiles:
        """Write both to files, replacing what is there."""
        files = CertificateFiles(folder / f"{stem}.pem", folder / f"{stem}.key")
        files.chain.write_text(self.certificate)
        files.key.write_text(self.key)
        return files


class Authority:
    """A root of the test's own."""

    def __init__(self, common_name: str, *, number: int = 0) -> None:
        self._key = ec_key(1000 + number)
        self.name = name(common_name)
        self.certificate = _sign(self.name, self._key, self.name, self._key, is_authority=True)
        self.pem = self.certificate.public_bytes(Encoding.PEM).decode()

    def issue(
        self,
        common_name: str,
        key: Key,
        *,
        is_server: bool = False,
        days: tuple[float, float] = (-1, 30),
    ) -> Credential:
        """Issue a certificate that is valid between two days from now."""
        certificate = _sign(
            name(common_name), key, self.name, self._key, days=days, is_server=is_server
        )
        return Credential(certificate.public_bytes(Encoding.PEM).decode(), key_pem(key))


def key_pem(key: Key) -> str:
    """A private key in PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _sign(
    subject: x509.Name,
    key: Key,
    issuer: x509.Name,
    issuer_key: Key,
    *,
    days: tuple[float, float] = (-1, 30),
    is_authority: bool = False,
    is_server: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if is_server:
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if not is_authority:
        usage = ExtendedKeyUsageOID.SERVER_AUTH if is_server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


@cache
def server_authority() -> Authority:
    """The root of our server certificates."""
    return Authority("Server Root")


@cache
def client_authority() -> Authority:
    """The root of client certificates that are trusted."""
    return Authority("Client Root", number=1)


def server_files(
    folder: Path, *, kinds: Sequence[str] = ("rsa", "ec"), trusted: Sequence[Authority] = ()
) -> TlsFiles:
    """Write server certificates of these kinds, and one file of trusted roots."""
    keys: dict[str, Key] = {"rsa": rsa_key(2048, 77), "ec": ec_key(77)}
    files = tuple(
        server_authority().issue("localhost", keys[kind], is_server=True).write(folder, kind)
        for kind in kinds
    )
    roots = folder / "trusted.pem"
    roots.write_text("".join(one.pem for one in trusted))
    return TlsFiles(files, (roots,))


def client_certificate(
    common_name: str, folder: Path, *, days: tuple[float, float] = (-1, 30)
) -> Path:
    """Write a charge point's certificate and key into one file."""
    issued = client_authority().issue(common_name, ec_key(88), days=days)
    path = folder / f"client-{common_name}.pem"
    path.write_text(issued.certificate + issued.key)
    return path


def client_context(
    *,
    suites: str | None = None,
    version: ssl.TLSVersion | None = None,
    certificate: Path | None = None,
) -> ssl.SSLContext:
    """How a client connects that trusts our server's root."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=server_authority().pem)
    if suites is not None:
        context.set_ciphers(suites)
    if version is not None:
        # From the lower end first: a range must never be empty.
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = version
        context.minimum_version = version
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context
