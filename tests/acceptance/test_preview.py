"""The certificate preview of whole runs against our own CSMS, some behind a proxy that bends it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.report.directory import read_report
from harness.results import RunResult
from simulator.trace import EventKind
from tests.harness.report.page import Element, read_page, rows, section

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CORE = ROOT / "scenarios" / "core"
BENT = str(ROOT / "tests" / "data" / "bent_csms.yaml")

# Fault by fault what the first page says: case, rule, expected, actual.
PLANTED = {
    "unknown-card-accepted": (
        r"TC_023_1_CSMS mandatory .*",
        r"rule\.Authorize\.conf .*TC_023_1_CSMS §3\.8\.1",
        r'\$\.idTagInfo\.status: "Invalid"',
        r'"Accepted"',
    ),
    "heartbeat-without-zone": (
        r"TC_001_CSMS mandatory .*",
        r"time\.no-zone Heartbeat\.conf: OCPP 1\.6 §3\.14.*",
        r"YYYY-MM-DDThh:mm:ss\.sssZ or .*",
        r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}",
    ),
    "field-too-many": (
        r"TC_012_CSMS mandatory .* also TC_\w+ and \d+ more",
        r"schema\.additional-property .*StopTransaction\.conf.*",
        r"\$\.receipt: no such field",
        r'a field "receipt"',
    ),
    "trigger-never-sent": (
        r"TC_054_CSMS conditional .*",
        r"request\.missing TC_054_CSMS §3\.18\.1",
        r"Central System sends TriggerMessage",
        r"TriggerMessage did not come within 4 s\. The driver had reported: HTTP 200.*",
    ),
    "firmware-status-unanswered": (
        r"TC_044_1_CSMS conditional .*",
        r"answer\.missing FirmwareStatusNotification\.req: OCPP-J 1\.6 §4\.1\.1",
        r"an answer within 4 s",
        r"none",
    ),
}


def environment(*faults: str) -> dict[str, str]:
    """Return what the programs need, and the file that describes our CSMS with these faults.

    Not in CI, where a run says nothing before its end.
    """
    ours = {"CI": "", "PYTHONPATH": str(ROOT), "ROOT": str(ROOT), "PYTHON": sys.executable}
    return os.environ | ours | {"FAULTS": ",".join(faults) or "none"}


def preflight(
    folder: Path, *arguments: str, faults: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run the command in an empty folder."""
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=folder,
        env=environment(*faults),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def preview(folder: Path) -> Element:
    """Return the preview of the newest run."""
    return read_page((folder / "reports" / "latest" / "preview.html").read_text("utf-8"))


def test_five_faults_are_five_rows_of_the_first_page(tmp_path: Path) -> None:
    """Each names case, rule, expected, actual and the time of its frame, before anything else."""
    done = preflight(tmp_path, "run", "--sut", BENT, "--strict", faults=tuple(PLANTED))

    assert done.returncode == 1, done.stdout + done.stderr
    page = preview(tmp_path)
    assert page.first("section", of_class="answer").first("h2").text == "Not ready"
    order = [one.attributes.get("aria-labelledby") for one in page.first("main").all("section")]
    assert order[:3] == ["readiness", "summary", "blockers"]
    found = rows(section(page, "blockers").first("table"))
    assert len(found) == len(PLANTED)
    run = read_report(tmp_path / "reports" / "latest").run
    for fault, patterns in PLANTED.items():
        fitting = [
            row
            for row in found
            if all(re.fullmatch(*pair) for pair in zip(patterns, row.values(), strict=False))
        ]
        assert len(fitting) == 1, f"{fault}: {found}"
        assert_time_is_of_the_frame(fitting[0], run)


def assert_time_is_of_the_frame(row: dict[str, str], run: RunResult) -> None:
    """Hold the time of a row against the frames of its case."""
    case_id, rule = (row[name].split()[0] for name in ("Case", "Rule"))
    (case,) = (case for case in run.cases if case.case_id == case_id)
    finding = next(one for one in case.findings if one.rule == rule)
    (time_shown,) = re.findall(r"\d\d:\d\d:\d\d\.\d{3}", row["Time (UTC)"])
    if finding.event is not None:
        event = case.events[finding.event]
        assert event.kind is EventKind.FRAME
        assert time_shown == event.at.strftime("%H:%M:%S.%f")[:-3]
    else:
        assert row["Time (UTC)"].startswith("no frame: waited until")


def test_the_reference_run_has_nothing_in_its_way(tmp_path: Path) -> None:
    """Two cases of a right CSMS: nothing stops it, and what was not asked is said."""
    cases = [str(CORE / f"TC_{number}_CSMS.yaml") for number in ("001", "003")]
    done = preflight(tmp_path, "run", *cases, "--sut", BENT, "--strict")

    assert done.returncode == 0, done.stdout + done.stderr
    page = preview(tmp_path)
    assert page.first("section", of_class="answer").first("h2").text == "Not shown to be ready"
    assert not list(section(page, "blockers").all("table"))
    (missing,) = rows(section(page, "unobserved").first("table"))
    assert "TC_004_1_CSMS" in missing["Cases"]
    assert "TC_003_CSMS" not in missing["Cases"]


def test_it_can_be_made_afterwards(tmp_path: Path) -> None:
    """The same page from report.json alone, wherever it is and wherever it goes."""
    case = str(CORE / "TC_001_CSMS.yaml")
    preflight(tmp_path, "run", case, "--sut", BENT, faults=("heartbeat-without-zone",))
    run = tmp_path / "reports" / "latest"
    first = (run / "preview.html").read_bytes()
    (run / "preview.html").unlink()
    moved = tmp_path / "moved.json"
    moved.write_bytes((run / "report.json").read_bytes())

    in_place = preflight(tmp_path, "preview")
    elsewhere = preflight(tmp_path, "preview", "moved.json", "--output", "new/page.html")

    assert (in_place.returncode, elsewhere.returncode) == (0, 0), elsewhere.stderr
    assert in_place.stdout.strip().endswith("preview.html")
    assert (run / "preview.html").read_bytes() == first
    assert (tmp_path / "new" / "page.html").read_bytes() == first


def test_what_is_no_report_makes_no_preview(tmp_path: Path) -> None:
    """The message names the file, and nothing is written."""
    (tmp_path / "report.json").write_text("{}")

    done = preflight(tmp_path, "preview", "report.json")

    assert done.returncode == 2
    assert "report.json" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "preview.html").exists()


def test_workers_share_one_preview_with_the_numbers_of_all(tmp_path: Path) -> None:
    """Counts and times are those of all cases, whichever process ran them."""
    cases = [str(CORE / f"TC_{number}_CSMS.yaml") for number in ("001", "003", "012", "021")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", ".", "--noconftest",
         "-p", "harness.plugin", "-p", "allure_pytest.plugin", "-p", "xdist.plugin",
         "--disable-plugin-autoload", "-n", "2", "--sut", BENT, *cases],
        cwd=tmp_path, env=environment("heartbeat-without-zone"), capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip

    assert done.returncode == 1, done.stdout + done.stderr
    page = preview(tmp_path)
    run = read_report(tmp_path / "reports" / "latest").run
    assert {len(case.exchanges) > 0 for case in run.cases} == {True}
    (core,) = (
        row
        for row in rows(section(page, "summary").first("table"))
        if row["Functionality"] == "Core"
    )
    assert core["Cases"].startswith("3 of 34 passed, 1 failed, 30 not run")
    answers = {
        row["Action"]: row for row in rows(list(section(page, "performance").all("table"))[1])
    }
    times = [one.duration_s for case in run.cases for one in case.exchanges]
    assert answers["all"]["requests"] == str(len(times))
    assert answers["all"]["max"] == f"{max(filter(None, times)) * 1000:.1f} ms"
    assert "2, in as many processes" in section(page, "configuration").text


def test_a_run_broken_off_leaves_a_preview_that_says_so(tmp_path: Path) -> None:
    """CI ends jobs with SIGTERM; what is left is a page that calls nothing passed that was not."""
    with subprocess.Popen(
        [sys.executable, "-m", "harness", "run", "--sut", BENT, "--concurrency", "1"],
        cwd=tmp_path, env=environment("firmware-status-unanswered"), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as program:  # fmt: skip
        assert program.stdout is not None
        for line in program.stdout:
            if "passed" in line:  # the first case is through, many are not
                program.send_signal(signal.SIGTERM)
                break
        program.stdout.read()
        program.wait(timeout=60)

    page = preview(tmp_path)
    assert page.first("section", of_class="answer").first("h2").text == "Not shown to be ready"
    assert "broken off" in page.first("section", of_class="answer").text
    summary = rows(section(page, "summary").first("table"))
    assert "Passed" not in {row["Result"] for row in summary}
