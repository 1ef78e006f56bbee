"""What a vendor declares of a product (PICS), and which cases follow from it. Pure.

Every case is in or out for a reason that can be told. What is demanded and asked for nevertheless
stays visible: a switch never turns a case into a pass.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from harness.model import CaseSet, Profile, Requirement, Scenario


@dataclass(frozen=True, slots=True)
class Feature:
    """Something optional that a Central System can do.

    Attributes:
        question: what the vendor answers with true or false.
        cases: those that do not apply without it.
    """

    question: str
    cases: tuple[str, ...]


# Closed. Which answers the official procedure asks for is not public; these follow from what the
# cases need besides a profile.
FEATURES: Final[Mapping[str, Feature]] = MappingProxyType(
    {
        "authorization_cache": Feature(
            "Can an operator make a charge point clear its authorization cache?",
            ("TC_061_CSMS",),
        ),
        "blocked_tags": Feature("Can an id tag be blocked?", ("TC_023_3_CSMS",)),
        "differential_lists": Feature(
            "Can an operator send a change of a local authorization list alone?",
            ("TC_043_5_CSMS",),
        ),
        "expired_tags": Feature("Can an id tag expire?", ("TC_023_2_CSMS",)),
        "free_configuration_keys": Feature(
            "Can an operator set a configuration key of any name to any value?",
            ("TC_040_1_CSMS", "TC_040_2_CSMS"),
        ),
        "offline_transactions": Feature(
            "Are transactions taken that began or ended while the charge point was offline?",
            ("TC_037_1_CSMS", "TC_037_3_CSMS", "TC_039_CSMS", "BEYOND_OFFLINE_QUEUE"),
        ),
        "parent_tags": Feature(
            "Can id tags belong to a parent, so that one ends what another began?",
            ("TC_053_CSMS",),
        ),
        "raise_security_profile": Feature(
            "Can an operator raise the security profile of a charge point?",
            (
                "TC_083_CSMS",
                "BEYOND_PROFILE_NOT_REACHED",
                "BEYOND_PROFILE_REFUSED",
                "BEYOND_PROFILE_TO_CERTIFICATES",
            ),
        ),
        "read_all_keys": Feature(
            "Can an operator read the whole configuration of a charge point at once?",
            ("TC_019_1_CSMS",),
        ),
        "read_one_key": Feature(
            "Can an operator read a single configuration key?",
            ("TC_019_2_CSMS",),
        ),
        "remote_start_after_plug_in": Feature(
            "Can an operator start a transaction where the cable is plugged in already?",
            ("TC_010_CSMS",),
        ),
        "reserve_charge_point": Feature(
            "Can an operator reserve a charge point without naming a connector (connector 0)?",
            ("TC_049_CSMS",),
        ),
        "stop_at_vehicle": Feature(
            "Is a transaction handled that ends because the cable is unplugged at the vehicle?",
            ("TC_005_1_CSMS",),
        ),
        "unlock_in_use": Feature(
            "Can an operator unlock a connector on which a transaction runs?",
            ("TC_018_1_CSMS",),
        ),
        "wrong_firmware_signature": Feature(
            "Can an operator send signed firmware with a signature that is wrong?",
            ("TC_081_CSMS",),
        ),
    }
)
FEATURE_OF: Final[Mapping[str, str]] = MappingProxyType(
    {case: name for name, feature in FEATURES.items() for case in feature.cases}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What a certificate would be made out to."""

    vendor: str = ""
    name: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Switch:
    """A case that is on or off whatever else is declared."""

    is_on: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What the vendor says; what was not said is None or empty.

    Attributes:
        communication: how charge points are connected, in words.
        profiles: None selects every case.
        security_profiles: None: what there are identities for.
        features: by name of `FEATURES`.
        ocpp_response_timeout_s: how long the product waits for an answer before it gives up.
        authorize_s: how long it takes to answer an Authorize.
        cases: switches by case id.
    """

    product: Product = field(default_factory=Product)
    communication: str = ""
    profiles: frozenset[Profile] | None = None
    security_profiles: tuple[int, ...] | None = None
    features: Mapping[str, bool] = field(default_factory=dict)
    ocpp_response_timeout_s: float | None = None
    authorize_s: float | None = None
    cases: Mapping[str, Switch] = field(default_factory=dict)

    def settings(self) -> dict[str, object]:
        """Return what a report tells of it: JSON values, only what was declared."""
        product = {
            name: value
            for name in ("vendor", "name", "version")
            if (value := getattr(self.product, name))
        }
        performance = {
            name: value
            for name in ("ocpp_response_timeout_s", "authorize_s")
            if (value := getattr(self, name)) is not None
        }
        told: dict[str, object] = {
            "product": product,
            "communication": self.communication,
            "performance": performance,
            "features": dict(self.features),
            "cases": {
                case: {"on" if switch.is_on else "off": switch.reason}
                for case, switch in self.cases.items()
            },
        }
        found = {name: value for name, value in told.items() if value}
        if self.profiles is not None:
            found["profiles"] = [one.value for one in Profile if one in self.profiles]
        if self.security_profiles is not None:
            found["security_profiles"] = list(self.security_profiles)
        return found


class Ground(StrEnum):
    """Why a case is in or out."""

    MANDATORY = "mandatory"
    CONDITIONAL = "conditional"
    UNCONFIRMED = "unconfirmed"
    ADDITIONAL = "additional"
    SWITCHED_ON = "switched on"
    SWITCHED_OFF = "switched off"
    NOT_DECLARED = "not declared"
    NOT_IN_EDITION = "not in edition"
    NOT_PROVIDED = "not provided"  # it applies, but the file has nothing to run it with
    SLOW = "slow"


OUT: Final = (Ground.SWITCHED_OFF, Ground.NOT_DECLARED, Ground.NOT_IN_EDITION, Ground.SLOW)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a case is asked, and why."""

    ground: Ground
    reason: str

    @property
    def is_in(self) -> bool:
        """Whether the case applies; one that is not provided for does, and stays unseen."""
        return self.ground not in OUT


def unknown_switch(declaration: Declaration, case_ids: Iterable[str]) -> str:
    """Return what to say about the first switch that no case has, or ""."""
    known = sorted(case_ids)
    for case in declaration.cases:
        if case not in known:
            close = difflib.get_close_matches(case, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "`preflight list` names them"
            return f"pics.cases: there is no case {case!r}; {hint}"
    return ""


def decide(scenario: Scenario, declaration: Declaration, *, edition: str) -> Decision:
    """Say whether a case applies to what is declared, and why.

    What the system-under-test file provides is not looked at: see `harness.selection`.
    """
    if not scenario.editions.includes(edition):
        return Decision(Ground.NOT_IN_EDITION, f"not in edition {edition} of the case list")
    switch = declaration.cases.get(scenario.id)
    if switch is not None:
        words = f"switched {'on' if switch.is_on else 'off'} (pics.cases): {switch.reason}"
        return Decision(Ground.SWITCHED_ON if switch.is_on else Ground.SWITCHED_OFF, words)
    missing = _missing_profile(scenario, declaration.profiles)
    if missing is not None:
        words = f"profile {missing.value} is not declared (pics.profiles)"
        return Decision(Ground.NOT_DECLARED, words)
    feature = FEATURE_OF.get(scenario.id, "")
    answer = declaration.features.get(feature)
    if answer is False:
        also = ", though the case is mandatory" if _is_mandatory(scenario) else ""
        words = f"declared as missing: {feature} (pics.features){also}"
        return Decision(Ground.NOT_DECLARED, words)
    return _in(scenario, declaration, feature if answer else "")


def _missing_profile(scenario: Scenario, profiles: frozenset[Profile] | None) -> Profile | None:
    """Return the profile for want of which a case does not apply."""
    if profiles is None:
        return None
    # What is mandatory is so under Core, whichever profile its messages belong to.
    asked = {scenario.profile, *([Profile.CORE] if _is_mandatory(scenario) else [])}
    if not asked & profiles:
        return scenario.profile
    also = scenario.with_profile
    return also if also is not None and also not in profiles else None


def _in(scenario: Scenario, declaration: Declaration, feature: str) -> Decision:
    if scenario.case_set is not CaseSet.OFFICIAL:
        return Decision(Ground.ADDITIONAL, "beyond the official cases: runs with --extended")
    if _is_mandatory(scenario):
        return Decision(Ground.MANDATORY, "mandatory")
    if feature:
        words = f"conditional: {feature} is declared (pics.features)"
        return Decision(Ground.CONDITIONAL, words)
    if scenario.requirement is Requirement.UNCONFIRMED:
        words = "unconfirmed: no source says whether it is demanded; runs by default"
        return Decision(Ground.UNCONFIRMED, words)
    profiles = declaration.profiles
    if profiles is None:
        words = f"conditional: no profiles are declared, so {scenario.profile.value} counts"
    else:
        words = f"conditional: profile {scenario.profile.value} is declared (pics.profiles)"
    return Decision(Ground.CONDITIONAL, words)


def _is_mandatory(scenario: Scenario) -> bool:
    return scenario.requirement is Requirement.MANDATORY
