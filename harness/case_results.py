"""Results of cases that did not run, and what a result may tell: nothing secret. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from harness.masking import Masker
from harness.model import Scenario
from harness.results import CaseResult, Finding, Severity, Verdict
from simulator.trace import Direction, Event, EventKind

# How a program that is dying refuses: not by an HTTP status or an alert.
_LIKE_DEATH: Final = frozenset({"eof", "reset", "closed_port", "unreachable", None})


def is_answered(case: CaseResult) -> bool:
    """Say whether anything came from the Central System in a case."""
    return any(event.direction is Direction.RECEIVED for event in case.events)


def is_cut_off(events: Sequence[Event]) -> bool:
    """Say whether a connection ended without a word, or none came about."""
    return any(
        (event.kind is EventKind.CLOSED and event.detail.get("by") == "lost")
        or (event.kind is EventKind.REFUSED and event.detail.get("kind") in _LIKE_DEATH)
        for event in events
    )


def silence(events: Sequence[Event], url: str) -> str:
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


def without_run(scenario: Scenario, verdict: Verdict, reason: str) -> CaseResult:
    """Return the result of a case of which nothing was seen."""
    return CaseResult(
        case_id=scenario.id,
        title=scenario.title,
        profile=scenario.profile,
        requirement=scenario.requirement,
        position=scenario.position,
        case_set=scenario.case_set,
        verdict=verdict,
        reason=reason,
    )


def not_provided(scenario: Scenario, reason: str, *, rule: str = "sut.no-profile") -> CaseResult:
    """Return the result of a case for which the system under test has not what it takes."""
    message = f"{reason[0].upper()}{reason[1:]}."
    finding = Finding(rule, Severity.INCONCLUSIVE, message, position=scenario.position)
    result = without_run(scenario, Verdict.INCONCLUSIVE, finding.message)
    return replace(result, findings=(finding,))


def broken(scenario: Scenario, rule: str, message: str) -> CaseResult:
    """Return the result of a case that the harness could not run."""
    finding = Finding(rule, Severity.ERROR, message, position=scenario.position)
    return replace(without_run(scenario, Verdict.ERROR, message), findings=(finding,))


def masked(result: CaseResult, masker: Masker) -> CaseResult:
    """Return a result in which no text holds a secret."""
    return replace(
        result,
        reason=masker.mask(result.reason),
        variables=masker.mask_json(dict(result.variables)),
        findings=tuple(masked_finding(finding, masker) for finding in result.findings),
        events=tuple(
            replace(
                event, text=masker.mask(event.text), detail=masker.mask_json(dict(event.detail))
            )
            for event in result.events
        ),
        driver_reports=tuple(
            replace(report, summary=masker.mask(report.summary)) for report in result.driver_reports
        ),
        operator_answers=tuple(
            replace(answer, words=masker.mask(answer.words)) for answer in result.operator_answers
        ),
        sut_log=masker.mask(result.sut_log),
        reproduce=masker.mask(result.reproduce),
    )


def masked_finding(finding: Finding, masker: Masker) -> Finding:
    """Return a finding in which no text holds a secret."""
    return replace(
        finding,
        message=masker.mask(finding.message),
        expected=masker.mask(finding.expected),
        actual=masker.mask(finding.actual),
    )
