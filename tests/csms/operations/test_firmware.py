"""The repository's files on disk follow what is offered."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from csms.app import central_system
from csms.config import Settings
from csms.files.ftp_server import FtpSettings
from csms.files.vault import Vault
from csms.operations.file_jobs import FileSettings
from csms.operations.firmware import FirmwareUpdates
from csms.storage.store import Store
from tests.csms.conftest import client_of
from tests.csms.web.stations import Station

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def updates(tmp_path: Path) -> AsyncIterator[FirmwareUpdates]:
    """An empty repository."""
    store = Store.open(f"sqlite:///{tmp_path / 'csms.sqlite3'}")
    vault = Vault(tmp_path / "files")
    vault.open()
    settings = FileSettings(
        directory=vault.directory,
        public_url=None,
        max_firmware_bytes=10,
        max_diagnostics_bytes=10,
        window=timedelta(hours=1),
        ftp=FtpSettings(host="127.0.0.1", port=0),
    )
    yield FirmwareUpdates(
        store, vault, settings, base_url=lambda: "http://127.0.0.1", now=lambda: NOW
    )
    await store.close()


async def _offer(updates: FirmwareUpdates, content: bytes) -> str:
    incoming = await updates.receive()
    incoming.write(content)
    file, _ = await updates.offer(incoming, name="a.bin", version="1")
    return file.stored_as


async def test_no_byte_stays_behind(updates: FirmwareUpdates, tmp_path: Path) -> None:
    """What was replaced or withdrawn is deleted."""
    directory = tmp_path / "files"
    first = await _offer(updates, b"1")
    second = await _offer(updates, b"2")

    assert first != second
    assert [path.name for path in directory.iterdir()] == [second]
    assert await updates.withdraw("a.bin")
    assert not await updates.withdraw("a.bin")
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize(
    ("http_host", "public_url", "expected"),
    [
        ("127.0.0.1", "https://csms.example.com/ocpp", "https://csms.example.com/ocpp/files/"),
        ("0.0.0.0", None, None),
        ("127.0.0.1", None, "http://127.0.0.1:"),
    ],
)
async def test_the_location_is_one_that_stations_can_reach(
    settings: Settings, http_host: str, public_url: str | None, expected: str | None
) -> None:
    """Where it is not known, that is said, and no job is made."""
    changed = replace(settings, http_host=http_host, public_url=public_url)
    async with central_system(changed) as system:
        reachable = system.http_url.replace("0.0.0.0", "127.0.0.1")
        system_client = client_of(system)
        async with system_client as api:
            api.base_url = f"{reachable}/api/v1"
            await api.put("/firmware/a.bin", params={"version": "1"}, content=b"x")
            await api.put("/charge-points/CP", json={})
            station = await Station(f"{system.ocpp_url}/", "CP", password=None)
            await station.boot()
            answer = await api.post(
                "/charge-points/CP/firmware-updates", json={"firmware": "a.bin"}
            )
            jobs = (await api.get("/charge-points/CP/firmware-updates")).json()["items"]
            await station.close()

    if expected is None:
        assert answer.status_code == 503
        assert "public_url" in answer.json()["detail"]
        assert jobs == []
    else:
        assert jobs[0]["location"].startswith(expected)
