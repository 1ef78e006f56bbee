"""The commands people type."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import click.testing
import pytest

import harness.run_plugin  # noqa: F401  # so that the engine below is the one that is used
from harness.cli import main
from harness.report.directory import RunDirectory, read_report
from harness.report.document import make_report
from harness.report.html import CannotRender, render
from tests.harness.fake_engine import FakeEngine
from tests.harness.report_samples import STARTED_AT, passed_case, run
from tests.harness.test_plugin import CASE, SUT


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with a system-under-test file and a made-up engine."""
    monkeypatch.chdir(tmp_path)
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("harness.background.Engine", FakeEngine)
    (tmp_path / "sut.yaml").write_text(SUT.format(name="Fake CSMS"))
    (tmp_path / "cases").mkdir()
    return tmp_path


def add(folder: Path, case_id: str, title: str) -> None:
    """Write a scenario whose title says what becomes of it."""
    text = CASE.format(id=case_id, title=title, profile="Core", requirement="mandatory")
    (folder / "cases" / f"{case_id}.yaml").write_text(text)


def preflight(*arguments: str) -> click.testing.Result:
    """Call a command as from the shell."""
    return click.testing.CliRunner().invoke(main, list(arguments), prog_name="preflight")


# --- run ---------------------------------------------------------------------------------------


def test_run_prints_results_on_stdout_and_progress_on_stderr(folder: Path) -> None:
    """A log of a good run is short: one line a case, the summary, where the reports are."""
    add(folder, "TC_1", "passed")
    add(folder, "TC_2", "passed")

    result = preflight("run", "cases", "--sut", "sut.yaml")

    assert result.exit_code == 0
    assert "2 cases against Fake CSMS, case list 2025-11" in result.stderr
    assert "TC_1  passed  7.50 s\nTC_2  passed  7.50 s\n" in result.stdout
    assert "Reports: reports/runs/" in result.stdout
    assert "Certificate preview: reports/runs/" in result.stdout
    assert result.stdout.rstrip().endswith("2 passed in 1.0 s")


def test_run_shows_a_failure_in_full(folder: Path) -> None:
    """The evidence stands in the output, without a stack trace and without pytest's words."""
    add(folder, "TC_1", "failed")
    add(folder, "TC_2", "passed")
    add(folder, "TC_3", "error")

    result = preflight("run", "cases", "--sut", "sut.yaml")

    assert result.exit_code == 1
    assert "FAILURE  made.failed" in result.stdout
    assert "ERROR  made.error" in result.stdout
    assert "Reproduce with:" in result.stdout
    for word in ("Traceback", "pytest", "site-packages", "HarnessFault"):
        assert word not in result.output


@pytest.mark.parametrize(
    ("arguments", "ran"),
    [
        (("-k", "TC_2"), ["TC_2"]),
        (("-m", "core and not mandatory"), []),
        (("cases/TC_3.yaml",), ["TC_3"]),
    ],
)
def test_run_selects(folder: Path, arguments: tuple[str, ...], ran: list[str]) -> None:
    """Paths, names and markers select; nothing selected is exit code 2."""
    for number in (1, 2, 3):
        add(folder, f"TC_{number}", "passed")
    paths = () if arguments[0].startswith("cases") else ("cases",)

    result = preflight("run", *paths, *arguments, "--sut", "sut.yaml")

    if ran:
        assert result.exit_code == 0
        report = read_report(folder / "reports" / "latest")
        assert [case.case_id for case in report.run.cases] == ran
    else:
        assert result.exit_code == 2
        assert "no case was selected" in result.stdout


def test_run_hands_its_options_on(folder: Path) -> None:
    """Strictness, edition, concurrency and folders arrive."""
    add(folder, "TC_1", "passed")

    preflight(
        "run", "cases", "--sut", "sut.yaml", "--strict", "--edition", "2025-02",
        "--concurrency", "3", "--reports", "elsewhere", "--junitxml", "out.xml",
    )  # fmt: skip

    report = read_report(folder / "elsewhere" / "latest")
    assert report.run.settings == {"strict": True, "concurrency": 3}
    assert report.run.edition == "2025-02"
    assert (folder / "out.xml").exists()


def test_run_is_not_moved_by_the_folder_it_stands_in(folder: Path) -> None:
    """Neither a conftest nor pytest settings of somebody's project change a run."""
    add(folder, "TC_1", "passed")
    (folder / "conftest.py").write_text("raise RuntimeError('not ours')")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")

    assert preflight("run", "cases", "--sut", "sut.yaml").exit_code == 0


def test_run_names_broken_files(folder: Path) -> None:
    """Line and column, exit code 2, and that nothing was run."""
    add(folder, "TC_1", "passed")
    (folder / "cases" / "TC_2.yaml").write_text("id: TC_2\nsurprise: 1\n")

    result = preflight("run", "cases", "--sut", "sut.yaml")

    assert result.exit_code == 2
    assert "cases/TC_2.yaml:2:1: " in result.stderr
    assert "nothing was run" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run",), "Missing option '--sut'"),
        (("run", "nowhere", "--sut", "sut.yaml"), "'nowhere' does not exist"),
        (("run", "cases", "--sut", "nowhere.yaml"), "nowhere.yaml"),
        (("run", "cases", "--sut", "sut.yaml", "-k", "TC_1 and"), "TC_1 and"),
        (("run", "cases", "--sut", "sut.yaml", "--reports", "sut.yaml"), "cannot write sut.yaml"),
        (("run", "cases", "--sut", "sut.yaml", "--edition", "1999"), "'1999' is not one of"),
        (("show", "nowhere"), "nowhere"),
        (("html", "nowhere"), "nowhere"),
        (("validate", "nowhere"), "'nowhere' does not exist"),
    ],
)
def test_wrong_use_is_exit_code_2_with_the_reason(
    folder: Path, arguments: tuple[str, ...], words: str
) -> None:
    """Each mistake is named, and none ends in a stack trace."""
    add(folder, "TC_1", "passed")

    result = preflight(*arguments)

    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output


def test_machines_get_one_document_and_nothing_else(folder: Path) -> None:
    """People's words go to standard error; frames are where the document says."""
    add(folder, "TC_1", "passed")
    add(folder, "TC_2", "failed")

    result = preflight("run", "cases", "--sut", "sut.yaml", "--json")

    document = json.loads(result.stdout)
    assert result.exit_code == document["exit_code"] == 1
    assert {one["id"]: one["verdict"] for one in document["run"]["cases"]} == {
        "TC_1": "passed",
        "TC_2": "failed",
    }
    assert (folder / document["directory"] / "report.json").is_file()
    assert "1 passed, 1 failed" in result.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("broken", "is the CSMS started?"),
        ("expression", "standard error says why"),
        ("nothing", "no case was selected"),
        ("file", "sut.yaml:1:1"),
    ],
)
def test_machines_learn_why_nothing_ran(folder: Path, change: str, words: str) -> None:
    """Still one document, with exit code 2 and the reason."""
    add(folder, "TC_1", "passed")
    arguments = {"expression": ("-k", "TC_1 and"), "nothing": ("-k", "TC_2")}.get(change, ())
    if change == "broken":
        (folder / "sut.yaml").write_text(SUT.format(name="broken"))
    if change == "file":
        (folder / "sut.yaml").write_text("surprise: 1\n")

    result = preflight("run", "cases", "--sut", "sut.yaml", "--json", *arguments)

    document = json.loads(result.stdout)
    assert result.exit_code == document["exit_code"] == 2
    assert words in document["reason"]
    assert not (document["run"] or {}).get("cases")


def test_a_job_of_github_gets_summary_and_annotations(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quiet but for what is red; commands only at the end, whatever the CSMS said."""
    add(folder, "TC_1", "passed")
    add(folder, "TC_2", "failed")
    environment = {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(folder),
        "GITHUB_STEP_SUMMARY": str(folder / "page.md"),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    result = preflight("run", "cases", "--sut", "sut.yaml")

    lines = result.stdout.splitlines()
    token = lines[0].removeprefix("::stop-commands::")
    (end,) = (number for number, line in enumerate(lines) if line == f"::{token}::")
    assert "TC_1  passed" not in result.stdout
    assert "FAILURE  made.failed" in result.stdout
    assert lines[end + 1].startswith(
        "::error file=cases/TC_2.yaml,line=2,title=TC_2%3A made.failed::made up for TC_2%0A"
    )
    assert (folder / "page.md").read_text() == (
        folder / "reports" / "latest" / "summary.md"
    ).read_text()


@pytest.mark.parametrize("name", ["NO_COLOR", "NOTHING"])
def test_colours_are_for_terminals(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What goes to a file has none."""
    monkeypatch.setenv(name, "1")
    add(folder, "TC_1", "failed")
    add(folder, "TC_2", "passed")

    result = preflight("run", "cases", "--sut", "sut.yaml")

    assert "\x1b[" not in result.output


def test_an_unreachable_csms_is_told_in_one_line(folder: Path) -> None:
    """The words of the engine and nothing else."""
    add(folder, "TC_1", "passed")
    (folder / "sut.yaml").write_text(SUT.format(name="broken"))

    result = preflight("run", "cases", "--sut", "sut.yaml")

    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].endswith("is the CSMS started?")


# --- validate, list, show ----------------------------------------------------------------------


def test_validate_checks_every_file(folder: Path) -> None:
    """Good files are counted although another is broken."""
    add(folder, "TC_1", "passed")
    (folder / "cases" / "TC_2.yaml").write_text("id: TC_2\nsurprise: 1\n")

    result = preflight("validate", "cases")

    assert result.exit_code == 2
    assert "cases/TC_2.yaml:2:1: " in result.stderr
    assert result.stdout.startswith("1 scenario good, ")


def test_validate_is_content_with_the_library(folder: Path) -> None:
    """What we ship is valid."""
    result = preflight("validate")

    assert result.exit_code == 0
    assert result.stdout.endswith(" scenarios, all good\n")


def test_validate_of_nothing_is_wrong_use(folder: Path) -> None:
    """An empty folder is a mistake, not a success."""
    assert preflight("validate", "cases").exit_code == 2


def test_list_names_the_cases(folder: Path) -> None:
    """Case, profile, requirement, editions, title."""
    add(folder, "TC_1", "passed")

    result = preflight("list", "cases")

    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines() if "TC_1" in line] == [
        ["TC_1", "Core", "mandatory", "all", "passed"]
    ]


def test_list_fits_a_small_terminal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no room for all columns, the title stays."""
    add(folder, "TC_1", "passed")
    monkeypatch.setattr("harness.listing.WIDE", 1000)

    result = preflight("list", "cases")

    assert ["TC_1", "Core", "passed"] in [line.split() for line in result.stdout.splitlines()]
    assert result.stdout.endswith("\n1 official case\n")


def test_list_begins_with_the_official_cases() -> None:
    """What goes beyond them comes after, and is counted apart."""
    result = preflight("list")

    words = [line.split()[0] for line in result.stdout.splitlines() if "_" in line]
    cases = [word for word in words if word.startswith(("TC_", "BEYOND_", "ROBUST_"))]
    first = next(index for index, word in enumerate(cases) if not word.startswith("TC_"))
    assert not [word for word in cases[first:] if word.startswith("TC_")]
    assert f"{first} official cases, {len(cases) - first} beyond them" in result.stdout


def test_list_tells_why(folder: Path) -> None:
    """The declaration of a file decides, and its edition is the one listed."""
    add(folder, "TC_1", "passed")
    (folder / "sut.yaml").write_text(
        SUT.format(name="Fake CSMS")
        + "edition: '2025-02'\npics: {cases: {TC_1: {off: not here}}}\n"
    )

    result = preflight("list", "cases", "--sut", "sut.yaml", "--why")
    document = json.loads(preflight("list", "cases", "--sut", "sut.yaml", "--json").stdout)

    assert result.exit_code == 0
    assert ["TC_1", "passed", "out", "switched", "off", "(pics.cases):", "not", "here"] in [
        line.split() for line in result.stdout.splitlines()
    ]
    assert "1 official case, 0 of them in, 1 out (1 switched off)" in result.stdout
    assert document["edition"] == "2025-02"
    assert [one["reason"] for one in document["cases"]] == ["switched off (pics.cases): not here"]


@pytest.mark.parametrize("command", [("run", "cases"), ("list",)])
def test_a_switch_for_no_case_is_wrong_use(folder: Path, command: tuple[str, ...]) -> None:
    """A slip in an id must not leave a case on that was meant to be off."""
    add(folder, "TC_1", "passed")
    (folder / "sut.yaml").write_text(
        SUT.format(name="Fake CSMS") + "pics: {cases: {TC_083_CSM: {off: why}}}\n"
    )

    result = preflight(*command, "--sut", "sut.yaml")

    assert result.exit_code == 2
    assert "sut.yaml: pics.cases: there is no case 'TC_083_CSM'; did you mean TC_083_CSMS?" in (
        result.output
    )


@pytest.mark.parametrize("option", ["-k", "-m"])
def test_a_selection_that_cannot_be_read_runs_nothing(folder: Path, option: str) -> None:
    """A slip in an expression costs no run, and leaves no report that looks like one."""
    add(folder, "TC_1", "passed")

    result = preflight("run", "cases", "--sut", "sut.yaml", option, "TC_1 and")

    assert result.exit_code == 2
    assert "Wrong expression" in result.output
    assert "TC_1  passed" not in result.stdout
    assert not list((folder / "reports" / "runs").iterdir())


def test_show_prints_an_earlier_run_again(folder: Path) -> None:
    """The summary is drawn from the report alone."""
    directory = RunDirectory.create(folder / "reports", started_at=STARTED_AT)
    directory.begin(started_at=STARTED_AT, sut_name="Our CSMS", edition="2025-11")
    directory.write_report(make_report(run(passed_case()), version="0", exit_code=0))

    result = preflight("show")

    assert result.exit_code == 0
    assert "Our CSMS · case list 2025-11" in result.stdout
    assert "wire.unasked-call" in result.stdout


def test_help_names_every_command(folder: Path) -> None:
    """The simulator's command is among them."""
    result = preflight("--help")

    assert result.exit_code == 0
    for name in ("run", "validate", "list", "simulate", "show", "html"):
        assert f"\n  {name} " in result.stdout


# --- html --------------------------------------------------------------------------------------

NODE = """#!/bin/sh
if [ "$1" = --version ]; then echo {version}; exit; fi
config="$4"
output=$(sed 's/.*"output": "\\([^"]*\\)".*/\\1/' "$config")
mkdir -p "$output"; cp "$config" "$output/index.html"
"""
NPM = """#!/bin/sh
echo "$@" >> "{log}"
mkdir -p node_modules/allure && : > node_modules/allure/cli.js
"""


def fake_node(folder: Path, monkeypatch: pytest.MonkeyPatch, version: str = "v22.1.0") -> Path:
    """Put made-up `node` and `npm` first; return the log of npm's calls."""
    log = folder / "npm.log"
    programs = folder / "bin"
    programs.mkdir()
    for name, text in (("node", NODE.format(version=version)), ("npm", NPM.format(log=log))):
        (programs / name).write_text(text)
        (programs / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    return log


def finished_run(folder: Path) -> Path:
    """Return the folder of a run that has a report."""
    directory = RunDirectory.create(folder / "reports", started_at=STARTED_AT)
    directory.begin(started_at=STARTED_AT, sut_name="Our CSMS", edition="2025-11")
    directory.write_report(make_report(run(), version="0", exit_code=1))
    return directory.path


def test_html_is_rendered_by_the_pinned_program(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """npm installs as the lock says, without scripts, and only once."""
    log = fake_node(folder, monkeypatch)
    path = finished_run(folder)

    pages = {render(path), render(path)}

    assert pages == {path / "allure" / "index.html"}
    assert log.read_text().splitlines() == [
        "ci --ignore-scripts --no-audit --no-fund --loglevel=error"
    ]
    assert "Our CSMS" in (path / "allure" / "index.html").read_text()


def test_without_node_one_line_says_how(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run itself stays good."""
    monkeypatch.setenv("PATH", str(folder))
    add(folder, "TC_1", "passed")

    result = preflight("run", "cases", "--sut", "sut.yaml", "--html")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == (
        "No HTML report: Node.js is not here; install Node.js 20 or newer with npm,"
        " then run: preflight html"
    )


def test_an_old_node_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message tells the version found and the one needed."""
    fake_node(folder, monkeypatch, version="v16.0.0")

    with pytest.raises(CannotRender, match=r"Node\.js is v16\.0\.0; install Node\.js 20"):
        render(finished_run(folder))


def test_a_failing_npm_leaves_no_half_installation(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What went wrong is told, and the next attempt starts anew."""
    fake_node(folder, monkeypatch)
    npm = folder / "bin" / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error network' >&2\nexit 1\n")

    with pytest.raises(CannotRender, match="npm ci --ignore-scripts failed: npm error network"):
        render(finished_run(folder))
    assert list((folder / "cache" / "ocpp-preflight").iterdir()) == []


def test_html_of_a_run_that_never_began_is_not_rendered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--html` never renders an earlier run in its place."""
    fake_node(folder, monkeypatch)
    finished_run(folder)

    result = preflight("run", "cases", "--sut", "sut.yaml", "--html")

    assert result.exit_code == 2
    assert "HTML" not in result.output
