"""Which report is meant by a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.comparison.report_choice import read_chosen
from harness.report.directory import RunDirectory
from harness.report.document import UnreadableReport
from tests.harness.comparison.test_compare import report
from tests.harness.report_samples import STARTED_AT, case


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Return a reports folder with one run."""
    folder = RunDirectory.create(tmp_path, started_at=STARTED_AT)
    folder.begin(started_at=STARTED_AT, sut_name="Our CSMS", edition="2025-11")
    folder.write_report(report(case()))
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        "latest",
        "2026-01-31T12-00-00Z",
        "{}/latest",
        "{}/latest/report.json",
        "{}/runs/2026-01-31T12-00-00Z",
    ],
)
def test_each_name_of_a_run_leads_to_it(reports: Path, name: str) -> None:
    """`latest`, the name of a run, its folder and its file."""
    assert read_chosen(name.format(reports), reports=reports).run.sut_name == "Our CSMS"


def test_latest_is_found_where_links_cannot_be_made(reports: Path) -> None:
    """There a file names the newest run."""
    (reports / "latest").unlink()
    (reports / "latest.txt").write_text("runs/2026-01-31T12-00-00Z\n")

    assert read_chosen("latest", reports=reports).run.sut_name == "Our CSMS"


def test_what_is_not_there_is_said(reports: Path) -> None:
    """The message names what was looked for."""
    with pytest.raises(UnreadableReport, match="nowhere"):
        read_chosen("nowhere", reports=reports)
