"""Charging profiles as a charge point keeps them: what it takes, what replaces what, what clears.

Spec: OCPP 1.6 ed. 2 §3.13, §5.5, §5.16, §7.7-7.14 with errata 3.8-3.86. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeVar

from simulator.errors import RemoteProtocolError

T = TypeVar("T")

DEFAULT_PHASES: Final = 3  # errata 3.68


class Purpose(StrEnum):
    """ChargingProfilePurposeType, §7.10."""

    CHARGE_POINT_MAX = "ChargePointMaxProfile"
    TX_DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"


class Kind(StrEnum):
    """ChargingProfileKindType, §7.9."""

    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"


class Recurrency(StrEnum):
    """RecurrencyKindType, §7.38; counted from startSchedule (errata 3.78)."""

    DAILY = "Daily"
    WEEKLY = "Weekly"

    @property
    def length_s(self) -> int:
        """How long one round is."""
        return 86_400 if self is Recurrency.DAILY else 604_800


class Unit(StrEnum):
    """ChargingRateUnitType, §7.12: W in all, or A per phase (errata 3.68)."""

    A = "A"
    W = "W"


@dataclass(frozen=True, slots=True)
class Period:
    """A limit that holds from `start_s` on, counted from the begin of its schedule."""

    start_s: int
    limit: Decimal
    phases: int = DEFAULT_PHASES


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A charging profile on one connector (0: the charge point)."""

    id: int
    connector_id: int
    stack_level: int
    purpose: Purpose
    kind: Kind
    unit: Unit
    periods: tuple[Period, ...]
    recurrency: Recurrency | None = None
    transaction_id: int | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    start_at: datetime | None = None
    duration_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a charge point can hold, as its configuration keys say."""

    max_stack_level: int
    max_periods: int
    max_profiles: int
    units: frozenset[Unit]


def read_profile(connector_id: int, content: Mapping[str, Any]) -> Profile:
    """Read a profile off the wire.

    Raises:
        RemoteProtocolError: a field is missing, or its value is none of its kind (errata 3.24).
    """
    try:
        schedule = content["chargingSchedule"]
        return Profile(
            id=content["chargingProfileId"],
            connector_id=connector_id,
            stack_level=content["stackLevel"],
            purpose=Purpose(content["chargingProfilePurpose"]),
            kind=Kind(content["chargingProfileKind"]),
            unit=Unit(schedule["chargingRateUnit"]),
            periods=tuple(
                Period(
                    one["startPeriod"],
                    Decimal(str(one["limit"])),
                    one.get("numberPhases", DEFAULT_PHASES),
                )
                for one in schedule["chargingSchedulePeriod"]
            ),
            recurrency=_optional(Recurrency, content.get("recurrencyKind")),
            transaction_id=content.get("transactionId"),
            valid_from=_optional(datetime.fromisoformat, content.get("validFrom")),
            valid_to=_optional(datetime.fromisoformat, content.get("validTo")),
            start_at=_optional(datetime.fromisoformat, schedule.get("startSchedule")),
            duration_s=schedule.get("duration"),
        )
    except KeyError as exc:
        raise RemoteProtocolError("ProtocolError", f"a charging profile lacks {exc}") from exc
    except (ValueError, ArithmeticError) as exc:
        raise RemoteProtocolError("PropertyConstraintViolation", str(exc)[:100]) from exc
    except (TypeError, AttributeError) as exc:
        raise RemoteProtocolError("TypeConstraintViolation", "no charging profile") from exc


def _optional(read: Callable[[str], T], text: str | None) -> T | None:
    return None if text is None else read(text)


def refusal(
    profile: Profile, limits: Limits, *, transaction_id: int | None, has_transaction: bool
) -> str:
    """Return why a profile is Rejected, "" when it is not (§5.16, §3.13).

    Args:
        transaction_id: of the transaction on the profile's connector, where it is known.
        has_transaction: a transaction runs there.
    """
    starts = [period.start_s for period in profile.periods]
    foreign = profile.transaction_id is not None and profile.transaction_id != transaction_id
    is_tx = profile.purpose is Purpose.TX
    checks = {
        "a TxProfile needs a connector and a transaction on it": is_tx
        and (profile.connector_id == 0 or not has_transaction),
        "another transaction runs there": is_tx and foreign,
        "only a TxProfile has a transactionId": not is_tx and profile.transaction_id is not None,
        "ChargePointMaxProfile is for connector 0": profile.purpose is Purpose.CHARGE_POINT_MAX
        and profile.connector_id != 0,
        "the stack level is too high": not 0 <= profile.stack_level <= limits.max_stack_level,
        "it has too many periods, or none": not 0 < len(starts) <= limits.max_periods,
        "periods do not begin with 0 and rise": starts != sorted(set(starts)) or starts[:1] != [0],
        "the unit is not allowed": profile.unit not in limits.units,
        "Recurring needs a recurrencyKind": profile.kind is Kind.RECURRING
        and profile.recurrency is None,
    }
    return next((reason for reason, holds in checks.items() if holds), "")


class ProfileStore:
    """The profiles a charge point holds; they outlive restarts (errata 3.37)."""

    def __init__(self) -> None:
        self._profiles: tuple[Profile, ...] = ()

    def __iter__(self) -> Iterator[Profile]:
        return iter(self._profiles)

    def __len__(self) -> int:
        return len(self._profiles)

    def with_profile(self, profile: Profile) -> tuple[Profile, ...]:
        """Return what would be held with a profile added.

        It replaces one of the same id anywhere, and one of the same purpose and level on the same
        connector (§3.13.2, §5.16.3-4).
        """
        place = (profile.connector_id, profile.purpose, profile.stack_level)
        others = [
            one
            for one in self._profiles
            if one.id != profile.id and (one.connector_id, one.purpose, one.stack_level) != place
        ]
        return (*others, profile)

    def install(self, profile: Profile) -> None:
        """Hold a profile from now on."""
        self._profiles = self.with_profile(profile)

    def clear(self, request: Mapping[str, Any]) -> bool:
        """Drop what a ClearChargingProfile names; say whether there was anything (§6.13).

        An id counts alone (errata 3.26); other fields must all agree; none names every profile.
        """
        kept = tuple(one for one in self._profiles if not _is_meant(one, request))
        is_changed = len(kept) < len(self._profiles)
        self._profiles = kept
        return is_changed

    def end_transaction(self, connector_id: int) -> None:
        """Drop the TxProfiles of a connector: they die with their transaction (§7.10)."""
        self._profiles = tuple(
            one
            for one in self._profiles
            if one.purpose is not Purpose.TX or one.connector_id != connector_id
        )


def _is_meant(profile: Profile, request: Mapping[str, Any]) -> bool:
    if "id" in request:
        return bool(profile.id == request["id"])
    fields = {
        "connector_id": profile.connector_id,
        "charging_profile_purpose": profile.purpose.value,
        "stack_level": profile.stack_level,
    }
    return all(request.get(name, value) == value for name, value in fields.items())
