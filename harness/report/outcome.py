"""Whether a run was good: the exit code and, where it is not 0, the reason. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from harness.results import RunResult, Severity, Verdict

GOOD: Final = 0
FINDINGS: Final = 1
UNUSABLE: Final = 2  # wrong use, or a run that proves nothing
NOTHING_SELECTED: Final = (
    "no case was selected: `preflight list` shows what there is;"
    " those beyond the official cases need --extended"
)

_JUDGED: Final = (Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.ERROR)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run, for the shell and for people."""

    exit_code: int
    reason: str = ""


def decide(
    run: RunResult, *, excused: Collection[str] = (), problems: Sequence[str] = ()
) -> Outcome:
    """Return how the run ended.

    A run of several cases in which nothing passed says more about its setup than about the CSMS,
    so it is unusable, not merely full of findings. A single case was asked about by name: there
    the answer is its own verdict.

    Args:
        excused: ids of the cases whose failure is known.
        problems: what is wrong with the run itself, such as a known failure that passed.
    """
    counts = Counter(case.verdict for case in run.cases)
    judged = [case for case in run.cases if case.verdict in _JUDGED]
    if not run.cases:
        words = f"no case was run: {run.stopped}" if run.stopped else NOTHING_SELECTED
        return Outcome(UNUSABLE, words)
    if not judged and counts[Verdict.NOT_RUN]:
        return Outcome(UNUSABLE, f"no case was run: {run.stopped or _first_reason(run)}")
    if not judged:
        return Outcome(UNUSABLE, f"every case was skipped: {_first_reason(run)}")
    single = judged[0].verdict if len(run.cases) == 1 else None
    if not counts[Verdict.PASSED] and single not in (Verdict.FAILED, Verdict.INCONCLUSIVE):
        words = ", ".join(
            f"{counts[verdict]} {verdict.value.replace('_', ' ')}"
            for verdict in Verdict
            if counts[verdict]
        )
        return Outcome(UNUSABLE, f"nothing passed: {words}")
    held = [
        case
        for case in judged
        if case.verdict is not Verdict.PASSED and case.case_id not in excused
    ]
    bad = [finding for finding in run.findings if finding.severity is not Severity.WARNING]
    if held or bad or problems:
        return Outcome(FINDINGS)
    if counts[Verdict.NOT_RUN] or run.stopped:
        reason = run.stopped or _first_reason(run)
        return Outcome(UNUSABLE, f"the run is not complete: {reason}")
    return Outcome(GOOD)


def _first_reason(run: RunResult) -> str:
    return next((case.reason for case in run.cases if case.reason), "no reason given")
