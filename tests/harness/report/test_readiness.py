"""How ready a product is: only what was seen to pass counts as passed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model import ALL_EDITIONS, CaseSet, EditionRange, Profile, Requirement
from harness.report.document import Known, make_report
from harness.report.official_list import ListedCase
from harness.report.readiness import Assessment, Readiness, Standing, assess
from harness.results import CaseResult, Finding, Severity, Verdict
from tests.harness.report_samples import case, run


def listed(
    case_id: str,
    requirement: Requirement = Requirement.MANDATORY,
    *,
    editions: EditionRange = ALL_EDITIONS,
) -> ListedCase:
    """Return an entry of the official list."""
    return ListedCase(
        case_id=case_id,
        profile=Profile.CORE,
        requirement=requirement,
        section="3.1",
        editions=editions,
    )


def one(
    verdict: Verdict, requirement: Requirement = Requirement.MANDATORY, **changes: object
) -> CaseResult:
    """Return a case that came out like this."""
    name = f"TC_{requirement.value}_{verdict.value}"
    return case(name, verdict=verdict, requirement=requirement, **changes)


def assessed(
    *cases: CaseResult,
    more: tuple[ListedCase, ...] = (),
    stopped: str = "",
    findings: tuple[Finding, ...] = (),
    known: tuple[Known, ...] = (),
    edition: str = "2025-11",
) -> Assessment:
    """Return what follows from these cases, and from those that are listed besides."""
    found = replace(run(*cases), findings=findings, stopped=stopped, edition=edition)
    if not cases:
        found = replace(found, cases=())
    report = make_report(found, version="0", exit_code=0, known=known)
    entries = tuple(listed(case.case_id, case.requirement) for case in cases)
    return assess(report, (*entries, *more))


PASS = one(Verdict.PASSED)


def test_all_passed_is_ready() -> None:
    """Nothing is in the way when every case was asked and passed."""
    found = assessed(PASS, one(Verdict.PASSED, Requirement.UNCONFIRMED))

    assert found.readiness is Readiness.READY
    assert found.reasons == ()


def test_nothing_run_is_not_ready() -> None:
    """An empty run says nothing in favour of anybody."""
    found = assessed(more=(listed("TC_001_CSMS"),))

    assert found.readiness is Readiness.NOT_READY
    assert found.reasons[0] == "No official case came to a verdict about the CSMS."
    assert found.tally().of(Standing.NOT_RUN) == 1


@pytest.mark.parametrize("verdict", [Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.NOT_RUN])
def test_only_open_cases_are_not_ready(verdict: Verdict) -> None:
    """What nobody could see is no verdict about the CSMS."""
    found = assessed(one(verdict))

    assert found.readiness is Readiness.NOT_READY
    assert found.tally().of(Standing.PASSED) == 0


@pytest.mark.parametrize("requirement", [Requirement.MANDATORY, Requirement.CONDITIONAL])
def test_a_demanded_failure_is_not_ready(requirement: Requirement) -> None:
    """One failure of what a certificate needs is enough."""
    found = assessed(PASS, one(Verdict.FAILED, requirement))

    assert found.readiness is Readiness.NOT_READY
    assert found.reasons == (f"1 {requirement.value} case failed.",)


@pytest.mark.parametrize("requirement", [Requirement.MANDATORY, Requirement.CONDITIONAL])
@pytest.mark.parametrize(
    ("verdict", "standing"),
    [
        (Verdict.INCONCLUSIVE, Standing.UNOBSERVED),
        (Verdict.ERROR, Standing.ERROR),
        (Verdict.NOT_RUN, Standing.NOT_RUN),
    ],
)
def test_an_open_demanded_case_is_not_shown(
    verdict: Verdict, standing: Standing, requirement: Requirement
) -> None:
    """What was not observed is neither passed nor failed, and nothing is ready with it."""
    found = assessed(PASS, one(verdict, requirement))

    assert found.readiness is Readiness.NOT_SHOWN
    assert found.tally(requirement).of(standing) == 1
    assert len(found.reasons) == 1


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.NOT_RUN])
def test_unconfirmed_cases_are_a_risk(verdict: Verdict) -> None:
    """Where no source says that a case is demanded, it is counted and told apart."""
    found = assessed(PASS, one(verdict, Requirement.UNCONFIRMED))

    assert found.readiness is Readiness.AT_RISK
    assert "unconfirmed" in found.reasons[0]


def test_what_was_never_selected_is_not_shown() -> None:
    """A run of one good case proves one case; the list knows the others."""
    found = assessed(PASS, more=(listed("TC_002_CSMS"), listed("TC_003_CSMS")))

    assert found.readiness is Readiness.NOT_SHOWN
    assert found.reasons == ("2 demanded cases did not run.",)


def test_cases_of_other_editions_are_not_missed() -> None:
    """The list has cases that the edition of the run does not have yet."""
    newer = listed("TC_088_CSMS", editions=EditionRange("2025-09"))

    assert assessed(PASS, more=(newer,), edition="2025-02").readiness is Readiness.READY
    assert assessed(PASS, more=(newer,), edition="2025-11").readiness is Readiness.NOT_SHOWN


def test_a_conditional_case_can_be_switched_off() -> None:
    """What is not declared is not demanded."""
    off = one(Verdict.NOT_APPLICABLE, Requirement.CONDITIONAL, reason="not declared")

    assert assessed(PASS, off).readiness is Readiness.READY


def test_core_cannot_be_switched_off() -> None:
    """A certificate needs it, whatever is declared."""
    off = one(Verdict.NOT_APPLICABLE, reason="profile Core is not declared (pics.profiles)")
    found = assessed(PASS, off)

    assert found.readiness is Readiness.NOT_SHOWN
    assert found.reasons == ("1 demanded case of Core switched off, though mandatory.",)


def test_mandatory_cases_switched_off_elsewhere_are_a_risk() -> None:
    """Without a declared security profile they do not apply; a laboratory may see it otherwise."""
    off = one(Verdict.NOT_APPLICABLE, reason="x", profile=Profile.SECURITY)
    found = assessed(PASS, off)

    assert found.readiness is Readiness.AT_RISK
    assert found.reasons[0].startswith("1 mandatory case switched off by the declaration.")


def test_a_mandatory_case_of_another_edition_is_no_gap() -> None:
    """The edition of the run decides which cases there are."""
    off = one(Verdict.NOT_APPLICABLE, reason="not in edition 2024-04 of the case list")

    assert assessed(PASS, off).readiness is Readiness.READY


def test_a_known_failure_is_a_failure() -> None:
    """The list of known failures keeps a build green; no laboratory reads it."""
    failed = one(Verdict.FAILED)
    entry = Known(failed.case_id, failed.case_id, "late", "ISSUE-7")

    assert assessed(PASS, failed, known=(entry,)).readiness is Readiness.NOT_READY


def test_a_crash_is_not_ready() -> None:
    """What the run as a whole shows stands in the way like a failed case."""
    died = Finding("sut.died", Severity.FAILURE, "It ended.")
    found = assessed(PASS, findings=(died,))

    assert found.readiness is Readiness.NOT_READY
    assert found.reasons == ("The run as a whole found: sut.died.",)


def test_a_run_broken_off_is_not_shown() -> None:
    """Also when every case that ended passed."""
    found = assessed(PASS, stopped="is it still running?")

    assert found.readiness is Readiness.NOT_SHOWN
    assert found.reasons == ("The run was broken off: is it still running?",)


def test_a_pass_with_unasked_requests_is_a_risk() -> None:
    """A tolerant run lets them pass; the official tool does not."""
    unasked = Finding("wire.unasked-call", Severity.WARNING, "GetConfiguration came.")
    found = assessed(one(Verdict.PASSED, findings=(unasked,)))

    assert found.readiness is Readiness.AT_RISK
    assert found.tally().warned == 1


def test_cases_beyond_the_official_ones_do_not_count() -> None:
    """They are asked besides, and no certificate rests on them."""
    failed = one(Verdict.FAILED, Requirement.ADDITIONAL, case_set=CaseSet.BEYOND)
    report = make_report(run(PASS, failed), version="0", exit_code=1)

    found = assess(report, [listed(PASS.case_id)])

    assert found.readiness is Readiness.READY
    assert [case.case_id for case in found.cases] == [PASS.case_id]


def test_levels_are_counted_apart() -> None:
    """Mandatory, conditional and unconfirmed cases have their own numbers."""
    found = assessed(
        PASS,
        one(Verdict.FAILED),
        one(Verdict.PASSED, Requirement.CONDITIONAL),
        one(Verdict.NOT_APPLICABLE, Requirement.CONDITIONAL, reason="x"),
        one(Verdict.INCONCLUSIVE, Requirement.UNCONFIRMED),
    )

    mandatory = found.tally(Requirement.MANDATORY)
    assert (mandatory.of(Standing.PASSED), mandatory.of(Standing.FAILED)) == (1, 1)
    conditional = found.tally(Requirement.CONDITIONAL)
    assert (conditional.total, conditional.asked) == (2, 1)
    assert found.tally(Requirement.UNCONFIRMED).of(Standing.PASSED) == 0
    assert found.tally(profile=Profile.SECURITY).total == 0
