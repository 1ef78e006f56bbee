"""Diagnostics jobs for tests: ordered of a station that answers, sent by real clients."""

import ftplib
import io
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.csms.web.stations import Connect, Station


async def ordered(
    api: httpx.AsyncClient, connect: Connect, identity: str, **body: Any
) -> tuple[Station, str, str]:
    """Return a station, the path of its job, and the location as it was sent."""
    await api.put(f"/charge-points/{identity}", json={})
    station = await connect(identity)
    await station.boot()
    station.answer = lambda message_id, *_: [3, message_id, {"fileName": "log.zip"}]
    answer = await api.post(f"/charge-points/{identity}/diagnostics", json=body)
    assert answer.status_code == 201, answer.text
    action, payload = await station.commands.get()
    assert action == "GetDiagnostics"
    return (
        station,
        f"/charge-points/{identity}/diagnostics/{answer.json()['id']}",
        payload["location"],
    )


async def shown(api: httpx.AsyncClient, job: str) -> dict[str, Any]:
    """Return the job."""
    answer = await api.get(job)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def report(station: Station, *statuses: str) -> None:
    """Send DiagnosticsStatusNotifications."""
    for status in statuses:
        frame = await station.call("DiagnosticsStatusNotification", {"status": status})
        assert (frame[0], frame[2]) == (3, {})


async def put(location: str, content: bytes = b"log", **options: Any) -> httpx.Response:
    """Send a file by HTTP."""
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        return await client.put(location, content=content, **options)


def login(location: str) -> ftplib.FTP:
    """Return an FTP client that is logged in."""
    where = urlsplit(location)
    ftp = ftplib.FTP(timeout=5)  # noqa: S321  # what stations use
    try:
        ftp.connect(where.hostname or "", where.port or 0)
        ftp.login(where.username or "", where.password or "")
    except BaseException:
        ftp.close()
        raise
    return ftp


def store(location: str, name: str, content: bytes = b"log") -> str:
    """Send a file by FTP; return the reply."""
    with login(location) as ftp:
        return ftp.storbinary(f"STOR {name}", io.BytesIO(content))
