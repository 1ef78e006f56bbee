"""Large files between our CSMS and our charge point, both as programs: neither holds them whole."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.programs import CsmsProgram

pytestmark = pytest.mark.slow

FIRMWARE_BYTES = 100_000_000
DIAGNOSTICS_BYTES = 10_000_000
MAX_GROWTH_KIB = 32 * 1024
IDENTITY = "CP1"
PATH = f"/charge-points/{IDENTITY}"
ROOT = Path(__file__).parents[2]


class Peak:
    """The highest resident memory of a process from now on, beside what it is now (Linux)."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        Path(f"/proc/{pid}/clear_refs").write_text("5")
        self._before = self._kib("VmRSS")

    def growth_kib(self) -> int:
        """Return by how much it grew at most."""
        return self._kib("VmHWM") - self._before

    def _kib(self, name: str) -> int:
        found = re.search(rf"{name}:\s+(\d+) kB", self._status.read_text())
        assert found is not None
        return int(found[1])


async def said(station: asyncio.subprocess.Process, what: str) -> None:
    """Read what the charge point sends until a frame says this."""
    assert station.stdout is not None
    async with asyncio.timeout(60):
        async for line in station.stdout:
            assert b"Failed" not in line, line
            if what.encode() in line:
                return
    raise AssertionError(f"the charge point ended without saying {what}")


@asynccontextmanager
async def booted(csms: CsmsProgram) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a charge point until the block ends."""
    station = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.acceptance.active_station"),
        *(csms.ocpp_url, IDENTITY, str(DIAGNOSTICS_BYTES)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        await said(station, '"connectorId":2')  # the last of its first notifications
        yield station
    finally:
        station.kill()
        await station.wait()


def pieces(size: int, digest: hashlib._Hash) -> Iterator[bytes]:
    """Make up a file of this size, piece by piece."""
    piece = os.urandom(1_000_000)
    for _ in range(size // len(piece)):
        digest.update(piece)
        yield piece


@pytest.fixture
def csms(tmp_path: Path) -> Iterator[CsmsProgram]:
    """A CSMS that keeps its files in the test's folder."""
    arguments = ["--files-directory", str(tmp_path / "files"), "--ftp-port", "0"]
    with CsmsProgram(tmp_path, arguments=arguments) as running:
        yield running


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
async def test_firmware_travels_without_being_held_whole(csms: CsmsProgram) -> None:
    """100 MB reach the charge point whole; both programs stay small."""
    digest = hashlib.sha256()
    async with csms.api() as api:
        await api.put(PATH, json={})

        async def body() -> AsyncIterator[bytes]:
            for piece in pieces(FIRMWARE_BYTES, digest):
                yield piece

        uploaded = await api.put("/firmware/big.bin", params={"version": "2.0"}, content=body())
        assert uploaded.is_success, uploaded.text
        async with booted(csms) as station:
            peaks = [Peak(csms.pid), Peak(station.pid)]
            ordered = await api.post(f"{PATH}/firmware-updates", json={"firmware": "big.bin"})
            assert ordered.status_code == 201, ordered.text
            await said(station, '"status":"Installed"')
            growth = [one.growth_kib() for one in peaks]
        job = await job_of(api, "firmware-updates")

    assert [one["status"] for one in job["statuses"]][:2] == ["Downloading", "Downloaded"]
    assert job["transfers"][-1]["isWhole"]
    assert job["transfers"][-1]["size"] == FIRMWARE_BYTES
    assert uploaded.json()["sha256"] == digest.hexdigest()
    assert max(growth) < MAX_GROWTH_KIB, growth


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize("protocol", ["http", "ftp"])
async def test_diagnostics_travel_without_being_held_whole(
    csms: CsmsProgram, protocol: str
) -> None:
    """10 MB reach the CSMS whole, by HTTP and by FTP; both programs stay small."""
    async with csms.api() as api:
        await api.put(PATH, json={})
        async with booted(csms) as station:
            peaks = [Peak(csms.pid), Peak(station.pid)]
            ordered = await api.post(f"{PATH}/diagnostics", json={"protocol": protocol})
            assert ordered.status_code == 201, ordered.text
            await said(station, '"status":"Uploaded"')
            growth = [one.growth_kib() for one in peaks]
        job = await job_of(api, "diagnostics")

    assert job["file"]["isWhole"]
    assert job["file"]["size"] == DIAGNOSTICS_BYTES
    assert max(growth) < MAX_GROWTH_KIB, growth


async def job_of(api: httpx.AsyncClient, kind: str) -> dict[str, Any]:
    """Return the one job there is."""
    [job] = (await api.get(f"{PATH}/{kind}")).json()["items"]
    return (await api.get(f"{PATH}/{kind}/{job['id']}")).json()  # type: ignore[no-any-return]
