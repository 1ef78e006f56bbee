"""Scenarios as pytest items: collecting, selecting, reporting, exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import harness.run_plugin  # noqa: F401  # pytester forgets what is first imported in a run
from harness.loader import library_directory
from harness.report.directory import read_report
from harness.report.document import Report
from tests.harness.fake_engine import FakeEngine

pytest_plugins = "pytester"

SUT = """
name: {name}
ocpp_url: ws://127.0.0.1:1/ocpp
identities: {{pattern: "PF{{n:04}}", count: 4}}
id_tags: {{valid: [TAG1]}}
driver: {{kind: none}}
"""

CASE = """
id: {id}
title: {title}
profile: {profile}
requirement: {requirement}
start: none
steps:
  - connect: {{}}
  - send: Heartbeat
    payload: {{}}
"""


class Project:
    """A folder with scenarios and a system-under-test file."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.cases = pytester.mkdir("cases")
        self.sut = pytester.path / "sut.yaml"
        self.sut.write_text(SUT.format(name="Fake CSMS"))

    def add(
        self, case_id: str, title: str, profile: str = "Core", requirement: str = "mandatory"
    ) -> Path:
        """Write a scenario whose title says what becomes of it."""
        path = self.cases / f"{case_id}.yaml"
        path.write_text(
            CASE.format(id=case_id, title=title, profile=profile, requirement=requirement)
        )
        return path

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in this process."""
        return self.pytester.runpytest_inprocess(
            *("-c", os.devnull, "--rootdir", str(self.pytester.path), "--noconftest"),
            *("-p", "allure_pytest.plugin", "-p", "harness.plugin"),
            *("-p", "no:cacheprovider", "-p", "no:xdist"),
            *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
            *arguments,
            no_reraise_ctrlc=True,
        )

    def certify(self, *arguments: str) -> pytest.RunResult:
        """Run the cases against the made-up CSMS."""
        return self.run("--sut", str(self.sut), str(self.cases), *arguments)

    @property
    def latest(self) -> Path:
        """The folder of the newest run."""
        return self.pytester.path / "reports" / "latest"

    @property
    def report(self) -> Report:
        """The newest run's report."""
        return read_report(self.latest)

    def verdicts(self) -> dict[str, str]:
        """Return the verdicts of the newest run by case."""
        return {case.case_id: case.verdict.value for case in self.report.run.cases}

    def allure(self) -> dict[str, dict]:  # type: ignore[type-arg]
        """Return what Allure would show, by the name of the case."""
        files = (self.latest / "allure-results").glob("*-result.json")
        results = [json.loads(file.read_text("utf-8")) for file in files]
        return {result["name"].split()[0]: result for result in results}


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project whose engine is made up."""
    monkeypatch.setattr("harness.background.Engine", FakeEngine)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return Project(pytester)


def lines(result: pytest.RunResult) -> str:
    """Return everything that was printed, without colour."""
    text = "\n".join((*result.outlines, *result.errlines))
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


# --- verdicts ----------------------------------------------------------------------------------


def test_each_verdict_becomes_the_right_outcome(project: Project) -> None:
    """Findings fail, faults of the harness are errors, what does not apply is skipped."""
    for verdict in ("passed", "failed", "inconclusive", "error", "not_applicable"):
        project.add(f"TC_{verdict}", verdict)

    result = project.certify()

    result.assert_outcomes(passed=1, failed=2, errors=1, skipped=1)
    assert result.ret == 1
    assert project.verdicts() == {
        "TC_passed": "passed",
        "TC_failed": "failed",
        "TC_inconclusive": "inconclusive",
        "TC_error": "error",
        "TC_not_applicable": "not_applicable",
    }


def test_all_passed_is_exit_code_0(project: Project) -> None:
    """A good run is good for the shell."""
    project.add("TC_1", "passed")
    project.add("TC_2", "warned")

    assert project.certify().ret == 0


def test_a_failure_shows_evidence_and_no_stack_trace(project: Project) -> None:
    """What people read is the finding, the frames and how to repeat it."""
    project.add("TC_1", "failed")
    project.add("TC_2", "error")

    text = lines(project.certify())

    assert "FAILURE  made.failed" in text
    assert "made up for TC_1" in text
    assert '→ [2,"1","Heartbeat",{}]' in text
    assert "Reproduce with:\n  preflight run cases/TC_1.yaml --sut sut.yaml" in text
    assert "ERROR  made.error" in text
    assert "Traceback" not in text
    assert "def runtest" not in text
    assert "raise HarnessFault" not in text


def test_warnings_of_passed_cases_are_shown(project: Project) -> None:
    """A pass with a warning tells it in the summary."""
    project.add("TC_1", "warned")

    text = lines(project.certify())

    assert "made.warned  made up for TC_1  [TC_1]" in text


def test_a_broken_engine_is_an_error_of_that_case(project: Project) -> None:
    """The other cases go on, and the run says that the harness failed."""
    project.add("TC_1", "crash")
    project.add("TC_2", "passed")

    result = project.certify()

    result.assert_outcomes(passed=1, errors=1)
    assert "the harness failed: RuntimeError: the engine broke" in lines(result)


def test_a_case_shows_its_own_duration(project: Project) -> None:
    """JUnit and reports have the time of the case, not the time pytest waited for it."""
    project.add("TC_1", "passed")
    project.certify("--junitxml=out.xml")

    for path in (project.pytester.path / "out.xml", project.latest / "junit.xml"):
        (case,) = ET.parse(path).getroot().iter("testcase")  # noqa: S314  # our own file
        assert case.get("time") == "7.500"
        properties = {node.get("name"): node.get("value") for node in case.iter("property")}
        assert properties["verdict"] == "passed"


# --- selecting ---------------------------------------------------------------------------------


def three_profiles(project: Project) -> None:
    """Add cases that differ in profile and requirement."""
    project.add("TC_1", "passed", "Core", "mandatory")
    project.add("TC_2", "passed", "Core", "unconfirmed")
    project.add("TC_3", "passed", "Reservation", "conditional")


@pytest.mark.parametrize(
    ("arguments", "selected"),
    [
        (("-m", "core and mandatory"), {"TC_1"}),
        (("-m", "not core"), {"TC_3"}),
        (("-k", "TC_2"), {"TC_2"}),
        (("-k", "Reservation"), {"TC_3"}),
        ((), {"TC_1", "TC_2", "TC_3"}),
    ],
)
def test_markers_and_names_select(
    project: Project, arguments: tuple[str, ...], selected: set[str]
) -> None:
    """-m and -k take cases as they take tests; only those are run and reported."""
    three_profiles(project)

    assert project.certify(*arguments).ret == 0
    assert set(project.verdicts()) == selected


def beyond(project: Project) -> None:
    """Add an official case, and one that is not in a folder of its own."""
    project.add("TC_1", "passed")
    (project.cases / "beyond").mkdir()
    text = CASE.format(id="A_BEYOND", title="passed", profile="Core", requirement="mandatory")
    text = text.replace("requirement: mandatory", "set: beyond\nsection: §4\nreason: Seen.")
    (project.cases / "beyond" / "A_BEYOND.yaml").write_text(text)


@pytest.mark.parametrize(
    ("arguments", "selected"),
    [
        ((), ["TC_1"]),
        (("-m", "core"), ["TC_1"]),
        (("--extended",), ["TC_1", "A_BEYOND"]),
        (("--extended", "-m", "beyond"), ["A_BEYOND"]),
        (("--extended", "-m", "official"), ["TC_1"]),
        (("cases/beyond",), ["TC_1", "A_BEYOND"]),
        (("cases/beyond/A_BEYOND.yaml",), ["TC_1", "A_BEYOND"]),
    ],
)
def test_cases_beyond_the_official_ones_run_when_asked_for(
    project: Project, arguments: tuple[str, ...], selected: list[str]
) -> None:
    """By option or by path, and after the official ones."""
    beyond(project)

    assert project.certify(*arguments).ret == 0
    assert list(project.verdicts()) == selected


def test_cases_beyond_are_counted_apart(project: Project) -> None:
    """The certificate's figures are of official cases alone."""
    beyond(project)
    project.certify("--extended")
    report = read_report(project.latest)

    assert [(line.profile.value, line.passed) for line in report.profiles] == [("Core", 1)]
    assert [(line.case_set.value, line.passed) for line in report.sets] == [("beyond", 1)]
    assert report.performance.split.cases_s == report.run.cases[0].duration_s


def test_markers_are_registered(project: Project) -> None:
    """Strict markers accept every profile and requirement, and pytest lists them."""
    three_profiles(project)

    assert project.certify("--strict-markers").ret == 0
    assert "@pytest.mark.remote_trigger:" in lines(project.run("--markers"))


def test_collect_only_starts_nothing_and_writes_nothing(project: Project) -> None:
    """Looking at the cases leaves no run behind."""
    three_profiles(project)

    result = project.certify("--collect-only", "-q")

    assert result.ret == 0
    assert "cases/TC_3.yaml::TC_3" in lines(result)
    assert not project.latest.parent.exists()


def test_the_shipped_scenarios_are_collected_without_a_system(project: Project) -> None:
    """The library can be looked at before there is a CSMS."""
    result = project.run("--collect-only", "-q", str(library_directory() / "core"))

    assert result.ret == 0
    assert "TC_001_CSMS.yaml::TC_001_CSMS" in lines(result)


def test_running_without_a_system_is_wrong_use(project: Project) -> None:
    """The message names the missing option."""
    result = project.run(str(library_directory() / "core" / "TC_001_CSMS.yaml"))

    assert result.ret == 2
    assert "--sut FILE" in lines(result)


def test_foreign_projects_are_left_alone(project: Project) -> None:
    """Without --sut no YAML of theirs is collected and nothing is written."""
    project.add("TC_1", "passed")
    project.pytester.makepyfile("def test_own(): pass")

    result = project.run()

    result.assert_outcomes(passed=1)
    assert not project.latest.parent.exists()


def test_without_paths_the_shipped_scenarios_run(project: Project) -> None:
    """--sut alone means the whole library."""
    result = project.run("--sut", str(project.sut), "--collect-only", "-q")

    assert "TC_001_CSMS.yaml::TC_001_CSMS" in lines(result)


# --- runs that prove nothing -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("titles", "reason"),
    [
        ((), "no case was selected"),
        (("not_applicable", "not_applicable"), "every case was skipped: pics names no such"),
        (("failed", "inconclusive"), "nothing passed: 1 failed, 1 inconclusive"),
    ],
)
def test_a_run_that_proves_nothing_is_exit_code_2(
    project: Project, titles: tuple[str, ...], reason: str
) -> None:
    """Nothing selected, everything skipped, nothing passed: each with its reason."""
    for number, title in enumerate(titles):
        project.add(f"TC_{number}", title)

    result = project.certify()

    assert result.ret == 2
    assert reason in lines(result)


def test_deselecting_everything_is_exit_code_2(project: Project) -> None:
    """A typing mistake in -k does not look like a good run, and leaves no empty run behind."""
    project.add("TC_1", "passed")

    result = project.certify("-k", "TC_99")

    assert result.ret == 2
    assert "no case was selected" in lines(result)
    assert list((project.pytester.path / "reports" / "runs").iterdir()) == []


def test_one_failed_case_asked_for_by_name_is_exit_code_1(project: Project) -> None:
    """Its verdict is the answer."""
    project.add("TC_1", "failed")
    project.add("TC_2", "passed")

    assert project.certify("-k", "TC_1").ret == 1


# --- bad input ---------------------------------------------------------------------------------


def test_a_broken_file_is_named_with_line_and_column(project: Project) -> None:
    """The other files are still checked, and nothing is run."""
    project.add("TC_1", "passed")
    (project.cases / "TC_2.yaml").write_text("id: TC_2\ntitle: x\nsurprise: 1\n")
    (project.cases / "TC_3.yaml").write_text("id: [\n")

    result = project.certify()

    assert result.ret == 2
    assert re.search(r"cases/TC_2\.yaml:3:\d+: ", lines(result))
    assert re.search(r"cases/TC_3\.yaml:\d+:\d+: ", lines(result))
    assert list((project.pytester.path / "reports" / "runs").iterdir()) == []


def test_two_cases_of_one_id_are_refused(project: Project) -> None:
    """Both places are named."""
    project.add("TC_1", "passed")
    (project.cases / "other.yaml").write_text((project.cases / "TC_1.yaml").read_text())

    result = project.certify()

    assert result.ret == 2
    assert "other.yaml:2: TC_1 is also the id of cases/TC_1.yaml; ids must differ" in lines(result)


def test_own_states_beside_the_cases_can_be_used(project: Project) -> None:
    """What `preflight validate` accepts, a run accepts."""
    states = project.cases / "states"
    states.mkdir()
    (states / "warm.yaml").write_text(
        "state: Warm\npurpose: x\nsteps:\n  - send: Heartbeat\n    payload: {}\n"
    )
    path = project.add("TC_1", "passed")
    path.write_text(path.read_text() + "  - use: Warm\n")

    assert project.certify().ret == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--sut", "nowhere.yaml"), "nowhere.yaml"),
        (("--known-failures", "nowhere.toml"), "nowhere.toml: No such file"),
        (("--reports", "sut.yaml"), "cannot write sut.yaml"),
    ],
)
def test_wrong_files_are_named(project: Project, arguments: tuple[str, ...], words: str) -> None:
    """Exit code 2, the name of the file, no stack trace."""
    project.add("TC_1", "passed")

    result = project.certify(*arguments)

    assert result.ret == 2
    assert words in lines(result)
    assert "Traceback" not in lines(result)


def test_a_csms_that_cannot_be_reached_ends_the_run(project: Project) -> None:
    """The engine's own words are shown; no case is blamed."""
    project.add("TC_1", "passed")
    project.sut.write_text(SUT.format(name="broken"))

    result = project.certify()

    assert result.ret == 2
    assert "is the CSMS started?" in lines(result)
    assert "Traceback" not in lines(result)


# --- known failures ----------------------------------------------------------------------------


def known(project: Project, pattern: str) -> tuple[str, str]:
    """Write a known-failures file and return the option that names it."""
    path = project.pytester.path / "known.toml"
    path.write_text(f'[[known]]\npattern = "{pattern}"\nreason = "late"\nwhere = "ISSUE-7"\n')
    return "--known-failures", str(path)


def test_a_known_failure_does_not_fail_the_run(project: Project) -> None:
    """It is reported as known, with its reason, everywhere."""
    project.add("TC_1", "failed")
    project.add("TC_2", "passed")

    result = project.certify(*known(project, "TC_1"))

    result.assert_outcomes(passed=1, xfailed=1)
    assert result.ret == 0
    assert "known: late (ISSUE-7)" in lines(result)
    assert project.verdicts()["TC_1"] == "failed"
    assert project.report.known[0].case_id == "TC_1"
    assert project.allure()["TC_1"]["statusDetails"]["known"] is True


def test_a_known_failure_that_passes_fails_the_run(project: Project) -> None:
    """The entry has outlived its reason."""
    project.add("TC_1", "passed")
    project.add("TC_2", "passed")

    result = project.certify(*known(project, "TC_1"))

    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == 1
    assert "TC_1 passes but is listed by 'TC_1' (late); remove the entry" in lines(result)


def test_a_pattern_without_a_case_fails_the_run(project: Project) -> None:
    """A list that names nothing hides something."""
    project.add("TC_1", "passed")

    result = project.certify(*known(project, "TC_99"))

    assert result.ret == 1
    assert "'TC_99' matches no case" in lines(result)


def test_a_pattern_for_a_deselected_case_is_fine(project: Project) -> None:
    """Running a part does not make the list wrong."""
    project.add("TC_1", "failed")
    project.add("TC_2", "passed")

    assert project.certify(*known(project, "TC_1"), "-k", "TC_2").ret == 0


def test_an_error_is_never_excused(project: Project) -> None:
    """What the harness got wrong stays an error."""
    project.add("TC_1", "error")
    project.add("TC_2", "passed")

    result = project.certify(*known(project, "TC_1"))

    result.assert_outcomes(passed=1, errors=1)
    assert result.ret == 1


# --- stopping ----------------------------------------------------------------------------------


def test_x_stops_at_the_first_failure(project: Project) -> None:
    """What had not ended is not run, and not reported as failed."""
    project.add("TC_1", "failed")
    project.add("TC_2", "hang")
    project.add("TC_3", "passed")

    result = project.certify("-x")

    result.assert_outcomes(failed=1)
    assert result.ret == 1
    assert project.verdicts() == {"TC_1": "failed", "TC_2": "not_run", "TC_3": "passed"}
    assert set(project.allure()) == {"TC_1", "TC_3"}


@pytest.fixture
def heard_interrupts() -> Iterator[None]:
    """Hear Ctrl-C also where the tests run in the background: shells have it ignored there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard_interrupts")
@pytest.mark.parametrize("title", ["interrupt", "terminate"])
def test_an_interrupt_keeps_what_was_found(project: Project, title: str) -> None:
    """After Ctrl-C or SIGTERM the cases that ended are in the report, the others are not run."""
    project.add("TC_1", "passed")
    project.add("TC_2", title)

    result = project.certify()

    assert result.ret == 2
    assert project.verdicts() == {"TC_1": "passed", "TC_2": "not_run"}
    assert project.report.run.stopped == "interrupted"
    assert set(project.allure()) == {"TC_1"}


# --- what is written ---------------------------------------------------------------------------


def test_a_run_leaves_everything_behind(project: Project) -> None:
    """Report, trace, JUnit, Allure results, diagrams and the summary lie in one folder."""
    project.add("TC_1", "passed")
    project.add("TC_2", "failed")

    project.certify()

    names = {path.name for path in project.latest.iterdir()}
    assert {"report.json", "trace.jsonl", "junit.xml", "allure-results", "diagrams"} <= names
    assert {path.name for path in (project.latest / "diagrams").iterdir()} == {
        "TC_1.svg",
        "TC_2.svg",
    }
    allure = {path.name for path in (project.latest / "allure-results").iterdir()}
    assert {"environment.properties", "categories.json", "run-globals.json"} <= allure
    assert "1 passed, 1 failed" in (project.latest / "summary.txt").read_text("utf-8")


def test_the_trace_holds_every_case(project: Project) -> None:
    """Each case has its frames and its end in the trace."""
    project.add("TC_1", "passed")
    project.add("TC_2", "failed")

    project.certify()

    text = (project.latest / "trace.jsonl").read_text("utf-8")
    entries = [json.loads(line) for line in text.splitlines()]
    ends = {entry["case_id"]: entry["verdict"] for entry in entries if entry["type"] == "case"}
    assert ends == {"TC_1": "passed", "TC_2": "failed"}
    assert sum(entry["type"] == "event" for entry in entries) == 2


def test_allure_gets_each_case_with_its_own_evidence(project: Project) -> None:
    """Nothing lands at another case, although they ran side by side."""
    for number in range(12):
        project.add(f"TC_{number}", "failed" if number % 2 else "passed")

    project.certify()

    results = project.allure()
    assert len(results) == 12
    for name, result in results.items():
        is_failed = int(name.removeprefix("TC_")) % 2 == 1
        assert result["status"] == ("failed" if is_failed else "passed")
        if is_failed:
            assert f"made up for {name}" in result["statusDetails"]["message"]


def test_options_reach_the_engine(project: Project) -> None:
    """Strictness and concurrency are settings of the run, and in its report."""
    project.add("TC_1", "passed")

    project.certify("--ocpp-strict", "--concurrency=3", "--edition=2025-02")

    report = project.report
    assert report.run.settings == {"strict": True, "concurrency": 3}
    assert report.run.edition == "2025-02"


def test_old_runs_go(project: Project) -> None:
    """--keep counts the new run."""
    project.add("TC_1", "passed")

    for _ in range(4):
        project.certify("--keep=2")

    assert len(list((project.latest.parent / "runs").iterdir())) == 2


def test_a_full_disk_ends_with_a_message(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdicts are shown, the trouble is named, the exit code is not 0, there is no trace."""
    from harness.report import directory

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(directory, "_replace", full)
    project.add("TC_1", "passed")

    result = project.certify()

    assert result.ret == 2
    text = lines(result)
    assert "report.json: No space left on device. Free some space" in text
    assert "1 passed" in text
    assert "Traceback" not in text
