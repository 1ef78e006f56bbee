"""Made-up results for the tests of the reports: one case of every verdict."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from harness.model import Position, Profile, Requirement
from harness.results import (
    CaseResult,
    CsmsCall,
    DriverReport,
    Exchange,
    ExchangeOutcome,
    Finding,
    RunResult,
    Severity,
    StepResult,
    Verdict,
)
from simulator.trace import Direction, Event, EventKind

STARTED_AT = datetime(2026, 1, 31, 12, 0, 0, 123000, tzinfo=UTC)
SENT, RECEIVED = Direction.SENT, Direction.RECEIVED


def frame(after_s: float, direction: Direction, text: str, *, connection: int = 1) -> Event:
    """Return a frame that crossed the wire `after_s` after the start."""
    return Event(
        EventKind.FRAME,
        "PF0001",
        connection,
        STARTED_AT + timedelta(seconds=after_s),
        1000.0 + after_s,
        direction,
        text,
    )


def other(after_s: float, kind: EventKind, **detail: object) -> Event:
    """Return an event that is no message."""
    at = STARTED_AT + timedelta(seconds=after_s)
    return Event(kind, "PF0001", 1, at, 1000.0 + after_s, None, "", detail)


def exchange(
    action: str,
    duration_s: float | None,
    *,
    is_late: bool = False,
    is_disturbed: bool = False,
    sent_event: int = 0,
    answer_event: int | None = None,
) -> Exchange:
    """Return a CALL and how it was answered."""
    return Exchange(
        action=action,
        message_id="1",
        budget="authorize" if action == "Authorize" else "ocpp_response_timeout",
        outcome=ExchangeOutcome.UNANSWERED if duration_s is None else ExchangeOutcome.RESULT,
        duration_s=duration_s,
        is_late=is_late,
        is_disturbed=is_disturbed,
        sent_event=sent_event,
        answer_event=answer_event,
    )


def case(case_id: str = "TC_001_CSMS", **changes: object) -> CaseResult:
    """Return a case that passed, or what `changes` make of it."""
    values: dict[str, object] = {
        "case_id": case_id,
        "title": "Cold boot",
        "profile": Profile.CORE,
        "requirement": Requirement.MANDATORY,
        "position": Position(f"scenarios/core/{case_id}.yaml", 1),
        "verdict": Verdict.PASSED,
        "duration_s": 0.61,
        "settle_s": 0.5,
        "started_at": STARTED_AT,
        "reproduce": f"preflight run scenarios/core/{case_id}.yaml --sut suts/embedded.yaml",
    }
    return CaseResult(**(values | changes))  # type: ignore[arg-type]


def passed_case() -> CaseResult:
    """Return a passed case with a warning and a request of the CSMS nobody asked for."""
    events = (
        other(0.0, EventKind.OPENED, status=101, subprotocol="ocpp1.6", url="ws://h/PF0001"),
        frame(
            0.01,
            SENT,
            '[2,"a1","BootNotification",{"chargePointModel":"M","chargePointVendor":"V"}]',
        ),
        frame(
            0.022,
            RECEIVED,
            '[3,"a1",{"status":"Accepted","interval":300,"currentTime":"2026-01-31T12:00:00Z"}]',
        ),
        frame(0.03, RECEIVED, '[2,"c9","GetConfiguration",{}]'),
        frame(0.031, SENT, '[3,"c9",{"configurationKey":[],"unknownKey":[]}]'),
        other(0.54, EventKind.CLOSED, code=1000, reason="", by="charge_point"),
    )
    position = Position("scenarios/core/TC_001_CSMS.yaml", 9)
    return case(
        identity="PF0001",
        events=events,
        exchanges=(exchange("BootNotification", 0.012, sent_event=1, answer_event=2),),
        csms_calls=(CsmsCall("GetConfiguration", "c9", 0.001, 3, 4),),
        ping_round_trips_s=(0.0004,),
        steps=(
            StepResult("1", "connect", "connect", position, STARTED_AT, 0.01, "passed", (0,)),
            StepResult(
                "2", "send", "send BootNotification", position, STARTED_AT, 0.02, "passed", (1, 2)
            ),
        ),
        findings=(
            Finding(
                "wire.unasked-call",
                Severity.WARNING,
                "The CSMS sent GetConfiguration, which nobody asked for.",
                requirement="design 2.7",
                event=3,
            ),
        ),
    )


def failed_case() -> CaseResult:
    """Return a case whose Authorize was refused and whose StartTransaction was never answered."""
    events = (
        other(0.0, EventKind.OPENED, status=101, subprotocol="ocpp1.6", url="ws://h/PF0001"),
        frame(
            0.01,
            RECEIVED,
            '[2,"c1","RemoteStartTransaction",{"connectorId":1,"idTag":"VALID0001"}]',
        ),
        frame(0.012, SENT, '[3,"c1",{"status":"Accepted"}]'),
        frame(0.02, SENT, '[2,"a1","Authorize",{"idTag":"VALID0001"}]'),
        frame(0.45, RECEIVED, '[3,"a1",{"idTagInfo":{"status":"Invalid"}}]'),
        frame(
            2.1,
            SENT,
            '[2,"a2","StartTransaction",{"connectorId":1,"idTag":"VALID0001","meterStart":0,'
            '"timestamp":"2026-01-31T12:00:02.100Z"}]',
        ),
        other(4.0, EventKind.CLOSED, code=1006, reason="", by="lost"),
    )
    position = Position("scenarios/core/TC_010_CSMS.yaml", 34, 5)
    return case(
        "TC_010_CSMS",
        title="Remote start, cable plugged in first",
        requirement=Requirement.UNCONFIRMED,
        identity="PF0001",
        verdict=Verdict.FAILED,
        events=events,
        exchanges=(
            exchange("Authorize", 0.43, sent_event=3, answer_event=4),
            exchange("StartTransaction", None, sent_event=5),
        ),
        csms_calls=(CsmsCall("RemoteStartTransaction", "c1", 0.002, 1, 2),),
        driver_reports=(
            DriverReport(
                "1", "RemoteStartTransaction", "done", "200 OK: Accepted", STARTED_AT, 0.02
            ),
        ),
        steps=(
            StepResult(
                "1",
                "operator",
                "operator RemoteStartTransaction",
                position,
                STARTED_AT,
                0.01,
                "passed",
                (),
            ),
            StepResult(
                "2",
                "receive",
                "receive RemoteStartTransaction",
                position,
                STARTED_AT,
                0.01,
                "passed",
                (1, 2),
            ),
            StepResult("3", "send", "send Authorize", position, STARTED_AT, 0.43, "failed", (3, 4)),
            StepResult(
                "4", "send", "send StartTransaction", position, STARTED_AT, 2.0, "failed", (5,)
            ),
            StepResult("5", "send", "send StatusNotification", position, None, None, "not_run", ()),
        ),
        findings=(
            Finding(
                "rule.Authorize.conf",
                Severity.FAILURE,
                "Authorize was answered with another status.",
                requirement="TC_010_CSMS §3.4.1",
                expected='"Accepted"',
                actual='"Invalid"',
                step="3",
                position=position,
                event=4,
            ),
            Finding(
                "answer.missing",
                Severity.FAILURE,
                "StartTransaction was not answered before the connection ended.",
                requirement="OCPP-J 1.6 §4.1.1",
                step="4",
                position=position,
                event=5,
            ),
        ),
        sut_log="ERROR no such tag\n",
        duration_s=4.2,
    )


def inconclusive_case() -> CaseResult:
    """Return a case whose request never came, because the operator could not send it."""
    return case(
        "TC_013_CSMS",
        title="Hard reset",
        verdict=Verdict.INCONCLUSIVE,
        events=(other(0.0, EventKind.OPENED, status=101, subprotocol="ocpp1.6", url="ws://h"),),
        steps=(
            StepResult(
                "1",
                "receive",
                "receive Reset",
                Position("r.yaml", 5),
                STARTED_AT,
                30.0,
                "failed",
                (),
            ),
        ),
        findings=(
            Finding(
                "request.not-observed",
                Severity.INCONCLUSIVE,
                "Reset never came; the driver said: 409 offline",
                step="1",
                position=Position("r.yaml", 5),
            ),
        ),
    )


def run(*cases: CaseResult) -> RunResult:
    """Return a run of these cases, or of one case of each verdict."""
    return RunResult(
        started_at=STARTED_AT,
        duration_s=4.5,
        sut_name="Our CSMS",
        edition="2025-11",
        cases=cases
        or (
            passed_case(),
            failed_case(),
            inconclusive_case(),
            case(
                "TC_014_CSMS",
                verdict=Verdict.ERROR,
                findings=(Finding("harness.fault", Severity.ERROR, "unknown variable $x"),),
            ),
            case(
                "TC_021_CSMS",
                verdict=Verdict.NOT_APPLICABLE,
                reason="pics.profiles does not name Core",
                duration_s=0.0,
                settle_s=0.0,
                started_at=None,
            ),
            case("TC_023_CSMS", verdict=Verdict.NOT_RUN, reason="interrupted", started_at=None),
        ),
        findings=(Finding("run.leftovers", Severity.WARNING, "2 open transactions were stopped."),),
        settings={
            "strict": True,
            "milliseconds": True,
            "system_under_test": {
                "budgets": {
                    "ocpp_response_timeout": {"limit_s": 30, "target_s": 1},
                    "authorize": {"limit_s": 30, "target_s": 0.5},
                }
            },
        },
    )
