"""Payloads that lack only the location."""

from datetime import UTC, datetime

import pytest

from csms.domain.file_jobs import JobKind, with_location
from csms.ocppj import command_rules
from csms.operations.log_orders import get_diagnostics, get_log

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("at", [None, AT])
@pytest.mark.parametrize("number", [None, 0, 5])
def test_orders_have_what_is_given_and_nothing_else(
    at: datetime | None, number: int | None
) -> None:
    """With the location they are sound."""
    diagnostics = get_diagnostics(start_at=at, stop_at=at, retries=number, retry_interval_s=number)
    log = get_log(
        log_type="SecurityLog", oldest_at=at, latest_at=at, retries=number, retry_interval_s=number
    )

    tries = {} if number is None else {"retries": number, "retryInterval": number}
    text = "2026-03-01T12:00:00.000Z"
    assert diagnostics == tries | ({"startTime": text, "stopTime": text} if at else {})
    assert log == tries | {
        "logType": "SecurityLog",
        "requestId": log["requestId"],
        "log": {"oldestTimestamp": text, "latestTimestamp": text} if at else {},
    }
    whole = with_location(JobKind.DIAGNOSTICS, diagnostics, "http://x/")
    assert command_rules.problems("GetDiagnostics", whole) == ()
    assert command_rules.problems("GetLog", with_location(JobKind.LOG, log, "http://x/")) == ()


def test_every_request_has_an_id_of_its_own() -> None:
    """Positive, and one that older requests hardly had."""
    ids = {
        get_log(
            log_type="SecurityLog",
            oldest_at=None,
            latest_at=None,
            retries=None,
            retry_interval_s=None,
        )["requestId"]
        for _ in range(50)
    }

    assert len(ids) == 50
    assert all(0 < one < 2**31 for one in ids)
