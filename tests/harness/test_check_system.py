"""What `preflight check` finds, what it sends, and what it never sends."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from harness.check_system import Checked, Point, State, check, plan
from harness.drivers.http_spec import CommandTemplate, HttpDriverSpec
from harness.pacing import Limits
from harness.sut import Budget, SystemUnderTest
from tests.harness.small_runs import system
from tests.miniatures import Bend, Incoming, Link, Miniature

TAGS = {
    "valid": ("VALID1", "VALID2"),
    "valid_2": ("SECOND1", "SECOND2"),
    "parent": ("GROUP1", "GROUP2"),
    "invalid": ("INVALID1",),
    "expired": ("EXPIRED1",),
    "blocked": ("BLOCKED1",),
}


class Doorkeeper(Miniature):
    """Lets in who is registered and has the right password; the newest connection wins.

    Attributes:
        handshakes: identities that tried, in order.
    """

    def __init__(self, registered: int = 4, **options: object) -> None:
        """Take how many of CP1, CP2 … are registered."""
        super().__init__(bend=Newest(), **options)  # type: ignore[arg-type]
        self.registered = {f"CP{n}": f"password-{n}" for n in range(1, registered + 1)}
        self.handshakes: list[str] = []

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        identity = request.path.rpartition("/")[2]
        self.handshakes.append(identity)
        shown = request.headers.get("Authorization")
        password = self.registered.get(identity)
        if password is None:
            return connection.respond(HTTPStatus.NOT_FOUND, "no")
        if shown != basic(identity, password):
            return connection.respond(HTTPStatus.UNAUTHORIZED, "no")
        return None


class Newest(Bend):
    """Closes a connection when its charge point comes again."""

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}

    async def opened(self, link: Link) -> None:
        before = self.links.get(link.identity)
        self.links[link.identity] = link
        if before is not None:
            await before.socket.close()


def basic(identity: str, password: str) -> str:
    """Return the header of Basic authentication."""
    from base64 import b64encode

    return "Basic " + b64encode(f"{identity}:{password}".encode()).decode()


def described(miniature: Miniature, **changes: object) -> SystemUnderTest:
    """Return what a right file says about a miniature with four charge points."""
    sut = system(miniature, identities=4, id_tags=TAGS)
    return replace(sut, **changes)  # type: ignore[arg-type]


def bad(checked: Checked) -> list[Point]:
    """Return the points that are not good."""
    return [one for one in checked.points if one.state is not State.GOOD]


def of(checked: Checked, topic: str) -> list[Point]:
    """Return the points whose topic begins so."""
    return [one for one in checked.points if one.topic.startswith(topic)]


async def test_all_is_well_with_a_right_system() -> None:
    """Whatever is as the file says is told as good, and a run can begin."""
    async with Doorkeeper() as miniature:
        checked = await check(described(miniature))

    assert (bad(checked), checked.exit_code) == ([], 0)
    topics = {one.topic.partition(",")[0] for one in checked.points}
    assert topics >= {
        *("identities", "subprotocol", "unknown identity", "session", "second connection"),
        *("authentication", "driver"),
        *(f"id tags of role {role}" for role in TAGS if role != "parent"),
    }


async def test_it_sends_what_it_says_and_nothing_else() -> None:
    """The messages and handshakes that arrived are those of the plan, counted."""
    async with Doorkeeper() as miniature:
        sut = described(miniature)
        await check(sut)

    said = " ".join(plan(sut))
    assert "each of the 4 identities" in said
    assert "one BootNotification, one Heartbeat and 7 Authorize" in said
    assert Counter(call.action for call in miniature.calls) == {
        "BootNotification": 2,
        "Heartbeat": 2,  # the first connection of the two was closed
        "Authorize": 7,
    }
    known = [one for one in miniature.handshakes if one.startswith("CP")]
    # Four once each; on the first: a subprotocol, a session, two connections, two wrong proofs.
    assert Counter(known) == {"CP1": 1 + 1 + 1 + 2 + 2, "CP2": 1, "CP3": 1, "CP4": 1}
    assert len(miniature.handshakes) == len(known) + 1
    assert miniature.open_transactions == {}


async def test_missing_identities_are_named() -> None:
    """Who is not registered is named with how it was refused, and the rest is looked at."""
    async with Doorkeeper(registered=2) as miniature:
        checked = await check(described(miniature))

    (missing,) = [one for one in of(checked, "identities") if one.state is State.BAD]
    assert "CP3, CP4" in missing.found
    assert "404" in missing.found
    assert "register them" in missing.remedy
    assert of(checked, "session")[0].state is State.GOOD
    assert checked.exit_code == 1


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("valid", "Invalid"),
        ("expired", "Accepted"),
        ("blocked", "Invalid"),
        ("invalid", "Accepted"),
    ],
)
async def test_cards_that_are_not_as_listed_are_named(role: str, status: str) -> None:
    """A role whose card has another status is told with the card, the status and the remedy."""
    wrong = TAGS[role][0]
    async with Doorkeeper() as miniature:
        right = miniature.accept_tag
        miniature.accept_tag = lambda tag: {"status": status} if tag == wrong else right(tag)
        checked = await check(described(miniature))

    (point,) = bad(checked)
    assert point.topic == f"id tags of role {role}"
    assert f"{wrong}: {status}" in point.found
    assert f"id_tags.{role}" in point.remedy


async def test_cards_without_their_group_are_named() -> None:
    """Accepted is not enough where a parent is listed."""
    async with Doorkeeper() as miniature:
        right = miniature.accept_tag
        miniature.accept_tag = lambda tag: {"status": right(tag)["status"]}
        checked = await check(described(miniature))

    assert [one.topic for one in bad(checked)] == [
        "id tags of role valid",
        "id tags of role valid_2",
    ]
    assert "parentIdTag absent" in bad(checked)[0].found


@pytest.mark.parametrize("how", ["orphan", "both", "refuse"])
async def test_second_connections_are_told(how: str) -> None:
    """An orphaned newcomer is bad; two lives, and a refused one, are warnings."""

    class Handling(Newest):
        async def opened(self, link: Link) -> None:
            self.links.setdefault(link.identity, link)

        async def answers(self, link: Link, call: Incoming, frame: str) -> list[str | bytes]:
            is_old = self.links[link.identity].socket is link.socket or how == "both"
            return [frame] if is_old or call.action != "Heartbeat" else []

    class Handled(Doorkeeper):
        async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
            refused = await super()._admit(connection, request)
            link = self.links.get(request.path.rpartition("/")[2])
            is_taken = link is not None and link.socket.state.name == "OPEN"
            if refused is None and is_taken and how == "refuse":
                return connection.respond(HTTPStatus.CONFLICT, "taken")
            return refused

    async with Handled() as miniature:
        if how != "refuse":
            miniature.bend = Handling()
        sut = described(miniature, budgets={"ocpp_response_timeout": Budget(0.2, None)})
        handled = miniature.bend
        assert isinstance(handled, Newest)
        checked = await check(sut)

    (point,) = of(checked, "second connection") or of(checked, "session")[-1:]
    wanted = {"orphan": State.BAD, "both": State.WARNING, "refuse": State.WARNING}
    if how == "orphan" and point.topic == "session":
        pytest.fail(point.found)
    assert point.state is wanted[how], point


async def test_open_doors_are_told() -> None:
    """A system that lets everybody in, with any password, is told for each way."""
    async with Miniature(bend=Newest()) as miniature:
        checked = await check(described(miniature))

    assert [one.topic.partition(",")[0] for one in bad(checked)] == [
        "unknown identity",
        "authentication",
        "authentication",
    ]
    assert {one.state for one in bad(checked)} == {State.BAD}


async def test_missing_subprotocol_is_told() -> None:
    """A handshake without agreement opens, but no case would pass."""
    async with Doorkeeper(subprotocols=None) as miniature:
        checked = await check(described(miniature))

    (point,) = of(checked, "subprotocol")[:1]
    assert (point.state, "agreed to none" in point.found) == (State.BAD, True)


async def test_what_the_driver_cannot_do_is_told_once_for_a_reason() -> None:
    """Operations with the same reason stand together."""
    async with Doorkeeper() as miniature:
        no = CommandTemplate(unsupported="the interface has no such thing")
        driver = HttpDriverSpec(
            base_url=miniature.command_url,
            command=CommandTemplate(path="/$identity/$action"),
            actions={"Reset": (no,), "ClearCache": (no,)},
        )
        checked = await check(described(miniature, driver=driver))
        without = await check(described(miniature, driver=None))

    (point,) = bad(checked)
    assert (point.state, point.topic) == (State.WARNING, "driver")
    assert "ClearCache, Reset: the interface has no such thing" in point.found
    assert len(of(without, "driver")) == 1


async def test_limits_are_kept() -> None:
    """With room for one connection the second is not tried, and that is said."""
    async with Doorkeeper() as miniature:
        sut = described(miniature, limits=Limits(max_connections=1))
        checked = await check(sut)

    (point,) = of(checked, "second connection")
    assert point.state is State.UNKNOWN
    assert not any("second WebSocket" in sentence for sentence in plan(sut))
    assert Counter(call.action for call in miniature.calls)["BootNotification"] == 1


async def test_nobody_there_is_one_bad_point() -> None:
    """Nothing listens: told with the remedy, and not hidden behind other points."""
    async with Miniature() as miniature:
        sut = described(miniature)
    checked = await check(sut)

    (point,) = checked.points
    assert (point.state, checked.exit_code) == (State.BAD, 1)
    assert "cannot be reached" in point.found


async def test_it_ends_in_time() -> None:
    """A system that never answers does not hold it; what was not seen is said."""

    class Silent(Newest):
        async def answers(self, link: Link, call: Incoming, frame: str) -> list[str | bytes]:
            return []

    async with Doorkeeper() as miniature:
        miniature.bend = Silent()
        sut = described(miniature, budgets={"ocpp_response_timeout": Budget(30, None)})
        async with asyncio.timeout(5):
            checked = await check(sut, time_s=0.3)

    assert checked.points[-1].state is State.UNKNOWN
    assert "--timeout" in checked.points[-1].remedy
    assert of(checked, "identities")[0].state is State.GOOD
