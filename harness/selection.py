"""Which cases run against one system, on which security profile, and why or why not. Pure.

What is not declared does not apply; what is declared but was not provided has not been seen, which
is no pass.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from harness import declaration, expressions
from harness.awaited import leaves
from harness.declaration import Decision, Ground
from harness.drivers.driver import ROLES
from harness.drivers.http_spec import HttpDriverSpec
from harness.model import CaseSet, ProfileChoice, Requirement, Scenario, Wait
from harness.pools import roles_used
from harness.sut import SystemUnderTest

LONGEST_WAIT_S: Final = 5.0  # a case beyond the official ones that waits longer is slow
_WAITS_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)  # what a wait comes to depends on no date


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


def decide(
    scenario: Scenario, sut: SystemUnderTest, *, edition: str, slow: bool = False
) -> Decision:
    """Say whether a case runs against a system, and why.

    Args:
        slow: whether what lets much time pass runs, too, beyond the official cases.
    """
    found = declaration.decide(scenario, sut.declaration, edition=edition)
    if not found.is_in:
        return found
    selection = select(scenario, sut)
    if selection.not_applicable:
        return Decision(Ground.NOT_DECLARED, selection.not_applicable)
    if selection.not_provided:
        return Decision(Ground.NOT_PROVIDED, selection.not_provided)
    is_wanted = slow or found.ground is Ground.SWITCHED_ON
    if scenario.case_set is not CaseSet.OFFICIAL and not is_wanted:
        waits_s = own_waits_s(scenario, sut)
        if waits_s > LONGEST_WAIT_S:
            return Decision(Ground.SLOW, f"lets {waits_s:g} s pass; runs with --slow")
    if found.ground is Ground.CONDITIONAL and scenario.security_profiles:
        # What the official list ties to Advanced Security is tied to the profile itself.
        where = "is declared (pics.security_profiles)"
        if sut.declaration.security_profiles is None:
            where = "has identities in the system-under-test file"
        words = f"conditional: security profile {selection.profile} {where}"
        return Decision(Ground.CONDITIONAL, words)
    if scenario.requirement is not Requirement.ADDITIONAL and scenario.security_profiles:
        return Decision(found.ground, f"{found.reason}; on security profile {selection.profile}")
    return found


def select(scenario: Scenario, sut: SystemUnderTest) -> Selection:
    """Choose the first security profile of the case that the system declares and provides."""
    of_role = [one for one in sut.identities if one.role == scenario.role]
    if scenario.role and not of_role:
        return Selection(
            not_applicable=f"the system-under-test file has no identity with role: {scenario.role}"
        )
    if not scenario.security_profiles:
        # Whatever the file begins with: such a case says nothing about connections.
        profile = of_role[0].security_profile if of_role else None
        return Selection(profile, not_provided=_cards_nobody_makes(scenario, sut))
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
            return Selection(choice.start, not_provided=_cards_nobody_makes(scenario, sut))
    missing = " or ".join(map(_named, wanted))
    return Selection(
        not_provided=f"security profile {missing} is declared, but the system-under-test file has "
        "no endpoint or no identities for it"
    )


def _cards_nobody_makes(scenario: Scenario, sut: SystemUnderTest) -> str:
    """Say which cards a case needs that the file has not, because there is no way to make them.

    Where the file gives no such reason, it just lacks them: an error of the file.
    """
    reasons = sut.driver.unsupported if isinstance(sut.driver, HttpDriverSpec) else {}
    for role in sorted(roles_used(scenario) - sut.id_tags.keys()):
        reason = reasons.get(ROLES[role], "") if role in ROLES else ""
        if reason:
            return f"there is no id tag of role {role!r}: {reason}"
    return ""


def declared_profiles(sut: SystemUnderTest) -> frozenset[int]:
    """Return the security profiles a vendor declares, or else those that were provided for."""
    if sut.declaration.security_profiles is not None:
        return frozenset(sut.declaration.security_profiles)
    return frozenset(one.security_profile for one in sut.identities)


def profiles_by_identity(sut: SystemUnderTest) -> dict[str, int]:
    """Return the security profile that each identity of the file begins with."""
    return {one.identity: one.security_profile for one in sut.identities}


def own_waits_s(scenario: Scenario, sut: SystemUnderTest) -> float:
    """Return how long a case itself lets time pass, as far as that is known before it runs."""
    variables = {**scenario.variables, **sut.variables}
    total_s = 0.0
    for step in leaves(scenario.steps):
        if isinstance(step, Wait):
            with suppress(expressions.UnknownVariable):  # captured while it runs
                seconds = expressions.resolve(
                    step.seconds, variables, now=_WAITS_BEGIN, milliseconds=False
                )
                total_s += seconds if isinstance(seconds, int | float) else 0.0
    return total_s


def _named(choice: ProfileChoice) -> str:
    if choice.target is None:
        return str(choice.start)
    return f"{choice.start} and {choice.target}"
