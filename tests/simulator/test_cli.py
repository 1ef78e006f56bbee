"""`preflight simulate` as people use it: a script, lines on standard input, and mistakes."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from simulator.cli import simulate

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "play-a-charge-point.md"

ANSWERS: dict[str, dict[str, Any]] = {
    "BootNotification": {
        "status": "Accepted",
        "currentTime": "2026-01-31T12:00:00Z",
        "interval": 300,
    },
    "Authorize": {"idTagInfo": {"status": "Accepted"}},
    "StartTransaction": {"transactionId": 1, "idTagInfo": {"status": "Accepted"}},
}


class Csms:
    """A server in a thread of its own, and what it received."""

    def __init__(self) -> None:
        self.received: list[list[Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    async def handle(self, socket: ServerConnection) -> None:
        """Answer everything; a DataTransfer is followed by a Reset."""
        async for text in socket:
            frame = json.loads(text)
            self.received.append(frame)
            if frame[0] == 2:
                answer = ANSWERS.get(frame[2], {"currentTime": "2026-01-31T12:00:00Z"})
                await socket.send(json.dumps([3, frame[1], answer]))

    def look(self, socket: ServerConnection, request: Request) -> Response | None:
        """Note the headers; unknown identities get 404."""
        self.headers.append(dict(request.headers.raw_items()))
        return socket.respond(404, "unknown\n") if request.path.endswith("/UNKNOWN") else None

    def actions(self) -> list[str]:
        """Return the actions of the CALLs received."""
        return [frame[2] for frame in self.received if frame[0] == 2]


@contextmanager
def running_csms() -> Iterator[Csms]:
    """Run a CSMS while the command under test runs in this thread."""
    csms, started = Csms(), threading.Event()
    loop, over = asyncio.new_event_loop(), asyncio.Event()

    async def main() -> None:
        async with serve(
            csms.handle,
            "127.0.0.1",
            0,
            subprotocols=[Subprotocol("ocpp1.6")],
            process_request=csms.look,
            close_timeout=0.1,
        ) as server:
            csms.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp"
            started.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    started.wait()
    try:
        yield csms
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


def run(*arguments: str, lines: str = "", environment: dict[str, str] | None = None) -> Result:
    """Run the command."""
    return CliRunner().invoke(simulate, arguments, input=lines, env=environment)


def test_script_plays_a_session(tmp_path: Path) -> None:
    """A whole session by script: the CSMS sees it, and the frames are shown."""
    script = tmp_path / "session.txt"
    script.write_text(
        "# a session\nplug 1\ntag CARD 1\nstatus\ntag CARD 1\nunplug 1\nhelp\ntags\nquit\nplug 1\n"
    )
    with running_csms() as csms:
        result = run("--url", csms.url, "--id", "CP1", "--script", str(script))

    assert result.exit_code == 0, result.output
    assert csms.actions() == [
        "BootNotification",
        *["StatusNotification"] * 3,
        "StatusNotification",
        "Authorize",
        "StartTransaction",
        "StatusNotification",
        "StopTransaction",
        "StatusNotification",
        "StatusNotification",
    ]
    for words in ("Charge point CP1", "> plug 1", "→ StartTransaction", "Charging", "unplug N"):
        assert words in result.output
    assert "closed by the charge point (1000)" in result.output


def test_lines_on_standard_input() -> None:
    """What is piped in is done line by line, and the end of it is the end."""
    with running_csms() as csms:
        result = run("--url", csms.url, "--seed", "3", lines="plug 2\ntag\n")
        again = run("--url", csms.url, "--seed", "3", lines="plug 2\ntag\n")

    assert result.exit_code == again.exit_code == 0
    ids = [frame[3]["idTag"] for frame in csms.received if frame[2:3] == ["Authorize"]]
    assert len(ids) == 2
    assert ids[0] == ids[1]


@pytest.mark.slow
def test_network_power_and_reboot() -> None:
    """The line goes and comes, the power goes and comes, it restarts: boots where it should."""
    lines = "network off\nplug 1\nnetwork on\nwait 0.2\npower off\npower on\nwait 1.2\n"
    with running_csms() as csms:
        result = run("--url", csms.url, lines=lines)

    assert result.exit_code == 0, result.output
    assert csms.actions() == [
        "BootNotification",
        *["StatusNotification"] * 3,
        "StatusNotification",
        "BootNotification",
        *["StatusNotification"] * 3,
    ]


def test_scripted_answers_clock_and_raw_text() -> None:
    """Answers, the clock and raw frames are in the hands of whoever types."""
    lines = "clock -86400\nanswer Reset error:InternalError\nraw [2, 'junk'\nplug 1\ndata V\n"
    with running_csms() as csms:
        csms.received.clear()
        # junk breaks json.loads in this CSMS, so it is sent as JSON that means nothing
        result = run("--url", csms.url, lines=lines.replace("[2, 'junk'", '[9,"x"]'))

    assert result.exit_code == 0, result.output
    assert [9, "x"] in csms.received
    plugged = csms.received[-2]
    assert not plugged[3]["timestamp"].startswith("2026-01-31")


@pytest.mark.parametrize(
    ("lines", "code", "words"),
    [
        ("plgu 1\nplug 1\n", 2, "did you mean 'plug'"),
        ("unplug 1\nplug 1\n", 1, "no cable is in"),
        ("power off\nraw x\n", 1, "not connected"),
    ],
)
def test_first_mistake_ends_a_piped_run(lines: str, code: int, words: str) -> None:
    """A line that cannot be done ends the run with a message and an exit code."""
    with running_csms() as csms:
        result = run("--url", csms.url, lines=lines)

    assert result.exit_code == code
    assert words in result.output
    assert "> plug 1" not in result.output


def test_script_is_checked_before_anything_is_sent(tmp_path: Path) -> None:
    """A wrong line is told with file and line, exit 2, and no connection was made."""
    script = tmp_path / "wrong.txt"
    script.write_text("plug 1\n\nfault 1\n")
    with running_csms() as csms:
        result = run("--url", csms.url, "--script", str(script))

    assert result.exit_code == 2
    assert f"{script}:3: usage: fault N CODE" in result.output.replace("\n", " ")
    assert csms.received == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--url", "http://127.0.0.1/x"), "expected ws://"),
        (("--url", "ws:///x"), "expected ws://"),
        (("--url", "ws://127.0.0.1:9", "--key", "Nope=1"), "unknown configuration key 'Nope'"),
        (("--url", "ws://127.0.0.1:9", "--key", "Nope"), "expected NAME=VALUE"),
        (("--url", "ws://127.0.0.1:9", "--password", "hex:xy"), "hexadecimal"),
        (("--url", "ws://127.0.0.1:9", "--script", "/nowhere"), "does not exist"),
        ((), "Missing option '--url'"),
    ],
)
def test_wrong_use(arguments: tuple[str, ...], words: str) -> None:
    """Wrong options are exit 2 with a message, never a stack trace."""
    result = run(*arguments)

    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output


def test_nobody_listens() -> None:
    """Without a CSMS a script ends at once, with the reason."""
    with running_csms() as csms:
        url = csms.url
    result = run("--url", url, lines="plug 1\n")

    assert result.exit_code == 1
    assert "unreachable: nothing listens" in result.output
    assert "Traceback" not in result.output


def test_unknown_identity() -> None:
    """A refusal by HTTP is told with its status."""
    with running_csms() as csms:
        result = run("--url", csms.url, "--id", "UNKNOWN", lines="plug 1\n")

    assert result.exit_code == 1
    assert "HTTP 404" in result.output


def test_password_from_the_environment() -> None:
    """The password comes from a variable, as text or raw bytes, and never shows."""
    with running_csms() as csms:
        text = run("--url", csms.url, "--id", "A", environment={"PREFLIGHT_PASSWORD": "secret"})
        raw = run("--url", csms.url, "--id", "A", environment={"PREFLIGHT_PASSWORD": "hex:00ff"})

    assert [headers["Authorization"] for headers in csms.headers] == [
        "Basic QTpzZWNyZXQ=",
        "Basic QToA/w==",
    ]
    assert "secret" not in text.output
    assert "00ff" not in raw.output


@pytest.mark.slow
def test_session_of_the_documentation_works() -> None:
    """The session that the how-to shows does what it says."""
    text = HOW_TO.read_text(encoding="utf-8")
    lines = text.partition("```text\n")[2].partition("```")[0]
    with running_csms() as csms:
        result = run("--url", csms.url, lines=lines)

    assert result.exit_code == 0, result.output
    assert csms.actions()[-6:] == [
        "Authorize",
        "StartTransaction",
        "StatusNotification",
        "StatusNotification",
        "StopTransaction",
        "StatusNotification",
    ]
