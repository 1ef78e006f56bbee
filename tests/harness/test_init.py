"""The file that `preflight init` writes."""

from __future__ import annotations

from pathlib import Path

import click.testing
import pytest

from harness.cli import main
from harness.drivers.driver import Operation
from harness.drivers.kinds import make_driver
from harness.init import DEFAULT_URL, BadUrl, DriverKind, write_text
from harness.sut import SystemUnderTest, load

ENVIRONMENT = {
    "PREFLIGHT_PASSWORD": "open-sesame",
    "PREFLIGHT_API_URL": "http://127.0.0.1:8000/api",
    "PREFLIGHT_API_TOKEN": "a-token",
}


def loaded(tmp_path: Path, text: str) -> SystemUnderTest:
    """Load a text as a system-under-test file."""
    file = tmp_path / "made.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, run_dir=tmp_path, environment=ENVIRONMENT)


def init(*arguments: str) -> click.testing.Result:
    """Call the command as from a shell without a terminal."""
    return click.testing.CliRunner().invoke(main, ["init", *arguments], prog_name="preflight")


@pytest.mark.parametrize("kind", DriverKind)
@pytest.mark.parametrize("url", [DEFAULT_URL, "wss://csms.example/ocpp", "ws://[::1]:9/a b"])
def test_what_is_written_loads(tmp_path: Path, kind: DriverKind, url: str) -> None:
    """Whatever was chosen, the file loads as it stands once its variables are set."""
    sut = loaded(tmp_path, write_text(url, kind))

    assert sut.ocpp_url == url
    assert sut.identities[0].password == b"open-sesame"
    assert sut.identities[0].security_profile == (2 if url.startswith("wss") else 1)
    assert (sut.driver is None) is (kind is DriverKind.NONE)


def test_every_suggestion_in_a_comment_is_valid(tmp_path: Path) -> None:
    """Who removes the # of what is offered for HTTP gets a file that loads."""
    lines = write_text(DEFAULT_URL, DriverKind.HTTP).splitlines()
    begin = next(at for at, line in enumerate(lines) if line == "driver:")
    open_lines = [
        line.replace("# ", "", 1)
        if at > begin and line.startswith("  # ") and line.rstrip().endswith((":", "}", "]"))
        else line
        for at, line in enumerate(lines)
    ]

    sut = loaded(tmp_path, "\n".join(open_lines))

    assert sut.driver is not None
    driver = make_driver(sut.driver, timeout_s=1)
    assert driver.cannot(Operation.UNLOCK_CONNECTOR) == "the interface has no unlocking"
    assert driver.cannot(Operation.STATION) == ""
    assert driver.cannot(Operation.BLOCKED_TAG) == ""


@pytest.mark.parametrize(
    "url",
    [
        "http://csms.example",
        "csms.example",
        "ws://",
        "ws://h/ocpp?x=1",
        "ws://u:p@h/",
        "ws://h:99999/",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """An address that could never work is refused at once."""
    with pytest.raises(BadUrl):
        write_text(url, DriverKind.NONE)


def test_places_in_an_address_are_not_places_of_the_file(tmp_path: Path) -> None:
    """Quotes and ${…} in an address end up in the address, and nowhere else."""
    sut = loaded(tmp_path, write_text('ws://h/a"b${env:NOT_SET}', DriverKind.NONE))

    assert sut.ocpp_url.startswith("ws://h/a")
    assert "${" not in sut.ocpp_url


def test_it_asks_nothing_without_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a pipeline the defaults are taken, and the file is where it is expected."""
    monkeypatch.chdir(tmp_path)

    result = init()

    assert result.exit_code == 0, result.output
    assert "?" not in result.output
    assert loaded(tmp_path, (tmp_path / "sut.yaml").read_text()).ocpp_url == DEFAULT_URL


def test_it_never_overwrites_unless_told(tmp_path: Path) -> None:
    """A file that is there stays as it is; with --force it is made anew."""
    file = tmp_path / "mine.yaml"
    file.write_text("precious")

    refused = init(str(file))
    kept = file.read_text()
    forced = init(str(file), "--force", "--ocpp-url", "wss://csms.example/x", "--driver", "none")

    assert (refused.exit_code, kept) == (2, "precious")
    assert "--force" in refused.output
    assert forced.exit_code == 0
    assert loaded(tmp_path, file.read_text()).ocpp_url == "wss://csms.example/x"


def test_wrong_addresses_leave_nothing_behind(tmp_path: Path) -> None:
    """A refused address is wrong use, and no file is made."""
    result = init(str(tmp_path / "new.yaml"), "--ocpp-url", "http://csms.example")

    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []
