"""Security events over HTTP: reported by charge points, and noticed at our own doors."""

from typing import Any

import httpx
import pytest

from csms.app import CentralSystem
from tests.csms.web.stations import Connect, Station

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENT = {"type": "FirmwareUpdated", "timestamp": "2026-01-31T12:00:00Z"}


async def _station(api: httpx.AsyncClient, connect: Connect, identity: str) -> Station:
    station = connect(identity)
    await api.put(station.resource, json={})
    await station
    await station.boot()
    return station


async def _report(station: Station, payload: dict[str, Any]) -> None:
    frame = await station.call("SecurityEventNotification", payload)
    assert (frame[0], frame[2]) == (3, {})


async def test_reported_event_is_shown(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """All of it, below the charge point and among all."""
    station = await _station(shared_api, shared_connect, identity)
    await _report(station, {**EVENT, "techInfo": "1.2.3"})

    (found,) = (await shared_api.get(f"{station.resource}/security-events")).json()["items"]
    all_events = (await shared_api.get("/security-events")).json()["items"]

    assert found in all_events
    assert found.pop("receivedAt") == found.pop("lastAt")
    assert isinstance(found.pop("id"), int)
    assert found == {
        "chargePoint": identity,
        "source": "chargePoint",
        "type": "FirmwareUpdated",
        "detail": "1.2.3",
        "address": None,
        "timestamp": "2026-01-31T12:00:00Z",
        "occurredAt": "2026-01-31T12:00:00.000Z",
        "times": 1,
        "flags": [],
    }


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "org.example.Anything", "timestamp": "2026-01-31T12:00:00Z"},
        {"type": "x" * 60, "timestamp": "2026-01-31T12:00:00Z"},
        {"type": "ResetOrReboot", "timestamp": "now"},
        {"type": "", "timestamp": ""},
        {"type": "ResetOrReboot", "timestamp": "2026-01-31T12:00:00Z", "techInfo": None},
        {"type": "ResetOrReboot", "timestamp": "2026-01-31T12:00:00Z", "more": [1]},
    ],
)
async def test_event_of_any_kind_is_kept(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str, payload: dict[str, Any]
) -> None:
    """The answer is always empty (CS-SEC-07)."""
    station = await _station(shared_api, shared_connect, identity)
    await _report(station, payload)

    (found,) = (await shared_api.get(f"{station.resource}/security-events")).json()["items"]

    assert (found["type"], found["timestamp"]) == (payload["type"], payload["timestamp"])


async def test_our_own_events_are_shown_beside(
    shared_system: CentralSystem,
    shared_api: httpx.AsyncClient,
    shared_connect: Connect,
    identity: str,
) -> None:
    """At once, and by source, type and charge point."""
    station = await _station(shared_api, shared_connect, identity)
    await _report(station, EVENT)
    for _ in range(3):
        shared_system.security_events.note(identity, "InvalidCredentials", "no", "192.0.2.1")
    resource = f"{station.resource}/security-events"

    (ours,) = (await shared_api.get(resource, params={"source": "csms"})).json()["items"]
    by_type = await shared_api.get(resource, params={"type": "FirmwareUpdated"})
    by_identity = await shared_api.get("/security-events", params={"chargePoint": identity})

    assert (ours["type"], ours["times"], ours["address"]) == ("InvalidCredentials", 3, "192.0.2.1")
    assert ours["timestamp"] is None
    assert [one["source"] for one in by_type.json()["items"]] == ["chargePoint"]
    assert [one["source"] for one in by_identity.json()["items"]] == ["csms", "chargePoint"]


async def test_events_come_in_pages(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Newest first."""
    station = await _station(shared_api, shared_connect, identity)
    for name in "ABC":
        await _report(station, EVENT | {"type": name})
    resource = f"{station.resource}/security-events"

    first = (await shared_api.get(resource, params={"limit": 2})).json()
    second = (await shared_api.get(resource, params={"cursor": first["next"]})).json()

    assert [one["type"] for one in first["items"]] == ["C", "B"]
    assert [one["type"] for one in second["items"]] == ["A"]
    assert second["next"] is None


async def test_unknown_charge_point_has_none(shared_api: httpx.AsyncClient) -> None:
    """It is refused by name."""
    answer = await shared_api.get("/charge-points/nobody/security-events")

    assert (answer.status_code, answer.json()["type"]) == (
        404,
        "urn:ocpp-csms:problem:unknown-charge-point",
    )
