"""What only a run as a whole shows: numbers and ids that the CSMS handed out twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.checks import finding
from harness.judge_frames import MessageType, read_frame, shorten
from harness.results import CaseResult, Finding
from simulator.trace import Direction, EventKind


@dataclass(frozen=True, slots=True)
class _Started:
    """A transaction as a StartTransaction and its answer tell it."""

    case_id: str
    identity: str
    content: tuple[object, ...]
    transaction_id: int


@dataclass(frozen=True, slots=True)
class _Asked:
    """A CALL of the CSMS."""

    case_id: str
    identity: str
    connection: tuple[str, int]
    message_id: str
    content: str


def judge_run(cases: Sequence[CaseResult]) -> tuple[Finding, ...]:
    """Judge all cases of a run together; the findings belong to no single case."""
    started = [one for case in cases for one in _started(case)]
    asked = [one for case in cases for one in _asked(case)]
    return (*_transaction_ids(started), *_message_ids(asked))


def _transaction_ids(started: Sequence[_Started]) -> Iterator[Finding]:
    first: dict[int, _Started] = {}
    first_here: dict[tuple[str, int], _Started] = {}
    for one in started:
        here = first_here.setdefault((one.identity, one.transaction_id), one)
        # A repeated StartTransaction with the same content is the same transaction (CS-START-05).
        if here.content != one.content:
            yield finding(
                "run.transaction-id-reused",
                f"{one.identity} got the transactionId {one.transaction_id} for two transactions "
                f"({here.case_id}, {one.case_id}).",
                expected="a new transactionId for each transaction",
                actual=str(one.transaction_id),
            )
        anywhere = first.setdefault(one.transaction_id, one)
        if anywhere.identity != one.identity and here is one:
            yield finding(
                "run.transaction-id-shared",
                f"{anywhere.identity} ({anywhere.case_id}) and {one.identity} ({one.case_id}) "
                f"both got the transactionId {one.transaction_id}.",
                expected="a transactionId that no other station has",
                actual=str(one.transaction_id),
            )


def _message_ids(asked: Sequence[_Asked]) -> Iterator[Finding]:
    first: dict[tuple[str, str], _Asked] = {}
    reported: set[tuple[str, str]] = set()
    for one in asked:
        key = (one.identity, one.message_id)
        earlier = first.setdefault(key, one)
        # A retry may keep its id (OCPP-J errata 3.1); on one connection the case itself judges.
        is_another = earlier.connection != one.connection and earlier.content != one.content
        if is_another and key not in reported:
            reported.add(key)
            yield finding(
                "run.message-id-reused",
                f"The CSMS used the message id {shorten(one.message_id)} for {one.identity} on two "
                f"connections ({earlier.case_id}, {one.case_id}).",
                expected="a message id never used before",
                actual=shorten(one.message_id),
            )


def _started(case: CaseResult) -> Iterator[_Started]:
    """Yield every transaction the CSMS gave a number to in a case."""
    waiting: dict[tuple[int, str], tuple[object, ...]] = {}
    for event in case.events:
        if event.kind is not EventKind.FRAME:
            continue
        frame, _ = read_frame(event.text)
        key = (event.connection, str(frame.message_id))
        payload = frame.payload if isinstance(frame.payload, dict) else {}
        if event.direction is Direction.SENT:
            if frame.type is MessageType.CALL and frame.action == "StartTransaction":
                waiting[key] = (
                    payload.get("connectorId"),
                    str(payload.get("idTag")).casefold(),
                    payload.get("timestamp"),
                    payload.get("meterStart"),
                    payload.get("reservationId"),
                )
        elif frame.type is MessageType.CALL_RESULT and key in waiting:
            number = payload.get("transactionId")
            if isinstance(number, int) and not isinstance(number, bool):
                yield _Started(case.case_id, event.identity, waiting.pop(key), number)


def _asked(case: CaseResult) -> Iterator[_Asked]:
    for event in case.events:
        if event.kind is not EventKind.FRAME or event.direction is not Direction.RECEIVED:
            continue
        frame, _ = read_frame(event.text)
        if frame.type is MessageType.CALL and isinstance(frame.message_id, str):
            yield _Asked(
                case.case_id,
                event.identity,
                (case.case_id, event.connection),
                frame.message_id,
                event.text,
            )
