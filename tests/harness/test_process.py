"""The program under test: started, seen to be ready, logged, stopped."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from harness.process import StartError, SutProcess
from harness.sut import StartSpec

LISTENS = """
import signal, socket, subprocess, sys, time
if "--stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "--child" in sys.argv:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print("child", child.pid, flush=True)
print("listening", flush=True)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection = server.accept()[0]
    data = connection.recv(99)
    if data == b"die":
        raise SystemExit(7)
    print("got", data, flush=True)
    connection.close()
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def spec(tmp_path: Path, code: str = LISTENS, *arguments: str) -> StartSpec:
    script, port = tmp_path / "program.py", free_port()
    script.write_text(code)
    return StartSpec(
        command=(sys.executable, str(script), str(port), *arguments),
        environment={"GREETING": "hello"},
        directory=tmp_path / "work",
        log=tmp_path / "logs" / "sut.log",
        ready_tcp=f"127.0.0.1:{port}",
        ready_timeout_s=10.0,
        stop_timeout_s=5.0,
    )


async def tell(start: StartSpec, data: bytes) -> None:
    """Send something to the program and wait until it hung up."""
    host, port = start.ready_tcp.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    writer.write_eof()
    await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_program_runs_until_it_is_stopped(tmp_path: Path) -> None:
    """Started means ready; stopped means gone."""
    process = SutProcess(spec(tmp_path))
    await process.start()
    pid = process.pid
    assert pid is not None
    assert psutil.pid_exists(pid)

    await process.stop()
    assert not psutil.pid_exists(pid)


@pytest.mark.slow
async def test_stubborn_program_and_its_children_are_killed(tmp_path: Path) -> None:
    """What ignores the stop signal is killed, and so is what it started itself."""
    start = replace(spec(tmp_path, LISTENS, "--stubborn", "--child"), stop_timeout_s=0.05)
    process = SutProcess(start)
    await process.start()
    words = start.log.read_text().split()
    child = psutil.Process(int(words[words.index("child") + 1]))
    await process.stop()

    assert psutil.wait_procs([child], timeout=3)[1] == []


async def test_log_window_is_what_was_logged_meanwhile(tmp_path: Path) -> None:
    """A case's window has its own lines and not those before it."""
    process = SutProcess(spec(tmp_path))
    await process.start()
    await tell(process._spec, b"before")
    offset = process.log_offset()
    await tell(process._spec, b"meanwhile")
    window = process.log_window(offset)
    await process.stop()

    assert "meanwhile" in window
    assert "before" not in window
    assert "listening" in process.log_tail()


async def test_early_end_is_told_with_code_and_log(tmp_path: Path) -> None:
    """A program that ends instead of becoming ready is told at once."""
    code = "import os; print(os.environ['GREETING'], os.getcwd()); raise SystemExit(4)"
    with pytest.raises(StartError, match=r"exit code 4 before it was ready") as error:
        await SutProcess(spec(tmp_path, code)).start()

    assert f"hello {tmp_path / 'work'}" in str(error.value)


async def test_program_that_never_becomes_ready(tmp_path: Path) -> None:
    """The deadline is told with what the ready check saw; the program is stopped."""
    start = replace(
        spec(tmp_path, "import time; time.sleep(600)"), ready_timeout_s=0.2, stop_timeout_s=1.0
    )
    process = SutProcess(start)
    with pytest.raises(StartError, match=r"not ready within 0.2 s"):
        await process.start()

    assert process.pid is not None
    assert not psutil.pid_exists(process.pid)


@pytest.mark.parametrize(
    ("command", "message"),
    [(("no-such-program-here",), "or on PATH"), (("./none",), r"no program at \./none")],
)
async def test_program_that_is_not_there(
    tmp_path: Path, command: tuple[str, ...], message: str
) -> None:
    """A wrong command is told as such."""
    with pytest.raises(StartError, match=message):
        await SutProcess(replace(spec(tmp_path), command=command)).start()


@pytest.mark.slow
async def test_program_ends_with_a_killed_harness(tmp_path: Path) -> None:
    """A harness that is killed leaves no server behind."""
    start = spec(tmp_path)
    code = (
        "import asyncio, os, signal\n"
        "from pathlib import Path, PosixPath\n"
        "from harness.process import SutProcess\n"
        "from harness.sut import StartSpec\n"
        "async def main():\n"
        f"    process = SutProcess({start!r})\n"
        "    await process.start()\n"
        "    print(process.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    harness = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    assert harness.stdout is not None
    pid = int(await harness.stdout.readline())
    await harness.wait()

    with suppress(psutil.NoSuchProcess):
        assert psutil.wait_procs([psutil.Process(pid)], timeout=5)[1] == []


async def test_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A log in an impossible place is the file's fault, with the place named."""
    (tmp_path / "file").write_text("")
    start = replace(spec(tmp_path), log=tmp_path / "file" / "sut.log")
    with pytest.raises(StartError, match=r"cannot start .*/file.*see `start`"):
        await SutProcess(start).start()


async def test_own_end_is_noticed(tmp_path: Path) -> None:
    """A program that ends by itself is noticed with its exit code."""
    process = SutProcess(spec(tmp_path))
    await process.start()
    died = asyncio.create_task(process.wait_died())
    await tell(process._spec, b"die")
    async with asyncio.timeout(5):
        assert await died == 7
    await process.stop()


async def test_wanted_end_is_no_death(tmp_path: Path) -> None:
    """Stopping is not dying."""
    process = SutProcess(spec(tmp_path))
    await process.start()
    died = asyncio.create_task(process.wait_died())
    await process.stop()
    await asyncio.sleep(0)

    assert not died.done()
    died.cancel()


async def test_http_ready_check_wants_success(tmp_path: Path) -> None:
    """A listener that answers 503 is not ready yet; 200 is."""
    code = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Handler.asked += 1
        self.send_response(503 if Handler.asked < 3 else 200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
    start = spec(tmp_path, code)
    start = replace(start, ready_tcp="", ready_http=f"http://{start.ready_tcp}/ready")
    process = SutProcess(start)
    await process.start()
    log = start.log.read_text()
    await process.stop()

    assert log.count(" 503 ") == 2
