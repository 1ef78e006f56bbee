"""Every case can fail: whatever a Central System owes in it, not giving it turns the case red."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from harness.model import NEWEST_EDITION, Profile, Scenario
from harness.results import CaseResult, Finding, Severity, Verdict
from tests.faults import Planted
from tests.miniatures import Bend, Miniature
from tests.proofs import (
    CALM_S,
    PATIENT_S,
    Bench,
    Obligations,
    editions_of,
    is_found,
    obligations,
    official_scenarios,
    side_by_side,
)

pytestmark = pytest.mark.slow

# The official list lets a CSMS pass with a warning here: DataTransfer answered with Accepted.
WARNING_RULES = {"rule.DataTransfer.conf"}


async def right_runs(bench: Bench) -> list[Obligations]:
    """Run every official case against the right miniature and return what each owes.

    Once for each list of steps that its editions have, the newest edition last.
    """

    async def one(item: tuple[Scenario, str]) -> Obligations:
        scenario, edition = item
        result = await bench.run(scenario, Bend(), edition=edition)
        assert result.verdict is Verdict.PASSED, (scenario.id, result.reason, result.findings)
        assert result.findings == (), (scenario.id, result.findings)
        return obligations(scenario, result, edition=edition)

    runs = [(one, edition) for one in official_scenarios() for edition in editions_of(one)]
    return await side_by_side(one, runs)


def to_prove(owed: list[Obligations]) -> list[tuple[Scenario, Planted]]:
    """Return the faults of all cases.

    What a case shares with all others, the boot before it, is proven in one case of each profile;
    in older editions only the rules are.
    """
    planted: list[tuple[Scenario, Planted]] = []
    profiles: set[Profile] = set()
    for one in owed:
        faults = list(one.rules)
        if one.edition == NEWEST_EDITION:
            faults += one.faults(with_shared=one.scenario.profile not in profiles)
            profiles.add(one.scenario.profile)
        planted += [(one.scenario, fault) for fault in faults]
    return planted


async def test_every_obligation_and_rule_of_every_case_is_proven(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each answer and request owed, missed in four ways, and each rule broken, is found."""
    async with Miniature() as miniature:
        owed = await right_runs(Bench(miniature, tmp_path, limit_s=PATIENT_S))
        planted = to_prove(owed)
        results = await run_all(Bench(miniature, tmp_path), planted)
        # On a busy machine a short limit may be met by what was merely slow: those run again.
        again = [index for index, one in enumerate(planted) if not is_proven(one, results[index])]
        bench = Bench(miniature, tmp_path, limit_s=CALM_S)
        for index, result in zip(
            again, await run_all(bench, [planted[one] for one in again]), strict=True
        ):
            results[index] = result

    missed = []
    reds: Counter[str] = Counter()
    kinds: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for (scenario, fault), result in zip(planted, results, strict=True):
        kind = "a rule broken" if fault.field else fault.name.partition(") ")[2]
        kinds[kind][1] += 1
        if is_proven((scenario, fault), result):
            kinds[kind][0] += 1
            reds[scenario.id] += result.verdict is Verdict.FAILED
        else:
            missed.append((scenario.id, fault.name, result.verdict, result.findings))
    with capsys.disabled():  # the share proven is to be seen
        lines = [f"{kind:<22}{proven:>5} of {total}" for kind, (proven, total) in kinds.items()]
        sys.stdout.write("\n".join(["", "faults found by kind:", *sorted(lines), ""]))
    assert not missed, "\n".join(str(one) for one in missed)
    assert [one.scenario.id for one in owed if reds[one.scenario.id] < 3] == []


async def run_all(bench: Bench, planted: list[tuple[Scenario, Planted]]) -> list[CaseResult]:
    """Run each case against the miniature with its fault."""

    async def run(item: tuple[Scenario, Planted]) -> CaseResult:
        scenario, fault = item
        return await bench.run(scenario, fault.bend, edition=fault.edition)

    return await side_by_side(run, planted)


def is_proven(item: tuple[Scenario, Planted], result: CaseResult) -> bool:
    """Say whether the run of a case found the fault planted in it."""
    _, fault = item
    return is_found(fault, considered(result))


def considered(result: CaseResult) -> list[Finding]:
    """Return what failed a case; a rule that only warns (TC_064 Accepted) counts as well."""
    return [
        one
        for one in result.findings
        if one.severity is not Severity.WARNING
        or (result.verdict is Verdict.PASSED and one.rule in WARNING_RULES)
    ]
