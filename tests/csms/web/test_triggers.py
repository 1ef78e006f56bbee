"""Triggered messages over HTTP: asked for, answered, followed (CS-TRG)."""

import asyncio
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.csms.web.stations import Connect, Station

pytestmark = pytest.mark.asyncio(loop_scope="module")

VALUES = [{"timestamp": "2026-01-31T12:34:56Z", "sampledValue": [{"value": "1"}]}]
STATUS = {"errorCode": "NoError", "status": "Available"}
MESSAGES: list[tuple[str, int | None, dict[str, Any]]] = [
    ("Heartbeat", None, {}),
    ("MeterValues", 1, {"connectorId": 1, "meterValue": VALUES}),
    ("StatusNotification", 0, {"connectorId": 0, **STATUS}),
    ("StatusNotification", 2, {"connectorId": 2, **STATUS}),
    ("DiagnosticsStatusNotification", None, {"status": "Idle"}),
    ("FirmwareStatusNotification", None, {"status": "Idle"}),
]


@pytest_asyncio.fixture(loop_scope="module")
async def station(shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str) -> Station:
    """A booted charge point."""
    station = shared_connect(identity)
    await shared_api.put(station.resource, json={})
    await station
    await station.boot()
    return station


async def _trigger(
    api: httpx.AsyncClient, station: Station, message: str, connector_id: int | None
) -> dict[str, Any]:
    body: dict[str, Any] = {"requestedMessage": message}
    if connector_id is not None:
        body["connectorId"] = connector_id
    answer = await api.post(f"{station.resource}/triggers", json=body)
    assert answer.status_code == 201, answer.text
    assert await station.commands.get() == ("TriggerMessage", body)
    made: dict[str, Any] = answer.json()
    return made


async def _followed(api: httpx.AsyncClient, station: Station, trigger: int) -> list[Any]:
    answer = await api.get(f"{station.resource}/triggers/{trigger}")
    return [one["connectorId"] for one in answer.json()["followedBy"]]


@pytest.mark.parametrize(("message", "connector_id", "payload"), MESSAGES)
async def test_message_that_follows_is_matched(
    shared_api: httpx.AsyncClient,
    station: Station,
    message: str,
    connector_id: int | None,
    payload: dict[str, Any],
) -> None:
    """Every kind of the list, once: the next one of its kind was not asked for."""
    made = await _trigger(shared_api, station, message, connector_id)

    for _ in range(2):
        assert (await station.call(message, payload))[0] == 3

    assert (made["status"], made["followedBy"]) == ("Accepted", [])
    assert await _followed(shared_api, station, made["id"]) == [connector_id]


async def test_message_of_before_is_not_counted(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """The answer comes before the message (CS-TRG-03)."""
    await station.call("Heartbeat", {})
    made = await _trigger(shared_api, station, "Heartbeat", None)

    assert await _followed(shared_api, station, made["id"]) == []


async def test_other_connectors_and_messages_are_not_counted(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """What was not asked for is not what followed."""
    made = await _trigger(shared_api, station, "StatusNotification", 1)

    await station.call("StatusNotification", {"connectorId": 2, **STATUS})
    await station.call("MeterValues", {"connectorId": 1, "meterValue": VALUES})

    assert await _followed(shared_api, station, made["id"]) == []


async def test_trigger_for_all_connectors_gets_one_of_each(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """Without connector every connector reports, 0 included (CS-TRG-02)."""
    made = await _trigger(shared_api, station, "StatusNotification", None)

    for connector_id in (0, 1, 2, 1):
        await station.call("StatusNotification", {"connectorId": connector_id, **STATUS})

    assert await _followed(shared_api, station, made["id"]) == [0, 1, 2]


async def test_two_triggers_get_one_message_each(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """In the order they were asked for."""
    made = [await _trigger(shared_api, station, "Heartbeat", None) for _ in range(2)]

    await station.call("Heartbeat", {})
    first = [await _followed(shared_api, station, one["id"]) for one in made]
    await station.call("Heartbeat", {})

    assert first == [[None], []]
    assert await _followed(shared_api, station, made[1]["id"]) == [None]


@pytest.mark.parametrize("status", ["Rejected", "NotImplemented"])
async def test_refusal_is_kept_and_nothing_is_waited_for(
    shared_api: httpx.AsyncClient, station: Station, status: str
) -> None:
    """A heartbeat after a refused trigger is just a heartbeat (TC_055)."""
    station.answer = lambda message_id, *_: [3, message_id, {"status": status}]
    made = await _trigger(shared_api, station, "Heartbeat", None)

    await station.call("Heartbeat", {})

    assert made["status"] == status
    assert await _followed(shared_api, station, made["id"]) == []


async def test_raw_command_is_followed(shared_api: httpx.AsyncClient, station: Station) -> None:
    """Whoever commands, the list shows it; a CALLERROR is a refusal."""
    url = f"{station.resource}/commands/TriggerMessage"
    await shared_api.post(url, json={"requestedMessage": "Heartbeat"})
    station.answer = lambda message_id, *_: [4, message_id, "NotSupported", "", {}]
    await shared_api.post(url, json={"requestedMessage": "MeterValues"})

    listed = (await shared_api.get(f"{station.resource}/triggers")).json()["items"]

    assert [(one["requestedMessage"], one["status"]) for one in listed] == [
        ("MeterValues", "Refused"),
        ("Heartbeat", "Accepted"),
    ]


async def test_boot_is_not_triggered_once_accepted(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """Errata v4.0 3.40 forbids it (CS-BOOT-11); nothing is sent and nothing is kept."""
    answer = await shared_api.post(
        f"{station.resource}/triggers", json={"requestedMessage": "BootNotification"}
    )

    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:ocpp-csms:problem:not-allowed-now"
    assert station.commands.empty()
    assert (await shared_api.get(f"{station.resource}/triggers")).json()["items"] == []


async def test_boot_is_triggered_while_pending(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """A pending charge point may be asked to boot again, and that is matched."""
    station = shared_connect(identity)
    await shared_api.put(station.resource, json={"registration": "Pending"})
    await station
    await station.boot()

    made = await _trigger(shared_api, station, "BootNotification", None)
    await station.boot()

    assert await _followed(shared_api, station, made["id"]) == [None]


async def test_lost_answer_is_unknown(shared_api: httpx.AsyncClient, station: Station) -> None:
    """Nobody knows whether the charge point will send it."""
    station.answer = lambda *_: None
    asked = asyncio.create_task(
        shared_api.post(f"{station.resource}/triggers", json={"requestedMessage": "Heartbeat"})
    )
    await station.commands.get()
    await station.close()

    assert (await asked).status_code == 409
    listed = (await shared_api.get(f"{station.resource}/triggers")).json()["items"]
    assert [(one["status"], one["answeredAt"]) for one in listed] == [("Unknown", None)]


async def test_unknown_trigger_is_404(shared_api: httpx.AsyncClient, station: Station) -> None:
    """A number that is none of this charge point's."""
    assert (await shared_api.get(f"{station.resource}/triggers/999999")).status_code == 404


EXTENDED: list[tuple[str, str, dict[str, Any]]] = [
    ("SignChargePointCertificate", "SignCertificate", {"csr": "none"}),
    ("LogStatusNotification", "LogStatusNotification", {"status": "Idle"}),
    (
        "FirmwareStatusNotification",
        "SignedFirmwareStatusNotification",
        {"status": "Idle"},
    ),
    ("Heartbeat", "Heartbeat", {}),
]


@pytest.mark.parametrize(("message", "action", "payload"), EXTENDED)
async def test_extended_trigger_is_followed(
    shared_api: httpx.AsyncClient,
    station: Station,
    message: str,
    action: str,
    payload: dict[str, Any],
) -> None:
    """Under the names of the security whitepaper (CS-SEC-10)."""
    answer = await shared_api.post(
        f"{station.resource}/triggers", json={"requestedMessage": message, "extended": True}
    )
    made = answer.json()
    assert await station.commands.get() == (
        "ExtendedTriggerMessage",
        {"requestedMessage": message},
    )

    await station.call(action, payload)

    assert (made["status"], made["extended"]) == ("Accepted", True)
    assert await _followed(shared_api, station, made["id"]) == [None]


@pytest.mark.parametrize("message", ["SignChargePointCertificate", "LogStatusNotification"])
async def test_message_only_the_extended_trigger_knows_is_asked_by_it(
    shared_api: httpx.AsyncClient, station: Station, message: str
) -> None:
    """Nobody has to know which message belongs to which paper."""
    answer = await shared_api.post(
        f"{station.resource}/triggers", json={"requestedMessage": message}
    )

    assert answer.json()["extended"] is True
    assert (await station.commands.get())[0] == "ExtendedTriggerMessage"


async def test_plain_trigger_does_not_ask_for_the_signed_status(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """FirmwareStatusNotification is two messages, by who asks."""
    made = await _trigger(shared_api, station, "FirmwareStatusNotification", None)

    await station.call("SignedFirmwareStatusNotification", {"status": "Idle"})

    assert made["extended"] is False
    assert await _followed(shared_api, station, made["id"]) == []


@pytest.mark.parametrize(
    ("message", "extended"),
    [("DiagnosticsStatusNotification", True), ("SignChargePointCertificate", False)],
)
async def test_trigger_by_the_wrong_paper_is_refused(
    shared_api: httpx.AsyncClient, station: Station, message: str, extended: bool
) -> None:
    """422 by the schema; nothing is sent."""
    answer = await shared_api.post(
        f"{station.resource}/triggers", json={"requestedMessage": message, "extended": extended}
    )

    assert answer.status_code == 422
    assert station.commands.empty()


async def test_boot_is_not_triggered_by_the_other_paper_either(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """CS-BOOT-11 is about the message, not about who asks."""
    answer = await shared_api.post(
        f"{station.resource}/triggers",
        json={"requestedMessage": "BootNotification", "extended": True},
    )

    assert answer.status_code == 409
    assert station.commands.empty()
