"""What charge points can do at the addresses they were given, and what nobody can."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest

from csms.app import CentralSystem, central_system
from csms.config import Settings
from tests.csms.conftest import client_of
from tests.csms.web.diagnostics_jobs import ordered, put, shown
from tests.csms.web.stations import Connect, Station

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _send(location: str, head: str, body: bytes) -> None:
    """Send a request's beginning, and end the connection."""
    where = urlsplit(location)
    _, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(f"PUT {where.path}log.bin HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode() + body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def _transfers(api: httpx.AsyncClient, job: str, count: int) -> list[tuple[int, bool, str]]:
    """Wait until so many transfers ended, and return size, wholeness and detail of each."""
    async with asyncio.timeout(5):
        while True:
            found = (await shown(api, job))["transfers"]
            if len([one for one in found if one["endedAt"]]) == count:
                return [(one["size"], one["isWhole"], one["detail"]) for one in found]


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize(
    ("rest", "name"),
    [
        ("", ""),
        ("log.bin", "log.bin"),
        ("a/b.bin", "a/b.bin"),
        ("..%2F..%2Fetc%2Fpasswd", "../../etc/passwd"),
        ("%FF%00", "\N{REPLACEMENT CHARACTER}" * 2),
        ("x" * 400, "x" * 255),
    ],
)
async def test_a_file_is_taken_under_any_name(
    shared_api: httpx.AsyncClient,
    shared_connect: Connect,
    identity: str,
    method: str,
    rest: str,
    name: str,
) -> None:
    """The name is text and leads nowhere."""
    _, job, location = await ordered(shared_api, shared_connect, identity)
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.request(method, location + rest, content=b"log")

    assert answer.status_code == 201
    assert (await shown(shared_api, job))["file"]["name"] == name


async def test_the_location_itself_takes_a_file_without_its_last_slash(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Some stations cut it off."""
    _, _, location = await ordered(shared_api, shared_connect, identity)

    assert (await put(location.rstrip("/"))).status_code == 201


async def test_nothing_is_overwritten(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """The first whole file is the job's."""
    _, job, location = await ordered(shared_api, shared_connect, identity)
    await put(location + "a", b"first")

    assert (await put(location + "a", b"second")).status_code == 409
    assert (await put(location + "b", b"third")).status_code == 409
    assert (await shared_api.get(f"{job}/file")).content == b"first"


async def test_nothing_can_be_read_or_listed(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Upload only."""
    _, _, location = await ordered(shared_api, shared_connect, identity)
    await put(location + "log")
    async with httpx.AsyncClient(trust_env=False) as client:
        answers = [
            await client.request(method, location + name)
            for method in ("GET", "HEAD", "DELETE", "OPTIONS", "PATCH")
            for name in ("", "log")
        ]

    assert {answer.status_code for answer in answers} == {405}


async def test_guessing_leads_nowhere(
    shared_system: CentralSystem,
    shared_api: httpx.AsyncClient,
    shared_connect: Connect,
    identity: str,
) -> None:
    """Nor does the user name of an FTP job work over HTTP."""
    _, _, location = await ordered(shared_api, shared_connect, identity, protocol="ftp")
    user = urlsplit(location).username or ""
    base = f"{shared_system.http_url}/files"

    for path in (
        f"/diagnostics/{user}/x",
        f"/diagnostics/{user.ljust(40, '0')}/x",
        f"/diagnostics/{'0' * 40}/x",
        "/diagnostics/",
        "/",
        "/../api/v1/id-tags/x",
        f"/firmware/{'0' * 40}/x",
    ):
        answer = await put(base + path)
        assert answer.status_code in (401, 404, 405, 422), path


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Content-Length: 1000", b"half"),
        ("Transfer-Encoding: chunked", b"4\r\nhalf\r\n"),
    ],
)
async def test_a_broken_upload_is_told_from_a_whole_one(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str, head: str, body: bytes
) -> None:
    """It can be looked at, and the next try is taken."""
    _, job, location = await ordered(shared_api, shared_connect, identity)
    await _send(location, head, body)

    ((size, is_whole, detail),) = await _transfers(shared_api, job, 1)

    assert (is_whole, detail) == (False, "the connection ended in the middle")
    found = await shown(shared_api, job)
    assert (found["file"]["isWhole"], found["wantsFile"]) == (False, True)
    assert (await shared_api.get(f"{job}/file")).status_code == 409
    part = await shared_api.get(f"{job}/file", params={"partial": "true"})
    assert part.content == b"half"[:size]  # what had arrived when the end was noticed
    assert (await put(location, b"whole")).status_code == 201
    assert (await shared_api.get(f"{job}/file")).content == b"whole"


async def test_a_newer_try_takes_over_from_a_dead_one(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """A connection that nobody closed does not keep the file away."""
    _, job, location = await ordered(shared_api, shared_connect, identity)
    where = urlsplit(location)
    _, dead = await asyncio.open_connection(where.hostname, where.port)
    dead.write(f"PUT {where.path}a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf".encode())
    await dead.drain()
    async with asyncio.timeout(5):
        while not (await shown(shared_api, job))["transfers"]:
            pass

    assert (await put(location, b"whole")).status_code == 201

    dead.write(b" more")
    await dead.drain()
    ended = await _transfers(shared_api, job, 2)
    dead.close()
    assert ended == [(0, False, "a newer transfer took over"), (5, True, "")]
    assert (await shared_api.get(f"{job}/file")).content == b"whole"


async def test_a_part_is_not_taken_for_the_whole(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """RFC 9110 §14.5: Content-Range with PUT."""
    _, _, location = await ordered(shared_api, shared_connect, identity)

    answer = await put(location, b"log", headers={"Content-Range": "bytes 0-2/9"})

    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:ocpp-csms:problem:partial-upload"


@pytest.mark.slow
@pytest.mark.parametrize("is_announced", [True, False])
@pytest.mark.parametrize("excess", [0, 1])
async def test_files_are_bounded(settings: Settings, is_announced: bool, excess: int) -> None:
    """The limit is the last size that fits, whether or not the size is announced."""
    limited = replace(settings, diagnostics_megabytes=1, firmware_megabytes=1)
    content = bytes(1_000_000 + excess)

    async def pieces() -> AsyncIterator[bytes]:
        yield content[:400_000]
        yield content[400_000:]

    def body() -> bytes | AsyncIterator[bytes]:
        return content if is_announced else pieces()

    async with central_system(limited) as system, client_of(system) as api:
        await api.put("/charge-points/CP", json={})
        station = await Station(f"{system.ocpp_url}/", "CP", password=None)
        await station.boot()
        job = (await api.post("/charge-points/CP/diagnostics", json={})).json()
        _, order = await station.commands.get()
        async with httpx.AsyncClient(trust_env=False) as client:
            sent = await client.put(order["location"], content=body())
        offered = await api.put("/firmware/a.bin", params={"version": "1"}, content=body())
        found = await shown(api, f"/charge-points/CP/diagnostics/{job['id']}")
        await station.close()

    assert (sent.status_code, offered.status_code) == ((413, 413) if excess else (201, 201))
    assert (found["file"] is not None and found["file"]["isWhole"]) is not bool(excess)
    if excess:
        assert json.loads(sent.text)["type"] == "urn:ocpp-csms:problem:content-too-large"
