"""Runs one scenario on one simulated charge point and hands over what came of it.

The steps come first, then a time in which the connection stays open to see that nothing more
comes, then the clean-up. Everything but the steps' own patterns is judged from the recorded frames
afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from harness.access import Access
from harness.attendant import Attendant
from harness.cleanup import clean_up
from harness.connections import Connections, Shown, StepFailed
from harness.drivers.driver import Credentials, Driver
from harness.evidence import DEFAULT_BUDGET, Evidence, Observation, Settings
from harness.model import Json, Scenario, Step
from harness.results import CaseResult, Finding, Severity
from harness.steps import FINISHING_S, Steps
from harness.wire import Wire, monotonic_s
from simulator.client import Call, Station
from simulator.trace import Event

# An interrupted run must be gone within two seconds.
_INTERRUPTED_CLEANUP_S: Final = 0.9
_INTERRUPTED_CLOSE_S: Final = 0.6
# A Central System that took part in the case answers its clean-up sooner, or not at all.
_LONGEST_CLEANUP_ANSWER_S: Final = 10.0


class Runner:
    """One run of one scenario."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        access: Access,
        credentials: Credentials,
        other_name: str,
        trust_anchors: str | None,
        make_station: Callable[[Callable[[Event], None], Callable[[Call], bool]], Station],
        wire: Wire,
        driver: Driver,
        settings: Settings,
        variables: Mapping[str, Json],
        id_tags: Mapping[str, str],
        lag_s: Callable[[float, float], float],
        attendant: Attendant | None = None,
    ) -> None:
        """Prepare a run; nothing happens yet.

        Args:
            access: how charge points get at the system.
            credentials: the leased identity.
            other_name: common name of the certificates of another one.
            trust_anchors: PEM of whom it trusts; None: this machine's own.
            make_station: makes the charge point from what records its events and takes its CALLs.
            variables: standard variables and those of the system-under-test file.
            id_tags: the leased tags by role, for words about cards that seem unknown.
            lag_s: longest lag of our loop between two monotonic moments.
            attendant: the person who acts, where one does.
        """
        self._attendant = attendant
        self._scenario = scenario
        self._settings = settings
        self._lag_s = lag_s
        self._wire = wire
        self._evidence = Evidence(scenario, wire, settings, variables=variables, id_tags=id_tags)
        self._credentials = credentials
        self._steps = Steps(
            self._evidence,
            driver,
            lambda on_call: Connections(
                self._evidence,
                access,
                credentials,
                make_station,
                on_call,
                other_name=other_name,
                trust_anchors=trust_anchors,
            ),
        )
        self._walking: asyncio.Task[None] | None = None
        self._cleaning: asyncio.Task[list[Finding]] | None = None
        self._interrupted = ""

    @property
    def scenario(self) -> Scenario:
        """The case."""
        return self._scenario

    def so_far(self) -> CaseResult:
        """Return what the case has shown until now."""
        return self._evidence.so_far(identity=self._credentials.identity)

    @property
    def secrets(self) -> list[str]:
        """Passwords that came up in the case."""
        return self._evidence.secrets

    @property
    def shown(self) -> Shown:
        """What the charge point proved itself with in the last connection that was accepted."""
        return self._steps.connections.shown

    @property
    def current(self) -> tuple[Step, float] | None:
        """The step that runs, and since when (monotonic); None before and after all steps."""
        return self._steps.current

    def interrupt(self, reason: str) -> None:
        """End the case soon: no more steps, no settling, a short clean-up."""
        self._interrupted = self._interrupted or reason
        self._wire.wake()
        if self._walking is not None:
            self._walking.cancel()
        if self._cleaning is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(_INTERRUPTED_CLEANUP_S, self._cleaning.cancel)

    async def run(self, on_settling: Callable[[], None]) -> CaseResult:
        """Run the case to its end.

        Args:
            on_settling: called when the last step is done: others may use the slot.
        """
        started_at, started_s = datetime.now(UTC), monotonic_s()
        if self._attendant is not None:
            self._steps.attendance = self._attendant.attend(self._credentials.identity, self)
        try:
            if not self._interrupted:
                await self._walk_until_interrupted()
            on_settling()
            settle_s = 0.0 if self._interrupted else await self._settle()
            observation = Observation(
                started_at=started_at,
                started_s=started_s,
                settle_s=settle_s,
                ended_s=monotonic_s(),
                observed=len(self._wire.events),
                cut_short=self._interrupted,
            )
            warnings = await self._clean_up()
        finally:
            reports = await self._steps.commands.end()
            await self._shut_down()
        awaited, attendance = self._steps.awaited, self._steps.attendance
        asked_for = {one.event for one in awaited.arrived.values()}
        return self._evidence.result(
            observation,
            identity=self._credentials.identity,
            # What came while it was awaited was asked for, whether its step was reached or not.
            expected_calls=asked_for | set(attendance.mispresses if attendance else ()),
            lag_s=self._lag_s,
            warnings=[*self._steps.commands.differences(awaited), *warnings],
            reports=reports,
            answers=attendance.end() if attendance else (),
        )

    async def _walk_until_interrupted(self) -> None:
        self._walking = asyncio.create_task(self._walk(), name=f"{self._scenario.id} steps")
        try:
            await asyncio.wait([self._walking])
        finally:
            if not self._walking.done():
                # The whole run is cancelled: the steps end first, then the clean-up follows.
                self._walking.cancel()
                await asyncio.wait([self._walking])
        if not self._walking.cancelled():
            self._walking.result()

    async def _walk(self) -> None:
        try:
            for step in self._evidence.steps:
                await self._steps.run(step)
        except StepFailed:
            return
        finally:
            await self._steps.end(is_interrupted=bool(self._interrupted))
        self._evidence.completed_s = monotonic_s()

    async def _settle(self) -> float:
        """Keep the connection open to see that nothing more comes; return how long."""
        began_s = monotonic_s()
        await self._wire.until(
            lambda: not self._wire.is_open or bool(self._interrupted),
            deadline_s=began_s + self._settings.settle_s,
        )
        # Who gives up on the operator's interface may leave it busy when the next case begins.
        await self._wire.until(
            lambda: not self._steps.is_operator_busy or bool(self._interrupted),
            deadline_s=began_s + FINISHING_S,
        )
        return monotonic_s() - began_s

    async def _clean_up(self) -> list[Finding]:
        limit_s = min(self._settings.limit_s(DEFAULT_BUDGET), _LONGEST_CLEANUP_ANSWER_S)
        time_s = _INTERRUPTED_CLEANUP_S if self._interrupted else 2 * limit_s
        self._cleaning = asyncio.create_task(
            clean_up(
                self._steps.station,
                self._wire,
                milliseconds=self._settings.milliseconds,
                answer_timeout_s=min(limit_s, time_s),
                time_s=time_s,
            ),
            name=f"{self._scenario.id} clean-up",
        )
        try:
            await asyncio.wait([self._cleaning])
        finally:
            self._cleaning.cancel()  # it outlives nobody who waits for it
        if self._cleaning.cancelled():
            message = f"The case was not cleaned up to its end: {self._interrupted}."
            return [Finding("cleanup.incomplete", Severity.WARNING, message)]
        return self._cleaning.result()

    async def _shut_down(self) -> None:
        connections = self._steps.connections
        await connections.end_pings()
        for station in (*connections.left_behind, connections.station):
            try:
                async with asyncio.timeout(_INTERRUPTED_CLOSE_S if self._interrupted else None):
                    await station.shut_down()
            except TimeoutError:
                station.drop()
                await station.shut_down()
