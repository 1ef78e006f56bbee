"""The run's folder keeps what was good."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.report.directory import ReportsUnwritable, RunDirectory, read_report
from harness.report.document import UnreadableReport, make_report
from tests.harness.report_samples import failed_case, run

START = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


def begun(reports: Path, *, after_s: int = 0, keep: int = 10) -> RunDirectory:
    """Return the folder of a run that began."""
    at = START + timedelta(seconds=after_s)
    directory = RunDirectory.create(reports, started_at=at, keep=keep)
    directory.begin(started_at=at, sut_name="Our CSMS", edition="2025-11")
    return directory


def test_a_run_gets_its_folder_and_the_link(tmp_path: Path) -> None:
    """`latest` points to the newest run, by a relative path."""
    first = begun(tmp_path)
    second = begun(tmp_path, after_s=1)

    assert first.path.name == "2026-01-31T12-00-00Z"
    assert (tmp_path / "latest").resolve() == second.path.resolve()
    assert not os.path.isabs(os.readlink(tmp_path / "latest"))
    assert (second.path / "logs").is_dir()


def test_runs_of_the_same_second_do_not_share_a_folder(tmp_path: Path) -> None:
    """Two runs that start together write apart."""
    paths = {RunDirectory.create(tmp_path, started_at=START).path for _ in range(3)}

    assert len(paths) == 3


def test_only_the_newest_runs_stay(tmp_path: Path) -> None:
    """`keep` counts the new run, and the oldest go first, also within one second."""
    for second in (0, 1, 1, 1, 2):
        begun(tmp_path, after_s=second, keep=3)

    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert names == ["2026-01-31T12-00-01Z-2", "2026-01-31T12-00-01Z-3", "2026-01-31T12-00-02Z"]


def test_a_run_that_never_began_leaves_nothing(tmp_path: Path) -> None:
    """A folder made for nothing goes again, and `latest` still names the last real run."""
    first = begun(tmp_path)
    RunDirectory.create(tmp_path, started_at=START + timedelta(seconds=1)).discard()

    assert (tmp_path / "latest").resolve() == first.path.resolve()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [first.path.name]


def test_keep_0_keeps_all(tmp_path: Path) -> None:
    """Zero means that nothing is removed."""
    for second in range(12):
        begun(tmp_path, after_s=second, keep=0)

    assert len(list((tmp_path / "runs").iterdir())) == 12


def test_the_trace_has_each_frame_as_it_came(tmp_path: Path) -> None:
    """Every line is an object; events carry case, step, both times and the raw text."""
    directory = begun(tmp_path)
    directory.append_case(failed_case())

    lines = [json.loads(line) for line in (directory.path / "trace.jsonl").read_text().splitlines()]
    events = [line for line in lines if line["type"] == "event"]
    assert [line["type"] for line in lines] == ["run", *["event"] * 7, "case"]
    assert [line["text"] for line in events] == [event.text for event in failed_case().events]
    assert [line["step"] for line in events] == ["", "2", "2", "3", "3", "4", ""]
    assert events[1]["at"] == "2026-01-31T12:00:00.133000Z"
    assert events[1]["monotonic_s"] == 1000.01
    assert events[1]["direction"] == "received"
    assert lines[-1]["verdict"] == "failed"
    assert lines[-1]["findings"][0]["rule"] == "rule.Authorize.conf"


def test_a_report_is_read_from_its_folder(tmp_path: Path) -> None:
    """The folder of a run, and the link to it, can be read again."""
    directory = begun(tmp_path)
    report = make_report(run(), version="0.1.0", exit_code=1)
    directory.write_report(report)

    assert read_report(tmp_path / "latest") == report


def test_a_missing_report_is_a_clear_error(tmp_path: Path) -> None:
    """Reading names the file that is not there."""
    with pytest.raises(UnreadableReport, match=r"report\.json"):
        read_report(tmp_path)


def test_an_unwritable_folder_names_cause_and_remedy(tmp_path: Path) -> None:
    """A file where the folder should be is told with the path and the option to change it."""
    (tmp_path / "file").write_text("")

    with pytest.raises(ReportsUnwritable, match=r"file.*: Not a directory\. .*--reports DIR"):
        RunDirectory.create(tmp_path / "file", started_at=START)


FULL_DISK = """
import resource, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from harness.report.directory import ReportsUnwritable, RunDirectory
from harness.report.document import make_report
from tests.harness.report_samples import STARTED_AT, failed_case, passed_case, run

directory = RunDirectory.create(Path(sys.argv[1]), started_at=datetime.now(UTC))
directory.begin(started_at=STARTED_AT, sut_name="S", edition="2025-11")
directory.append_case(passed_case())
directory.write_report(make_report(run(passed_case()), version="good", exit_code=0))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = (directory.path / "trace.jsonl").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, size + 100))
for write in (
    lambda: directory.append_case(failed_case()),
    lambda: directory.write_report(make_report(run(), version="bad", exit_code=1)),
):
    try:
        write()
    except ReportsUnwritable as error:
        sys.stdout.write(f"{error}\\n")
"""


@pytest.mark.slow
def test_a_full_disk_loses_nothing_that_was_good(tmp_path: Path) -> None:
    """A write that fails leaves whole cases in the trace, the old report, and no rubbish."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True
    )

    assert done.stdout.count("cannot write") == 2
    assert "Free some space" in done.stdout
    latest = tmp_path / "latest"
    lines = [json.loads(line) for line in (latest / "trace.jsonl").read_text().splitlines()]
    assert [line["case_id"] for line in lines if line["type"] == "case"] == ["TC_001_CSMS"]
    assert lines[-1]["type"] == "case"
    assert read_report(latest).version == "good"
    assert [path.name for path in latest.iterdir() if path.name.startswith(".")] == []
