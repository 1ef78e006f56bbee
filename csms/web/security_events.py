"""Security events: what charge points report, and what we noticed at our own doors."""

from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from csms.domain.security_events import EventSource
from csms.storage import security_events
from csms.web.history import ChargePointFilter, Since, Until
from csms.web.models import Page, Time, View
from csms.web.paging import DEFAULT_LIMIT, Cursor, Limit, cut, read_cursor
from csms.web.parameters import Identity
from csms.web.services import Services, ServicesOf, known_charge_point

router = APIRouter(tags=["security"])

EventType = Annotated[
    str | None, Query(alias="type", max_length=1000, description="Only events of this type.")
]
Source = Annotated[
    EventSource | None,
    Query(description="`chargePoint`: reported by it; `csms`: noticed by ourselves."),
]


class SecurityEventView(View):
    """A security event."""

    id: int = Field(validation_alias="record_id")
    charge_point: str | None = Field(
        validation_alias="identity", description="Of ours: whoever it was about, or claimed to be."
    )
    source: EventSource
    type: str
    detail: str = Field(description="techInfo of a charge point's.")
    address: str | None = Field(description="Where it came from; of ours only.")
    timestamp: str | None = Field(description="As the charge point wrote it.")
    occurred_at: Time = Field(description="By the charge point's clock, if that says a time.")
    received_at: Time
    last_at: Time
    times: int = Field(description="Equal ones of ours within a minute are one, with a count.")
    flags: list[str]


@router.get("/security-events", summary="List security events of all, newest first")
async def list_security_events(
    services: ServicesOf,
    charge_point: ChargePointFilter = None,
    source: Source = None,
    event_type: EventType = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[SecurityEventView]:
    """Return one page; also of identities that are not registered."""
    return await _page(services, charge_point, source, event_type, since, until, limit, cursor)


@router.get(
    "/charge-points/{identity}/security-events", summary="List security events, newest first"
)
async def list_security_events_of_charge_point(
    identity: Identity,
    services: ServicesOf,
    source: Source = None,
    event_type: EventType = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[SecurityEventView]:
    """Return one page."""
    await known_charge_point(services, identity)
    return await _page(services, identity, source, event_type, since, until, limit, cursor)


async def _page(
    services: Services,
    identity: str | None,
    source: EventSource | None,
    event_type: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    cursor: str | None,
) -> Page[SecurityEventView]:
    await services.security_events.flush()  # the newest are written behind
    found = await services.store.read(
        partial(
            security_events.page,
            identity=identity,
            source=source,
            type_=event_type,
            since=since,
            until=until,
            before_id=read_cursor(cursor, int),
            limit=limit + 1,
        )
    )
    page, following = cut(found, limit, lambda one: one.record_id)
    return Page(items=[SecurityEventView.model_validate(one) for one in page], next=following)
