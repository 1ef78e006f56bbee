"""What the resources of jobs have in common."""

from http import HTTPStatus

import httpx
import pytest

from csms.operations.file_jobs import NoAddress
from csms.web.jobs import naming, no_address, unknown_job
from csms.web.problems import Problem
from tests.csms.web.stations import Connect


def test_a_problem_names_the_job() -> None:
    """The command failed, the job is there."""
    with pytest.raises(Problem) as raised, naming(7):
        raise Problem(HTTPStatus.CONFLICT, "offline", "not connected")

    assert raised.value.members["jobId"] == 7


def test_problems_tell_what_is_wrong() -> None:
    """With a status that fits."""
    assert no_address(NoAddress("set public_url")).status is HTTPStatus.SERVICE_UNAVAILABLE
    assert unknown_job(5).status is HTTPStatus.NOT_FOUND


async def test_every_report_can_be_read(
    api: httpx.AsyncClient, connect: Connect, identity: str
) -> None:
    """Also what belongs to no job, page by page."""
    await api.put(f"/charge-points/{identity}", json={})
    station = await connect(identity)
    await station.boot()
    await station.call("FirmwareStatusNotification", {"status": "Idle"})
    await station.call("DiagnosticsStatusNotification", {"status": "Uploaded"})
    resource = f"/charge-points/{identity}/file-statuses"

    first = (await api.get(resource, params={"limit": 1})).json()
    second = (await api.get(resource, params={"limit": 1, "cursor": first["next"]})).json()

    found = [*first["items"], *second["items"]]
    assert [(one["kind"], one["status"], one["jobId"]) for one in found] == [
        ("diagnostics", "Uploaded", None),
        ("firmware", "Idle", None),
    ]
    assert second["next"] is None
