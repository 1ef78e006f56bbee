"""Brings the queue of transaction messages to the CSMS. Spec: OCPP 1.6 ed. 2 §3.7."""

from __future__ import annotations

from functools import partial

from simulator.clock import Moment
from simulator.frames import CallResult
from simulator.queue import Message, TransactionQueue
from simulator.session import Outcome, Reply
from simulator.wire import Wire


class Delivery:
    """Sends the first message of the queue whenever the line and the retry rules allow."""

    def __init__(self, wire: Wire, queue: TransactionQueue) -> None:
        self._wire = wire
        self._queue = queue

    def put(self, message: Message, now: Moment) -> None:
        """Queue a message, and send it if its turn has come."""
        self._queue.put(message)
        self.pump(now)

    def pump(self, now: Moment) -> None:
        """Send what may be sent now, or set a timer for when it may."""
        if not self._wire.is_online:
            self._wire.timers.cancel("queue")
            return
        message = self._queue.next(now)
        if message is not None:
            self._wire.timers.cancel("queue")
            self._wire.call(message.action, message.payload, partial(self._ended, message))
        elif self._queue.due_s is not None:
            self._wire.timers.set("queue", self._queue.due_s, self.pump)

    def _ended(self, message: Message, reply: Reply, now: Moment) -> None:
        match reply.outcome:
            case Outcome.RESULT if isinstance(reply.answer, CallResult):
                self._queue.delivered()
                if message.on_result is not None:
                    message.on_result(reply.answer.payload, now)
            case Outcome.DISCONNECTED:
                self._queue.interrupted()
            case _:
                keys = self._wire.keys
                dropped = self._queue.failed(
                    now,
                    attempts=keys.integer("TransactionMessageAttempts"),
                    interval_s=keys.integer("TransactionMessageRetryInterval"),
                )
                if dropped is not None:
                    self._wire.notice(f"{message.action} given up after {message.sends} attempts")
                    if dropped.on_dropped is not None:
                        dropped.on_dropped()
        self.pump(now)
