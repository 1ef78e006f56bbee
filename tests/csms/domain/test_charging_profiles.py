"""What a charging profile may say, what it replaces, and what clears it (CS-SC)."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from csms.domain.charging_profiles import (
    HeldProfile,
    ProfileState,
    clears,
    is_full,
    limit_problems,
    problems,
    replaces,
)

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def profile(purpose: str = "TxDefaultProfile", **fields: Any) -> dict[str, Any]:
    """A sound profile with some fields of its own; None takes one away."""
    sound: dict[str, Any] = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule(),
    }
    return {name: value for name, value in (sound | fields).items() if value is not None}


def schedule(*periods: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A sound schedule of these periods."""
    return {
        "startSchedule": "2026-05-01T00:00:00Z",
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": list(periods or ({"startPeriod": 0, "limit": 6},)),
        **fields,
    }


def held(
    record_id: int = 1,
    connector_id: int | None = 1,
    state: ProfileState = ProfileState.INSTALLED,
    **fields: Any,
) -> HeldProfile:
    """A profile at a charge point."""
    return HeldProfile(
        record_id=record_id,
        identity="CP1",
        connector_id=connector_id,
        transaction_id=None,
        state=state,
        payload=profile(**fields),
        requested_at=NOW,
        answered_at=NOW,
    )


@pytest.mark.parametrize(
    ("connector_id", "payload"),
    [
        (0, profile("ChargePointMaxProfile")),
        (0, profile("TxDefaultProfile")),
        (1, profile("TxDefaultProfile")),
        (1, profile("TxProfile", transactionId=7)),
        (None, profile("TxProfile")),
        (1, profile(chargingProfileKind="Recurring", recurrencyKind="Weekly")),
        (1, profile(chargingProfileKind="Relative")),
        (1, profile(chargingSchedule=schedule({"startPeriod": 0, "limit": 6.1}))),
        (1, profile(chargingSchedule=schedule({"startPeriod": 0, "limit": 0.3}))),
        (1, profile(chargingSchedule=schedule({"startPeriod": 0, "limit": 1_000_000_000}))),
        (1, profile(chargingSchedule=schedule(minChargingRate=0.7, duration=0))),
        (1, profile(validFrom="2026-05-01T00:00:00+02:00", validTo="2026-05-01T00:00:00Z")),
    ],
)
def test_sound_profile_has_no_problems(connector_id: int | None, payload: dict[str, Any]) -> None:
    """What the standard allows is not refused."""
    assert list(problems(connector_id, payload)) == []


PERIODS = "chargingSchedule.chargingSchedulePeriod"


@pytest.mark.parametrize(
    ("connector_id", "payload", "field"),
    [
        (1, profile("ChargePointMaxProfile"), "chargingProfilePurpose"),
        (0, profile("TxProfile"), "chargingProfilePurpose"),
        (1, profile("TxDefaultProfile", transactionId=7), "transactionId"),
        (0, profile("ChargePointMaxProfile", transactionId=7), "transactionId"),
        (1, profile(stackLevel=-1), "stackLevel"),
        (1, profile(recurrencyKind="Daily"), "recurrencyKind"),
        (1, profile(chargingProfileKind="Recurring"), "recurrencyKind"),
        (1, profile(validTo="yesterday"), "validTo"),
        (1, profile(validFrom="2026-02-30T00:00:00Z"), "validFrom"),
        (
            1,
            profile(chargingSchedule=schedule() | {"startSchedule": "soon"}),
            "chargingSchedule.startSchedule",
        ),
        (1, profile(chargingSchedule=schedule(duration=-1)), "chargingSchedule.duration"),
        (
            1,
            profile(chargingSchedule=schedule(minChargingRate=0.25)),
            "chargingSchedule.minChargingRate",
        ),
        (1, profile(chargingSchedule=schedule() | {"chargingSchedulePeriod": []}), PERIODS),
        (
            1,
            profile(chargingSchedule=schedule({"startPeriod": 1, "limit": 6})),
            f"{PERIODS}[0].startPeriod",
        ),
        (
            1,
            profile(
                chargingSchedule=schedule(
                    {"startPeriod": 0, "limit": 6},
                    {"startPeriod": 20, "limit": 7},
                    {"startPeriod": 20, "limit": 8},
                )
            ),
            f"{PERIODS}[2].startPeriod",
        ),
        (
            1,
            profile(chargingSchedule=schedule({"startPeriod": 0, "limit": 6.25})),
            f"{PERIODS}[0].limit",
        ),
        *(
            (
                1,
                profile(chargingSchedule=schedule({"startPeriod": 0, "limit": limit})),
                f"{PERIODS}[0].limit",
            )
            for limit in (1e30, -1e300, float("inf"), 10**400, 1e-9)
        ),
        (
            1,
            profile(chargingSchedule=schedule({"startPeriod": 0, "limit": 6, "numberPhases": 0})),
            f"{PERIODS}[0].numberPhases",
        ),
        (
            1,
            profile(chargingSchedule=schedule({"startPeriod": 0, "limit": 6, "numberPhases": 4})),
            f"{PERIODS}[0].numberPhases",
        ),
    ],
)
def test_problem_is_named_by_its_field(
    connector_id: int, payload: dict[str, Any], field: str
) -> None:
    """Each broken rule is found, and it alone."""
    assert [name for name, _ in problems(connector_id, payload)] == [field]


@pytest.mark.parametrize(
    ("capabilities", "field"),
    [
        ({"ChargeProfileMaxStackLevel": "1"}, "stackLevel"),
        ({"ChargingScheduleMaxPeriods": "1"}, PERIODS),
        (
            {"ChargingScheduleAllowedChargingRateUnit": "Power"},
            "chargingSchedule.chargingRateUnit",
        ),
        ({"ChargingScheduleAllowedChargingRateUnit": "W"}, "chargingSchedule.chargingRateUnit"),
        ({"ChargeProfileMaxStackLevel": "2"}, None),
        ({"ChargingScheduleMaxPeriods": "2"}, None),
        ({"ChargingScheduleAllowedChargingRateUnit": "Power, current"}, None),
        ({"ChargingScheduleAllowedChargingRateUnit": "whatever"}, None),
        ({"ChargeProfileMaxStackLevel": "many"}, None),
        ({}, None),
    ],
)
def test_declared_limits_hold(capabilities: dict[str, str], field: str | None) -> None:
    """What the charge point said it cannot take is found; what it never said is not guessed."""
    payload = profile(
        stackLevel=2,
        chargingSchedule=schedule({"startPeriod": 0, "limit": 6}, {"startPeriod": 9, "limit": 7}),
    )

    found = [name for name, _ in limit_problems(payload, capabilities)]

    assert found == ([] if field is None else [field])


@pytest.mark.parametrize(
    ("connector_id", "payload", "expected"),
    [
        (2, profile("ChargePointMaxProfile", stackLevel=5), True),  # the same id
        (1, profile(chargingProfileId=2), True),  # the same place
        (1, profile(chargingProfileId=2, stackLevel=1), False),
        (0, profile(chargingProfileId=2), False),  # side by side with connector 0's
        (1, profile("TxProfile", chargingProfileId=2), False),
    ],
)
def test_replacing(connector_id: int, payload: dict[str, Any], expected: bool) -> None:
    """The same id replaces anywhere; the same purpose and level on the same connector."""
    assert replaces(connector_id, payload, held()) is expected


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({}, (True, True)),
        ({"id": 1}, (True, True)),
        ({"id": 2}, (False, False)),
        ({"connectorId": 1}, (True, True)),
        ({"connectorId": 0}, (False, False)),
        ({"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 0}, (True, True)),
        ({"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 1}, (False, False)),
        ({"chargingProfilePurpose": "TxProfile"}, (False, False)),
        ({"id": 1, "stackLevel": 3}, (False, True)),  # two readings of the errata
        ({"id": 2, "stackLevel": 0}, (False, False)),
        ({"id": 1, "stackLevel": 0}, (True, True)),
    ],
)
def test_clearing(criteria: dict[str, Any], expected: tuple[bool, bool]) -> None:
    """No field clears all; fields are all looked at; connector 0 is not any connector."""
    assert clears(criteria, held()) == expected


def test_profile_of_a_start_to_come_is_not_surely_cleared() -> None:
    """Nobody knows whether the charge point counts it among its profiles yet."""
    assert clears({}, held(state=ProfileState.OFFERED)) == (False, True)


def test_full_counts_only_what_is_certain_and_stays() -> None:
    """A replacement always fits, and what may not be there is not counted."""
    two = {"MaxChargingProfilesInstalled": "2"}
    sure = [held(1), held(2, stackLevel=1)]
    unsure = [held(1), held(2, state=ProfileState.UNKNOWN)]

    assert is_full(sure, [], two)
    assert not is_full(sure, [sure[0]], two)
    assert not is_full(unsure, [], two)
    assert not is_full(sure, [], {})


def test_profile_of_a_transaction_is_read_with_it() -> None:
    """The transaction is ours to know, whether or not the payload names it."""
    read = deepcopy(held(purpose="TxProfile"))
    bound = HeldProfile(
        record_id=1,
        identity="CP1",
        connector_id=2,
        transaction_id=7,
        state=ProfileState.INSTALLED,
        payload=read.payload,
        requested_at=NOW,
        answered_at=NOW,
    ).profile

    assert bound is not None
    assert (bound.connector_id, bound.transaction_id) == (2, 7)
    assert held(connector_id=None).profile is None
