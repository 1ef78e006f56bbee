"""What a CI job gets of a run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.ci import Job
from harness.report.document import Report, make_report
from harness.report.markdown import render
from tests.harness.report_samples import failed_case, run

GITHUB = {"GITHUB_ACTIONS": "true"}


def report() -> Report:
    return make_report(run(failed_case()), version="9", exit_code=1)


def job(environment: dict[str, str]) -> tuple[Job, list[str]]:
    lines: list[str] = []
    return Job(environment, lines.append), lines


def test_outside_of_ci_nothing_is_written() -> None:
    """No commands in a terminal."""
    one, lines = job({})

    one.begin()

    assert one.end(report(), "summary") == ""
    assert lines == []


def test_what_a_csms_says_is_no_command() -> None:
    """Commands are off from the beginning until ours come, by a word nobody else knows."""
    one, lines = job(GITHUB)
    other, others = job(GITHUB)

    one.begin()
    other.begin()
    one.end(report(), "")

    token = re.fullmatch(r"::stop-commands::([0-9a-f]{32})", lines[0])
    assert token is not None
    assert lines[0] != others[0]
    assert lines[1] == f"::{token[1]}::"
    assert lines[2].startswith("::error ")


def test_a_run_that_never_began_leaves_the_log_as_it_was() -> None:
    """Commands are on again, once."""
    one, lines = job(GITHUB)

    one.begin()
    one.end(None, "")
    one.end(None, "")

    assert len(lines) == 2


def test_the_summary_is_appended(tmp_path: Path) -> None:
    """Other steps may have written to the page of the job."""
    page = tmp_path / "summary.md"
    page.write_text("# Build\n")
    one, lines = job({"GITHUB_STEP_SUMMARY": str(page)})

    assert one.end(report(), render(report())) == ""

    assert page.read_text().startswith("# Build\n## ")
    assert lines == []


def test_a_summary_that_github_would_refuse_is_left_out(tmp_path: Path) -> None:
    """Above 1 MiB it would show an error in place of the page."""
    page = tmp_path / "summary.md"
    page.write_bytes(b"x" * (1024 * 1024 - 2000))
    one, _ = job({"GITHUB_STEP_SUMMARY": str(page)})

    one.end(report(), "y" * 1000)
    one.end(report(), "z")

    assert "y" not in page.read_text()
    assert page.read_text().endswith("z")


def test_a_summary_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The verdict stays what it is."""
    one, _ = job({"GITHUB_STEP_SUMMARY": str(tmp_path)})

    assert one.end(report(), "x").startswith("cannot write the job summary ")


@pytest.mark.parametrize("checkout", ["", "/"])
def test_lines_are_shown_where_the_checkout_has_them(checkout: str) -> None:
    """Without one there is no place to show."""
    one, lines = job({**GITHUB, "GITHUB_WORKSPACE": checkout})

    one.end(report(), "")

    assert ("file=" in lines[0]) is bool(checkout)
