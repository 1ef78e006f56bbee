"""Strict out: what may be sent to a charge point."""

from typing import Any

import pytest

from csms.ocppj.command_rules import problems, with_our_times
from csms.ocppj.schemas import FROM_CENTRAL_SYSTEM

AT = "2026-01-31T12:34:56Z"
PERIODS = [{"startPeriod": 0, "limit": 16.1}]
PROFILE: dict[str, Any] = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": PERIODS},
}
CERTIFICATE = "-----BEGIN CERTIFICATE-----\r\nMIIB\n-----END CERTIFICATE-----\n"
HASH = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "a",
    "issuerKeyHash": "b",
    "serialNumber": "1",
}
FIRMWARE = {
    "location": "https://example.org/f",
    "retrieveDateTime": AT,
    "signingCertificate": CERTIFICATE,
    "signature": "AA==",
}

# The least each action needs.
SOUND: dict[str, dict[str, Any]] = {
    "CancelReservation": {"reservationId": 1},
    "CertificateSigned": {"certificateChain": CERTIFICATE},
    "ChangeAvailability": {"connectorId": 0, "type": "Operative"},
    "ChangeConfiguration": {"key": "HeartbeatInterval", "value": "300"},
    "ClearCache": {},
    "ClearChargingProfile": {},
    "DataTransfer": {"vendorId": "org.example"},
    "DeleteCertificate": {"certificateHashData": HASH},
    "ExtendedTriggerMessage": {"requestedMessage": "Heartbeat"},
    "GetCompositeSchedule": {"connectorId": 0, "duration": 60},
    "GetConfiguration": {},
    "GetDiagnostics": {"location": "ftp://example.org/"},
    "GetInstalledCertificateIds": {"certificateType": "ManufacturerRootCertificate"},
    "GetLocalListVersion": {},
    "GetLog": {
        "logType": "SecurityLog",
        "requestId": 1,
        "log": {"remoteLocation": "https://example.org/"},
    },
    "InstallCertificate": {
        "certificateType": "CentralSystemRootCertificate",
        "certificate": CERTIFICATE,
    },
    "RemoteStartTransaction": {"idTag": "DEADBEEF"},
    "RemoteStopTransaction": {"transactionId": 1},
    "ReserveNow": {"connectorId": 0, "expiryDate": AT, "idTag": "A", "reservationId": 1},
    "Reset": {"type": "Soft"},
    "SendLocalList": {"listVersion": 1, "updateType": "Full"},
    "SetChargingProfile": {"connectorId": 1, "csChargingProfiles": PROFILE},
    "SignedUpdateFirmware": {"requestId": 1, "firmware": FIRMWARE},
    "TriggerMessage": {"requestedMessage": "StatusNotification", "connectorId": 0},
    "UnlockConnector": {"connectorId": 1},
    "UpdateFirmware": {"location": "ftp://example.org/f", "retrieveDate": AT},
}


def local_list(update_type: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"listVersion": 1, "updateType": update_type, "localAuthorizationList": list(entries)}


def fields(action: str, payload: dict[str, Any]) -> list[str]:
    return [problem.field for problem in problems(action, payload)]


@pytest.mark.parametrize("action", sorted(FROM_CENTRAL_SYSTEM))
def test_sound_command_of_every_action_may_be_sent(action: str) -> None:
    """All actions of a Central System are known; none is kept from being sent."""
    assert problems(action, SOUND[action]) == ()
    assert with_our_times(SOUND[action], action) == SOUND[action]


@pytest.mark.parametrize("action", sorted(FROM_CENTRAL_SYSTEM))
def test_extra_field_is_never_sent(action: str) -> None:
    """No field beyond the schema leaves, in any action (CS-RPC-14)."""
    assert fields(action, {**SOUND[action], "extra": 1}) == [""]


@pytest.mark.parametrize(
    ("action", "payload", "field"),
    [
        ("Reset", {}, ""),
        ("Reset", {"type": "soft"}, "type"),
        ("UnlockConnector", {"connectorId": 0}, "connectorId"),
        ("UnlockConnector", {"connectorId": 1.0}, "connectorId"),
        ("UnlockConnector", {"connectorId": "1"}, "connectorId"),
        ("UnlockConnector", {"connectorId": True}, "connectorId"),
        ("ChangeAvailability", {"connectorId": -1, "type": "Operative"}, "connectorId"),
        ("RemoteStartTransaction", {"idTag": "A", "connectorId": 0}, "connectorId"),
        ("RemoteStartTransaction", {"idTag": "x" * 21}, "idTag"),
        ("RemoteStartTransaction", {"idTag": "ümlaut"}, "idTag"),
        ("RemoteStartTransaction", {"idTag": "A\n\x00"}, "idTag"),
        ("RemoteStopTransaction", {"transactionId": 2**31}, "transactionId"),
        ("ChangeConfiguration", {"key": "k" * 51, "value": ""}, "key"),
        ("ChangeConfiguration", {"key": "k", "value": "v" * 501}, "value"),
        ("ChangeConfiguration", {"key": "k", "value": 5}, "value"),
        ("GetConfiguration", {"key": ["a", "b" * 51]}, "key[1]"),
        ("GetConfiguration", {"key": ["a", "ü"]}, "key[1]"),
        ("GetDiagnostics", {"location": "not a uri"}, "location"),
        ("UpdateFirmware", {"location": "ftp://h/f", "retrieveDate": "tomorrow"}, "retrieveDate"),
        (
            "ReserveNow",
            {**SOUND["ReserveNow"], "expiryDate": "2026-01-31T12:34:56"},
            "expiryDate",
        ),
        ("SendLocalList", {"listVersion": 0, "updateType": "Full"}, "listVersion"),
        ("SendLocalList", {"listVersion": -1, "updateType": "Full"}, "listVersion"),
        (
            "SendLocalList",
            local_list("Differential", {"idTag": "a"}, {"idTag": "B"}, {"idTag": "A"}),
            "localAuthorizationList[2].idTag",
        ),
        (
            "SendLocalList",
            local_list("Full", {"idTag": "A"}),
            "localAuthorizationList[0].idTagInfo",
        ),
        (
            "SendLocalList",
            local_list("Differential", {"idTag": "A", "idTagInfo": {"status": "ConcurrentTx"}}),
            "localAuthorizationList[0].idTagInfo.status",
        ),
        (
            "RemoteStartTransaction",
            {"idTag": "A", "chargingProfile": {**PROFILE, "transactionId": 1}},
            "chargingProfile.transactionId",
        ),
        (
            "RemoteStartTransaction",
            {
                "idTag": "A",
                "chargingProfile": PROFILE | {"chargingProfilePurpose": "TxDefaultProfile"},
            },
            "chargingProfile.chargingProfilePurpose",
        ),
        (
            "SetChargingProfile",
            {
                "connectorId": 1,
                "csChargingProfiles": PROFILE
                | {
                    "chargingSchedule": {
                        "chargingRateUnit": "A",
                        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.15}],
                    }
                },
            },
            "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].limit",
        ),
    ],
)
def test_what_breaks_schema_or_standard_is_not_sent(
    action: str, payload: dict[str, Any], field: str
) -> None:
    """Each problem names its field."""
    assert fields(action, payload) == [field]


@pytest.mark.parametrize("payload", [{"idTag": "\ud800"}, {"idTag": "A", "connectorId": 2**64}])
def test_what_json_cannot_carry_is_a_problem_too(payload: dict[str, Any]) -> None:
    """Half a surrogate pair and integers beyond 64 bits are refused, not raised."""
    assert fields("RemoteStartTransaction", payload) == [""]


def test_problems_never_repeat_a_value() -> None:
    """A refused AuthorizationKey must not appear in an error message."""
    secret = "5EC2E7" * 100

    found = problems("ChangeConfiguration", {"key": "AuthorizationKey", "value": secret})
    assert [problem.field for problem in found] == ["value"]
    assert "5EC2E7" not in found[0].message


def test_natural_language_may_be_sent() -> None:
    """Configuration values and vendor data are not bound to ASCII (CS-RPC-19)."""
    assert problems("ChangeConfiguration", {"key": "Display", "value": "Grüße"}) == ()
    assert problems("DataTransfer", {"vendorId": "v", "data": "Grüße"}) == ()


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("2026-01-31T12:34:56Z", "2026-01-31T12:34:56Z"),
        ("2026-01-31T12:34:56.789Z", "2026-01-31T12:34:56.789Z"),
        ("2026-01-31T12:34:56+01:00", "2026-01-31T11:34:56.000Z"),
        ("2026-01-31T12:34:56.123456Z", "2026-01-31T12:34:56.123Z"),
        ("2026-01-31t12:34:56z", "2026-01-31T12:34:56.000Z"),
    ],
)
def test_times_leave_in_utc(written: str, sent: str) -> None:
    """Charge points are known to set their clocks wrong on any other form (CS-DATA-02)."""
    reservation = {**SOUND["ReserveNow"], "expiryDate": written}
    schedule = PROFILE | {"validTo": written}
    firmware = {"requestId": 1, "firmware": FIRMWARE | {"installDateTime": written}}
    data = {"vendorId": "v", "data": written}

    assert with_our_times(reservation, "ReserveNow")["expiryDate"] == sent
    profile = with_our_times(
        {"connectorId": 1, "csChargingProfiles": schedule}, "SetChargingProfile"
    )
    assert profile["csChargingProfiles"]["validTo"] == sent
    signed = with_our_times(firmware, "SignedUpdateFirmware")
    assert signed["firmware"]["installDateTime"] == sent
    assert with_our_times(data, "DataTransfer") == data


def test_local_list_entries_keep_their_place() -> None:
    """Times inside lists are found, everything else stays as it is."""
    entries = [
        {
            "idTag": "A",
            "idTagInfo": {"status": "Accepted", "expiryDate": "2026-01-31T00:00:00-05:00"},
        },
        {"idTag": "B"},
    ]
    payload = {"listVersion": 2, "updateType": "Differential", "localAuthorizationList": entries}

    assert problems("SendLocalList", payload) == ()
    sent = with_our_times(payload, "SendLocalList")
    assert (
        sent["localAuthorizationList"][0]["idTagInfo"]["expiryDate"] == "2026-01-31T05:00:00.000Z"
    )
    assert sent["localAuthorizationList"][1] == {"idTag": "B"}
