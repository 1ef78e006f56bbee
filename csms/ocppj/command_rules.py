"""What a Central System may send: strict out. Pure.

The official schemas with formats on, and what they leave out (`docs/` lists it).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from jsonschema_rs import Draft4Validator

from csms.domain.authorization import fold
from csms.domain.times import format_time, parse_time
from csms.ocppj.schemas import FROM_CENTRAL_SYSTEM, Schema, sent_schema

MAX_INTEGER: Final = 2**31 - 1  # what charge points can be expected to hold
MIN_INTEGER: Final = -(2**31)
MAX_PROBLEMS: Final = 20

# OCPP 1.6 ed. 2 §6.33, §6.53: these need a connector; elsewhere 0 is the charge point as a whole.
_NEEDS_CONNECTOR: Final = frozenset({"RemoteStartTransaction", "UnlockConnector"})
# Natural language and agreements between two parties; all else is printable ASCII (§2.2).
_FREE_TEXT: Final = frozenset({"data", "value"})
_SENT_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a command; `field` is a path such as ``key[0]``, empty for the whole."""

    field: str
    message: str


def _bounded(schema: Schema) -> Schema:
    """Return the schema with the bounds of 32-bit integers in it."""
    bounded: Schema = {
        key: (
            {name: _bounded(part) for name, part in value.items()}
            if key in ("properties", "definitions")
            else _bounded(value)
            if key == "items"
            else value
        )
        for key, value in schema.items()
    }
    if bounded.get("type") == "integer":
        bounded |= {"minimum": MIN_INTEGER, "maximum": MAX_INTEGER}
    return bounded


_VALIDATORS: Final[Mapping[str, Draft4Validator]] = {
    # Messages must not repeat values: one may be a key or a password.
    action: Draft4Validator(_bounded(sent_schema(action)), validate_formats=True, mask="this")
    for action in sorted(FROM_CENTRAL_SYSTEM)
}


def problems(action: str, payload: dict[str, Any]) -> tuple[Problem, ...]:
    """Return what is wrong with the payload of a command; nothing when it may be sent.

    Args:
        action: one of `FROM_CENTRAL_SYSTEM`.
        payload: as the operator wrote it.
    """
    try:
        orjson.dumps(payload)
    except orjson.JSONEncodeError as error:  # half a surrogate pair, integers beyond 64 bits
        return (Problem("", f"cannot be written as JSON: {error}"),)
    found = [
        Problem(_path(error.instance_path), error.message)
        for error in _VALIDATORS[action].iter_errors(payload)
    ]
    if not found:
        found = list(_further(action, payload))
    return tuple(found[:MAX_PROBLEMS])


def with_our_times(payload: dict[str, Any], action: str) -> dict[str, Any]:
    """Return a sound payload with every time in UTC, in the form this CSMS sends (CS-DATA-02)."""
    schema = sent_schema(action)
    result: dict[str, Any] = _with_our_times(schema, schema, payload)
    return result


def _with_our_times(root: Schema, schema: Schema, value: Any) -> Any:
    if "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        return {
            name: _with_our_times(root, properties.get(name, {}), member)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_with_our_times(root, schema.get("items", {}), item) for item in value]
    if schema.get("format") == "date-time" and not _SENT_TIME.fullmatch(value):
        parsed = parse_time(value)
        return value if parsed is None else format_time(parsed.at)
    return value


def _further(action: str, payload: dict[str, Any]) -> Iterator[Problem]:
    """Find what the official schema does not."""
    yield from _not_ascii("", "", payload)
    lowest = 1 if action in _NEEDS_CONNECTOR else 0
    if payload.get("connectorId", lowest) < lowest:
        yield Problem("connectorId", f"must be at least {lowest}")
    if action == "RemoteStartTransaction" and "chargingProfile" in payload:
        profile = payload["chargingProfile"]  # §5.16.2, errata v4.0 3.41 (CS-RSTART-04)
        if profile["chargingProfilePurpose"] != "TxProfile":
            yield Problem("chargingProfile.chargingProfilePurpose", "must be TxProfile")
        if "transactionId" in profile:
            yield Problem("chargingProfile.transactionId", "there is no transaction yet")
    if action == "SendLocalList":
        yield from _wrong_in_list(payload)


def _wrong_in_list(payload: dict[str, Any]) -> Iterator[Problem]:
    if payload["listVersion"] < 1:  # errata v4.0 3.52 (CS-LAL-02)
        yield Problem("listVersion", "must be at least 1")
    tags: set[str] = set()
    for index, entry in enumerate(payload.get("localAuthorizationList", ())):
        path = f"localAuthorizationList[{index}]"
        tag = fold(entry["idTag"])
        if tag in tags:  # §6.41 (CS-LAL-04)
            yield Problem(f"{path}.idTag", "is on the list twice; letter case does not matter")
        tags.add(tag)
        info = entry.get("idTagInfo")
        if info is None and payload["updateType"] == "Full":  # §7.1 (CS-LAL-03)
            yield Problem(f"{path}.idTagInfo", "is required in a full list")
        if info is not None and info["status"] == "ConcurrentTx":  # §7.2 (CS-AUTH-03)
            yield Problem(f"{path}.idTagInfo.status", "is only said of a StartTransaction")


def _not_ascii(path: str, name: str, value: Any) -> Iterator[Problem]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _not_ascii(f"{path}.{key}" if path else key, key, member)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _not_ascii(f"{path}[{index}]", name, item)
    elif isinstance(value, str) and name not in _FREE_TEXT:
        lines = value.translate({10: "", 13: ""})  # certificates have lines
        if not (lines.isascii() and lines.isprintable()):
            yield Problem(path, "must be printable ASCII")


def _path(parts: list[str | int]) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
