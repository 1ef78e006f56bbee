"""How a command to a charge point can end."""

from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Answered:
    """The charge point's own CALLRESULT payload, as it came; its status may be a refusal."""

    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """The charge point answered with a CALLERROR; its parts as they came, any code."""

    code: str
    description: str
    details: Any


@dataclass(frozen=True, slots=True)
class Malformed:
    """The charge point answered with something that is no payload."""

    reason: str


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No answer within the response timeout, counted from the moment the CALL was sent."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Offline:
    """The charge point is not connected; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection ended first. Whether the charge point acted is not known."""


@dataclass(frozen=True, slots=True)
class QueueFull:
    """Too many commands wait for this charge point already; nothing was sent."""


CommandOutcome: TypeAlias = (
    Answered | Refused | Malformed | TimedOut | Offline | Disconnected | QueueFull
)
