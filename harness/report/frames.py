"""Reads recorded frames for people: which CALL an answer belongs to, and one line for each.

Pure, and never stumbles over what a hostile or broken peer sent: a text that is no OCPP-J frame is
shown as it is. Judging frames is not done here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from simulator.trace import Direction, Event, EventKind

# What people look for first; the other fields follow in the order of the frame.
_FIRST_FIELDS: Final = (
    "status",
    "idTagInfo.status",
    "connectorId",
    "idTag",
    "transactionId",
    "reservationId",
    "type",
    "key",
    "value",
    "requestedMessage",
    "errorCode",
    "interval",
)
# Times and readings say the least in a diagram that has its own times.
_LAST_FIELDS: Final = ("timestamp", "currentTime")
_LONGEST_PARSED: Final = 200_000  # characters; longer texts are shown by their size alone


class FrameKind(StrEnum):
    """What an OCPP-J message is, or that it is none."""

    CALL = "call"
    RESULT = "result"
    ERROR = "error"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Frame:
    """One recorded message as people see it.

    Attributes:
        action: of the CALL, also for its answer; empty where an answer belongs to no CALL.
        summary: the payload in short, safe to print.
        call_event: for an answer, index of the CALL it belongs to.
        latency_s: for an answer, the time since that CALL.
    """

    event: int
    kind: FrameKind
    message_id: str
    action: str
    summary: str
    call_event: int | None = None
    latency_s: float | None = None

    @property
    def name(self) -> str:
        """The message's name in the words of the standard: ``Authorize.req`` …"""
        match self.kind:
            case FrameKind.CALL:
                return f"{self.action}.req"
            case FrameKind.RESULT:
                return f"{self.action or 'unknown'}.conf"
            case FrameKind.ERROR:
                return f"{self.action or 'unknown'} CALLERROR"
            case FrameKind.UNREADABLE:
                return "unreadable"


def printable(text: str, *, limit: int | None = None) -> str:
    """Return `text` without characters that steer a terminal or hide others, cut to `limit`."""
    if limit is not None and len(text) > limit:
        text = text[: max(limit - 1, 0)] + "…"
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def printable_lines(text: str, *, limit: int | None = None) -> list[str]:
    """Return a text of several lines, each safe to print, all together cut to `limit`."""
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    return [printable(line) for line in text.splitlines()]


def read_frames(events: Sequence[Event]) -> dict[int, Frame]:
    """Return every message among `events` by its index, answers matched with their CALLs."""
    frames: dict[int, Frame] = {}
    open_calls: dict[tuple[int, Direction, str], int] = {}
    for index, event in enumerate(events):
        if event.kind is EventKind.BINARY:
            size = len(event.text) // 2
            frames[index] = Frame(index, FrameKind.UNREADABLE, "", "", f"binary, {size} bytes")
        if event.kind is not EventKind.FRAME or event.direction is None:
            continue
        frame = _read(index, event.text)
        if frame.kind is FrameKind.CALL:
            open_calls[event.connection, event.direction, frame.message_id] = index
        elif frame.kind is not FrameKind.UNREADABLE:
            other = _opposite(event.direction)
            call_index = open_calls.pop((event.connection, other, frame.message_id), None)
            if call_index is not None:
                frame = Frame(
                    index,
                    frame.kind,
                    frame.message_id,
                    frames[call_index].action,
                    frame.summary,
                    call_index,
                    event.monotonic_s - events[call_index].monotonic_s,
                )
        frames[index] = frame
    return frames


def _opposite(direction: Direction) -> Direction:
    return Direction.RECEIVED if direction is Direction.SENT else Direction.SENT


def _read(index: int, text: str) -> Frame:
    unreadable = Frame(index, FrameKind.UNREADABLE, "", "", printable(text, limit=400))
    if len(text) > _LONGEST_PARSED:
        summary = f"{len(text):,} characters: {printable(text, limit=80)}"
        return Frame(index, FrameKind.UNREADABLE, "", "", summary)
    try:
        parts = json.loads(text)
    except (ValueError, RecursionError):
        return unreadable
    match parts:
        case [int(2), str(message_id), str(action), dict(payload)]:
            return Frame(
                index, FrameKind.CALL, message_id, printable(action, limit=60), summary_of(payload)
            )
        case [int(3), str(message_id), dict(payload)]:
            return Frame(index, FrameKind.RESULT, message_id, "", summary_of(payload))
        case [int(4), str(message_id), code, description, *details]:
            words = [str(code), f'"{description}"' if description else ""]
            words += [summary_of(detail) for detail in details if isinstance(detail, dict)]
            return Frame(
                index, FrameKind.ERROR, message_id, "", printable(" ".join(filter(None, words)))
            )
        case _:
            return unreadable


def summary_of(payload: Mapping[str, object], *, limit: int = 400) -> str:
    """Return a payload as ``field=value`` pairs, the telling ones first."""
    pairs = list(_flatten(payload, ""))
    order = {name: place for place, name in enumerate(_FIRST_FIELDS)}
    last = len(order) + 1

    def place(pair: tuple[str, object]) -> int:
        return last if pair[0].split(".")[-1] in _LAST_FIELDS else order.get(pair[0], last - 1)

    pairs.sort(key=place)
    words = " ".join(f"{name}={_short(value)}" for name, value in pairs)
    return printable(words, limit=limit) if words else "{}"


def _flatten(value: Mapping[str, object], prefix: str) -> Iterator[tuple[str, object]]:
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _flatten(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner


def _short(value: object) -> str:
    if isinstance(value, list):
        return f"[{len(value)} items]" if value else "[]"
    if isinstance(value, str):
        return value if value and " " not in value else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)
