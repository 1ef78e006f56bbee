"""Security events: those charge points report, and those we notice ourselves. Pure.

Spec: security whitepaper ed. 3, A04 (CS-SEC-07). A charge point's events are kept one by one as
they came. Ours can be caused at will by anybody who reaches a door: equal ones are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from csms.domain.times import parse_time

WINDOW: Final = timedelta(minutes=1)  # in which equal events of ours are one, with a count
MAX_OF_ADDRESS: Final = 50  # different events that one address can cause in a window
MAX_IN_ALL: Final = 500  # different events in a window
MAX_IDENTITY: Final = 255
MAX_DETAIL: Final = 1000
MAX_ADDRESS: Final = 100


class EventSource(StrEnum):
    """Who noticed it."""

    CHARGE_POINT = "chargePoint"
    CSMS = "csms"


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """A security event.

    Attributes:
        identity: None where no one charge point can be named.
        type: of the whitepaper's list, or any other text.
        detail: techInfo of a charge point's, what happened of ours.
        address: where it came from; of ours only.
        timestamp: as the charge point wrote it.
        occurred_at: by its clock, or ours where that is not a time.
        received_at: when it came, or was first noticed.
        last_at: when it was noticed last.
        times: how often it was noticed from `received_at` to `last_at`.
    """

    record_id: int
    identity: str | None
    source: EventSource
    type: str
    detail: str
    address: str | None
    timestamp: str | None
    occurred_at: datetime
    received_at: datetime
    last_at: datetime
    times: int
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reported:
    """A charge point's SecurityEventNotification."""

    type: str
    detail: str
    timestamp: str
    occurred_at: datetime


def read_event(payload: dict[str, Any], *, received_at: datetime) -> Reported:
    """Return what a SecurityEventNotification says; of any type, and with any timestamp."""
    timestamp = str(payload.get("timestamp", ""))
    parsed = parse_time(timestamp)
    return Reported(
        type=str(payload.get("type", "")),
        detail=str(payload.get("techInfo") or ""),
        timestamp=timestamp,
        occurred_at=parsed.at if parsed else received_at,
    )


@dataclass(frozen=True, slots=True)
class EventKey:
    """What makes two events of ours one."""

    identity: str | None
    type: str
    address: str | None


@dataclass(slots=True)
class Noticed:
    """Events of one key within a window, on their way into the database.

    Attributes:
        record_id: once it is there.
        written: the `times` that are in the database.
    """

    key: EventKey
    detail: str
    first_at: datetime
    last_at: datetime
    times: int = 1
    record_id: int | None = None
    written: int = 0


class Coalescing:
    """Counts equal events, and bounds how many different ones there are in a window.

    Beyond `MAX_OF_ADDRESS` identities, the further events of an address are one without an
    identity; beyond `MAX_IN_ALL`, those of a type are one without an address.
    """

    def __init__(self) -> None:
        self._open: dict[EventKey, Noticed] = {}  # in the order they began
        self._of_address: dict[str | None, int] = {}

    def note(self, key: EventKey, detail: str, *, at: datetime) -> None:
        """Count an event."""
        self._end(at)
        key = EventKey(
            None if key.identity is None else _shown(key.identity, MAX_IDENTITY),
            _shown(key.type, MAX_IDENTITY),
            None if key.address is None else _shown(key.address, MAX_ADDRESS),
        )
        if key not in self._open and self._of_address.get(key.address, 0) >= MAX_OF_ADDRESS:
            key, detail = EventKey(None, key.type, key.address), "of several identities"
        if key not in self._open and len(self._open) >= MAX_IN_ALL:
            key, detail = EventKey(None, key.type, None), "of several identities and addresses"
        noticed = self._open.get(key)
        if noticed is not None:
            noticed.times += 1
            noticed.last_at = at
            return
        self._open[key] = Noticed(key, _shown(detail, MAX_DETAIL), at, at)
        self._of_address[key.address] = self._of_address.get(key.address, 0) + 1

    def unwritten(self) -> list[Noticed]:
        """Return what is not in the database as it is."""
        return [one for one in self._open.values() if one.times != one.written]

    def _end(self, at: datetime) -> None:
        """Let go of what is older than a window; what is not written yet stays until it is."""
        while self._open:
            key, oldest = next(iter(self._open.items()))
            is_old = not timedelta(0) <= at - oldest.first_at < WINDOW
            if not is_old or oldest.times != oldest.written:
                return
            del self._open[key]
            self._of_address[key.address] -= 1
            if not self._of_address[key.address]:
                del self._of_address[key.address]


def _shown(text: str, limit: int) -> str:
    """Return a text that can be stored and shown, whoever chose it."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text[:limit])
