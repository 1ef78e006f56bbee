"""The only place that knows camelCase: reads the CSMS's requests, writes our own.

Spec: OCPP 1.6 ed. 2 §6. Reading gives snake_case fields, or the CALLERROR a request deserves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from simulator.errors import RemoteProtocolError
from simulator.meter import MeterValue

MAX_ID_TAG: Final = 20


@dataclass(frozen=True, slots=True)
class _Field:
    """What a field of a request may hold."""

    type: type
    is_required: bool = True
    max_length: int | None = None
    choices: tuple[str, ...] = ()
    minimum: int | None = None


_TEXTS: Final = list  # a list of texts, as in GetConfiguration

# Requests of the Core profile that a charge point answers, §5 and §6.
REQUESTS: Final[dict[str, dict[str, _Field]]] = {
    "ChangeAvailability": {
        "connectorId": _Field(int, minimum=0),
        "type": _Field(str, choices=("Inoperative", "Operative")),
    },
    "ChangeConfiguration": {
        "key": _Field(str, max_length=50),
        "value": _Field(str, max_length=500),
    },
    "ClearCache": {},
    "DataTransfer": {
        "vendorId": _Field(str, max_length=255),
        "messageId": _Field(str, is_required=False, max_length=50),
        "data": _Field(str, is_required=False),
    },
    "GetConfiguration": {"key": _Field(_TEXTS, is_required=False, max_length=50)},
    "RemoteStartTransaction": {
        "connectorId": _Field(int, is_required=False, minimum=1),
        "idTag": _Field(str, max_length=MAX_ID_TAG),
        "chargingProfile": _Field(dict, is_required=False),
    },
    "RemoteStopTransaction": {"transactionId": _Field(int)},
    "Reset": {"type": _Field(str, choices=("Hard", "Soft"))},
    "UnlockConnector": {"connectorId": _Field(int)},
}

# Known to OCPP 1.6 (security extension included), but not something this charge point does.
OTHER_ACTIONS: Final = frozenset(
    {
        # for a charge point, other profiles
        "CancelReservation",
        "CertificateSigned",
        "ClearChargingProfile",
        "DeleteCertificate",
        "ExtendedTriggerMessage",
        "GetCompositeSchedule",
        "GetDiagnostics",
        "GetInstalledCertificateIds",
        "GetLocalListVersion",
        "GetLog",
        "InstallCertificate",
        "ReserveNow",
        "SendLocalList",
        "SetChargingProfile",
        "SignedUpdateFirmware",
        "TriggerMessage",
        "UpdateFirmware",
        # for a Central System
        "Authorize",
        "BootNotification",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "LogStatusNotification",
        "MeterValues",
        "SecurityEventNotification",
        "SignCertificate",
        "SignedFirmwareStatusNotification",
        "StartTransaction",
        "StatusNotification",
        "StopTransaction",
    }
)


def read_request(action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request by snake_case name; absent ones are not in it.

    Spec: OCPP-J 1.6 §4.2.3 for the codes, errata 3.24 and 3.39 for values out of range.

    Raises:
        RemoteProtocolError: unknown action, or a payload that is not as §6 wants it.
    """
    fields = REQUESTS.get(action)
    if fields is None:
        if action in OTHER_ACTIONS:
            raise RemoteProtocolError("NotSupported", f"{action} is not done here")
        raise RemoteProtocolError("NotImplemented", f"{action[:50]} is not an action of OCPP 1.6")
    for name in payload:
        if name not in fields:
            raise RemoteProtocolError("FormationViolation", f"{action} has no field {name[:50]}")
    request = {}
    for name, field in fields.items():
        if name in payload:
            _check(name, field, payload[name])
            request[_snake_case(name)] = payload[name]
        elif field.is_required:
            raise RemoteProtocolError("ProtocolError", f"{action} lacks {name}")
    return request


def _check(name: str, field: _Field, value: Any) -> None:
    # bool is an int to Python, but not to JSON
    has_type = type(value) is field.type
    if not has_type:
        raise RemoteProtocolError("TypeConstraintViolation", f"{name} has the wrong type")
    texts = value if field.type is _TEXTS else [value] if field.type is str else []
    for text in texts:
        if not isinstance(text, str):
            raise RemoteProtocolError("TypeConstraintViolation", f"{name} holds no texts")
        if field.max_length is not None and len(text) > field.max_length:
            limit = f"{name} is longer than {field.max_length}"
            raise RemoteProtocolError("PropertyConstraintViolation", limit)
    if field.choices and value not in field.choices:
        allowed = " or ".join(field.choices)
        raise RemoteProtocolError("PropertyConstraintViolation", f"{name} must be {allowed}")
    if field.minimum is not None and value < field.minimum:
        raise RemoteProtocolError(
            "PropertyConstraintViolation", f"{name} must be at least {field.minimum}"
        )


def _snake_case(name: str) -> str:
    return re.sub(r"(?=[A-Z])", "_", name).lower()


def _present(**fields: object) -> dict[str, object]:
    """Return the fields that have a value: optional ones are left out, never null."""
    return {name: value for name, value in fields.items() if value is not None}


def boot_notification(
    *, vendor: str, model: str, serial_number: str = "", firmware_version: str = ""
) -> dict[str, object]:
    """Return a BootNotification, §6.1."""
    return _present(
        chargePointVendor=vendor,
        chargePointModel=model,
        chargePointSerialNumber=serial_number or None,
        firmwareVersion=firmware_version or None,
    )


def status_notification(
    *, connector_id: int, status: str, error_code: str, info: str, timestamp: str
) -> dict[str, object]:
    """Return a StatusNotification, §6.47."""
    return _present(
        connectorId=connector_id,
        status=status,
        errorCode=error_code,
        info=info or None,
        timestamp=timestamp,
    )


def start_transaction(
    *, connector_id: int, id_tag: str, meter_start_wh: int, timestamp: str
) -> dict[str, object]:
    """Return a StartTransaction, §6.45."""
    return _present(
        connectorId=connector_id, idTag=id_tag, meterStart=meter_start_wh, timestamp=timestamp
    )


def stop_transaction(
    *,
    transaction_id: int,
    id_tag: str | None,
    meter_stop_wh: int,
    timestamp: str,
    reason: str,
    data: Sequence[MeterValue],
) -> dict[str, object]:
    """Return a StopTransaction, §6.49; without data the field is left out."""
    return _present(
        transactionId=transaction_id,
        idTag=id_tag,
        meterStop=meter_stop_wh,
        timestamp=timestamp,
        reason=reason,
        transactionData=list(data) or None,
    )


def meter_values(
    *, connector_id: int, transaction_id: int | None, values: Sequence[MeterValue]
) -> dict[str, object]:
    """Return a MeterValues, §6.31."""
    return _present(connectorId=connector_id, transactionId=transaction_id, meterValue=list(values))


def data_transfer(*, vendor_id: str, message_id: str | None, data: str | None) -> dict[str, object]:
    """Return a DataTransfer, §6.15."""
    return _present(vendorId=vendor_id, messageId=message_id, data=data)
