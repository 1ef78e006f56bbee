"""`preflight compare` and `preflight matrix`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import click

from harness.comparison.compare import Change, Comparison, NothingInCommon
from harness.comparison.compare import compare as compare_reports
from harness.comparison.markdown import as_markdown
from harness.comparison.report_choice import read_chosen
from harness.comparison.text import print_comparison
from harness.report.document import Report, UnreadableReport, encode

COMPARISON_VERSION: Final = 1
# What may be allowed, by the name of the option's value.
_ALLOWABLE: Final = {
    "slower": Change.SLOWER,
    "frames": Change.CHANGED_FRAME,
    "findings": Change.NEW_FINDING,
    "no-longer-run": Change.NO_LONGER_RUN,
}

_REPORTS: Final = click.option(
    "--reports",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("reports"),
    show_default=True,
    metavar="DIR",
    help="Where `latest` and names of runs are looked for.",
)


@click.command()
@click.argument("old")
@click.argument("new")
@click.option("--markdown", "is_markdown", is_flag=True, help="Print Markdown.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.option(
    "--allow",
    type=click.Choice(sorted(_ALLOWABLE)),
    multiple=True,
    help="Show this, but let it pass; may be repeated.",
)
@_REPORTS
def compare(
    old: str, new: str, *, is_markdown: bool, is_json: bool, allow: tuple[str, ...], reports: Path
) -> None:
    """Hold a run against an earlier one: 0 nothing is worse, 1 something is.

    OLD and NEW are folders of runs, report.json files, names of runs, or `latest`.
    """
    if is_markdown and is_json:
        raise click.UsageError("--markdown and --json exclude each other")
    try:
        comparison = compare_reports(
            _read(old, reports), _read(new, reports), allow=[_ALLOWABLE[name] for name in allow]
        )
    except NothingInCommon as exc:
        raise click.UsageError(str(exc)) from exc
    if is_json:
        click.echo(as_json(comparison))
    elif is_markdown:
        click.echo(as_markdown(comparison), nl=False)
    else:
        from rich.console import Console

        console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
        print_comparison(comparison, console)
    sys.exit(comparison.exit_code)


def as_json(comparison: Comparison) -> str:
    """Return a comparison as JSON text; the fields are those of `Comparison`, by name."""
    document = {
        "comparison_version": COMPARISON_VERSION,
        "exit_code": comparison.exit_code,
        **encode(comparison),
    }
    for name in ("latency",):
        document[name] = [
            {**line, "is_slower": one.is_slower}
            for line, one in zip(document[name], comparison.latency, strict=True)
        ]
    return json.dumps(document, ensure_ascii=True, indent=1, allow_nan=False)


def _read(name: str, reports: Path) -> Report:
    try:
        return read_chosen(name, reports=reports)
    except UnreadableReport as exc:
        raise click.UsageError(str(exc)) from exc


@click.command()
@click.argument("chosen", nargs=-1, required=True, metavar="REPORT...")
@click.option(
    "--badge",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Also write an SVG badge for each system into this folder.",
)
@_REPORTS
def matrix(chosen: tuple[str, ...], *, badge: Path | None, reports: Path) -> None:
    """Print several systems side by side, a row for each case, as Markdown.

    Each REPORT is a folder of a run, a report.json file, the name of a run, or `latest`.
    """
    from harness.comparison.badge import badges
    from harness.comparison.matrix import as_matrix

    read = [_read(name, reports) for name in chosen]
    if badge is not None:
        try:
            badge.mkdir(parents=True, exist_ok=True)
            for one in badges(read):
                (badge / one.file).write_text(one.svg, "utf-8")
                click.echo(str(badge / one.file), err=True)
        except OSError as exc:
            raise click.UsageError(f"cannot write {badge}: {exc.strerror or exc}") from exc
    click.echo(as_matrix(read), nl=False)
