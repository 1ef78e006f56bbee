"""What a run shows of the declaration."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checks import SURROUNDINGS
from harness.declaration import Declaration
from harness.judge_declaration import judge_declaration
from harness.model import CaseSet, Profile, Requirement
from harness.results import CaseResult, Finding, Severity, Verdict
from tests.harness.report_samples import case as sample
from tests.harness.report_samples import exchange
from tests.harness.wire_script import Wire

CORE = frozenset({Profile.CORE})


def case(case_id: str = "TC_001_CSMS", wire: Wire | None = None, **changes: object) -> CaseResult:
    events = tuple(wire.events) if wire else ()
    return sample(case_id, **{"events": events, "identity": "PF1", **changes})


def asked(action: str, payload: dict[str, Any], answer: dict[str, Any] | None = None) -> Wire:
    """Return a conversation in which the CSMS asked for something and was answered."""
    wire = Wire().opened().csms_call("c1", action, payload)
    return wire if answer is None else wire.csms_answered("c1", answer)


def told(payload: dict[str, Any]) -> Wire:
    """Return a conversation in which the CSMS was asked about a card."""
    return (
        Wire().opened().call("1", "Authorize", {"idTag": "A"}).result("1", {"idTagInfo": payload})
    )


def found(*cases: CaseResult, **declared: Any) -> list[Finding]:
    findings = judge_declaration(cases, Declaration(**declared), security_profiles={"PF1": 1})
    assert all(one.severity is Severity.WARNING for one in findings)
    assert {one.rule for one in findings} <= set(SURROUNDINGS)
    return list(findings)


def only(*cases: CaseResult, **declared: Any) -> tuple[str, str]:
    (one,) = found(*cases, **declared)
    return one.rule, one.message


FAILED: dict[str, Any] = {"verdict": Verdict.FAILED}
RESERVE = {"connectorId": 1, "idTag": "A", "reservationId": 1}
ACCEPTED = {"status": "Accepted"}
REFUSED = '[4,"c1","NotImplemented","",{}]'


def test_nothing_declared_is_nothing_to_compare() -> None:
    """Without a declaration every case is asked and no sentence follows."""
    cases = (
        case("TC_046_CSMS", asked("ReserveNow", RESERVE, ACCEPTED), profile=Profile.RESERVATION),
        case("TC_061_CSMS", asked("ClearCache", {}, ACCEPTED)),
        case("TC_023_2_CSMS", told({"status": "Expired"}), **FAILED),
    )

    assert found(*cases) == []


def test_a_declared_profile_whose_cases_fail_is_named_once() -> None:
    """With the cases that say so; Core and Security are not for the vendor to take back."""
    cases = [
        case("TC_046_CSMS", profile=Profile.RESERVATION, **FAILED),
        case("TC_047_CSMS", profile=Profile.RESERVATION, **FAILED),
        case("TC_048_1_CSMS", profile=Profile.RESERVATION),
        case("TC_001_CSMS", **FAILED),
        case("TC_079_CSMS", profile=Profile.SECURITY, **FAILED),
        case("BEYOND_X", profile=Profile.REMOTE_TRIGGER, case_set=CaseSet.BEYOND, **FAILED),
    ]

    assert only(*cases, profiles=frozenset(Profile)) == (
        "declaration.not-kept",
        "Profile Reservation is declared (pics.profiles), but TC_046_CSMS, TC_047_CSMS failed.",
    )
    assert found(*cases, profiles=CORE) == []


def test_a_declared_feature_whose_cases_fail_is_named() -> None:
    """It is named when it is declared, and when its case failed, not when nobody saw it."""
    cache = case("TC_061_CSMS", **FAILED)

    assert only(cache, features={"authorization_cache": True}) == (
        "declaration.not-kept",
        "authorization_cache is declared (pics.features), but TC_061_CSMS failed.",
    )
    unseen = case("TC_061_CSMS", verdict=Verdict.INCONCLUSIVE)
    assert found(unseen, features={"authorization_cache": True}) == []


@pytest.mark.parametrize(
    ("action", "payload", "profile"),
    [
        ("ReserveNow", RESERVE, "Reservation"),
        ("CancelReservation", {"reservationId": 1}, "Reservation"),
        ("SendLocalList", {"listVersion": 1, "updateType": "Full"}, "LocalAuthListManagement"),
        ("TriggerMessage", {"requestedMessage": "Heartbeat"}, "RemoteTrigger"),
        ("ClearChargingProfile", {}, "SmartCharging"),
        ("RemoteStartTransaction", {"idTag": "A", "chargingProfile": {}}, "SmartCharging"),
        ("UpdateFirmware", {"location": "x", "retrieveDate": "y"}, "FirmwareManagement"),
    ],
)
def test_a_request_of_an_undeclared_profile_is_pointed_out(
    action: str, payload: dict[str, Any], profile: str
) -> None:
    """The CSMS sent it and was answered: it can do what nobody declared."""
    seen = case(wire=asked(action, payload, ACCEPTED))

    rule, message = only(seen, profiles=CORE)

    assert rule == "declaration.undeclared"
    assert message.startswith(f"Profile {profile} is not declared (pics.profiles), but it works: ")
    assert f"{action} in TC_001_CSMS" in message
    assert found(seen, profiles=frozenset(Profile)) == []


@pytest.mark.parametrize(
    "wire",
    [
        asked("ReserveNow", RESERVE),
        asked("GetDiagnostics", {"location": "x"}, {}),
        asked("RemoteStartTransaction", {"idTag": "A"}, ACCEPTED),
        Wire().opened().csms_call("c1", "ReserveNow", RESERVE).sent(REFUSED),
        Wire().opened().call("c1", "ReserveNow", RESERVE).result("c1", ACCEPTED),
    ],
)
def test_what_shows_no_profile_is_not_pointed_out(wire: Wire) -> None:
    """Unanswered, refused by us, demanded of everybody, or sent by the charge point."""
    assert found(case(wire=wire), profiles=CORE) == []


@pytest.mark.parametrize(
    ("wire", "feature"),
    [
        (asked("ClearCache", {}, ACCEPTED), "authorization_cache"),
        (asked("GetConfiguration", {}, {}), "read_all_keys"),
        (asked("GetConfiguration", {"key": []}, {}), "read_all_keys"),
        (asked("GetConfiguration", {"key": ["A"]}, {}), "read_one_key"),
        (
            asked("ChangeConfiguration", {"key": "SecurityProfile", "value": "2"}, ACCEPTED),
            "raise_security_profile",
        ),
        (
            asked("SendLocalList", {"listVersion": 1, "updateType": "Differential"}, ACCEPTED),
            "differential_lists",
        ),
        (asked("ReserveNow", {**RESERVE, "connectorId": 0}, ACCEPTED), "reserve_charge_point"),
        (told({"status": "Expired"}), "expired_tags"),
        (told({"status": "Blocked"}), "blocked_tags"),
        (told({"status": "Accepted", "parentIdTag": "P"}), "parent_tags"),
    ],
)
def test_a_feature_at_work_that_is_not_declared_is_pointed_out(wire: Wire, feature: str) -> None:
    """Once something was said about features; said to be missing, it is a contradiction."""
    seen = case(wire=wire)
    other = "stop_at_vehicle"

    assert f"does not name them: {feature}: " in only(seen, features={other: True})[1]
    assert f"{feature} is declared as missing" in only(seen, features={feature: False})[1]
    assert found(seen, features={feature: True}) == []
    assert found(seen) == []


def test_features_nobody_named_are_told_in_one_sentence() -> None:
    """A list of them, so that what contradicts the declaration stands out."""
    seen = [case(wire=asked("ClearCache", {}, ACCEPTED)), case("TC_010_CSMS")]

    rule, message = only(*seen, features={"stop_at_vehicle": True})

    assert rule == "declaration.undeclared"
    assert message.endswith("name them: authorization_cache, remote_start_after_plug_in.")


def test_a_case_that_passes_shows_its_feature() -> None:
    """Whatever its frames were."""
    passed = case("TC_037_1_CSMS")

    assert "TC_037_1_CSMS passed" in only(passed, features={"stop_at_vehicle": True})[1]
    failed = case("TC_037_1_CSMS", **FAILED)
    assert found(failed, features={"stop_at_vehicle": True}) == []


def test_an_undeclared_security_profile_that_works_is_pointed_out() -> None:
    """A charge point came in on it, and its case passed."""
    assert only(case(), security_profiles=(2, 3))[1].startswith(
        "Security profile 1 is not declared"
    )
    assert found(case(), security_profiles=(1,)) == []
    assert found(case(**FAILED), security_profiles=(2,)) == []
    assert found(case(identity=""), security_profiles=(2,)) == []


@pytest.mark.parametrize(
    ("reason", "is_waived"),
    [
        ("switched off (pics.cases): why", True),
        ("declared as missing: expired_tags (pics.features), though the case is mandatory", True),
        ("profile Core is not declared (pics.profiles)", False),
        ("not in edition 2024-04 of the case list", False),
    ],
)
def test_mandatory_cases_that_are_taken_out_are_told(reason: str, is_waived: bool) -> None:
    """By a switch or a feature; an edition takes out nothing that it demands."""
    off = case(verdict=Verdict.NOT_APPLICABLE, reason=reason)
    optional = case(
        verdict=Verdict.NOT_APPLICABLE, reason=reason, requirement=Requirement.CONDITIONAL
    )

    assert [one.rule for one in found(off)] == ["declaration.waived"] * is_waived
    assert found(optional) == []


def test_slower_than_declared_is_told_and_not_judged() -> None:
    """In whole seconds, as the certificate has them; exactly the declared value is kept."""
    slow = case(exchanges=(exchange("Authorize", 2.6), exchange("Heartbeat", 4.2)))

    rules = [(one.rule, one.actual) for one in found(slow, ocpp_response_timeout_s=4.0)]
    assert rules == [("declaration.performance", "5 s")]
    assert [one.actual for one in found(slow, authorize_s=2.0)] == ["3 s"]
    assert found(slow, ocpp_response_timeout_s=5.0, authorize_s=3.0) == []
    assert found(case(), ocpp_response_timeout_s=5.0, authorize_s=3.0) == []


def test_many_cases_make_one_sentence() -> None:
    """Nobody reads a list of twenty."""
    cases = [
        case(f"TC_{number}_CSMS", profile=Profile.RESERVATION, **FAILED) for number in range(20)
    ]

    message = only(*cases, profiles=frozenset({Profile.RESERVATION}))[1]

    assert "TC_0_CSMS, TC_1_CSMS, TC_2_CSMS, TC_3_CSMS and 16 more failed" in message
