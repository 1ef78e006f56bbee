"""Legal moves as data: one function for every table of them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

from simulator.errors import LocalProtocolError

StateT = TypeVar("StateT", bound=Enum)
EventT = TypeVar("EventT", bound=Enum)


def advance(
    transitions: Mapping[tuple[StateT, EventT], StateT], state: StateT, event: EventT
) -> StateT:
    """Return the state after `event`.

    Raises:
        LocalProtocolError: the table has no such move.
    """
    try:
        return transitions[state, event]
    except KeyError:
        raise LocalProtocolError(f"{event.name} cannot happen while {state.name}") from None
