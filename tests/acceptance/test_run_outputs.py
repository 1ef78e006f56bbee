"""Whole runs against our own CSMS: what they leave behind, and what they must not."""

from __future__ import annotations

import base64
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.report.directory import read_report
from harness.sut_file import suts_directory

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
KEY = bytes(range(0x71, 0x85))  # 20 bytes, all printable
TOKEN = "preflight-test-token-0123456789"
WRONG = """
id: TC_WRONG
title: Expects what no CSMS does
profile: Core
requirement: mandatory
steps:
  - send: Authorize
    payload: {idTag: $valid_id_tag}
    expect: {idTagInfo: {status: Blocked}}
"""


def preflight(
    folder: Path, *arguments: str, limit: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in an empty folder."""
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TEST_KEY": KEY.hex(), "TEST_TOKEN": TOKEN},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with our CSMS as the system under test, its secrets known to the test."""
    text = (suts_directory() / "embedded.yaml").read_text("utf-8")
    for made, known in (
        ("${random_hex:16}", "${env:TEST_TOKEN}"),
        ("${random_hex:20}", "${env:TEST_KEY}"),
    ):
        assert made in text
        text = text.replace(made, known)
    (tmp_path / "sut.yaml").write_text(text)
    (tmp_path / "wrong.yaml").write_text(WRONG)
    return tmp_path


def files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield everything a run left behind."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path, path.read_bytes()


CORE = ROOT / "scenarios" / "core"


def test_no_output_holds_a_secret(folder: Path) -> None:
    """Keys and tokens are in no file and no output, in none of the forms they travel in."""
    result = preflight(
        folder, "run", "wrong.yaml", str(CORE / "TC_001_CSMS.yaml"), str(CORE / "TC_021_CSMS.yaml"),
        "--sut", "sut.yaml",
    )  # fmt: skip

    assert result.returncode == 1, result.stdout + result.stderr
    forms = [KEY, KEY.hex().encode(), KEY.hex().upper().encode(), TOKEN.encode()]
    for number in range(1, 65):
        pair = base64.b64encode(f"PF{number:04}:".encode() + KEY)
        forms.append(pair.rstrip(b"="))
    forms.append(base64.b64encode(KEY).rstrip(b"="))
    outputs = list(files(folder / "reports"))
    outputs += [(Path("stdout"), result.stdout.encode()), (Path("stderr"), result.stderr.encode())]
    names = {path.name for path, _ in outputs}
    assert {"report.json", "trace.jsonl", "junit.xml", "sut.log", "TC_WRONG.svg"} <= names
    leaks = [str(path) for path, body in outputs for form in forms if form in body]
    assert leaks == []


def test_xdist_workers_have_their_own_identities_and_one_report(folder: Path) -> None:
    """Two workers share the cases; the report, JUnit and Allure have all of them."""
    cases = [str(CORE / f"TC_{number}_CSMS.yaml") for number in ("001", "003", "013", "021")]

    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", ".", "--noconftest",
         "-p", "harness.plugin", "-p", "allure_pytest.plugin", "-p", "xdist.plugin",
         "--disable-plugin-autoload", "-n", "2", "--sut", "embedded", *cases],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip

    assert result.returncode == 0, result.stdout + result.stderr
    latest = folder / "reports" / "latest"
    found = read_report(latest).run.cases
    assert [case.case_id for case in found] == [Path(case).stem for case in cases]
    assert len({case.identity for case in found}) >= 2
    allure = list((latest / "allure-results").glob("*-result.json"))
    assert len(allure) == 4
    assert (latest / "junit.xml").read_text().count("<testcase ") == 4
    ends = [
        line
        for line in (latest / "trace.jsonl").read_text().splitlines()
        if '"type":"case"' in line
    ]
    assert len(ends) == 4


def test_a_full_disk_is_told_and_the_results_stay(folder: Path) -> None:
    """Files that no longer fit are named with the remedy; verdicts are printed all the same."""

    def limit() -> None:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.RLIM_INFINITY))

    # The CSMS itself is not short of space.
    unlimited = ["sh", "-c", 'ulimit -f unlimited && exec "$@"', "sh", sys.executable, "-m", "csms"]
    text = (folder / "sut.yaml").read_text()
    assert "    - csms\n" in text
    words = "".join(f"    - {json.dumps(word)}\n" for word in unlimited)
    (folder / "sut.yaml").write_text(text.replace("    - csms\n", words))

    result = preflight(folder, "run", "wrong.yaml", "--sut", "sut.yaml", limit=limit)

    output = result.stdout + result.stderr
    assert result.returncode == 1, output
    assert "FAILURE  rule.Authorize.conf" in output
    assert "cannot write" in output
    assert "Free some space" in output
    assert "Traceback" not in output
    trace = (folder / "reports" / "latest" / "trace.jsonl").read_text("utf-8").splitlines()
    assert all(json.loads(line) for line in trace)


def test_every_output_can_be_read(folder: Path) -> None:
    """Trace lines are JSON, Allure results too, and the report is of its own schema."""
    preflight(folder, "run", "wrong.yaml", str(CORE / "TC_010_CSMS.yaml"), "--sut", "sut.yaml")

    latest = folder / "reports" / "latest"
    report = read_report(latest)
    assert {case.case_id: case.verdict.value for case in report.run.cases} == {
        "TC_WRONG": "failed",
        "TC_010_CSMS": "passed",
    }
    entries = [
        json.loads(line) for line in (latest / "trace.jsonl").read_text("utf-8").splitlines()
    ]
    events = [entry for entry in entries if entry["type"] == "event"]
    assert len(events) == sum(len(case.events) for case in report.run.cases)
    wrong = next(case for case in report.run.cases if case.case_id == "TC_WRONG")
    assert wrong.findings[0].rule == "rule.Authorize.conf"
    assert wrong.reproduce == "preflight run wrong.yaml --sut sut.yaml"
