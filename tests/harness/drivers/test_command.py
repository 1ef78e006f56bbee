"""The command driver: a program for each operation, bounded in every way."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from harness.drivers.command import CommandDriver, CommandDriverSpec
from harness.drivers.driver import Credentials, DriverOutcome, Operation, Outcome, ProvisioningError
from harness.masking import Masker
from harness.model import Json

RESET = Operation.RESET
pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups")


def driver_of(
    tmp_path: Path,
    source: str,
    *,
    timeout_s: float = 20.0,
    masker: Masker | None = None,
    environment: Mapping[str, str] | None = None,
    unsupported: Mapping[str, str] | None = None,
) -> CommandDriver:
    """Return the driver of a Python program."""
    path = tmp_path / "drive.py"
    path.write_text("import json, os, sys\n" + dedent(source))
    spec = CommandDriverSpec(
        command=(sys.executable, "-IS", str(path)),
        directory=tmp_path,
        environment=environment or {},
        unsupported=unsupported or {},
    )
    return CommandDriver(spec, timeout_s=timeout_s, masker=masker)


async def command(driver: CommandDriver, payload: dict[str, Json] | None = None) -> DriverOutcome:
    """Ask for a reset."""
    return await driver.command("CP1", RESET, payload or {"type": "Soft"})


async def test_operation_comes_on_standard_input(tmp_path: Path) -> None:
    """One JSON object in, one out: words and the charge point's answer."""
    driver = driver_of(
        tmp_path,
        'asked = json.load(sys.stdin); print(json.dumps({"summary": "sent", "answer": asked}))',
    )

    outcome = await command(driver, {"type": "ä"})

    asked = {"operation": "Reset", "identity": "CP1", "payload": {"type": "ä"}}
    assert outcome == DriverOutcome(Outcome.DONE, "sent", asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "expected", "words"),
    [
        ("", Outcome.DONE, "exit code 0"),
        ("print('some words')", Outcome.DONE, "exit code 0: some words"),
        ("print('[1]')", Outcome.DONE, "exit code 0: [1]"),
        ("""print('{"outcome": "refused", "summary": "offline"}')""", Outcome.REFUSED, "offline"),
        ("""print('{"outcome": "pending"}')""", Outcome.PENDING, "pending"),
        ("""print('{"outcome": "unsupported"}')""", Outcome.UNSUPPORTED, "unsupported"),
        ("""print('{"outcome": "passed"}')""", Outcome.FAILED, "its `outcome` is 'passed'; known"),
        ("print('no resets', file=sys.stderr); sys.exit(89)", Outcome.UNSUPPORTED, "no resets"),
        ("sys.exit(89)", Outcome.UNSUPPORTED, "exit code 89"),
        ("print('broken', file=sys.stderr); sys.exit(3)", Outcome.FAILED, "exit code 3: broken"),
        ("""print('{"outcome": "done"}'); sys.exit(1)""", Outcome.FAILED, "exit code 1"),
        ("os.kill(os.getpid(), 9)", Outcome.FAILED, "exit code -9"),
        ("print('x' * 1000)", Outcome.DONE, "x…"),
    ],
)
async def test_exit_code_and_output_are_the_outcome(
    tmp_path: Path, source: str, expected: Outcome, words: str
) -> None:
    """0 is done, 89 not supported, anything else failed; an object may say it finer."""
    outcome = await command(driver_of(tmp_path, source))

    assert outcome.outcome is expected
    assert words in outcome.summary
    assert len(outcome.summary) < 400


async def test_a_large_payload_need_not_be_read(tmp_path: Path) -> None:
    """A program that does not read its input ends as it likes."""
    driver = driver_of(tmp_path, "sys.exit(0)")

    outcome = await command(driver, {"data": "x" * 1_000_000})

    assert outcome.outcome is Outcome.DONE


@pytest.mark.slow
async def test_a_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    """Nothing that was started for an operation outlives it."""
    driver = driver_of(
        tmp_path,
        """
        import subprocess, time
        child = subprocess.Popen([sys.executable, "-IS", "-c", "import time; time.sleep(600)"])
        open("child", "w").write(str(child.pid))
        time.sleep(600)
        """,
        timeout_s=1.0,
    )

    outcome = await command(driver)

    assert outcome.outcome is Outcome.FAILED
    assert "was not done within 1 s" in outcome.summary
    await _ended(int((tmp_path / "child").read_text()))


async def test_children_that_are_left_behind_are_ended(tmp_path: Path) -> None:
    """A program that ends before its children takes them with it."""
    driver = driver_of(
        tmp_path,
        """
        import subprocess
        null = subprocess.DEVNULL
        code = "import time; time.sleep(600)"
        args = [sys.executable, "-IS", "-c", code]
        child = subprocess.Popen(args, stdin=null, stdout=null, stderr=null)
        open("child", "w").write(str(child.pid))
        """,
    )

    outcome = await command(driver)

    assert outcome.outcome is Outcome.DONE
    await _ended(int((tmp_path / "child").read_text()))


async def test_endless_output_is_not_kept(tmp_path: Path) -> None:
    """A program that does not stop talking is ended."""
    driver = driver_of(tmp_path, "while True: print('x' * 10_000)")

    outcome = await command(driver)

    assert outcome.outcome is Outcome.FAILED
    assert "wrote more than 262144 bytes" in outcome.summary


async def test_our_secrets_are_not_in_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets what every program needs, and what the file lists."""
    monkeypatch.setenv("CSMS_PASSWORD", "s3cret")
    driver = driver_of(
        tmp_path,
        'print(json.dumps({"answer": dict(os.environ)}))',
        environment={"MODE": "test"},
    )

    outcome = await command(driver)

    assert isinstance(outcome.answer, dict)
    assert outcome.answer["MODE"] == "test"
    assert "PATH" in outcome.answer
    known = {"PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ", "MODE"}
    assert set(outcome.answer) <= known


async def test_no_shell_reads_its_arguments(tmp_path: Path) -> None:
    """What looks like shell is an argument like any other."""
    (tmp_path / "drive.py").write_text("import sys; print(sys.argv[1])")
    argument = f"$(touch {tmp_path}/made); `true` ; x"
    spec = CommandDriverSpec(
        command=(sys.executable, "-IS", "drive.py", argument), directory=tmp_path
    )
    outcome = await command(CommandDriver(spec, timeout_s=20.0))

    assert argument in outcome.summary
    assert not (tmp_path / "made").exists()


async def test_secrets_are_masked_in_what_it_says(tmp_path: Path) -> None:
    """Also where they stand at the place of the cut."""
    masker = Masker()
    masker.add("s3cret-token")
    driver = driver_of(tmp_path, "print('x' * 295 + 's3cret-token')", masker=masker)

    assert "s3c" not in (await command(driver)).summary


async def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The outcome names it."""
    spec = CommandDriverSpec(command=("nobody-has-this",), directory=tmp_path)
    outcome = await command(CommandDriver(spec, timeout_s=1.0))

    assert outcome.outcome is Outcome.FAILED
    assert "there is no program 'nobody-has-this'" in outcome.summary


async def test_what_the_file_calls_unsupported_is_not_started(tmp_path: Path) -> None:
    """The reason is known before the run."""
    driver = driver_of(
        tmp_path, "open('ran', 'w')", unsupported={"Reset": "by hand", "station": "by hand, too"}
    )
    await driver.prepare([Credentials("CP1")], {})

    assert await command(driver) == DriverOutcome(Outcome.UNSUPPORTED, "by hand")
    assert driver.cannot(RESET) == "by hand"
    assert driver.cannot(Operation.CLEAR_CACHE) == ""
    assert not (tmp_path / "ran").exists()


async def test_provisioning_goes_through_the_program(tmp_path: Path) -> None:
    """Stations with their passwords and tags with their parents, parents first."""
    driver = driver_of(tmp_path, "open('asked', 'a').write(sys.stdin.read())")
    tags = {"valid": ["A"], "parent": ["P"]}
    await driver.prepare([Credentials("CP1", b"pw", security_profile=1)], tags)
    restored = await driver.restore(Credentials("CP2"))

    asked = [json.loads(line) for line in (tmp_path / "asked").read_text().splitlines()]
    assert restored
    assert asked[0] == {"operation": "id_tag.parent", "role": "parent", "id_tag": "P"}
    assert {
        "operation": "id_tag.valid",
        "role": "valid",
        "id_tag": "A",
        "parent_id_tag": "P",
    } in asked
    first = next(one for one in asked if one.get("identity") == "CP1")
    assert first["password"] == "pw"
    assert first["password_hex"] == b"pw".hex()
    assert first["security_profile"] == 1
    assert "password" not in asked[-1]


async def test_a_program_that_registers_nothing_is_no_fault(tmp_path: Path) -> None:
    """89 says that stations and tags are there already."""
    driver = driver_of(tmp_path, "sys.exit(89)")
    await driver.prepare([Credentials("CP1")], {"valid": ["A"]})

    assert not await driver.restore(Credentials("CP1"))


async def test_failed_provisioning_names_what_failed(tmp_path: Path) -> None:
    """The run does not begin without what it needs."""
    driver = driver_of(tmp_path, "print('no rights', file=sys.stderr); sys.exit(1)")

    with pytest.raises(ProvisioningError, match=r"identity CP1 could not .*exit code 1: no rights"):
        await driver.prepare([Credentials("CP1")], {})


async def _ended(pid: int) -> None:
    """Wait for a process that is not our child to be gone: nobody tells us."""
    async with asyncio.timeout(5):
        with suppress(psutil.NoSuchProcess):
            while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
