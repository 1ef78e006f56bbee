"""What a person reads about one case that did not pass: the finding, the difference, the frames.

Plain text, one case at a time, safe to print whatever the peer sent. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from harness.model import CaseSet, Position
from harness.report.frames import printable, printable_lines, read_frames
from harness.report.life import words_of
from harness.results import CaseResult, Finding, Severity, Verdict
from simulator.trace import Direction, Event, EventKind

_SHOWN_FRAMES: Final = 10
_SHOWN_AFTER: Final = 2  # frames shown after the one that is wrong
_SHOWN_TEXT: Final = 400  # characters of one frame
_SHOWN_FINDINGS: Final = 10
# What a person said, by kind.
ANSWER_WORDS: Final = {
    "wrong_press": "pressed something else",
    "again": "tries again",
    "this_is_it": "says that this is what the system sends",
    "not_me": "says that nobody pressed that",
    "pressed": "says that it was pressed and nothing came",
    "skip": "skipped it",
    "cannot": "says that the system has no such thing",
    "deadline": "said nothing in time",
}
_ORDER: Final = (Severity.ERROR, Severity.FAILURE, Severity.INCONCLUSIVE, Severity.WARNING)


def headline(case: CaseResult) -> str:
    """Return the case's findings in one line, for lists and JUnit messages."""
    worst = worst_finding(case)
    words = f"{worst.rule}: {worst.message}" if worst else case.reason
    verdict = "" if case.verdict is Verdict.FAILED else f"{case.verdict.value}: "
    return printable(" ".join(f"{verdict}{words}".split()), limit=300)


def worst_finding(case: CaseResult) -> Finding | None:
    """Return the finding that decided the verdict, the first one of its kind."""
    found = [finding for finding in case.findings if finding.severity is not Severity.WARNING]
    return min(found, key=lambda finding: _ORDER.index(finding.severity), default=None)


def explain(case: CaseResult) -> str:
    """Return everything a person needs to understand why a case did not pass."""
    return "\n".join(_lines(case))


def _lines(case: CaseResult) -> Iterator[str]:
    section = f"  ({case.position})"
    yield f"{case.case_id}  {printable(case.title)}"
    kind = case.requirement if case.case_set is CaseSet.OFFICIAL else case.case_set
    yield f"{case.profile.value}, {kind.value}{section}"
    if case.reason and all(case.reason != finding.message for finding in case.findings):
        yield from printable_lines(case.reason, limit=600)
    ordered = sorted(case.findings, key=lambda finding: _ORDER.index(finding.severity))
    for finding in ordered[:_SHOWN_FINDINGS]:
        yield ""
        yield from _finding_lines(case, finding)
    if len(ordered) > _SHOWN_FINDINGS:
        yield f"… and {len(ordered) - _SHOWN_FINDINGS} more findings in report.json"
    for report in case.driver_reports:
        yield ""
        summary = printable(report.summary, limit=_SHOWN_TEXT)
        yield f"Driver, {report.action}: {report.outcome}, {summary}"
    if case.operator_answers:
        yield ""
        yield from answer_lines(case)
    if case.events:
        yield ""
        yield from _last_frames(case)
    if case.reproduce:
        yield ""
        yield "Reproduce with:"
        yield f"  {printable(case.reproduce)}"


def answer_lines(case: CaseResult) -> Iterator[str]:
    """Yield what a person said and did in a case, with times."""
    for answer in case.operator_answers:
        words = f": {printable(answer.words, limit=_SHOWN_TEXT)}" if answer.words else ""
        at = answer.at.strftime("%H:%M:%S")
        yield f"Operator, {at}, step {answer.step}: {ANSWER_WORDS[answer.kind]}{words}"


def _finding_lines(case: CaseResult, finding: Finding) -> Iterator[str]:
    origin = f"  ({printable(finding.requirement)})" if finding.requirement else ""
    yield f"{finding.severity.value.upper()}  {printable(finding.rule)}{origin}"
    for line in printable_lines(finding.message, limit=2000):
        yield f"  {line}"
    step = _step_words(case, finding.step, finding.position)
    if step:
        yield f"  step      {step}"
    if finding.expected:
        yield f"  expected  {printable(finding.expected, limit=_SHOWN_TEXT)}"
    if finding.actual:
        yield f"  actual    {printable(finding.actual, limit=_SHOWN_TEXT)}"


def _step_words(case: CaseResult, path: str, position: Position | None) -> str:
    titles = {step.path: step.title for step in case.steps}
    place = f"({position})" if position else ""
    return printable(" ".join(filter(None, (path, titles.get(path, ""), place))))


def _last_frames(case: CaseResult) -> Iterator[str]:
    """Yield the frames that lead to what went wrong, or the last ones where none shows it."""
    wrong = {finding.event for finding in case.findings if finding.severity is not Severity.WARNING}
    worst = worst_finding(case)
    end = len(case.events)
    if worst is not None and worst.event is not None:
        end = min(end, worst.event + 1 + _SHOWN_AFTER)
    yield "Last frames" if end == len(case.events) else "Frames up to there"
    lines = frame_lines(case.events)
    shown = [index for index in lines if index < end][-_SHOWN_FRAMES:]
    for index in shown:
        yield f"{'✗' if index in wrong else ' '} {lines[index]}"


def frame_lines(events: Sequence[Event], *, limit: int | None = _SHOWN_TEXT) -> dict[int, str]:
    """Return events as lines by their index: time of day, direction, raw text cut to `limit`."""
    frames = read_frames(events)
    lines = {}
    for index, event in enumerate(events):
        if event.kind in (EventKind.PING, EventKind.PONG):
            continue
        time = event.at.strftime("%H:%M:%S.%f")[:-3]
        if index in frames:
            arrow = "→" if event.direction is Direction.SENT else "←"
            lines[index] = f"{time}  {arrow} {printable(event.text, limit=limit)}"
        else:
            lines[index] = f"{time}  · {words_of(event)}"
    return lines
