"""Several systems side by side."""

from __future__ import annotations

import re

from harness.comparison.matrix import as_matrix, system_names
from harness.model import CaseSet, Profile
from harness.results import Verdict
from tests.harness.comparison.hostile import hostile_report
from tests.harness.comparison.test_compare import report
from tests.harness.comparison.test_markdown import SPAN
from tests.harness.report_samples import case


def test_verdicts_stand_by_case_and_system() -> None:
    """A row for each case, a column for each system, sums of what was judged."""
    first = report(
        case("TC_001"),
        case("TC_002", verdict=Verdict.FAILED),
        case("TC_003", verdict=Verdict.INCONCLUSIVE),
        case("TC_004", verdict=Verdict.NOT_APPLICABLE),
        case("R_1", case_set=CaseSet.ROBUSTNESS),
        sut_name="First",
    )
    second = report(
        case("TC_002", verdict=Verdict.ERROR),
        case("TC_050", profile=Profile.RESERVATION),
        case("TC_001", verdict=Verdict.NOT_RUN),
        sut_name="Second",
    )

    lines = as_matrix([first, second]).splitlines()

    assert "| Case | First | Second |" in lines
    assert "| **All** | **1 of 2, 1 inconclusive, 1 not applicable** |" in "\n".join(lines)
    assert [line for line in lines if line.startswith("| `")] == [
        "| `TC_001` Cold boot | ✔ | not run |",
        "| `TC_002` Cold boot | **✘** | **!** |",
        "| `TC_003` Cold boot | ? |  |",
        "| `TC_004` Cold boot | n/a |  |",
        "| `TC_050` Cold boot |  | ✔ |",
        "| `R_1` Cold boot | ✔ |  |",
    ]
    assert [line for line in lines if line.startswith("## ")] == [
        "## Core",
        "## Reservation",
        "## Robustness",
    ]


def test_what_makes_systems_unlike_is_said() -> None:
    """Other editions and broken-off runs stand above the tables."""
    text = as_matrix([report(case()), report(case(), edition="2025-06", stopped="interrupted")])

    assert "the editions differ" in text
    assert "> **Broken off:**" in text


def test_systems_of_one_name_are_told_apart() -> None:
    """By the time of their runs, and by a word where that is the same."""
    names = system_names([report(case()), report(case())])

    assert names == [
        "Our CSMS (2026-01-31 12:00:00)",
        "Our CSMS (2026-01-31 12:00:00) again",
    ]


def test_nothing_hostile_gets_out_of_its_cell() -> None:
    """Names and titles of a report mean only themselves."""
    text = as_matrix([hostile_report(is_new=False), hostile_report(is_new=True)])
    bare = [SPAN.sub("", line) for line in text.splitlines()]

    assert not [line for line in bare if re.search(r"script|alert|@|\]\(|\\|`|<", line)]
