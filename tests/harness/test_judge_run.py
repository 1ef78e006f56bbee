"""Numbers and ids handed out twice over a whole run."""

from __future__ import annotations

from harness.judge_run import judge_run
from harness.model import Position, Profile, Requirement
from harness.results import CaseResult, Severity, Verdict
from tests.harness.wire_script import Wire

START = {"connectorId": 1, "idTag": "CARD", "meterStart": 0, "timestamp": "2026-01-31T12:00:00Z"}


def case(case_id: str, wire: Wire) -> CaseResult:
    return CaseResult(
        case_id=case_id,
        title=case_id,
        profile=Profile.CORE,
        requirement=Requirement.MANDATORY,
        position=Position("x.yaml", 1),
        identity=wire.identity,
        verdict=Verdict.PASSED,
        events=tuple(wire.events),
    )


def started(wire: Wire, message_id: str, transaction_id: object, **changes: object) -> Wire:
    wire.call(message_id, "StartTransaction", {**START, **changes})
    return wire.result(
        message_id, {"transactionId": transaction_id, "idTagInfo": {"status": "Accepted"}}
    )


def rules(*cases: CaseResult) -> list[tuple[str, Severity]]:
    return [(one.rule, one.severity) for one in judge_run(cases)]


REUSED = ("run.transaction-id-reused", Severity.FAILURE)
SHARED = ("run.transaction-id-shared", Severity.WARNING)
REPEATED = ("run.message-id-reused", Severity.WARNING)


def test_numbers_of_their_own_are_fine() -> None:
    """Different transactions with different numbers give no finding."""
    wire = started(started(Wire().opened(), "1", 7), "2", 8, timestamp="2026-01-31T13:00:00Z")

    assert rules(case("A", wire), case("B", started(Wire("PF2").opened(), "1", 9))) == []


def test_two_transactions_of_a_station_with_one_number_fail() -> None:
    """Within a case or across cases, one station never gets a number twice."""
    wire = started(started(Wire().opened(), "1", 7), "2", 7, timestamp="2026-01-31T13:00:00Z")
    later = started(Wire().opened(), "1", 7, meterStart=5)

    assert rules(case("A", wire)) == [REUSED]
    assert rules(case("A", started(Wire().opened(), "1", 7)), case("B", later)) == [REUSED]


def test_a_repeated_start_gets_its_number_again() -> None:
    """A retry has the same content, be it under a new id or with another case of letters."""
    wire = started(started(Wire().opened(), "1", 7), "2", 7, idTag="card")

    assert rules(case("A", wire)) == []


def test_two_stations_with_one_number_warn() -> None:
    """Numbers should be unique over all stations, since StopTransaction names no connector."""
    first, second = started(Wire("PF1").opened(), "1", 7), started(Wire("PF2").opened(), "1", 7)

    assert rules(case("A", first), case("B", second)) == [SHARED]


def test_numbers_that_are_none_are_left_to_the_schema() -> None:
    """A text, a fraction or an error answer is no number handed out."""
    wire = started(started(Wire().opened(), "1", "7"), "2", "7", meterStart=1)
    wire.call("3", "StartTransaction", START).error("3", "InternalError")

    assert rules(case("A", wire)) == []


def test_ids_repeated_over_connections_warn_once() -> None:
    """One identity's connections share their ids; the same request again is a retry."""
    wire = Wire().opened().csms_call("1", "ClearCache").next_connection()
    retried = Wire().opened().csms_call("1", "ClearCache").next_connection()
    wire.csms_call("1", "Reset", {"type": "Soft"}).next_connection()
    wire.csms_call("1", "UnlockConnector", {"connectorId": 1})

    assert rules(case("A", wire)) == [REPEATED]
    assert rules(case("A", retried.csms_call("1", "ClearCache"))) == []


def test_ids_of_two_stations_have_nothing_to_do_with_each_other() -> None:
    """Message ids belong to an identity."""
    first = Wire("PF1").opened().csms_call("1", "ClearCache")
    second = Wire("PF2").opened().csms_call("1", "Reset", {"type": "Hard"})

    assert rules(case("A", first), case("B", second)) == []
