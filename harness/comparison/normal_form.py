"""What the CSMS sent in a case, without what may differ from run to run. Pure.

`ALLOWED` says what that is; everything else that differs is a change. Values that stand for the
same thing within a case keep standing for the same thing: the first transaction id becomes
``<transactionId 1>`` wherever it comes, so that an id that belongs elsewhere still shows.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias

from harness.results import CaseResult
from simulator.trace import Direction, Event, EventKind

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

# What may differ, where it stands, and what takes its place; shown in `compare-runs.md`.
ALLOWED: Final = (
    ("message ids", "every frame", "left out: an answer belongs to its CALL"),
    ("order of keys, white space, escapes", "every frame", "left out"),
    ("order of `key` and `localAuthorizationList`", "these lists", "sorted"),
    (
        "ids above zero",
        "`transactionId`, `reservationId`, `requestId`, `chargingProfileId`, `listVersion`",
        "`<transactionId 1>`: numbered as they come up in the case",
    ),
    ("id tags", "`idTag`, `parentIdTag`, and the same text elsewhere", "`<id tag 1>`"),
    ("the charge point's identity", "every text", "`<identity>`"),
    ("times", "every text", "`<time Z>`; the form of the offset stays"),
    ("ports, random parts of paths and queries", "every URL", "`<port>`, `<random>`"),
    ("certificates, keys, signing requests", "every text", "`<PEM CERTIFICATE>`"),
    (
        "hash data of certificates",
        "`issuerNameHash`, `issuerKeyHash`, `serialNumber`",
        "`<serialNumber 1>`",
    ),
    (
        "UUIDs; 16 or more hexadecimal digits; 40 or more letters of base64",
        "every text",
        "`<uuid>`, `<hex>`, `<base64>`",
    ),
    ("numbers in words for people", "`errorDescription`, `errorDetails`", "`#`"),
)

_NUMBERED: Final = frozenset(
    {"transactionId", "reservationId", "requestId", "chargingProfileId", "listVersion"}
)
_HASH_DATA: Final = frozenset({"issuerNameHash", "issuerKeyHash", "serialNumber"})
_TAGS: Final = frozenset({"idTag", "parentIdTag"})
_UNORDERED: Final = frozenset({"key", "localAuthorizationList"})
_LEAST_TAG: Final = 4  # characters; shorter ones occur by chance in other texts

_PEM: Final = re.compile(r"-----BEGIN ([A-Z ]{1,40})-----[^-]*-----END \1-----(?:\r?\n)?", re.ASCII)
_URL: Final = re.compile(r"\b([a-z][a-z0-9+.-]{1,9}://)([^\s/?#\"'<>]*)([^\s\"'<>]*)", re.I)
_PORT: Final = re.compile(r":\d{1,5}\Z")
_URL_PART: Final = re.compile(r"[^/?&=#]+")
_RANDOM_PART: Final = re.compile(
    r"[0-9A-Fa-f]{8,}|(?=[^\d]*\d)(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_-]{16,}|\d{5,}", re.ASCII
)
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:([Zz])|([+-]\d\d:?\d\d))?", re.ASCII
)
_UUID: Final = re.compile(r"\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b", re.ASCII)
_HEX: Final = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{16,}(?![0-9A-Za-z])", re.ASCII)
_BASE64: Final = re.compile(r"(?<![0-9A-Za-z+/])[0-9A-Za-z+/]{40,}={0,2}", re.ASCII)
_DIGITS: Final = re.compile(r"\d+", re.ASCII)


class Role(StrEnum):
    """What a frame of the CSMS is to a case."""

    ANSWER = "answer"  # to a CALL of the charge point
    REQUEST = "request"  # a CALL of the CSMS that a step waits for
    UNASKED = "unasked"  # a CALL that belongs to no step
    STRAY = "stray"  # it answers nothing, or is no OCPP-J frame


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a case where a frame of the CSMS stands, or is missing.

    Attributes:
        step: path of the step, empty for the clean-up and for what belongs to none.
        number: the how-many-th of its kind in the step, from 1; 0 where they are not counted.
    """

    step: str
    role: Role
    action: str
    number: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A frame of the CSMS in its normal form.

    Attributes:
        kind: ``request``, ``result``, ``error`` or ``unreadable``.
        content: the payload; code, description and details of an error; the text of the rest.
    """

    kind: str
    content: Json

    @property
    def text(self) -> str:
        """The same text for the same content."""
        return f"{self.kind} {canonical(self.content)}"


@dataclass(frozen=True, slots=True)
class NormalForm:
    """What the CSMS sent in one case.

    Attributes:
        counted: answers and requests by their place; None where a CALL was not answered.
        uncounted: the different frames of the other kinds; how often they came is left to chance.
    """

    counted: Mapping[Slot, Sent | None]
    uncounted: Mapping[Slot, Sequence[Sent]]


@dataclass(slots=True)
class Names:
    """What values were called so far in a case."""

    identity: str = ""
    _numbers: dict[tuple[str, Json], str] = field(default_factory=dict)
    _count: Counter[str] = field(default_factory=Counter)

    def of(self, kind: str, value: str | int) -> str:
        """Return the name of a value: its kind, and the how-many-th it is."""
        known = self._numbers.get((kind, value))
        if known is None:
            self._count[kind] += 1
            known = self._numbers[kind, value] = f"<{kind} {self._count[kind]}>"
        return known

    def replace_in(self, text: str) -> str:
        """Return a text with the identity and the id tags that came up named."""
        tags = {
            str(value): name
            for (kind, value), name in self._numbers.items()
            if kind == "id tag" and len(str(value)) >= _LEAST_TAG
        }
        if self.identity:
            tags[self.identity] = "<identity>"
        for value in sorted(tags, key=len, reverse=True):
            if value in text:
                text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", tags[value], text)
        return text


def canonical(value: Json) -> str:
    """Return JSON text that is the same for the same value, whatever the order of its keys."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def normalise(value: Json, names: Names, *, name: str = "", for_people: bool = False) -> Json:
    """Return a JSON value without what may differ from run to run.

    Args:
        names: what values were called so far; grows.
        name: of the member that holds the value.
        for_people: the value explains something in words.
    """
    match value:
        case dict():
            return {
                key: normalise(inner, names, name=key, for_people=for_people)
                for key, inner in value.items()
            }
        case list():
            ordered = sorted(value, key=canonical) if name in _UNORDERED else value
            return [normalise(inner, names, name=name, for_people=for_people) for inner in ordered]
        case str():
            if value and name in _TAGS:
                return names.of("id tag", value)
            if value and name in _HASH_DATA:
                return names.of(name, value)
            return normal_text(value, names, for_people=for_people)
        case int() if name in _NUMBERED and not isinstance(value, bool) and value > 0:
            return names.of(name, value)
        case _:
            return value


def normal_text(text: str, names: Names, *, for_people: bool = False) -> str:
    """Return a text without what may differ from run to run."""
    text = names.replace_in(text)
    text = _PEM.sub(r"<PEM \1>", text)
    text = _URL.sub(_normal_url, text)
    text = _TIME.sub(_normal_time, text)
    text = _UUID.sub("<uuid>", text)
    text = _HEX.sub("<hex>", text)
    text = _BASE64.sub("<base64>", text)
    return _DIGITS.sub("#", text) if for_people else text


def _normal_url(found: re.Match[str]) -> str:
    scheme, host, rest = found.groups()

    def part(one: re.Match[str]) -> str:
        return "<random>" if _RANDOM_PART.fullmatch(_UUID.sub("0" * 8, one[0])) else one[0]

    return scheme + _PORT.sub(":<port>", host) + _URL_PART.sub(part, rest)


def _normal_time(found: re.Match[str]) -> str:
    if found[2]:
        return "<time +hh:mm>" if ":" in found[2] else "<time +hhmm>"
    return "<time Z>" if found[1] else "<time>"


# --- a case ------------------------------------------------------------------------------------


def normal_form(case: CaseResult) -> NormalForm:
    """Return what the CSMS sent in a case, without what may differ from run to run."""
    return _Reader(case).read()


class _Reader:
    """Walks the events of a case once."""

    def __init__(self, case: CaseResult) -> None:
        self._events = case.events
        self._names = Names(case.identity)
        self._step_of = {index: step.path for step in case.steps for index in step.events}
        self._numbers: Counter[tuple[str, Role, str]] = Counter()
        self._open: dict[tuple[int, str], Slot] = {}
        self._counted: dict[Slot, Sent | None] = {}
        self._uncounted: dict[Slot, dict[str, Sent]] = {}

    def read(self) -> NormalForm:
        for index, event in enumerate(self._events):
            if event.direction is None or event.kind not in (EventKind.FRAME, EventKind.BINARY):
                continue
            frame = _parse(event)
            if event.direction is Direction.SENT:
                self._ours(index, event, frame)
            else:
                self._theirs(index, event, frame)
        return NormalForm(
            self._counted,
            {slot: tuple(found.values()) for slot, found in self._uncounted.items()},
        )

    def _ours(self, index: int, event: Event, frame: list[Any] | None) -> None:
        """Take note of what the charge point asked, and of the ids and tags it named."""
        if frame is None:
            return
        for part in frame[1:]:
            self._value(part)
        if frame[0] == 2 and len(frame) > 2:
            slot = self._slot(index, Role.ANSWER, _word(frame[2]))
            self._counted[slot] = None
            self._open[event.connection, canonical(frame[1])] = slot

    def _theirs(self, index: int, event: Event, frame: list[Any] | None) -> None:
        if frame is None:
            self._add(index, Role.STRAY, "", self._unreadable(event))
        elif frame[0] == 2:
            sent = Sent("request", self._value(frame[3] if len(frame) == 4 else frame[2:]))
            action = _word(frame[2]) if len(frame) > 2 else ""
            if index in self._step_of:
                self._counted[self._slot(index, Role.REQUEST, action)] = sent
            else:
                self._add(index, Role.UNASKED, action, sent)
        else:
            sent = self._answer(frame)
            call = self._open.pop((event.connection, canonical(frame[1])), None)
            if call is None:
                self._add(index, Role.STRAY, "", sent)
            else:
                self._counted[call] = sent

    def _answer(self, frame: list[Any]) -> Sent:
        if frame[0] == 3:
            return Sent("result", self._value(frame[2] if len(frame) == 3 else frame[2:]))
        members = ("errorCode", "errorDescription", "errorDetails")
        content: dict[str, Json] = dict(zip(members, frame[2:], strict=False))
        for name in members[1:]:
            if name in content:
                content[name] = self._value(content[name], for_people=True)
        return Sent("error", content)

    def _unreadable(self, event: Event) -> Sent:
        if event.kind is EventKind.BINARY:
            return Sent("unreadable", f"binary, {len(event.text) // 2} bytes")
        return Sent("unreadable", normal_text(event.text, self._names))

    def _value(self, value: Json, *, for_people: bool = False) -> Json:
        try:
            return normalise(value, self._names, for_people=for_people)
        except RecursionError:
            return "nested too deeply to be compared"

    def _slot(self, index: int, role: Role, action: str) -> Slot:
        step = self._step_of.get(index, "")
        self._numbers[step, role, action] += 1
        return Slot(step, role, action, self._numbers[step, role, action])

    def _add(self, index: int, role: Role, action: str, sent: Sent) -> None:
        slot = Slot(self._step_of.get(index, ""), role, action, 0)
        try:
            self._uncounted.setdefault(slot, {}).setdefault(sent.text, sent)
        except RecursionError:  # too deep to be written, so it cannot be compared either
            self._uncounted.setdefault(slot, {}).setdefault("", Sent(sent.kind, None))


def _parse(event: Event) -> list[Any] | None:
    """Return an OCPP-J frame as a list that begins with 2, 3 or 4; None where it is none."""
    if event.kind is EventKind.BINARY:
        return None
    try:
        frame = json.loads(event.text)
    except (ValueError, RecursionError):
        return None
    is_frame = isinstance(frame, list) and len(frame) > 1 and type(frame[0]) is int
    return frame if is_frame and frame[0] in (2, 3, 4) else None


def _word(action: object) -> str:
    return action if isinstance(action, str) else canonical(action)  # type: ignore[arg-type]
