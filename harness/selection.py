"""Which security profile a case runs on against one system, or why it does not run. Pure.

What is not declared does not apply; what is declared but was not provided has not been seen, which
is no pass.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import ProfileChoice, Scenario
from harness.sut import SystemUnderTest


@dataclass(frozen=True, slots=True)
class Selection:
    """How a case gets its identity, or why it gets none.

    Attributes:
        profile: security profile of the identity; None: any.
        not_applicable: why the case does not apply here.
        not_provided: why it applies but cannot run.
    """

    profile: int | None = None
    not_applicable: str = ""
    not_provided: str = ""


def select(scenario: Scenario, sut: SystemUnderTest) -> Selection:
    """Choose the first security profile of the case that the system declares and provides."""
    of_role = [one for one in sut.identities if one.role == scenario.role]
    if scenario.role and not of_role:
        return Selection(
            not_applicable=f"the system-under-test file has no identity with role: {scenario.role}"
        )
    if not scenario.security_profiles:
        # Whatever the file begins with: such a case says nothing about connections.
        return Selection(of_role[0].security_profile if of_role else None)
    declared = declared_profiles(sut)
    wanted = [
        choice
        for choice in scenario.security_profiles
        if all(one in declared for one in choice.all)
    ]
    if not wanted:
        named = " or ".join(map(_named, scenario.security_profiles))
        return Selection(
            not_applicable=f"security profile {named} is not declared (pics.security_profiles)"
        )
    identities = {one.security_profile for one in of_role}
    for choice in wanted:
        if choice.start in identities and all(one in sut.access.endpoints for one in choice.all):
            return Selection(choice.start)
    missing = " or ".join(map(_named, wanted))
    return Selection(
        not_provided=f"security profile {missing} is declared, but the system-under-test file has "
        "no endpoint or no identities for it"
    )


def declared_profiles(sut: SystemUnderTest) -> frozenset[int]:
    """Return the security profiles a vendor declares, or else those that were provided for."""
    if sut.security_profiles is not None:
        return frozenset(sut.security_profiles)
    return frozenset(one.security_profile for one in sut.identities)


def _named(choice: ProfileChoice) -> str:
    if choice.target is None:
        return str(choice.start)
    return f"{choice.start} and {choice.target}"
