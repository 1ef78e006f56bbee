"""What the charge point remembers of one charging transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from simulator.meter import MeterValue

NO_ID: Final = -1  # used when the start was never delivered or never answered (errata 3.18)


class Reason(StrEnum):
    """Why a transaction stopped, OCPP 1.6 ed. 2 §7.36."""

    DE_AUTHORIZED = "DeAuthorized"
    EMERGENCY_STOP = "EmergencyStop"
    EV_DISCONNECTED = "EVDisconnected"
    HARD_RESET = "HardReset"
    LOCAL = "Local"
    OTHER = "Other"
    POWER_LOSS = "PowerLoss"
    REBOOT = "Reboot"
    REMOTE = "Remote"
    SOFT_RESET = "SoftReset"
    UNLOCK_COMMAND = "UnlockCommand"


@dataclass(slots=True, eq=False, kw_only=True)
class Transaction:
    """A transaction from its start until its StopTransaction is queued.

    Attributes:
        started_s: monotonic time of the start; sampling counts from it.
        transaction_id: what the CSMS gave; None until it answered, -1 when it never will.
        parent_id_tag: group of the one who started it, as far as known.
        begin, middle, end: values for the transactionData of StopTransaction.
    """

    connector_id: int
    id_tag: str
    parent_id_tag: str | None
    meter_start_wh: int
    started_s: float
    transaction_id: int | None = None
    begin: list[MeterValue] = field(default_factory=list)
    middle: list[MeterValue] = field(default_factory=list)
    end: list[MeterValue] = field(default_factory=list)

    @property
    def id_on_the_wire(self) -> int:
        """The transactionId to send now."""
        return NO_ID if self.transaction_id is None else self.transaction_id

    def data(self, max_values: int) -> list[MeterValue]:
        """Return begin, middle and end, the middle thinned out evenly (errata 3.89)."""
        room = max(0, max_values - len(self.begin) - len(self.end))
        middle = self.middle
        if len(middle) > room:
            middle = [middle[len(middle) * index // room] for index in range(room)]
        return [*self.begin, *middle, *self.end]
