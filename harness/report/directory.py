"""The folder one run writes to: `reports/runs/<UTC>/`, and the link `reports/latest`.

What was good stays: the trace grows case by case and is cut back to its last whole case when a
write fails, other files appear under their names only when complete. An `OSError` becomes
`ReportsUnwritable`, whose message says what to do.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from harness.report.document import Report, UnreadableReport, from_text, to_text
from harness.report.trace import case_lines, head_line
from harness.results import CaseResult

REPORT: Final = "report.json"
TRACE: Final = "trace.jsonl"
JUNIT: Final = "junit.xml"
SUMMARY: Final = "summary.txt"
MARKDOWN: Final = "summary.md"
ALLURE_RESULTS: Final = "allure-results"
DIAGRAMS: Final = "diagrams"
LOGS: Final = "logs"
LATEST: Final = "latest"
DEFAULT_KEEP: Final = 10


class ReportsUnwritable(Exception):
    """A file of the report could not be written; the message names cause and remedy."""

    def __init__(self, path: Path, cause: OSError) -> None:
        super().__init__(
            f"cannot write {path}: {cause.strerror or cause}."
            " Free some space or name another folder with --reports DIR."
            " What was written before is still there."
        )
        self.path = path


class RunDirectory:
    """One run's folder. Methods raise `ReportsUnwritable` and nothing else."""

    def __init__(self, path: Path, *, keep: int = DEFAULT_KEEP) -> None:
        self.path = path
        self._keep = keep
        self._trace_size = 0
        self._is_begun = False  # by an earlier part of the run

    @classmethod
    def create(
        cls, reports: Path, *, started_at: datetime, keep: int = DEFAULT_KEEP
    ) -> RunDirectory:
        """Make the folder for a run that is about to start.

        Args:
            keep: how many runs stay once this one began, itself among them; 0 keeps all.
        """
        name = started_at.strftime("%Y-%m-%dT%H-%M-%SZ")
        runs = reports / "runs"
        with _clear_errors(runs):
            runs.mkdir(parents=True, exist_ok=True)
            path = _make_unique(runs, name)
            for folder in (ALLURE_RESULTS, DIAGRAMS, LOGS):
                (path / folder).mkdir()
        return cls(path, keep=keep)

    @classmethod
    def resumed(cls, path: Path) -> RunDirectory:
        """Return the folder of a run that goes on; its trace and results so far stay."""
        directory = cls(path, keep=0)
        directory._is_begun = True
        with contextlib.suppress(OSError):
            directory._trace_size = (path / TRACE).stat().st_size
        # Written again, with the results of both parts.
        for old in (path / ALLURE_RESULTS).glob("*"):
            old.unlink(missing_ok=True)
        return directory

    def begin(self, *, started_at: datetime, sut_name: str, edition: str) -> None:
        """Begin the trace, point `latest` here and drop the oldest runs."""
        if not self._is_begun:
            self._append(head_line(started_at=started_at, sut_name=sut_name, edition=edition))
        runs = self.path.parent
        with _clear_errors(runs):
            _point(runs.parent / LATEST, self.path)
            if self._keep > 0:
                _drop_oldest(runs, self._keep)

    def discard(self) -> None:
        """Remove the folder of a run that never began."""
        if self._is_begun:
            return
        shutil.rmtree(self.path, ignore_errors=True)

    def append_case(self, case: CaseResult) -> None:
        """Append a case that ended to the trace, whole or not at all."""
        self._append(case_lines(case))

    def write_report(self, report: Report) -> None:
        """Write `report.json`."""
        self.write(REPORT, to_text(report))

    def write(self, name: str, text: str) -> Path:
        """Write a file of this name; it appears only once it is complete."""
        path = self.path / name
        with _clear_errors(path):
            _replace(path, text.encode("utf-8", "backslashreplace"))
        return path

    def _append(self, text: str) -> None:
        path = self.path / TRACE
        data = text.encode("utf-8", "backslashreplace")
        with _clear_errors(path), path.open("ab", buffering=0) as file:
            try:
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(self._trace_size)
                raise
        self._trace_size += len(data)


def read_report(path: Path) -> Report:
    """Read a run's report: its folder or the file itself.

    Raises:
        UnreadableReport: there is none, or it is not of this version.
    """
    file = path / REPORT if path.is_dir() else path
    try:
        return from_text(file.read_text("utf-8"))
    except OSError as exc:
        words = f"{file}: {exc.strerror or exc}; `preflight run` makes reports"
        raise UnreadableReport(words) from exc
    except UnicodeDecodeError as exc:
        raise UnreadableReport(f"{file}: {exc}") from exc
    except UnreadableReport as exc:
        raise UnreadableReport(f"{file}: {exc}") from exc


@contextlib.contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise ReportsUnwritable(Path(exc.filename or path), exc) from exc


def _make_unique(runs: Path, name: str) -> Path:
    """Make a folder of this name; runs that start in the same second are numbered on.

    A number is not used again once its folder is gone: names sort by age.
    """
    while True:
        numbers = [_age(path)[1] for path in runs.glob(f"{name}*")]
        path = runs / (f"{name}-{max(numbers) + 1}" if numbers else name)
        with contextlib.suppress(FileExistsError):  # another process was faster
            path.mkdir()
            return path


def _age(path: Path) -> tuple[str, int]:
    """Return what runs sort by: the time they started, and their number within that second."""
    stamp, _, number = path.name.partition("Z-")
    return stamp.removesuffix("Z"), int(number) if number.isdecimal() else 1


def _point(link: Path, target: Path) -> None:
    """Make `link` point to `target`; where links cannot be made, a file names the target."""
    relative = os.path.relpath(target, link.parent)
    temporary = link.with_name(f".{link.name}-{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    try:
        temporary.symlink_to(relative, target_is_directory=True)
        temporary.replace(link)
    except (NotImplementedError, PermissionError):  # Windows without the right to make links
        link.with_suffix(".txt").write_text(relative + "\n", "utf-8")


def _drop_oldest(runs: Path, keep: int) -> None:
    """Remove all but the newest `keep` runs; names sort by time."""
    for path in sorted((path for path in runs.iterdir() if path.is_dir()), key=_age)[:-keep]:
        shutil.rmtree(path, ignore_errors=True)


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
