"""Whatever charge points answer, and whenever the CSMS ends: nothing false is said of profiles."""

import asyncio
import contextlib
from functools import partial
from random import Random
from typing import Any

import pytest

from csms.domain.charging_profiles import ProfileState
from csms.ocppj.commands import InvalidCommand, Problem
from csms.ocppj.outcomes import (
    Answered,
    CommandOutcome,
    Disconnected,
    Malformed,
    Offline,
    QueueFull,
    Refused,
    TimedOut,
)
from csms.operations.charging_profiles import ACTIONS, ChargingProfileEffect
from csms.storage import charging_profiles
from tests.csms.domain.test_charging_profiles import profile
from tests.csms.operations.rig import Rig

Place = tuple[str, int, int]

DONE: list[CommandOutcome | BaseException] = [Answered({"status": "Accepted"})]
NOT_DONE: list[CommandOutcome | BaseException] = [
    Answered({"status": "Rejected"}),
    Answered({"status": "NotSupported"}),
    Refused("PropertyConstraintViolation", "", {}),
    Offline(),
    QueueFull(),
    InvalidCommand((Problem("", "not now"),)),
]
# The charge point may have done it or not.
OPEN: list[CommandOutcome | BaseException] = [
    Answered({"status": "Done"}),
    Answered({}),
    Malformed("?"),
    TimedOut(30.0),
    Disconnected(),
    asyncio.CancelledError(),
]


class Truth:
    """A charge point's profiles: purpose, level and connector of each id."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.profiles: dict[int, Place] = {}

    def carry_out(self, action: str, payload: dict[str, Any]) -> bool:
        """Do as told; say whether there was anything to do."""
        if action == "SetChargingProfile":
            sent = payload["csChargingProfiles"]
            place = (sent["chargingProfilePurpose"], sent["stackLevel"], payload["connectorId"])
            self.profiles = {one: has for one, has in self.profiles.items() if has != place}
            self.profiles[sent["chargingProfileId"]] = place
            return True
        criteria = dict(payload)
        if "id" in criteria and self._random.random() < 0.5:  # two readings of the errata
            criteria = {"id": criteria["id"]}
        names = ("chargingProfilePurpose", "stackLevel", "connectorId", "id")
        before = len(self.profiles)
        self.profiles = {
            one: place
            for one, place in self.profiles.items()
            if any(
                name in criteria and criteria[name] != value
                for name, value in zip(names, (*place, one), strict=True)
            )
        }
        return len(self.profiles) < before


def _order(random: Random) -> tuple[str, dict[str, Any]]:
    purpose = random.choice(["TxDefaultProfile", "ChargePointMaxProfile"])
    connector_id = 0 if purpose == "ChargePointMaxProfile" else random.randint(0, 2)
    one = {
        "id": random.randint(1, 5),
        "connectorId": connector_id,
        "chargingProfilePurpose": purpose,
        "stackLevel": random.randint(0, 1),
    }
    if random.random() < 0.3:
        return "ClearChargingProfile", {
            name: value for name, value in one.items() if random.random() < 0.4
        }
    sent = profile(purpose, chargingProfileId=one["id"], stackLevel=one["stackLevel"])
    return "SetChargingProfile", {"connectorId": connector_id, "csChargingProfiles": sent}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_nothing_false_is_ever_known(rig: Rig, seed: int) -> None:
    """Installed is there, and what is there is Installed or Unknown, at every moment.

    What stands in the database while a command is under way is what a CSMS finds that was killed.
    """
    random = Random(seed)
    truth = Truth(random)
    effect = ChargingProfileEffect(rig.store, rig.now)
    rig.effects |= dict.fromkeys(ACTIONS, effect)

    async def hold_against_truth() -> set[ProfileState]:
        held = await rig.store.read(partial(charging_profiles.held, identity="CP1"))
        told = {(one.charging_profile_id, _place(one.payload, one.connector_id)) for one in held}
        sure = {
            (one.charging_profile_id, _place(one.payload, one.connector_id))
            for one in held
            if one.state is ProfileState.INSTALLED
        }
        assert sure <= set(truth.profiles.items()) <= told
        return {one.state for one in held}

    seen: set[ProfileState] = set()
    for _ in range(120):
        action, payload = _order(random)
        kind = random.choices(["done", "not done", "open"], [6, 2, 1])[0]
        is_done = kind == "done" or (kind == "open" and random.random() < 0.5)

        async def meanwhile(
            action: str = action,
            payload: dict[str, Any] = payload,
            is_done: bool = is_done,
            kind: str = kind,
        ) -> None:
            await hold_against_truth()  # killed before the charge point acted
            if is_done and not truth.carry_out(action, payload) and kind == "done":
                rig.wire.outcomes = [Answered({"status": "Unknown"})]
            await hold_against_truth()  # killed after it

        rig.wire.meanwhile = meanwhile
        outcomes = {"done": DONE, "not done": NOT_DONE, "open": OPEN}[kind]
        rig.wire.outcomes = [random.choice(outcomes)]
        with contextlib.suppress(InvalidCommand, asyncio.CancelledError):
            await rig.send(action, payload)
        seen |= await hold_against_truth()

    assert seen == {ProfileState.INSTALLED, ProfileState.UNKNOWN}


def _place(payload: dict[str, Any], connector_id: int | None) -> Place:
    assert connector_id is not None
    return (payload["chargingProfilePurpose"], payload["stackLevel"], connector_id)
