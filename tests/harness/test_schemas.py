"""Payloads against the official schemas and the holes closed."""
# ruff: noqa: E501 -- a row of the table below is one field and what is wrong with it

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.results import Severity
from harness.schemas import (
    ACTIONS,
    CP_ACTIONS,
    CSMS_ACTIONS,
    Kind,
    is_date_time,
    leaves,
    schema_of,
    validate_payload,
)

TIME = "2026-01-31T12:00:00Z"
PERIOD: dict[str, Any] = {"startPeriod": 0, "limit": 16.1}
SCHEDULE: dict[str, Any] = {"chargingRateUnit": "A", "chargingSchedulePeriod": [PERIOD]}
PROFILE: dict[str, Any] = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": SCHEDULE,
}


def rules(action: str, kind: Kind, payload: object) -> list[tuple[str, str]]:
    """Return rule and path of every problem."""
    return [(one.rule, one.path) for one in validate_payload(action, kind, payload)]


def profile(**changes: object) -> dict[str, Any]:
    return {"idTag": "a", "chargingProfile": {**PROFILE, **changes}}


def schedule(**changes: object) -> dict[str, Any]:
    return profile(chargingSchedule={**SCHEDULE, **changes})


def period(**changes: object) -> dict[str, Any]:
    return schedule(chargingSchedulePeriod=[{**PERIOD, **changes}])


REQ, CONF = Kind.CALL, Kind.RESULT


@pytest.mark.parametrize(
    ("action", "kind", "right", "wrong", "rule", "path"),
    [
        ("Authorize", CONF, {"idTagInfo": {"status": "Accepted"}},
         {"idTagInfo": {"status": "accepted"}}, "schema.enum", "$.idTagInfo.status"),
        ("Authorize", CONF, {"idTagInfo": {"status": "Blocked"}}, {}, "schema.required",
         "$.idTagInfo"),
        ("Authorize", CONF, {"idTagInfo": {"status": "Invalid"}},
         {"idTagInfo": {"status": "Invalid", "reason": "x"}}, "schema.additional-property",
         "$.idTagInfo.reason"),
        ("Authorize", CONF, {"idTagInfo": {"status": "Accepted", "parentIdTag": "p"}},
         {"idTagInfo": {"status": "Accepted", "parentIdTag": ""}}, "schema.empty-id-tag",
         "$.idTagInfo.parentIdTag"),
        ("StatusNotification", CONF, {}, {"status": "ok"}, "schema.additional-property",
         "$.status"),
        ("Heartbeat", CONF, {"currentTime": TIME}, {"currentTime": 5}, "schema.type",
         "$.currentTime"),
        ("StartTransaction", CONF, {"transactionId": 1, "idTagInfo": {"status": "Accepted"}},
         {"transactionId": 1.0, "idTagInfo": {"status": "Accepted"}}, "schema.type",
         "$.transactionId"),
        ("StartTransaction", CONF, {"transactionId": 1, "idTagInfo": {"status": "Accepted"}},
         {"transactionId": "1", "idTagInfo": {"status": "Accepted"}}, "schema.type",
         "$.transactionId"),
        ("StartTransaction", CONF, {"transactionId": -1, "idTagInfo": {"status": "Accepted"}},
         {"transactionId": None, "idTagInfo": {"status": "Accepted"}}, "schema.type",
         "$.transactionId"),
        ("StartTransaction", CONF,
         {"transactionId": 2**31 - 1, "idTagInfo": {"status": "Accepted"}},
         {"transactionId": 2**31, "idTagInfo": {"status": "Accepted"}}, "schema.integer-32-bit",
         "$.transactionId"),
        ("StartTransaction", CONF,
         {"transactionId": -(2**31), "idTagInfo": {"status": "Accepted"}},
         {"transactionId": 2**63, "idTagInfo": {"status": "Accepted"}}, "schema.integer-64-bit",
         "$.transactionId"),
        ("Reset", REQ, {"type": "Hard"}, {"type": "hard"}, "schema.enum", "$.type"),
        ("UnlockConnector", REQ, {"connectorId": 1}, {"connectorId": 0}, "schema.connector-id",
         "$.connectorId"),
        ("UnlockConnector", REQ, {"connectorId": 1}, {"connectorId": True}, "schema.type",
         "$.connectorId"),
        ("RemoteStartTransaction", REQ, {"idTag": "a"}, {"idTag": "a", "connectorId": 0},
         "schema.connector-id", "$.connectorId"),
        ("RemoteStartTransaction", REQ, {"idTag": "a" * 20}, {"idTag": "a" * 21}, "schema.length",
         "$.idTag"),
        ("RemoteStartTransaction", REQ, {"idTag": "a"}, {"idTag": ""}, "schema.empty-id-tag",
         "$.idTag"),
        ("RemoteStartTransaction", REQ, profile(), profile(stackLevel=-1), "schema.minimum",
         "$.chargingProfile.stackLevel"),
        ("RemoteStartTransaction", REQ, period(limit=6), period(limit=6.15), "schema.multiple",
         "$.chargingProfile.chargingSchedule.chargingSchedulePeriod[0].limit"),
        ("RemoteStartTransaction", REQ, period(limit=0), period(limit=-1), "schema.minimum",
         "$.chargingProfile.chargingSchedule.chargingSchedulePeriod[0].limit"),
        ("RemoteStartTransaction", REQ, period(startPeriod=5), period(startPeriod=-5),
         "schema.minimum",
         "$.chargingProfile.chargingSchedule.chargingSchedulePeriod[0].startPeriod"),
        ("RemoteStartTransaction", REQ, period(numberPhases=1), period(numberPhases=0),
         "schema.minimum",
         "$.chargingProfile.chargingSchedule.chargingSchedulePeriod[0].numberPhases"),
        ("RemoteStartTransaction", REQ, schedule(duration=0), schedule(duration=-1),
         "schema.minimum", "$.chargingProfile.chargingSchedule.duration"),
        ("RemoteStartTransaction", REQ, schedule(), schedule(chargingSchedulePeriod=[]),
         "schema.item-count", "$.chargingProfile.chargingSchedule.chargingSchedulePeriod"),
        ("SetChargingProfile", REQ, {"connectorId": 0, "csChargingProfiles": PROFILE},
         {"connectorId": -1, "csChargingProfiles": PROFILE}, "schema.connector-id",
         "$.connectorId"),
        ("ChangeAvailability", REQ, {"connectorId": 0, "type": "Operative"},
         {"connectorId": -1, "type": "Operative"}, "schema.connector-id", "$.connectorId"),
        ("TriggerMessage", REQ, {"requestedMessage": "StatusNotification", "connectorId": 0},
         {"requestedMessage": "StatusNotification", "connectorId": -1}, "schema.connector-id",
         "$.connectorId"),
        ("GetCompositeSchedule", REQ, {"connectorId": 0, "duration": 0},
         {"connectorId": 0, "duration": -1}, "schema.minimum", "$.duration"),
        ("SendLocalList", REQ, {"listVersion": 1, "updateType": "Full"},
         {"listVersion": 0, "updateType": "Full"}, "schema.minimum", "$.listVersion"),
        ("SendLocalList", REQ,
         {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [{"idTag": "a"}]},
         {"listVersion": 1, "updateType": "Full",
          "localAuthorizationList": [{"idTag": "a"}, {"idTag": ""}]},
         "schema.empty-id-tag", "$.localAuthorizationList[1].idTag"),
        ("GetDiagnostics", REQ, {"location": "ftp://host/dir"}, {"location": "dir/file"},
         "schema.uri", "$.location"),
        ("GetDiagnostics", REQ, {"location": "ftp://host/dir", "retries": 0},
         {"location": "ftp://host/dir", "retries": -1}, "schema.minimum", "$.retries"),
        ("UpdateFirmware", REQ, {"location": "https://h/f", "retrieveDate": TIME},
         {"location": "f", "retrieveDate": TIME}, "schema.uri", "$.location"),
        ("GetLog", REQ,
         {"logType": "SecurityLog", "requestId": 1, "log": {"remoteLocation": "https://h/f"}},
         {"logType": "SecurityLog", "requestId": 1, "log": {"remoteLocation": "h/f"}},
         "schema.uri", "$.log.remoteLocation"),
        ("MeterValues", REQ,
         {"connectorId": 0, "meterValue": [{"timestamp": TIME, "sampledValue": [{"value": "1"}]}]},
         {"connectorId": 0, "meterValue": []}, "schema.item-count", "$.meterValue"),
        ("GetConfiguration", REQ, {"key": ["a"]}, {"key": "a"}, "schema.type", "$.key"),
        ("ClearCache", REQ, {}, [], "schema.type", "$"),
        ("ClearCache", REQ, {}, None, "schema.null-payload", "$"),
        ("Reset", REQ, {"type": "Soft"}, None, "schema.type", "$"),
    ],
)  # fmt: skip
def test_payloads(
    action: str, kind: Kind, right: object, wrong: object, rule: str, path: str
) -> None:
    """The right payload has no problem; the wrong one has exactly the one that is meant."""
    assert rules(action, kind, right) == []
    assert rules(action, kind, wrong) == [(rule, path)]
    for problem in validate_payload(action, kind, wrong):
        assert problem.expected
        assert problem.actual
        assert problem.requirement


@pytest.mark.parametrize(
    ("action", "payload", "severity"),
    [
        ("ClearCache", None, Severity.WARNING),
        ("Reset", None, Severity.FAILURE),
        ("RemoteStopTransaction", {"transactionId": 2**40}, Severity.WARNING),
        ("RemoteStopTransaction", {"transactionId": 2**80}, Severity.FAILURE),
        ("UnlockConnector", {"connectorId": 0}, Severity.FAILURE),
    ],
)
def test_severities(action: str, payload: object, severity: Severity) -> None:
    """What charge points cannot store fails; what some cannot store, or is odd but legal, warns."""
    assert [one.severity for one in validate_payload(action, REQ, payload)] == [severity]


def test_hertz_is_a_unit_in_both_messages_with_meter_values() -> None:
    """Errata 3.84 knows Hertz; the published StopTransaction does not."""
    sample = {"timestamp": TIME, "sampledValue": [{"value": "50", "unit": "Hertz"}]}
    stop = {"transactionId": 1, "meterStop": 0, "timestamp": TIME, "transactionData": [sample]}

    assert rules("MeterValues", REQ, {"connectorId": 1, "meterValue": [sample]}) == []
    assert rules("StopTransaction", REQ, stop) == []


def test_every_action_has_both_schemas_and_a_sender() -> None:
    """All 39 actions of 1.6 and its security extension are there; only DataTransfer goes both ways."""
    assert len(ACTIONS) == 39
    assert frozenset({"DataTransfer"}) == CP_ACTIONS & CSMS_ACTIONS
    for action in ACTIONS:
        for kind in Kind:
            assert schema_of(action, kind)["type"] == "object"


def test_unknown_action_is_an_error() -> None:
    """Asking for an action that does not exist is our own mistake."""
    with pytest.raises(KeyError):
        validate_payload("heartbeat", REQ, {})


def test_times_are_found_at_any_depth() -> None:
    """Fields that hold times are found through objects and lists."""
    payload = {
        "listVersion": 1,
        "updateType": "Full",
        "localAuthorizationList": [
            {"idTag": "a"},
            {"idTag": "b", "idTagInfo": {"status": "Accepted", "expiryDate": "soon"}},
        ],
    }

    found = list(leaves("SendLocalList", REQ, payload, is_date_time))

    assert found == [("$.localAuthorizationList[1].idTagInfo.expiryDate", "soon")]
    assert rules("SendLocalList", REQ, payload) == []  # harness.judge_times says what is wrong


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.sampled_from(sorted(ACTIONS)), st.sampled_from(list(Kind)), JSON)
def test_any_payload_can_be_judged(action: str, kind: Kind, payload: object) -> None:
    """Whatever a CSMS sends as payload gives problems, not exceptions."""
    for problem in validate_payload(action, kind, payload):
        assert problem.path.startswith("$")


def test_text_that_is_no_unicode_and_endless_nesting_are_problems() -> None:
    """What cannot be handed to the validator at all is said to be unreadable."""
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}

    assert rules("Reset", REQ, {"type": "\ud800"}) == [("schema.unreadable", "$")]
    assert rules("Reset", REQ, deep) == [("schema.unreadable", "$")]
