"""TriggerMessage: the answer first, then the message, for one connector or for all (§5.17)."""

from __future__ import annotations

import pytest

from tests.simulator.rig import Rig

CALM = {"MeterValueSampleInterval": "0", "ConnectionTimeOut": "0"}


def trigger(rig: Rig, message: str, connector_id: int | None = None) -> list[str]:
    """Trigger a message; return what was sent, the answer included."""
    rig.dialogue()
    payload: dict[str, object] = {"requestedMessage": message}
    if connector_id is not None:
        payload["connectorId"] = connector_id
    rig.ask("TriggerMessage", payload)
    return rig.dialogue()


@pytest.mark.parametrize(
    ("message", "connector_id", "sent"),
    [
        ("Heartbeat", None, ["Heartbeat"]),
        ("Heartbeat", 9, ["Heartbeat"]),  # the connector does not matter here
        ("StatusNotification", 1, ["Status 1 Available"]),
        ("StatusNotification", 0, ["Status 0 Available"]),
        (
            *("StatusNotification", None),
            ["Status 0 Available", "Status 1 Available", "Status 2 Available"],
        ),
        ("MeterValues", 2, ["Meter 2"]),
        ("MeterValues", None, ["Meter 1", "Meter 2"]),
        ("DiagnosticsStatusNotification", None, ["Diagnostics Idle"]),
        ("FirmwareStatusNotification", None, ["Firmware Idle"]),
    ],
)
def test_accepted(message: str, connector_id: int | None, sent: list[str]) -> None:
    """The answer goes first, then what was asked for."""
    assert trigger(Rig(keys=CALM), message, connector_id) == ["conf Accepted", *sent]


@pytest.mark.parametrize(
    ("message", "connector_id"),
    [
        ("BootNotification", None),  # accepted already
        ("StatusNotification", 3),
        ("MeterValues", 3),
        ("MeterValues", 0),  # there is no main meter
    ],
)
def test_rejected(message: str, connector_id: int | None) -> None:
    """What it will not send is refused, and not sent."""
    assert trigger(Rig(keys=CALM), message, connector_id) == ["conf Rejected"]


def test_nothing_to_measure() -> None:
    """Without measurands there are no meter values to send."""
    rig = Rig(keys={**CALM, "MeterValuesSampledData": ""})
    assert trigger(rig, "MeterValues", 1) == ["conf Rejected"]


@pytest.mark.parametrize("message", ["Nonsense", "heartbeat", "StartTransaction", ""])
def test_unknown_messages(message: str) -> None:
    """What cannot be triggered is NotImplemented."""
    assert trigger(Rig(keys=CALM), message) == ["conf NotImplemented"]


def test_meter_values_of_a_transaction() -> None:
    """Current values, context Trigger, with the transaction that runs."""
    rig = Rig(keys={**CALM, "MeterValuesSampledData": "Energy.Active.Import.Register,Voltage.L1-N"})
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.advance(360)
    rig.take()
    rig.ask("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1})

    payload = rig.payload("MeterValues")
    (value,) = payload["meterValue"]
    samples = value["sampledValue"]
    assert payload["transactionId"] == 1
    assert {sample["context"] for sample in samples} == {"Trigger"}
    assert [(sample["measurand"], sample["value"]) for sample in samples] == [
        ("Energy.Active.Import.Register", "1104"),
        ("Voltage", "230.0"),
    ]


def test_meter_values_overtake_the_queue() -> None:
    """What was asked for does not wait behind messages that failed."""
    rig = Rig(keys={**CALM, "MessageTimeout": "5"})
    rig.answers["StartTransaction"] = lambda _: None
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.advance(6)
    assert trigger(rig, "MeterValues", 1) == ["conf Accepted", "Meter 1 -1"]


def test_status_is_sent_again_and_at_once() -> None:
    """MinimumStatusDuration does not hold a triggered status back, nor is it then sent twice."""
    rig = Rig(keys={**CALM, "MinimumStatusDuration": "10"})
    rig.do("plug_in", connector_id=1)
    assert trigger(rig, "StatusNotification", 1) == ["conf Accepted", "Status 1 Preparing"]
    rig.advance(20)
    assert rig.dialogue() == []
    assert trigger(rig, "StatusNotification", 1) == ["conf Accepted", "Status 1 Preparing"]


@pytest.mark.parametrize(
    ("message", "sent"),
    [("Heartbeat", ["Heartbeat"]), ("StatusNotification", ["Status 1 Available"])],
)
def test_pending_charge_point_sends_what_is_asked_for(message: str, sent: list[str]) -> None:
    """While Pending only triggered messages are sent (§4.2)."""
    assert trigger(_pending(), message, 1) == ["conf Accepted", *sent]


def test_pending_charge_point_boots_again() -> None:
    """BootNotification before its time; accepted then, it says what it always says."""
    rig = _pending()
    assert trigger(rig, "BootNotification") == ["conf Accepted", "Boot"]
    del rig.answers["BootNotification"]
    rig.answers["BootNotification"] = lambda _: {
        "status": "Accepted",
        "currentTime": "2026-01-31T12:00:00Z",
        "interval": 60,
    }
    assert trigger(rig, "BootNotification") == [
        *["conf Accepted", "Boot"],
        *["Status 0 Available", "Status 1 Available", "Status 2 Available"],
    ]
    rig.advance(59)
    assert rig.dialogue() == []


def test_passive_charge_point_answers_only() -> None:
    """What was triggered is the script's to send."""
    rig = Rig(boots=False)
    rig.charge_point.is_active = False
    rig.connect()
    assert trigger(rig, "Heartbeat") == ["conf Accepted"]
    assert trigger(rig, "BootNotification") == ["conf Accepted"]
    rig.by_hand("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    assert trigger(rig, "BootNotification") == ["conf Rejected"]


def _pending() -> Rig:
    rig = Rig(boots=False, keys=CALM)
    rig.answers["BootNotification"] = lambda _: {
        "status": "Pending",
        "currentTime": "2026-01-31T12:00:00Z",
        "interval": 600,
    }
    rig.do("power_on")
    rig.connect()
    return rig
