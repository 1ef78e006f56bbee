"""What a run with a person keeps on disk as it goes, so that it can go on another time.

`operator.jsonl` in the run's folder: a line with the settings, then a line for each case that
ended, synced before the next one begins. A run that is killed loses the case at hand and no more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from harness.report.directory import TRACE
from harness.report.document import decode, encode
from harness.results import CaseResult, Verdict

JOURNAL: Final = "operator.jsonl"
VERSION: Final = 1


class CannotResume(Exception):
    """There is nothing to go on with; the message says why."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier part of the run left.

    Attributes:
        settings: of the command line; the same go on.
        cases: the results so far, in their order.
    """

    path: Path
    started_at: datetime
    settings: Mapping[str, Any]
    cases: tuple[CaseResult, ...]

    @property
    def duration_s(self) -> float:
        """How long the earlier part took, up to its last whole case."""
        ends = [
            (case.started_at - self.started_at).total_seconds() + case.duration_s
            for case in self.cases
            if case.started_at is not None
        ]
        return max(ends, default=0.0)


class Journal:
    """The file of one run. Methods raise OSError."""

    def __init__(self, directory: Path) -> None:
        """Belong to a run's folder."""
        self._path = directory / JOURNAL

    def begin(self, *, started_at: datetime, settings: Mapping[str, object]) -> None:
        """Write down what the run is made with."""
        self._append(
            {
                "type": "run",
                "version": VERSION,
                "started_at": encode(started_at),
                "settings": dict(settings),
            }
        )

    def add(self, case: CaseResult) -> None:
        """Write down a case that ended; one that was not run is there to be run."""
        if case.verdict is not Verdict.NOT_RUN:
            self._append({"type": "case", "case": encode(case)})

    def _append(self, entry: Mapping[str, object]) -> None:
        data = json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
        with self._path.open("ab") as file:
            file.write(data.encode("utf-8", "backslashreplace"))
            file.flush()
            os.fsync(file.fileno())


def resume(directory: Path) -> Earlier:
    """Return what a run's folder has; cut away what a killed run left half-written.

    Raises:
        CannotResume: it is no folder of a run with a person.
    """
    path = directory.resolve() / JOURNAL
    try:
        entries = _whole_lines(path)
        head = entries[0]
        if head["type"] != "run" or head["version"] != VERSION:
            raise CannotResume(f"{path} is of another version of this program")
        cases = {}
        for entry in entries[1:]:
            case: CaseResult = decode(CaseResult, entry["case"])
            cases[case.case_id] = case
        _cut_trace(path.with_name(TRACE))
        started_at = datetime.fromisoformat(head["started_at"])
        return Earlier(path.parent, started_at, head["settings"], tuple(cases.values()))
    except OSError as error:
        reason = f"{path}: {error.strerror or error}; only runs with --operator can be resumed"
        raise CannotResume(reason) from error
    except (LookupError, TypeError, ValueError) as error:
        raise CannotResume(f"{path} cannot be read: {error}") from error


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if whole != data:
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return [json.loads(line) for line in whole.splitlines()]


def _cut_trace(path: Path) -> None:
    """Cut the trace back to its last whole case."""
    if not path.exists():
        return
    data = path.read_bytes()
    end = begin = 0
    for line in data.splitlines(keepends=True):
        begin += len(line)
        if line.endswith(b"\n") and line.startswith((b'{"type":"case"', b'{"type":"run"')):
            end = begin
    with path.open("r+b") as file:
        file.truncate(end)
