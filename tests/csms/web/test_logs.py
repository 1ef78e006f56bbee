"""Logs by GetLog: asked for, sent by real clients over HTTP and FTP, followed by their request."""

import asyncio
import ftplib
from typing import Any

import httpx
import pytest

from tests.csms.web.diagnostics_jobs import login, put, shown, store
from tests.csms.web.stations import Connect, Station

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTENT = b"2026-01-31T12:00:00Z ResetOrReboot\n" * 1000


async def _booted(api: httpx.AsyncClient, connect: Connect, identity: str) -> Station:
    station = connect(identity)
    await api.put(station.resource, json={})
    await station
    await station.boot()
    return station


async def _ordered(
    api: httpx.AsyncClient, station: Station, status: str = "Accepted", **body: Any
) -> tuple[str, dict[str, Any]]:
    """Return the path of a job, and the order as it was sent."""
    answered = {"status": status, "filename": "security.log"}
    station.answer = lambda message_id, *_: [3, message_id, answered]
    answer = await api.post(f"{station.resource}/logs", json={"logType": "SecurityLog", **body})
    assert answer.status_code == 201, answer.text
    action, order = await station.commands.get()
    assert action == "GetLog"
    return f"{station.resource}/logs/{answer.json()['id']}", order


async def _report(station: Station, order: dict[str, Any], *statuses: str) -> None:
    for status in statuses:
        frame = await station.call(
            "LogStatusNotification", {"status": status, "requestId": order["requestId"]}
        )
        assert (frame[0], frame[2]) == (3, {})


@pytest.mark.parametrize("log_type", ["SecurityLog", "DiagnosticsLog"])
@pytest.mark.parametrize(("method", "name"), [("PUT", ""), ("PUT", "a.log"), ("POST", "x/a.log")])
async def test_log_comes_by_http(
    shared_api: httpx.AsyncClient,
    shared_connect: Connect,
    identity: str,
    log_type: str,
    method: str,
    name: str,
) -> None:
    """At the location or below it, and its file is what was sent."""
    station = await _booted(shared_api, shared_connect, identity)
    job, order = await _ordered(
        shared_api,
        station,
        logType=log_type,
        oldestTimestamp="2026-03-01T00:00:00Z",
        latestTimestamp="2026-03-02T00:00:00Z",
        retries=2,
        retryInterval=5,
    )
    location = order["log"]["remoteLocation"]
    await _report(station, order, "Uploading")
    async with httpx.AsyncClient(trust_env=False) as client:
        sent = await client.request(method, location + name, content=CONTENT)
    await _report(station, order, "Uploaded")

    assert sent.status_code == 201
    assert order == {
        "logType": log_type,
        "requestId": order["requestId"],
        "retries": 2,
        "retryInterval": 5,
        "log": {
            "remoteLocation": location,
            "oldestTimestamp": "2026-03-01T00:00:00.000Z",
            "latestTimestamp": "2026-03-02T00:00:00.000Z",
        },
    }
    found = await shown(shared_api, job)
    assert (found["state"], found["logType"], found["fileName"]) == (
        "Uploaded",
        log_type,
        "security.log",
    )
    assert (found["requestId"], found["wantsFile"]) == (order["requestId"], False)
    assert [one["status"] for one in found["statuses"]] == ["Uploading", "Uploaded"]
    assert (found["file"]["name"], found["file"]["isWhole"]) == (name, True)
    assert location.split("/")[-2] not in str(found)
    assert (await shared_api.get(f"{job}/file")).content == CONTENT


async def test_log_comes_by_ftp(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Once, and the password is shown nowhere."""
    station = await _booted(shared_api, shared_connect, identity)
    job, order = await _ordered(shared_api, station, protocol="ftp")
    location = order["log"]["remoteLocation"]

    reply = await asyncio.to_thread(store, location, "security.log", CONTENT)
    with pytest.raises((ftplib.error_perm, ConnectionError)):  # by then, nobody may listen
        await asyncio.to_thread(login, location)

    assert reply.startswith("226")
    found = await shown(shared_api, job)
    assert (found["file"]["name"], found["file"]["size"]) == ("security.log", len(CONTENT))
    assert location.split(":")[2].split("@")[0] not in str(found)
    assert (await shared_api.get(f"{job}/file")).content == CONTENT


@pytest.mark.parametrize(
    "end", ["UploadFailure", "BadMessage", "PermissionDenied", "NotSupportedOperation"]
)
async def test_failed_upload_shows_how_it_failed(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str, end: str
) -> None:
    """Idle afterwards changes nothing; the file may still come by a retry."""
    station = await _booted(shared_api, shared_connect, identity)
    job, order = await _ordered(shared_api, station)
    await _report(station, order, "Uploading", end, "Idle")

    found = await shown(shared_api, job)

    assert (found["state"], found["wantsFile"], found["file"]) == (end, True, None)


async def test_refused_request_takes_no_file(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """The order itself tells that it was refused."""
    station = await _booted(shared_api, shared_connect, identity)
    job, order = await _ordered(shared_api, station, "Rejected")

    sent = await put(order["log"]["remoteLocation"])

    found = await shown(shared_api, job)
    assert sent.status_code == 404
    assert (found["state"], found["command"], found["wantsFile"]) == ("Rejected", "Refused", False)


async def test_canceling_request_takes_the_place_of_the_one_before(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Of that, nothing is taken any more; the new one gets its file."""
    station = await _booted(shared_api, shared_connect, identity)
    first, first_order = await _ordered(shared_api, station)
    await _report(station, first_order, "Uploading")
    second, second_order = await _ordered(shared_api, station, "AcceptedCanceled")
    late = await put(first_order["log"]["remoteLocation"])
    sent = await put(second_order["log"]["remoteLocation"])
    await _report(station, second_order, "Uploading", "Uploaded")

    canceled, taken = await shown(shared_api, first), await shown(shared_api, second)
    assert (canceled["state"], canceled["canceledBy"]) == ("Canceled", taken["id"])
    assert (canceled["wantsFile"], late.status_code) == (False, 404)
    assert (taken["state"], sent.status_code) == ("Uploaded", 201)


async def test_raw_command_is_a_job_and_its_secrets_are_not_logged(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Neither what an operator put into it, nor what we did."""
    station = await _booted(shared_api, shared_connect, identity)
    await _ordered(shared_api, station)
    order = {
        "logType": "DiagnosticsLog",
        "requestId": 7,
        "log": {"remoteLocation": "https://user:pw@logs.example/in?sig=secret"},
    }
    await shared_api.post(f"{station.resource}/commands/GetLog", json=order)
    await _report(station, {"requestId": 7}, "Uploading", "Uploaded")

    listed = (await shared_api.get(f"{station.resource}/logs")).json()["items"]
    frames = (await shared_api.get(f"{station.resource}/messages?action=GetLog")).json()["items"]

    assert [one["state"] for one in listed] == ["Uploaded", "Answered"]
    assert listed[0]["location"] == "https://user:***@logs.example/in?***"
    assert listed[0]["logType"] == "DiagnosticsLog"
    raw, ours = [one["text"] for one in frames if one["direction"] == "sent"]
    assert '"remoteLocation":"https://user:***@logs.example/in?***"' in raw
    assert "/files/logs/***/" in ours
    assert (await station.commands.get())[1] == order


async def test_report_of_nobody_is_kept_and_answered(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Idle without a request as well (CS-SEC-13)."""
    station = await _booted(shared_api, shared_connect, identity)
    job, _ = await _ordered(shared_api, station)
    await _report(station, {"requestId": -1}, "Uploading")
    assert (await station.call("LogStatusNotification", {"status": "Idle"}))[2] == {}

    kept = (await shared_api.get(f"{station.resource}/file-statuses")).json()["items"]

    assert [(one["kind"], one["status"], one["jobId"]) for one in kept] == [
        ("log", "Idle", None),
        ("log", "Uploading", None),
    ]
    assert (await shown(shared_api, job))["statuses"] == []


async def test_file_can_be_given_up(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Nothing is taken then."""
    station = await _booted(shared_api, shared_connect, identity)
    job, order = await _ordered(shared_api, station)

    assert (await shared_api.delete(f"{job}/file")).status_code == 204

    assert (await put(order["log"]["remoteLocation"])).status_code == 404
    assert (await shared_api.get(f"{job}/file")).status_code == 404
    assert (await shown(shared_api, job))["wantsFile"] is False


async def test_unsent_request_names_its_job(shared_api: httpx.AsyncClient, identity: str) -> None:
    """As everywhere."""
    await shared_api.put(f"/charge-points/{identity}", json={})

    answer = await shared_api.post(
        f"/charge-points/{identity}/logs", json={"logType": "SecurityLog"}
    )

    assert answer.status_code == 409
    job = await shown(shared_api, f"/charge-points/{identity}/logs/{answer.json()['jobId']}")
    assert job["state"] == "NotSent"
    other = await shared_api.get(f"/charge-points/{identity}/diagnostics/{job['id']}")
    assert other.status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"logType": "Other"},
        {"logType": "SecurityLog", "protocol": "sftp"},
        {"logType": "SecurityLog", "retries": -1},
        {"logType": "SecurityLog", "requestId": 5},
        {"logType": "SecurityLog", "oldestTimestamp": 5},
    ],
)
async def test_order_that_makes_no_sense_is_refused(
    shared_api: httpx.AsyncClient, identity: str, body: dict[str, Any]
) -> None:
    """Before anything is sent or written down."""
    await shared_api.put(f"/charge-points/{identity}", json={})

    answer = await shared_api.post(f"/charge-points/{identity}/logs", json=body)

    assert answer.status_code == 422
    listed = await shared_api.get(f"/charge-points/{identity}/logs")
    assert listed.json()["items"] == []
