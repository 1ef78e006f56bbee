"""TriggerMessage and ExtendedTriggerMessage: which messages are sent on request, and how.

Spec: OCPP 1.6 ed. 2 §5.17, security white paper ed. 3 §6.10.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from simulator.boot import Registration
from simulator.clock import Moment
from simulator.connector import Connector

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint


class TriggerStatus(StrEnum):
    """§7.44."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    NOT_IMPLEMENTED = "NotImplemented"


_Send = Callable[["ChargePoint", Sequence[Connector], Moment], None]


def _boot(station: ChargePoint, _: Sequence[Connector], now: Moment) -> None:
    station.registrar.boot_again(now)


def _heartbeat(station: ChargePoint, _: Sequence[Connector], now: Moment) -> None:
    station.registrar.beat(now)


def _meter_values(station: ChargePoint, meant: Sequence[Connector], now: Moment) -> None:
    for connector in meant:
        if connector.id > 0:
            station.metering.send_triggered(connector, now)


def _statuses(station: ChargePoint, meant: Sequence[Connector], now: Moment) -> None:
    for connector in meant:
        station.reports.send(connector, now)


def _firmware(station: ChargePoint, _: Sequence[Connector], now: Moment) -> None:
    station.firmware.answer_trigger()


def _diagnostics(station: ChargePoint, _: Sequence[Connector], now: Moment) -> None:
    station.diagnostics.answer_trigger()


def _signed_firmware(station: ChargePoint, _: Sequence[Connector], now: Moment) -> None:
    station.firmware.answer_signed_trigger()


def _log(station: ChargePoint, _: Sequence[Connector], now: Moment) -> None:
    station.logs.answer_trigger()


def _sign_certificate(station: ChargePoint, _: Sequence[Connector], now: Moment) -> None:
    station.security.renewal.begin(now)


MESSAGES: Final[dict[str, _Send]] = {
    "BootNotification": _boot,
    "DiagnosticsStatusNotification": _diagnostics,
    "FirmwareStatusNotification": _firmware,
    "Heartbeat": _heartbeat,
    "MeterValues": _meter_values,
    "StatusNotification": _statuses,
}

EXTENDED_MESSAGES: Final[dict[str, _Send]] = {
    "BootNotification": _boot,
    "FirmwareStatusNotification": _signed_firmware,
    "Heartbeat": _heartbeat,
    "LogStatusNotification": _log,
    "MeterValues": _meter_values,
    "SignChargePointCertificate": _sign_certificate,
    "StatusNotification": _statuses,
}

# For these the connector matters; without one they are sent for all.
PER_CONNECTOR: Final = frozenset({"MeterValues", "StatusNotification"})


_Decision = tuple[TriggerStatus, Callable[[Moment], None] | None]


def decide_trigger(station: ChargePoint, message: str, connector_id: int | None) -> _Decision:
    """Return the answer to TriggerMessage, and what then sends what was asked for."""
    return _decide(MESSAGES, station, message, connector_id)


def decide_extended_trigger(
    station: ChargePoint, message: str, connector_id: int | None
) -> _Decision:
    """Return the answer to ExtendedTriggerMessage, and what then sends what was asked for."""
    if message == "SignChargePointCertificate" and not station.security.renewal.can_begin:
        station.wire.notice("No request for a certificate: CpoName is not set")
        return TriggerStatus.REJECTED, None
    return _decide(EXTENDED_MESSAGES, station, message, connector_id)


def _decide(
    messages: Mapping[str, _Send], station: ChargePoint, message: str, connector_id: int | None
) -> _Decision:
    send = messages.get(message)
    if send is None:
        return TriggerStatus.NOT_IMPLEMENTED, None
    meant = list(station.connectors.values())
    if message in PER_CONNECTOR and connector_id is not None:
        meant = [connector for connector in meant if connector.id == connector_id]
    is_refused = (
        not meant
        or (message == "BootNotification" and station.registration is Registration.ACCEPTED)
        or (message == "MeterValues" and not _can_measure(station, meant))
    )
    if is_refused:
        return TriggerStatus.REJECTED, None
    return TriggerStatus.ACCEPTED, lambda now: send(station, meant, now)


def _can_measure(station: ChargePoint, meant: Sequence[Connector]) -> bool:
    """Whether there is a meter, and something it shall tell."""
    has_meter = any(connector.id > 0 for connector in meant)
    return has_meter and bool(station.keys.entries("MeterValuesSampledData"))
