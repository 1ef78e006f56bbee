"""An engine that judges nothing: a scenario's title says what becomes of it.

``passed``, ``failed``, ``inconclusive``, ``error``, ``not_applicable`` and ``warned`` come back at
once, ``crash`` breaks the engine, ``hang`` ends only when the run is stopped, ``interrupt`` and
``terminate`` do so too and send the process the signal of Ctrl-C or of a cancelled CI job.
"""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime

from harness.activity import Activity
from harness.engine import EngineError, RunOptions
from harness.masking import Masker
from harness.model import Scenario
from harness.results import CaseResult, Finding, RunResult, Severity, StepResult, Verdict
from harness.sut import SystemUnderTest
from simulator.trace import Direction, Event, EventKind

_SIGNALS = {"interrupt": signal.SIGINT, "terminate": signal.SIGTERM}
_SEVERITY_OF = {
    "failed": Severity.FAILURE,
    "inconclusive": Severity.INCONCLUSIVE,
    "error": Severity.ERROR,
    "warned": Severity.WARNING,
}


class FakeEngine:
    """Behaves to the plugin as `harness.engine.Engine` does, without any network."""

    def __init__(self, sut: SystemUnderTest, options: RunOptions) -> None:
        self.edition = options.edition or sut.edition
        self.masker = Masker()
        self.stopped = ""
        self._sut = sut
        self._options = options
        self._slots = asyncio.Semaphore(options.concurrency)
        self._stop = asyncio.Event()
        self._started_at = datetime.now(UTC)
        self._cases: list[CaseResult] = []

    async def __aenter__(self) -> FakeEngine:
        if self._sut.name == "broken":
            raise EngineError("cannot reach ws://127.0.0.1:1/ocpp: is the CSMS started?")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None

    def stop(self, reason: str) -> None:
        """Give up what still runs."""
        self.stopped = self.stopped or reason
        self._stop.set()

    def activities(self) -> tuple[Activity, ...]:
        """Return nothing: no case waits for long."""
        return ()

    async def run_case(self, scenario: Scenario) -> CaseResult:
        """Return what the title asks for."""
        async with self._slots:
            wish = scenario.title.split()[0]
            if wish == "crash":
                raise RuntimeError("the engine broke")
            if wish in _SIGNALS:
                os.kill(os.getpid(), _SIGNALS[wish])
            if wish == "hang" or wish in _SIGNALS:
                await self._stop.wait()
            result = self._result(scenario, wish)
            self._cases.append(result)
            return result

    def _result(self, scenario: Scenario, wish: str) -> CaseResult:
        verdict = Verdict.PASSED if wish == "warned" else Verdict.NOT_RUN
        if wish in list(Verdict):
            verdict = Verdict(wish)
        if self._stop.is_set():
            verdict = Verdict.NOT_RUN
        findings: tuple[Finding, ...] = ()
        if wish in _SEVERITY_OF and verdict is not Verdict.NOT_RUN:
            message = f"made up for {scenario.id}"
            findings = (Finding(f"made.{wish}", _SEVERITY_OF[wish], message, event=0),)
        at = datetime(2026, 1, 31, 12, tzinfo=UTC)
        text = '[2,"1","Heartbeat",{}]'
        event = Event(EventKind.FRAME, "PF0001", 1, at, 1.0, Direction.SENT, text)
        position = scenario.position
        step = StepResult("1", "send", "send Heartbeat", position, at, 0.5, "passed", (0,))
        return CaseResult(
            case_id=scenario.id,
            title=scenario.title,
            profile=scenario.profile,
            requirement=scenario.requirement,
            case_set=scenario.case_set,
            position=position,
            identity=f"PF{self._options.worker:04}",
            verdict=verdict,
            reason={Verdict.NOT_APPLICABLE: "pics names no such feature"}.get(
                verdict, self.stopped
            ),
            findings=findings,
            steps=(step,),
            events=(event,),
            started_at=at,
            duration_s=7.5,
            reproduce=f"preflight run {position.file} --sut {self._sut.path}",
        )

    def result(self) -> RunResult:
        """Return the run."""
        return RunResult(
            started_at=self._started_at,
            duration_s=1.0,
            sut_name=self._sut.name,
            edition=self.edition,
            cases=tuple(self._cases),
            settings={"strict": self._options.strict, "concurrency": self._options.concurrency},
            stopped=self.stopped,
        )
