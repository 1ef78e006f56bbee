"""The summary of a run as Markdown."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import Requirement
from harness.report.document import Known, Report, make_report
from harness.report.markdown import code, plain, render
from harness.results import CaseResult, Finding, Severity, Verdict
from tests.harness.report_samples import case, failed_case, passed_case, run


def report(*cases: CaseResult, **changes: object) -> Report:
    found = replace(run(), **{"cases": cases, "findings": (), **changes})  # type: ignore[arg-type]
    return make_report(found, version="9.9", exit_code=1)


def rows(text: str) -> list[list[str]]:
    """Return the cells of all table rows."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_head_says_how_ready_the_product_is() -> None:
    """The answer, of what, and that it is a preview."""
    failed = replace(failed_case(), requirement=Requirement.MANDATORY)

    text = render(report(passed_case(), failed))

    assert text.startswith("## ❌ ")
    assert "Not ready" in text.splitlines()[0]
    assert "A preview, not a certificate." in text
    assert "1 mandatory case failed" in text


def test_a_failure_is_one_row() -> None:
    """Case, rule, expected, actual and time stand in one line."""
    failed = failed_case()

    found = next(row for row in rows(render(report(failed))) if failed.case_id in row[0])

    rules = {one.rule for one in failed.findings if one.severity is Severity.FAILURE}
    assert found[1].strip("`") in rules
    assert found[2].startswith("`")
    assert found[3].startswith("`")
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", found[4])


def test_counts_have_a_line_for_each_profile() -> None:
    """With the columns that have something in them."""
    table = rows(render(report(passed_case(), failed_case())))

    head = next(row for row in table if row[0] == "Profile")
    core = dict(zip(head, next(row for row in table if row[0] == "Core"), strict=True))
    assert (core["passed"], core["failed"], core["error"]) == ("1", "1", "0")
    assert "not run" not in core


def test_what_was_not_seen_is_told_by_reason() -> None:
    """Neither green nor red: the reader learns why, once for all cases of a reason."""
    unseen = [
        case(f"TC_{number}_CSMS", verdict=Verdict.INCONCLUSIVE, reason="nobody clicked")
        for number in range(7)
    ]

    text = render(report(*unseen))

    assert "`TC_0_CSMS`, `TC_1_CSMS`" in text
    assert "and 2 more, inconclusive: nobody clicked" in text


def test_what_is_known_says_so() -> None:
    """A failure that is excused stays visible."""
    failed = failed_case()
    known = Known(failed.case_id, "*", "late", "TRACKER-1")
    found = make_report(run(failed), version="9.9", exit_code=0, known=[known])

    assert f"`{failed.case_id}` (known)" in render(found)


def test_the_runs_own_findings_and_switches_are_told() -> None:
    """What works undeclared, and what was taken out."""
    off = case("TC_9_CSMS", verdict=Verdict.NOT_APPLICABLE, reason="switched off (pics.cases): x")
    noticed = Finding("declaration.undeclared", Severity.WARNING, "ClearCache works")

    text = render(report(passed_case(), off, findings=(noticed,)), reason="the disk is full")

    assert "- `declaration.undeclared` ClearCache works" in text
    assert "<summary>1 switched off</summary>" in text
    assert "- `TC_9_CSMS` switched off" in text
    assert "- the disk is full" in text


def test_a_run_of_nothing_is_a_summary_too() -> None:
    """No table without lines."""
    text = render(report())

    assert "Not ready" in text
    assert rows(text) == []


HOSTILE = "</details><script>alert(1)</script> | [x](http://evil.example) `rm` \n# head\n::error::"


def test_nothing_a_csms_says_becomes_markup() -> None:
    """Names, reasons, messages, expected and actual values are shown as they are."""
    finding = Finding("rule.x", Severity.FAILURE, HOSTILE, expected=HOSTILE, actual=HOSTILE)
    bad = case("TC_1_CSMS", verdict=Verdict.FAILED, findings=(finding,), reason=HOSTILE)
    unseen = case("TC_2_CSMS", verdict=Verdict.INCONCLUSIVE, reason=HOSTILE)
    warned = Finding("x.y", Severity.WARNING, HOSTILE)

    text = render(report(bad, unseen, sut_name=HOSTILE, findings=(warned,)))

    outside = re.sub(r"(`+).*?\1", "", re.sub(r"\\.", "", text))
    assert "<script" not in outside
    assert "](" not in outside
    assert not [line for line in text.splitlines() if line.startswith(("# head", "::"))]
    assert {len(row) for row in rows(text) if row[0].startswith("`")} == {5}


@given(st.text())
def test_a_plain_text_has_no_markup_left(text: str) -> None:
    """Every character that Markdown could take for its own is escaped, in one line."""
    shown = plain(text, limit=10_000)

    assert "\n" not in shown
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]<>|#]", shown)


@given(st.text())
def test_a_code_span_cannot_be_left(text: str) -> None:
    """Its fence is longer than any run of backticks inside, and no table cell ends in it."""
    shown = code(text, limit=10_000)

    if not shown:
        assert not text.split()
        return
    fence = re.match(r"`+", shown)
    assert fence is not None
    inner = shown[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in inner
    assert not re.search(r"(?<!\\)\|", inner)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", "`a`"),
        ("a|b", "`a\\|b`"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("", ""),
        ("a\nb", "`a b`"),
    ],
)
def test_code_spans(text: str, shown: str) -> None:
    """As GitHub and GitLab read them."""
    assert code(text) == shown
