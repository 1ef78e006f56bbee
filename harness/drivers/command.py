"""Commands a Central System through a program of the vendor's, started for each operation.

The operation is on its standard input as one JSON object; what it made of it is told by its exit
code, and by one JSON object on its standard output where it has more to say. No shell; bounded in
time and output; ended with all it started; without the secrets of our environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from harness.drivers.driver import (
    Credentials,
    DriverOutcome,
    Operation,
    Outcome,
    ProvisioningError,
)
from harness.masking import TELLS_SECRET, Masker
from harness.model import Json

UNSUPPORTED_CODE: Final = 89

_MAX_OUTPUT: Final = 256 * 1024  # bytes
_MAX_WORDS: Final = 300
_ENDING_S: Final = 2.0
# What a program needs to run at all, and nothing that is ours.
_PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ", "SYSTEMROOT")
_OUTCOMES: Final = {
    one.value: one for one in (Outcome.DONE, Outcome.REFUSED, Outcome.PENDING, Outcome.UNSUPPORTED)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandDriverSpec:
    """The `driver` section of a system-under-test file, of kind ``command``.

    Attributes:
        command: program and arguments; no shell.
        directory: working directory.
        environment: what it gets besides the bare minimum.
        unsupported: what it cannot do, with reasons; it is not even started for these.
        concurrency: how many may run at a time.
        timeout_s: for one operation; None: as the run says.
    """

    command: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    unsupported: Mapping[str, str] = field(default_factory=dict)
    concurrency: int = 8
    timeout_s: float | None = None

    @property
    def description(self) -> str:
        """What a report calls it."""
        return f"command {self.command[0]}"

    def secrets(self) -> Sequence[str]:
        """Return what must not be written anywhere."""
        return tuple(value for name, value in self.environment.items() if TELLS_SECRET.search(name))


@dataclass(frozen=True, slots=True)
class _Ended:
    code: int
    out: str
    err: str


class _RunError(Exception):
    """The program could not be run to its end."""


class CommandDriver:
    """Starts the program."""

    is_patient = False

    def __init__(
        self, spec: CommandDriverSpec, *, timeout_s: float, masker: Masker | None = None
    ) -> None:
        """Prepare; nothing is started yet."""
        self._spec = spec
        self._masker = masker if masker is not None else Masker()
        self._timeout_s = timeout_s if spec.timeout_s is None else spec.timeout_s
        self._slots = asyncio.Semaphore(spec.concurrency)

    def cannot(self, operation: Operation) -> str:
        """Return what the file says it cannot do."""
        return self._spec.unsupported.get(operation, "")

    def remarks(self) -> Sequence[str]:
        """Notice nothing."""
        return ()

    async def prepare(
        self, identities: Sequence[Credentials], id_tags: Mapping[str, Sequence[str]]
    ) -> None:
        """Register parents, then everything else side by side."""
        parents = id_tags.get("parent", ())
        for tag in parents:
            await self._tag("parent", tag, "")
        jobs = [self._station(one) for one in identities]
        for role, tags in id_tags.items():
            if role != "parent":
                jobs += [
                    self._tag(role, tag, parents[index % len(parents)] if parents else "")
                    for index, tag in enumerate(tags)
                ]
        tasks = [asyncio.ensure_future(job) for job in jobs]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def restore(self, credentials: Credentials) -> bool:
        """Register an identity once more."""
        return await self._station(credentials)

    async def command(
        self, identity: str, operation: Operation, payload: Mapping[str, Json]
    ) -> DriverOutcome:
        """Run the program for a command."""
        if reason := self.cannot(operation):
            return DriverOutcome(Outcome.UNSUPPORTED, reason)
        asked = {"operation": operation.value, "identity": identity, "payload": dict(payload)}
        try:
            return self._outcome(await self._run(asked))
        except _RunError as error:
            return DriverOutcome(Outcome.FAILED, self._masker.mask(str(error)))

    async def close(self) -> None:
        """Hold nothing: every program has ended with its operation."""

    # --- inside -----------------------------------------------------------------------------

    async def _station(self, credentials: Credentials) -> bool:
        asked: dict[str, Json] = {
            "operation": Operation.STATION.value,
            "identity": credentials.identity,
            "security_profile": credentials.security_profile,
            "serial_number": credentials.serial_number,
            "cpo_name": credentials.organization,
        }
        if credentials.password is not None:
            asked["password"] = credentials.password.decode("utf-8", errors="replace")
            asked["password_hex"] = credentials.password.hex()
        return await self._register(asked, f"identity {credentials.identity}")

    async def _tag(self, role: str, tag: str, parent: str) -> bool:
        asked: dict[str, Json] = {"operation": f"id_tag.{role}", "role": role, "id_tag": tag}
        if parent:
            asked["parent_id_tag"] = parent
        return await self._register(asked, f"{role} id tag {tag}")

    async def _register(self, asked: Mapping[str, Json], what: str) -> bool:
        if cast(str, asked["operation"]) in self._spec.unsupported:
            return False
        try:
            outcome = self._outcome(await self._run(asked))
        except _RunError as error:
            outcome = DriverOutcome(Outcome.FAILED, self._masker.mask(str(error)))
        if outcome.outcome in (Outcome.DONE, Outcome.UNSUPPORTED):
            return outcome.outcome is Outcome.DONE
        raise ProvisioningError(
            f"{what} could not be registered: {self._spec.command[0]}: {outcome.summary}"
        )

    def _outcome(self, ended: _Ended) -> DriverOutcome:
        said = self._words(ended.out) or self._words(ended.err)
        summary = f"exit code {ended.code}: {said}" if said else f"exit code {ended.code}"
        if ended.code == UNSUPPORTED_CODE:
            return DriverOutcome(Outcome.UNSUPPORTED, self._words(ended.err) or said or summary)
        if ended.code != 0:
            return DriverOutcome(Outcome.FAILED, summary)
        told = _object(ended.out)
        if told is None:
            return DriverOutcome(Outcome.DONE, summary)
        outcome = _OUTCOMES.get(str(told.get("outcome", Outcome.DONE.value)))
        if outcome is None:
            known = ", ".join(_OUTCOMES)
            summary = f"its `outcome` is {told['outcome']!r}; known are {known}"
            return DriverOutcome(Outcome.FAILED, summary)
        words = self._words(str(told.get("summary", ""))) or summary
        return DriverOutcome(outcome, words, told.get("answer"))

    def _words(self, text: str) -> str:
        """Return one short line without secrets: masked whole, then cut."""
        line = self._masker.mask(" ".join(text.split()))
        return line if len(line) <= _MAX_WORDS else line[:_MAX_WORDS] + "…"

    async def _run(self, asked: Mapping[str, Json]) -> _Ended:
        async with self._slots:
            return await self._run_now(json.dumps(asked).encode() + b"\n")

    async def _run_now(self, text: bytes) -> _Ended:
        program, *arguments = self._spec.command
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        found = shutil.which(program, path=environment.get("PATH"))
        if found is None:
            raise _RunError(f"there is no program {program!r}; correct `driver.command`")
        try:
            process = await asyncio.create_subprocess_exec(
                found,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=self._spec.directory,
                env={**environment, **self._spec.environment},
                start_new_session=True,  # its own group, which ends as a whole
            )
        except OSError as error:
            raise _RunError(f"cannot start {program!r}: {error.strerror or error}") from error
        talk = asyncio.create_task(_talk(process, text))
        try:
            async with asyncio.timeout(self._timeout_s):
                out, err = await asyncio.shield(talk)
                code = await process.wait()
        except TimeoutError:
            raise _RunError(
                f"{program} was ended: it, or a child that holds its output, was not done "
                f"within {self._timeout_s:g} s"
            ) from None
        finally:
            await _end(process, talk)
        return _Ended(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


async def _talk(process: asyncio.subprocess.Process, text: bytes) -> tuple[bytes, bytes]:
    """Hand over the input and read all output until both ends are closed."""
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    if stdin is None or stdout is None or stderr is None:
        raise _RunError("it has no pipes")

    async def write(stream: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # a program need not read what it does not want to know
            stream.write(text)
            await stream.drain()
            stream.close()
            await stream.wait_closed()

    out, err, _ = await asyncio.gather(_read(stdout), _read(stderr), write(stdin))
    return out, err


async def _read(stream: asyncio.StreamReader) -> bytes:
    found = bytearray()
    while chunk := await stream.read(64 * 1024):
        found += chunk
        if len(found) > _MAX_OUTPUT:
            raise _RunError(f"the program was ended: it wrote more than {_MAX_OUTPUT} bytes")
    return bytes(found)


async def _end(
    process: asyncio.subprocess.Process, talk: asyncio.Task[tuple[bytes, bytes]]
) -> None:
    """Kill what is left of the program's group, and let go of its pipes."""
    # The group outlives its leader where that left children behind; no other can get its number
    # while one of them lives.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # A child that left the group may hold the pipes open for ever.
    await asyncio.wait([talk], timeout=_ENDING_S)
    talk.cancel()
    await asyncio.gather(talk, return_exceptions=True)
    process._transport.close()  # type: ignore[attr-defined]  # no public way to close the pipes
    await process.wait()


def _object(text: str) -> dict[str, Json] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Json]", found) if isinstance(found, dict) else None
