"""Making sense of meter readings. Spec: OCPP 1.6 ed. 2 §4.7, §7.31, §7.43, §7.45 (CS-METER).

Readings are stored as they came. Here they get their defaults and one unit per quantity: Wh, varh,
W, var, VA, A, V, Percent, Hertz, Celsius. What cannot be understood is passed on and flagged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from csms.domain.numbers import decimal_number
from csms.domain.times import parse_time

# Defaults of absent fields, §7.43.
DEFAULT_MEASURAND: Final = "Energy.Active.Import.Register"
DEFAULT_CONTEXT: Final = "Sample.Periodic"
DEFAULT_LOCATION: Final = "Outlet"
DEFAULT_FORMAT: Final = "Raw"
SIGNED_DATA: Final = "SignedData"


class SampleFlag(StrEnum):
    """What is odd about a sample."""

    TIME_NAIVE = "time_naive"  # no offset: read as UTC
    TIME_UNREADABLE = "time_unreadable"
    UNIT_ASSUMED = "unit_assumed"  # absent on a quantity for which no default is defined
    UNIT_UNKNOWN = "unit_unknown"  # value and unit are as received
    UNIT_UNEXPECTED = "unit_unexpected"  # a unit of another quantity
    VALUE_UNREADABLE = "value_unreadable"


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of one quantity.

    Attributes:
        timestamp: as received.
        sampled_at: the same read; None where it cannot be.
        phase: None for all phases together.
        value: in `unit`; None for signed data and for what is no number.
        unit: the quantity's own; None where it has none.
        received_value: as received, a number as text.
        received_unit: as received; None where absent.
    """

    timestamp: str
    sampled_at: datetime | None
    measurand: str
    phase: str | None
    location: str
    context: str
    format: str
    value: Decimal | None
    unit: str | None
    received_value: str
    received_unit: str | None
    flags: tuple[SampleFlag, ...]


def samples(meter_value: Iterable[Any]) -> list[Sample]:
    """Read the MeterValue objects of a MeterValues or StopTransaction.req, in order."""
    found = []
    for reading in meter_value:
        if not isinstance(reading, dict):
            continue
        sampled = reading.get("sampledValue")
        for one in sampled if isinstance(sampled, list) else []:
            if isinstance(one, dict):
                found.append(_sample(reading.get("timestamp"), one))
    return found


def _sample(timestamp: object, sampled: dict[str, Any]) -> Sample:
    flags: list[SampleFlag] = []
    time = parse_time(timestamp)
    if time is None:
        flags.append(SampleFlag.TIME_UNREADABLE)
    elif time.is_naive:
        flags.append(SampleFlag.TIME_NAIVE)
    measurand = _text(sampled.get("measurand")) or DEFAULT_MEASURAND
    format_ = _text(sampled.get("format")) or DEFAULT_FORMAT
    received_unit = _text(sampled.get("unit"))
    value, unit = None, received_unit
    if format_ != SIGNED_DATA:  # opaque (CS-METER-07)
        value, unit = _normalised(sampled.get("value"), received_unit, measurand, flags)
    return Sample(
        timestamp=_text(timestamp) or "",
        sampled_at=time.at if time else None,
        measurand=measurand,
        phase=_text(sampled.get("phase")),
        location=_text(sampled.get("location")) or DEFAULT_LOCATION,
        context=_text(sampled.get("context")) or DEFAULT_CONTEXT,
        format=format_,
        value=value,
        unit=unit,
        received_value=_text(sampled.get("value")) or "",
        received_unit=received_unit,
        flags=tuple(flags),
    )


def _normalised(
    received: object, received_unit: str | None, measurand: str, flags: list[SampleFlag]
) -> tuple[Decimal | None, str | None]:
    """Return value and unit in the quantity's own unit, where both are understood."""
    value = decimal_number(received)
    if value is None:
        flags.append(SampleFlag.VALUE_UNREADABLE)
    own_unit = _own_unit(measurand)
    if received_unit is None:
        if not measurand.startswith("Energy.Active") and own_unit is not None:
            flags.append(SampleFlag.UNIT_ASSUMED)
        return value, own_unit
    known = _UNITS.get(received_unit.strip().lower())
    if known is None:
        flags.append(SampleFlag.UNIT_UNKNOWN)
        return value, received_unit
    unit, convert = known
    if own_unit is not None and unit != own_unit:
        flags.append(SampleFlag.UNIT_UNEXPECTED)
    return None if value is None else convert(value), unit


def _own_unit(measurand: str) -> str | None:
    """Return the unit of a quantity; None where it has none or is not known.

    §7.43 gives a default to energy alone; for the rest the quantity leaves no choice (CS-METER-03).
    """
    for prefix, unit in _OWN_UNITS:
        if measurand.startswith(prefix):
            return unit
    return None


_OWN_UNITS: Final = (
    ("Energy.Active.", "Wh"),
    ("Energy.Reactive.", "varh"),
    ("Power.Active.", "W"),
    ("Power.Offered", "W"),
    ("Power.Reactive.", "var"),
    ("Current.", "A"),
    ("Voltage", "V"),
    ("SoC", "Percent"),
    ("Temperature", "Celsius"),
    ("Frequency", "Hertz"),
)


def _times(factor: int) -> Callable[[Decimal], Decimal]:
    return lambda value: value * factor


def _from_fahrenheit(value: Decimal) -> Decimal:
    return round((value - 32) * 5 / 9, 3)


def _from_kelvin(value: Decimal) -> Decimal:
    return value - Decimal("273.15")


# Every unit of §7.45 in any case, its misspellings in the published schemas (OCPP-J errata 2.1,
# 2.2), Hertz, which the list lacks (errata v4.0 3.84), and signs seen in the field.
_UNITS: Final[dict[str, tuple[str, Callable[[Decimal], Decimal]]]] = {
    "wh": ("Wh", _times(1)),
    "kwh": ("Wh", _times(1000)),
    "varh": ("varh", _times(1)),
    "kvarh": ("varh", _times(1000)),
    "w": ("W", _times(1)),
    "kw": ("W", _times(1000)),
    "va": ("VA", _times(1)),
    "kva": ("VA", _times(1000)),
    "var": ("var", _times(1)),
    "kvar": ("var", _times(1000)),
    "a": ("A", _times(1)),
    "v": ("V", _times(1)),
    "k": ("Celsius", _from_kelvin),
    "celsius": ("Celsius", _times(1)),
    "celcius": ("Celsius", _times(1)),
    "c": ("Celsius", _times(1)),
    "fahrenheit": ("Celsius", _from_fahrenheit),
    "percent": ("Percent", _times(1)),
    "%": ("Percent", _times(1)),
    "hertz": ("Hertz", _times(1)),
    "hz": ("Hertz", _times(1)),
}


def _text(value: object) -> str | None:
    return None if value is None else str(value)
