"""Connector statuses. Spec: OCPP 1.6 ed. 2 §4.9, §6.47 (CS-STAT).

Order of arrival decides, but for reports that are provably older than what is known: queued
errors of the past must not hide the present.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from csms.domain.numbers import INT32_MAX, whole_number
from csms.domain.times import parse_time
from csms.domain.transactions import OCPP_1_6_PUBLISHED_AT

CLOCK_TOLERANCE: Final = timedelta(minutes=1)

MAIN_CONTROLLER: Final = 0  # connector id of the charge point itself

MAIN_CONTROLLER_STATUSES: Final = frozenset({"Available", "Unavailable", "Faulted"})
STATUSES: Final = MAIN_CONTROLLER_STATUSES | {
    "Preparing",
    "Charging",
    "SuspendedEV",
    "SuspendedEVSE",
    "Finishing",
    "Reserved",
}
EV_COMMUNICATION_STATUSES: Final = frozenset(
    {"Preparing", "SuspendedEV", "SuspendedEVSE", "Finishing"}
)


@dataclass(frozen=True, slots=True)
class StatusReport:
    """A StatusNotification as far as it can be understood.

    Attributes:
        connector_id: None where it is no integer from 0 within 32 bit.
        timestamp: as written; None where nothing was.
        reported_at: the readable timestamp, else the time of receipt.
        ordered_at: the moment it is compared by: never later than receipt, and receipt itself
            where the timestamp is missing, without zone, or from a clock that was never set.
    """

    connector_id: int | None
    status: str
    error_code: str
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    timestamp: str | None
    reported_at: datetime
    ordered_at: datetime
    received_at: datetime
    flags: tuple[str, ...]


def read_status(
    payload: dict[str, Any], *, received_at: datetime, quirks: Iterable[str] = ()
) -> StatusReport:
    """Read a StatusNotification.req."""
    connector_id = whole_number(payload.get("connectorId"), maximum=INT32_MAX)
    if connector_id is not None and connector_id < 0:
        connector_id = None
    status = str(payload.get("status", ""))
    error_code = str(payload.get("errorCode", "NoError"))
    timestamp = payload.get("timestamp")
    parsed = parse_time(timestamp)
    flags = []
    reported_at = ordered_at = received_at
    if parsed is not None:
        reported_at = parsed.at
        if parsed.is_naive:
            flags.append("time_naive")
        elif parsed.at >= OCPP_1_6_PUBLISHED_AT:
            ordered_at = min(parsed.at, received_at)
        else:
            flags.append("time_implausible")
    elif timestamp is not None:
        flags.append("time_unreadable")
    flags += _oddities(connector_id, status, error_code)
    return StatusReport(
        connector_id=connector_id,
        status=status,
        error_code=error_code,
        info=_text(payload.get("info")),
        vendor_id=_text(payload.get("vendorId")),
        vendor_error_code=_text(payload.get("vendorErrorCode")),
        timestamp=_text(timestamp),
        reported_at=reported_at,
        ordered_at=ordered_at,
        received_at=received_at,
        flags=(*flags, *quirks),
    )


def is_newer(
    report: StatusReport,
    *,
    known_ordered_at: datetime,
    known_received_at: datetime,
    is_known_stale: bool,
) -> bool:
    """Say whether a report becomes the connector's state (CS-STAT-02).

    After a boot everything known is stale (CS-BOOT-09), so anything replaces it. Where the known
    one is ordered by receipt, our clock is compared with the charge point's: only a difference
    that no slow clock or late message explains proves the report older.
    """
    if known_ordered_at == known_received_at:
        known_ordered_at -= CLOCK_TOLERANCE
    return is_known_stale or report.ordered_at >= known_ordered_at


def _oddities(connector_id: int | None, status: str, error_code: str) -> list[str]:
    """Name what §4.9 does not foresee; nothing of it is refused (CS-STAT-03, 04)."""
    flags = []
    if status not in STATUSES:
        flags.append("status_unknown")
    elif connector_id == MAIN_CONTROLLER and status not in MAIN_CONTROLLER_STATUSES:
        flags.append("status_not_for_connector_0")
    if error_code == "EVCommunicationError" and status not in EV_COMMUNICATION_STATUSES:
        flags.append("error_not_for_status")
    return flags


def _text(value: object) -> str | None:
    return None if value is None else str(value)
