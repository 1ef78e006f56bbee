"""What the payloads of the CSMS say: schema, times, and the rules that hold in every case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from harness import schemas
from harness.checks import CHECKS, finding
from harness.judge_frames import texts
from harness.judge_times import judge_clock, judge_time, read_time
from harness.results import Finding, Severity
from harness.schemas import Kind

# Text for people, which may have any language (OCPP-J 1.6 §4.1.2).
_FREE_TEXT: Final = frozenset({"data"})


@dataclass(frozen=True, slots=True)
class Message:
    """One payload of the CSMS and what is needed to judge it.

    Attributes:
        request: payload of our CALL, for an answer; empty for a CALL of the CSMS.
        sent_at: when our CALL left, for an answer; when it came, for a CALL.
    """

    action: str
    kind: Kind
    payload: object
    request: object
    sent_at: datetime
    received_at: datetime


def judge_payload(message: Message) -> list[Finding]:
    """Return all findings on one payload; they have no event yet."""
    if message.action not in schemas.ACTIONS:
        return []
    name = f"{message.action}.{message.kind}"
    found = [
        _schema_finding(name, problem)
        for problem in schemas.validate_payload(message.action, message.kind, message.payload)
    ]
    if any(one.rule == "schema.unreadable" for one in found):
        return found
    times = schemas.leaves(message.action, message.kind, message.payload, schemas.is_date_time)
    for path, text in times:
        found += [_named(one, name) for one in judge_time(path, text)]
    if isinstance(message.payload, dict):
        found += [_named(one, name) for one in _meaning(message, message.payload)]
    skip = _FREE_TEXT if message.action == "DataTransfer" else frozenset()
    strange = [text for text in texts(message.payload, skip=skip) if not text.isascii()]
    if strange:
        found.append(
            finding(
                "json.non-ascii",
                f"{name} has characters beyond ASCII in {strange[0][:60]!r}.",
                expected="ASCII",
                actual=strange[0][:60],
            )
        )
    return found


def _schema_finding(name: str, problem: schemas.SchemaProblem) -> Finding:
    return finding(
        problem.rule,
        f"{name}: {problem.path} should be {problem.expected}, but is {problem.actual}.",
        expected=f"{problem.path}: {problem.expected}",
        actual=problem.actual,
        severity=problem.severity,
        requirement=problem.requirement,
    )


def _named(one: Finding, name: str) -> Finding:
    return replace(one, message=f"{name}: {one.message}")


def _meaning(message: Message, payload: dict[str, object]) -> Iterator[Finding]:
    """The rules behind the shapes, for one message."""
    match message.action, message.kind:
        case "BootNotification", Kind.RESULT:
            yield from _clock(message, payload)
            yield from _interval(payload)
        case "Heartbeat", Kind.RESULT:
            yield from _clock(message, payload)
        case "Authorize", Kind.RESULT:
            yield from _id_tag_info(payload, message.received_at)
            yield from _no_concurrent_tx("$.idTagInfo", payload.get("idTagInfo"))
        case "StartTransaction", Kind.RESULT:
            yield from _id_tag_info(payload, message.received_at)
            yield from _transaction_id(payload)
        case "StopTransaction", Kind.RESULT:
            yield from _id_tag_info(payload, message.received_at)
            yield from _no_concurrent_tx("$.idTagInfo", payload.get("idTagInfo"))
            request = message.request if isinstance(message.request, dict) else {}
            if "idTagInfo" in payload and "idTag" not in request:
                yield finding(
                    "id-tag.unasked",
                    "idTagInfo is there, though the request named no card.",
                    expected="no idTagInfo",
                    actual=str(payload["idTagInfo"]),
                )
        case "SendLocalList", Kind.CALL:
            entries = payload.get("localAuthorizationList")
            for index, entry in enumerate(entries if isinstance(entries, list) else []):
                info = entry.get("idTagInfo") if isinstance(entry, dict) else None
                yield from _no_concurrent_tx(f"$.localAuthorizationList[{index}].idTagInfo", info)
        case _:
            return


def _clock(message: Message, payload: dict[str, object]) -> Iterator[Finding]:
    yield from judge_clock(
        "$.currentTime",
        payload.get("currentTime"),
        sent_at=message.sent_at,
        received_at=message.received_at,
    )


def _interval(payload: dict[str, object]) -> Iterator[Finding]:
    interval = payload.get("interval")
    if not isinstance(interval, int) or isinstance(interval, bool):
        return
    if interval < 0:
        yield finding(
            "boot.interval-negative",
            f"$.interval is {interval} s.",
            expected="0 or greater",
            actual=str(interval),
        )
    elif interval == 0 and payload.get("status") == "Accepted":
        yield finding(
            "boot.interval-zero",
            "$.interval is 0 with Accepted, which has no meaning.",
            expected="greater than 0",
            actual="0",
        )


def _id_tag_info(payload: dict[str, object], now: datetime) -> Iterator[Finding]:
    info = payload.get("idTagInfo")
    if not isinstance(info, dict) or info.get("status") != "Accepted":
        return
    expiry = read_time(info.get("expiryDate"))
    if expiry is not None and expiry < now:
        yield finding(
            "id-tag.past-expiry",
            "The card is accepted, yet its expiryDate is in the past.",
            expected=f"later than {now.isoformat(timespec='seconds')}",
            actual=str(info.get("expiryDate")),
        )


def _no_concurrent_tx(path: str, info: object) -> Iterator[Finding]:
    if isinstance(info, dict) and info.get("status") == "ConcurrentTx":
        yield finding(
            "id-tag.concurrent-tx",
            f"{path}.status is ConcurrentTx, which belongs into StartTransaction.conf only.",
            expected="Accepted, Blocked, Expired or Invalid",
            actual="ConcurrentTx",
        )


def _transaction_id(payload: dict[str, object]) -> Iterator[Finding]:
    number = payload.get("transactionId")
    if isinstance(number, int) and not isinstance(number, bool) and number <= 0:
        yield finding(
            "transaction.id-not-positive",
            f"$.transactionId is {number}.",
            expected="greater than 0",
            actual=str(number),
        )


def judge_own_call(action: str, payload: object) -> list[Finding]:
    """Return what is wrong with a CALL the harness itself sent."""
    if action not in schemas.CP_ACTIONS:
        message = f"{action} is no request that a charge point sends."
        return [finding("harness.invalid-call", message)]
    info = CHECKS["harness.invalid-call"]
    return [
        finding(
            "harness.invalid-call",
            f"{action}.req, sent by the harness: {problem.path} should be {problem.expected}, "
            f"but is {problem.actual}.",
            expected=f"{problem.path}: {problem.expected}",
            actual=problem.actual,
            requirement=f"{info.requirement}; {problem.requirement}",
        )
        for problem in schemas.validate_payload(action, Kind.CALL, payload)
        if problem.severity is Severity.FAILURE
    ]
