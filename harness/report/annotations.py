"""What a run found as workflow commands, which GitHub shows at the job and at the lines. Pure.

A workflow command is a line of output. What comes from a CSMS is escaped, so that it can neither
end the line nor begin a command of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.report.document import Report
from harness.report.frames import printable_lines
from harness.report.points import Point, collect
from harness.results import CaseResult, Finding, Severity, Verdict

# GitHub shows ten of each level for a step and drops the rest.
LONGEST: Final = 10
_LEVELS: Final = ("error", "warning", "notice")
_RED: Final = (Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.ERROR)


@dataclass(frozen=True, slots=True)
class Annotation:
    """One thing to show.

    Attributes:
        level: ``error``, ``warning`` or ``notice``.
        path: relative to the checkout; empty where there is no line in it to show.
    """

    level: str
    title: str
    message: str
    path: str = ""
    line: int = 0

    def command(self) -> str:
        """Return the workflow command."""
        place = [("file", self.path), ("line", str(self.line))] if self.path else []
        words = ",".join(
            f"{name}={_property(text)}" for name, text in (*place, ("title", self.title))
        )
        return f"::{self.level} {words}::{_data(self.message)}"


def annotate(report: Report, *, directory: Path, checkout: Path | None) -> list[Annotation]:
    """Return what to show, errors first; no more of a level than is shown.

    Args:
        directory: what the paths of scenarios are relative to.
        checkout: the folder that paths are shown relative to; None shows none.
    """

    def place(case: CaseResult | None) -> tuple[str, int]:
        if case is None or checkout is None:
            return "", 0
        path = (directory / case.position.file).resolve()
        inside = path.relative_to(checkout) if path.is_relative_to(checkout) else None
        if inside is None or any(part.startswith(".") for part in inside.parts):
            return "", 0  # not part of the repository, as in an environment of Python
        return inside.as_posix(), case.position.line

    found = list(_found(report, place))
    kept: list[Annotation] = []
    for level in _LEVELS:
        own = [one for one in found if one.level == level]
        kept += own[:LONGEST]
        if len(own) > LONGEST:
            words = f"and {len(own) - LONGEST + 1} more: see summary.md of the run"
            kept[-1] = Annotation(level, "OCPP Preflight", words)
    return kept


def _found(
    report: Report, place: Callable[[CaseResult | None], tuple[str, int]]
) -> Iterator[Annotation]:
    known = {entry.case_id: entry for entry in report.known}
    red = [case for case in report.run.cases if case.verdict in _RED]
    held = [case for case in red if case.case_id not in known]
    findings = report.run.findings
    for point in collect(held, _is_held, run_findings=findings):
        yield _of_point("error", point, *place(point.case))
    for problem in report.problems:
        yield Annotation("error", "OCPP Preflight", _lines(problem))
    for finding in findings:
        if finding.severity is Severity.WARNING:
            yield Annotation("warning", finding.rule, _lines(finding.message))
    for case in red:
        if entry := known.get(case.case_id):
            words = _lines(f"known failure: {entry.reason} ({entry.where})")
            yield Annotation("notice", case.case_id, words, *place(case))


def _is_held(finding: Finding) -> bool:
    return finding.severity is not Severity.WARNING


def _of_point(level: str, point: Point, path: str, line: int) -> Annotation:
    words = [_lines(point.finding.message)]
    words += [f"expected: {_lines(point.expected)}", f"actual: {_lines(point.actual)}"]
    if point.finding.requirement:
        words.append(_lines(point.finding.requirement))
    others: Sequence[CaseResult] = point.others
    if others:
        shown = ", ".join(case.case_id for case in others[:5])
        words.append(f"also in {shown}" + (f" and {len(others) - 5} more" * (len(others) > 5)))
    name = point.case.case_id if point.case is not None else "The run"
    return Annotation(level, f"{name}: {point.finding.rule}", "\n".join(words), path, line)


def _lines(text: str) -> str:
    return "\n".join(printable_lines(text, limit=1000))


def _data(text: str) -> str:
    """Escape what would end a command's message."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape what would end a command's property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
