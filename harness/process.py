"""Starts the program under test, waits until it is ready, keeps its log, stops it.

Only the process group that was started here is ever signalled.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from harness.drivers.exchange import tls_context
from harness.sut import StartSpec

_POLL_S: Final = 0.05  # between two asks whether the program is ready
_TAIL_LINES: Final = 20
_MAX_WINDOW_BYTES: Final = 256 * 1024


# Run in front of the program on Linux: it ends with us, even when we are killed without a chance
# to stop it. The parent may be gone before the kernel was asked.
_TIED_TO_US: Final = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15)  # PR_SET_PDEATHSIG, SIGTERM
if os.getppid() != int(sys.argv[1]):
    sys.exit("whoever started this program is gone")
os.execv(sys.argv[2], sys.argv[3:])
"""


class StartError(Exception):
    """The program could not be started or did not become ready; the message says why."""


@dataclass(frozen=True, slots=True)
class _Running:
    process: asyncio.subprocess.Process
    exited: asyncio.Task[int]

    def signal(self, number: int) -> None:
        """Signal the process group; what has ended already is left alone."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


class SutProcess:
    """The program under test, as its file's `start` section describes it."""

    def __init__(self, spec: StartSpec) -> None:
        self._spec = spec
        self._running: _Running | None = None
        self._is_stopping = False

    @property
    def pid(self) -> int | None:
        """The program's process id, which is its process group too."""
        return self._running.process.pid if self._running else None

    async def start(self) -> None:
        """Start the program and return when it is ready.

        Raises:
            StartError: it is not there, ended early, or was not ready in time.
        """
        spec = self._spec
        executable = _find(spec.command[0])
        try:
            spec.log.parent.mkdir(parents=True, exist_ok=True)
            spec.directory.mkdir(parents=True, exist_ok=True)
            with spec.log.open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    *_tied([executable, *spec.command[1:]]),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=spec.directory,
                    env=_environment(spec),
                    start_new_session=True,  # its own group: Ctrl-C is ours to pass on
                )
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            raise StartError(
                f"cannot start {spec.command[0]!r}: {error.strerror or error}{where}; "
                "see `start` in the system-under-test file"
            ) from error
        exited = asyncio.create_task(process.wait(), name="program under test")
        self._running = _Running(process, exited)
        try:
            await self._wait_ready(exited)
        except BaseException:
            await self.stop()
            raise

    async def wait_died(self) -> int:
        """Return the exit code once the started program ends by itself; never when we stop it."""
        if self._running is not None:
            code = await asyncio.shield(self._running.exited)
            if not self._is_stopping:
                return code
        never: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        return await never

    async def stop(self) -> None:
        """Send the stop signal, then kill what has not ended in time, children included."""
        running = self._running
        if running is None:
            return
        self._is_stopping = True
        running.signal(getattr(signal, self._spec.stop))
        try:
            async with asyncio.timeout(self._spec.stop_timeout_s):
                await asyncio.shield(running.exited)
        except TimeoutError:
            pass
        finally:
            running.signal(signal.SIGKILL)
        await running.exited

    # --- log --------------------------------------------------------------------------------

    def log_offset(self) -> int:
        """Return where the log ends now, in bytes."""
        try:
            return self._spec.log.stat().st_size
        except OSError:
            return 0

    def log_window(self, start: int) -> str:
        """Return what was logged from byte `start` until now; the last part of a long one."""
        end = self.log_offset()
        cut = max(start, end - _MAX_WINDOW_BYTES)
        try:
            with self._spec.log.open("rb") as log:
                log.seek(cut)
                text = log.read(end - cut).decode(errors="replace")
        except OSError as error:
            return f"(the log cannot be read: {error.strerror})"
        return text if cut == start else f"({cut - start} bytes left out)\n{text}"

    def log_tail(self) -> str:
        """Return the last lines of the log, for messages."""
        lines = self.log_window(0).splitlines()
        return "\n".join(lines[-_TAIL_LINES:]) or "(it logged nothing)"

    # --- inside -----------------------------------------------------------------------------

    async def _wait_ready(self, exited: asyncio.Task[int]) -> None:
        spec = self._spec
        deadline_s = time.monotonic() + spec.ready_timeout_s
        what = spec.ready_http or spec.ready_tcp
        last = "nothing answered"
        # No program tells when it becomes ready: this is the one thing that has to be asked for.
        async with httpx.AsyncClient(trust_env=False, timeout=2.0, verify=tls_context()) as http:
            while True:
                if exited.done():
                    raise StartError(
                        f"{spec.command[0]!r} ended with {_code(exited.result())} before it "
                        f"was ready; the last lines of {spec.log}:\n{self.log_tail()}"
                    )
                last = await self._ask(http)
                if not last:
                    return
                if time.monotonic() > deadline_s:
                    raise StartError(
                        f"{spec.command[0]!r} was not ready within {spec.ready_timeout_s:g} s "
                        f"({what}: {last}); the last lines of {spec.log}:\n{self.log_tail()}"
                    )
                await asyncio.wait([exited], timeout=_POLL_S)

    async def _ask(self, http: httpx.AsyncClient) -> str:
        """Return "" when the program is ready, else what it said instead."""
        try:
            if self._spec.ready_http:
                response = await http.get(self._spec.ready_http)
                return "" if response.is_success else f"HTTP {response.status_code}"
            host, _, port = self._spec.ready_tcp.rpartition(":")
            async with asyncio.timeout(2.0):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            return str(error) or type(error).__name__
        return ""


def _find(name: str) -> str:
    """Return the program's path: beside the running Python first, then as a shell would."""
    if os.sep in name:
        found, where = shutil.which(name), f"at {name}"
    else:
        beside = Path(sys.executable).parent
        found = shutil.which(name, path=str(beside)) or shutil.which(name)
        where = f"in {beside} or on PATH"
    if found is None:
        raise StartError(
            f"cannot start {name!r}: no program {where}; correct `start.command`, or install it"
        )
    return found


def _tied(command: list[str]) -> list[str]:
    """Return the command made to end with this process, where the system can do that."""
    if sys.platform != "linux":
        return command
    return [sys.executable, "-IS", "-c", _TIED_TO_US, str(os.getpid()), command[0], *command]


def _environment(spec: StartSpec) -> dict[str, str]:
    # A started Python program must write its log at once, or windows of it would be empty.
    return {**os.environ, "PYTHONUNBUFFERED": "1", **spec.environment}


def _code(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
