"""Sessions made for asking alone."""

from __future__ import annotations

import pytest

from harness.asking import ask_cards, is_let_in, status_of
from harness.sut import StationSpec
from simulator.charge_point import ChargePoint
from simulator.client import Endpoint, Station
from tests.miniatures import Bend, Incoming, Link, Miniature


def station(url: str) -> Station:
    """Return a charge point that is not connected yet."""
    return Station(ChargePoint("CP1"), Endpoint(url, "CP1"), record=lambda _: None)


async def test_each_card_is_asked_about_once() -> None:
    """One boot, one Authorize for each card, their statuses; then the connection ends."""
    async with Miniature() as miniature:
        asking = station(miniature.url)
        cards = await ask_cards(asking, ["A", "BLOCKED1"], spec=StationSpec(), timeout_s=2)

    assert cards == {"A": "Accepted", "BLOCKED1": "Blocked"}
    actions = [call.action for call in miniature.calls]
    assert actions == ["BootNotification", "Authorize", "Authorize"]
    assert not asking.is_connected


@pytest.mark.parametrize("fault", ["error", "silence", "boot"])
async def test_what_has_no_proper_answer_is_left_out(fault: str) -> None:
    """A CALLERROR, no answer, a boot that is not accepted: nothing is made up."""

    class Failing(Bend):
        async def answers(self, link: Link, call: Incoming, frame: str) -> list[str | bytes]:
            if fault == "boot":
                return [frame.replace("Accepted", "Pending")]
            if call.payload.get("idTag") == "B":
                error = f'[4,"{call.message_id}","InternalError","",{{}}]'
                return [error] if fault == "error" else []
            return [frame]

    async with Miniature(bend=Failing()) as miniature:
        cards = await ask_cards(
            station(miniature.url), ["A", "B", "C"], spec=StationSpec(), timeout_s=0.1
        )

    answered = {"error": {"A", "C"}, "silence": {"A"}, "boot": set[str]()}
    assert cards.keys() == answered[fault]


async def test_who_is_let_in_is_told() -> None:
    """A door that opens, and one that is gone."""
    async with Miniature() as miniature:
        url = miniature.url
        assert await is_let_in(station(url))
    assert not await is_let_in(station(url))


def test_statuses_are_read_with_care() -> None:
    """Whatever has not the shape of an answer has no status."""
    assert status_of({"idTagInfo": {"status": "Expired"}}) == "Expired"
    shapes: list[dict[str, object] | None] = [
        None,
        {},
        {"idTagInfo": []},
        {"idTagInfo": {"status": 3}},
    ]
    for shape in shapes:
        assert status_of(shape) is None
