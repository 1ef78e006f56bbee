"""What a charge point answers to the requests of the CSMS, and what it does then.

Spec: OCPP 1.6 ed. 2 §5. Each function returns the content of the answer and, where something
follows, what to do once the answer has left: an answer always goes before its consequences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from simulator.boot import Registration
from simulator.charging_profiles import Unit
from simulator.clock import Moment
from simulator.connector import Connector, Permission, Status
from simulator.errors import RemoteProtocolError
from simulator.firmware import Order as FirmwareOrder
from simulator.keys import ChangeStatus
from simulator.local_list import NO_LIST_VERSION, UpdateStatus
from simulator.logs import LogType, write_file
from simulator.progress import OWN_RETRIES, OWN_RETRY_INTERVAL_S
from simulator.reservation import Reservation
from simulator.response import Request, Response, status_response
from simulator.transactions import Reason
from simulator.trigger import decide_trigger
from simulator.uploads import Order as UploadOrder

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint


def change_availability(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Put connectors in or out of service; where somebody is busy, afterwards (§5.2)."""
    number = request["connector_id"]
    if number not in station.connectors:
        return status_response("Rejected")
    is_operative = request["type"] == "Operative"
    meant = [station.connectors[number]] if number else list(station.connectors.values())
    is_scheduled = not is_operative and any(station.is_busy(connector) for connector in meant)
    return status_response(
        "Scheduled" if is_scheduled else "Accepted",
        lambda now: station.set_availability(meant, is_operative=is_operative, now=now),
    )


def change_configuration(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Change a key (§5.3); the security profile only if the new one can work (A05)."""
    if request["key"].casefold() == "securityprofile":
        profile = station.keys.parsed("SecurityProfile", request["value"])
        objection = profile and station.security.access.objection(int(profile))
        if objection:
            station.wire.notice(f"SecurityProfile stays: {objection}")
            return status_response("Rejected")
    status = station.keys.change(request["key"], request["value"])
    if status is ChangeStatus.ACCEPTED:
        return status_response(status, lambda now: station.key_changed(request["key"], now))
    return status_response(status)


def clear_cache(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Empty the authorization cache; without one there is nothing to clear (errata 3.23)."""
    if not station.keys.boolean("AuthorizationCacheEnabled"):
        return status_response("Rejected")
    station.cache.clear()
    return status_response("Accepted")


def data_transfer(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Say that vendor data are not understood (§5.6)."""
    is_ours = request["vendor_id"].casefold() == station.vendor.casefold()
    return status_response("UnknownMessageId" if is_ours else "UnknownVendorId")


def get_configuration(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Report the keys asked for, or all (§5.8)."""
    known, unknown = station.keys.report(request.get("key", ()))
    payload: dict[str, object] = {
        "configurationKey": [
            {"key": key.name, "readonly": key.is_readonly}
            | ({} if key.value is None else {"value": key.value})
            for key in known
        ]
    }
    if unknown:
        payload["unknownKey"] = unknown
    return Response(payload)


def remote_start_transaction(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Begin as if the idTag had been presented, or at once, as AuthorizeRemoteTxRequests says.

    Spec: §5.11. A charging profile in the request is for the transaction to come.
    """
    number = request.get("connector_id")
    numbers = [number] if number is not None else station.charging_order()
    id_tag = request["id_tag"]
    free = [
        station.connectors[number]
        for number in numbers
        if number in station.connectors
        and station.can_start_remotely(station.connectors[number], id_tag)
    ]
    if not free:
        return status_response("Rejected")
    connector = free[0]
    profile = request.get("charging_profile")
    if profile is not None and not station.smart_charging.expect(connector.id, profile):
        return status_response("Rejected")

    def start(now: Moment) -> None:
        if station.keys.boolean("AuthorizeRemoteTxRequests"):
            station.charging.identify_to_start(connector, id_tag, now)
        elif station.charging.can_start(connector):
            parent = station.charging.known_parent(id_tag, now)
            station.charging.permit(connector, Permission(id_tag, parent), now)

    return status_response("Accepted", start)


def cancel_reservation(station: ChargePoint, request: Request, now: Moment) -> Response:
    """End a reservation (§5.2)."""
    reserving = station.charging.reserving
    reserving.book.remove_expired(station.wire.local_time(now))
    if reserving.book.remove(request["reservation_id"]) is None:
        return status_response("Rejected")
    return status_response("Accepted", reserving.settle_all)


def get_diagnostics(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Name the file that is then sent, if there is something to send (§5.9)."""
    start_at, stop_at = request.get("start_time"), request.get("stop_time")
    file = write_file(station, LogType.DIAGNOSTICS, start_at, stop_at, now)
    if file is None:
        return Response({})
    order = UploadOrder(
        directory=request["location"],
        file=file,
        retries=request.get("retries", OWN_RETRIES),
        retry_interval_s=request.get("retry_interval", OWN_RETRY_INTERVAL_S),
    )
    return Response({"fileName": file.name}, lambda now: station.diagnostics.begin(order, now))


def get_local_list_version(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Tell the version of the list; without a list, that there is none (§5.10)."""
    has_list = station.keys.boolean("LocalAuthListEnabled")
    return Response({"listVersion": station.local_list.version if has_list else NO_LIST_VERSION})


def remote_stop_transaction(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Stop a transaction that runs here (§5.12)."""
    transaction_id = request["transaction_id"]
    if station.is_active and station.registration is Registration.PENDING:
        return status_response("Rejected")  # not allowed before acceptance (§4.2)
    if transaction_id in station.transactions_by_script:
        return status_response("Accepted")
    for connector in station.connectors.values():
        transaction = connector.transaction
        if transaction is not None and transaction.transaction_id == transaction_id:
            return status_response("Accepted", _stop(station, connector, Reason.REMOTE))
    return status_response("Rejected")


def reserve_now(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Keep a connector free for somebody, if one is free (§5.13)."""
    if station.is_active and station.registration is not Registration.ACCEPTED:
        return status_response("Rejected")
    wanted = Reservation(
        id=request["reservation_id"],
        connector_id=request["connector_id"],
        id_tag=request["id_tag"],
        parent_id_tag=request.get("parent_id_tag"),
        expires_at=request["expiry_date"],
    )
    statuses = {
        number: station.seen_status(connector) for number, connector in station.connectors.items()
    }
    reserving = station.charging.reserving
    return status_response(reserving.ask(wanted, statuses, now), reserving.settle_all)


def reset(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Restart, with goodbye or without (§5.14, errata 3.36)."""
    is_hard = request["type"] == "Hard"
    return status_response("Accepted", station.hard_reset if is_hard else station.soft_reset)


def send_local_list(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Change the local list, or nothing (§5.15)."""
    if not station.keys.boolean("LocalAuthListEnabled"):
        return status_response(UpdateStatus.NOT_SUPPORTED)
    status = station.local_list.update(
        request["update_type"],
        request["list_version"],
        request.get("local_authorization_list", ()),
        max_sent=station.keys.integer("SendLocalListMaxLength"),
        max_length=station.keys.integer("LocalAuthListMaxLength"),
    )
    return status_response(
        status, station.list_updated if status is UpdateStatus.ACCEPTED else None
    )


def trigger_message(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Say whether a message will be sent, and then send it (§5.17)."""
    return status_response(
        *decide_trigger(station, request["requested_message"], request.get("connector_id"))
    )


def unlock_connector(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Release a cable; a transaction ends first (§5.18, errata 3.85)."""
    connector = station.connectors.get(request["connector_id"])
    if connector is None or connector.id == 0 or not connector.has_lock:
        return status_response("NotSupported")
    stop = _stop(station, connector, Reason.UNLOCK_COMMAND)
    if connector.unlock_fails:
        return status_response("UnlockFailed", stop)

    def unlock(now: Moment) -> None:
        stop(now)
        connector.is_locked = False
        connector.kept_for = None

    return status_response("Unlocked", unlock)


def set_charging_profile(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Install a charging profile (§5.16)."""
    profile = request["cs_charging_profiles"]
    return status_response(station.smart_charging.set_profile(request["connector_id"], profile))


def clear_charging_profile(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Drop charging profiles (§5.5)."""
    return status_response(station.smart_charging.clear(request))


def get_composite_schedule(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Report the limits that result from all profiles (§5.7)."""
    unit = request.get("charging_rate_unit")
    return Response(
        station.smart_charging.composite_schedule(
            request["connector_id"], request["duration"], unit and Unit(unit), now
        )
    )


def _stop(station: ChargePoint, connector: Connector, reason: Reason) -> Callable[[Moment], object]:
    return lambda now: station.charging.stop(connector, reason, now)


def update_firmware(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Fetch and install firmware, not before its date (§5.19).

    DEVIATION: L01 wants NotSupported of whoever can do signed updates. A charge point that does
    both is met in the field, and TC_044 needs it; `signed_firmware_only` gives the other.
    """
    if station.security.signed_firmware_only:
        raise RemoteProtocolError("NotSupported", "only signed firmware is installed here")
    order = FirmwareOrder(
        url=request["location"],
        retrieve_at=request["retrieve_date"],
        retries=request.get("retries", OWN_RETRIES),
        retry_interval_s=request.get("retry_interval", OWN_RETRY_INTERVAL_S),
    )
    return Response({}, lambda now: station.firmware.begin(order, now))


HANDLERS: Final[dict[str, Callable[[ChargePoint, Request, Moment], Response]]] = {
    "CancelReservation": cancel_reservation,
    "ChangeAvailability": change_availability,
    "ChangeConfiguration": change_configuration,
    "ClearCache": clear_cache,
    "ClearChargingProfile": clear_charging_profile,
    "DataTransfer": data_transfer,
    "GetCompositeSchedule": get_composite_schedule,
    "GetConfiguration": get_configuration,
    "GetDiagnostics": get_diagnostics,
    "GetLocalListVersion": get_local_list_version,
    "RemoteStartTransaction": remote_start_transaction,
    "RemoteStopTransaction": remote_stop_transaction,
    "ReserveNow": reserve_now,
    "Reset": reset,
    "SendLocalList": send_local_list,
    "SetChargingProfile": set_charging_profile,
    "TriggerMessage": trigger_message,
    "UnlockConnector": unlock_connector,
    "UpdateFirmware": update_firmware,
}

# Statuses in which nobody can begin anything, whoever reported them.
OCCUPIED: Final = frozenset(Status) - {Status.AVAILABLE, Status.PREPARING, Status.FINISHING}
