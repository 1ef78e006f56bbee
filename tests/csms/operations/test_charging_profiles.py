"""What a charge point holds of charging profiles is what its answers made true."""

import asyncio
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.csms.domain.test_charging_profiles import profile, schedule
from tests.csms.web.stations import Connect, Station

pytestmark = pytest.mark.asyncio(loop_scope="module")

State = tuple[int, str]


@pytest_asyncio.fixture(loop_scope="module")
async def station(shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str) -> Station:
    """A booted charge point."""
    station = shared_connect(identity)
    await shared_api.put(station.resource, json={})
    await shared_api.put("/id-tags/DRIVER", json={})
    await station
    await station.boot()
    return station


async def order(
    api: httpx.AsyncClient, station: Station, action: str, payload: dict[str, Any]
) -> httpx.Response:
    """Send a command."""
    return await api.post(f"{station.resource}/commands/{action}", json=payload)


async def install(
    api: httpx.AsyncClient, station: Station, connector_id: int = 1, **fields: Any
) -> httpx.Response:
    """Set a profile."""
    payload = {"connectorId": connector_id, "csChargingProfiles": profile(**fields)}
    return await order(api, station, "SetChargingProfile", payload)


async def states(api: httpx.AsyncClient, station: Station) -> list[State]:
    """Return id and state of what the charge point holds."""
    listed = await api.get(f"{station.resource}/charging-profiles")
    return [(one["chargingProfileId"], one["state"]) for one in listed.json()["items"]]


async def start(station: Station, connector_id: int = 1) -> int:
    """Begin a transaction."""
    frame = await station.call(
        "StartTransaction",
        {
            "connectorId": connector_id,
            "idTag": "driver",
            "meterStart": 0,
            "timestamp": "2026-05-01T10:00:00Z",
        },
    )
    return int(frame[2]["transactionId"])


async def stop(station: Station, transaction_id: int) -> None:
    """End a transaction."""
    await station.call(
        "StopTransaction",
        {"transactionId": transaction_id, "meterStop": 9, "timestamp": "2026-05-01T11:00:00Z"},
    )


def answering(*answer: Any) -> Any:
    """Answer every command with this frame, but for the message id."""
    return lambda message_id, *_: [answer[0], message_id, *answer[1:]]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((3, {"status": "Accepted"}), [(2, "Installed")]),
        ((3, {"status": "Rejected"}), [(1, "Installed")]),
        ((3, {"status": "NotSupported"}), [(1, "Installed")]),
        ((4, "PropertyConstraintViolation", "", {}), [(1, "Installed")]),
        ((3, {"status": "Perhaps"}), [(1, "Unknown"), (2, "Unknown")]),
        ((3, {}), [(1, "Unknown"), (2, "Unknown")]),
        ((3, "nonsense"), [(1, "Unknown"), (2, "Unknown")]),
    ],
)
async def test_answer_decides_what_is_installed(
    shared_api: httpx.AsyncClient, station: Station, answer: tuple[Any, ...], expected: list[State]
) -> None:
    """Accepted: the new one in place of the old; refused: the old one; else nobody knows."""
    await install(shared_api, station, chargingProfileId=1)
    station.answer = answering(*answer)

    await install(shared_api, station, chargingProfileId=2)

    assert await states(shared_api, station) == expected


async def test_lost_answer_leaves_all_it_concerns_unknown(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """While the command is under way and after the connection broke, nothing false is said."""
    await install(shared_api, station, chargingProfileId=1)
    await install(shared_api, station, chargingProfileId=9, stackLevel=5)
    station.answer = lambda *_: None
    await station.commands.get()
    await station.commands.get()
    waiting = asyncio.create_task(install(shared_api, station, chargingProfileId=2))
    await station.commands.get()

    during = await states(shared_api, station)
    await station.close()
    assert (await waiting).status_code == 409

    assert during == [(1, "Unknown"), (9, "Installed"), (2, "Unknown")]
    assert await states(shared_api, station) == during


async def test_command_that_was_not_sent_changes_nothing(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """An offline charge point keeps what it had."""
    await install(shared_api, station, chargingProfileId=1)
    await station.close()

    set_again = await install(shared_api, station, chargingProfileId=2)
    cleared = await order(shared_api, station, "ClearChargingProfile", {})

    assert (set_again.status_code, cleared.status_code) == (409, 409)
    assert await states(shared_api, station) == [(1, "Installed")]


async def test_unknown_becomes_known_again(shared_api: httpx.AsyncClient, station: Station) -> None:
    """The next answer settles it."""
    station.answer = answering(3, {"status": "?"})
    await install(shared_api, station, chargingProfileId=1)
    station.answer = answering(3, {"status": "Accepted"})

    await install(shared_api, station, chargingProfileId=1)

    assert await states(shared_api, station) == [(1, "Installed")]


@pytest.mark.parametrize(
    ("criteria", "answer", "expected"),
    [
        ({"id": 1}, {"status": "Accepted"}, [(2, "Installed"), (3, "Installed")]),
        ({"connectorId": 0}, {"status": "Accepted"}, [(3, "Installed")]),
        (
            {"connectorId": 0, "chargingProfilePurpose": "TxDefaultProfile"},
            {"status": "Accepted"},
            [(1, "Installed"), (3, "Installed")],
        ),
        ({"stackLevel": 1}, {"status": "Accepted"}, [(1, "Installed"), (2, "Installed")]),
        ({}, {"status": "Accepted"}, []),
        ({}, {"status": "Unknown"}, []),
        (
            {"id": 1, "stackLevel": 1},
            {"status": "Accepted"},
            [(1, "Unknown"), (2, "Installed"), (3, "Installed")],
        ),
        ({"id": 1}, {"status": "?"}, [(1, "Unknown"), (2, "Installed"), (3, "Installed")]),
        ({"id": 8}, {"status": "?"}, [(1, "Installed"), (2, "Installed"), (3, "Installed")]),
    ],
)
async def test_clearing(
    shared_api: httpx.AsyncClient,
    station: Station,
    criteria: dict[str, Any],
    answer: dict[str, str],
    expected: list[State],
) -> None:
    """What matches is gone, also where the charge point had none of it; without a word, unknown."""
    await install(shared_api, station, 0, purpose="ChargePointMaxProfile", chargingProfileId=1)
    await install(shared_api, station, 0, chargingProfileId=2)
    await install(shared_api, station, 1, chargingProfileId=3, stackLevel=1)
    station.answer = answering(3, answer)

    await order(shared_api, station, "ClearChargingProfile", criteria)

    assert await states(shared_api, station) == expected


async def test_refused_clearing_clears_nothing(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """A CALLERROR leaves everything as it was."""
    await install(shared_api, station)
    station.answer = answering(4, "NotImplemented", "", {})

    await order(shared_api, station, "ClearChargingProfile", {})

    assert await states(shared_api, station) == [(1, "Installed")]


async def test_profile_of_a_transaction_ends_with_it(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """A TxProfile dies with its transaction; a default stays, also over a boot."""
    transaction_id = await start(station)
    await install(shared_api, station, chargingProfileId=1)
    await install(
        shared_api,
        station,
        chargingProfileId=2,
        purpose="TxProfile",
        transactionId=transaction_id,
    )
    before = await states(shared_api, station)
    await stop(station, transaction_id)
    await station.boot()

    assert before == [(1, "Installed"), (2, "Installed")]
    assert await states(shared_api, station) == [(1, "Installed")]


async def test_profile_ends_where_the_stop_is_lost(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """A connector carries one transaction at a time: the next one ends the one before."""
    await start(station)
    await install(shared_api, station, purpose="TxProfile")

    await station.call(
        "StartTransaction",
        {
            "connectorId": 1,
            "idTag": "DRIVER",
            "meterStart": 0,
            "timestamp": "2026-05-02T10:00:00Z",
        },
    )

    assert await states(shared_api, station) == []


async def test_profile_of_a_transaction_needs_one(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """Without a running transaction on the connector a TxProfile is not sent (CS-SC-01)."""
    ended = await start(station, 2)
    await stop(station, ended)
    running = await start(station, 3)

    refused = [
        await install(shared_api, station, 1, purpose="TxProfile"),
        await install(shared_api, station, 1, purpose="TxProfile", transactionId=running),
        await install(shared_api, station, 2, purpose="TxProfile", transactionId=ended),
        await install(shared_api, station, 3, purpose="TxProfile", transactionId=running + 99),
    ]
    sent = await install(shared_api, station, 3, purpose="TxProfile")

    assert [one.json().get("type") for one in refused] == [
        "urn:ocpp-csms:problem:not-allowed-now"
    ] * 4
    assert sent.json() == {"status": "Accepted"}
    assert station.commands.qsize() == 1
    listed = await shared_api.get(f"{station.resource}/charging-profiles")
    assert [one["transactionId"] for one in listed.json()["items"]] == [running]


async def test_what_the_standard_forbids_is_not_sent(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """The fields are named as the caller wrote them."""
    wrong = schedule({"startPeriod": 5, "limit": 6})

    set_wrong = await install(shared_api, station, chargingSchedule=wrong)
    start_wrong = await order(
        shared_api,
        station,
        "RemoteStartTransaction",
        {"idTag": "DRIVER", "chargingProfile": profile("TxProfile", chargingSchedule=wrong)},
    )

    assert (set_wrong.status_code, start_wrong.status_code) == (422, 422)
    path = "chargingSchedule.chargingSchedulePeriod[0].startPeriod"
    assert set_wrong.json()["errors"][0]["field"] == f"csChargingProfiles.{path}"
    assert start_wrong.json()["errors"][0]["field"] == f"chargingProfile.{path}"
    assert station.commands.empty()


async def test_declared_limits_are_kept(shared_api: httpx.AsyncClient, station: Station) -> None:
    """What an ordered GetConfiguration told is held against every profile (CS-SC-04)."""
    keys = {"ChargeProfileMaxStackLevel": "1", "MaxChargingProfilesInstalled": "1"}
    station.answer = answering(
        3,
        {
            "configurationKey": [
                {"key": key, "readonly": True, "value": value} for key, value in keys.items()
            ]
        },
    )
    await order(shared_api, station, "GetConfiguration", {})
    station.answer = answering(3, {"status": "Accepted"})

    too_high = await install(shared_api, station, stackLevel=2)
    first = await install(shared_api, station, chargingProfileId=1)
    too_many = await install(shared_api, station, chargingProfileId=2, stackLevel=1)
    replacing = await install(shared_api, station, chargingProfileId=3)

    answers = (too_high, first, too_many, replacing)
    assert [one.status_code for one in answers] == [422, 200, 409, 200]
    assert await states(shared_api, station) == [(3, "Installed")]


async def test_profile_of_a_remote_start_is_installed_once_it_starts(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """The transaction is found by tag and connector; with it the profile comes and goes."""
    answer = await order(
        shared_api,
        station,
        "RemoteStartTransaction",
        {"connectorId": 2, "idTag": "DRIVER", "chargingProfile": profile("TxProfile")},
    )
    offered = await states(shared_api, station)
    elsewhere = await start(station, 1)
    still = await states(shared_api, station)
    transaction_id = await start(station, 2)
    installed = await states(shared_api, station)
    await stop(station, elsewhere)
    await stop(station, transaction_id)

    assert answer.json() == {"status": "Accepted"}
    assert (offered, still) == ([(1, "Offered")], [(1, "Offered")])
    assert installed == [(1, "Installed")]
    assert await states(shared_api, station) == []


async def test_profile_of_a_remote_start_is_replaced_by_id_and_level(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """Errata v4.0 3.42: a later TxProfile of the same level takes its place."""
    await order(
        shared_api,
        station,
        "RemoteStartTransaction",
        {"idTag": "DRIVER", "chargingProfile": profile("TxProfile")},
    )
    transaction_id = await start(station, 2)

    await install(
        shared_api,
        station,
        2,
        purpose="TxProfile",
        chargingProfileId=5,
        transactionId=transaction_id,
    )

    assert await states(shared_api, station) == [(5, "Installed")]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [({"status": "Rejected"}, []), ({}, [(1, "Unknown")])],
)
async def test_refused_remote_start_offers_nothing(
    shared_api: httpx.AsyncClient,
    station: Station,
    answer: dict[str, str],
    expected: list[State],
) -> None:
    """A refusal leaves nothing behind; without a word nobody knows, also once it began."""
    station.answer = answering(3, answer)
    await order(
        shared_api,
        station,
        "RemoteStartTransaction",
        {"idTag": "DRIVER", "chargingProfile": profile("TxProfile")},
    )
    before = await states(shared_api, station)
    await start(station, 2)

    assert before == expected
    assert await states(shared_api, station) == expected


async def test_refused_replacement_leaves_an_offer_an_offer(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """What was accepted for a start to come is neither installed nor lost by a refusal."""
    await order(
        shared_api,
        station,
        "RemoteStartTransaction",
        {"connectorId": 2, "idTag": "DRIVER", "chargingProfile": profile("TxProfile")},
    )
    station.answer = answering(3, {"status": "Rejected"})

    await install(shared_api, station, 1)

    assert await states(shared_api, station) == [(1, "Offered")]
