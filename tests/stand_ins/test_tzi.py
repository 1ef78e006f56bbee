"""The trigger convention of tzi-OCTT, by a plain HTTP client."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.stand_ins.charge_points import charge_point
from tests.stand_ins.stand_in import Trouble
from tests.stand_ins.tzi import ACTIONS, Tzi
from tests.stand_ins.web import NO_TLS


@pytest.fixture
async def csms() -> AsyncIterator[Tzi]:
    async with Tzi() as stand_in:
        stand_in.add_station("PF1")
        yield stand_in


@pytest.fixture
async def http(csms: Tzi) -> AsyncIterator[httpx.AsyncClient]:
    base_url = f"{csms.api_url}/api/octt"
    async with httpx.AsyncClient(base_url=base_url, trust_env=False, verify=NO_TLS) as one:
        yield one


def test_there_are_25_actions_in_kebab_case() -> None:
    """All but DataTransfer."""
    assert len(ACTIONS) == 25
    assert ACTIONS["get-installed-certificate-ids"] == "GetInstalledCertificateIds"


async def test_a_trigger_sends_its_body(csms: Tzi, http: httpx.AsyncClient) -> None:
    """The body is the payload, and the charge point's answer comes back."""
    async with charge_point(csms.ocpp.url, "PF1") as station:
        station.answers["UnlockConnector"] = {"status": "Unlocked"}
        response = await http.post("/1.6/PF1/unlock-connector", json={"connectorId": 1})

    assert (response.status_code, response.json()) == (200, {"status": "Unlocked"})
    assert station.asked == [("UnlockConnector", {"connectorId": 1})]


@pytest.mark.parametrize("path", ["/1.6/PF1/UnlockConnector", "/1.6/PF1/data-transfer", "/1.6"])
async def test_other_paths_are_404(http: httpx.AsyncClient, path: str) -> None:
    """Names of OCPP are no names of triggers."""
    assert (await http.post(path, json={})).status_code == 404


@pytest.mark.parametrize(
    ("trouble", "status", "frames"),
    [
        (None, 200, 1),
        (Trouble.OFFLINE, 404, 0),
        (Trouble.TIMED_OUT, 504, 0),
        (Trouble.REFUSED, 500, 0),
        (Trouble.NO_FRAME, 200, 0),
        (Trouble.ANSWER_LOST, 504, 1),
        (Trouble.ANSWER_FALSE, 200, 1),
    ],
)
async def test_each_trouble_is_told_in_its_own_way(
    csms: Tzi, http: httpx.AsyncClient, trouble: Trouble | None, status: int, frames: int
) -> None:
    """What is told is independent of what leaves."""
    csms.trouble = trouble
    async with charge_point(csms.ocpp.url, "PF1") as station:
        response = await http.post("/1.6/PF1/clear-cache", json={})
        await station.call("Heartbeat", {})

    assert response.status_code == status
    assert len(station.asked) == frames


async def test_an_error_of_the_charge_point_is_502(csms: Tzi, http: httpx.AsyncClient) -> None:
    """A CALLERROR is no answer."""
    async with charge_point(csms.ocpp.url, "PF1") as station:
        station.answers["ClearCache"] = "NotSupported"
        response = await http.post("/1.6/PF1/clear-cache", json={})

    assert response.status_code == 502


async def test_passwords_and_cards_are_set(csms: Tzi, http: httpx.AsyncClient) -> None:
    """A charge point gets in with the new password; a card has the status it was given."""
    body = {"station_id": "PF2", "password": "a new password 12"}
    assert (await http.post("/set-basic-auth-password", json=body)).status_code == 200
    for status in ("Expired", "Blocked", "Accepted"):
        body = {"token_id": f"CARD-{status}", "status": status}
        assert (await http.post("/create-token", json=body)).status_code == 200
    header = base64.b64encode(b"PF2:a new password 12").decode()
    async with charge_point(
        csms.ocpp.url, "PF2", headers={"Authorization": f"Basic {header}"}
    ) as station:
        infos = [
            await station.authorize(f"card-{status}")
            for status in ("expired", "blocked", "accepted", "nobody")
        ]

    assert [info["status"] for info in infos] == ["Expired", "Blocked", "Accepted", "Invalid"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/create-token", {"status": "Blocked"}),
        ("/create-token", {"token_id": "CARD", "status": "Odd"}),
        ("/set-basic-auth-password", {"station_id": "PF1"}),
    ],
)
async def test_what_lacks_something_is_400(
    http: httpx.AsyncClient, path: str, body: dict[str, str]
) -> None:
    """A request without its fields is bad."""
    assert (await http.post(path, json=body)).status_code == 400
