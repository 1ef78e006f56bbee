"""Requests are read strictly, with the CALLERROR each fault deserves; our own are to the schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import ocpp.v16
import pytest

from simulator import payloads
from simulator.errors import RemoteProtocolError
from simulator.meter import MeterValue, SampledValue

SCHEMAS = Path(ocpp.v16.__file__).parent / "schemas"
TIME = "2026-01-31T12:00:00.000Z"
VALUES = [
    MeterValue(
        timestamp=TIME,
        sampledValue=[
            SampledValue(value="1", context="Sample.Clock", measurand="Voltage", phase="L1-N"),
        ],
    )
]


def test_fields_come_in_snake_case() -> None:
    """A good request gives its fields; absent ones are not there."""
    request = payloads.read_request("RemoteStartTransaction", {"idTag": "A"})

    assert request == {"id_tag": "A"}
    assert payloads.read_request("ClearCache", {}) == {}


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Nonsense", {}, "NotImplemented"),
        ("heartbeat", {}, "NotImplemented"),
        ("Heartbeat", {}, "NotSupported"),
        ("SignCertificate", {}, "NotSupported"),
        ("InstallCertificate", {}, "ProtocolError"),
        (
            "InstallCertificate",
            {"certificateType": "V2GRootCertificate", "certificate": ""},
            "PropertyConstraintViolation",
        ),
        ("CertificateSigned", {"certificateChain": "A" * 10_001}, "PropertyConstraintViolation"),
        ("DeleteCertificate", {"certificateHashData": {}}, "ProtocolError"),
        ("Reset", {}, "ProtocolError"),
        ("Reset", {"type": "Medium"}, "PropertyConstraintViolation"),
        ("Reset", {"type": 1}, "TypeConstraintViolation"),
        ("Reset", {"type": "Hard", "extra": 1}, "FormationViolation"),
        ("UnlockConnector", {"connectorId": "1"}, "TypeConstraintViolation"),
        ("UnlockConnector", {"connectorId": True}, "TypeConstraintViolation"),
        ("UnlockConnector", {"connectorId": 1.0}, "TypeConstraintViolation"),
        (
            "ChangeAvailability",
            {"connectorId": -1, "type": "Operative"},
            "PropertyConstraintViolation",
        ),
        (
            "RemoteStartTransaction",
            {"idTag": "A", "connectorId": 0},
            "PropertyConstraintViolation",
        ),
        ("RemoteStartTransaction", {"idTag": "A" * 21}, "PropertyConstraintViolation"),
        ("GetConfiguration", {"key": "A"}, "TypeConstraintViolation"),
        ("GetConfiguration", {"key": [1]}, "TypeConstraintViolation"),
        ("GetConfiguration", {"key": ["A" * 51]}, "PropertyConstraintViolation"),
        ("RemoteStartTransaction", {"idTag": None}, "TypeConstraintViolation"),
    ],
)
def test_faulty_requests(action: str, payload: dict[str, object], code: str) -> None:
    """Each fault has its code (OCPP-J §4.2.3)."""
    with pytest.raises(RemoteProtocolError) as caught:
        payloads.read_request(action, payload)

    assert caught.value.code == code


def test_actions_are_those_of_the_vocabulary() -> None:
    """Together the actions we know are all of OCPP 1.6 with its security extension, no other."""
    official = {path.stem.removesuffix("Response") for path in SCHEMAS.glob("*.json")}

    assert set(payloads.REQUESTS) | payloads.OTHER_ACTIONS == official
    assert not set(payloads.REQUESTS) & payloads.OTHER_ACTIONS


@pytest.mark.parametrize("action", sorted(payloads.REQUESTS))
def test_fields_are_those_of_the_schema(action: str) -> None:
    """Names and duties of the fields agree with the official schema."""
    schema = json.loads((SCHEMAS / f"{action}.json").read_text(encoding="utf-8-sig"))
    fields = payloads.REQUESTS[action]

    assert set(fields) == set(schema["properties"])
    required = {name for name, field in fields.items() if field.is_required}
    assert required == set(schema.get("required", ()))


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("BootNotification", payloads.boot_notification(vendor="V", model="M")),
        (
            "BootNotification",
            payloads.boot_notification(
                vendor="V", model="M", serial_number="S", firmware_version="1"
            ),
        ),
        (
            "StatusNotification",
            payloads.status_notification(
                connector_id=1,
                status="Faulted",
                error_code="GroundFailure",
                info="x",
                timestamp=TIME,
            ),
        ),
        (
            "StartTransaction",
            payloads.start_transaction(
                connector_id=1, id_tag="A", meter_start_wh=0, timestamp=TIME
            ),
        ),
        (
            "StopTransaction",
            payloads.stop_transaction(
                transaction_id=-1,
                id_tag=None,
                meter_stop_wh=5,
                timestamp=TIME,
                reason="Local",
                data=VALUES,
            ),
        ),
        (
            "MeterValues",
            payloads.meter_values(connector_id=1, transaction_id=None, values=VALUES),
        ),
        ("DataTransfer", payloads.data_transfer(vendor_id="V", message_id=None, data="x")),
    ],
)
def test_what_we_write_is_valid(action: str, payload: dict[str, object]) -> None:
    """Our own requests pass the official schema, and absent fields are absent, not null."""
    schema = json.loads((SCHEMAS / f"{action}.json").read_text(encoding="utf-8-sig"))

    jsonschema_rs.validator_for(schema, validate_formats=True).validate(payload)
    assert None not in payload.values()
