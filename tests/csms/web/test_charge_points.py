"""Charge points over HTTP."""

import asyncio
from urllib.parse import quote

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.csms.web.stations import Connect

KEY = "00112233445566778899aabbccddeeff00112233"


async def test_put_registers_once(api: httpx.AsyncClient) -> None:
    """The first PUT makes a charge point, the same again changes nothing."""
    first = await api.put("/charge-points/CP1", json={})
    second = await api.put("/charge-points/CP1", json={})

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert first.json() == (await api.get("/charge-points/CP1")).json()
    body = first.json()
    assert body["id"] == "CP1"
    assert body["registration"] == "Accepted"
    assert body["credential"] == "none"
    assert body["heartbeatInterval"] is None
    assert body["isConnected"] is False
    assert body["boot"]["chargePointVendor"] is None
    assert body["registeredAt"].endswith("Z")


@pytest.mark.parametrize(
    "identity", ["a/b", "RDAM 123", "münchen-1", "a+b", "100%", "%2F", "q?x=1#y", "日本", "."]
)
async def test_any_identity_works_percent_encoded(
    api: httpx.AsyncClient, connect: Connect, identity: str
) -> None:
    """Slashes, blanks, percent signs and other scripts are part of an identity (CS-WS-03)."""
    url = f"/charge-points/{quote(identity, safe='')}".replace("/.", "/%2E")
    assert (await api.put(url, json={})).json()["id"] == identity

    await connect(identity)

    assert (await api.get(url)).json()["isConnected"] is True
    assert [one["id"] for one in (await api.get("/charge-points")).json()["items"]] == [identity]
    assert (await api.delete(url)).status_code == 204
    assert (await api.get(url)).status_code == 404


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("segment", ["%FF", "a%00b", "%0A", "x" * 256])
async def test_unusable_identity_is_refused(shared_api: httpx.AsyncClient, segment: str) -> None:
    """What is no text, or could not be shown in a log, is no identity."""
    answer = await shared_api.put(f"/charge-points/{segment}", json={})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "identity"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"registraton": "Accepted"}, "registraton"),
        ({"registration": "accepted"}, "registration"),
        ({"registration": None}, "registration"),
        ({"heartbeatInterval": 0}, "heartbeatInterval"),
        ({"heartbeatInterval": "300"}, "heartbeatInterval"),
        ({"heartbeatInterval": 2**31}, "heartbeatInterval"),
        ({"heartbeat_interval": 300}, "heartbeat_interval"),
        ({"authorizationKey": "secret-but-no-key"}, "authorizationKey"),
        ({"authorizationKey": KEY, "password": "x"}, "authorizationKey"),
        ({"password": ""}, "password"),
        ({"password": "x" * 1025}, "password"),
        ({"id": "CP1"}, "id"),
    ],
)
async def test_unusable_body_names_the_field(
    shared_api: httpx.AsyncClient, body: dict[str, object], field: str
) -> None:
    """Unknown fields and values that cannot be used are refused by name, without secrets."""
    answer = await shared_api.put("/charge-points/CP1", json=body)

    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "urn:ocpp-csms:problem:invalid-request"
    assert problem["status"] == 422
    assert [error["field"] for error in problem["errors"]] == [field]
    assert field in problem["detail"]
    assert "secret-but-no-key" not in answer.text
    assert KEY not in answer.text
    assert (await shared_api.get("/charge-points/CP1")).status_code == 404


async def test_left_out_fields_stay_and_null_removes(
    api: httpx.AsyncClient, connect: Connect
) -> None:
    """A change of one thing neither opens a station nor forgets its interval."""
    url = "/charge-points/CP1"
    await api.put(url, json={"authorizationKey": KEY, "heartbeatInterval": 77})

    kept = (await api.put(url, json={"registration": "Pending"})).json()
    removed = (
        await api.patch(url, json={"authorizationKey": None, "heartbeatInterval": None})
    ).json()

    assert (kept["credential"], kept["heartbeatInterval"], kept["registration"]) == (
        "key",
        77,
        "Pending",
    )
    assert (removed["credential"], removed["heartbeatInterval"], removed["registration"]) == (
        "none",
        None,
        "Pending",
    )
    await connect("CP1")


@pytest.mark.asyncio(loop_scope="module")
async def test_patch_needs_a_known_charge_point(shared_api: httpx.AsyncClient) -> None:
    """PATCH makes nothing."""
    answer = await shared_api.patch("/charge-points/CP1", json={"registration": "Pending"})

    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:ocpp-csms:problem:unknown-charge-point"


async def test_key_opens_the_door_and_is_never_shown(
    api: httpx.AsyncClient, connect: Connect
) -> None:
    """A station with a key must send it; no answer contains it (CS-WS-10, CS-WS-13)."""
    answer = await api.put("/charge-points/CP1", json={"authorizationKey": KEY})

    with pytest.raises(InvalidStatus) as without:
        await connect("CP1")
    with pytest.raises(InvalidStatus) as wrong:
        await connect("CP1", password=b"\0" * 20)
    await connect("CP1", password=bytes.fromhex(KEY))

    assert without.value.response.status_code == wrong.value.response.status_code == 401
    assert answer.json()["credential"] == "key"
    for text in (answer.text, (await api.get("/charge-points")).text):
        assert KEY not in text
        assert "hmac" not in text


@pytest.mark.slow
async def test_password_opens_the_door(api: httpx.AsyncClient, connect: Connect) -> None:
    """A password chosen by a person works like a key."""
    answer = await api.put("/charge-points/CP1", json={"password": "pässword"})
    assert answer.json()["credential"] == "password"
    assert "argon2" not in answer.text

    with pytest.raises(InvalidStatus):
        await connect("CP1", password=b"password")
    await connect("CP1", password="pässword".encode())


async def test_operator_decides_registration(api: httpx.AsyncClient, connect: Connect) -> None:
    """BootNotification is answered with what the operator decided, live stations included."""
    url = "/charge-points/CP1"
    await api.put(url, json={"registration": "Pending"})
    station = await connect("CP1")

    pending = await station.boot()
    refused = await station.call("Heartbeat", {})
    await api.put(url, json={"registration": "Accepted", "heartbeatInterval": 42})
    accepted = await station.boot()
    served = await station.call("Heartbeat", {})
    await api.patch(url, json={"registration": "Rejected"})
    shut = await station.call("Heartbeat", {})
    rejected = await station.boot()

    assert [one["status"] for one in (pending, accepted, rejected)] == [
        "Pending",
        "Accepted",
        "Rejected",
    ]
    assert accepted["interval"] == 42
    assert (refused[0], refused[2]) == (4, "SecurityError")
    assert served[0] == 3
    assert (shut[0], shut[2]) == (4, "SecurityError")


async def test_boot_and_connection_are_shown(api: httpx.AsyncClient, connect: Connect) -> None:
    """What a station said at boot, its presence, connectors and history can be read."""
    await api.put("/charge-points/CP1", json={})
    station = await connect("CP1")
    await station.boot()
    for status in ("Available", "Preparing"):
        await station.call(
            "StatusNotification",
            {"connectorId": 1, "errorCode": "NoError", "status": status},
        )

    shown = (await api.get("/charge-points/CP1")).json()
    connectors = (await api.get("/charge-points/CP1/connectors")).json()["items"]
    statuses = (await api.get("/charge-points/CP1/statuses?connector=1")).json()["items"]
    none = (await api.get("/charge-points/CP1/statuses?connector=2")).json()["items"]
    events = (await api.get("/charge-points/CP1/connections")).json()["items"]

    assert shown["isConnected"] is True
    assert shown["boot"]["chargePointVendor"] == "Vendor"
    assert shown["bootedAt"] <= shown["lastSeenAt"]
    assert "127.0.0.1" in shown["remoteAddress"]
    assert [(one["connectorId"], one["status"]) for one in connectors] == [(1, "Preparing")]
    assert [one["status"] for one in statuses] == ["Preparing", "Available"]
    assert none == []
    assert [one["event"] for one in events] == ["connected"]


async def test_removed_charge_point_is_disconnected(
    api: httpx.AsyncClient, connect: Connect
) -> None:
    """DELETE closes the live connection, and the identity is unknown from then on."""
    await api.put("/charge-points/CP1", json={})
    station = await connect("CP1")

    assert (await api.delete("/charge-points/CP1")).status_code == 204

    await station.closed()
    with pytest.raises(InvalidStatus) as caught:
        await connect("CP1")
    assert caught.value.response.status_code == 404
    assert (await api.delete("/charge-points/CP1")).status_code == 404


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("below", ["", "/connectors", "/statuses", "/connections", "/messages"])
async def test_unknown_charge_point_is_a_problem(shared_api: httpx.AsyncClient, below: str) -> None:
    """Every resource of an unknown charge point is 404 in problem form."""
    answer = await shared_api.get(f"/charge-points/nobody{below}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:ocpp-csms:problem:unknown-charge-point"
    assert "nobody" in answer.json()["detail"]


async def test_list_is_paged_without_gap_or_repetition(api: httpx.AsyncClient) -> None:
    """Following `next` shows each charge point once, in order; the last page has none."""
    names = [f"CP{n:02}" for n in range(7)]
    await asyncio.gather(*(api.put(f"/charge-points/{name}", json={}) for name in reversed(names)))

    seen: list[str] = []
    sizes: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await api.get("/charge-points", params={"limit": "3"} | cursor)).json()
        seen += [one["id"] for one in page["items"]]
        sizes.append(len(page["items"]))
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert seen == names
    assert sizes == [3, 3, 1]
