"""A run with a person that is stopped or killed, and goes on later."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from harness.report.directory import LATEST, read_report
from harness.results import Verdict

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

CASES = "TC_001 or TC_013 or TC_014 or TC_061"
START = ("--sut", "embedded", "--operator", "--no-page", "--settle", "0.02", "-k", CASES)


@contextmanager
def preflight(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command with pipes for the person's keys and for what the person reads."""
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "run", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_until(stream: IO[str] | None, words: str) -> str:
    """Read what the person reads until some words come."""
    assert stream is not None
    text = ""
    for line in stream:
        text += line
        if words in line:
            return text
    raise AssertionError(f"{words!r} never came:\n{text}")


def say(process: subprocess.Popen[str], line: str) -> None:
    """Press a key, with a reason."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_results_of_both_parts_are_in_one_report(tmp_path: Path, how: str) -> None:
    """Stopped in order or killed without a word: only the case at hand is done again."""
    with preflight(tmp_path, *START) as first:
        read_until(first.stderr, "Hard.")
        say(first, "s no time for that")
        read_until(first.stderr, "Soft.")
        if how == "stop":
            say(first, "q")
            assert "--resume" in read_until(first.stderr, "Go on with:")
        else:
            first.send_signal(signal.SIGKILL)
        first.wait(timeout=20)
    directory = (tmp_path / "reports" / LATEST).resolve()
    with preflight(tmp_path, "--resume", str(directory), "--no-page") as second:
        read_until(second.stderr, "Soft.")
        say(second, "c there is no such button")
        read_until(second.stderr, "cache")
        say(second, "s enough")
        second.wait(timeout=20)
    report = read_report(directory)
    verdicts = {case.case_id: case.verdict for case in report.run.cases}
    assert verdicts == {
        "TC_001_CSMS": Verdict.PASSED,
        "TC_013_CSMS": Verdict.INCONCLUSIVE,
        "TC_014_CSMS": Verdict.INCONCLUSIVE,
        "TC_061_CSMS": Verdict.INCONCLUSIVE,
    }
    said = {
        case.case_id: [(one.kind, one.words) for one in case.operator_answers]
        for case in report.run.cases
    }
    assert said["TC_013_CSMS"] == [("skip", "no time for that")]
    assert said["TC_014_CSMS"] == [("cannot", "there is no such button")]
    entries = [json.loads(line) for line in (directory / "trace.jsonl").read_text().splitlines()]
    closed = [
        entry["case_id"]
        for entry in entries
        if entry["type"] == "case" and entry["verdict"] != Verdict.NOT_RUN
    ]
    assert sorted(closed) == sorted(verdicts)
    results = (directory / "allure-results").glob("*-result.json")
    names = {json.loads(path.read_text())["name"] for path in results}
    assert len(names) == 4
    assert "no time for that" in (directory / "preview.html").read_text()
