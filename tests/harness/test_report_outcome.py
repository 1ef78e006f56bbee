"""The exit code of a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.report.outcome import NOTHING_SELECTED, decide
from harness.results import CaseResult, Finding, RunResult, Severity, Verdict
from tests.harness.report_samples import case, run


def with_verdicts(*verdicts: Verdict) -> RunResult:
    """Return a run of cases with these verdicts."""
    cases: list[CaseResult] = [
        case(f"TC_{number}", verdict=verdict, reason=f"reason {number}")
        for number, verdict in enumerate(verdicts)
    ]
    return replace(run(*cases), cases=tuple(cases), findings=())


P, F, I, E = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.ERROR  # noqa: E741
SKIPPED, NOT_RUN = Verdict.NOT_APPLICABLE, Verdict.NOT_RUN


@pytest.mark.parametrize(
    ("verdicts", "exit_code"),
    [
        ((P,), 0),
        ((P, P, SKIPPED), 0),
        ((P, F), 1),
        ((P, I), 1),
        ((P, E), 1),
        ((F,), 1),
        ((I,), 1),
        ((E,), 2),
        ((F, F), 2),
        ((F, I, E), 2),
        ((SKIPPED,), 2),
        ((SKIPPED, SKIPPED), 2),
        ((SKIPPED, F), 2),
        ((NOT_RUN, NOT_RUN), 2),
        ((P, NOT_RUN), 2),
        ((P, F, NOT_RUN), 1),
        ((), 2),
    ],
)
def test_the_exit_code_follows_the_verdicts(verdicts: tuple[Verdict, ...], exit_code: int) -> None:
    """0 needs a pass and nothing else; a run that proves nothing is 2."""
    assert decide(with_verdicts(*verdicts)).exit_code == exit_code


@pytest.mark.parametrize(
    ("verdicts", "reason"),
    [
        ((), NOTHING_SELECTED),
        ((SKIPPED, SKIPPED), "every case was skipped: reason 0"),
        ((F, F, I), "nothing passed: 2 failed, 1 inconclusive"),
        ((P, NOT_RUN), "the run is not complete: reason 0"),
    ],
)
def test_an_unusable_run_says_why(verdicts: tuple[Verdict, ...], reason: str) -> None:
    """Exit code 2 comes with its reason."""
    assert decide(with_verdicts(*verdicts)).reason == reason


def test_known_failures_do_not_fail_the_run() -> None:
    """A case whose failure is known is not held against the run; others are."""
    found = with_verdicts(P, F, F)

    assert decide(found, excused={"TC_1", "TC_2"}).exit_code == 0
    assert decide(found, excused={"TC_1"}).exit_code == 1


def test_a_single_case_whose_failure_is_known_is_good() -> None:
    """Asking for one known failure alone is answered by the list."""
    assert decide(with_verdicts(F), excused={"TC_0"}).exit_code == 0


def test_problems_of_the_run_fail_it() -> None:
    """A known failure that passes fails a run of passed cases."""
    assert decide(with_verdicts(P), problems=["TC_0 passes but is listed"]).exit_code == 1


@pytest.mark.parametrize(
    ("severity", "exit_code"), [(Severity.WARNING, 0), (Severity.FAILURE, 1), (Severity.ERROR, 1)]
)
def test_findings_of_the_run_count(severity: Severity, exit_code: int) -> None:
    """What belongs to no single case still decides, unless it only warns."""
    found = replace(with_verdicts(P), findings=(Finding("run.x", severity, "x"),))

    assert decide(found).exit_code == exit_code


def test_a_run_that_was_stopped_is_not_good() -> None:
    """Passing cases do not make a broken-off run complete."""
    outcome = decide(replace(with_verdicts(P), stopped="interrupted"))

    assert (outcome.exit_code, outcome.reason) == (2, "the run is not complete: interrupted")
