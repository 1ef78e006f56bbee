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


_STRICTNESS = (
    RegistrationStatus.ACCEPTED,
    RegistrationStatus.PENDING,
    RegistrationStatus.REJECTED,
)


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


def last_told(charge_point: ChargePoint) -> RegistrationStatus | None:
    """Return what its last BootNotification was answered; None before the first.

    Acceptance is told by that answer alone (OCPP-J 1.6 §5.4). Whether another answer was Pending
    or Rejected is taken from what the operator decided.
    """
    if charge_point.booted_at is None:
        return None
    accepted_at = charge_point.accepted_at
    if accepted_at is not None and accepted_at >= charge_point.booted_at:
        return RegistrationStatus.ACCEPTED
    return stricter(charge_point.registration, RegistrationStatus.PENDING)


def stricter(one: RegistrationStatus, other: RegistrationStatus) -> RegistrationStatus:
    """Return the one that allows less."""
    return max(one, other, key=_STRICTNESS.index)
