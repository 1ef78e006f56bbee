"""A changed AuthorizationKey locks nobody out (CS-WS-12)."""

import asyncio
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.csms.web.stations import Connect

OLD, NEW = "aa" * 20, "bb" * 20


pytestmark = pytest.mark.asyncio(loop_scope="module")


def _command(identity: str) -> str:
    return f"/charge-points/{identity}/commands/ChangeConfiguration"


async def _known(shared_connect: Connect, identity: str, key: str) -> bool:
    try:
        station = await shared_connect(identity, password=bytes.fromhex(key))
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
    shared_api: httpx.AsyncClient,
    shared_connect: Connect,
    identity: str,
    answer: list[Any],
    is_old_right: bool,
    is_new_right: bool,
    key_name: str,
) -> None:
    """Accepted: only the new key; refused: only the old one; not known: both."""
    await shared_api.put(f"/charge-points/{identity}", json={"authorizationKey": OLD})
    station = await shared_connect(identity, password=bytes.fromhex(OLD))
    await station.boot()
    station.answer = lambda message_id, *_: [answer[0], message_id, *answer[1:]]

    await shared_api.post(_command(identity), json={"key": key_name, "value": NEW})

    assert await station.commands.get() == ("ChangeConfiguration", {"key": key_name, "value": NEW})
    await station.close()
    # The old one first: a proven new key would settle an open change.
    assert await _known(shared_connect, identity, OLD) == is_old_right
    assert await _known(shared_connect, identity, NEW) == is_new_right


async def test_new_key_is_right_before_the_answer_came(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """A charge point may be back with the new key before its answer was processed."""
    await shared_api.put(f"/charge-points/{identity}", json={"authorizationKey": OLD})
    station = await shared_connect(identity, password=bytes.fromhex(OLD))
    await station.boot()
    station.answer = lambda *_: None
    waiting = asyncio.create_task(
        shared_api.post(_command(identity), json={"key": "AuthorizationKey", "value": NEW})
    )
    await station.commands.get()

    back = await shared_connect(identity, password=bytes.fromhex(NEW))
    lost = await waiting
    await back.close()

    assert lost.status_code == 409
    assert await _known(shared_connect, identity, NEW)


async def test_new_key_settles_an_open_change_and_the_old_one_does_not(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """The old key is right until the charge point proved that it has the new one."""
    await shared_api.put(f"/charge-points/{identity}", json={"authorizationKey": OLD})
    station = await shared_connect(identity, password=bytes.fromhex(OLD))
    await station.boot()
    station.answer = lambda *_: None
    waiting = asyncio.create_task(
        shared_api.post(_command(identity), json={"key": "AuthorizationKey", "value": NEW})
    )
    await station.commands.get()
    await station.close()
    await waiting

    tries = [await _known(shared_connect, identity, key) for key in (OLD, OLD, NEW, OLD, NEW)]

    assert tries == [True, True, True, False, True]


async def test_offline_change_changes_nothing(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str
) -> None:
    """A command that was never sent leaves the old key right, and it alone."""
    await shared_api.put(f"/charge-points/{identity}", json={"authorizationKey": OLD})

    answer = await shared_api.post(
        _command(identity), json={"key": "AuthorizationKey", "value": NEW}
    )

    assert answer.json()["type"] == "urn:ocpp-csms:problem:offline"
    assert await _known(shared_connect, identity, OLD)
    assert not await _known(shared_connect, identity, NEW)


@pytest.mark.parametrize(("status", "is_open"), [("Accepted", False), ("Rejected", True)])
async def test_open_station_is_locked_by_its_own_word(
    shared_api: httpx.AsyncClient,
    shared_connect: Connect,
    identity: str,
    status: str,
    is_open: bool,
) -> None:
    """A station without key stays open until it says that it has one."""
    await shared_api.put(f"/charge-points/{identity}", json={})
    station = await shared_connect(identity)
    await station.boot()
    station.answer = lambda message_id, *_: [3, message_id, {"status": status}]

    await shared_api.post(_command(identity), json={"key": "AuthorizationKey", "value": NEW})

    assert (await shared_api.get(f"/charge-points/{identity}")).json()["credential"] == (
        "none" if is_open else "key"
    )
    assert await _known(shared_connect, identity, NEW)
    if not is_open:
        with pytest.raises(InvalidStatus):
            await shared_connect(identity)


@pytest.mark.parametrize("value", ["short", "zz" * 20, "aa" * 21, ""])
async def test_value_that_is_no_key_is_refused(
    shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str, value: str
) -> None:
    """A charge point that took it could not come back."""
    await shared_api.put(f"/charge-points/{identity}", json={"authorizationKey": OLD})
    station = await shared_connect(identity, password=bytes.fromhex(OLD))
    await station.boot()

    answer = await shared_api.post(
        _command(identity), json={"key": "AuthorizationKey", "value": value}
    )

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "value"
    assert station.commands.empty()


async def test_key_is_in_no_log(
    shared_api: httpx.AsyncClient,
    shared_connect: Connect,
    identity: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither the message log nor the program's log shows a key (CS-WS-13)."""
    await shared_api.put(f"/charge-points/{identity}", json={"authorizationKey": OLD})
    station = await shared_connect(identity, password=bytes.fromhex(OLD))
    await station.boot()
    await shared_api.post(_command(identity), json={"key": "AuthorizationKey", "value": NEW})

    async with asyncio.timeout(5):  # the log is written behind
        while True:
            logged = await shared_api.get(f"/charge-points/{identity}/messages")
            actions = [one["action"] for one in logged.json()["items"]]
            if actions.count("ChangeConfiguration") == 2:
                break

    assert NEW not in logged.text
    assert NEW not in caplog.text
    assert OLD not in caplog.text
