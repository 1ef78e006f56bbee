"""Where the conversation with a person stands, and what leads on from there: a table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Phase(StrEnum):
    """Where it stands."""

    STARTING = "starting"  # nothing to do yet
    PREPARE = "prepare"  # what the run needs is to be made in the Central System
    RUNNING = "running"  # a case goes on by itself
    ASKED = "asked"  # the person is to press something
    WRONG = "wrong"  # something else was pressed, and it was said what
    PRESSED = "pressed"  # the person says it was pressed; nothing came yet
    ENDED = "ended"


class Act(StrEnum):
    """What a person can say; the value is its name in reports and pages."""

    READY = "ready"  # all that was asked for is there
    SKIP = "skip"  # not now: inconclusive
    CANNOT = "cannot"  # the system has no such thing: not supported
    AGAIN = "again"  # it was the wrong button
    THIS_IS_IT = "this_is_it"  # this is what the system sends: judge it
    NOT_ME = "not_me"  # nobody pressed that: the system sent it by itself
    PRESSED = "pressed"  # it was pressed, and nothing comes
    STOP = "stop"  # the rest another time


class Sign(StrEnum):
    """What happens without the person."""

    PREPARATION = "preparation"
    PREPARED = "prepared"
    ORDER = "order"  # a case needs something pressed
    CAME = "came"  # the right frame
    MISPRESS = "mispress"  # another one
    WITHDRAWN = "withdrawn"  # the case ended, or time was up
    OVER = "over"  # the run ended


Event = Act | Sign

TABLE: Final[Mapping[tuple[Phase, Event], Phase]] = MappingProxyType(
    {
        (Phase.STARTING, Sign.PREPARATION): Phase.PREPARE,
        (Phase.STARTING, Sign.PREPARED): Phase.RUNNING,
        (Phase.STARTING, Sign.ORDER): Phase.ASKED,
        (Phase.STARTING, Act.STOP): Phase.STARTING,
        (Phase.PREPARE, Act.READY): Phase.RUNNING,
        (Phase.PREPARE, Act.CANNOT): Phase.ENDED,
        (Phase.PREPARE, Act.STOP): Phase.ENDED,
        (Phase.PREPARE, Sign.WITHDRAWN): Phase.ENDED,
        (Phase.RUNNING, Sign.ORDER): Phase.ASKED,
        (Phase.RUNNING, Act.STOP): Phase.RUNNING,
        (Phase.ASKED, Sign.CAME): Phase.RUNNING,
        (Phase.ASKED, Sign.MISPRESS): Phase.WRONG,
        (Phase.ASKED, Sign.WITHDRAWN): Phase.RUNNING,
        (Phase.ASKED, Act.PRESSED): Phase.PRESSED,
        (Phase.ASKED, Act.SKIP): Phase.RUNNING,
        (Phase.ASKED, Act.CANNOT): Phase.RUNNING,
        (Phase.ASKED, Act.STOP): Phase.ASKED,
        (Phase.WRONG, Sign.CAME): Phase.RUNNING,
        (Phase.WRONG, Sign.MISPRESS): Phase.WRONG,
        (Phase.WRONG, Sign.WITHDRAWN): Phase.RUNNING,
        (Phase.WRONG, Act.AGAIN): Phase.ASKED,
        (Phase.WRONG, Act.THIS_IS_IT): Phase.RUNNING,
        (Phase.WRONG, Act.NOT_ME): Phase.ASKED,
        (Phase.WRONG, Act.SKIP): Phase.RUNNING,
        (Phase.WRONG, Act.CANNOT): Phase.RUNNING,
        (Phase.WRONG, Act.STOP): Phase.WRONG,
        (Phase.PRESSED, Sign.CAME): Phase.RUNNING,
        (Phase.PRESSED, Sign.MISPRESS): Phase.WRONG,
        (Phase.PRESSED, Sign.WITHDRAWN): Phase.RUNNING,
        (Phase.PRESSED, Act.SKIP): Phase.RUNNING,
        (Phase.PRESSED, Act.CANNOT): Phase.RUNNING,
        (Phase.PRESSED, Act.STOP): Phase.PRESSED,
        **{(phase, Sign.OVER): Phase.ENDED for phase in Phase},
    }
)

# The keys of both faces, with the words beside them.
KEYS: Final[Mapping[Act, tuple[str, str]]] = MappingProxyType(
    {
        Act.READY: ("r", "Ready: all of it is there"),
        Act.AGAIN: ("a", "Again: I pressed the wrong one"),
        Act.THIS_IS_IT: ("t", "This is what our system sends"),
        Act.NOT_ME: ("n", "Not me: it was sent without my doing"),
        Act.PRESSED: ("p", "Pressed it, but nothing comes"),
        Act.SKIP: ("s", "Skip: not now"),
        Act.CANNOT: ("c", "Cannot: our system has no such thing"),
        Act.STOP: ("q", "Stop here, go on another time"),
    }
)
NEEDS_REASON: Final = frozenset({Act.SKIP, Act.CANNOT})


def follow(phase: Phase, event: Event) -> Phase | None:
    """Return where an event leads; None where it has no meaning."""
    return TABLE.get((phase, event))


def choices(phase: Phase) -> tuple[Act, ...]:
    """Return what a person can say, in the order of the keys."""
    return tuple(act for act in KEYS if (phase, act) in TABLE)
