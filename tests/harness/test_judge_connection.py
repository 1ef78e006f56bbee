"""Handshake, end of the connection, pings."""

from __future__ import annotations

import pytest

from harness.results import Severity
from simulator.trace import EventKind
from tests.harness.wire_script import Wire, booted


@pytest.mark.parametrize("subprotocol", [None, "", "ocpp2.0.1", "OCPP1.6"])
def test_the_subprotocol_must_be_agreed(subprotocol: str | None) -> None:
    """A 101 without our subprotocol is a failure, though the connection works."""
    (found,) = Wire().opened(subprotocol).judge().findings

    assert (found.rule, found.severity, found.event) == (
        "handshake.subprotocol", Severity.FAILURE, 0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("by", "code", "finished", "rules"),
    [
        ("csms", 1000, True, []),
        ("csms", 1001, True, []),
        ("csms", 1011, True, ["close.abnormal"]),
        ("csms", None, True, ["close.abnormal"]),
        ("csms", 1000, False, ["close.during-case"]),
        ("csms", 1001, False, ["close.during-case"]),
        ("lost", 1006, True, ["close.lost"]),
        ("lost", None, False, ["close.lost"]),
        ("charge_point", 1000, False, []),
        ("charge_point", 1002, True, ["close.protocol-error"]),
        ("charge_point", 1007, False, ["close.protocol-error"]),
        ("charge_point", 1009, True, ["close.protocol-error"]),
        ("dropped", None, False, []),
        ("dropped", 1006, True, []),
    ],
)
def test_who_ends_the_connection_and_when(
    by: str, code: int | None, finished: bool, rules: list[str]
) -> None:
    """Only the CSMS's ends are judged: fine after the case and in order, wrong otherwise."""
    wire = booted()
    completed_s = 1000 + wire.now_s
    wire.closed(by, code)

    assert wire.rules(completed_s=completed_s if finished else completed_s + 5) == rules
    assert wire.rules(completed_s=completed_s if finished else None) == rules


def test_an_end_the_scenario_wanted_is_fine_whoever_came_first() -> None:
    """After a Reset the CSMS may close before the charge point does."""
    wire = booted().closed("csms", 1001, wanted=True)

    assert wire.rules(completed_s=None) == []


def refused(status: int | None) -> Wire:
    detail = {"status": status, "reason": "no", "url": "ws://x"}
    return Wire().add(EventKind.REFUSED, detail=detail)


def test_a_refusal_is_a_failure() -> None:
    """An HTTP answer other than 101 says that the CSMS does not want the charge point."""
    (found,) = refused(401).judge().findings

    assert (found.rule, found.severity) == ("handshake.refused", Severity.FAILURE)
    assert "HTTP 401; check its password under `identities`" in found.message


def test_who_was_never_there_cannot_be_judged() -> None:
    """Without an HTTP answer nothing was observed, unless the CSMS had been there before."""
    (never,) = refused(None).judge().findings
    wire = booted().closed("dropped", None)
    wire.add(EventKind.REFUSED, detail={"status": None, "reason": "connection refused"})
    (gone,) = wire.judge().findings

    assert (never.rule, never.severity) == ("handshake.unreachable", Severity.INCONCLUSIVE)
    assert (gone.rule, gone.severity) == ("handshake.unreachable", Severity.FAILURE)


def test_refusals_can_be_left_to_others() -> None:
    """A case about refusals reports them itself."""
    assert refused(401).rules(judged_handshakes={0}) == []


def pinged(payload: str = "1") -> Wire:
    return booted().add(EventKind.PING, detail={"payload": payload})


def test_a_ping_wants_its_pong() -> None:
    """The pong with the ping's payload counts, in time; others do not."""
    right = pinged().add(EventKind.PONG, detail={"payload": "1"})
    other = pinged().add(EventKind.PONG, detail={"payload": "2"})
    late = pinged().wait(11).add(EventKind.PONG, detail={"payload": "1"})

    assert right.rules(ended_after_s=60) == []
    assert other.rules(ended_after_s=60) == ["ping.unanswered"]
    assert late.rules() == ["ping.unanswered"]
    assert pinged().rules(ended_after_s=60) == ["ping.unanswered"]


def test_a_pong_that_had_no_time_to_come_is_not_missed() -> None:
    """When looking ended, or the connection did, before the time was up, nothing is said."""
    assert pinged().rules(ended_after_s=1) == []
    assert pinged().closed("charge_point").rules(ended_after_s=60) == []


def answered(wire: Wire) -> Wire:
    return wire.call("h", "Heartbeat").result("h", {"currentTime": "2026-01-31T12:00:00Z"})


def test_a_ping_passed_over_is_missed_soon() -> None:
    """Who answers what was said after the ping has read the ping; a moment is left for the pong."""
    late = answered(pinged()).add(EventKind.PONG, detail={"payload": "1"})

    assert answered(pinged()).rules(ended_after_s=0.5) == ["ping.unanswered"]
    assert answered(pinged()).rules(ended_after_s=0.3) == []
    assert answered(pinged()).closed("charge_point").rules(ended_after_s=5) == []
    assert late.rules(ended_after_s=0.5) == []


def test_an_answer_to_what_was_said_before_the_ping_proves_nothing() -> None:
    """The ping may still be on its way then."""
    wire = booted().call("h", "Heartbeat").add(EventKind.PING, detail={"payload": "1"})

    assert wire.result("h", {"currentTime": "2026-01-31T12:00:00Z"}).rules() == []


def test_a_pong_on_another_connection_is_none() -> None:
    """Pings belong to their connection."""
    wire = pinged().wait(12).closed("charge_point").next_connection()

    assert wire.add(EventKind.PONG, detail={"payload": "1"}).rules() == ["ping.unanswered"]
