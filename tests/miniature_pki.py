"""The certificates of a miniature: an authority that signs rightly, or wrongly in one way.

It shares no code with our CSMS, the simulator or the harness. Keys are made once for each test
process, RSA ones only where a rule is about RSA.
"""

from __future__ import annotations

import atexit
import shutil
import ssl
import tempfile
import warnings
from base64 import b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Hash: TypeAlias = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
Padding: TypeAlias = padding.PSS | padding.PKCS1v15 | None

# What every Central System has to offer, by their names in OpenSSL (security paper A00.FR.318).
SUITES: Final = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
}
PSS: Final = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
LEAST_RSA_BITS: Final = 2048
DAY: Final = timedelta(days=1)


@cache
def key(kind: str, name: str = "") -> Key:
    """Return a key, the same for the same arguments: `EC`, `EC-192`, `EC-384`, or `RSA-2048`.

    Args:
        name: tells keys of the same kind apart.
    """
    algorithm, _, bits = kind.partition("-")
    if algorithm == "RSA":
        return rsa.generate_private_key(65537, int(bits))
    curves = {"": ec.SECP256R1(), "192": ec.SECP192R1(), "384": ec.SECP384R1()}
    return ec.generate_private_key(curves[bits])


def pem(*certificates: x509.Certificate) -> str:
    """Return certificates one after the other as PEM, with LF line ends."""
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)


def key_pem(private: Key) -> str:
    """Return a private key as PEM without a password."""
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def name_of(common_name: str, organization: str | None = "Preflight") -> x509.Name:
    """Return a subject of a common name and an organisation, where they are not empty."""
    parts = {NameOID.COMMON_NAME: common_name, NameOID.ORGANIZATION_NAME: organization}
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts.items() if text])


@dataclass
class Authority:
    """A certification authority; `root` is its own, self-signed certificate."""

    name: str = "Miniature root"
    kind: str = "EC"
    root: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        public = self.key.public_key()
        self.root = self.issue(public, self.name, is_authority=True)

    @property
    def key(self) -> Key:
        """The key it signs with."""
        return key(self.kind, self.name)

    def issue(
        self,
        public_key: CertificatePublicKeyTypes,
        common_name: str,
        *,
        organization: str | None = "Preflight",
        hosts: Sequence[str] = (),
        is_authority: bool = False,
        begins_in: timedelta = -DAY,
        ends_in: timedelta = 30 * DAY,
        signing_hash: Hash | None = None,
        rsa_padding: Padding = None,
        serial: int | None = None,
    ) -> x509.Certificate:
        """Return a certificate for a public key.

        Args:
            hosts: names and addresses of a server.
            rsa_padding: of the signature, where the authority has an RSA key.
        """
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name_of(common_name, organization))
            .issuer_name(name_of(self.name))
            .public_key(public_key)
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(now + begins_in)
            .not_valid_after(now + ends_in)
            .add_extension(x509.BasicConstraints(is_authority, path_length=None), critical=True)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, signing_hash or hashes.SHA256(), rsa_padding=rsa_padding)

    def sign_content(self, content: bytes, *, is_pss: bool = False) -> str:
        """Return the signature of a file in base64, as firmware has it."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            way = PSS if is_pss else padding.PKCS1v15()
            return b64encode(self.key.sign(content, way, hashes.SHA256())).decode()
        return b64encode(self.key.sign(content, ec.ECDSA(hashes.SHA256()))).decode()

    def sign(self, csr_pem: str, names: Collection[str]) -> x509.Certificate:
        """Return the certificate that a request asks for.

        Args:
            names: common names that the request may have.

        Raises:
            ValueError: the text is no request, or one that must not be signed.
        """
        request = x509.load_pem_x509_csr(csr_pem.encode())
        if not request.is_signature_valid:
            raise ValueError("the request was not signed with its own key")
        public = request.public_key()
        if isinstance(public, rsa.RSAPublicKey) and public.key_size < LEAST_RSA_BITS:
            raise ValueError("the key is too short")
        name = _attribute(request.subject, NameOID.COMMON_NAME)
        if name not in names:
            raise ValueError("the request is made out to somebody else")
        organization = _attribute(request.subject, NameOID.ORGANIZATION_NAME)
        return self.issue(public, name or "", organization=organization)


def csr(common_name: str, organization: str = "Preflight", *, kind: str = "EC") -> str:
    """Return a request for a certificate, signed with a key of its own."""
    builder = x509.CertificateSigningRequestBuilder()
    builder = builder.subject_name(name_of(common_name, organization))
    request = builder.sign(key(kind, common_name), hashes.SHA256())
    return request.public_bytes(Encoding.PEM).decode()


def common_name(certificate: x509.Certificate) -> str:
    """Return the common name of the subject, empty where there is none."""
    return _attribute(certificate.subject, NameOID.COMMON_NAME) or ""


def _attribute(name: x509.Name, oid: x509.ObjectIdentifier) -> str | None:
    return next((str(one.value) for one in name.get_attributes_for_oid(oid)), None)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


@cache
def authority(name: str = "Miniature root", kind: str = "EC") -> Authority:
    """Return an authority, the same for the same arguments."""
    return Authority(name, kind)


@cache
def charge_point_ca() -> Authority:
    """Return the authority that signs the certificates of charge points: with RSA (TC_074)."""
    return Authority("Miniature charge points", "RSA-2048")


@cache
def folder() -> Path:
    """Return where this process keeps its certificates; it goes with the process."""
    path = tempfile.mkdtemp(prefix="miniature-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return Path(path)


def written(name: str, text: str) -> Path:
    """Write a PEM file into the folder of this process and return its path."""
    path = folder() / name
    path.write_text(text, encoding="ascii")
    return path


@dataclass(frozen=True)
class ServerTls:
    """How the miniature's TLS listener is made.

    Attributes:
        keys: kinds of the keys that it has a server certificate for.
        suites: OpenSSL's names, of TLS 1.2 and before.
        name: common name of its certificates.
        is_client_demanded: a charge point without a certificate ends in the TLS handshake.
    """

    keys: Sequence[str] = ("RSA-2048", "EC")
    suites: str = ":".join(SUITES.values())
    oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    name: str = "localhost"
    hosts: Sequence[str] = ("localhost", "127.0.0.1")
    is_client_demanded: bool = False
    are_clients_verified: bool = True
    ends_in: timedelta = 30 * DAY
    signer: str = "Miniature root"

    def context(self, client_roots: Sequence[x509.Certificate]) -> ssl.SSLContext:
        """Return the context; clients may prove themselves by certificates of these roots."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.1 is what a test is about
            context.minimum_version, context.maximum_version = self.oldest, self.newest
        context.set_ciphers(self.suites)
        for kind in self.keys:
            private = key(kind, "server")
            signer = authority(self.signer)
            certificate = signer.issue(
                private.public_key(), self.name, hosts=self.hosts, ends_in=self.ends_in
            )
            text = key_pem(private) + pem(certificate, signer.root)
            context.load_cert_chain(written(f"server-{kind}.pem", text))
        if self.are_clients_verified:
            is_required = self.is_client_demanded
            context.verify_mode = ssl.CERT_REQUIRED if is_required else ssl.CERT_OPTIONAL
            context.load_verify_locations(cadata=pem(*client_roots))
        return context
