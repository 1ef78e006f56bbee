"""A person at a case: what becomes of wrong presses, words and silence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness import steps
from harness.engine import Engine
from harness.operator.desk import Desk
from harness.operator.table import Act, Phase
from harness.results import CaseResult, Verdict
from harness.wire import monotonic_s
from tests.harness.small_runs import BOOT, CONNECT, RESET, options, rules, scenario, system
from tests.miniatures import Miniature

pytestmark = pytest.mark.slow

Script = Callable[["Hands"], Awaitable[None]]


class Hands:
    """Presses buttons of a miniature and says words, in step with the desk."""

    def __init__(self, desk: Desk, miniature: Miniature) -> None:
        self.desk = desk
        self._miniature = miniature

    async def until(self, phase: Phase) -> None:
        """Wait until the conversation stands there."""
        changed = asyncio.Event()
        self.desk.subscribe(listener := lambda _: changed.set())
        while self.desk.view.phase is not phase:
            changed.clear()
            await changed.wait()
        self.desk.unsubscribe(listener)

    async def press(self, action: str, payload: dict[str, Any]) -> None:
        """Make the miniature send a request."""
        async with httpx.AsyncClient(base_url=self._miniature.command_url) as client:
            await client.post(f"/CP1/{action}", json=payload)

    async def say(self, act: Act, reason: str = "") -> None:
        """Say something that has a meaning now."""
        assert await asyncio.to_thread(self.desk.say, act, reason) == ""


async def attended(
    tmp_path: Path, script: Script, *, steps_text: str = BOOT + RESET, deadline_s: float = 5
) -> CaseResult:
    """Run a case with a person who follows a script."""
    desk = Desk(deadline_s=deadline_s, action_timeout_s=0.3)
    async with Miniature() as miniature:
        sut = system(miniature)
        run = replace(options(tmp_path), concurrency=1, attendant=desk)
        async with Engine(sut, run) as engine:
            hands = asyncio.create_task(_ignore(script(Hands(desk, miniature))))
            result = await engine.run_case(scenario(tmp_path, steps_text))
            await hands
    return result


async def _ignore(script: Awaitable[None]) -> None:
    await script


async def test_who_says_nothing_leaves_it_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the deadline it is inconclusive; the charge point showed signs of life meanwhile."""
    monkeypatch.setattr(steps, "_HEARTBEAT_S", 0.1)

    async def nothing(hands: Hands) -> None:
        await hands.until(Phase.ASKED)

    case = await attended(tmp_path, nothing, steps_text=f"{CONNECT}\n{RESET}", deadline_s=0.5)
    assert case.verdict is Verdict.INCONCLUSIVE
    assert [answer.kind for answer in case.operator_answers] == ["deadline"]
    assert sum('"Heartbeat"' in event.text for event in case.events) >= 2


async def test_a_skip_after_a_wrong_press_is_no_failure(tmp_path: Path) -> None:
    """What was pressed by mistake is not held against the system."""

    async def script(hands: Hands) -> None:
        await hands.until(Phase.ASKED)
        await hands.press("Reset", {"type": "Hard"})
        await hands.until(Phase.WRONG)
        await hands.say(Act.SKIP, "it keeps sending Hard")

    case = await attended(tmp_path, script)
    assert case.verdict is Verdict.INCONCLUSIVE
    assert rules(case) == ["request.not-observed"]


async def test_a_system_that_sends_it_wrong_can_fail(tmp_path: Path) -> None:
    """The frame is judged as it came once the person stands by it."""

    async def script(hands: Hands) -> None:
        await hands.until(Phase.ASKED)
        await hands.press("Reset", {"type": "Hard"})
        await hands.until(Phase.WRONG)
        await hands.say(Act.THIS_IS_IT)

    case = await attended(tmp_path, script)
    assert case.verdict is Verdict.FAILED
    assert rules(case) == ["rule.Reset.req"]


async def test_a_malformed_frame_fails_at_once(tmp_path: Path) -> None:
    """No button sends `hard`: nobody is asked to try again."""

    async def script(hands: Hands) -> None:
        await hands.until(Phase.ASKED)
        await hands.press("Reset", {"type": "soft"})

    case = await attended(tmp_path, script)
    assert case.verdict is Verdict.FAILED
    assert case.operator_answers == ()


async def test_a_press_that_nothing_comes_of_fails(tmp_path: Path) -> None:
    """A system that sends nothing is wrong, and it is not waited for long."""

    async def script(hands: Hands) -> None:
        await hands.until(Phase.ASKED)
        await hands.say(Act.PRESSED)

    began_s = monotonic_s()
    case = await attended(tmp_path, script)
    assert case.verdict is Verdict.FAILED
    assert rules(case) == ["request.missing"]
    assert monotonic_s() - began_s < 4


async def test_what_nobody_pressed_is_unasked(tmp_path: Path) -> None:
    """A request of the system's own is reported as ever once the person says so."""

    async def script(hands: Hands) -> None:
        await hands.until(Phase.ASKED)
        await hands.press("ClearCache", {})
        await hands.until(Phase.WRONG)
        await hands.say(Act.NOT_ME)
        await hands.press("Reset", {"type": "Soft"})

    case = await attended(tmp_path, script)
    assert case.verdict is Verdict.PASSED
    assert rules(case) == ["wire.unasked-call"]


async def test_a_wrong_press_is_declined_and_the_right_one_counts(tmp_path: Path) -> None:
    """The charge point refuses what was not meant, and the case goes on without a word."""

    async def script(hands: Hands) -> None:
        await hands.until(Phase.ASKED)
        await hands.press("Reset", {"type": "Hard"})
        await hands.until(Phase.WRONG)
        assert hands.desk.view.explanation == "You sent Reset Hard; the case needs Soft."
        await hands.press("Reset", {"type": "Soft"})

    case = await attended(tmp_path, script)
    assert case.verdict is Verdict.PASSED
    assert rules(case) == []
    assert sum('{"status":"Rejected"}' in event.text for event in case.events) == 1
