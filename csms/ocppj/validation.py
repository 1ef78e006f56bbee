"""Is the payload of a charge point's CALL in order? Lenient in, with the exact 1.6 codes. Pure.

A sound payload passes a compiled validator in about a microsecond. Only what that one refuses is
looked at field by field: known quirks of the field (`charge-point-behaviour.md` §9) are let through
and named, the values brought into the type the standard wants; the first real fault fails the CALL.

Formats are not checked: times are parsed by one tolerant function of the domain.

| what                                          | transaction messages | others           |
|-----------------------------------------------|----------------------|------------------|
| extra field, null for "not there"             | quirk                | quirk            |
| string longer than allowed, up to 1000        | quirk                | quirk            |
| `1.0` for an integer, integer beyond 64 bits  | quirk                | quirk            |
| numeric SampledValue.value                    | quirk                | -                |
| fractional meterStart, meterStop              | quirk                | -                |
| StartTransaction without idTag                | quirk                | -                |
| unknown enumeration value                     | quirk                | Property…        |
| negative connectorId                          | quirk                | Property…        |
| empty list that needs an element              | quirk                | Occurence…       |
| field missing                                 | ProtocolError        | ProtocolError    |
| wrong JSON type                               | Type…                | Type…            |

StatusNotification may also say `Occupied`, which is OCPP 1.5.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jsonschema_rs import Draft4Validator

from csms.ocppj.errors import CallFailure, ErrorCode
from csms.ocppj.schemas import (
    FROM_CHARGE_POINT,
    MAX_INTEGER,
    MIN_INTEGER,
    Schema,
    received_schema,
    sent_schema,
)

TRANSACTION_ACTIONS: Final = frozenset({"StartTransaction", "StopTransaction", "MeterValues"})
MAX_TOLERATED_LENGTH: Final = 1000  # characters; twice the longest limit in Core
_MAX_NAME: Final = 50  # of an extra field, in a quirk

_FRACTIONAL: Final = frozenset({"meterStart", "meterStop"})


@dataclass(frozen=True, slots=True)
class _Node:
    """One place in a payload, compiled from the schema."""

    path: str
    name: str
    type: str
    required: tuple[str, ...] = ()
    properties: Mapping[str, "_Node"] = field(default_factory=dict)
    item: "_Node | None" = None
    enum: frozenset[str] | None = None
    max_length: int = MAX_TOLERATED_LENGTH
    is_unlimited: bool = False
    min_items: int = 0


def _compile(schema: Schema, path: str = "", name: str = "") -> _Node:
    prefix = f"{path}." if path else ""
    return _Node(
        path=path or "payload",
        name=name,
        type=schema["type"],
        required=tuple(schema.get("required", ())),
        properties={
            key: _compile(value, f"{prefix}{key}", key)
            for key, value in schema.get("properties", {}).items()
        },
        item=_compile(schema["items"], f"{path}[]", name) if "items" in schema else None,
        enum=frozenset(schema["enum"]) if "enum" in schema else None,
        max_length=schema.get("maxLength", MAX_TOLERATED_LENGTH),
        is_unlimited="maxLength" not in schema and "enum" not in schema,
        min_items=schema.get("minItems", 0),
    )


_RECEIVED: Final = {action: received_schema(action) for action in sorted(FROM_CHARGE_POINT)}
_IS_CLEAN: Final[Mapping[str, Callable[[Any], bool]]] = {
    action: Draft4Validator(schema, validate_formats=False).is_valid
    for action, schema in _RECEIVED.items()
}
_IS_SENDABLE: Final[Mapping[str, Callable[[Any], bool]]] = {
    action: Draft4Validator(sent_schema(f"{action}Response"), validate_formats=True).is_valid
    for action in sorted(FROM_CHARGE_POINT)
}
_ROOTS: Final = {action: _compile(schema) for action, schema in _RECEIVED.items()}


def check(action: str, payload: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the payload, with the types the standard wants, and the quirks that were let pass.

    Args:
        action: one that a charge point may send.
        payload: as parsed.

    Raises:
        CallFailure: the payload is faulty.
    """
    if _IS_CLEAN[action](payload):
        return payload, ()
    examination = _Examination(action)
    corrected = examination.object(_ROOTS[action], payload)
    return corrected, tuple(examination.quirks)


def is_sendable_answer(action: str, payload: dict[str, Any]) -> bool:
    """Tell whether a payload may leave as the answer to a charge point's CALL: strict out."""
    return _IS_SENDABLE[action](payload)


class _Examination:
    """One walk through a payload that is not clean."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.is_transaction = action in TRANSACTION_ACTIONS
        self.quirks: dict[str, None] = {}  # ordered, each once

    def object(self, node: _Node, value: dict[str, Any]) -> dict[str, Any]:
        for name in node.required:
            if name not in value and not self._may_lack(name):
                raise CallFailure(ErrorCode.PROTOCOL_ERROR, f"{_at(node, name)} is missing")
        corrected = {}
        for name, member in value.items():
            child = node.properties.get(name)
            if child is None:
                self._quirk(_at(node, name), "not in the schema")
                corrected[name] = member
            elif member is None and (name not in node.required or self._may_lack(name)):
                self._quirk(child.path, "null")
            else:
                corrected[name] = self._value(child, member)
        if self.is_transaction:
            for name in node.required:
                if name not in corrected:
                    self._quirk(_at(node, name), "missing")
        return corrected

    def _may_lack(self, name: str) -> bool:
        return name == "idTag" and self.action == "StartTransaction"

    def _value(self, node: _Node, value: Any) -> Any:
        match node.type:
            case "string":
                return self._string(node, value)
            case "integer":
                return self._integer(node, value)
            case "object":
                if type(value) is not dict:
                    raise _wrong_type(node, "an object")
                return self.object(node, value)
            case "array":
                return self._array(node, value)
            case other:
                raise AssertionError(f"no charge point sends a {other}")

    def _array(self, node: _Node, value: Any) -> list[Any]:
        if type(value) is not list:
            raise _wrong_type(node, "an array")
        if len(value) < node.min_items:
            if not self.is_transaction:
                raise CallFailure(
                    ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION, f"{node.path} has too few elements"
                )
            self._quirk(node.path, "empty")
        item = node.item
        return value if item is None else [self._value(item, one) for one in value]

    def _string(self, node: _Node, value: Any) -> str:
        if type(value) is not str:
            if node.name == "value" and self.is_transaction and type(value) in (int, float):
                self._quirk(node.path, "a number")
                return str(value)
            raise _wrong_type(node, "a string")
        if len(value) > node.max_length and not node.is_unlimited:
            if len(value) > MAX_TOLERATED_LENGTH:
                raise CallFailure(
                    ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, f"{node.path} is too long"
                )
            self._quirk(node.path, f"longer than {node.max_length}")
        if node.enum is not None and value not in node.enum:
            if not self.is_transaction and not (
                node.path == "status"
                and value == "Occupied"
                and self.action == "StatusNotification"
            ):
                raise CallFailure(
                    ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, f"{node.path} has an unknown value"
                )
            self._quirk(node.path, "unknown value")
        return value

    def _integer(self, node: _Node, value: Any) -> int:
        if type(value) is float:
            if value.is_integer():
                self._quirk(node.path, "not written as an integer")
            elif node.name in _FRACTIONAL:
                self._quirk(node.path, "fractional")
            else:
                raise _wrong_type(node, "an integer")
            value = round(value)
        elif type(value) is not int:
            raise _wrong_type(node, "an integer")
        if not MIN_INTEGER <= value <= MAX_INTEGER:
            self._quirk(node.path, "beyond 64 bits")
            value = max(MIN_INTEGER, min(MAX_INTEGER, value))
        if node.name == "connectorId" and value < 0:
            if not self.is_transaction:
                raise CallFailure(
                    ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, f"{node.path} is negative"
                )
            self._quirk(node.path, "negative")
        return int(value)

    def _quirk(self, path: str, what: str) -> None:
        self.quirks[f"{path}: {what}"] = None


def _at(node: _Node, name: str) -> str:
    name = name[:_MAX_NAME]
    return name if node.path == "payload" else f"{node.path}.{name}"


def _wrong_type(node: _Node, wanted: str) -> CallFailure:
    return CallFailure(ErrorCode.TYPE_CONSTRAINT_VIOLATION, f"{node.path} must be {wanted}")
