"""The kinds of drivers there are, and how one is made of what a file says."""

from __future__ import annotations

from typing import TypeAlias, assert_never

from harness.drivers.command import CommandDriver, CommandDriverSpec
from harness.drivers.driver import Driver, DriverError, NoDriver
from harness.drivers.http import HttpDriver
from harness.drivers.http_spec import HttpDriverSpec
from harness.drivers.python import PythonDriver, PythonDriverSpec
from harness.masking import Masker
from harness.operator.spec import OperatorSpec

DriverSpec: TypeAlias = HttpDriverSpec | PythonDriverSpec | CommandDriverSpec | OperatorSpec


def make_driver(
    spec: DriverSpec | None, *, timeout_s: float, masker: Masker | None = None
) -> Driver:
    """Return the driver of a file; it has not sent or started anything yet.

    Args:
        timeout_s: for one operation, where the file does not say otherwise.
        masker: takes the secrets of the run out of what the driver is told.

    Raises:
        DriverError: there can be no such driver.
    """
    match spec:
        case None:
            return NoDriver()
        case HttpDriverSpec():
            return HttpDriver(spec, timeout_s=timeout_s, masker=masker)
        case PythonDriverSpec():
            return PythonDriver(spec, timeout_s=timeout_s, masker=masker)
        case CommandDriverSpec():
            return CommandDriver(spec, timeout_s=timeout_s, masker=masker)
        case OperatorSpec():
            message = "a person acts (driver.kind: operator); use `preflight run` with one process"
            raise DriverError(message)
        case _:
            assert_never(spec)
