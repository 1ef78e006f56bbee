"""Limits of the system-under-test file: connections at a time, messages in a second."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from harness.engine import Engine, EngineError
from harness.pacing import Limits, Pace, Room, Slot, connections_of
from harness.results import Verdict
from harness.sut import SutError, load
from simulator.trace import Direction, EventKind
from tests.harness.small_runs import BOOT, options, rules, scenario, system
from tests.miniatures import Bend, Link, Miniature


class Counting(Bend):
    """Counts connections that are open at the same time."""

    def __init__(self) -> None:
        self.open = self.most = 0
        self.waiting: set[asyncio.Task[None]] = set()

    async def opened(self, link: Link) -> None:
        self.open += 1
        self.most = max(self.most, self.open)
        ending = asyncio.create_task(self._ended(link))
        self.waiting.add(ending)
        ending.add_done_callback(self.waiting.discard)

    async def _ended(self, link: Link) -> None:
        await link.socket.wait_closed()
        self.open -= 1


async def test_no_more_connections_than_allowed(tmp_path: Path) -> None:
    """Twelve cases that could all run at once have three connections, also while they settle."""
    counting = Counting()
    async with Miniature(bend=counting) as miniature:
        sut = replace(system(miniature, identities=12), limits=Limits(max_connections=3))
        cases = [scenario(tmp_path, BOOT, case=f"TC_9{n:02}_CSMS") for n in range(12)]
        async with Engine(sut, options(tmp_path, settle_s=0.03)) as engine:
            run = await engine.run(cases)

    assert [case.verdict for case in run.cases] == [Verdict.PASSED] * 12
    assert counting.most == 3


async def test_a_case_that_needs_more_is_inconclusive(tmp_path: Path) -> None:
    """A second connection beside the first cannot be tried with room for one: no pass, no hang."""
    steps = "- connect: {}\n- connect: {beside: true}\n"
    async with Miniature() as miniature:
        sut = replace(system(miniature), limits=Limits(max_connections=1))
        async with Engine(sut, options(tmp_path)) as engine:
            case = await engine.run_case(scenario(tmp_path, steps))

    assert (case.verdict, rules(case)) == (Verdict.INCONCLUSIVE, ["sut.limits"])
    assert miniature.links == {}


async def test_messages_are_spaced_and_waits_are_not_measured(tmp_path: Path) -> None:
    """At 20 a second nothing leaves sooner than 50 ms after the last; times begin when it left."""
    async with Miniature() as miniature:
        limits = Limits(max_messages_per_second=20)
        sut = replace(system(miniature), limits=limits)
        cases = [scenario(tmp_path, BOOT, case=f"TC_9{n:02}_CSMS") for n in range(4)]
        async with Engine(sut, options(tmp_path)) as engine:
            run = await engine.run(cases)

    assert [case.verdict for case in run.cases] == [Verdict.PASSED] * 4
    sent_s = sorted(
        event.monotonic_s
        for case in run.cases
        for event in case.events
        if event.kind is EventKind.FRAME and event.direction is Direction.SENT
    )
    assert len(sent_s) == 4
    assert min(later - earlier for earlier, later in pairwise(sent_s)) > 0.045
    for case in run.cases:
        for one in case.exchanges:
            assert one.answer_event is not None
            sent, answered = case.events[one.sent_event], case.events[one.answer_event]
            assert one.duration_s == pytest.approx(answered.monotonic_s - sent.monotonic_s)


async def test_pace_counts_all_who_wait() -> None:
    """Turns asked for at the same moment are given one after the other."""
    pace, loop = Pace(100), asyncio.get_running_loop()
    began_s = loop.time()

    async def turn() -> float:
        await pace.turn()
        return loop.time() - began_s

    times = sorted(await asyncio.gather(*(turn() for _ in range(5))))

    assert [time_s >= number * 0.0099 for number, time_s in enumerate(times)] == [True] * 5


async def test_room_is_given_back_when_a_case_is_cancelled() -> None:
    """Who is cancelled while it holds or waits leaves nothing taken."""
    room, entered = Room(2), asyncio.Event()

    async def hold() -> None:
        async with room.take(2):
            entered.set()
            await asyncio.Event().wait()

    holder = asyncio.create_task(hold())
    await entered.wait()
    waiter = asyncio.create_task(hold())
    await asyncio.sleep(0)
    for task in (waiter, holder):
        task.cancel()
    await asyncio.wait([waiter, holder])

    async with asyncio.timeout(1), room.take(2):
        pass


def test_workers_share_what_is_allowed(tmp_path: Path) -> None:
    """Together they keep to the limits; too many workers for them are refused."""
    limits = Limits(max_connections=7, max_messages_per_second=9.0)
    assert limits.share(3) == Limits(2, 3.0)
    assert Limits().share(3) == Limits()
    assert (limits.cases(16), Limits(1, 0.2).cases(16), Limits().cases(16)) == (9, 1, 16)
    sut = replace(system(None, ocpp_url="ws://127.0.0.1:9"), limits=Limits(max_connections=2))
    with pytest.raises(EngineError, match=r"limits\.max_connections"):
        Engine(sut, options(tmp_path, workers=3))


def test_cases_count_what_they_open(tmp_path: Path) -> None:
    """One connection, one more for each beside it, one for looking at TLS alone."""
    steps = "- connect: {}\n- connect: {beside: true}\n"
    assert connections_of(scenario(tmp_path, BOOT).steps) == 1
    assert connections_of(scenario(tmp_path, steps).steps) == 2


@pytest.mark.parametrize(
    ("section", "is_good"),
    [
        ("{max_connections: 2, max_messages_per_second: 0.5}", True),
        ("{max_connections: 0}", False),
        ("{max_messages_per_second: 0}", False),
        ("{max_conections: 2}", False),
    ],
)
def test_the_file_says_them(tmp_path: Path, section: str, is_good: bool) -> None:
    """The section is read as written; nothing that allows nothing, no misspelling."""
    file = tmp_path / "sut.yaml"
    file.write_text(
        "name: A\nocpp_url: ws://127.0.0.1:9\nidentities: [{identity: A}]\n"
        f"id_tags: {{valid: [A]}}\nlimits: {section}\n"
    )
    if is_good:
        assert load(file, run_dir=tmp_path).limits == Limits(2, 0.5)
    else:
        with pytest.raises(SutError, match="limits"):
            load(file, run_dir=tmp_path)


async def test_a_slot_is_given_back_once() -> None:
    """A case that lets the next one begin early does not let in two."""
    slots = asyncio.Semaphore(0)
    slot = Slot(slots)
    slot.release()
    slot.release()

    await slots.acquire()
    assert slots.locked()
