"""Diagnostics of charge points: asking for them, and what came."""

import asyncio
import re
from functools import partial
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query
from starlette.responses import Response

from csms.domain.file_jobs import Job, JobKind, wants_file
from csms.ocppj.commands import InvalidCommand
from csms.operations.file_jobs import NoAddress
from csms.storage import file_jobs
from csms.web.commands import answer_of, problem_of
from csms.web.file_models import (
    DiagnosticsBody,
    DiagnosticsDetailView,
    DiagnosticsView,
    detail_fields,
    diagnostics_fields,
)
from csms.web.jobs import JobId, naming, no_address, unknown_job
from csms.web.models import Page
from csms.web.paging import DEFAULT_LIMIT, Cursor, Limit, cut, read_cursor
from csms.web.parameters import Identity
from csms.web.problems import Problem
from csms.web.services import Services, ServicesOf, known_charge_point
from csms.web.streams import FileAnswer

router = APIRouter(tags=["diagnostics"])


@router.post(
    "/charge-points/{identity}/diagnostics",
    summary="Ask a charge point for diagnostics",
    status_code=HTTPStatus.CREATED,
)
async def request_diagnostics(
    identity: Identity, body: DiagnosticsBody, services: ServicesOf
) -> DiagnosticsDetailView:
    """Send GetDiagnostics and wait for the answer; the file comes later, if it does.

    Whatever the problem with the command is, the job exists; `jobId` names it.
    """
    await known_charge_point(services, identity)
    try:
        job_id, outcome = await services.diagnostics.order(
            services.commanding,
            identity,
            protocol=body.protocol,
            start_at=body.start_time,
            stop_at=body.stop_time,
            retries=body.retries,
            retry_interval_s=body.retry_interval,
        )
    except InvalidCommand as error:
        raise problem_of(error) from None
    except NoAddress as error:
        raise no_address(error) from None
    with naming(job_id):
        answer_of(outcome, identity)
    return await _view(services, identity, job_id)


@router.get(
    "/charge-points/{identity}/diagnostics", summary="List diagnostics requests, newest first"
)
async def list_diagnostics(
    identity: Identity, services: ServicesOf, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[DiagnosticsView]:
    """Return one page; also of requests commanded with a location that is not ours."""
    await known_charge_point(services, identity)
    found = await services.store.read(
        partial(
            file_jobs.page,
            identity=identity,
            kind=JobKind.DIAGNOSTICS,
            before_id=read_cursor(cursor, int),
            limit=limit + 1,
        )
    )
    page, following = cut(found, limit, lambda one: one.job_id)
    items = [DiagnosticsView.model_validate(await _fields(services, one)) for one in page]
    return Page(items=items, next=following)


@router.get("/charge-points/{identity}/diagnostics/{job_id}", summary="Show a diagnostics request")
async def get_diagnostics(
    identity: Identity, job_id: JobId, services: ServicesOf
) -> DiagnosticsDetailView:
    """Return all that is known of it."""
    return await _view(services, identity, job_id)


@router.get(
    "/charge-points/{identity}/diagnostics/{job_id}/file",
    summary="Fetch the diagnostics that came",
    response_class=Response,
    responses={
        206: {"description": "The part asked for by Range."},
        409: {"description": "Only a part of it came, and `partial` was not given."},
    },
)
async def get_diagnostics_file(
    identity: Identity,
    job_id: JobId,
    services: ServicesOf,
    partial_too: Annotated[
        bool, Query(alias="partial", description="Also what came of a broken transfer.")
    ] = False,
) -> Response:
    """Return the file as it came."""
    job = await _job(services, identity, job_id)
    found = await services.store.read(partial(file_jobs.received_file, job_id=job.job_id))
    if found is None or found.stored_as is None:
        raise _no_file(job_id)
    if not (found.is_whole or partial_too):
        raise Problem(
            HTTPStatus.CONFLICT,
            "partial-file",
            f"only {found.size_bytes} bytes came, and not the end: {found.detail}",
        )
    try:
        content = await asyncio.to_thread(services.files.path(found.stored_as).open, "rb")
    except FileNotFoundError:
        raise _no_file(job_id) from None
    name = found.name.rpartition("/")[2] or f"diagnostics-{job_id}"
    # RFC 6266 appendix D: curl and others know the plain parameter alone.
    plain = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII).lstrip(".") or f"diagnostics-{job_id}"
    return FileAnswer(
        content,
        etag=f'"{found.sha256}"',
        headers={
            "content-disposition": (
                f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
            ),
            "x-content-type-options": "nosniff",  # it may be anything
        },
    )


@router.delete(
    "/charge-points/{identity}/diagnostics/{job_id}/file",
    summary="Stop waiting for diagnostics, and delete what came",
    status_code=HTTPStatus.NO_CONTENT,
)
async def delete_diagnostics_file(identity: Identity, job_id: JobId, services: ServicesOf) -> None:
    """The request itself stays in the list."""
    await services.diagnostics.give_up(await _job(services, identity, job_id))


async def _job(services: Services, identity: str, job_id: int) -> Job:
    job = await services.store.read(partial(file_jobs.get, job_id=job_id))
    if job is None or job.identity != identity or job.kind is not JobKind.DIAGNOSTICS:
        raise unknown_job(job_id)
    return job


async def _fields(services: Services, job: Job) -> dict[str, object]:
    file = await services.store.read(partial(file_jobs.received_file, job_id=job.job_id))
    is_wanted = wants_file(job, has_whole=file is not None and file.is_whole, now=services.now())
    return diagnostics_fields(job, file, wants_file=is_wanted)


async def _view(services: Services, identity: str, job_id: int) -> DiagnosticsDetailView:
    job = await _job(services, identity, job_id)
    statuses = await services.store.read(partial(file_jobs.statuses_of, job_id=job_id))
    transfers = await services.store.read(partial(file_jobs.transfers_of, job_id=job_id))
    return DiagnosticsDetailView.model_validate(
        await _fields(services, job) | detail_fields(statuses, transfers)
    )


def _no_file(job_id: int) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "no-file", f"nothing is here of job {job_id}")
