"""What a run found: verdicts, findings, exchanges. Frozen data, no I/O, no judging.

A finding says what is wrong, where, and what would have been right. A verdict is derived from the
findings and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from harness.model import CaseSet, Position, Profile, Requirement
from simulator.trace import Event


class Verdict(StrEnum):
    """The outcome of a case. Only `PASSED` counts as a pass."""

    PASSED = "passed"
    FAILED = "failed"  # the CSMS is wrong
    INCONCLUSIVE = "inconclusive"  # not observed: operator or driver did not act
    ERROR = "error"  # the harness is wrong or could not do its part
    NOT_APPLICABLE = "not_applicable"  # not declared, or not in this edition
    NOT_RUN = "not_run"  # the run ended before


class Severity(StrEnum):
    """What a finding does to the verdict."""

    WARNING = "warning"
    INCONCLUSIVE = "inconclusive"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        rule: stable id of the rule, such as ``answer.missing`` or ``rule.StartTransaction.conf``;
            all of them are listed in `docs/reference/checks.md`.
        message: what happened, for people, one or two sentences.
        requirement: where the standard demands it, such as ``OCPP-J 1.6 §4.1.4``.
        step: path of the step it belongs to, empty where it belongs to the whole connection.
        position: where that step is written.
        event: index into the case's events of the frame that shows it, where one does.
    """

    rule: str
    severity: Severity
    message: str
    requirement: str = ""
    expected: str = ""
    actual: str = ""
    step: str = ""
    position: Position | None = None
    event: int | None = None


class ExchangeOutcome(StrEnum):
    """How one CALL of the charge point ended."""

    RESULT = "result"
    CALL_ERROR = "call_error"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A CALL of the charge point and how long the CSMS took to answer it.

    Attributes:
        duration_s: from the frame leaving to its answer coming; None when unanswered.
        is_late: it came, but after the budget's limit.
        is_disturbed: the harness's own loop lagged meanwhile, so the time is shown, not judged.
        sent_event, answer_event: indices into the case's events.
    """

    action: str
    message_id: str
    budget: str
    outcome: ExchangeOutcome
    duration_s: float | None
    is_late: bool
    is_disturbed: bool
    sent_event: int
    answer_event: int | None


@dataclass(frozen=True, slots=True)
class CsmsCall:
    """A CALL of the CSMS and how long it waited for us, kept apart from its own times."""

    action: str
    message_id: str
    waited_s: float | None
    received_event: int
    answer_event: int | None


@dataclass(frozen=True, slots=True)
class DriverReport:
    """What the driver said about one operator step. Collected, compared, never judged alone.

    Attributes:
        outcome: ``done``, ``refused`` (offline, unknown), ``unsupported`` (it has no way to ask),
            ``skipped`` (a person passed over it), ``failed`` (the interface itself broke) or
            ``pending`` (it had not said anything when the case ended).
        summary: its words, secrets masked.
    """

    step: str
    action: str
    outcome: str
    summary: str
    started_at: datetime
    duration_s: float | None


@dataclass(frozen=True, slots=True)
class OperatorAnswer:
    """Something a person said or did at an operator step.

    Attributes:
        kind: ``wrong_press`` (a frame that another button sends), ``again``, ``this_is_it`` (the
            system sends it so), ``not_me`` (nobody pressed that), ``pressed`` (and nothing comes),
            ``skip``, ``cannot`` or ``deadline`` (nobody said anything in time).
        words: the reason given, or what was explained about a wrong press.
        event: index of the frame it is about, where there is one.
    """

    at: datetime
    step: str
    kind: str
    words: str = ""
    event: int | None = None


@dataclass(frozen=True, slots=True)
class StepResult:
    """What became of one step.

    Attributes:
        kind: ``send``, ``do``, ``receive``, ``operator``, ``wait`` …
        title: one line for people.
        outcome: ``passed``, ``failed`` or ``not_run``.
        events: indices of the case's events that belong to the step.
    """

    path: str
    kind: str
    title: str
    position: Position
    started_at: datetime | None
    duration_s: float | None
    outcome: str
    events: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """Everything known about one case after it ran.

    Attributes:
        variables: the case's own variables, with the values it ran with; JSON values only.
        own_timers_s: time the case spent in `wait` steps.
        settle_s: time its connection stayed open to see that nothing more came.
        sut_log: what the started program logged meanwhile, masked.
        reproduce: the command line that runs just this case again.
    """

    case_id: str
    title: str
    profile: Profile
    requirement: Requirement
    position: Position
    case_set: CaseSet = CaseSet.OFFICIAL
    identity: str = ""
    verdict: Verdict
    reason: str = ""
    variables: dict[str, object] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    steps: tuple[StepResult, ...] = ()
    events: tuple[Event, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    csms_calls: tuple[CsmsCall, ...] = ()
    driver_reports: tuple[DriverReport, ...] = ()
    operator_answers: tuple[OperatorAnswer, ...] = ()
    ping_round_trips_s: tuple[float, ...] = ()
    started_at: datetime | None = None
    duration_s: float = 0.0
    own_timers_s: float = 0.0
    settle_s: float = 0.0
    sut_log: str = ""
    reproduce: str = ""


# The worst finding decides; a case without findings, or with warnings only, passed.
_VERDICT_OF = {
    Severity.ERROR: Verdict.ERROR,
    Severity.FAILURE: Verdict.FAILED,
    Severity.INCONCLUSIVE: Verdict.INCONCLUSIVE,
}


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """Return the verdict that these findings add up to.

    A failure outweighs what could not be observed: the wire already showed that the CSMS is wrong.
    An error outweighs both: what the harness got wrong itself must not be held against the CSMS.
    """
    severities = {finding.severity for finding in findings}
    for severity, verdict in _VERDICT_OF.items():
        if severity in severities:
            return verdict
    return Verdict.PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A whole run, complete or broken off.

    Attributes:
        settings: what the run was made with, secrets masked; JSON values only.
        stopped: why the run ended early, empty when it did not.
        findings: what belongs to no single case (leftovers, ids shared by two stations …).
    """

    started_at: datetime
    duration_s: float
    sut_name: str
    edition: str
    cases: tuple[CaseResult, ...]
    findings: tuple[Finding, ...] = ()
    settings: dict[str, object] = field(default_factory=dict)
    stopped: str = ""
