"""`csms serve` as a program: how it starts, what it says, how it ends."""

import asyncio
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

TOKEN = "acceptance-token-0123456789"
START_WITHIN_S = 20.0
EXIT_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Program:
    """A running `csms serve`."""

    process: asyncio.subprocess.Process
    ocpp_url: str
    http_url: str
    lines: tuple[str, ...]

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float, str]:
        """Send a signal; return exit code, seconds it took, and standard error."""
        began_s = monotonic()
        self.process.send_signal(number)
        _, log = await asyncio.wait_for(self.process.communicate(), EXIT_WITHIN_S + 5)
        assert self.process.returncode is not None
        return self.process.returncode, monotonic() - began_s, log.decode()

    def client(self) -> httpx.AsyncClient:
        """A client of the HTTP API that has the token."""
        return httpx.AsyncClient(
            base_url=self.http_url,
            headers={"Authorization": f"Bearer {TOKEN}"},
            trust_env=False,
            timeout=10,
        )


# The same program with a database that never ends.
HANGING = """
import asyncio
from csms.cli import main
from csms.storage.store import Store

async def hang(self):
    await asyncio.Event().wait()

Store.close = hang
main()
"""


async def _spawn(
    directory: Path, *arguments: str, code: str | None = None, **environment: str
) -> asyncio.subprocess.Process:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CSMS_")}
    root = Path(__file__).parents[2]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *(("-m", "csms") if code is None else ("-c", code)),
        *arguments,
        cwd=directory,
        env=inherited | {"PYTHONPATH": str(root)} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def _refused(directory: Path, *arguments: str, **environment: str) -> str:
    """Run a command that must be refused; return its one message."""
    process = await _spawn(directory, *arguments, **environment)
    output, log = await asyncio.wait_for(process.communicate(), START_WITHIN_S)
    text = log.decode()
    assert process.returncode == 2, text
    assert output == b""
    assert "Traceback" not in text
    (message,) = [line for line in text.splitlines() if line.startswith("Error: ")]
    return message


Serve = Callable[..., Coroutine[Any, Any, Program]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts `csms serve` on free ports and waits until it says where it listens."""
    running: list[asyncio.subprocess.Process] = []

    async def start(*arguments: str, code: str | None = None, **environment: str | None) -> Program:
        ours: dict[str, str | None] = {
            "CSMS_OCPP_PORT": "0",
            "CSMS_HTTP_PORT": "0",
            "CSMS_API_TOKEN": TOKEN,
        }
        given = {name: text for name, text in (ours | environment).items() if text is not None}
        process = await _spawn(tmp_path, "serve", *arguments, code=code, **given)
        running.append(process)
        assert process.stdout is not None
        lines = []
        async with asyncio.timeout(START_WITHIN_S):
            for _ in range(2):
                line = (await process.stdout.readline()).decode()
                assert line, (await process.communicate())[1].decode()
                lines.append(line.strip())
        return Program(
            process=process,
            ocpp_url=lines[0].split()[3],
            http_url=lines[1].split()[4].removesuffix("/api/v1"),
            lines=tuple(lines),
        )

    yield start
    for process in running:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def _open(program: Program, identity: str) -> ClientConnection:
    return await connect(
        f"{program.ocpp_url}/{identity}",
        subprotocols=["ocpp1.6"],  # type: ignore[list-item]
        compression=None,
        proxy=None,
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_ends_everything_in_order(serve: Serve, number: signal.Signals) -> None:
    """Charge points see 1001, commands under way an answer, the exit code is 0, within 5 s."""
    program = await serve()
    async with program.client() as api:
        ready = await api.get("/health/ready")
        for identity in ("CP1", "CP2"):
            assert (await api.put(f"/api/v1/charge-points/{identity}", json={})).status_code == 201
        stations = [await _open(program, identity) for identity in ("CP1", "CP2")]
        command = asyncio.create_task(api.post("/api/v1/charge-points/CP1/commands/ClearCache"))
        assert "ClearCache" in str(await stations[0].recv())

        code, took_s, log = await program.stop(number)
        answer = await command

    assert ready.json() == {"status": "ready"}
    assert answer.status_code == 409
    for station in stations:
        await station.wait_closed()
        assert station.close_code == 1001
    assert code == 0
    assert took_s < EXIT_WITHIN_S
    assert "Traceback" not in log
    assert number.name in log


@pytest.mark.slow
async def test_exit_waits_for_nobody(serve: Serve) -> None:
    """Peers that neither read nor close, and half a request, do not keep it from ending."""
    program = await serve()
    async with program.client() as api:
        await api.put("/api/v1/charge-points/CP1", json={})
    station = await _open(program, "CP1")
    station.transport.pause_reading()
    idle = [
        await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
        for url in (program.http_url, program.http_url, program.ocpp_url.replace("ws", "http", 1))
    ]
    idle[0][1].write(b"PUT /api/v1/charge-points/CP2 HTTP/1.1\r\nHost: x\r\nContent-Le")
    await idle[0][1].drain()

    code, took_s, _ = await program.stop()

    assert code == 0
    assert took_s < EXIT_WITHIN_S
    station.transport.abort()
    for _, writer in idle:
        writer.close()


@pytest.mark.slow
async def test_exit_comes_although_something_hangs(serve: Serve) -> None:
    """A disk that does not answer cannot keep the program; the log tells, and the exit code."""
    program = await serve(code=HANGING)

    code, took_s, log = await program.stop()

    assert code == 1
    assert took_s < EXIT_WITHIN_S
    assert "giving up" in log


@pytest.mark.slow
async def test_second_signal_ends_at_once(serve: Serve) -> None:
    """An impatient operator need not wait."""
    program = await serve(code=HANGING)
    async with program.client() as api:
        program.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(EXIT_WITHIN_S):  # the first signal was heeded
            while True:
                try:
                    await api.get("/health/live")
                except httpx.TransportError:
                    break

    code, took_s, log = await program.stop(signal.SIGINT)

    assert code == 1
    assert took_s < 2.0
    assert "second signal" in log


@pytest.mark.slow
async def test_state_survives_a_restart(serve: Serve) -> None:
    """What was stored before the end is there after the next start (CS-BOOT-03)."""
    first = await serve()
    async with first.client() as api:
        await api.put("/api/v1/charge-points/CP1", json={"registration": "Pending"})
        await api.put("/api/v1/id-tags/TAG", json={"status": "Blocked"})
    await first.stop()

    second = await serve()
    async with second.client() as api:
        charge_point = (await api.get("/api/v1/charge-points/CP1")).json()
        tag = (await api.get("/api/v1/id-tags/TAG")).json()
    await second.stop()

    assert charge_point["registration"] == "Pending"
    assert tag["status"] == "Blocked"


@pytest.mark.slow
async def test_database_of_a_running_csms_is_refused(serve: Serve, tmp_path: Path) -> None:
    """Two on one database would harm each other; after a sudden end it is free again."""
    first = await serve()
    message = await _refused(tmp_path, "serve", "--ocpp-port", "0", "--http-port", "0")
    assert "csms.sqlite3 is served by another csms" in message
    await first.stop(signal.SIGKILL)

    await (await serve()).stop()


@pytest.mark.slow
async def test_start_lines_tell_what_is_open(serve: Serve) -> None:
    """Real addresses, and who may come in."""
    program = await serve("--unknown-charge-points", "Accepted", CSMS_LOWEST_SECURITY_PROFILE="1")
    ocpp, http = program.lines

    assert ocpp.startswith("OCPP-J listens on ws://127.0.0.1:")
    assert not ocpp.split()[3].endswith(":0/ocpp")
    assert "registered as Accepted" in ocpp
    assert "a key or password is required" in ocpp
    assert "a bearer token is required" in http


@pytest.mark.slow
async def test_without_any_token_the_api_is_shut(serve: Serve, tmp_path: Path) -> None:
    """The start says how to make one; a token made meanwhile works at once."""
    program = await serve(CSMS_API_TOKEN=None)
    async with program.client() as client:
        shut = await client.get("/api/v1/charge-points")
        adding = await _spawn(tmp_path, "token", "add", "ci")
        token = (await adding.communicate())[0].decode().strip()
        opened = await client.get(
            "/api/v1/charge-points", headers={"Authorization": f"Bearer {token}"}
        )

    assert "every call is refused" in program.lines[1]
    assert "csms token add NAME" in program.lines[1]
    assert (shut.status_code, opened.status_code) == (401, 200)


@pytest.mark.slow
async def test_flags_win_over_environment_over_file(serve: Serve, tmp_path: Path) -> None:
    """The same setting in three places: the strongest is in force."""
    (tmp_path / "csms.toml").write_text(
        "heartbeat_interval_s = 1\nboot_retry_interval_s = 1\nresponse_timeout_s = 0.2\n"
        "unknown_charge_points = 'Accepted'\n"
    )
    program = await serve(
        "--heartbeat-interval",
        "3",
        CSMS_CONFIG=str(tmp_path / "csms.toml"),
        CSMS_HEARTBEAT_INTERVAL_S="2",
        CSMS_UNKNOWN_CHARGE_POINTS="refuse",
    )
    async with program.client() as api:
        with pytest.raises(InvalidStatus) as unknown:
            await _open(program, "CP1")
        await api.put("/api/v1/charge-points/CP1", json={})
        station = await _open(program, "CP1")
        boot = '{"chargePointVendor": "V", "chargePointModel": "M"}'
        await station.send(f'[2, "1", "BootNotification", {boot}]')
        booted = str(await station.recv())
        late = await api.post("/api/v1/charge-points/CP1/commands/ClearCache")
        await station.close()

    assert '"interval":3' in booted
    assert unknown.value.response.status_code == 404
    assert late.status_code == 504
    assert "0.2 s" in late.json()["detail"]


@pytest.mark.slow
@pytest.mark.parametrize("listener", ["ocpp", "http"])
async def test_taken_port_is_one_message(tmp_path: Path, listener: str) -> None:
    """The message names the listener, the address and the flag that helps."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"CSMS_OCPP_PORT": "0", "CSMS_HTTP_PORT": "0"}
        ports[f"CSMS_{listener.upper()}_PORT"] = str(port)
        message = await _refused(tmp_path, "serve", **ports)

    assert f"127.0.0.1:{port}" in message
    assert f"--{listener}-port" in message
    assert "in use" in message


@pytest.mark.slow
async def test_unknown_host_is_one_message(tmp_path: Path) -> None:
    """An address that is not ours cannot be listened on."""
    message = await _refused(
        tmp_path, "serve", "--ocpp-port", "0", "--http-port", "0", "--http-host", "192.0.2.1"
    )

    assert "192.0.2.1" in message
    assert "--http-host" in message


@pytest.mark.slow
async def test_database_of_a_newer_version_is_one_message(serve: Serve, tmp_path: Path) -> None:
    """A database this version does not understand is left alone."""
    program = await serve()
    await program.stop()
    with sqlite3.connect(tmp_path / "csms.sqlite3") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()

    message = await _refused(tmp_path, "serve", "--ocpp-port", "0", "--http-port", "0")

    assert "csms.sqlite3" in message
    assert "newer version" in message
