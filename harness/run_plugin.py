"""The part of the pytest plugin that exists only in a run, that is, with ``--sut``.

Cases run on a background event loop side by side; each item waits for its own and is reported with
its own times. Under xdist each worker runs its cases one after the other, on identities of its own,
and the controlling process gathers what they report. Files are `harness.report`'s business.
"""

from __future__ import annotations

import io
import json
import signal
import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import allure_commons
import pytest
from rich.console import Console
from rich.text import Text

from harness import known_failures
from harness.activity import Activity
from harness.background import Background
from harness.declaration import unknown_switch
from harness.engine import EngineError, RunOptions
from harness.judge_declaration import judge_declaration
from harness.judge_run import judge_run
from harness.loader import States, library_directory, states_for
from harness.model import CaseSet
from harness.operator.journal import CannotResume, Earlier, resume
from harness.operator.session import OperatorSession, is_with_person, ordered
from harness.plugin import HarnessFault, ScenarioItem, near, scenario_items
from harness.provisioning import Registry
from harness.report.allure import AllureCase, AllureFiller
from harness.report.directory import ALLURE_RESULTS, JUNIT, ReportsUnwritable, RunDirectory
from harness.report.document import Known, Report, decode, encode
from harness.report.failure import explain
from harness.report.outcome import NOTHING_SELECTED, UNUSABLE, Outcome
from harness.report.preview import PREVIEW
from harness.report.recorder import Recorder
from harness.report.summary import print_summary
from harness.results import CaseResult, RunResult, Verdict
from harness.selection import profiles_by_identity
from harness.sut import SutError, SystemUnderTest, find_sut
from harness.sut import load as load_sut

# Python hands the interpreter from thread to thread this often. Its default of 5 ms would show up
# in every answer measured while the main thread writes reports.
_SWITCH_INTERVAL_S: Final = 0.0005


class RunPlugin:
    """One run in one pytest process. Workers of xdist record nothing themselves.

    Attributes:
        ids: the ids of all collected cases, selected or not.
        listeners: called with each result, possibly on another thread.
        has_selection: whether -k, -m and the ids could be made sense of.
        report, outcome: set at the end.
    """

    def __init__(self, config: pytest.Config) -> None:
        """Make the run's folder, and point Allure and JUnit to it."""
        self.config = config
        self.sut_path = near(find_sut(config.option.sut))
        self.sut: SystemUnderTest | None = None
        self.edition = ""
        self.states: States | None = None
        self.ids: set[str] = set()
        self.listeners: list[Callable[[CaseResult], None]] = []
        self.has_selection = False
        self.recorder: Recorder | None = None
        self.operator: OperatorSession | None = None  # where a person acts
        self.earlier: Earlier | None = None  # the part of a resumed run that was before
        self.report: Report | None = None
        self.outcome: Outcome | None = None
        self._trouble = ""  # why the run cannot begin, told once pytest can show it
        self._worker: dict[str, Any] = getattr(config, "workerinput", {})
        self._filler: AllureFiller | None = None
        self._background: Background | None = None
        self._futures: dict[str, Future[CaseResult]] = {}
        self._waiting: list[ScenarioItem] = []  # until the official cases are through
        self._known: Known | None = None  # of the case that is reported now
        self._from_workers: list[RunResult] = []
        self._switch_interval_s = sys.getswitchinterval()
        self._on_sigterm: Any = None
        if config.args_source is not pytest.Config.ArgsSource.ARGS:
            config.args = [str(library_directory())]
        self._known_failures = known_failures.KnownFailures()
        try:
            if config.option.known_failures:
                self._known_failures = known_failures.load(Path(config.option.known_failures))
        except known_failures.KnownFailuresError as exc:
            self._trouble = str(exc)
        if self._worker:
            self._point_allure(Path(self._worker["preflight_directory"]))
        elif not config.option.collectonly and not self._trouble:
            self._make_directory()

    def _make_directory(self) -> None:
        option = self.config.option
        if option.resume:
            try:
                self.earlier = resume(Path(option.resume))
            except CannotResume as exc:
                self._trouble = str(exc)
                return
            directory = RunDirectory.resumed(self.earlier.path)
            self.recorder = Recorder(directory, self._known_failures)
            self._point_allure(directory.path)
            option.xmlpath = str(directory.path / JUNIT)
            return
        try:
            directory = RunDirectory.create(
                Path(option.reports), started_at=datetime.now(UTC), keep=option.keep
            )
        except ReportsUnwritable as exc:
            self._trouble = str(exc)
            return
        self.recorder = Recorder(directory, self._known_failures)
        self._point_allure(directory.path)
        if not getattr(option, "xmlpath", None):
            option.xmlpath = str(directory.path / JUNIT)

    def _point_allure(self, directory: Path) -> None:
        if not getattr(self.config.option, "allure_report_dir", None):
            self.config.option.allure_report_dir = str(directory / ALLURE_RESULTS)

    @property
    def _is_controller(self) -> bool:
        """Whether the cases run in workers of xdist and not here."""
        return self.config.pluginmanager.hasplugin("dsession")

    def _names_files_only(self) -> bool:
        """Whether every case was named by its own file: then nothing is too slow."""
        return all(Path(word.partition("::")[0]).is_file() for word in self.config.args)

    def _all_ids(self) -> set[str]:
        """Return the ids of all cases, collected or shipped."""
        return self.ids | {path.stem for path in library_directory().glob("*/*.yaml")}

    def _folder(self) -> Path:
        """Return where the started program and its log live; each worker has its own."""
        if self.recorder is not None:
            return self.recorder.directory.path.absolute()
        return Path(self._worker["preflight_directory"]) / str(self._worker["workerid"])

    def tell(self, result: CaseResult) -> None:
        """Pass a result on to everyone who listens."""
        for listener in self.listeners:
            listener(result)

    def activities(self) -> tuple[Activity, ...]:
        """Return what each running case waits for, as far as it runs in this process."""
        return self._background.activities() if self._background is not None else ()

    # --- before the first case -----------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Read the system-under-test file before anything else; what is wrong ends the run."""
        if self._trouble:
            pytest.exit(self._trouble, returncode=UNUSABLE)
        collects_only = self.recorder is None and not self._worker
        folder = Path(self.config.option.reports) if collects_only else self._folder()
        try:
            self.sut = load_sut(self.sut_path, run_dir=folder)
        except SutError as exc:
            pytest.exit(str(exc), returncode=UNUSABLE)
        self.edition = self.config.option.edition or self.sut.edition
        paths = (Path(argument.partition("::")[0]) for argument in self.config.args)
        self.states = states_for([path for path in paths if path.exists()])
        if self.states.problems:
            words = "\n".join(str(problem) for problem in self.states.problems)
            pytest.exit(words, returncode=UNUSABLE)
        if self.recorder is not None and self._is_controller:
            self._begin(self.recorder, self.sut)

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(
        self, items: list[pytest.Item]
    ) -> Generator[None, object, object]:
        """Remember that the selection was made: pytest ends a failed collection like a good one."""
        result = yield
        self.has_selection = True
        if self.sut is not None and is_with_person(self.config.option, self.sut):
            cases = list(scenario_items(items))
            places = ordered([item.scenario for item in cases], self.edition)
            others = [item for item in items if not isinstance(item, ScenarioItem)]
            items[:] = [*others, *(cases[place] for place in places)]
        return result

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Start the system under test and all selected cases."""
        items = list(scenario_items(session.items))
        option = self.config.option
        if not items or not self.has_selection or self.sut is None or option.collectonly:
            return
        if session.testsfailed and not option.continue_on_collection_errors:
            return
        if wrong := unknown_switch(self.sut.declaration, self._all_ids()):
            self._trouble = f"{self.sut_path}: {wrong}"
            pytest.exit(self._trouble, returncode=UNUSABLE)
        if self.recorder is not None:
            self._begin(self.recorder, self.sut)
        worker_id = str(self._worker.get("workerid", ""))
        options = RunOptions(
            run_dir=self._folder(),
            edition=self.edition,
            strict=option.ocpp_strict,
            settle_s=option.settle,
            concurrency=1 if self._worker else option.concurrency,
            worker=int(worker_id.removeprefix("gw") or 0),
            workers=int(self._worker.get("workercount", 1)),
            leftovers=Path(option.reports) / "leftovers.jsonl",
            slow=option.slow or self._names_files_only(),
            may_test_public=option.may_test_public,
        )
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        if threading.current_thread() is threading.main_thread():
            # CI ends jobs with SIGTERM; what was started must end with us.
            self._on_sigterm = signal.signal(signal.SIGTERM, signal.default_int_handler)
        if not self._worker and is_with_person(option, self.sut):
            options = self._with_person(self.sut, options, items)
        self._background = Background(self.sut, options, on_result=self.tell)
        try:
            engine = self._background.start()
            if self.operator is not None:
                self.operator.desk.on_stop = engine.stop
        except EngineError as exc:
            self._trouble = str(exc)
            pytest.exit(self._trouble, returncode=UNUSABLE)
        self._filler = AllureFiller(
            sut_name=self.sut.name,
            edition=self.edition,
            links=dict(getattr(option, "allure_link_pattern", ())),
        )
        allure_commons.plugin_manager.register(self._filler)
        # A worker learns its share of the cases only one by one, and a person does one by one.
        if not self._worker and self.operator is None:
            self._waiting = items
            self._submit_next_set(self._background)

    def _submit_next_set(self, background: Background) -> None:
        """Start the cases of one set side by side; the next set disturbs nobody's times."""
        first = self._waiting[0].scenario.case_set if self._waiting else None
        is_extended = first is not CaseSet.OFFICIAL
        for item in list(self._waiting):
            if is_extended or item.scenario.case_set is CaseSet.OFFICIAL:
                self._waiting.remove(item)
                self._futures[item.nodeid] = background.submit(item.scenario)

    def _begin(self, recorder: Recorder, sut: SystemUnderTest) -> None:
        recorder.begin(sut_name=sut.name, edition=self.edition)
        self.listeners.insert(0, recorder.add)

    # --- case by case --------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Wait for the case. One that was not run is not reported at all."""
        if not isinstance(item, ScenarioItem) or self._background is None:
            return None
        if self._filler is not None:
            self._filler.current = AllureCase(item.scenario, None)  # until there is a result
        if item in self._waiting:
            self._submit_next_set(self._background)
        result = item.result = self._result_of(item, self._background)
        item.user_properties += [
            ("verdict", result.verdict.value),
            ("profile", result.profile.value),
            ("requirement", result.requirement.value),
            ("case list", self.edition),
        ]
        self._known = self._known_failures.excuse(result)
        if self._filler is not None:
            self._filler.current = AllureCase(item.scenario, result, self._known)
        return True if result.verdict is Verdict.NOT_RUN else None

    def _result_of(self, item: ScenarioItem, background: Background) -> CaseResult:
        """Wait for a case; one that an earlier part of the run did is done."""
        if self.operator is not None and (done := self.operator.done(item.name)) is not None:
            return done
        future = self._futures.get(item.nodeid) or background.submit(item.scenario)
        return future.result()

    def _with_person(
        self, sut: SystemUnderTest, options: RunOptions, items: list[ScenarioItem]
    ) -> RunOptions:
        """Open what a person needs, and return the options of such a run."""
        self.operator = OperatorSession(
            sut,
            self.config.option,
            directory=self._folder(),
            arguments=self.config.args,
            earlier=self.earlier,
        )
        self.sut = self.operator.sut
        try:
            self.operator.begin([item.scenario for item in items])
        except OSError as exc:
            self._trouble = f"what a person needs cannot be opened: {exc.strerror or exc}"
            pytest.exit(self._trouble, returncode=UNUSABLE)
        self.listeners.append(self.operator.add)
        return replace(
            options, concurrency=1, attendant=self.operator.desk, earlier=self.operator.earlier
        )

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Give the report the case's own times, and known failures their own outcome."""
        report = yield
        if not isinstance(item, ScenarioItem) or item.result is None:
            return report
        result = item.result
        report.duration = 0.0  # of its phases; the case's own time goes to the one that decides
        if call.when == "call" or (call.when == "setup" and report.failed):
            report.duration = result.duration_s
            if result.started_at is not None:
                report.start = result.started_at.timestamp()
                report.stop = report.start + result.duration_s
            self._apply_known(result, report)
            if call.excinfo is not None and isinstance(call.excinfo.value, HarnessFault):
                report.longrepr = explain(result)  # pytest asks repr_failure about calls alone
            if result.verdict is Verdict.NOT_APPLICABLE:
                position = result.position
                report.longrepr = (position.file, position.line, f"Skipped: {result.reason}")
        if call.when == "teardown" and self._worker:
            report.preflight_case = json.dumps(encode(result))  # type: ignore[attr-defined]  # travels with it
        return report

    def _apply_known(self, result: CaseResult, report: pytest.TestReport) -> None:
        if self._known is not None and report.failed:
            report.outcome = "skipped"
            report.wasxfail = f"{self._known.reason} ({self._known.where})"
        elif report.passed and (entry := self._known_failures.entry_for(result.case_id)):
            report.outcome = "failed"
            report.longrepr = (
                f"{result.case_id} passes, but {self._known_failures.file} lists it as"
                f" {entry.pattern!r}: {entry.reason} ({entry.where}). Remove the entry."
            )

    # --- with xdist ----------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where the run's folder is."""
        if self.recorder is not None:
            directory = self.recorder.directory.path.absolute()
            node.workerinput["preflight_directory"] = str(directory)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a case that a worker ran."""
        text = getattr(report, "preflight_case", "")
        if text and not self._worker:
            self.tell(decode(CaseResult, json.loads(text)))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker knows beyond the cases it reported."""
        rest = getattr(node, "workeroutput", {}).get("preflight_rest")
        if rest:
            self._from_workers.append(decode(RunResult, json.loads(rest)))

    def _hand_over(self, found: RunResult) -> None:
        """Give the controlling process what its reports need beyond the cases reported."""
        rest = tuple(case for case in found.cases if case.verdict is Verdict.NOT_RUN)
        output: dict[str, str] = self.config.workeroutput  # type: ignore[attr-defined]  # of xdist
        output["preflight_rest"] = json.dumps(encode(replace(found, cases=rest)))

    def _merge(self, recorder: Recorder, sut: SystemUnderTest) -> RunResult:
        """Return the run that all workers made together."""
        parts = self._from_workers
        not_run = tuple(case for part in parts for case in part.cases)
        cases = tuple(sorted((*recorder.cases, *not_run), key=lambda case: case.case_id))
        stopped = next((part.stopped for part in parts if part.stopped), "")
        empty = self._empty_run(sut, stopped=stopped)
        findings = [finding for part in parts for finding in part.findings]
        if sut.start is None:  # all workers met the same CSMS: judge what none of them saw alone
            findings = [one for one in findings if not one.rule.startswith("run.")]
            findings += judge_run(cases)
        cases, missing = Registry(sut, lambda _: "").judge(cases)
        whole = ("declaration.", "provisioning.")
        findings = [one for one in findings if not one.rule.startswith(whole)]
        findings += [*missing]
        findings += judge_declaration(
            cases, sut.declaration, security_profiles=profiles_by_identity(sut)
        )
        return replace(
            empty,
            started_at=recorder.started_at,
            duration_s=(datetime.now(UTC) - recorder.started_at).total_seconds(),
            cases=cases,
            findings=tuple(dict.fromkeys(findings)),
            settings={**(parts[0] if parts else empty).settings, "workers": len(parts)},
        )

    def _empty_run(self, sut: SystemUnderTest, *, stopped: str) -> RunResult:
        return RunResult(
            started_at=datetime.now(UTC),
            duration_s=0.0,
            sut_name=sut.name,
            edition=self.edition,
            cases=(),
            settings={"system_under_test": sut.settings()},
            stopped=stopped,
        )

    # --- the end -------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(
        self, session: pytest.Session, exitstatus: int
    ) -> Generator[None, object, object]:
        """Stop everything, write the reports, and turn the outcome into the exit code."""
        found = self._stop(session, exitstatus)
        if self._worker:
            if found is not None:
                self._hand_over(found)
            return (yield)
        if self.recorder is not None:
            if found is None and self.sut is not None and self._is_controller:
                found = self._merge(self.recorder, self.sut)
            session.exitstatus = self._conclude(self.recorder, found, int(exitstatus))
        try:
            result = yield
        except OSError as exc:  # pytest's JUnit file; ours tell their own troubles
            result = None
            if self.recorder is not None:
                path = Path(self.config.option.xmlpath)
                self.recorder.trouble = str(ReportsUnwritable(path, exc))
                session.exitstatus = session.exitstatus or UNUSABLE
        if self.recorder is not None and self.report is not None:
            self.recorder.copy_junit(Path(self.config.option.xmlpath))
        elif self.recorder is not None:
            self.recorder.directory.discard()
        return result

    def _stop(self, session: pytest.Session, exitstatus: int) -> RunResult | None:
        """Stop the background; return what it found, or None where nothing ever ran here."""
        found = None
        if self._background is not None and self.sut is not None:
            stop = str(session.shouldfail or session.shouldstop or "")
            if exitstatus == pytest.ExitCode.INTERRUPTED:
                stop = "interrupted"
            found = self._background.finish(stop=stop)
            if self.operator is not None:
                self.operator.end()
            sys.setswitchinterval(self._switch_interval_s)
            if self._on_sigterm is not None:
                signal.signal(signal.SIGTERM, self._on_sigterm)
            if found is None:  # it never came as far as the first case
                found = self._empty_run(self.sut, stopped=self._trouble or stop)
        if self._filler is not None:
            if found is not None:
                self._write_rest(self._filler, session, found)
            allure_commons.plugin_manager.unregister(self._filler)
            if self._filler.trouble is not None and self.recorder is not None:
                path = Path(self.config.option.allure_report_dir)
                self.recorder.trouble = str(ReportsUnwritable(path, self._filler.trouble))
        return found

    def _write_rest(self, filler: AllureFiller, session: pytest.Session, found: RunResult) -> None:
        """Write the Allure results of cases that ended but were not reported any more."""
        scenarios = {item.name: item.scenario for item in scenario_items(session.items)}
        for case in found.cases:
            if case.case_id not in filler.written and case.case_id in scenarios:
                known = self._known_failures.excuse(case)
                filler.write(AllureCase(scenarios[case.case_id], case, known))

    def _conclude(self, recorder: Recorder, found: RunResult | None, exitstatus: int) -> int:
        """Write the reports and return the exit code."""
        if found is None:
            if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
                self.outcome = Outcome(UNUSABLE, NOTHING_SELECTED)
            return UNUSABLE
        if self.operator is not None:
            found = self.operator.whole(found)
        self.report, self.outcome = recorder.finish(found, all_ids=self._all_ids())
        if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return UNUSABLE
        return self.outcome.exit_code or exitstatus

    @property
    def reason(self) -> str:
        """Why the run proves nothing, or could not be written; empty where all is well."""
        told = (
            self._trouble,
            self.outcome.reason if self.outcome is not None else "",
            self.recorder.trouble if self.recorder is not None else "",
        )
        return next(filter(None, told), "")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show verdicts, warnings and performance below pytest's own words."""
        if self.outcome is None:
            return
        terminalreporter.section("OCPP Preflight")
        text = io.StringIO()
        self.show(Console(file=text, force_terminal=terminalreporter.hasmarkup, width=120))
        terminalreporter.write(text.getvalue())

    def show(self, console: Console) -> None:
        """Print how the run ended, and why where it is not good."""
        if self.recorder is None or self.outcome is None:
            return
        if self.report is not None:
            path = self.recorder.directory.path
            preview = str(path / PREVIEW) if (path / PREVIEW).is_file() else ""
            print_summary(self.report, console, reports=str(path), preview=preview)
        for words in (self.outcome.reason, self.recorder.trouble):
            if words and not self._trouble:  # else told already
                console.print(Text(words, style="bold red"), soft_wrap=True)
