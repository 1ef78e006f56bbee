"""Triggers: written down, settled, and waited for only as long as it makes sense (CS-TRG)."""

from datetime import timedelta
from functools import partial

import pytest

from csms.domain.triggers import WINDOW, Trigger, TriggerStatus
from csms.ocppj.commands import InvalidCommand
from csms.ocppj.outcomes import (
    Answered,
    CommandOutcome,
    Disconnected,
    Offline,
    Refused,
    TimedOut,
)
from csms.ocppj.trigger_watch import TriggerWatch
from csms.operations.triggers import TriggerMessageEffect, trigger
from csms.storage import triggers
from tests.csms.operations.rig import ACCEPTED, Rig


@pytest.fixture
def watch(rig: Rig) -> TriggerWatch:
    """What the rig's triggers wait for."""
    watch = TriggerWatch()
    rig.effects["TriggerMessage"] = TriggerMessageEffect(rig.store, watch, rig.now)
    return watch


async def _shown(rig: Rig) -> list[Trigger]:
    return await rig.store.read(partial(triggers.page, identity="CP1"))


@pytest.mark.parametrize(
    ("outcome", "status", "is_awaited"),
    [
        (ACCEPTED, TriggerStatus.ACCEPTED, True),
        (Answered({"status": "Rejected"}), TriggerStatus.REJECTED, False),
        (Answered({"status": "NotImplemented"}), TriggerStatus.NOT_IMPLEMENTED, False),
        (Refused("NotSupported", "", {}), TriggerStatus.REFUSED, False),
        (Answered({"status": "Soon"}), TriggerStatus.UNKNOWN, True),
        (TimedOut(1.0), TriggerStatus.UNKNOWN, True),
        (Disconnected(), TriggerStatus.UNKNOWN, True),
    ],
)
async def test_answer_decides_whether_a_message_is_awaited(
    rig: Rig,
    watch: TriggerWatch,
    outcome: CommandOutcome,
    status: TriggerStatus,
    is_awaited: bool,
) -> None:
    """What was refused does not come; what was not answered may."""
    rig.wire.outcomes = [outcome]

    made = await trigger(
        rig.commanding,
        rig.store,
        "CP1",
        requested_message="Heartbeat",
        connector_id=None,
    )

    assert made == (outcome, (await _shown(rig))[0])
    assert (await _shown(rig))[0].status is status
    found = watch.match("CP1", "Heartbeat", None, rig.now())
    assert (found is not None) is is_awaited


async def test_message_while_the_command_waits_is_not_counted(
    rig: Rig, watch: TriggerWatch
) -> None:
    """Before the answer nothing can be its effect."""

    async def beat() -> None:
        assert watch.match("CP1", "Heartbeat", None, rig.now()) is None

    rig.wire.meanwhile = beat
    await rig.send("TriggerMessage", {"requestedMessage": "Heartbeat"})

    assert watch.match("CP1", "Heartbeat", None, rig.now()) is not None


@pytest.mark.parametrize(("after", "is_counted"), [(WINDOW, True), (2 * WINDOW, False)])
async def test_late_message_is_not_counted(
    rig: Rig, watch: TriggerWatch, after: timedelta, is_counted: bool
) -> None:
    """The window begins with the answer."""

    async def wait() -> None:
        rig.now.move(timedelta(minutes=30))

    rig.wire.meanwhile = wait
    await rig.send("TriggerMessage", {"requestedMessage": "Heartbeat"})

    found = watch.match("CP1", "Heartbeat", None, rig.now() + after)
    assert (found is not None) is is_counted


async def test_nothing_sent_is_nothing_kept(rig: Rig, watch: TriggerWatch) -> None:
    """Offline or forbidden: nothing was triggered."""
    rig.wire.outcomes = [Offline()]

    offline = await trigger(
        rig.commanding, rig.store, "CP1", requested_message="Heartbeat", connector_id=None
    )
    with pytest.raises(InvalidCommand):
        await rig.send("TriggerMessage", {"requestedMessage": "Authorize"})

    assert offline == (Offline(), None)
    assert await _shown(rig) == []
    assert watch.match("CP1", "Heartbeat", None, rig.now()) is None


async def test_kill_at_any_point_of_a_trigger(rig: Rig, watch: TriggerWatch) -> None:
    """Nothing, unknown, accepted."""
    seen: list[list[TriggerStatus]] = []

    async def look() -> None:
        found = await rig.after_kill(partial(triggers.page, identity="CP1"))
        seen.append([one.status for one in found])

    await look()
    rig.wire.meanwhile = look
    await rig.send("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1})
    await look()

    assert seen == [[], [TriggerStatus.UNKNOWN], [TriggerStatus.ACCEPTED]]
