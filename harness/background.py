"""Runs the engine on a thread of its own, so that pytest's main thread can wait item by item."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future

from harness.activity import Activity
from harness.case_results import broken
from harness.engine import Engine, RunOptions, new_event_loop
from harness.model import Scenario
from harness.results import CaseResult, RunResult
from harness.sut import SystemUnderTest


class Background:
    """One engine, one event loop, one thread. Used from the main thread."""

    def __init__(
        self,
        sut: SystemUnderTest,
        options: RunOptions,
        *,
        on_result: Callable[[CaseResult], None],
    ) -> None:
        """Prepare a run; `on_result` is called on the loop's thread as each case ends."""
        self._sut = sut
        self._options = options
        self._on_result = on_result
        self._ready: Future[Engine] = Future()
        self._finished: Future[RunResult] = Future()
        self._loop = new_event_loop()
        self._main: asyncio.Task[object] | None = None
        self._close = asyncio.Event()
        self._cases: set[asyncio.Task[object]] = set()
        self._thread = threading.Thread(target=self._run, name="preflight", daemon=True)

    def start(self) -> Engine:
        """Start the system under test and wait until it is ready.

        Raises:
            EngineError: it cannot be started, reached or provisioned.
        """
        self._thread.start()
        return self._ready.result()

    def submit(self, scenario: Scenario) -> Future[CaseResult]:
        """Start one case; how many run at a time is the engine's business."""
        return asyncio.run_coroutine_threadsafe(self._run_case(scenario), self._loop)

    def activities(self) -> tuple[Activity, ...]:
        """Return what each running case waits for; nothing before the first one."""
        if not self._ready.done() or self._ready.cancelled() or self._ready.exception():
            return ()
        return self._ready.result().activities()

    def finish(self, *, stop: str = "") -> RunResult | None:
        """End the run and return what it found; None when it never began.

        Args:
            stop: why cases that still run or wait are given up; empty lets them end.
        """
        if self._thread.ident is None:
            return None
        with contextlib.suppress(RuntimeError):  # the loop ended before us
            self._loop.call_soon_threadsafe(self._end, stop)
        self._thread.join()
        if self._finished.cancelled() or self._finished.exception() is not None:
            return None
        return self._finished.result()

    # --- on the loop's thread ------------------------------------------------------------------

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                self._finished.set_result(runner.run(self._serve()))
            except BaseException as exc:
                for waiting in (self._ready, self._finished):
                    if not waiting.done():
                        waiting.set_exception(exc)

    async def _serve(self) -> RunResult:
        self._main = asyncio.current_task()
        async with Engine(self._sut, self._options) as engine:
            self._ready.set_result(engine)
            await self._close.wait()
            await asyncio.gather(*self._cases)
        return engine.result()

    async def _run_case(self, scenario: Scenario) -> CaseResult:
        if (task := asyncio.current_task()) is not None:
            self._cases.add(task)
        try:
            result = await self._ready.result().run_case(scenario)
        except Exception as exc:
            message = f"the harness failed: {type(exc).__name__}: {exc}"
            result = broken(scenario, "harness.fault", message)
        self._on_result(result)
        return result

    def _end(self, stop: str) -> None:
        if not self._ready.done():
            if self._main is not None:
                self._main.cancel()
            return
        if stop:
            self._ready.result().stop(stop)
        self._close.set()
