"""What payloads mean, beyond their shape."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from harness.judge_payloads import Message, judge_own_call, judge_payload
from harness.results import Severity
from harness.schemas import Kind

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
TIME = "2026-01-31T12:00:00Z"
PAST, FUTURE = "2026-01-31T11:00:00Z", "2026-01-31T13:00:00Z"


def rules(
    action: str, payload: object, *, kind: Kind = Kind.RESULT, request: object = None
) -> list[str]:
    message = Message(action, kind, payload, request or {}, NOW, NOW)
    return [one.rule for one in judge_payload(message)]


def info(status: str, **more: object) -> dict[str, object]:
    return {"idTagInfo": {"status": status, **more}}


@pytest.mark.parametrize(
    ("action", "payload", "broken"),
    [
        ("BootNotification", {"status": "Accepted", "currentTime": TIME, "interval": 1}, []),
        ("BootNotification", {"status": "Accepted", "currentTime": TIME, "interval": 0},
         ["boot.interval-zero"]),
        ("BootNotification", {"status": "Pending", "currentTime": TIME, "interval": 0}, []),
        ("BootNotification", {"status": "Rejected", "currentTime": TIME, "interval": -1},
         ["boot.interval-negative"]),
        ("BootNotification", {"status": "Accepted", "currentTime": FUTURE, "interval": 1},
         ["time.clock"]),
        ("BootNotification", {"status": "Accepted", "currentTime": TIME, "interval": "1"},
         ["schema.type"]),
        ("Heartbeat", {"currentTime": TIME}, []),
        ("Heartbeat", {"currentTime": PAST}, ["time.clock"]),
        ("Heartbeat", {"currentTime": "2026-01-31T12:00:00"}, ["time.no-zone"]),
        ("Authorize", info("Accepted", expiryDate=FUTURE), []),
        ("Authorize", info("Accepted", expiryDate=PAST), ["id-tag.past-expiry"]),
        ("Authorize", info("Expired", expiryDate=PAST), []),
        ("Authorize", info("ConcurrentTx"), ["id-tag.concurrent-tx"]),
        ("Authorize", info("Accepted", expiryDate="2026-12-31"), ["time.format"]),
        ("Authorize", info("Accepted", parentIdTag="größe"), ["json.non-ascii"]),
        ("StartTransaction", {"transactionId": 1, **info("ConcurrentTx")}, []),
        ("StartTransaction", {"transactionId": 0, **info("Accepted")},
         ["transaction.id-not-positive"]),
        ("StartTransaction", {"transactionId": -1, **info("Blocked")},
         ["transaction.id-not-positive"]),
        ("StartTransaction", {"transactionId": 1, **info("Accepted", expiryDate=PAST)},
         ["id-tag.past-expiry"]),
        ("StopTransaction", {}, []),
        ("StopTransaction", info("Accepted"), ["id-tag.unasked"]),
        ("DataTransfer", {"status": "Accepted", "data": "größe"}, []),
        ("DataTransfer", {"status": "Accepted", "größe": "x"},
         ["schema.additional-property", "json.non-ascii"]),
        ("MeterValues", {}, []),
        ("NoSuchAction", {"a": 1}, []),
    ],
)  # fmt: skip
def test_answers(action: str, payload: object, broken: list[str]) -> None:
    """Each rule is broken by its fault and by nothing else."""
    assert rules(action, payload) == broken


def test_stopping_with_a_card_may_be_answered_about_the_card() -> None:
    """idTagInfo answers an idTag; ConcurrentTx still has no place there."""
    request = {"transactionId": 1, "idTag": "a", "meterStop": 1, "timestamp": TIME}

    assert rules("StopTransaction", info("Expired"), request=request) == []
    assert rules("StopTransaction", info("ConcurrentTx"), request=request) == [
        "id-tag.concurrent-tx"
    ]


@pytest.mark.parametrize(
    ("action", "payload", "broken"),
    [
        ("ReserveNow",
         {"connectorId": 0, "expiryDate": FUTURE, "idTag": "a", "reservationId": 1}, []),
        ("ReserveNow",
         {"connectorId": 0, "expiryDate": "2026-01-31T13:00:00+02:00", "idTag": "a",
          "reservationId": 1}, ["time.not-utc"]),
        ("SendLocalList",
         {"listVersion": 1, "updateType": "Full",
          "localAuthorizationList": [{"idTag": "a", **info("ConcurrentTx")}]},
         ["id-tag.concurrent-tx"]),
        ("SendLocalList",
         {"listVersion": 1, "updateType": "Full",
          "localAuthorizationList": [{"idTag": "a", **info("Blocked")}, {"idTag": "b"}]}, []),
        ("ChangeConfiguration", {"key": "Schlüssel", "value": "1"}, ["json.non-ascii"]),
        ("DataTransfer", {"vendorId": "v", "data": "größe"}, []),
        ("DataTransfer", {"vendorId": "vendör"}, ["json.non-ascii"]),
    ],
)  # fmt: skip
def test_requests(action: str, payload: object, broken: list[str]) -> None:
    """Requests of the CSMS are looked at in the same way."""
    assert rules(action, payload, kind=Kind.CALL) == broken


def test_odd_clocks_and_expired_cards_only_warn() -> None:
    """What may have a reason outside the protocol never fails a case."""
    for payload in ({"currentTime": PAST},):
        message = Message("Heartbeat", Kind.RESULT, payload, {}, NOW, NOW)
        assert {one.severity for one in judge_payload(message)} == {Severity.WARNING}


def test_nothing_is_said_twice_about_what_cannot_be_read() -> None:
    """A payload the validator cannot take has one finding."""
    assert rules("Authorize", info("\ud800")) == ["schema.unreadable"]


def test_our_own_faults_are_errors() -> None:
    """A CALL of ours that breaks the schema is the harness's error; an odd one is not."""
    (found,) = judge_own_call("Authorize", {"idTag": "x" * 21})

    assert (found.rule, found.severity) == ("harness.invalid-call", Severity.ERROR)
    assert judge_own_call("Authorize", {"idTag": "x" * 20}) == []
    stop = {"transactionId": 2**40, "meterStop": 1, "timestamp": TIME}
    assert judge_own_call("StopTransaction", stop) == []
