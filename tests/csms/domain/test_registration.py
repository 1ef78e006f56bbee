"""Registration of charge points."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from csms.domain.model import BootInformation, ChargePoint, RegistrationStatus
from csms.domain.registration import boot_interval_s, last_told, read_boot

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=1)


def charge_point(status: RegistrationStatus, *, heartbeat_interval_s: int | None) -> ChargePoint:
    """Make one that is registered so."""
    return ChargePoint("CP1", status, None, heartbeat_interval_s, NOW, NOW)


@pytest.mark.parametrize(
    ("status", "own_interval_s", "interval_s"),
    [
        (RegistrationStatus.ACCEPTED, None, 300),
        (RegistrationStatus.ACCEPTED, 15, 15),
        (RegistrationStatus.PENDING, 15, 60),
        (RegistrationStatus.REJECTED, None, 60),
    ],
)
def test_interval_is_heartbeat_or_retry(
    status: RegistrationStatus, own_interval_s: int | None, interval_s: int
) -> None:
    """Accepted stations get their heartbeat, others the wait before the next boot (CS-BOOT-02)."""
    station = charge_point(status, heartbeat_interval_s=own_interval_s)

    assert boot_interval_s(station, heartbeat_interval_s=300, retry_interval_s=60) == interval_s


def test_charge_point_removed_meanwhile_waits() -> None:
    """One that is no longer known is treated as not accepted."""
    assert boot_interval_s(None, heartbeat_interval_s=300, retry_interval_s=60) == 60


def test_boot_information_is_taken_as_it_came() -> None:
    """Over-long and odd values are kept; unknown fields are not (§9 of the behaviours)."""
    payload = {
        "chargePointVendor": "V" * 30,
        "chargePointModel": 7,
        "firmwareVersion": None,
        "chargePointSerialNumber": "S",
        "chargeBoxSerialNumber": "B",
        "iccid": "I",
        "imsi": "M",
        "meterType": "T",
        "meterSerialNumber": "N",
        "colour": "red",
    }

    assert read_boot(payload) == BootInformation(
        charge_point_vendor="V" * 30,
        charge_point_model="7",
        charge_point_serial_number="S",
        charge_box_serial_number="B",
        firmware_version=None,
        iccid="I",
        imsi="M",
        meter_type="T",
        meter_serial_number="N",
    )


@pytest.mark.parametrize(
    ("status", "booted_at", "accepted_at", "told"),
    [
        (RegistrationStatus.ACCEPTED, None, None, None),
        (RegistrationStatus.ACCEPTED, NOW, NOW, RegistrationStatus.ACCEPTED),
        (RegistrationStatus.ACCEPTED, NOW, None, RegistrationStatus.PENDING),
        (RegistrationStatus.ACCEPTED, NOW, EARLIER, RegistrationStatus.PENDING),
        (RegistrationStatus.PENDING, NOW, NOW, RegistrationStatus.ACCEPTED),
        (RegistrationStatus.PENDING, NOW, EARLIER, RegistrationStatus.PENDING),
        (RegistrationStatus.REJECTED, NOW, None, RegistrationStatus.REJECTED),
    ],
)
def test_last_boot_tells_what_a_charge_point_believes(
    status: RegistrationStatus,
    booted_at: datetime | None,
    accepted_at: datetime | None,
    told: RegistrationStatus | None,
) -> None:
    """An acceptance before the last boot is past, one decided after it is not known there."""
    station = replace(
        charge_point(status, heartbeat_interval_s=None),
        booted_at=booted_at,
        accepted_at=accepted_at,
    )

    assert last_told(station) is told
