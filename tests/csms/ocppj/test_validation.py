"""Lenient in: which payloads pass as they are, which with a quirk, and the code of the rest."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.ocppj.errors import CallFailure
from csms.ocppj.schemas import FROM_CHARGE_POINT
from csms.ocppj.validation import check, is_sendable_answer

AT = "2026-01-31T12:34:56Z"
START = {"connectorId": 1, "idTag": "DEADBEEF", "meterStart": 7, "timestamp": AT}
STOP = {"transactionId": 9, "meterStop": 7, "timestamp": AT}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}


def meter_values(*samples: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "connectorId": 1,
        "meterValue": [{"timestamp": AT, "sampledValue": list(samples)}],
        **fields,
    }


def code_of(action: str, payload: dict[str, Any]) -> str:
    with pytest.raises(CallFailure) as caught:
        check(action, payload)
    assert 0 < len(caught.value.description) <= 255
    return caught.value.code.value


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("Heartbeat", {}),
        ("Authorize", {"idTag": "x" * 20}),
        ("Authorize", {"idTag": ""}),
        ("BootNotification", BOOT),
        ("DataTransfer", {"vendorId": "v", "data": "x" * 100_000}),
        ("StartTransaction", {**START, "reservationId": -1}),
        ("StartTransaction", {**START, "timestamp": "2026-01-31 12:34"}),
        ("StopTransaction", STOP),
        ("StopTransaction", {**STOP, "transactionId": -1}),
        ("StopTransaction", {**STOP, "transactionId": 2**63 - 1, "transactionData": []}),
        ("StatusNotification", {**STATUS, "connectorId": 0, "timestamp": "yesterday"}),
        ("MeterValues", meter_values({"value": "1", "unit": "Hertz", "measurand": "Frequency"})),
        ("MeterValues", meter_values({"value": "1", "unit": "Celcius"}, transactionId=-1)),
        (
            "StopTransaction",
            {
                **STOP,
                "transactionData": [
                    {"timestamp": AT, "sampledValue": [{"value": "50", "unit": "Hertz"}]}
                ],
            },
        ),
        ("FirmwareStatusNotification", {"status": "Idle"}),
        ("SecurityEventNotification", {"type": "anything", "timestamp": AT}),
    ],
)
def test_sound_payload_passes_untouched(action: str, payload: dict[str, Any]) -> None:
    """No quirk, no copy: this is the way of nearly every message."""
    checked, quirks = check(action, payload)

    assert checked is payload
    assert quirks == ()


@pytest.mark.parametrize(
    ("action", "payload", "corrected", "quirks"),
    [
        ("Heartbeat", {"x": 1}, {"x": 1}, ["x: not in the schema"]),
        (
            "Authorize",
            {"idTag": "A", "connectorId": 1},
            {"idTag": "A", "connectorId": 1},
            ["connectorId: not in the schema"],
        ),
        ("Authorize", {"idTag": "x" * 21}, {"idTag": "x" * 21}, ["idTag: longer than 20"]),
        (
            "BootNotification",
            {**BOOT, "chargePointSerialNumber": "s" * 26, "imsi": None},
            {**BOOT, "chargePointSerialNumber": "s" * 26},
            ["chargePointSerialNumber: longer than 25", "imsi: null"],
        ),
        (
            "StatusNotification",
            {**STATUS, "connectorId": 1.0, "status": "Occupied"},
            {**STATUS, "connectorId": 1, "status": "Occupied"},
            ["connectorId: not written as an integer", "status: unknown value"],
        ),
        (
            "StatusNotification",
            {**STATUS, "connectorId": 2**64 - 1},
            {**STATUS, "connectorId": 2**63 - 1},
            ["connectorId: beyond 64 bits"],
        ),
        (
            "StartTransaction",
            {"connectorId": 1, "meterStart": 7, "timestamp": AT},
            {"connectorId": 1, "meterStart": 7, "timestamp": AT},
            ["idTag: missing"],
        ),
        (
            "StartTransaction",
            {**START, "idTag": None, "reservationId": None},
            {"connectorId": 1, "meterStart": 7, "timestamp": AT},
            ["idTag: null", "reservationId: null", "idTag: missing"],
        ),
        (
            "StartTransaction",
            {**START, "meterStart": 1234.6, "connectorId": -1},
            {**START, "meterStart": 1235, "connectorId": -1},
            ["connectorId: negative", "meterStart: fractional"],
        ),
        (
            "StopTransaction",
            {**STOP, "transactionId": 1e30, "meterStop": 5.0, "reason": "Unplugged"},
            {**STOP, "transactionId": 2**63 - 1, "meterStop": 5, "reason": "Unplugged"},
            [
                "transactionId: not written as an integer",
                "transactionId: beyond 64 bits",
                "meterStop: not written as an integer",
                "reason: unknown value",
            ],
        ),
        (
            "StopTransaction",
            {**STOP, "idTag": "x" * 30, "vendor": {"deep": [1]}},
            {**STOP, "idTag": "x" * 30, "vendor": {"deep": [1]}},
            ["idTag: longer than 20", "vendor: not in the schema"],
        ),
        (
            "MeterValues",
            {"connectorId": 0, "meterValue": []},
            {"connectorId": 0, "meterValue": []},
            ["meterValue: empty"],
        ),
        ("MeterValues", meter_values(), meter_values(), ["meterValue[].sampledValue: empty"]),
        (
            "MeterValues",
            meter_values({"value": 1.5}, {"value": 2}, {"value": "3"}),
            meter_values({"value": "1.5"}, {"value": "2"}, {"value": "3"}),
            ["meterValue[].sampledValue[].value: a number"],
        ),
        (
            "MeterValues",
            meter_values({"value": "1", "unit": "C", "measurand": "Noise", "extra": 1}),
            meter_values({"value": "1", "unit": "C", "measurand": "Noise", "extra": 1}),
            [
                "meterValue[].sampledValue[].unit: unknown value",
                "meterValue[].sampledValue[].measurand: unknown value",
                "meterValue[].sampledValue[].extra: not in the schema",
            ],
        ),
    ],
)
def test_known_quirk_passes_and_is_named(
    action: str, payload: dict[str, Any], corrected: dict[str, Any], quirks: list[str]
) -> None:
    """The payload gets the types the standard wants, and keeps everything else."""
    before = json.dumps(payload)
    checked, named = check(action, payload)

    assert sorted(named) == sorted(quirks)
    assert checked == corrected
    assert _types(checked) == _types(corrected)
    assert json.dumps(payload) == before


def _types(value: Any) -> Any:
    """Return the shape of a value in types, because 1 == 1.0."""
    if isinstance(value, dict):
        return {key: _types(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_types(item) for item in value]
    return type(value)


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        # Incomplete.
        ("Authorize", {}, "ProtocolError"),
        ("BootNotification", {"chargePointVendor": "V"}, "ProtocolError"),
        ("StartTransaction", {k: v for k, v in START.items() if k != "timestamp"}, "ProtocolError"),
        ("StopTransaction", {"transactionId": 1, "timestamp": AT}, "ProtocolError"),
        ("MeterValues", {"connectorId": 1}, "ProtocolError"),
        ("MeterValues", meter_values({"unit": "Wh"}), "ProtocolError"),
        ("MeterValues", {"connectorId": 1, "meterValue": [{"timestamp": AT}]}, "ProtocolError"),
        ("StatusNotification", {"connectorId": 1, "status": "Available"}, "ProtocolError"),
        # Wrong JSON type.
        ("Authorize", {"idTag": 12}, "TypeConstraintViolation"),
        ("Authorize", {"idTag": None}, "TypeConstraintViolation"),
        ("Authorize", {"idTag": ["x"]}, "TypeConstraintViolation"),
        ("StatusNotification", {**STATUS, "connectorId": "1"}, "TypeConstraintViolation"),
        ("StatusNotification", {**STATUS, "connectorId": True}, "TypeConstraintViolation"),
        ("StatusNotification", {**STATUS, "connectorId": 1.5}, "TypeConstraintViolation"),
        ("StartTransaction", {**START, "meterStart": "7"}, "TypeConstraintViolation"),
        ("StartTransaction", {**START, "connectorId": 1.5}, "TypeConstraintViolation"),
        ("StartTransaction", {**START, "idTag": 12}, "TypeConstraintViolation"),
        ("StopTransaction", {**STOP, "transactionId": None}, "TypeConstraintViolation"),
        ("StopTransaction", {**STOP, "transactionData": {}}, "TypeConstraintViolation"),
        ("MeterValues", {"connectorId": 1, "meterValue": {}}, "TypeConstraintViolation"),
        ("MeterValues", {"connectorId": 1, "meterValue": [1]}, "TypeConstraintViolation"),
        ("MeterValues", meter_values({"value": True}), "TypeConstraintViolation"),
        ("MeterValues", meter_values({"value": None}), "TypeConstraintViolation"),
        ("MeterValues", meter_values({"value": {"x": 1}}), "TypeConstraintViolation"),
        ("DataTransfer", {"vendorId": "v", "data": {"x": 1}}, "TypeConstraintViolation"),
        # Values out of range.
        ("StatusNotification", {**STATUS, "status": "Broken"}, "PropertyConstraintViolation"),
        ("StatusNotification", {**STATUS, "status": "available"}, "PropertyConstraintViolation"),
        ("StatusNotification", {**STATUS, "errorCode": "Occupied"}, "PropertyConstraintViolation"),
        ("StatusNotification", {**STATUS, "connectorId": -1}, "PropertyConstraintViolation"),
        ("FirmwareStatusNotification", {"status": "Occupied"}, "PropertyConstraintViolation"),
        ("Authorize", {"idTag": "x" * 1001}, "PropertyConstraintViolation"),
        ("StartTransaction", {**START, "idTag": "x" * 1001}, "PropertyConstraintViolation"),
        ("StopTransaction", {**STOP, "reason": "x" * 1001}, "PropertyConstraintViolation"),
    ],
)
def test_fault_has_its_code(action: str, payload: dict[str, Any], code: str) -> None:
    """The table of error codes of OCPP-J 1.6 §4.2.3, as the errata read it."""
    assert code_of(action, payload) == code


def test_description_repeats_no_value() -> None:
    """A CALLERROR names the place, not what stood there; extra names are cut."""
    with pytest.raises(CallFailure) as caught:
        check("Authorize", {"idTag": {"secret": "s3cret"}})

    assert caught.value.description == "idTag must be a string"


def test_quirks_stay_few_for_a_payload_full_of_them() -> None:
    """A thousand numeric values are one quirk."""
    payload = meter_values(*({"value": n} for n in range(1000)))

    assert check("MeterValues", payload)[1] == ("meterValue[].sampledValue[].value: a number",)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["value", "timestamp", "sampledValue", "unit", "idTag", "connectorId", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.sampled_from(sorted(FROM_CHARGE_POINT)),
    st.sampled_from([START, STOP, STATUS, BOOT, meter_values({"value": "1"}), {}]),
    st.dictionaries(
        st.sampled_from(
            [*START, *STOP, *STATUS, *BOOT, "meterValue", "transactionData", "reason", "vendorId"]
        ),
        _JSON,
        max_size=4,
    ),
)
def test_checking_ends_in_a_payload_or_a_call_failure(
    action: str, base: dict[str, Any], changes: dict[str, Any]
) -> None:
    """Whatever JSON object comes: sound types come out of it, or a code; never anything else."""
    payload = {**base, **changes}
    try:
        checked, quirks = check(action, payload)
    except CallFailure:
        return
    again, left = check(action, checked)
    assert again == checked
    # What a second look still finds is what could not be corrected.
    assert set(left) <= set(quirks)
    assert not any("null" in quirk or "integer" in quirk or "number" in quirk for quirk in left)


@pytest.mark.parametrize(
    ("action", "payload", "is_sendable"),
    [
        ("Heartbeat", {"currentTime": "2026-01-31T12:34:56.789Z"}, True),
        ("Heartbeat", {"currentTime": "2026-01-31T12:34:56"}, False),
        ("Heartbeat", {"currentTime": "2026-01-31T12:34:56Z", "x": 1}, False),
        ("Heartbeat", {}, False),
        ("StopTransaction", {}, True),
        ("StopTransaction", {"idTagInfo": None}, False),
        ("Authorize", {"idTagInfo": {"status": "Accepted", "parent": "x"}}, False),
        ("StartTransaction", {"transactionId": 1.5, "idTagInfo": {"status": "Accepted"}}, False),
    ],
)
def test_our_answers_are_held_against_the_official_schema(
    action: str, payload: dict[str, Any], is_sendable: bool
) -> None:
    """Strict out: no extra field, no naive time, no null (CS-RPC-14, CS-DATA-02)."""
    assert is_sendable_answer(action, payload) is is_sendable
