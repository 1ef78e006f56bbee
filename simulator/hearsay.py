"""What the model learns from frames that a script sent by hand, as if it had sent them itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulator.clock import Moment, parse_time
from simulator.connector import Report, Status
from simulator.frames import CallResult
from simulator.session import Reply, Request
from simulator.transactions import NO_ID

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint

_UNRESERVED: Final = (Status.AVAILABLE, Status.UNAVAILABLE, Status.FAULTED)


def note(station: ChargePoint, request: Request, reply: Reply, now: Moment) -> None:
    """Take note of a CALL of a script and of its answer."""
    if not isinstance(reply.answer, CallResult) or callable(request.payload):
        return
    sent, answer = request.payload, reply.answer.payload
    book = station.charging.reserving.book
    match request.action:
        case "BootNotification":
            station.registrar.adopt(answer, now)
            if station.is_active:
                station.metering.schedule_aligned(now)
        case "StatusNotification":
            connector_id, status = sent.get("connectorId"), sent.get("status")
            if isinstance(connector_id, int) and status in list(Status):
                error_code, info = str(sent.get("errorCode")), str(sent.get("info", ""))
                report = Report(Status(str(status)), error_code, info)
                station.reports.told_by_script(connector_id, report)
                held = book.at(connector_id)
                if held is not None and not station.is_active and status in _UNRESERVED:
                    book.remove(held.id)
        case "Authorize":
            station.charging.learn(str(sent.get("idTag")), answer, now)
        case "StartTransaction":
            station.charging.learn(str(sent.get("idTag")), answer, now)
            reservation_id = sent.get("reservationId")
            if isinstance(reservation_id, int):
                book.remove(reservation_id)
            given, connector_id = answer.get("transactionId"), sent.get("connectorId")
            if isinstance(given, int) and isinstance(connector_id, int) and given != NO_ID:
                station.transactions_by_script[given] = connector_id
                begun_at = parse_time(sent.get("timestamp")) or now.at
                station.smart_charging.begun_by_script[connector_id] = (given, begun_at)
        case "SignCertificate":
            station.security.renewal.made_by_script(sent.get("csr"))
        case "StopTransaction":
            given = sent.get("transactionId")
            if isinstance(given, int):
                ended = station.transactions_by_script.pop(given, None)
                if ended is not None:
                    station.smart_charging.begun_by_script.pop(ended, None)
