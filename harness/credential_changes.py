"""Whether a case changed what a charge point proves itself with, and which keys came up. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from harness.awaited import leaves
from harness.model import OperatorStep, Scenario
from simulator.frames import Call, parse
from simulator.trace import Direction, Event, EventKind

_ACTION: Final = "ChangeConfiguration"
_KEY: Final = "authorizationkey"
_CHANGING: Final = frozenset({_KEY, "securityprofile"})


def changes_credentials(scenario: Scenario, events: Sequence[Event]) -> bool:
    """Say whether a password or security profile was, or was ordered to be, changed."""
    return any(
        isinstance(step, OperatorStep) and step.action == _ACTION and _changes(step.payload)
        for step in leaves(scenario.steps)
    ) or any(_changes(payload) for payload in _changed(events))


def keys_in(events: Sequence[Event]) -> Iterator[str]:
    """Yield the AuthorizationKeys that the CSMS sent, wanted or not."""
    for payload in _changed(events):
        value = payload.get("value")
        if str(payload.get("key")).casefold() == _KEY and isinstance(value, str):
            yield value


def _changed(events: Sequence[Event]) -> Iterator[Mapping[str, object]]:
    for event in events:
        if event.kind is EventKind.FRAME and event.direction is Direction.RECEIVED:
            frame = parse(event.text)
            if isinstance(frame, Call) and frame.action == _ACTION:
                yield frame.payload


def _changes(payload: Mapping[str, object]) -> bool:
    return str(payload.get("key")).casefold() in _CHANGING
