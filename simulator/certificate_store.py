"""The root certificates of a charge point: installed, listed and deleted over OCPP.

Spec: OCPP 1.6 security white paper ed. 3, M03-M05, §6.5-§6.10, §6.19.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from cryptography import x509

from simulator.certificates import (
    BadCertificate,
    CertificateHashData,
    HashAlgorithm,
    check_root,
    find_issuer,
    hash_data,
    is_issued_by,
    read_chain,
    read_one,
    to_pem,
)
from simulator.errors import LocalProtocolError
from simulator.keys import Configuration


class CertificateType(StrEnum):
    """What a root is trusted for, §6.5."""

    CENTRAL_SYSTEM = "CentralSystemRootCertificate"
    MANUFACTURER = "ManufacturerRootCertificate"


class StoreStatus(StrEnum):
    """Answers to InstallCertificate and DeleteCertificate, §6.8 and §6.20."""

    ACCEPTED = "Accepted"
    FAILED = "Failed"
    NOT_FOUND = "NotFound"
    REJECTED = "Rejected"


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: CertificateType
    certificate: x509.Certificate
    issuer: x509.Certificate  # itself, but where an old root signed it


class CertificateStore:
    """The roots of one charge point.

    Attributes:
        hash_algorithm: certificates are named by it, and found by it only.
        failures: how many of the next changes fail for reasons of the store's own.
    """

    def __init__(
        self,
        keys: Configuration,
        *,
        hash_algorithm: HashAlgorithm,
        central_system_roots: Iterable[str],
        manufacturer_roots: Iterable[str],
    ) -> None:
        """Begin with the roots given as PEM texts; each may hold several.

        Raises:
            LocalProtocolError: one of them is not a certificate.
        """
        self.hash_algorithm = hash_algorithm
        self.failures = 0
        self._keys = keys
        self._entries: list[_Entry] = []
        for kind, pems in (
            (CertificateType.CENTRAL_SYSTEM, central_system_roots),
            (CertificateType.MANUFACTURER, manufacturer_roots),
        ):
            try:
                for certificate in (one for pem in pems for one in read_chain(pem)):
                    issuer = find_issuer(certificate, self.roots(kind)) or certificate
                    self._entries.append(_Entry(kind, certificate, issuer))
            except BadCertificate as exc:
                raise LocalProtocolError(f"{kind}: {exc}") from exc

    def roots(self, kind: CertificateType) -> list[x509.Certificate]:
        """Return the roots of a kind."""
        return [entry.certificate for entry in self._entries if entry.kind is kind]

    def pems(self, kind: CertificateType) -> tuple[str, ...]:
        """Return the roots of a kind as PEM texts."""
        return tuple(to_pem(certificate) for certificate in self.roots(kind))

    def install(self, kind: CertificateType, pem: str, at: datetime) -> StoreStatus:
        """Add a root, if it may be added; one that is there already is kept (M05).

        Raises:
            BadCertificate: it cannot be trusted, whatever the store looks like.
        """
        certificate = read_one(pem)
        check_root(certificate, at)
        known = self.roots(kind)
        issuer = find_issuer(certificate, known)
        if issuer is None:
            raise BadCertificate("neither self-signed nor signed by an installed root")
        if certificate in known:
            return StoreStatus.ACCEPTED
        if kind is CertificateType.CENTRAL_SYSTEM and known and self._checks_additional_roots():
            signers = [root for root in known if is_issued_by(certificate, root)]
            if not signers:
                raise BadCertificate("no installed root signed it (AdditionalRootCertificateCheck)")
            issuer = signers[0]
            if len(known) > 1:  # the old one stays to fall back on, and only one (M05)
                return StoreStatus.REJECTED
        if len(self._entries) >= self._keys.integer("CertificateStoreMaxLength"):
            return StoreStatus.REJECTED
        if self._fails():
            return StoreStatus.FAILED
        self._entries.append(_Entry(kind, certificate, issuer))
        return StoreStatus.ACCEPTED

    def names(self, kind: CertificateType) -> list[CertificateHashData]:
        """Return the hash data of the roots of a kind (M03)."""
        return [self._name(entry) for entry in self._entries if entry.kind is kind]

    def delete(
        self, name: CertificateHashData, *, own: Sequence[x509.Certificate], is_on_tls: bool
    ) -> StoreStatus:
        """Take a root out (M04).

        Args:
            own: the charge point's own certificate and its issuers; it is never deleted.
            is_on_tls: the last root for the Central System is in use.
        """
        wanted = _folded(name)
        for entry in self._entries:
            if _folded(self._name(entry)) != wanted:
                continue
            roots = self.roots(CertificateType.CENTRAL_SYSTEM)
            if is_on_tls and roots == [entry.certificate]:
                return StoreStatus.FAILED
            if self._fails():
                return StoreStatus.FAILED
            self._entries.remove(entry)
            return StoreStatus.ACCEPTED
        issuer = find_issuer(own[0], own[1:]) if own else None
        if issuer is not None and _folded(hash_data(own[0], issuer, self.hash_algorithm)) == wanted:
            return StoreStatus.FAILED
        return StoreStatus.NOT_FOUND

    def _name(self, entry: _Entry) -> CertificateHashData:
        return hash_data(entry.certificate, entry.issuer, self.hash_algorithm)

    def _checks_additional_roots(self) -> bool:
        return self._keys.boolean("AdditionalRootCertificateCheck")

    def _fails(self) -> bool:
        fails = self.failures > 0
        self.failures -= fails
        return fails


def _folded(name: CertificateHashData) -> CertificateHashData:
    """Return hash data in the one form that compares: digits in lower case, no leading zeros."""
    return replace(
        name,
        issuer_name_hash=name.issuer_name_hash.lower(),
        issuer_key_hash=name.issuer_key_hash.lower(),
        serial_number=name.serial_number.lower().lstrip("0"),
    )
