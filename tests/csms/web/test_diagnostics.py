"""Diagnostics are asked for over OCPP, come over HTTP or FTP, and are fetched."""

import asyncio
import hashlib
from typing import Any

import httpx
import pytest

from tests.csms.web.diagnostics_jobs import ordered, put, report, shown, store
from tests.csms.web.stations import Connect

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_diagnostics_come_by_http(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """What is put below the location is kept byte for byte, with its name."""
    station, job, location = await ordered(
        shared_api,
        shared_connect,
        identity,
        startTime="2026-03-01T00:00:00Z",
        stopTime="2026-03-02T00:00:00Z",
        retries=2,
        retryInterval=5,
    )
    content = bytes(range(256)) * 5000
    await report(station, "Uploading")
    sent = await put(location + "log%20%C3%A4.zip", content)
    await report(station, "Uploaded")

    assert sent.status_code == 201
    found = await shown(shared_api, job)
    assert found["order"] == {
        "location": f"{location.rsplit('/', 2)[0]}/***/",
        "startTime": "2026-03-01T00:00:00.000Z",
        "stopTime": "2026-03-02T00:00:00.000Z",
        "retries": 2,
        "retryInterval": 5,
    }
    assert (found["state"], found["command"]) == ("Uploaded", "Answered")
    assert found["fileName"] == "log.zip"
    assert [one["status"] for one in found["statuses"]] == ["Uploading", "Uploaded"]
    file = found["file"]
    assert (file["name"], file["size"], file["isWhole"]) == ("log ä.zip", len(content), True)
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert found["wantsFile"] is False
    fetched = await shared_api.get(f"{job}/file")
    assert fetched.content == content
    assert fetched.headers["content-disposition"] == (
        "attachment; filename=\"log__.zip\"; filename*=UTF-8''log%20%C3%A4.zip"
    )
    assert fetched.headers["x-content-type-options"] == "nosniff"


async def test_diagnostics_come_by_ftp_and_the_password_is_shown_nowhere(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """The location as it was sent has the password, the job has not."""
    _, job, location = await ordered(shared_api, shared_connect, identity, protocol="ftp")
    content = b"line\r\n" * 50_000

    reply = await asyncio.to_thread(store, location, "log.txt", content)

    assert reply.startswith("226")
    found = await shown(shared_api, job)
    file = found["file"]
    assert (file["name"], file["size"], file["isWhole"]) == ("log.txt", len(content), True)
    assert (await shared_api.get(f"{job}/file")).content == content
    password = location.split(":")[2].split("@")[0]
    assert len(password) == 24
    assert password not in str(found)
    assert found["location"] == location.replace(password, "***")
    logged = await shared_api.get(f"/charge-points/{identity}/messages")
    assert password not in logged.text


async def test_a_file_may_be_there_although_the_station_says_it_failed(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Both facts are kept, and neither hides the other."""
    station, job, location = await ordered(shared_api, shared_connect, identity)
    await report(station, "Uploading")
    await put(location)
    await report(station, "UploadFailed")

    found = await shown(shared_api, job)

    assert found["state"] == "UploadFailed"
    assert found["file"]["isWhole"] is True


async def test_a_station_may_say_uploaded_although_nothing_came(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """The other way round, and the file is still taken."""
    station, job, location = await ordered(shared_api, shared_connect, identity)
    await report(station, "Uploading", "Uploaded")

    found = await shown(shared_api, job)

    assert (found["state"], found["file"], found["wantsFile"]) == ("Uploaded", None, True)
    assert (await shared_api.get(f"{job}/file")).status_code == 404
    assert (await put(location)).status_code == 201


async def test_reports_before_the_answer_belong_to_the_job(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Stations do not wait with them."""
    await shared_api.put(f"/charge-points/{identity}", json={})
    station = await shared_connect(identity)
    await station.boot()
    station.answer = lambda *_: None
    asking = asyncio.create_task(shared_api.post(f"/charge-points/{identity}/diagnostics", json={}))
    await station.commands.get()
    await report(station, "Uploading")
    listed = (await shared_api.get(f"/charge-points/{identity}/diagnostics")).json()["items"]
    await station.close()
    await asking

    assert [(one["state"], one["command"]) for one in listed] == [("Uploading", "Requested")]
    listed = (await shared_api.get(f"/charge-points/{identity}/diagnostics")).json()["items"]
    assert [(one["state"], one["command"]) for one in listed] == [("Uploading", "Unknown")]


async def test_giving_up_closes_the_location_and_deletes_what_came(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """The job itself stays."""
    _, job, location = await ordered(shared_api, shared_connect, identity)
    await put(location)

    assert (await shared_api.delete(f"{job}/file")).status_code == 204

    assert (await shared_api.get(f"{job}/file")).status_code == 404
    assert (await put(location)).status_code == 404
    found = await shown(shared_api, job)
    assert (found["file"], found["wantsFile"]) == (None, False)
    assert [one["isWhole"] for one in found["transfers"]] == [True]


async def test_a_foreign_location_is_followed_as_well(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """We wait for no file there."""
    await shared_api.put(f"/charge-points/{identity}", json={})
    station = await shared_connect(identity)
    await station.boot()
    await shared_api.post(
        f"/charge-points/{identity}/commands/GetDiagnostics",
        json={"location": "ftp://logs.example/in"},
    )
    await report(station, "Uploading", "Uploaded")

    (found,) = (await shared_api.get(f"/charge-points/{identity}/diagnostics")).json()["items"]

    assert (found["state"], found["wantsFile"], found["file"]) == ("Uploaded", False, None)
    assert found["location"] == "ftp://logs.example/in"


@pytest.mark.parametrize(
    "body",
    [{"protocol": "sftp"}, {"retries": -1}, {"retryInterval": "5"}, {"startTime": 5}, {"odd": 1}],
)
async def test_an_order_that_makes_no_sense_is_refused(
    shared_api: httpx.AsyncClient, identity: str, body: dict[str, Any]
) -> None:
    """Before anything is sent or written down."""
    await shared_api.put(f"/charge-points/{identity}", json={})

    answer = await shared_api.post(f"/charge-points/{identity}/diagnostics", json=body)

    assert answer.status_code == 422
