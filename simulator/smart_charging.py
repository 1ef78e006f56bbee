"""Smart charging at the charge point: answers to its requests, and limits that are obeyed.

Spec: OCPP 1.6 ed. 2 §3.13, §5.5, §5.7, §5.16. The profiles are held in `charging_profiles`, what
results from them is computed in `composite_schedule`; here it takes effect on the connectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from simulator.charging_profiles import (
    DEFAULT_PHASES,
    Limits,
    Profile,
    ProfileStore,
    Purpose,
    Unit,
    read_profile,
    refusal,
)
from simulator.clock import Moment
from simulator.composite_schedule import (
    VOLTAGE_V,
    Limit,
    Situation,
    composite,
    limit_at,
    next_change_s,
)
from simulator.connector import Connector
from simulator.errors import RemoteProtocolError
from simulator.wire import Wire

_TIMER: Final = "charging limit"
_UNITS: Final = {"Current": Unit.A, "Power": Unit.W}  # errata 3.86


class SmartCharging:
    """The profiles of one charge point and what they make of its connectors.

    Attributes:
        profiles: what is installed; it outlives restarts.
        begun_by_script: begin and id of transactions that a script started, by connector.
    """

    def __init__(
        self,
        wire: Wire,
        connectors: Mapping[int, Connector],
        *,
        refresh: Callable[[Connector, Moment], None],
    ) -> None:
        self.profiles = ProfileStore()
        self.begun_by_script: dict[int, tuple[int, datetime]] = {}
        self._wire = wire
        self._connectors = {number: one for number, one in connectors.items() if number > 0}
        self._refresh = refresh
        self._expected: dict[int, Profile] = {}

    # --- requests ------------------------------------------------------------------------------

    def set_profile(self, connector_id: int, content: Mapping[str, Any]) -> str:
        """Install a profile, or return why not as its status (§5.16).

        Raises:
            RemoteProtocolError: no such connector, or no such profile (errata 3.24, 3.39).
        """
        if connector_id != 0 and connector_id not in self._connectors:
            raise RemoteProtocolError(
                "PropertyConstraintViolation", f"there is no connector {connector_id}"
            )
        profile = read_profile(connector_id, content)
        if self._refusal(profile):
            return "Rejected"
        self.profiles.install(profile)
        return "Accepted"

    def clear(self, request: Mapping[str, Any]) -> str:
        """Drop profiles (§5.5)."""
        return "Accepted" if self.profiles.clear(request) else "Unknown"

    def expect(self, connector_id: int, content: Mapping[str, Any]) -> bool:
        """Take the profile of a remote start for the transaction to come; say whether it can be.

        Spec: §5.16.2, errata 3.41: a TxProfile without a transactionId.

        Raises:
            RemoteProtocolError: it is no charging profile.
        """
        profile = read_profile(connector_id, content)
        if profile.purpose is not Purpose.TX or profile.transaction_id is not None:
            return False
        if refusal(profile, self._limits(), transaction_id=None, has_transaction=True):
            return False
        self._expected[connector_id] = profile
        return True

    def composite_schedule(
        self, connector_id: int, duration_s: int, unit: Unit | None, now: Moment
    ) -> dict[str, object]:
        """Return the content of GetCompositeSchedule.conf (§5.7, errata 3.28-3.30, 3.57)."""
        if connector_id != 0 and connector_id not in self._connectors:
            return {"status": "Rejected"}
        unit = unit or Unit.A
        periods = composite(
            self._situation(now),
            connector_id=connector_id,
            now=now.at,
            duration_s=duration_s,
            unit=unit,
            hardware=self._hardware(connector_id, unit),
        )
        return {
            "status": "Accepted",
            "connectorId": connector_id,
            "scheduleStart": self._wire.stamp(now),
            "chargingSchedule": {
                "duration": duration_s,
                "chargingRateUnit": unit.value,
                "chargingSchedulePeriod": [
                    {
                        "startPeriod": one.start_s,
                        "limit": float(one.limit),
                        "numberPhases": one.phases,
                    }
                    for one in periods
                ],
            },
        }

    def _refusal(self, profile: Profile) -> str:
        number = profile.connector_id
        connector = self._connectors.get(number)
        script = self.begun_by_script.get(number)
        transaction = None if connector is None else connector.transaction
        transaction_id = None if script is None else script[0]
        if transaction is not None:
            transaction_id = transaction.transaction_id
        reason = refusal(
            profile,
            self._limits(),
            transaction_id=transaction_id,
            has_transaction=transaction is not None or script is not None,
        )
        limits = self._limits()
        if not reason and len(self.profiles.with_profile(profile)) > limits.max_profiles:
            reason = "no more profiles can be held"
        return reason

    def _limits(self) -> Limits:
        keys = self._wire.keys
        return Limits(
            max_stack_level=keys.integer("ChargeProfileMaxStackLevel"),
            max_periods=keys.integer("ChargingScheduleMaxPeriods"),
            max_profiles=keys.integer("MaxChargingProfilesInstalled"),
            units=frozenset(
                _UNITS[name] for name in keys.entries("ChargingScheduleAllowedChargingRateUnit")
            ),
        )

    def _hardware(self, connector_id: int, unit: Unit) -> Limit:
        meant = [one for number, one in self._connectors.items() if connector_id in (0, number)]
        power_w = Decimal(str(sum(one.meter.offered_w for one in meant)))
        value = power_w if unit is Unit.W else power_w / (VOLTAGE_V * DEFAULT_PHASES)
        return Limit(value.quantize(Decimal("0.1")), DEFAULT_PHASES)

    # --- effect --------------------------------------------------------------------------------

    def apply(self, now: Moment) -> None:
        """Let the limits of this instant take effect, and come back when the next may change."""
        self._follow_transactions()
        if not len(self.profiles):
            self._wire.timers.cancel(_TIMER)
        situation = self._situation(now)
        for number, connector in self._connectors.items():
            limit = limit_at(situation, connector_id=number, at=now.at, unit=Unit.W)
            limit_w = math.inf if limit is None else float(limit.value)
            if limit_w != connector.limit_w:
                connector.limit_w = limit_w
                connector.change(is_paused=limit_w <= 0)
                self._refresh(connector, now)
        wait_s = next_change_s(situation, now.at)
        if wait_s is not None:
            self._wire.timers.set(_TIMER, now.s + wait_s, self.apply)

    def _follow_transactions(self) -> None:
        """Install what a remote start brought; TxProfiles die with their transaction (§7.10)."""
        for number, connector in self._connectors.items():
            is_charging = connector.transaction is not None or number in self.begun_by_script
            expected = self._expected.get(number)
            if expected is not None and is_charging:
                self.profiles.install(expected)
            if is_charging or (connector.permission is None and connector.asking is None):
                self._expected.pop(number, None)
            if not is_charging:
                self.profiles.end_transaction(number)

    def _situation(self, now: Moment) -> Situation:
        started_at = {number: at for number, (_, at) in self.begun_by_script.items()}
        for number, connector in self._connectors.items():
            if connector.transaction is not None:
                elapsed = timedelta(seconds=now.s - connector.transaction.started_s)
                started_at[number] = now.at - elapsed
        return Situation(tuple(self.profiles), started_at)
