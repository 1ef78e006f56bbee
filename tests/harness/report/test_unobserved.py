"""What stays open, and what to do about it."""

from __future__ import annotations

import pytest

from harness.model import Profile, Requirement
from harness.report.readiness import OfficialCase
from harness.report.unobserved import Unobserved, unobserved
from harness.results import CaseResult, DriverReport, Finding, Severity, Verdict
from tests.harness.report_samples import STARTED_AT, case, failed_case, inconclusive_case


def open_items(
    *cases: CaseResult,
    missing: tuple[str, ...] = (),
    stopped: str = "",
    driver: str = "http http://127.0.0.1",
) -> tuple[Unobserved, ...]:
    """Return what these cases leave open."""
    official = [
        OfficialCase(case_id=case_id, profile=Profile.CORE, requirement=Requirement.MANDATORY)
        for case_id in missing
    ]
    return unobserved(cases, official, stopped=stopped, driver=driver)


def unseen(case_id: str, action: str, outcome: str, said: str) -> CaseResult:
    """Return a case in which the driver did not bring about a request."""
    report = DriverReport("1", action, outcome, said, STARTED_AT, 0.1)
    words = f"{action} was not observed, and the driver was {outcome}."
    found = Finding("request.not-observed", Severity.INCONCLUSIVE, words, step="1")
    return case(case_id, verdict=Verdict.INCONCLUSIVE, driver_reports=(report,), findings=(found,))


def test_what_passed_or_failed_is_not_open() -> None:
    """Both are verdicts about the CSMS."""
    assert open_items(case(), failed_case()) == ()


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("refused", "driver.actions"),
        ("unsupported", "no way to ask"),
        ("failed", "driver.base_url"),
        ("pending", "action_timeout_s"),
    ],
)
def test_the_remedy_follows_what_the_interface_said(outcome: str, words: str) -> None:
    """Who refused is asked otherwise than who broke or said nothing."""
    (item,) = open_items(unseen("TC_013_CSMS", "Reset", outcome, "409 offline"))

    assert words in item.remedy
    assert item.said == f"Reset: {outcome}, 409 offline"
    assert not item.is_error


def test_without_a_driver_the_remedy_is_a_driver() -> None:
    """Nobody can make the CSMS act, so nothing is wrong with any interface."""
    (item,) = open_items(inconclusive_case(), driver="none")

    assert "`driver`" in item.remedy


def test_cases_that_need_the_same_remedy_are_one_row() -> None:
    """Another action with the same trouble is no other trouble."""
    items = open_items(
        unseen("TC_014_CSMS", "Reset", "refused", "404 unknown"),
        unseen("TC_061_CSMS", "ClearCache", "refused", "404 unknown"),
        unseen("TC_013_CSMS", "Reset", "pending", ""),
    )

    assert [item.case_ids for item in items] == [
        ("TC_013_CSMS",),
        ("TC_014_CSMS", "TC_061_CSMS"),
    ]


def test_the_testers_own_error_says_so() -> None:
    """It is neither the CSMS nor its interface."""
    fault = Finding("harness.error", Severity.ERROR, "The harness itself failed.")
    (item,) = open_items(case(verdict=Verdict.ERROR, findings=(fault,)))

    assert item.is_error
    assert "tester" in item.remedy


def test_cards_that_are_too_few_can_be_added() -> None:
    """Not every error is a fault of the program."""
    fault = Finding("harness.pool", Severity.ERROR, "No id tag of the role expired.")
    (item,) = open_items(case(verdict=Verdict.ERROR, findings=(fault,)))

    assert "id tags" in item.remedy


def test_what_did_not_run_is_told_with_its_reason() -> None:
    """What ended the run is the thing to remove."""
    (item,) = open_items(
        case("TC_023_CSMS", verdict=Verdict.NOT_RUN, reason="interrupted"), stopped="interrupted"
    )

    assert item.case_ids == ("TC_023_CSMS",)
    assert item.what == "The run ended before: interrupted"


def test_what_was_not_selected_is_told() -> None:
    """A case that the run does not know of was not asked."""
    (item,) = open_items(case(), missing=("TC_003_CSMS", "TC_004_1_CSMS"))

    assert item.case_ids == ("TC_003_CSMS", "TC_004_1_CSMS")
    assert "-k" in item.remedy
