"""What all parts of a charge point share: the line to the CSMS, timers, keys, notices.

No decisions are made here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from simulator.clock import Moment, format_time
from simulator.keys import Configuration
from simulator.outputs import Notice, Output, Transmit
from simulator.session import Reply, Request, Session
from simulator.timers import Timers


class Wire:
    """The line of one charge point.

    Attributes:
        is_connected: the WebSocket is open.
        has_power: the charge point is switched on.
        is_registered: the CSMS accepted this start, so anything may be said.
        was_registered: it accepted us once; only then transactions may begin offline.
        clock_offset: what the charge point's own clock is ahead of true time.
    """

    def __init__(
        self, *, keys: Configuration, milliseconds: bool, new_message_id: Callable[[], str]
    ) -> None:
        self.keys = keys
        self.session = Session()
        self.timers = Timers()
        self.outputs: list[Output] = []
        self.is_connected = False
        self.has_power = False
        self.is_registered = False
        self.was_registered = False
        self.clock_offset = timedelta()
        self._milliseconds = milliseconds
        self._new_message_id = new_message_id

    @property
    def is_online(self) -> bool:
        """Whether the CSMS can be asked now."""
        return self.is_connected and self.is_registered

    def call(
        self,
        action: str,
        payload: Mapping[str, object] | Callable[[], Mapping[str, object]],
        then: Callable[[Reply, Moment], None],
    ) -> None:
        """Put a CALL in line; `then` is told how it ended."""
        timeout_s = float(self.keys.integer("MessageTimeout"))
        self.session.submit(Request(action, payload, self._new_message_id(), timeout_s, then))

    def transmit(self, text: str, request: Request | None = None) -> None:
        """Write a text; `request` is the CALL of ours it carries, if it carries one."""
        self.outputs.append(Transmit(text, request))

    def notice(self, text: str) -> None:
        """Tell whoever stands before the charge point."""
        self.outputs.append(Notice(text))

    def local_time(self, now: Moment) -> datetime:
        """Return what the charge point's own clock shows."""
        return now.at + self.clock_offset

    def stamp(self, now: Moment) -> str:
        """Return the time stamp of a moment, by the charge point's own clock."""
        return format_time(self.local_time(now), milliseconds=self._milliseconds)
