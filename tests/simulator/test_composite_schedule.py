"""The composite schedule of a charge point: hand-computed stacks, and each instant on its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from simulator.charging_profiles import (
    Kind,
    Period,
    Profile,
    Purpose,
    Recurrency,
    Unit,
    read_profile,
)
from simulator.composite_schedule import Limit, Situation, composite, limit_at

STACKS: list[dict[str, Any]] = YAML(typ="safe").load(
    Path(__file__).parents[1] / "data" / "composite_stacks.yaml"
)
NOW = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)


def situation_of(stack: dict[str, Any]) -> Situation:
    """Return what a stack of the file describes."""
    transaction = stack["transaction"]
    started_at = (
        {transaction["connectorId"]: datetime.fromisoformat(transaction["start"])}
        if transaction
        else {}
    )
    profiles = tuple(
        read_profile(one["connectorId"], one["csChargingProfiles"]) for one in stack["profiles"]
    )
    return Situation(profiles, started_at)


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: str(stack["name"]))
def test_a_stack_computed_by_hand(stack: dict[str, Any]) -> None:
    """What was computed by hand before any program is what comes out."""
    periods = composite(
        situation_of(stack),
        connector_id=stack["connectorId"],
        now=datetime.fromisoformat(stack["now"]),
        duration_s=stack["duration"],
        unit=Unit(stack["unit"]),
        hardware=None,
    )

    found = [
        (one.start_s, None if one.limit.is_infinite() else float(one.limit), one.phases)
        for one in periods
    ]
    assert found == [
        (one["startPeriod"], one["limit"], one.get("numberPhases", 3)) for one in stack["periods"]
    ]


offsets = st.integers(-100_000, 100_000).map(lambda seconds: NOW + timedelta(seconds=seconds))


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Return any profile a charge point may hold."""
    purpose = draw(st.sampled_from(Purpose))
    kind = draw(st.sampled_from(Kind))
    starts = sorted({0, *draw(st.lists(st.integers(1, 90_000), max_size=4))})
    return Profile(
        id=draw(st.integers(1, 99)),
        connector_id=0 if purpose is Purpose.CHARGE_POINT_MAX else draw(st.integers(0, 1)),
        stack_level=draw(st.integers(0, 3)),
        purpose=purpose,
        kind=kind,
        unit=draw(st.sampled_from(Unit)),
        periods=tuple(
            Period(
                start_s,
                draw(st.decimals(0, 30_000, places=1)),
                draw(st.integers(1, 3)),
            )
            for start_s in starts
        ),
        recurrency=draw(st.sampled_from(Recurrency)) if kind is Kind.RECURRING else None,
        valid_from=draw(st.none() | offsets),
        valid_to=draw(st.none() | offsets),
        start_at=draw(st.none() | offsets),
        duration_s=draw(st.none() | st.integers(0, 100_000)),
    )


@given(
    stack=st.lists(profiles(), max_size=6),
    begin=st.none() | offsets,
    duration_s=st.integers(0, 200_000),
    unit=st.sampled_from(Unit),
    seconds=st.lists(st.integers(0, 200_000), max_size=20),
)
def test_a_schedule_says_what_holds_at_each_instant(
    stack: list[Profile],
    begin: datetime | None,
    duration_s: int,
    unit: Unit,
    seconds: list[int],
) -> None:
    """No change is missed: the period an instant lies in has the limit of that instant."""
    situation = Situation(tuple(stack), {} if begin is None else {1: begin})
    periods = composite(
        situation, connector_id=1, now=NOW, duration_s=duration_s, unit=unit, hardware=None
    )

    starts = [one.start_s for one in periods]
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    for before, after in pairwise(periods):
        assert (before.limit, before.phases) != (after.limit, after.phases)
    for second in seconds:
        if second >= max(duration_s, 1):
            continue
        at = NOW + timedelta(seconds=second)
        limit = limit_at(situation, connector_id=1, at=at, unit=unit)
        period = [one for one in periods if one.start_s <= second][-1]
        if limit is None:
            assert period.limit.is_infinite()
        else:
            assert Limit(period.limit, period.phases) == limit


@given(stack=st.lists(profiles(), max_size=6), unit=st.sampled_from(Unit))
def test_hardware_is_never_exceeded(stack: list[Profile], unit: Unit) -> None:
    """Where nothing limits the hardware does, and elsewhere it does too."""
    hardware = Limit(Decimal(32), 3)
    periods = composite(
        Situation(tuple(stack), {}),
        connector_id=1,
        now=NOW,
        duration_s=86_400,
        unit=unit,
        hardware=hardware,
    )

    assert all(one.limit <= hardware.value for one in periods)
