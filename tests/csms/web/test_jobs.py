"""What the resources of jobs have in common."""

from http import HTTPStatus

import pytest

from csms.operations.file_jobs import NoAddress
from csms.web.jobs import naming, no_address, unknown_job
from csms.web.problems import Problem


def test_a_problem_names_the_job() -> None:
    """The command failed, the job is there."""
    with pytest.raises(Problem) as raised, naming(7):
        raise Problem(HTTPStatus.CONFLICT, "offline", "not connected")

    assert raised.value.members["jobId"] == 7


def test_problems_tell_what_is_wrong() -> None:
    """With a status that fits."""
    assert no_address(NoAddress("set public_url")).status is HTTPStatus.SERVICE_UNAVAILABLE
    assert unknown_job(5).status is HTTPStatus.NOT_FOUND
