"""Which security profile a case runs on, and why it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.access import Access
from harness.declaration import Declaration
from harness.drivers.driver import Credentials, Operation
from harness.drivers.http_spec import HttpDriverSpec
from harness.model import ProfileChoice, Scenario
from harness.pki import Pki
from harness.selection import Selection, select
from harness.sut import SystemUnderTest
from tests.harness.scenario_texts import BOOT, scenario
from tests.harness.small_runs import system


def case(*choices: ProfileChoice, role: str = "") -> Scenario:
    return replace(scenario(BOOT), security_profiles=choices, role=role)


def sut(
    *identities: int,
    endpoints: tuple[int, ...] = (1, 2, 3),
    declared: tuple[int, ...] | None = None,
) -> SystemUnderTest:
    access = Access(
        endpoints={one: f"ws{'s' * (one > 1)}://x" for one in endpoints},
        pki=Pki(Path("nowhere"), hosts=[]),
    )
    credentials = tuple(
        Credentials(f"CP{number}", security_profile=profile)
        for number, profile in enumerate(identities)
    )
    return replace(
        system(None, ocpp_url="ws://x", access=access),
        identities=credentials,
        declaration=Declaration(security_profiles=declared),
    )


ONE, TWO, THREE = (ProfileChoice(one) for one in (1, 2, 3))
UP = ProfileChoice(1, 2)


@pytest.mark.parametrize(
    ("system_", "choices", "profile"),
    [
        (sut(2, 1), (), 2),
        (sut(1, 2), (ONE, TWO), 1),
        (sut(1, 2), (TWO, ONE), 2),
        (sut(2), (ONE, TWO), 2),
        (sut(1, 2, declared=(2,)), (ONE, TWO), 2),
        (sut(1, declared=(1, 2)), (TWO, ONE), 1),
        (sut(1, 2), (UP,), 1),
    ],
)
def test_the_first_profile_that_is_declared_and_provided_is_taken(
    system_: SystemUnderTest, choices: tuple[ProfileChoice, ...], profile: int
) -> None:
    """The case's order counts; without one, the file's first identity does."""
    assert select(case(*choices), system_) == Selection(profile)


@pytest.mark.parametrize(
    ("system_", "choices", "words"),
    [
        (sut(1), (TWO, THREE), "security profile 2 or 3 is not declared"),
        (sut(1, declared=(1,)), (UP,), "security profile 1 and 2 is not declared"),
        (sut(1, 2, declared=()), (ONE,), "security profile 1 is not declared"),
    ],
)
def test_what_is_not_declared_does_not_apply(
    system_: SystemUnderTest, choices: tuple[ProfileChoice, ...], words: str
) -> None:
    """The reason names the profiles that would be needed."""
    assert select(case(*choices), system_).not_applicable.startswith(words)


@pytest.mark.parametrize(
    ("system_", "choices"),
    [
        (sut(1, declared=(1, 2)), (TWO,)),
        (sut(1, 2, declared=(1, 2), endpoints=(1,)), (UP,)),
        (sut(1, declared=(3,)), (THREE,)),
    ],
)
def test_what_is_declared_and_not_provided_is_said(
    system_: SystemUnderTest, choices: tuple[ProfileChoice, ...]
) -> None:
    """No endpoint or identity for a declared profile: the case applies and cannot run."""
    selection = select(case(*choices), system_)

    assert selection.not_applicable == ""
    assert "is declared, but" in selection.not_provided


def test_a_role_that_the_file_has_not_does_not_apply() -> None:
    """A case for a special station runs where there is one."""
    assert "role: encoded" in select(case(role="encoded"), sut(1)).not_applicable


def test_cards_that_nobody_can_make_are_no_error_of_the_file() -> None:
    """Where the file says why there are none of a role, the case was not provided for."""
    blocked = scenario("  - send: Authorize\n    payload: {idTag: $blocked_id_tag}\n")
    reason = "no request for it is known"
    driver = HttpDriverSpec(base_url="http://x", unsupported={Operation.BLOCKED_TAG: reason})
    said = replace(sut(1), driver=driver)
    made = replace(said, id_tags={"blocked": ("CARD",)})

    assert select(blocked, said).not_provided == f"there is no id tag of role 'blocked': {reason}"
    assert select(blocked, sut(1)).not_provided == ""
    assert select(blocked, made).not_provided == ""
    assert select(case(ONE), said).not_provided == ""
