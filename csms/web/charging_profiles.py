"""Charging profiles: what a charge point holds, and the limits we expect of it."""

import asyncio
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import Field

from csms.domain.charging_profiles import MAX_PHASES, HeldProfile, ProfileState, Purpose, RateUnit
from csms.domain.composite_open_points import open_points
from csms.domain.composite_schedule import (
    NOMINAL_VOLTAGE_V,
    CompositePeriod,
    Stack,
    composite_schedule,
)
from csms.storage import charging_profiles
from csms.web.models import Number, Page, QueryTime, Time, View
from csms.web.paging import DEFAULT_LIMIT, Cursor, Limit, cut, read_cursor
from csms.web.parameters import Identity
from csms.web.services import ServicesOf, known_charge_point

router = APIRouter(tags=["charging profiles"])

MAX_DURATION_S: Final = 31 * 86_400  # a month of many-period profiles takes under a second

ConnectorId = Annotated[
    int,
    Query(alias="connectorId", ge=0, lt=2**31, description="0: the charge point as a whole."),
]
Duration = Annotated[int, Query(ge=0, le=MAX_DURATION_S, description="Seconds.")]
Unit = Annotated[RateUnit, Query(description="A is per phase, W the sum of all phases.")]
At = Annotated[QueryTime, Query(description="Begin of the schedule; now if left out.")]
Voltage = Annotated[
    Decimal, Query(ge=1, le=1000, description="Nominal, between phase and neutral.")
]
Phases = Annotated[
    int, Query(ge=1, le=MAX_PHASES, description="Where a period has no numberPhases.")
]
Maximum = Annotated[
    Decimal | None,
    Query(gt=0, le=10_000, description="What the hardware can, A per phase; left out: unknown."),
]


class HeldProfileView(View):
    """A profile that a charge point has, or may have."""

    charging_profile_id: int
    connector_id: int | None = Field(description="Null: the charge point has not chosen it yet.")
    charging_profile_purpose: Purpose = Field(validation_alias="purpose")
    stack_level: int
    transaction_id: int | None = Field(description="That a TxProfile ends with.")
    state: ProfileState = Field(
        description="Installed: accepted. Offered: accepted with a remote start whose transaction"
        " has not begun. Unknown: an answer is outstanding, or never came."
    )
    requested_at: Time
    answered_at: Time | None
    charging_profile: dict[str, Any] = Field(
        validation_alias="payload", description="As it was sent."
    )


class CompositePeriodView(View):
    """From `startPeriod` on, in seconds."""

    start_period: int = Field(validation_alias="start_s")
    limit: Number | None = Field(description="Null: nothing limits.")
    number_phases: int = Field(validation_alias="phases")


class CompositeScheduleView(View):
    """The limits we expect of a connector, as far as its profiles tell."""

    connector_id: int
    transaction_id: int | None = Field(description="That runs on the connector.")
    schedule_start: Time
    duration: int
    charging_rate_unit: RateUnit
    charging_schedule_period: list[CompositePeriodView]
    is_certain: bool = Field(description="Whether all profiles of the connector are known.")
    open_points: list[str] = Field(
        description="Where the standard lets a charge point compute otherwise."
    )


@router.get("/charge-points/{identity}/charging-profiles", summary="List charging profiles")
async def list_charging_profiles(
    identity: Identity,
    services: ServicesOf,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[HeldProfileView]:
    """Return one page, oldest first; profiles of ended transactions are gone."""
    await known_charge_point(services, identity)
    held = await services.store.read(partial(charging_profiles.held, identity=identity))
    after = read_cursor(cursor, int) or 0
    rest = [one for one in held if one.record_id > after]
    page, following = cut(rest[: limit + 1], limit, lambda one: one.record_id)
    return Page(items=[HeldProfileView.model_validate(one) for one in page], next=following)


@router.get(
    "/charge-points/{identity}/composite-schedule",
    summary="Forecast a composite schedule",
)
async def forecast_composite_schedule(
    identity: Identity,
    services: ServicesOf,
    connector_id: ConnectorId,
    duration: Duration,
    unit: Unit = RateUnit.A,
    at: At = None,
    voltage: Voltage = NOMINAL_VOLTAGE_V,
    phases: Phases = MAX_PHASES,
    maximum: Maximum = None,
) -> CompositeScheduleView:
    """Compute it from what the charge point accepted; nothing is sent.

    Profiles of state Unknown or Offered are left out. What runs now is taken to go on.
    """
    await known_charge_point(services, identity)
    held = await services.store.read(partial(charging_profiles.held, identity=identity))
    running = await services.store.read(partial(charging_profiles.running, identity=identity))
    transaction = next((one for one in running if one.connector_id == connector_id), None)
    stack = Stack(
        profiles=tuple(
            profile
            for one in held
            if one.state is ProfileState.INSTALLED and (profile := one.profile) is not None
        ),
        connector_id=connector_id,
        at=(at or services.now()).replace(microsecond=0),
        duration_s=duration,
        unit=unit,
        transaction_id=transaction.transaction_id if transaction else None,
        transaction_start_at=transaction.started_at if transaction else None,
        voltage_v=voltage,
        phases=phases,
        maximum_a=maximum,
    )
    periods, found = await asyncio.to_thread(_computed, stack)
    return CompositeScheduleView(
        connector_id=connector_id,
        transaction_id=stack.transaction_id,
        schedule_start=stack.at,
        duration=duration,
        charging_rate_unit=unit,
        charging_schedule_period=[CompositePeriodView.model_validate(one) for one in periods],
        is_certain=not any(_is_uncertain(one, connector_id) for one in held),
        open_points=list(found),
    )


def _computed(stack: Stack) -> tuple[tuple[CompositePeriod, ...], tuple[str, ...]]:
    return composite_schedule(stack), open_points(stack)


def _is_uncertain(held: HeldProfile, connector_id: int) -> bool:
    """Tell whether a profile may count for the connector, and nobody knows."""
    concerns = held.connector_id is None or held.connector_id in (0, connector_id)
    return concerns and held.state is not ProfileState.INSTALLED
