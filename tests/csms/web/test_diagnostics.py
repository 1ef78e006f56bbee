"""Diagnostics are asked for over OCPP and come over HTTP or FTP, with real clients."""

import asyncio
import ftplib
import hashlib
import io
from typing import Any
from urllib.parse import urlsplit

import httpx

from csms.app import CentralSystem
from tests.csms.web.stations import Connect, Station


async def _ordered(
    api: httpx.AsyncClient, connect: Connect, identity: str, **body: Any
) -> tuple[Station, dict[str, Any], str]:
    """Return a station, the job it was given, and the location as it was sent."""
    await api.put(f"/charge-points/{identity}", json={})
    station = await connect(identity)
    await station.boot()
    station.answer = lambda message_id, *_: [3, message_id, {"fileName": "log.zip"}]
    answer = await api.post(f"/charge-points/{identity}/diagnostics", json=body)
    assert answer.status_code == 201, answer.text
    action, payload = await station.commands.get()
    assert action == "GetDiagnostics"
    return station, answer.json(), payload["location"]


async def _job(api: httpx.AsyncClient, job: dict[str, Any]) -> dict[str, Any]:
    answer = await api.get(f"/charge-points/{job['chargePoint']}/diagnostics/{job['id']}")
    found: dict[str, Any] = answer.json()
    return found


async def _report(station: Station, *statuses: str) -> None:
    for status in statuses:
        frame = await station.call("DiagnosticsStatusNotification", {"status": status})
        assert frame[0] == 3
        assert frame[2] == {}


async def test_diagnostics_come_by_http(
    api: httpx.AsyncClient, connect: Connect, identity: str
) -> None:
    """What is put below the location is kept byte for byte, with its name."""
    station, job, location = await _ordered(api, connect, identity, retries=2, retryInterval=5)
    content = bytes(range(256)) * 5000
    await _report(station, "Uploading")
    async with httpx.AsyncClient(trust_env=False) as client:
        sent = await client.put(location + "log%20%C3%A4.zip", content=content)
    await _report(station, "Uploaded")

    assert sent.status_code == 201
    found = await _job(api, job)
    assert found["state"] == found["status"] == "Uploaded"
    assert found["command"] == "Answered"
    assert found["fileName"] == "log.zip"
    assert found["order"] == {"location": location, "retries": 2, "retryInterval": 5}
    assert [one["status"] for one in found["statuses"]] == ["Uploading", "Uploaded"]
    assert found["file"]["name"] == "log ä.zip"
    assert found["file"]["isWhole"] is True
    assert found["file"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert found["wantsFile"] is False
    fetched = await api.get(f"/charge-points/{identity}/diagnostics/{job['id']}/file")
    assert fetched.content == content


def _store(location: str, name: str, content: bytes) -> str:
    where = urlsplit(location)
    with ftplib.FTP() as ftp:  # noqa: S321  # what stations use
        ftp.connect(where.hostname or "", where.port or 0, timeout=5)
        ftp.login(where.username or "", where.password or "")
        return ftp.storbinary(f"STOR {name}", io.BytesIO(content))


async def test_diagnostics_come_by_ftp(
    system: CentralSystem, api: httpx.AsyncClient, connect: Connect, identity: str
) -> None:
    """What is stored by FTP is kept, and the listener ends with the job."""
    _, job, location = await _ordered(api, connect, identity, protocol="ftp")
    content = b"line\r\n" * 50_000

    reply = await asyncio.to_thread(_store, location, "log.txt", content)

    assert reply.startswith("226")
    found = await _job(api, job)
    assert found["file"]["isWhole"] is True
    assert found["file"]["size"] == len(content)
    assert found["file"]["sha256"] == hashlib.sha256(content).hexdigest()
    async with asyncio.timeout(5):
        while True:
            try:
                await asyncio.to_thread(_store, location, "again.txt", b"")
            except ConnectionRefusedError:
                break
