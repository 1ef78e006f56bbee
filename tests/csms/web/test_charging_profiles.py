"""Charging profiles over HTTP: what is held, and the forecast."""

from typing import Any

import httpx
import pytest

from tests.csms.domain.stacks import STACKS
from tests.csms.domain.test_charging_profiles import profile, schedule
from tests.csms.web.stations import Connect, Station

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _station(api: httpx.AsyncClient, connect: Connect, identity: str) -> Station:
    station = connect(identity)
    await api.put(station.resource, json={})
    await api.put("/id-tags/DRIVER", json={})
    await station
    await station.boot()
    return station


async def _install(
    api: httpx.AsyncClient, station: Station, connector_id: int, payload: dict[str, Any]
) -> None:
    answer = await api.post(
        f"{station.resource}/commands/SetChargingProfile",
        json={"connectorId": connector_id, "csChargingProfiles": payload},
    )
    assert answer.json() == {"status": "Accepted"}


@pytest.mark.parametrize("described", STACKS, ids=lambda one: one["name"])
async def test_forecast_of_a_stack_computed_by_hand(
    shared_api: httpx.AsyncClient,
    shared_connect: Connect,
    identity: str,
    described: dict[str, Any],
) -> None:
    """Set over the wire, with a real transaction, asked for over HTTP: the same periods."""
    station = await _station(shared_api, shared_connect, identity)
    transaction_id = None
    if described["transaction"] is not None:
        begun = await station.call(
            "StartTransaction",
            {
                "connectorId": described["transaction"]["connectorId"],
                "idTag": "DRIVER",
                "meterStart": 0,
                "timestamp": described["transaction"]["start"],
            },
        )
        transaction_id = begun[2]["transactionId"]
    for one in described["profiles"]:
        payload = one["csChargingProfiles"]
        if "transactionId" in payload:
            payload = payload | {"transactionId": transaction_id}
        await _install(shared_api, station, one["connectorId"], payload)

    answer = await shared_api.get(
        f"{station.resource}/composite-schedule",
        params={
            "connectorId": described["connectorId"],
            "duration": described["duration"],
            "unit": described["unit"],
            "at": described["now"],
        },
    )

    forecast = answer.json()
    assert forecast["chargingSchedulePeriod"] == [
        {"numberPhases": 3} | one for one in described["periods"]
    ]
    assert forecast["scheduleStart"] == described["now"].replace("Z", ".000Z")
    assert forecast["transactionId"] == transaction_id
    assert forecast["isCertain"] is True


async def test_held_profile_is_shown_as_it_was_sent(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """With what the list of them needs beside it, page by page."""
    station = await _station(shared_api, shared_connect, identity)
    first, second = profile(), profile(chargingProfileId=2, stackLevel=4)
    await _install(shared_api, station, 1, first)
    await _install(shared_api, station, 0, second)
    resource = f"{station.resource}/charging-profiles"

    page = (await shared_api.get(resource, params={"limit": 1})).json()
    rest = (await shared_api.get(resource, params={"limit": 1, "cursor": page["next"]})).json()

    shown = page["items"][0]
    assert shown.pop("requestedAt") <= shown.pop("answeredAt")
    assert shown == {
        "chargingProfileId": 1,
        "connectorId": 1,
        "chargingProfilePurpose": "TxDefaultProfile",
        "stackLevel": 0,
        "transactionId": None,
        "state": "Installed",
        "chargingProfile": first,
    }
    assert [one["chargingProfile"] for one in rest["items"]] == [second]
    assert rest["next"] is None


async def test_forecast_says_when_it_is_not_certain(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """A profile nobody is sure of is left out, and said so where it could count."""
    station = await _station(shared_api, shared_connect, identity)
    station.answer = lambda message_id, *_: [3, message_id, {}]
    await shared_api.post(
        f"{station.resource}/commands/SetChargingProfile",
        json={"connectorId": 1, "csChargingProfiles": profile()},
    )

    async def forecast(connector_id: int) -> tuple[bool, list[dict[str, Any]]]:
        answer = await shared_api.get(
            f"{station.resource}/composite-schedule",
            params={"connectorId": connector_id, "duration": 60},
        )
        found = answer.json()
        return found["isCertain"], found["chargingSchedulePeriod"]

    nothing = [{"startPeriod": 0, "limit": None, "numberPhases": 3}]
    assert await forecast(1) == (False, nothing)
    assert await forecast(2) == (True, nothing)


async def test_installation_is_a_parameter(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """Voltage, phases and the hardware's maximum enter the forecast."""
    station = await _station(shared_api, shared_connect, identity)
    in_watts = schedule({"startPeriod": 0, "limit": 2400}, chargingRateUnit="W")
    await _install(shared_api, station, 1, profile(chargingSchedule=in_watts))
    resource = f"{station.resource}/composite-schedule"

    found = []
    for installation in (
        {"voltage": "120", "phases": "1"},
        {"voltage": "120", "phases": "1", "maximum": "16"},
    ):
        answer = await shared_api.get(
            resource, params={"connectorId": 1, "duration": 60, **installation}
        )
        found.append(answer.json()["chargingSchedulePeriod"])

    assert found == [
        [{"startPeriod": 0, "limit": 20, "numberPhases": 1}],
        [{"startPeriod": 0, "limit": 16, "numberPhases": 1}],
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"connectorId": -1},
        {"duration": 2_678_401},
        {"duration": -1},
        {"unit": "kW"},
        {"at": "tomorrow"},
        {"voltage": "1e-300"},
        {"phases": 4},
        {"maximum": 0},
    ],
)
async def test_senseless_question_is_refused(
    shared_api: httpx.AsyncClient, identity: str, wrong: dict[str, Any]
) -> None:
    """The field is named."""
    await shared_api.put(f"/charge-points/{identity}", json={})

    answer = await shared_api.get(
        f"/charge-points/{identity}/composite-schedule",
        params={"connectorId": 1, "duration": 60} | wrong,
    )

    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == list(wrong)


@pytest.mark.parametrize(
    "resource", ["charging-profiles", "composite-schedule?connectorId=1&duration=60"]
)
async def test_unknown_charge_point(shared_api: httpx.AsyncClient, resource: str) -> None:
    """Nothing is forecast for what nobody registered."""
    answer = await shared_api.get(f"/charge-points/nobody/{resource}")

    assert answer.status_code == 404
