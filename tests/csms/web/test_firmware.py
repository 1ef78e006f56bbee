"""Firmware is offered, ordered, fetched and followed, with a real client and a real station."""

import asyncio
import hashlib
from typing import Any

import httpx
import pytest

from csms.app import CentralSystem
from tests.csms.web.stations import Connect, Station

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


async def _offer(
    api: httpx.AsyncClient, name: str, content: bytes = CONTENT, version: str = "2.0"
) -> httpx.Response:
    return await api.put(f"/firmware/{name}", params={"version": version}, content=content)


async def _booted(api: httpx.AsyncClient, connect: Connect, identity: str) -> Station:
    await api.put(f"/charge-points/{identity}", json={})
    station = await connect(identity)
    await station.boot()
    station.answer = lambda message_id, *_: [3, message_id, {}]
    return station


async def _ordered(
    api: httpx.AsyncClient, connect: Connect, identity: str, **body: Any
) -> tuple[Station, dict[str, Any], str]:
    """Return a station, its job, and the location as sent; the firmware has the identity's name."""
    assert (await _offer(api, identity)).status_code == 201
    station = await _booted(api, connect, identity)
    answer = await api.post(
        f"/charge-points/{identity}/firmware-updates", json={"firmware": identity, **body}
    )
    assert answer.status_code == 201, answer.text
    action, payload = await station.commands.get()
    assert action == "UpdateFirmware"
    return station, answer.json(), payload["location"]


async def _job(api: httpx.AsyncClient, job: dict[str, Any]) -> dict[str, Any]:
    answer = await api.get(f"/charge-points/{job['chargePoint']}/firmware-updates/{job['id']}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _get(location: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(
            location, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )


async def test_a_firmware_file_is_offered_listed_replaced_and_withdrawn(
    shared_api: httpx.AsyncClient, identity: str
) -> None:
    """The repository tells size and digest of what it has."""
    name = f"{identity}.bin"
    assert (await _offer(shared_api, name)).status_code == 201
    replaced = await _offer(shared_api, name, b"new", "2.1")

    assert replaced.status_code == 200
    found = (await shared_api.get(f"/firmware/{name}")).json()
    assert (found["name"], found["version"], found["size"]) == (name, "2.1", 3)
    assert found["sha256"] == hashlib.sha256(b"new").hexdigest()
    listed = (await shared_api.get("/firmware", params={"limit": 1000})).json()["items"]
    assert found in listed
    assert (await shared_api.delete(f"/firmware/{name}")).status_code == 204
    assert (await shared_api.delete(f"/firmware/{name}")).status_code == 404
    assert (await shared_api.get(f"/firmware/{name}")).status_code == 404


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("..", "1"),
        ("..%2Fx", "1"),
        ("%2Fetc%2Fpasswd", "1"),
        (".hidden", "1"),
        ("a%00b", "1"),
        ("a b", "1"),
        ("x" * 101, "1"),
        ("a.bin", ""),
        ("a.bin", "v" * 51),
        ("a.bin", "ü"),
    ],
)
async def test_odd_names_and_versions_are_refused(
    shared_system: CentralSystem, shared_api: httpx.AsyncClient, name: str, version: str
) -> None:
    """Names become a part of URLs, versions are compared with what stations report."""
    answer = await shared_api.put(f"/firmware/{name}", params={"version": version}, content=b"x")

    assert answer.status_code in (404, 405, 422)


async def test_an_update_is_followed_from_the_order_to_the_boot(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Every report is shown, the download, and the version that runs afterwards."""
    station, job, location = await _ordered(
        shared_api,
        shared_connect,
        identity,
        retrieveDate="2026-03-01T12:00:00+01:00",
        retries=3,
        retryInterval=60,
    )
    assert job["order"] == {
        "location": location.replace(location.split("/")[-2], "***"),
        "retrieveDate": "2026-03-01T11:00:00.000Z",
        "retries": 3,
        "retryInterval": 60,
    }
    assert (job["state"], job["command"], job["answer"]) == ("Answered", "Answered", {})
    statuses = ["Downloading", "DownloadFailed", "Downloading", "Downloaded", "Installing"]
    for status in statuses:
        frame = await station.call("FirmwareStatusNotification", {"status": status})
        assert frame[2] == {}
        if status == "Downloading":
            assert (await _get(location)).content == CONTENT
    await station.call(
        "BootNotification",
        {"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": "2.0-rc"},
    )
    await station.call("FirmwareStatusNotification", {"status": "Installed"})

    found = await _job(shared_api, job)
    assert [one["status"] for one in found["statuses"]] == [*statuses, "Installed"]
    assert (found["state"], found["bootedVersion"]) == ("Installed", "2.0-rc")
    assert found["firmware"] == {
        "name": identity,
        "version": "2.0",
        "size": len(CONTENT),
        "sha256": SHA256,
    }
    assert [(one["size"], one["isWhole"]) for one in found["transfers"]] == [
        (len(CONTENT), True),
        (len(CONTENT), True),
    ]
    listed = await shared_api.get(f"/charge-points/{identity}/firmware-updates")
    assert [one["id"] for one in listed.json()["items"]] == [job["id"]]


async def test_a_download_is_resumed(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Two parts make the whole; both are noted."""
    _, job, location = await _ordered(shared_api, shared_connect, identity)

    first = await _get(location, range="bytes=0-999")
    etag = first.headers["etag"]
    second = await _get(location, range="bytes=1000-", if_range=etag)
    beyond = await _get(location, range=f"bytes={len(CONTENT)}-")

    assert (first.status_code, second.status_code, beyond.status_code) == (206, 206, 416)
    assert first.headers["accept-ranges"] == "bytes"
    assert first.headers["content-range"] == f"bytes 0-999/{len(CONTENT)}"
    assert beyond.headers["content-range"] == f"bytes */{len(CONTENT)}"
    assert first.content + second.content == CONTENT
    assert (await _get(location, if_none_match=etag)).status_code == 304
    assert (await _get(location, if_match='"x"')).status_code == 412
    several = await _get(location, range="bytes=0-1,5-6")
    assert (several.status_code, several.content) == (200, CONTENT)
    noted = (await _job(shared_api, job))["transfers"]
    assert [(one["firstByte"], one["size"], one["isWhole"]) for one in noted[:2]] == [
        (0, 1000, False),
        (1000, len(CONTENT) - 1000, True),
    ]


async def test_head_tells_what_a_download_would_be(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """A Range means nothing to HEAD, and nothing is noted."""
    _, job, location = await _ordered(shared_api, shared_connect, identity)
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.head(location, headers={"range": "bytes=0-1"})

    assert answer.status_code == 200
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.content == b""
    assert (await _job(shared_api, job))["transfers"] == []


async def test_a_replaced_file_is_not_spliced(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Neither into a download under way nor into one that is resumed, with or without If-Range."""
    _, _, location = await _ordered(shared_api, shared_connect, identity)
    new = CONTENT[::-1]
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        client.stream("GET", location) as under_way,
    ):
        pieces = under_way.aiter_bytes(1000)
        received = await anext(pieces)
        etag = under_way.headers["etag"]
        await _offer(shared_api, identity, new, "2.1")
        async for piece in pieces:
            received += piece

    assert received == CONTENT
    for headers in ({"if_range": etag}, {}):
        resumed = await _get(location, range="bytes=1000-", **headers)
        assert (resumed.status_code, resumed.content) == (200, new)
    new_etag = resumed.headers["etag"]
    part = await _get(location, range="bytes=1000-", if_range=new_etag)
    assert (part.status_code, part.content) == (206, new[1000:])


async def test_only_the_ordered_path_leads_to_the_file(
    shared_system: CentralSystem,
    shared_api: httpx.AsyncClient,
    shared_connect: Connect,
    identity: str,
) -> None:
    """Nothing can be guessed, and no other file be reached."""
    _, _, location = await _ordered(shared_api, shared_connect, identity)
    token = location.split("/")[-2]
    base = f"{shared_system.http_url}/files/firmware"
    wrong = [
        f"{base}/{'0' * 40}/{identity}",
        f"{base}/{token}/other",
        f"{base}/{token}/..%2F{identity}",
        f"{base}/{token[:-1]}/{identity}",
        f"{base}/{token}",
        f"{base}//{identity}",
        f"{shared_system.http_url}/files/diagnostics/{token}/x",
    ]

    answers = [(await _get(url)).status_code for url in wrong]
    put = httpx.AsyncClient(trust_env=False)
    async with put:
        stored = await put.put(f"{shared_system.http_url}/files/diagnostics/{token}/", content=b"x")

    assert set(answers) <= {404, 405, 422}
    assert stored.status_code == 404
    assert len(token) == 40


async def test_a_withdrawn_file_is_gone(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Also for those who were told to fetch it."""
    _, _, location = await _ordered(shared_api, shared_connect, identity)
    await shared_api.delete(f"/firmware/{identity}")

    assert (await _get(location)).status_code == 404


async def test_a_command_that_is_not_answered_leaves_the_job_unknown(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """And what the station reports then is believed."""
    await _offer(shared_api, identity)
    station = await _booted(shared_api, shared_connect, identity)
    station.answer = lambda *_: None
    ordering = asyncio.create_task(
        shared_api.post(f"/charge-points/{identity}/firmware-updates", json={"firmware": identity})
    )
    _, payload = await station.commands.get()
    await station.close()
    answer = await ordering

    assert answer.status_code == 409
    job = {"chargePoint": identity, "id": answer.json()["jobId"]}
    assert (await _job(shared_api, job))["state"] == "Unknown"
    assert (await _get(payload["location"])).status_code == 200
    again = await shared_connect(identity)
    await again.call("FirmwareStatusNotification", {"status": "Downloading"})
    found = await _job(shared_api, job)
    assert (found["state"], found["command"]) == ("Downloading", "Unknown")


@pytest.mark.parametrize(
    ("answer", "status", "state"),
    [([4, "NotSupported", "signed only", {}], 502, "Refused"), (None, 409, "NotSent")],
)
async def test_a_refused_or_unsent_command_closes_the_location(
    shared_api: httpx.AsyncClient,
    shared_connect: Connect,
    identity: str,
    answer: list[Any] | None,
    status: int,
    state: str,
) -> None:
    """Stations with signed updates refuse plain ones (CS-FWM-05)."""
    await _offer(shared_api, identity)
    station = await _booted(shared_api, shared_connect, identity)
    if answer is None:
        await station.close()
    else:
        station.answer = lambda message_id, *_: [answer[0], message_id, *answer[1:]]

    told = await shared_api.post(
        f"/charge-points/{identity}/firmware-updates", json={"firmware": identity}
    )

    assert told.status_code == status
    found = await _job(shared_api, {"chargePoint": identity, "id": told.json()["jobId"]})
    assert found["state"] == state
    if answer is not None:
        _, payload = await station.commands.get()
        assert (await _get(payload["location"])).status_code == 404


async def test_a_foreign_location_is_followed_as_well(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Whoever sends the command; a password in it is kept nowhere."""
    station = await _booted(shared_api, shared_connect, identity)
    payload = {
        "location": "ftp://user:hunter2@firmware.example/fw.bin",
        "retrieveDate": "9999-12-31T23:59:59Z",
    }
    sent = await shared_api.post(f"/charge-points/{identity}/commands/UpdateFirmware", json=payload)
    await station.call("FirmwareStatusNotification", {"status": "Downloading"})

    assert sent.status_code == 200
    listed = (await shared_api.get(f"/charge-points/{identity}/firmware-updates")).json()["items"]
    assert [one["state"] for one in listed] == ["Downloading"]
    assert listed[0]["location"] == "ftp://user:***@firmware.example/fw.bin"
    assert listed[0]["firmware"] is None
    assert "hunter2" not in str(listed)


async def test_an_invalid_command_is_no_job(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Nothing was asked of anybody."""
    await _booted(shared_api, shared_connect, identity)

    sent = await shared_api.post(
        f"/charge-points/{identity}/commands/UpdateFirmware", json={"location": 5}
    )

    assert sent.status_code == 422
    listed = await shared_api.get(f"/charge-points/{identity}/firmware-updates")
    assert listed.json()["items"] == []


async def test_a_job_of_another_charge_point_is_not_shown(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Nor as one of the other kind."""
    _, job, _ = await _ordered(shared_api, shared_connect, identity)

    other = await shared_api.get(f"/charge-points/other/firmware-updates/{job['id']}")
    kind = await shared_api.get(f"/charge-points/{identity}/diagnostics/{job['id']}")

    assert (other.status_code, kind.status_code) == (404, 404)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"firmware": "none"},
        {"firmware": "x", "retries": -1},
        {"firmware": "x", "retries": True},
        {"firmware": "x", "retryInterval": 2**31},
        {"firmware": "x", "retrieveDate": "soon"},
        {"firmware": "x", "odd": 1},
    ],
)
async def test_an_order_that_makes_no_sense_is_refused(
    shared_api: httpx.AsyncClient, identity: str, body: dict[str, Any]
) -> None:
    """Before anything is sent or written down."""
    await shared_api.put(f"/charge-points/{identity}", json={})

    answer = await shared_api.post(f"/charge-points/{identity}/firmware-updates", json=body)

    assert answer.status_code in (404, 422)
