"""What a charge point wants its shell to do, and what a script may put in place of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from simulator.session import Request


@dataclass(frozen=True, slots=True)
class Transmit:
    """Write this text; `request` is the CALL of ours it carries, if it carries one."""

    text: str
    request: Request | None = None


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the connection: in order, or without a word (the power is gone)."""

    is_abrupt: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """What somebody standing before the charge point would notice."""

    text: str


@dataclass(frozen=True, slots=True)
class Ping:
    """Send a WebSocket ping, and give the connection up when no pong comes."""

    timeout_s: float


Output: TypeAlias = Transmit | Hangup | Notice | Ping


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedAnswer:
    """What to answer to one request instead of the model's own answer.

    Attributes:
        payload: content of the CALLRESULT; None leaves it to the model.
        error_code: answer with a CALLERROR of this code instead.
        is_silent: do not answer at all.
        delay_s: how late the answer leaves.
    """

    payload: Mapping[str, object] | None = None
    error_code: str = ""
    error_description: str = ""
    error_details: Mapping[str, object] = field(default_factory=dict)
    is_silent: bool = False
    delay_s: float = 0.0
