"""The table of who may come in (CS-SEC-01, CS-SEC-02)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.domain.admission import Denial, Entry, Proof, Shown, entry
from csms.domain.model import ChargePoint, RegistrationStatus

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
PLAIN = Shown()
BASIC = Shown(has_password=True)
TLS = Shown(is_tls=True)
TLS_BASIC = Shown(is_tls=True, has_password=True)
MUTUAL = Shown(is_tls=True, has_certificate=True)
BOTH = Shown(is_tls=True, has_password=True, has_certificate=True)
EVERYTHING = [PLAIN, BASIC, TLS, TLS_BASIC, MUTUAL, BOTH]

OPEN = Entry(0, Proof.NOTHING)
FIRST = Entry(1, Proof.PASSWORD)
SECOND = Entry(2, Proof.PASSWORD)
THIRD = Entry(3, Proof.CERTIFICATE)
NO_PASSWORD, WRONG = Denial.NO_PASSWORD, Denial.WRONG_PROFILE


def charge_point(
    profile: int, target: int | None = None, *, credential: str | None = "verifier"
) -> ChargePoint:
    """Make one with a security profile."""
    return ChargePoint(
        "CP1",
        RegistrationStatus.ACCEPTED,
        credential,
        None,
        NOW,
        NOW,
        security_profile=profile,
        target_security_profile=target,
    )


@pytest.mark.parametrize(
    ("profile", "target", "credential", "expected"),
    [
        (0, None, None, [OPEN, OPEN, WRONG, WRONG, WRONG, WRONG]),
        # It was given a key, which it may begin to use.
        (0, None, "key", [OPEN, FIRST, WRONG, WRONG, WRONG, WRONG]),
        (1, None, "key", [NO_PASSWORD, FIRST, WRONG, WRONG, WRONG, WRONG]),
        # Nobody asks for a password over plain TCP that belongs into TLS.
        (2, None, "key", [WRONG, WRONG, NO_PASSWORD, SECOND, NO_PASSWORD, SECOND]),
        (3, None, "key", [WRONG, WRONG, WRONG, WRONG, THIRD, THIRD]),
        (3, None, None, [WRONG, WRONG, WRONG, WRONG, THIRD, THIRD]),
        # While an upgrade is open both ways are right.
        (0, 1, "key", [OPEN, FIRST, WRONG, WRONG, WRONG, WRONG]),
        (0, 2, "key", [OPEN, FIRST, NO_PASSWORD, SECOND, NO_PASSWORD, SECOND]),
        (0, 3, None, [OPEN, OPEN, WRONG, WRONG, THIRD, THIRD]),
        (1, 2, "key", [NO_PASSWORD, FIRST, NO_PASSWORD, SECOND, NO_PASSWORD, SECOND]),
        (1, 3, "key", [NO_PASSWORD, FIRST, WRONG, WRONG, THIRD, THIRD]),
        # A certificate beside the password does not prove that it took the upgrade.
        (2, 3, "key", [WRONG, WRONG, NO_PASSWORD, SECOND, THIRD, SECOND]),
    ],
)
def test_what_is_shown_has_to_be_what_was_decided(
    profile: int, target: int | None, credential: str | None, expected: list[Entry | Denial]
) -> None:
    """One profile at a time, and the target of an open upgrade beside it."""
    one = charge_point(profile, target, credential=credential)

    assert [entry(one, shown, lowest=0) for shown in EVERYTHING] == expected


@pytest.mark.parametrize(
    ("one", "lowest", "expected"),
    [
        (charge_point(0, credential=None), 1, [NO_PASSWORD, NO_PASSWORD, WRONG, WRONG]),
        (charge_point(0), 1, [NO_PASSWORD, FIRST, WRONG, WRONG]),
        (charge_point(1), 1, [NO_PASSWORD, FIRST, WRONG, WRONG]),
        (charge_point(1), 2, [WRONG, WRONG, WRONG, WRONG]),
        (charge_point(1, 2), 2, [WRONG, WRONG, NO_PASSWORD, SECOND]),
        (charge_point(2), 3, [WRONG, WRONG, WRONG, WRONG]),
        (None, 0, [OPEN, OPEN, WRONG, WRONG]),
        (None, 1, [NO_PASSWORD, NO_PASSWORD, WRONG, WRONG]),
        (None, 2, [WRONG, WRONG, WRONG, WRONG]),
    ],
)
def test_nobody_comes_in_below_the_lowest_profile(
    one: ChargePoint | None, lowest: int, expected: list[Entry | Denial]
) -> None:
    """What a charge point is configured for does not help it then."""
    shown = [PLAIN, BASIC, TLS, TLS_BASIC]

    assert [entry(one, what, lowest=lowest) for what in shown] == expected


@given(
    profile=st.integers(0, 3),
    target=st.none() | st.integers(1, 3),
    credential=st.sampled_from([None, "key"]),
    shown=st.builds(Shown, st.booleans(), st.booleans(), st.booleans()),
    lowest=st.integers(0, 3),
)
def test_no_way_in_proves_less_than_its_profile(
    profile: int, target: int | None, credential: str | None, shown: Shown, lowest: int
) -> None:
    """Whatever the combination: TLS where it belongs, and a proof from profile 1 on."""
    found = entry(charge_point(profile, target, credential=credential), shown, lowest=lowest)

    if isinstance(found, Denial):
        return
    assert found.profile >= max(lowest, min(profile, 3 if target is None else target))
    assert shown.is_tls == (found.profile in (2, 3))
    assert shown.has_password or found.proof is not Proof.PASSWORD
    assert shown.has_certificate or found.proof is not Proof.CERTIFICATE
    assert (found.proof is Proof.NOTHING) == (found.profile == 0)
