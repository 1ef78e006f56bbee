"""Receiving files through starts, ends and kills of the CSMS."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from csms.app import central_system
from csms.config import Settings
from tests.csms.conftest import client_of
from tests.csms.operations.ftp_jobs import free_port, ftp_job, listens
from tests.csms.web.diagnostics_jobs import login, put, shown, store
from tests.csms.web.stations import Station
from tests.programs import BareStation, CsmsProgram


@pytest.mark.parametrize(
    ("changes", "host"),
    [
        ({"ftp_announced_address": "192.0.2.7"}, "192.0.2.7"),
        ({"public_url": "https://csms.example.com"}, "csms.example.com"),
        ({"public_url": "http://[2001:db8::1]:80"}, "[2001:db8::1]"),
        ({"ftp_host": "0.0.0.0"}, None),
    ],
)
async def test_the_ftp_location_is_one_that_stations_can_reach(
    settings: Settings, changes: dict[str, Any], host: str | None
) -> None:
    """Where it is not known, that is said."""
    ftp_port = free_port()
    async with (
        central_system(replace(settings, ftp_port=ftp_port, **changes)) as system,
        client_of(system) as api,
    ):
        await api.put("/charge-points/CP", json={})
        station = await Station(f"{system.ocpp_url}/", "CP", password=None)
        await station.boot()
        answer = await api.post("/charge-points/CP/diagnostics", json={"protocol": "ftp"})
        await station.close()

    if host is None:
        assert answer.status_code == 503
    else:
        assert f"@{host}:{ftp_port}/" in answer.json()["location"]


@pytest.mark.slow
async def test_a_restart_in_the_middle_of_an_upload(settings: Settings) -> None:
    """The part is told from a whole file, nothing is left on disk, and the job still waits."""
    ftp_port = free_port()
    settings = replace(settings, ftp_port=ftp_port)
    async with central_system(settings) as system, client_of(system) as api:
        station, job, location = await ftp_job(system, api)
        ftp = await asyncio.to_thread(login, location)
        data = await asyncio.to_thread(ftp.transfercmd, "STOR log.bin")
        data.sendall(b"half")
        async with asyncio.timeout(5):
            while not (await shown(api, job))["transfers"]:
                pass
        await station.close()
    data.close()
    ftp.close()
    assert not listens(ftp_port)

    async with central_system(settings) as system, client_of(system) as api:
        found = await shown(api, job)
        assert [one["isWhole"] for one in found["transfers"]] == [False]
        assert found["transfers"][0]["endedAt"] is not None
        assert (found["command"], found["wantsFile"]) == ("Answered", True)
        reply = await asyncio.to_thread(store, location, "log.bin", b"whole")
        assert reply.startswith("226")
        assert (await api.get(f"{job}/file")).content == b"whole"


@pytest.mark.slow
async def test_a_killed_csms_knows_what_it_does_not_know(tmp_path: Path) -> None:
    """Killed with a command unanswered and an upload half done: unknown, partial, still wanted."""
    csms = CsmsProgram(tmp_path, ["--ftp-port", "0"]).start()
    async with csms.api() as api:
        await api.put("/charge-points/CP", json={})
        station = await BareStation.connect(csms.ocpp_url, "CP")
        await station.boot()
        asking = asyncio.create_task(api.post("/charge-points/CP/diagnostics", json={}))
        where = httpx.URL(json.loads(await station.socket.recv())[3]["location"])
        _, writer = await asyncio.open_connection(where.host, where.port)
        writer.write(
            f"PUT {where.raw_path.decode()}x HTTP/1.1\r\nHost: x\r\n"
            "Content-Length: 9000000\r\n\r\n".encode()
            + bytes(1_000_000)
        )
        await writer.drain()
        async with asyncio.timeout(5):
            while not (await shown(api, "/charge-points/CP/diagnostics/1"))["transfers"]:
                pass
        csms.kill()
        with pytest.raises(httpx.HTTPError):
            await asking
        writer.close()

    csms.start()
    async with csms.api() as api:
        found = await shown(api, "/charge-points/CP/diagnostics/1")
    csms.stop()

    assert (found["state"], found["wantsFile"], found["file"]) == ("Unknown", True, None)
    assert [one["isWhole"] for one in found["transfers"]] == [False]
    files = tmp_path / "csms.sqlite3.files"
    assert [path.name for path in files.iterdir()] == ["empty"]


@pytest.mark.slow
async def test_large_files_need_little_memory(tmp_path: Path) -> None:
    """100 MB of firmware both ways and 10 MB of diagnostics twice: less than 32 MiB more."""
    megabyte = bytes(range(256)) * 4000
    with CsmsProgram(tmp_path, ["--ftp-port", "0"]) as csms:
        process = psutil.Process(csms.pid)
        async with csms.api() as api:
            await api.put("/charge-points/CP", json={})
            station = await Station(f"{csms.ocpp_url}/", "CP", password=None)
            await station.boot()

            async def ordered_location(path: str, body: dict[str, Any]) -> str:
                assert (await api.post(f"/charge-points/CP/{path}", json=body)).status_code == 201
                _, payload = await station.commands.get()
                return str(payload["location"])

            async def many() -> Any:
                for _ in range(100):
                    yield megabyte

            await put(await ordered_location("diagnostics", {}), b"warm")
            before = process.memory_info().rss
            peak = 0
            await api.put("/firmware/a.bin", params={"version": "1"}, content=many())
            peak = max(peak, process.memory_info().rss)
            location = await ordered_location("firmware-updates", {"firmware": "a.bin"})
            size = 0
            async with (
                httpx.AsyncClient(trust_env=False) as client,
                client.stream("GET", location) as answer,
            ):
                async for piece in answer.aiter_bytes():
                    size += len(piece)
                    if size % 7 == 0:
                        peak = max(peak, process.memory_info().rss)
            assert size == 100 * len(megabyte)
            assert (
                await put(await ordered_location("diagnostics", {}), megabyte * 10)
            ).status_code == 201
            peak = max(peak, process.memory_info().rss)
            location = await ordered_location("diagnostics", {"protocol": "ftp"})
            reply = await asyncio.to_thread(store, location, "log", megabyte * 10)
            assert reply.startswith("226")
            peak = max(peak, process.memory_info().rss)
            await station.close()

    assert peak - before < 32 * 2**20
