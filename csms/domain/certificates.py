"""Certificates of charge points: whose they are, how they came about, when they end. Pure.

Spec: security whitepaper ed. 3, A02, A03, M03 to M05 (CS-SEC-05, -06, -08 to -12). What is inside
a certificate is read in `csms.pki`; here are only facts and rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from csms.domain.model import ChargePoint

MAX_CHAIN: Final = (
    10_000  # characters of a CertificateSigned.req (§5.2 of the whitepaper's schemas)
)
MAX_PEM: Final = 5_500  # characters of a certificate or a CSR on the wire
MAX_HASH: Final = 128  # characters of CertificateHashDataType
MAX_SERIAL: Final = 40
ATTEMPTS: Final = 3  # to send one certificate, where the connection ended meanwhile
REQUESTS_PER_HOUR: Final = 60  # of one charge point
KEPT_WAITING: Final = timedelta(days=7)  # a certificate for a charge point that does not come


class HashAlgorithm(StrEnum):
    """How a certificate is named on the wire (HashAlgorithmEnumType)."""

    SHA256 = "SHA256"
    SHA384 = "SHA384"
    SHA512 = "SHA512"


class CertificateUse(StrEnum):
    """What an installed root is trusted for (CertificateUseEnumType)."""

    CENTRAL_SYSTEM = "CentralSystemRootCertificate"
    MANUFACTURER = "ManufacturerRootCertificate"


@dataclass(frozen=True, slots=True)
class HashData:
    """Names a certificate as in OCSP (RFC 6960 §4.1.1); all but the algorithm are hex digits."""

    algorithm: HashAlgorithm
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What two of the same certificate have in common: case and leading zeros do not count."""
        return (
            self.algorithm.value,
            self.issuer_name_hash.lower(),
            self.issuer_key_hash.lower(),
            self.serial_number.lower().lstrip("0"),
        )


def is_named(names: Iterable[HashData], reported: HashData) -> bool:
    """Say whether a certificate is the one a charge point names.

    Args:
        names: of the certificate, under each algorithm; without hash of the key where its issuer
            is not at hand.
        reported: what the charge point wrote.
    """
    return any(
        name.key == reported.key
        or (
            not name.issuer_key_hash
            and replace(name, issuer_key_hash=reported.issuer_key_hash).key == reported.key
        )
        for name in names
    )


def read_hash_data(value: object) -> HashData | None:
    """Read a CertificateHashDataType as it came; None for what is none."""
    if not isinstance(value, Mapping):
        return None
    texts = [value.get(name) for name in ("issuerNameHash", "issuerKeyHash", "serialNumber")]
    name_hash, key_hash, serial = texts
    if not (isinstance(name_hash, str) and isinstance(key_hash, str) and isinstance(serial, str)):
        return None
    if max(len(name_hash), len(key_hash)) > MAX_HASH or len(serial) > MAX_SERIAL:
        return None
    try:
        algorithm = HashAlgorithm(str(value.get("hashAlgorithm")))
    except ValueError:
        return None
    return HashData(algorithm, name_hash, key_hash, serial)


def write_hash_data(data: HashData) -> dict[str, Any]:
    """Return the CertificateHashDataType of a DeleteCertificate.req, as it was reported."""
    return {
        "hashAlgorithm": data.algorithm.value,
        "issuerNameHash": data.issuer_name_hash,
        "issuerKeyHash": data.issuer_key_hash,
        "serialNumber": data.serial_number,
    }


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says of itself.

    Attributes:
        subject: as in RFC 4514, for people.
        serial: hex digits without leading zeros.
        fingerprint: SHA-256 of the whole, hex.
        key: such as ``RSA 2048`` or ``EC secp256r1``.
    """

    subject: str
    issuer: str
    serial: str
    fingerprint: str
    key: str
    not_before: datetime
    not_after: datetime


class IssuedState(StrEnum):
    """Where a certificate of a charge point is in its life."""

    REQUESTED = "Requested"  # SignCertificate was accepted; not signed yet
    SIGNED = "Signed"  # waits for the charge point
    SENT = "Sent"  # no answer yet, or none that came
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"  # by the charge point
    IN_USE = "InUse"  # it proved its identity with it
    REVOKED = "Revoked"
    SUPERSEDED = "Superseded"  # a newer request came before it was sent
    FAILED = "Failed"  # it could not be signed or brought to the charge point


WAITING: Final = (IssuedState.REQUESTED, IssuedState.SIGNED)
OPEN: Final = (*WAITING, IssuedState.SENT)
HELD: Final = (IssuedState.ACCEPTED, IssuedState.IN_USE)  # by the charge point, as far as known


class Origin(StrEnum):
    """How a certificate came to a charge point."""

    REQUEST = "SignCertificate"
    API = "Api"  # signed for an operator, who brings it there
    COMMAND = "Command"  # somebody else signed it; sent by command


@dataclass(frozen=True, slots=True)
class Wish:
    """A certificate to be signed: what of a sound CSR is written down.

    Attributes:
        request: the CSR in PEM.
        digest: of the request; the same again is the same request.
        key_digest: of its public key.
        is_proven: whoever asked had proven to be the charge point, or is an operator.
    """

    origin: Origin
    common_name: str
    request: str
    digest: str
    key_digest: str
    is_proven: bool


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate a charge point asked for, or was given.

    Attributes:
        common_name: of the request.
        is_proven: who asked for it had proven to be the charge point. One that anybody could have
            asked for (security profile 0) must not open a door later.
        facts: None until it is signed.
        chain: PEM, leaf first; None until it is signed.
        detail: why it failed or was revoked, for people.
        used_at: when the charge point first connected with it.
    """

    record_id: int
    identity: str
    origin: Origin
    state: IssuedState
    common_name: str
    is_proven: bool
    request: str
    facts: CertificateFacts | None
    chain: str | None
    detail: str
    attempts: int
    requested_at: datetime
    changed_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


class InstalledState(StrEnum):
    """Whether a charge point holds a root certificate."""

    REQUESTED = "Requested"  # InstallCertificate is under way
    INSTALLED = "Installed"
    REJECTED = "Rejected"  # invalid, or the store is full
    FAILED = "Failed"
    REFUSED = "Refused"  # by a CALLERROR
    UNKNOWN = "Unknown"
    GONE = "Gone"  # deleted, or not reported any more


@dataclass(frozen=True, slots=True)
class InstalledCertificate:
    """A root certificate a charge point was given, or says that it holds.

    Attributes:
        pem: None for one that was only reported.
        names: as the charge point may name it.
        reported: how the charge point named it last; with this it is deleted.
        deletion: how the last DeleteCertificate was answered.
    """

    record_id: int
    identity: str
    certificate_type: str
    state: InstalledState
    facts: CertificateFacts | None
    pem: str | None
    names: tuple[HashData, ...]
    reported: HashData | None
    reported_at: datetime | None
    deletion: str | None
    requested_at: datetime
    changed_at: datetime

    @property
    def deletable_as(self) -> HashData | None:
        """How to name it in a DeleteCertificate: as it was reported (CS-SEC-12), else as computed.

        None where neither is known.
        """
        if self.reported is not None:
            return self.reported
        return next((name for name in self.names if name.issuer_key_hash), None)


# --- names ----------------------------------------------------------------------------------


def own_names(
    charge_point: ChargePoint, certificate_name: str | None, *, must_be_proven: bool = False
) -> frozenset[str]:
    """Return the common names a certificate of this charge point may have (CS-SEC-05).

    The whitepaper wants the serial number, which need not be the identity of the URL.

    Args:
        charge_point: with what it said of itself.
        certificate_name: one the operator expects.
        must_be_proven: leave out what anybody may have said (security profile 0).
    """
    candidates = [charge_point.identity, certificate_name]
    if charge_point.is_boot_proven or not must_be_proven:
        boot = charge_point.boot
        candidates += [boot.charge_point_serial_number, boot.charge_box_serial_number]
    return frozenset(name for name in candidates if name)


def name_problem(
    *,
    common_name: str | None,
    organisations: Iterable[str],
    names: frozenset[str],
    organisation: str | None,
) -> str | None:
    """Say what is wrong with the subject of a charge point's certificate; None for nothing."""
    if not common_name:
        return "its subject has no common name"
    if common_name not in names:
        return f"the common name {common_name!r} is not a name of this charge point"
    if organisation is not None and organisation not in set(organisations):
        return f"the organisation is not {organisation!r}"
    return None


# --- what has to be done ---------------------------------------------------------------------


class TaskKind(StrEnum):
    """Which certificate somebody has to look after."""

    SERVER = "Server"
    AUTHORITY = "Authority"
    CLIENT_AUTHORITY = "ClientAuthority"
    ISSUED = "Issued"
    INSTALLED = "Installed"


@dataclass(frozen=True, slots=True)
class CertificateTask:
    """A certificate that ends soon, or has ended."""

    kind: TaskKind
    what: str
    todo: str
    facts: CertificateFacts
    is_expired: bool
    identity: str | None = None
    record_id: int | None = None


def is_due(not_after: datetime, *, at: datetime, within: timedelta) -> bool:
    """Say whether a certificate has ended or ends within a time."""
    return not_after <= at + within


def longest_held(certificates: Iterable[IssuedCertificate]) -> list[IssuedCertificate]:
    """Return those held certificates that no other of the same charge point outlives."""
    longest: dict[str, IssuedCertificate] = {}
    for one in certificates:
        if one.facts is None or one.state not in HELD:
            continue
        other = longest.get(one.identity)
        if other is None or other.facts is None or one.facts.not_after > other.facts.not_after:
            longest[one.identity] = one
    return list(longest.values())
