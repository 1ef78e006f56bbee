"""FTP listens while a job wants a file by it, and only then."""

import asyncio
import ftplib
import socket
from dataclasses import replace

import pytest

from csms.app import central_system
from csms.config import Settings
from tests.csms.conftest import client_of
from tests.csms.operations.ftp_jobs import free_port, ftp_job, listens, until_deaf
from tests.csms.web.diagnostics_jobs import login, shown, store


@pytest.fixture
def ftp_port(settings: Settings) -> int:
    """The port of FTP."""
    return settings.ftp_port


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a port for FTP that can be looked at."""
    return replace(settings, ftp_port=free_port())


@pytest.mark.slow
async def test_ftplistens_while_a_job_wants_it(settings: Settings, ftp_port: int) -> None:
    """Not before, not after, and again for the next."""
    async with central_system(settings) as system, client_of(system) as api:
        assert not listens(ftp_port)
        station, first, location = await ftp_job(system, api)
        await station.close()
        station, second, other = await ftp_job(system, api)
        await asyncio.to_thread(store, location, "a")
        assert await asyncio.to_thread(listens, ftp_port)  # for the second
        await api.delete(f"{second}/file")
        await until_deaf(ftp_port)
        await station.close()

        station, third, location = await ftp_job(system, api)
        assert (await asyncio.to_thread(store, location, "a")).startswith("226")
        await until_deaf(ftp_port)
        for job, is_there in ((first, True), (second, False), (third, True)):
            assert ((await shown(api, job))["file"] is not None) is is_there
        await station.close()
    assert other.split("@")[0] != location.split("@")[0]


@pytest.mark.slow
async def test_a_login_is_good_for_its_own_job_only(settings: Settings) -> None:
    """User and password of two jobs cannot be mixed, and end with the job."""
    async with central_system(settings) as system, client_of(system) as api:
        station, first, one = await ftp_job(system, api)
        await station.close()
        station, _, two = await ftp_job(system, api)
        mixed = one.split(":")[0] + ":" + one.split(":")[1] + ":" + two.split(":", 2)[2]
        with pytest.raises(ftplib.error_perm, match="530"):
            await asyncio.to_thread(login, mixed)
        await api.delete(f"{first}/file")
        with pytest.raises(ftplib.error_perm, match="530"):
            await asyncio.to_thread(login, one)
        await station.close()


@pytest.mark.slow
async def test_ftp_ends_with_the_time_of_the_job(settings: Settings, ftp_port: int) -> None:
    """Nobody came."""
    async with (
        central_system(replace(settings, transfer_window_s=1.0)) as system,
        client_of(system) as api,
    ):
        station, job, _ = await ftp_job(system, api)
        assert await asyncio.to_thread(listens, ftp_port)
        await until_deaf(ftp_port)

        assert (await shown(api, job))["wantsFile"] is False
        await station.close()


async def test_a_refused_command_ends_ftp(settings: Settings, ftp_port: int) -> None:
    """Nobody will come."""
    async with central_system(settings) as system, client_of(system) as api:
        await api.put("/charge-points/CP", json={})
        answer = await api.post("/charge-points/CP/diagnostics", json={"protocol": "ftp"})

        assert answer.status_code == 409
        await until_deaf(ftp_port)


async def test_a_taken_port_is_told_and_makes_no_job(settings: Settings, ftp_port: int) -> None:
    """The operator can put it right."""
    with socket.create_server(("127.0.0.1", ftp_port)):
        async with central_system(settings) as system, client_of(system) as api:
            await api.put("/charge-points/CP", json={})
            answer = await api.post("/charge-points/CP/diagnostics", json={"protocol": "ftp"})
            jobs = (await api.get("/charge-points/CP/diagnostics")).json()["items"]

    assert answer.status_code == 503
    assert "ftp_port" in answer.json()["detail"]
    assert jobs == []
