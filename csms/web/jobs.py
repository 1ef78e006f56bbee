"""What firmware updates and diagnostics requests have in common as resources."""

import contextlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated

from fastapi import Path

from csms.operations.file_jobs import NoAddress
from csms.web.problems import Problem

JobId = Annotated[int, Path(ge=1, lt=2**63)]


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
