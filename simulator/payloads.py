"""The only place that knows camelCase: reads the CSMS's requests, writes our own.

Spec: OCPP 1.6 ed. 2 §6. Reading gives snake_case fields, or the CALLERROR a request deserves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from simulator.clock import parse_time
from simulator.errors import RemoteProtocolError
from simulator.meter import MeterValue

MAX_ID_TAG: Final = 20


@dataclass(frozen=True, slots=True)
class _Field:
    """What a field of a request may hold.

    Attributes:
        is_time: a text that is a time; read as an aware UTC datetime.
        fields: of an object, or of every object in a list; without them it is handed on unread.
    """

    type: type
    is_required: bool = True
    max_length: int | None = None
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    is_time: bool = False
    fields: Mapping[str, _Field] = field(default_factory=dict)


_TEXTS: Final = list  # a list of texts, as in GetConfiguration

_TIME: Final = _Field(str, is_time=True)
_ANY_TIME: Final = _Field(str, is_required=False, is_time=True)
_COUNT: Final = _Field(int, is_required=False, minimum=0)
_ID_TAG: Final = _Field(str, max_length=MAX_ID_TAG)
_ANY_ID_TAG: Final = _Field(str, is_required=False, max_length=MAX_ID_TAG)
_REQUEST_ID: Final = _Field(int)
_LOCATION: Final = _Field(str, max_length=512)
_CERTIFICATE: Final = _Field(str, max_length=5500)
_CERTIFICATE_TYPE: Final = _Field(
    str, choices=("CentralSystemRootCertificate", "ManufacturerRootCertificate")
)
_ID_TAG_INFO: Final = {
    "status": _Field(str, choices=("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")),
    "expiryDate": _ANY_TIME,
    "parentIdTag": _ANY_ID_TAG,
}

# Requests that a charge point answers, §5 and §6; security white paper ed. 3 §6.
REQUESTS: Final[dict[str, dict[str, _Field]]] = {
    "CancelReservation": {"reservationId": _Field(int)},
    "CertificateSigned": {"certificateChain": _Field(str, max_length=10_000)},
    "ChangeAvailability": {
        "connectorId": _Field(int, minimum=0),
        "type": _Field(str, choices=("Inoperative", "Operative")),
    },
    "ChangeConfiguration": {
        "key": _Field(str, max_length=50),
        "value": _Field(str, max_length=500),
    },
    "ClearCache": {},
    "ClearChargingProfile": {
        "id": _Field(int, is_required=False),
        "connectorId": _Field(int, is_required=False),
        "chargingProfilePurpose": _Field(
            str,
            is_required=False,
            choices=("ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"),
        ),
        "stackLevel": _Field(int, is_required=False),
    },
    "DataTransfer": {
        "vendorId": _Field(str, max_length=255),
        "messageId": _Field(str, is_required=False, max_length=50),
        "data": _Field(str, is_required=False),
    },
    "DeleteCertificate": {
        "certificateHashData": _Field(
            dict,
            fields={
                "hashAlgorithm": _Field(str, choices=("SHA256", "SHA384", "SHA512")),
                "issuerNameHash": _Field(str, max_length=128),
                "issuerKeyHash": _Field(str, max_length=128),
                "serialNumber": _Field(str, max_length=40),
            },
        ),
    },
    # As with TriggerMessage, an unknown message has an answer of its own.
    "ExtendedTriggerMessage": {
        "requestedMessage": _Field(str),
        "connectorId": _Field(int, is_required=False, minimum=0),
    },
    "GetCompositeSchedule": {
        "connectorId": _Field(int),
        "duration": _Field(int, minimum=0),
        "chargingRateUnit": _Field(str, is_required=False, choices=("A", "W")),
    },
    "GetConfiguration": {"key": _Field(_TEXTS, is_required=False, max_length=50)},
    "GetDiagnostics": {
        "location": _Field(str),
        "retries": _COUNT,
        "retryInterval": _COUNT,
        "startTime": _ANY_TIME,
        "stopTime": _ANY_TIME,
    },
    "GetInstalledCertificateIds": {"certificateType": _CERTIFICATE_TYPE},
    "GetLocalListVersion": {},
    "GetLog": {
        "log": _Field(
            dict,
            fields={
                "remoteLocation": _LOCATION,
                "oldestTimestamp": _ANY_TIME,
                "latestTimestamp": _ANY_TIME,
            },
        ),
        "logType": _Field(str, choices=("DiagnosticsLog", "SecurityLog")),
        "requestId": _REQUEST_ID,
        "retries": _COUNT,
        "retryInterval": _COUNT,
    },
    "InstallCertificate": {"certificateType": _CERTIFICATE_TYPE, "certificate": _CERTIFICATE},
    "RemoteStartTransaction": {
        "connectorId": _Field(int, is_required=False, minimum=1),
        "idTag": _ID_TAG,
        "chargingProfile": _Field(dict, is_required=False),
    },
    "RemoteStopTransaction": {"transactionId": _Field(int)},
    "ReserveNow": {
        "connectorId": _Field(int, minimum=0),
        "expiryDate": _TIME,
        "idTag": _ID_TAG,
        "parentIdTag": _ANY_ID_TAG,
        "reservationId": _Field(int),
    },
    "Reset": {"type": _Field(str, choices=("Hard", "Soft"))},
    "SendLocalList": {
        "listVersion": _Field(int),
        "localAuthorizationList": _Field(
            list,
            is_required=False,
            fields={
                "idTag": _ID_TAG,
                "idTagInfo": _Field(dict, is_required=False, fields=_ID_TAG_INFO),
            },
        ),
        "updateType": _Field(str, choices=("Differential", "Full")),
    },
    "SetChargingProfile": {"connectorId": _Field(int), "csChargingProfiles": _Field(dict)},
    "SignedUpdateFirmware": {
        "requestId": _REQUEST_ID,
        "firmware": _Field(
            dict,
            fields={
                "location": _LOCATION,
                "retrieveDateTime": _TIME,
                "installDateTime": _ANY_TIME,
                "signingCertificate": _CERTIFICATE,
                "signature": _Field(str, max_length=800),
            },
        ),
        "retries": _COUNT,
        "retryInterval": _COUNT,
    },
    # What is asked for is not checked: an unknown message has an answer of its own.
    "TriggerMessage": {
        "requestedMessage": _Field(str),
        "connectorId": _Field(int, is_required=False, minimum=0),
    },
    "UnlockConnector": {"connectorId": _Field(int)},
    "UpdateFirmware": {
        "location": _Field(str),
        "retrieveDate": _TIME,
        "retries": _COUNT,
        "retryInterval": _COUNT,
    },
}

# Known to OCPP 1.6 (security extension included), but for a Central System.
OTHER_ACTIONS: Final = frozenset(
    {
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
    return _read(action, fields, payload)


def _read(where: str, fields: Mapping[str, _Field], payload: Mapping[str, Any]) -> dict[str, Any]:
    for name in payload:
        if name not in fields:
            raise RemoteProtocolError("FormationViolation", f"{where} has no field {name[:50]}")
    read = {}
    for name, known in fields.items():
        if name in payload:
            read[_snake_case(name)] = _read_value(name, known, payload[name])
        elif known.is_required:
            raise RemoteProtocolError("ProtocolError", f"{where} lacks {name}")
    return read


def _read_value(name: str, known: _Field, value: Any) -> Any:
    _check(name, known, value)
    if known.is_time:
        at = parse_time(value)
        if at is None:
            raise RemoteProtocolError("TypeConstraintViolation", f"{name} is no time")
        return at
    if not known.fields:
        return value
    if known.type is dict:
        return _read(name, known.fields, value)
    if not all(isinstance(one, dict) for one in value):
        raise RemoteProtocolError("TypeConstraintViolation", f"{name} holds no objects")
    return [_read(name, known.fields, one) for one in value]


def _check(name: str, known: _Field, value: Any) -> None:
    # bool is an int to Python, but not to JSON
    has_type = type(value) is known.type
    if not has_type:
        raise RemoteProtocolError("TypeConstraintViolation", f"{name} has the wrong type")
    is_texts = known.type is _TEXTS and not known.fields
    texts = value if is_texts else [value] if known.type is str else []
    for text in texts:
        if not isinstance(text, str):
            raise RemoteProtocolError("TypeConstraintViolation", f"{name} holds no texts")
        if known.max_length is not None and len(text) > known.max_length:
            limit = f"{name} is longer than {known.max_length}"
            raise RemoteProtocolError("PropertyConstraintViolation", limit)
    if known.choices and value not in known.choices:
        allowed = " or ".join(known.choices)
        raise RemoteProtocolError("PropertyConstraintViolation", f"{name} must be {allowed}")
    if known.minimum is not None and value < known.minimum:
        raise RemoteProtocolError(
            "PropertyConstraintViolation", f"{name} must be at least {known.minimum}"
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
    *,
    connector_id: int,
    id_tag: str,
    meter_start_wh: int,
    timestamp: str,
    reservation_id: int | None = None,
) -> dict[str, object]:
    """Return a StartTransaction, §6.45; with the reservation that ends with it."""
    return _present(
        connectorId=connector_id,
        idTag=id_tag,
        meterStart=meter_start_wh,
        reservationId=reservation_id,
        timestamp=timestamp,
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


def security_event_notification(*, kind: str, timestamp: str, tech_info: str) -> dict[str, object]:
    """Return a SecurityEventNotification, white paper §6.25."""
    return _present(type=kind, timestamp=timestamp, techInfo=tech_info or None)


def job_status(*, status: str, request_id: int | None) -> dict[str, object]:
    """Return any notification of how a job goes; the security extension names the request."""
    return _present(status=status, requestId=request_id)
