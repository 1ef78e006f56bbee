"""What a run could not observe, and what to change so that the next one can. Pure.

Neither green nor red: the CSMS was not seen to be wrong, and not seen to be right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from harness.report.failure import worst_finding
from harness.report.points import case_weight
from harness.report.readiness import OfficialCase
from harness.results import CaseResult, DriverReport, Verdict

_INDIVIDUAL: Final = re.compile(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f-]{4,}|[0-9]+")
_OPEN: Final = (Verdict.INCONCLUSIVE, Verdict.ERROR)

_NOT_SELECTED: Final = "Run without -k, -m and paths, so that every case is asked."
_REPORT_IT: Final = (
    "The fault is in the tester. Run the case again alone; if it stays, report it with trace.jsonl."
)
_BY_RULE: Final = {
    "handshake.unreachable": (
        "Check `ocpp_url` and that the CSMS listens there; `start.ready` can wait for it."
    ),
    "answer.unobserved": (
        "Let the run end by itself, and keep the connection open for as long as the declared"
        " response timeout."
    ),
    "harness.pool": "Name more identities or id tags of that role in the system-under-test file.",
    "harness.variable": "Give the variable a value under `variables` in the file.",
}
_NO_DRIVER: Final = (
    "Say under `driver` how the CSMS is made to act: a request of its HTTP interface for each"
    " operation (docs/how-to/test-your-csms.md)."
)
_BY_OUTCOME: Final = {
    "refused": (
        "The interface refused. Check that the charge point is registered there, that the driver's"
        " credentials may command it, and that the operation exists in this version; then name the"
        " request under `driver.actions`."
    ),
    "unsupported": (
        "The driver has no way to ask for it. Name the request under `driver.actions` if there is"
        " one; else declare that the product has no such function, or do it by hand."
    ),
    "skipped": "A person passed over it. Go through the case again: `preflight run` with its file.",
    "failed": (
        "The interface itself failed. Check `driver.base_url`, the path and the body of the"
        " request, and the log of the CSMS."
    ),
    "pending": (
        "The interface had not answered when the case ended. Raise `action_timeout_s`, or correct"
        " the request."
    ),
}
_DEFAULT: Final = "Read the case's frames and run it again alone with the command given there."


@dataclass(frozen=True, slots=True, kw_only=True)
class Unobserved:
    """Cases that stay open for the same reason.

    Attributes:
        case_ids: the surest demanded first.
        shown: the case whose evidence is worth reading; None where nothing ran.
        what: why they are open, in the words of the first.
        is_error: the tester's own fault.
        said: what the driver said in the first of them, where `what` does not tell it.
        remedy: how to make it observable.
    """

    case_ids: tuple[str, ...]
    shown: CaseResult | None
    what: str
    is_error: bool = False
    said: str = ""
    remedy: str


def unobserved(
    cases: Iterable[CaseResult], official: Sequence[OfficialCase], *, stopped: str, driver: str
) -> tuple[Unobserved, ...]:
    """Return what stays open, grouped by what is to be done about it.

    Args:
        official: the official cases, among them those that were not part of the run.
        stopped: why the run ended early.
        driver: how the run commanded the CSMS, ``none`` for not at all.
    """
    groups: dict[tuple[str, str], list[CaseResult]] = {}
    for case in sorted(cases, key=case_weight):
        if case.verdict in _OPEN:
            remedy = _remedy(case, driver)
            key = (remedy, _INDIVIDUAL.sub("#", _without_name(_what(case), case)))
            groups.setdefault(key, []).append(case)
    found = [
        Unobserved(
            case_ids=tuple(case.case_id for case in group),
            shown=group[0],
            what=_what(group[0]),
            is_error=group[0].verdict is Verdict.ERROR,
            said=_said(group[0]),
            remedy=remedy,
        )
        for (remedy, _), group in groups.items()
    ]
    cut = [case for case in cases if case.verdict is Verdict.NOT_RUN]
    if cut:
        reason = cut[0].reason or stopped or "no reason given"
        found.append(
            Unobserved(
                case_ids=tuple(case.case_id for case in sorted(cut, key=case_weight)),
                shown=None,
                what=f"The run ended before: {reason}",
                remedy="Remove what ended the run, then run again.",
            )
        )
    missing = tuple(case.case_id for case in official if case.result is None)
    if missing:
        found.append(
            Unobserved(
                case_ids=missing,
                shown=None,
                what=_missing_words(stopped),
                remedy=_NOT_SELECTED if not stopped else "Run again, to the end.",
            )
        )
    return tuple(found)


def _missing_words(stopped: str) -> str:
    if stopped:
        return f"Not reached, or not part of this run, which ended early: {stopped}"
    return "Not part of this run."


def _what(case: CaseResult) -> str:
    worst = worst_finding(case)
    return worst.message if worst is not None else case.reason or "no reason given"


def _without_name(words: str, case: CaseResult) -> str:
    """Return words without the names of the actions that the driver was asked for."""
    for report in case.driver_reports:
        words = words.replace(report.action, "*")
    return words


def _said(case: CaseResult) -> str:
    report = _telling(case)
    if report is None or (report.summary and report.summary in _what(case)):
        return ""
    return f"{report.action}: {report.outcome}, {report.summary}".rstrip(", ")


def _telling(case: CaseResult) -> DriverReport | None:
    """Return the driver's word that explains the case: the last one that was not good."""
    return next((one for one in reversed(case.driver_reports) if one.outcome != "done"), None)


def _remedy(case: CaseResult, driver: str) -> str:
    worst = worst_finding(case)
    rule = worst.rule if worst is not None else ""
    if rule in _BY_RULE:
        return _BY_RULE[rule]
    if rule == "request.not-observed":
        report = _telling(case)
        if driver == "none" or report is None:
            return _NO_DRIVER
        return _BY_OUTCOME.get(report.outcome, _DEFAULT)
    return _REPORT_IT if case.verdict is Verdict.ERROR else _DEFAULT
