"""The way of a command: checked, queued, sent, ended."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from csms.domain.model import RegistrationStatus
from csms.ocppj.commands import (
    Answered,
    CommandNotAllowed,
    CommandOutcome,
    Commands,
    InvalidCommand,
    Offline,
    QueueFull,
    TimedOut,
    UnknownAction,
)
from csms.ocppj.registry import Registry
from tests.csms.ocppj.fakes import Station


def connected(**options: Any) -> tuple[Commands, Station]:
    station = Station(**options)
    registry = Registry()
    registry.add(station.session)
    return Commands(registry, response_timeout_s=30), station


async def started(*calls: Any) -> list["asyncio.Task[CommandOutcome]"]:
    tasks = [asyncio.ensure_future(call) for call in calls]
    await asyncio.sleep(0)
    return tasks


async def test_command_comes_back_with_the_answer() -> None:
    """From the caller to the wire and back."""
    commands, station = connected()
    [sending] = await started(commands.send("CP1", "Reset", {"type": "Hard"}))
    _, message_id, action, payload = await station.wire.next()
    station.say(f'[3,"{message_id}",{{"status":"Accepted"}}]')

    assert (action, payload) == ("Reset", {"type": "Hard"})
    assert await sending == Answered({"status": "Accepted"})


async def test_message_ids_are_random_uuids() -> None:
    """They never repeat, over all connections (CS-RPC-04)."""
    commands, station = connected()
    ids = set()
    for _ in range(20):
        [sending] = await started(commands.send("CP1", "ClearCache", {}))
        message_id = (await station.wire.next())[1]
        ids.add(message_id)
        station.say(f'[3,"{message_id}",{{"status":"Accepted"}}]')
        await sending

    assert len(ids) == 20
    assert {UUID(one).version for one in ids} == {4}
    assert {len(one) for one in ids} == {36}


async def test_offline_charge_point_gets_nothing() -> None:
    """Neither now nor later."""
    commands, station = connected()

    assert await commands.send("CP2", "ClearCache", {}) == Offline()
    assert not station.wire.sent


async def test_queue_has_an_end() -> None:
    """One open and `max_commands` waiting."""
    commands, station = connected(max_commands=2)
    tasks = await started(*(commands.send("CP1", "ClearCache", {}) for _ in range(3)))

    assert await commands.send("CP1", "ClearCache", {}) == QueueFull()
    station.session.end()
    await asyncio.gather(*tasks)


async def test_own_timeout_of_a_command() -> None:
    """`timeout_s` takes the place of the setting."""
    commands, station = connected()

    assert await commands.send("CP1", "ClearCache", {}, timeout_s=0) == TimedOut(0)
    assert (await station.wire.next())[2] == "ClearCache"


async def test_cancelled_caller_takes_an_unsent_command_with_it() -> None:
    """Nobody wants it any more."""
    commands, station = connected()
    first, second = await started(
        commands.send("CP1", "ClearCache", {}), commands.send("CP1", "Reset", {"type": "Soft"})
    )
    second.cancel()
    await asyncio.sleep(0)
    _, message_id, *_ = await station.wire.next()
    station.say(f'[3,"{message_id}",{{"status":"Accepted"}}]')
    await first

    assert not station.wire.sent


async def test_times_are_sent_in_utc() -> None:
    """Whatever form the operator wrote."""
    commands, station = connected()
    reservation = {
        "connectorId": 1,
        "expiryDate": "2026-01-31T12:00:00+02:00",
        "idTag": "A",
        "reservationId": 1,
    }
    [sending] = await started(commands.send("CP1", "ReserveNow", reservation))

    assert (await station.wire.next())[3]["expiryDate"] == "2026-01-31T10:00:00.000Z"
    station.session.end()
    await sending


@pytest.mark.parametrize("action", ["reset", "Foo", "Heartbeat", "BootNotification", ""])
async def test_action_of_no_central_system_is_unknown(action: str) -> None:
    """What charge points send cannot be commanded."""
    commands, station = connected()
    with pytest.raises(UnknownAction):
        await commands.send("CP1", action, {})

    assert not station.wire.sent


async def test_faulty_payload_is_refused_before_anything_is_sent() -> None:
    """Even for a charge point that is not connected."""
    commands, station = connected()
    for identity in ("CP1", "CP2"):
        with pytest.raises(InvalidCommand, match="type: ") as caught:
            await commands.send(identity, "Reset", {"type": "Warm"})
        assert [problem.field for problem in caught.value.problems] == ["type"]

    assert not station.wire.sent


PENDING, REJECTED = RegistrationStatus.PENDING, RegistrationStatus.REJECTED


@pytest.mark.parametrize(
    ("registration", "action", "payload"),
    [
        (PENDING, "RemoteStartTransaction", {"idTag": "A"}),
        (PENDING, "RemoteStopTransaction", {"transactionId": 1}),
        (REJECTED, "RemoteStartTransaction", {"idTag": "A"}),
        (REJECTED, "GetConfiguration", {}),
        (REJECTED, "TriggerMessage", {"requestedMessage": "BootNotification"}),
        (
            RegistrationStatus.ACCEPTED,
            "TriggerMessage",
            {"requestedMessage": "BootNotification"},
        ),
    ],
)
async def test_state_forbids(
    registration: RegistrationStatus, action: str, payload: dict[str, Any]
) -> None:
    """Nothing a charge point cannot accept in its state (CS-BOOT-06, 07, 11)."""
    commands, station = connected(
        registration=registration, is_accepted=registration is RegistrationStatus.ACCEPTED
    )
    with pytest.raises(CommandNotAllowed):
        await commands.send("CP1", action, payload)

    assert not station.wire.sent


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("GetConfiguration", {}),
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": "00" * 20}),
        ("TriggerMessage", {"requestedMessage": "BootNotification"}),
        ("Reset", {"type": "Soft"}),
    ],
)
async def test_pending_charge_point_may_be_set_up(action: str, payload: dict[str, Any]) -> None:
    """Reading and changing its configuration is what Pending is for (CS-BOOT-05, CS-BOOT-10)."""
    commands, station = connected(registration=PENDING, is_accepted=False)
    [sending] = await started(commands.send("CP1", action, payload))

    assert (await station.wire.next())[2:] == [action, payload]
    station.session.end()
    await sending
