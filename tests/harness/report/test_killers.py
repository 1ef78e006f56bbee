"""Known killers are told whenever a run meets them, and only then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.checks import CHECKS, SURROUNDINGS
from harness.loader import library_directory
from harness.model import CaseSet, Requirement
from harness.report.killers import KILLERS, SLOW_ANSWER_S, sightings
from harness.results import CaseResult, DriverReport, Finding, RunResult, Severity, Verdict
from tests.harness.report_samples import STARTED_AT, case, exchange, passed_case, run

SECOND = "A second connection orphans the live one"
ORPHANED = Finding(
    "request.missing", Severity.FAILURE, "ClearCache did not come within 30 s.", step="1"
)


def beyond(case_id: str, *findings: Finding, **changes: object) -> CaseResult:
    """Return a failed case beyond the official list."""
    values: dict[str, object] = {
        "verdict": Verdict.FAILED,
        "case_set": CaseSet.BEYOND,
        "requirement": Requirement.ADDITIONAL,
        "findings": findings,
    }
    return case(case_id, **(values | changes))


def titles(found: RunResult) -> list[str]:
    """Return the killers a run met."""
    return [sighting.killer.title for sighting in sightings(found)]


def test_a_good_run_meets_none() -> None:
    """Nothing cries wolf over a case that passed."""
    assert titles(replace(run(case()), findings=())) == []


def test_a_warning_is_a_killer_where_it_is_known_to_kill() -> None:
    """An unasked request changes no verdict in a tolerant run; it is told by its own."""
    found = sightings(replace(run(passed_case()), findings=()))

    assert [one.killer.title for one in found] == ["Requests that nobody asked for"]
    (point,) = found[0].points
    assert point.frame == 3


def test_a_lost_second_connection_is_told() -> None:
    """The failed case has a name of its own among the killers."""
    assert titles(run(beyond("BEYOND_SECOND_CONNECTION", ORPHANED))) == [SECOND]


def test_a_charge_point_called_offline_is_told() -> None:
    """The interface refuses because the CSMS lost the connection: inconclusive, and yet a sign."""
    unseen = Finding("request.not-observed", Severity.INCONCLUSIVE, "ClearCache was not observed.")
    said = DriverReport("1", "ClearCache", "refused", "409 offline", STARTED_AT, 0.1)
    shaky = beyond(
        "BEYOND_SECOND_CONNECTION", unseen, verdict=Verdict.INCONCLUSIVE, driver_reports=(said,)
    )

    assert titles(run(shaky)) == [SECOND]
    failed = replace(said, outcome="failed")
    assert titles(run(replace(shaky, driver_reports=(failed,)))) == []


def test_another_fault_in_the_case_is_not_the_killer() -> None:
    """The form of a message says nothing about second connections."""
    form = Finding("schema.required", Severity.FAILURE, "x", expected="$.a: a field", actual="none")

    assert titles(run(beyond("BEYOND_SECOND_CONNECTION", form))) == []


def test_what_is_wrong_everywhere_is_not_the_killer() -> None:
    """A fault of the official cases shows in the others too, and is no news there."""
    everywhere = Finding(
        "rule.Authorize.conf", Severity.FAILURE, "x", expected='$.a: "Invalid"', actual='"Accepted"'
    )
    official = case("TC_023_1_CSMS", verdict=Verdict.FAILED, findings=(everywhere,))

    assert titles(run(official, beyond("BEYOND_RESTARTED_IDS", everywhere))) == []
    assert titles(run(beyond("BEYOND_RESTARTED_IDS", everywhere))) == [
        "Message ids that come again"
    ]


@pytest.mark.parametrize(
    ("seconds", "is_told"), [(SLOW_ANSWER_S - 0.1, False), (SLOW_ANSWER_S, True), (40.0, True)]
)
def test_a_slow_answer_is_told_whatever_was_declared(seconds: float, is_told: bool) -> None:
    """A limit of 60 s makes 40 s legal, not usable."""
    slow = case(exchanges=(exchange("StartTransaction", seconds),))

    found = sightings(replace(run(slow), findings=()))

    assert bool(found) is is_told
    if is_told:
        (point,) = found[0].points
        assert point.actual == f"{seconds:.1f} s"


def test_our_own_lag_is_nobodys_slowness() -> None:
    """A time that the harness itself disturbed is not held against the CSMS."""
    slow = case(exchanges=(exchange("StartTransaction", 40.0, is_disturbed=True),))

    assert titles(replace(run(slow), findings=())) == []


def test_a_crash_is_told() -> None:
    """What belongs to no case is looked at too."""
    died = Finding("sut.died", Severity.FAILURE, "It ended with exit code 1.")

    assert titles(replace(run(case()), findings=(died,))) == ["The CSMS does not survive the test"]


def test_a_claim_that_the_wire_does_not_bear_out_is_told() -> None:
    """The interface accepted a command, and no frame came: also in an official case."""
    said = DriverReport("1", "Reset", "done", "200 OK", STARTED_AT, 0.1)
    missing = Finding("request.missing", Severity.FAILURE, "Reset did not come within 30 s.")
    failed = case(verdict=Verdict.FAILED, findings=(missing,), driver_reports=(said,))

    assert titles(run(failed)) == ["The interface says one thing, the wire another"]
    assert titles(run(replace(failed, driver_reports=()))) == []


def test_killers_name_what_exists() -> None:
    """Their rules are in the table of checks, their cases among the shipped ones."""
    shipped = {path.stem for path in library_directory().glob("*/BEYOND_*.yaml")}
    rules = {*CHECKS, *SURROUNDINGS, "driver.differs"}

    for killer in KILLERS:
        assert killer.rules <= rules
        assert killer.cases <= shipped
        assert killer.rules or killer.cases
