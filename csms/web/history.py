"""What happened: the message log, and transaction messages that wait for a person."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from csms.domain.model import StoredMessage
from csms.storage import message_log, quarantine
from csms.web.models import MessageView, Page, QuarantineView, QueryTime
from csms.web.paging import DEFAULT_LIMIT, Cursor, Limit, cut, read_cursor
from csms.web.parameters import Identity
from csms.web.problems import Problem
from csms.web.services import Services, ServicesOf, known_charge_point

router = APIRouter(tags=["history"])

Action = Annotated[str | None, Query(max_length=255, description="Only frames of this action.")]
Direction = Annotated[
    Literal["received", "sent"] | None, Query(description="`received`: from the charge point.")
]
Since = Annotated[QueryTime, Query(description="Not before this time.")]
Until = Annotated[QueryTime, Query(description="Before this time.")]
ChargePointFilter = Annotated[
    str | None, Query(alias="chargePoint", description="Only of this charge point.")
]


@router.get("/messages", summary="List frames of all charge points, newest first")
async def list_messages(
    services: ServicesOf,
    charge_point: ChargePointFilter = None,
    action: Action = None,
    direction: Direction = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[MessageView]:
    """Return one page."""
    return await _messages(services, charge_point, action, direction, since, until, limit, cursor)


@router.get("/charge-points/{identity}/messages", summary="List frames, newest first")
async def list_messages_of_charge_point(
    identity: Identity,
    services: ServicesOf,
    action: Action = None,
    direction: Direction = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[MessageView]:
    """Return one page."""
    await known_charge_point(services, identity)
    return await _messages(services, identity, action, direction, since, until, limit, cursor)


@router.get("/quarantine", summary="List refused transaction messages, newest first")
async def list_quarantine(
    services: ServicesOf,
    charge_point: ChargePointFilter = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[QuarantineView]:
    """Return one page; each has the raw text, for a person to judge."""
    found = await services.store.read(
        partial(
            quarantine.page,
            identity=charge_point,
            before_id=read_cursor(cursor, int),
            limit=limit + 1,
        )
    )
    page, following = cut(found, limit, lambda one: one.record_id)
    return Page(items=[QuarantineView.model_validate(one) for one in page], next=following)


@router.delete(
    "/quarantine/{record_id}",
    summary="Delete a refused message somebody has dealt with",
    status_code=HTTPStatus.NO_CONTENT,
)
async def delete_quarantined(
    record_id: Annotated[int, Path(ge=1, lt=2**63)], services: ServicesOf
) -> None:
    """It is gone for good."""
    if not await services.store.write(partial(quarantine.remove, record_id=record_id)):
        raise Problem(
            HTTPStatus.NOT_FOUND, "unknown-quarantined-message", f"there is no {record_id} here"
        )


async def _messages(
    services: Services,
    identity: str | None,
    action: str | None,
    direction: str | None,
    since: QueryTime,
    until: QueryTime,
    limit: int,
    cursor: str | None,
) -> Page[MessageView]:
    await services.store.flush()  # the newest frames are written behind
    found = await services.store.read(
        partial(
            message_log.page,
            identity=identity,
            action=action,
            direction=direction,
            since=since,
            until=until,
            before_id=read_cursor(cursor, int),
            limit=limit + 1,
        )
    )
    page, following = cut(found, limit, lambda one: one.record_id)
    return Page(items=[_view(one) for one in page], next=following)


def _view(stored: StoredMessage) -> MessageView:
    one = stored.message
    return MessageView.model_validate(
        {
            "id": stored.record_id,
            "charge_point": one.identity,
            "direction": one.direction,
            "at": one.at,
            "action": one.action,
            "message_id": one.message_id,
            "text": one.text,
        }
    )
