"""Reservations: asked of charge points, shown with their life, cancelled."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field

from csms.domain.reservations import CHARGE_POINT, CancellationStatus, Reservation, ReservationState
from csms.ocppj.commands import InvalidCommand
from csms.storage import capabilities, id_tags, reservations
from csms.web.commands import answer_of, command, problem_of
from csms.web.models import Body, IdToken, Page, Time, View
from csms.web.paging import DEFAULT_LIMIT, Cursor, Limit, cut, read_cursor
from csms.web.parameters import Identity
from csms.web.problems import Problem, invalid
from csms.web.services import Services, ServicesOf, known_charge_point

router = APIRouter(tags=["reservations"])

Active = Annotated[
    bool | None,
    Query(alias="isActive", description="Only those a charge point may hold, or only the others."),
]
ChargePointFilter = Annotated[
    str | None, Query(alias="chargePoint", description="Only of this charge point.")
]
ReservationId = Annotated[int, Path(ge=-(2**31), lt=2**31, description="As ReserveNow gave it.")]


class ReservationBody(Body):
    """What is to be reserved, for whom and until when."""

    connector_id: int = Field(strict=True, ge=0, lt=2**31, description="0 for any connector.")
    id_tag: IdToken
    expiry_date: Time
    parent_id_tag: IdToken | None = Field(
        None, description="The group that may use it; left out, the group of the tag."
    )
    reservation_id: int | None = Field(
        None,
        strict=True,
        ge=-(2**31),
        lt=2**31,
        description="Null for a free one; that of a reservation it holds replaces it.",
    )


class ReservationView(View):
    """A reservation somebody asked for."""

    reservation_id: int
    charge_point: str = Field(validation_alias="identity")
    connector_id: int = Field(description="0 for any connector.")
    id_tag: str
    parent_id_tag: str | None
    expiry_date: Time = Field(validation_alias="expires_at")
    state: ReservationState = Field(
        description="`Unknown`: an answer never came; the charge point may hold it or not."
    )
    refusal: str | None = Field(description="Status or error code it was refused with.")
    cancellation: CancellationStatus | None = Field(description="How the last cancelling ended.")
    transaction_id: int | None = Field(description="What began with it.")
    ended_by: str | None = Field(description="`Faulted` or `Unavailable`, where that ended it.")
    requested_at: Time
    changed_at: Time


@router.get("/reservations", summary="List reservations of all charge points, newest first")
async def list_reservations(
    services: ServicesOf,
    charge_point: ChargePointFilter = None,
    is_active: Active = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[ReservationView]:
    """Return one page."""
    return await _page(services, charge_point, is_active, limit, cursor)


@router.get("/charge-points/{identity}/reservations", summary="List reservations, newest first")
async def list_reservations_of_charge_point(
    identity: Identity,
    services: ServicesOf,
    is_active: Active = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[ReservationView]:
    """Return one page."""
    await known_charge_point(services, identity)
    return await _page(services, identity, is_active, limit, cursor)


@router.post(
    "/charge-points/{identity}/reservations",
    summary="Reserve a connector, or any",
    status_code=HTTPStatus.CREATED,
)
async def reserve(
    identity: Identity, body: ReservationBody, services: ServicesOf
) -> ReservationView:
    """Answer 201 with the reservation, also with one that the charge point refused."""
    await known_charge_point(services, identity)
    if body.expiry_date <= services.now():
        raise invalid("expiryDate", "is over")
    if body.connector_id == CHARGE_POINT:
        told = await services.store.read(partial(capabilities.get, identity=identity))
        if told.get("ReserveConnectorZeroSupported", "").strip().casefold() == "false":
            raise invalid(
                "connectorId",
                "only single connectors can be reserved (ReserveConnectorZeroSupported)",
            )
    group = body.parent_id_tag
    if "parent_id_tag" not in body.model_fields_set:
        tag = await services.store.read(partial(id_tags.get, id_tag=body.id_tag))
        group = None if tag is None else tag.parent_id_tag
    try:
        outcome, reservation = await services.reservations.reserve(
            identity,
            connector_id=body.connector_id,
            id_tag=body.id_tag,
            parent_id_tag=group,
            expires_at=body.expiry_date,
            reservation_id=body.reservation_id,
        )
    except InvalidCommand as error:
        raise problem_of(error) from None
    try:
        answer_of(outcome, identity)
    except Problem as problem:
        if reservation is not None:
            problem.members["reservationId"] = reservation.reservation_id
        raise
    if reservation is None:
        raise LookupError("an answered ReserveNow was written down")
    return ReservationView.model_validate(reservation)


@router.get("/charge-points/{identity}/reservations/{reservation_id}", summary="Show a reservation")
async def get_reservation(
    identity: Identity, reservation_id: ReservationId, services: ServicesOf
) -> ReservationView:
    """Return what holds now of the newest reservation with this id."""
    await known_charge_point(services, identity)
    return ReservationView.model_validate(await _known(services, identity, reservation_id))


@router.delete(
    "/charge-points/{identity}/reservations/{reservation_id}", summary="Cancel a reservation"
)
async def cancel(
    identity: Identity, reservation_id: ReservationId, services: ServicesOf
) -> ReservationView:
    """Answer 200 once the charge point accepted; 409 where it refused, and nothing changed."""
    await known_charge_point(services, identity)
    await _known(services, identity, reservation_id)
    answer = await command(
        services, identity, "CancelReservation", {"reservationId": reservation_id}
    )
    status = answer.get("status")
    if status != CancellationStatus.ACCEPTED:
        raise Problem(
            HTTPStatus.CONFLICT,
            "cancellation-rejected",
            f"{identity} did not cancel reservation {reservation_id}: {status}",
        )
    return ReservationView.model_validate(await _known(services, identity, reservation_id))


async def _known(services: Services, identity: str, reservation_id: int) -> Reservation:
    found = await services.store.read(
        partial(
            reservations.get,
            identity=identity,
            reservation_id=reservation_id,
            at=services.now(),
        )
    )
    if found is None:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "unknown-reservation",
            f"{identity} was never asked for a reservation {reservation_id}",
        )
    return found


async def _page(
    services: Services,
    identity: str | None,
    is_active: bool | None,
    limit: int,
    cursor: str | None,
) -> Page[ReservationView]:
    found = await services.store.read(
        partial(
            reservations.page,
            at=services.now(),
            identity=identity,
            is_active=is_active,
            before_id=read_cursor(cursor, int),
            limit=limit + 1,
        )
    )
    page, following = cut(found, limit, lambda one: one.record_id)
    return Page(items=[ReservationView.model_validate(one) for one in page], next=following)
