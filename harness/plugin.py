"""The pytest plugin: every scenario file is an item, judged by the harness, reported by pytest.

Findings fail an item, faults of the harness itself are pytest errors. Without ``--sut`` the plugin
only offers its markers, and collects nothing but the shipped scenarios. With it, the run itself is
`harness.run_plugin`, loaded then and not before: a project that merely has us installed pays
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from harness.model import EDITIONS, CaseSet, Profile, Requirement, Scenario
from harness.report.directory import DEFAULT_KEEP
from harness.report.failure import explain, headline
from harness.report.outcome import UNUSABLE
from harness.results import CaseResult, Verdict

if TYPE_CHECKING:
    from harness.run_plugin import RunPlugin

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
RUN: Final[pytest.StashKey[RunPlugin]] = pytest.StashKey()
_NO_SCENARIOS: Final = frozenset({"case-list.yaml"})


class Findings(AssertionError):
    """The CSMS is not as it should be, or could not be observed."""


class HarnessFault(Exception):
    """The harness could not do its part."""


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
    add("--extended", action="store_true", help="also the sets beyond the official cases")
    add("--slow", action="store_true", help="also what lets much time pass in those sets")
    add(
        "--i-may-test-this",
        action="store_true",
        dest="may_test_public",
        help="the CSMS need be neither on this machine nor in a private network",
    )
    add("--operator", action="store_true", help="a person acts in place of the driver's commands")
    add("--deadline", type=float, metavar="S", help="seconds a person has for each thing")
    add("--no-page", action="store_true", help="no web page for the person")
    add(
        "--page-port",
        type=int,
        default=0,
        metavar="PORT",
        help="of that page (default: a free one)",
    )
    add("--resume", metavar="DIR", help="go on with the run with a person in this folder")
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
    """Register the markers and, with ``--sut``, the run; before Allure and JUnit look for paths."""
    for profile, marker in MARKER_OF.items():
        config.addinivalue_line("markers", f"{marker}: cases of the profile {profile.value}")
    for requirement in Requirement:
        config.addinivalue_line("markers", f"{requirement.value}: how surely a case is demanded")
    for one in CaseSet:
        config.addinivalue_line("markers", f"{one.value}: cases of this set")
    if config.option.sut:
        from harness.run_plugin import RunPlugin

        run = RunPlugin(config)
        config.stash[RUN] = run
        config.pluginmanager.register(run, "preflight-run")


# --- collection --------------------------------------------------------------------------------


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect scenario files: the shipped ones always, any other only in a run."""
    if file_path.suffix != ".yaml" or file_path.name in _NO_SCENARIOS:
        return None
    if "states" in file_path.parts:
        return None
    run = parent.config.stash.get(RUN, None)
    if run is None:
        from harness.loader import library_directory

        if library_directory().resolve() not in file_path.resolve().parents:
            return None
    elif file_path.resolve() == run.sut_path.resolve():
        return None
    return ScenarioFile.from_parent(parent, path=file_path)


class ScenarioFile(pytest.File):
    """One YAML file, which is one case."""

    def collect(self) -> Iterator[ScenarioItem]:
        """Load the case.

        Raises:
            CollectError: the file is no valid scenario.
        """
        from harness.loader import ScenarioError, load_file

        run = self.config.stash.get(RUN, None)
        try:
            if run is None or run.sut is None:
                scenario = load_file(self.path)
            else:
                station = run.sut.station
                scenario = load_file(
                    near(self.path), states=run.states, connectors=station.connectors
                )
        except ScenarioError as exc:
            raise self.CollectError(str(exc)) from exc
        if scenario.case_set is CaseSet.OFFICIAL or self._is_wanted():
            yield ScenarioItem.from_parent(self, name=scenario.id, scenario=scenario)

    def _is_wanted(self) -> bool:
        """Whether a case beyond the official ones was asked for: by option, file or folder."""
        named = {Path(word.partition("::")[0]).resolve() for word in self.config.args}
        path = self.path.resolve()
        return bool(self.config.option.extended) or path in named or path.parent in named


class ScenarioItem(pytest.Item):
    """One case. `result` is set as soon as it is pytest's turn to report it."""

    def __init__(self, *, scenario: Scenario, **kwargs: Any) -> None:
        """Make the item of a scenario."""
        super().__init__(**kwargs)
        self.scenario = scenario
        self.result: CaseResult | None = None
        self.add_marker(MARKER_OF[scenario.profile])
        self.add_marker(scenario.requirement.value)
        self.add_marker(scenario.case_set.value)
        self.extra_keyword_matches.add(scenario.profile.value)

    def setup(self) -> None:
        """Report what is the harness's own fault as an error."""
        if self.result is not None and self.result.verdict is Verdict.ERROR:
            raise HarnessFault(headline(self.result))

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


def scenario_items(items: Iterable[pytest.Item]) -> Iterator[ScenarioItem]:
    """Return the cases among the items."""
    return (item for item in items if isinstance(item, ScenarioItem))


def near(path: Path) -> Path:
    """Return the path as a person here would write it: relative where it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse two cases of one id, before -k and -m take any away."""
    files: dict[str, Path] = {}
    for item in scenario_items(items):
        other = files.setdefault(item.name, item.path)
        if other != item.path:
            pytest.exit(
                f"{item.scenario.position}: {item.name} is also the id of {near(other)};"
                " ids must differ",
                returncode=UNUSABLE,
            )
    order = list(CaseSet)
    items.sort(  # official cases first; the sort is stable
        key=lambda item: (
            order.index(item.scenario.case_set) if isinstance(item, ScenarioItem) else -1
        )
    )
    if (run := config.stash.get(RUN, None)) is not None:
        run.ids |= set(files)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run cases against nothing."""
    is_run = RUN in session.config.stash or session.config.option.collectonly
    if not is_run and any(scenario_items(session.items)):
        pytest.exit("which CSMS? Name its file with --sut FILE", returncode=UNUSABLE)
