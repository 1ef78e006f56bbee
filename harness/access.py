"""How charge points get at a system under test: endpoints, trust, and what they show.

Security profiles: 0 shows nothing, 1 a password, 2 a password over TLS, 3 a client certificate
(OCPP 1.6 security white paper ed. 3 §2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from harness.pki import KeyAndChain, Kind, Pki
from simulator.tls import TlsOffer
from simulator.tls_names import TlsVersion
from simulator.transport import Endpoint

PROFILES: Final = (0, 1, 2, 3)
WITH_PASSWORD: Final = frozenset({1, 2})
WITH_TLS: Final = frozenset({2, 3})
WITH_CERTIFICATE: Final = 3

VERSIONS: Final = {
    "1.0": TlsVersion.TLS_1_0,
    "1.1": TlsVersion.TLS_1_1,
    "1.2": TlsVersion.TLS_1_2,
    "1.3": TlsVersion.TLS_1_3,
}


class PasswordEncoding(StrEnum):
    """How a charge point writes its AuthorizationKey, a hexadecimal text, into Basic auth."""

    RAW_FROM_HEX = "raw_from_hex"  # the bytes that the text stands for (§ A00.FR.205 of 2.0.1)
    HEX_TEXT = "hex_text"  # the text itself

    def basic(self, key: str) -> bytes:
        """Return the password for a key; a key that is no hexadecimal text is one itself."""
        if self is PasswordEncoding.RAW_FROM_HEX:
            try:
                return bytes.fromhex(key)
            except ValueError:
                pass
        return key.encode()

    @property
    def other(self) -> PasswordEncoding:
        """The other way to write it."""
        first, second = PasswordEncoding
        return second if self is first else first


class NoCertificate(Exception):
    """The system-under-test file gives no certificate of the kind that a case needs."""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where a foreign client certificate and its key are; ``{identity}`` in both."""

    certificate: str
    key: str

    def read(self, identity: str) -> KeyAndChain:
        """Return both.

        Raises:
            NoCertificate: a file cannot be read.
        """
        try:
            chain, key = (
                Path(path.replace("{identity}", identity)).read_text(encoding="utf-8")
                for path in (self.certificate, self.key)
            )
        except (OSError, UnicodeDecodeError) as error:
            raise NoCertificate(f"the certificate of {identity} cannot be read: {error}") from error
        return KeyAndChain(chain, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the system-under-test file says about connections.

    Attributes:
        endpoints: address by security profile; the identity is appended.
        pki: the run's own.
        trust_anchors: files with whom charge points trust; empty: this machine's own.
        has_own_client_ca: the system trusts the run's PKI for client certificates.
        client_certificates: by kind, where they come from files.
        server_name: whom the server's certificate must name, in place of the address.
    """

    endpoints: Mapping[int, str]
    pki: Pki
    trust_anchors: tuple[Path, ...] = ()
    has_own_client_ca: bool = False
    client_certificates: Mapping[Kind, CertificateFiles] = field(default_factory=dict)
    server_name: str = ""
    password_encoding: PasswordEncoding = PasswordEncoding.RAW_FROM_HEX

    @property
    def has_client_certificates(self) -> bool:
        """Whether charge points can have a client certificate at all."""
        return self.has_own_client_ca or Kind.OWN in self.client_certificates

    def read_trust_anchors(self) -> str | None:
        """Return the trust anchors as PEM; None for this machine's own.

        Raises:
            OSError: a file cannot be read.
        """
        if not self.trust_anchors:
            return None
        return "\n".join(path.read_text(encoding="utf-8") for path in self.trust_anchors)

    def client_certificate(
        self, kind: Kind, *, identity: str, common_name: str, organization: str
    ) -> KeyAndChain:
        """Return a client certificate of a kind for one charge point.

        Raises:
            NoCertificate: there is none of that kind.
        """
        files = self.client_certificates.get(kind)
        if files is not None:
            return files.read(identity)
        # What nobody trusts, everybody can have.
        if self.has_own_client_ca or kind is Kind.UNTRUSTED:
            return self.pki.client(common_name, organization=organization, kind=kind)
        raise NoCertificate(
            f"there is no client certificate of kind {kind.value}; add it under "
            "`tls.client_certificates` of the system-under-test file"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a charge point offers in one connection.

    Attributes:
        password: None: no Basic auth.
        certificate: None: no client certificate.
        versions, suites: exactly these; empty: the usual ones.
    """

    url: str
    identity: str
    password: bytes | None = field(default=None, repr=False)
    certificate: KeyAndChain | None = None
    subprotocols: tuple[str, ...] = ("ocpp1.6",)
    trust_anchors: str | None = None
    server_name: str = ""
    versions: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()

    @property
    def is_secure(self) -> bool:
        """Whether it goes over TLS."""
        return self.url.lower().startswith("wss:")

    def endpoint(self) -> Endpoint:
        """Return it as the simulator wants it."""
        return Endpoint(
            self.url,
            self.identity,
            self.password,
            self.subprotocols,
            self.tls() if self.is_secure else None,
        )

    def tls(self, *, checks_server: bool = True) -> TlsOffer:
        """Return what is offered in TLS."""
        versions = [VERSIONS[one] for one in sorted(self.versions)]
        return TlsOffer(
            trust_anchors_pem=self.trust_anchors,
            certificate_chain_pem=self.certificate.chain if self.certificate else "",
            private_key_pem=self.certificate.key if self.certificate else "",
            min_version=versions[0] if versions else None,
            max_version=versions[-1] if versions else None,
            suites=self.suites,
            server_name=self.server_name,
            checks_server=checks_server,
        )
