"""Fills the results allure-pytest writes with what is known about a case.

allure-pytest knows names, outcomes and times as pytest sees them. Just before it writes a result,
this puts in the case's own times, its verdict, suites, severity, steps with their frames, and the
attachments. Everything else about Allure stays with allure-pytest.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import allure_commons
from allure_commons.model2 import (
    Attachment,
    Label,
    Link,
    Parameter,
    Status,
    StatusDetails,
    TestResult,
    TestStepResult,
)
from allure_commons.types import LabelType, LinkType
from allure_commons.types import Severity as Level

from harness.model import CaseSet, Requirement, Scenario
from harness.report.diagram import draw
from harness.report.document import Known, Report, case_warnings
from harness.report.failure import answer_lines, explain, frame_lines, headline
from harness.report.frames import Frame, printable, printable_lines, read_frames
from harness.report.summary import SET_NAMES
from harness.results import CaseResult, Severity, StepResult, Verdict
from simulator.trace import Direction, EventKind

_STATUS: Final = {
    Verdict.PASSED: Status.PASSED,
    Verdict.FAILED: Status.FAILED,
    Verdict.INCONCLUSIVE: Status.BROKEN,
    Verdict.ERROR: Status.BROKEN,
    Verdict.NOT_APPLICABLE: Status.SKIPPED,
}
_LEVEL: Final = {
    Requirement.MANDATORY: Level.CRITICAL,
    Requirement.CONDITIONAL: Level.NORMAL,
    Requirement.UNCONFIRMED: Level.MINOR,
    Requirement.ADDITIONAL: Level.MINOR,
}
_OUR_LABELS: Final = frozenset(
    {
        LabelType.PARENT_SUITE,
        LabelType.SUITE,
        LabelType.SUB_SUITE,
        LabelType.SEVERITY,
        LabelType.THREAD,
        "package",
    }
)

# What Allure groups results by; the first one that fits is taken. Messages begin with these words.
CATEGORIES: Final = (
    {"name": "Known failures", "messageRegex": r"known: [\s\S]*"},
    {"name": "Inconclusive: not observed", "messageRegex": r"inconclusive: [\s\S]*"},
    {"name": "Errors of the harness", "messageRegex": r"error: [\s\S]*"},
    {"name": "Failed: the CSMS is wrong", "matchedStatuses": ["failed"]},
    {
        "name": "Passed with warnings",
        "matchedStatuses": ["passed"],
        "messageRegex": r"[0-9]+ warnings?: [\s\S]*",
    },
    {"name": "Not applicable", "matchedStatuses": ["skipped"]},
)


@dataclass(slots=True)
class AllureCase:
    """The case whose result is written next; without a result it is not written at all."""

    scenario: Scenario
    result: CaseResult | None
    known: Known | None = None


class AllureFiller:
    """A plugin of allure's own plugin manager; `current` is set before each case is reported."""

    def __init__(self, *, sut_name: str, edition: str, links: Mapping[str, str]) -> None:
        """Fill results of a run.

        Args:
            links: URL patterns by link type, as given with ``--allure-link-pattern``.
        """
        self.current: AllureCase | None = None
        self.trouble: OSError | None = None
        self.written: set[str] = set()
        self._sut_name = sut_name
        self._edition = edition
        self._links = links

    @allure_commons.hookimpl(wrapper=True, tryfirst=True)
    def report_result(self, result: TestResult) -> Any:
        """Complete the result, then let it be written; a full disk does not end the run."""
        case, self.current = self.current, None
        if case is not None:
            with self._remembered():
                self._fill(result, case)
        with self._remembered():
            return (yield)
        return []

    @contextlib.contextmanager
    def _remembered(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            self.trouble = self.trouble or exc

    def write(self, case: AllureCase) -> None:
        """Write a case that pytest did not get to report before the run was broken off."""
        self.current = case
        allure_commons.plugin_manager.hook.report_result(result=TestResult(uuid=str(uuid.uuid4())))

    def _fill(self, result: TestResult, case: AllureCase) -> None:
        scenario, outcome = case.scenario, case.result
        if outcome is None or outcome.verdict is Verdict.NOT_RUN:
            # Allure has no word for it: the file gets a name that Allure passes over.
            result.file_pattern = "{prefix}-not-run.json"
            return
        self.written.add(outcome.case_id)
        # Names of the case alone, so that its history survives another folder or another SUT file.
        result.fullName = f"OCPP 1.6 {outcome.profile.value} {outcome.case_id}"
        result.testCaseId = result.historyId = _digest(result.fullName)
        result.name = printable(f"{outcome.case_id}  {outcome.title}")
        result.description = _description(scenario)
        result.status = _STATUS[outcome.verdict]
        result.statusDetails = _details(outcome, case.known)
        result.labels = [label for label in result.labels if label.name not in _OUR_LABELS]
        suites = [outcome.profile.value, outcome.requirement.value]
        if outcome.case_set is not CaseSet.OFFICIAL:
            suites = [SET_NAMES[outcome.case_set], outcome.profile.value]
        result.labels += [
            Label(LabelType.PARENT_SUITE, suites[0]),
            Label(LabelType.SUITE, suites[1]),
            Label(LabelType.SEVERITY, _LEVEL[outcome.requirement].value),
            Label(LabelType.THREAD, outcome.identity or "no charge point"),
        ]
        result.titlePath = suites
        if outcome.case_set is CaseSet.OFFICIAL:
            pattern = self._links.get(LinkType.TEST_CASE, "urn:octt:{}")
            result.links = [
                *result.links,
                Link(LinkType.TEST_CASE, pattern.format(outcome.case_id), outcome.case_id),
            ]
        result.parameters = [
            *result.parameters,
            Parameter("case list", self._edition),
            *(Parameter(name, printable(str(value))) for name, value in outcome.variables.items()),
            Parameter("charge point", outcome.identity, excluded=True),
        ]
        if outcome.started_at is not None:
            result.start = _ms(outcome.started_at)
            result.stop = result.start + round(outcome.duration_s * 1000)
        result.steps = _steps(outcome)
        result.attachments = [*result.attachments, *self._attachments(outcome)]

    def _attachments(self, case: CaseResult) -> list[Attachment]:
        attachments = []
        if case.events:
            svg = draw(case, sut_name=self._sut_name)
            attachments.append(_attach("Sequence diagram", svg, "image/svg+xml", "svg"))
        if case.verdict is not Verdict.PASSED or case_warnings(case):
            attachments.append(_attach("Findings", explain(case), "text/plain", "txt"))
        if case.operator_answers:
            said = "\n".join(answer_lines(case)) + "\n"
            attachments.append(_attach("What the operator said", said, "text/plain", "txt"))
        if case.exchanges:
            attachments.append(_attach("Response times", _timing(case), "text/csv", "csv"))
        if case.events:
            frames = "\n".join(frame_lines(case.events, limit=None).values()) + "\n"
            attachments.append(_attach("Frames", frames, "text/plain", "txt"))
        if case.sut_log and case.verdict is not Verdict.PASSED:
            log = "\n".join(printable_lines(case.sut_log)) + "\n"
            attachments.append(_attach("Log of the CSMS", log, "text/plain", "txt"))
        return attachments


def environment(report: Report) -> dict[str, str]:
    """Return what a reader has to know to compare this run with another."""
    run = report.run
    settings: Mapping[str, Any] = run.settings
    sut: Mapping[str, Any] = settings.get("system_under_test") or {}
    values = {
        "System under test": run.sut_name,
        "Case list": run.edition,
        "OCPP Preflight": report.version,
        "Milliseconds sent": settings.get("milliseconds"),
        "Strict": settings.get("strict"),
        "Cases at a time": settings.get("concurrency"),
        "Settle time, s": settings.get("settle_s"),
        "OCPP URL": sut.get("ocpp_url"),
        "Driver": sut.get("driver"),
        "Declared profiles": ", ".join((sut.get("pics") or {}).get("profiles") or ()),
    }
    for name, budget in (sut.get("budgets") or {}).items():
        words = f"limit {budget.get('limit_s')} s, target {budget.get('target_s')} s"
        values[f"Budget {name}"] = words
    shown = {True: "yes", False: "no"}
    return {
        name: shown.get(value, str(value)) if isinstance(value, bool) else str(value)
        for name, value in values.items()
        if value not in (None, "")
    }


def environment_text(values: Mapping[str, str]) -> str:
    """Return `environment.properties`: one line a value."""
    return "".join(
        f"{name.replace(' ', chr(92) + ' ')}={printable(value).replace(chr(92), chr(92) * 2)}\n"
        for name, value in values.items()
    )


def globals_text(attachments: Mapping[str, tuple[str, str]], *, at: datetime) -> str:
    """Return the file that attaches files to the run as a whole: source and type by name."""
    entries = [
        {"name": name, "source": source, "type": kind, "timestamp": _ms(at)}
        for name, (source, kind) in attachments.items()
    ]
    return json.dumps({"attachments": entries, "errors": []}, indent=1)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _attach(name: str, body: str, kind: str, extension: str) -> Attachment:
    source = f"{uuid.uuid4()}-attachment.{extension}"
    allure_commons.plugin_manager.hook.report_attached_data(
        body=body.encode("utf-8", "backslashreplace"), file_name=source
    )
    return Attachment(name=name, source=source, type=kind)


def _description(scenario: Scenario) -> str:
    lines = [scenario.purpose.strip()]
    if scenario.condition:
        lines.append(f"Condition: {scenario.condition}")
    if scenario.case_set is CaseSet.OFFICIAL:
        section = f"Case document {scenario.source} · " if scenario.source else ""
        lines.append(f"{section}{scenario.requirement.value} · `{scenario.position}`")
    else:
        lines += [scenario.reason.strip(), f"{scenario.source} · `{scenario.position}`"]
    return "\n\n".join(filter(None, lines))


def _details(case: CaseResult, known: Known | None) -> StatusDetails | None:
    if case.verdict is Verdict.PASSED:
        warnings = case_warnings(case)
        if not warnings:
            return None
        count = f"{len(warnings)} warning" + "s" * (len(warnings) > 1)
        words = "; ".join(f"{finding.rule}: {finding.message}" for finding in warnings)
        return StatusDetails(message=printable(f"{count}: {words}", limit=600))
    if case.verdict is Verdict.NOT_APPLICABLE:
        return StatusDetails(message=printable(case.reason))
    message = headline(case)
    if known is not None:
        message = f"known: {known.reason} ({known.where})\n{message}"
    return StatusDetails(message=message, trace=explain(case), known=known is not None or None)


def _steps(case: CaseResult) -> list[TestStepResult]:
    frames = read_frames(case.events)
    steps = [_step(case, step, frames) for step in case.steps]
    inside = {index for step in case.steps for index in step.events}
    outside = [index for index in range(len(case.events)) if index not in inside]
    if outside:
        steps.append(
            TestStepResult(
                name="outside of the steps: connection, cleaning up, settling, unasked frames",
                status=Status.PASSED,
                start=_ms(case.events[outside[0]].at),
                stop=_ms(case.events[outside[-1]].at),
                steps=_frame_steps(case, outside, frames),
            )
        )
    return steps


def _step(case: CaseResult, step: StepResult, frames: Mapping[int, Frame]) -> TestStepResult:
    found = [finding for finding in case.findings if finding.step == step.path]
    status = {"passed": Status.PASSED, "failed": _status_of_red(case)}.get(
        step.outcome, Status.SKIPPED
    )
    start = stop = None
    if step.started_at is not None:
        start = _ms(step.started_at)
        stop = start + round((step.duration_s or 0.0) * 1000)
    words = "\n".join(
        f"{finding.severity.value}: {finding.rule}: {finding.message}" for finding in found
    )
    return TestStepResult(
        name=printable(f"{step.path}  {step.title}", limit=300),
        status=status,
        statusDetails=StatusDetails(message="\n".join(printable_lines(words))) if words else None,
        start=start,
        stop=stop,
        steps=_frame_steps(case, step.events, frames),
    )


def _frame_steps(
    case: CaseResult, indices: Iterable[int], frames: Mapping[int, Frame]
) -> list[TestStepResult]:
    """Return a line for each event; an answer's line takes as long as the answer took."""
    wrong = {finding.event for finding in case.findings if finding.severity is not Severity.WARNING}
    steps = []
    for index in indices:
        event, frame = case.events[index], frames.get(index)
        if event.kind in (EventKind.PING, EventKind.PONG):
            continue
        start = stop = _ms(event.at)
        if frame is None:
            name = f"· {event.kind.value}"
        else:
            arrow = "→" if event.direction is Direction.SENT else "←"
            name = f"{arrow} {frame.name}  {frame.summary}"
            if frame.call_event is not None:
                start = _ms(case.events[frame.call_event].at)
        steps.append(
            TestStepResult(
                name=printable(name, limit=300),
                status=_status_of_red(case) if index in wrong else Status.PASSED,
                start=start,
                stop=stop,
            )
        )
    return steps


def _status_of_red(case: CaseResult) -> str:
    """Return how what went wrong in this case is shown; in a passed one that is its clean-up."""
    status: str = _STATUS.get(case.verdict, Status.FAILED)
    return Status.BROKEN if status == Status.PASSED else status


def _timing(case: CaseResult) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("action", "outcome", "ms", "budget", "late", "disturbed", "message id"))
    for exchange in case.exchanges:
        ms = "" if exchange.duration_s is None else f"{exchange.duration_s * 1000:.2f}"
        writer.writerow(
            printable(cell)
            for cell in (
                exchange.action,
                exchange.outcome.value,
                ms,
                exchange.budget,
                "late" * exchange.is_late,
                "disturbed" * exchange.is_disturbed,
                exchange.message_id,
            )
        )
    return text.getvalue()


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
