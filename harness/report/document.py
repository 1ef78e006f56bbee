"""`report.json`: the run as one versioned document, written and read. Everything else is drawn
from it.

Its fields are those of `harness.results` and `harness.report.measures`, by name; its closed shape
is `report.schema.json`. Times of day are ISO 8601 in UTC, durations seconds. Pure.
"""

from __future__ import annotations

import json
import types
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from importlib import resources
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

import jsonschema_rs

from harness.model import CaseSet, Profile
from harness.report.measures import AUTHORIZE_BUDGET, RESPONSE_BUDGET, Performance, measure
from harness.results import CaseResult, Finding, RunResult, Severity, Verdict

SCHEMA_VERSION: Final = 1  # rises with every change that a reader would notice

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known:
    """A case that was expected to fail, as the known-failures file says.

    Attributes:
        where: where it is written up.
    """

    case_id: str
    pattern: str
    reason: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How some cases came out; `known` are failures that were expected."""

    passed: int = 0
    failed: int = 0
    inconclusive: int = 0
    error: int = 0
    not_applicable: int = 0
    not_run: int = 0
    known: int = 0
    warnings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSummary(Counts):
    """How the official cases of one profile came out."""

    profile: Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSummary(Counts):
    """How one set of cases beyond the official ones came out."""

    case_set: CaseSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run with all that is derived from it.

    Attributes:
        version: of the program that made it.
        problems: what is wrong with the run itself, such as a known failure that passed.
        profiles, performance: of the official cases alone.
        sets: of the others.
        exit_code: 0 good, 1 findings, 2 wrong use or nothing passed.
    """

    version: str
    run: RunResult
    known: tuple[Known, ...] = ()
    problems: tuple[str, ...] = ()
    exit_code: int
    profiles: tuple[ProfileSummary, ...]
    sets: tuple[SetSummary, ...]
    performance: Performance


class UnreadableReport(Exception):
    """The file is no report of this version; the message says what is wrong with it."""


def make_report(
    run: RunResult,
    *,
    version: str,
    exit_code: int,
    known: Sequence[Known] = (),
    problems: Sequence[str] = (),
) -> Report:
    """Return the run with its summary and performance table."""
    official = [case for case in run.cases if case.case_set is CaseSet.OFFICIAL]
    expected = {entry.case_id for entry in known}
    return Report(
        version=version,
        run=run,
        known=tuple(known),
        problems=tuple(problems),
        exit_code=exit_code,
        profiles=summarise(official, known=expected),
        sets=summarise_sets(run.cases, known=expected),
        performance=measure(official, limits_s=declared_limits_s(run.settings)),
    )


def declared_limits_s(settings: Mapping[str, object]) -> dict[str, float]:
    """Return by budget what is declared in the run's settings, else its limit, in seconds."""
    sut = settings.get("system_under_test")
    budgets = sut.get("budgets") if isinstance(sut, Mapping) else None
    pics = sut.get("pics") if isinstance(sut, Mapping) else None
    performance = pics.get("performance") if isinstance(pics, Mapping) else None
    if not isinstance(performance, Mapping):
        performance = {}
    declared = {
        name: float(value)
        for name in (RESPONSE_BUDGET, AUTHORIZE_BUDGET)
        if isinstance(value := performance.get(f"{name}_s"), int | float)
    }
    if not isinstance(budgets, Mapping):
        return declared
    limits = {
        str(name): float(budget["limit_s"])
        for name, budget in budgets.items()
        if isinstance(budget, Mapping) and isinstance(budget.get("limit_s"), int | float)
    }
    return limits | declared


def summarise(cases: Sequence[CaseResult], *, known: set[str]) -> tuple[ProfileSummary, ...]:
    """Return one line for each profile that has cases, in the standard's order."""
    return tuple(
        ProfileSummary(profile=profile, **_counts(own, known))
        for profile in Profile
        if (own := [case for case in cases if case.profile is profile])
    )


def summarise_sets(cases: Sequence[CaseResult], *, known: set[str]) -> tuple[SetSummary, ...]:
    """Return one line for each set beyond the official cases that has cases."""
    return tuple(
        SetSummary(case_set=one, **_counts(own, known))
        for one in CaseSet
        if one is not CaseSet.OFFICIAL and (own := [case for case in cases if case.case_set is one])
    )


def _counts(cases: Sequence[CaseResult], known: set[str]) -> dict[str, int]:
    expected = {case.case_id for case in cases if is_excused(case.verdict)} & known
    verdicts = Counter(case.verdict for case in cases if case.case_id not in expected)
    warnings = sum(len(case_warnings(case)) for case in cases)
    return {
        **{verdict.value: verdicts[verdict] for verdict in Verdict},
        "known": len(expected),
        "warnings": warnings,
    }


def case_warnings(case: CaseResult) -> tuple[Finding, ...]:
    """Return what does not change the verdict but is worth knowing."""
    return tuple(finding for finding in case.findings if finding.severity is Severity.WARNING)


def is_excused(verdict: Verdict) -> bool:
    """Say whether an entry of the known-failures file can excuse `verdict`; never an error."""
    return verdict in (Verdict.FAILED, Verdict.INCONCLUSIVE)


# --- writing and reading -----------------------------------------------------------------------


def to_text(report: Report) -> str:
    """Return the document as JSON text."""
    document = {"schema_version": SCHEMA_VERSION, **encode(report)}
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def from_text(text: str) -> Report:
    """Return the report that `text` holds.

    Raises:
        UnreadableReport: no JSON, another version, or not of the schema's shape.
    """
    try:
        document = json.loads(text)
    except ValueError as exc:
        raise UnreadableReport(f"not JSON: {exc}") from exc
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise UnreadableReport(
            f"schema_version is {version!r}; this program reads {SCHEMA_VERSION}"
        )
    error = next(iter(validator().iter_errors(document)), None)
    if error is not None:
        place = "/".join(str(part) for part in error.instance_path) or "the top"
        raise UnreadableReport(f"at {place}: {error.message}")
    del document["schema_version"]
    return decode(Report, document)


@cache
def validator() -> jsonschema_rs.Draft202012Validator:
    """Return the validator for `report.schema.json`."""
    schema = resources.files("harness.report").joinpath("report.schema.json").read_text("utf-8")
    return jsonschema_rs.Draft202012Validator(json.loads(schema), validate_formats=True)


def encode(value: Any) -> Any:
    """Return frozen data as JSON values; the field names stay."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(name): encode(inner) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [encode(inner) for inner in value]
    return value


def decode(kind: type[T], value: Any) -> T:
    """Return data of `kind` from JSON values that already passed the schema."""
    decoded: T = _decode(kind, value)
    return decoded


def _decode(kind: Any, value: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        (kind,) = (option for option in get_args(kind) if option is not type(None))
        return _decode(kind, value)
    if origin is tuple:
        return tuple(_decode(get_args(kind)[0], inner) for inner in value)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(**{name: _decode(hints[name], inner) for name, inner in value.items()})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is float:
        return float(value)
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
