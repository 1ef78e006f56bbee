"""Logs of charge points (GetLog): asking for them, and what came."""

from http import HTTPStatus

from fastapi import APIRouter
from starlette.responses import Response

from csms.domain.file_jobs import Job, JobKind
from csms.operations.log_orders import get_log
from csms.web.file_models import LogBody, LogDetailView, LogView
from csms.web.jobs import (
    FILE_RESPONSES,
    JobId,
    PartialToo,
    details,
    fields_of_upload,
    job_of,
    ordered,
    page_of_jobs,
    received_file,
)
from csms.web.models import Page
from csms.web.paging import DEFAULT_LIMIT, Cursor, Limit
from csms.web.parameters import Identity
from csms.web.services import Services, ServicesOf, known_charge_point

router = APIRouter(prefix="/charge-points/{identity}/logs", tags=["diagnostics"])


@router.post(
    "",
    summary="Ask a charge point for its diagnostics or security log",
    status_code=HTTPStatus.CREATED,
)
async def request_log(identity: Identity, body: LogBody, services: ServicesOf) -> LogDetailView:
    """Send GetLog and wait for the answer; the file comes later, if it does.

    A refused request is answered with 201 as well: `state` says so. Whatever the problem with the
    command is, the job exists; `jobId` names it.
    """
    await known_charge_point(services, identity)
    payload = get_log(
        log_type=body.log_type,
        oldest_at=body.oldest_timestamp,
        latest_at=body.latest_timestamp,
        retries=body.retries,
        retry_interval_s=body.retry_interval,
    )
    order = services.uploads.order(
        services.commanding, identity, JobKind.LOG, payload, protocol=body.protocol
    )
    return await _view(services, await _job(services, identity, await ordered(order, identity)))


@router.get("", summary="List requests for logs, newest first")
async def list_logs(
    identity: Identity, services: ServicesOf, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[LogView]:
    """Return one page; also of requests commanded with a location that is not ours."""
    page, following = await page_of_jobs(
        services, identity, JobKind.LOG, limit=limit, cursor=cursor
    )
    items = [LogView.model_validate(await fields_of_upload(services, one)) for one in page]
    return Page(items=items, next=following)


@router.get("/{job_id}", summary="Show a request for a log")
async def get_log_request(identity: Identity, job_id: JobId, services: ServicesOf) -> LogDetailView:
    """Return all that is known of it."""
    return await _view(services, await _job(services, identity, job_id))


@router.get(
    "/{job_id}/file",
    summary="Fetch the log that came",
    response_class=Response,
    responses=FILE_RESPONSES,
)
async def get_log_file(
    identity: Identity, job_id: JobId, services: ServicesOf, partial_too: PartialToo = False
) -> Response:
    """Return the file as it came."""
    job = await _job(services, identity, job_id)
    return await received_file(services, job, partial_too=partial_too)


@router.delete(
    "/{job_id}/file",
    summary="Stop waiting for a log, and delete what came",
    status_code=HTTPStatus.NO_CONTENT,
)
async def delete_log_file(identity: Identity, job_id: JobId, services: ServicesOf) -> None:
    """The request itself stays in the list."""
    await services.uploads.give_up(await _job(services, identity, job_id))


async def _job(services: Services, identity: str, job_id: int) -> Job:
    return await job_of(services, identity, job_id, JobKind.LOG)


async def _view(services: Services, job: Job) -> LogDetailView:
    return LogDetailView.model_validate(
        await fields_of_upload(services, job) | await details(services, job)
    )
