"""The built-in certification authority for charge points, and for our own servers.

At most two self-signed roots, one RSA and one on an elliptic curve, made when first needed and
kept for twenty years in a directory of their own. Everything here blocks: not for the event loop.
"""

import re
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from csms.pki.certificates import is_issued_by, write_chain
from csms.pki.key_files import (
    PkiError,
    PrivateKey,
    private_directory,
    read_certificates,
    read_key,
    write_key,
    write_private,
)
from csms.pki.requests import RequestKey, SigningRequest

ROOT_BITS: Final = 3072  # good beyond 2030 (NIST SP 800-57); the root lives as long
ROOT_LIFE: Final = timedelta(days=7305)
SERVER_BITS: Final = 2048
# DEVIATION: A00.FR.508 recommends less than 24 hours. A station whose clock is wrong by hours, or
# that takes UTC for local time, could not connect then.
SERVER_LIFE: Final = timedelta(days=30)
SERVER_RENEWAL: Final = timedelta(days=10)  # left when a new one is made
BACKDATE: Final = timedelta(hours=1)  # clocks of charge points are a little slow
SERVER_BACKDATE: Final = timedelta(days=1)
MAX_COMMON_NAME: Final = 64  # RFC 5280 appendix A.1


class SignatureForm(StrEnum):
    """How certificates of charge points are signed, whatever their own keys are."""

    RSA = "SHA256withRSA"
    RSA_PSS = "SHA256withRSA-PSS"
    ECDSA = "SHA256withECDSA"


class RootKind(StrEnum):
    """The kind of a root's key; also the beginning of its files' names."""

    RSA = "rsa"
    EC = "ec"


@dataclass(frozen=True, slots=True)
class Root:
    """A root of ours."""

    kind: RootKind
    certificate: x509.Certificate
    pem: str


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate just signed, and its issuer."""

    leaf: x509.Certificate
    issuer: x509.Certificate

    @property
    def chain(self) -> str:
        """Both as PEM, leaf first."""
        return write_chain([self.leaf, self.issuer])


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """Files of server certificates: the chain and the key of an RSA and of an elliptic one."""

    rsa_chain: Path
    rsa_key: Path
    ec_chain: Path
    ec_key: Path


class CertificateAuthority:
    """Signs for charge points and for our own listeners; for threads, one at a time."""

    def __init__(
        self,
        directory: Path,
        *,
        now: Callable[[], datetime],
        organisation: str | None = None,
        signature: SignatureForm = SignatureForm.RSA,
        life: timedelta = timedelta(days=365),
    ) -> None:
        self._directory = directory
        self._now = now
        self._organisation = organisation or "OCPP Central System"
        self._signature = signature
        self._life = life
        self._lock = threading.Lock()
        self._signers: dict[RootKind, tuple[PrivateKey, Root]] = {}

    @property
    def trust_file(self) -> Path:
        """All our roots in PEM; there once a root was made."""
        return self._directory / "roots.pem"

    @property
    def server_chains(self) -> tuple[Path, ...]:
        """Files of the server certificates; there once they were made."""
        return tuple(self._path(kind, "server.pem") for kind in RootKind)

    # --- roots -------------------------------------------------------------------------------

    def roots(self) -> tuple[Root, ...]:
        """Return the roots that were made so far.

        Raises:
            PkiError: a file cannot be used.
        """
        with self._lock:
            found = [self._load(kind) for kind in RootKind if self._directory.is_dir()]
            return tuple(one[1] for one in found if one is not None)

    def prepare(self) -> tuple[Root, ...]:
        """Make the roots that are not there yet, and return all.

        Raises:
            PkiError: a file cannot be used.
        """
        with self._lock:
            return tuple(self._signer(kind)[1] for kind in RootKind)

    def root_of(self, certificate: x509.Certificate) -> Root | None:
        """Return the root that signed a certificate; None for somebody else's.

        Raises:
            PkiError: a file cannot be used.
        """
        for root in self.roots():
            if is_issued_by(certificate, root.certificate):
                return root
        return None

    def _signer(self, kind: RootKind) -> tuple[PrivateKey, Root]:
        return self._load(kind) or self._make(kind)

    def _load(self, kind: RootKind) -> tuple[PrivateKey, Root] | None:
        signer = self._signers.get(kind)
        if signer is not None:
            return signer
        private_directory(self._directory)
        found = read_certificates(self._path(kind, "pem"))
        if not found:
            return None
        key = read_key(self._path(kind, "key"))
        root = found[0]
        if key is None or key.public_key() != root.public_key():
            raise PkiError(
                f"{self._path(kind, 'key')} is missing or not the key of the root beside it;"
                " restore it from a backup"
            )
        signer = key, Root(kind, root, write_chain([root]))
        self._signers[kind] = signer
        return signer

    def _make(self, kind: RootKind) -> tuple[PrivateKey, Root]:
        # A key without certificate is what a sudden end left behind.
        key = read_key(self._path(kind, "key")) or _new_key(kind, ROOT_BITS)
        # No two roots may have one name: trust stores search by it.
        name = f" {kind.value.upper()} root {secrets.token_hex(4)}"
        common_name = self._organisation[: MAX_COMMON_NAME - len(name)].rstrip() + name
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self._organisation),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )
        now = self._now()
        builder = (
            _builder(subject, subject, key.public_key(), now - SERVER_BACKDATE, now + ROOT_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
        )
        certificate = self._sign(builder, key)
        write_key(self._path(kind, "key"), key)
        write_private(self._path(kind, "pem"), write_chain([certificate]).encode())
        self._signers[kind] = key, Root(kind, certificate, write_chain([certificate]))
        others = [self._load(one) for one in RootKind]
        trusted = "".join(one[1].pem for one in others if one is not None)
        write_private(self.trust_file, trusted.encode())
        return self._signers[kind]

    # --- charge points -----------------------------------------------------------------------

    def issue(self, request: SigningRequest) -> Issued:
        """Sign a request that was found good in every respect.

        Raises:
            PkiError: there is no usable root.
        """
        with self._lock:
            is_ec = self._signature is SignatureForm.ECDSA
            key, root = self._signer(RootKind.EC if is_ec else RootKind.RSA)
            now = self._now()
            until = min(now + self._life, root.certificate.not_valid_after_utc)
            if until <= now:
                raise PkiError(f"the root {root.certificate.subject.rfc4514_string()} has expired")
            builder = _leaf(
                request.subject,
                root.certificate,
                request.public_key,
                (now - BACKDATE, until),
                ExtendedKeyUsageOID.CLIENT_AUTH,
            ).add_extension(_usage(), critical=True)
            return Issued(self._sign(builder, key), root.certificate)

    # --- our own servers ---------------------------------------------------------------------

    def server_certificates(self, names: Sequence[str]) -> ServerFiles:
        """Return files of server certificates for these host names and addresses.

        They are made, or made anew where they end soon or are for other names.

        Args:
            names: the first one becomes the common name (CS-SEC-06).

        Raises:
            PkiError: a file cannot be used.
            ValueError: no name, or one that no certificate can have.
        """
        general = [_general_name(name) for name in names]
        if not general:
            raise ValueError("a server certificate needs a name")
        with self._lock:
            for kind in RootKind:
                if not self._is_server_good(kind, names[0], general):
                    self._make_server(kind, names[0], general)
        return ServerFiles(
            rsa_chain=self._path(RootKind.RSA, "server.pem"),
            rsa_key=self._path(RootKind.RSA, "server.key"),
            ec_chain=self._path(RootKind.EC, "server.pem"),
            ec_key=self._path(RootKind.EC, "server.key"),
        )

    def _is_server_good(
        self, kind: RootKind, common_name: str, names: Sequence[x509.GeneralName]
    ) -> bool:
        """Say whether what was made before still serves."""
        _, root = self._signer(kind)
        found = read_certificates(self._path(kind, "server.pem"))
        key = read_key(self._path(kind, "server.key"))
        if not found or key is None or key.public_key() != found[0].public_key():
            return False
        certificate = found[0]
        shown = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return (
            certificate.not_valid_before_utc <= self._now()
            and certificate.not_valid_after_utc - self._now() > SERVER_RENEWAL
            and [one.value for one in shown] == [common_name[:MAX_COMMON_NAME]]
            and list(alternative.value) == list(names)
            and is_issued_by(certificate, root.certificate)
        )

    def _make_server(
        self, kind: RootKind, common_name: str, names: Sequence[x509.GeneralName]
    ) -> None:
        root_key, root = self._signer(kind)
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self._organisation),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name[:MAX_COMMON_NAME]),
            ]
        )
        # The key stays: the certificate beside it is replaced in one go, and never without it.
        key = read_key(self._path(kind, "server.key"))
        if key is None:
            key = _new_key(kind, SERVER_BITS)
            write_key(self._path(kind, "server.key"), key)
        now = self._now()
        until = min(now + SERVER_LIFE, root.certificate.not_valid_after_utc)
        builder = (
            _leaf(
                subject,
                root.certificate,
                key.public_key(),
                (now - SERVER_BACKDATE, until),
                ExtendedKeyUsageOID.SERVER_AUTH,
            )
            # Static RSA key exchange enciphers with the certificate's key.
            .add_extension(_usage(enciphers_keys=kind is RootKind.RSA), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
        )
        certificate = self._sign(builder, root_key)
        write_private(
            self._path(kind, "server.pem"), write_chain([certificate, root.certificate]).encode()
        )

    # --- shared ------------------------------------------------------------------------------

    def _path(self, kind: RootKind, suffix: str) -> Path:
        name = (
            f"{kind.value}-{suffix}"
            if suffix.startswith("server")
            else f"{kind.value}-root.{suffix}"
        )
        return self._directory / name

    def _sign(self, builder: x509.CertificateBuilder, key: PrivateKey) -> x509.Certificate:
        if isinstance(key, rsa.RSAPrivateKey) and self._signature is SignatureForm.RSA_PSS:
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
            return builder.sign(key, hashes.SHA256(), rsa_padding=pss)
        return builder.sign(key, hashes.SHA256())


def _new_key(kind: RootKind, bits: int) -> PrivateKey:
    if kind is RootKind.RSA:
        return rsa.generate_private_key(public_exponent=65_537, key_size=bits)
    return ec.generate_private_key(ec.SECP256R1())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: RequestKey,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before.replace(microsecond=0))
        .not_valid_after(not_after.replace(microsecond=0))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _leaf(
    subject: x509.Name,
    issuer: x509.Certificate,
    public_key: RequestKey,
    validity: tuple[datetime, datetime],
    purpose: x509.ObjectIdentifier,
) -> x509.CertificateBuilder:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    return (
        _builder(subject, issuer.subject, public_key, *validity)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(authority, critical=False)
    )


def _usage(*, signs_certificates: bool = False, enciphers_keys: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=enciphers_keys,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


_HOST: Final = re.compile(
    r"(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.I
)


def _general_name(name: str) -> x509.GeneralName:
    """Return a subjectAltName of a host name or an address.

    Raises:
        ValueError: it is neither.
    """
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        if len(name) > 253 or not _HOST.fullmatch(name):
            raise ValueError(f"{name!r} is neither a host name nor an IP address") from None
    return x509.DNSName(name)
