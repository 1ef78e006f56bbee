"""What the standard leaves open is named where it bears on a stack, and only there.

The examples are those of docs/reference/composite-schedule.md.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from csms.domain.charging_profiles import Period, Profile, Purpose, RateUnit
from csms.domain.composite_open_points import OPEN_POINTS, open_points
from csms.domain.composite_schedule import Stack, composite_schedule
from tests.csms.domain.stacks import STACKS, stack_of

NOW = datetime(2026, 5, 1, 10, tzinfo=UTC)
DEFAULT, MAXIMUM, TX = Purpose.TX_DEFAULT, Purpose.CHARGE_POINT_MAX, Purpose.TX


def one(
    purpose: Purpose, limit: str, *, connector_id: int = 1, level: int = 0, **fields: Any
) -> Profile:
    """A profile that holds from an hour ago on."""
    phases = fields.pop("phases", None)
    return Profile(
        connector_id=connector_id,
        profile_id=1,
        stack_level=level,
        purpose=purpose,
        unit=fields.pop("unit", RateUnit.A),
        periods=(Period(0, Decimal(limit), phases),),
        start_at=fields.pop("start_at", NOW - timedelta(hours=1)),
        **fields,
    )


def stack(*profiles: Profile, runs: bool = True, **fields: Any) -> Stack:
    """An hour of connector 1, on which a transaction runs since 09:30."""
    return Stack(
        profiles=profiles,
        connector_id=fields.pop("connector_id", 1),
        at=NOW,
        duration_s=3600,
        unit=fields.pop("unit", RateUnit.A),
        transaction_id=7 if runs else None,
        transaction_start_at=NOW - timedelta(minutes=30) if runs else None,
        **fields,
    )


CASES: list[tuple[str, Stack, list[tuple[int, str | None]]]] = [
    (
        "hides_other_levels",
        stack(one(DEFAULT, "10"), one(DEFAULT, "20", connector_id=0, level=1)),
        [(0, "20")],
    ),
    (
        "own_default_pauses",
        stack(one(DEFAULT, "10", duration_s=5400), one(DEFAULT, "20", connector_id=0)),
        [(0, "10"), (1800, "20")],
    ),
    (
        "recurs_before_start",
        stack(
            one(DEFAULT, "10", level=1, recurrence_s=86_400, start_at=NOW + timedelta(minutes=20)),
            one(DEFAULT, "20"),
        ),
        [(0, "20"), (1200, "10")],
    ),
    (
        "tx_profile_pauses",
        stack(one(TX, "16", duration_s=5400), one(DEFAULT, "10")),
        [(0, "16"), (1800, "10")],
    ),
    (
        "relative_without_start",
        stack(
            one(MAXIMUM, "30", connector_id=0),
            one(MAXIMUM, "25", connector_id=0, level=1, start_at=None),
            runs=False,
            connector_id=0,
        ),
        [(0, "30")],
    ),
    ("default_without_transaction", stack(one(DEFAULT, "10"), runs=False), [(0, "10")]),
    (
        "valid_to_included",
        stack(
            one(DEFAULT, "10", level=1, valid_to=NOW + timedelta(minutes=30)), one(DEFAULT, "20")
        ),
        [(0, "10"), (1800, "20")],
    ),
    (
        "phases_differ",
        stack(one(MAXIMUM, "10", connector_id=0, phases=1), one(TX, "8")),
        [(0, "8")],
    ),
    ("conversion_rounds", stack(one(TX, "7000", unit=RateUnit.W)), [(0, "10.1")]),
    (
        "whole_charge_point",
        stack(one(MAXIMUM, "32", connector_id=0), one(TX, "6"), runs=False, connector_id=0),
        [(0, "32")],
    ),
    (
        "shared_budget",
        stack(one(MAXIMUM, "32", connector_id=0), one(TX, "40")),
        [(0, "32")],
    ),
    ("nothing_limits", stack(one(TX, "16", duration_s=5400)), [(0, "16"), (1800, None)]),
]


@pytest.mark.parametrize(("name", "case", "expected"), CASES, ids=[name for name, *_ in CASES])
def test_example_of_the_documentation(
    name: str, case: Stack, expected: list[tuple[int, str | None]]
) -> None:
    """The point is named, and our answer is the documented one."""
    assert name in open_points(case)
    assert [
        (period.start_s, None if period.limit is None else str(period.limit.normalize()))
        for period in composite_schedule(case)
    ] == [
        (start, None if limit is None else str(Decimal(limit).normalize()))
        for start, limit in expected
    ]


def test_every_point_has_an_example() -> None:
    """None is named without one."""
    assert {name for name, *_ in CASES} == set(OPEN_POINTS)


@pytest.mark.parametrize(
    "clear",
    [
        stack(one(TX, "16")),
        stack(one(TX, "16"), one(DEFAULT, "10", level=3)),
        stack(one(TX, "16", level=1, duration_s=5400), one(TX, "10")),
        stack(one(DEFAULT, "10"), one(DEFAULT, "20", connector_id=0)),
        stack(one(DEFAULT, "10", level=1), one(DEFAULT, "20", connector_id=0)),
        stack(one(TX, "16", start_at=None)),
        stack(one(TX, "16", valid_to=NOW + timedelta(hours=1)), one(DEFAULT, "10")),
        stack(one(TX, "16"), one(DEFAULT, "10", valid_to=NOW + timedelta(minutes=30))),
        stack(one(TX, "16", phases=1)),
        stack(one(TX, "6900", unit=RateUnit.W)),
        stack(one(TX, "16"), unit=RateUnit.W),
        stack(one(TX, "16", recurrence_s=86_400)),
        stack(one(MAXIMUM, "30", connector_id=0), connector_id=0, runs=False),
        stack(one(TX, "16"), one(DEFAULT, "9", connector_id=2, start_at=None)),
    ],
)
def test_clear_stack_has_none(clear: Stack) -> None:
    """Where the standard says it all, nothing is called open."""
    assert open_points(clear) == ()


def test_hand_computed_stacks_name_what_they_rest_on() -> None:
    """Those whose subject is an open point say so."""
    named = {described["name"]: open_points(stack_of(described)) for described in STACKS}

    assert "relative_without_start" in named["Relative without a transaction"]
    assert "conversion_rounds" in named["amperes and watts, asked in A"]
    assert "conversion_rounds" not in named["amperes and watts, asked in W"]
    assert named["TxProfile over TxDefaultProfile"] == ()
    assert named["minimum with ChargePointMaxProfile"] == ("shared_budget",)


def test_own_default_over_connector_zero_needs_the_same_level() -> None:
    """A lower level of connector 0 never wins over a higher one of the connector."""
    own = one(DEFAULT, "10", level=1)
    same = replace(own, connector_id=0, periods=(Period(0, Decimal(20)),))

    assert composite_schedule(stack(own, same)) == composite_schedule(stack(own))
