"""Reading connector statuses and ordering them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from csms.domain.statuses import StatusReport, is_newer, read_status

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def report(**fields: Any) -> StatusReport:
    """Read an ordinary status with some fields changed."""
    payload = {"connectorId": 1, "errorCode": "NoError", "status": "Available"} | fields
    return read_status(payload, received_at=NOW)


def is_news(
    timestamp: str,
    *,
    known_ordered_at: datetime,
    known_received_at: datetime = NOW,
    is_known_stale: bool = False,
) -> bool:
    """Say whether a status with a timestamp replaces a known one."""
    return is_newer(
        report(timestamp=timestamp),
        known_ordered_at=known_ordered_at,
        known_received_at=known_received_at,
        is_known_stale=is_known_stale,
    )


def test_all_fields_are_read() -> None:
    """Everything §6.47 knows is kept."""
    read = report(
        connectorId=2,
        status="Faulted",
        errorCode="OtherError",
        info="door",
        vendorId="org.example",
        vendorErrorCode="E7",
        timestamp="2026-01-31T12:59:00+01:00",
    )

    assert read == StatusReport(
        connector_id=2,
        status="Faulted",
        error_code="OtherError",
        info="door",
        vendor_id="org.example",
        vendor_error_code="E7",
        timestamp="2026-01-31T12:59:00+01:00",
        reported_at=NOW - timedelta(minutes=1),
        ordered_at=NOW - timedelta(minutes=1),
        received_at=NOW,
        flags=(),
    )


def test_missing_timestamp_means_receipt() -> None:
    """Without a timestamp the time of receipt counts (CS-STAT-02)."""
    assert (report().reported_at, report().ordered_at) == (NOW, NOW)


def test_older_report_does_not_replace_a_newer_one() -> None:
    """A queued error of the past stays history (CS-STAT-02)."""
    assert not is_news("2026-01-31T11:59:00Z", known_ordered_at=NOW - timedelta(seconds=30))
    assert is_news("2026-01-31T11:59:40Z", known_ordered_at=NOW - timedelta(seconds=30))


def test_equal_times_go_by_order_of_arrival() -> None:
    """Stations with times to the second report two changes in one of them."""
    assert is_news("2026-01-31T11:59:30Z", known_ordered_at=NOW - timedelta(seconds=30))


@pytest.mark.parametrize(("timestamp", "news"), [("11:59:00", True), ("11:58:59", False)])
def test_our_clock_and_the_charge_points_may_differ(timestamp: str, news: bool) -> None:
    """A status without time is known by its receipt; a slow clock makes the next no older."""
    assert is_news(f"2026-01-31T{timestamp}Z", known_ordered_at=NOW) is news


def test_anything_replaces_what_a_boot_made_stale() -> None:
    """After a boot the clock may have gone back; the state is unknown anyway (CS-BOOT-09)."""
    assert is_news("2026-01-30T00:00:00Z", known_ordered_at=NOW, is_known_stale=True)


@pytest.mark.parametrize(
    ("timestamp", "flags"),
    [
        ("1970-01-01T00:00:10Z", ("time_implausible",)),
        ("2026-01-31T07:00:00", ("time_naive",)),
        ("just now", ("time_unreadable",)),
    ],
)
def test_untrustworthy_times_go_by_order_of_arrival(timestamp: str, flags: tuple[str]) -> None:
    """A clock never set, or set to nobody knows which zone, cannot freeze a connector."""
    read = report(timestamp=timestamp)

    assert (read.ordered_at, read.flags) == (NOW, flags)
    assert read.timestamp == timestamp


def test_time_ahead_counts_as_receipt() -> None:
    """A clock that runs ahead cannot freeze the connector once it is set right."""
    read = report(timestamp="2026-01-31T15:00:00Z")

    assert (read.reported_at, read.ordered_at) == (NOW + timedelta(hours=3), NOW)


@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        ({"status": "Occupied"}, ("status_unknown",)),
        ({"connectorId": 0, "status": "Charging"}, ("status_not_for_connector_0",)),
        ({"connectorId": 0, "status": "Faulted"}, ()),
        ({"errorCode": "EVCommunicationError", "status": "Charging"}, ("error_not_for_status",)),
        ({"errorCode": "EVCommunicationError", "status": "Finishing"}, ()),
        ({"errorCode": "LocalListConflict", "connectorId": 0}, ()),
        ({"errorCode": "WeakSignal", "status": "Charging"}, ()),
    ],
)
def test_what_is_not_foreseen_is_flagged(fields: dict[str, Any], flags: tuple[str, ...]) -> None:
    """Odd statuses are kept with their oddity (CS-STAT-03, 04)."""
    assert report(**fields).flags == flags


@pytest.mark.parametrize("connector_id", [-1, 2**31, "x", None])
def test_connector_that_is_none_is_not_read(connector_id: object) -> None:
    """Only 0 and positive 32 bit numbers are connectors."""
    assert report(connectorId=connector_id).connector_id is None


def test_quirks_are_flags_too() -> None:
    """What the validator let pass stays with the record."""
    payload = {"connectorId": 1, "errorCode": "NoError", "status": "Occupied"}

    assert read_status(payload, received_at=NOW, quirks=("status",)).flags == (
        "status_unknown",
        "status",
    )
