"""Meter values are taken when they are due, and carry what the keys list (§3.16)."""

from __future__ import annotations

from tests.simulator.rig import Payload, Rig

REGISTER = "Energy.Active.Import.Register"


def charging(**keys: str) -> Rig:
    """Return a charge point with a transaction of 3.6 kW, that is 1 Wh a second."""
    rig = Rig(keys={"ConnectionTimeOut": "0", **keys}, power_w=3600.0)
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.take()
    return rig


def meter_values(rig: Rig) -> list[Payload]:
    """Return the MeterValues since the last time."""
    return [payload for action, payload in rig.take() if action == "MeterValues"]


def lines(value: Payload) -> list[str]:
    """Return the sampled values of one moment in short."""
    return [f"{one['context']} {one['measurand']} {one['value']}" for one in value["sampledValue"]]


def test_samples_every_interval_from_the_start() -> None:
    """Sample.Periodic every MeterValueSampleInterval, with transactionId and register."""
    rig = charging(MeterValueSampleInterval="30")
    rig.advance(65)
    first, second = meter_values(rig)

    assert (first["connectorId"], first["transactionId"]) == (1, 1)
    assert [one["timestamp"] for one in first["meterValue"]] == ["2026-01-31T12:17:10.000Z"]
    assert lines(first["meterValue"][0]) == [f"Sample.Periodic {REGISTER} 30"]
    assert lines(second["meterValue"][0]) == [f"Sample.Periodic {REGISTER} 60"]


def test_late_wake_up_gives_the_same_series() -> None:
    """Samples that were due while nobody woke the model carry the times they were due."""
    rig = charging(MeterValueSampleInterval="10")
    rig.s += 35
    rig.advance(0)
    stamps = [payload["meterValue"][0]["timestamp"][-7:] for payload in meter_values(rig)]

    assert stamps == ["50.000Z", "00.000Z", "10.000Z"]


def test_zero_switches_sampling_off() -> None:
    """Interval 0 means no samples."""
    rig = charging(MeterValueSampleInterval="0")
    rig.advance(1000)

    assert meter_values(rig) == []


def test_changed_interval_takes_effect_at_once() -> None:
    """A changed interval counts from the start of the transaction too."""
    rig = charging(MeterValueSampleInterval="0")
    rig.advance(12)
    rig.ask("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "5"})
    rig.advance(8)
    stamps = [payload["meterValue"][0]["timestamp"][-7:] for payload in meter_values(rig)]

    assert stamps == ["55.000Z", "00.000Z"]


def test_samples_end_with_the_transaction() -> None:
    """No sample after the stop."""
    rig = charging(MeterValueSampleInterval="30")
    rig.advance(10)
    rig.do("present_tag", id_tag="A")
    rig.advance(100)

    assert meter_values(rig) == []


def test_measurands_and_phases_are_those_of_the_key() -> None:
    """Every measurand of the list, one value for each phase."""
    rig = charging(
        MeterValueSampleInterval="10",
        MeterValuesSampledData="Voltage,Power.Active.Import,SoC,Current.Import.L2",
    )
    rig.advance(10)
    (payload,) = meter_values(rig)
    samples = payload["meterValue"][0]["sampledValue"]

    assert [(one["measurand"], one.get("phase"), one["unit"]) for one in samples] == [
        ("Voltage", "L1-N", "V"),
        ("Voltage", "L2-N", "V"),
        ("Voltage", "L3-N", "V"),
        ("Power.Active.Import", None, "W"),
        ("SoC", None, "Percent"),
        ("Current.Import", "L2", "A"),
    ]


def test_empty_list_sends_nothing() -> None:
    """Without measurands there is nothing to send."""
    rig = charging(MeterValueSampleInterval="10", MeterValuesSampledData="")
    rig.advance(100)

    assert meter_values(rig) == []


def test_clock_aligned_values_of_every_connector() -> None:
    """Sample.Clock at whole intervals since midnight, with the transaction where one runs."""
    rig = charging(MeterValueSampleInterval="0", ClockAlignedDataInterval="60")
    rig.advance(80)  # from 12:16:40 to 12:18:00
    payloads = meter_values(rig)

    assert [
        (one["connectorId"], one.get("transactionId"), one["meterValue"][0]["timestamp"][-10:])
        for one in payloads
    ] == [
        (1, 1, "17:00.000Z"),
        (2, None, "17:00.000Z"),
        (1, 1, "18:00.000Z"),
        (2, None, "18:00.000Z"),
    ]
    assert lines(payloads[2]["meterValue"][0]) == [f"Sample.Clock {REGISTER} 80"]


def test_interval_energy_is_stamped_with_its_start() -> None:
    """Energy of the interval is told at its end, with the time of its start."""
    rig = charging(
        MeterValueSampleInterval="0",
        ClockAlignedDataInterval="60",
        MeterValuesAlignedData=f"{REGISTER},Energy.Active.Import.Interval",
    )
    rig.advance(80)
    payload = meter_values(rig)[2]

    assert [(one["timestamp"][-10:], lines(one)) for one in payload["meterValue"]] == [
        ("17:00.000Z", ["Sample.Clock Energy.Active.Import.Interval 60"]),
        ("18:00.000Z", [f"Sample.Clock {REGISTER} 80"]),
    ]


def test_last_interval_of_the_day_is_cut_short() -> None:
    """Counting starts anew at midnight, also where the interval does not divide the day."""
    rig = Rig(keys={"ClockAlignedDataInterval": "50000"})
    rig.advance(86_400)
    stamps = [
        payload["meterValue"][0]["timestamp"]
        for payload in meter_values(rig)
        if payload["connectorId"] == 1
    ]

    assert stamps == ["2026-01-31T13:53:20.000Z", "2026-02-01T00:00:00.000Z"]


def test_clock_aligned_can_be_switched() -> None:
    """Setting the key starts and stops it."""
    rig = Rig()
    rig.ask("ChangeConfiguration", {"key": "ClockAlignedDataInterval", "value": "900"})
    rig.advance(1000)
    assert len(meter_values(rig)) == 2
    rig.ask("ChangeConfiguration", {"key": "ClockAlignedDataInterval", "value": "0"})
    rig.advance(10_000)
    assert meter_values(rig) == []


def test_stop_carries_begin_samples_and_end() -> None:
    """transactionData: begin, what was sampled and aligned between, end (errata 3.14)."""
    rig = charging(
        MeterValueSampleInterval="30",
        MeterValuesSampledData="",
        MeterValuesAlignedData="",
        ClockAlignedDataInterval="60",
        StopTxnAlignedData="Voltage.L1-N",
    )
    rig.advance(40)
    rig.do("present_tag", id_tag="A")
    data = rig.payload("StopTransaction")["transactionData"]

    assert [line for value in data for line in lines(value)] == [
        f"Transaction.Begin {REGISTER} 0",
        "Sample.Clock Voltage 230.0",
        f"Sample.Periodic {REGISTER} 30",
        f"Transaction.End {REGISTER} 40",
    ]


def test_no_transaction_data_without_measurands() -> None:
    """Both lists empty: the field is left out."""
    rig = charging(StopTxnSampledData="", StopTxnAlignedData="")
    rig.do("present_tag", id_tag="A")

    assert "transactionData" not in rig.payload("StopTransaction")


def test_samples_are_queued_offline() -> None:
    """Samples taken offline come after the start, with the id it got."""
    rig = Rig(keys={"AllowOfflineTxForUnknownId": "true", "MeterValueSampleInterval": "30"})
    rig.drop()
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.advance(70)
    rig.connect()

    assert rig.story() == ["Status 1 Charging", "Start 1 A", "Meter 1 1", "Meter 1 1"]


def test_seconds_form_of_time_stamps() -> None:
    """Without milliseconds no time stamp carries a fraction, nested ones included."""
    rig = Rig(milliseconds=False, keys={"MeterValueSampleInterval": "30"})
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.advance(30)
    rig.do("present_tag", id_tag="A")

    assert ".000Z" not in str(rig.calls)
    assert "2026-01-31T12:17:10Z" in str(rig.calls)
