"""Commands over HTTP: the charge point's own answer, or a problem that says what happened."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
import pytest_asyncio

from csms.app import CentralSystem, central_system
from csms.config import Settings
from tests.csms.conftest import client_of
from tests.csms.web.stations import Connect, Station

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def station(shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str) -> Station:
    """A booted charge point."""
    station = shared_connect(identity)
    await shared_api.put(station.resource, json={})
    await station
    await station.boot()
    return station


def _problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"urn:ocpp-csms:problem:{slug}"
    assert problem["status"] == status
    return problem


COMMANDS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("RemoteStartTransaction", {"connectorId": 1, "idTag": "TAG"}, {"status": "Accepted"}),
    ("RemoteStopTransaction", {"transactionId": 7}, {"status": "Rejected"}),
    ("Reset", {"type": "Soft"}, {"status": "Accepted"}),
    ("UnlockConnector", {"connectorId": 1}, {"status": "UnlockFailed"}),
    ("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}, {"status": "Scheduled"}),
    (
        "GetConfiguration",
        {"key": ["HeartbeatInterval"]},
        {
            "configurationKey": [
                {"key": "HeartbeatInterval", "readonly": False, "value": "300", "odd": [1, None]}
            ],
            "unknownKey": [],
        },
    ),
    ("ChangeConfiguration", {"key": "A", "value": "1"}, {"status": "RebootRequired"}),
    ("ClearCache", {}, {"status": "Rejected"}),
    ("DataTransfer", {"vendorId": "x", "data": "ü"}, {"status": "UnknownVendorId", "data": "é"}),
]


@pytest.mark.parametrize(("action", "payload", "reply"), COMMANDS)
async def test_command_returns_the_charge_points_own_answer(
    shared_api: httpx.AsyncClient,
    station: Station,
    action: str,
    payload: dict[str, Any],
    reply: dict[str, Any],
) -> None:
    """The frame carries exactly the payload; 200 carries exactly the answer, refusals included."""
    station.answer = lambda message_id, *_: [3, message_id, reply]

    answer = await shared_api.post(f"{station.resource}/commands/{action}", json=payload)

    assert (answer.status_code, answer.json()) == (200, reply)
    assert answer.headers["content-type"] == "application/json"
    assert await station.commands.get() == (action, payload)


@pytest.mark.parametrize("body", [b"", b"  ", b"{}"])
async def test_empty_body_is_an_empty_payload(
    shared_api: httpx.AsyncClient, station: Station, body: bytes
) -> None:
    """A command without fields needs no body, and no content type."""
    answer = await shared_api.post(f"{station.resource}/commands/ClearCache", content=body)

    assert answer.status_code == 200
    assert await station.commands.get() == ("ClearCache", {})


async def test_unknown_charge_point_and_action(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """What does not exist is 404, each under its own type."""
    unknown = await shared_api.post("/charge-points/nobody/commands/Reset", json={"type": "Soft"})
    misspelt = await shared_api.post(f"{station.resource}/commands/reset", json={"type": "Soft"})
    upward = await shared_api.post(f"{station.resource}/commands/Heartbeat", json={})

    _problem(unknown, 404, "unknown-charge-point")
    _problem(misspelt, 404, "unknown-action")
    _problem(upward, 404, "unknown-action")
    assert station.commands.empty()


@pytest.mark.parametrize(
    ("action", "body", "named"),
    [
        ("Reset", '{"type": "Warm"}', "type"),
        ("Reset", "{}", "type"),
        ("Reset", '{"type": "Soft", "extra": 1}', "extra"),
        ("RemoteStartTransaction", '{"idTag": "xxxxxxxxxxxxxxxxxxxxx"}', "idTag"),
        ("UnlockConnector", '{"connectorId": "1"}', "connectorId"),
        ("UnlockConnector", '{"connectorId": 0}', "connectorId"),
        ("UnlockConnector", '{"connectorId": 1e400}', "connectorId"),
        ("UnlockConnector", '{"connectorId": 36893488147419103232}', "64-bit"),
        ("DataTransfer", '{"vendorId": "\\ud800"}', "surrogates"),
        ("Reset", "[]", "object"),
        ("Reset", "null", "object"),
    ],
)
async def test_invalid_payload_names_the_field_and_is_not_sent(
    shared_api: httpx.AsyncClient, station: Station, action: str, body: str, named: str
) -> None:
    """What the charge point could not take never leaves (strict out)."""
    answer = await shared_api.post(
        f"{station.resource}/commands/{action}",
        content=body,
        headers={"Content-Type": "application/json"},
    )

    problem = _problem(answer, 422, "invalid-payload")
    assert all(error["message"] for error in problem["errors"])
    assert named in problem["detail"]
    assert station.commands.empty()


@pytest.mark.parametrize("body", ["{", "nonsense", '{"type": NaN}', "[" * 100_000, '"\xff"'])
async def test_malformed_body_is_400(
    shared_api: httpx.AsyncClient, station: Station, body: str
) -> None:
    """A body that is no JSON reaches nobody."""
    answer = await shared_api.post(
        f"{station.resource}/commands/Reset",
        content=body.encode("latin-1"),
        headers={"Content-Type": "application/json"},
    )

    assert _problem(answer, 400, "malformed-json")["title"] == "Malformed JSON"
    assert station.commands.empty()


async def test_offline(shared_api: httpx.AsyncClient, identity: str) -> None:
    """A charge point that is not connected cannot be commanded."""
    await shared_api.put(f"/charge-points/{identity}", json={})

    answer = await shared_api.post(f"/charge-points/{identity}/commands/ClearCache")

    _problem(answer, 409, "offline")


async def test_refusal_by_callerror(shared_api: httpx.AsyncClient, station: Station) -> None:
    """A CALLERROR is passed on with code, description and details."""
    station.answer = lambda message_id, *_: [4, message_id, "NotSupported", "no cache", {"a": [1]}]

    problem = _problem(
        await shared_api.post(f"{station.resource}/commands/ClearCache"), 502, "refused"
    )

    assert problem["code"] == "NotSupported"
    assert problem["description"] == "no cache"
    assert problem["details"] == {"a": [1]}
    assert "NotSupported" in problem["detail"]


@pytest.mark.parametrize("reply", ["text", None, [1], 5])
async def test_answer_that_is_no_object(
    shared_api: httpx.AsyncClient, station: Station, reply: object
) -> None:
    """A CALLRESULT without a payload object is the charge point's fault, and said so."""
    station.answer = lambda message_id, *_: [3, message_id, reply]

    answer = await shared_api.post(f"{station.resource}/commands/ClearCache")

    if reply is None:  # null is another way to write no payload (CS-RPC-10)
        assert (answer.status_code, answer.json()) == (200, {})
    else:
        _problem(answer, 502, "malformed-answer")


async def test_lost_connection_ends_the_command_at_once(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """Nobody waits out the response timeout for a charge point that has gone."""
    station.answer = lambda *_: None
    waiting = asyncio.create_task(shared_api.post(f"{station.resource}/commands/ClearCache"))
    await station.commands.get()

    await station.close()

    async with asyncio.timeout(2):
        _problem(await waiting, 409, "connection-lost")


async def test_no_answer_in_time(settings: Settings) -> None:
    """After the response timeout the caller is told how long that was."""
    async with (
        central_system(replace(settings, response_timeout_s=0.1)) as system,
        client_of(system) as api,
    ):
        await api.put("/charge-points/CP1", json={})
        station = await _station(system)
        station.answer = lambda *_: None

        problem = _problem(
            await api.post("/charge-points/CP1/commands/ClearCache"), 504, "timed-out"
        )

        await station.close()
    assert "0.1 s" in problem["detail"]


async def _station(system: CentralSystem) -> Station:
    station = await Station(f"{system.ocpp_url}/", "CP1", password=None)
    await station.boot()
    return station


async def test_full_queue(shared_api: httpx.AsyncClient, station: Station) -> None:
    """More waiting commands than the queue holds are refused at once; the others are served."""
    released = asyncio.Event()
    held: list[str] = []

    def hold(message_id: str, *_: object) -> list[Any] | None:
        if released.is_set():
            return [3, message_id, {"status": "Accepted"}]
        held.append(message_id)
        return None

    station.answer = hold
    sent = [
        asyncio.create_task(shared_api.post(f"{station.resource}/commands/ClearCache"))
        for _ in range(40)
    ]
    await station.commands.get()
    refused, waiting = await asyncio.wait(sent, timeout=2, return_when=asyncio.FIRST_COMPLETED)
    released.set()
    await station.send([3, held[0], {"status": "Accepted"}])
    answers = await asyncio.gather(*sent)

    full = [one for one in answers if one.status_code == 429]
    assert refused
    assert len(waiting) > 10
    assert len(full) + sum(one.status_code == 200 for one in answers) == 40
    assert len(full) >= len(refused)
    _problem(full[0], 429, "queue-full")
    assert full[0].headers["retry-after"] == "1"


async def test_state_forbids_commands(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """No remote start while Pending, nothing at all while Rejected (CS-BOOT-06, CS-BOOT-07)."""
    await shared_api.put(f"/charge-points/{identity}", json={"registration": "Pending"})
    station = await shared_connect(identity)
    await station.boot()
    start = f"{station.resource}/commands/RemoteStartTransaction"

    pending = await shared_api.post(start, json={"idTag": "TAG"})
    allowed = await shared_api.post(f"{station.resource}/commands/GetConfiguration", json={})
    await shared_api.patch(station.resource, json={"registration": "Rejected"})
    rejected = await shared_api.post(f"{station.resource}/commands/GetConfiguration", json={})

    _problem(pending, 409, "not-allowed-now")
    assert allowed.status_code == 200
    _problem(rejected, 409, "not-allowed-now")
    assert station.commands.qsize() == 1


async def test_action_and_identity_are_decoded_once(
    shared_api: httpx.AsyncClient, shared_connect: Connect
) -> None:
    """A charge point with a slash in its name can be commanded."""
    await shared_api.put("/charge-points/a%2Fb%2520", json={})
    station = await shared_connect("a/b%20")
    await station.boot()

    answer = await shared_api.post("/charge-points/a%2Fb%2520/commands/ClearCache")

    assert answer.json() == {"status": "Accepted"}
