"""Annotations of a GitHub job."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import Position
from harness.report.annotations import LONGEST, Annotation, annotate
from harness.report.document import Known, Report, make_report
from harness.results import CaseResult, Finding, Severity, Verdict
from tests.harness.report_samples import case, failed_case, passed_case, run


def report(*cases: CaseResult, known: tuple[Known, ...] = (), **changes: object) -> Report:
    found = replace(run(), **{"cases": cases, "findings": (), **changes})  # type: ignore[arg-type]
    return make_report(found, version="9.9", exit_code=1, known=known)


def red(number: int, verdict: Verdict = Verdict.FAILED, file: str = "cases/x.yaml") -> CaseResult:
    """Return a case that failed in a way of its own."""
    severity = {Verdict.FAILED: Severity.FAILURE, Verdict.INCONCLUSIVE: Severity.INCONCLUSIVE}
    rule = f"rule.{'x' * number}"
    finding = Finding(rule, severity[verdict], "words", expected="this", actual="that")
    place = Position(file, 7)
    return case(f"TC_{number}_CSMS", verdict=verdict, findings=(finding,), position=place)


def shown(found: Report, tmp_path: Path) -> list[Annotation]:
    return annotate(found, directory=tmp_path, checkout=tmp_path)


def test_a_failure_is_an_error_at_the_scenario(tmp_path: Path) -> None:
    """With rule, expected and actual, at the line in which the case begins."""
    (one,) = shown(report(red(1), passed_case()), tmp_path)

    assert (one.level, one.path, one.line) == ("error", "cases/x.yaml", 7)
    assert one.title == "TC_1_CSMS: rule.x"
    assert one.message.splitlines() == ["words", "expected: this", "actual: that"]


def test_what_was_not_seen_is_an_error_too(tmp_path: Path) -> None:
    """The job is red for it, so the job says why."""
    (one,) = shown(report(red(1, Verdict.INCONCLUSIVE)), tmp_path)

    assert one.level == "error"


def test_one_fault_in_many_cases_is_shown_once(tmp_path: Path) -> None:
    """With the cases that show it, too."""
    finding = Finding("answer.late", Severity.FAILURE, "late", expected="1 s", actual="2 s")
    cases = [
        case(f"TC_{one}_CSMS", verdict=Verdict.FAILED, findings=(finding,)) for one in range(9)
    ]

    (one,) = shown(report(*cases), tmp_path)

    assert "also in TC_1_CSMS, TC_2_CSMS, TC_3_CSMS, TC_4_CSMS, TC_5_CSMS and 3 more" in one.message


def test_paths_are_those_of_the_checkout(tmp_path: Path) -> None:
    """From a folder inside it as well; scenarios of an installed package have no place in it."""
    found = report(red(1))

    (inside,) = annotate(found, directory=tmp_path / "below", checkout=tmp_path)
    (without,) = annotate(found, directory=tmp_path, checkout=None)
    (other,) = annotate(found, directory=tmp_path, checkout=tmp_path / "elsewhere")
    (installed,) = shown(report(red(1, file=".venv/lib/harness/scenarios/x.yaml")), tmp_path)

    assert inside.path == "below/cases/x.yaml"
    assert (without.path, other.path, installed.path) == ("", "", "")


def test_known_failures_are_notices(tmp_path: Path) -> None:
    """They do not fail the job and say where they are written up."""
    known = Known("TC_1_CSMS", "TC_1*", "late", "TRACKER-1")

    (one,) = shown(report(red(1), known=(known,)), tmp_path)

    assert (one.level, one.message) == ("notice", "known failure: late (TRACKER-1)")


def test_findings_of_the_run_are_shown(tmp_path: Path) -> None:
    """Failures as errors, warnings as warnings."""
    findings = (
        Finding("sut.died", Severity.FAILURE, "it ended"),
        Finding("declaration.undeclared", Severity.WARNING, "it works"),
    )

    levels = [
        (one.level, one.title) for one in shown(report(passed_case(), findings=findings), tmp_path)
    ]

    assert levels == [("error", "The run: sut.died"), ("warning", "declaration.undeclared")]


def test_no_more_than_are_shown(tmp_path: Path) -> None:
    """GitHub drops the eleventh without a word; ours says that there are more."""
    found = shown(report(*(red(number) for number in range(1, 16))), tmp_path)

    assert len(found) == LONGEST
    assert found[-1].message == "and 6 more: see summary.md of the run"
    assert len(shown(report(*(red(number) for number in range(1, 11))), tmp_path)) == LONGEST


def test_a_real_failure_becomes_one_line(tmp_path: Path) -> None:
    """As GitHub documents it: file, line and title, then the message."""
    (command, *_) = (one.command() for one in shown(report(failed_case()), tmp_path))

    assert re.fullmatch(r"::error file=[^,]+,line=\d+,title=[^,:]+::.+", command)


@pytest.mark.parametrize(
    ("text", "title", "message"),
    [
        ("a: b, c", "a%3A b%2C c", "a: b, c"),
        ("50 %\r\nx", "50 %25%0D%0Ax", "50 %25%0D%0Ax"),
        ("%0A::error::", "%250A%3A%3Aerror%3A%3A", "%250A::error::"),
    ],
)
def test_escapes_are_those_of_workflow_commands(text: str, title: str, message: str) -> None:
    """Percent signs first; colons and commas only where they would end a property."""
    assert Annotation("error", text, text).command() == f"::error title={title}::{message}"


@given(st.text(), st.text())
def test_nothing_ends_the_line_of_a_command(title: str, message: str) -> None:
    """And whoever reads it gets the text back."""
    command = Annotation("warning", title, message, "a,b:c.yaml", 3).command()

    assert "\n" not in command
    assert "\r" not in command
    found = re.fullmatch(
        r"::warning file=a%2Cb%3Ac\.yaml,line=3,title=([^:,]*)::(.*)", command, re.S
    )
    assert found is not None
    assert unquote(found[1], errors="surrogatepass") == title
    assert unquote(found[2], errors="surrogatepass") == message


def test_a_hostile_message_stays_one_command(tmp_path: Path) -> None:
    """Lines of a finding cannot become commands of their own."""
    finding = Finding("rule.x", Severity.FAILURE, "a\n::add-mask::b", actual="\n::stop-commands::x")
    bad = case("TC_1_CSMS", verdict=Verdict.FAILED, findings=(finding,))

    (one,) = shown(report(bad), tmp_path)

    assert len(one.command().splitlines()) == 1
