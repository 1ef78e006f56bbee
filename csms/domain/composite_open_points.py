"""What the standard leaves open about composite schedules, as predicates over the inputs.

Where one holds, a charge point may rightly compute another schedule than we do. Each has a worked
example in `docs/reference/composite-schedule.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from csms.domain.charging_profiles import Profile, Purpose
from csms.domain.composite_schedule import (
    Stack,
    begins_us,
    changes_s,
    concerns,
    exact_limit_at,
    limit_at,
    period_at,
    winner,
    winners_at,
)

_SECOND: Final = timedelta(seconds=1)


def hides_other_levels(stack: Stack) -> bool:
    """The connector's own default may hide the defaults of connector 0 on every level.

    We let it replace the one on its own level only.
    """
    return any(
        (best := winner(stack, Purpose.TX_DEFAULT, second)) is not None
        and best[0].connector_id == 0
        and any(
            one.connector_id > 0 and period_at(one, stack, second) is not None
            for one in _defaults(stack)
        )
        for second in _instants(stack)
    )


def own_default_pauses(stack: Stack) -> bool:
    """A connector's own default that is not active may still hide connector 0's on its level."""
    own_levels = {one.stack_level for one in _defaults(stack) if one.connector_id > 0}
    return any(
        one.connector_id == 0 and one.stack_level in own_levels and decides(stack, one)
        for one in _defaults(stack)
    )


def recurs_before_start(stack: Stack) -> bool:
    """A Recurring schedule may be extended to the time before its startSchedule.

    We begin with its startSchedule.
    """
    return any(
        one.recurrence_s is not None
        and concerns(stack, one)
        and (begin_us := begins_us(one, stack)) is not None
        and begin_us > 0
        for one in stack.profiles
    )


def tx_profile_pauses(stack: Stack) -> bool:
    """A TxProfile without an active period may mean no limit; we fall back to TxDefaultProfile."""
    has_tx = any(one.purpose is Purpose.TX and concerns(stack, one) for one in stack.profiles)
    return has_tx and any(
        winner(stack, Purpose.TX, second) is None
        and winner(stack, Purpose.TX_DEFAULT, second) is not None
        for second in _instants(stack)
    )


def relative_without_start(stack: Stack) -> bool:
    """A schedule may count from now where no transaction gives it a begin.

    We hold it inactive.
    """
    return any(concerns(stack, one) and begins_us(one, stack) is None for one in stack.profiles)


def default_without_transaction(stack: Stack) -> bool:
    """A default may count for nothing where no transaction runs; we show what would hold."""
    return stack.transaction_id is None and any(decides(stack, one) for one in _defaults(stack))


def valid_to_included(stack: Stack) -> bool:
    """A profile may count for the instant of its validTo; we end it there."""
    for one in stack.profiles:
        end_s = None if one.valid_to is None else (one.valid_to - stack.at) / _SECOND
        if end_s is None or not end_s.is_integer() or not 0 <= end_s < stack.duration_s:
            continue
        longer = replace(one, valid_to=None)
        others = tuple(longer if each is one else each for each in stack.profiles)
        second = int(end_s)
        if limit_at(replace(stack, profiles=others), second) != limit_at(stack, second):
            return True
    return False


def phases_differ(stack: Stack) -> bool:
    """Two limits on different numbers of phases have no prescribed minimum.

    We take the smaller number in the unit asked for, and the smaller number of phases.
    """
    return any(
        len({period.phases or stack.phases for _, period in winners_at(stack, second)}) > 1
        for second in _instants(stack)
    )


def conversion_rounds(stack: Stack) -> bool:
    """A converted limit with more than one decimal may be rounded; we cut it."""
    return any(
        exact_limit_at(stack, second) != limit_at(stack, second).limit
        for second in _instants(stack)
    )


def whole_charge_point(stack: Stack) -> bool:
    """The charge point's draw may be the sum over its connectors; we show its maximum alone."""
    return stack.connector_id == 0 and any(
        one.purpose is not Purpose.CHARGE_POINT_MAX for one in stack.profiles
    )


def shared_budget(stack: Stack) -> bool:
    """Other connectors may take a part of the ChargePointMaxProfile; we show all of it."""
    return stack.connector_id > 0 and any(
        profile.purpose is Purpose.CHARGE_POINT_MAX
        for second in _instants(stack)
        for profile, _ in winners_at(stack, second)
    )


def nothing_limits(stack: Stack) -> bool:
    """Where nothing limits, any number may stand; we show none, or the hardware's maximum."""
    return any(not winners_at(stack, second) for second in _instants(stack))


OPEN_POINTS: Final[Mapping[str, Callable[[Stack], bool]]] = {
    one.__name__: one
    for one in (
        hides_other_levels,
        own_default_pauses,
        recurs_before_start,
        tx_profile_pauses,
        relative_without_start,
        default_without_transaction,
        valid_to_included,
        phases_differ,
        conversion_rounds,
        whole_charge_point,
        shared_budget,
        nothing_limits,
    )
}


def open_points(stack: Stack) -> tuple[str, ...]:
    """Return the names of all open points that bear on a stack."""
    return tuple(name for name, holds in OPEN_POINTS.items() if holds(stack))


def decides(stack: Stack, profile: Profile) -> bool:
    """Tell whether a profile is among the winners at any time."""
    return any(
        profile is one for second in _instants(stack) for one, _ in winners_at(stack, second)
    )


def _defaults(stack: Stack) -> list[Profile]:
    return [
        one for one in stack.profiles if one.purpose is Purpose.TX_DEFAULT and concerns(stack, one)
    ]


def _instants(stack: Stack) -> Iterator[int]:
    yield from sorted({0, *(second for one in stack.profiles for second in changes_s(one, stack))})
