"""Payloads of GetDiagnostics and GetLog, without the location."""

from datetime import datetime
from typing import Any

from csms.domain.times import format_time
from csms.operations.file_jobs import new_request_id, tries


def get_diagnostics(
    *,
    start_at: datetime | None,
    stop_at: datetime | None,
    retries: int | None,
    retry_interval_s: int | None,
) -> dict[str, Any]:
    """Return a GetDiagnostics.req of what is given."""
    return tries(retries, retry_interval_s) | _times(startTime=start_at, stopTime=stop_at)


def get_log(
    *,
    log_type: str,
    oldest_at: datetime | None,
    latest_at: datetime | None,
    retries: int | None,
    retry_interval_s: int | None,
) -> dict[str, Any]:
    """Return a GetLog.req of what is given, with a fresh request id."""
    return {
        "logType": log_type,
        "requestId": new_request_id(),
        **tries(retries, retry_interval_s),
        "log": _times(oldestTimestamp=oldest_at, latestTimestamp=latest_at),
    }


def _times(**times: datetime | None) -> dict[str, Any]:
    return {name: format_time(at) for name, at in times.items() if at is not None}
