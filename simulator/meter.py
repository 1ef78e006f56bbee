"""The energy meter of one connector: power over time becomes a register that only grows.

Spec: OCPP 1.6 ed. 2 §3.16, §7.31-7.33. Three phases, alternating current; an EV that draws
`power_w` in all. Values are what follows from that, not noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

VOLTAGE_V: Final = 230.0
PHASES: Final = ("L1", "L2", "L3")
FREQUENCY_HZ: Final = 50.0
TEMPERATURE_C: Final = 25.0


class SampledValue(TypedDict, total=False):
    """One value as it is written, §7.43."""

    value: str
    context: str
    measurand: str
    phase: str
    unit: str


class MeterValue(TypedDict):
    """Values of one moment, §7.31."""

    timestamp: str
    sampledValue: list[SampledValue]


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a measurand is written: unit, digits, and its phases where it has any."""

    unit: str
    digits: int = 0
    phases: tuple[str, ...] = ()
    is_total_first: bool = False  # without a phase suffix the total is meant


_KINDS: Final = {
    "Energy.Active.Import.Register": _Kind("Wh"),
    "Energy.Active.Import.Interval": _Kind("Wh"),
    "Power.Active.Import": _Kind("W", 1, PHASES, is_total_first=True),
    "Power.Offered": _Kind("W", 1),
    "Current.Import": _Kind("A", 2, PHASES),
    "Current.Offered": _Kind("A", 2),
    "Voltage": _Kind("V", 1, tuple(f"{phase}-N" for phase in PHASES)),
    "Frequency": _Kind("Hertz", 1),  # errata 3.84
    "Temperature": _Kind("Celsius", 1),
    "SoC": _Kind("Percent", 1),
}

INTERVAL_MEASURANDS: Final = frozenset({"Energy.Active.Import.Interval"})


def _suffixes(name: str, kind: _Kind) -> list[str]:
    return [name, *(f"{name}.{phase}" for phase in kind.phases)]


# What may stand in MeterValuesSampledData and MeterValuesAlignedData.
MEASURANDS: Final = frozenset(
    entry for name, kind in _KINDS.items() for entry in _suffixes(name, kind)
)
# The published schema of StopTransaction knows no unit Hertz: strict systems would refuse it all.
STOP_MEASURANDS: Final = MEASURANDS - {"Frequency"}


class Meter:
    """A register in Wh and the power that turns it."""

    def __init__(self, *, offered_w: float, energy_wh: float = 0.0) -> None:
        """Make a meter that shows `energy_wh`, at a connector that can give `offered_w`."""
        self.offered_w = offered_w
        self.power_w = 0.0
        self._energy_wh = energy_wh
        self._since_s: float | None = None
        self.charged_wh = 0.0  # since the EV came
        self.state_of_charge_start = 20.0
        self.battery_wh = 60_000.0

    def energy_wh(self, now_s: float) -> float:
        """Return the register; it never goes back."""
        if self._since_s is not None and now_s > self._since_s:
            energy_wh = self.power_w * (now_s - self._since_s) / 3600.0
            self._energy_wh += energy_wh
            self.charged_wh += energy_wh
        if self._since_s is None or now_s > self._since_s:
            self._since_s = now_s
        return self._energy_wh

    def register_wh(self, now_s: float) -> int:
        """Return the register as the whole number StartTransaction and StopTransaction want."""
        return int(self.energy_wh(now_s))

    def set_power(self, power_w: float, now_s: float) -> None:
        """Let `power_w` flow from now on."""
        self.energy_wh(now_s)
        self.power_w = power_w

    def reconnect_ev(self) -> None:
        """Take note that another EV came."""
        self.charged_wh = 0.0

    def sample(
        self,
        measurands: Sequence[str],
        context: str,
        now_s: float,
        *,
        interval_wh: float | None = None,
    ) -> list[SampledValue]:
        """Return the values of the measurands listed, one for each phase there is.

        Args:
            interval_wh: energy of the interval that ends now; without it, measurands that
                describe an interval are left out.
        """
        energy_wh = self.energy_wh(now_s)
        samples: list[SampledValue] = []
        for entry in measurands:
            name, phases = _split(entry)
            if name in INTERVAL_MEASURANDS and interval_wh is None:
                continue
            kind = _KINDS[name]
            for phase in phases:
                value = self._value(name, phase, energy_wh, interval_wh or 0.0)
                sample = SampledValue(
                    value=f"{value:.{kind.digits}f}", context=context, measurand=name
                )
                if phase:
                    sample["phase"] = phase
                sample["unit"] = kind.unit
                samples.append(sample)
        return samples

    def _value(self, name: str, phase: str, energy_wh: float, interval_wh: float) -> float:
        share = len(PHASES) if phase else 1
        match name:
            case "Energy.Active.Import.Register":
                return float(int(energy_wh))
            case "Energy.Active.Import.Interval":
                return interval_wh
            case "Power.Active.Import":
                return self.power_w / share
            case "Power.Offered":
                return self.offered_w
            case "Current.Import":
                return self.power_w / VOLTAGE_V / len(PHASES)
            case "Current.Offered":
                return self.offered_w / VOLTAGE_V / len(PHASES)
            case "Voltage":
                return VOLTAGE_V
            case "Frequency":
                return FREQUENCY_HZ
            case "Temperature":
                return TEMPERATURE_C
            case "SoC":
                charged = 100.0 * self.charged_wh / self.battery_wh
                return min(100.0, self.state_of_charge_start + charged)
            case _:
                raise KeyError(name)


def _split(entry: str) -> tuple[str, Sequence[str]]:
    """Return measurand and phases of a list entry such as ``Voltage.L1-N`` or ``Voltage``."""
    if entry in _KINDS:
        kind = _KINDS[entry]
        return entry, [""] if kind.is_total_first or not kind.phases else kind.phases
    name, _, phase = entry.rpartition(".")
    return name, [phase]
