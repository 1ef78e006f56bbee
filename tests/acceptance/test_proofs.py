"""Every case can fail: whatever a Central System owes in it, not giving it turns the case red."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from harness.model import Scenario
from harness.results import CaseResult, Verdict
from tests.faults import Planted
from tests.miniatures import Bend, Miniature
from tests.proofs import Bench, Obligations, core_scenarios, obligations, red, side_by_side

pytestmark = pytest.mark.slow

# The official list lets a CSMS pass with a warning here: DataTransfer answered with Accepted.
WARNING_RULES = {"rule.DataTransfer.conf"}


async def right_runs(bench: Bench) -> list[Obligations]:
    """Run every Core case against the right miniature and return what each owes."""

    async def one(scenario: Scenario) -> Obligations:
        result = await bench.run(scenario, Bend())
        assert result.verdict is Verdict.PASSED, (scenario.id, result.reason, result.findings)
        assert result.findings == (), (scenario.id, result.findings)
        return obligations(scenario, result)

    return await side_by_side(one, core_scenarios())


async def test_every_obligation_and_rule_of_every_case_is_proven(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each answer and request owed, missed in four ways, and each rule broken, is found."""
    async with Miniature() as miniature:
        bench = Bench(miniature, tmp_path)
        owed = await right_runs(bench)
        planted = [(one.scenario, fault) for one in owed for fault in (*one.faults(), *one.rules)]

        async def run(item: tuple[Scenario, Planted]) -> CaseResult:
            scenario, fault = item
            return await bench.run(scenario, fault.bend)

        results = await side_by_side(run, planted)

    missed = []
    reds: Counter[str] = Counter()
    kinds: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for (scenario, fault), result in zip(planted, results, strict=True):
        kind = fault.name.partition(") ")[2] or "a rule broken"
        kinds[kind][1] += 1
        if fault.rules & found(result):
            kinds[kind][0] += 1
            reds[scenario.id] += result.verdict is Verdict.FAILED
        else:
            missed.append((scenario.id, fault.name, result.verdict, result.findings))
    with capsys.disabled():  # the share proven is to be seen
        lines = [f"{kind:<22}{proven:>5} of {total}" for kind, (proven, total) in kinds.items()]
        sys.stdout.write("\n".join(["", "faults found by kind:", *sorted(lines), ""]))
    assert not missed, "\n".join(str(one) for one in missed)
    assert [one.scenario.id for one in owed if reds[one.scenario.id] < 3] == []


def found(result: CaseResult) -> set[str]:
    """Return the rules found; a rule that only warns (TC_064 Accepted) counts as found too."""
    if result.verdict is Verdict.PASSED:
        return {one.rule for one in result.findings if one.rule in WARNING_RULES}
    return red(result)
