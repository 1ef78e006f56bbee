"""What a case sees of its wire: events in order, waited for without polling."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from harness.wire import Wire, monotonic_s
from simulator.trace import Direction, Event, EventKind


def event(
    kind: EventKind, direction: Direction | None = None, *parts: object, text: str = ""
) -> Event:
    return Event(
        kind, "CP1", 1, datetime.now(UTC), monotonic_s(), direction, text or json.dumps(parts)
    )


def sent(*parts: object) -> Event:
    return event(EventKind.FRAME, Direction.SENT, *parts)


def received(*parts: object) -> Event:
    return event(EventKind.FRAME, Direction.RECEIVED, *parts)


def wire_of(*events: Event) -> Wire:
    wire = Wire()
    for one in events:
        wire.record(one)
    return wire


def test_events_know_their_place() -> None:
    """Equal events are told apart; what was never recorded has no place."""
    first, second = event(EventKind.PING), event(EventKind.PING)
    wire = wire_of(first, second)

    assert (wire.index_of(first), wire.index_of(second)) == (0, 1)
    assert wire.index_of(event(EventKind.PING)) is None
    assert wire.index_of(None) is None


def test_connection_is_open_between_its_events() -> None:
    """Opened, closed, refused: only the first leaves it open."""
    wire = wire_of(event(EventKind.OPENED))
    assert wire.is_open

    wire.record(event(EventKind.CLOSED))
    wire.record(event(EventKind.REFUSED))
    assert not wire.is_open


def test_answers_are_found_by_id_and_side() -> None:
    """Only the other side's answer with the same id counts, results and errors alike."""
    wire = wire_of(
        sent(2, "a", "Heartbeat", {}),
        received(2, "a", "Reset", {"type": "Soft"}),
        sent(3, "a", {"status": "Accepted"}),
        event(EventKind.FRAME, Direction.RECEIVED, text="no frame"),
        received(3, "b", {}),
        received(4, "a", "InternalError", "", {}),
        received(3, "a", {}),
    )

    assert wire.answer_to("a", since=0) == 5
    assert wire.partners(0) == [5, 6]
    assert wire.partners(1) == [2]
    assert wire.partners(2) == []
    assert wire.result_at(2) == {"status": "Accepted"}
    assert wire.result_at(5) is wire.result_at(None) is None
    assert [(index, call.action) for index, call in wire.calls_sent(since=0)] == [(0, "Heartbeat")]
    assert wire.calls_sent(since=1) == []


def test_silence_is_no_answer() -> None:
    """Only what the CSMS itself sent shows that it takes part."""
    wire = wire_of(event(EventKind.OPENED), sent(2, "a", "Heartbeat", {}))
    assert not wire.has_answers

    wire.record(received(2, "x", "Reset", {}))
    assert wire.has_answers


async def test_waiting_ends_with_the_event() -> None:
    """Who waits is woken by what happens, every time anew, and by `wake`."""
    wire = wire_of()
    flag: list[int] = []
    waiting = asyncio.create_task(wire.until(lambda: len(wire.events) == 2, deadline_s=None))
    other = asyncio.create_task(wire.until(lambda: bool(flag), deadline_s=None))
    for _ in range(2):
        await asyncio.sleep(0)
        wire.record(event(EventKind.PING))
    assert await waiting

    assert not other.done()
    flag.append(1)
    wire.wake()
    assert await other


async def test_waiting_ends_at_the_deadline() -> None:
    """What does not come in time did not come; what holds already needs no waiting."""
    wire = wire_of()

    assert not await wire.until(lambda: False, deadline_s=monotonic_s() + 0.01)
    assert await wire.until(lambda: True, deadline_s=monotonic_s() - 1)


async def test_change_is_told_after_frames_only() -> None:
    """The journal is asked to look when a frame may have changed what is open."""
    told: list[int] = []
    wire = Wire(lambda ledger: told.append(len(ledger.open)))
    wire.record(event(EventKind.OPENED))
    wire.record(sent(2, "a", "StartTransaction", {"connectorId": 1, "idTag": "A"}))
    wire.record(received(3, "a", {"transactionId": 5}))

    assert told == [0, 1]


@pytest.mark.parametrize("since", [0, 2])
def test_last_event_of_a_kind(since: int) -> None:
    """The last one counts, if it is not older than asked for."""
    wire = wire_of(event(EventKind.OPENED), event(EventKind.CLOSED), event(EventKind.PING))

    assert wire.last(EventKind.CLOSED, since=since) == (1 if since == 0 else None)


def test_a_connection_that_another_took_the_place_of_may_end() -> None:
    """The end of an old connection is not that of the newest."""
    wire = wire_of(event(EventKind.OPENED), replace(event(EventKind.OPENED), connection=2))

    wire.record(event(EventKind.CLOSED))
    assert (wire.is_open, wire.connection) == (True, 2)

    wire.record(replace(event(EventKind.CLOSED), connection=2))
    assert not wire.is_open
