"""The throw-away PKI of one run: everything a system under test and its charge points need.

Made anew in every run and removed after it; keys stay in a temporary folder, readable by their
owner alone, and in memory. Nothing of it is for use anywhere else.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import secrets
import shutil
import threading
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias, TypeVar, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harness.model import Json

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_T = TypeVar("_T")

_ORGANIZATION: Final = "OCPP Preflight"
_VALID: Final = timedelta(days=7)
_DAY: Final = timedelta(days=1)
_RSA_BITS: Final = 2048
_FIRMWARE_BYTES: Final = 1024
# OCPP 1.6 keeps 20 characters for a serial number in hexadecimal.
_SERIAL_BITS: Final = 62


class Kind(StrEnum):
    """What a client certificate made here is like."""

    OWN = "own"
    EXPIRED = "expired"
    UNTRUSTED = "untrusted"
    OTHER_IDENTITY = "other_identity"


@dataclass(frozen=True, slots=True)
class KeyAndChain:
    """A certificate with its issuers, and its key: both PEM."""

    chain: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: PrivateKey


# Files that `${pki:…}` stands for, by name; `directory` is their folder.
FILES: Final = (
    "root",
    "server_certificate",
    "server_key",
    "server_ec_certificate",
    "server_ec_key",
    "client_ca",
    "root_1",
    "root_2",
    "firmware_certificate",
)


# What `Pki.variables` gives to scenarios.
PKI_VARIABLES: Final = frozenset(
    {
        "root_certificate",
        "root_certificate_2",
        "firmware_content",
        "firmware_signing_certificate",
        "firmware_signature",
        "invalid_firmware_signature",
    }
)


class Pki:
    """Keys and certificates, each made when it is first needed.

    Safe to use from several threads: what the program needs is made in one while it starts.
    """

    def __init__(self, directory: Path, *, hosts: Sequence[str]) -> None:
        """Prepare; nothing is made or written yet.

        Args:
            directory: where the files go.
            hosts: names and addresses of the server; the first becomes its common name.
        """
        self.directory = directory
        self._hosts = tuple(dict.fromkeys(hosts)) or ("localhost",)
        self._made: dict[str, object] = {}
        self._lock = threading.RLock()

    def path(self, name: str) -> Path:
        """Return where a file is, or will be; `directory` is the folder itself."""
        return self.directory if name == "directory" else self.directory / f"{name}.pem"

    def write(self, names: Sequence[str]) -> None:
        """Write these files, which the program reads when it starts.

        Raises:
            OSError: they cannot be written where nobody else sees them.
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = self.directory.lstat()
        if os.name == "posix" and (found.st_uid != os.getuid() or found.st_mode & 0o077):
            raise PermissionError(errno.EPERM, "others can write there", str(self.directory))
        for name in names:
            if name != "directory":
                _write(self.path(name), self.text(name))

    def remove(self) -> None:
        """Take everything from the disk."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def text(self, name: str) -> str:
        """Return the content of a file."""
        match name:
            case "root":
                return _pem(self._server_root.certificate)
            case "server_certificate":
                return self._server("rsa").chain
            case "server_key":
                return self._server("rsa").key
            case "server_ec_certificate":
                return self._server("ec").chain
            case "server_ec_key":
                return self._server("ec").key
            case "client_ca":
                return _pem(self._client_ca.certificate)
            case "root_1":
                return _pem(self._root("root 1").certificate)
            case "root_2":
                return _pem(self._root("root 2").certificate)
            case "firmware_certificate":
                return _pem(self._firmware.certificate)
            case _:
                raise KeyError(name)

    def variables(self) -> dict[str, Json]:
        """Return what scenarios may use of it."""
        return self._once("variables", self._variables)

    def client(
        self,
        common_name: str,
        *,
        organization: str,
        kind: Kind = Kind.OWN,
        key: str = "ec",
    ) -> KeyAndChain:
        """Return the certificate a charge point of this name has, or one that is wrong for it."""
        what = f"client {kind} {key} {organization} {common_name}"
        return self._once(what, lambda: self._client(common_name, organization, kind, key))

    # --- what is made ----------------------------------------------------------------------------

    @property
    def _server_root(self) -> _Authority:
        return self._once("server root", lambda: _root(f"{_ORGANIZATION} server root", "rsa"))

    @property
    def _client_ca(self) -> _Authority:
        return self._once("client CA", lambda: _root(f"{_ORGANIZATION} charge point CA", "ec"))

    @property
    def _foreign_ca(self) -> _Authority:
        return self._once("foreign CA", lambda: _root("Nobody's charge point CA", "ec"))

    def _root(self, name: str) -> _Authority:
        return self._once(name, lambda: _root(f"{_ORGANIZATION} {name}", "rsa"))

    @property
    def _firmware(self) -> _Authority:
        def make() -> _Authority:
            key = new_key("rsa")
            name = _name(f"{_ORGANIZATION} firmware", _ORGANIZATION)
            return _Authority(_issue(name, key, self._root("root 1"), is_code=True), key)

        return self._once("firmware", make)

    def _server(self, kind: str) -> KeyAndChain:
        def make() -> KeyAndChain:
            key = new_key(kind)
            name = _name(self._hosts[0], _ORGANIZATION)
            certificate = _issue(name, key, self._server_root, hosts=self._hosts)
            return KeyAndChain(_pem(certificate), key_text(key))

        return self._once(f"server {kind}", make)

    def _client(self, common_name: str, organization: str, kind: Kind, key: str) -> KeyAndChain:
        private = new_key(key)
        issuer = self._foreign_ca if kind is Kind.UNTRUSTED else self._client_ca
        ago = 3 * _DAY if kind is Kind.EXPIRED else _DAY
        certificate = _issue(
            _name(common_name, organization),
            private,
            issuer,
            begin=datetime.now(UTC) - ago,
            valid=2 * _DAY if kind is Kind.EXPIRED else _VALID,
            is_client=True,
        )
        return KeyAndChain(_pem(certificate), key_text(private))

    def _variables(self) -> dict[str, Json]:
        content, other = (secrets.token_bytes(_FIRMWARE_BYTES) for _ in range(2))
        return {
            "root_certificate": self.text("root_1"),
            "root_certificate_2": self.text("root_2"),
            "firmware_content": b64encode(content).decode(),
            "firmware_signing_certificate": self.text("firmware_certificate"),
            "firmware_signature": self._sign(content),
            "invalid_firmware_signature": self._sign(other),
        }

    def _sign(self, content: bytes) -> str:
        key = self._firmware.key
        if not isinstance(key, rsa.RSAPrivateKey):
            raise AssertionError("firmware is signed with RSA")
        return b64encode(key.sign(content, padding.PKCS1v15(), hashes.SHA256())).decode()

    def _once(self, what: str, make: Callable[[], _T]) -> _T:
        with self._lock:
            if what not in self._made:
                self._made[what] = make()
            return cast("_T", self._made[what])  # made by this very `make`


def new_key(kind: str, *, bits: int = _RSA_BITS) -> PrivateKey:
    """Return a new private key: ``rsa``, or ``ec`` on P-256."""
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def key_text(key: PrivateKey) -> str:
    """Return a private key as PEM, not encrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def request_text(
    key: PrivateKey, *, common_name: str, organization: str, is_broken: bool = False
) -> str:
    """Return a certificate request for a charge point's key, as PEM.

    Args:
        is_broken: its signature, with which it proves to hold the key, is wrong.
    """
    builder = x509.CertificateSigningRequestBuilder(_name(common_name, organization))
    request = builder.sign(key, hashes.SHA256())
    if is_broken:
        der = bytearray(request.public_bytes(Encoding.DER))
        der[-1] ^= 1  # the signature stands last
        request = x509.load_der_x509_csr(bytes(der))
    return request.public_bytes(Encoding.PEM).decode()


def _root(name: str, kind: str) -> _Authority:
    key = new_key(kind)
    subject = _name(name, _ORGANIZATION)
    return _Authority(_issue(subject, key, None), key)


def _name(common_name: str, organization: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def _issue(
    subject: x509.Name,
    key: PrivateKey,
    issuer: _Authority | None,
    *,
    begin: datetime | None = None,
    valid: timedelta = _VALID,
    hosts: Sequence[str] = (),
    is_client: bool = False,
    is_code: bool = False,
) -> x509.Certificate:
    """Return a certificate; without an issuer it is a root of its own."""
    begin = begin or datetime.now(UTC) - _DAY
    public = key.public_key()
    signer = issuer.key if issuer is not None else key
    is_root = issuer is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(public)
        .serial_number(secrets.randbits(_SERIAL_BITS) | 1 << _SERIAL_BITS)
        .not_valid_before(begin)
        .not_valid_after(begin + valid)
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(_usage(is_root=is_root, is_rsa=isinstance(key, rsa.RSAPrivateKey)), True)
    )
    if hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
        )
    purposes = [
        oid
        for oid, is_meant in (
            (ExtendedKeyUsageOID.SERVER_AUTH, bool(hosts)),
            (ExtendedKeyUsageOID.CLIENT_AUTH, is_client),
            (ExtendedKeyUsageOID.CODE_SIGNING, is_code),
        )
        if is_meant
    ]
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _usage(*, is_root: bool, is_rsa: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_root,
        content_commitment=False,
        key_encipherment=is_rsa and not is_root,  # TLS_RSA suites
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_root,
        crl_sign=is_root,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _write(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, from its first byte on."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
