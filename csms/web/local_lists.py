"""Local authorization lists: what charge points hold, and sending it to them."""

from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from csms.domain.local_lists import Entry, LocalList, UpdateStatus, UpdateType
from csms.domain.model import AuthorizationStatus
from csms.ocppj.commands import InvalidCommand
from csms.operations.local_lists import Delivery, ListTooLong, UnknownTags
from csms.storage import local_lists
from csms.web.commands import answer_of, command, problem_of
from csms.web.models import Body, IdToken, Page, Time, View
from csms.web.paging import DEFAULT_LIMIT, Cursor, Limit, cut, read_cursor
from csms.web.parameters import Identity
from csms.web.problems import Problem, invalid
from csms.web.services import Services, ServicesOf, known_charge_point

router = APIRouter(prefix="/charge-points/{identity}/local-list", tags=["local lists"])

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    409: {"description": "Offline, connection lost, or not allowed now."},
    422: {"description": "A tag nobody issued, or more than the charge point holds."},
    502: {"description": "The charge point refused with a CALLERROR; `updates` were sent."},
    504: {"description": "The charge point did not answer in time; `updates` were sent."},
}


class UpdateView(View):
    """One SendLocalList and how it ended."""

    id: int = Field(validation_alias="record_id")
    version: int
    update_type: UpdateType
    entry_count: int
    status: UpdateStatus = Field(description="`Unknown`: it may have been applied or not.")
    requested_at: Time
    settled_at: Time | None


class LocalListView(View):
    """A charge point's list as far as it is known."""

    version: int | None = Field(description="Of the newest accepted update; null before any.")
    is_known: bool = Field(
        description="The entries are what the charge point holds. Else they are what it accepted"
        " as far as is known, and only a full list makes it certain."
    )
    is_complete: bool = Field(description="False: a list in several updates is half sent.")
    entry_count: int
    accepted_at: Time | None
    reported_version: int | None = Field(
        description="Last answer to GetLocalListVersion: 0 is empty, -1 not supported."
    )
    reported_at: Time | None
    unconfirmed: UpdateView | None = Field(description="An update whose end is not known.")


class EntryView(View):
    """A tag on a list."""

    id_tag: str
    status: AuthorizationStatus
    expiry_date: Time | None
    parent_id_tag: str | None


class SentUpdateView(View):
    """One update that was sent for a request."""

    version: int
    update_type: UpdateType
    entry_count: int
    status: UpdateStatus


class DeliveryView(View):
    """What became of a list."""

    status: str = Field(
        description="The charge point's last word: `Accepted`, `Failed`, `VersionMismatch` or"
        " `NotSupported`; `Unchanged` where there was nothing to send."
    )
    updates: list[SentUpdateView] = Field(description="What was sent, in its order.")
    list_: LocalListView = Field(serialization_alias="list")


class FullBody(Body):
    """Which tags a list is to consist of."""

    id_tags: list[IdToken] | None = Field(
        None, description="Issued tags; null for all of them, an empty list for none."
    )


class DifferentialBody(Body):
    """How a list is to change; with neither field, to all tags as they were issued."""

    id_tags: list[IdToken] | None = Field(
        None, description="Issued tags to add, or to bring up to date."
    )
    remove: list[IdToken] | None = Field(None, description="Tags to take off the list.")


@router.get("", summary="Show what is known of a charge point's local list")
async def get_local_list(identity: Identity, services: ServicesOf) -> LocalListView:
    """Return version and state; the entries are a list of their own."""
    await known_charge_point(services, identity)
    return LocalListView.model_validate(await _known(services, identity))


@router.get("/entries", summary="List the tags on a charge point's local list")
async def list_entries(
    identity: Identity, services: ServicesOf, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[EntryView]:
    """Return one page, in the order of the folded tags."""
    await known_charge_point(services, identity)
    after = read_cursor(cursor, str)
    found = await services.store.read(
        partial(local_lists.entry_page, identity=identity, after=after, limit=limit + 1)
    )
    page, following = cut(found, limit, lambda one: one.id_tag)
    return Page(items=[_entry(one) for one in page], next=following)


@router.get("/updates", summary="List the updates of a local list, newest first")
async def list_updates(
    identity: Identity, services: ServicesOf, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[UpdateView]:
    """Return one page, whoever sent them."""
    await known_charge_point(services, identity)
    found = await services.store.read(
        partial(
            local_lists.update_page,
            identity=identity,
            before_id=read_cursor(cursor, int),
            limit=limit + 1,
        )
    )
    page, following = cut(found, limit, lambda one: one.record_id)
    return Page(items=[UpdateView.model_validate(one) for one in page], next=following)


@router.post("/full", summary="Send a whole local list", responses=_PROBLEMS)
async def send_full(identity: Identity, body: FullBody, services: ServicesOf) -> DeliveryView:
    """Send it in as many updates as the charge point needs; 200 whatever its last word is."""
    await known_charge_point(services, identity)
    try:
        delivery = await services.local_lists.send_full(identity, body.id_tags)
    except (InvalidCommand, UnknownTags, ListTooLong) as error:
        raise _problem(error) from None
    return await _delivered(delivery, identity, services)


@router.post("/differential", summary="Send a change of a local list", responses=_PROBLEMS)
async def send_differential(
    identity: Identity, body: DifferentialBody, services: ServicesOf
) -> DeliveryView:
    """Send the change; the whole list where it is refused, or what is there is not known."""
    await known_charge_point(services, identity)
    both = {name.casefold() for name in body.id_tags or ()} & {
        name.casefold() for name in body.remove or ()
    }
    if both:
        raise invalid("remove", "names a tag of idTags")
    try:
        delivery = await services.local_lists.send_differential(identity, body.id_tags, body.remove)
    except (InvalidCommand, UnknownTags, ListTooLong) as error:
        raise _problem(error) from None
    return await _delivered(delivery, identity, services)


@router.post("/version", summary="Ask a charge point for the version of its local list")
async def ask_version(identity: Identity, services: ServicesOf) -> LocalListView:
    """Send GetLocalListVersion; the answer may settle an update whose end was not known."""
    await known_charge_point(services, identity)
    await command(services, identity, "GetLocalListVersion", {})
    return LocalListView.model_validate(await _known(services, identity))


async def _known(services: Services, identity: str) -> LocalList:
    return await services.store.read(partial(local_lists.get, identity=identity))


async def _delivered(delivery: Delivery, identity: str, services: Services) -> DeliveryView:
    status = "Unchanged"
    updates = [SentUpdateView.model_validate(one) for one in delivery.updates]
    if delivery.outcome is not None:
        try:
            status = str(answer_of(delivery.outcome, identity).get("status"))
        except Problem as problem:
            problem.members["updates"] = [
                one.model_dump(mode="json", by_alias=True) for one in updates
            ]
            raise
    known = LocalListView.model_validate(await _known(services, identity))
    return DeliveryView(status=status, updates=updates, list_=known)


def _problem(error: InvalidCommand | UnknownTags | ListTooLong) -> Problem:
    match error:
        case InvalidCommand():
            return problem_of(error)
        case UnknownTags():
            return Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "unknown-id-tag",
                f"no such id tag was issued: {', '.join(error.id_tags)}",
                errors=[
                    {"field": "idTags", "message": f"{one} was not issued"} for one in error.id_tags
                ],
            )
        case ListTooLong():
            return invalid("idTags", str(error))


def _entry(entry: Entry) -> EntryView:
    if entry.info is None:
        raise ValueError("an entry of a stored list says what the tag may do")
    return EntryView(
        id_tag=entry.id_tag,
        status=entry.info.status,
        expiry_date=entry.info.expires_at,
        parent_id_tag=entry.info.parent_id_tag,
    )
