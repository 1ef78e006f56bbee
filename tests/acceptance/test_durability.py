"""What our CSMS acknowledged is stored for good: killed, out of space, or watched from outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import resource
import shutil
import signal
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.programs import BareStation, CsmsProgram

pytestmark = pytest.mark.slow

STATIONS = 8
ROUNDS = 20


@dataclass
class Acknowledged:
    """What a charge point was told had been stored.

    Attributes:
        started: transaction id -> meterStart of its StartTransaction.
        stopped: transaction id -> meterStop of its StopTransaction.
        metered: transaction id -> register values of its MeterValues.
        pending: the message that was under way when the connection ended.
    """

    started: dict[int, int] = field(default_factory=dict)
    stopped: dict[int, int] = field(default_factory=dict)
    metered: dict[int, list[int]] = field(default_factory=dict)
    pending: tuple[str, dict[str, Any]] | None = None

    def note(self, action: str, payload: dict[str, Any], answer: dict[str, Any]) -> None:
        """Remember that `payload` was acknowledged with `answer`."""
        self.pending = None
        match action:
            case "StartTransaction":
                transaction_id = answer["transactionId"]
                assert transaction_id not in self.started, "one id for two transactions"
                self.started[transaction_id] = payload["meterStart"]
            case "StopTransaction":
                self.stopped[payload["transactionId"]] = payload["meterStop"]
            case _:
                value = int(payload["meterValue"][0]["sampledValue"][0]["value"])
                self.metered.setdefault(payload["transactionId"], []).append(value)


def meter_values(transaction_id: int, value: int) -> dict[str, Any]:
    """Return a MeterValues payload with one register reading."""
    sample = {"timestamp": f"2026-03-01T00:00:00.{value % 1000:03}Z"}
    return {
        "connectorId": 1,
        "transactionId": transaction_id,
        "meterValue": [{**sample, "sampledValue": [{"value": str(value)}]}],
    }


async def charge(
    url: str, identity: str, book: Acknowledged, meter: count[int], progress: asyncio.Semaphore
) -> None:
    """Run sessions until the connection dies; what was under way is sent again first.

    `progress` is released with every acknowledgement.
    """

    async def send(action: str, payload: dict[str, Any]) -> dict[str, Any]:
        book.pending = (action, payload)
        frame = await station.call(action, payload)
        assert frame[0] == 3, frame
        book.note(action, payload, frame[2])
        progress.release()
        return frame[2]  # type: ignore[no-any-return]

    with contextlib.suppress(ConnectionClosed, OSError, WebSocketException):
        station = await BareStation.connect(url, identity)
        await station.boot()
        if book.pending is not None:
            await send(*book.pending)
        while True:
            start = next(meter)
            answer = await send(
                "StartTransaction",
                {
                    "connectorId": 1,
                    "idTag": f"TAG-{identity}",
                    "meterStart": start,
                    "timestamp": "2026-03-01T00:00:00.000Z",
                },
            )
            transaction_id = answer["transactionId"]
            for _ in range(2):
                await send("MeterValues", meter_values(transaction_id, next(meter)))
            await send(
                "StopTransaction",
                {
                    "transactionId": transaction_id,
                    "meterStop": next(meter),
                    "timestamp": "2026-03-01T01:00:00.000Z",
                },
            )


async def everything(api: httpx.AsyncClient, path: str, **query: Any) -> list[dict[str, Any]]:
    """Read a list of the HTTP API to its end."""
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = {"limit": 1000, **({"cursor": cursor} if cursor else {}), **query}
        answer = await api.get(path, params=page)
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        cursor = answer.json()["next"]
    return items


async def register(api: httpx.AsyncClient, identities: list[str]) -> None:
    """Make charge points, and a card for each, known to the CSMS."""
    for identity in identities:
        assert (await api.put(f"/charge-points/{identity}", json={})).is_success
        assert (await api.put(f"/id-tags/TAG-{identity}", json={})).is_success


async def test_a_killed_csms_keeps_all_it_acknowledged(tmp_path: Path) -> None:
    """Killed 20 times under load, nothing acknowledged is lost or doubled (CS-ORD-03)."""
    chance = random.Random(1)
    books = {f"CP{number}": Acknowledged() for number in range(STATIONS)}
    meter = count(1000)
    csms = CsmsProgram(tmp_path)
    for round_number in range(ROUNDS):
        with csms:
            if round_number == 0:
                async with csms.api() as api:
                    await register(api, list(books))
            progress = asyncio.Semaphore(0)
            load = [
                asyncio.create_task(charge(csms.ocpp_url, identity, book, meter, progress))
                for identity, book in books.items()
            ]
            async with asyncio.timeout(30):
                for _ in range(chance.randint(50, 300)):
                    await progress.acquire()
            csms.kill()
            await asyncio.gather(*load)

    with csms:
        async with csms.api() as api:
            for identity, book in books.items():
                await assert_kept(api, identity, book)


async def assert_kept(api: httpx.AsyncClient, identity: str, book: Acknowledged) -> None:
    """Hold what the CSMS has stored against what it acknowledged to one charge point."""
    stored = await everything(api, "/transactions", chargePoint=identity)
    by_id = {one["transactionId"]: one for one in stored}

    assert Counter(one["meterStart"] for one in stored).most_common(1)[0][1] == 1
    for transaction_id, meter_start in book.started.items():
        assert by_id[transaction_id]["meterStart"] == meter_start
    for transaction_id, meter_stop in book.stopped.items():
        assert by_id[transaction_id]["meterStop"] == meter_stop
    for transaction_id, values in book.metered.items():
        readings = await everything(api, f"/transactions/{transaction_id}/meter-values")
        found = [int(reading["meterValue"][0]["sampledValue"][0]["value"]) for reading in readings]
        assert max(Counter(found).values()) == 1, "a reading was stored twice"
        assert set(values) <= set(found)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
async def test_an_answer_leaves_after_the_disk_has_it(tmp_path: Path) -> None:
    """Between the receipt of a StartTransaction and its answer the database file is synced."""
    trace = tmp_path / "trace"
    tracer = ["strace", "-f", "-qq", "-y", "-s", "200", "-o", str(trace)]
    calls = "fsync,fdatasync,recvfrom,read,recvmsg,sendto,write,writev,sendmsg"
    csms = CsmsProgram(tmp_path, wrapper=[*tracer, "-e", f"trace={calls}"])
    with csms:
        async with csms.api() as api:
            await register(api, ["CP1"])
        station = await BareStation.connect(csms.ocpp_url, "CP1", first_id=770001)
        await station.boot()
        await station.call(
            "StartTransaction",
            {
                "connectorId": 1,
                "idTag": "TAG-CP1",
                "meterStart": 0,
                "timestamp": "2026-03-01T00:00:00.000Z",
            },
        )
        await station.socket.close()

    lines = trace.read_text(errors="replace").splitlines()
    answered = next(
        number
        for number, line in enumerate(lines)
        if "770002" in line and "transactionId" in line and re.search(r"\b(send|write)", line)
    )
    # The frame of a charge point is masked (RFC 6455 §5.3), so its receipt is told by its place:
    # the last read of that socket before the answer.
    socket = re.search(r"(?:send\w*|write\w*)\((\d+)<", lines[answered])
    assert socket is not None
    received = max(
        number
        for number, line in enumerate(lines[:answered])
        if re.search(rf"(?:recv\w*|read)\({socket[1]}<", line) and not line.endswith("EAGAIN")
    )
    synced = [line for line in lines[received:answered] if re.search(r"f(data)?sync\(", line)]
    assert any("csms.sqlite3" in line for line in synced), synced


async def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """Out of space the CSMS answers InternalError, acknowledges nothing, and recovers by itself."""

    def limit_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))

    csms = CsmsProgram(tmp_path, preexec=limit_files)
    kept: list[int] = []
    with csms:
        async with csms.api() as api:
            await register(api, ["CP1"])
            station = await BareStation.connect(csms.ocpp_url, "CP1")
            await station.boot()
            answer = await station.call(
                "StartTransaction",
                {
                    "connectorId": 1,
                    "idTag": "TAG-CP1",
                    "meterStart": 0,
                    "timestamp": "2026-03-01T00:00:00.000Z",
                },
            )
            transaction_id = answer[2]["transactionId"]

            refused = None
            for value in range(5000):
                frame = await station.call("MeterValues", padded(transaction_id, value))
                if frame[0] == 4:
                    refused = (value, frame)
                    break
                kept.append(value)
            assert refused is not None, "the limit was never met"
            assert refused[1][2] == "InternalError"
            assert (await station.call("Heartbeat", {}))[0] == 3

            resource.prlimit(csms.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            frame = await station.call("MeterValues", padded(transaction_id, refused[0]))
            assert frame[0] == 3, frame
            kept.append(refused[0])
            readings = await everything(api, f"/transactions/{transaction_id}/meter-values")
            await station.socket.close()
    found = [int(one["meterValue"][0]["sampledValue"][0]["value"]) for one in readings]
    assert sorted(found) == kept


def padded(transaction_id: int, value: int) -> dict[str, Any]:
    """Return a MeterValues payload that takes some room."""
    payload = json.loads(json.dumps(meter_values(transaction_id, value)))
    samples = payload["meterValue"][0]["sampledValue"]
    samples += [{"value": str(1000 + number), "measurand": "Voltage"} for number in range(20)]
    payload["meterValue"][0]["timestamp"] = (
        f"2026-03-01T{value // 3600:02}:{value // 60 % 60:02}:{value % 60:02}Z"
    )
    return payload  # type: ignore[no-any-return]
