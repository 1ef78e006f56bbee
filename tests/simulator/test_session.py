"""One CALL is open at a time, and every CALL ends exactly once (OCPP-J 1.6 §4.1.1)."""

from __future__ import annotations

from datetime import UTC, datetime

from simulator.clock import Moment
from simulator.frames import CallError, CallResult
from simulator.session import Outcome, Reply, Request, Session


def at(s: float) -> Moment:
    """Return a moment `s` seconds after nothing in particular."""
    return Moment(datetime(2026, 1, 1, tzinfo=UTC), s)


def request(message_id: str, timeout_s: float = 30.0) -> Request:
    """Return a request nobody waits for."""
    return Request("Heartbeat", {}, message_id, timeout_s, lambda reply, now: None)


def test_second_call_waits_for_the_first() -> None:
    """A CALL leaves only when none is open."""
    session, first, second = Session(), request("1"), request("2")
    session.submit(first)
    session.submit(second)

    assert session.next(at(0)) is first
    assert session.next(at(0)) is None
    assert session.receive(CallResult("1", {})) == Reply(first, Outcome.RESULT, CallResult("1", {}))
    assert session.next(at(0)) is second


def test_error_ends_a_call_too() -> None:
    """A CALLERROR is an end like any other."""
    session, only = Session(), request("1")
    session.submit(only)
    session.next(at(0))
    reply = session.receive(CallError("1", "InternalError"))

    assert reply is not None
    assert reply.outcome is Outcome.ERROR
    assert session.is_idle


def test_foreign_and_late_answers_belong_to_nothing() -> None:
    """An answer with another id, or one that came after the timeout, is not matched."""
    session, first, second = Session(), request("1", timeout_s=10), request("2")
    session.submit(first)
    session.submit(second)
    session.next(at(0))

    assert session.receive(CallResult("3", {})) is None
    assert session.expire(at(9.9)) is None
    assert session.expire(at(10)) == Reply(first, Outcome.TIMED_OUT)
    assert session.next(at(10)) is second
    assert session.receive(CallResult("1", {})) is None
    assert session.receive(CallResult("2", {})) is not None


def test_lost_connection_ends_everything() -> None:
    """Open and waiting CALLs end as disconnected; what never left says so."""
    session, first, second = Session(), request("1"), request("2")
    session.submit(first)
    session.submit(second)
    session.next(at(0))

    assert session.connection_lost() == [
        Reply(first, Outcome.DISCONNECTED, None, True),
        Reply(second, Outcome.DISCONNECTED, None, False),
    ]
    assert session.is_idle
    assert session.deadline_s is None


def test_waiting_call_can_be_withdrawn() -> None:
    """What has not left yet can be taken back; what has left cannot."""
    session, first, second = Session(), request("1"), request("2")
    session.submit(first)
    session.submit(second)
    session.next(at(0))

    assert session.withdraw(second)
    assert not session.withdraw(first)
    assert session.next(at(0)) is None


def test_urgent_call_goes_first() -> None:
    """A CALL may be put before all that wait."""
    session, first, second = Session(), request("1"), request("2")
    session.submit(first)
    session.submit(second, first=True)

    assert session.next(at(0)) is second
