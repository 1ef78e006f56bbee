"""Reservations over HTTP: asked for, refused, used, cancelled, expired, replaced (CS-RES)."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from csms.domain.times import format_time
from tests.csms.web.stations import Connect, Station

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = timedelta(hours=1)


def _in(delay: timedelta) -> str:
    return format_time(datetime.now(UTC) + delay)


@pytest_asyncio.fixture(loop_scope="module")
async def station(shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str) -> Station:
    """A booted charge point."""
    station = shared_connect(identity)
    await shared_api.put(station.resource, json={})
    await shared_api.put("/id-tags/HOLDER", json={"parentIdTag": "FAMILY"})
    await shared_api.put("/id-tags/SIBLING", json={"parentIdTag": "Family"})
    await shared_api.put("/id-tags/STRANGER", json={})
    await station
    await station.boot()
    return station


def _answer(station: Station, status: str) -> None:
    station.answer = lambda message_id, *_: [3, message_id, {"status": status}]


async def _reserve(api: httpx.AsyncClient, station: Station, **fields: Any) -> httpx.Response:
    body = {"connectorId": 1, "idTag": "HOLDER", "expiryDate": _in(HOUR)} | fields
    return await api.post(f"{station.resource}/reservations", json=body)


async def _shown(api: httpx.AsyncClient, station: Station, reservation_id: int) -> dict[str, Any]:
    answer = await api.get(f"{station.resource}/reservations/{reservation_id}")
    assert answer.status_code == 200
    shown: dict[str, Any] = answer.json()
    return shown


async def _start(station: Station, **fields: Any) -> int:
    payload = {"connectorId": 1, "idTag": "HOLDER", "meterStart": 0, "timestamp": _in(timedelta(0))}
    frame = await station.call("StartTransaction", payload | fields)
    transaction_id: int = frame[2]["transactionId"]
    return transaction_id


async def test_accepted_reservation_is_shown_as_it_was_asked_for(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """201 with the reservation; the frame carries the group of the tag (CS-RES-06)."""
    expiry = _in(HOUR)

    answer = await _reserve(shared_api, station, expiryDate=expiry)

    shown = answer.json()
    assert (answer.status_code, shown["state"], shown["refusal"]) == (201, "Accepted", None)
    assert await station.commands.get() == (
        "ReserveNow",
        {
            "connectorId": 1,
            "idTag": "HOLDER",
            "expiryDate": expiry,
            "parentIdTag": "FAMILY",
            "reservationId": shown["reservationId"],
        },
    )
    assert await _shown(shared_api, station, shown["reservationId"]) == shown
    listed = await shared_api.get("/reservations", params={"chargePoint": shown["chargePoint"]})
    assert listed.json()["items"] == [shown]


@pytest.mark.parametrize("status", ["Faulted", "Occupied", "Rejected", "Unavailable"])
async def test_refusal_is_kept_with_its_status(
    shared_api: httpx.AsyncClient, station: Station, status: str
) -> None:
    """A refused reservation is an object too, and not a made one."""
    _answer(station, status)

    answer = await _reserve(shared_api, station)

    assert answer.status_code == 201
    assert (answer.json()["state"], answer.json()["refusal"]) == ("Refused", status)
    active = await shared_api.get(f"{station.resource}/reservations", params={"isActive": "true"})
    assert active.json()["items"] == []


async def test_ids_are_never_given_twice(shared_api: httpx.AsyncClient, station: Station) -> None:
    """Not even when asked for at the same time, or after somebody chose one."""
    await _reserve(shared_api, station, reservationId=500)

    answers = await asyncio.gather(*(_reserve(shared_api, station) for _ in range(5)))

    ids = [one.json()["reservationId"] for one in answers]
    assert len(set(ids)) == 5
    assert min(ids) > 0
    assert 500 not in ids


async def test_transaction_with_the_reservation_uses_it(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """In use while the transaction runs, used afterwards (CS-START-07)."""
    reserved = (await _reserve(shared_api, station)).json()["reservationId"]

    transaction = await _start(station, reservationId=reserved)
    running = await _shown(shared_api, station, reserved)
    await station.call(
        "StopTransaction",
        {"transactionId": transaction, "meterStop": 1, "timestamp": _in(timedelta(0))},
    )
    stopped = await _shown(shared_api, station, reserved)

    assert (running["state"], running["transactionId"]) == ("InUse", transaction)
    assert (stopped["state"], stopped["transactionId"]) == ("Used", transaction)


@pytest.mark.parametrize(
    ("id_tag", "connector_id", "state"),
    [
        ("holder", 1, "InUse"),
        ("SIBLING", 1, "InUse"),
        ("STRANGER", 1, "Accepted"),
        ("HOLDER", 2, "Accepted"),
    ],
)
async def test_transaction_without_a_number_ends_the_reservation_of_its_tag(
    shared_api: httpx.AsyncClient, station: Station, id_tag: str, connector_id: int, state: str
) -> None:
    """A start by the tag or its group on the reserved connector ends it by the standard (§5.13)."""
    reserved = (await _reserve(shared_api, station)).json()["reservationId"]

    await _start(station, idTag=id_tag, connectorId=connector_id)

    assert (await _shown(shared_api, station, reserved))["state"] == state


async def test_start_of_before_the_reservation_does_not_use_it(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """A queued start of yesterday says nothing about today's reservation (CS-ORD-02)."""
    reserved = (await _reserve(shared_api, station)).json()["reservationId"]

    await _start(station, timestamp=_in(-24 * HOUR))

    assert (await _shown(shared_api, station, reserved))["state"] == "Accepted"


async def test_connector_0_is_used_on_any_connector(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """A reservation of the charge point as a whole ends on whichever connector."""
    reserved = (await _reserve(shared_api, station, connectorId=0)).json()["reservationId"]

    await _start(station, connectorId=3)

    assert (await _shown(shared_api, station, reserved))["state"] == "InUse"


async def test_connector_0_is_not_asked_of_who_said_no(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """ReserveConnectorZeroSupported false, as told to an operator, is respected (CS-RES-02)."""
    keys = [{"key": "ReserveConnectorZeroSupported", "readonly": True, "value": "false"}]
    station.answer = lambda message_id, *_: [3, message_id, {"configurationKey": keys}]
    await shared_api.post(f"{station.resource}/commands/GetConfiguration", json={})
    await station.commands.get()

    answer = await _reserve(shared_api, station, connectorId=0)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "connectorId"
    assert station.commands.empty()


async def test_cancelled_reservation_is_over(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """200 with the reservation once the charge point accepted."""
    reserved = (await _reserve(shared_api, station)).json()["reservationId"]
    await station.commands.get()

    answer = await shared_api.delete(f"{station.resource}/reservations/{reserved}")

    assert (answer.status_code, answer.json()["state"]) == (200, "Cancelled")
    assert await station.commands.get() == ("CancelReservation", {"reservationId": reserved})


async def test_refused_cancellation_changes_nothing(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """The reservation stays as it was (TC_052)."""
    reserved = (await _reserve(shared_api, station)).json()["reservationId"]
    _answer(station, "Rejected")

    answer = await shared_api.delete(f"{station.resource}/reservations/{reserved}")

    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:ocpp-csms:problem:cancellation-rejected"
    shown = await _shown(shared_api, station, reserved)
    assert (shown["state"], shown["cancellation"]) == ("Accepted", "Rejected")


async def test_lost_answers_leave_it_unknown(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """Neither made nor refused; the problem says which reservation it is about."""
    station.answer = lambda *_: None
    asked = asyncio.create_task(_reserve(shared_api, station))
    _, payload = await station.commands.get()
    await station.close()

    answer = await asked

    assert answer.status_code == 409
    assert answer.json()["reservationId"] == payload["reservationId"]
    assert (await _shown(shared_api, station, payload["reservationId"]))["state"] == "Unknown"


async def test_nothing_sent_is_nothing_reserved(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """An offline charge point was asked for nothing."""
    await station.close()

    answer = await _reserve(shared_api, station)

    assert answer.json()["type"] == "urn:ocpp-csms:problem:offline"
    assert "reservationId" not in answer.json()
    listed = await shared_api.get(f"{station.resource}/reservations")
    assert listed.json()["items"] == []


async def test_lost_cancellation_leaves_it_unknown(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """Nobody knows whether the charge point still holds it."""
    reserved = (await _reserve(shared_api, station)).json()["reservationId"]
    await station.commands.get()
    station.answer = lambda *_: None
    asked = asyncio.create_task(shared_api.delete(f"{station.resource}/reservations/{reserved}"))
    await station.commands.get()
    await station.close()

    assert (await asked).status_code == 409
    assert (await _shown(shared_api, station, reserved))["state"] == "Unknown"


async def test_active_id_given_again_replaces(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """The new reservation holds, the old one is history (CS-RES-01)."""
    reserved = (await _reserve(shared_api, station)).json()["reservationId"]

    await _reserve(shared_api, station, reservationId=reserved, connectorId=2)

    shown = await _shown(shared_api, station, reserved)
    assert (shown["connectorId"], shown["state"]) == (2, "Accepted")
    listed = (await shared_api.get(f"{station.resource}/reservations")).json()["items"]
    assert [one["state"] for one in listed] == ["Accepted", "Replaced"]


async def test_refused_replacement_leaves_the_old_one(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """The id still means what the charge point holds; the answer tells of the refused one."""
    reserved = (await _reserve(shared_api, station)).json()["reservationId"]
    _answer(station, "Occupied")

    refused = await _reserve(shared_api, station, reservationId=reserved, connectorId=2)

    assert (refused.json()["state"], refused.json()["connectorId"]) == ("Refused", 2)
    shown = await _shown(shared_api, station, reserved)
    assert (shown["connectorId"], shown["state"]) == (1, "Accepted")


@pytest.mark.parametrize("status", ["Faulted", "Unavailable"])
@pytest.mark.parametrize(("connector_id", "is_ended"), [(1, True), (2, False), (0, True)])
async def test_broken_connector_ends_its_reservation(
    shared_api: httpx.AsyncClient, station: Station, status: str, connector_id: int, is_ended: bool
) -> None:
    """Faulted or Unavailable ends it without another message (CS-RES-04)."""
    reserved = (await _reserve(shared_api, station)).json()["reservationId"]

    await station.call(
        "StatusNotification",
        {"connectorId": connector_id, "errorCode": "NoError", "status": status},
    )

    shown = await _shown(shared_api, station, reserved)
    assert shown["state"] == ("Terminated" if is_ended else "Accepted")
    assert shown["endedBy"] == (status if is_ended else None)


async def test_raw_commands_are_followed(shared_api: httpx.AsyncClient, station: Station) -> None:
    """Whoever commands, the state is right; nothing we merely believe forbids a command."""
    payload = {"connectorId": 1, "expiryDate": _in(HOUR), "idTag": "X", "reservationId": 900_001}
    commands = f"{station.resource}/commands"

    first = await shared_api.post(f"{commands}/ReserveNow", json=payload)
    reserved = await _shown(shared_api, station, 900_001)
    await shared_api.post(f"{commands}/CancelReservation", json={"reservationId": 900_001})
    unknown = await shared_api.post(
        f"{commands}/CancelReservation", json={"reservationId": 900_002}
    )

    assert first.json() == unknown.json() == {"status": "Accepted"}
    assert (reserved["state"], reserved["parentIdTag"]) == ("Accepted", None)
    assert (await _shown(shared_api, station, 900_001))["state"] == "Cancelled"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"expiryDate": "2020-01-01T00:00:00Z"}, "expiryDate"),
        ({"expiryDate": "soon"}, "expiryDate"),
        ({"connectorId": -1}, "connectorId"),
        ({"idTag": "x" * 21}, "idTag"),
        ({"reservationId": 2**31}, "reservationId"),
        ({"extra": 1}, "extra"),
    ],
)
async def test_impossible_wish_names_its_field(
    shared_api: httpx.AsyncClient, station: Station, fields: dict[str, Any], field: str
) -> None:
    """422, and nothing is sent."""
    answer = await _reserve(shared_api, station, **fields)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert station.commands.empty()


async def test_unknown_reservation_is_404_and_nothing_is_sent(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """An id this charge point was never given."""
    url = f"{station.resource}/reservations/123456789"

    answers = [await shared_api.get(url), await shared_api.delete(url)]

    assert [one.status_code for one in answers] == [404, 404]
    assert station.commands.empty()
