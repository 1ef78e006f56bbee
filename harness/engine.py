"""Runs many cases side by side against one system under test.

It starts the system, registers what the run needs, hands each case what it may use, stops when
going on makes no sense, and keeps what was found so far whatever happens.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final

from harness import asking, expressions
from harness.activity import Activity, waits_for
from harness.attendant import Attendant
from harness.case_results import (
    broken,
    is_answered,
    is_cut_off,
    masked,
    masked_finding,
    not_provided,
    silence,
    without_run,
)
from harness.credential_changes import changes_credentials, keys_in
from harness.drivers.driver import Credentials
from harness.evidence import DEFAULT_BUDGET, Settings
from harness.guards import OPTION
from harness.judge_declaration import judge_declaration
from harness.judge_run import judge_run
from harness.lag import LagMonitor
from harness.leftovers import Ledger
from harness.model import EDITIONS, Json, Scenario
from harness.pacing import Pace, Room, Slot, connections_of
from harness.pki import PKI_VARIABLES
from harness.pools import Lease, PoolError, Pools, names_used, roles_used, share, variable_of
from harness.process import SutProcess
from harness.provisioning import Doubts, Registry, is_unknown
from harness.results import CaseResult, Finding, RunResult, Severity, Verdict
from harness.runner import Runner
from harness.selection import decide, profiles_by_identity, select
from harness.sut import SystemUnderTest
from harness.system import EngineError, System
from harness.wire import Wire, monotonic_s
from simulator.errors import LocalProtocolError

__all__ = ["Engine", "EngineError", "RunOptions", "new_event_loop"]

_log = logging.getLogger(__name__)

_SILENT_CASES: Final = 5  # after so many cases without any answer the rest is not run
_INTERRUPT_S: Final = 2.0
_LONGEST_ASKING_S: Final = 10.0  # for one answer about a card that may be unknown
_PASSWORD_BYTES: Final = 20  # the longest that an AuthorizationKey may be
_DEATH_S: Final = 0.5  # how much later than its sockets a dying program is known to be dead


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
        slow: run also what lets much time pass, beyond the official cases.
        may_test_public: somebody said that they may test what is neither here nor private.
        attendant: the person who acts in place of a driver's commands.
        earlier: results of the part of this run that was before.
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
    slow: bool = False
    may_test_public: bool = False
    attendant: Attendant | None = None
    earlier: Sequence[CaseResult] = ()


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
        self._sut = sut
        self._options = options
        self._identities = share(sut.identities, worker=options.worker, workers=options.workers)
        self._id_tags = {
            role: share(tags, worker=options.worker, workers=options.workers)
            for role, tags in sut.id_tags.items()
        }
        self._limits = sut.limits.share(options.workers)
        self._check()
        self._room, self._pace = (
            Room(self._limits.max_connections),
            Pace(self._limits.max_messages_per_second),
        )
        self._settings = Settings(
            edition=self.edition,
            strict=options.strict,
            settle_s=options.settle_s,
            action_timeout_s=options.action_timeout_s or sut.action_timeout_s,
            milliseconds=sut.milliseconds,
            budgets=sut.budgets,
        )
        self._system = System(
            sut,
            identities=self._identities,
            id_tags=self._id_tags,
            action_timeout_s=self._settings.action_timeout_s,
            leftovers=options.leftovers,
            is_first=options.worker == 0,
            on_death=self._died,
            pace=self._pace,
            may_test_public=options.may_test_public,
            attendant=options.attendant,
        )
        self.masker = self._system.masker
        self._lag = LagMonitor()
        self._pools = Pools(self._identities, self._id_tags)
        self._slots = asyncio.Semaphore(self._limits.cases(options.concurrency))
        # Fresh in every run and worker: a CSMS may keep reservations for ever.
        begin = int(datetime.now(UTC).timestamp()) % 1_000_000 * 1_000
        self._reservation_ids = count(begin + options.worker * 100 + 1)
        self._running: dict[Runner, asyncio.Task[CaseResult]] = {}
        self._waiting: set[asyncio.Task[tuple[Lease, Slot]]] = set()
        self._cases: list[CaseResult] = list(options.earlier)
        self._registry = Registry(sut, self._system.driver.cannot)
        self._doubts = self._make_doubts()
        self._silent, self._silence, self._has_answered = 0, "", False
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
        except OSError as error:
            reason = f"the folder {self._options.run_dir} cannot be made: {error.strerror}"
            raise EngineError(f"{reason}; choose another one") from error
        await self._exits.enter_async_context(self._system)
        await self._exits.enter_async_context(self._lag)
        self._registry = Registry(self._sut, self._system.driver.cannot)
        self._doubts = self._make_doubts()
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
        await self._exits.aclose()

    # --- cases ------------------------------------------------------------------------------

    def not_applicable(self, scenario: Scenario) -> str:
        """Return why a case does not apply here, or "" when it does."""
        decision = decide(scenario, self._sut, edition=self.edition, slow=self._options.slow)
        return "" if decision.is_in else decision.reason

    async def run_case(self, scenario: Scenario) -> CaseResult:
        """Run one case as soon as a slot is free; never raises for what it meets."""
        result = await self._run_case(scenario)
        result = masked(replace(result, reproduce=self._reproduce(scenario)), self.masker)
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
        cases, missing = self._registry.judge(self._cases)
        findings = [
            *self._system.findings,
            *self._system.remarks(),
            *missing,
            *self._judge_run(),
            *judge_declaration(
                cases,
                self._sut.declaration,
                security_profiles=profiles_by_identity(self._sut),
            ),
        ]
        if self._silence:
            message = f"{self._silence[0].upper()}{self._silence[1:]}."
            findings.append(Finding("sut.silent", Severity.WARNING, message))
        return RunResult(
            started_at=self._started_at,
            duration_s=monotonic_s() - self._started_s,
            sut_name=self._sut.name,
            edition=self.edition,
            cases=cases,
            findings=tuple(masked_finding(finding, self.masker) for finding in findings),
            settings=self.masker.mask_json(self._run_settings()),
            stopped=self.stopped,
        )

    def activities(self) -> tuple[Activity, ...]:
        """Return what each case waits for, the longest wait first. From any thread."""
        now_s, found = monotonic_s(), []
        for runner, task in list(self._running.items()):
            step, since_s = runner.current or (None, now_s)
            found.append(Activity(task.get_name(), waits_for(step), now_s - since_s))
        return tuple(sorted(found, key=lambda one: -one.for_s))

    def _judge_run(self) -> list[Finding]:
        """Judge the run as a whole; a program that we start anew numbers anew."""
        earlier = len(self._options.earlier)
        if earlier and self._sut.start is not None:
            return [*judge_run(self._cases[:earlier]), *judge_run(self._cases[earlier:])]
        return list(judge_run(self._cases))

    # --- one case ---------------------------------------------------------------------------

    async def _run_case(self, scenario: Scenario) -> CaseResult:
        reason = self.not_applicable(scenario)
        if reason:
            return without_run(scenario, Verdict.NOT_APPLICABLE, reason)
        if select(scenario, self._sut).not_provided:
            return not_provided(scenario, select(scenario, self._sut).not_provided)
        most, needed = self._limits.max_connections, connections_of(scenario.steps)
        if most is not None and needed > most:
            reason = f"the case needs {needed} connections at a time, limits.max_connections allows"
            return not_provided(scenario, f"{reason} {most} to each worker", rule="sut.limits")
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
                    return without_run(scenario, Verdict.NOT_RUN, self.stopped)
                result = await self._run_leased(scenario, lease, slot)
            if not self._may_ask:
                return result
            return await self._doubts.look_at_cards(result, earlier=self._cases)
        except PoolError as error:
            return broken(scenario, "harness.pool", str(error))
        except (expressions.UnknownVariable, LocalProtocolError) as error:
            message = f"The scenario's variables or configuration cannot be used: {error}."
            return broken(scenario, "harness.variable", message)
        except Exception as error:  # whatever it is, the other cases go on
            _log.exception("case %s broke off", scenario.id)
            message = f"The harness itself failed: {type(error).__name__}: {error}"
            return broken(scenario, "harness.error", message)

    async def _turn(self, scenario: Scenario, held: AsyncExitStack) -> tuple[Lease, Slot]:
        """Wait for what the case may use, then for a slot: who has a slot never waits."""
        if self.stopped:
            raise asyncio.CancelledError
        profile = select(scenario, self._sut).profile
        lease = await held.enter_async_context(
            self._pools.lease(roles_used(scenario), profile=profile, role=scenario.role)
        )
        await held.enter_async_context(self._room.take(connections_of(scenario.steps)))
        await self._slots.acquire()
        slot = Slot(self._slots)
        held.callback(slot.release)
        return lease, slot

    async def _run_leased(self, scenario: Scenario, lease: Lease, slot: Slot) -> CaseResult:
        identity = lease.credentials.identity
        wire = Wire(partial(self._note_frame, identity))
        if names_used(scenario) & PKI_VARIABLES:
            await asyncio.to_thread(self._sut.access.pki.variables)  # keys take their time
        runner = self._runner(scenario, lease, wire)
        log_from = self._system.log_offset()
        # Settling takes time but no work: the next case may have the slot meanwhile.
        task = asyncio.create_task(runner.run(slot.release), name=scenario.id)
        self._running[runner] = task
        try:
            result = await asyncio.shield(task)
            result = await self._with_log(result, log_from)
            result = await self._restored(scenario, lease.credentials, runner, result)
        except asyncio.CancelledError:
            runner.interrupt(self.stopped or "interrupted")
            await asyncio.wait([task], timeout=_INTERRUPT_S)
            task.cancel()
            raise
        finally:
            del self._running[runner]
        if result.verdict is Verdict.NOT_RUN:
            return result
        if self._may_ask:
            result = await self._doubts.look_at_identity(
                scenario, result, lease.credentials, earlier=self._cases
            )
        # Who is refused is quickly free again, and would take one case after the other.
        is_retired = is_unknown(result) and self._pools.retire(lease.credentials)
        if not (is_retired and self._has_answered):
            self._watch_silence(result, wire)
        return result

    @property
    def _may_ask(self) -> bool:
        """Whether there is time to ask once more: an interrupted run has none."""
        return not self.stopped or self._silent >= _SILENT_CASES

    def _note_frame(self, identity: str, ledger: Ledger) -> None:
        self._system.note_open(identity, ledger)
        if self._options.attendant is not None:
            self._options.attendant.changed()

    async def _with_log(self, result: CaseResult, log_from: int) -> CaseResult:
        """Add what the program logged to a red case; one its death cut off was not run."""
        process, death = self._system.process, self._system.death
        if process is None or death is None:
            return result
        if result.verdict is not Verdict.PASSED:
            result = replace(result, sut_log=process.log_window(log_from))
        if is_cut_off(result.events):
            # The kernel closes the sockets of a dying process before anyone is told of its death.
            await asyncio.wait([death], timeout=_DEATH_S)
            if death.done():
                result = replace(result, verdict=Verdict.NOT_RUN, reason=self.stopped, findings=())
        return result

    async def _restored(
        self, scenario: Scenario, credentials: Credentials, runner: Runner, result: CaseResult
    ) -> CaseResult:
        """Put back what the case changed of its identity, so that the next case finds it."""
        for secret in (*runner.secrets, *keys_in(result.events)):
            self.masker.add_key(secret)
        if not changes_credentials(scenario, result.events):
            return result
        reason = await self._system.restore(credentials)
        if not reason:
            return result
        shown = runner.shown
        password = shown.encoding.basic(shown.key) if shown.key else shown.password
        self._pools.change(replace(credentials, password=password, security_profile=shown.profile))
        message = (
            f"{credentials.identity} has another password or security profile now than the "
            f"system-under-test file says, and it could not be put back: {reason}."
        )
        warning = Finding("cleanup.credentials", Severity.WARNING, message)
        return replace(result, findings=(*result.findings, warning))

    def _died(self, process: SutProcess, said: str) -> None:
        cases = ", ".join(sorted(task.get_name() for task in self._running.values()))
        message = (
            f"The program under test ended by itself with {said}"
            f"{f' while these cases ran: {cases}' if cases else ''}. "
            f"The last lines of its log:\n{process.log_tail()}"
        )
        self._system.findings.append(Finding("sut.died", Severity.FAILURE, message))
        self.stop(f"the program under test ended by itself with {said}")

    def _runner(self, scenario: Scenario, lease: Lease, wire: Wire) -> Runner:
        sut, now = self._sut, datetime.now(UTC)
        station, credentials = sut.station, lease.credentials
        variables: dict[str, Json] = {
            **expressions.connector_variables(station.connectors, self._connector_id()),
            "identity": credentials.identity,
            "vendor": station.vendor,
            "model": station.model,
            "serial_number": credentials.serial_number or station.serial_number,
            "cpo_name": station.cpo_name,
            "security_profile": credentials.security_profile,
            "higher_security_profile": credentials.security_profile + 1,
            "new_password": secrets.token_hex(_PASSWORD_BYTES),
            "wrong_password": secrets.token_hex(_PASSWORD_BYTES),
            "new_reservation_id": next(self._reservation_ids),
            "new_request_id": next(self._reservation_ids),
            **(sut.access.pki.variables() if names_used(scenario) & PKI_VARIABLES else {}),
            **{variable_of(role): tag for role, tag in lease.id_tags.items()},
            **{
                f"{variable_of(role)}_other_case": tag.swapcase()
                for role, tag in lease.id_tags.items()
            },
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
            access=sut.access,
            credentials=credentials,
            other_name=self._other_name(credentials),
            trust_anchors=self._system.trust_anchors,
            make_station=partial(
                self._system.station, credentials, keys=keys, is_active=scenario.uses_model
            ),
            wire=wire,
            driver=self._system.driver,
            settings=self._settings,
            variables=variables,
            id_tags=lease.id_tags,
            lag_s=self._lag.lag_s,
            attendant=self._options.attendant,
        )

    def _other_name(self, credentials: Credentials) -> str:
        """Return whom the certificate of another charge point is made out to."""
        others = [
            one.serial_number or one.identity
            for one in self._sut.identities
            if one.identity != credentials.identity
        ]
        return next(iter(reversed(others)), f"{credentials.identity}-other")

    def _connector_id(self) -> int:
        number = self._sut.variables.get("connector_id", 1)
        return number if isinstance(number, int) else 1

    def _watch_silence(self, result: CaseResult, wire: Wire) -> None:
        """Stop when the Central System answers nothing any more: all else would fail alike."""
        if wire.has_answers or result.verdict is Verdict.PASSED:
            self._has_answered = True
            self._silent, self._silence = 0, ""
            return
        if any(is_answered(runner.so_far()) for runner in self._running):
            return  # it is for this charge point only that there is silence
        self._silent += 1
        self._silence = (
            f"the Central System answered nothing in {_in_a_row(self._silent)}: "
            f"{silence(result.events, self._sut.ocpp_url)}"
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
        if self._limits.max_connections == 0:
            raise EngineError(
                f"{self._sut.path}: limits.max_connections is too low for {options.workers} "
                "workers; raise it, or use fewer workers"
            )
        for role, tags in self._id_tags.items():
            if not tags:
                raise EngineError(
                    f"{self._sut.path}: id_tags.{role} has too few tags for {options.workers} "
                    "workers; list more, or use fewer workers"
                )

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

    # --- what may not be registered ---------------------------------------------------------

    def _make_doubts(self) -> Doubts:
        return Doubts(
            self._registry,
            self._id_tags,
            ask_cards=self._ask_cards,
            is_let_in=self._is_let_in,
        )

    async def _ask_cards(self, id_tags: Sequence[str]) -> Mapping[str, str]:
        """Ask about cards in a fresh session, on the charge point that rested longest."""
        profile = next((one.security_profile for one in self._identities if not one.role), None)
        limit_s = min(self._settings.limit_s(DEFAULT_BUDGET), _LONGEST_ASKING_S)
        try:
            async with (
                self._pools.lease(frozenset(), profile=profile) as lease,
                self._room.take(1),
            ):
                station = self._system.station(lease.credentials, Wire().record)
                return await asking.ask_cards(
                    station, id_tags, spec=self._sut.station, timeout_s=limit_s
                )
        except PoolError:
            return {}

    async def _is_let_in(self, credentials: Credentials) -> bool:
        """Try a charge point again in its case's own room: the case has no connection any more."""
        return await asking.is_let_in(self._system.station(credentials, Wire().record))

    def _reproduce(self, scenario: Scenario) -> str:
        words = ["preflight", "run", scenario.position.file, "--sut", str(self._sut.path)]
        if self.edition != self._sut.edition:
            words += ["--edition", self.edition]
        if self._options.strict:
            words.append("--strict")
        if self._options.may_test_public:
            words.append(OPTION)
        return shlex.join(words)


def _in_a_row(cases: int) -> str:
    return "one case" if cases == 1 else f"{cases} cases in a row"
