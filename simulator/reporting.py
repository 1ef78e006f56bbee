"""Status notifications: what the CSMS has to be told, and when. Spec: OCPP 1.6 ed. 2 §4.9."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from simulator import payloads
from simulator.clock import Moment
from simulator.connector import Connector, Report
from simulator.session import Outcome, Reply
from simulator.wire import Wire


class StatusReports:
    """Compares what is so with what the CSMS was told."""

    def __init__(self, wire: Wire, connectors: Mapping[int, Connector]) -> None:
        self._wire = wire
        self._connectors = connectors
        self._submitted: dict[int, Report] = {}
        self._delivered: dict[int, Report] = {}

    def refresh(self, connector: Connector, now: Moment) -> None:
        """Take a change of inputs over; tell the CSMS, at once or after MinimumStatusDuration."""
        report = connector.current_report()
        if report == connector.report:
            return
        connector.report = report
        connector.changed = now
        delay_s = self._wire.keys.integer("MinimumStatusDuration")
        if delay_s > 0:
            notify = partial(self._notify, connector)
            self._wire.timers.set(("status", connector.id), now.s + delay_s, notify)
        else:
            self._notify(connector, now)

    def send_all(self, now: Moment) -> None:
        """Report connector 0 and every connector, as after each accepted boot (errata 3.22)."""
        self._submitted.clear()
        self._delivered.clear()
        for connector in self._connectors.values():
            self._wire.timers.cancel(("status", connector.id))
            connector.changed = now
            self._notify(connector, now)

    def send_changed(self, now: Moment) -> None:
        """Report what changed while there was no connection, in the order of the changes."""
        waiting = [
            connector
            for connector in self._connectors.values()
            if ("status", connector.id) not in self._wire.timers
        ]
        for connector in sorted(waiting, key=lambda one: one.changed.s if one.changed else 0.0):
            self._notify(connector, now)

    def told_by_script(self, connector_id: int, report: Report) -> None:
        """Take note of a notification that a script sent by hand."""
        self._submitted[connector_id] = self._delivered[connector_id] = report

    def told(self, connector_id: int) -> Report | None:
        """Return what the CSMS last heard of a connector."""
        return self._delivered.get(connector_id)

    def send(self, connector: Connector, now: Moment) -> None:
        """Report a connector because the CSMS asked: again, at once, before acceptance too."""
        self._wire.timers.cancel(("status", connector.id))
        self._submit(connector, now)

    def _notify(self, connector: Connector, now: Moment) -> None:
        if self._wire.is_online and connector.report != self._submitted.get(connector.id):
            self._submit(connector, now)

    def _submit(self, connector: Connector, now: Moment) -> None:
        report = connector.report
        self._submitted[connector.id] = report
        payload = payloads.status_notification(
            connector_id=connector.id,
            status=report.status,
            error_code=report.error_code,
            info=report.info,
            timestamp=self._wire.stamp(connector.changed or now),
        )
        self._wire.call("StatusNotification", payload, partial(self._ended, connector.id, report))

    def _ended(self, connector_id: int, report: Report, reply: Reply, _: Moment) -> None:
        if reply.outcome is not Outcome.DISCONNECTED:
            self._delivered[connector_id] = report
        elif connector_id in self._delivered:
            self._submitted[connector_id] = self._delivered[connector_id]
        else:
            self._submitted.pop(connector_id, None)
