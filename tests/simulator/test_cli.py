"""`preflight simulate` as people use it: a script, lines on standard input, and mistakes."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import Encoding
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from simulator.cli import simulate
from tests import miniature_pki as pki
from tests.simulator.tls_rig import client_credentials, root_pem, server_context

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
        self.command: list[Any] = []

    async def handle(self, socket: ServerConnection) -> None:
        """Answer everything; a DataTransfer is followed by a Reset."""
        async for text in socket:
            frame = json.loads(text)
            self.received.append(frame)
            if frame[0] == 2:
                answer = ANSWERS.get(frame[2], {"currentTime": "2026-01-31T12:00:00Z"})
                with suppress(ConnectionClosed):  # what it said before it left is still to be read
                    await socket.send(json.dumps([3, frame[1], answer]))
            if self.command and frame[2] == "StatusNotification":
                await socket.send(json.dumps([2, "c", *self.command]))
                self.command = []

    def look(self, socket: ServerConnection, request: Request) -> Response | None:
        """Note the headers; unknown identities get 404."""
        self.headers.append(dict(request.headers.raw_items()))
        return socket.respond(404, "unknown\n") if request.path.endswith("/UNKNOWN") else None

    def actions(self) -> list[str]:
        """Return the actions of the CALLs received."""
        return [frame[2] for frame in self.received if frame[0] == 2]


@contextmanager
def running_csms(context: ssl.SSLContext | None = None) -> Iterator[Csms]:
    """Run a CSMS while the command under test runs in this thread; over TLS with a context."""
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
            ssl=context,
        ) as server:
            scheme = "ws" if context is None else "wss"
            csms.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp"
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


# --- security --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files() -> Mapping[str, str]:
    """PEM files as somebody would give them."""
    credentials = client_credentials()
    texts = {
        "roots": root_pem(),
        "stranger": pki.pem(pki.authority("Stranger").root),
        "certificate": credentials["certificate_chain_pem"],
        "key": credentials["private_key_pem"],
        "both": "".join(credentials.values()),
        "other key": pki.key_pem(pki.key("EC", "somebody else")),
    }
    paths = {name: pki.written(f"cli-{name}.pem", text) for name, text in texts.items()}
    paths["der"] = paths["roots"].with_suffix(".der")
    paths["der"].write_bytes(pki.authority().root.public_bytes(Encoding.DER))
    return {name: str(path) for name, path in paths.items()}


def test_password_over_tls(files: Mapping[str, str]) -> None:
    """A password and a wss address are security profile 2; what TLS agreed on is shown."""
    with running_csms(server_context()) as csms:
        result = run(
            *("--url", csms.url, "--id", "A", "--trust", files["roots"], "--password", "secret"),
            *("--max-tls", "1.2", "--suite", "TLS_RSA_WITH_AES_128_GCM_SHA256"),
            lines="plug 1\n",
        )

    assert result.exit_code == 0, result.output
    assert csms.headers[0]["Authorization"] == "Basic QTpzZWNyZXQ="
    shown = result.output.replace("\n", " ")
    assert "TLSv1.2 with TLS_RSA_WITH_AES_128_GCM_SHA256" in " ".join(shown.split())
    assert "certificate shown" not in result.output


@pytest.mark.parametrize("names", [("certificate", "key"), ("both",)])
def test_certificate_over_tls(files: Mapping[str, str], names: tuple[str, ...]) -> None:
    """A certificate is security profile 3, and no password goes with it."""
    options = ("--certificate", "--certificate-key")
    given = [part for pair in zip(options, names, strict=False) for part in pair]
    with running_csms(server_context(clients=ssl.CERT_REQUIRED)) as csms:
        result = run(
            *("--url", csms.url, "--trust", files["roots"], "--password", "secret"),
            *[files.get(part, part) for part in given],
        )

    assert result.exit_code == 0, result.output
    assert "Authorization" not in csms.headers[0]
    assert "our certificate shown" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("trust", "server_name", "words"),
    [
        ("stranger", "", "in certificate chain; --trust names the root"),
        ("roots", "csms.example", "it is for 127.0.0.1, not for csms.example"),
    ],
)
def test_server_that_is_not_trusted(
    files: Mapping[str, str], trust: str, server_name: str, words: str
) -> None:
    """A server that is not trusted gets no password; what to do about it is said."""
    with running_csms(server_context()) as csms:
        result = run(
            *("--url", csms.url, "--trust", files[trust], "--password", "secret"),
            *("--server-name", server_name),
        )

    assert result.exit_code == 1
    assert csms.headers == []
    assert words in " ".join(result.output.split())


def test_plain_server_behind_a_wss_address(files: Mapping[str, str]) -> None:
    """Who mistook the address is asked whether he did."""
    with running_csms() as csms:
        result = run("--url", csms.url.replace("ws:", "wss:"), "--trust", files["roots"])

    assert result.exit_code == 1
    assert "is it a ws:// address?" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--url", "wss://h", "--suite", "RC4"), "no cipher suite is called RC4"),
        (("--url", "wss://h", "--suite", "TLS_RSA_WITH_RC4_128_SHA"), "cannot be offered"),
        (("--url", "wss://h", "--min-tls", "1.3", "--max-tls", "1.2"), "cannot be offered"),
        (("--url", "wss://h", "--security-profile", "1", "--password", "x"), "needs a ws://"),
        (("--url", "ws://h", "--security-profile", "2", "--password", "x"), "needs a wss://"),
        (("--url", "wss://h", "--security-profile", "2"), "needs --password"),
        (("--url", "wss://h", "--security-profile", "3"), "needs --certificate"),
        (("--url", "ws://h", "--tls-url", "ws://h"), "expected wss://"),
        (("--url", "ws://h:x"), "expected ws://"),
        (("--url", "wss://h", "--certificate-key", "key"), "needs --certificate"),
        (("--url", "wss://h", "--certificate", "certificate"), "cannot be used"),
        (
            ("--url", "wss://h", "--certificate", "certificate", "--certificate-key", "other key"),
            "cannot be used: key values mismatch",
        ),
        (("--url", "wss://h", "--trust", "/nowhere"), "No such file"),
        (("--url", "wss://h", "--trust", "der"), "is no PEM file"),
        (("--url", "wss://h", "--trust", "key"), "the trust anchors cannot be read"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)
def test_security_options_that_cannot_be(
    files: Mapping[str, str], arguments: tuple[str, ...], words: str
) -> None:
    """What does not fit together, or cannot be done here, is exit 2 with a message for people."""
    result = run(*[files.get(one, one) for one in arguments])

    assert result.exit_code == 2
    assert words in " ".join(result.output.split())
    assert "Traceback" not in result.output


@pytest.mark.slow
def test_raised_profile_goes_to_the_tls_address(files: Mapping[str, str]) -> None:
    """A CSMS that raises the profile meets the charge point again at the other address."""
    change = {"key": "SecurityProfile", "value": "2"}
    with running_csms(server_context()) as secure, running_csms() as plain:
        plain.command = ["ChangeConfiguration", change]
        result = run(
            *("--url", plain.url, "--tls-url", secure.url, "--trust", files["roots"]),
            *("--id", "A", "--password", "secret"),
            lines="wait 1.5\n",
        )

    assert result.exit_code == 0, result.output
    assert plain.headers[0]["Authorization"] == "Basic QTpzZWNyZXQ="
    assert secure.headers[0]["Authorization"] == "Basic QTpzZWNyZXQ="
    assert [3, "c", {"status": "Accepted"}] in plain.received
