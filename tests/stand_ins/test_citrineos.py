"""The command API of the CitrineOS-like stand-in, by a plain HTTP client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.stand_ins.charge_points import charge_point
from tests.stand_ins.citrineos import OPERATIONS, Citrineos
from tests.stand_ins.stand_in import Card, Trouble
from tests.stand_ins.web import NO_TLS, Reply, Request, WebServer

RESET = "/ocpp/1.6/configuration/reset"


class Callbacks:
    """Whoever gives a callback URL: it writes down what comes.

    Attributes:
        came: last part of the path, and body.
    """

    def __init__(self) -> None:
        self.came: list[tuple[str, Any]] = []
        self._news = asyncio.Event()
        self.server = WebServer(self._take)

    async def _take(self, request: Request) -> Reply:
        self.came.append((request.parts[-1], request.body))
        self._news.set()
        return Reply(204 if request.parts[-1] == "secret" else 404)

    async def have(self, number: int) -> list[tuple[str, Any]]:
        """Wait for so many, and return them."""
        async with asyncio.timeout(10):
            while len(self.came) < number:
                self._news.clear()
                await self._news.wait()
        return self.came


@pytest.fixture
async def csms() -> AsyncIterator[Citrineos]:
    async with Citrineos() as stand_in:
        stand_in.add_station("PF1")
        yield stand_in


@pytest.fixture
async def http(csms: Citrineos) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=csms.api_url, trust_env=False, verify=NO_TLS) as one:
        yield one


@pytest.fixture
async def callbacks() -> AsyncIterator[Callbacks]:
    one = Callbacks()
    async with one.server:
        yield one


async def reset(
    http: httpx.AsyncClient, identity: str = "PF1", *, callbacks: Callbacks | None = None
) -> httpx.Response:
    """Order a reset."""
    query = {"identifier": identity, "tenantId": "1"}
    if callbacks is not None:
        query["callbackUrl"] = f"{callbacks.server.url}/answers/secret"
    return await http.post(RESET, params=query, json={"type": "Hard"})


def test_there_is_nothing_for_reservations_and_local_lists() -> None:
    """15 operations have a path."""
    actions = {action for _, action in OPERATIONS}

    assert len(OPERATIONS) == 15
    assert not actions & {"reserveNow", "cancelReservation", "sendLocalList"}


async def test_sent_is_told_at_once_and_the_answer_comes_by_callback(
    csms: Citrineos, http: httpx.AsyncClient, callbacks: Callbacks
) -> None:
    """The response only says that it was sent; the charge point's answer is posted as it is."""
    async with charge_point(csms.ocpp.url, "PF1") as station:
        station.answers["Reset"] = {"status": "Rejected"}
        response = await reset(http, callbacks=callbacks)
        came = await callbacks.have(1)

    assert (response.status_code, response.json()) == (200, [{"success": True}])
    assert station.asked == [("Reset", {"type": "Hard"})]
    assert came == [("secret", {"status": "Rejected"})]


async def test_it_does_not_wait_for_the_charge_point(
    csms: Citrineos, http: httpx.AsyncClient
) -> None:
    """A charge point that never answers has been sent its request all the same."""
    async with charge_point(csms.ocpp.url, "PF1") as station:
        station.is_mute = True
        response = await reset(http)
        await station.was_asked(1)

    assert response.json() == [{"success": True}]


async def test_a_callerror_comes_by_callback_too(
    csms: Citrineos, http: httpx.AsyncClient, callbacks: Callbacks
) -> None:
    """Its code is somewhere in what is posted; it has no status."""
    async with charge_point(csms.ocpp.url, "PF1") as station:
        station.answers["Reset"] = "NotSupported"
        await reset(http, callbacks=callbacks)
        [(_, body)] = await callbacks.have(1)

    assert body["_errorCode"] == "NotSupported"
    assert "status" not in body


async def test_offline_is_200_with_success_false(csms: Citrineos, http: httpx.AsyncClient) -> None:
    """A charge point that is not connected, or of another tenant, is told in the body only."""
    offline = await reset(http)
    async with charge_point(csms.ocpp.url, "PF1"):
        query = {"identifier": "PF1", "tenantId": "2"}
        other = await http.post(RESET, params=query, json={"type": "Hard"})

    for response in (offline, other):
        assert response.status_code == 200
        [answer] = response.json()
        assert answer["success"] is False
        assert answer["payload"].startswith("No connection found")


@pytest.mark.parametrize(
    "path",
    ["/ocpp/1.6/configuration/Reset", "/ocpp/1.6/evdriver/reset", "/ocpp/1.6/evdriver/reserveNow"],
)
async def test_other_paths_are_404(http: httpx.AsyncClient, path: str) -> None:
    """An action has one module, and begins with a small letter."""
    query = {"identifier": "PF1", "tenantId": "1"}

    assert (await http.post(path, params=query, json={})).status_code == 404


@pytest.mark.parametrize("query", [{}, {"identifier": "PF1"}, {"tenantId": "1"}])
async def test_identifier_and_tenant_are_required(
    http: httpx.AsyncClient, query: dict[str, str]
) -> None:
    """Without them a command is a bad request."""
    assert (await http.post(RESET, params=query, json={"type": "Hard"})).status_code == 400


@pytest.mark.parametrize(
    ("trouble", "success", "frames", "posted"),
    [
        (Trouble.OFFLINE, False, 0, []),
        (Trouble.REFUSED, False, 0, []),
        (Trouble.NO_FRAME, True, 0, []),
        (Trouble.ANSWER_LOST, True, 1, []),
        (Trouble.ANSWER_FALSE, True, 1, [("secret", {"status": "Rejected"})]),
    ],
)
async def test_each_trouble_is_told_in_its_own_way(
    csms: Citrineos,
    http: httpx.AsyncClient,
    callbacks: Callbacks,
    trouble: Trouble,
    success: bool,
    frames: int,
    posted: list[Any],
) -> None:
    """What the API says is independent of what leaves; all of it with status 200."""
    csms.trouble = trouble
    assert trouble in Citrineos.known_troubles
    async with charge_point(csms.ocpp.url, "PF1") as station:
        response = await reset(http, callbacks=callbacks)
        await station.was_asked(frames)
        await station.call("Heartbeat", {})
        came = await callbacks.have(len(posted))

    assert response.status_code == 200
    assert response.json()[0]["success"] is success
    assert len(station.asked) == frames
    assert came == posted


async def test_strangers_post_too_and_answers_come_twice(
    csms: Citrineos, http: httpx.AsyncClient, callbacks: Callbacks
) -> None:
    """Before the true answer others come to addresses nearby, and it comes again."""
    csms.foreign, csms.calls_twice = [{"status": "Accepted"}], True
    async with charge_point(csms.ocpp.url, "PF1") as station:
        station.answers["Reset"] = {"status": "Rejected"}
        await reset(http, callbacks=callbacks)
        came = await callbacks.have(4)

    strange = [("secretx", {"status": "Accepted"}), ("answers", {"status": "Accepted"})]
    assert came == strange + [("secret", {"status": "Rejected"})] * 2


async def test_charge_points_and_cards_are_in_its_database(csms: Citrineos) -> None:
    """Who is not there is not let in, a card that is not there is Invalid."""
    csms.add_card("CARD", Card("Accepted", "GROUP"))
    csms.add_card("OLD", Card("Expired"))
    with pytest.raises(InvalidStatus) as refused:
        async with charge_point(csms.ocpp.url, "NOBODY"):
            pass
    async with charge_point(csms.ocpp.url, "PF1") as station:
        infos = [await station.authorize(one) for one in ("card", "OLD", "OTHER")]

    assert refused.value.response.status_code == 404
    assert infos == [
        {"status": "Accepted", "parentIdTag": "GROUP"},
        {"status": "Expired"},
        {"status": "Invalid"},
    ]
