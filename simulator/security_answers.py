"""What a charge point answers to the requests of the security extension, and what it does then.

Spec: OCPP 1.6 security white paper ed. 3. As in `simulator.answers`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from simulator.access import WITH_TLS
from simulator.certificate_store import CertificateType, StoreStatus
from simulator.certificates import (
    BadCertificate,
    CertificateHashData,
    HashAlgorithm,
    check_signing,
    read_chain,
)
from simulator.clock import Moment
from simulator.firmware import Order, Signed
from simulator.logs import LogType, write_file
from simulator.progress import OWN_RETRIES, OWN_RETRY_INTERVAL_S
from simulator.response import Request, Response, status_response
from simulator.trigger import decide_extended_trigger
from simulator.uploads import Order as UploadOrder

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint


def _event(station: ChargePoint, kind: str, problem: object) -> Callable[[Moment], object]:
    """Return what tells a security event once the answer has left."""
    return lambda now: station.security.events.note(kind, now, str(problem))


def certificate_signed(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Check the certificate made for us, and connect with it from then on (A02, A03)."""
    chain_pem = request["certificate_chain"]
    try:
        station.security.refusals.check()
        station.security.renewal.check(chain_pem, now)
    except BadCertificate as exc:
        station.wire.notice(f"New certificate refused: {exc}")
        return status_response("Rejected", _event(station, "InvalidChargePointCertificate", exc))
    return status_response("Accepted", lambda _: station.security.renewal.take(chain_pem))


def delete_certificate(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Take a root certificate out of the store, if it is not in use (M04)."""
    asked = request["certificate_hash_data"]
    certificate = station.security.access.certificate
    status = station.security.store.delete(
        CertificateHashData(**{**asked, "hash_algorithm": HashAlgorithm(asked["hash_algorithm"])}),
        own=() if certificate is None else read_chain(certificate.chain_pem),
        is_on_tls=station.security.access.profile in WITH_TLS,
    )
    return status_response(status, lambda _: station.security.access.follow())


def extended_trigger_message(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Say whether a message will be sent, and then send it (white paper §6.10)."""
    return status_response(
        *decide_extended_trigger(station, request["requested_message"], request.get("connector_id"))
    )


def get_installed_certificate_ids(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Name the root certificates of a kind (M03)."""
    names = station.security.store.names(CertificateType(request["certificate_type"]))
    if not names:
        return status_response("NotFound")
    return Response(
        {
            "status": "Accepted",
            "certificateHashData": [
                {
                    "hashAlgorithm": name.hash_algorithm,
                    "issuerNameHash": name.issuer_name_hash,
                    "issuerKeyHash": name.issuer_key_hash,
                    "serialNumber": name.serial_number,
                }
                for name in names
            ],
        }
    )


def get_log(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Name the file that is then sent, if there is something to send (N01)."""
    status = "AcceptedCanceled" if station.logs.is_under_way else "Accepted"
    log = request["log"]
    since, until = log.get("oldest_timestamp"), log.get("latest_timestamp")
    file = write_file(station, LogType(request["log_type"]), since, until, now)
    if file is None:
        return status_response(status, lambda _: station.logs.cancel())
    order = UploadOrder(
        directory=log["remote_location"],
        file=file,
        retries=request.get("retries", OWN_RETRIES),
        retry_interval_s=request.get("retry_interval", OWN_RETRY_INTERVAL_S),
        request_id=request["request_id"],
    )
    return Response({"status": status, "filename": file.name}, partial(station.logs.begin, order))


def install_certificate(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Trust a further root certificate, if it is one (M05)."""
    kind = CertificateType(request["certificate_type"])
    at = station.wire.local_time(now)
    try:
        station.security.refusals.check()
        status = station.security.store.install(kind, request["certificate"], at)
    except BadCertificate as exc:
        station.wire.notice(f"Root certificate refused: {exc}")
        # The list of events has none for a root of the manufacturer.
        is_told = kind is CertificateType.CENTRAL_SYSTEM
        event = _event(station, "InvalidCentralSystemCertificate", exc) if is_told else None
        return status_response(StoreStatus.REJECTED, event)
    return status_response(status, lambda _: station.security.access.follow())


def signed_update_firmware(station: ChargePoint, request: Request, now: Moment) -> Response:
    """Fetch firmware, check its signature, install it (L01)."""
    firmware = request["firmware"]
    roots = station.security.store.roots(CertificateType.MANUFACTURER)
    try:
        station.security.refusals.check()
        certificate = check_signing(
            firmware["signing_certificate"], station.wire.local_time(now), roots or None
        )
    except BadCertificate as exc:
        station.wire.notice(f"Firmware refused: {exc}")
        event = _event(station, "InvalidFirmwareSigningCertificate", exc)
        return status_response(station.security.refusals.signing_status, event)
    if station.firmware.is_installing:
        return status_response("Rejected")
    order = Order(
        url=firmware["location"],
        retrieve_at=firmware["retrieve_date_time"],
        retries=request.get("retries", OWN_RETRIES),
        retry_interval_s=request.get("retry_interval", OWN_RETRY_INTERVAL_S),
        signed=Signed(
            request_id=request["request_id"],
            certificate=certificate,
            signature=firmware["signature"],
            install_at=firmware.get("install_date_time"),
        ),
    )
    return status_response(
        "AcceptedCanceled" if station.firmware.is_under_way else "Accepted",
        partial(station.firmware.begin, order),
    )


HANDLERS: Final[dict[str, Callable[[ChargePoint, Request, Moment], Response]]] = {
    "CertificateSigned": certificate_signed,
    "DeleteCertificate": delete_certificate,
    "ExtendedTriggerMessage": extended_trigger_message,
    "GetInstalledCertificateIds": get_installed_certificate_ids,
    "GetLog": get_log,
    "InstallCertificate": install_certificate,
    "SignedUpdateFirmware": signed_update_firmware,
}
