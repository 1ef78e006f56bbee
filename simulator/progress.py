"""How a job of the charge point is told to the CSMS: every status, in order, also after a silence.

For FirmwareStatusNotification and DiagnosticsStatusNotification (OCPP 1.6 ed. 2 §4.4, §4.5),
SignedFirmwareStatusNotification and LogStatusNotification (security white paper ed. 3, L01, N01).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from simulator.clock import Moment
from simulator.payloads import job_status
from simulator.session import Outcome, Reply
from simulator.wire import Wire

IDLE: Final = "Idle"  # told only where the CSMS asks, §5.17
OWN_RETRIES: Final = 0  # where the CSMS leaves it to us
OWN_RETRY_INTERVAL_S: Final = 30


@dataclass(slots=True, eq=False)
class _Entry:
    payload: Mapping[str, object]
    is_submitted: bool = False


class StatusFeed:
    """The statuses of one kind of job, on their way to the CSMS."""

    def __init__(self, wire: Wire, action: str) -> None:
        self._wire = wire
        self._action = action
        self._entries: deque[_Entry] = deque()

    @property
    def is_delivered(self) -> bool:
        """Whether nothing waits to be told or answered."""
        return not self._entries

    def put(self, status: str, request_id: int | None = None) -> None:
        """Tell a status, now or once the CSMS can be reached."""
        self._entries.append(_Entry(job_status(status=status, request_id=request_id)))
        self.pump()

    def pump(self) -> None:
        """Tell what waits, if there is somebody to tell it to."""
        for entry in self._entries:
            if self._wire.is_online and not entry.is_submitted:
                entry.is_submitted = True
                self._wire.call(self._action, entry.payload, partial(self._ended, entry))

    def answer_trigger(self, status: str, request_id: int | None = None) -> None:
        """Tell the status the CSMS asked for; it is not told later if it cannot be told now."""
        payload = job_status(status=status, request_id=request_id)
        self._wire.call(self._action, payload, lambda reply, now: None)

    def _ended(self, entry: _Entry, reply: Reply, _: Moment) -> None:
        if reply.outcome is Outcome.DISCONNECTED:
            entry.is_submitted = False
        else:
            self._entries.remove(entry)


@dataclass(slots=True, kw_only=True)
class Attempts:
    """How often and how far apart something is tried.

    Attributes:
        retries: further attempts after the first (errata 3.50).
    """

    retries: int
    retry_interval_s: int
    made: int = field(default=0)

    @property
    def is_over(self) -> bool:
        """Whether no further attempt is allowed."""
        return self.made > self.retries
