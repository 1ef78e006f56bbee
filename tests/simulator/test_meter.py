"""The meter integrates power into a register that only grows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.meter import MEASURANDS, STOP_MEASURANDS, Meter


def test_power_becomes_energy() -> None:
    """11 kW for half an hour, then nothing, are 5.5 kWh."""
    meter = Meter(offered_w=11_000.0, energy_wh=1_000.0)
    meter.set_power(11_000.0, 100.0)
    meter.set_power(0.0, 1_900.0)

    assert meter.register_wh(10_000.0) == 6_500


@given(st.lists(st.tuples(st.floats(0, 22_000), st.floats(-10, 3_600)), max_size=30))
def test_register_never_goes_back(steps: list[tuple[float, float]]) -> None:
    """Whatever happens, even a clock that jumps back, the register only grows."""
    meter, now_s, last = Meter(offered_w=22_000.0), 0.0, 0.0
    for power_w, seconds in steps:
        now_s += seconds
        meter.set_power(power_w, now_s)
        energy_wh = meter.energy_wh(now_s)
        assert energy_wh >= last
        last = energy_wh


@pytest.mark.parametrize("measurand", sorted(MEASURANDS - {"Energy.Active.Import.Interval"}))
def test_every_supported_measurand_has_a_value(measurand: str) -> None:
    """What a list may hold can be measured, as a decimal text."""
    samples = Meter(offered_w=11_040.0).sample([measurand], "Sample.Periodic", 0.0)

    assert samples
    for sample in samples:
        assert measurand.startswith(sample["measurand"])
        assert sample["context"] == "Sample.Periodic"
        float(sample["value"])


def test_phases() -> None:
    """Without suffix all phases are given, with one only that one; power has a total."""
    meter = Meter(offered_w=11_040.0)
    meter.set_power(11_040.0, 0.0)

    def phases(entry: str) -> list[tuple[str, str]]:
        samples = meter.sample([entry], "Trigger", 0.0)
        return [(sample.get("phase", ""), sample["value"]) for sample in samples]

    assert phases("Voltage") == [("L1-N", "230.0"), ("L2-N", "230.0"), ("L3-N", "230.0")]
    assert phases("Voltage.L2-N") == [("L2-N", "230.0")]
    assert phases("Current.Import") == [("L1", "16.00"), ("L2", "16.00"), ("L3", "16.00")]
    assert phases("Power.Active.Import") == [("", "11040.0")]
    assert phases("Power.Active.Import.L3") == [("L3", "3680.0")]


def test_interval_energy_needs_an_interval() -> None:
    """A measurand that describes an interval is left out where there is none."""
    meter = Meter(offered_w=11_040.0)
    entry = ["Energy.Active.Import.Interval"]

    assert meter.sample(entry, "Sample.Periodic", 0.0) == []
    assert meter.sample(entry, "Sample.Clock", 0.0, interval_wh=12.4)[0]["value"] == "12"


def test_frequency_is_in_hertz_and_not_for_stop_transaction() -> None:
    """Errata 3.84 wants Hertz, and the published StopTransaction schema does not know it."""
    assert Meter(offered_w=1.0).sample(["Frequency"], "Trigger", 0.0)[0]["unit"] == "Hertz"
    assert "Frequency" in MEASURANDS - STOP_MEASURANDS


def test_state_of_charge_rises_to_full() -> None:
    """The battery fills with what was charged since the EV came, up to 100 percent."""
    meter = Meter(offered_w=11_040.0)
    meter.set_power(60_000.0, 0.0)

    def soc(now_s: float) -> str:
        return meter.sample(["SoC"], "Trigger", now_s)[0]["value"]

    assert [soc(0.0), soc(1_800.0), soc(36_000.0)] == ["20.0", "70.0", "100.0"]
    meter.reconnect_ev()
    assert soc(36_000.0) == "20.0"
