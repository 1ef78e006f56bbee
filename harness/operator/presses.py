"""Whether a frame is the one a person was to cause, or the wrong button. Pure.

Only what the person chose can be a wrong press: the action, and the fields that the instruction
names. Whatever else is wrong with a frame (its form, a field nobody typed, that it came twice) is
the Central System's doing and is judged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from harness.drivers.driver import COMMANDS, Operation
from harness.judge_payloads import Message, judge_payload
from harness.matching import Mismatch
from harness.model import Json
from harness.operator.words import SCREENS, Instruction, label
from harness.results import Severity
from harness.schemas import Kind

# What can only fail for another choice; the rest holds a value's form against the case.
_CHOICES: Final = frozenset(
    {
        "equals", "equals_ignoring_case", "not_equals", "one_of", "present", "absent",
        "empty_or_absent", "absent_or", "present_if", "absent_if", "approximately", "first",
        "only_contains", "includes_all", "pem_equals", "equals_or_absent_if_3", "fields", "items",
        "invalid_signature",
    }
)  # fmt: skip

# Fields that say by themselves what was pressed: `Reset Soft`.
_TELLING: Final = frozenset(
    {"type", "requestedMessage", "updateType", "logType", "certificateType", "key"}
)

# How a charge point declines what the case has no use for: nothing comes of it, and no Central
# System believes that something began.
REFUSALS: Final[Mapping[Operation, dict[str, Json]]] = {
    Operation.CANCEL_RESERVATION: {"status": "Rejected"},
    Operation.CHANGE_AVAILABILITY: {"status": "Rejected"},
    Operation.CHANGE_CONFIGURATION: {"status": "Rejected"},
    Operation.CLEAR_CACHE: {"status": "Rejected"},
    Operation.CLEAR_CHARGING_PROFILE: {"status": "Unknown"},
    Operation.DATA_TRANSFER: {"status": "Rejected"},
    Operation.GET_COMPOSITE_SCHEDULE: {"status": "Rejected"},
    Operation.GET_DIAGNOSTICS: {},
    Operation.REMOTE_START_TRANSACTION: {"status": "Rejected"},
    Operation.REMOTE_STOP_TRANSACTION: {"status": "Rejected"},
    Operation.RESERVE_NOW: {"status": "Rejected"},
    Operation.RESET: {"status": "Rejected"},
    Operation.SEND_LOCAL_LIST: {"status": "Failed"},
    Operation.SET_CHARGING_PROFILE: {"status": "Rejected"},
    Operation.TRIGGER_MESSAGE: {"status": "Rejected"},
    Operation.UNLOCK_CONNECTOR: {"status": "UnlockFailed"},
    Operation.CERTIFICATE_SIGNED: {"status": "Rejected"},
    Operation.DELETE_CERTIFICATE: {"status": "Failed"},
    Operation.EXTENDED_TRIGGER_MESSAGE: {"status": "Rejected"},
    Operation.GET_INSTALLED_CERTIFICATE_IDS: {"status": "NotFound"},
    Operation.GET_LOG: {"status": "Rejected"},
    Operation.INSTALL_CERTIFICATE: {"status": "Rejected"},
    Operation.SIGNED_UPDATE_FIRMWARE: {"status": "Rejected"},
}  # what only reads, and what knows no refusal, the charge point answers as ever


def wrong_action(action: str, wanted: Operation) -> str:
    """Explain a frame of another action; "" where no button sends it."""
    if action == wanted or action not in COMMANDS:
        return ""
    sent = SCREENS[Operation(action)]
    return f"You sent {action} ({sent}); the case needs {wanted} ({SCREENS[wanted]})."


def wrong_fields(
    operation: Operation,
    payload: object,
    mismatches: Sequence[Mismatch],
    instruction: Instruction,
) -> str:
    """Explain a frame of the right action with other choices; "" where it is to be judged.

    Args:
        mismatches: of the payload and the case's rules.
    """
    if not mismatches or not _is_well_formed(operation, payload):
        return ""
    found = []
    for one in mismatches:
        path = _path(one.path)
        if one.operator not in _CHOICES or not _is_named(path, instruction.named):
            return ""
        found.append(_explained(operation, path, one))
    return " ".join(dict.fromkeys(found))


def _is_well_formed(operation: Operation, payload: object) -> bool:
    now = datetime.now(UTC)
    message = Message(operation.value, Kind.CALL, payload, {}, now, now)
    return all(one.severity is Severity.WARNING for one in judge_payload(message))


def _path(path: str) -> str:
    """Return the path of a mismatch as instructions name fields: without root and places."""
    return re.sub(r"\[\d+\]", "", path).removeprefix("$").removeprefix(".")


def _is_named(path: str, named: frozenset[str]) -> bool:
    return any(
        path == one or path.startswith(f"{one}.") or one.startswith(f"{path}." if path else "")
        for one in named
    )


def _explained(operation: Operation, path: str, one: Mismatch) -> str:
    expected, actual = _plain(one.expected), _plain(one.actual)
    if one.operator in ("absent", "empty_or_absent"):
        return (
            f"You sent {operation} with {label(path)} {actual}; the case needs it without. "
            "Leave that field empty."
        )
    if one.actual == "absent":
        return f"You sent {operation} without {label(path)}; the case needs {expected}."
    if path in _TELLING:
        return f"You sent {operation} {actual}; the case needs {expected}."
    return f"You sent {operation} with {label(path)} {actual}; the case needs {expected}."


def _plain(text: str) -> str:
    """Take the quotes from a value that was written as JSON or by Python."""
    if len(text) > 120:
        text = f"{text[:117]}…"
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text
