"""Raw text to frames: what is JSON, what is a message, and what is wrong with either.

The reader is the harness's own. It keeps what parsers hide: repeated keys, NaN, integers of any
size, halves of surrogate pairs.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from harness.checks import finding
from harness.grammar import ERROR_CODES
from harness.results import Finding

MAX_ID: Final = 36  # OCPP-J 1.6 §4.1.4
_MAX_DEPTH: Final = 100
_SHOWN: Final = 120
# Spellings of 2.0.1 that 1.6 does not have.
_SPELLINGS: Final = {
    "FormatViolation": "FormationViolation",
    "OccurrenceConstraintViolation": "OccurenceConstraintViolation",
}


class MessageType(IntEnum):
    """The three kinds of message (OCPP-J 1.6 §4.1.3)."""

    CALL = 2
    CALL_RESULT = 3
    CALL_ERROR = 4


_ELEMENTS: Final = {MessageType.CALL: 4, MessageType.CALL_RESULT: 3, MessageType.CALL_ERROR: 5}


@dataclass(frozen=True, slots=True)
class Frame:
    """A message, read as far as it could be.

    Attributes:
        type: None where the message is of no known type.
        message_id: as it came, of whatever type; None where there is none.
        action: of a CALL; empty where it is no text.
        payload: of a CALL or CALLRESULT; None where there is none or it is null.
        code, description: of a CALLERROR.
        has_payload: whether the place of the payload exists.
    """

    type: MessageType | None
    message_id: object = None
    action: str = ""
    payload: object = None
    code: str = ""
    description: str = ""
    has_payload: bool = False


def shorten(text: str) -> str:
    """Cut a text for a message."""
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def spelled(code: str) -> str:
    """Return an error code in the spelling of 1.6."""
    return _SPELLINGS.get(code, code)


def read_json(text: str) -> tuple[object, list[Finding]]:
    """Read a text; the value is None where it is no JSON.

    Findings have no event yet.
    """
    findings: list[Finding] = []

    def pairs(members: list[tuple[str, object]]) -> dict[str, object]:
        data = dict(members)
        if len(data) < len(members):
            counts = Counter(name for name, _ in members)
            twice = [name for name, count in counts.items() if count > 1]
            findings.append(
                finding(
                    "json.duplicate-key",
                    f"An object has the key {', '.join(map(repr, twice[:5]))} more than once.",
                    expected="every key once",
                    actual=shorten(text),
                )
            )
        return data

    def constant(word: str) -> float:
        findings.append(_not_a_number(word))
        return 0.0

    def decimal(digits: str) -> float:
        value = float(digits)
        if not math.isfinite(value):
            findings.append(_not_a_number(digits))
            return 0.0
        return value

    def integer(digits: str) -> int:
        # Python refuses to read beyond 4300 digits; what is beyond 64 bit is wrong anyway.
        return int(digits[:100])

    try:
        value: object = json.loads(
            text,
            object_pairs_hook=pairs,
            parse_constant=constant,
            parse_float=decimal,
            parse_int=integer,
        )
    except (ValueError, RecursionError) as error:
        unreadable = finding(
            "json.unreadable",
            f"The text is no JSON: {error}.",
            expected="a JSON array",
            actual=shorten(text),
        )
        return None, [*findings, unreadable]
    if _depth(value) > _MAX_DEPTH:
        deep = finding(
            "json.unreadable",
            f"The text is nested deeper than {_MAX_DEPTH} levels.",
            expected="a message of OCPP",
            actual=shorten(text),
        )
        return None, [*findings, deep]
    if any(not _is_unicode(one) for one in texts(value)):
        findings.append(
            finding(
                "json.surrogate",
                "A text holds half a surrogate pair, which is no character.",
                expected="Unicode text",
                actual=shorten(text),
            )
        )
    return value, findings


def read_frame(text: str) -> tuple[Frame, list[Finding]]:
    """Read a message as far as it can be read, and say what is wrong with it."""
    value, findings = read_json(text)
    if any(one.rule == "json.unreadable" for one in findings):
        return Frame(None), findings
    if not isinstance(value, list):
        kind = type(value).__name__
        findings.append(
            finding(
                "frame.not-array",
                f"The message is no JSON array but a {kind}.",
                expected="[2, …], [3, …] or [4, …]",
                actual=shorten(text),
            )
        )
        return Frame(None), findings
    first = value[0] if value else None
    message_id = value[1] if len(value) > 1 else None
    if isinstance(first, bool) or not isinstance(first, int) or first not in list(MessageType):
        findings.append(
            finding(
                "frame.message-type",
                "The message is of no type that OCPP-J has.",
                expected="2, 3 or 4",
                actual=shorten(json.dumps(first)),
            )
        )
        return Frame(None, message_id), findings
    type_ = MessageType(first)
    if len(value) != _ELEMENTS[type_]:
        findings.append(
            finding(
                "frame.element-count",
                f"A {type_.name} has {len(value)} elements.",
                expected=f"{_ELEMENTS[type_]} elements",
                actual=shorten(text),
            )
        )
    if not isinstance(message_id, str) or not 1 <= len(message_id) <= MAX_ID:
        findings.append(
            finding(
                "frame.message-id",
                f"The message id of a {type_.name} is not a text of 1 to {MAX_ID} characters.",
                expected=f"a text of 1 to {MAX_ID} characters",
                actual=shorten(json.dumps(message_id)),
            )
        )
    rest = value[2:]
    match type_:
        case MessageType.CALL:
            action = rest[0] if rest else None
            if not isinstance(action, str):
                findings.append(
                    finding(
                        "frame.action",
                        "The action of a CALL is no text.",
                        expected="the name of an action",
                        actual=shorten(json.dumps(action)),
                    )
                )
            frame = Frame(
                type_,
                message_id,
                action=action if isinstance(action, str) else "",
                payload=rest[1] if len(rest) > 1 else None,
                has_payload=len(rest) > 1,
            )
        case MessageType.CALL_RESULT:
            frame = Frame(
                type_,
                message_id,
                payload=rest[0] if rest else None,
                has_payload=bool(rest),
            )
        case MessageType.CALL_ERROR:
            findings += _error_findings(rest)
            code = rest[0] if rest else ""
            description = rest[1] if len(rest) > 1 else ""
            frame = Frame(
                type_,
                message_id,
                code=code if isinstance(code, str) else "",
                description=description if isinstance(description, str) else "",
            )
    return frame, findings


def texts(value: object, *, skip: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield every text in a JSON value, keys included; not what stands under keys in `skip`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield key
            if key not in skip:
                yield from texts(member, skip=skip)
    elif isinstance(value, list):
        for member in value:
            yield from texts(member, skip=skip)


def _error_findings(rest: list[object]) -> Iterator[Finding]:
    """What is wrong with code, description and details of a CALLERROR, as far as they are there."""
    wanted = (("code", str, "a text"), ("description", str, "a text"), ("details", dict, "{…}"))
    for (name, type_, expected), value in zip(wanted, rest, strict=False):
        if not isinstance(value, type_):
            yield finding(
                "error.shape",
                f"The {name} of a CALLERROR is of the wrong type.",
                expected=expected,
                actual=shorten(json.dumps(value)),
            )
    code = rest[0] if rest else None
    if not isinstance(code, str) or code in ERROR_CODES:
        return
    if code in _SPELLINGS:
        yield finding(
            "error.code-spelling",
            f"The error code {code} has the spelling of OCPP 2.0.1.",
            expected=_SPELLINGS[code],
            actual=code,
        )
    else:
        yield finding(
            "error.code",
            f"OCPP 1.6 has no error code {shorten(code)}.",
            expected=", ".join(ERROR_CODES),
            actual=shorten(code),
        )


def _not_a_number(word: str) -> Finding:
    return finding(
        "json.not-a-number",
        f"{shorten(word)} is no number that JSON can carry.",
        expected="a number of JSON",
        actual=shorten(word),
    )


def _depth(value: object) -> int:
    """Return how deep a value is nested, without recursion and not further than needed."""
    level, depth = [value], 0
    while level and depth <= _MAX_DEPTH:
        inner: list[object] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        level = inner
        depth += 1
    return depth


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
