"""The summary for people at the end of a run. On a terminal with colour, elsewhere plain.

Reads the report alone, so that a run can be shown again later.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from harness.model import CaseSet
from harness.report.document import Counts, Report, case_warnings
from harness.report.failure import headline
from harness.report.frames import printable, printable_lines
from harness.report.measures import ActionTimes, Performance, Times
from harness.results import CaseResult, Severity, Verdict

STYLES: Final = {
    Verdict.PASSED: "green",
    Verdict.FAILED: "bold red",
    Verdict.INCONCLUSIVE: "dark_orange",
    Verdict.ERROR: "bold magenta",
    Verdict.NOT_APPLICABLE: "dim",
    Verdict.NOT_RUN: "dim",
}
_SHOWN_WARNINGS: Final = 40
_NARROW: Final = 100  # a table of times has room for what matters most
_VALUE: Final = re.compile(r"\d[\w:.+-]*")
SET_NAMES: Final = {
    CaseSet.BEYOND: "Beyond the official cases",
    CaseSet.ROBUSTNESS: "Robustness",
}


def print_summary(
    report: Report, console: Console, *, reports: str = "", preview: str = ""
) -> None:
    """Print verdicts, warnings, performance and where the reports are."""
    for part in _parts(report, is_narrow=console.width < _NARROW):
        console.print(part, soft_wrap=isinstance(part, Text))
    if reports:
        console.print(Text(f"Reports: {reports}"), soft_wrap=True)
    if preview:
        console.print(Text(f"Certificate preview: {preview}"), soft_wrap=True)
    console.print(_last_line(report))


def _parts(report: Report, *, is_narrow: bool) -> Iterator[RenderableType]:
    run = report.run
    yield Text()
    yield Text(f"{printable(run.sut_name)} · case list {run.edition}", style="bold")
    if report.profiles or report.sets:
        yield _counts(report)
    yield from _not_passed(report)
    yield from _warnings(report)
    yield from _performance(report.performance, is_narrow=is_narrow)
    if run.stopped and run.cases:
        yield Text(f"Stopped early: {printable(run.stopped)}", style="bold red")
    for problem in report.problems:
        yield Text(printable(problem), style="bold red")


def _counts(report: Report) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Profile" if report.profiles else "Set")
    names = ("passed", "failed", "inconclusive", "error", "not_applicable", "not_run", "known")
    shown = [
        name
        for name in names
        if name in ("passed", "failed", "inconclusive", "error")
        or any(getattr(line, name) for line in (*report.profiles, *report.sets))
    ]
    for name in (*shown, "warnings"):
        table.add_column(name.replace("_", " "), justify="right")
    for line in report.profiles:
        table.add_row(line.profile.value, *(_count(line, name) for name in (*shown, "warnings")))
    table.add_section()
    for extra in report.sets:  # apart: they are no part of the certificate
        table.add_row(
            SET_NAMES[extra.case_set], *(_count(extra, name) for name in (*shown, "warnings"))
        )
    return table


def _count(line: Counts, name: str) -> Text:
    count: int = getattr(line, name)
    styles = {verdict.value: style for verdict, style in STYLES.items()}
    styles |= {"known": "yellow", "warnings": "yellow"}
    return Text(str(count), style=styles[name] if count else "dim")


def _not_passed(report: Report) -> Iterator[RenderableType]:
    known = {entry.case_id: entry for entry in report.known}
    grouped: dict[tuple[str, str], list[str]] = {}  # cases that share their words share a line
    for case in report.run.cases:
        if case.verdict in (Verdict.PASSED, Verdict.NOT_APPLICABLE, Verdict.NOT_RUN):
            continue
        entry = known.get(case.case_id)
        words = f"known: {entry.reason} ({entry.where})" if entry else headline(case)
        key = (printable(words), "yellow" if entry else STYLES[case.verdict])
        grouped.setdefault(key, []).append(case.case_id)
    lines = [
        Text.assemble((f"{', '.join(case_ids)}  ", style), words)
        for (words, style), case_ids in grouped.items()
    ]
    skipped = [case for case in report.run.cases if case.verdict is Verdict.NOT_RUN]
    if skipped:
        reason = skipped[0].reason or report.run.stopped
        words = f"{len(skipped)} not run" + (f": {printable(reason)}" if reason else "")
        lines.append(Text(words, style="dim"))
    yield from (Text.assemble("  ", line) for line in lines)


def _warnings(report: Report) -> Iterator[RenderableType]:
    found = [
        (case.case_id, finding) for case in report.run.cases for finding in case_warnings(case)
    ]
    found += [("the run", finding) for finding in report.run.findings]
    if not found:
        return
    yield Text()
    yield Text(f"Warnings and findings beside the verdicts ({len(found)})", style="bold")
    # The same finding with another time, id or number in its words is of the same kind.
    grouped: dict[tuple[str, str, Severity], tuple[str, list[str]]] = {}
    for case_id, finding in found:
        key = (finding.rule, _VALUE.sub("#", finding.message), finding.severity)
        grouped.setdefault(key, (finding.message, []))[1].append(case_id)
    for (rule, _, severity), (message, case_ids) in list(grouped.items())[:_SHOWN_WARNINGS]:
        places = ", ".join(case_ids[:3]) + (f" and {len(case_ids) - 3} more" * (len(case_ids) > 3))
        style = "yellow" if severity is Severity.WARNING else "bold red"
        first, *more = printable_lines(message, limit=2000) or [""]
        yield Text.assemble("  ", (f"{rule}  ", style), f"{first}  [{printable(places)}]")
        yield from (Text(f"    {line}") for line in more)
    if len(grouped) > _SHOWN_WARNINGS:
        yield Text(f"  … and {len(grouped) - _SHOWN_WARNINGS} more kinds in report.json")


# --- performance -------------------------------------------------------------------------------


def _performance(performance: Performance, *, is_narrow: bool) -> Iterator[RenderableType]:
    if not performance.all_actions.count:
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Response times, ms", overflow="fold")  # a whole name, however narrow
    disturbed = performance.all_actions.disturbed
    is_disturbed = disturbed > 0 and not is_narrow
    for name in ("count", "unanswered", "late", *(["disturbed"] * is_disturbed)):
        table.add_column(name, justify="right")
    for name in ("median", "p95", "max"):
        table.add_column(name, justify="right")
    for line in (*performance.actions, performance.all_actions):
        table.add_row(*_action_cells(line, is_disturbed=is_disturbed))
    yield table
    if disturbed and not is_disturbed:
        yield Text(f"  {disturbed} answers are left out: the tester itself lagged")
    for value in performance.certificate:
        declared = "not declared" if value.declared_s is None else f"{value.declared_s:g} s"
        measured = "not measured" if value.measured_s is None else f"measured {value.measured_s} s"
        yield Text.assemble(
            "  ",
            (f"{value.name}: ", "bold"),
            f"PICS {declared}, {measured}  ({value.basis})",
        )
    yield Text.assemble(
        "  ",
        ("How long the CSMS waits for us: ", "bold"),
        _times_words(performance.our_answers, "answer"),
    )
    yield Text.assemble(
        "  ",
        ("Network share (WebSocket ping): ", "bold"),
        _times_words(performance.network, "round trip"),
    )
    split = performance.split
    yield Text.assemble(
        "  ",
        ("Time of all cases added up: ", "bold"),
        f"{split.cases_s:.1f} s = {split.answers_s:.1f} s CSMS answering"
        f" + {split.own_timers_s:.1f} s own timers + {split.settle_s:.1f} s settling"
        f" + {split.other_s:.1f} s waiting for requests, connecting and the harness",
    )


def _action_cells(line: ActionTimes, *, is_disturbed: bool) -> list[Text]:
    def bad(count: int) -> Text:
        return Text(str(count), style="bold red" if count else "dim")

    cells = [Text(printable(line.action)), Text(str(line.count))]
    cells += [bad(line.unanswered), bad(line.late)]
    if is_disturbed:
        cells.append(Text(str(line.disturbed)))
    times = line.times
    cells += [Text(_ms(value)) for value in (times.median_s, times.p95_s, times.max_s)]
    return cells


def _times_words(times: Times, what: str) -> str:
    if times.max_s is None:
        return "not measured"
    return (
        f"median {_ms(times.median_s)} ms, p95 {_ms(times.p95_s)} ms, max {_ms(times.max_s)} ms"
        f" ({times.count} {what}{'s' * (times.count != 1)})"
    )


def _ms(value_s: float | None) -> str:
    if value_s is None:
        return "-"
    value_ms = value_s * 1000
    return f"{value_ms:.2f}" if value_ms < 1 else f"{value_ms:,.1f}"


def _last_line(report: Report) -> Text:
    cases = report.run.cases
    official = [case for case in cases if case.case_set is CaseSet.OFFICIAL]
    others = [case for case in cases if case.case_set is not CaseSet.OFFICIAL]
    text = _verdict_words(report, official)
    if others:
        extra = f"extended sets: {_verdict_words(report, others)}"
        text = f"{text}; {extra}" if official else extra
    style = "bold green" if report.exit_code == 0 else "bold red"
    return Text(f"{text or 'nothing ran'} in {report.run.duration_s:.1f} s", style=style)


def _verdict_words(report: Report, cases: Sequence[CaseResult]) -> str:
    known = {entry.case_id for entry in report.known}
    counts = Counter(case.verdict for case in cases if case.case_id not in known)
    words = [
        f"{counts[verdict]} {verdict.value.replace('_', ' ')}"
        for verdict in Verdict
        if counts[verdict]
    ]
    excused = sum(case.case_id in known for case in cases)
    return ", ".join([*words, *([f"{excused} known"] if excused else [])])
