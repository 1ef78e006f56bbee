"""Central Systems that are odd but right stay green: the harness does not cry wolf."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from harness.engine import Engine, RunOptions
from harness.loader import load_file
from harness.model import Profile, Scenario
from harness.results import CaseResult, Verdict
from tests.faults import EveryAnswerBent, Slow, payload, with_field
from tests.miniatures import Bend, Frames, Incoming, Link, Miniature, Order
from tests.proofs import (
    EXPIRY_S,
    PATIENT_S,
    Bench,
    obligations,
    official_scenarios,
    side_by_side,
    system,
)

pytestmark = pytest.mark.slow


def patient(miniature: Miniature, folder: Path, *, expiry_s: float = EXPIRY_S) -> Bench:
    """Return a bench with long limits: nothing is missing here, and a busy machine is slow."""
    return Bench(miniature, folder, limit_s=PATIENT_S, expiry_s=expiry_s)


@dataclass(frozen=True)
class EveryFrame(Bend):
    """Everything the Central System sends is written in another way."""

    rewrite: Callable[[str], str | list[str]]

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        return [self.rewrite(frame)]

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        return [self.rewrite(frame)]


class SlowAtFirst(Bend):
    """The first answer and the first request of each action leave late."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._seen: set[str] = set()

    async def _hold(self, action: str) -> None:
        if action not in self._seen:
            self._seen.add(action)
            await asyncio.sleep(self._delay_s)

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        await self._hold(call.action)
        return [frame]

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        await self._hold(order.action)
        return [frame]


class Pinging(Bend):
    """A ping before and after every answer, and pongs nobody asked for."""

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        await link.socket.ping()
        await link.socket.pong(b"unasked")
        return [frame]

    async def answered(self, link: Link, call: Incoming) -> None:
        await link.socket.ping()


@dataclass(frozen=True)
class ShortIds(Bend):
    """Message ids of the Central System are "1", "2", "3" …; a station sees each once."""

    ids: count[int] = field(default_factory=lambda: count(1))

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        kind, message_id, action, body = json.loads(frame)
        short = str(next(self.ids))
        link.pending[short] = link.pending.pop(message_id)
        return [json.dumps([kind, short, action, body])]


@dataclass(frozen=True)
class ClosesAtTheEnd(Bend):
    """The connection is closed with 1001 once the case has had its last answer."""

    last: int
    code: int = 1001

    async def answered(self, link: Link, call: Incoming) -> None:
        if call.number == self.last:
            await link.socket.close(self.code, "bye")


def reordered(frame: str) -> str:
    """Write the keys of every object in the opposite order."""

    def turn(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: turn(value[name]) for name in reversed(value)}
        return [turn(one) for one in value] if isinstance(value, list) else value

    return json.dumps(turn(json.loads(frame)))


def escaped(frame: str) -> str:
    """Write letters of texts as Unicode escapes, and slashes escaped."""
    return re.sub(r'(?<=")Accepted(?=")', r"\\u0041ccepted", frame).replace("/", "\\/")


def times(change: Callable[[str], str]) -> Callable[[str], str]:
    """Rewrite every time in a frame."""
    return lambda frame: re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", lambda found: change(found[0]), frame)


two_seconds_earlier = times(
    lambda text: (datetime.fromisoformat(text) - timedelta(seconds=2)).strftime(
        "%Y-%m-%dT%H:%M:%S.000Z"
    )
)


def in_future() -> str:
    """Return a time a month from now."""
    return (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")


def optional_fields(body: dict[str, Any]) -> None:
    """Say of an accepted card when it expires and which group it is in."""
    if body.get("idTagInfo", {}).get("status") == "Accepted":
        body["idTagInfo"] |= {"expiryDate": in_future(), "parentIdTag": "GROUP"}


ODD: dict[str, Bend] = {
    "keys in another order": EveryFrame(reordered),
    "white space between all tokens": EveryFrame(
        lambda frame: json.dumps(json.loads(frame), indent=2, separators=(" ,", " : "))
    ),
    "no white space at all": EveryFrame(
        lambda frame: json.dumps(json.loads(frame), separators=(",", ":"))
    ),
    "white space around the frame": EveryFrame(lambda frame: f"\r\n\t {frame} \n"),
    "letters as escapes": EveryFrame(escaped),
    "times with +00:00": EveryFrame(times(lambda text: text.replace("Z", "+00:00"))),
    "times without a fraction": EveryFrame(times(lambda text: text[:19] + "Z")),
    "times with six digits": EveryFrame(times(lambda text: text[:-1] + "000Z")),
    # Its own times only: what an operator orders, such as an expiry, it hands on as it is.
    "a clock two seconds behind": EveryAnswerBent(lambda frame: [two_seconds_earlier(frame)]),
    "allowed optional fields": EveryAnswerBent(payload(optional_fields)),
    "heartbeats once a day": EveryAnswerBent(with_field(["interval"], 86400), "BootNotification"),
    "a heartbeat interval of a second": EveryAnswerBent(
        with_field(["interval"], 1), "BootNotification"
    ),
    "vendor data rejected": EveryAnswerBent(with_field(["status"], "Rejected"), "DataTransfer"),
    "fragmented frames": EveryFrame(lambda frame: [frame[:5], frame[5:9], frame[9:]]),
    "frequent pings": Pinging(),
    "short message ids": ShortIds(),
}


def complaints(results: Sequence[CaseResult]) -> list[str]:
    """Describe what is not green."""
    return [
        f"{one.case_id} {one.verdict}: {one.reason} {[found.message for found in one.findings]}"
        for one in results
        if one.verdict is not Verdict.PASSED
    ]


@pytest.mark.parametrize("oddity", ODD)
async def test_an_odd_but_right_csms_passes_every_case(tmp_path: Path, oddity: str) -> None:
    """What the standard allows never turns a case red, even in a strict run."""
    # An expiry cut to whole seconds is right only where its tolerance is a second.
    expiry_s = 3.0 if oddity == "times without a fraction" else EXPIRY_S
    async with Miniature() as miniature:
        bench = patient(miniature, tmp_path, expiry_s=expiry_s)
        results = await side_by_side(
            lambda scenario: bench.run(scenario, ODD[oddity]), official_scenarios()
        )

    assert complaints(results) == []


async def test_large_transaction_ids_pass(tmp_path: Path) -> None:
    """A transactionId just below 2^31 is as good as any (errata v4.0 §3.54)."""
    async with Miniature(first_transaction_id=2**31 - 100) as miniature:
        bench = patient(miniature, tmp_path)
        results = await side_by_side(
            lambda scenario: bench.run(scenario, Bend()), official_scenarios()
        )

    assert complaints(results) == []


async def test_answers_after_two_seconds_pass(tmp_path: Path) -> None:
    """A Central System slow with each kind of message is within the declared 30 s."""
    async with Miniature() as miniature:
        bench = patient(miniature, tmp_path)
        results = await side_by_side(
            lambda scenario: bench.run(scenario, SlowAtFirst(2.0)),
            official_scenarios(),
            at_a_time=62,
        )

    assert complaints(results) == []


@pytest.mark.parametrize("code", [1000, 1001])
async def test_closing_in_order_after_the_case_passes(tmp_path: Path, code: int) -> None:
    """A Central System may end the connection when a case is over."""
    async with Miniature() as miniature:
        bench = patient(miniature, tmp_path)

        async def run(scenario: Scenario) -> CaseResult:
            right = obligations(scenario, await bench.run(scenario, Bend()))
            if right.requests and scenario.steps[-1].__class__.__name__ == "Receive":
                return await bench.run(scenario, Bend())  # its last frame is ours, not the CSMS's
            return await bench.run(scenario, ClosesAtTheEnd(right.answers[-1][0], code))

        results = await side_by_side(run, official_scenarios())

    assert complaints(results) == []


async def test_a_request_may_cross_our_call(tmp_path: Path) -> None:
    """The Central System may send its request before it answers what we sent (CS-RPC-06)."""
    case = tmp_path / "crossing.yaml"
    case.write_text(
        """\
id: CROSSING
title: A request crosses a Heartbeat
profile: Core
requirement: unconfirmed
section: "0"
purpose: The request comes while our own CALL is open.
steps:
  - operator: ClearCache
    payload: {}
  - send: Heartbeat
    payload: {}
  - receive: ClearCache
    answer: {status: Accepted}
""",
        encoding="utf-8",
    )

    async with Miniature(bend=HoldsAnswerBack()) as miniature:
        result = await patient(miniature, tmp_path).run(load_file(case), HoldsAnswerBack())

    assert complaints([result]) == []


class HoldsAnswerBack(Bend):
    """A Heartbeat is answered only after the request that was ordered meanwhile has left."""

    def __init__(self) -> None:
        self._held: list[str] = []
        self._ordered = False

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        if call.action != "Heartbeat" or self._ordered:
            return [frame]
        self._held.append(frame)
        return []

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        self._ordered = True
        return [frame, *self._held]


@pytest.mark.parametrize("status", [HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND])
@pytest.mark.parametrize("body", ["", "<html>" * 1000, "\x00\x01"])
async def test_a_refusal_is_told_whatever_its_body(
    tmp_path: Path, status: HTTPStatus, body: str
) -> None:
    """A refused handshake is a finding that names the status, however odd the answer's body."""
    async with Miniature(refuse=status, refuse_body=body) as miniature:
        result = await patient(miniature, tmp_path).run(official_scenarios()[0], Bend())

    assert result.verdict is not Verdict.PASSED
    assert any(str(status.value) in found.message for found in result.findings)


async def test_random_delays_both_ways_change_no_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """20 times the 62 cases with delays of 0 to 50 ms each way: 1240 of 1240 pass."""
    chance = random.Random(1240)
    async with Miniature() as miniature:
        bench = patient(miniature, tmp_path)
        bend = Slow(lambda: chance.uniform(0, 0.05) + chance.uniform(0, 0.05))
        results = await side_by_side(
            lambda scenario: bench.run(scenario, replace(bend)),
            official_scenarios() * 20,
            at_a_time=48,
        )

    passed = sum(one.verdict is Verdict.PASSED for one in results)
    with capsys.disabled():
        print(f"\nwith random delays: {passed} of {len(results)} pass")  # noqa: T201 - a figure
    assert complaints(results) == []
    assert len(results) == 1240


class OneOrderAtATime(Miniature):
    """An operator's interface that refuses an order until it has told of the one before."""

    async def command(self, identity: str, action: str, payload: dict[str, Any]) -> list[Any]:
        busy: set[str] = self.__dict__.setdefault("busy", set())
        if identity in busy:
            raise ConnectionAbortedError(f"{identity} is busy")
        busy.add(identity)
        try:
            return await super().command(identity, action, payload)
        finally:
            await asyncio.sleep(0.02)
            busy.discard(identity)


async def test_an_operator_may_give_one_order_at_a_time(tmp_path: Path) -> None:
    """The next order waits until the interface has told what became of the one before."""
    async with OneOrderAtATime() as miniature:
        bench = Bench(miniature, tmp_path)
        results = await side_by_side(
            lambda scenario: bench.run(scenario, Bend()), official_scenarios()
        )

    assert complaints(results) == []


class LetsNobodyBack(Miniature):
    """Once a charge point was let go at the end of its case, it may not come back."""

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        identity = request.path.rsplit("/", 1)[-1]
        if identity in self.links:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "later")
        return None


async def test_what_becomes_of_the_clean_up_turns_no_case_red(tmp_path: Path) -> None:
    """The case is over before the clean-up: who closes then and is full only warns."""
    charging = next(one for one in official_scenarios() if one.id == "TC_003_CSMS")
    async with LetsNobodyBack() as miniature:
        bench = Bench(miniature, tmp_path)
        right = obligations(charging, await bench.run(charging, Bend()))
        closes = ClosesAtTheEnd(right.answers[-1][0])
        result = await bench.run(charging, closes, settle_s=0.3)

    assert complaints([result]) == []
    assert [one.rule for one in result.findings] == ["cleanup.incomplete"]


class AsksOnItsOwn(Bend):
    """Before the first order is carried out it reads and sets what it always does after a boot."""

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        if order.number == 0:
            for action, body in (
                ("GetConfiguration", {}),
                ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"}),
                ("TriggerMessage", {"requestedMessage": "StatusNotification"}),
            ):
                message_id = f"own {action}"
                answer = link.expect(message_id)
                await link.send([json.dumps([2, message_id, action, body])])
                await answer
        return [frame]


@pytest.mark.parametrize(("strict", "verdict"), [(False, Verdict.PASSED), (True, Verdict.FAILED)])
async def test_requests_of_its_own_do_not_take_the_place_of_ordered_ones(
    tmp_path: Path, strict: bool, verdict: Verdict
) -> None:
    """What nobody asked for is only that, even where an order for the same action is under way."""
    async with Miniature() as miniature:
        bench = Bench(miniature, tmp_path)
        results = await side_by_side(
            lambda scenario: bench.run(scenario, AsksOnItsOwn(), strict=strict),
            [one for one in official_scenarios() if one.id in CROSSED],
        )

    assert len(results) == len(CROSSED)
    assert {one.verdict for one in results} == {verdict}
    assert {found.rule for one in results for found in one.findings} == {"wire.unasked-call"}


CROSSED = {"TC_019_2_CSMS", "TC_021_CSMS", "TC_040_2_CSMS", "TC_054_CSMS", "TC_055_CSMS"}


async def test_no_two_cases_share_a_reservation(tmp_path: Path) -> None:
    """A Central System may keep reservations for ever, and refuse a number it knows."""
    cases = [one for one in official_scenarios() if one.profile is Profile.RESERVATION]
    async with Miniature() as miniature:
        sut = system(miniature, tmp_path)
        async with Engine(sut, RunOptions(run_dir=tmp_path, settle_s=0.05)) as engine:
            results = (await engine.run(cases)).cases

    asked = [
        json.loads(event.text)[3]["reservationId"]
        for result in results
        for event in result.events
        if '"ReserveNow"' in event.text
    ]
    assert len(asked) == len(set(asked)) == len(cases)
    assert complaints(results) == []
