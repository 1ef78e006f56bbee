"""Meter values: sampled during a transaction, clock-aligned at all times.

Spec: OCPP 1.6 ed. 2 §3.16 with errata 3.13-3.16.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Final

from simulator import payloads
from simulator.clock import Moment
from simulator.connector import Connector
from simulator.delivery import Delivery
from simulator.meter import INTERVAL_MEASURANDS, MeterValue, SampledValue
from simulator.queue import Message
from simulator.transactions import Transaction
from simulator.wire import Wire

SAMPLE_PERIODIC: Final = "Sample.Periodic"
SAMPLE_CLOCK: Final = "Sample.Clock"
TRIGGER: Final = "Trigger"
TRANSACTION_BEGIN: Final = "Transaction.Begin"
TRANSACTION_END: Final = "Transaction.End"


class Metering:
    """Takes the samples when they are due and hands them to the queue."""

    def __init__(
        self,
        wire: Wire,
        connectors: Mapping[int, Connector],
        delivery: Delivery,
        *,
        holds_back: bool,
    ) -> None:
        self._wire = wire
        self._connectors = {number: one for number, one in connectors.items() if number > 0}
        self._delivery = delivery
        self._holds_back = holds_back
        self._aligned_wh: dict[int, float] = {}

    # --- during a transaction --------------------------------------------------------------------

    def begin(self, connector: Connector, transaction: Transaction, now: Moment) -> None:
        """Take the first values of a transaction and start sampling."""
        measurands = self._wire.keys.entries("StopTxnSampledData")
        transaction.begin = self._values(connector, measurands, TRANSACTION_BEGIN, now)
        self.schedule_samples(connector, now)

    def end(self, connector: Connector, transaction: Transaction, now: Moment) -> None:
        """Take the last values of a transaction and stop sampling."""
        measurands = self._wire.keys.entries("StopTxnSampledData")
        transaction.end = self._values(connector, measurands, TRANSACTION_END, now)
        self._wire.timers.cancel(("sample", connector.id))

    def schedule_samples(self, connector: Connector, now: Moment) -> None:
        """Set the next sample, counted from the transaction's start; 0 switches sampling off."""
        interval_s = self._wire.keys.integer("MeterValueSampleInterval")
        transaction = connector.transaction
        if transaction is None or interval_s <= 0:
            self._wire.timers.cancel(("sample", connector.id))
            return
        passed = int((now.s - transaction.started_s) / interval_s + 1e-9)
        due_s = transaction.started_s + (passed + 1) * interval_s
        self._wire.timers.set(("sample", connector.id), due_s, partial(self._sample, connector))

    def _sample(self, connector: Connector, now: Moment) -> None:
        transaction = connector.transaction
        if transaction is None:
            return
        keys = self._wire.keys
        sampled = self._values(
            connector, keys.entries("MeterValuesSampledData"), SAMPLE_PERIODIC, now
        )
        self._send(connector, sampled, now)
        transaction.middle += self._values(
            connector, keys.entries("StopTxnSampledData"), SAMPLE_PERIODIC, now
        )
        self.schedule_samples(connector, now)

    # --- by the clock ----------------------------------------------------------------------------

    def schedule_aligned(self, now: Moment) -> None:
        """Set the next clock-aligned moment, counted from midnight; 0 switches it off."""
        interval_s = self._wire.keys.integer("ClockAlignedDataInterval")
        if interval_s <= 0:
            self._wire.timers.cancel("aligned")
            return
        local = self._wire.local_time(now)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        passed_s = (local - midnight).total_seconds()
        # The day's last interval is cut short where it does not divide the day.
        next_s = min((int(passed_s / interval_s + 1e-9) + 1) * interval_s, 86_400)
        for connector in self._connectors.values():
            self._aligned_wh[connector.id] = connector.meter.energy_wh(now.s)
        self._wire.timers.set(
            "aligned", now.s + next_s - passed_s, partial(self._align, next_s - passed_s)
        )

    def _align(self, length_s: float, now: Moment) -> None:
        start = Moment(now.at - timedelta(seconds=length_s), now.s - length_s)
        keys = self._wire.keys
        for connector in self._connectors.values():
            taken = keys.entries("MeterValuesAlignedData")
            self._send(connector, self._aligned(connector, taken, start, now), now)
            if connector.transaction is not None:
                kept = keys.entries("StopTxnAlignedData")
                connector.transaction.middle += self._aligned(connector, kept, start, now)
        self.schedule_aligned(now)

    def _aligned(
        self, connector: Connector, measurands: list[str], start: Moment, now: Moment
    ) -> list[MeterValue]:
        """Return the values of this moment, and those of the interval that ends, by its start."""
        instant = [name for name in measurands if name not in INTERVAL_MEASURANDS]
        interval = [name for name in measurands if name in INTERVAL_MEASURANDS]
        energy_wh = connector.meter.energy_wh(now.s) - self._aligned_wh.get(connector.id, 0.0)
        meter = connector.meter
        samples = meter.sample(interval, SAMPLE_CLOCK, now.s, interval_wh=energy_wh)
        values = self._stamped(samples, start)
        return values + self._values(connector, instant, SAMPLE_CLOCK, now)

    # --- on request ------------------------------------------------------------------------------

    def send_triggered(self, connector: Connector, now: Moment) -> None:
        """Send the values of this moment, past the queue: the CSMS asked for them (§5.17)."""
        measurands = self._wire.keys.entries("MeterValuesSampledData")
        values = self._values(connector, measurands, TRIGGER, now)
        transaction = connector.transaction
        if not values:
            return

        def payload() -> Mapping[str, object]:
            transaction_id = None if transaction is None else transaction.id_on_the_wire
            return payloads.meter_values(
                connector_id=connector.id, transaction_id=transaction_id, values=values
            )

        self._wire.call("MeterValues", payload, lambda reply, now: None)

    # --- both ------------------------------------------------------------------------------------

    def _values(
        self, connector: Connector, measurands: list[str], context: str, now: Moment
    ) -> list[MeterValue]:
        return self._stamped(connector.meter.sample(measurands, context, now.s), now)

    def _stamped(self, samples: list[SampledValue], moment: Moment) -> list[MeterValue]:
        if not samples:
            return []
        return [MeterValue(timestamp=self._wire.stamp(moment), sampledValue=samples)]

    def _send(self, connector: Connector, values: list[MeterValue], now: Moment) -> None:
        if not values:
            return
        transaction = connector.transaction
        early_id = None if transaction is None else transaction.id_on_the_wire

        def payload() -> Mapping[str, object]:
            late_id = None if transaction is None else transaction.id_on_the_wire
            return payloads.meter_values(
                connector_id=connector.id,
                transaction_id=late_id if self._holds_back else early_id,
                values=values,
            )

        self._delivery.put(Message(action="MeterValues", payload=payload), now)
