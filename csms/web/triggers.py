"""Triggered messages: what was asked of a charge point, and what followed."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path
from pydantic import Field

from csms.domain.triggers import TriggerStatus
from csms.ocppj.commands import InvalidCommand
from csms.operations import triggers as operations
from csms.storage import triggers
from csms.web.commands import answer_of, problem_of
from csms.web.models import Body, Page, Time, View
from csms.web.paging import DEFAULT_LIMIT, Cursor, Limit, cut, read_cursor
from csms.web.parameters import Identity
from csms.web.problems import Problem
from csms.web.services import ServicesOf, known_charge_point

router = APIRouter(prefix="/charge-points/{identity}/triggers", tags=["triggers"])

ONLY_EXTENDED: Final = frozenset({"LogStatusNotification", "SignChargePointCertificate"})


class TriggerBody(Body):
    """Which message a charge point is to send."""

    requested_message: Literal[
        "BootNotification",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "LogStatusNotification",
        "MeterValues",
        "SignChargePointCertificate",
        "StatusNotification",
    ]
    extended: bool | None = Field(
        None,
        strict=True,
        description="Ask by ExtendedTriggerMessage, of the security whitepaper; null for where"
        " only that knows the message. There FirmwareStatusNotification is the signed one.",
    )
    connector_id: int | None = Field(
        None,
        strict=True,
        ge=0,
        lt=2**31,
        description="Null for all connectors; means nothing for most messages.",
    )


class FollowingView(View):
    """A message that came after a trigger and is what was asked for."""

    message_id: str
    connector_id: int | None
    received_at: Time


class TriggerView(View):
    """A TriggerMessage and its effect."""

    id: int = Field(validation_alias="record_id")
    requested_message: str
    extended: bool = Field(validation_alias="is_extended", description="By ExtendedTriggerMessage.")
    connector_id: int | None
    status: TriggerStatus = Field(description="`Unknown`: its answer never came.")
    requested_at: Time
    answered_at: Time | None
    followed_by: list[FollowingView] = Field(description="Within a minute; see the message log.")


@router.get("", summary="List triggered messages and what followed, newest first")
async def list_triggers(
    identity: Identity, services: ServicesOf, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[TriggerView]:
    """Return one page."""
    await known_charge_point(services, identity)
    found = await services.store.read(
        partial(
            triggers.page,
            identity=identity,
            before_id=read_cursor(cursor, int),
            limit=limit + 1,
        )
    )
    page, following = cut(found, limit, lambda one: one.record_id)
    return Page(items=[TriggerView.model_validate(one) for one in page], next=following)


@router.post("", summary="Have a charge point send a message", status_code=HTTPStatus.CREATED)
async def trigger(identity: Identity, body: TriggerBody, services: ServicesOf) -> TriggerView:
    """Answer 201 with the trigger, refused ones too; the message itself comes later."""
    await known_charge_point(services, identity)
    is_extended = body.extended
    if is_extended is None:
        is_extended = body.requested_message in ONLY_EXTENDED
    try:
        outcome, made = await operations.trigger(
            services.commanding,
            services.store,
            identity,
            requested_message=body.requested_message,
            connector_id=body.connector_id,
            is_extended=is_extended,
        )
    except InvalidCommand as error:
        raise problem_of(error) from None
    answer_of(outcome, identity)
    if made is None:
        raise LookupError("an answered TriggerMessage was written down")
    return TriggerView.model_validate(made)


@router.get("/{record_id}", summary="Show a triggered message and what followed")
async def get_trigger(
    identity: Identity, record_id: Annotated[int, Path(ge=1, lt=2**63)], services: ServicesOf
) -> TriggerView:
    """Return what came so far."""
    await known_charge_point(services, identity)
    found = await services.store.read(partial(triggers.get, identity=identity, record_id=record_id))
    if found is None:
        raise Problem(
            HTTPStatus.NOT_FOUND, "unknown-trigger", f"{identity} has no trigger {record_id}"
        )
    return TriggerView.model_validate(found)
