"""A CSMS's commands without a wire: scripted charge points, and looks at the database meanwhile."""

import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection

from csms.ocppj import command_rules
from csms.ocppj.commands import Commands, InvalidCommand
from csms.ocppj.outcomes import Answered, CommandOutcome
from csms.operations.commanding import Commanding, Effect
from csms.operations.recording import settle_interrupted
from csms.storage.store import Store

T = TypeVar("T")

AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
ACCEPTED = Answered({"status": "Accepted"})


class Clock:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.now_at = AT

    def __call__(self) -> datetime:
        return self.now_at

    def move(self, by: timedelta) -> None:
        """Let time pass."""
        self.now_at += by


class ScriptedCommands:
    """Stands for the wire: answers as scripted, and lets a test look while a command is under way.

    An exception among the outcomes is raised, as a cancelled or a forbidden command is.
    """

    def __init__(self) -> None:
        self.outcomes: list[CommandOutcome | BaseException] = []
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def send(
        self, identity: str, action: str, payload: dict[str, Any], *, timeout_s: float | None
    ) -> CommandOutcome:
        problems = command_rules.problems(action, payload)
        if problems:
            raise InvalidCommand(problems)
        self.sent.append((action, payload))
        if self.meanwhile is not None:
            await self.meanwhile()
        outcome = self.outcomes.pop(0) if self.outcomes else ACCEPTED
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


class Rig:
    """Commands with effects over a real database."""

    def __init__(self, store: Store, url: str) -> None:
        self.store = store
        self.now = Clock()
        self.wire = ScriptedCommands()
        self.effects: dict[str, Effect] = {}
        self._url = url
        self._copies = 0

    @property
    def commanding(self) -> Commanding:
        """Sends commands with the rig's effects."""
        return Commanding(cast(Commands, self.wire), self.effects)

    async def send(self, action: str, payload: dict[str, Any]) -> CommandOutcome:
        """Send a raw command to CP1."""
        return await self.commanding.send("CP1", action, payload)

    async def after_kill(self, look: Callable[[Connection], T]) -> T:
        """Return what a CSMS would see that starts from the database as it is now."""
        path = Path(self._url.removeprefix("sqlite:///"))
        self._copies += 1
        copy = path.with_name(f"copy-{self._copies}.sqlite3")
        with sqlite3.connect(path) as source, sqlite3.connect(copy) as target:
            source.backup(target)
        source.close()
        target.close()
        store = Store.open(f"sqlite:///{copy}")
        try:
            await settle_interrupted(store, at=self.now())
            return await store.read(look)
        finally:
            await store.close()
