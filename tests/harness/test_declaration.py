"""Which cases a declaration asks for, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.declaration import FEATURE_OF, FEATURES, Declaration, Ground, Product, Switch, decide
from harness.loader import library_directory, load_tree
from harness.model import CaseSet, EditionRange, Profile, Requirement, Scenario
from tests.harness.scenario_texts import BOOT, scenario

CORE = frozenset({Profile.CORE})
LIBRARY = {one.id: one for one in load_tree([library_directory()]).scenarios}


def case(
    requirement: Requirement = Requirement.CONDITIONAL,
    profile: Profile = Profile.RESERVATION,
    **changes: object,
) -> Scenario:
    changes = {"profile": profile, "requirement": requirement, **changes}
    return replace(scenario(BOOT), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scenario_", "declared", "ground", "words"),
    [
        (case(Requirement.MANDATORY), Declaration(), Ground.MANDATORY, "mandatory"),
        (case(), Declaration(), Ground.CONDITIONAL, "no profiles are declared, so Reservation"),
        (
            case(),
            Declaration(profiles=frozenset({Profile.RESERVATION})),
            Ground.CONDITIONAL,
            "profile Reservation is declared (pics.profiles)",
        ),
        (case(Requirement.UNCONFIRMED), Declaration(), Ground.UNCONFIRMED, "runs by default"),
        (
            case(Requirement.UNCONFIRMED, id="TC_061_CSMS"),
            Declaration(features={"authorization_cache": True}),
            Ground.CONDITIONAL,
            "authorization_cache is declared (pics.features)",
        ),
        (
            case(Requirement.ADDITIONAL, case_set=CaseSet.BEYOND),
            Declaration(),
            Ground.ADDITIONAL,
            "--extended",
        ),
        (
            case(Requirement.UNCONFIRMED),
            Declaration(profiles=CORE, cases={"TC_900_CSMS": Switch(True, "asked by a customer")}),
            Ground.SWITCHED_ON,
            "switched on (pics.cases): asked by a customer",
        ),
        (case(Requirement.MANDATORY), Declaration(profiles=CORE), Ground.MANDATORY, "mandatory"),
    ],
)
def test_a_case_is_in_for_a_reason(
    scenario_: Scenario, declared: Declaration, ground: Ground, words: str
) -> None:
    """Mandatory, conditional and by what, unconfirmed, beyond the list, or switched on."""
    if declared.cases:
        declared = replace(declared, cases={scenario_.id: next(iter(declared.cases.values()))})

    decision = decide(scenario_, declared, edition="2025-11")

    assert (decision.is_in, decision.ground) == (True, ground)
    assert words in decision.reason


@pytest.mark.parametrize(
    ("scenario_", "declared", "ground", "reason"),
    [
        (
            case(),
            Declaration(profiles=CORE),
            Ground.NOT_DECLARED,
            "profile Reservation is not declared (pics.profiles)",
        ),
        (
            case(Requirement.MANDATORY, with_profile=Profile.FIRMWARE_MANAGEMENT),
            Declaration(profiles=CORE),
            Ground.NOT_DECLARED,
            "profile FirmwareManagement is not declared (pics.profiles)",
        ),
        (
            case(Requirement.UNCONFIRMED, id="TC_061_CSMS"),
            Declaration(features={"authorization_cache": False}),
            Ground.NOT_DECLARED,
            "declared as missing: authorization_cache (pics.features)",
        ),
        (
            case(Requirement.MANDATORY, id="TC_023_2_CSMS"),
            Declaration(features={"expired_tags": False}),
            Ground.NOT_DECLARED,
            "declared as missing: expired_tags (pics.features), though the case is mandatory",
        ),
        (
            case(Requirement.MANDATORY, id="TC_1"),
            Declaration(cases={"TC_1": Switch(False, "no second endpoint")}),
            Ground.SWITCHED_OFF,
            "switched off (pics.cases): no second endpoint",
        ),
        (
            case(id="TC_1", editions=EditionRange("2025-11")),
            Declaration(cases={"TC_1": Switch(True, "wanted")}),
            Ground.NOT_IN_EDITION,
            "not in edition 2025-06 of the case list",
        ),
    ],
)
def test_a_case_is_out_for_a_reason(
    scenario_: Scenario, declared: Declaration, ground: Ground, reason: str
) -> None:
    """A profile, a feature, a switch or the edition; the edition has the last word."""
    decision = decide(scenario_, declared, edition="2025-06")

    assert (decision.is_in, decision.ground, decision.reason) == (False, ground, reason)


def test_every_feature_is_about_cases_that_exist() -> None:
    """A feature without a case would change nothing, and one case cannot have two."""
    for name, feature in FEATURES.items():
        assert feature.question.endswith("?")
        assert [one for one in feature.cases if one not in LIBRARY] == [], name
    assert len(FEATURE_OF) == sum(len(feature.cases) for feature in FEATURES.values())


def test_settings_tell_what_was_declared_and_nothing_else() -> None:
    """What nobody said is not there, so that nobody takes it for an answer."""
    assert Declaration().settings() == {}
    declared = Declaration(
        product=Product(name="Grid", version="2"),
        profiles=frozenset({Profile.SECURITY, Profile.CORE}),
        security_profiles=(),
        authorize_s=2.0,
        cases={"TC_1": Switch(False, "why not")},
    )

    assert declared.settings() == {
        "product": {"name": "Grid", "version": "2"},
        "performance": {"authorize_s": 2.0},
        "cases": {"TC_1": {"off": "why not"}},
        "profiles": ["Core", "Security"],
        "security_profiles": [],
    }
