"""A person goes through all official cases: right and wrong presses, skips, refusals, a stop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from harness.awaited import leaves
from harness.drivers.http_spec import HttpDriverSpec
from harness.engine import Engine, RunOptions
from harness.loader import library_directory, load_tree
from harness.model import CaseSet, OperatorStep, Scenario
from harness.operator.desk import STOPPED, CaseLine, Desk
from harness.operator.journal import Journal, resume
from harness.operator.order import in_order
from harness.operator.table import Act
from harness.results import CaseResult, RunResult, Verdict
from harness.sut import find_sut, load
from tests.operator.person import RIGHT, Person, Press, Say

pytestmark = pytest.mark.slow

# What the person does otherwise than asked, and what becomes of the case.
SCRIPT: dict[str, list[Press | Say]] = {
    "TC_013_CSMS": [Press(changes={"type": "Soft"})],
    "TC_014_CSMS": [Press("ClearCache"), Say(Act.AGAIN)],
    "TC_017_1_CSMS": [Say(Act.SKIP, "the cable hangs too high")],
    "TC_019_1_CSMS": [Press(changes={"key": ["HeartbeatInterval"]}), Say(Act.AGAIN)],
    "TC_021_CSMS": [Press(changes={"value": "61"}), Say(Act.THIS_IS_IT)],
    "TC_030_CSMS": [Press("GetConfiguration"), Say(Act.THIS_IS_IT)],
    "TC_042_2_CSMS": [Say(Act.CANNOT, "no such screen")],
    "TC_054_CSMS": [RIGHT, Press(changes={"requestedMessage": "FirmwareStatusNotification"})],
    "TC_061_CSMS": [Press("GetLocalListVersion"), Say(Act.NOT_ME)],
    "TC_066_CSMS": [Press(changes={"duration": 1}), Say(Act.SKIP, "enough")],
}
STOPS_AT = "TC_044_1_CSMS"
EXPECTED = {
    "TC_017_1_CSMS": Verdict.INCONCLUSIVE,
    "TC_021_CSMS": Verdict.FAILED,
    "TC_030_CSMS": Verdict.FAILED,
    "TC_042_2_CSMS": Verdict.INCONCLUSIVE,
    "TC_066_CSMS": Verdict.INCONCLUSIVE,
}


def official(edition: str) -> list[Scenario]:
    """Return the 77 cases in the order in which a person does them."""
    cases = [
        one
        for one in load_tree([library_directory()]).scenarios
        if one.case_set is CaseSet.OFFICIAL
    ]
    operations = [
        [
            step.action
            for step in leaves(case.steps)
            if isinstance(step, OperatorStep) and step.editions.includes(edition)
        ]
        for case in cases
    ]
    return [cases[at] for at in in_order(operations)]


async def run(
    tmp_path: Path,
    cases: Sequence[Scenario],
    script: Mapping[str, Sequence[Press | Say]],
    earlier: Sequence[CaseResult] = (),
) -> tuple[RunResult, Person]:
    """Run cases with a person against our CSMS, and keep what ended in the journal."""
    sut = load(find_sut("embedded"), run_dir=tmp_path)
    assert isinstance(sut.driver, HttpDriverSpec)
    desk = Desk(deadline_s=20, action_timeout_s=2)
    desk.list_cases([CaseLine(case.id, case.title) for case in cases])
    journal = Journal(tmp_path)
    options = RunOptions(
        run_dir=tmp_path, settle_s=0.02, concurrency=1, attendant=desk, earlier=earlier
    )
    api = httpx.AsyncClient(
        base_url=sut.driver.base_url, headers=dict(sut.driver.headers), timeout=60
    )
    async with api, Engine(sut, options) as engine:
        desk.on_stop = engine.stop
        person = Person(desk, api, script)
        working = asyncio.create_task(person.work())
        for case in cases:
            result = await engine.run_case(case)
            desk.note_result(result)
            journal.add(result)
        desk.over()
        await working
        return engine.result(), person


async def test_a_person_through_all_cases(tmp_path: Path) -> None:
    """In two parts: every case gets exactly the verdict that what the person did deserves."""
    cases = official("2025-11")
    Journal(tmp_path).begin(started_at=datetime.now(UTC), settings={})
    first, early = await run(tmp_path, cases, SCRIPT | {STOPS_AT: [Say(Act.STOP)]})
    assert first.stopped == STOPPED
    done = resume(tmp_path).cases
    assert 10 < len(done) < 77
    assert STOPS_AT not in {case.case_id for case in done}
    left = [case for case in cases if case.id not in {one.case_id for one in done}]
    whole, late = await run(tmp_path, left, SCRIPT, done)
    assert len(whole.cases) == 77
    verdicts = {result.case_id: result.verdict for result in whole.cases}
    assert verdicts == {case: EXPECTED.get(case, Verdict.PASSED) for case in verdicts}, [
        (one.case_id, one.reason) for one in whole.cases if one.verdict is not Verdict.PASSED
    ]
    assert not [one for one in whole.findings if one.rule.startswith("run.")]
    explained = early.explained | late.explained
    assert explained["TC_013_CSMS"] == ["You sent Reset Soft; the case needs Hard."]
    wrong = {
        one.case_id
        for one in whole.cases
        if any(answer.kind == "wrong_press" for answer in one.operator_answers)
    }
    assert wrong == set(explained) == {case for case, do in SCRIPT.items() if has_press(do)}


def has_press(script: Sequence[Press | Say]) -> bool:
    """Say whether a script has a wrong press."""
    return any(isinstance(one, Press) and one is not RIGHT for one in script)
