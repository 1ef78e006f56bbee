"""Faults a Central System can have, each as a `Bend` of the miniature: wrong in exactly one way.

`answer_faults` and `request_faults` are the obligations of a case turned into faults: each answer
owed may be missing, an error, misaddressed or doubled; each request due may never come, come at the
wrong step, come as another action, or come once too often.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.model import NEWEST_EDITION
from tests.miniatures import Bend, Frames, Incoming, Link, Order

Edit = Callable[[str], Frames]
MISSING: Any = object()


@dataclass(frozen=True)
class AnswerBent(Bend):
    """The answer to the `number`-th CALL of a charge point leaves bent."""

    number: int
    edit: Edit

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        return self.edit(frame) if call.number == self.number else [frame]


@dataclass(frozen=True)
class EveryAnswerBent(Bend):
    """Every answer to this action leaves bent; every answer at all where no action is named."""

    edit: Edit
    action: str = ""

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        return self.edit(frame) if self.action in ("", call.action) else [frame]


@dataclass(frozen=True)
class RequestBent(Bend):
    """The request for the `number`-th order leaves bent."""

    number: int
    edit: Edit

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        return self.edit(frame) if order.number == self.number else [frame]


@dataclass(frozen=True)
class RequestTooEarly(Bend):
    """The request for the `number`-th order left already, right after the first answer."""

    number: int
    order: Order

    async def answered(self, link: Link, call: Incoming) -> None:
        if call.number == 0:
            await link.request(self.order.action, self.order.payload)

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        return [] if order.number == self.number else [frame]


@dataclass(frozen=True)
class Unasked(Bend):
    """A request nobody ordered, right after the `number`-th answer."""

    number: int
    action: str
    payload: dict[str, Any] = field(default_factory=dict)

    async def answered(self, link: Link, call: Incoming) -> None:
        if call.number == self.number:
            await link.request(self.action, self.payload)


@dataclass(frozen=True)
class Then(Bend):
    """Something done to the connection right after the `number`-th answer."""

    number: int
    act: Callable[[Link], Any]

    async def answered(self, link: Link, call: Incoming) -> None:
        if call.number == self.number:
            await self.act(link)


@dataclass(frozen=True)
class Slow(Bend):
    """Every answer and request leaves late by what `delay_s` returns."""

    delay_s: Callable[[], float]
    action: str = ""

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        if self.action in ("", call.action):
            await asyncio.sleep(self.delay_s())
        return [frame]

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        await asyncio.sleep(self.delay_s())
        return [frame]


# --- edits of one frame ----------------------------------------------------------------------


def nothing(frame: str) -> Frames:
    """Send nothing at all."""
    return []


def twice(frame: str) -> Frames:
    """Send the frame two times."""
    return [frame, frame]


def misaddressed(frame: str) -> Frames:
    """Answer somebody else: another message id."""
    kind, message_id, *rest = json.loads(frame)
    return [json.dumps([kind, f"not-{message_id}"[:36], *rest])]


def call_error(frame: str) -> Frames:
    """Answer with a CALLERROR instead of a CALLRESULT."""
    return [json.dumps([4, json.loads(frame)[1], "InternalError", "", {}])]


def another_action(frame: str) -> Frames:
    """Ask for something else than what was ordered."""
    _, message_id, action, _ = json.loads(frame)
    other = "ClearCache" if action != "ClearCache" else "GetConfiguration"
    return [json.dumps([2, message_id, other, {}])]


def one_too_many(frame: str) -> Frames:
    """Send the request, and a second one like it with an id of its own."""
    kind, message_id, *rest = json.loads(frame)
    return [frame, json.dumps([kind, f"again-{message_id}"[:36], *rest])]


def text(raw: str | bytes) -> Edit:
    """Send this instead."""
    return lambda frame: [raw]


def payload(change: Callable[[dict[str, Any]], object]) -> Edit:
    """Send the frame with its payload changed in place by `change`."""

    def edit(frame: str) -> Frames:
        parts = json.loads(frame)
        change(parts[-1])
        return [json.dumps(parts)]

    return edit


def with_field(path: Sequence[str | int], value: object) -> Edit:
    """Send the frame with the field at `path` of its payload set to `value`."""
    return changed([(path, value)])


def changed(changes: Sequence[tuple[Sequence[str | int], object]]) -> Edit:
    """Send the frame with the fields at these paths set, or removed where the value is MISSING."""

    def change(body: dict[str, Any]) -> None:
        for path, value in changes:
            target: Any = body
            for name in path[:-1]:
                target = target[name] if isinstance(name, int) else target.setdefault(name, {})
            if value is not MISSING:
                target[path[-1]] = copy.deepcopy(value)
            elif path[-1] in target:
                del target[path[-1]]

    return payload(change)


def without_field(*path: str) -> Edit:
    """Send the frame without the field at `path` of its payload."""
    return changed([(path, MISSING)])


@dataclass(frozen=True)
class Planted:
    """A fault, what it is called, and the rules of which at least one must be found.

    Attributes:
        field: JSON path of what is wrong, where it is a field of a payload.
        edition: the edition of the case list that has the rule.
    """

    name: str
    bend: Bend
    rules: frozenset[str]
    field: str = ""
    edition: str = NEWEST_EDITION


def answer_faults(number: int, action: str) -> list[Planted]:
    """Return the four ways in which the answer to the `number`-th CALL can be wrong."""
    at = f"answer {number} ({action})"
    return [
        Planted(f"{at} missing", AnswerBent(number, nothing), frozenset({"answer.missing"})),
        Planted(f"{at} error", AnswerBent(number, call_error), frozenset({"answer.call-error"})),
        Planted(
            f"{at} to a wrong id",
            AnswerBent(number, misaddressed),
            frozenset({"answer.wrong-id"}),
        ),
        Planted(f"{at} twice", AnswerBent(number, twice), frozenset({"answer.twice"})),
    ]


def request_faults(number: int, order: Order) -> list[Planted]:
    """Return the four ways in which the request for the `number`-th order can be wrong."""
    at = f"request {number} ({order.action})"
    return [
        Planted(f"{at} never", RequestBent(number, nothing), frozenset({"request.missing"})),
        Planted(
            f"{at} too early", RequestTooEarly(number, order), frozenset({"wire.unasked-call"})
        ),
        Planted(
            f"{at} as another action",
            RequestBent(number, another_action),
            frozenset({"wire.unasked-call"}),
        ),
        Planted(
            f"{at} one too many",
            RequestBent(number, one_too_many),
            frozenset({"wire.unasked-call"}),
        ),
    ]
