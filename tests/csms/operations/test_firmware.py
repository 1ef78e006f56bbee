"""The repository's files on disk follow what is offered."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from csms.app import central_system
from csms.config import Settings
from csms.domain.file_jobs import FirmwareFile
from csms.files.ftp_server import FtpSettings
from csms.files.vault import Vault
from csms.ocppj.commands import Commands
from csms.ocppj.outcomes import Answered, CommandOutcome, Offline, Refused, TimedOut
from csms.operations.commanding import Commanding
from csms.operations.file_jobs import FileSettings
from csms.operations.firmware import FirmwareUpdates
from csms.pki.firmware_signatures import BadSignature
from csms.storage.store import Store
from tests.csms.conftest import client_of
from tests.csms.operations.rig import Clock, ScriptedCommands
from tests.csms.pki.material import certificate, ec_key, name, pem
from tests.csms.web.stations import Station

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def clock() -> Clock:
    """The repository's clock."""
    clock = Clock()
    clock.now_at = NOW
    return clock


@pytest.fixture
async def updates(tmp_path: Path, clock: Clock) -> AsyncIterator[FirmwareUpdates]:
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
    yield FirmwareUpdates(store, vault, settings, base_url=lambda: "http://127.0.0.1", now=clock)
    await store.close()


async def _offer(updates: FirmwareUpdates, content: bytes) -> str:
    incoming = await updates.receive()
    incoming.write(content)
    file, _ = await updates.offer(incoming, name="a.bin", version="1")
    return file.stored_as


async def _signed(updates: FirmwareUpdates, *, until: datetime) -> FirmwareFile:
    """Offer a file with a signature whose certificate is good until then."""
    incoming = await updates.receive()
    incoming.write(b"1")
    file, _ = await updates.offer(incoming, name="a.bin", version="1")
    signed = await updates.sign(
        file,
        signature=base64.b64encode(ec_key().sign(b"1", ec.ECDSA(hashes.SHA256()))).decode(),
        signing_certificate=pem(certificate(name("Firmware"), begin=NOW - DAY, until=until)),
    )
    assert signed is not None
    return signed


async def test_file_is_not_ordered_with_a_certificate_that_ended_meanwhile(
    updates: FirmwareUpdates, clock: Clock
) -> None:
    """It was good when it was kept (CS-SEC-16)."""
    file = await _signed(updates, until=NOW + DAY)
    clock.now_at = NOW + 2 * DAY

    with pytest.raises(BadSignature, match="expired"):
        await updates.order_signed(
            Commanding(cast(Commands, ScriptedCommands()), {}),
            "CP1",
            file,
            retrieve_at=None,
            install_at=None,
            retries=None,
            retry_interval_s=None,
        )


async def test_signature_of_a_replaced_file_is_not_kept(updates: FirmwareUpdates) -> None:
    """Checked against the old, it would stand beside the new."""
    file = await _signed(updates, until=NOW + DAY)
    await _offer(updates, b"2")

    again = await updates.sign(
        file, signature=str(file.signature), signing_certificate=str(file.signing_certificate)
    )

    assert again is None
    assert await updates.unsign(file) is None


@pytest.mark.parametrize("content", [b"1", b"2"])
async def test_signed_job_gets_the_file_that_was_signed_or_none(
    updates: FirmwareUpdates, content: bytes
) -> None:
    """Another file under its name would only be found wrong by the charge point."""
    file = await _signed(updates, until=NOW + DAY)
    wire = ScriptedCommands()
    await updates.order_signed(
        Commanding(cast(Commands, wire), updates.effects),
        "CP1",
        file,
        retrieve_at=None,
        install_at=None,
        retries=None,
        retry_interval_s=None,
    )
    token = wire.sent[0][1]["firmware"]["location"].split("/")[-2]
    await _offer(updates, content)

    assert (await updates.job_of(token) is not None) is (content == b"1")


@pytest.mark.parametrize(
    ("outcome", "is_open"),
    [
        (Answered({}), True),
        (TimedOut(5), True),
        (Refused("NotSupported", "", {}), False),
        (Offline(), False),
    ],
)
async def test_location_is_open_where_the_order_may_have_arrived(
    updates: FirmwareUpdates, outcome: CommandOutcome, is_open: bool
) -> None:
    """And closed for a charge point that will not come."""
    incoming = await updates.receive()
    file, _ = await updates.offer(incoming, name="a.bin", version="1")
    wire = ScriptedCommands()
    wire.outcomes = [outcome]
    await updates.order(
        Commanding(cast(Commands, wire), updates.effects),
        "CP1",
        file,
        retrieve_at=None,
        retries=None,
        retry_interval_s=None,
    )
    token = wire.sent[0][1]["location"].split("/")[-2]

    assert (await updates.job_of(token) is not None) is is_open


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
