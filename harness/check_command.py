"""`preflight check` on the terminal: what will be sent, then what was found, as text or JSON."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from harness.check_system import Checked, State, check, plan
from harness.guards import NotOurs
from harness.sut import SutError, find_sut, load

_WRONG_USE: Final = 2
_COLOUR: Final = {
    State.GOOD: "green",
    State.WARNING: "yellow",
    State.BAD: "red",
    State.UNKNOWN: "magenta",
}
_WIDTH: Final = max(len(state.value) for state in State)


def check_file(name: str, *, as_json: bool, time_s: float, may_test_public: bool) -> int:
    """Check the system of a file, print what was found, and return the exit code."""
    with tempfile.TemporaryDirectory(prefix="preflight-check-") as folder:
        try:
            sut = load(find_sut(name), run_dir=Path(folder))
        except SutError as error:
            click.echo(str(error), err=True)
            return _WRONG_USE
        sends = plan(sut)
        if not as_json:
            _print_plan(sut.name, sends)
        try:
            # Nothing is measured here, so Python's own loop is quick enough.
            checked = asyncio.run(check(sut, may_test_public=may_test_public, time_s=time_s))
        except NotOurs as error:
            click.echo(str(error), err=True)
            return _WRONG_USE
    if as_json:
        _print_json(sut.name, str(sut.path), sends, checked)
    else:
        _print_points(checked)
    return checked.exit_code


def _print_plan(name: str, sends: Sequence[str]) -> None:
    click.echo(f"This check of {name}")
    for sentence in sends:
        click.echo(f"  - {sentence}")
    click.echo("")


def _print_points(checked: Checked) -> None:
    for point in checked.points:
        mark = click.style(f"{point.state.value:<{_WIDTH}}", fg=_COLOUR[point.state])
        click.echo(f"{mark}  {point.topic}: {point.found}")
        if point.remedy:
            click.echo(f"{'':<{_WIDTH}}    -> {point.remedy}")
    counts = {
        state: sum(one.state is state for one in checked.points)
        for state in (State.BAD, State.UNKNOWN, State.WARNING)
    }
    said = [f"{count} {state.value}" for state, count in counts.items() if count]
    click.echo("")
    points = "1 point" if len(checked.points) == 1 else f"{len(checked.points)} points"
    click.echo(f"{points}: {', '.join(said) or 'all good'}")


def _print_json(name: str, file: str, sends: Sequence[str], checked: Checked) -> None:
    content = {
        "check": 1,
        "system_under_test": name,
        "file": file,
        "sends": list(sends),
        "points": [asdict(point) for point in checked.points],
        "exit_code": checked.exit_code,
    }
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))
