"""Runs many cases side by side against one system under test.

It starts the system, registers what the run needs, hands each case what it may use, stops when
going on makes no sense, and keeps what was found so far whatever happens.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, TypeVar
from urllib.parse import urlsplit

from harness import expressions
from harness.cleanup import stop_leftover
from harness.drivers.driver import Credentials, Driver, NoDriver, ProvisioningError
from harness.drivers.http import HttpDriver
from harness.evidence import DEFAULT_BUDGET, Settings, TagAnswer
from harness.judge_run import judge_run
from harness.lag import LagMonitor
from harness.leftovers import Journal, Ledger
from harness.masking import Masker
from harness.model import EDITIONS, Json, Scenario
from harness.pools import Lease, PoolError, Pools, roles_used, variable_of
from harness.process import StartError, SutProcess
from harness.results import CaseResult, Finding, RunResult, Severity, Verdict
from harness.runner import Runner
from harness.sut import SystemUnderTest
from harness.wire import Wire, monotonic_s
from simulator.charge_point import ChargePoint
from simulator.client import Call, Endpoint, Station
from simulator.errors import LocalProtocolError
from simulator.trace import Event, EventKind

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

_SILENT_CASES: Final = 5  # after so many cases without any answer the rest is not run
_REACH_TIMEOUT_S: Final = 5.0
_INTERRUPT_S: Final = 2.0
_DEATH_S: Final = 0.5  # how much later than its sockets a dying program is known to be dead
_LEFTOVER_ANSWER_S: Final = 5.0
# Where an answer in time may still come late by a turn of the loop, the driver must outlast it.
_DRIVER_EXTRA_S: Final = 5.0


class EngineError(Exception):
    """The run cannot begin; the message names cause and remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run is made, besides what the system-under-test file says.

    Attributes:
        run_dir: folder of the run; made where it is missing.
        edition: of the case list; None takes the file's.
        strict: what only warns otherwise (unasked CALL, missed target) fails.
        settle_s: how long a connection stays open after the last expected frame.
        concurrency: cases at a time.
        worker, workers: worker i of n uses its own share of identities and id tags.
        leftovers: the journal of open transactions; None keeps none.
    """

    run_dir: Path
    edition: str | None = None
    strict: bool = False
    settle_s: float = 0.5
    concurrency: int = 16
    action_timeout_s: float | None = None
    worker: int = 0
    workers: int = 1
    leftovers: Path | None = None


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop, uvloop's where it is available."""
    if sys.platform != "win32":
        with suppress(ImportError):
            import uvloop

            return uvloop.new_event_loop()
    return asyncio.new_event_loop()


class Engine:
    """Runs cases against one system under test; every method belongs to one event loop."""

    def __init__(self, sut: SystemUnderTest, options: RunOptions) -> None:
        """Prepare a run; nothing is started yet.

        Raises:
            EngineError: the options and the file do not fit together.
        """
        self.edition = options.edition or sut.edition
        self.stopped = ""
        self.masker = _masker_of(sut)
        self._sut = sut
        self._options = options
        self._identities = _share(sut.identities, options)
        self._id_tags = {role: _share(tags, options) for role, tags in sut.id_tags.items()}
        self._check()
        self._settings = Settings(
            edition=self.edition,
            strict=options.strict,
            settle_s=options.settle_s,
            action_timeout_s=options.action_timeout_s or sut.action_timeout_s,
            milliseconds=sut.milliseconds,
            budgets=sut.budgets,
        )
        self._driver: Driver = NoDriver()
        self._process: SutProcess | None = None
        self._watch: asyncio.Task[None] | None = None
        self._journal = Journal(options.leftovers, sut.ocpp_url) if options.leftovers else None
        self._lag = LagMonitor()
        self._pools = Pools(self._identities, self._id_tags)
        self._slots = asyncio.Semaphore(options.concurrency)
        self._running: dict[Runner, asyncio.Task[CaseResult]] = {}
        self._waiting: set[asyncio.Task[tuple[Lease, _Slot]]] = set()
        self._cases: list[CaseResult] = []
        self._findings: list[Finding] = []
        self._tag_answers: list[TagAnswer] = []
        self._silent, self._silence = 0, ""
        self._exits = AsyncExitStack()
        self._started_at = datetime.now(UTC)
        self._started_s = monotonic_s()

    async def __aenter__(self) -> Engine:
        """Start the system, register what the run needs, end what a dead run left.

        Raises:
            EngineError: any of it cannot be done.
        """
        self._started_at, self._started_s = datetime.now(UTC), monotonic_s()
        try:
            self._options.run_dir.mkdir(parents=True, exist_ok=True)
            await self._start()
            await self._reach()
            await self._provision()
            await self._end_leftovers()
            await self._exits.enter_async_context(self._lag)
        except EngineError as error:
            await self._close()
            raise EngineError(self.masker.mask(str(error))) from None
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the cases that still run, the driver and the system under test."""
        if self._running:
            self.stop("the run ended")
            await asyncio.wait(self._running.values(), timeout=_INTERRUPT_S)
        await self._close()

    # --- cases ------------------------------------------------------------------------------

    def not_applicable(self, scenario: Scenario) -> str:
        """Return why a case does not apply here, or "" when it does."""
        if not scenario.editions.includes(self.edition):
            return f"not in edition {self.edition} of the case list"
        profiles = self._sut.profiles
        if profiles is not None and scenario.profile not in profiles:
            return f"profile {scenario.profile.value} is not declared (pics.profiles)"
        return ""

    async def run_case(self, scenario: Scenario) -> CaseResult:
        """Run one case as soon as a slot is free; never raises for what it meets."""
        result = await self._run_case(scenario)
        result = _masked(replace(result, reproduce=self._reproduce(scenario)), self.masker)
        self._cases.append(result)
        return result

    async def run(
        self,
        scenarios: Iterable[Scenario],
        on_result: Callable[[CaseResult], None] | None = None,
    ) -> RunResult:
        """Run cases side by side; a cancelled run cleans up and leaves its results behind."""

        async def one(scenario: Scenario) -> None:
            result = await self.run_case(scenario)
            if on_result is not None:
                on_result(result)

        tasks = [asyncio.create_task(one(scenario)) for scenario in scenarios]
        try:
            for task in asyncio.as_completed(tasks):
                await task
        except BaseException:
            # Not cancelled with us: each case cleans up and hands over what it has.
            self.stop("interrupted")
            await asyncio.wait(tasks, timeout=_INTERRUPT_S)
            raise
        finally:
            for unfinished in tasks:
                unfinished.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self.result()

    def stop(self, reason: str) -> None:
        """End the run soon: waiting cases do not begin, running ones are cleaned up."""
        if not self.stopped:
            self.stopped = self.masker.mask(reason)
        for turn in self._waiting:
            turn.cancel()
        for runner in self._running:
            runner.interrupt(self.stopped)

    def result(self) -> RunResult:
        """Return what was found so far."""
        findings = [*self._findings, *self._unknown_tags(), *judge_run(self._cases)]
        if self._silence:
            message = f"{self._silence[0].upper()}{self._silence[1:]}."
            findings.append(Finding("sut.silent", Severity.WARNING, message))
        return RunResult(
            started_at=self._started_at,
            duration_s=monotonic_s() - self._started_s,
            sut_name=self._sut.name,
            edition=self.edition,
            cases=tuple(self._cases),
            findings=tuple(_masked_finding(finding, self.masker) for finding in findings),
            settings=self.masker.mask_json(self._run_settings()),
            stopped=self.stopped,
        )

    # --- one case ---------------------------------------------------------------------------

    async def _run_case(self, scenario: Scenario) -> CaseResult:
        reason = self.not_applicable(scenario)
        if reason:
            return _without_run(scenario, Verdict.NOT_APPLICABLE, reason)
        try:
            async with AsyncExitStack() as held:
                turn = asyncio.create_task(self._turn(scenario, held), name=f"{scenario.id} turn")
                self._waiting.add(turn)
                try:
                    lease, slot = await turn
                except asyncio.CancelledError:
                    if not self.stopped:
                        raise
                finally:
                    self._waiting.discard(turn)
                if self.stopped:
                    return _without_run(scenario, Verdict.NOT_RUN, self.stopped)
                return await self._run_leased(scenario, lease, slot)
        except PoolError as error:
            return _broken(scenario, "harness.pool", str(error))
        except (expressions.UnknownVariable, LocalProtocolError) as error:
            message = f"The scenario's variables or configuration cannot be used: {error}."
            return _broken(scenario, "harness.variable", message)
        except Exception as error:  # whatever it is, the other cases go on
            _log.exception("case %s broke off", scenario.id)
            message = f"The harness itself failed: {type(error).__name__}: {error}"
            return _broken(scenario, "harness.error", message)

    async def _turn(self, scenario: Scenario, held: AsyncExitStack) -> tuple[Lease, _Slot]:
        """Wait for what the case may use, then for a slot: who has a slot never waits."""
        if self.stopped:
            raise asyncio.CancelledError
        lease = await held.enter_async_context(self._pools.lease(roles_used(scenario)))
        await self._slots.acquire()
        slot = _Slot(self._slots)
        held.callback(slot.release)
        return lease, slot

    async def _run_leased(self, scenario: Scenario, lease: Lease, slot: _Slot) -> CaseResult:
        identity = lease.credentials.identity
        wire = Wire(partial(self._note_open, identity))
        runner = self._runner(scenario, lease, wire)
        log_from = self._process.log_offset() if self._process else 0
        # Settling takes time but no work: the next case may have the slot meanwhile.
        task = asyncio.create_task(runner.run(slot.release), name=scenario.id)
        self._running[runner] = task
        try:
            result = await asyncio.shield(task)
            if self._process is not None:
                result = await self._with_log(result, self._process, log_from)
        except asyncio.CancelledError:
            runner.interrupt(self.stopped or "interrupted")
            await asyncio.wait([task], timeout=_INTERRUPT_S)
            task.cancel()
            raise
        finally:
            del self._running[runner]
        if result.verdict is not Verdict.NOT_RUN:
            self._tag_answers += runner.tag_answers
            self._watch_silence(result, wire)
        return result

    async def _with_log(self, result: CaseResult, process: SutProcess, log_from: int) -> CaseResult:
        """Add what the program logged to a red case; one its death cut off was not run."""
        if result.verdict is not Verdict.PASSED:
            result = replace(result, sut_log=process.log_window(log_from))
        if self._watch is not None and _is_cut_off(result.events):
            # The kernel closes the sockets of a dying process before anyone is told of its death.
            await asyncio.wait([self._watch], timeout=_DEATH_S)
            if self._watch.done():
                result = replace(result, verdict=Verdict.NOT_RUN, reason=self.stopped)
        return result

    def _runner(self, scenario: Scenario, lease: Lease, wire: Wire) -> Runner:
        sut, now = self._sut, datetime.now(UTC)
        station = sut.station
        variables: dict[str, Json] = {
            **expressions.connector_variables(station.connectors, self._connector_id()),
            "identity": lease.credentials.identity,
            "vendor": station.vendor,
            "model": station.model,
            "serial_number": station.serial_number,
            **{variable_of(role): tag for role, tag in lease.id_tags.items()},
        }
        own = expressions.scope(
            {**variables, **sut.variables},
            scenario.variables,
            now=now,
            milliseconds=sut.milliseconds,
        )
        variables = {**own, **sut.variables}
        keys = {
            name: str(expressions.resolve(text, variables, now=now, milliseconds=sut.milliseconds))
            for name, text in scenario.configuration.items()
        }
        return Runner(
            scenario,
            make_station=partial(
                self._station, lease.credentials, keys=keys, is_active=scenario.uses_model
            ),
            wire=wire,
            driver=self._driver,
            settings=self._settings,
            variables=variables,
            id_tags=lease.id_tags,
            lag_s=self._lag.lag_s,
        )

    def _station(
        self,
        credentials: Credentials,
        record: Callable[[Event], None],
        on_call: Callable[[Call], bool] | None = None,
        *,
        keys: Mapping[str, str] | None = None,
        is_active: bool = False,
    ) -> Station:
        spec = self._sut.station
        charge_point = ChargePoint(
            credentials.identity,
            connectors=spec.connectors,
            vendor=spec.vendor,
            model=spec.model,
            serial_number=spec.serial_number,
            firmware_version=spec.firmware_version,
            keys=keys,
            milliseconds=self._sut.milliseconds,
        )
        endpoint = Endpoint(self._sut.ocpp_url, credentials.identity, credentials.password)
        return Station(
            charge_point,
            endpoint,
            record=record,
            on_call=on_call,
            is_active=is_active,
            open_timeout_s=self._sut.budgets[DEFAULT_BUDGET].limit_s,
        )

    def _connector_id(self) -> int:
        number = self._sut.variables.get("connector_id", 1)
        return number if isinstance(number, int) else 1

    def _note_open(self, identity: str, ledger: Ledger) -> None:
        if self._journal is not None:
            self._journal.sync(identity, ledger.open.values())

    def _watch_silence(self, result: CaseResult, wire: Wire) -> None:
        """Stop when the Central System answers nothing any more: all else would fail alike."""
        if wire.has_answers or result.verdict is Verdict.PASSED:
            self._silent, self._silence = 0, ""
            return
        self._silent += 1
        self._silence = (
            f"the Central System answered nothing in {self._silent} cases in a row: "
            f"{_silence(result.events, self._sut.ocpp_url)}"
        )
        if self._silent >= _SILENT_CASES:
            self.stop(self._silence)

    # --- begin and end of the run -----------------------------------------------------------

    def _check(self) -> None:
        options = self._options
        if self.edition not in EDITIONS:
            known = ", ".join(EDITIONS)
            raise EngineError(f"edition {self.edition!r} is not known; known are: {known}")
        if options.concurrency < 1:
            raise EngineError(f"concurrency {options.concurrency} must be at least 1")
        if not self._identities:
            raise EngineError(
                f"{self._sut.path}: {len(self._sut.identities)} identities are too few for "
                f"{options.workers} workers; list more, or use fewer workers"
            )
        for role, tags in self._id_tags.items():
            if not tags:
                raise EngineError(
                    f"{self._sut.path}: id_tags.{role} has too few tags for {options.workers} "
                    "workers; list more, or use fewer workers"
                )

    async def _start(self) -> None:
        if self._sut.start is None:
            return
        self._process = SutProcess(self._sut.start)
        self._exits.push_async_callback(self._stop_process, self._process, self._sut.start.log)
        try:
            await self._process.start()
        except StartError as error:
            raise EngineError(str(error)) from error
        self._watch = asyncio.create_task(self._watch_process(self._process), name="watch program")
        self._exits.push_async_callback(_end, self._watch)

    async def _watch_process(self, process: SutProcess) -> None:
        code = await process.wait_died()
        said = f"exit code {code}" if code >= 0 else f"signal {-code}"
        cases = ", ".join(sorted(task.get_name() for task in self._running.values()))
        message = (
            f"The program under test ended by itself with {said}"
            f"{f' while these cases ran: {cases}' if cases else ''}. "
            f"The last lines of its log:\n{process.log_tail()}"
        )
        self._findings.append(Finding("sut.died", Severity.FAILURE, message))
        self.stop(f"the program under test ended by itself with {said}")

    async def _stop_process(self, process: SutProcess, log: Path) -> None:
        await process.stop()
        _mask_file(log, self.masker)

    async def _reach(self) -> None:
        """See that something listens at all, before every case fails for want of it."""
        url = urlsplit(self._sut.ocpp_url)
        port = url.port or (443 if url.scheme == "wss" else 80)
        try:
            async with asyncio.timeout(_REACH_TIMEOUT_S):
                _, writer = await asyncio.open_connection(url.hostname, port)
        except (OSError, TimeoutError) as error:
            reason = f"no answer within {_REACH_TIMEOUT_S:g} s"
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                reason = error.strerror or str(error)
            raise EngineError(
                f"the Central System cannot be reached at {self._sut.ocpp_url}: {reason}; "
                "is it running, and is `ocpp_url` right?"
            ) from error
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def _provision(self) -> None:
        if self._sut.driver is None:
            return
        timeout_s = self._settings.action_timeout_s + _DRIVER_EXTRA_S
        self._driver = HttpDriver(self._sut.driver, timeout_s=timeout_s)
        self._exits.push_async_callback(self._driver.close)
        try:
            await self._driver.prepare(self._identities, self._id_tags)
        except ProvisioningError as error:
            raise EngineError(str(error)) from error

    async def _end_leftovers(self) -> None:
        """Stop first what a killed run left open."""
        if self._journal is None:
            return
        known = {one.identity: one for one in self._sut.identities}
        for transaction in self._journal.leftovers():
            what = f"transaction {transaction.transaction_id} of {transaction.identity}"
            credentials = known.get(transaction.identity)
            if credentials is None:
                reason = "the identity is not in the system-under-test file any more"
            else:
                reason = await stop_leftover(
                    self._station(credentials, Wire().record),
                    transaction,
                    milliseconds=self._sut.milliseconds,
                    answer_timeout_s=_LEFTOVER_ANSWER_S,
                )
            if reason:
                message = f"An earlier run left {what} open, and it could not be stopped: {reason}."
            else:
                message = f"An earlier run had left {what} open; it was stopped."
                self._journal.stopped(transaction)
            self._findings.append(Finding("leftover.transaction", Severity.WARNING, message))
        self._journal.compact()

    async def _close(self) -> None:
        await self._exits.aclose()
        if self._journal is not None:
            self._journal.compact()

    def _unknown_tags(self) -> list[Finding]:
        """Name the roles whose cards got the same unexpected status wherever they were shown."""
        found = []
        for role in sorted({answer.role for answer in self._tag_answers}):
            answers = [answer for answer in self._tag_answers if answer.role == role]
            statuses = {answer.status for answer in answers}
            if len(statuses) == 1 and not any(answer.is_expected for answer in answers):
                message = (
                    f"Every id tag of role {role!r} got {statuses.pop()} wherever it was shown. "
                    f"Are the tags under `id_tags.{role}` provisioned in the Central System?"
                )
                found.append(Finding("sut.not-provisioned", Severity.WARNING, message))
        return found

    def _run_settings(self) -> dict[str, object]:
        options = self._options
        return {
            "system_under_test": self._sut.settings(),
            "edition": self.edition,
            "strict": options.strict,
            "settle_s": options.settle_s,
            "concurrency": options.concurrency,
            "action_timeout_s": self._settings.action_timeout_s,
            "milliseconds": self._sut.milliseconds,
        }

    def _reproduce(self, scenario: Scenario) -> str:
        words = ["preflight", "run", scenario.position.file, "--sut", str(self._sut.path)]
        if self.edition != self._sut.edition:
            words += ["--edition", self.edition]
        if self._options.strict:
            words.append("--strict")
        return shlex.join(words)


class _Slot:
    """One place among the cases that run at a time; given back once."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots = slots
        self._is_held = True

    def release(self) -> None:
        """Let another case begin."""
        if self._is_held:
            self._is_held = False
            self._slots.release()


def _is_cut_off(events: Sequence[Event]) -> bool:
    """Say whether a connection ended without a word, or none came about."""
    return any(
        (event.kind is EventKind.CLOSED and event.detail.get("by") == "lost")
        or (event.kind is EventKind.REFUSED and event.detail.get("status") is None)
        for event in events
    )


def _silence(events: Sequence[Event], url: str) -> str:
    """Say why a case got no answer, and what to do about it."""
    refused = next((one for one in events if one.kind is EventKind.REFUSED), None)
    if refused is None:
        return "it accepted the connection but sent no message"
    reason = str(refused.detail.get("reason", "the handshake was refused"))
    match refused.detail.get("status"):
        case 401 | 403:
            remedy = "check the passwords under `identities`"
        case 404:
            remedy = "check `ocpp_url`, and that the `identities` are registered"
        case None:
            remedy = f"is it still running at {url}?"
        case _:
            remedy = "check `ocpp_url`"
    return f"{reason}; {remedy}"


def _masker_of(sut: SystemUnderTest) -> Masker:
    masker = Masker()
    for secret in sut.sensitive:
        masker.add(secret)
    for credentials in sut.identities:
        if credentials.password is not None:
            masker.add_credentials(credentials.identity, credentials.password)
    masker.mask("")  # takes its time once, now, instead of while answers are measured
    return masker


def _share(items: Sequence[_T], options: RunOptions) -> tuple[_T, ...]:
    """Return what this worker may use: every n-th, so that tags that belong together stay so."""
    return tuple(items[options.worker :: options.workers])


def _without_run(scenario: Scenario, verdict: Verdict, reason: str) -> CaseResult:
    return CaseResult(
        case_id=scenario.id,
        title=scenario.title,
        profile=scenario.profile,
        requirement=scenario.requirement,
        position=scenario.position,
        verdict=verdict,
        reason=reason,
    )


def _broken(scenario: Scenario, rule: str, message: str) -> CaseResult:
    finding = Finding(rule, Severity.ERROR, message, position=scenario.position)
    return replace(_without_run(scenario, Verdict.ERROR, message), findings=(finding,))


def _masked(result: CaseResult, masker: Masker) -> CaseResult:
    """Return a result in which no text holds a secret."""
    return replace(
        result,
        reason=masker.mask(result.reason),
        findings=tuple(_masked_finding(finding, masker) for finding in result.findings),
        events=tuple(
            replace(
                event, text=masker.mask(event.text), detail=masker.mask_json(dict(event.detail))
            )
            for event in result.events
        ),
        driver_reports=tuple(
            replace(report, summary=masker.mask(report.summary)) for report in result.driver_reports
        ),
        sut_log=masker.mask(result.sut_log),
        reproduce=masker.mask(result.reproduce),
    )


def _masked_finding(finding: Finding, masker: Masker) -> Finding:
    return replace(
        finding,
        message=masker.mask(finding.message),
        expected=masker.mask(finding.expected),
        actual=masker.mask(finding.actual),
    )


def _mask_file(path: Path, masker: Masker) -> None:
    """Take the secrets out of a log that another program wrote."""
    with suppress(OSError):
        text = path.read_text(encoding="utf-8", errors="replace")
        masked = masker.mask(text)
        if masked != text:
            path.write_text(masked, encoding="utf-8")


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
