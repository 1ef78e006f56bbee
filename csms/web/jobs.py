"""What firmware updates and diagnostics requests have in common as resources."""

import contextlib
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from csms.operations.file_jobs import NoAddress
from csms.storage import file_jobs
from csms.web.file_models import FileStatusView
from csms.web.models import Page
from csms.web.paging import DEFAULT_LIMIT, Cursor, Limit, cut, read_cursor
from csms.web.parameters import Identity
from csms.web.problems import Problem
from csms.web.services import ServicesOf, known_charge_point

router = APIRouter(tags=["diagnostics"])

JobId = Annotated[int, Path(ge=1, lt=2**63)]


@router.get(
    "/charge-points/{identity}/file-statuses",
    summary="List firmware and diagnostics status notifications, newest first",
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


@contextlib.contextmanager
def naming(job_id: int) -> Iterator[None]:
    """Let every problem name the job."""
    try:
        yield
    except Problem as problem:
        problem.members["jobId"] = job_id
        raise


def no_address(error: NoAddress) -> Problem:
    """Return the problem of a charge point that could not find our files."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "no-address", str(error))


def unknown_job(job_id: int) -> Problem:
    """Return the problem of a job that is not there, or another charge point's."""
    return Problem(HTTPStatus.NOT_FOUND, "unknown-job", f"there is no job {job_id} here")
