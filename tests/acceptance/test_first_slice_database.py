"""A database that the first slice wrote migrates, and the CSMS goes on with it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.programs import BareStation, CsmsProgram

pytestmark = pytest.mark.slow

# Made by version 0.1 of the first slice: three charge points, four cards, one ended and one open
# transaction, a reading, an orphan stop, a message in quarantine.
FIRST_SLICE = Path(__file__).parents[1] / "data" / "first_slice.sqlite3.gz"


async def test_a_database_of_the_first_slice_goes_on(tmp_path: Path) -> None:
    """What was stored is still there, an open transaction ends, acceptance is remembered."""
    csms = CsmsProgram(tmp_path)
    csms.database.write_bytes(gzip.decompress(FIRST_SLICE.read_bytes()))
    with csms:
        async with csms.api() as api:
            station = await BareStation.connect(csms.ocpp_url, "CP2")
            stop = {"transactionId": 2, "meterStop": 9000, "timestamp": "2026-11-23T10:00:00Z"}
            answer = await station.call("StopTransaction", {**stop, "idTag": "alice"})
            await station.socket.close()
            transactions = (await api.get("/transactions")).json()["items"]
            charge_points = (await api.get("/charge-points")).json()["items"]
            blocked = (await api.get("/id-tags/mallory")).json()

    assert answer[2] == {"idTagInfo": {"status": "Accepted", "parentIdTag": "FLEET"}}
    assert {one["transactionId"]: one["meterStop"] for one in transactions} == {1: 900, 2: 9000}
    assert {one["id"]: one["registration"] for one in charge_points} == {
        "CP1": "Accepted",
        "CP2": "Accepted",
        "CP3": "Pending",
    }
    assert blocked["status"] == "Blocked"
