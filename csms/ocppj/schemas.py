"""The official message shapes, from the schema set in the `ocpp` package. Read once, on import.

The set has holes (see `docs/`): `received_schema` widens it by what errata allow and bounds it
by what can be stored; `sent_schema` leaves it alone. Who may send what is listed here too.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final, TypeAlias

Schema: TypeAlias = dict[str, Any]

MAX_INTEGER: Final = 2**63 - 1  # what a database column holds
MIN_INTEGER: Final = -(2**63)

# OCPP 1.6 ed. 2 §3.1 and the security whitepaper, ed. 3. DataTransfer goes both ways.
FROM_CHARGE_POINT: Final = frozenset(
    {
        "Authorize",
        "BootNotification",
        "DataTransfer",
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
FROM_CENTRAL_SYSTEM: Final = frozenset(
    {
        "CancelReservation",
        "CertificateSigned",
        "ChangeAvailability",
        "ChangeConfiguration",
        "ClearCache",
        "ClearChargingProfile",
        "DataTransfer",
        "DeleteCertificate",
        "ExtendedTriggerMessage",
        "GetCompositeSchedule",
        "GetConfiguration",
        "GetDiagnostics",
        "GetInstalledCertificateIds",
        "GetLocalListVersion",
        "GetLog",
        "InstallCertificate",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "ReserveNow",
        "Reset",
        "SendLocalList",
        "SetChargingProfile",
        "SignedUpdateFirmware",
        "TriggerMessage",
        "UnlockConnector",
        "UpdateFirmware",
    }
)
ACTIONS: Final = FROM_CHARGE_POINT | FROM_CENTRAL_SYSTEM


def _load() -> Mapping[str, Schema]:
    folder = files("ocpp.v16") / "schemas"
    # Some of the files start with a byte order mark.
    return {
        name: json.loads((folder / f"{name}.json").read_text("utf-8-sig"))
        for action in ACTIONS
        for name in (action, f"{action}Response")
    }


_SCHEMAS: Final = _load()


def sent_schema(name: str) -> Schema:
    """Return the official schema of what we send, such as ``Reset`` or ``HeartbeatResponse``."""
    return _SCHEMAS[name]


def received_schema(name: str) -> Schema:
    """Return the schema of what needs no second look when it comes from a charge point.

    `Hertz` belongs to Frequency (errata v4.0 3.84) though the official StopTransaction lacks it.
    Integers get the bounds of what can be stored, `connectorId` those of §3.8.
    """
    return _widened(_resolved(_SCHEMAS[name], _SCHEMAS[name]), "")


def _resolved(node: Any, root: Schema) -> Any:
    """Return the schema with its local references put in place."""
    if isinstance(node, list):
        return [_resolved(item, root) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target: Any = root
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return _resolved(target, root)
    return {key: _resolved(value, root) for key, value in node.items() if key != "definitions"}


def _widened(schema: Schema, name: str) -> Schema:
    schema = dict(schema)
    if "properties" in schema:
        schema["properties"] = {
            key: _widened(value, key) for key, value in schema["properties"].items()
        }
    if "items" in schema:
        schema["items"] = _widened(schema["items"], name)
    if schema["type"] == "integer":
        schema["minimum"] = 0 if name == "connectorId" else MIN_INTEGER
        schema["maximum"] = MAX_INTEGER
    if name == "unit" and "enum" in schema:
        schema["enum"] = sorted({*schema["enum"], "Hertz"})
    return schema
