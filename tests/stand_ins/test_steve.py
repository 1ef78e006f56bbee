"""The command API of the SteVe-like stand-in, by a plain HTTP client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.stand_ins.charge_points import charge_point
from tests.stand_ins.stand_in import Trouble
from tests.stand_ins.steve import API_KEY, FORMS, PASSWORD, SINGLE, USER, Steve
from tests.stand_ins.web import NO_TLS

PAST = "2020-01-01T00:00:00Z"
FUTURE = "2099-01-01T00:00:00Z"
PROFILE: dict[str, Any] = {
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": []},
}
HASHES: dict[str, Any] = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "aa",
    "issuerKeyHash": "bb",
    "serialNumber": "1",
}


@pytest.fixture
async def csms() -> AsyncIterator[Steve]:
    async with Steve() as stand_in:
        stand_in.add_station("PF1")
        stand_in.add_station("PF2")
        stand_in.add_card("CARD")
        yield stand_in


def client(csms: Steve, **options: Any) -> httpx.AsyncClient:
    """Return a client of its API."""
    base_url = f"{csms.api_url}/steve/api/v1"
    return httpx.AsyncClient(base_url=base_url, trust_env=False, verify=NO_TLS, **options)


@pytest.fixture
async def http(csms: Steve) -> AsyncIterator[httpx.AsyncClient]:
    async with client(csms, auth=(USER, PASSWORD)) as one:
        yield one


async def operate(
    http: httpx.AsyncClient, action: str, form: dict[str, Any], *boxes: str
) -> httpx.Response:
    """Post the form of an operation for some charge boxes, PF1 unless they are named."""
    body = {"chargeBoxIdList": list(boxes or ("PF1",)), **form}
    return await http.post(f"/operations/{action}", json=body)


def test_there_are_25_forms() -> None:
    """All but CertificateSigned, which it sends by itself."""
    assert len(FORMS) == 25
    assert FORMS.keys() > SINGLE


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"auth": (USER, "wrong")},
        {"headers": {"STEVE-API-KEY": "wrong"}},
        {"headers": {"Authorization": f"Bearer {API_KEY}"}},
    ],
)
async def test_nothing_works_without_credentials(csms: Steve, options: dict[str, Any]) -> None:
    """A wrong password and a wrong key are refused alike."""
    async with client(csms, **options) as http:
        statuses = [
            (await operate(http, "ClearCache", {})).status_code,
            (await http.post("/ocppTags", json={"idTag": "NEW"})).status_code,
        ]

    assert statuses == [401, 401]
    assert "new" not in csms.cards


async def test_an_api_key_opens_as_well(csms: Steve) -> None:
    """Its key in a header of its own replaces user and password."""
    async with client(csms, headers={"STEVE-API-KEY": API_KEY}) as http:
        response = await http.post("/ocppTags", json={"idTag": "NEW"})

    assert response.status_code == 201


async def test_the_answer_has_a_place_for_each_charge_box(
    csms: Steve, http: httpx.AsyncClient
) -> None:
    """Who answered, who answered by an error, and who is not there, by name."""
    csms.add_station("PF3")
    async with (
        charge_point(csms.ocpp.url, "PF1") as first,
        charge_point(csms.ocpp.url, "PF2") as second,
    ):
        first.answers["Reset"] = {"status": "Rejected"}
        second.answers["Reset"] = "NotSupported"
        response = await operate(http, "Reset", {"resetType": "HARD"}, "PF1", "PF2", "PF3")

    body = response.json()
    assert response.status_code == 200
    assert body["successResponses"] == [{"chargeBoxId": "PF1", "response": "Rejected"}]
    [error], [exception] = body["errorResponses"], body["exceptions"]
    assert (error["chargeBoxId"], error["errorCode"]) == ("PF2", "NotSupported")
    assert exception["chargeBoxId"] == "PF3"
    assert first.asked == second.asked == [("Reset", {"type": "Hard"})]


@pytest.mark.parametrize(
    ("action", "form", "request_"),
    [
        (
            "RemoteStartTransaction",
            {"connectorId": 1, "idTag": "CARD"},
            {"connectorId": 1, "idTag": "CARD"},
        ),
        ("RemoteStopTransaction", {"transactionId": 7}, {"transactionId": 7}),
        ("Reset", {"resetType": "SOFT"}, {"type": "Soft"}),
        ("UnlockConnector", {"connectorId": 1}, {"connectorId": 1}),
        (
            "ChangeAvailability",
            {"connectorId": 0, "availType": "INOPERATIVE"},
            {"connectorId": 0, "type": "Inoperative"},
        ),
        (
            "ChangeConfiguration",
            {"keyType": "PREDEFINED", "confKey": "HeartbeatInterval", "value": "5"},
            {"key": "HeartbeatInterval", "value": "5"},
        ),
        (
            "ChangeConfiguration",
            {"keyType": "CUSTOM", "customConfKey": "Own", "value": "5"},
            {"key": "Own", "value": "5"},
        ),
        ("GetConfiguration", {}, {}),
        (
            "GetConfiguration",
            {"confKeyList": ["HeartbeatInterval"], "commaSeparatedCustomConfKeys": "A, B"},
            {"key": ["HeartbeatInterval", "A", "B"]},
        ),
        ("CancelReservation", {"reservationId": 3}, {"reservationId": 3}),
        (
            "SendLocalList",
            {"listVersion": 2, "updateType": "DIFFERENTIAL", "addUpdateList": ["CARD"]},
            {
                "listVersion": 2,
                "updateType": "Differential",
                "localAuthorizationList": [{"idTag": "CARD", "idTagInfo": {"status": "Accepted"}}],
            },
        ),
        (
            "SendLocalList",
            {"listVersion": 2, "updateType": "FULL", "sendEmptyListWhenFull": True},
            {"listVersion": 2, "updateType": "Full", "localAuthorizationList": []},
        ),
        ("GetLocalListVersion", {}, {}),
        (
            "TriggerMessage",
            {"triggerMessage": "MeterValues", "connectorId": 1},
            {"requestedMessage": "MeterValues", "connectorId": 1},
        ),
        (
            "ExtendedTriggerMessage",
            {"triggerMessage": "Heartbeat"},
            {"requestedMessage": "Heartbeat"},
        ),
        ("ClearChargingProfile", {"filterType": "OtherParameters"}, {}),
        (
            "ClearChargingProfile",
            {"filterType": "ChargingProfileId", "chargingProfilePk": 4},
            {"id": 4},
        ),
        (
            "ClearChargingProfile",
            {"filterType": "OtherParameters", "connectorId": 1, "stackLevel": 0},
            {"connectorId": 1, "stackLevel": 0},
        ),
        (
            "GetCompositeSchedule",
            {"connectorId": 1, "durationInSeconds": 300, "chargingRateUnit": "A"},
            {"connectorId": 1, "duration": 300, "chargingRateUnit": "A"},
        ),
        (
            "UpdateFirmware",
            {"location": "ftp://x", "retries": 1, "retrieveDateTime": FUTURE},
            {"location": "ftp://x", "retries": 1, "retrieveDate": FUTURE},
        ),
        (
            "GetDiagnostics",
            {"location": "ftp://x", "start": PAST, "stop": FUTURE},
            {"location": "ftp://x", "startTime": PAST, "stopTime": FUTURE},
        ),
        ("DataTransfer", {"vendorId": "x", "data": "y"}, {"vendorId": "x", "data": "y"}),
        ("ClearCache", {}, {}),
        (
            "InstallCertificate",
            {"certificateType": "ManufacturerRootCertificate", "certificate": "PEM"},
            {"certificateType": "ManufacturerRootCertificate", "certificate": "PEM"},
        ),
    ],
)
async def test_a_form_becomes_a_request(
    csms: Steve, http: httpx.AsyncClient, action: str, form: dict[str, Any], request_: Any
) -> None:
    """Fields and choices of the form come out as OCPP names them."""
    async with charge_point(csms.ocpp.url, "PF1") as station:
        response = await operate(http, action, form)

    assert response.json()["exceptions"] == []
    assert station.asked == [(action, request_)]


@pytest.mark.parametrize(
    ("action", "form"),
    [
        ("Reset", {"type": "Hard"}),
        ("Reset", {"resetType": "Hard"}),
        ("ChangeAvailability", {"connectorId": 1, "availType": "Inoperative"}),
        ("ChangeConfiguration", {"keyType": "PREDEFINED", "confKey": "Own", "value": "5"}),
        ("ChangeConfiguration", {"keyType": "CUSTOM", "confKey": "Own", "value": "5"}),
        ("GetConfiguration", {"confKeyList": ["Own"]}),
        ("RemoteStopTransaction", {}),
        ("ReserveNow", {"connectorId": 1, "idTag": "CARD", "expiry": PAST}),
        ("ReserveNow", {"connectorId": 1, "idTag": "NOBODY", "expiry": FUTURE}),
        ("ReserveNow", {"connectorId": 1, "idTag": "CARD", "expiry": "tomorrow"}),
        ("SendLocalList", {"listVersion": 1, "updateType": "DIFFERENTIAL"}),
        ("SendLocalList", {"listVersion": 1, "updateType": "Full"}),
        ("SetChargingProfile", {"connectorId": 1, "chargingProfilePk": 99}),
        ("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": PROFILE}),
        ("RemoteStartTransaction", {"idTag": "CARD", "chargingProfilePk": 99}),
        ("RemoteStartTransaction", {"idTag": "CARD", "chargingProfile": PROFILE}),
        ("ClearChargingProfile", {"filterType": "ChargingProfileId"}),
        ("UpdateFirmware", {"location": "ftp://x", "retrieveDateTime": PAST}),
        ("DeleteCertificate", {"installedCertificateId": 99}),
        ("DeleteCertificate", {"certificateHashData": HASHES}),
    ],
)
async def test_what_does_not_fit_the_form_is_refused(
    csms: Steve, http: httpx.AsyncClient, action: str, form: dict[str, Any]
) -> None:
    """OCPP's own names, other spellings, unknown objects and times in the past are 400."""
    async with charge_point(csms.ocpp.url, "PF1") as station:
        response = await operate(http, action, form)
        await station.call("Heartbeat", {})

    assert response.status_code == 400
    assert station.asked == []


@pytest.mark.parametrize("boxes", [None, [], "PF1"])
async def test_charge_boxes_have_to_be_named(http: httpx.AsyncClient, boxes: Any) -> None:
    """A form without a list of charge boxes is refused."""
    response = await http.post("/operations/ClearCache", json={"chargeBoxIdList": boxes})

    assert response.status_code == 400


async def test_some_operations_take_one_charge_box_only(http: httpx.AsyncClient) -> None:
    """UnlockConnector for two is refused."""
    response = await operate(http, "UnlockConnector", {"connectorId": 1}, "PF1", "PF2")

    assert response.status_code == 400


async def test_reservations_get_their_numbers_here(csms: Steve, http: httpx.AsyncClient) -> None:
    """Two reservations have different ids, which nobody chose."""
    form = {"connectorId": 1, "idTag": "CARD", "expiry": FUTURE}
    async with charge_point(csms.ocpp.url, "PF1") as station:
        for _ in range(2):
            await operate(http, "ReserveNow", form)

    first, second = (payload for _, payload in station.asked)
    assert first["reservationId"] != second["reservationId"]
    assert first["expiryDate"] == FUTURE


async def test_charging_profiles_are_made_on_the_web_pages(
    csms: Steve, http: httpx.AsyncClient
) -> None:
    """A form names a profile by its key, which is its id on the wire, too."""
    key = csms.add_profile(PROFILE)
    async with charge_point(csms.ocpp.url, "PF1") as station:
        form = {"connectorId": 1, "chargingProfilePk": key, "transactionId": 7}
        await operate(http, "SetChargingProfile", form)
        remote = {"idTag": "CARD", "chargingProfilePk": key}
        await operate(http, "RemoteStartTransaction", remote)

    profile = PROFILE | {"chargingProfileId": key}
    assert station.asked == [
        (
            "SetChargingProfile",
            {
                "connectorId": 1,
                "csChargingProfiles": profile | {"transactionId": 7},
            },
        ),
        ("RemoteStartTransaction", {"idTag": "CARD", "chargingProfile": profile}),
    ]


async def test_logs_and_signed_firmware_get_their_numbers_here(
    csms: Steve, http: httpx.AsyncClient
) -> None:
    """The request ids are not for the operator to choose."""
    log = {"logType": "SecurityLog", "location": "ftp://x", "start": PAST}
    firmware = {
        "location": "ftp://x",
        "retrieveDateTime": FUTURE,
        "signature": "c2ln",
        "signingCertificate": "PEM",
    }
    async with charge_point(csms.ocpp.url, "PF1") as station:
        await operate(http, "GetLog", log)
        await operate(http, "SignedUpdateFirmware", firmware)

    [(_, asked), (_, updated)] = station.asked
    assert asked == {
        "logType": "SecurityLog",
        "requestId": asked["requestId"],
        "log": {"remoteLocation": "ftp://x", "oldestTimestamp": PAST},
    }
    assert updated == {"requestId": updated["requestId"], "firmware": firmware}
    assert asked["requestId"] != updated["requestId"]


async def test_a_certificate_is_deleted_by_the_key_it_has_here(
    csms: Steve, http: httpx.AsyncClient
) -> None:
    """What a charge point tells of its certificates is kept, and named by key afterwards."""
    async with charge_point(csms.ocpp.url, "PF1") as station:
        told = {"status": "Accepted", "certificateHashData": [HASHES]}
        station.answers["GetInstalledCertificateIds"] = told
        form = {"certificateType": "CentralSystemRootCertificate"}
        response = await operate(http, "GetInstalledCertificateIds", form)
        [key] = csms.certificates
        await operate(http, "DeleteCertificate", {"installedCertificateId": key})

    assert response.json()["successResponses"][0]["response"] == told
    assert station.asked[-1] == ("DeleteCertificate", {"certificateHashData": HASHES})


async def test_cards_are_blocked_by_allowing_no_transactions(
    csms: Steve, http: httpx.AsyncClient
) -> None:
    """A parent must be there before its children, and an expiry lies in the future."""
    tags: list[tuple[int, dict[str, Any]]] = [
        (500, {"idTag": "CHILD", "parentIdTag": "GROUP"}),
        (201, {"idTag": "GROUP"}),
        (201, {"idTag": "CHILD", "parentIdTag": "GROUP", "expiryDate": FUTURE, "note": "x"}),
        (422, {"idTag": "child"}),
        (201, {"idTag": "OFF", "maxActiveTransactionCount": 0}),
        (400, {"idTag": "OLD", "expiryDate": PAST}),
        (400, {"note": "nobody"}),
    ]
    statuses = [(await http.post("/ocppTags", json=tag)).status_code for _, tag in tags]
    async with charge_point(csms.ocpp.url, "PF1") as station:
        infos = [await station.authorize(one) for one in ("CHILD", "OFF", "OLD")]

    assert statuses == [status for status, _ in tags]
    assert infos == [
        {"status": "Accepted", "parentIdTag": "GROUP"},
        {"status": "Blocked"},
        {"status": "Invalid"},
    ]


@pytest.mark.parametrize(
    ("trouble", "place", "frames"),
    [
        (Trouble.OFFLINE, "exceptions", 0),
        (Trouble.TIMED_OUT, "exceptions", 0),
        (Trouble.REFUSED, "exceptions", 0),
        (Trouble.NO_FRAME, "successResponses", 0),
        (Trouble.ANSWER_LOST, "exceptions", 1),
        (Trouble.ANSWER_FALSE, "successResponses", 1),
    ],
)
async def test_each_trouble_is_told_in_its_own_way(
    csms: Steve, http: httpx.AsyncClient, trouble: Trouble, place: str, frames: int
) -> None:
    """The status is 200 whatever happened; the lists tell."""
    csms.trouble = trouble
    async with charge_point(csms.ocpp.url, "PF1") as station:
        response = await operate(http, "ClearCache", {})
        await station.call("Heartbeat", {})

    lists = ("successResponses", "errorResponses", "exceptions")
    assert response.status_code == 200
    assert [name for name in lists if response.json()[name]] == [place]
    assert len(station.asked) == frames
