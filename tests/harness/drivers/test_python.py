"""The python driver: a class of the vendor's does what it likes, and harms nobody."""

from __future__ import annotations

import sys
import threading
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

from harness.drivers.driver import (
    COMMANDS,
    Credentials,
    DriverError,
    DriverOutcome,
    Operation,
    Outcome,
    ProvisioningError,
)
from harness.drivers.python import PythonDriver, PythonDriverSpec
from harness.masking import Masker

RESET = Operation.RESET


def driver_of(
    tmp_path: Path, source: str, *, timeout_s: float = 5.0, masker: Masker | None = None
) -> PythonDriver:
    """Return the driver of a file with class `Own`."""
    path = tmp_path / "own.py"
    path.write_text(dedent(source))
    spec = PythonDriverSpec(name="Own", path=path, options={"key": "value"})
    return PythonDriver(spec, timeout_s=timeout_s, masker=masker)


async def command(driver: PythonDriver) -> DriverOutcome:
    """Ask for a reset."""
    return await driver.command("CP1", RESET, {"type": "Soft"})


@pytest.mark.parametrize("prefix", ["async ", ""])
async def test_a_method_is_called_with_everything(tmp_path: Path, prefix: str) -> None:
    """Options come to the class; identity, operation and payload to `command`, async or not."""
    driver = driver_of(
        tmp_path,
        f"""
        class Own:
            def __init__(self, options):
                self.options = options

            {prefix}def command(self, identity, operation, payload):
                return {{"said": [self.options["key"], identity, str(operation), payload["type"]]}}
        """,
    )

    outcome = await command(driver)

    assert outcome.outcome is Outcome.DONE
    assert outcome.answer == {"said": ["value", "CP1", "Reset", "Soft"]}


@pytest.mark.parametrize(
    ("body", "expected", "words"),
    [
        ("return None", Outcome.DONE, "done"),
        ("raise NotImplementedError('no resets')", Outcome.UNSUPPORTED, "no resets"),
        ("raise NotImplementedError", Outcome.UNSUPPORTED, "does not implement it"),
        ("raise KeyError('x')", Outcome.FAILED, "KeyError: 'x'"),
        ("raise TimeoutError('own')", Outcome.FAILED, "TimeoutError: own"),
        ("raise StopIteration", Outcome.FAILED, "StopIteration"),
        ("raise ValueError('s3cret-word')", Outcome.FAILED, "ValueError: ***"),
        ("return 5", Outcome.FAILED, "returned a int"),
        (
            "from harness.drivers.driver import DriverOutcome, Outcome\n"
            "        return DriverOutcome(Outcome.REFUSED, 'offline')",
            Outcome.REFUSED,
            "offline",
        ),
    ],
)
@pytest.mark.parametrize("prefix", ["async ", ""])
async def test_what_it_returns_or_raises_is_an_outcome(
    tmp_path: Path, prefix: str, body: str, expected: Outcome, words: str
) -> None:
    """No exception of a vendor's class reaches the run."""
    if prefix and "StopIteration" in body:
        body = "raise RuntimeError('StopIteration')"
    masker = Masker()
    masker.add("s3cret-word")
    source = (
        "class Own:\n    def __init__(self, options): pass\n"
        f"    {prefix}def command(self, identity, operation, payload):\n        {body}\n"
    )
    outcome = await command(driver_of(tmp_path, source, masker=masker))

    assert outcome.outcome is expected
    assert words in outcome.summary


async def test_a_method_that_hangs_is_left_behind(tmp_path: Path) -> None:
    """A function that never returns costs its time and nothing more."""
    driver = driver_of(
        tmp_path,
        """
        import threading
        event = threading.Event()

        class Own:
            def __init__(self, options): pass

            def command(self, identity, operation, payload):
                event.wait()
        """,
        timeout_s=0.05,
    )

    outcome = await command(driver)

    assert outcome.outcome is Outcome.FAILED
    assert "not done within 0.05 s" in outcome.summary
    hanging = [one for one in threading.enumerate() if one.name == "driver"]
    assert all(one.daemon for one in hanging)
    driver._own.command.__globals__["event"].set()


async def test_a_patient_class_has_no_deadline(tmp_path: Path) -> None:
    """What asks a person says so, and may take longer than the run would wait."""
    driver = driver_of(
        tmp_path,
        """
        import asyncio

        class Own:
            is_patient = True
            def __init__(self, options): pass

            async def command(self, identity, operation, payload):
                await asyncio.sleep(0.1)
        """,
        timeout_s=0.01,
    )

    assert driver.is_patient
    assert (await command(driver)).outcome is Outcome.DONE


async def test_what_it_cannot_is_asked_before(tmp_path: Path) -> None:
    """`cannot` of the class counts, and spares the command."""
    driver = driver_of(
        tmp_path,
        """
        class Own:
            def __init__(self, options): pass

            def cannot(self, operation):
                return "" if operation == "ClearCache" else "not made for it"

            def command(self, identity, operation, payload):
                raise AssertionError(operation)
        """,
    )

    assert [one for one in Operation if not driver.cannot(one)] == [Operation.CLEAR_CACHE]
    assert await command(driver) == DriverOutcome(Outcome.UNSUPPORTED, "not made for it")


async def test_a_class_with_command_alone_can_all_commands(tmp_path: Path) -> None:
    """Whoever registers nothing says so; the rest is believed."""
    driver = driver_of(
        tmp_path, "class Own:\n    def __init__(self, options): pass\n    command = print\n"
    )
    await driver.prepare([Credentials("CP1")], {})

    assert [one for one in Operation if not driver.cannot(one)] == list(COMMANDS)
    assert not await driver.restore(Credentials("CP1"))
    assert driver.remarks() == ()
    await driver.close()


async def test_provisioning_is_handed_on(tmp_path: Path) -> None:
    """Identities and tags come as they are; what fails is named."""
    driver = driver_of(
        tmp_path,
        """
        class Own:
            def __init__(self, options): self.seen = []
            def command(self, identity, operation, payload): pass

            def prepare(self, identities, id_tags):
                self.seen += [one.identity for one in identities] + list(id_tags["valid"])

            async def restore(self, station):
                if station.identity == "CP2":
                    raise RuntimeError("no such station")
                return True

            def remarks(self):
                return self.seen
        """,
    )
    await driver.prepare([Credentials("CP1")], {"valid": ["A", "B"]})

    assert driver.remarks() == ("CP1", "A", "B")
    assert driver.cannot(Operation.STATION) == ""
    assert await driver.restore(Credentials("CP1"))
    with pytest.raises(ProvisioningError, match="failed in `restore`: RuntimeError: no such"):
        await driver.restore(Credentials("CP2"))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (None, "no such file"),
        ("def broken(:", "cannot be loaded: SyntaxError"),
        ("import nobody_has_this", "cannot be loaded: ModuleNotFoundError"),
        ("class Other: pass", "there is no 'Own' in it"),
        ("Own = 5", "is no class"),
        ("class Own: pass", "cannot be made with its options: TypeError"),
        ("class Own:\n    def __init__(self, options): pass", "has no method `command`"),
    ],
)
def test_a_class_that_cannot_be_used_is_told(
    tmp_path: Path, source: str | None, words: str
) -> None:
    """Before the run begins, with the cause."""
    path = tmp_path / "own.py"
    if source is not None:
        path.write_text(source)

    with pytest.raises(DriverError, match=words):
        PythonDriver(PythonDriverSpec(name="Own", path=path), timeout_s=1.0)


class Shipped:
    """A driver in an installed package."""

    def __init__(self, options: dict[str, object]) -> None:
        self.options = options

    def command(self, identity: str, operation: str, payload: object) -> dict[str, str]:
        return {"to": identity}


async def test_classes_of_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """By module, and by entry point of our group."""
    module = ModuleType("vendors_driver")
    module.Shipped = Shipped  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vendors_driver", module)
    point = EntryPoint("vendor", "vendors_driver:Shipped", "ocpp_preflight.drivers")
    monkeypatch.setattr(
        "harness.drivers.python.entry_points",
        lambda group: EntryPoints([point]).select(group=group),
    )
    specs = [
        PythonDriverSpec(name="vendors_driver:Shipped"),
        PythonDriverSpec(name="vendor", is_entry_point=True),
    ]
    told = [await command(PythonDriver(one, timeout_s=1.0)) for one in specs]

    assert [one.answer for one in told] == [{"to": "CP1"}] * 2
    with pytest.raises(DriverError, match=r"no driver|has a driver 'other'.*known: vendor"):
        PythonDriver(PythonDriverSpec(name="other", is_entry_point=True), timeout_s=1.0)
