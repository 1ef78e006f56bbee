"""The summary of a run as Markdown (`summary.md`), for the page of a CI job. Pure.

Names, frames and messages come from untrusted systems: they stand in code spans or are escaped, so
that they can neither become markup nor break a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from harness.report.document import Counts, Report
from harness.report.frames import printable
from harness.report.official_list import official_list
from harness.report.points import Point, collect, is_failure
from harness.report.preview_facts import duration, product, version_of
from harness.report.readiness import Readiness, assess
from harness.report.summary import SET_NAMES
from harness.results import CaseResult, Severity, Verdict

_LONGEST_ROWS: Final = 50  # GitHub takes 1 MiB; nobody reads more than this
_LONGEST_CELL: Final = 180
_PUNCTUATION: Final = re.compile(r"[\\`*_{}\[\]<>#+.!|~&@:$^=-]")
_MARKS: Final = {
    Readiness.NOT_READY: "❌",
    Readiness.NOT_SHOWN: "❔",
    Readiness.AT_RISK: "⚠️",
    Readiness.READY: "✅",
}
_UNSEEN: Final = (Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.NOT_RUN)


def render(report: Report, *, reason: str = "") -> str:
    """Return the summary.

    Args:
        reason: why the run proves nothing, where it does not.
    """
    return "\n".join(_lines(report, reason)) + "\n"


def plain(text: str, *, limit: int = _LONGEST_CELL) -> str:
    """Return a text that is shown as it is, in one line, also in a table."""
    return _PUNCTUATION.sub(r"\\\g<0>", printable(" ".join(text.split()), limit=limit))


def code(text: str, *, limit: int = _LONGEST_CELL) -> str:
    """Return a text as a code span, also in a table."""
    text = printable(" ".join(text.split()), limit=limit)
    if not text:
        return ""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if text[0] == "`" or text[-1] == "`" else ""
    return f"{fence}{space}{text}{space}{fence}".replace("|", "\\|")


def _lines(report: Report, reason: str) -> Iterator[str]:
    run = report.run
    assessment = assess(report, official_list())
    name = f"{product(run)} {version_of(run)}".strip()
    yield f"## {_MARKS[assessment.readiness]} {plain(name)}: {assessment.readiness.value}"
    yield ""
    yield (
        f"OCPP 1.6 certification preview, case list {plain(run.edition)},"
        f" {run.duration_s:.1f} s. A preview, not a certificate."
    )
    for words in (*assessment.reasons, *report.problems, *([reason] if reason else [])):
        yield f"- {plain(words, limit=600)}"
    yield ""
    yield from _counts(report)
    yield from _blockers(report)
    yield from _unseen(report)
    yield from _performance(report)
    yield from _notes(report)


def _counts(report: Report) -> Iterator[str]:
    lines: list[tuple[str, Counts]] = [(one.profile.value, one) for one in report.profiles]
    lines += [(SET_NAMES[one.case_set], one) for one in report.sets]
    if not lines:
        return
    names = ["passed", "failed", "inconclusive", "error"]
    names += [
        name
        for name in ("not_applicable", "not_run", "known")
        if any(getattr(line, name) for _, line in lines)
    ]
    names.append("warnings")
    yield _row("Profile", *(name.replace("_", " ") for name in names))
    yield _row("---", *("---:" for _ in names))
    for title, line in lines:
        yield _row(title, *(str(getattr(line, name)) for name in names))
    yield ""


def _blockers(report: Report) -> Iterator[str]:
    known = {entry.case_id for entry in report.known}
    failed = [case for case in report.run.cases if case.verdict is Verdict.FAILED]
    points = collect(failed, is_failure, run_findings=report.run.findings)
    if not points:
        return
    yield "### What failed"
    yield ""
    yield _row("Case", "Rule", "Expected", "Actual", "Time")
    yield _row("---", "---", "---", "---", "---")
    for point in points[:_LONGEST_ROWS]:
        yield _row(
            _cases(point, known),
            code(point.finding.rule),
            code(point.expected),
            code(point.actual),
            f"{point.at:%H:%M:%S.%f}"[:-3] if point.at is not None else "",
        )
    yield from _more(len(points), "rows")
    yield ""


def _cases(point: Point, known: set[str]) -> str:
    if point.case is None:
        return "the run"
    words = code(point.case.case_id)
    if point.others:
        words += f" and {len(point.others)} more"
    return f"{words} (known)" if point.case.case_id in known else words


def _unseen(report: Report) -> Iterator[str]:
    cases = [case for case in report.run.cases if case.verdict in _UNSEEN]
    if not cases:
        return
    yield "### What was not seen"
    yield ""
    grouped: dict[tuple[Verdict, str], list[CaseResult]] = {}
    for case in cases:
        grouped.setdefault((case.verdict, case.reason), []).append(case)
    for (verdict, why), group in list(grouped.items())[:_LONGEST_ROWS]:
        ids = ", ".join(code(case.case_id) for case in group[:5])
        more = f" and {len(group) - 5} more" if len(group) > 5 else ""
        words = verdict.value.replace("_", " ")
        yield f"- {ids}{more}, {words}: {plain(why or 'no reason given', limit=400)}"
    yield from _more(len(grouped), "reasons")
    yield ""


def _performance(report: Report) -> Iterator[str]:
    performance = report.performance
    if not performance.all_actions.count:
        return
    yield "### Performance"
    yield ""
    yield _row("", "PICS", "measured", "")
    yield _row("---", "---:", "---:", "---")
    for value in performance.certificate:
        declared = "not declared" if value.declared_s is None else f"{value.declared_s:g} s"
        measured = "not measured" if value.measured_s is None else f"{value.measured_s} s"
        yield _row(value.name, declared, measured, value.basis)
    times = performance.all_actions.times
    yield ""
    yield (
        f"All answers: median {duration(times.median_s)}, p95 {duration(times.p95_s)},"
        f" max {duration(times.max_s)}, {performance.all_actions.unanswered} unanswered."
    )
    yield ""


def _notes(report: Report) -> Iterator[str]:
    """Warnings of the run as a whole, and what the declaration switched off."""
    warnings = [one for one in report.run.findings if one.severity is Severity.WARNING]
    if warnings:
        yield "### Noticed besides"
        yield ""
        for finding in warnings[:_LONGEST_ROWS]:
            yield f"- {code(finding.rule)} {plain(finding.message, limit=400)}"
        yield from _more(len(warnings), "findings")
        yield ""
    off = [case for case in report.run.cases if case.verdict is Verdict.NOT_APPLICABLE]
    if off:
        yield f"<details><summary>{len(off)} switched off</summary>"
        yield ""
        yield from (f"- {code(case.case_id)} {plain(case.reason)}" for case in _sorted(off))
        yield ""
        yield "</details>"
        yield ""


def _sorted(cases: Sequence[CaseResult]) -> list[CaseResult]:
    return sorted(cases, key=lambda case: case.case_id)


def _more(count: int, what: str) -> Iterator[str]:
    if count > _LONGEST_ROWS:
        yield ""
        yield f"… and {count - _LONGEST_ROWS} more {what} in `report.json`."


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
