"""`preflight check` as people type it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click.testing

from harness.cli import main
from tests.harness.test_check_system import Doorkeeper

FILE = """\
name: Small
ocpp_url: {url}
identities: [{{identity: CP1, password: password-1}}]
id_tags: {{valid: [VALID1]}}
"""


@contextmanager
def served(make: Callable[[], Doorkeeper]) -> Iterator[Doorkeeper]:
    """Serve a miniature on a loop of its own: the command runs in the foreground."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    miniature = make()
    over = asyncio.Event()

    async def serve() -> None:
        async with miniature:
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait(5)
    try:
        yield miniature
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(5)
        loop.close()


def preflight(*arguments: str) -> click.testing.Result:
    """Call the command as from the shell."""
    return click.testing.CliRunner().invoke(main, ["check", *arguments], prog_name="preflight")


def test_the_command_tells_before_and_after(tmp_path: Path) -> None:
    """First what will be sent, then the points with their remedies; JSON has both."""
    file = tmp_path / "sut.yaml"
    with served(Doorkeeper) as miniature:
        file.write_text(FILE.format(url=miniature.url))
        text = preflight("--sut", str(file))
        machine = preflight("--sut", str(file), "--json")

    assert text.exit_code == 0, text.output
    begin, _, rest = text.stdout.partition("\n\n")
    assert "This check of Small" in begin
    assert "1 Authorize" in begin
    assert "good     session: CP1 is booted" in rest
    content = json.loads(machine.stdout)
    assert content["exit_code"] == machine.exit_code == 0
    assert {one["state"] for one in content["points"]} <= {"good", "warning"}
    assert "1 Authorize" in " ".join(content["sends"])
    assert "password-1" not in text.output + machine.output


def test_findings_are_exit_code_1_and_wrong_use_2(tmp_path: Path) -> None:
    """A missing charge point is a finding; a broken file and a public address are wrong use."""
    file = tmp_path / "sut.yaml"
    with served(lambda: Doorkeeper(registered=0)) as miniature:
        file.write_text(FILE.format(url=miniature.url))
        found = preflight("--sut", str(file))
    file.write_text(FILE.format(url="ws://192.0.2.1/ocpp"))
    public = preflight("--sut", str(file))
    file.write_text("name: X\n")
    broken = preflight("--sut", str(file))

    assert (found.exit_code, public.exit_code, broken.exit_code) == (1, 2, 2)
    assert "-> register them" in found.stdout
    assert "--i-may-test-this" in public.output
    assert "identities" in broken.output
