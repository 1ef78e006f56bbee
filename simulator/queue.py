"""Messages about transactions: delivered in order, kept offline, tried again, at last dropped.

Spec: OCPP 1.6 ed. 2 §3.7, errata 3.18. StartTransaction, StopTransaction and MeterValues pass here;
other messages may overtake them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simulator.clock import Moment


@dataclass(slots=True, eq=False, kw_only=True)
class Message:
    """One message to deliver.

    Attributes:
        payload: makes its content at the moment it leaves (the transactionId may come late).
        on_result: what to do with the answer's payload.
        on_dropped: what to do when it is given up.
        sends: how often it was sent and not answered properly.
    """

    action: str
    payload: Callable[[], Mapping[str, object]]
    on_result: Callable[[Mapping[str, object], Moment], None] | None = None
    on_dropped: Callable[[], None] | None = None
    sends: int = 0


def retry_delay_s(interval_s: int, sends: int) -> int:
    """Return how long to wait before a message that failed `sends` times is sent again.

    Spec: OCPP 1.6 ed. 2 §3.7.1; `interval_s` is TransactionMessageRetryInterval.
    """
    return interval_s * sends


class TransactionQueue:
    """The messages in their order; only the first is ever under way."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._is_under_way = False
        self._due_s = 0.0

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def is_stuck(self) -> bool:
        """Whether the first message failed and waits to be tried again."""
        return bool(self._messages) and self._messages[0].sends > 0 and not self._is_under_way

    @property
    def due_s(self) -> float | None:
        """When the first message may be sent; None while it is under way or nothing waits."""
        return None if not self._messages or self._is_under_way else self._due_s

    def put(self, message: Message) -> None:
        """Add a message at the end."""
        self._messages.append(message)

    def next(self, now: Moment) -> Message | None:
        """Return the message to send now, which then is under way, or None."""
        if not self._messages or self._is_under_way or now.s < self._due_s:
            return None
        self._is_under_way = True
        return self._messages[0]

    def delivered(self) -> Message:
        """Take the message under way out: it was answered with a result."""
        self._is_under_way = False
        self._due_s = 0.0
        return self._messages.popleft()

    def failed(self, now: Moment, *, attempts: int, interval_s: int) -> Message | None:
        """Note a CALLERROR or a timeout; return the message if it is dropped for good."""
        message = self._messages[0]
        message.sends += 1
        if message.sends >= attempts:
            return self.delivered()
        self._is_under_way = False
        self._due_s = now.s + retry_delay_s(interval_s, message.sends)
        return None

    def interrupted(self) -> None:
        """Note that the connection went: no failure, the message goes with the next connection."""
        if self._is_under_way:
            self._is_under_way = False
            self._due_s = 0.0
