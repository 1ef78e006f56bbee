"""What firmware updates and requests for logs have in common as resources."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Iterator, Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from csms.domain.file_jobs import Job, JobKind, wants_file
from csms.ocppj.commands import InvalidCommand
from csms.ocppj.outcomes import CommandOutcome
from csms.operations.file_jobs import NoAddress
from csms.storage import file_jobs
from csms.web.commands import answer_of, problem_of
from csms.web.file_models import FileStatusView, detail_fields, upload_fields
from csms.web.models import Page
from csms.web.paging import DEFAULT_LIMIT, Cursor, Limit, cut, read_cursor
from csms.web.parameters import Identity
from csms.web.problems import Problem
from csms.web.services import Services, ServicesOf, known_charge_point
from csms.web.streams import FileAnswer

router = APIRouter(tags=["diagnostics"])

JobId = Annotated[int, Path(ge=1, lt=2**63)]
PartialToo = Annotated[
    bool, Query(alias="partial", description="Also what came of a broken transfer.")
]
FILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    206: {"description": "The part asked for by Range."},
    409: {"description": "Only a part of it came, and `partial` was not given."},
}


@router.get(
    "/charge-points/{identity}/file-statuses",
    summary="List status notifications of firmware, diagnostics and logs, newest first",
)
async def list_file_statuses(
    identity: Identity, services: ServicesOf, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[FileStatusView]:
    """Return one page; also of those that belong to no job."""
    await known_charge_point(services, identity)
    found = await services.store.read(
        partial(
            file_jobs.statuses_page,
            identity=identity,
            before_id=read_cursor(cursor, int),
            limit=limit + 1,
        )
    )
    page, following = cut(found, limit, lambda one: one.record_id)
    return Page(items=[FileStatusView.model_validate(one) for one in page], next=following)


# --- jobs ------------------------------------------------------------------------------------


async def ordered(order: Awaitable[tuple[int, CommandOutcome]], identity: str) -> int:
    """Wait for an order's answer; return the job.

    Raises:
        Problem: it was not sent, or there is no answer; `jobId` names the job, if there is one.
    """
    try:
        job_id, outcome = await order
    except InvalidCommand as error:
        raise problem_of(error) from None
    except NoAddress as error:
        raise no_address(error) from None
    with naming(job_id):
        answer_of(outcome, identity)
    return job_id


async def page_of_jobs(
    services: Services, identity: str, kind: JobKind, *, limit: int, cursor: str | None
) -> tuple[Sequence[Job], str | None]:
    """Return a page of a charge point's jobs, newest first, and the cursor of the next.

    Raises:
        Problem: nobody registered the charge point, or the cursor is none.
    """
    await known_charge_point(services, identity)
    found = await services.store.read(
        partial(
            file_jobs.page,
            identity=identity,
            kind=kind,
            before_id=read_cursor(cursor, int),
            limit=limit + 1,
        )
    )
    return cut(found, limit, lambda one: one.job_id)


async def job_of(services: Services, identity: str, job_id: int, kind: JobKind) -> Job:
    """Return a charge point's job of a kind.

    Raises:
        Problem: there is none.
    """
    job = await services.store.read(partial(file_jobs.get, job_id=job_id))
    if job is None or job.identity != identity or job.kind is not kind:
        raise unknown_job(job_id)
    return job


async def details(services: Services, job: Job) -> dict[str, Any]:
    """Return what only the view of a single job shows."""
    statuses = await services.store.read(partial(file_jobs.statuses_of, job_id=job.job_id))
    transfers = await services.store.read(partial(file_jobs.transfers_of, job_id=job.job_id))
    return detail_fields(statuses, transfers)


@contextlib.contextmanager
def naming(job_id: int) -> Iterator[None]:
    """Let every problem name the job."""
    try:
        yield
    except Problem as problem:
        problem.members["jobId"] = job_id
        raise


# --- files that come -------------------------------------------------------------------------


async def fields_of_upload(services: Services, job: Job) -> dict[str, Any]:
    """Return what all views of a job show whose file comes to us."""
    file = await services.store.read(partial(file_jobs.received_file, job_id=job.job_id))
    is_wanted = wants_file(job, has_whole=file is not None and file.is_whole, now=services.now())
    return upload_fields(job, file, wants_file=is_wanted)


async def received_file(services: Services, job: Job, *, partial_too: bool) -> Response:
    """Return what came of a job.

    Raises:
        Problem: nothing did, or only a part.
    """
    found = await services.store.read(partial(file_jobs.received_file, job_id=job.job_id))
    if found is None or found.stored_as is None:
        raise _no_file(job)
    if not (found.is_whole or partial_too):
        raise Problem(
            HTTPStatus.CONFLICT,
            "partial-file",
            f"only {found.size_bytes} bytes came, and not the end: {found.detail}",
        )
    try:
        content = await asyncio.to_thread(services.files.path(found.stored_as).open, "rb")
    except FileNotFoundError:
        raise _no_file(job) from None
    fallback = f"{job.kind}-{job.job_id}"
    name = found.name.rpartition("/")[2] or fallback
    # RFC 6266 appendix D: curl and others know the plain parameter alone.
    plain = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII).lstrip(".") or fallback
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


# --- problems --------------------------------------------------------------------------------


def no_address(error: NoAddress) -> Problem:
    """Return the problem of a charge point that could not find our files."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "no-address", str(error))


def unknown_job(job_id: int) -> Problem:
    """Return the problem of a job that is not there, or another charge point's."""
    return Problem(HTTPStatus.NOT_FOUND, "unknown-job", f"there is no job {job_id} here")


def _no_file(job: Job) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "no-file", f"nothing is here of job {job.job_id}")
