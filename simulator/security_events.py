"""Security events: all of them in the security log, those that matter told to the CSMS.

Spec: OCPP 1.6 security white paper ed. 3, A04, §6.25 and the list of events. What is told is told
until the CSMS took it, and only once it accepted us.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Final

from simulator import payloads
from simulator.clock import Moment, format_time
from simulator.delivery import Delivery
from simulator.queue import Message, TransactionQueue
from simulator.wire import Wire

MAX_TYPE: Final = 50  # characters, §6.25
MAX_TECH_INFO: Final = 255
KEPT_EVENTS: Final = 1000

# Told whatever the security profile: who caused them knows the security extension.
ALWAYS_PUSHED: Final = frozenset(
    {
        "InvalidCentralSystemCertificate",
        "InvalidChargePointCertificate",
        "InvalidFirmwareSignature",  # L01.FR.03
        "InvalidFirmwareSigningCertificate",  # L01.FR.02
    }
)
# The critical ones; told from security profile 1 on, because a CSMS without security that meets
# them after every start knows only to answer NotImplemented.
CRITICAL: Final = frozenset(
    {
        "FirmwareUpdated",
        "MemoryExhaustion",
        "ResetOrReboot",
        "SecurityLogWasCleared",
        "SettingSystemTime",
        "StartupOfTheDevice",
        "TamperDetectionActivated",
    }
)


class SecurityEvents:
    """The security log of one charge point, and what of it is still to be told."""

    def __init__(
        self, wire: Wire, *, pushes: Collection[str] | None, speaks: Callable[[], bool]
    ) -> None:
        """Begin with an empty log.

        Args:
            pushes: the types that are told; None for the choice above.
            speaks: whether the charge point says anything by itself.
        """
        self._wire = wire
        self._pushes = pushes
        self._speaks = speaks
        self._log: deque[tuple[datetime, str, str]] = deque(maxlen=KEPT_EVENTS)
        self._queue = TransactionQueue()
        self._delivery = Delivery(wire, self._queue, name="security events", is_guaranteed=True)

    def __len__(self) -> int:
        return len(self._queue)

    def note(self, kind: str, now: Moment, tech_info: str = "", *, is_pushed: bool = False) -> None:
        """Log an event, and tell it if its type is one that is told.

        Args:
            is_pushed: tell it whatever its type is.
        """
        tech_info = tech_info[:MAX_TECH_INFO]
        at = self._wire.local_time(now)
        self._log.append((at, kind, tech_info))
        if self._speaks() and (is_pushed or self._is_pushed(kind)):
            payload = payloads.security_event_notification(
                kind=kind, timestamp=self._wire.stamp(now), tech_info=tech_info
            )
            self._delivery.put(
                Message(action="SecurityEventNotification", payload=lambda: payload), now
            )

    def pump(self, now: Moment) -> None:
        """Tell what waits, if there is somebody to tell it to."""
        self._delivery.pump(now)

    def lines(self, since: datetime, until: datetime) -> Iterator[str]:
        """Return the log of a time, line by line."""
        for at, kind, tech_info in self._log:
            if since <= at <= until:
                yield f"{format_time(at, milliseconds=True)} {kind} {tech_info}".rstrip()

    def _is_pushed(self, kind: str) -> bool:
        if self._pushes is not None:
            return kind in self._pushes
        is_secured = self._wire.keys.integer("SecurityProfile") > 0
        return kind in ALWAYS_PUSHED or (is_secured and kind in CRITICAL)
