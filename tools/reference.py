"""Write the reference pages that follow from the code: commands, settings, HTTP API, checks.

`make reference` writes them; `tests/test_layout.py` fails when a page is older than the code.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from fastapi import APIRouter, FastAPI

from csms.cli import main as csms
from csms.config import OPTIONS
from csms.web import files, health
from csms.web.api import V1_MODULES
from csms.web.scopes import MANAGING_ACTIONS, required_scope
from harness.checks import CHECKS, SURROUNDINGS
from harness.cli import main as preflight
from harness.schemas import _HOLES

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
NOTE = "<!-- Written by `make reference`; change the code instead. -->"


def cell(text: object) -> str:
    """Return a text that cannot break out of a table cell."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def row(*cells: object) -> str:
    """Return one line of a table."""
    return "| " + " | ".join(map(cell, cells)) + " |"


def head(*names: str) -> Iterator[str]:
    """Yield the head of a table."""
    yield row(*names)
    yield "|" + "---|" * len(names)


def command_lines(command: click.Command, path: str) -> Iterator[str]:
    """Yield the section of one command and of those below it."""
    context = click.Context(command, info_name=path)
    yield f"## {path}"
    yield ""
    yield " ".join((command.help or "").split())
    yield ""
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    yield f"    {usage}"
    yield ""
    options = [one for one in command.params if isinstance(one, click.Option)]
    if options:
        yield from head("Option", "Meaning")
    for option in options:
        names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
        facts = option.to_info_dict()
        default = facts["default"] if option.show_default else None
        shown = f" Default: {default}." if default is not None else ""
        choices = "" if facts["type"].get("choices") is None else _choices(facts["type"])
        yield row(names, f"{option.help or ''}{choices}{shown}".strip())
    if options:
        yield ""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is None:
                raise LookupError(f"{path} {name}")
            yield from command_lines(found, f"{path} {name}")


def _choices(kind: dict[str, Any]) -> str:
    return " One of " + ", ".join(kind["choices"]) + "."


def commands_page() -> Iterator[str]:
    """Yield the page of both command line programs."""
    yield from """\
# Commands

Exit codes: 0 good, 1 findings, 2 wrong use. Results go to standard output, logs to standard error.

""".splitlines()
    yield from command_lines(preflight, "preflight")
    yield from command_lines(csms, "csms")


def settings_page() -> Iterator[str]:
    """Yield the page of the settings of our CSMS."""
    yield from """\
# Settings of the CSMS

A flag wins over its environment variable, that over the file of `--config` (or `CSMS_CONFIG`), that
over the default. `csms example-config` prints a file with all of them.

""".splitlines()
    yield from head("In the file", "Environment", "Flag", "Default", "Meaning")
    for option in OPTIONS:
        flag = f"`{option.flag}`" if option.flag else "none, a secret"
        shown = option.shown_default
        yield row(f"`{option.name}`", f"`{option.variable}`", flag, shown, option.help)


def api_page() -> Iterator[str]:
    """Yield the page of the HTTP API."""
    yield from """\
# HTTP API of the CSMS

JSON in camelCase, below the address that `csms serve` prints. Everything but health wants
`Authorization: Bearer …` with a token of `csms token add NAME` or `CSMS_API_TOKEN`. The full
description is served as `/openapi.json`. A slash in an identity is written `%2F`.

A token has a scope: `read`, `operate`, which includes it, or `manage`, which includes both; that of
`CSMS_API_TOKEN` is `manage`. Too small a scope is a 403. Files (`/files/…`) are for charge points:
the random part of the path is their token.

Problems are `application/problem+json` (RFC 9457). A command answers 200 with the charge point's
own answer, or a problem: 404 unknown charge point or action, 409 offline or the connection lost,
422 invalid payload, 429 too many commands waiting, 502 the charge point answered CALLERROR, 504 it
did not answer in time.

""".splitlines()
    yield from head("Request", "What it does", "Scope")
    app = FastAPI()
    v1 = APIRouter(prefix="/api/v1")
    for module in V1_MODULES:
        v1.include_router(module.router)
    app.include_router(v1)
    app.include_router(health.router)
    app.include_router(files.router)
    for path, methods in app.openapi()["paths"].items():
        for method, facts in methods.items():
            yield row(f"`{method.upper()} {path}`", facts["summary"], _scope(method, path))


def _scope(method: str, path: str) -> str:
    if not path.startswith("/api/"):
        return ""
    if path.endswith("/commands/{action}"):
        managing = ", ".join(sorted(MANAGING_ACTIONS))
        return f"`operate`; `manage` for {managing}"
    return f"`{required_scope(method.upper(), path)}`"


def checks_page() -> Iterator[str]:
    """Yield the page of everything the harness checks in every case."""
    yield from """\
# Checks

Held in every case, beside the rules of the case itself (ids `rule.<Action>.conf` and
`rule.<Action>.req`). A failure fails the case, a warning stands beside the verdict, an inconclusive
finding means that something could not be observed. The ids are stable. Ids such as CS-RPC-05 are
our own numbers for what the standard asks of a CSMS.

""".splitlines()
    yield from head("Check", "What must hold", "Demanded by", "Otherwise", "With `--strict`")
    for rule, info in CHECKS.items():
        weights = (info.severity.value, (info.strict or info.severity).value)
        yield row(f"`{rule}`", info.what, info.requirement, *weights)
    yield from """
## Around the cases

Not held against the frames of a Central System, but said where it happens:

""".splitlines()
    yield from head("Finding", "What should hold", "Said by", "Otherwise")
    for rule, info in SURROUNDINGS.items():
        yield row(f"`{rule}`", info.what, info.requirement, info.severity.value)
    yield from """
## Holes of the official schemas

Messages are checked against the official schema set with formats on. Where that set lets something
through that the standard forbids, the harness has a check of its own. In every message: `1.0` is
no integer; integers beyond 64 bit fail and beyond 32 bit warn; date-times and URIs are checked
for their form; `null` as an empty payload warns; `Hertz` is a unit in StopTransaction as well
(errata 3.84). Field by field:

""".splitlines()
    yield from head("Message", "Field", "Check", "Must be", "Where it is demanded", "Otherwise")
    for (action, kind), holes in _HOLES.items():
        for hole in holes:
            facts = (hole.expected, hole.requirement, hole.severity.value)
            yield row(f"{action} {kind.value}", f"`{hole.field}`", f"`{hole.rule}`", *facts)


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "commands.md": commands_page,
    "csms-settings.md": settings_page,
    "csms-api.md": api_page,
    "checks.md": checks_page,
}


def page(name: str) -> str:
    """Return what a page has to say."""
    return "\n".join([NOTE, "", *PAGES[name]()]).rstrip() + "\n"


def main() -> None:
    """Write every page."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        (FOLDER / name).write_text(page(name), encoding="utf-8")
        sys.stdout.write(f"{FOLDER.name}/{name}\n")


if __name__ == "__main__":
    main()
