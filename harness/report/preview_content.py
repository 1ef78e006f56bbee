"""What the certificate preview says, in the order of its sections. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from harness.model import CaseSet, Profile, Requirement
from harness.report import preview_facts
from harness.report.document import Report
from harness.report.killers import Killer, Sighting, is_killer, sightings
from harness.report.official_list import ListedCase
from harness.report.points import Point, collect, is_failure
from harness.report.preview_facts import ActionRow, Fact, PerformanceRow
from harness.report.preview_rows import Evidence, Link, PlaceEntry, Row, Sheet, level_of
from harness.report.readiness import (
    LEVELS,
    OPEN,
    Assessment,
    OfficialCase,
    Readiness,
    Standing,
    Tally,
    assess,
    tally,
)
from harness.report.summary import SET_NAMES
from harness.report.unobserved import Unobserved, unobserved
from harness.results import CaseResult, Severity, Verdict

FUNCTIONALITIES: Final = {
    Profile.CORE: ("Core", "Boot, cards, transactions, remote control"),
    Profile.FIRMWARE_MANAGEMENT: ("Firmware Management", "Firmware updates, upload of diagnostics"),
    Profile.SMART_CHARGING: ("Smart Charging", "Charging profiles and what results"),
    Profile.RESERVATION: ("Reservation", "Reserving a connector, cancelling it"),
    Profile.LOCAL_AUTH_LIST_MANAGEMENT: (
        "Local Authorization List Management",
        "Lists of cards kept by the charge point",
    ),
    Profile.REMOTE_TRIGGER: ("Remote Trigger", "Messages a charge point is asked for"),
    Profile.SECURITY: ("Security", "Profiles, certificates, events, logs"),
}
_NOT_PROVISIONED: Final = "provisioning."  # explains failures that are no fault of the CSMS
_TONES: Final = {
    Readiness.NOT_READY: "failure",
    Readiness.NOT_SHOWN: "open",
    Readiness.AT_RISK: "risk",
    Readiness.READY: "passed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Functionality:
    """One line of the Test Result Summary.

    Attributes:
        tone: how the result is painted: passed, failure, open, risk or off.
        counts: what the result rests on.
    """

    name: str
    description: str
    result: str
    tone: str
    counts: str


@dataclass(frozen=True, slots=True)
class Level:
    """The cases of one level of demand, counted."""

    name: str
    tally: Tally


@dataclass(frozen=True, slots=True)
class Sighted:
    """A known killer and where it was met."""

    killer: Killer
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class OpenRow:
    """Cases that could not be observed, for one reason."""

    cases: tuple[Link, ...]
    item: Unobserved


@dataclass(frozen=True, slots=True)
class OffRow:
    """Cases that were switched off for one reason: the official ones, and how many more."""

    cases: tuple[str, ...]
    more: int
    levels: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Everything the document says.

    Attributes:
        caveats: what a reader of the answer has to know besides.
        blockers: what would stop a certification, the weightiest first.
        unfinished: how many demanded cases are neither passed nor failed.
        warnings, beyond: what warned, and what failed beyond the official cases.
        day: the date that the times of the rows belong to.
    """

    product: str
    version: str
    made_by: str
    edition: str
    day: str
    head: tuple[Fact, ...]
    assessment: Assessment
    tone: str
    levels: tuple[Level, ...]
    caveats: tuple[str, ...]
    functionalities: tuple[Functionality, ...]
    sets: tuple[Functionality, ...]
    blockers: tuple[Row, ...]
    unfinished: int
    performance: tuple[PerformanceRow, ...]
    actions: tuple[ActionRow, ...]
    around: tuple[Fact, ...]
    configuration: tuple[Fact, ...]
    killers: tuple[Sighted, ...]
    beyond: tuple[Row, ...]
    warnings: tuple[Row, ...]
    unobserved: tuple[OpenRow, ...]
    switched_off: tuple[OffRow, ...]
    problems: tuple[str, ...]
    sheets: tuple[Sheet, ...]
    unprinted: int
    places: tuple[PlaceEntry, ...]


def compose(report: Report, listed: Sequence[ListedCase]) -> Preview:
    """Return what the preview of a run says.

    Args:
        listed: the official case list, for what the run left out.
    """
    run = report.run
    assessment = assess(report, listed)
    # What the harness got wrong itself must not be held against the CSMS.
    failed = [case for case in run.cases if case.verdict is Verdict.FAILED]
    blockers = collect(
        (case for case in failed if case.case_set is CaseSet.OFFICIAL),
        is_failure,
        run_findings=run.findings,
    )
    killers = sightings(run)
    beyond = _beyond(failed, killers)
    warnings = collect(
        run.cases,
        lambda one: one.severity is Severity.WARNING and not is_killer(one),
        run_findings=run.findings,
    )
    told = [*blockers, *beyond, *warnings, *(point for one in killers for point in one.points)]
    sections = {entry.case_id: entry.section for entry in listed}
    evidence = Evidence(run, known=report.known, sections=sections, told=told)
    declared = preview_facts.declared_profiles(run)
    driver = str(preview_facts.system_under_test(run).get("driver") or "")
    sheets = evidence.sheets()
    open_items = unobserved(run.cases, assessment.cases, stopped=run.stopped, driver=driver)
    return Preview(
        product=preview_facts.product(run),
        version=preview_facts.version_of(run),
        made_by=f"OCPP Preflight {report.version}",
        edition=run.edition,
        day=preview_facts.day_of(run.started_at),
        head=preview_facts.head(report),
        assessment=assessment,
        tone=_TONES[assessment.readiness],
        levels=tuple(
            Level(level.value, counted)
            for level in LEVELS
            if (counted := assessment.tally(level)).total
        ),
        caveats=tuple(_caveats(report, assessment, declared, seen=len(killers))),
        functionalities=tuple(
            _functionality(profile, assessment, declared) for profile in FUNCTIONALITIES
        ),
        sets=tuple(_sets(run.cases)),
        blockers=evidence.rows(blockers),
        unfinished=sum(case.is_owed and _is_open(case) for case in assessment.cases),
        performance=preview_facts.performance(report),
        actions=preview_facts.actions(report),
        around=preview_facts.around(report),
        configuration=preview_facts.configuration(report),
        killers=tuple(Sighted(one.killer, evidence.rows(one.points)) for one in killers),
        beyond=evidence.rows(beyond),
        warnings=evidence.rows(warnings),
        unobserved=tuple(
            OpenRow(tuple(evidence.link(case_id) for case_id in item.case_ids), item)
            for item in open_items
        ),
        switched_off=tuple(_switched_off(run.cases)),
        problems=report.problems,
        sheets=sheets,
        unprinted=sum(not sheet.is_shown for sheet in sheets),
        places=evidence.places(),
    )


def _is_open(case: OfficialCase) -> bool:
    """Say whether a demanded case is neither passed nor failed."""
    return case.standing in (*OPEN, Standing.SWITCHED_OFF)


# --- the answer ----------------------------------------------------------------------------------


def _caveats(
    report: Report, assessment: Assessment, declared: frozenset[str] | None, *, seen: int
) -> Iterator[str]:
    yield from (one.message for one in report.run.findings if one.rule.startswith(_NOT_PROVISIONED))
    warned = assessment.tally().warned
    missing = [
        FUNCTIONALITIES[profile][0]
        for profile in FUNCTIONALITIES
        if not assessment.tally(profile=profile).total
    ]
    if missing:
        yield f"Not asked at all, for want of cases: {', '.join(missing)}."
    if seen:
        yield (
            f"{seen} known killer{'s' * (seen != 1)} of certifications"
            f" {'were' if seen != 1 else 'was'} met on the way: see section 5."
        )
    if warned:
        yield f"{warned} case{'s' * (warned != 1)} passed with warnings: see section 5."
    if not report.run.settings.get("strict"):
        yield (
            "The run was tolerant: requests that nobody asked for only warned. The official tool"
            " fails cases on them; --strict does so here."
        )
    if declared is None:
        yield "No profiles are declared, so every conditional case counts as demanded."
    elif Profile.CORE.value not in declared:
        yield "Core is not declared; no certificate goes without it."
    if report.known:
        count = len(report.known)
        yield (
            f"{count} failure{'s are' if count != 1 else ' is'} on the list of known failures."
            " That list does not make a pass: here they count as what they are."
        )


# --- the Test Result Summary ---------------------------------------------------------------------


def _functionality(
    profile: Profile, assessment: Assessment, declared: frozenset[str] | None
) -> Functionality:
    name, description = FUNCTIONALITIES[profile]
    cases = [case for case in assessment.cases if case.profile is profile]
    result, tone = _result(cases, is_declared=declared is None or profile.value in declared)
    return Functionality(
        name=name, description=description, result=result, tone=tone, counts=_counts(tally(cases))
    )


def _result(cases: Sequence[OfficialCase], *, is_declared: bool) -> tuple[str, str]:
    """Return the result of one functionality and its tone; whatever is open is no pass."""
    counted = tally(cases)
    owed = tally(case for case in cases if case.is_owed)
    if not cases:
        return "Not tested", "open"
    if not counted.asked:
        return ("Switched off" if is_declared else "Not declared"), "off"
    if owed.of(Standing.FAILED):
        return "Failed", "failure"
    if owed.total != owed.of(Standing.PASSED):
        return "Not shown", "open"
    if not is_declared:
        return "Not declared", "off"
    if counted.asked != counted.of(Standing.PASSED) or any(case.is_waived for case in cases):
        return "At risk", "risk"
    return "Passed", "passed"


def _counts(counted: Tally) -> str:
    if not counted.total:
        return "no cases for it here"
    if not counted.asked:
        return f"{counted.total} switched off"
    words = [f"{counted.of(Standing.PASSED)} of {counted.asked} passed"]
    for standing in (Standing.FAILED, *OPEN, Standing.SWITCHED_OFF):
        if count := counted.of(standing):
            words.append(f"{count} {standing.value}")
    return ", ".join(words)


def _sets(cases: Sequence[CaseResult]) -> Iterator[Functionality]:
    """Count what was asked beyond the official cases: no part of a certificate."""
    for one, name in SET_NAMES.items():
        verdicts = Counter(case.verdict for case in cases if case.case_set is one)
        asked = verdicts.total() - verdicts[Verdict.NOT_APPLICABLE]
        if not asked:
            continue
        if verdicts[Verdict.FAILED]:
            result, tone = "Failed", "failure"
        elif verdicts[Verdict.PASSED] != asked:
            result, tone = "Not shown", "open"
        else:
            result, tone = "Passed", "passed"
        words = [f"{verdicts[Verdict.PASSED]} of {asked} passed"]
        words += [
            f"{verdicts[verdict]} {verdict.value.replace('_', ' ')}"
            for verdict in Verdict
            if verdict is not Verdict.PASSED and verdicts[verdict]
        ]
        yield Functionality(
            name=name, description="", result=result, tone=tone, counts=", ".join(words)
        )


# --- the rest ------------------------------------------------------------------------------------


def _beyond(failed: Sequence[CaseResult], killers: Sequence[Sighting]) -> tuple[Point, ...]:
    """Return what failed beyond the official cases and is not told as a known killer already."""
    told = {
        (point.case.case_id, point.finding)
        for sighting in killers
        for point in sighting.points
        if point.case is not None
    }
    points = collect(
        (case for case in failed if case.case_set is not CaseSet.OFFICIAL),
        lambda finding: is_failure(finding) and not is_killer(finding),
    )
    return tuple(
        point
        for point in points
        if point.case is None or (point.case.case_id, point.finding) not in told
    )


def _switched_off(cases: Sequence[CaseResult]) -> Iterator[OffRow]:
    groups: dict[str, list[CaseResult]] = {}
    for case in cases:
        if case.verdict is Verdict.NOT_APPLICABLE:
            groups.setdefault(case.reason or "no reason given", []).append(case)
    for reason, group in groups.items():
        official = sorted(case.case_id for case in group if case.case_set is CaseSet.OFFICIAL)
        levels = Counter(level_of(case) for case in group)
        ordered = [level.value for level in Requirement if level.value in levels]
        ordered += [level for level in levels if level not in ordered]
        yield OffRow(
            cases=tuple(official),
            more=len(group) - len(official),
            levels=", ".join(f"{levels[level]} {level}" for level in ordered),
            reason=reason,
        )
