"""How what the CSMS asks is answered: as its step says, or as a charge point would on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from harness.awaited import Arrival
from harness.connections import Connections
from harness.evidence import Evidence
from harness.model import (
    ErrorAnswer,
    LaterAnswer,
    ModelAnswer,
    NoAnswer,
    Receive,
    Respond,
    ResultAnswer,
)


class Answering:
    """Who answered what, in one case: each CALL is answered once, and none is forgotten."""

    def __init__(self, evidence: Evidence, connections: Connections) -> None:
        """Prepare; `connections` has the charge point that answers."""
        self._evidence = evidence
        self._wire = evidence.wire
        self._connections = connections
        self._answered: set[int] = set()
        self._later: list[Arrival] = []  # a `respond` step is to answer them

    def leave(self, event: int) -> None:
        """Take note that somebody else answers the CALL of an event."""
        self._answered.add(event)

    async def answer(self, step: Receive, arrival: Arrival) -> None:
        """Answer a CALL as its step says, unless it is answered."""
        if arrival.event not in self._answered:
            await self._answer(step, arrival)

    async def respond(self, step: Respond) -> None:
        """Answer what an earlier step left to this one."""
        waiting = [one for one in self._later if one.call.action == step.action]
        if not waiting:
            return  # an optional request, which did not come
        self._later.remove(waiting[0])
        await self._answer(step, waiting[0])

    async def answer_rest(self, arrivals: Iterable[Arrival]) -> None:
        """Answer what is not answered yet: the CSMS waits for it, whether its step was reached."""
        for arrival in tuple(arrivals):
            if arrival.event not in self._answered and self._can_answer(arrival):
                self._answered.add(arrival.event)
                await self._connections.station.answer_as_model(arrival.call)

    async def _answer(self, step: Receive | Respond, arrival: Arrival) -> None:
        if not self._can_answer(arrival):
            return
        scope = self._evidence.scope(step)
        match step.answer:
            case ModelAnswer():
                self._answered.add(arrival.event)
                await self._connections.station.answer_as_model(arrival.call)
            case ResultAnswer(delay_s=delay_s):
                payload = self._evidence.resolve_object(step.answer.payload, scope)
                self._answered.add(arrival.event)
                await asyncio.sleep(delay_s)
                await self._connections.station.answer(arrival.call, payload)
            case ErrorAnswer(code=code, description=description, delay_s=delay_s):
                details = self._evidence.resolve_object(step.answer.details, scope)
                self._answered.add(arrival.event)
                await asyncio.sleep(delay_s)
                await self._connections.station.answer_error(
                    arrival.call, code, description, details
                )
            case NoAnswer():
                self._answered.add(arrival.event)
            case LaterAnswer():
                self._later.append(arrival)

    def _can_answer(self, arrival: Arrival) -> bool:
        """Say whether the connection a CALL came on is still there: an answer belongs to it."""
        connection = self._wire.events[arrival.event].connection
        return self._wire.is_open and connection == self._wire.connection
