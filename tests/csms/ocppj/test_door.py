"""Guessing at the doors, with real sockets: slowed, noted, and nobody else's trouble."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Connection
from websockets.exceptions import InvalidStatus

from csms import credentials
from csms.ocppj.attempts import OF_PAIR, Buckets, Limit
from csms.storage.errors import CommitFailed
from tests.csms.conftest import TOKEN, _settings
from tests.csms.doors import KEY, Doors

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRONG = bytes.fromhex("bb" * 20)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Doors]:
    """One Central System for all of them; everybody comes from the same address."""
    folder = tmp_path_factory.mktemp("doors")
    async with Doors.open(folder, _settings(folder), TOKEN) as running:
        yield running


async def guess(doors: Doors, identity: str, count: int, *, profile: int = 1) -> list[int]:
    """Try wrong passwords one after the other; return the statuses."""
    return [
        await doors.status(identity, profile, password=n.to_bytes(20, "big")) for n in range(count)
    ]


@pytest.mark.parametrize("profile", [1, 2])
async def test_guesses_are_slowed_and_the_station_is_not(
    doors: Doors, identity: str, profile: int
) -> None:
    """Its connection goes on, it may come again, and a newcomer at its address may come, too."""
    await doors.put(identity, authorizationKey=KEY, securityProfile=profile)
    await doors.put(f"{identity}-NEW", authorizationKey=KEY, securityProfile=profile)
    station = await doors.come(identity, profile)

    statuses = await guess(doors, identity, OF_PAIR.burst + 7, profile=profile)

    assert statuses == [401] * OF_PAIR.burst + [429] * 7
    assert (await station.boot())["status"] == "Accepted"
    await station.close()
    assert await doors.status(identity, profile) == 101
    assert await doors.status(f"{identity}-NEW", profile) == 101


async def test_refusal_says_when_to_come_again(doors: Doors, identity: str) -> None:
    """Retry-After, in seconds (RFC 9110 §10.2.3)."""
    await doors.put(identity, authorizationKey=KEY)
    await guess(doors, identity, OF_PAIR.burst)

    with pytest.raises(InvalidStatus) as refused:
        await doors.come(identity, 1, password=WRONG)

    assert refused.value.response.status_code == 429
    assert 1 <= int(refused.value.response.headers["Retry-After"]) <= OF_PAIR.refill_s


async def test_guesses_are_noted(doors: Doors, identity: str) -> None:
    """Two events with their counts, however many guesses there were."""
    await doors.put(identity, authorizationKey=KEY)
    await guess(doors, identity, OF_PAIR.burst + 3)

    await doors.system.security_events.flush()
    found = await doors.api.get("/security-events", params={"chargePoint": identity})
    assert {one["type"]: one["times"] for one in found.json()["items"]} == {
        "FailedToAuthenticateAtCentralSystem": OF_PAIR.burst,
        "TooManyFailedAttempts": 3,
    }
    assert "bb" * 20 not in found.text


async def test_new_password_counts_at_once(doors: Doors, identity: str) -> None:
    """An operator who puts a password right need not wait."""
    await doors.put(identity, authorizationKey="cc" * 20)
    for _ in range(OF_PAIR.burst + 1):
        last = await doors.status(identity, 1)
    assert last == 429

    await doors.put(identity, authorizationKey=KEY)

    assert await doors.status(identity, 1) == 101


async def test_unknown_identities_are_slowed_until_somebody_registers_them(
    doors: Doors, identity: str
) -> None:
    """Each costs a look into the database."""
    statuses = [await doors.status(identity, 1) for _ in range(OF_PAIR.burst + 1)]
    assert statuses == [404] * OF_PAIR.burst + [429]

    await doors.put(identity, authorizationKey=KEY)

    assert await doors.status(identity, 1) == 101


async def test_slowed_guesses_cost_no_look_into_the_database(
    doors: Doors, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are refused before."""
    await doors.put(identity, authorizationKey=KEY)
    await guess(doors, identity, OF_PAIR.burst)

    async def fail(operation: Callable[[Connection], Any]) -> Any:
        raise CommitFailed("nobody may look")

    monkeypatch.setattr(doors.system.ocpp._store, "read", fail)

    assert await guess(doors, identity, 3) == [429] * 3
    assert await doors.status(f"{identity}-OTHER", 1) == 503


async def test_many_guesses_at_once_are_checked_no_more_than_one_by_one(
    doors: Doors, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password that a person chose is dear to check."""
    await doors.put(identity, password="correct horse")
    checked: list[bytes] = []

    def verify(verifier: str, password: bytes, **options: Any) -> bool:
        checked.append(password)
        return password == b"correct horse"

    monkeypatch.setattr(credentials, "verify", verify)

    statuses = await asyncio.gather(
        *(doors.status(identity, 1, password=b"%d" % n) for n in range(40))
    )

    assert sorted(set(statuses)) == [401, 429]
    assert len(checked) == statuses.count(401) == OF_PAIR.burst
    assert await doors.status(identity, 1, password=b"correct horse") == 429


async def test_busy_door_asks_to_come_again(
    doors: Doors, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 while too many passwords wait; it is not counted against the station."""
    await doors.put(identity, password="correct horse")
    monkeypatch.setattr(credentials, "MAX_WAITING", 0)

    for _ in range(OF_PAIR.burst + 1):
        assert await doors.status(identity, 1, password=b"correct horse") == 503
    monkeypatch.undo()

    assert await doors.status(identity, 1, password=b"correct horse") == 101


async def test_refusals_fill_no_disk(
    doors: Doors, identity: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of many at once only the first are in the log; the events count them all."""
    monkeypatch.setattr(doors.system.ocpp._door, "_said", Buckets(Limit(3, 3600.0)))

    with caplog.at_level("INFO", "csms.ocppj.door"):
        for number in range(5):
            assert await doors.status(f"{identity}-{number}", 1) == 404

    assert len(caplog.records) == 3


async def test_wrong_twin_does_not_disturb(doors: Doors, identity: str) -> None:
    """Only who proved to be the charge point takes a connection over."""
    await doors.put(identity, authorizationKey=KEY, securityProfile=2)
    station = await doors.come(identity, 2)

    assert await doors.status(identity, 2, password=WRONG) == 401
    assert await doors.status(identity, 2, password=None) == 401
    assert await doors.status(identity, 1) == 403
    assert await doors.status(identity, 3, certificate="SOMEBODY") == 401

    assert (await station.boot())["status"] == "Accepted"
    events = (await doors.api.get(f"/charge-points/{identity}/connections")).json()["items"]
    assert [one["event"] for one in events] == ["connected"]
    assert events[0]["detail"].endswith(", security profile 2")
