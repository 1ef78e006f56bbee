"""Transactions, readings, message log and quarantine over HTTP."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.csms.web.stations import Connect, Station


@pytest.fixture
async def station(api: httpx.AsyncClient, connect: Connect) -> Station:
    """A booted charge point called CP1; TAG is a good tag in GROUP."""
    await api.put("/charge-points/CP1", json={})
    await api.put("/id-tags/TAG", json={"parentIdTag": "GROUP"})
    station = await connect("CP1")
    await station.boot()
    return station


async def _start(station: Station, *, tag: str = "TAG", at: str = "2026-01-31T12:00:00Z") -> int:
    frame = await station.call(
        "StartTransaction",
        {"connectorId": 1, "idTag": tag, "meterStart": 100, "timestamp": at},
    )
    transaction_id: int = frame[2]["transactionId"]
    return transaction_id


def _reading(second: int, value: str) -> dict[str, Any]:
    return {"timestamp": f"2026-01-31T12:00:{second:02}Z", "sampledValue": [{"value": value}]}


async def test_transaction_is_shown_with_its_readings(
    api: httpx.AsyncClient, station: Station
) -> None:
    """From start to stop everything the charge point said of a session can be read."""
    transaction_id = await _start(station)
    running = (await api.get(f"/transactions/{transaction_id}")).json()
    for second in (10, 20):
        await station.call(
            "MeterValues",
            {
                "connectorId": 1,
                "transactionId": transaction_id,
                "meterValue": [_reading(second, str(100 + second))],
            },
        )
    await station.call(
        "StopTransaction",
        {
            "transactionId": transaction_id,
            "meterStop": 150,
            "timestamp": "2026-01-31T14:00:00+01:00",
            "reason": "EVDisconnected",
            "transactionData": [_reading(30, "150")],
        },
    )

    ended = (await api.get(f"/transactions/{transaction_id}")).json()

    assert running["stoppedAt"] is running["meterStop"] is None
    assert ended["chargePoint"] == "CP1"
    assert ended["transactionId"] == transaction_id
    assert ended["connectorId"] == 1
    assert ended["idTag"] == "TAG"
    assert ended["authorization"] == {
        "status": "Accepted",
        "expiryDate": None,
        "parentIdTag": "GROUP",
    }
    assert (ended["meterStart"], ended["meterStop"]) == (100, 150)
    assert ended["startedAt"] == "2026-01-31T12:00:00.000Z"
    assert ended["stoppedAt"] == "2026-01-31T13:00:00.000Z"
    assert ended["stopReason"] == "EVDisconnected"
    assert ended["transactionData"] == [_reading(30, "150")]
    assert [one["meterValue"] for one in ended["meterValues"]["items"]] == [
        [_reading(10, "110")],
        [_reading(20, "120")],
    ]


async def test_readings_are_shown_in_normal_units(api: httpx.AsyncClient, station: Station) -> None:
    """Beside what came stands what it means (CS-METER-02, 03)."""
    transaction_id = await _start(station)
    reading = {
        "timestamp": "2026-01-31T13:00:00+01:00",
        "sampledValue": [
            {"value": "1.25", "unit": "kWh"},
            {"value": "21.5", "unit": "Celcius", "measurand": "Temperature"},
        ],
    }
    meter_values = {
        "connectorId": 1,
        "transactionId": transaction_id,
        "meterValue": [reading],
    }
    await station.call("MeterValues", meter_values)
    await station.call(
        "StopTransaction",
        {
            "transactionId": transaction_id,
            "meterStop": 1350,
            "timestamp": "2026-01-31T13:00:00Z",
            "transactionData": [reading],
        },
    )

    transaction = (await api.get(f"/transactions/{transaction_id}")).json()

    (message,) = transaction["meterValues"]["items"]
    energy, temperature = message["samples"]
    assert energy == {
        "sampledAt": "2026-01-31T12:00:00.000Z",
        "measurand": "Energy.Active.Import.Register",
        "phase": None,
        "location": "Outlet",
        "context": "Sample.Periodic",
        "format": "Raw",
        "value": 1250,
        "unit": "Wh",
        "receivedValue": "1.25",
        "receivedUnit": "kWh",
        "flags": [],
    }
    assert (temperature["value"], temperature["unit"]) == (21.5, "Celsius")
    assert transaction["samples"] == message["samples"]
    assert transaction["energy"] == 1250


async def test_readings_are_paged_oldest_first(api: httpx.AsyncClient, station: Station) -> None:
    """Pages of a transaction's readings have no gap and no repetition."""
    transaction_id = await _start(station)
    for second in range(5):
        await station.call(
            "MeterValues",
            {
                "connectorId": 1,
                "transactionId": transaction_id,
                "meterValue": [_reading(second, "1")],
            },
        )
    url = f"/transactions/{transaction_id}/meter-values"

    seen: list[str] = []
    cursor: dict[str, str] = {}
    for size in (2, 2, 1):
        page = (await api.get(url, params={"limit": "2"} | cursor)).json()
        assert len(page["items"]) == size
        seen += [one["meterValue"][0]["timestamp"] for one in page["items"]]
        cursor = {"cursor": page["next"] or ""}

    assert page["next"] is None
    assert seen == [f"2026-01-31T12:00:0{second}Z" for second in range(5)]


async def test_readings_outside_transactions_are_shown(
    api: httpx.AsyncClient, station: Station
) -> None:
    """Clock-aligned readings of the main meter belong to the charge point (CS-METER-05)."""
    await station.call("MeterValues", {"connectorId": 0, "meterValue": [_reading(1, "5")]})

    everything = (await api.get("/charge-points/CP1/meter-values")).json()["items"]
    other = (await api.get("/charge-points/CP1/meter-values?connector=1")).json()["items"]

    assert [one["meterValue"] for one in everything] == [[_reading(1, "5")]]
    assert everything[0]["transactionId"] is None
    assert other == []


async def test_list_is_filtered(api: httpx.AsyncClient, station: Station) -> None:
    """Charge point, tag in any case, open or not, and the time of the start narrow the list."""
    first = await _start(station, at="2026-01-01T00:00:00Z")
    second = await _start(station, tag="OTHER", at="2026-02-01T00:00:00Z")
    await station.call(
        "StopTransaction",
        {"transactionId": first, "meterStop": 100, "timestamp": "2026-01-01T01:00:00Z"},
    )

    async def ids(**parameters: str) -> list[int]:
        answer = await api.get("/transactions", params=parameters)
        return [one["transactionId"] for one in answer.json()["items"]]

    assert await ids() == [second, first]
    assert await ids(limit="1") == [second]
    assert await ids(chargePoint="CP1") == [second, first]
    assert await ids(chargePoint="CP2") == []
    assert await ids(idTag="tag") == [first]
    assert await ids(isOpen="true") == [second]
    assert await ids(isOpen="false") == [first]
    assert await ids(since="2026-01-15T00:00:00Z") == [second]
    assert await ids(until="2026-02-01T00:00:00Z") == [first]


async def test_stop_of_nothing_is_kept(api: httpx.AsyncClient, station: Station) -> None:
    """A stop that ends no known transaction is answered, and shown for reconciliation."""
    payload = {"transactionId": -1, "meterStop": 5, "timestamp": "2026-01-31T12:00:00Z"}
    frame = await station.call("StopTransaction", payload)

    (orphan,) = (await api.get("/orphan-stops?chargePoint=CP1")).json()["items"]

    assert frame[0] == 3
    assert orphan["chargePoint"] == "CP1"
    assert orphan["claimedTransactionId"] == "-1"
    assert orphan["payload"] == payload
    assert (await api.get("/orphan-stops?chargePoint=CP2")).json()["items"] == []


async def test_refused_transaction_message_is_in_quarantine(
    api: httpx.AsyncClient, station: Station
) -> None:
    """Its raw text waits for a person until somebody has dealt with it."""
    frame = await station.call("StartTransaction", {"connectorId": 1})

    (held,) = (await api.get("/quarantine")).json()["items"]
    removed = await api.delete(f"/quarantine/{held['id']}")
    again = await api.delete(f"/quarantine/{held['id']}")

    assert frame[0] == 4
    assert held["chargePoint"] == "CP1"
    assert held["action"] == "StartTransaction"
    assert '"connectorId"' in held["text"]
    assert held["reason"]
    assert held["times"] == 1
    assert removed.status_code == 204
    assert again.status_code == 404
    assert (await api.get("/quarantine")).json()["items"] == []


async def _logged(api: httpx.AsyncClient, count: int) -> list[dict[str, Any]]:
    """Return the message log once it has so many frames: it is written behind."""
    async with asyncio.timeout(5):
        while True:
            found: list[dict[str, Any]] = (await api.get("/messages")).json()["items"]
            if len(found) >= count:
                return found


async def test_message_log_is_filtered(api: httpx.AsyncClient, station: Station) -> None:
    """Frames are kept as they came, and found by charge point, action, direction and time."""
    await station.call("Heartbeat", {})
    frames = await _logged(api, 4)

    async def texts(path: str = "/messages", **parameters: str) -> list[str]:
        answer = await api.get(path, params=parameters)
        return [one["text"] for one in answer.json()["items"]]

    everything = await texts()
    assert [one["direction"] for one in frames] == ["sent", "received"] * 2
    assert everything[1] == '[2, "2", "Heartbeat", {}]'
    assert await texts(action="Heartbeat", direction="received") == [everything[1]]
    assert await texts(chargePoint="CP1") == everything
    assert await texts(chargePoint="CP2") == []
    assert await texts("/charge-points/CP1/messages", direction="sent") == everything[::2]
    assert await texts(since="2100-01-01T00:00:00Z") == []
    assert await texts(until="2100-01-01T00:00:00Z") == everything
    first = (await api.get("/messages?limit=3")).json()
    rest = (await api.get("/messages", params={"limit": 3, "cursor": first["next"]})).json()
    assert [one["text"] for one in first["items"] + rest["items"]] == everything
    assert rest["next"] is None
