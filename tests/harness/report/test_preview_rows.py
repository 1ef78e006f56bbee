"""Rows, anchors and the places they lead to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from harness.report.points import Place, place_point
from harness.report.preview_rows import Evidence, clock
from harness.results import Finding, Severity
from tests.harness.report_samples import case, failed_case, passed_case, run

DAY = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_times_are_utc_with_milliseconds() -> None:
    """A time of another day says its date."""
    at = datetime(2026, 1, 31, 13, 5, 9, 7999, tzinfo=timezone(timedelta(hours=1)))

    assert clock(at, DAY) == "12:05:09.007"
    assert clock(at + timedelta(days=1), DAY) == "2026-02-01 12:05:09.007"


def test_cases_whose_names_look_alike_have_anchors_of_their_own() -> None:
    """A case of another file may have any name."""
    ids = ["TC 1", "TC/1", "TC_1", "TC_1.2"]
    found = run(*(replace(failed_case(), case_id=case_id) for case_id in ids))
    sheets = Evidence(found, known=(), sections={}, told=()).sheets()

    assert len({sheet.anchor for sheet in sheets}) == len(ids)


def test_a_case_that_passed_has_evidence_only_where_a_row_names_it() -> None:
    """What warned is shown with its frames; what is good needs no room."""
    found = run(passed_case(), case("TC_003_CSMS"))
    point = place_point(Place(passed_case().findings[0], passed_case()))

    assert Evidence(found, known=(), sections={}, told=()).sheets() == ()
    (sheet,) = Evidence(found, known=(), sections={}, told=(point,)).sheets()
    assert sheet.case.case_id == "TC_001_CSMS"
    assert sheet.diagram is None
    assert [row.mark for row in sheet.frames].count("warning") == 1


def test_a_place_has_one_entry_with_all_its_rules() -> None:
    """Two rules of one place lead to the same line."""
    found = run(failed_case())
    evidence = Evidence(found, known=(), sections={}, told=())

    def row(rule: str) -> str:
        finding = Finding(rule, Severity.FAILURE, "x", requirement="OCPP-J 1.6 §4.1.4")
        return evidence.row(place_point(Place(finding, failed_case()))).place.anchor

    assert row("answer.wrong-id") == row("frame.message-id")
    (entry,) = evidence.places()
    assert [rule for rule, _ in entry.rules] == ["answer.wrong-id", "frame.message-id"]
