"""A comparison at the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.comparison.compare import Comparison, compare
from harness.comparison.text import print_comparison
from harness.results import Verdict
from tests.harness.comparison.hostile import hostile_comparison
from tests.harness.comparison.test_compare import ALWAYS, report
from tests.harness.report_samples import case


def printed(comparison: Comparison, width: int = 80) -> str:
    """Return what a terminal of this width gets."""
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    print_comparison(comparison, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_nothing_hostile_reaches_the_terminal(width: int) -> None:
    """Escape sequences and line ends of a report are shown, not obeyed; no line is too long."""
    text = printed(hostile_comparison(), width)

    assert "\x1b" not in text
    assert "\n# h" not in text
    assert max(map(len, text.splitlines())) <= width


def test_cases_of_which_the_same_is_to_be_said_share_a_line() -> None:
    """Ten cases that are new and pass are no ten lines; each newly red one has its own."""
    names = [f"TC_{n:03}_CSMS" for n in range(10)]
    new = printed(compare(report(ALWAYS), report(ALWAYS, *map(case, names))), 120)
    red = printed(
        compare(
            report(*map(case, names)), report(*(case(n, verdict=Verdict.FAILED) for n in names))
        )
    )

    assert "10 cases  not in it → passed" in new
    assert red.count("passed → failed") == 10


def test_the_last_line_is_the_outcome() -> None:
    """Who reads one line only reads that."""
    same = printed(compare(report(ALWAYS), report(ALWAYS)))

    assert same.splitlines()[-1].strip() == "Nothing is worse. 1 case compared."
    assert "No action is slower beyond noise." in same
