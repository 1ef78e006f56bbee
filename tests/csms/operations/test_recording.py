"""A command is written down before it leaves, and settled whatever happens."""

import asyncio

import pytest

from csms.ocppj.commands import CommandNotAllowed, Problem
from csms.ocppj.outcomes import (
    CommandOutcome,
    Disconnected,
    Malformed,
    Offline,
    QueueFull,
    Refused,
    TimedOut,
)
from csms.operations.recording import send_recorded
from tests.csms.operations.rig import ACCEPTED


class Book:
    """Notes what was withdrawn and settled."""

    def __init__(self, outcome: CommandOutcome | BaseException) -> None:
        self.outcome = outcome
        self.entries: list[object] = []

    async def send(self) -> CommandOutcome:
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome

    async def withdraw(self) -> None:
        self.entries.append("withdrawn")

    async def settle(self, outcome: CommandOutcome | None) -> None:
        self.entries.append(outcome)


@pytest.mark.parametrize(
    "outcome",
    [ACCEPTED, Refused("NotSupported", "", {}), Malformed("?"), TimedOut(1.0), Disconnected()],
)
async def test_what_was_sent_is_settled_with_its_outcome(outcome: CommandOutcome) -> None:
    """Whatever it is, and it is returned as it came."""
    book = Book(outcome)

    assert await send_recorded(book.send, withdraw=book.withdraw, settle=book.settle) == outcome
    assert book.entries == [outcome]


@pytest.mark.parametrize("outcome", [Offline(), QueueFull()])
async def test_what_was_not_sent_is_withdrawn(outcome: CommandOutcome) -> None:
    """Nobody was asked for anything."""
    book = Book(outcome)

    await send_recorded(book.send, withdraw=book.withdraw, settle=book.settle)

    assert book.entries == ["withdrawn"]


async def test_forbidden_command_is_withdrawn() -> None:
    """It never left."""
    book = Book(CommandNotAllowed((Problem("", "not now"),)))

    with pytest.raises(CommandNotAllowed):
        await send_recorded(book.send, withdraw=book.withdraw, settle=book.settle)

    assert book.entries == ["withdrawn"]


@pytest.mark.parametrize("error", [asyncio.CancelledError(), RuntimeError("a defect")])
async def test_command_that_breaks_off_has_no_outcome(error: BaseException) -> None:
    """It may have been sent; its end is not known."""
    book = Book(error)

    with pytest.raises(type(error)):
        await send_recorded(book.send, withdraw=book.withdraw, settle=book.settle)

    assert book.entries == [None]
