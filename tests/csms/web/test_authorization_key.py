"""A changed AuthorizationKey locks nobody out (CS-WS-12)."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.csms.web.stations import Station

Connect = Callable[..., Station]

OLD, NEW = "aa" * 20, "bb" * 20
COMMAND = "/charge-points/CP1/commands/ChangeConfiguration"


async def _known(connect: Connect, key: str) -> bool:
    try:
        station = await connect("CP1", password=bytes.fromhex(key))
    except InvalidStatus:  # 401; another test holds the status
        return False
    await station.close()
    return True


@pytest.mark.parametrize(
    ("answer", "is_old_right", "is_new_right"),
    [
        ([3, {"status": "Accepted"}], False, True),
        ([3, {"status": "Rejected"}], True, False),
        ([3, {"status": "NotSupported"}], True, False),
        ([3, {"status": "RebootRequired"}], True, True),
        ([4, "InternalError", "", {}], True, False),
        ([3, "nonsense"], True, False),
    ],
)
@pytest.mark.parametrize("key_name", ["AuthorizationKey", "authorizationkey"])
async def test_answer_decides_which_key_is_right(
    api: httpx.AsyncClient,
    connect: Connect,
    answer: list[Any],
    is_old_right: bool,
    is_new_right: bool,
    key_name: str,
) -> None:
    """Accepted: only the new key; refused: only the old one; not known: both."""
    await api.put("/charge-points/CP1", json={"authorizationKey": OLD})
    station = await connect("CP1", password=bytes.fromhex(OLD))
    await station.boot()
    station.answer = lambda message_id, *_: [answer[0], message_id, *answer[1:]]

    await api.post(COMMAND, json={"key": key_name, "value": NEW})

    assert await station.commands.get() == ("ChangeConfiguration", {"key": key_name, "value": NEW})
    await station.close()
    assert await _known(connect, OLD) == is_old_right  # first: the new key would settle it
    assert await _known(connect, NEW) == is_new_right


async def test_new_key_is_right_before_the_answer_came(
    api: httpx.AsyncClient, connect: Connect
) -> None:
    """A charge point may be back with the new key before its answer was processed."""
    await api.put("/charge-points/CP1", json={"authorizationKey": OLD})
    station = await connect("CP1", password=bytes.fromhex(OLD))
    await station.boot()
    station.answer = lambda *_: None
    waiting = asyncio.create_task(api.post(COMMAND, json={"key": "AuthorizationKey", "value": NEW}))
    await station.commands.get()

    back = await connect("CP1", password=bytes.fromhex(NEW))
    lost = await waiting
    await back.close()

    assert lost.status_code == 409
    assert await _known(connect, NEW)


async def test_new_key_settles_an_open_change_and_the_old_one_does_not(
    api: httpx.AsyncClient, connect: Connect
) -> None:
    """The old key is right until the charge point proved that it has the new one."""
    await api.put("/charge-points/CP1", json={"authorizationKey": OLD})
    station = await connect("CP1", password=bytes.fromhex(OLD))
    await station.boot()
    station.answer = lambda *_: None
    waiting = asyncio.create_task(api.post(COMMAND, json={"key": "AuthorizationKey", "value": NEW}))
    await station.commands.get()
    await station.close()
    await waiting

    tries = [await _known(connect, key) for key in (OLD, OLD, NEW, OLD, NEW)]

    assert tries == [True, True, True, False, True]


async def test_offline_change_changes_nothing(api: httpx.AsyncClient, connect: Connect) -> None:
    """A command that was never sent leaves the old key right, and it alone."""
    await api.put("/charge-points/CP1", json={"authorizationKey": OLD})

    answer = await api.post(COMMAND, json={"key": "AuthorizationKey", "value": NEW})

    assert answer.json()["type"] == "urn:ocpp-csms:problem:offline"
    assert await _known(connect, OLD)
    assert not await _known(connect, NEW)


@pytest.mark.parametrize(("status", "is_open"), [("Accepted", False), ("Rejected", True)])
async def test_open_station_is_locked_by_its_own_word(
    api: httpx.AsyncClient, connect: Connect, status: str, is_open: bool
) -> None:
    """A station without key stays open until it says that it has one."""
    await api.put("/charge-points/CP1", json={})
    station = await connect("CP1")
    await station.boot()
    station.answer = lambda message_id, *_: [3, message_id, {"status": status}]

    await api.post(COMMAND, json={"key": "AuthorizationKey", "value": NEW})

    assert (await api.get("/charge-points/CP1")).json()["credential"] == (
        "none" if is_open else "key"
    )
    assert await _known(connect, NEW)
    if not is_open:
        with pytest.raises(InvalidStatus):
            await connect("CP1")


@pytest.mark.parametrize("value", ["short", "zz" * 20, "aa" * 21, ""])
async def test_value_that_is_no_key_is_refused(
    api: httpx.AsyncClient, connect: Connect, value: str
) -> None:
    """A charge point that took it could not come back."""
    await api.put("/charge-points/CP1", json={"authorizationKey": OLD})
    station = await connect("CP1", password=bytes.fromhex(OLD))
    await station.boot()

    answer = await api.post(COMMAND, json={"key": "AuthorizationKey", "value": value})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "value"
    assert station.commands.empty()


async def test_key_is_in_no_log(
    api: httpx.AsyncClient, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the message log nor the program's log shows a key (CS-WS-13)."""
    await api.put("/charge-points/CP1", json={"authorizationKey": OLD})
    station = await connect("CP1", password=bytes.fromhex(OLD))
    await station.boot()
    await api.post(COMMAND, json={"key": "AuthorizationKey", "value": NEW})

    async with asyncio.timeout(5):  # the log is written behind
        while True:
            logged = await api.get("/charge-points/CP1/messages")
            actions = [one["action"] for one in logged.json()["items"]]
            if actions.count("ChangeConfiguration") == 2:
                break

    assert NEW not in logged.text
    assert NEW not in caplog.text
    assert OLD not in caplog.text
