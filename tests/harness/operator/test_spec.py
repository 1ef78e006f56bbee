"""The section of a file that makes a person the driver."""

from __future__ import annotations

import pytest

from harness.drivers.driver import DriverError
from harness.drivers.kinds import make_driver
from harness.operator.spec import DEADLINE_S, OperatorSpec


def test_a_person_has_no_secrets_and_much_time() -> None:
    """The report names it, and nothing has to be masked."""
    spec = OperatorSpec()
    assert spec.description == "a person"
    assert spec.deadline_s == DEADLINE_S >= 600
    assert spec.secrets() == ()


def test_nobody_else_can_be_that_driver() -> None:
    """A command that cannot ask a person says so."""
    with pytest.raises(DriverError, match="preflight run"):
        make_driver(OperatorSpec(), timeout_s=1)
