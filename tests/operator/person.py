"""A scripted person: reads what the desk asks, and presses buttons in our CSMS's HTTP API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from harness.operator.desk import Desk, View
from harness.operator.table import Act, Phase


@dataclass(frozen=True, slots=True)
class Press:
    """A button, right or wrong: the asked-for request, or the changes to it."""

    action: str = ""  # empty: the one asked for
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Say:
    """A word to the desk."""

    act: Act
    reason: str = ""


RIGHT = Press()


class Person:
    """Does in each case what its script says, and then the right thing.

    Attributes:
        explained: what the desk said about wrong presses, by case.
        headlines: what was asked, by case.
    """

    def __init__(
        self,
        desk: Desk,
        api: httpx.AsyncClient,
        script: Mapping[str, Sequence[Press | Say]],
    ) -> None:
        self.explained: dict[str, list[str]] = {}
        self.headlines: dict[str, list[str]] = {}
        self._desk = desk
        self._api = api
        self._script = {case: list(steps) for case, steps in script.items()}
        self._views: asyncio.Queue[View] = asyncio.Queue()
        self._presses: set[asyncio.Task[None]] = set()

    async def work(self) -> None:
        """Go on until the run is over, or this is cancelled."""
        self._desk.subscribe(self._views.put_nowait)
        asked: tuple[Phase, object, str] | None = None
        while True:
            view = await self._views.get()
            now = (view.phase, id(view.instruction), view.explanation)
            if view.phase is Phase.ENDED:
                return
            if view.phase is Phase.PREPARE and now != asked:
                await self._say(Act.READY, "")
            elif view.phase in (Phase.ASKED, Phase.WRONG) and now != asked:
                await self._act(view)
            asked = now

    async def _act(self, view: View) -> None:
        assert view.instruction is not None
        if view.phase is Phase.WRONG:
            self.explained.setdefault(view.case_id, []).append(view.explanation)
        else:
            self.headlines.setdefault(view.case_id, []).append(view.instruction.headline)
        steps = self._script.get(view.case_id)
        do = steps.pop(0) if steps else RIGHT
        if isinstance(do, Say):
            await self._say(do.act, do.reason)
            return
        action = do.action or str(view.instruction.operation)
        payload = {} if do.action else dict(view.instruction.payload)
        task = asyncio.create_task(self._press(view.identity, action, {**payload, **do.changes}))
        self._presses.add(task)
        task.add_done_callback(self._presses.discard)

    async def _press(self, identity: str, action: str, payload: dict[str, Any]) -> None:
        await self._api.post(f"/api/v1/charge-points/{identity}/commands/{action}", json=payload)

    async def _say(self, act: Act, reason: str) -> None:
        said = await asyncio.to_thread(self._desk.say, act, reason)
        assert not said, said
