"""Our forecast of composite schedules: by hand, and against a second by second reading."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.domain.charging_profiles import Period, Profile, Purpose, RateUnit
from csms.domain.composite_schedule import (
    CompositePeriod,
    Stack,
    composite_schedule,
    merged,
    winners_at,
)
from tests.csms.domain.stacks import STACKS, periods_of, stack_of

NOW = datetime(2026, 3, 28, 23, 59, 30, tzinfo=UTC)


@pytest.mark.parametrize("described", STACKS, ids=lambda one: one["name"])
def test_stack_computed_by_hand(described: dict[str, Any]) -> None:
    """What a person computed from the rules."""
    assert composite_schedule(stack_of(described)) == periods_of(described)


def _times(least_s: int, most_s: int) -> st.SearchStrategy[datetime]:
    return st.integers(least_s, most_s).map(lambda one: NOW + timedelta(seconds=one))


@st.composite
def _profiles(draw: Callable[..., Any]) -> Profile:
    purpose = draw(st.sampled_from(Purpose))
    starts = sorted({0, *draw(st.lists(st.integers(1, 60), max_size=3))})
    recurrence_s = draw(st.sampled_from([None, None, 86_400, 604_800]))
    far_s = 0 if recurrence_s is None else -recurrence_s * draw(st.integers(0, 2))
    begin = draw(st.none() | _times(far_s - 60, far_s + 60))
    return Profile(
        connector_id=0 if purpose is Purpose.CHARGE_POINT_MAX else draw(st.integers(0, 2)),
        profile_id=draw(st.integers(1, 9)),
        stack_level=draw(st.integers(0, 3)),
        purpose=purpose,
        unit=draw(st.sampled_from(RateUnit)),
        periods=tuple(
            Period(
                start,
                Decimal(draw(st.integers(0, 40))) / 2,
                draw(st.sampled_from([None, 1, 2, 3])),
            )
            for start in starts
        ),
        start_at=begin,
        recurrence_s=recurrence_s,
        duration_s=draw(st.none() | st.integers(0, 90)),
        valid_from=draw(st.none() | _times(-30, 60)),
        valid_to=draw(st.none() | _times(0, 90)),
        transaction_id=draw(st.sampled_from([None, 7, 8])) if purpose is Purpose.TX else None,
    )


def _is_alone(profiles: list[Profile]) -> bool:
    """A charge point has one profile for each purpose, level and connector (and transaction)."""
    places = [(one.purpose, one.stack_level, one.connector_id) for one in profiles]
    return len(set(places)) == len(places)


@st.composite
def _stacks(draw: Callable[..., Any]) -> Stack:
    begun = draw(st.none() | _times(-60, 0))
    return Stack(
        profiles=tuple(draw(st.lists(_profiles(), max_size=5).filter(_is_alone))),
        connector_id=draw(st.integers(0, 2)),
        at=NOW,
        duration_s=draw(st.integers(0, 90)),
        unit=draw(st.sampled_from(RateUnit)),
        transaction_id=None if begun is None else 7,
        transaction_start_at=begun,
        maximum_a=draw(st.none() | st.just(Decimal(32))),
    )


def _by_hand(stack: Stack, second: int) -> tuple[Decimal | None, int]:
    """Read the rules of the reference once more, for one second, as plainly as can be."""
    at = stack.at + timedelta(seconds=second)
    allowed: list[Decimal] = []
    phases = [stack.phases]
    decided: dict[str, tuple[int, int, Decimal, int]] = {}
    for one in stack.profiles:
        if one.purpose is Purpose.TX and (
            stack.transaction_id is None
            or one.connector_id != stack.connector_id
            or one.transaction_id not in (None, stack.transaction_id)
        ):
            continue
        if one.purpose is Purpose.TX_DEFAULT and (
            stack.connector_id == 0 or one.connector_id not in (0, stack.connector_id)
        ):
            continue
        if (one.valid_from and at < one.valid_from) or (one.valid_to and at >= one.valid_to):
            continue
        begin = one.start_at or stack.transaction_start_at
        if begin is None or at < begin:
            continue
        since_s = int((at - begin).total_seconds())
        while one.recurrence_s and since_s >= one.recurrence_s:
            since_s -= one.recurrence_s
        if one.duration_s is not None and since_s >= one.duration_s:
            continue
        period = [each for each in one.periods if each.start_s <= since_s][-1]
        count = period.phases or stack.phases
        limit_w = period.limit * 230 * count
        limit = period.limit
        if one.unit is RateUnit.A and stack.unit is RateUnit.W:
            limit = limit_w
        elif one.unit is RateUnit.W and stack.unit is RateUnit.A:
            limit = period.limit / (230 * count)
        place = (one.stack_level, one.connector_id, limit, count)
        if one.purpose not in decided or decided[one.purpose][:2] < place[:2]:
            decided[one.purpose] = place
    if Purpose.TX in decided:
        decided.pop(Purpose.TX_DEFAULT, None)
    for _, _, limit, count in decided.values():
        allowed.append(limit)
        phases.append(count)
    if stack.maximum_a is not None:
        allowed.append(stack.maximum_a * (690 if stack.unit is RateUnit.W else 1))
    if not allowed:
        return None, min(phases)
    return Decimal(int(min(allowed) * 10)) / 10, min(phases)


@pytest.mark.slow
@given(_stacks())
def test_schedule_is_what_holds_second_by_second(stack: Stack) -> None:
    """Whatever the stack: at every second, the period in force is what the rules give."""
    periods = composite_schedule(stack)

    for second in range(max(1, stack.duration_s)):
        current = [one for one in periods if one.start_s <= second][-1]
        assert (current.limit, current.phases) == _by_hand(stack, second)


@pytest.mark.slow
@given(_stacks())
def test_periods_are_in_order(stack: Stack) -> None:
    """The first starts at 0, the others ascend within the duration, and each changes something."""
    periods = composite_schedule(stack)
    starts = [one.start_s for one in periods]

    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert all(start < stack.duration_s for start in starts[1:])
    assert merged(periods) == periods


@pytest.mark.slow
@given(_stacks())
def test_never_above_an_active_limit(stack: Stack) -> None:
    """No period allows more than any of the profiles that decide it, in their own unit."""
    for one in composite_schedule(stack):
        for profile, period in winners_at(stack, one.start_s):
            assert one.limit is not None
            if profile.unit is stack.unit:
                assert one.limit <= period.limit
            else:
                phases = 230 * (period.phases or 3)
                factor = Decimal(phases) if stack.unit is RateUnit.W else 1 / Decimal(phases)
                assert one.limit <= period.limit * factor


@pytest.mark.slow
@given(_stacks())
def test_order_of_profiles_does_not_matter(stack: Stack) -> None:
    """A stack is a set."""
    backwards = replace(stack, profiles=stack.profiles[::-1])
    assert composite_schedule(backwards) == composite_schedule(stack)


def test_change_within_a_second_counts_from_the_next() -> None:
    """startPeriod is whole; the limit of a second is the one at its begin."""
    profile = Profile(
        connector_id=1,
        profile_id=1,
        stack_level=0,
        purpose=Purpose.TX_DEFAULT,
        unit=RateUnit.A,
        periods=(Period(0, Decimal(10)), Period(10, Decimal(20))),
        start_at=NOW - timedelta(milliseconds=300),
    )
    stack = Stack(profiles=(profile,), connector_id=1, at=NOW, duration_s=60, unit=RateUnit.A)

    assert composite_schedule(stack) == (
        CompositePeriod(0, Decimal(10), 3),
        CompositePeriod(10, Decimal(20), 3),
    )


def test_month_of_daily_profiles_is_quick() -> None:
    """Only what changes is looked at: 31 days of 24 periods are 744 instants."""
    profile = Profile(
        connector_id=1,
        profile_id=1,
        stack_level=0,
        purpose=Purpose.TX_DEFAULT,
        unit=RateUnit.A,
        periods=tuple(Period(hour * 3600, Decimal(hour)) for hour in range(24)),
        start_at=NOW - timedelta(days=3650),
        recurrence_s=86_400,
    )
    stack = Stack(
        profiles=(profile,), connector_id=1, at=NOW, duration_s=31 * 86_400, unit=RateUnit.A
    )

    assert len(composite_schedule(stack)) == 31 * 24
