"""Connector status: computed from its inputs, and held against the table of legal moves.

Spec: OCPP 1.6 ed. 2 §4.9. Nothing assigns a status; it follows from what is plugged, permitted,
faulted and so on. Only Finishing needs the past. Cell names (A2 … I8) are those of §4.9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from simulator.clock import Moment
from simulator.errors import LocalProtocolError
from simulator.meter import Meter
from simulator.transactions import Transaction

NO_ERROR: Final = "NoError"
LOCAL_LIST_CONFLICT: Final = "LocalListConflict"


class Status(StrEnum):
    """ChargePointStatus, §7.7."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


# ChargePointErrorCode, §7.6.
ERROR_CODES: Final = (
    "ConnectorLockFailure",
    "EVCommunicationError",
    "GroundFailure",
    "HighTemperature",
    "InternalError",
    "LocalListConflict",
    "NoError",
    "OtherError",
    "OverCurrentFailure",
    "PowerMeterFailure",
    "PowerSwitchFailure",
    "ReaderFailure",
    "ResetFailure",
    "UnderVoltage",
    "OverVoltage",
    "WeakSignal",
)

# Only a warning, and only while one of these states lasts (§7.6).
EV_COMMUNICATION_ERROR: Final = "EVCommunicationError"
EV_COMMUNICATION_ERROR_STATUSES: Final = frozenset(
    {Status.PREPARING, Status.SUSPENDED_EV, Status.SUSPENDED_EVSE, Status.FINISHING}
)

_ROWS: Final = {
    Status.AVAILABLE: "A2 A3 A4 A5 A7 A8 A9",
    Status.PREPARING: "B1 B3 B4 B5 B6 B9",
    Status.CHARGING: "C1 C4 C5 C6 C8 C9",
    Status.SUSPENDED_EV: "D1 D3 D5 D6 D8 D9",
    Status.SUSPENDED_EVSE: "E1 E3 E4 E6 E8 E9",
    Status.FINISHING: "F1 F2 F8 F9",
    Status.RESERVED: "G1 G2 G8 G9",
    Status.UNAVAILABLE: "H1 H2 H3 H4 H5 H9",
    Status.FAULTED: "I1 I2 I3 I4 I5 I6 I7 I8",
}
_COLUMNS: Final = tuple(Status)  # the digit of a cell counts the columns from 1

# Every legal move of a connector > 0 and its cell; a pair that is absent is an error.
TRANSITIONS: Final[dict[tuple[Status, Status], str]] = {
    (before, _COLUMNS[int(cell[1]) - 1]): cell
    for before, cells in _ROWS.items()
    for cell in cells.split()
}

# Connector 0 stands for the whole charge point; any move between these is legal.
WHOLE_STATUSES: Final = frozenset({Status.AVAILABLE, Status.UNAVAILABLE, Status.FAULTED})


def check_move(before: Status, after: Status) -> str:
    """Return the cell of a legal move.

    Raises:
        LocalProtocolError: the table has no such move.
    """
    try:
        return TRANSITIONS[before, after]
    except KeyError:
        raise LocalProtocolError(f"no legal move: {before} -> {after} (§4.9)") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a connector's status follows from.

    Attributes:
        is_plugged: a cable is in the connector (or, with a fixed cable, in the EV).
        is_ev_connected: an EV is at the other end.
        is_ev_ready: it would take energy.
        is_permitted: somebody was authorised and the transaction has not begun.
        has_transaction: a transaction runs.
        is_withheld: the EVSE gives no energy, whatever the EV wants.
        is_paused: charging profiles allow nothing at this time.
        is_done: the user's session is over, but the cable is still in.
        is_available: not taken out of service by ChangeAvailability.
        is_updating: out of service while firmware is installed.
        is_reserved: kept for somebody who has not come yet.
        is_faulted: out of order.
    """

    is_plugged: bool = False
    is_ev_connected: bool = False
    is_ev_ready: bool = False
    is_permitted: bool = False
    has_transaction: bool = False
    is_withheld: bool = False
    is_paused: bool = False
    is_done: bool = False
    is_available: bool = True
    is_updating: bool = False
    is_reserved: bool = False
    is_faulted: bool = False


def status_of(inputs: Inputs) -> Status:
    """Return the status that follows from the inputs."""
    if inputs.is_faulted:
        return Status.FAULTED
    if inputs.has_transaction:
        if inputs.is_withheld or inputs.is_paused:  # outranks the EV's own pause
            return Status.SUSPENDED_EVSE
        if inputs.is_ev_connected and inputs.is_ev_ready:
            return Status.CHARGING
        return Status.SUSPENDED_EV
    if not inputs.is_available or inputs.is_updating:
        return Status.UNAVAILABLE
    if inputs.is_reserved and not inputs.is_permitted:
        return Status.RESERVED
    if inputs.is_done and inputs.is_plugged:
        return Status.FINISHING
    if inputs.is_plugged or inputs.is_permitted:
        return Status.PREPARING
    return Status.AVAILABLE


@dataclass(frozen=True, slots=True)
class Report:
    """What a StatusNotification says."""

    status: Status
    error_code: str = NO_ERROR
    info: str = ""


@dataclass(frozen=True, slots=True)
class Permission:
    """Somebody may charge here.

    Attributes:
        parent_id_tag: the group, where one is known.
    """

    id_tag: str
    parent_id_tag: str | None = None


@dataclass(slots=True, kw_only=True)
class Connector:
    """One connector, or as number 0 the charge point as a whole.

    Attributes:
        has_lock: it holds a detachable cable; without a lock there is nothing to unlock.
        report: what is so since `changed`, reported or not.
        asking: the idTag whose Authorize is under way.
        kept_for: the cable stays locked until this idTag or its group comes.
        inoperative_scheduled: out of service as soon as the user here is done.
        update_scheduled: the same for the time of a firmware installation.
        limit_w: what charging profiles allow now.
    """

    id: int
    meter: Meter
    has_lock: bool
    inputs: Inputs = Inputs()
    report: Report = Report(Status.AVAILABLE)
    changed: Moment | None = None
    error_code: str = NO_ERROR
    info: str = ""
    is_locked: bool = False
    lock_fails: bool = False
    unlock_fails: bool = False
    asking: str | None = None
    permission: Permission | None = None
    transaction: Transaction | None = None
    kept_for: Permission | None = None
    inoperative_scheduled: bool = False
    update_scheduled: bool = False
    limit_w: float = math.inf

    def change(self, **changes: bool) -> None:
        """Set inputs by name."""
        self.inputs = replace(self.inputs, **changes)

    def current_report(self) -> Report:
        """Return what follows from the inputs now.

        Raises:
            LocalProtocolError: the table has no move from the last report to this one.
        """
        status = status_of(self.inputs)
        error_code = self.error_code
        if error_code == EV_COMMUNICATION_ERROR and status not in EV_COMMUNICATION_ERROR_STATUSES:
            error_code = NO_ERROR
        if status is not self.report.status:
            if self.id > 0:
                check_move(self.report.status, status)
            elif status not in WHOLE_STATUSES:
                raise LocalProtocolError(f"connector 0 cannot be {status}")
        return Report(status, error_code, self.info)

    @property
    def flows(self) -> bool:
        """Whether energy flows."""
        return status_of(self.inputs) is Status.CHARGING
