"""The pytest plugin: every scenario file is an item, judged by the harness, reported by pytest.

Cases run on a background event loop side by side; each item waits for its own. Findings fail an
item, faults of the harness itself are pytest errors. Without ``--sut`` the plugin only offers its
markers, and collects nothing outside of the shipped scenarios.

pytest stays in charge of selecting, ordering and reporting; `harness.report` writes the files.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import allure_commons
import pytest
from rich.console import Console
from rich.text import Text

from harness import known_failures
from harness.background import Background
from harness.engine import EngineError, RunOptions
from harness.loader import ScenarioError, library_directory, load_file
from harness.model import EDITIONS, Profile, Requirement, Scenario
from harness.report.allure import AllureCase, AllureFiller
from harness.report.directory import (
    ALLURE_RESULTS,
    DEFAULT_KEEP,
    JUNIT,
    ReportsUnwritable,
    RunDirectory,
)
from harness.report.document import Known, Report, decode, encode
from harness.report.failure import explain, headline
from harness.report.outcome import UNUSABLE, Outcome
from harness.report.recorder import Recorder
from harness.report.summary import print_summary
from harness.results import CaseResult, RunResult, Verdict
from harness.sut import SutError, SystemUnderTest, find_sut
from harness.sut import load as load_sut

# The words for -m, the same as the folders below scenarios/.
MARKER_OF: Final = {
    Profile.CORE: "core",
    Profile.FIRMWARE_MANAGEMENT: "firmware_management",
    Profile.LOCAL_AUTH_LIST_MANAGEMENT: "local_auth_list",
    Profile.RESERVATION: "reservation",
    Profile.SMART_CHARGING: "smart_charging",
    Profile.REMOTE_TRIGGER: "remote_trigger",
    Profile.SECURITY: "security",
}
# Python hands the interpreter from thread to thread this often. The default of 5 ms would show up
# in every answer measured while the main thread writes reports.
_SWITCH_INTERVAL_S: Final = 0.0005
_DEFAULT_SWITCH_INTERVAL_S: Final = 0.005
_NO_SCENARIOS: Final = frozenset({"case-list.yaml"})


class Findings(AssertionError):
    """The CSMS is not as it should be, or could not be observed."""


class HarnessFault(Exception):
    """The harness could not do its part."""


@dataclass(slots=True)
class Run:
    """What one pytest process knows about its run. Workers of xdist record nothing themselves.

    Attributes:
        trouble: why the run cannot begin; told once pytest can show it.
        ids: the ids of all collected cases, selected or not.
        listeners: called with each result, possibly on another thread.
        from_workers: what each xdist worker handed over at its end.
        report, outcome: set at the end.
    """

    sut_path: Path
    worker: str
    recorder: Recorder | None = None
    sut: SystemUnderTest | None = None
    filler: AllureFiller | None = None
    background: Background | None = None
    edition: str = ""
    trouble: str = ""
    ids: set[str] = field(default_factory=set)
    futures: dict[str, Future[CaseResult]] = field(default_factory=dict)
    listeners: list[Callable[[CaseResult], None]] = field(default_factory=list)
    from_workers: list[RunResult] = field(default_factory=list)
    report: Report | None = None
    outcome: Outcome | None = None

    def tell(self, result: CaseResult) -> None:
        """Pass a result on to everyone who listens."""
        for listener in self.listeners:
            listener(result)


RUN: Final = pytest.StashKey[Run]()


# --- options and preparation -------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a run."""
    add = parser.getgroup("preflight", "OCPP Preflight").addoption
    add("--sut", metavar="FILE", help="system under test: a file, or the name of a shipped one")
    add("--edition", choices=EDITIONS, help="edition of the case list (default: the SUT file's)")
    add(
        "--ocpp-strict",  # pytest has a --strict of its own
        action="store_true",
        help="requests nobody asked for and missed targets fail",
    )
    add("--concurrency", type=int, default=16, metavar="N", help="cases at a time (default 16)")
    add(
        "--settle",
        type=float,
        default=0.5,
        metavar="S",
        help="seconds a connection stays watched after its case (default 0.5)",
    )
    add("--known-failures", metavar="FILE", help="TOML list of cases that may fail for now")
    add("--reports", default="reports", metavar="DIR", help="where reports go (default: reports)")
    add(
        "--keep",
        type=int,
        default=DEFAULT_KEEP,
        metavar="N",
        help=f"runs that stay in the reports folder, 0 keeps all (default {DEFAULT_KEEP})",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; with ``--sut`` make the run's folder, for Allure and JUnit too."""
    for profile, marker in MARKER_OF.items():
        config.addinivalue_line("markers", f"{marker}: cases of the profile {profile.value}")
    for requirement in Requirement:
        config.addinivalue_line("markers", f"{requirement.value}: how surely a case is demanded")
    if not config.option.sut:
        return
    worker = getattr(config, "workerinput", None)
    run = Run(_near(find_sut(config.option.sut)), worker["workerid"] if worker else "")
    config.stash[RUN] = run
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = [str(library_directory())]
    if not worker and not config.option.collectonly:
        _make_directory(config, run)


def _make_directory(config: pytest.Config, run: Run) -> None:
    option = config.option
    try:
        known = known_failures.KnownFailures()
        if option.known_failures:
            known = known_failures.load(Path(option.known_failures))
        directory = RunDirectory.create(
            Path(option.reports), started_at=datetime.now(UTC), keep=option.keep
        )
    except (ReportsUnwritable, known_failures.KnownFailuresError) as exc:
        run.trouble = str(exc)
        return
    run.recorder = Recorder(directory, known)
    if not getattr(option, "allure_report_dir", None):
        option.allure_report_dir = str(directory.path / ALLURE_RESULTS)
    if not getattr(option, "xmlpath", None):
        option.xmlpath = str(directory.path / JUNIT)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker where the run's folder is."""
    run = node.config.stash.get(RUN, None)
    if run is not None and run.recorder is not None:
        node.workerinput["preflight_directory"] = str(run.recorder.directory.path)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Read the system-under-test file before anything else; what is wrong with it ends the run."""
    config = session.config
    run = config.stash.get(RUN, None)
    if run is None:
        return
    if run.trouble:
        pytest.exit(run.trouble, returncode=UNUSABLE)
    try:
        run.sut = load_sut(run.sut_path, run_dir=_folder(config, run))
    except SutError as exc:
        pytest.exit(str(exc), returncode=UNUSABLE)
    run.edition = config.option.edition or run.sut.edition
    if run.recorder is not None and config.pluginmanager.hasplugin("dsession"):
        run.recorder.begin(sut_name=run.sut.name, edition=run.edition)


def _folder(config: pytest.Config, run: Run) -> Path:
    """Return where the started program and its log live; each worker of xdist has its own."""
    if run.recorder is not None:
        return run.recorder.directory.path.absolute()
    worker = getattr(config, "workerinput", {})
    return Path(worker.get("preflight_directory", config.option.reports)).absolute() / run.worker


# --- collection --------------------------------------------------------------------------------


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect scenario files: the shipped ones always, any other only in a run."""
    if file_path.suffix != ".yaml" or file_path.name in _NO_SCENARIOS:
        return None
    if "states" in file_path.parts:
        return None
    run = parent.config.stash.get(RUN, None)
    is_shipped = library_directory().resolve() in file_path.resolve().parents
    if not is_shipped and (run is None or file_path.resolve() == run.sut_path.resolve()):
        return None
    return ScenarioFile.from_parent(parent, path=file_path)


class ScenarioFile(pytest.File):
    """One YAML file, which is one case."""

    def collect(self) -> Iterator[ScenarioItem]:
        """Load the case.

        Raises:
            CollectError: the file is no valid scenario.
        """
        run = self.config.stash.get(RUN, None)
        connectors = run.sut.station.connectors if run is not None and run.sut is not None else 2
        try:
            scenario = load_file(_near(self.path), connectors=connectors)
        except ScenarioError as exc:
            raise self.CollectError(str(exc)) from exc
        yield ScenarioItem.from_parent(self, name=scenario.id, scenario=scenario)


class ScenarioItem(pytest.Item):
    """One case. `result` is set as soon as it is pytest's turn to report it."""

    def __init__(self, *, scenario: Scenario, **kwargs: Any) -> None:
        """Make the item of a scenario."""
        super().__init__(**kwargs)
        self.scenario = scenario
        self.result: CaseResult | None = None
        self.known: Known | None = None
        self.add_marker(MARKER_OF[scenario.profile])
        self.add_marker(scenario.requirement.value)
        self.extra_keyword_matches.add(scenario.profile.value)

    def setup(self) -> None:
        """Report what is the harness's own fault as an error."""
        if self.result is not None and self.result.verdict is Verdict.ERROR:
            raise HarnessFault(explain(self.result))

    def runtest(self) -> None:
        """Report the verdict."""
        if self.result is None:
            raise HarnessFault(f"{self.name} has no result")
        match self.result.verdict:
            case Verdict.PASSED:
                return
            case Verdict.NOT_APPLICABLE:
                pytest.skip(self.result.reason)
            case _:
                raise Findings(headline(self.result))

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """Return what a person needs to understand the failure, without a stack trace."""
        if isinstance(excinfo.value, Findings | HarnessFault) and self.result is not None:
            return explain(self.result)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the case is written."""
        return self.path, self.scenario.position.line - 1, f"{self.name} {self.scenario.title}"


def _near(path: Path) -> Path:
    """Return the path as a person here would write it: relative where it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse two cases of one id, before -k and -m take any away."""
    files: dict[str, Path] = {}
    for item in _scenario_items(items):
        other = files.setdefault(item.name, item.path)
        if other != item.path:
            pytest.exit(
                f"{item.scenario.position}: {item.name} is also the id of {other}; ids must differ",
                returncode=UNUSABLE,
            )
    if (run := config.stash.get(RUN, None)) is not None:
        run.ids |= set(files)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the system under test and all selected cases."""
    config = session.config
    items = list(_scenario_items(session.items))
    if not items or config.option.collectonly or session.testsfailed:
        return
    run = config.stash.get(RUN, None)
    if run is None or run.sut is None:
        pytest.exit("which CSMS? Name its file with --sut FILE", returncode=UNUSABLE)
    worker: dict[str, Any] = getattr(config, "workerinput", {})
    if run.recorder is not None:
        run.recorder.begin(sut_name=run.sut.name, edition=run.edition)
        run.listeners.insert(0, run.recorder.add)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    run.background = Background(
        run.sut,
        RunOptions(
            run_dir=_folder(config, run),
            edition=run.edition,
            strict=config.option.ocpp_strict,
            settle_s=config.option.settle,
            concurrency=1 if worker else config.option.concurrency,
            worker=int(run.worker.removeprefix("gw")) if worker else 0,
            workers=worker.get("workercount", 1),
            leftovers=Path(config.option.reports) / f"leftovers{run.worker}.jsonl",
        ),
        on_result=run.tell,
    )
    try:
        run.background.start()
    except EngineError as exc:
        pytest.exit(str(exc), returncode=UNUSABLE)
    run.filler = AllureFiller(
        sut_name=run.sut.name,
        edition=run.edition,
        links=dict(getattr(config.option, "allure_link_pattern", ())),
    )
    allure_commons.plugin_manager.register(run.filler)
    if not worker:  # a worker does not know its share before it gets it
        for item in items:
            run.futures[item.nodeid] = run.background.submit(item.scenario)


def _scenario_items(items: Iterable[pytest.Item]) -> Iterator[ScenarioItem]:
    return (item for item in items if isinstance(item, ScenarioItem))


# --- running and reporting ---------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Wait for the case. One that was not run is not reported at all."""
    run = item.config.stash.get(RUN, None)
    if not isinstance(item, ScenarioItem) or run is None or run.background is None:
        return None
    future = run.futures.get(item.nodeid) or run.background.submit(item.scenario)
    item.result = future.result()
    item.user_properties += [
        ("verdict", item.result.verdict.value),
        ("profile", item.result.profile.value),
        ("requirement", item.result.requirement.value),
        ("case list", run.edition),
    ]
    if run.recorder is not None:
        item.known = run.recorder.known.excuse(item.result)
    if run.filler is not None:
        run.filler.current = AllureCase(item.scenario, item.result, item.known)
    return True if item.result.verdict is Verdict.NOT_RUN else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Give the report the case's own times, and known failures their own outcome."""
    report = yield
    if not isinstance(item, ScenarioItem) or item.result is None:
        return report
    result = item.result
    decides = call.when == "call" or (call.when == "setup" and report.failed)
    if decides:
        report.duration = result.duration_s
        if result.started_at is not None:
            report.start = result.started_at.timestamp()
            report.stop = report.start + result.duration_s
        _apply_known(item, report)
    if decides and report.skipped and not hasattr(report, "wasxfail"):
        path, line, _ = item.reportinfo()
        report.longrepr = (str(path), line + 1, f"Skipped: {result.reason}")
    if call.when == "teardown" and hasattr(item.config, "workerinput"):
        report.preflight_case = json.dumps(encode(result))  # type: ignore[attr-defined]
    return report


def _apply_known(item: ScenarioItem, report: pytest.TestReport) -> None:
    run = item.config.stash[RUN]
    if item.known is not None and report.failed:
        report.outcome = "skipped"
        report.wasxfail = f"{item.known.reason} ({item.known.where})"
    elif report.passed and item.result is not None and run.recorder is not None:
        entry = run.recorder.known.entry_for(item.result.case_id)
        if entry is not None:
            report.outcome = "failed"
            report.longrepr = (
                f"{item.name} passes, but {run.recorder.known.file} lists it:"
                f" {entry.reason} ({entry.where}). Remove the entry."
            )


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what an xdist worker knows beyond its cases."""
    run = node.config.stash.get(RUN, None)
    rest = getattr(node, "workeroutput", {}).get("preflight_rest")
    if run is not None and rest:
        run.from_workers.append(decode(RunResult, json.loads(rest)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In the process that controls xdist workers: take the cases they ran."""
    text = getattr(report, "preflight_case", "")
    node = getattr(report, "node", None)
    run = node.config.stash.get(RUN, None) if node is not None else None
    if text and run is not None and run.recorder is not None:
        result = decode(CaseResult, json.loads(text))
        run.recorder.add(result)
        run.tell(result)


# --- the end -----------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(
    session: pytest.Session, exitstatus: int
) -> Generator[None, object, object]:
    """Stop everything, write the reports, and turn the outcome into the exit code."""
    run = session.config.stash.get(RUN, None)
    if run is None:
        return (yield)
    begun = _finish(session, run, exitstatus)
    try:
        result = yield
    except OSError as exc:  # JUnit's file; ours tell their own troubles
        result = None
        if run.recorder is not None:
            run.recorder.trouble = run.recorder.trouble or f"cannot write the JUnit file: {exc}"
            session.exitstatus = session.exitstatus or UNUSABLE
    if run.recorder is not None and begun:
        run.recorder.copy_junit(Path(session.config.option.xmlpath))
    return result


def _finish(session: pytest.Session, run: Run, exitstatus: int) -> bool:
    """End the run; say whether it ever began."""
    found = None
    if run.background is not None:
        stop = "interrupted" if exitstatus == pytest.ExitCode.INTERRUPTED else ""
        if session.shouldfail or session.shouldstop:
            stop = str(session.shouldfail or session.shouldstop)
        found = run.background.finish(stop=stop)
        sys.setswitchinterval(_DEFAULT_SWITCH_INTERVAL_S)
    if run.filler is not None:
        allure_commons.plugin_manager.unregister(run.filler)
    if run.worker:
        _hand_over(session, found)
        return False
    if run.recorder is None:
        return False
    if found is None and run.sut is not None and session.config.pluginmanager.hasplugin("dsession"):
        found = _merge(run)
    if found is None:
        if run.background is None:  # else its folder has the log that says why nothing began
            run.recorder.directory.discard()
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            run.outcome = Outcome(UNUSABLE, "no case was selected")
        session.exitstatus = UNUSABLE
        return False
    library = {path.stem for path in library_directory().glob("*/*.yaml")}
    run.report, run.outcome = run.recorder.finish(found, all_ids=run.ids | library)
    code = run.outcome.exit_code
    if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        code = UNUSABLE
    session.exitstatus = code or int(exitstatus)
    return True


def _hand_over(session: pytest.Session, found: RunResult | None) -> None:
    """Give the controlling process what its reports need beside the cases already reported."""
    if found is not None:
        rest = tuple(case for case in found.cases if case.verdict is Verdict.NOT_RUN)
        text = json.dumps(encode(replace(found, cases=rest)))
        session.config.workeroutput["preflight_rest"] = text  # type: ignore[attr-defined]


def _merge(run: Run) -> RunResult:
    """Return the run that all xdist workers made together."""
    recorder, sut, parts = run.recorder, run.sut, run.from_workers
    assert recorder is not None  # noqa: S101  # only called where both are there
    assert sut is not None  # noqa: S101
    not_run = tuple(case for part in parts for case in part.cases)
    return RunResult(
        started_at=recorder.started_at,
        duration_s=(datetime.now(UTC) - recorder.started_at).total_seconds(),
        sut_name=sut.name,
        edition=run.edition,
        cases=tuple(sorted((*recorder.cases, *not_run), key=lambda case: case.case_id)),
        findings=tuple(finding for part in parts for finding in part.findings),
        settings=parts[0].settings if parts else sut.settings(),
        stopped=next((part.stopped for part in parts if part.stopped), ""),
    )


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Show verdicts, warnings and performance below pytest's own words."""
    run = config.stash.get(RUN, None)
    if run is None or run.recorder is None or run.outcome is None:
        return
    terminalreporter.section("OCPP Preflight")
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminalreporter.hasmarkup, width=120)
    show_end(run, console)
    terminalreporter.write(text.getvalue())


def show_end(run: Run, console: Console) -> None:
    """Print how the run ended, and why where it is not good."""
    if run.recorder is None or run.outcome is None:
        return
    if run.report is not None:
        print_summary(run.report, console, reports=str(run.recorder.directory.path))
    for words in (run.outcome.reason, run.recorder.trouble):
        if words:
            console.print(Text(words, style="bold red"), soft_wrap=True)
