"""Finds the report that somebody means: a folder, a file, `latest`, or the name of a run."""

from __future__ import annotations

from pathlib import Path

from harness.report.directory import LATEST, read_report
from harness.report.document import Report


def read_chosen(name: str, *, reports: Path) -> Report:
    """Read the report that is meant.

    Args:
        name: a run's folder, a `report.json`, `latest`, or a run's name in the reports folder.
        reports: the reports folder.

    Raises:
        UnreadableReport: there is none, or it is not of this version.
    """
    return read_report(_place(name, reports))


def _place(name: str, reports: Path) -> Path:
    path = Path(name)
    if path.exists():
        return path
    if path.name == LATEST:
        folder = reports if path.parent == Path() else path.parent
        # Where links cannot be made, a file names the newest run.
        note = (folder / LATEST).with_suffix(".txt")
        if not (folder / LATEST).exists() and note.is_file():
            return folder / note.read_text("utf-8").strip()
        return folder / LATEST
    of_run = reports / "runs" / name
    return of_run if of_run.exists() else path
