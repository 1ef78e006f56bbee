"""Brings a queue of messages to the CSMS, one after the other.

Spec: OCPP 1.6 ed. 2 §3.7 for transactions, security white paper ed. 3 A04.FR.02 for events.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from simulator.clock import Moment
from simulator.frames import CallError, CallResult
from simulator.queue import Message, TransactionQueue
from simulator.session import Outcome, Reply
from simulator.wire import Wire

# Answers that will not change, however often a message is sent.
_HOPELESS: Final = ("NotImplemented", "NotSupported")


class Delivery:
    """Sends the first message of a queue whenever the line and the retry rules allow.

    Attributes:
        name: of the timer for the next attempt.
    """

    def __init__(
        self, wire: Wire, queue: TransactionQueue, *, name: str, is_guaranteed: bool = False
    ) -> None:
        """Begin with the queue as it is.

        Args:
            is_guaranteed: never give a message up, unless the CSMS does not know its action.
        """
        self.name = name
        self._wire = wire
        self._queue = queue
        self._is_guaranteed = is_guaranteed

    def put(self, message: Message, now: Moment) -> None:
        """Queue a message, and send it if its turn has come."""
        self._queue.put(message)
        self.pump(now)

    def pump(self, now: Moment) -> None:
        """Send what may be sent now, or set a timer for when it may."""
        if not self._wire.is_online:
            self._wire.timers.cancel(self.name)
            return
        message = self._queue.next(now)
        if message is not None:
            self._wire.timers.cancel(self.name)
            self._wire.call(message.action, message.payload, partial(self._ended, message))
        elif self._queue.due_s is not None:
            self._wire.timers.set(self.name, self._queue.due_s, self.pump)

    def _ended(self, message: Message, reply: Reply, now: Moment) -> None:
        match reply.outcome:
            case Outcome.RESULT if isinstance(reply.answer, CallResult):
                self._queue.delivered()
                if message.on_result is not None:
                    message.on_result(reply.answer.payload, now)
            case Outcome.DISCONNECTED:
                self._queue.interrupted()
            case _:
                self._failed(message, reply, now)
        self.pump(now)

    def _failed(self, message: Message, reply: Reply, now: Moment) -> None:
        keys = self._wire.keys
        attempts = keys.integer("TransactionMessageAttempts")
        interval_s = keys.integer("TransactionMessageRetryInterval")
        if self._is_guaranteed:
            error = reply.answer
            is_hopeless = isinstance(error, CallError) and error.code in _HOPELESS
            attempts = 0 if is_hopeless else message.sends + 2
            interval_s = max(interval_s, 1)  # for ever, but not without a pause
        dropped = self._queue.failed(now, attempts=attempts, interval_s=interval_s)
        if dropped is not None:
            self._wire.notice(f"{message.action} given up after {message.sends} attempts")
            if dropped.on_dropped is not None:
                dropped.on_dropped()
