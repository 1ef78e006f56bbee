"""Registration of charge points. Spec: OCPP 1.6 ed. 2 §4.2, OCPP-J 1.6 §5.4 (CS-BOOT)."""

from __future__ import annotations

from typing import Any

from csms.domain.model import BootInformation, ChargePoint, RegistrationStatus

_FIELDS = {
    "charge_point_vendor": "chargePointVendor",
    "charge_point_model": "chargePointModel",
    "charge_point_serial_number": "chargePointSerialNumber",
    "charge_box_serial_number": "chargeBoxSerialNumber",
    "firmware_version": "firmwareVersion",
    "iccid": "iccid",
    "imsi": "imsi",
    "meter_type": "meterType",
    "meter_serial_number": "meterSerialNumber",
}


def read_boot(payload: dict[str, Any]) -> BootInformation:
    """Read what a charge point says of itself in a BootNotification.req."""
    return BootInformation(
        **{
            field: str(payload[name])
            for field, name in _FIELDS.items()
            if payload.get(name) is not None
        }
    )


def boot_interval_s(
    charge_point: ChargePoint | None, *, heartbeat_interval_s: int, retry_interval_s: int
) -> int:
    """Return the `interval` of a BootNotification.conf (CS-BOOT-02).

    Args:
        charge_point: who boots; None for one that is no longer known.
        heartbeat_interval_s: the CSMS-wide interval; positive.
        retry_interval_s: for those not accepted; 0 leaves the choice to them.
    """
    if charge_point is None or charge_point.registration is not RegistrationStatus.ACCEPTED:
        return retry_interval_s
    return charge_point.heartbeat_interval_s or heartbeat_interval_s
