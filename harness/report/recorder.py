"""Keeps a run's results as they come, and writes all of its files.

Used from the main thread and, for results as they end, from the thread that runs the cases. What
cannot be written is told once, in `trouble`; the run goes on.
"""

from __future__ import annotations

import io
import json
import shutil
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from rich.console import Console

from harness.known_failures import KnownFailures
from harness.report import markdown
from harness.report.allure import CATEGORIES, environment, environment_text, globals_text
from harness.report.diagram import draw
from harness.report.directory import (
    ALLURE_RESULTS,
    DIAGRAMS,
    JUNIT,
    MARKDOWN,
    SUMMARY,
    ReportsUnwritable,
    RunDirectory,
)
from harness.report.document import Report, make_report
from harness.report.outcome import UNUSABLE, Outcome, decide
from harness.report.preview import PREVIEW, render
from harness.report.summary import print_summary
from harness.results import CaseResult, RunResult

DISTRIBUTION: Final = "ocpp-preflight"


class Recorder:
    """Writes one run. `trouble` says why something could not be written, empty if all was."""

    def __init__(self, directory: RunDirectory, known: KnownFailures) -> None:
        """Record into `directory`."""
        self.directory = directory
        self.known = known
        self.trouble = ""
        self.started_at = datetime.now(UTC)
        self._cases: dict[str, CaseResult] = {}
        self._lock = threading.Lock()
        # Appending must not hold up the loop that measures answers.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="preflight-trace")

    def begin(self, *, sut_name: str, edition: str) -> None:
        """Begin the trace; from here on `add` may be called."""
        self.started_at = datetime.now(UTC)
        self._submit(
            lambda: self.directory.begin(
                started_at=self.started_at, sut_name=sut_name, edition=edition
            )
        )

    def add(self, case: CaseResult) -> None:
        """Take the result of a case that ended. From any thread."""
        with self._lock:
            self._cases[case.case_id] = case
        self._submit(lambda: self.directory.append_case(case))

    @property
    def cases(self) -> tuple[CaseResult, ...]:
        """All results so far, in the order in which they came."""
        with self._lock:
            return tuple(self._cases.values())

    def finish(
        self,
        run: RunResult,
        *,
        all_ids: Iterable[str],
        problems: Iterable[str] = (),
    ) -> tuple[Report, Outcome]:
        """Write what is drawn from the whole run, and return it with how the run ended.

        Args:
            all_ids: every case that exists, for patterns of the known-failures file.
            problems: what else is wrong with the run.
        """
        self._writer.shutdown(wait=True)
        found = [*problems, *self.known.problems(run.cases, all_ids=all_ids)]
        known = [entry for case in run.cases if (entry := self.known.excuse(case))]
        excused = {entry.case_id for entry in known}
        outcome = decide(run, excused=excused, problems=found)
        report = make_report(
            run,
            version=version(DISTRIBUTION),
            exit_code=outcome.exit_code,
            known=known,
            problems=found,
        )
        self._try(lambda: self.directory.write_report(report))
        for case in run.cases:
            if case.events:
                self._try(partial(self._draw, case, run.sut_name))
        self._try(lambda: self._allure(report))
        self._try(lambda: self.directory.write(PREVIEW, render(report)))
        page = markdown.render(report, reason=outcome.reason)
        self._try(lambda: self.directory.write(MARKDOWN, page))
        if self.trouble:
            outcome = replace(outcome, exit_code=outcome.exit_code or UNUSABLE)
        return report, outcome

    def copy_junit(self, junit: Path) -> None:
        """Put pytest's JUnit file into the run's folder, where it is not there already."""
        self._try(lambda: self._copy(junit))

    def _draw(self, case: CaseResult, sut_name: str) -> None:
        name = "".join(char if char.isalnum() or char in "-_." else "_" for char in case.case_id)
        self.directory.write(f"{DIAGRAMS}/{name}.svg", draw(case, sut_name=sut_name))

    def _allure(self, report: Report) -> None:
        """Write what Allure shows beside the cases: environment, categories, the summary."""
        text = io.StringIO()
        print_summary(report, Console(file=text, width=120, color_system=None))
        files = {
            "environment.properties": environment_text(environment(report)),
            "categories.json": json.dumps(CATEGORIES, indent=1),
            "summary-attachment.txt": text.getvalue(),
            "run-globals.json": globals_text(
                {"Summary and performance": ("summary-attachment.txt", "text/plain")},
                at=report.run.started_at,
            ),
        }
        for rest in (self.directory.path / ALLURE_RESULTS).glob("*-not-run.json"):
            rest.unlink(missing_ok=True)
        for name, body in files.items():
            self.directory.write(f"{ALLURE_RESULTS}/{name}", body)
        self.directory.write(SUMMARY, text.getvalue())

    def _copy(self, junit: Path) -> None:
        target = self.directory.path / JUNIT
        try:
            if junit.exists() and junit.resolve() != target.resolve():
                shutil.copyfile(junit, target)
        except OSError as exc:
            raise ReportsUnwritable(target, exc) from exc

    def _submit(self, write: Callable[[], object]) -> None:
        self._writer.submit(self._try, write)

    def _try(self, write: Callable[[], object]) -> None:
        try:
            write()
        except ReportsUnwritable as exc:
            self.trouble = self.trouble or str(exc)
