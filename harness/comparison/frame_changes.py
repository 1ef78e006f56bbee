"""Which frames of the CSMS differ between two runs of the same case. Pure.

Held against each other are the answers to the same CALLs and the requests at the same steps, each
in its normal form. A CALL that the charge point made in one run only says nothing about the CSMS.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from harness.comparison.normal_form import Json, Role, Sent, Slot, normal_form
from harness.results import CaseResult

_MOST_DIFFERENCES: Final = 8
_LONGEST_VALUE: Final = 80
_ABSENT: Final = "absent"


@dataclass(frozen=True, slots=True)
class FramePlace:
    """Where a changed frame stands; without a step in the clean-up, or unasked."""

    case_id: str
    step: str


@dataclass(frozen=True, slots=True)
class FrameChange:
    """One change of what the CSMS sends, and everywhere it shows.

    Attributes:
        frame: which one: ``answer to Authorize``, ``Reset request`` …
        differences: a line for each member that differs, such as ``interval: 300 → 600``.
    """

    frame: str
    differences: tuple[str, ...]
    places: tuple[FramePlace, ...]

    @property
    def case_ids(self) -> tuple[str, ...]:
        """The cases that show it, each once."""
        return tuple(dict.fromkeys(place.case_id for place in self.places))


def frame_changes(pairs: Iterable[tuple[CaseResult, CaseResult]]) -> tuple[FrameChange, ...]:
    """Return what changed in these cases, the same change in several of them as one.

    Args:
        pairs: each case as it was, and as it is now.
    """
    found: dict[tuple[str, tuple[str, ...]], list[FramePlace]] = {}
    for old, new in pairs:
        for slot, differences in _changes(old, new):
            place = FramePlace(new.case_id, slot.step)
            found.setdefault((_name(slot), differences), []).append(place)
    return tuple(
        FrameChange(frame, differences, tuple(dict.fromkeys(places)))
        for (frame, differences), places in found.items()
    )


def _changes(old: CaseResult, new: CaseResult) -> Iterator[tuple[Slot, tuple[str, ...]]]:
    before, after = normal_form(old), normal_form(new)
    for slot in dict.fromkeys((*before.counted, *after.counted)):
        was, now = before.counted.get(slot), after.counted.get(slot)
        if slot.role is Role.ANSWER:
            if slot not in before.counted or slot not in after.counted:
                continue  # the charge point asked in one run only
            if not slot.step and (was is None or now is None):
                continue  # the clean-up does not wait for every answer
        if differences := _between(was, now):
            yield slot, differences
    for slot in dict.fromkeys((*before.uncounted, *after.uncounted)):
        earlier = {sent.text: sent for sent in before.uncounted.get(slot, ())}
        later = {sent.text: sent for sent in after.uncounted.get(slot, ())}
        gone = [sent for text, sent in earlier.items() if text not in later]
        added = [sent for text, sent in later.items() if text not in earlier]
        if len(gone) == len(added) == 1:
            yield slot, _between(gone[0], added[0])
            continue
        for sent in gone:
            yield slot, (f"no longer sent: {_shown(sent.content)}",)
        for sent in added:
            yield slot, (f"newly sent: {_shown(sent.content)}",)


def _name(slot: Slot) -> str:
    match slot.role:
        case Role.ANSWER:
            return f"answer to {slot.action}"
        case Role.REQUEST:
            return f"{slot.action} request"
        case Role.UNASKED:
            return f"{slot.action} request nobody asked for"
        case Role.STRAY:
            return "frame that answers nothing"


def _between(was: Sent | None, now: Sent | None) -> tuple[str, ...]:
    """Return in lines what differs between two frames, nothing where they are the same."""
    if was is None or now is None:
        if was is now:
            return ()
        sent = was or now
        words = "no longer sent" if now is None else "newly sent"
        return (f"{words}: {_shown(sent.content if sent else None)}",)
    if was.kind != now.kind:
        return (f"{was.kind} {_shown(was.content)} → {now.kind} {_shown(now.content)}",)
    lines = list(_differences(was.content, now.content, ""))
    if len(lines) > _MOST_DIFFERENCES:
        more = len(lines) - _MOST_DIFFERENCES + 1
        lines[_MOST_DIFFERENCES - 1 :] = [f"… and {more} more differences"]
    return tuple(lines)


def _differences(was: Json, now: Json, path: str) -> Iterator[str]:
    if isinstance(was, dict) and isinstance(now, dict):
        for name in dict.fromkeys((*was, *now)):
            inner = f"{path}.{name}" if path else name
            if name not in now:
                yield f"{inner}: {_shown(was[name])} → {_ABSENT}"
            elif name not in was:
                yield f"{inner}: {_ABSENT} → {_shown(now[name])}"
            else:
                yield from _differences(was[name], now[name], inner)
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for index, (one, other) in enumerate(zip(was, now, strict=True)):
            yield from _differences(one, other, f"{path}[{index}]")
    elif type(was) is not type(now) or was != now:
        yield f"{path or 'payload'}: {_shown(was)} → {_shown(now)}"


def _shown(value: Json) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "…"
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
