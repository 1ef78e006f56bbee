"""What makes a run worse than another, and what is only different."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from harness.comparison.compare import Change, Comparison, NothingInCommon, compare
from harness.report.document import Known, Report, make_report
from harness.results import CaseResult, Finding, RunResult, Severity, Verdict
from tests.harness.report_samples import STARTED_AT, case, failed_case, passed_case, run

P, F, E, I = Verdict.PASSED, Verdict.FAILED, Verdict.ERROR, Verdict.INCONCLUSIVE  # noqa: E741
NA, NR = Verdict.NOT_APPLICABLE, Verdict.NOT_RUN
ALWAYS = case("TC_999_CSMS")  # so that there is something in common


def report(*cases: CaseResult, known: tuple[Known, ...] = (), **changes: Any) -> Report:
    """Return a report of these cases."""
    result: RunResult = replace(run(*cases), **changes)
    return make_report(result, version="1", exit_code=0, known=known)


def of_verdicts(old: Verdict | None, new: Verdict | None) -> Comparison:
    """Compare two runs of a case that came out like this; None: without the case."""
    return compare(
        *(report(ALWAYS, *([case(verdict=one, reason="why")] if one else [])) for one in (old, new))
    )


@pytest.mark.parametrize(
    ("old", "new", "change", "is_worse"),
    [
        (P, F, Change.NEWLY_RED, True),
        (P, E, Change.NEWLY_RED, True),
        (I, F, Change.NEWLY_RED, True),
        (P, I, Change.NO_LONGER_SHOWN, True),
        (P, NR, Change.NO_LONGER_RUN, True),
        (P, NA, Change.NO_LONGER_RUN, True),
        (F, None, Change.NO_LONGER_RUN, True),
        (None, P, Change.NEWLY_RUN, False),
        (NA, I, Change.NEWLY_RUN, False),
        (NR, F, Change.NEWLY_RUN, True),
        (F, P, Change.NEWLY_GREEN, False),
        (I, P, Change.NEWLY_GREEN, False),
        (F, E, Change.OTHER_VERDICT, False),
        (E, F, Change.OTHER_VERDICT, False),
        (F, I, Change.OTHER_VERDICT, False),
    ],
)
def test_each_change_of_a_verdict(
    old: Verdict | None, new: Verdict | None, change: Change, is_worse: bool
) -> None:
    """Red is failed or an error, green is passed; what did not run is neither."""
    found = of_verdicts(old, new)

    assert [(one.change, one.old, one.new) for one in found.verdicts] == [(change, old, new)]
    assert found.verdicts[0].is_worse is is_worse
    assert found.exit_code == (1 if is_worse else 0)
    assert found.worse == ({change.value: 1} if is_worse else {})


@pytest.mark.parametrize("old", [*Verdict, None])
@pytest.mark.parametrize("new", [*Verdict, None])
def test_no_change_is_forgotten(old: Verdict | None, new: Verdict | None) -> None:
    """Every two verdicts that differ are told, except where the case ran neither time."""
    idle = (NA, NR, None)

    assert bool(of_verdicts(old, new).verdicts) == (
        old != new and not (old in idle and new in idle)
    )


def test_a_known_failure_is_not_worse() -> None:
    """What the known-failures file expects is shown and let pass; an error never is."""
    known = (Known("TC_001_CSMS", "TC_001*", "later", "ISSUE-1"),)

    for verdict, code in ((F, 0), (I, 0), (E, 1)):
        found = compare(report(case(), ALWAYS), report(case(verdict=verdict), ALWAYS, known=known))
        assert found.exit_code == code
        assert len(found.verdicts) == 1


def test_a_changed_verdict_takes_its_frames_and_findings_along() -> None:
    """One cause is told once: the frame explains the verdict."""
    failed = failed_case()
    events = tuple(
        replace(event, text=event.text.replace('"Invalid"', '"Accepted"'))
        for event in failed.events
    )
    was = replace(failed, verdict=P, findings=(), events=events)
    found = compare(report(was), report(failed))

    (change,) = found.verdicts
    assert change.frame is not None
    assert change.frame.differences == ('idTagInfo.status: "Accepted" → "Invalid"',)
    assert (found.frames, found.new_findings) == ((), ())


def test_new_and_gone_findings_are_told_once_a_kind() -> None:
    """A warning in a case that still passes is new; without it, it is gone."""
    warned, calm = passed_case(), replace(passed_case(), findings=())

    more = compare(report(calm), report(warned))
    less = compare(report(warned), report(calm))

    assert [one.rule for one in more.new_findings] == ["wire.unasked-call"]
    assert (more.gone_findings, more.exit_code) == ((), 1)
    assert [one.case_ids for one in less.gone_findings] == [("TC_001_CSMS",)]
    assert (less.new_findings, less.exit_code) == ((), 0)


def test_findings_of_the_run_count_by_their_rule() -> None:
    """Two leftovers instead of three are the same finding."""
    two, three = (
        (Finding("run.leftovers", Severity.WARNING, f"{n} open transactions"),) for n in (2, 3)
    )

    assert compare(report(case(), findings=two), report(case(), findings=three)).worse == {}
    assert compare(report(case(), findings=()), report(case(), findings=two)).worse == {
        "new finding": 1
    }


def test_what_is_allowed_is_shown_and_let_pass() -> None:
    """`allow` takes a kind out of what is worse."""
    found = compare(
        report(replace(passed_case(), findings=())),
        report(passed_case()),
        allow=[Change.NEW_FINDING],
    )

    assert (found.worse, found.allowed, found.exit_code) == ({}, {"new finding": 1}, 0)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"sut_name": "Other"}, "two systems: Our CSMS and Other"),
        ({"edition": "2025-06"}, "two editions, 2025-11 and 2025-06"),
        ({"stopped": "interrupted"}, "The new run was broken off: interrupted"),
        ({"started_at": STARTED_AT - timedelta(days=1)}, "the wrong way round"),
        ({"settings": {"strict": False}}, "other settings: budgets, milliseconds, strict."),
    ],
)
def test_what_makes_runs_unlike_is_said(changes: dict[str, Any], note: str) -> None:
    """Another system, edition, setting or a broken-off run is a note, and no crash."""
    found = compare(report(case()), report(case(), **changes))

    assert len(found.notes) == 1
    assert note in found.notes[0]


def test_another_version_of_the_program_is_said() -> None:
    """Cases may have changed between versions."""
    found = compare(report(case()), replace(report(case()), version="2"))

    assert "versions 1 and 2" in found.notes[0]


def test_a_run_that_was_broken_off_is_worse() -> None:
    """It cannot show that nothing is."""
    assert compare(report(case()), report(case(), stopped="interrupted")).worse == {
        "run broken off": 1
    }


def test_nothing_in_common_is_no_comparison() -> None:
    """Runs that share no case cannot be held against each other."""
    with pytest.raises(NothingInCommon, match="1 case ran in the old run, 0 cases ran in the new"):
        compare(report(case()), report(case(verdict=NR)))


def test_a_run_against_itself_changes_nothing() -> None:
    """All verdicts, frames, times and findings are the same."""
    found = compare(report(), report())

    assert (found.verdicts, found.frames, found.slower, found.notes) == ((), (), (), ())
    assert (found.new_findings, found.gone_findings, found.worse) == ((), (), {})
