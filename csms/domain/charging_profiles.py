"""Charging profiles: what they say, when they may be sent, which replace or clear which.

Spec: OCPP 1.6 ed. 2 §3.13, §5.16, §6.13, §7.8-7.14; errata v4.0 (CS-SC).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from csms.domain.times import parse_time

MAX_PHASES: Final = 3
MAX_RATE: Final = 10**9  # W or A; more is no limit of anything
DAY_S: Final = 86_400
WEEK_S: Final = 604_800


class Purpose(StrEnum):
    """What a profile limits (§7.10)."""

    CHARGE_POINT_MAX = "ChargePointMaxProfile"
    TX_DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"


class Kind(StrEnum):
    """What the periods count from (§7.9)."""

    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"


class RateUnit(StrEnum):
    """A is per phase, W is the sum of all phases (§7.12, errata v4.0 3.68)."""

    A = "A"
    W = "W"


class ProfileState(StrEnum):
    """What is known of a profile at the charge point.

    Offered: accepted with a RemoteStartTransaction whose transaction has not begun.
    Unknown: it was sent, or may have been replaced or cleared, and no answer told.
    """

    INSTALLED = "Installed"
    OFFERED = "Offered"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Period:
    """From `start_s` on, `limit` holds, in the unit of the schedule.

    Attributes:
        phases: None where the profile does not say; §7.13 reads that as 3.
    """

    start_s: int
    limit: Decimal
    phases: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A charging profile on a connector, as the forecast needs it.

    Attributes:
        recurrence_s: seconds after which it begins again; None unless it is Recurring.
        start_at: what the periods count from; None: from the begin of the transaction.
        periods: the first starts at 0, ascending.
    """

    connector_id: int
    profile_id: int
    stack_level: int
    purpose: Purpose
    unit: RateUnit
    periods: tuple[Period, ...]
    start_at: datetime | None = None
    recurrence_s: int | None = None
    duration_s: int | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    transaction_id: int | None = None


@dataclass(frozen=True, slots=True)
class HeldProfile:
    """A profile that a charge point has, or may have.

    Attributes:
        connector_id: None where the charge point chooses it, and has not yet.
        transaction_id: of a TxProfile; None as long as it is Offered.
        payload: the ChargingProfile as it was sent.
    """

    record_id: int
    identity: str
    connector_id: int | None
    transaction_id: int | None
    state: ProfileState
    payload: dict[str, Any]
    requested_at: datetime
    answered_at: datetime | None

    @property
    def charging_profile_id(self) -> int:
        """The id, unique in the charge point."""
        return int(self.payload["chargingProfileId"])

    @property
    def purpose(self) -> Purpose:
        """What it limits."""
        return Purpose(self.payload["chargingProfilePurpose"])

    @property
    def stack_level(self) -> int:
        """Higher levels win."""
        return int(self.payload["stackLevel"])

    @property
    def profile(self) -> Profile | None:
        """What it says; None where its connector is open."""
        if self.connector_id is None:
            return None
        read = self.payload
        if self.transaction_id is not None:
            read = read | {"transactionId": self.transaction_id}
        return read_profile(self.connector_id, read)


def read_profile(connector_id: int, payload: Mapping[str, Any]) -> Profile:
    """Read a ChargingProfile that fits the schema and has no `problems`."""
    schedule = payload["chargingSchedule"]
    kind = Kind(payload["chargingProfileKind"])
    recurrence_s = None
    if kind is Kind.RECURRING:
        recurrence_s = WEEK_S if payload.get("recurrencyKind") == "Weekly" else DAY_S
    return Profile(
        connector_id=connector_id,
        profile_id=payload["chargingProfileId"],
        stack_level=payload["stackLevel"],
        purpose=Purpose(payload["chargingProfilePurpose"]),
        unit=RateUnit(schedule["chargingRateUnit"]),
        periods=tuple(
            Period(one["startPeriod"], Decimal(str(one["limit"])), one.get("numberPhases"))
            for one in schedule["chargingSchedulePeriod"]
        ),
        # A Relative profile has a begin of the charge point's choice, whatever is written here.
        start_at=None if kind is Kind.RELATIVE else _time(schedule, "startSchedule"),
        recurrence_s=recurrence_s,
        duration_s=schedule.get("duration"),
        valid_from=_time(payload, "validFrom"),
        valid_to=_time(payload, "validTo"),
        transaction_id=payload.get("transactionId"),
    )


def problems(connector_id: int | None, payload: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find what the standard forbids in a ChargingProfile that fits the schema.

    Args:
        connector_id: where it is to be set; None where the charge point chooses.
        payload: the ChargingProfile.

    Yields:
        The field within the profile (empty for the whole), and what is wrong with it.
    """
    purpose = Purpose(payload["chargingProfilePurpose"])
    if purpose is Purpose.CHARGE_POINT_MAX and connector_id != 0:  # CS-SC-01
        yield "chargingProfilePurpose", "ChargePointMaxProfile is for connector 0 only"
    if purpose is Purpose.TX and connector_id == 0:
        yield "chargingProfilePurpose", "TxProfile is for a connector above 0 only"
    if purpose is not Purpose.TX and "transactionId" in payload:  # CS-SC-02
        yield "transactionId", "is for TxProfile only"
    if payload["stackLevel"] < 0:  # CS-SC-04
        yield "stackLevel", "must be at least 0"
    is_recurring = payload["chargingProfileKind"] == Kind.RECURRING
    if is_recurring != ("recurrencyKind" in payload):  # CS-SC-03
        yield "recurrencyKind", "is for Recurring profiles, and required there"
    for name in ("validFrom", "validTo"):
        if name in payload and _time(payload, name) is None:
            yield name, "is no time"
    schedule = payload["chargingSchedule"]
    if "startSchedule" in schedule and _time(schedule, "startSchedule") is None:
        yield "chargingSchedule.startSchedule", "is no time"
    if schedule.get("duration", 0) < 0:
        yield "chargingSchedule.duration", "must be at least 0"
    yield from _rate_problems(
        "chargingSchedule.minChargingRate", schedule.get("minChargingRate", 0)
    )
    yield from _period_problems(schedule["chargingSchedulePeriod"])


def _period_problems(periods: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    field = "chargingSchedule.chargingSchedulePeriod"
    if not periods:
        yield field, "must have a period"
        return
    before = -1
    for index, period in enumerate(periods):
        start_s = period["startPeriod"]
        if index == 0 and start_s != 0:  # CS-SC-05
            yield f"{field}[0].startPeriod", "must be 0"
        elif start_s <= before:
            yield f"{field}[{index}].startPeriod", "must be later than the one before"
        before = start_s
        yield from _rate_problems(f"{field}[{index}].limit", period["limit"])
        if not 1 <= period.get("numberPhases", MAX_PHASES) <= MAX_PHASES:
            yield f"{field}[{index}].numberPhases", f"must be from 1 to {MAX_PHASES}"


def _rate_problems(field: str, rate: int | float) -> Iterator[tuple[str, str]]:
    if abs(rate) > MAX_RATE:
        yield field, f"must be at most {MAX_RATE}"
    elif Decimal(str(rate)) % Decimal("0.1"):  # §7.13, §7.14
        yield field, "has more than one decimal"


def limit_problems(
    payload: Mapping[str, Any], capabilities: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Find what is beyond the limits the charge point declared (CS-SC-04).

    Args:
        payload: the ChargingProfile.
        capabilities: configuration keys as the charge point told them; others are not checked.

    Yields:
        The field within the profile, and what is wrong with it.
    """
    highest = _whole(capabilities.get("ChargeProfileMaxStackLevel"))
    if highest is not None and payload["stackLevel"] > highest:
        yield "stackLevel", f"the charge point's ChargeProfileMaxStackLevel is {highest}"
    schedule = payload["chargingSchedule"]
    most = _whole(capabilities.get("ChargingScheduleMaxPeriods"))
    if most is not None and len(schedule["chargingSchedulePeriod"]) > most:
        yield (
            "chargingSchedule.chargingSchedulePeriod",
            f"the charge point's ChargingScheduleMaxPeriods is {most}",
        )
    words = capabilities.get("ChargingScheduleAllowedChargingRateUnit", "")
    # Errata v4.0 3.86; some charge points tell the units themselves.
    meanings = {"current": "A", "a": "A", "power": "W", "w": "W"}
    allowed = {meanings.get(word.strip().casefold()) for word in words.split(",")} - {None}
    if allowed and schedule["chargingRateUnit"] not in allowed:
        yield "chargingSchedule.chargingRateUnit", f"the charge point takes {words} only"


def is_full(
    held: Iterable[HeldProfile], replaced: Iterable[HeldProfile], capabilities: Mapping[str, str]
) -> bool:
    """Tell whether the charge point surely has as many profiles as it declared it can have."""
    most = _whole(capabilities.get("MaxChargingProfilesInstalled"))
    gone = {one.record_id for one in replaced}
    staying = [
        one for one in held if one.state is ProfileState.INSTALLED and one.record_id not in gone
    ]
    return most is not None and len(staying) >= most


def replaces(connector_id: int | None, payload: Mapping[str, Any], held: HeldProfile) -> bool:
    """Tell whether a profile takes the place of another (CS-SC-06).

    The same id does so on any connector; the same purpose and level on the same connector only,
    because a default of connector 0 and one of connector 1 live side by side (§3.13.2).
    """
    if payload["chargingProfileId"] == held.charging_profile_id:
        return True
    return (
        connector_id == held.connector_id
        and payload["chargingProfilePurpose"] == held.purpose
        and payload["stackLevel"] == held.stack_level
    )


def clears(criteria: Mapping[str, Any], held: HeldProfile) -> tuple[bool, bool]:
    """Tell whether a ClearChargingProfile surely clears a profile, and whether it may.

    With an id and other criteria, errata v4.0 3.26 looks at the id alone and 3.25 at all of them:
    sure is what both clear, possible what either does.
    """
    has = {
        "id": held.charging_profile_id,
        "connectorId": held.connector_id,
        "chargingProfilePurpose": held.purpose.value,
        "stackLevel": held.stack_level,
    }
    matches_all = all(has.get(name) == value for name, value in criteria.items())
    matches_id = "id" in criteria and criteria["id"] == has["id"]
    # Of a profile whose transaction has not begun nobody knows whether it is there already.
    is_there = held.state is not ProfileState.OFFERED
    return matches_all and is_there, matches_all or matches_id


def _time(payload: Mapping[str, Any], name: str) -> datetime | None:
    parsed = parse_time(payload.get(name))
    return None if parsed is None else parsed.at


def _whole(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() else None
