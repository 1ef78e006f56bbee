"""The limit that results from all charging profiles of a charge point: our own forecast.

Spec: OCPP 1.6 ed. 2 §3.13, §5.7 and errata v4.0. What they leave open is named in
`composite_open_points`; `docs/reference/composite-schedule.md` has the rules in words. Times are
UTC throughout: a day has 86400 s. Everything is half-open: what ends at an instant is over then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import Final

from csms.domain.charging_profiles import MAX_PHASES, Period, Profile, Purpose, RateUnit

NOMINAL_VOLTAGE_V: Final = Decimal(230)

_US: Final = 1_000_000
_MICROSECOND: Final = timedelta(microseconds=1)
_TENTH: Final = Decimal("0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """All that a composite schedule depends on.

    Attributes:
        profiles: what is installed anywhere in the charge point.
        connector_id: 0 for the charge point as a whole.
        transaction_id: what runs on the connector; None if nothing does.
        transaction_start_at: when that began.
        at: the schedule's begin.
        phases: what a period without numberPhases has, and the connector itself.
        maximum_a: the hardware's limit per phase; None if it is not known.
    """

    profiles: tuple[Profile, ...]
    connector_id: int
    at: datetime
    duration_s: int
    unit: RateUnit
    transaction_id: int | None = None
    transaction_start_at: datetime | None = None
    voltage_v: Decimal = NOMINAL_VOLTAGE_V
    phases: int = MAX_PHASES
    maximum_a: Decimal | None = None


@dataclass(frozen=True, slots=True)
class CompositePeriod:
    """From `start_s` on, at most `limit` on `phases` phases; None where nothing limits."""

    start_s: int
    limit: Decimal | None
    phases: int


def composite_schedule(stack: Stack) -> tuple[CompositePeriod, ...]:
    """Return the periods of the composite schedule; the first starts at 0, no neighbours equal."""
    starts = sorted({0, *(start for one in stack.profiles for start in changes_s(one, stack))})
    return merged(limit_at(stack, start_s) for start_s in starts)


def limit_at(stack: Stack, second: int) -> CompositePeriod:
    """Return what holds `second` seconds after the schedule's begin."""
    phases = [period.phases or stack.phases for _, period in winners_at(stack, second)]
    limit = exact_limit_at(stack, second)
    if limit is not None:  # downwards: the schedule never allows more than a profile does
        limit = limit.quantize(_TENTH, rounding=ROUND_FLOOR)
    return CompositePeriod(second, limit, min(phases, default=stack.phases))


def exact_limit_at(stack: Stack, second: int) -> Decimal | None:
    """Return the limit before it is cut to one decimal."""
    limits = [
        _in_unit(period.limit, profile.unit, period.phases or stack.phases, stack)
        for profile, period in winners_at(stack, second)
    ]
    if stack.maximum_a is not None:
        limits.append(_in_unit(stack.maximum_a, RateUnit.A, stack.phases, stack))
    return min(limits, default=None)


def winners_at(stack: Stack, second: int) -> list[tuple[Profile, Period]]:
    """Return the profiles that limit at an instant, each with its period: two at most."""
    maximum = winner(stack, Purpose.CHARGE_POINT_MAX, second)
    transaction = winner(stack, Purpose.TX, second) or winner(stack, Purpose.TX_DEFAULT, second)
    return [one for one in (maximum, transaction) if one is not None]


def winner(stack: Stack, purpose: Purpose, second: int) -> tuple[Profile, Period] | None:
    """Return the highest profile of a purpose that is active at an instant, with its period.

    A level whose schedule is over yields to the next lower one. A connector's own default stands
    before that of connector 0 on the same level.
    """
    active = [
        (profile, period)
        for profile in stack.profiles
        if profile.purpose is purpose
        and concerns(stack, profile)
        and (period := period_at(profile, stack, second)) is not None
    ]
    return max(active, key=lambda one: (one[0].stack_level, one[0].connector_id), default=None)


def concerns(stack: Stack, profile: Profile) -> bool:
    """Tell whether a profile says anything of the connector asked for.

    A default on connector 0 is one of each transaction, not of their sum.
    """
    match profile.purpose:
        case Purpose.CHARGE_POINT_MAX:
            return profile.connector_id == 0
        case Purpose.TX_DEFAULT:
            return stack.connector_id > 0 and profile.connector_id in (0, stack.connector_id)
        case Purpose.TX:
            return (
                stack.transaction_id is not None
                and profile.connector_id == stack.connector_id
                and profile.transaction_id in (None, stack.transaction_id)
            )


def period_at(profile: Profile, stack: Stack, second: int) -> Period | None:
    """Return the period of a profile that is active at an instant."""
    now_us = second * _US
    if profile.valid_from is not None and now_us < _us(profile.valid_from, stack):
        return None
    if profile.valid_to is not None and now_us >= _us(profile.valid_to, stack):
        return None
    begin_us = begins_us(profile, stack)
    if begin_us is None or now_us < begin_us:
        return None
    offset_s = (now_us - begin_us) // _US
    if profile.recurrence_s is not None:
        offset_s %= profile.recurrence_s
    if profile.duration_s is not None and offset_s >= profile.duration_s:
        return None
    return next((one for one in reversed(profile.periods) if one.start_s <= offset_s), None)


def changes_s(profile: Profile, stack: Stack) -> Iterator[int]:
    """Yield the whole seconds after the schedule's begin at which a profile may change."""
    for bound_at in (profile.valid_from, profile.valid_to):
        if bound_at is not None:
            yield from _within(_us(bound_at, stack), stack)
    begin_us = begins_us(profile, stack)
    if begin_us is None:
        return
    offsets_s = {one.start_s for one in profile.periods}
    if profile.duration_s is not None:
        offsets_s.add(profile.duration_s)
    if profile.recurrence_s is None:
        rounds_s = [0]
    else:
        offsets_s = {one for one in offsets_s if one < profile.recurrence_s}
        first = max(0, -begin_us // (profile.recurrence_s * _US))
        end_s = stack.duration_s - begin_us // _US
        rounds_s = list(range(first * profile.recurrence_s, end_s + 1, profile.recurrence_s))
    for round_s in rounds_s:
        for offset_s in offsets_s:
            yield from _within(begin_us + (round_s + offset_s) * _US, stack)


def begins_us(profile: Profile, stack: Stack) -> int | None:
    """Return what a profile's periods count from, in microseconds after the schedule's begin."""
    start_at = profile.start_at
    if start_at is None:
        start_at = stack.transaction_start_at
    return None if start_at is None else _us(start_at, stack)


def merged(periods: Iterable[CompositePeriod]) -> tuple[CompositePeriod, ...]:
    """Return the periods without those that change nothing."""
    all_periods = list(periods)
    return tuple(all_periods[:1]) + tuple(
        after
        for before, after in pairwise(all_periods)
        if (before.limit, before.phases) != (after.limit, after.phases)
    )


def _within(instant_us: int, stack: Stack) -> Iterator[int]:
    """Yield the first whole second at or after an instant, if the schedule reaches it."""
    second = -(-instant_us // _US)
    if 0 < second < stack.duration_s:
        yield second


def _in_unit(limit: Decimal, unit: RateUnit, phases: int, stack: Stack) -> Decimal:
    if unit is stack.unit:
        return limit
    power_w_of_1_a = stack.voltage_v * phases
    return limit / power_w_of_1_a if unit is RateUnit.W else limit * power_w_of_1_a


def _us(at: datetime, stack: Stack) -> int:
    return (at - stack.at) // _MICROSECOND
