"""Operator steps under way: what the driver was asked, what it said, and how that fits the frames.

What a driver says is collected and compared, never judged.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final

from harness.awaited import Awaited
from harness.drivers.driver import Driver, DriverOutcome, Operation, Outcome
from harness.model import Json, OperatorStep
from harness.results import DriverReport, Finding, Severity
from harness.schemas import Kind, schema_of
from harness.wire import Wire, monotonic_s

_log = logging.getLogger(__name__)

WORDS: Final = {
    Outcome.DONE: "succeeded",
    Outcome.REFUSED: "was refused",
    Outcome.UNSUPPORTED: "cannot do it",
    Outcome.SKIPPED: "skipped it",
    Outcome.FAILED: "failed",
    Outcome.PENDING: "has not said anything yet",
}


@dataclass(slots=True)
class Command:
    """An operator step that began.

    Attributes:
        order: the payload that was asked for.
        began: the number of events before it.
    """

    step: OperatorStep
    order: Mapping[str, Json]
    started_at: datetime
    started_s: float
    began: int
    task: asyncio.Task[DriverOutcome]
    ended_s: float | None = None

    @property
    def outcome(self) -> DriverOutcome:
        """What the driver has said so far."""
        if not self.task.done() or self.task.cancelled():
            return DriverOutcome(Outcome.PENDING, "")
        error = self.task.exception()
        if error is not None:
            _log.error("driver failed on %s", self.step.action, exc_info=error)
            return DriverOutcome(Outcome.FAILED, f"{type(error).__name__}: {error}")
        return self.task.result()

    @property
    def is_refused(self) -> bool:
        """Whether nothing will come; an interface that broke says nothing about the CSMS."""
        return self.outcome.outcome in (Outcome.REFUSED, Outcome.UNSUPPORTED, Outcome.SKIPPED)

    @property
    def is_unasked(self) -> bool:
        """Whether the driver had no way to ask: nothing will come of it."""
        return self.outcome.outcome in (Outcome.UNSUPPORTED, Outcome.SKIPPED)

    @property
    def came_to_nothing(self) -> bool:
        """Whether the driver told that the order was not carried out."""
        return self.ended_s is not None and self.outcome.outcome is not Outcome.DONE

    def is_in(self, payload: Json) -> bool:
        """Say whether most of what was ordered is in a CALL: else it may be one of its own.

        Long values tell more than short ones: a key more than the 0 that it is set to.
        """
        ordered, came = dict(_values(dict(self.order))), dict(_values(payload))
        size = {path: len(str(value)) for path, value in ordered.items()}
        same = sum(size[path] for path, value in ordered.items() if came.get(path) == value)
        return not ordered or same > sum(size.values()) / 2

    def report(self) -> DriverReport:
        """Return what the report tells about it."""
        outcome = self.outcome
        return DriverReport(
            step=self.step.path,
            action=self.step.action,
            outcome=outcome.outcome.value,
            summary=outcome.summary,
            started_at=self.started_at,
            duration_s=None if self.ended_s is None else self.ended_s - self.started_s,
        )


class Commands:
    """The operator steps of one case, by path."""

    def __init__(self, driver: Driver, identity: str, wire: Wire) -> None:
        self._driver = driver
        self._identity = identity
        self._wire = wire
        self._commands: dict[str, Command] = {}

    def begin(self, step: OperatorStep, payload: Mapping[str, Json]) -> None:
        """Make the CSMS act, and go on."""
        task = asyncio.create_task(
            self._driver.command(self._identity, Operation(step.action), payload),
            name=f"{self._identity} {step.action}",
        )
        began = len(self._wire.events)
        command = Command(step, payload, datetime.now(UTC), monotonic_s(), began, task)
        self._commands[step.path] = command

        def ended(_: asyncio.Task[DriverOutcome]) -> None:
            command.ended_s = monotonic_s()
            self._wire.wake()

        task.add_done_callback(ended)

    @property
    def are_patient(self) -> bool:
        """Whether the deadlines of the run begin only when a command was carried out."""
        return self._driver.is_patient

    def of(self, step: OperatorStep | None) -> Command | None:
        """Return what an operator step began; None before it did."""
        return self._commands.get(step.path) if step is not None else None

    async def end(self) -> tuple[DriverReport, ...]:
        """Tell what every command came to; those still open are given up."""
        reports = tuple(command.report() for command in self._commands.values())
        tasks = [command.task for command in self._commands.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return reports

    def differences(self, awaited: Awaited) -> list[Finding]:
        """Compare what the driver said with what was seen: the frames are right, it is told."""
        found = []
        for path, operator in awaited.operator_of.items():
            arrival, command = awaited.arrived.get(path), self.of(operator)
            if arrival is None or command is None:
                continue
            message = self._difference(command, arrival.event)
            if message:
                message = f"{operator.action} was answered by the charge point; {message}."
                found.append(
                    Finding(
                        "driver.differs",
                        Severity.WARNING,
                        message,
                        step=operator.path,
                        position=operator.position,
                        event=arrival.event,
                    )
                )
        return found

    def _difference(self, command: Command, call: int) -> str:
        """Return how the driver's word differs from our answer to the CALL at index `call`."""
        outcome = command.outcome
        answers = self._wire.partners(call)
        result = self._wire.result_at(answers[0]) if answers else None
        if result is None or outcome.outcome is Outcome.PENDING:
            return ""
        if outcome.outcome is not Outcome.DONE:
            came_s, answered_s = (
                self._wire.events[index].monotonic_s for index in (call, answers[0])
            )
            if command.ended_s is not None and came_s < command.ended_s < answered_s:
                return ""  # it gave up while we let the CSMS wait
            return f"the driver {WORDS[outcome.outcome]}: {outcome.summary}"
        said = outcome.answer.get("status") if isinstance(outcome.answer, dict) else outcome.answer
        if isinstance(said, str) and "status" in result:
            statuses = _statuses(command.step.action)
            # What is no status of this action ("ok") is the interface's own word.
            if statuses.get(_plain(said), result["status"]) != result["status"]:
                return f"it was {result['status']!r}, but the driver was told {said!r}"
        return ""


def _values(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Yield the single values in a value, by where they are."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _values(item, f"{path}/{key}")
    else:
        yield path, value


@cache
def _statuses(action: str) -> dict[str, str]:
    """Return what a charge point may answer to a CALL, by plain name."""
    status = schema_of(action, Kind.RESULT).get("properties", {}).get("status", {})
    return {_plain(one): one for one in status.get("enum", ())}


def _plain(status: str) -> str:
    """Return a status without case and separators: interfaces write REBOOT_REQUIRED, too."""
    return re.sub(r"[\W_]", "", status).casefold()
