"""Who may come in: what a connection shows, against what its charge point has to show. Pure.

Spec: security whitepaper ed. 3, A00 (CS-SEC-01, CS-SEC-02). A charge point has one security
profile at a time: 0 plain and open, 1 plain with Basic auth, 2 TLS with Basic auth, 3 TLS with a
client certificate. While an upgrade is open the new profile is right, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from csms.domain.model import ChargePoint

PROFILES: Final = range(4)
WITH_PASSWORD: Final = frozenset({1, 2})
OVER_TLS: Final = frozenset({2, 3})


@dataclass(frozen=True, slots=True)
class Shown:
    """What a connection shows, right or wrong."""

    is_tls: bool = False
    has_password: bool = False
    has_certificate: bool = False


class Proof(Enum):
    """What has to be right before a charge point is let in."""

    NOTHING = "nothing"
    PASSWORD = "password"  # noqa: S105  # the name of a proof, not a secret
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class Entry:
    """A way in, once the proof holds."""

    profile: int
    proof: Proof


class Denial(Enum):
    """Why there is no way in, whatever could be proven."""

    NO_PASSWORD = "the password is missing"  # noqa: S105  # words, not a secret
    WRONG_PROFILE = "not with this security profile"


def entry(charge_point: ChargePoint | None, shown: Shown, *, lowest: int) -> Entry | Denial:
    """Return how the charge point may come in with what it shows.

    Args:
        charge_point: None for one that nobody registered and that may register itself.
        shown: what it shows.
        lowest: the lowest profile let in at all.
    """
    configured = 0 if charge_point is None else charge_point.security_profile
    target = None if charge_point is None else charge_point.target_security_profile
    has_credential = charge_point is not None and charge_point.credential is not None
    right = [configured]
    if configured == 0 and has_credential:
        right.append(1)  # it was given a key, and may begin to use it
    if target is not None:
        right.append(target)
    for profile in right:
        if profile >= lowest and _fits(profile, shown, has_credential):
            return Entry(profile, _proof(profile))
    return _denial(right, shown, lowest)


def _fits(profile: int, shown: Shown, has_credential: bool) -> bool:
    match profile:
        case 0:  # without a credential nothing could be checked
            return not shown.is_tls and not (shown.has_password and has_credential)
        case 1:
            return not shown.is_tls and shown.has_password
        case 2:
            return shown.is_tls and shown.has_password
        case _:
            return shown.is_tls and shown.has_certificate


def _proof(profile: int) -> Proof:
    if profile in WITH_PASSWORD:
        return Proof.PASSWORD
    return Proof.CERTIFICATE if profile == 3 else Proof.NOTHING


def _denial(right: list[int], shown: Shown, lowest: int) -> Denial:
    """Ask for a password only where it may be sent: never over plain TCP for profile 2."""
    wanted = {profile for profile in right if profile >= lowest}
    if right == [0] and lowest == 1:  # nobody gave it a key yet
        wanted = {1}
    over = 2 if shown.is_tls else 1
    return Denial.NO_PASSWORD if over in wanted else Denial.WRONG_PROFILE
