"""Normalising meter readings."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.domain.meter_values import Sample, SampleFlag, samples

AT = "2026-01-31T12:00:00Z"


def one(sampled: dict[str, Any], *, timestamp: object = AT) -> Sample:
    """Read a single sample."""
    [sample] = samples([{"timestamp": timestamp, "sampledValue": [sampled]}])
    return sample


def test_bare_value_is_watt_hours_of_imported_energy() -> None:
    """All defaults of §7.43 apply to a value that comes alone (CS-METER-02)."""
    sample = one({"value": "1234"})

    assert (sample.value, sample.unit) == (Decimal(1234), "Wh")
    assert sample.measurand == "Energy.Active.Import.Register"
    assert (sample.context, sample.location, sample.format, sample.phase) == (
        "Sample.Periodic",
        "Outlet",
        "Raw",
        None,
    )
    assert sample.sampled_at == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert sample.flags == ()


@pytest.mark.parametrize(
    ("measurand", "unit", "value", "normal_value", "normal_unit"),
    [
        ("Energy.Active.Import.Register", "Wh", "5", "5", "Wh"),
        ("Energy.Active.Import.Register", "kWh", "1.5", "1500", "Wh"),
        ("Energy.Active.Export.Interval", "kwh", "0.001", "1", "Wh"),
        ("Energy.Reactive.Import.Register", "varh", "5", "5", "varh"),
        ("Energy.Reactive.Import.Register", "kvarh", "5", "5000", "varh"),
        ("Power.Active.Import", "W", "7", "7", "W"),
        ("Power.Active.Import", "kW", "7.4", "7400", "W"),
        ("Power.Offered", "kW", "22", "22000", "W"),
        ("Power.Reactive.Export", "var", "3", "3", "var"),
        ("Power.Reactive.Export", "kvar", "3", "3000", "var"),
        ("Current.Import", "A", "16.0", "16", "A"),
        ("Voltage", "V", "230.1", "230.1", "V"),
        ("SoC", "Percent", "80", "80", "Percent"),
        ("SoC", "%", "80", "80", "Percent"),
        ("Temperature", "Celsius", "21.5", "21.5", "Celsius"),
        ("Temperature", "Celcius", "21.5", "21.5", "Celsius"),
        ("Temperature", "C", "21.5", "21.5", "Celsius"),
        ("Temperature", "K", "294.65", "21.5", "Celsius"),
        ("Temperature", "Fahrenheit", "70.7", "21.5", "Celsius"),
        ("Frequency", "Hertz", "49.98", "49.98", "Hertz"),
        ("Frequency", "Hz", "49.98", "49.98", "Hertz"),
    ],
)
def test_every_unit_is_normalised(
    measurand: str, unit: str, value: str, normal_value: str, normal_unit: str
) -> None:
    """Each quantity ends in one unit, whatever spelling the station uses (CS-METER-03, 04)."""
    sample = one({"measurand": measurand, "unit": unit, "value": value})

    assert (sample.value, sample.unit, sample.flags) == (Decimal(normal_value), normal_unit, ())
    assert (sample.received_value, sample.received_unit) == (value, unit)


@pytest.mark.parametrize(
    ("measurand", "unit"),
    [
        ("Energy.Reactive.Export.Register", "varh"),
        ("Power.Active.Export", "W"),
        ("Current.Offered", "A"),
        ("Voltage", "V"),
        ("SoC", "Percent"),
        ("Temperature", "Celsius"),
        ("Frequency", "Hertz"),
    ],
)
def test_missing_unit_follows_from_the_quantity(measurand: str, unit: str) -> None:
    """Outside active energy the unit is assumed, and the sample says so (CS-METER-03)."""
    sample = one({"measurand": measurand, "value": "1"})

    assert (sample.unit, sample.flags) == (unit, (SampleFlag.UNIT_ASSUMED,))


@pytest.mark.parametrize("measurand", ["Power.Factor", "RPM", "Vendor.Thing"])
def test_quantity_without_unit_stays_without(measurand: str) -> None:
    """Factors and revolutions have no unit, and none is invented."""
    assert one({"measurand": measurand, "value": "0.98"}).unit is None


def test_apparent_power_is_kept_in_volt_amperes() -> None:
    """VA is a unit of no 1.6 quantity: converted, kept and flagged."""
    sample = one({"measurand": "Power.Active.Import", "unit": "kVA", "value": "2"})

    assert (sample.value, sample.unit) == (Decimal(2000), "VA")
    assert sample.flags == (SampleFlag.UNIT_UNEXPECTED,)


def test_unknown_unit_stays_as_received() -> None:
    """A unit nobody knows is not guessed at."""
    sample = one({"measurand": "Voltage", "unit": "mV", "value": "230000"})

    assert (sample.value, sample.unit) == (Decimal(230000), "mV")
    assert sample.flags == (SampleFlag.UNIT_UNKNOWN,)


def test_signed_data_is_opaque() -> None:
    """Signed values are stored, never parsed (CS-METER-07)."""
    sample = one({"format": "SignedData", "value": "00FF12"})

    assert (sample.value, sample.received_value, sample.flags) == (None, "00FF12", ())


@pytest.mark.parametrize("value", ["", "n/a", None, {}, "1e9999"])
def test_value_that_is_no_number_is_flagged(value: object) -> None:
    """The sample stays, without a value."""
    sample = one({"value": value})

    assert sample.value is None
    assert sample.flags == (SampleFlag.VALUE_UNREADABLE,)


def test_number_instead_of_text_is_read() -> None:
    """Stations that send a JSON number are understood."""
    assert one({"value": 12.5, "unit": "kWh"}).value == Decimal(12500)


def test_naive_and_unreadable_times_are_flagged() -> None:
    """A reading is kept whatever its time looks like."""
    naive = one({"value": "1"}, timestamp="2026-01-31T12:00:00")
    unreadable = one({"value": "1"}, timestamp="noon")

    assert naive.flags == (SampleFlag.TIME_NAIVE,)
    assert (unreadable.sampled_at, unreadable.timestamp) == (None, "noon")
    assert unreadable.flags == (SampleFlag.TIME_UNREADABLE,)


def test_odd_shapes_give_what_is_readable() -> None:
    """Empty and malformed readings hide nothing else (seen in the field)."""
    found = samples(
        [{}, "x", {"timestamp": AT, "sampledValue": [{"value": "1"}, 5]}, {"sampledValue": 3}]
    )

    assert [sample.received_value for sample in found] == ["1"]


@given(
    value=st.decimals(
        allow_nan=False, allow_infinity=False, places=3, min_value=0, max_value=10**9
    ),
    small_and_large=st.sampled_from(
        [
            ("Energy.Active.Import.Register", "Wh", "kWh"),
            ("Energy.Reactive.Import.Register", "varh", "kvarh"),
            ("Power.Active.Import", "W", "kW"),
            ("Power.Reactive.Import", "var", "kvar"),
        ]
    ),
)
def test_thousandfold_units_agree(value: Decimal, small_and_large: tuple[str, str, str]) -> None:
    """A value in kilo-units equals a thousand times the value in units, exactly."""
    measurand, small, large = small_and_large

    in_large = one({"measurand": measurand, "unit": large, "value": str(value)})
    in_small = one({"measurand": measurand, "unit": small, "value": str(value * 1000)})

    assert in_large.value == in_small.value
    assert in_large.unit == in_small.unit == small


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "timestamp": json_values,
                "sampledValue": st.lists(
                    st.fixed_dictionaries(
                        {},
                        optional=dict.fromkeys(
                            ("value", "unit", "measurand", "phase", "format", "context"),
                            json_values,
                        ),
                    ),
                    max_size=2,
                )
                | json_values,
            },
        ),
        max_size=3,
    )
)
def test_reading_never_raises(meter_value: list[Any]) -> None:
    """Whatever a station sends as readings can be shown."""
    for sample in samples(meter_value):
        assert sample.value is None or sample.value.is_finite()
