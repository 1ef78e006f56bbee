"""`preflight`: runs scenarios against a CSMS, checks them, lists them, and plays a charge point.

Exit codes: 0 good, 1 findings, 2 wrong use or a run that proves nothing. `run` hands over to
pytest, which loads `harness.plugin`; there is no second way to run a case.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from harness.model import EDITIONS, NEWEST_EDITION
from harness.report.directory import DEFAULT_KEEP, LATEST

if TYPE_CHECKING:
    import pytest

    from harness.sut import SystemUnderTest

# Commands import what they need when they are called: `--help` stays quick, and Ctrl-C while a
# run is starting meets pytest, not a half-loaded module.

_WRONG_USE: Final = 2
_PLAIN_WIDTH: Final = 140  # of tables that go to no terminal
_PATHS = click.argument(
    "paths", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[PATH]..."
)


_MAY_TEST = click.option(
    "--i-may-test-this",
    "may_test_public",
    is_flag=True,
    help="The CSMS need be neither on this machine nor in a private network.",
)


class _Commands(click.Group):
    """The commands of this file, and those of others, which load only when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted((*super().list_commands(ctx), "simulate", "compare", "matrix"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "simulate":
            from simulator.cli import simulate

            return simulate
        if cmd_name in ("compare", "matrix"):
            from harness.comparison import cli as comparing

            return comparing.compare if cmd_name == "compare" else comparing.matrix
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # before pytest or the simulator could take care of it
            click.echo("interrupted", err=True)
            ctx.exit(_WRONG_USE)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ocpp-preflight")
def main() -> None:
    """Preview the OCPP 1.6-J certification of a Central System."""


@main.command()
@_PATHS
@click.option("--sut", metavar="FILE", help="System under test: a file, or `embedded`.")
@click.option("--edition", type=click.Choice(EDITIONS), help="Edition of the case list.")
@click.option("--strict", is_flag=True, help="Unasked requests and missed targets fail.")
@click.option("-k", "expression", metavar="EXPR", help="Only cases whose name matches.")
@click.option("-m", "markers", metavar="EXPR", help="Only cases so marked: `core and mandatory`.")
@click.option("--extended", is_flag=True, help="Also the sets beyond the official cases.")
@click.option("--slow", is_flag=True, help="Also what lets much time pass in those sets.")
@click.option("-x", "stop_at_first", is_flag=True, help="Stop after the first failure.")
@_MAY_TEST
@click.option(
    "--concurrency", type=click.IntRange(1), default=16, show_default=True, help="Cases at a time."
)
@click.option(
    "--settle",
    type=click.FloatRange(0),
    default=0.5,
    show_default=True,
    metavar="S",
    help="Seconds a connection stays watched after its case.",
)
@click.option(
    "--known-failures",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="TOML list of cases that may fail for now.",
)
@click.option(
    "--reports", default="reports", show_default=True, metavar="DIR", help="Where reports go."
)
@click.option(
    "--keep",
    type=click.IntRange(0),
    default=DEFAULT_KEEP,
    show_default=True,
    help="Runs that stay in the reports folder, 0 keeps all.",
)
@click.option("--operator", is_flag=True, help="You press the buttons, whatever the driver could.")
@click.option(
    "--deadline", type=click.FloatRange(1), metavar="S", help="Seconds you have for each button."
)
@click.option("--no-page", is_flag=True, help="Only the terminal tells what to press.")
@click.option(
    "--page-port", type=click.IntRange(0, 65535), default=0, metavar="PORT", help="Of that page."
)
@click.option(
    "--resume",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Go on with a run of this kind, in its folder.",
)
@click.option("--junitxml", metavar="FILE", help="Also write the JUnit file here.")
@click.option("--html", is_flag=True, help="Render the Allure HTML, where Node.js is present.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on standard output, nothing else."
)
def run(
    paths: tuple[Path, ...],
    *,
    sut: str | None,
    edition: str | None,
    strict: bool,
    expression: str | None,
    markers: str | None,
    extended: bool,
    slow: bool,
    stop_at_first: bool,
    may_test_public: bool,
    concurrency: int,
    settle: float,
    known_failures: str | None,
    reports: str,
    keep: int,
    operator: bool,
    deadline: float | None,
    no_page: bool,
    page_port: int,
    resume: Path | None,
    junitxml: str | None,
    html: bool,
    as_json: bool,
) -> None:
    """Run scenarios against a CSMS: all shipped ones, or the files and folders named."""
    import pytest

    from harness.loader import library_directory

    if resume is not None:
        before = _resumed(resume)
        sut, edition, strict = before["sut"], before["edition"], before["ocpp_strict"]
        expression, markers = before["keyword"] or None, before["markexpr"] or None
        extended, slow, settle = before["extended"], before["slow"], before["settle"]
        known_failures, reports = before["known_failures"], before["reports"]
        may_test_public = may_test_public or before["may_test_public"]
        paths, operator = tuple(Path(one) for one in before["arguments"]), True
    if sut is None:
        raise click.UsageError("Missing option '--sut'.")
    arguments = [
        # Nothing of the folder we happen to stand in, and no plugin that happens to be installed,
        # may change what a run does.
        *("-c", os.devnull, "--rootdir", os.curdir, "--noconftest", "--disable-plugin-autoload"),
        *("--capture=no", "-p", "no:cacheprovider", "-p", "allure_pytest.plugin"),
        *("-p", "harness.plugin", "-p", "harness.terminal"),
        *("--sut", sut, f"--concurrency={concurrency}", f"--settle={settle}"),
        *("--reports", reports, f"--keep={keep}"),
    ]
    for name, value in (
        ("--edition", edition),
        ("-k", expression),
        ("-m", markers),
        ("--known-failures", known_failures),
        ("--junitxml", junitxml),
        ("--resume", resume),
        ("--deadline", deadline),
        ("--page-port", page_port),
    ):
        if value is not None:
            arguments += [name, str(value)]
    arguments += ["--ocpp-strict"] * strict + ["-x"] * stop_at_first
    arguments += ["--extended"] * extended + ["--slow"] * slow
    arguments += ["--i-may-test-this"] * may_test_public
    arguments += ["--operator"] * operator + ["--no-page"] * no_page
    latest = Path(reports) / LATEST
    newest = latest.resolve()
    arguments += [str(path) for path in paths or [library_directory()]]
    watcher = _Watcher()
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        code = int(pytest.main(arguments, plugins=[watcher]))
        code = code if code in (0, 1) else _WRONG_USE
        if html and latest.exists() and latest.resolve() != newest:
            _render_if_possible(latest)
    if as_json:
        click.echo(watcher.document(code))
    sys.exit(code)


def _resumed(directory: Path) -> dict[str, Any]:
    """Return the settings of a run that goes on."""
    from harness.operator.journal import CannotResume, resume

    try:
        return dict(resume(directory).settings)
    except CannotResume as exc:
        raise click.UsageError(str(exc)) from exc


class _Watcher:
    """A plugin of a run that keeps what `--json` prints at its end."""

    def __init__(self) -> None:
        self._config: pytest.Config | None = None
        self._words = ""

    def pytest_configure(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self._words = str(getattr(excinfo.value, "msg", "interrupted"))

    def document(self, code: int) -> str:
        """Return what happened as JSON."""
        from harness.plugin import RUN
        from harness.report import machine

        run = self._config.stash.get(RUN, None) if self._config is not None else None
        report = run.report if run is not None else None
        reason = (run.reason if run is not None else "") or self._words
        if report is None and not reason:
            reason = "the run did not begin; standard error says why"
        directory = ""
        if run is not None and run.recorder is not None and report is not None:
            directory = str(run.recorder.directory.path)
        return machine.to_json(report, exit_code=code, reason=reason, directory=directory)


def _render_if_possible(directory: Path) -> None:
    from harness.report.html import CannotRender, render

    try:
        click.echo(f"HTML: {render(directory)}")
    except CannotRender as exc:
        click.echo(f"No HTML report: {exc}")


@main.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("sut.yaml"))
@click.option("--ocpp-url", metavar="URL", help="Where charge points connect.")
@click.option(
    "--driver",
    type=click.Choice(["none", "http", "python", "command"]),
    help="How the CSMS is commanded.",
)
@click.option("--force", is_flag=True, help="Overwrite the file where it is there.")
def init(file: Path, *, ocpp_url: str | None, driver: str | None, force: bool) -> None:
    """Write a commented system-under-test file to start from: sut.yaml unless named.

    On a terminal it asks for what the options do not say; elsewhere it takes the defaults.
    """
    from harness.init import DEFAULT_URL, BadUrl, DriverKind, write_text

    if file.exists() and not force:
        raise click.UsageError(f"{file} is there already; name another file, or use --force")
    asks = sys.stdin.isatty() and sys.stdout.isatty()
    if ocpp_url is None:
        words = "Where do charge points connect (without the identity)?"
        ocpp_url = click.prompt(words, default=DEFAULT_URL) if asks else DEFAULT_URL
    if driver is None:
        kinds = click.Choice([kind.value for kind in DriverKind])
        words = "How is the CSMS commanded?"
        driver = click.prompt(words, type=kinds, default="http") if asks else "http"
    try:
        text = write_text(ocpp_url, DriverKind(driver))
    except BadUrl as exc:
        raise click.UsageError(str(exc)) from exc
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w" if force else "x", encoding="utf-8") as target:
            target.write(text)
    except OSError as exc:
        raise click.UsageError(f"cannot write {file}: {exc.strerror or exc}") from exc
    click.echo(f"{file} is written. Its comments say what to fill in; then:")
    click.echo(f"  preflight check --sut {shlex.quote(str(file))}")


@main.command()
@click.option(
    "--sut", required=True, metavar="FILE", help="System under test: a file, or `embedded`."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@click.option(
    "--timeout",
    "time_s",
    type=click.FloatRange(1),
    default=120,
    show_default=True,
    metavar="S",
    help="Seconds after which it ends, whatever is left.",
)
@_MAY_TEST
def check(*, sut: str, as_json: bool, time_s: float, may_test_public: bool) -> None:
    """Hold a system-under-test file against the running CSMS, before a run.

    Says what it will send, sends nothing else, and tells for each point what it found and what to
    do. Exit code 1 where a run would not go well, 2 where the file is wrong or names a public
    address without --i-may-test-this.
    """
    from harness.check_command import check_file

    sys.exit(check_file(sut, as_json=as_json, time_s=time_s, may_test_public=may_test_public))


@main.command()
@_PATHS
def validate(paths: tuple[Path, ...]) -> None:
    """Check scenario files without running them; all shipped ones when none is named."""
    from harness.loader import library_directory, load_tree

    loaded = load_tree(list(paths) or [library_directory()])
    for problem in loaded.problems:
        click.echo(str(problem), err=True)
    good = len(loaded.scenarios)
    if loaded.problems:
        count = len(loaded.problems)
        click.echo(f"{good} scenario{'s' * (good != 1)} good, {count} problem{'s' * (count > 1)}")
        sys.exit(_WRONG_USE)
    if not good:
        raise click.UsageError("there is no scenario file in what was named")
    click.echo(f"{good} scenario{'s' * (good != 1)}, all good")


@main.command(name="list")
@_PATHS
@click.option("--edition", type=click.Choice(EDITIONS), help="Default: the SUT file's, or newest.")
@click.option("--sut", metavar="FILE", help="System under test whose declaration decides.")
@click.option("--why", is_flag=True, help="Why each case is in or out.")
@click.option("--json", "as_json", is_flag=True, help="The same, and more, as JSON.")
def list_cases(
    paths: tuple[Path, ...], *, edition: str | None, sut: str | None, why: bool, as_json: bool
) -> None:
    """List cases with profile, requirement and the editions they are in."""
    from rich.console import Console

    from harness import listing
    from harness.declaration import unknown_switch
    from harness.loader import library_directory, load_tree

    system = _load_sut(sut) if sut is not None else None
    edition = edition or (system.edition if system is not None else NEWEST_EDITION)
    loaded = load_tree(list(paths) or [library_directory()])
    if system is not None and not paths:
        wrong = unknown_switch(system.declaration, {one.id for one in loaded.scenarios})
        if wrong:
            raise click.UsageError(f"{system.path}: {wrong}")
    entries = listing.entries(loaded.scenarios, system, edition=edition)
    if as_json:
        click.echo(listing.to_json(entries, edition=edition))
    else:
        width = None if sys.stdout.isatty() else _PLAIN_WIDTH
        console = Console(width=width, highlight=False)
        listing.show(entries, console, why=why or system is not None)
    for problem in loaded.problems:
        click.echo(str(problem), err=True)
    if loaded.problems or not loaded.scenarios:
        sys.exit(_WRONG_USE)


def _load_sut(name: str) -> SystemUnderTest:
    from harness.sut import SutError, find_sut, load

    try:
        return load(find_sut(name), run_dir=Path("reports"))
    except SutError as exc:
        raise click.UsageError(str(exc)) from exc


_RUN_DIRECTORY = click.argument(
    "directory", type=click.Path(path_type=Path), default=Path("reports") / LATEST
)


@main.command()
@_RUN_DIRECTORY
def show(directory: Path) -> None:
    """Print the summary of an earlier run again."""
    from rich.console import Console

    from harness.report.directory import read_report
    from harness.report.document import UnreadableReport
    from harness.report.summary import print_summary

    try:
        report = read_report(directory)
    except UnreadableReport as exc:
        raise click.UsageError(str(exc)) from exc
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    print_summary(report, console, reports=str(directory.resolve()))
    sys.exit(report.exit_code)


@main.command()
@click.argument("report", type=click.Path(path_type=Path), default=Path("reports") / LATEST)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the page goes; beside the report by default.",
)
def preview(report: Path, *, output: Path | None) -> None:
    """Write the certificate preview of a run anew: of its folder, or of a report.json."""
    from harness.report.directory import read_report
    from harness.report.document import UnreadableReport
    from harness.report.preview import PREVIEW, render

    try:
        page = render(read_report(report))
    except UnreadableReport as exc:
        raise click.UsageError(str(exc)) from exc
    target = output or (report if report.is_dir() else report.parent) / PREVIEW
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page, "utf-8", errors="backslashreplace")
    except OSError as exc:
        raise click.UsageError(f"cannot write {target}: {exc.strerror or exc}") from exc
    click.echo(str(target))


@main.command()
@_RUN_DIRECTORY
def html(directory: Path) -> None:
    """Render the Allure HTML of a run, with Node.js and npm."""
    from harness.report.html import CannotRender, render

    try:
        click.echo(str(render(directory)))
    except CannotRender as exc:
        raise click.UsageError(str(exc)) from exc
