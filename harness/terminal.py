"""The terminal output of `preflight run`, in the place of pytest's own.

Results go to standard output, progress and troubles to standard error. Loaded as a pytest plugin
after `harness.plugin`, by `preflight run` alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from harness.ci import Job
from harness.operator.session import is_with_person
from harness.plugin import RUN, scenario_items
from harness.progress import Progress
from harness.report.markdown import render
from harness.report.summary import STYLES
from harness.results import CaseResult, Verdict
from harness.run_plugin import RunPlugin


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Take the place of pytest's terminal reporter."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        config.pluginmanager.unregister(reporter)
    config.pluginmanager.register(_Terminal(config), "preflight-terminal")


class _Terminal:
    """Shows the progress of a run, each case that did not pass, and the summary."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)
        self._progress: Progress | None = None
        self._has_collection_errors = False
        self._job = Job(os.environ, self._write)
        self._job.begin()

    # --- before the run ------------------------------------------------------------------------

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Show a file that is no valid scenario."""
        if report.failed:
            self._has_collection_errors = True
            self._err.print(Text(str(report.longrepr)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Say what is about to run; the plugin starts it after this."""
        run = self._run()
        count = sum(1 for _ in scenario_items(session.items))
        if self._config.option.collectonly:
            for item in session.items:
                self._out.print(Text(item.nodeid), soft_wrap=True)
        elif (
            run is not None
            and run.sut is not None
            and run.has_selection
            and count
            and not session.testsfailed
        ):
            words = (
                f"{count} case{'s' * (count != 1)} against {run.sut.name}, case list {run.edition}"
            )
            self._err.print(Text(words, style="bold"))
            run.listeners.append(self._on_result)
            if not is_with_person(self._config.option, run.sut):  # that has a face of its own
                self._progress = Progress(self._err, count, run.activities)
                self._progress.start()

    # --- while it runs -------------------------------------------------------------------------

    def _on_result(self, result: CaseResult) -> None:
        """Count a case that ended; called on the thread that runs the cases."""
        if self._progress is not None:
            self._progress.advance(result.verdict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Show a case once pytest reports it: in full where it did not pass."""
        verdict = dict(report.user_properties).get("verdict")
        if report.when == "teardown" or (report.when == "setup" and not report.failed):
            if report.failed:
                self._err.print(Text(report.longreprtext))
            return
        name = report.nodeid.rpartition("::")[2]
        print_line = self._printer()
        if hasattr(report, "wasxfail"):
            print_line(Text.assemble((f"{name}  known", "yellow"), f": {report.wasxfail}"))
        elif report.failed:
            print_line(Text())
            style = STYLES[Verdict(str(verdict))] if verdict else "bold red"
            print_line(Text(f"{'─' * 12} {verdict or 'failed'} {'─' * 12}", style=style))
            print_line(Text(report.longreprtext))
        elif self._progress is not None and self._progress.tells_each and verdict:
            words = f"{name}  {str(verdict).replace('_', ' ')}  {report.duration:.2f} s"
            print_line(Text(words))

    def _printer(self) -> Callable[[Text], None]:
        def print_line(text: Text) -> None:
            if self._progress is not None and self._progress.is_live and sys.stdout.isatty():
                self._err.print(text, soft_wrap=True)
            else:
                self._out.print(text, soft_wrap=True)

        return print_line

    # --- at the end ----------------------------------------------------------------------------

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Say why the run ends before its time."""
        self._stop_progress()
        if isinstance(excinfo.value, pytest.exit.Exception):
            self._err.print(Text(str(excinfo.value.msg), style="bold red"))
        elif not isinstance(excinfo.value, pytest.Session.Interrupted):
            self._err.print(Text("interrupted: cleaning up, the results so far are kept"))

    def pytest_internalerror(self, excrepr: object) -> None:
        """Show a fault of the harness itself."""
        self._stop_progress()
        self._err.print(Text(str(excrepr)))

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self) -> Any:
        """Print the summary once everything is written."""
        result = yield
        self._stop_progress()
        run = self._run()
        if run is not None:
            run.show(self._out)
            if run.operator is not None and run.report is not None and run.report.run.stopped:
                words = f"Go on with: {run.operator.how_to_go_on()}"
                self._err.print(Text(words, style="bold"))
        if self._has_collection_errors:
            words = "nothing was run: correct the files named above first"
            self._err.print(Text(words, style="bold red"))
        if run is not None and run.report is not None:
            trouble = self._job.end(run.report, render(run.report, reason=run.reason))
            if trouble:
                self._err.print(Text(trouble, style="bold red"))
        return result

    def pytest_unconfigure(self) -> None:
        """Leave the log of a CI job as it was, also where no run came about."""
        self._job.end(None, "")

    def _write(self, line: str) -> None:
        """Write a line for a machine."""
        self._out.file.write(f"{line}\n")
        self._out.file.flush()

    def _stop_progress(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _run(self) -> RunPlugin | None:
        return self._config.stash.get(RUN, None)
