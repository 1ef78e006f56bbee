"""Whether anything that was seen, or not seen, would stop a certification. Pure.

Only `passed` counts as a pass, also where a failure is known and excused. What could not be
observed, what the tester got wrong, what did not run and what was never selected stand apart, and
as long as any demanded case is among them nothing is ready.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from harness.model import EDITIONS, CaseSet, Profile, Requirement
from harness.report.document import Report, case_warnings
from harness.report.official_list import ListedCase
from harness.results import CaseResult, Severity, Verdict

# What a certificate rests on; the official list marks the rest as unconfirmed.
DEMANDED: Final = (Requirement.MANDATORY, Requirement.CONDITIONAL)
LEVELS: Final = (*DEMANDED, Requirement.UNCONFIRMED)
UNASKED_RULE: Final = "wire.unasked-call"
NOT_IN_EDITION: Final = "not in edition"  # how the engine's reason begins


class Standing(StrEnum):
    """How one official case stands for the certificate."""

    PASSED = "passed"
    FAILED = "failed"
    UNOBSERVED = "not observed"  # nobody could make the CSMS act, or nobody saw
    ERROR = "tester's error"
    NOT_RUN = "not run"  # the run ended before, or the case was not part of it
    SWITCHED_OFF = "switched off"  # by the declaration or the edition


_STANDING_OF: Final = {
    Verdict.PASSED: Standing.PASSED,
    Verdict.FAILED: Standing.FAILED,
    Verdict.INCONCLUSIVE: Standing.UNOBSERVED,
    Verdict.ERROR: Standing.ERROR,
    Verdict.NOT_RUN: Standing.NOT_RUN,
    Verdict.NOT_APPLICABLE: Standing.SWITCHED_OFF,
}
OPEN: Final = (Standing.UNOBSERVED, Standing.ERROR, Standing.NOT_RUN)


class Readiness(StrEnum):
    """The answer to whether this product could go to the laboratory."""

    NOT_READY = "Not ready"
    NOT_SHOWN = "Not shown to be ready"
    AT_RISK = "Ready, with risks"
    READY = "Ready, as far as this preview can tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialCase:
    """One case of the official list and how it stands; without a result it was not selected."""

    case_id: str
    profile: Profile
    requirement: Requirement
    section: str = ""
    is_in_edition: bool = True
    result: CaseResult | None = None

    @property
    def standing(self) -> Standing:
        """How it stands."""
        return Standing.NOT_RUN if self.result is None else _STANDING_OF[self.result.verdict]

    @property
    def is_owed(self) -> bool:
        """Whether a certificate needs it: no declaration switches off what is mandatory in Core."""
        if self.is_waived:
            return self.profile is Profile.CORE
        return self.requirement in DEMANDED and self.standing is not Standing.SWITCHED_OFF

    @property
    def is_waived(self) -> bool:
        """Whether it is mandatory, and switched off all the same."""
        return (
            self.is_in_edition
            and self.requirement is Requirement.MANDATORY
            and self.standing is Standing.SWITCHED_OFF
        )


@dataclass(frozen=True, slots=True)
class Tally:
    """How some official cases stand, counted."""

    counts: Counter[Standing]
    warned: int

    def of(self, standing: Standing) -> int:
        """Return how many stand like this."""
        return self.counts[standing]

    @property
    def total(self) -> int:
        """All of them, those switched off too."""
        return self.counts.total()

    @property
    def asked(self) -> int:
        """All of them but those switched off."""
        return self.total - self.counts[Standing.SWITCHED_OFF]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The standing of every official case, and what follows.

    Attributes:
        reasons: why it is not better, one sentence each, the weightiest first.
    """

    readiness: Readiness
    reasons: tuple[str, ...]
    cases: tuple[OfficialCase, ...]

    def tally(
        self, requirement: Requirement | None = None, profile: Profile | None = None
    ) -> Tally:
        """Count the cases of one level, of one profile, or all."""
        return tally(
            case
            for case in self.cases
            if requirement in (None, case.requirement) and profile in (None, case.profile)
        )


def tally(cases: Iterable[OfficialCase]) -> Tally:
    """Count cases by how they stand."""
    counted = list(cases)
    warned = sum(
        case.result is not None
        and case.standing is Standing.PASSED
        and bool(case_warnings(case.result))
        for case in counted
    )
    return Tally(Counter(case.standing for case in counted), warned)


def assess(report: Report, listed: Sequence[ListedCase]) -> Assessment:
    """Say how ready the product is.

    Args:
        listed: the official list; what the run has no result for was not part of it.
    """
    cases = _official_cases(report, listed)
    readiness, reasons = _decide(report, cases)
    return Assessment(readiness=readiness, reasons=tuple(reasons), cases=cases)


def _official_cases(report: Report, listed: Sequence[ListedCase]) -> tuple[OfficialCase, ...]:
    edition = report.run.edition
    entries = {entry.case_id: entry for entry in listed}
    results = {case.case_id: case for case in report.run.cases if case.case_set is CaseSet.OFFICIAL}
    cases = []
    for result in results.values():
        entry = entries.get(result.case_id)
        cases.append(
            OfficialCase(
                case_id=result.case_id,
                profile=result.profile,
                requirement=result.requirement,
                section=entry.section if entry else "",
                is_in_edition=not (
                    result.verdict is Verdict.NOT_APPLICABLE
                    and (
                        result.reason.startswith(NOT_IN_EDITION)
                        or (entry is not None and not _is_in_edition(entry, edition))
                    )
                ),
                result=result,
            )
        )
    cases += [
        OfficialCase(
            case_id=entry.case_id,
            profile=entry.profile,
            requirement=entry.requirement,
            section=entry.section,
        )
        for entry in listed
        if entry.case_id not in results and _is_in_edition(entry, edition)
    ]
    return tuple(sorted(cases, key=lambda case: case.case_id))


def _is_in_edition(entry: ListedCase, edition: str) -> bool:
    return edition not in EDITIONS or entry.editions.includes(edition)


def _decide(report: Report, cases: Sequence[OfficialCase]) -> tuple[Readiness, list[str]]:
    run = report.run
    reasons: list[str] = []
    if not any(case.standing in (Standing.PASSED, Standing.FAILED) for case in cases):
        reasons.append("No official case came to a verdict about the CSMS.")
    owed = [case for case in cases if case.is_owed]
    for level in DEMANDED:
        failed = [
            case for case in owed if case.requirement is level and case.standing is Standing.FAILED
        ]
        if failed:
            reasons.append(f"{_cases(failed, level.value)} failed.")
    broken = [one for one in run.findings if one.severity in (Severity.FAILURE, Severity.ERROR)]
    if broken:
        rules = ", ".join(sorted({finding.rule for finding in broken}))
        reasons.append(f"The run as a whole found: {rules}.")
    if reasons:
        return Readiness.NOT_READY, reasons + _open_reasons(report, owed)
    reasons = _open_reasons(report, owed)
    if reasons:
        return Readiness.NOT_SHOWN, reasons
    reasons = [*_waived_reasons(cases), *_unconfirmed_reasons(cases), *_unasked_reasons(cases)]
    return (Readiness.AT_RISK if reasons else Readiness.READY), reasons


def _waived_reasons(cases: Sequence[OfficialCase]) -> Iterator[str]:
    if waived := [case for case in cases if case.is_waived and not case.is_owed]:
        yield (
            f"{_cases(waived, 'mandatory')} switched off by the declaration."
            " A laboratory may demand them all the same."
        )


def _unconfirmed_reasons(cases: Sequence[OfficialCase]) -> Iterator[str]:
    unconfirmed = [
        case
        for case in cases
        if case.requirement not in DEMANDED
        and case.standing not in (Standing.PASSED, Standing.SWITCHED_OFF)
    ]
    if unconfirmed:
        words = ", ".join(
            f"{count} {standing.value}"
            for standing, count in Counter(case.standing for case in unconfirmed).items()
        )
        yield f"Of the unconfirmed cases: {words}. A laboratory may demand them."


def _unasked_reasons(cases: Sequence[OfficialCase]) -> Iterator[str]:
    """Say which cases passed only because a tolerant run lets unasked requests pass."""
    lenient = sum(
        case.standing is Standing.PASSED
        and case.result is not None
        and any(one.rule == UNASKED_RULE for one in case.result.findings)
        for case in cases
    )
    if lenient:
        yield (
            f"{lenient} case{'s' * (lenient != 1)} passed with requests that nobody asked for."
            " The official tool fails cases on them."
        )


def _open_reasons(report: Report, owed: Sequence[OfficialCase]) -> list[str]:
    reasons = []
    words = {
        Standing.UNOBSERVED: "could not be observed",
        Standing.ERROR: "ended in an error of the tester",
        Standing.NOT_RUN: "did not run",
        Standing.SWITCHED_OFF: "of Core switched off, though mandatory",
    }
    for standing, what in words.items():
        if found := [case for case in owed if case.standing is standing]:
            reasons.append(f"{_cases(found, 'demanded')} {what}.")
    if report.run.stopped:
        why = report.run.stopped.rstrip(".")
        reasons.append(f"The run was broken off: {why}{'' if why.endswith('?') else '.'}")
    return reasons


def _cases(cases: Sequence[OfficialCase], which: str) -> str:
    return f"{len(cases)} {which} case{'s' * (len(cases) != 1)}"
