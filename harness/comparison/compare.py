"""One run held against an earlier one: what became worse, what better, what else changed. Pure.

A case whose verdict changed is one change: its frames and findings explain it and are not counted
again. Frames and findings are compared in the cases that ran both times with the same verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from harness.comparison.frame_changes import FrameChange, frame_changes
from harness.comparison.latency import NOISE, ActionChange, action_changes
from harness.report.document import Report
from harness.report.failure import headline
from harness.report.points import kinds
from harness.results import CaseResult, Finding, Severity, Verdict

_RED: Final = (Verdict.FAILED, Verdict.ERROR)
_NEVER_RAN: Final = (None, Verdict.NOT_RUN, Verdict.NOT_APPLICABLE)
_MOST_NAMES: Final = 6


class Change(StrEnum):
    """What can be different between two runs; the value is how it is called."""

    NEWLY_RED = "newly red"
    NO_LONGER_SHOWN = "no longer shown"  # it passed, and could not be observed now
    NO_LONGER_RUN = "no longer run"
    NEWLY_RUN = "newly run"
    NEWLY_GREEN = "newly green"
    OTHER_VERDICT = "other verdict"
    SLOWER = "slower"
    CHANGED_FRAME = "changed frame"
    NEW_FINDING = "new finding"
    BROKEN_OFF = "run broken off"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs.

    Attributes:
        verdicts: how many cases came to each verdict.
        stopped: why it was broken off, empty when it was not.
    """

    sut_name: str
    edition: str
    version: str
    started_at: datetime
    verdicts: Mapping[str, int]
    stopped: str


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A case that came out differently.

    Attributes:
        old, new: the verdicts; None where the run does not have the case.
        words: the deciding finding or the reason, in one line.
        frame: the first frame that differs, where one does.
        is_known: it is red, and the known-failures file of the new run expects that.
    """

    change: Change
    case_id: str
    title: str
    old: Verdict | None
    new: Verdict | None
    words: str
    frame: FrameChange | None
    is_known: bool

    @property
    def is_worse(self) -> bool:
        """Whether it speaks against the new run."""
        match self.change:
            case Change.NEWLY_RED | Change.NO_LONGER_SHOWN:
                return not self.is_known
            case Change.NO_LONGER_RUN:
                return True
            case Change.NEWLY_RUN:
                return self.new in _RED and not self.is_known
            case _:
                return False


@dataclass(frozen=True, slots=True)
class FindingChange:
    """A kind of finding that one run has and the other has not.

    Attributes:
        case_ids: where; empty for the run as a whole.
    """

    rule: str
    severity: Severity
    message: str
    case_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that is different between two runs.

    Attributes:
        compared: how many cases ran both times.
        notes: why the two are not quite alike, one sentence each.
        noise: how noise was judged, in one line.
        latency: every action that was answered both times.
        worse: what speaks against the new run, counted by its kind.
        allowed: what also would, had it not been allowed.
    """

    old: Side
    new: Side
    compared: int
    notes: tuple[str, ...]
    verdicts: tuple[VerdictChange, ...]
    noise: str
    latency: tuple[ActionChange, ...]
    frames: tuple[FrameChange, ...]
    new_findings: tuple[FindingChange, ...]
    gone_findings: tuple[FindingChange, ...]
    worse: Mapping[str, int]
    allowed: Mapping[str, int]

    @property
    def slower(self) -> tuple[ActionChange, ...]:
        """The actions that are slower beyond noise."""
        return tuple(one for one in self.latency if one.is_slower)

    @property
    def exit_code(self) -> int:
        """1 where something is worse, else 0."""
        return 1 if self.worse else 0

    def of(self, change: Change) -> tuple[VerdictChange, ...]:
        """Return the cases that came out differently in this way."""
        return tuple(one for one in self.verdicts if one.change is change)


class NothingInCommon(Exception):
    """No case ran in both; the message says so for people."""


def compare(old: Report, new: Report, *, allow: Sequence[Change] = ()) -> Comparison:
    """Hold a run against an earlier one.

    Args:
        allow: what is shown but does not make the new run worse.

    Raises:
        NothingInCommon: there is no case that ran in both.
    """
    before = {case.case_id: case for case in old.run.cases}
    after = {case.case_id: case for case in new.run.cases}
    pairs = [
        (case, after[case_id])
        for case_id, case in before.items()
        if case_id in after and _ran(case) and _ran(after[case_id])
    ]
    if not pairs:
        raise NothingInCommon(
            f"no case ran in both: {_ran_words(before.values())} in the old run,"
            f" {_ran_words(after.values())} in the new one"
        )
    alike = [(was, now) for was, now in pairs if was.verdict is now.verdict]
    known = {entry.case_id for entry in new.known}
    verdicts = tuple(
        change
        for case_id in dict.fromkeys((*before, *after))
        if (change := _verdict_change(before.get(case_id), after.get(case_id), known))
    )
    latency = action_changes(pairs)
    frames = frame_changes(alike)
    new_findings = _findings(alike, old.run.findings, new.run.findings)
    counts = Counter(one.change.value for one in verdicts if one.is_worse)
    counts[Change.SLOWER.value] = sum(one.is_slower for one in latency)
    counts[Change.CHANGED_FRAME.value] = len(frames)
    counts[Change.NEW_FINDING.value] = len(new_findings)
    counts[Change.BROKEN_OFF.value] = int(bool(new.run.stopped))
    return Comparison(
        old=_side(old),
        new=_side(new),
        compared=len(pairs),
        notes=tuple(_notes(old, new)),
        verdicts=verdicts,
        noise=NOISE,
        latency=latency,
        frames=frames,
        new_findings=new_findings,
        gone_findings=_findings(
            [(now, was) for was, now in alike], new.run.findings, old.run.findings
        ),
        worse={one.value: counts[one] for one in Change if counts[one] and one not in allow},
        allowed={one.value: counts[one] for one in Change if counts[one] and one in allow},
    )


def _ran(case: CaseResult | None) -> bool:
    return (case.verdict if case else None) not in _NEVER_RAN


def _ran_words(cases: Iterable[CaseResult]) -> str:
    ran = sum(_ran(case) for case in cases)
    return f"{ran} case{'s' * (ran != 1)} ran"


def _side(report: Report) -> Side:
    run = report.run
    counts = Counter(case.verdict for case in run.cases)
    verdicts = {verdict.value: counts[verdict] for verdict in Verdict if counts[verdict]}
    return Side(run.sut_name, run.edition, report.version, run.started_at, verdicts, run.stopped)


# --- verdicts ----------------------------------------------------------------------------------


def _verdict_change(
    was: CaseResult | None, now: CaseResult | None, known: set[str]
) -> VerdictChange | None:
    case = now or was
    change = _change(was.verdict if was else None, now.verdict if now else None)
    if case is None or change is None:
        return None
    changed = frame_changes([(was, now)]) if was and now and _ran(was) and _ran(now) else ()
    return VerdictChange(
        change=change,
        case_id=case.case_id,
        title=case.title,
        old=was.verdict if was else None,
        new=now.verdict if now else None,
        words=_words(now),
        frame=changed[0] if changed else None,
        is_known=case.case_id in known and now is not None and now.verdict is not Verdict.ERROR,
    )


def _words(now: CaseResult | None) -> str:
    """Return why a case came out as it did; the verdict itself stands beside it."""
    if now is None:
        return "not in the new run"
    if now.verdict is Verdict.PASSED:
        return ""
    return headline(now).removeprefix(f"{now.verdict.value}:").strip()


def _change(old: Verdict | None, new: Verdict | None) -> Change | None:
    ran, runs = old not in _NEVER_RAN, new not in _NEVER_RAN
    if old is new or not (ran or runs):
        return None
    if not runs:
        return Change.NO_LONGER_RUN
    if not ran:
        return Change.NEWLY_RUN
    if new in _RED and old not in _RED:
        return Change.NEWLY_RED
    if new is Verdict.PASSED:
        return Change.NEWLY_GREEN
    return Change.NO_LONGER_SHOWN if old is Verdict.PASSED else Change.OTHER_VERDICT


# --- findings ----------------------------------------------------------------------------------


def _findings(
    pairs: Sequence[tuple[CaseResult, CaseResult]],
    run_old: Sequence[Finding],
    run_new: Sequence[Finding],
) -> tuple[FindingChange, ...]:
    """Return the kinds of findings that the second of each pair has and the first has not."""
    found: dict[tuple[str, ...], tuple[Finding, list[str]]] = {}
    had = {(finding.rule, finding.severity) for finding in run_old}
    for finding in run_new:  # their words have counts in them
        if (finding.rule, finding.severity) not in had:
            found.setdefault((finding.rule, finding.severity), (finding, []))
    for was, now in pairs:
        before = set(kinds(was).values())
        for finding, kind in kinds(now).items():
            if kind not in before:
                found.setdefault(kind, (finding, []))[1].append(now.case_id)
    return tuple(
        FindingChange(
            finding.rule, finding.severity, finding.message, tuple(dict.fromkeys(case_ids))
        )
        for finding, case_ids in found.values()
    )


# --- what makes the two unlike -----------------------------------------------------------------


def _notes(old: Report, new: Report) -> Iterator[str]:
    """Say why the two runs are not quite alike."""
    if old.run.sut_name != new.run.sut_name:
        yield f"These are two systems: {old.run.sut_name} and {new.run.sut_name}."
    if old.run.edition != new.run.edition:
        yield (
            f"The case lists are of two editions, {old.run.edition} and {new.run.edition}:"
            " what a case asks may differ."
        )
    if old.version != new.version:
        yield (
            f"The runs were made by versions {old.version} and {new.version} of this program:"
            " what a case asks may differ."
        )
    for which, report in (("old", old), ("new", new)):
        if report.run.stopped:
            yield f"The {which} run was broken off: {report.run.stopped}"
    if old.run.started_at > new.run.started_at:
        yield "The old run is the younger one: are they the wrong way round?"
    differing = sorted(_differing(_settings(old), _settings(new)))
    if differing:
        shown = ", ".join(differing[:_MOST_NAMES])
        more = f" and {len(differing) - _MOST_NAMES} more" * (len(differing) > _MOST_NAMES)
        yield f"The runs were made with other settings: {shown}{more}."


# Addresses, and what the notes say already.
_NOT_COMPARED: Final = {"edition", "name", "file", "ocpp_url", "endpoints", "driver"}


def _settings(report: Report) -> dict[str, object]:
    settings = dict(report.run.settings)
    sut = settings.pop("system_under_test", None)
    flat = {**settings, **(sut if isinstance(sut, Mapping) else {})}
    return {name: value for name, value in flat.items() if name not in _NOT_COMPARED}


def _differing(old: Mapping[str, object], new: Mapping[str, object]) -> set[str]:
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}
