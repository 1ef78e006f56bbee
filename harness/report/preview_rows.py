"""The findings of a preview as rows, and the evidence they lead to. Pure.

Every row names case, rule, expected, actual and time, and links to the frame, the sequence diagram
and the place in the standard within the same document. Nothing here trusts a text: escaping is the
template's, and what steers or hides characters is made visible by `printable`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

from harness.model import CaseSet
from harness.report.diagram import draw_inline
from harness.report.document import Known
from harness.report.frames import printable, printable_lines, read_frames
from harness.report.life import words_of
from harness.report.points import Place, Point, case_weight, demand_of, place_point
from harness.report.standards import documents_of
from harness.results import CaseResult, RunResult, Severity, Verdict
from simulator.trace import Direction, Event, EventKind

NAMED_CASES: Final = 1  # in a row, beside the one that is shown
_LONGEST_TEXT: Final = 1200  # characters of a frame
_MOST_FRAMES: Final = 90  # of a case; the trace has them all
_AROUND: Final = 4  # frames on both sides of one that is wrong
_MOST_LOG_LINES: Final = 30
_WITH_EVIDENCE: Final = (Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.ERROR)
_WORST_FIRST: Final = (
    Severity.ERROR,
    Severity.FAILURE,
    Severity.INCONCLUSIVE,
    Severity.WARNING,
)


@dataclass(frozen=True, slots=True)
class Link:
    """Words that lead to an anchor of the document; nowhere without one."""

    words: str
    anchor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One point as a row.

    Attributes:
        level: how surely the case is demanded, or the set it belongs to.
        others: some of the other cases that show it, and `more` that are not named.
        frame_name: of the message that shows it, such as ``Heartbeat.conf``.
        time: of the frame, or of what `time_words` says.
    """

    point: Point
    case: Link
    title: str
    level: str
    others: tuple[Link, ...]
    more: int
    place: Link
    time: str
    timestamp: str
    time_words: str
    frame: Link
    frame_name: str
    diagram: Link
    known: Known | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRow:
    """One event of a case, or a gap where `left_out` events are not shown."""

    anchor: str = ""
    time: str = ""
    kind: str = ""
    text: str = ""
    mark: str = ""
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The evidence of one case; `is_shown` where a row names the case first."""

    anchor: str
    case: CaseResult
    level: str
    section: str
    rows: tuple[Row, ...]
    frames: tuple[FrameRow, ...]
    diagram: Markup | None
    known: Known | None
    log: tuple[str, ...]
    is_shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceEntry:
    """A place that rows refer to, what is demanded there, and in which documents it is."""

    anchor: str
    place: str
    rules: tuple[tuple[str, str], ...]
    documents: tuple[str, ...]


class Evidence:
    """Makes rows and the sheets they lead to; which cases have a sheet is settled before."""

    def __init__(
        self,
        run: RunResult,
        *,
        known: Iterable[Known],
        sections: Mapping[str, str],
        told: Sequence[Point],
    ) -> None:
        """Give a sheet to every case that did not pass, and to what is told about others.

        Args:
            sections: of the official case document, by case id.
            told: the points that will become rows.
        """
        self._run = run
        self._known = {entry.case_id: entry for entry in known}
        self._sections = sections
        self._named = {point.case.case_id for point in told if point.case is not None}
        self._cases = [
            case
            for case in sorted(run.cases, key=case_weight)
            if case.verdict in _WITH_EVIDENCE or case.case_id in self._named
        ]
        self._anchors: dict[str, str] = {}
        self._places: dict[str, dict[str, None]] = {}
        for case in self._cases:
            self._anchors[case.case_id] = _anchor(case.case_id, self._anchors.values())

    def link(self, case_id: str) -> Link:
        """Return a link to the sheet of a case, where it has one."""
        return Link(case_id, self._anchors.get(case_id, ""))

    def row(self, point: Point) -> Row:
        """Return a point as a row."""
        case, finding = point.case, point.finding
        anchor = self._anchors.get(case.case_id, "") if case is not None else ""
        at = point.at
        return Row(
            point=point,
            case=self.link(case.case_id) if case is not None else Link("the whole run"),
            title=case.title if case is not None else "",
            level=level_of(case) if case is not None else "",
            others=tuple(self.link(other.case_id) for other in point.others[:NAMED_CASES]),
            more=max(0, len(point.others) - NAMED_CASES),
            place=self._place(finding.requirement, finding.rule),
            time=clock(at, self._run.started_at) if at is not None else "",
            timestamp=_iso(at) if at is not None else "",
            time_words=point.at_words,
            frame=_frame_link(anchor, point),
            frame_name=_frame_name(point, finding.requirement),
            diagram=Link("diagram", f"{anchor}-diagram" if _has_diagram(case) else ""),
            known=self._known.get(case.case_id) if case is not None else None,
        )

    def rows(self, points: Iterable[Point]) -> tuple[Row, ...]:
        """Return points as rows."""
        return tuple(self.row(point) for point in points)

    def sheets(self) -> tuple[Sheet, ...]:
        """Return the evidence of every case that has some to show."""
        return tuple(self._sheet(case) for case in self._cases)

    def places(self) -> tuple[PlaceEntry, ...]:
        """Return every place that the rows made so far refer to."""
        return tuple(
            PlaceEntry(
                anchor=f"place-{number}",
                place=place,
                rules=tuple((rule, demand_of(rule)) for rule in rules),
                documents=documents_of(place),
            )
            for number, (place, rules) in enumerate(self._places.items(), 1)
        )

    def _place(self, place: str, rule: str) -> Link:
        if not place:
            return Link("")
        self._places.setdefault(place, {})[rule] = None
        number = list(self._places).index(place) + 1
        return Link(place, f"place-{number}")

    def _sheet(self, case: CaseResult) -> Sheet:
        anchor = self._anchors[case.case_id]
        ordered = sorted(case.findings, key=lambda one: _WORST_FIRST.index(one.severity))
        diagram = None
        if _has_diagram(case):
            diagram = Markup(draw_inline(case, sut_name=self._run.sut_name))  # noqa: S704  # escaped there
        return Sheet(
            anchor=anchor,
            case=case,
            level=level_of(case),
            section=self._sections.get(case.case_id, ""),
            rows=self.rows(place_point(Place(finding, case)) for finding in ordered),
            frames=tuple(_frame_rows(case, anchor)),
            diagram=diagram,
            known=self._known.get(case.case_id),
            log=tuple(printable_lines(case.sut_log)[-_MOST_LOG_LINES:]),
            is_shown=case.case_id in self._named,
        )


def level_of(case: CaseResult) -> str:
    """Return how surely a case is demanded; beyond the official list, the set it belongs to."""
    if case.case_set is CaseSet.OFFICIAL:
        return case.requirement.value
    return case.case_set.value


def clock(at: datetime, day: datetime) -> str:
    """Return a time of day in UTC with milliseconds, with its date where that is another one."""
    at, day = at.astimezone(UTC), day.astimezone(UTC)
    time = f"{at:%H:%M:%S}.{at.microsecond // 1000:03}"
    return time if at.date() == day.date() else f"{at:%Y-%m-%d} {time}"


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _anchor(case_id: str, taken: Iterable[str]) -> str:
    """Return an anchor that nothing else has, made of the case's id."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", case_id)
    anchor, number, others = f"case-{name}", 1, set(taken)
    while anchor in others:
        number += 1
        anchor = f"case-{name}.{number}"
    return anchor


def _has_diagram(case: CaseResult | None) -> bool:
    return case is not None and case.verdict in _WITH_EVIDENCE and bool(case.events)


def _frame_link(anchor: str, point: Point) -> Link:
    if not anchor or point.case is None or not point.case.events:
        return Link("frames")
    if point.frame is None:
        return Link("frames", f"{anchor}-frames")
    return Link("frame", f"{anchor}-frame-{point.frame}")


def _frame_name(point: Point, place: str) -> str:
    """Return the message that shows it, unless the place names it already."""
    if point.case is None or point.frame is None:
        return ""
    frame = read_frames(point.case.events).get(point.frame)
    is_new = frame is not None and frame.action and frame.name not in place
    return frame.name if frame is not None and is_new else ""


def _frame_rows(case: CaseResult, anchor: str) -> Iterable[FrameRow]:
    marks: dict[int, Severity] = {}
    for finding in sorted(case.findings, key=lambda one: -_WORST_FIRST.index(one.severity)):
        if finding.event is not None:
            marks[finding.event] = finding.severity
    messages = read_frames(case.events)
    shown = _shown(len(case.events), marks)
    left_out = 0
    for index, event in enumerate(case.events):
        is_marked = index in marks
        if event.kind in (EventKind.PING, EventKind.PONG) and not is_marked:
            continue
        if index not in shown:
            left_out += 1
            continue
        if left_out:
            yield FrameRow(left_out=left_out)
            left_out = 0
        yield FrameRow(
            anchor=f"{anchor}-frame-{index}",
            time=clock(event.at, case.started_at or event.at),
            kind=_kind(event) if index in messages else "event",
            text=_text(event, is_message=index in messages),
            mark=marks[index].value if is_marked else "",
        )
    if left_out:
        yield FrameRow(left_out=left_out)


def _shown(count: int, marks: Iterable[int]) -> set[int]:
    """Return which events are shown: all, or both ends and what is around the findings."""
    if count <= _MOST_FRAMES:
        return set(range(count))
    shown = {*range(20), *range(count - 10, count)}
    for index in sorted(marks):
        # Whatever is linked to is there; the neighbours only while there is room.
        around = _AROUND if len(shown) < _MOST_FRAMES else 0
        shown |= set(range(max(0, index - around), min(count, index + around + 1)))
    return shown


def _kind(event: Event) -> str:
    return "sent" if event.direction is Direction.SENT else "received"


def _text(event: Event, *, is_message: bool) -> str:
    return printable(event.text, limit=_LONGEST_TEXT) if is_message else words_of(event)
