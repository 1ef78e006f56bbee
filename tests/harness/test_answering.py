"""Each CALL of the CSMS is answered once, on its own connection, and none is forgotten."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.answering import Answering
from harness.awaited import Arrival
from harness.model import (
    Answer,
    ErrorAnswer,
    Json,
    LaterAnswer,
    NoAnswer,
    Position,
    Receive,
    Respond,
    ResultAnswer,
)
from simulator.frames import Call

HERE = Position("test.yaml", 1)


class Station:
    """Notes what it is told to answer."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, object]] = []

    async def answer_as_model(self, call: Call) -> None:
        self.answers.append((call.message_id, "as the model"))

    async def answer(self, call: Call, payload: dict[str, Json]) -> None:
        self.answers.append((call.message_id, payload))

    async def answer_error(
        self, call: Call, code: str, description: str, details: dict[str, Json]
    ) -> None:
        self.answers.append((call.message_id, code))


class Case:
    """A case in which two CALLs came on the first connection."""

    def __init__(self) -> None:
        self.station = Station()
        events = [SimpleNamespace(connection=1), SimpleNamespace(connection=1)]
        self.wire = SimpleNamespace(events=events, is_open=True, connection=1)
        evidence: Any = SimpleNamespace(
            wire=self.wire, scope=lambda step: {}, resolve_object=lambda payload, scope: payload
        )
        connections: Any = SimpleNamespace(station=self.station)
        self.answering = Answering(evidence, connections)
        self.arrivals = [Arrival(Call(str(event), "Reset", {}), event) for event in (0, 1)]


def receive(answer: Answer) -> Receive:
    return Receive(position=HERE, action="Reset", answer=answer)


ACCEPTED = ResultAnswer({"status": "Accepted"})


@pytest.mark.parametrize(
    ("answer", "given"),
    [(ACCEPTED, {"status": "Accepted"}), (ErrorAnswer("NotSupported"), "NotSupported")],
)
async def test_a_call_is_answered_once_as_its_step_says(answer: Answer, given: object) -> None:
    """Asking again, or clearing up, changes nothing."""
    case = Case()
    for _ in range(2):
        await case.answering.answer(receive(answer), case.arrivals[0])
    await case.answering.answer_rest(case.arrivals[:1])

    assert case.station.answers == [("0", given)]


async def test_silence_on_purpose_is_kept() -> None:
    """Nothing answers later what a step left unanswered."""
    case = Case()
    await case.answering.answer(receive(NoAnswer()), case.arrivals[0])
    await case.answering.answer_rest(case.arrivals)

    assert case.station.answers == [("1", "as the model")]


async def test_a_later_step_answers_what_was_left_to_it() -> None:
    """The oldest first; without one the step passes."""
    case = Case()
    for arrival in case.arrivals:
        await case.answering.answer(receive(LaterAnswer()), arrival)
    for _ in range(3):
        await case.answering.respond(Respond(position=HERE, action="Reset", answer=ACCEPTED))

    assert [message_id for message_id, _ in case.station.answers] == ["0", "1"]


async def test_what_somebody_else_answers_is_left() -> None:
    """The model has answered it at once."""
    case = Case()
    case.answering.leave(0)
    await case.answering.answer_rest(case.arrivals)

    assert case.station.answers == [("1", "as the model")]


@pytest.mark.parametrize("change", [{"is_open": False}, {"connection": 2}])
async def test_no_answer_on_another_connection(change: dict[str, object]) -> None:
    """An answer belongs to the connection of its request."""
    case = Case()
    vars(case.wire).update(change)
    await case.answering.answer(receive(ACCEPTED), case.arrivals[0])
    await case.answering.answer_rest(case.arrivals)

    assert case.station.answers == []
