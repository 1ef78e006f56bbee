"""Id tags: what the operator issued, looked up without regard to case."""

from functools import partial
from http import HTTPStatus

from fastapi import APIRouter, Response

from csms.domain.model import AuthorizationStatus, IdTag
from csms.storage import id_tags
from csms.web.models import IdTagBody, IdTagView, Page
from csms.web.paging import DEFAULT_LIMIT, Cursor, Limit, cut, read_cursor
from csms.web.parameters import IdTagText
from csms.web.problems import Problem
from csms.web.services import ServicesOf

router = APIRouter(tags=["id tags"])


@router.put(
    "/id-tags/{id_tag}",
    summary="Issue an id tag, or replace what was said of it",
    responses={201: {"model": IdTagView, "description": "It is new."}},
)
async def put_id_tag(
    id_tag: IdTagText, body: IdTagBody, services: ServicesOf, response: Response
) -> IdTagView:
    """Answer 201 for a new tag, 200 for a known one; the same request twice changes nothing."""
    tag = IdTag(
        id_tag=id_tag,
        status=AuthorizationStatus(body.status),
        expires_at=body.expiry_date,
        parent_id_tag=body.parent_id_tag,
    )
    is_new = await services.store.write(partial(id_tags.put, tag=tag))
    if is_new:
        response.status_code = HTTPStatus.CREATED
    return IdTagView.model_validate(tag)


@router.get("/id-tags", summary="List id tags, in the order of their folded names")
async def list_id_tags(
    services: ServicesOf, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[IdTagView]:
    """Return one page."""
    after = read_cursor(cursor, str)
    found = await services.store.read(partial(id_tags.page, after=after, limit=limit + 1))
    page, following = cut(found, limit, lambda tag: tag.id_tag)
    return Page(items=[IdTagView.model_validate(tag) for tag in page], next=following)


@router.get("/id-tags/{id_tag}", summary="Show an id tag")
async def get_id_tag(id_tag: IdTagText, services: ServicesOf) -> IdTagView:
    """Return the tag as it was issued."""
    found = await services.store.read(partial(id_tags.get, id_tag=id_tag))
    if found is None:
        raise _unknown(id_tag)
    return IdTagView.model_validate(found)


@router.delete("/id-tags/{id_tag}", summary="Forget an id tag", status_code=HTTPStatus.NO_CONTENT)
async def delete_id_tag(id_tag: IdTagText, services: ServicesOf) -> None:
    """Charge points are told Invalid from now on."""
    if not await services.store.write(partial(id_tags.remove, id_tag=id_tag)):
        raise _unknown(id_tag)


def _unknown(id_tag: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "unknown-id-tag", f"no id tag {id_tag!r} was issued")
