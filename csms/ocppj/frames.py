"""OCPP-J frames: tolerant reading, strict writing (OCPP-J 1.6 §4.2). Pure.

Reading never raises. Every CALL with a usable message id becomes a `Call` or a `BadCall`, so that
it can be answered; what cannot be correlated becomes `Unreadable` and is dropped.

DEVIATION: a message id is a string (OCPP-J 1.6 §4.1.4). Some charge points send an integer; it is
taken, and echoed as the same integer, because nothing else surely matches what they wait for.
"""

import re
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson

from csms.ocppj.errors import ErrorCode

MAX_ID: Final = 36  # OCPP-J 1.6 §4.1.4
MAX_ECHOED_ID: Final = 255  # a longer one is not worth an answer that carries it back
MAX_DESCRIPTION: Final = 255  # OCPP-J 1.6 §4.2.3

MessageId: TypeAlias = str | int


@dataclass(frozen=True, slots=True)
class Call:
    """A CALL whose frame is sound; nothing is known about its payload yet."""

    message_id: MessageId
    action: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadCall:
    """A CALL that can be answered, but only with a CALLERROR. `action` is empty when unknown."""

    message_id: MessageId
    action: str
    code: ErrorCode
    description: str


@dataclass(frozen=True, slots=True)
class CallResult:
    """An answer to one of our CALLs; `payload` is whatever came, null turned into {}."""

    message_id: MessageId
    payload: Any


@dataclass(frozen=True, slots=True)
class CallError:
    """A refusal of one of our CALLs; missing parts are empty (CS-RPC-09)."""

    message_id: MessageId
    code: str
    description: str
    details: Any


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Nothing that could be answered or matched (CS-RPC-02, CS-RPC-16)."""

    reason: str


Frame: TypeAlias = Call | BadCall | CallResult | CallError | Unreadable

_CALL: Final = 2
_CALL_RESULT: Final = 3
_CALL_ERROR: Final = 4

# The head of a CALL whose JSON our parser refuses: nested too deeply, NaN, numbers beyond a double.
_HEAD: Final = re.compile(
    r'\[\s*2\s*,\s*("(?:[^"\\]|\\.){0,300}"|-?[0-9]{1,20})\s*,\s*("(?:[^"\\]|\\.){0,300}")?'
)


def parse(text: str) -> Frame:
    """Read one message."""
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _salvage(text)
    if type(message) is not list or not message:
        return Unreadable("not a JSON array with elements")
    kind = message[0]
    if type(kind) is not int or not _CALL <= kind <= _CALL_ERROR:
        return Unreadable("unknown message type")
    if len(message) < 2 or not _is_usable(message[1]):
        return Unreadable("no usable message id")
    if kind == _CALL:
        return _call(message)
    if kind == _CALL_RESULT:
        payload = message[2] if len(message) > 2 else None
        return CallResult(message[1], {} if payload is None else payload)
    return _call_error(message)


def call(message_id: str, action: str, payload: dict[str, Any]) -> bytes:
    """Write a CALL."""
    return orjson.dumps([_CALL, message_id, action, payload])


def call_result(message_id: MessageId, payload: dict[str, Any]) -> bytes:
    """Write a CALLRESULT."""
    return orjson.dumps([_CALL_RESULT, message_id, payload])


def call_error(message_id: MessageId, code: ErrorCode, description: str = "") -> bytes:
    """Write a CALLERROR. Its details are always empty: they could only leak internals."""
    return orjson.dumps([_CALL_ERROR, message_id, code.value, description[:MAX_DESCRIPTION], {}])


def _is_usable(message_id: object) -> bool:
    """Tell whether an answer can carry this id (`True` is an int to Python, not to us)."""
    if type(message_id) is str:
        return len(message_id) <= MAX_ECHOED_ID
    return type(message_id) is int


def _call(message: list[Any]) -> Call | BadCall:
    message_id = message[1]
    action = message[2] if len(message) > 2 else None
    if type(action) is not str:
        return _bad(message_id, "", "the action is missing or not a string")
    if type(message_id) is str and len(message_id) > MAX_ID:
        return _bad(message_id, action, f"the message id is longer than {MAX_ID} characters")
    if len(message) != 4:
        return _bad(message_id, action, "a CALL has four elements")
    payload = message[3]
    if payload is None:  # legal notation for "no payload" (OCPP-J 1.6 §4.2.1)
        payload = {}
    elif type(payload) is not dict:
        return _bad(message_id, action, "the payload is not an object")
    return Call(message_id, action, payload)


def _call_error(message: list[Any]) -> CallError:
    code = message[2] if len(message) > 2 else ""
    description = message[3] if len(message) > 3 else ""
    details = message[4] if len(message) > 4 else None
    return CallError(
        message[1],
        code if type(code) is str else "",
        description if type(description) is str else "",
        {} if details is None else details,
    )


def _bad(message_id: MessageId, action: str, description: str) -> BadCall:
    return BadCall(message_id, action, ErrorCode.FORMATION_VIOLATION, description)


def _salvage(text: str) -> Frame:
    """Make the most of a text our parser refuses.

    A byte order mark and trailing NULs are forgiven. A complete CALL whose payload alone is beyond
    us is answered; a truncated text is not (CS-RPC-16).
    """
    stripped = text.strip("\ufeff\0 \t\r\n")
    if len(stripped) != len(text):
        return parse(stripped)
    head = _HEAD.match(text)
    if head is None or not text.endswith("]"):
        return Unreadable("not JSON")
    try:
        message_id = orjson.loads(head[1])
        action = orjson.loads(head[2]) if head[2] else ""
    except orjson.JSONDecodeError:
        return Unreadable("not JSON")
    if not _is_usable(message_id):
        return Unreadable("no usable message id")
    return _bad(message_id, action, "the message is not JSON that can be processed")
