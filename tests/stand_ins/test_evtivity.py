"""The command API of the EVtivity-like stand-in, by a plain HTTP client."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.stand_ins.charge_points import charge_point
from tests.stand_ins.evtivity import EMAIL, OPERATIONS, PASSWORD, SETTINGS, Evtivity
from tests.stand_ins.stand_in import Trouble
from tests.stand_ins.web import NO_TLS


@pytest.fixture
async def csms() -> AsyncIterator[Evtivity]:
    async with Evtivity() as stand_in:
        yield stand_in


def client(csms: Evtivity, token: str = "") -> httpx.AsyncClient:
    """Return a client of its API."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(
        base_url=f"{csms.api_url}/v1", headers=headers, trust_env=False, verify=NO_TLS
    )


async def log_in(csms: Evtivity) -> str:
    """Return a token."""
    async with client(csms) as http:
        response = await http.post("/auth/login", json={"email": EMAIL, "password": PASSWORD})
    assert response.status_code == 200
    return str(response.json()["token"])


@pytest.fixture
async def http(csms: Evtivity) -> AsyncIterator[httpx.AsyncClient]:
    async with client(csms, await log_in(csms)) as one:
        yield one


async def add_station(http: httpx.AsyncClient, identity: str = "PF1", **fields: Any) -> str:
    """Register a charge point and return the id that it has in the API."""
    body = {"stationId": identity, "ocppProtocol": "ocpp1.6", "securityProfile": 0, **fields}
    response = await http.post("/stations", json=body)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def approved(http: httpx.AsyncClient, identity: str = "PF1", **fields: Any) -> None:
    """Register and approve a charge point."""
    number = await add_station(http, identity, **fields)
    assert (await http.post(f"/stations/{number}/approve")).status_code == 200


async def reset(http: httpx.AsyncClient, identity: str = "PF1") -> httpx.Response:
    """Order a reset."""
    body = {"stationId": identity, "type": "Hard"}
    return await http.post("/ocpp/commands/v16/Reset", json=body)


def test_there_are_26_operations() -> None:
    """19 of OCPP 1.6 and 7 of the security extension."""
    assert len(OPERATIONS) == 26


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/stations"),
        ("POST", "/stations/1/approve"),
        ("POST", "/tokens"),
        ("POST", "/api-keys"),
        ("POST", "/ocpp/commands/v16/Reset"),
    ],
)
@pytest.mark.parametrize("token", ["", "made-up"])
async def test_nothing_works_without_a_token(
    csms: Evtivity, method: str, path: str, token: str
) -> None:
    """Everything but the login wants a token that it gave."""
    async with client(csms, token) as http:
        response = await http.request(method, path, json={})

    assert response.status_code == 401


async def test_a_wrong_password_gives_no_token(csms: Evtivity) -> None:
    """A login with another password is refused, and not counted."""
    async with client(csms) as http:
        response = await http.post("/auth/login", json={"email": EMAIL, "password": "wrong"})

    assert response.status_code == 401
    assert csms.logins == 0


async def test_an_api_key_opens_as_well_and_does_not_expire(csms: Evtivity) -> None:
    """The raw token of an API key is a bearer token, also when login tokens are over."""
    csms.expires_at_command = 0
    async with client(csms, await log_in(csms)) as http:
        body = {"name": "preflight", "permissions": ["stations:read", "stations:write"]}
        made = await http.post("/api-keys", json=body)
    assert made.status_code == 201

    async with client(csms, made.json()["rawToken"]) as http:
        await approved(http)
        response = await reset(http)

    assert response.status_code == 202


async def test_login_tokens_expire_once_in_the_middle(csms: Evtivity) -> None:
    """From the chosen command on a token from before is refused, and a new one works."""
    csms.expires_at_command = 1
    async with client(csms, await log_in(csms)) as http:
        await approved(http)
        statuses = [(await reset(http)).status_code for _ in range(3)]
    async with client(csms, await log_in(csms)) as http:
        statuses.append((await reset(http)).status_code)

    assert statuses == [202, 401, 401, 202]


async def test_an_unknown_station_is_not_let_in(csms: Evtivity) -> None:
    """The handshake of a charge point that nobody registered ends with 404."""
    with pytest.raises(InvalidStatus) as refused:
        async with charge_point(csms.ocpp.url, "NOBODY"):
            pass

    assert refused.value.response.status_code == 404


async def test_a_station_has_to_show_its_password(csms: Evtivity, http: httpx.AsyncClient) -> None:
    """A station of security profile 1 gets in with its password only."""
    await approved(http, securityProfile=1, password="a password of 16+")
    right = base64.b64encode(b"PF1:a password of 16+").decode()
    wrong = base64.b64encode(b"PF1:another one").decode()

    with pytest.raises(InvalidStatus) as refused:
        async with charge_point(csms.ocpp.url, "PF1", headers={"Authorization": f"Basic {wrong}"}):
            pass
    async with charge_point(
        csms.ocpp.url, "PF1", headers={"Authorization": f"Basic {right}"}
    ) as station:
        status = await station.boot()

    assert refused.value.response.status_code == 401
    assert status == "Accepted"


async def test_before_approval_a_boot_is_pending_and_all_else_an_error(
    csms: Evtivity, http: httpx.AsyncClient
) -> None:
    """Only an approved station is accepted, and none other is served."""
    number = await add_station(http)
    async with charge_point(csms.ocpp.url, "PF1") as station:
        before = await station.boot()
        error = await station.call("Heartbeat", {})
        await http.post(f"/stations/{number}/approve")
        after = await station.boot()
        served = await station.call("Heartbeat", {})

    assert (before, error[0], error[2]) == ("Pending", 4, "SecurityError")
    assert (after, served[0]) == ("Accepted", 3)


async def test_a_boot_is_followed_by_settings_one_after_the_other(
    csms: Evtivity, http: httpx.AsyncClient
) -> None:
    """Five ChangeConfiguration that nobody ordered come after each boot."""
    await approved(http)
    async with charge_point(csms.ocpp.url, "PF1") as station:
        await station.boot()
        await station.was_asked(5)
        await station.boot()
        await station.was_asked(10)

    keys = [payload["key"] for action, payload in station.asked]
    assert {action for action, _ in station.asked} == {"ChangeConfiguration"}
    assert keys == [key for key, _ in SETTINGS] * 2


async def test_a_command_waits_for_the_answer(csms: Evtivity, http: httpx.AsyncClient) -> None:
    """The payload reaches the charge point, its answer comes back."""
    await approved(http)
    async with charge_point(csms.ocpp.url, "PF1") as station:
        station.answers["Reset"] = {"status": "Rejected"}
        await station.boot()
        response = await reset(http)

    assert response.status_code == 200
    assert response.json()["status"] == "accepted"
    assert response.json()["response"] == {"status": "Rejected"}
    assert ("Reset", {"type": "Hard"}) in station.asked


async def test_orders_wait_for_each_other(csms: Evtivity, http: httpx.AsyncClient) -> None:
    """A charge point never has two open requests."""
    await approved(http)
    async with charge_point(csms.ocpp.url, "PF1") as station:
        station.is_mute = True
        first, second = (asyncio.create_task(reset(http)) for _ in range(2))
        await station.was_asked(1)
        await station.call("Heartbeat", {})
        open_at_once = len(station.asked)
        await csms.ocpp.links["PF1"].socket.close()
        statuses = [(await one).status_code for one in (first, second)]

    assert open_at_once == 1
    assert statuses == [202, 202]  # it had gone


async def test_what_is_ordered_offline_is_sent_after_the_boot(
    csms: Evtivity, http: httpx.AsyncClient
) -> None:
    """A command for a station that is not connected is queued."""
    await approved(http)
    response = await reset(http)
    async with charge_point(csms.ocpp.url, "PF1") as station:
        await station.boot()
        await station.was_asked(6)

    assert (response.status_code, response.json()["status"]) == (202, "queued")
    assert station.asked[-1] == ("Reset", {"type": "Hard"})


async def test_no_answer_in_time_is_504(csms: Evtivity, http: httpx.AsyncClient) -> None:
    """The wait for a charge point that does not answer ends."""
    csms.answer_timeout_s = 0.05
    await approved(http)
    async with charge_point(csms.ocpp.url, "PF1") as station:
        station.is_mute = True
        response = await reset(http)

    assert (response.status_code, response.json()["status"]) == (504, "timeout")
    assert station.asked == [("Reset", {"type": "Hard"})]


async def test_a_callerror_is_502(csms: Evtivity, http: httpx.AsyncClient) -> None:
    """A CALLERROR of the charge point is told as an error, with its code."""
    await approved(http)
    async with charge_point(csms.ocpp.url, "PF1") as station:
        station.answers["Reset"] = "NotSupported"
        response = await reset(http)

    assert response.status_code == 502
    assert "NotSupported" in response.json()["error"]


@pytest.mark.parametrize(
    ("trouble", "status", "frames"),
    [
        (Trouble.OFFLINE, 202, 0),
        (Trouble.TIMED_OUT, 504, 0),
        (Trouble.REFUSED, 502, 0),
        (Trouble.NO_FRAME, 200, 0),
        (Trouble.ANSWER_LOST, 504, 1),
        (Trouble.ANSWER_FALSE, 200, 1),
    ],
)
async def test_each_trouble_is_told_in_its_own_way(
    csms: Evtivity, http: httpx.AsyncClient, trouble: Trouble, status: int, frames: int
) -> None:
    """What the API says is independent of what leaves."""
    csms.trouble = trouble
    await approved(http)
    async with charge_point(csms.ocpp.url, "PF1") as station:
        response = await reset(http)
        await station.call("Heartbeat", {})

    assert response.status_code == status
    assert len(station.asked) == frames


async def test_unknown_commands_and_stations_are_404(
    csms: Evtivity, http: httpx.AsyncClient
) -> None:
    """There is a route for each operation, and a station for each command."""
    unknown = await http.post("/ocpp/commands/v16/GetBaseReport", json={"stationId": "PF1"})

    assert unknown.status_code == 404
    assert (await reset(http, "NOBODY")).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"ocppProtocol": "ocpp1.6"},
        {"stationId": "PF1", "ocppProtocol": "ocpp2.1"},
        {"stationId": "PF1", "ocppProtocol": "ocpp1.6", "securityProfile": 1},
        {"stationId": "PF1", "ocppProtocol": "ocpp1.6", "securityProfile": 7},
    ],
)
async def test_a_station_that_lacks_something_is_refused(
    http: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    """Identity, protocol and what belongs to the security profile are required."""
    assert (await http.post("/stations", json=body)).status_code == 400


async def test_a_station_is_registered_once(http: httpx.AsyncClient) -> None:
    """The second registration of an identity is a conflict."""
    await add_station(http)
    body = {"stationId": "PF1", "ocppProtocol": "ocpp1.6", "securityProfile": 0}

    assert (await http.post("/stations", json=body)).status_code == 409


async def test_cards_are_accepted_until_they_are_switched_off(
    csms: Evtivity, http: httpx.AsyncClient
) -> None:
    """An unknown card is Invalid, one that is off Blocked, or Expired by its own name."""
    await approved(http)
    numbers = {}
    for id_tag in ("CARD", "OFF", "expired1"):
        made = await http.post("/tokens", json={"idToken": id_tag, "tokenType": "ISO14443"})
        assert made.status_code == 201
        numbers[id_tag] = made.json()["id"]
    for id_tag in ("OFF", "expired1"):
        await http.patch(f"/tokens/{numbers[id_tag]}", json={"isActive": False})
    async with charge_point(csms.ocpp.url, "PF1") as station:
        infos = [await station.authorize(one) for one in ("card", "OFF", "EXPIRED1", "NOBODY")]

    assert infos == [{"status": status} for status in ("Accepted", "Blocked", "Expired", "Invalid")]


async def test_too_many_messages_a_second_get_errors(
    csms: Evtivity, http: httpx.AsyncClient
) -> None:
    """What is beyond the limit of a station is answered by a CALLERROR."""
    csms.messages_per_second = 3
    await approved(http)
    async with charge_point(csms.ocpp.url, "PF1") as station:
        kinds = [(await station.call("Heartbeat", {}))[0] for _ in range(5)]

    assert kinds == [3, 3, 3, 4, 4]
