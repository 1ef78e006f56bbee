"""The limits that result from all profiles of a charge point, second by second.

Spec: OCPP 1.6 ed. 2 §3.13, §5.7 with errata 3.1-3.86. Pure: profiles and times in, periods out.

At each instant the highest stack level that is active speaks for its purpose; a TxProfile speaks
before the defaults; the smaller of that and the charge point's maximum holds. What the standard
leaves open is answered as `docs/reference/composite-schedule.md` lists it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from math import ceil
from typing import Final

from simulator.charging_profiles import DEFAULT_PHASES, Kind, Period, Profile, Purpose, Unit

VOLTAGE_V: Final = Decimal(230)  # nominal, phase to neutral (errata 3.68)
_SECOND: Final = timedelta(seconds=1)
_TENTH: Final = Decimal("0.1")
_HORIZON_S: Final = 8 * 86_400  # longer than any recurrence


@dataclass(frozen=True, slots=True)
class Limit:
    """What may be drawn at an instant."""

    value: Decimal
    phases: int


@dataclass(frozen=True, slots=True)
class Situation:
    """What a composite schedule depends on besides time.

    Attributes:
        started_at: when the transaction of each connector that has one began.
    """

    profiles: tuple[Profile, ...]
    started_at: Mapping[int, datetime]


def composite(
    situation: Situation,
    *,
    connector_id: int,
    now: datetime,
    duration_s: int,
    unit: Unit,
    hardware: Limit | None,
) -> tuple[Period, ...]:
    """Return the periods from `now` on, in `unit`, neighbours that are equal as one.

    Args:
        hardware: what holds where nothing limits, and is never exceeded; None: such a period has
            the limit infinity.
    """
    periods: list[Period] = []
    for offset_s in _instants(situation, now, duration_s):
        at = now + offset_s * _SECOND
        limit = limit_at(situation, connector_id=connector_id, at=at, unit=unit)
        limit = _smaller([one for one in (limit, hardware) if one is not None])
        value, phases = (
            (Decimal("Infinity"), DEFAULT_PHASES) if limit is None else (limit.value, limit.phases)
        )
        if not periods or (periods[-1].limit, periods[-1].phases) != (value, phases):
            periods.append(Period(offset_s, value, phases))
    return tuple(periods)


def limit_at(situation: Situation, *, connector_id: int, at: datetime, unit: Unit) -> Limit | None:
    """Return what holds at one instant, one decimal, never rounded up; None: nothing limits."""
    contributions = [
        _speaker(_maxima(situation), situation, at, connector_id, unit),
        _transaction_limit(situation, connector_id, at, unit) if connector_id > 0 else None,
    ]
    limit = _smaller([one for one in contributions if one is not None])
    if limit is None:
        return None
    return Limit(limit.value.quantize(_TENTH, ROUND_DOWN), limit.phases)


def _smaller(limits: list[Limit]) -> Limit | None:
    """Return the tightest limit, on the fewest phases of all that contribute."""
    if not limits:
        return None
    return Limit(min(one.value for one in limits), min(one.phases for one in limits))


def _maxima(situation: Situation) -> list[Profile]:
    return [one for one in situation.profiles if one.purpose is Purpose.CHARGE_POINT_MAX]


def _transaction_limit(
    situation: Situation, connector_id: int, at: datetime, unit: Unit
) -> Limit | None:
    own = [
        one
        for one in situation.profiles
        if one.purpose is Purpose.TX and one.connector_id == connector_id
    ]
    spoken = _speaker(own, situation, at, connector_id, unit)
    if spoken is not None:
        return spoken
    defaults = [
        one
        for one in situation.profiles
        if one.purpose is Purpose.TX_DEFAULT and one.connector_id in (0, connector_id)
    ]
    return _speaker(defaults, situation, at, connector_id, unit)


def _speaker(
    profiles: Iterable[Profile],
    situation: Situation,
    at: datetime,
    connector_id: int,
    unit: Unit,
) -> Limit | None:
    """Return the limit of the highest active level; a connector's own goes before connector 0."""
    begin = situation.started_at.get(connector_id)
    for profile in sorted(
        profiles, key=lambda one: (one.stack_level, one.connector_id), reverse=True
    ):
        period = _active_period(profile, at, begin)
        if period is not None:
            return Limit(_convert(period, profile.unit, unit), period.phases)
    return None


def _active_period(profile: Profile, at: datetime, begin: datetime | None) -> Period | None:
    if profile.valid_from is not None and at < profile.valid_from:
        return None
    if profile.valid_to is not None and at >= profile.valid_to:
        return None
    origin = _origin(profile, begin)
    if origin is None or at < origin:
        return None
    elapsed = at - origin
    if profile.kind is Kind.RECURRING and profile.recurrency is not None:
        elapsed %= profile.recurrency.length_s * _SECOND
    if profile.duration_s is not None and elapsed >= profile.duration_s * _SECOND:
        return None
    begun = [one for one in profile.periods if one.start_s * _SECOND <= elapsed]
    return begun[-1] if begun else None


def _origin(profile: Profile, begin: datetime | None) -> datetime | None:
    """Return when a schedule counts from: its own start, or the transaction's (§7.9, §7.13)."""
    if profile.kind is Kind.RELATIVE or profile.start_at is None:
        return begin
    return profile.start_at


def _convert(period: Period, have: Unit, want: Unit) -> Decimal:
    if have is want:
        return period.limit
    phase_voltage = VOLTAGE_V * period.phases
    return period.limit * phase_voltage if have is Unit.A else period.limit / phase_voltage


# --- when something may change -------------------------------------------------------------------


def next_change_s(situation: Situation, now: datetime) -> int | None:
    """Return in how many seconds a limit may change next; None: not within eight days."""
    instants = _instants(situation, now, _HORIZON_S)
    return instants[1] if len(instants) > 1 else None


def _instants(situation: Situation, now: datetime, duration_s: int) -> list[int]:
    """Return the seconds after `now` at which a limit may change, 0 first."""
    found = {0}
    until = now + duration_s * _SECOND
    for profile in situation.profiles:
        for at in _edges(profile, situation, now, until):
            offset_s = ceil((at - now) / _SECOND)
            if 0 < offset_s < duration_s:
                found.add(offset_s)
    return sorted(found)


def _edges(
    profile: Profile, situation: Situation, now: datetime, until: datetime
) -> Iterable[datetime]:
    yield from (at for at in (profile.valid_from, profile.valid_to) if at is not None)
    offsets = [period.start_s for period in profile.periods]
    if profile.duration_s is not None:
        offsets.append(profile.duration_s)
    for origin in {_origin(profile, begin) for begin in (None, *situation.started_at.values())}:
        if origin is None:
            continue
        if profile.kind is not Kind.RECURRING or profile.recurrency is None:
            yield from (origin + offset_s * _SECOND for offset_s in offsets)
            continue
        length = profile.recurrency.length_s * _SECOND
        begin = origin + max(0, (now - origin) // length) * length
        while begin < until:
            # What lies beyond the round is never executed (errata 3.44).
            yield from (begin + one * _SECOND for one in offsets if one * _SECOND < length)
            begin += length
