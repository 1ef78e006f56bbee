"""The driver that is a person."""

from __future__ import annotations

import asyncio

import pytest

from harness.drivers.driver import Credentials, NoDriver, Operation, Outcome, ProvisioningError
from harness.operator.desk import STOPPED, Desk
from harness.operator.driver import OperatorDriver
from harness.operator.table import Act, Phase

IDENTITY = Credentials("PF1", b"secret", 1)


async def test_a_person_is_asked_once_for_what_has_to_be_there() -> None:
    """The run begins when the person says that all of it is."""
    desk = Desk()
    driver = desk.driver(None)
    preparing = asyncio.create_task(driver.prepare([IDENTITY], {"valid": ["A"]}))
    await asyncio.sleep(0)
    phases = [desk.view.phase]
    assert await asyncio.to_thread(desk.say, Act.READY) == ""
    await preparing
    phases.append(desk.view.phase)
    assert phases == [Phase.PREPARE, Phase.RUNNING]
    assert desk.view.preparation is None


@pytest.mark.parametrize(
    ("act", "reason", "told"), [(Act.CANNOT, "no rights", "no rights"), (Act.STOP, "", STOPPED)]
)
async def test_a_person_may_be_unable_to(act: Act, reason: str, told: str) -> None:
    """Then there is no run, and it is said why."""
    desk = Desk()
    preparing = asyncio.create_task(desk.driver(None).prepare([IDENTITY], {}))
    await asyncio.sleep(0)
    assert await asyncio.to_thread(desk.say, act, reason) == ""
    with pytest.raises(ProvisioningError, match=told):
        await preparing


async def test_an_inner_driver_registers_and_restores() -> None:
    """What a program can do, the person is not asked for."""
    desk = Desk()
    driver = desk.driver(NoDriver())
    await driver.prepare([IDENTITY], {})
    assert desk.view.phase is Phase.RUNNING
    assert not await driver.restore(IDENTITY)
    assert driver.cannot(Operation.RESET) == ""
    assert driver.cannot(Operation.STATION) != ""
    assert driver.is_patient


async def test_a_command_nobody_was_told_of_fails() -> None:
    """It is a fault of ours, not of the person or the system."""
    driver = OperatorDriver(Desk(), None)
    outcome = await driver.command("PF1", Operation.RESET, {})
    assert outcome.outcome is Outcome.FAILED
