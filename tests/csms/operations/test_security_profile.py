"""Security profiles at the doors, and raising them (CS-SEC-01, CS-SEC-02), with real TLS."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from csms import credentials
from csms.ocppj.door import Admitted, Refusal
from csms.storage import charge_points
from tests.csms.conftest import TOKEN, _settings
from tests.csms.doors import KEY, Doors
from tests.csms.web.stations import Station

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER_KEY = bytes.fromhex("bb" * 20)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Doors]:
    """One Central System for all of them."""
    folder = tmp_path_factory.mktemp("doors")
    async with Doors.open(folder, _settings(folder), TOKEN) as running:
        yield running


async def booted(doors: Doors, identity: str, profile: int) -> Station:
    """Connect and boot."""
    station = await doors.come(identity, profile)
    assert (await station.boot())["status"] == "Accepted"
    return station


@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        ({}, [101, 101, 403, 403]),
        ({"authorizationKey": KEY}, [401, 101, 403, 403]),
        ({"authorizationKey": KEY, "securityProfile": 2}, [403, 403, 101, 401]),
        ({"securityProfile": 3}, [403, 403, 403, 101]),
        ({"authorizationKey": KEY, "securityProfile": 3}, [403, 403, 403, 101]),
    ],
)
async def test_each_profile_is_let_in_only_as_decided(
    doors: Doors, identity: str, body: dict[str, Any], statuses: list[int]
) -> None:
    """All four ways to connect against each profile a charge point can have."""
    assert (await doors.put(identity, **body)).status_code == 201

    assert [await doors.status(identity, profile) for profile in range(4)] == statuses


@pytest.mark.parametrize("profile", range(4))
async def test_unknown_identity_is_not_found_at_any_door(
    doors: Doors, identity: str, profile: int
) -> None:
    """404 whatever it shows."""
    assert await doors.status(identity, profile) == 404


async def test_wrong_password_is_refused_over_tls(doors: Doors, identity: str) -> None:
    """TLS does not make it right; no password is 401, too."""
    await doors.put(identity, authorizationKey=KEY, securityProfile=2)

    assert await doors.status(identity, 2, password=OTHER_KEY) == 401
    assert await doors.status(identity, 2, password=None) == 401
    assert await doors.status(identity, 2) == 101


async def test_certificate_beside_the_password_does_no_harm(doors: Doors, identity: str) -> None:
    """A charge point of profile 2 may hold one, and show it when it is asked for."""
    await doors.put(identity, authorizationKey=KEY, securityProfile=2)

    assert await doors.status(identity, 2, certificate=identity) == 101


async def test_certificate_of_another_is_refused_and_noted(doors: Doors, identity: str) -> None:
    """A trusted authority issued it, but to somebody else."""
    await doors.put(identity, securityProfile=3)

    assert await doors.status(identity, 3, certificate="SOMEBODY") == 403
    assert await doors.status(identity, 3) == 101
    await doors.system.security_events.flush()
    events = (await doors.api.get("/security-events", params={"chargePoint": identity})).json()
    assert "InvalidChargePointCertificate" in [one["type"] for one in events["items"]]


async def test_certificate_may_bear_the_name_the_operator_gave(doors: Doors, identity: str) -> None:
    """Beside the identity: a serial number that was never sent, say."""
    await doors.put(identity, securityProfile=3, certificateName="SN-4711")

    assert await doors.status(identity, 3, certificate="SN-4711") == 101
    assert await doors.status(identity, 3, certificate="SN-4712") == 403


# --- what an operator decides --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"securityProfile": 1}, "securityProfile"),
        ({"securityProfile": 2}, "securityProfile"),
        ({"securityProfile": 4}, "securityProfile"),
        ({"securityProfile": -1}, "securityProfile"),
        ({"securityProfile": None}, "securityProfile"),
        ({"securityProfile": "2"}, "securityProfile"),
        ({"authorizationKey": None, "securityProfile": 1}, "securityProfile"),
        ({"targetSecurityProfile": 2}, "targetSecurityProfile"),
        ({"certificateName": " "}, "certificateName"),
    ],
)
async def test_unusable_profile_is_refused(
    doors: Doors, identity: str, body: dict[str, Any], field: str
) -> None:
    """422 names the field, and nothing is registered."""
    answer = await doors.put(identity, **body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert (await doors.api.get(f"/charge-points/{identity}")).status_code == 404


async def test_profile_follows_from_the_credential(doors: Doors, identity: str) -> None:
    """Unless it is named; a higher one stays."""
    found = []
    for body in (
        {},
        {"password": "a password"},
        {"heartbeatInterval": 7},
        {"password": None},
        {"authorizationKey": KEY},
        {"securityProfile": 2},
        {"authorizationKey": "cc" * 20},
        {"securityProfile": 3},
        {"authorizationKey": None},
        {"securityProfile": 0},
    ):
        answer = await doors.put(identity, **body)
        assert answer.is_success, answer.text
        found.append(answer.json()["securityProfile"])

    assert found == [0, 1, 1, 0, 1, 2, 2, 3, 3, 0]


async def test_profile_2_keeps_its_credential(doors: Doors, identity: str) -> None:
    """Else nobody could connect."""
    await doors.put(identity, authorizationKey=KEY, securityProfile=2)

    answer = await doors.put(identity, authorizationKey=None)

    assert answer.status_code == 422
    assert await doors.status(identity, 2) == 101


async def test_decided_profile_closes_a_connection_that_has_another(
    doors: Doors, identity: str
) -> None:
    """It counts at once, upwards and downwards; the same one again changes nothing."""
    await doors.put(identity, authorizationKey=KEY)
    first = await booted(doors, identity, 1)
    await doors.put(identity, securityProfile=1)
    assert (await doors.shown(identity))["isConnected"]

    await doors.put(identity, securityProfile=2)
    assert await first.closed() == (1008, "another security profile was decided")
    second = await booted(doors, identity, 2)
    await doors.put(identity, securityProfile=1)

    assert (await second.closed())[0] == 1008
    assert await doors.status(identity, 2) == 403
    assert await doors.status(identity, 1) == 101


# --- raising -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "old", "new"),
    [
        ({"authorizationKey": KEY}, 1, 2),
        ({"authorizationKey": KEY, "securityProfile": 2}, 2, 3),
        ({"authorizationKey": KEY}, 1, 3),
        ({}, 0, 3),
    ],
)
async def test_upgrade_is_followed_and_the_old_profile_refused(
    doors: Doors, identity: str, body: dict[str, Any], old: int, new: int
) -> None:
    """Commanded, accepted, connected: from then on there is no way back (TC_083)."""
    await doors.put(identity, **body)
    station = await booted(doors, identity, old)

    answer = await doors.raise_profile(identity, new)
    assert answer.json() == {"status": "Accepted"}
    assert await doors.profiles(identity) == (old, new)
    await station.close()
    await booted(doors, identity, new)

    assert await doors.profiles(identity) == (new, None)
    assert await doors.status(identity, old) == 403
    assert await doors.status(identity, new) == 101
    await doors.system.security_events.flush()
    events = (await doors.api.get("/security-events", params={"chargePoint": identity})).json()
    raised = [one["detail"] for one in events["items"] if one["type"] == "SecurityProfileRaised"]
    assert raised == [f"from {old} to {new}"]


@pytest.mark.parametrize("answer", [[3, {"status": "Accepted"}], [3, {"status": "RebootRequired"}]])
async def test_upgrade_that_fails_midway_leaves_a_way_in(
    doors: Doors, identity: str, answer: list[Any]
) -> None:
    """A station that cannot connect with the new profile falls back, as often as it has to."""
    await doors.put(identity, authorizationKey=KEY)
    station = await booted(doors, identity, 1)
    station.answer = lambda message_id, *_: [answer[0], message_id, *answer[1:]]
    await doors.raise_profile(identity, 2)
    await station.close()

    assert [await doors.status(identity, 1) for _ in range(3)] == [101] * 3
    assert await doors.status(identity, 2, password=OTHER_KEY) == 401
    assert await doors.status(identity, 3) == 401
    assert await doors.profiles(identity) == (1, 2)
    assert await doors.status(identity, 2) == 101
    assert await doors.status(identity, 1) == 403


@pytest.mark.parametrize(
    "answer",
    [[3, {"status": "Rejected"}], [3, {"status": "NotSupported"}], [4, "GenericError", "", {}]],
)
async def test_refused_upgrade_opens_nothing(
    doors: Doors, identity: str, answer: list[Any]
) -> None:
    """The old profile stays the only one."""
    await doors.put(identity, authorizationKey=KEY)
    station = await booted(doors, identity, 1)
    station.answer = lambda message_id, *_: [answer[0], message_id, *answer[1:]]
    await doors.raise_profile(identity, 2)
    await station.close()

    assert await doors.profiles(identity) == (1, None)
    assert await doors.status(identity, 2) == 403
    assert await doors.status(identity, 1) == 101


async def test_upgrade_nobody_answered_leaves_both_ways(doors: Doors, identity: str) -> None:
    """It may have been taken or not; the new profile is right while the command is under way."""
    await doors.put(identity, authorizationKey=KEY)
    station = await booted(doors, identity, 1)
    station.answer = lambda *_: None
    waiting = asyncio.create_task(doors.raise_profile(identity, 2))
    await station.commands.get()
    assert await doors.profiles(identity) == (1, 2)
    await station.close()

    assert (await waiting).status_code == 409
    assert await doors.profiles(identity) == (1, 2)
    assert await doors.status(identity, 1) == 101
    assert await doors.status(identity, 2) == 101
    assert await doors.profiles(identity) == (2, None)


async def test_station_that_is_back_before_its_answer_keeps_its_new_profile(
    doors: Doors, identity: str
) -> None:
    """The old connection's end does not take back what the new one proved."""
    await doors.put(identity, authorizationKey=KEY)
    station = await booted(doors, identity, 1)
    station.answer = lambda *_: None
    waiting = asyncio.create_task(doors.raise_profile(identity, 2))
    await station.commands.get()

    await booted(doors, identity, 2)
    await waiting

    assert await doors.profiles(identity) == (2, None)
    assert await doors.status(identity, 1) == 403


@pytest.mark.parametrize(
    ("body", "profile", "value", "word"),
    [
        ({"authorizationKey": KEY, "securityProfile": 2}, 2, "1", "never lowered"),
        ({"authorizationKey": KEY, "securityProfile": 2}, 2, "0", "never lowered"),
        ({"authorizationKey": KEY, "securityProfile": 2}, 2, "2", "never lowered"),
        ({"authorizationKey": KEY}, 1, "4", "from 1 to 3"),
        ({"authorizationKey": KEY}, 1, "two", "from 1 to 3"),
        ({"authorizationKey": KEY}, 1, "-1", "from 1 to 3"),
        ({"authorizationKey": KEY}, 1, "9" * 300, "from 1 to 3"),
        ({}, 0, "1", "AuthorizationKey"),
        ({}, 0, "2", "AuthorizationKey"),
    ],
)
async def test_what_is_no_upgrade_is_never_sent(
    doors: Doors, identity: str, body: dict[str, Any], profile: int, value: str, word: str
) -> None:
    """422 says why; the charge point hears nothing of it."""
    await doors.put(identity, **body)
    station = await booted(doors, identity, profile)

    answer = await doors.raise_profile(identity, value)

    assert answer.status_code == 422
    assert word in answer.json()["detail"]
    assert station.commands.empty()
    assert await doors.profiles(identity) == (profile, None)


async def test_open_upgrade_is_not_replaced_by_another(doors: Doors, identity: str) -> None:
    """The station may come with the first; the same one again is a repetition."""
    await doors.put(identity, authorizationKey=KEY)
    await booted(doors, identity, 1)
    await doors.raise_profile(identity, 2)

    assert "an upgrade to 2 is open" in (await doors.raise_profile(identity, 3)).json()["detail"]
    assert (await doors.raise_profile(identity, 2)).json() == {"status": "Accepted"}
    await doors.put(identity, securityProfile=1)

    assert await doors.profiles(identity) == (1, None)
    assert (await doors.raise_profile(identity, 3)).json() == {"status": "Accepted"}


async def test_refused_repetition_leaves_the_first_upgrade_open(
    doors: Doors, identity: str
) -> None:
    """What was accepted before may still come true."""
    await doors.put(identity, authorizationKey=KEY)
    station = await booted(doors, identity, 1)
    await doors.raise_profile(identity, 2)
    station.answer = lambda message_id, *_: [3, message_id, {"status": "Rejected"}]
    await doors.raise_profile(identity, 2)

    assert await doors.profiles(identity) == (1, 2)


async def test_offline_upgrade_changes_nothing(doors: Doors, identity: str) -> None:
    """Nothing was sent, so nothing may have been taken."""
    await doors.put(identity, authorizationKey=KEY)

    assert (await doors.raise_profile(identity, 2)).status_code == 409
    assert await doors.profiles(identity) == (1, None)


async def test_upgrade_ends_where_the_handshake_is_sound(doors: Doors, identity: str) -> None:
    """Right credentials without a WebSocket after them raise nothing."""
    await doors.put(identity, authorizationKey=KEY)
    await booted(doors, identity, 1)
    await doors.raise_profile(identity, 2)

    assert await doors.status(identity, 2, subprotocol="ocpp2.0.1") == 400
    assert await doors.profiles(identity) == (1, 2)


async def test_open_station_gets_a_key_and_then_a_profile(doors: Doors, identity: str) -> None:
    """Until it uses the key it still gets in without; then never again."""
    await doors.put(identity)
    station = await booted(doors, identity, 0)
    await doors.api.post(
        f"/charge-points/{identity}/commands/ChangeConfiguration",
        json={"key": "AuthorizationKey", "value": KEY},
    )
    await station.close()

    assert await doors.status(identity, 0) == 101
    assert await doors.status(identity, 1, password=OTHER_KEY) == 401
    assert await doors.profiles(identity) == (0, None)
    assert await doors.status(identity, 1) == 101
    assert await doors.profiles(identity) == (1, None)
    assert await doors.status(identity, 0) == 401


# --- what is decided while somebody is at the door ------------------------------------------------


class Held:
    """Holds the first visitor who was admitted, right before the upgrade."""

    def __init__(self, doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_held, self._go_on = asyncio.Event(), asyncio.Event()
        self._welcome = doors.system.ocpp._door.welcome
        monkeypatch.setattr(doors.system.ocpp._door, "welcome", self._hold)

    async def _hold(self, admitted: Admitted) -> Admitted | Refusal:
        answer = await self._welcome(admitted)
        if not self.is_held.is_set():
            self.is_held.set()
            await self._go_on.wait()
        return answer

    def let_go(self) -> None:
        """Let the first one go on."""
        self._go_on.set()


async def test_raised_profile_counts_for_who_is_at_the_door_already(
    doors: Doors, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody without the key takes the connection of who just proved to have it."""
    await doors.put(identity)
    await doors.system.ocpp._store.write(
        partial(
            charge_points.change,
            identity=identity,
            credential=credentials.for_key(KEY),
            at=datetime.now(UTC),
        )
    )
    held = Held(doors, monkeypatch)
    thief = asyncio.create_task(doors.come(identity, 0))
    await held.is_held.wait()

    honest = await booted(doors, identity, 1)
    held.let_go()
    code, _ = await (await thief).closed()

    assert code == 1008
    assert (await honest.boot())["status"] == "Accepted"


async def test_raised_profile_ends_the_connection_of_before(doors: Doors, identity: str) -> None:
    """It is not merely replaced: whoever has it is refused from now on."""
    await doors.put(identity, authorizationKey=KEY)
    old = await booted(doors, identity, 1)
    await doors.raise_profile(identity, 2)

    await booted(doors, identity, 2)

    assert (await old.closed())[0] == 1008
    assert await doors.status(identity, 1) == 403


@pytest.mark.parametrize("body", [{"authorizationKey": "cc" * 20}, {"password": "correct horse"}])
@pytest.mark.parametrize("profile", [1, 2])
async def test_new_secret_ends_the_connection_of_the_old_one(
    doors: Doors, identity: str, profile: int, body: dict[str, Any]
) -> None:
    """Whoever stole the old one is out, at once."""
    await doors.put(identity, authorizationKey=KEY, securityProfile=profile)
    thief = await booted(doors, identity, profile)

    await doors.put(identity, **body)

    assert (await thief.closed())[0] == 1008
    assert await doors.status(identity, profile) == 401


@pytest.mark.parametrize("body", [{"authorizationKey": KEY}, {"heartbeatInterval": 60}])
async def test_same_secret_again_disturbs_nobody(
    doors: Doors, identity: str, body: dict[str, Any]
) -> None:
    """Provisioning may be repeated."""
    await doors.put(identity, authorizationKey=KEY)
    station = await booted(doors, identity, 1)

    await doors.put(identity, **body)

    assert (await station.boot())["status"] == "Accepted"


async def test_new_secret_counts_for_who_is_at_the_door_already(
    doors: Doors, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Admitted with the old one is not admitted any more."""
    await doors.put(identity, authorizationKey=KEY)
    held = Held(doors, monkeypatch)
    thief = asyncio.create_task(doors.come(identity, 1))
    await held.is_held.wait()

    await doors.put(identity, authorizationKey="cc" * 20)
    held.let_go()

    assert (await (await thief).closed())[0] == 1008


async def test_same_secret_again_lets_in_who_is_at_the_door(
    doors: Doors, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its verifier is another one, the secret is not."""
    await doors.put(identity, authorizationKey=KEY)
    held = Held(doors, monkeypatch)
    coming = asyncio.create_task(doors.come(identity, 1))
    await held.is_held.wait()

    await doors.put(identity, authorizationKey=KEY)
    held.let_go()

    assert (await (await coming).boot())["status"] == "Accepted"


async def test_serial_number_told_without_proof_is_no_name_at_the_door(
    doors: Doors, identity: str
) -> None:
    """In profile 0 anybody may have said it, to come in later with a certificate of that name."""
    await doors.put(identity)
    open_station = await doors.come(identity, 0)
    await open_station.call(
        "BootNotification",
        {
            "chargePointVendor": "V",
            "chargePointModel": "M",
            "chargePointSerialNumber": f"{identity}-SERIAL",
        },
    )
    await doors.put(identity, securityProfile=3)

    with pytest.raises(InvalidStatus, match="403"):
        await doors.come(identity, 3, certificate=f"{identity}-SERIAL")
