"""What was found, one row for each distinct thing: the case that shows it best, and the others.

One fault of a CSMS shows in many cases. Rows that differ only in ids, numbers and times are one;
each names what was expected, what came, and the moment of the frame. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from harness.checks import CHECKS, SURROUNDINGS
from harness.model import CaseSet, Requirement
from harness.report.frames import read_frames
from harness.results import CaseResult, Finding, Severity, StepResult

# Ids, numbers and times: what differs from case to case though the fault is the same.
_INDIVIDUAL: Final = re.compile(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f-]{4,}|[0-9A-Fa-f]{12,}|[0-9]+")
_FIELD: Final = re.compile(r"\$(?:\.\w+|\[[0-9]+\])+")
_SETS: Final = tuple(CaseSet)
_LEVELS: Final = tuple(Requirement)


# Case, event and field: where two findings say the same thing twice.
_Spot: TypeAlias = tuple[str, int, str] | None


@dataclass(frozen=True, slots=True)
class Place:
    """One finding of one case; of the run as a whole without a case."""

    finding: Finding
    case: CaseResult | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One thing that was found, at one place or at many.

    Attributes:
        place: the one shown.
        others: the other cases that show it.
        count: how often it was found.
        is_echo: another finding about the same field of the same frames came first.
        expected, actual: never empty.
        at: when the frame crossed the wire, or what `at_words` says; None where there is no time.
        at_words: what the time is of, empty for that of the frame.
    """

    place: Place
    others: tuple[CaseResult, ...]
    count: int
    is_echo: bool
    expected: str
    actual: str
    at: datetime | None
    at_words: str

    @property
    def finding(self) -> Finding:
        """The finding that is shown."""
        return self.place.finding

    @property
    def case(self) -> CaseResult | None:
        """The case that is shown; None for the run as a whole."""
        return self.place.case

    @property
    def cases(self) -> tuple[CaseResult, ...]:
        """Every case that shows it, the one shown first."""
        return (self.case, *self.others) if self.case is not None else self.others

    @property
    def frame(self) -> int | None:
        """Index of the event that shows it, where one does."""
        return _event_index(self.place)

    @property
    def demands(self) -> str:
        """What the rule holds, in one sentence."""
        return demand_of(self.finding.rule)


def demand_of(rule: str) -> str:
    """Return in one sentence what a rule holds."""
    info = CHECKS.get(rule) or SURROUNDINGS.get(rule)
    if info is not None:
        return info.what
    if rule.startswith("rule."):
        name = rule.removeprefix("rule.")
        return f"{name} has the fields that the official case asks for."
    return ""


def collect(
    cases: Iterable[CaseResult],
    is_meant: Callable[[Finding], bool],
    *,
    run_findings: Iterable[Finding] = (),
) -> tuple[Point, ...]:
    """Return the findings that are meant, one row for each distinct one, the heaviest first.

    Args:
        is_meant: which findings are asked for.
        run_findings: those that belong to no single case.
    """
    groups: dict[tuple[str, ...], list[Place]] = {}
    firsts: dict[_Spot, tuple[str, ...]] = {}  # the kind that was first at a field of a frame
    for finding in filter(is_meant, run_findings):
        groups.setdefault(_kind(Place(finding), ""), []).append(Place(finding))
    for case in cases:
        if not any(map(is_meant, case.findings)):
            continue
        kind_of = kinds(case)
        for finding in filter(is_meant, case.findings):
            place = Place(finding, case)
            groups.setdefault(kind_of[finding], []).append(place)
            if (spot := _spot(place)) is not None:
                firsts.setdefault(spot, kind_of[finding])
    points = [
        _point(places, is_echo=all(firsts.get(_spot(place), kind) != kind for place in places))
        for kind, places in groups.items()
    ]
    return tuple(sorted(points, key=_weight))


def kinds(case: CaseResult) -> dict[Finding, tuple[str, ...]]:
    """Return what each finding of a case has in common with those of the same cause elsewhere."""
    frames = read_frames(case.events) if case.findings else {}
    found = {}
    for finding in case.findings:
        index = _event_index(Place(finding, case))
        frame = frames.get(index) if index is not None else None
        found[finding] = _kind(Place(finding, case), frame.action if frame else "")
    return found


def place_point(place: Place) -> Point:
    """Return the row of a single finding."""
    return _point([place], is_echo=False)


def is_failure(finding: Finding) -> bool:
    """Say whether a finding says that the CSMS is wrong."""
    return finding.severity is Severity.FAILURE


def _kind(place: Place, action: str) -> tuple[str, ...]:
    """Return what findings of one kind have in common."""
    finding = place.finding
    step = "" if action or finding.expected else _step_title(place)
    return (
        finding.rule,
        finding.severity.value,
        action,
        _shape(finding.expected),
        _shape(finding.actual),
        _shape(finding.message) if not (action or finding.expected or step) else step,
    )


def _shape(text: str) -> str:
    """Return a text without what is its own in every case; raw frames are all alike."""
    return "frame" if text.startswith("[") else _INDIVIDUAL.sub("#", text)


def _spot(place: Place) -> _Spot:
    index = _event_index(place)
    if place.case is None or index is None:
        return None
    found = _FIELD.search(place.finding.expected) or _FIELD.search(place.finding.message)
    return place.case.case_id, index, found[0] if found else ""


def _point(places: Sequence[Place], *, is_echo: bool) -> Point:
    shown = min(places, key=_standing)
    ordered = sorted(
        {place.case.case_id: place.case for place in places if place.case is not None}.values(),
        key=case_weight,
    )
    at, at_words = _time(shown)
    return Point(
        place=shown,
        others=tuple(case for case in ordered if case is not shown.case),
        count=len(places),
        is_echo=is_echo,
        expected=shown.finding.expected or _expected(shown),
        actual=shown.finding.actual or _actual(shown),
        at=at,
        at_words=at_words,
    )


def _standing(place: Place) -> tuple[object, ...]:
    """Sort the places of one kind: the case where it came first shows it best."""
    if place.case is None:
        return ((-1,), 0)
    before = [one for one in place.case.findings if one.severity is place.finding.severity]
    rank = before.index(place.finding) if place.finding in before else len(before)
    return (case_weight(place.case)[:2], rank, place.case.case_id)


def case_weight(case: CaseResult) -> tuple[int, int, str]:
    """Sort cases: official ones first, and among those the surer ones."""
    return _SETS.index(case.case_set), _LEVELS.index(case.requirement), case.case_id


def _weight(point: Point) -> tuple[object, ...]:
    """Sort points: what concerns the whole run, then by case, rare ones last, echoes at the end."""
    if point.case is None:
        return (-1, False, -1, 0, point.finding.rule)
    case_set, level, case_id = case_weight(point.case)
    return (case_set, point.is_echo, level, -len(point.cases), case_id)


# --- what a finding leaves open ----------------------------------------------------------------


def _event_index(place: Place) -> int | None:
    index = place.finding.event
    if place.case is None or index is None or not 0 <= index < len(place.case.events):
        return None
    return index


def _step(place: Place) -> StepResult | None:
    if place.case is None or not place.finding.step:
        return None
    return next((step for step in place.case.steps if step.path == place.finding.step), None)


def _step_title(place: Place) -> str:
    step = _step(place)
    return step.title if step is not None else ""


def _expected(place: Place) -> str:
    if place.finding.rule.startswith("request.") and (title := _step_title(place)):
        return title
    return demand_of(place.finding.rule) or _step_title(place) or "as the case describes"


def _actual(place: Place) -> str:
    return place.finding.message or "see the frames"


def _time(place: Place) -> tuple[datetime | None, str]:
    """Return the time of the frame; without one the end of the step, or of the case."""
    index = _event_index(place)
    if place.case is None:
        return None, "no single frame"
    if index is not None:
        return place.case.events[index].at, ""
    step = _step(place)
    if step is not None and step.started_at is not None:
        ended_at = step.started_at + timedelta(seconds=step.duration_s or 0.0)
        return ended_at, "no frame: waited until"
    if place.case.started_at is not None:
        ended_at = place.case.started_at + timedelta(seconds=place.case.duration_s)
        return ended_at, "no frame: case ended"
    return None, "no frame"
