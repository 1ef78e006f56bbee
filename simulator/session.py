"""One side of OCPP-J request and answer: a single open CALL, the others waiting their turn.

Pure: time comes in, what to send goes out. Spec: OCPP-J 1.6 §4.1.1. The rule holds for what the
charge point asks; answers to the CSMS's own CALLs are never held back here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from simulator.clock import Moment
from simulator.frames import CallError, CallResult

Response: TypeAlias = CallResult | CallError


class Outcome(Enum):
    """How a CALL of ours ended."""

    RESULT = auto()
    ERROR = auto()
    TIMED_OUT = auto()
    DISCONNECTED = auto()  # before or after it was sent; see `Reply.was_sent`


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A CALL of ours, waiting or open.

    Attributes:
        payload: its content, or a function that makes it when its turn comes.
        on_reply: called once, when it ended one way or another.
    """

    action: str
    payload: Mapping[str, object] | Callable[[], Mapping[str, object]]
    message_id: str
    timeout_s: float
    on_reply: Callable[[Reply, Moment], None]


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a CALL."""

    request: Request
    outcome: Outcome
    answer: Response | None = None
    was_sent: bool = True


class Session:
    """The CALLs of one charge point on one connection after the other."""

    def __init__(self) -> None:
        self._waiting: deque[Request] = deque()
        self._open: Request | None = None
        self._deadline_s = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be sent or answered."""
        return self._open is None and not self._waiting

    @property
    def deadline_s(self) -> float | None:
        """When the open CALL is given up."""
        return None if self._open is None else self._deadline_s

    def submit(self, request: Request, *, first: bool = False) -> None:
        """Put a CALL in line, at the end or before all others that wait."""
        if first:
            self._waiting.appendleft(request)
        else:
            self._waiting.append(request)

    def withdraw(self, request: Request) -> bool:
        """Take a CALL that still waits out of the line; say whether it was there."""
        try:
            self._waiting.remove(request)
        except ValueError:
            return False
        return True

    def next(self, now: Moment) -> Request | None:
        """Return the CALL to send now and take it as open, or None."""
        if self._open is not None or not self._waiting:
            return None
        self._open = self._waiting.popleft()
        self._deadline_s = now.s + self._open.timeout_s
        return self._open

    def receive(self, answer: Response) -> Reply | None:
        """Match an answer to the open CALL; None where it belongs to none (late, or invented)."""
        request = self._open
        if request is None or answer.message_id != request.message_id:
            return None
        self._open = None
        outcome = Outcome.RESULT if isinstance(answer, CallResult) else Outcome.ERROR
        return Reply(request, outcome, answer)

    def expire(self, now: Moment) -> Reply | None:
        """Give the open CALL up when its time is over."""
        if self._open is None or now.s < self._deadline_s:
            return None
        request, self._open = self._open, None
        return Reply(request, Outcome.TIMED_OUT)

    def connection_lost(self) -> list[Reply]:
        """End everything that was open or waiting."""
        replies = [Reply(request, Outcome.DISCONNECTED, None, False) for request in self._waiting]
        self._waiting.clear()
        if self._open is not None:
            replies.insert(0, Reply(self._open, Outcome.DISCONNECTED))
            self._open = None
        return replies
