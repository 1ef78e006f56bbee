"""One row for each distinct thing that was found."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from harness.model import CaseSet, Position, Requirement
from harness.report.points import Point, collect, demand_of, is_failure
from harness.results import CaseResult, Finding, Severity, StepResult, Verdict
from tests.harness.report_samples import RECEIVED, SENT, STARTED_AT, case, frame

ANSWER = '[3,"{id}",{{"status":"Accepted","interval":{interval}}}]'


def failing(
    case_id: str, *findings: Finding, requirement: Requirement = Requirement.MANDATORY, n: int = 0
) -> CaseResult:
    """Return a failed case with two frames, its ids and times its own."""
    return case(
        case_id,
        verdict=Verdict.FAILED,
        requirement=requirement,
        events=(
            frame(n, SENT, f'[2,"a{n}","BootNotification",{{}}]'),
            frame(n + 0.5, RECEIVED, f'[3,"a{n}",{{"interval":-{n}}}]'),
        ),
        findings=findings,
    )


def finding(rule: str = "boot.interval-negative", **changes: object) -> Finding:
    """Return a failure shown by the answer, or what `changes` make of it."""
    base = Finding(
        rule, Severity.FAILURE, "It is -5.", expected="0 or greater", actual="-5", event=1
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def points(*cases: CaseResult) -> tuple[Point, ...]:
    """Return the failures of these cases."""
    return collect(cases, is_failure)


def test_one_fault_in_many_cases_is_one_row() -> None:
    """Rows that differ in numbers only are one; it counts them and names the others."""
    (point,) = points(
        failing("TC_003_CSMS", finding(actual="-7"), n=7),
        failing("TC_001_CSMS", finding(actual="-31"), n=31),
    )

    assert point.case is not None
    assert point.case.case_id == "TC_001_CSMS"
    assert [other.case_id for other in point.others] == ["TC_003_CSMS"]
    assert point.count == 2
    assert (point.expected, point.actual) == ("0 or greater", "-31")
    assert point.at == STARTED_AT + timedelta(seconds=31.5)
    assert point.at_words == ""


def test_another_value_is_another_fault() -> None:
    """Findings of one rule with other words expected, or other words found, stay apart."""
    found = points(
        failing("TC_023_1_CSMS", finding(expected='$.status: "Invalid"', actual='"Accepted"')),
        failing("TC_023_2_CSMS", finding(expected='$.status: "Expired"', actual='"Accepted"')),
        failing("TC_023_3_CSMS", finding(expected='$.status: "Expired"', actual='"Invalid"')),
    )

    assert len(found) == 3


def test_surer_demands_come_first() -> None:
    """Mandatory before conditional before unconfirmed, then what shows in more cases."""
    found = points(
        failing("TC_001_CSMS", finding("r.u"), requirement=Requirement.UNCONFIRMED),
        failing("TC_003_CSMS", finding("r.c"), requirement=Requirement.CONDITIONAL),
        failing("TC_005_CSMS", finding("r.m")),
        failing("TC_007_CSMS", finding("r.often"), n=1),
        failing("TC_008_CSMS", finding("r.often"), n=2),
    )

    assert [point.finding.rule for point in found] == ["r.often", "r.m", "r.c", "r.u"]


def test_what_shows_anywhere_else_is_shown_where_it_weighs_most() -> None:
    """The case named first is the one most surely demanded."""
    (point,) = points(
        failing("TC_001_CSMS", finding(), requirement=Requirement.UNCONFIRMED),
        replace(failing("ROBUST_X", finding()), case_set=CaseSet.ROBUSTNESS),
        failing("TC_099_CSMS", finding()),
    )

    assert [one.case_id for one in point.cases] == ["TC_099_CSMS", "TC_001_CSMS", "ROBUST_X"]


def test_the_same_thing_said_twice_comes_last() -> None:
    """A second finding about the same field of the same frame is an echo of the first."""
    found = points(
        failing(
            "TC_001_CSMS",
            finding("rule.X.conf", expected='$.status: "Accepted"'),
            finding("schema.enum", expected="$.status: one of Accepted"),
            finding("time.no-zone", expected="a zone", message="$.currentTime says no zone"),
        ),
        failing("TC_003_CSMS", finding("answer.twice"), requirement=Requirement.UNCONFIRMED),
    )

    assert [(point.finding.rule, point.is_echo) for point in found] == [
        ("rule.X.conf", False),
        ("time.no-zone", False),
        ("answer.twice", False),
        ("schema.enum", True),
    ]


def test_a_request_that_never_came_has_the_time_it_was_awaited_until() -> None:
    """Without a frame the row says what was waited for and until when."""
    step = StepResult(
        "3", "receive", "Central System sends Reset", Position("r.yaml", 5),
        STARTED_AT, 4.0, "failed", (),
    )  # fmt: skip
    missing = Finding("request.missing", Severity.FAILURE, "Reset did not come.", step="3")
    (point,) = points(case(verdict=Verdict.FAILED, steps=(step,), findings=(missing,)))

    assert point.expected == "Central System sends Reset"
    assert point.actual == "Reset did not come."
    assert point.at == STARTED_AT + timedelta(seconds=4)
    assert point.at_words == "no frame: waited until"
    assert point.frame is None


def test_missing_requests_of_different_actions_stay_apart() -> None:
    """Two steps that waited in vain for different requests are two rows."""

    def missing(action: str) -> CaseResult:
        step = StepResult(
            "1", "receive", f"Central System sends {action}", Position("r.yaml", 5),
            STARTED_AT, 4.0, "failed", (),
        )  # fmt: skip
        words = f"{action} did not come within 30 s."
        found = Finding("request.missing", Severity.FAILURE, words, step="1")
        return case(f"TC_{action}", verdict=Verdict.FAILED, steps=(step,), findings=(found,))

    assert len(points(missing("Reset"), missing("ClearCache"))) == 2


def test_what_belongs_to_the_run_comes_before_every_case() -> None:
    """A finding without a case has words for everything all the same."""
    died = Finding("sut.died", Severity.FAILURE, "The program ended with exit code 1.")
    first, _ = collect([failing("TC_001_CSMS", finding())], is_failure, run_findings=[died])

    assert first.case is None
    assert first.cases == ()
    assert first.expected == "The program under test goes on running."
    assert first.actual == "The program ended with exit code 1."
    assert (first.at, first.at_words) == (None, "no single frame")


def test_an_index_beyond_the_events_is_no_frame() -> None:
    """A report that was cut or edited does not lead to a frame that is not there."""
    (point,) = points(failing("TC_001_CSMS", finding(event=99)))

    assert point.frame is None
    assert point.at_words == "no frame: case ended"


def test_demands_have_words() -> None:
    """Checks are told by the table, rules of cases by their message."""
    assert demand_of("answer.twice") == "A CALL is answered once."
    assert demand_of("rule.Authorize.conf").startswith("Authorize.conf has the fields")
    assert demand_of("what.is-this") == ""
