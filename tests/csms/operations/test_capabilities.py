"""What a GetConfiguration somebody ordered tells of limits is kept."""

from functools import partial

import pytest

from csms.ocppj.outcomes import Answered, CommandOutcome, Refused, TimedOut
from csms.operations.capabilities import GetConfigurationEffect
from csms.storage import capabilities
from tests.csms.operations.rig import Rig

KEYS = [{"key": "SendLocalListMaxLength", "readonly": True, "value": "20"}]


async def test_answer_is_kept_and_returned(rig: Rig) -> None:
    """The caller gets the charge point's own answer."""
    rig.effects["GetConfiguration"] = GetConfigurationEffect(rig.store, rig.now)
    answer = Answered({"configurationKey": KEYS})
    rig.wire.outcomes = [answer]

    assert await rig.send("GetConfiguration", {}) == answer
    kept = await rig.store.read(partial(capabilities.get, identity="CP1"))
    assert kept == {"SendLocalListMaxLength": "20"}


@pytest.mark.parametrize("outcome", [TimedOut(1.0), Refused("InternalError", "", {})])
async def test_no_answer_tells_nothing(rig: Rig, outcome: CommandOutcome) -> None:
    """What was known stays known."""
    rig.effects["GetConfiguration"] = GetConfigurationEffect(rig.store, rig.now)
    rig.wire.outcomes = [Answered({"configurationKey": KEYS}), outcome]

    for _ in range(2):
        await rig.send("GetConfiguration", {})

    kept = await rig.store.read(partial(capabilities.get, identity="CP1"))
    assert kept == {"SendLocalListMaxLength": "20"}


async def test_answer_is_returned_although_it_cannot_be_kept(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever asked for it gets it; the log tells what is missing."""
    rig.effects["GetConfiguration"] = GetConfigurationEffect(rig.store, rig.now)
    answer = Answered({"configurationKey": KEYS})
    rig.wire.outcomes = [answer]
    await rig.store.close()

    assert await rig.send("GetConfiguration", {}) == answer
    assert "limits were not written down" in caplog.text
