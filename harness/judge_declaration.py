"""What a run shows of the declaration: what does not hold, and what works though undeclared. Pure.

Nothing here changes a verdict. A case that fails says so itself; these findings say what follows
for the declaration.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from harness.declaration import FEATURES, Declaration
from harness.judge_frames import MessageType, read_frame
from harness.model import CaseSet, Profile, Requirement
from harness.report.measures import AUTHORIZE_BUDGET, RESPONSE_BUDGET, measure
from harness.results import CaseResult, Finding, Severity, Verdict
from simulator.trace import Direction, EventKind

# Requests that no other profile has. What Core and Security demand of everybody shows nothing.
_PROFILE_OF: Final = {
    "UpdateFirmware": Profile.FIRMWARE_MANAGEMENT,
    "GetLocalListVersion": Profile.LOCAL_AUTH_LIST_MANAGEMENT,
    "SendLocalList": Profile.LOCAL_AUTH_LIST_MANAGEMENT,
    "ReserveNow": Profile.RESERVATION,
    "CancelReservation": Profile.RESERVATION,
    "ClearChargingProfile": Profile.SMART_CHARGING,
    "GetCompositeSchedule": Profile.SMART_CHARGING,
    "SetChargingProfile": Profile.SMART_CHARGING,
    "TriggerMessage": Profile.REMOTE_TRIGGER,
}
_OUR_REQUESTS: Final = ("Authorize", "StartTransaction")  # whose answers tell about features
_SHOWN: Final = 4  # cases named in one sentence


def judge_declaration(
    cases: Sequence[CaseResult], declaration: Declaration, *, security_profiles: Mapping[str, int]
) -> tuple[Finding, ...]:
    """Compare what was declared with what a run saw.

    Args:
        security_profiles: the security profile each identity began with.
    """
    return (
        *_not_kept(cases, declaration),
        *_undeclared(cases, declaration, security_profiles),
        *_waived(cases),
        *_performance(cases, declaration),
    )


# --- declared, and not so ----------------------------------------------------------------------


def _not_kept(cases: Sequence[CaseResult], declaration: Declaration) -> Iterator[Finding]:
    failed = [
        case
        for case in cases
        if case.verdict is Verdict.FAILED and case.case_set is CaseSet.OFFICIAL
    ]
    for profile in Profile:
        is_asked = declaration.profiles is not None and profile in declaration.profiles
        own = [case.case_id for case in failed if case.profile is profile]
        # Core and Security are demanded of everybody: nobody may take them back.
        if is_asked and own and profile not in (Profile.CORE, Profile.SECURITY):
            yield _finding(
                "declaration.not-kept",
                f"Profile {profile.value} is declared (pics.profiles), but {_named(own)} failed.",
                expected=f"{profile.value} works, or is not declared",
            )
    for name, feature in FEATURES.items():
        own = [case.case_id for case in failed if case.case_id in feature.cases]
        if own and declaration.features.get(name):
            yield _finding(
                "declaration.not-kept",
                f"{name} is declared (pics.features), but {_named(own)} failed.",
                expected=f"{name} works, or is not declared",
            )


# --- works, and is not declared ----------------------------------------------------------------


def _undeclared(
    cases: Sequence[CaseResult], declaration: Declaration, security_profiles: Mapping[str, int]
) -> Iterator[Finding]:
    profiles: dict[Profile, list[str]] = defaultdict(list)
    features: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        for action, payload, answer in _handled(case):
            if (profile := _profile_of(action, payload)) is not None:
                profiles[profile].append(f"{action} in {case.case_id}")
            for name in _features_of(action, payload, answer):
                features[name].append(f"{action} in {case.case_id}")
        if case.verdict is Verdict.PASSED:
            for name, feature in FEATURES.items():
                if case.case_id in feature.cases and not features.get(name):
                    features[name].append(f"{case.case_id} passed")
    for profile, seen in profiles.items():
        if declaration.profiles is not None and profile not in declaration.profiles:
            yield _works(f"Profile {profile.value}", seen, "pics.profiles")
    # Who said nothing about any feature left all of them open.
    unsaid = sorted(features) if declaration.features else []
    for name in [one for one in unsaid if declaration.features.get(one) is False]:
        yield _works(name, features[name], "pics.features", said="declared as missing")
    unsaid = [name for name in unsaid if name not in declaration.features]
    if unsaid:
        only = unsaid[0]
        what = f"{only}: {_named(features[only])}" if len(unsaid) == 1 else ", ".join(unsaid)
        yield _finding(
            "declaration.undeclared",
            f"These features work, and pics.features does not name them: {what}.",
            expected="what works is declared",
        )
    yield from _undeclared_security(cases, declaration, security_profiles)


def _undeclared_security(
    cases: Sequence[CaseResult], declaration: Declaration, security_profiles: Mapping[str, int]
) -> Iterator[Finding]:
    declared = declaration.security_profiles
    if declared is None:
        return
    seen: dict[int, list[str]] = defaultdict(list)
    for case in cases:
        number = security_profiles.get(case.identity)
        if case.verdict is Verdict.PASSED and number is not None and number not in declared:
            seen[number].append(f"{case.case_id} passed")
    for number, where in sorted(seen.items()):
        yield _works(f"Security profile {number}", where, "pics.security_profiles")


def _works(what: str, seen: Iterable[str], key: str, *, said: str = "not declared") -> Finding:
    return _finding(
        "declaration.undeclared",
        f"{what} is {said} ({key}), but it works: {_named(seen)}. Declare it, or switch it off.",
        expected="what works is declared",
    )


def _profile_of(action: str, payload: Mapping[str, Any]) -> Profile | None:
    if action == "RemoteStartTransaction" and "chargingProfile" in payload:
        return Profile.SMART_CHARGING
    return _PROFILE_OF.get(action)


def _features_of(
    action: str, payload: Mapping[str, Any], answer: Mapping[str, Any]
) -> Iterator[str]:
    """Yield the features that one exchange shows at work."""
    match action:
        case "ClearCache":
            yield "authorization_cache"
        case "SendLocalList" if payload.get("updateType") == "Differential":
            yield "differential_lists"
        case "ReserveNow" if payload.get("connectorId") == 0:
            yield "reserve_charge_point"
        case "ChangeConfiguration" if payload.get("key") == "SecurityProfile":
            yield "raise_security_profile"
        case "GetConfiguration":
            keys = payload.get("key")
            if not keys:
                yield "read_all_keys"
            elif isinstance(keys, list) and len(keys) == 1:
                yield "read_one_key"
        case "Authorize" | "StartTransaction":
            info = answer.get("idTagInfo")
            if isinstance(info, Mapping):
                status = info.get("status")
                if status == "Expired":
                    yield "expired_tags"
                elif status == "Blocked":
                    yield "blocked_tags"
                if info.get("parentIdTag"):
                    yield "parent_tags"


def _handled(case: CaseResult) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield action, request and answer of every CALL, of either side, that got a result."""
    waiting: dict[tuple[int, Direction, str], tuple[str, dict[str, Any]]] = {}
    for event in case.events:
        if event.kind is not EventKind.FRAME or event.direction is None:
            continue
        frame, _ = read_frame(event.text)
        payload = frame.payload if isinstance(frame.payload, dict) else {}
        message_id = json.dumps(frame.message_id)
        if frame.type is MessageType.CALL and isinstance(frame.action, str):
            waiting[event.connection, event.direction, message_id] = (frame.action, payload)
        elif frame.type is MessageType.CALL_RESULT:
            asker = Direction.SENT if event.direction is Direction.RECEIVED else Direction.RECEIVED
            asked = waiting.pop((event.connection, asker, message_id), None)
            is_theirs = asker is Direction.RECEIVED
            if asked is not None and is_theirs is (
                asked[0] not in ("Authorize", "StartTransaction")
            ):
                yield (*asked, payload)


# --- the rest ----------------------------------------------------------------------------------


def _waived(cases: Sequence[CaseResult]) -> Iterator[Finding]:
    """Say which mandatory cases a switch or a missing feature took out."""
    off = [
        case.case_id
        for case in cases
        if case.verdict is Verdict.NOT_APPLICABLE
        and case.requirement is Requirement.MANDATORY
        and case.reason.startswith(("switched off", "declared as missing"))
    ]
    if off:
        yield _finding(
            "declaration.waived",
            f"The declaration takes out what is mandatory: {_named(off)}. A laboratory will ask "
            "for it all the same.",
            expected="mandatory cases are asked",
        )


def _performance(cases: Sequence[CaseResult], declaration: Declaration) -> Iterator[Finding]:
    declared = {
        RESPONSE_BUDGET: declaration.ocpp_response_timeout_s,
        AUTHORIZE_BUDGET: declaration.authorize_s,
    }
    official = [case for case in cases if case.case_set is CaseSet.OFFICIAL]
    values = measure(official).certificate
    for (name, limit_s), value in zip(declared.items(), values, strict=True):
        if limit_s is not None and value.measured_s is not None and value.measured_s > limit_s:
            yield _finding(
                "declaration.performance",
                f"{value.name} is declared with {limit_s:g} s and was measured with "
                f"{value.measured_s} s ({value.basis}).",
                expected=f"at most {limit_s:g} s (pics.performance, {name})",
                actual=f"{value.measured_s} s",
            )


def _finding(rule: str, message: str, *, expected: str, actual: str = "") -> Finding:
    return Finding(rule, Severity.WARNING, message, expected=expected, actual=actual)


def _named(items: Iterable[str]) -> str:
    different = list(dict.fromkeys(items))
    shown = ", ".join(different[:_SHOWN])
    more = len(different) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
