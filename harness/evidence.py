"""What one case has shown so far: findings, steps, captured values; and the result made of it.

The runner and its steps put in what they see; at the end the judge adds what follows from the raw
frames alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from harness import expressions, matching
from harness.awaited import leaves
from harness.case_results import without_run
from harness.flow import runs_on
from harness.judge import SHORTEST_TIMEOUT_S, JudgeContext, Judgement, Limit, StepRef, judge
from harness.model import (
    AnyOrder,
    Connect,
    Disconnect,
    Do,
    Fields,
    Json,
    Make,
    OperatorStep,
    ProbeTls,
    Receive,
    Respond,
    Scenario,
    Send,
    SendRaw,
    Step,
    Wait,
)
from harness.results import (
    CaseResult,
    DriverReport,
    Finding,
    OperatorAnswer,
    Severity,
    StepResult,
    Verdict,
    verdict_of,
)
from harness.sut import Budget
from harness.wire import Wire, monotonic_s
from simulator.trace import EventKind

DEFAULT_BUDGET: Final = "ocpp_response_timeout"
PONG_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a case is run with; see RunOptions and the system-under-test file."""

    edition: str
    strict: bool
    settle_s: float
    action_timeout_s: float
    milliseconds: bool
    budgets: Mapping[str, Budget]

    def limit_s(self, budget: str) -> float:
        """Return the limit of a budget, the general one where the name has none of its own."""
        return self.budgets.get(budget, self.budgets[DEFAULT_BUDGET]).limit_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """When and how long a case was looked at.

    Attributes:
        observed: number of events before the clean-up, which is no part of the case.
        ended_s: monotonic end of the observation.
        cut_short: why it ended early, empty when it did not.
    """

    started_at: datetime
    started_s: float
    settle_s: float
    ended_s: float
    observed: int
    cut_short: str


class Evidence:
    """Everything one case has shown so far."""

    def __init__(
        self,
        scenario: Scenario,
        wire: Wire,
        settings: Settings,
        *,
        variables: Mapping[str, Json],
        id_tags: Mapping[str, str],
    ) -> None:
        """Start with nothing but the variables and the leased tags by role."""
        self.scenario = scenario
        self.wire = wire
        self.settings = settings
        profile = variables.get("security_profile")
        self.steps = _that_run(
            scenario.steps, settings.edition, profile if isinstance(profile, int) else 0
        )
        self.variables: dict[str, Json] = dict(variables)
        self._own_variables = {
            name: variables[name] for name in scenario.variables if name in variables
        }
        self.findings: list[Finding] = []
        self.raw: dict[int, SendRaw] = {}
        self.budget_of: dict[str, str] = {}
        self.wanted_closes: set[int] = set()
        self.judged_handshakes: set[int] = set()  # their steps say what they mean
        self.secrets: list[str] = []  # passwords that came up in the case
        self.superseded: set[int] = set()  # connections that another took the place of
        self.pings_s: list[float] = []
        self.own_timers_s = 0.0
        self.completed_s: float | None = None
        self._results: dict[str, StepResult] = {}
        self._steps_of: dict[int, StepRef] = {}
        self._gathered: dict[str, list[Json]] = {}
        self._roles = {tag.casefold(): role for role, tag in id_tags.items()}
        self._requirement = " ".join(part for part in (scenario.id, scenario.source) if part)

    # --- values -----------------------------------------------------------------------------

    def scope(self, step: Step) -> dict[str, Json]:
        """Return the variables a step sees."""
        return expressions.scope(
            self.variables,
            step.bindings,
            now=datetime.now(UTC),
            milliseconds=self.settings.milliseconds,
        )

    def resolve(self, value: Json, scope: Mapping[str, Json]) -> Json:
        """Return a value of the scenario with its references replaced."""
        return expressions.resolve(
            value, scope, now=datetime.now(UTC), milliseconds=self.settings.milliseconds
        )

    def resolve_object(self, value: dict[str, Json], scope: Mapping[str, Json]) -> dict[str, Json]:
        """Return an object of the scenario with its references replaced."""
        return {key: self.resolve(member, scope) for key, member in value.items()}

    # --- findings ---------------------------------------------------------------------------

    def refer(self, event: int, step: Step) -> None:
        """Note that an event belongs to a step."""
        self._steps_of[event] = StepRef(path=step.path, position=step.position)

    def fail(self, step: Step, rule: str, severity: Severity, message: str) -> None:
        """Add a finding of a step."""
        self.findings.append(
            Finding(
                rule=rule,
                severity=severity,
                message=message,
                requirement=self._requirement,
                step=step.path,
                position=step.position,
            )
        )

    def add(self, step: Step, findings: Sequence[Finding], event: int | None) -> None:
        """Add findings of known checks that belong to a step."""
        self.findings += [
            replace(one, step=step.path, position=step.position, event=event) for one in findings
        ]

    def note(self, name: str, value: Json) -> None:
        """Note a value that the report is to tell beside the case's own variables."""
        self._own_variables[name] = value

    def has_failed(self, step: Step) -> bool:
        """Say whether a step has findings that are more than warnings."""
        return any(
            one.step == step.path and one.severity is not Severity.WARNING for one in self.findings
        )

    def fits(self, step: Receive, payload: object, *, asked: datetime) -> bool:
        """Say whether a payload meets a step's rules, as far as can be told by now."""
        return not self.mismatches(step, payload, asked=asked)

    def mismatches(
        self, step: Receive, payload: object, *, asked: datetime
    ) -> tuple[matching.Mismatch, ...]:
        """Return how a payload differs from a step's rules, as far as can be told by now."""
        if step.payload is None:
            return ()
        try:
            return matching.match(
                step.payload,
                payload,
                variables=self.scope(step),
                now=datetime.now(UTC),
                gathered=self._gathered,
                asked=asked,
            ).mismatches
        except (expressions.UnknownVariable, expressions.BadExpression):
            return ()

    def hold(
        self,
        payload: object,
        *,
        rule: str,
        step: Step,
        event: int | None,
        scope: Mapping[str, Json],
        expect: Fields | None,
        warn: Fields | None,
        asked: datetime | None = None,
    ) -> tuple[Finding, ...]:
        """Hold a payload against its patterns and keep what they capture.

        Args:
            rule: such as ``Authorize.conf``.
            asked: when the operator asked for it.

        Returns:
            The failures; what only warns is noted.
        """
        about = (payload, rule, step, event, scope, asked)
        failures = self._match(expect, *about, Severity.FAILURE)
        self._match(warn, *about, Severity.WARNING)
        return failures

    def _match(
        self,
        pattern: Fields | None,
        payload: object,
        rule: str,
        step: Step,
        event: int | None,
        scope: Mapping[str, Json],
        asked: datetime | None,
        severity: Severity,
    ) -> tuple[Finding, ...]:
        if pattern is None:
            return ()
        now = datetime.now(UTC)
        result = matching.match(
            pattern, payload, variables=scope, now=now, gathered=self._gathered, asked=asked
        )
        self.variables |= result.captures
        for name, value in result.gathered.items():
            self._gathered.setdefault(name, []).append(value)
        found = matching.findings(
            result,
            rule=f"rule.{rule}",
            severity=severity,
            requirement=self._requirement,
            step=step.path,
            position=step.position,
            event=event,
        )
        self.findings += found
        return found

    def match_model(
        self, pattern: Fields, payload: object, step: Do, event: int, scope: Mapping[str, Json]
    ) -> None:
        """Hold our own model against the scenario: where they differ, the harness is wrong."""
        result = matching.match(pattern, payload, variables=scope, now=datetime.now(UTC))
        self.variables |= result.captures
        self.findings += matching.findings(
            result,
            rule="harness.model",
            severity=Severity.ERROR,
            step=step.path,
            position=step.position,
            event=event,
        )

    def note_tag(
        self, payload: Mapping[str, Json], result: Mapping[str, object], found: tuple[Finding, ...]
    ) -> None:
        """Ask whether the CSMS knows a leased card at all, where it says that it does not."""
        tag, info = payload.get("idTag"), result.get("idTagInfo")
        role = self._roles.get(tag.casefold()) if isinstance(tag, str) else None
        if role is None or not isinstance(info, dict):
            return
        status = str(info.get("status"))
        wrong = [one for one in found if one.expected.startswith("$.idTagInfo.status")]
        if wrong and status == "Invalid":
            hint = f" Is id tag {tag} ({role}) provisioned in the Central System?"
            findings = self.findings
            at = findings.index(wrong[0])
            findings[at] = replace(wrong[0], message=wrong[0].message + hint)

    # --- the result -------------------------------------------------------------------------

    def note_step(self, step: Step, outcome: str, *, began_at: datetime, began_s: float) -> None:
        """Note what became of a step that began."""
        self._results[step.path] = replace(
            _not_run(step),
            started_at=began_at,
            duration_s=monotonic_s() - began_s,
            outcome=outcome,
        )

    def result(
        self,
        observation: Observation,
        *,
        identity: str,
        expected_calls: Collection[int],
        lag_s: Callable[[float, float], float],
        warnings: Sequence[Finding],
        reports: tuple[DriverReport, ...],
        answers: tuple[OperatorAnswer, ...] = (),
    ) -> CaseResult:
        """Judge the case and return all that is known about it.

        Args:
            expected_calls: events with CALLs of the CSMS that came while they were awaited.
            lag_s: longest lag of our loop between two monotonic moments.
            warnings: what the clean-up and the driver gave, beside the verdict.
        """
        judged = self._judge(observation, expected_calls, lag_s)
        findings = (*_in_order([*self.findings, *judged.findings]), *warnings)
        if observation.cut_short:
            findings = tuple(warnings)  # half a case proves nothing
            verdict = Verdict.NOT_RUN
        else:
            verdict = verdict_of(findings)
            if verdict is Verdict.PASSED and self.completed_s is None:
                # Whatever ended the steps must have left a finding; a pass it is not.
                message = "The case broke off, and nothing tells why."
                findings = (*findings, Finding("harness.error", Severity.ERROR, message))
                verdict = Verdict.ERROR
        return replace(
            self.so_far(identity=identity, started_at=observation.started_at),
            verdict=verdict,
            reason=observation.cut_short or _reason(findings, verdict),
            variables=dict(self._own_variables),
            findings=findings,
            exchanges=judged.exchanges,
            csms_calls=judged.csms_calls,
            driver_reports=reports,
            operator_answers=answers,
            ping_round_trips_s=tuple(self.pings_s),
            duration_s=monotonic_s() - observation.started_s,
            own_timers_s=self.own_timers_s,
            settle_s=observation.settle_s,
        )

    def so_far(self, *, identity: str, started_at: datetime | None = None) -> CaseResult:
        """Return what the case has shown while it runs; it has no verdict yet."""
        return replace(
            without_run(self.scenario, Verdict.NOT_RUN, ""),
            identity=identity,
            findings=tuple(self.findings),
            steps=tuple(self._step_result(step) for step in leaves(self.steps)),
            events=tuple(self.wire.events),
            started_at=started_at,
        )

    def _judge(
        self,
        observation: Observation,
        expected_calls: Collection[int],
        lag_s: Callable[[float, float], float],
    ) -> Judgement:
        """Judge the frames up to the clean-up, and how their connections ended after it."""
        events = self.wire.events
        judged_ones = {event.connection for event in events[: observation.observed]}
        said = (EventKind.FRAME, EventKind.BINARY)
        kept = [
            index
            for index, event in enumerate(events)
            if index < observation.observed
            or (event.kind not in said and event.connection in judged_ones)
        ]
        wanted_closes = self.wanted_closes | self._closed_as_superseded()
        budgets = {
            name: Limit(limit_s=budget.limit_s, target_s=budget.target_s)
            for name, budget in self.settings.budgets.items()
        }
        judged = judge(
            [events[index] for index in kept],
            context=JudgeContext(
                budgets=budgets,
                budget_of=self.budget_of,
                strict=self.settings.strict,
                lag_s=lag_s,
                expected_calls=expected_calls,
                steps=self._steps_of,
                raw=self.raw,
                wanted_closes={at for at, index in enumerate(kept) if index in wanted_closes},
                judged_handshakes={
                    at for at, index in enumerate(kept) if index in self.judged_handshakes
                },
                shortest_timeout_s=self._shortest_timeout_s(),
                completed_s=self.completed_s,
                ended_s=observation.ended_s,
                pong_timeout_s=PONG_TIMEOUT_S,
            ),
        )
        # What exchanges and calls point at are frames, which all stand before the first gap.
        findings = tuple(
            one if one.event is None else replace(one, event=kept[one.event])
            for one in judged.findings
        )
        return judged._replace(findings=findings)

    def _closed_as_superseded(self) -> set[int]:
        """Return the ends of connections that another took the place of: anyone may end them."""
        return {
            index
            for index, event in enumerate(self.wire.events)
            if event.kind is EventKind.CLOSED and event.connection in self.superseded
        }

    def _shortest_timeout_s(self) -> float:
        declared = self.variables.get("csms_timeout_s")
        if isinstance(declared, bool) or not isinstance(declared, int | float):
            return SHORTEST_TIMEOUT_S
        return min(declared, SHORTEST_TIMEOUT_S)

    def _step_result(self, step: Step) -> StepResult:
        own = [index for index, ref in self._steps_of.items() if ref.path == step.path]
        events = {*own, *(other for index in own for other in self.wire.partners(index))}
        result = self._results.get(step.path) or _not_run(step)
        return replace(result, events=tuple(sorted(events)))


_KINDS: Final[dict[type[Step], str]] = {
    Send: "send",
    SendRaw: "send_raw",
    Do: "do",
    OperatorStep: "operator",
    Receive: "receive",
    Respond: "respond",
    Wait: "wait",
    Disconnect: "disconnect",
    Connect: "connect",
    Make: "make",
    ProbeTls: "probe_tls",
    AnyOrder: "any_order",
}


def _that_run(steps: tuple[Step, ...], edition: str, profile: int) -> tuple[Step, ...]:
    """Return the steps of an edition of the case list, on a security profile."""
    kept: list[Step] = []
    for step in steps:
        if step.editions.includes(edition) and runs_on(step, profile):
            if isinstance(step, AnyOrder):
                step = replace(step, steps=_that_run(step.steps, edition, profile))
            kept.append(step)
    return tuple(kept)


def _not_run(step: Step) -> StepResult:
    return StepResult(
        path=step.path,
        kind=_KINDS[type(step)],
        title=_title(step),
        position=step.position,
        started_at=None,
        duration_s=None,
        outcome="not_run",
    )


def _title(step: Step) -> str:
    """Return one line for people."""
    match step:
        case Send():
            title = f"Charge point sends {step.action}"
        case SendRaw():
            title = f"Charge point sends raw {'bytes' if step.is_binary else 'text'}"
        case Do():
            title = f"Charge point: {step.event.replace('_', ' ')}"
        case OperatorStep():
            title = f"Operator triggers {step.action}"
        case Receive():
            title = f"Central System sends {step.action}"
        case Respond():
            title = f"Charge point answers {step.action} at last"
        case Wait():
            title = "Time passes"
        case Disconnect():
            title = "Connection is cut" if step.how == "drop" else "Connection is closed"
        case Connect():
            words = "tries to connect" if step.refused is not None else "connects"
            title = f"Charge point {words}{' once more' * step.beside}"
        case Make():
            title = f"Charge point makes {step.thing.replace('_', ' ')}"
        case ProbeTls():
            title = "Charge point tries TLS"
        case AnyOrder():
            title = "In any order"
    return f"{title} ({step.note})" if step.note else title


def _in_order(findings: list[Finding]) -> list[Finding]:
    """Sort by the frame that shows it; what has none comes last, as it was found."""
    last = max((one.event for one in findings if one.event is not None), default=0) + 1
    return sorted(findings, key=lambda one: last if one.event is None else one.event)


def _reason(findings: Sequence[Finding], verdict: Verdict) -> str:
    """Return the message of the finding that decided."""
    if verdict is Verdict.PASSED:
        return ""
    return next(one.message for one in findings if verdict_of([one]) is verdict)
