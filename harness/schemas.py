"""Message shapes: the official schema set with its holes closed, and who may send what.

The schemas are those of the `ocpp` package, read once; formats are checked. Where the set lets
something through that the standard forbids, `_HOLES` closes it; `docs/reference/checks.md` lists
them. Pure once imported.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeAlias, cast

import jsonschema_rs

from harness.results import Severity

# OCPP 1.6 ed. 2 §4 and "Improved security for OCPP 1.6-J" ed. 3: what each side may call.
CP_ACTIONS: Final = frozenset(
    {
        "Authorize",
        "BootNotification",
        "DataTransfer",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "MeterValues",
        "StartTransaction",
        "StatusNotification",
        "StopTransaction",
        "LogStatusNotification",
        "SecurityEventNotification",
        "SignCertificate",
        "SignedFirmwareStatusNotification",
    }
)
CSMS_ACTIONS: Final = frozenset(
    {
        "CancelReservation",
        "ChangeAvailability",
        "ChangeConfiguration",
        "ClearCache",
        "ClearChargingProfile",
        "DataTransfer",
        "GetCompositeSchedule",
        "GetConfiguration",
        "GetDiagnostics",
        "GetLocalListVersion",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "ReserveNow",
        "Reset",
        "SendLocalList",
        "SetChargingProfile",
        "TriggerMessage",
        "UnlockConnector",
        "UpdateFirmware",
        "CertificateSigned",
        "DeleteCertificate",
        "ExtendedTriggerMessage",
        "GetInstalledCertificateIds",
        "GetLog",
        "InstallCertificate",
        "SignedUpdateFirmware",
    }
)
ACTIONS: Final = CP_ACTIONS | CSMS_ACTIONS

_INT32: Final = range(-(2**31), 2**31)
_INT64: Final = range(-(2**63), 2**63)

Schema: TypeAlias = Mapping[str, Any]  # as the files have it


class Kind(StrEnum):
    """Which of an action's two payloads."""

    CALL = "req"
    RESULT = "conf"


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """One thing about a payload that is not as its schema, or a closed hole, wants it.

    Attributes:
        rule: such as ``schema.required``; listed in `docs/reference/checks.md`.
        path: JSON path from the payload's root, such as ``$.idTagInfo.status``.
    """

    rule: str
    severity: Severity
    path: str
    expected: str
    actual: str
    requirement: str


def schema_of(action: str, kind: Kind) -> Schema:
    """Return the schema of a payload, holes of its own (Hertz) closed.

    Raises:
        KeyError: no such action in OCPP 1.6.
    """
    if action not in ACTIONS:
        raise KeyError(action)
    return _schema(action, kind)


def validate_payload(action: str, kind: Kind, payload: object) -> list[SchemaProblem]:
    """Hold a payload against its schema and the closed holes.

    Formats of date-time are left to `harness.judge_times`, which says more exactly what is wrong.

    Raises:
        KeyError: no such action in OCPP 1.6.
    """
    schema = schema_of(action, kind)
    source = f"OCPP-J 1.6 schema {action}.{kind.value}"
    if payload is None:
        return [_null_payload(schema, source)]
    try:
        errors = list(_validator(action, kind).iter_errors(payload))
    except ValueError as error:  # nested too deeply, or text that is no Unicode
        problem = SchemaProblem(
            "schema.unreadable", Severity.FAILURE, "$", "a payload of OCPP", str(error), source
        )
        return [problem]
    problems = list(_from_schema(errors, source))
    broken = {problem.path for problem in problems}
    problems += [
        problem
        for problem in [*_integers(payload, "$"), *_holes(action, kind, payload)]
        if problem.path not in broken
    ]
    return problems


def leaves(
    action: str, kind: Kind, payload: object, wanted: Callable[[Schema], bool]
) -> Iterator[tuple[str, object]]:
    """Yield path and value of every field whose own schema is `wanted`."""
    yield from _leaves(schema_of(action, kind), payload, "$", wanted)


def is_date_time(schema: Schema) -> bool:
    """Say whether a field holds a time."""
    return schema.get("format") == "date-time"


def json_path(parts: list[str | int]) -> str:
    """Write a path the way findings do: ``$.list[0].idTag``."""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


# --- the official set ----------------------------------------------------------------------------


@cache
def _schema(action: str, kind: Kind) -> Schema:
    name = action if kind is Kind.CALL else f"{action}Response"
    text = (files("ocpp") / "v16" / "schemas" / f"{name}.json").read_text(encoding="utf-8-sig")
    schema = cast("dict[str, Any]", json.loads(text))
    schema = _inlined(schema, schema.pop("definitions", {}))
    if action == "StopTransaction" and kind is Kind.CALL:
        schema = deepcopy(schema)
        samples = schema["properties"]["transactionData"]["items"]["properties"]["sampledValue"]
        units = samples["items"]["properties"]["unit"]["enum"]
        if "Hertz" not in units:
            units.append("Hertz")  # errata v4.0 §3.84; the published schema lacks it
    return schema


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Put what `$ref` points at in its place: the security schemas define types apart."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
        return {key: _inlined(value, definitions) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_inlined(value, definitions) for value in schema]
    return schema


@cache
def _validator(action: str, kind: Kind) -> jsonschema_rs.Draft4Validator:
    # Draft 4 throughout (OCPP-J errata 3.8): there `1.0` is no integer.
    return jsonschema_rs.Draft4Validator(dict(_schema(action, kind)), validate_formats=True)


def _from_schema(
    errors: Iterable[jsonschema_rs.ValidationError], source: str
) -> Iterator[SchemaProblem]:
    for error in errors:
        path = json_path(list(error.instance_path))
        detail = error.kind.as_dict()
        match error.kind.name:
            case "format" if detail.get("format") == "date-time":
                continue
            case "additionalProperties":
                for name in detail["unexpected"]:
                    yield SchemaProblem(
                        "schema.additional-property",
                        Severity.FAILURE,
                        f"{path}.{name}",
                        "no such field",
                        f'a field "{name}"',
                        f"{source}; OCPP-J errata 3.2",
                    )
            case "required":
                name = detail["property"]
                yield SchemaProblem(
                    "schema.required",
                    Severity.FAILURE,
                    f"{path}.{name}",
                    "present",
                    "absent",
                    source,
                )
            case keyword:
                yield SchemaProblem(
                    f"schema.{_KEYWORDS.get(keyword, 'other')}",
                    Severity.FAILURE,
                    path,
                    _expectation(keyword, detail),
                    _shown(error.instance),
                    source,
                )


# JSON Schema's keywords as our rule ids have them.
_KEYWORDS: Final = {
    "type": "type",
    "enum": "enum",
    "maxLength": "length",
    "minLength": "length",
    "minItems": "item-count",
    "maxItems": "item-count",
    "multipleOf": "multiple",
    "format": "uri",
}


def _expectation(keyword: str, detail: Mapping[str, Any]) -> str:
    match keyword:
        case "type":
            return "of type " + " or ".join(str(name) for name in detail.get("types", ()))
        case "enum":
            return "one of " + ", ".join(str(option) for option in detail.get("options", ()))
        case "maxLength":
            return f"at most {detail.get('limit')} characters"
        case "minItems":
            return f"at least {detail.get('limit')} in the list"
        case "multipleOf":
            return f"a multiple of {detail.get('multiple_of')}"
        case "format":
            return f"a {detail.get('format')}"
        case _:
            return f"as the keyword {keyword} demands"


def _null_payload(schema: Schema, source: str) -> SchemaProblem:
    # OCPP-J §4.2.1 allows `null` for "nothing" and prefers `{}`; the schemas know only `{}`.
    is_legal = not schema.get("required")
    return SchemaProblem(
        "schema.null-payload" if is_legal else "schema.type",
        Severity.WARNING if is_legal else Severity.FAILURE,
        "$",
        "{}" if is_legal else "of type object",
        "null",
        f"{source}; OCPP-J 1.6 §4.2.1",
    )


def _leaves(
    schema: Schema, value: object, path: str, wanted: Callable[[Schema], bool]
) -> Iterator[tuple[str, object]]:
    if wanted(schema):
        yield path, value
    if isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                yield from _leaves(inner, value[name], f"{path}.{name}", wanted)
    elif isinstance(value, list) and "items" in schema:
        for index, member in enumerate(value):
            yield from _leaves(schema["items"], member, f"{path}[{index}]", wanted)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else text[:199] + "…"


# --- holes of the set, closed --------------------------------------------------------------------


def _integers(value: object, path: str) -> Iterator[SchemaProblem]:
    """Every integer at any depth: 64 bit at most, and 32 bit for charge points' sake."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _integers(member, f"{path}.{name}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _integers(member, f"{path}[{index}]")
    elif isinstance(value, int) and not isinstance(value, bool) and value not in _INT32:
        fits = value in _INT64
        yield SchemaProblem(
            "schema.integer-32-bit" if fits else "schema.integer-64-bit",
            Severity.WARNING if fits else Severity.FAILURE,
            path,
            "an integer of 32 bit" if fits else "an integer of 64 bit",
            _shown(value),
            "errata v4.0 §3.54; CS-START-04",
        )


def _at_least(least: float) -> Callable[[object], bool]:
    """Accept numbers from `least` on; what is no number is the schema's business."""
    return lambda value: (
        isinstance(value, bool) or not isinstance(value, int | float) or value >= least
    )


@dataclass(frozen=True, slots=True)
class _Hole:
    """A field the official schema is too kind to.

    Attributes:
        field: dotted path in the schema; a list is walked through without index.
    """

    field: str
    rule: str
    is_right: Callable[[object], bool]
    expected: str
    requirement: str
    severity: Severity = Severity.FAILURE


def _connector(least: int, section: str, field: str = "connectorId") -> _Hole:
    expected = "greater than 0" if least else "0 or greater"
    return _Hole(field, "schema.connector-id", _at_least(least), expected, f"OCPP 1.6 {section}")


def _count(field: str, section: str, least: int = 0) -> _Hole:
    expected = f"{least} or greater"
    return _Hole(field, "schema.minimum", _at_least(least), expected, f"OCPP 1.6 {section}")


def _not_empty(field: str) -> _Hole:
    # An empty card can charge nowhere. An empty parent is how some write "none": a warning.
    is_parent = field.endswith("parentIdTag")
    return _Hole(
        field,
        "schema.empty-id-tag",
        lambda value: value != "",
        "an id tag of 1 to 20 characters" + (", or absent" if is_parent else ""),
        "OCPP 1.6 §7.28",
        Severity.WARNING if is_parent else Severity.FAILURE,
    )


def _has_scheme(value: object) -> bool:
    """Accept absolute URIs; what is no text is the schema's business."""
    if not isinstance(value, str):
        return True
    scheme, colon, rest = value.partition(":")
    return bool(colon and rest and scheme[:1].isalpha() and scheme.replace("+", "").isalnum())


def _location(field: str, section: str) -> _Hole:
    # The security paper types these as text and calls them a URL: a warning, not a failure.
    return _Hole(field, "schema.uri", _has_scheme, "an absolute URI", section, Severity.WARNING)


def _profile(field: str) -> tuple[_Hole, ...]:
    """What is wrong in any charging profile that counts downwards (§7.8, §7.13, §7.14)."""
    schedule = f"{field}.chargingSchedule"
    period = f"{schedule}.chargingSchedulePeriod"
    return (
        _count(f"{field}.stackLevel", "§7.8"),
        _count(f"{schedule}.duration", "§7.13"),
        _count(f"{schedule}.minChargingRate", "§7.13"),
        _Hole(
            period,
            "schema.item-count",
            lambda value: value != [],
            "at least 1 in the list",
            "OCPP 1.6 §7.13",
        ),
        _count(f"{period}.startPeriod", "§7.14"),
        _count(f"{period}.limit", "§7.14"),
        _count(f"{period}.numberPhases", "§7.14", least=1),
    )


# The table of docs/reference/checks.md, "Holes of the official schemas".
_HOLES: Final[Mapping[tuple[str, Kind], tuple[_Hole, ...]]] = {
    ("RemoteStartTransaction", Kind.CALL): (
        _connector(1, "§6.33"),
        _not_empty("idTag"),
        *_profile("chargingProfile"),
    ),
    ("UnlockConnector", Kind.CALL): (_connector(1, "§6.53"),),
    ("ChangeAvailability", Kind.CALL): (_connector(0, "§6.5"),),
    ("ReserveNow", Kind.CALL): (
        _connector(0, "§6.37"),
        _not_empty("idTag"),
        _not_empty("parentIdTag"),
    ),
    ("SetChargingProfile", Kind.CALL): (
        _connector(0, "§6.43"),
        *_profile("csChargingProfiles"),
    ),
    ("ClearChargingProfile", Kind.CALL): (
        _connector(0, "§6.13"),
        _count("stackLevel", "§6.13"),
    ),
    ("GetCompositeSchedule", Kind.CALL): (
        _connector(0, "§6.21"),
        _count("duration", "§6.21"),
    ),
    # §6.51 wants more than 0, §5.17 gives 0 a meaning for some messages: 0 passes.
    ("TriggerMessage", Kind.CALL): (_connector(0, "§5.17"),),
    ("ExtendedTriggerMessage", Kind.CALL): (_connector(0, "§5.17"),),
    ("SendLocalList", Kind.CALL): (
        _Hole(
            "listVersion",
            "schema.minimum",
            _at_least(1),
            "1 or greater",
            "errata v4.0 §3.52",
        ),
        _not_empty("localAuthorizationList.idTag"),
        _not_empty("localAuthorizationList.idTagInfo.parentIdTag"),
    ),
    ("GetDiagnostics", Kind.CALL): (
        _count("retries", "§6.25"),
        _count("retryInterval", "§6.25"),
    ),
    ("UpdateFirmware", Kind.CALL): (
        _count("retries", "§6.55"),
        _count("retryInterval", "§6.55"),
    ),
    ("GetLog", Kind.CALL): (
        _location("log.remoteLocation", "security paper ed. 3, GetLog"),
        _count("retries", "security paper, GetLog"),
        _count("retryInterval", "security paper, GetLog"),
    ),
    ("SignedUpdateFirmware", Kind.CALL): (
        _location("firmware.location", "security paper ed. 3, Firmware"),
        _count("retries", "security paper, SignedUpdateFirmware"),
        _count("retryInterval", "security paper, SignedUpdateFirmware"),
    ),
    ("Authorize", Kind.RESULT): (_not_empty("idTagInfo.parentIdTag"),),
    ("StartTransaction", Kind.RESULT): (_not_empty("idTagInfo.parentIdTag"),),
    ("StopTransaction", Kind.RESULT): (_not_empty("idTagInfo.parentIdTag"),),
    ("Authorize", Kind.CALL): (_not_empty("idTag"),),
    ("StartTransaction", Kind.CALL): (_connector(1, "§6.45"), _not_empty("idTag")),
    ("StatusNotification", Kind.CALL): (_connector(0, "§6.47"),),
    ("MeterValues", Kind.CALL): (_connector(0, "§6.31"),),
}


def _holes(action: str, kind: Kind, payload: object) -> Iterator[SchemaProblem]:
    for hole in _HOLES.get((action, kind), ()):
        for path, value in _at(payload, hole.field.split("."), "$"):
            if not hole.is_right(value):
                yield SchemaProblem(
                    hole.rule, hole.severity, path, hole.expected, _shown(value), hole.requirement
                )


def _at(value: object, parts: list[str], path: str) -> Iterator[tuple[str, object]]:
    if not parts:
        yield path, value
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _at(member, parts, f"{path}[{index}]")
    elif isinstance(value, dict) and parts[0] in value:
        yield from _at(value[parts[0]], parts[1:], f"{path}.{parts[0]}")
