"""What a CI job gets besides the exit code: its summary page and annotations.

GitHub takes lines of output for commands. While the run prints what a foreign system said, that is
switched off; only the annotations at the end are meant.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from harness.report.annotations import annotate
from harness.report.document import Report

_LONGEST_SUMMARY: Final = 1024 * 1024 - 1024  # GitHub refuses a step's summary above 1 MiB


class Job:
    """The CI job a run is part of, where it is part of one."""

    def __init__(self, environment: Mapping[str, str], write: Callable[[str], object]) -> None:
        """Read the environment; write nothing yet.

        Args:
            write: writes one line to the log of the job.
        """
        self._is_github = environment.get("GITHUB_ACTIONS") == "true"
        self._checkout = environment.get("GITHUB_WORKSPACE", "")
        self._summary = environment.get("GITHUB_STEP_SUMMARY", "")
        self._write = write
        self._token = ""

    def begin(self) -> None:
        """Let no line of what follows be a command."""
        if self._is_github:
            self._token = secrets.token_hex(16)
            self._write(f"::stop-commands::{self._token}")

    def end(self, report: Report | None, summary: str) -> str:
        """Show what the run found; return why the summary could not be written, or "".

        Args:
            summary: as Markdown.
        """
        if self._token:
            self._write(f"::{self._token}::")
            self._token = ""
        if report is None:
            return ""
        if self._is_github:
            checkout = Path(self._checkout).resolve() if self._checkout else None
            for one in annotate(report, directory=Path.cwd(), checkout=checkout):
                self._write(one.command())
        return self._append(summary) if self._summary else ""

    def _append(self, summary: str) -> str:
        data = summary.encode("utf-8", "backslashreplace")
        try:
            with open(self._summary, "ab") as file:  # another step may have written to it
                if file.tell() + len(data) <= _LONGEST_SUMMARY:
                    file.write(data)
        except OSError as exc:
            return f"cannot write the job summary {self._summary}: {exc.strerror or exc}"
        return ""
