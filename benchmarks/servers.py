"""Start and stop the servers under measurement, each in a process of its own."""

import asyncio
import os
import re
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from benchmarks.report import OURS, SILENT, THEIRS
from benchmarks.stations import Account, LoadError

START_S = 20.0
STOP_S = 6.0
CSMS_ADDRESSES = re.compile(r"(wss|ws|http)://127\.0\.0\.1:(\d+)(/[^\s?#]*)?")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server and the stations that may connect to it."""

    name: str
    process: psutil.Process
    accounts: tuple[Account, ...]

    def cpu_s(self) -> float:
        """Return the processor time used so far: user and system, all threads."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def memory_bytes(self) -> int:
        """Return the resident memory."""
        return int(self.process.memory_info().rss)


@asynccontextmanager
async def _running(
    command: Sequence[str], *, environment: dict[str, str], log: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program until the block ends; its standard error goes to the log."""
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=os.environ | environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _line(process: asyncio.subprocess.Process, log: Path) -> str:
    """Return the next line a program prints."""
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), START_S)
    if not line:
        raise LoadError(f"a server ended at once:\n{_tail(log)}")
    return line.decode()


def _tail(log: Path) -> str:
    """Return the end of a log."""
    return log.read_text(errors="replace")[-2000:]


@asynccontextmanager
async def reference(count: int, folder: Path, *flags: str) -> AsyncIterator[Server]:
    """Run the server that the `ocpp` package documents; the only flag is `--silent`."""
    log = folder / f"reference{''.join(flags)}.log"
    command = [sys.executable, "-m", "benchmarks.reference_server", *flags]
    async with _running(command, environment={}, log=log) as process:
        port = int(await _line(process, log))
        accounts = tuple(
            Account(port, "", f"BENCH{n:04}", id_tag=f"TAG{n:04}") for n in range(count)
        )
        yield Server(SILENT if flags else THEIRS, psutil.Process(process.pid), accounts)


@asynccontextmanager
async def csms(
    count: int, folder: Path, *, over_tls: int = 0, passwords: range = range(0)
) -> AsyncIterator[Server]:
    """Run `csms serve` with its defaults on a fresh database, every station registered.

    Args:
        over_tls: so many stations more, of security profile 2.
        passwords: which stations have a password that a person chose.
    """
    log = folder / "csms.log"
    token = secrets.token_hex(20)
    environment = {
        "CSMS_OCPP_PORT": "0",
        "CSMS_HTTP_PORT": "0",
        "CSMS_DATABASE": f"sqlite:///{folder / 'csms.sqlite3'}",
        "CSMS_API_TOKEN": token,
    }
    if over_tls:
        environment["CSMS_TLS_PORT"] = "0"
    command = [sys.executable, "-m", "csms", "serve"]
    async with _running(command, environment=environment, log=log) as process:
        addresses: dict[str, tuple[int, str]] = {}
        while len(addresses) < (3 if over_tls else 2):
            for scheme, port, path in CSMS_ADDRESSES.findall(await _line(process, log)):
                addresses[scheme] = (int(port), path.rstrip("/"))
        accounts = tuple(
            Account(
                *addresses["ws" if n < count else "wss"],
                identity=f"BENCH{n:04}",
                id_tag=f"TAG{n:04}",
                password=secrets.token_hex(10).encode(),
                is_key=n not in passwords,
                security_profile=1 if n < count else 2,
            )
            for n in range(count + over_tls)
        )
        await _register(f"http://127.0.0.1:{addresses['http'][0]}", token, accounts)
        yield Server(OURS, psutil.Process(process.pid), accounts)


async def _register(url: str, token: str, accounts: Sequence[Account]) -> None:
    """Make identities and id tags known, as an operator would."""
    gate = asyncio.Semaphore(16)
    async with httpx.AsyncClient(
        base_url=f"{url}/api/v1",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=START_S,
    ) as client:

        async def put(path: str, body: dict[str, object]) -> None:
            async with gate:
                response = await client.put(path, json=body)
            if not response.is_success:
                raise LoadError(f"PUT {path}: {response.status_code} {response.text[:500]}")

        requests = []
        for account in accounts:
            station: dict[str, object] = {
                "registration": "Accepted",
                "securityProfile": account.security_profile,
            }
            if account.is_key:  # the key is the Basic password as hexadecimal (OCPP-J 1.6 §6.2.1)
                station["authorizationKey"] = account.password.hex()
            else:
                station["password"] = account.password.decode()
            requests.append(put(f"/charge-points/{account.identity}", station))
            requests.append(put(f"/id-tags/{account.id_tag}", {"status": "Accepted"}))
        await asyncio.gather(*requests)
