"""Several systems side by side, a row for each case, as Markdown. Pure.

Only what passed counts as passed. What was not observed, what the tester got wrong, what was not
asked and what did not run stand apart, and are no part of "passed of so many".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from harness.comparison.markdown import code, table, words
from harness.model import CaseSet, Profile
from harness.report.document import Report
from harness.report.frames import printable
from harness.report.summary import SET_NAMES
from harness.results import CaseResult, Verdict

# Signs that every font has, told apart without colour.
MARKS: Final = {
    Verdict.PASSED: "✔",
    Verdict.FAILED: "**✘**",
    Verdict.INCONCLUSIVE: "?",
    Verdict.ERROR: "**!**",
    Verdict.NOT_APPLICABLE: "n/a",
    Verdict.NOT_RUN: "not run",
}
_LEGEND: Final = (
    "✔ passed, **✘** failed, ? inconclusive: not observed, **!** error of the tester, n/a not"
    " applicable; empty: not in this report. Sums are passed of passed and failed; what else there"
    " was stands apart."
)
_LONGEST_NAME: Final = 40


def system_names(reports: Sequence[Report]) -> list[str]:
    """Return a name for each report: its system's, with the time where several have the same."""
    count = Counter(report.run.sut_name for report in reports)
    names: list[str] = []
    for report in reports:
        name = printable(report.run.sut_name, limit=_LONGEST_NAME) or "unnamed"
        if count[report.run.sut_name] > 1:
            name += f" ({report.run.started_at:%Y-%m-%d %H:%M:%S})"
        while name in names:
            name += " again"
        names.append(name)
    return names


def as_matrix(reports: Sequence[Report]) -> str:
    """Return the verdicts of all reports as a Markdown document."""
    return "\n".join(_lines(reports)) + "\n"


def _lines(reports: Sequence[Report]) -> Iterator[str]:
    names = [words(name) for name in system_names(reports)]
    yield "# Systems and cases"
    yield ""
    yield _LEGEND
    yield ""
    yield from table(
        ("System", "Case list", "Run", "Official cases"),
        (
            (
                name,
                code(report.run.edition),
                f"{report.run.started_at:%Y-%m-%d %H:%M} UTC",
                _sum(case for case in report.run.cases if case.case_set is CaseSet.OFFICIAL),
            )
            for name, report in zip(names, reports, strict=True)
        ),
    )
    for name, report in zip(names, reports, strict=True):
        if report.run.stopped:
            yield ""
            yield f"> **Broken off:** {name}: {words(report.run.stopped)}"
    if len({report.run.edition for report in reports}) > 1:
        yield ""
        yield "> **Note:** the editions differ, and with them what a case asks."
    for title, belongs in _groups():
        columns = [
            {case.case_id: case for case in report.run.cases if belongs(case)} for report in reports
        ]
        titles = {case_id: case.title for column in columns for case_id, case in column.items()}
        if not titles:
            continue
        yield ""
        yield f"## {title}"
        yield ""
        yield from table(("Case", *names), _rows(columns, titles))


def _groups() -> Iterator[tuple[str, Callable[[CaseResult], bool]]]:
    """Yield the title of each group and what belongs to it: official cases come by profile."""
    for profile in Profile:
        yield profile.value, _official(profile)
    for case_set, title in SET_NAMES.items():
        yield title, _of_set(case_set)


def _official(profile: Profile) -> Callable[[CaseResult], bool]:
    return lambda case: case.case_set is CaseSet.OFFICIAL and case.profile is profile


def _of_set(case_set: CaseSet) -> Callable[[CaseResult], bool]:
    return lambda case: case.case_set is case_set


def _rows(
    columns: Sequence[dict[str, CaseResult]], titles: dict[str, str]
) -> Iterator[Iterable[str]]:
    yield ("**All**", *(f"**{_sum(column.values())}**" if column else "" for column in columns))
    for case_id in sorted(titles):
        marks = (MARKS[column[case_id].verdict] if case_id in column else "" for column in columns)
        yield (f"{code(case_id)} {words(titles[case_id])}", *marks)


def _sum(cases: Iterable[CaseResult]) -> str:
    counts = Counter(case.verdict for case in cases)
    judged = counts[Verdict.PASSED] + counts[Verdict.FAILED]
    apart = [
        f"{counts[verdict]} {verdict.value.replace('_', ' ')}"
        for verdict in Verdict
        if verdict not in (Verdict.PASSED, Verdict.FAILED) and counts[verdict]
    ]
    return ", ".join([f"{counts[Verdict.PASSED]} of {judged}", *apart])
