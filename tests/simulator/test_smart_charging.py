"""A charge point takes, keeps, clears and obeys charging profiles."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.rig import Rig

ACCEPTED, REJECTED, UNKNOWN = ({"status": one} for one in ("Accepted", "Rejected", "Unknown"))


def profile(**changes: Any) -> dict[str, Any]:
    """Return a default profile of 10 A, changed; schedule and periods by their own names."""
    schedule = {
        "chargingRateUnit": changes.pop("unit", "A"),
        "chargingSchedulePeriod": changes.pop("periods", [{"startPeriod": 0, "limit": 10}]),
        **changes.pop("schedule", {"startSchedule": "2026-01-01T00:00:00Z"}),
    }
    return {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
        **changes,
    }


def install(rig: Rig, connector_id: int = 1, **changes: Any) -> Any:
    """Send a SetChargingProfile."""
    content = profile(**changes)
    request = {"connectorId": connector_id, "csChargingProfiles": content}
    return rig.ask("SetChargingProfile", request)


def charging(**options: Any) -> Rig:
    """Return a charge point with a transaction on connector 1."""
    rig = Rig(**options)
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", connector_id=1, id_tag="A")
    rig.dialogue()
    return rig


def limits(rig: Rig, connector_id: int = 1, unit: str = "A") -> list[tuple[int, float]]:
    """Ask for the composite schedule of an hour."""
    request = {"connectorId": connector_id, "duration": 3600, "chargingRateUnit": unit}
    answer = rig.ask("GetCompositeSchedule", request)
    assert isinstance(answer, dict)
    periods = answer["chargingSchedule"]["chargingSchedulePeriod"]
    return [(one["startPeriod"], one["limit"]) for one in periods]


@pytest.mark.parametrize(
    ("connector_id", "changes"),
    [
        (1, {"chargingProfilePurpose": "TxProfile"}),
        (0, {"chargingProfilePurpose": "TxProfile"}),
        (1, {"chargingProfilePurpose": "ChargePointMaxProfile"}),
        (1, {"transactionId": 1}),
        (1, {"stackLevel": 9}),
        (1, {"periods": []}),
        (1, {"periods": [{"startPeriod": 5, "limit": 10}]}),
        (1, {"periods": [{"startPeriod": one, "limit": 10} for one in (0, 20, 10)]}),
        (1, {"periods": [{"startPeriod": one, "limit": 10} for one in range(25)]}),
        (1, {"chargingProfileKind": "Recurring"}),
    ],
)
def test_a_profile_that_cannot_be_is_rejected(connector_id: int, changes: dict[str, Any]) -> None:
    """TxProfile without a transaction, limits of the keys, periods out of order (§5.16)."""
    rig = Rig()

    assert install(rig, connector_id, **changes) == REJECTED
    assert limits(rig) == limits(Rig())


@pytest.mark.parametrize(
    ("connector_id", "changes", "code"),
    [
        (7, {}, "PropertyConstraintViolation"),
        (1, {"chargingProfilePurpose": "Other"}, "PropertyConstraintViolation"),
        (1, {"unit": "kW"}, "PropertyConstraintViolation"),
        (1, {"periods": [{"startPeriod": 0}]}, "ProtocolError"),
    ],
)
def test_a_profile_that_is_none_is_an_error(
    connector_id: int, changes: dict[str, Any], code: str
) -> None:
    """Unknown connectors and values outside an enumeration are CALLERRORs (errata 3.24, 3.39)."""
    assert install(Rig(), connector_id, **changes) == code


def test_a_unit_that_is_not_allowed_is_rejected() -> None:
    """ChargingScheduleAllowedChargingRateUnit speaks of Current and Power (errata 3.86)."""
    rig = Rig(keys={"ChargingScheduleAllowedChargingRateUnit": "Current"})

    assert install(rig, unit="W") == REJECTED
    assert install(rig, unit="A") == ACCEPTED


def test_no_more_profiles_than_can_be_held() -> None:
    """MaxChargingProfilesInstalled is kept; replacing is always possible."""
    rig = Rig(keys={"MaxChargingProfilesInstalled": "2"})
    install(rig, stackLevel=0, chargingProfileId=1)
    install(rig, stackLevel=1, chargingProfileId=2)

    assert install(rig, stackLevel=2, chargingProfileId=3) == REJECTED
    assert install(rig, stackLevel=2, chargingProfileId=2) == ACCEPTED


def test_same_purpose_and_level_replace() -> None:
    """On one connector a purpose has one profile a level; other connectors keep theirs."""
    rig = Rig()
    install(rig, 0, chargingProfileId=1)
    install(rig, 1, chargingProfileId=2, periods=[{"startPeriod": 0, "limit": 8}])
    install(rig, 1, chargingProfileId=3, periods=[{"startPeriod": 0, "limit": 7}])

    assert limits(rig, 1) == [(0, 7.0)]
    assert limits(rig, 2) == [(0, 10.0)]
    assert rig.ask("ClearChargingProfile", {"id": 2}) == UNKNOWN


@pytest.mark.parametrize(
    ("request_", "left"),
    [
        ({}, [set()]),
        ({"id": 2}, [{1, 3}]),
        ({"id": 2, "connectorId": 0, "stackLevel": 5}, [{1, 3}]),  # an id counts alone
        ({"connectorId": 0}, [{2, 3}]),
        ({"chargingProfilePurpose": "TxDefaultProfile"}, [{1}]),
        ({"connectorId": 1, "stackLevel": 1}, [{1, 2}]),
        ({"connectorId": 1, "stackLevel": 4}, [{1, 2, 3}]),
    ],
)
def test_clearing_by_every_criterion(request_: dict[str, Any], left: list[set[int]]) -> None:
    """An id alone, other fields together, no field all of them (errata 3.25, 3.26)."""
    rig = Rig()
    install(rig, 0, chargingProfileId=1, chargingProfilePurpose="ChargePointMaxProfile")
    install(rig, 1, chargingProfileId=2)
    install(rig, 1, chargingProfileId=3, stackLevel=1)

    answer = rig.ask("ClearChargingProfile", request_)

    assert [{one.id for one in rig.charge_point.smart_charging.profiles}] == left
    assert answer == (UNKNOWN if left == [{1, 2, 3}] else ACCEPTED)


def test_a_limit_is_obeyed_by_the_meter() -> None:
    """Energy flows no faster than the profile of the moment allows, period by period."""
    rig = charging(power_w=11_000.0)
    connector = rig.charge_point.connectors[1]
    before_wh = connector.meter.energy_wh(rig.s)
    periods = [{"startPeriod": 0, "limit": 6900}, {"startPeriod": 1800, "limit": 3450}]
    start = {"startSchedule": rig.now.at.isoformat()}

    assert install(rig, unit="W", periods=periods, schedule=start) == ACCEPTED
    rig.advance(3600)

    assert connector.meter.energy_wh(rig.s) - before_wh == pytest.approx(3450 + 1725, abs=1)


def test_a_limit_of_nothing_suspends_and_its_end_resumes() -> None:
    """Where nothing may be drawn the EVSE suspends (C5), and goes on when it may again (E3)."""
    rig = charging()
    rig.take()
    periods = [{"startPeriod": 0, "limit": 0}, {"startPeriod": 60, "limit": 16}]

    install(rig, periods=periods, schedule={"startSchedule": rig.now.at.isoformat()})
    assert "Status 1 SuspendedEVSE" in rig.dialogue()
    rig.advance(61)

    assert "Status 1 Charging" in rig.dialogue()


def test_a_tx_profile_dies_with_its_transaction() -> None:
    """The next transaction is not held to it (§7.10)."""
    rig = charging()
    assert install(rig, chargingProfilePurpose="TxProfile", transactionId=1) == ACCEPTED
    assert limits(rig) == [(0, 10.0)]

    rig.do("present_tag", connector_id=1, id_tag="A")
    rig.dialogue()

    assert limits(rig) == limits(Rig())


def test_a_foreign_transaction_is_rejected() -> None:
    """A TxProfile names the transaction that runs there, or none."""
    rig = charging()

    assert install(rig, chargingProfilePurpose="TxProfile", transactionId=99) == REJECTED
    assert install(rig, chargingProfilePurpose="TxProfile") == ACCEPTED


def test_profiles_outlive_a_restart() -> None:
    """They are kept over power cycles (errata 3.37)."""
    rig = Rig()
    install(rig)
    rig.do("power_off")
    rig.do("power_on")
    rig.connect()
    rig.dialogue()

    assert limits(rig) == [(0, 10.0)]


def test_a_remote_start_brings_its_profile() -> None:
    """It counts for that transaction from its begin on (§5.16.2)."""
    rig = Rig()
    content = profile(chargingProfilePurpose="TxProfile", chargingProfileKind="Relative")
    request = {"connectorId": 1, "idTag": "A", "chargingProfile": content}
    assert rig.ask("RemoteStartTransaction", request) == ACCEPTED
    assert limits(rig) == limits(Rig())
    rig.do("plug_in", connector_id=1)
    rig.dialogue()

    assert limits(rig) == [(0, 10.0)]


@pytest.mark.parametrize(
    "changes",
    [
        {"chargingProfilePurpose": "TxDefaultProfile"},
        {"chargingProfilePurpose": "TxProfile", "transactionId": 1},
    ],
)
def test_a_remote_start_takes_no_other_profile(changes: dict[str, Any]) -> None:
    """Only a TxProfile without a transactionId (errata 3.41)."""
    request = {"connectorId": 1, "idTag": "A", "chargingProfile": profile(**changes)}

    assert Rig().ask("RemoteStartTransaction", request) == REJECTED


def test_a_transaction_by_script_counts() -> None:
    """A transaction that a script started by hand takes a TxProfile too, until it ends."""
    rig = Rig()
    started_at = rig.charge_point.wire.stamp(rig.now)
    rig.by_hand(
        "StartTransaction",
        {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": started_at},
    )
    assert install(rig, chargingProfilePurpose="TxProfile", transactionId=1) == ACCEPTED

    rig.by_hand("StopTransaction", {"transactionId": 1, "meterStop": 1, "timestamp": started_at})

    assert install(rig, chargingProfilePurpose="TxProfile", transactionId=1) == REJECTED


def test_an_unknown_connector_has_no_schedule() -> None:
    """GetCompositeSchedule of a connector that is not there is Rejected."""
    request = {"connectorId": 9, "duration": 60}

    assert Rig().ask("GetCompositeSchedule", request) == REJECTED
