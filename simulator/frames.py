"""OCPP-J frames: reading what a CSMS sent, writing what we send. Spec: OCPP-J 1.6 §4.

Reading is strict and never raises: everything that is not as it should be is listed as a defect of
the frame, and the raw text stays with it. What cannot be used at all becomes an `Unreadable`.
Judging is not done here; the harness does that from the raw text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

Payload: TypeAlias = dict[str, Any]

CALL: Final = 2
CALL_RESULT: Final = 3
CALL_ERROR: Final = 4

MAX_MESSAGE_ID: Final = 36  # characters, OCPP-J 1.6 §4.1.4
MAX_INTEGER_DIGITS: Final = 400  # more would be no float either; Python itself stops at 4300

# Exact spellings of OCPP-J 1.6 §4.2.3, the two odd ones included.
ERROR_CODES: Final = frozenset(
    {
        "NotImplemented",
        "NotSupported",
        "InternalError",
        "ProtocolError",
        "SecurityError",
        "FormationViolation",
        "PropertyConstraintViolation",
        "OccurenceConstraintViolation",
        "TypeConstraintViolation",
        "GenericError",
    }
)


@dataclass(frozen=True, slots=True)
class Call:
    """A request."""

    message_id: str
    action: str
    payload: Payload
    text: str = ""
    defects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CallResult:
    """The answer to a request."""

    message_id: str
    payload: Payload
    text: str = ""
    defects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CallError:
    """The refusal of a request."""

    message_id: str
    code: str
    description: str = ""
    details: Payload = field(default_factory=dict)
    text: str = ""
    defects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A text that is no usable frame.

    Attributes:
        message_id: the id, where one could be told.
        message_type: the MessageTypeId, where it was an integer.
    """

    text: str
    defects: tuple[str, ...]
    message_id: str | None = None
    message_type: int | None = None


Frame: TypeAlias = Call | CallResult | CallError | Unreadable


def encode_call(message_id: str, action: str, payload: Mapping[str, object]) -> str:
    """Return the text of a CALL."""
    return _encode([CALL, message_id, action, dict(payload)])


def encode_result(message_id: str, payload: Mapping[str, object]) -> str:
    """Return the text of a CALLRESULT."""
    return _encode([CALL_RESULT, message_id, dict(payload)])


def encode_error(
    message_id: str, code: str, description: str = "", details: Mapping[str, object] | None = None
) -> str:
    """Return the text of a CALLERROR."""
    return _encode([CALL_ERROR, message_id, code, description, dict(details or {})])


def _encode(frame: list[object]) -> str:
    # ASCII escapes keep ids with lone surrogates writable, and are the same JSON to any reader.
    return json.dumps(frame, separators=(",", ":"))


class _Reader:
    """One JSON text and the defects found on the way."""

    def __init__(self) -> None:
        self.defects: list[str] = []

    def read(self, text: str) -> object:
        return json.loads(
            text,
            object_pairs_hook=self._object,
            parse_int=self._integer,
            parse_constant=self._constant,
        )

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) != len(pairs):
            names = [name for name, _ in pairs]
            doubled = sorted({name for name in names if names.count(name) > 1})
            self.defects.append(f"key given twice: {', '.join(doubled)}")
        return members

    def _integer(self, digits: str) -> int | float:
        if len(digits) > MAX_INTEGER_DIGITS:
            self.defects.append(f"integer of {len(digits)} digits")
            return float(digits[:MAX_INTEGER_DIGITS])
        return int(digits)

    def _constant(self, name: str) -> None:
        self.defects.append(f"{name} is not JSON")


def parse(text: str) -> Frame:
    """Read one message of the peer; never raises.

    Spec: OCPP-J 1.6 §4.2. A payload of `null` is a legal way to write an empty one (§4.2.1).
    """
    reader = _Reader()
    try:
        frame = reader.read(text)
    except (ValueError, RecursionError) as exc:
        return Unreadable(text, (f"not JSON: {exc}",))
    defects = reader.defects
    if not isinstance(frame, list):
        return Unreadable(text, (*defects, "not a JSON array"))

    message_type = frame[0] if frame and type(frame[0]) is int else None
    message_id = frame[1] if len(frame) > 1 and isinstance(frame[1], str) else None

    def unreadable(defect: str) -> Unreadable:
        return Unreadable(text, (*defects, defect), message_id, message_type)

    if message_type not in (CALL, CALL_RESULT, CALL_ERROR):
        return unreadable("unknown MessageTypeId")
    if message_id is None:
        return unreadable("message id is missing or no string")
    if len(message_id) > MAX_MESSAGE_ID:
        defects.append(f"message id longer than {MAX_MESSAGE_ID} characters")
    if message_id == "":
        defects.append("message id is empty")

    if message_type == CALL:
        if len(frame) < 3 or not isinstance(frame[2], str):
            return unreadable("action is missing or no string")
        payload = _payload(frame, 3, defects)
        _check_length(frame, 4, defects)
        return Call(message_id, frame[2], payload, text, tuple(defects))
    if message_type == CALL_RESULT:
        payload = _payload(frame, 2, defects)
        _check_length(frame, 3, defects)
        return CallResult(message_id, payload, text, tuple(defects))

    code, description = _text(frame, 2, "error code", defects), ""
    if code and code not in ERROR_CODES:
        defects.append(f"unknown error code {code[:60]}")
    description = _text(frame, 3, "error description", defects)
    details = _payload(frame, 4, defects, name="error details")
    _check_length(frame, 5, defects)
    return CallError(message_id, code, description, details, text, tuple(defects))


def _payload(frame: list[Any], index: int, defects: list[str], name: str = "payload") -> Payload:
    if len(frame) <= index:
        defects.append(f"{name} is missing")
        return {}
    value = frame[index]
    if isinstance(value, dict):
        return value
    if value is not None or name != "payload":
        defects.append(f"{name} is no object")
    return {}


def _text(frame: list[Any], index: int, name: str, defects: list[str]) -> str:
    if len(frame) > index and isinstance(frame[index], str):
        return str(frame[index])
    defects.append(f"{name} is missing or no string")
    return ""


def _check_length(frame: list[Any], expected: int, defects: list[str]) -> None:
    if len(frame) > expected:
        defects.append(f"{len(frame)} elements instead of {expected}")
