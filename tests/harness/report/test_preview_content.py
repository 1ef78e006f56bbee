"""What the preview puts where."""

from __future__ import annotations

from dataclasses import replace

from harness.model import CaseSet, Requirement
from harness.report.document import make_report
from harness.report.preview_content import Preview, compose
from harness.results import Finding, RunResult, Severity, Verdict
from tests.harness.report_samples import case, failed_case, run


def preview(found: RunResult) -> Preview:
    """Return the content of a run's preview."""
    return compose(make_report(found, version="0", exit_code=1), ())


def test_only_the_case_of_a_row_is_printed() -> None:
    """Of many cases with one fault paper shows one, the screen all."""
    found = preview(run(failed_case(), replace(failed_case(), case_id="TC_011_1_CSMS")))

    assert [sheet.is_shown for sheet in found.sheets] == [True, False]
    assert found.unprinted == 1


def test_a_killer_is_not_told_twice() -> None:
    """What a killer tells of a case beyond is not among the other failures beyond."""
    lost = Finding("request.missing", Severity.FAILURE, "ClearCache did not come.")
    form = Finding("schema.type", Severity.FAILURE, "$.x is a text.", expected="$.x: a number")
    beyond = case(
        "BEYOND_SECOND_CONNECTION",
        verdict=Verdict.FAILED,
        case_set=CaseSet.BEYOND,
        requirement=Requirement.ADDITIONAL,
        findings=(lost, form),
    )
    found = preview(run(case(), beyond))

    assert [one.rows[0].point.finding.rule for one in found.killers] == ["request.missing"]
    assert [row.point.finding.rule for row in found.beyond] == ["schema.type"]


def test_a_tolerant_run_says_so() -> None:
    """Otherwise its passes look like those of a strict one."""
    strict = replace(run(case()), settings={"strict": True})
    tolerant = replace(run(case()), settings={"strict": False})

    assert not any("tolerant" in words for words in preview(strict).caveats)
    assert any("tolerant" in words for words in preview(tolerant).caveats)


def test_cards_that_nobody_knows_are_told_on_the_first_page() -> None:
    """Most failures of such a run are none of the CSMS."""
    words = "Every id tag of role 'valid' got Invalid wherever it was shown."
    finding = Finding("provisioning.id_tag", Severity.WARNING, words)

    assert preview(replace(run(case()), findings=(finding,))).caveats[0] == words


def test_core_is_missed() -> None:
    """No certificate goes without it."""
    found = replace(
        run(case()), settings={"system_under_test": {"profiles": ["Reservation"]}, "strict": True}
    )

    assert any("Core is not declared" in words for words in preview(found).caveats)


def test_open_demanded_cases_are_counted() -> None:
    """The first page says how many cases came to no verdict."""
    open_ones = [
        case("TC_1", verdict=Verdict.INCONCLUSIVE),
        case("TC_2", verdict=Verdict.NOT_APPLICABLE, reason="x"),  # mandatory
        case("TC_3", verdict=Verdict.NOT_RUN, requirement=Requirement.UNCONFIRMED),
    ]

    assert preview(run(case(), *open_ones)).unfinished == 2
