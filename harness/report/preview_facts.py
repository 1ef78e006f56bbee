"""What the preview tells about product, settings and times, read from the settings of a run. Pure.

What nobody declared is told as such; nothing is made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from harness.model import CaseSet
from harness.report.document import Report
from harness.report.measures import (
    AUTHORIZE_BUDGET,
    RESPONSE_BUDGET,
    ActionTimes,
    CertificateValue,
    Times,
    action_times,
    measured,
    trusted_s,
)
from harness.results import Exchange, RunResult

_UNDECLARED: Final = "not declared"


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and its value.

    Attributes:
        note: where the value comes from, or what to do about its absence.
        is_open: nobody declared it.
    """

    name: str
    value: str
    note: str = ""
    is_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceRow:
    """One line of the Performance Measurement Results."""

    name: str
    declared: Fact
    measured: str
    spread: tuple[Fact, ...]
    notes: tuple[str, ...]
    description: str


@dataclass(frozen=True, slots=True)
class ActionRow:
    """How one action was answered."""

    line: ActionTimes
    min_s: float | None


# By budget: what the certificate's value is about, and the name of the declared one.
_PERFORMANCE: Final = {
    RESPONSE_BUDGET: (
        "Time from a request of the charge point to the answer of the Central System, over all"
        " official cases. The certificate's value is the slowest answer, rounded up.",
        "ocpp_response_timeout_s",
    ),
    AUTHORIZE_BUDGET: (
        "Time from Authorize.req to Authorize.conf, measured on the wire at the charge point. The"
        " certificate's value is the median, rounded to the nearest second.",
        "authorize_s",
    ),
}


_BUDGET_NAMES: Final = {
    RESPONSE_BUDGET: "Limit of an answer",
    AUTHORIZE_BUDGET: "Limit of an answer to Authorize",
}


def system_under_test(run: RunResult) -> Mapping[str, Any]:
    """Return what the run tells about the system under test."""
    sut = run.settings.get("system_under_test")
    return sut if isinstance(sut, Mapping) else {}


def declared(run: RunResult, name: str) -> Any:
    """Return what the declaration (`pics`) says under `name`; None where it says nothing."""
    sut = system_under_test(run)
    pics = sut.get("pics")
    inside = pics.get(name) if isinstance(pics, Mapping) else None
    return inside if inside is not None else sut.get(name)


def declared_profiles(run: RunResult) -> frozenset[str] | None:
    """Return the names of the declared profiles; None where nothing is declared."""
    profiles = declared(run, "profiles")
    return frozenset(map(str, profiles)) if isinstance(profiles, list | tuple) else None


# --- the head ----------------------------------------------------------------------------------


def product(run: RunResult) -> str:
    """Return what the document is about, in a few words."""
    parts = _product(run)
    words = [parts.get("vendor", ""), parts.get("name", "") or run.sut_name]
    return " ".join(filter(None, words))


def version_of(run: RunResult) -> str:
    """Return the declared version of the product, empty without one."""
    return _product(run).get("version", "")


def _product(run: RunResult) -> dict[str, str]:
    section = declared(run, "product")
    if not isinstance(section, Mapping):
        return {}
    return {str(name): str(value) for name, value in section.items() if value not in (None, "")}


def head(report: Report) -> tuple[Fact, ...]:
    """Return product, version, communication, date and edition."""
    run = report.run
    parts = _product(run)
    communication = declared(run, "communication")
    return (
        Fact("Product", product(run))
        if "name" in parts
        else Fact("Product", run.sut_name, "pics.product not declared", True),
        Fact("Version", parts["version"])
        if "version" in parts
        else Fact("Version", _UNDECLARED, "pics.product.version", True),
        Fact("Communication", str(communication))
        if communication
        else Fact("Communication", seen_communication(run), "as tested", True),
        Fact("Date", f"{run.started_at.astimezone(UTC):%Y-%m-%d, %H:%M} UTC"),
        Fact("Edition of the case list", run.edition),
        Fact("Made by", f"OCPP Preflight {report.version}"),
    )


def seen_communication(run: RunResult) -> str:
    """Return how the charge points spoke with the CSMS."""
    schemes = {url.partition(":")[0].lower() for url in _endpoints(system_under_test(run))}
    words = {
        frozenset({"ws"}): "WebSocket without TLS",
        frozenset({"wss"}): "WebSocket over TLS",
        frozenset({"ws", "wss"}): "WebSocket with and without TLS",
    }
    return f"JSON, {words.get(frozenset(schemes), 'WebSocket')}"


def _endpoints(sut: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return where charge points connect, with the security profiles that do so there."""
    found: dict[str, list[str]] = {}
    by_profile = sut.get("endpoints")
    if isinstance(by_profile, Mapping):
        for profile, url in by_profile.items():
            found.setdefault(str(url), []).append(str(profile))
    elif url := sut.get("ocpp_url"):
        found[str(url)] = []
    return found


# --- performance -------------------------------------------------------------------------------


def performance(report: Report) -> tuple[PerformanceRow, ...]:
    """Return the certificate's table: PICS value, measured value and its spread."""
    every = _exchanges(report)
    by_budget = {
        RESPONSE_BUDGET: every,
        AUTHORIZE_BUDGET: [one for one in every if one.action == "Authorize"],
    }
    rows = zip(by_budget.items(), report.performance.certificate, strict=True)
    return tuple(
        _performance_row(report, budget, exchanges, value) for (budget, exchanges), value in rows
    )


def actions(report: Report) -> tuple[ActionRow, ...]:
    """Return how each action was answered, all of them together last."""
    every = _exchanges(report)
    lines = [*report.performance.actions, report.performance.all_actions]
    if not report.performance.all_actions.count:
        return ()
    return tuple(
        ActionRow(
            line,
            min(
                trusted_s(
                    one
                    for one in every
                    if one.action == line.action or line is report.performance.all_actions
                ),
                default=None,
            ),
        )
        for line in lines
    )


def _exchanges(report: Report) -> list[Exchange]:
    official = [case for case in report.run.cases if case.case_set is CaseSet.OFFICIAL]
    return [exchange for case in measured(official) for exchange in case.exchanges]


def _performance_row(
    report: Report, budget: str, exchanges: Sequence[Exchange], value: CertificateValue
) -> PerformanceRow:
    description, name = _PERFORMANCE[budget]
    line = action_times(budget, exchanges)
    times = trusted_s(exchanges)
    spread = (
        ("min", min(times, default=None)),
        ("median", line.times.median_s),
        ("p95", line.times.p95_s),
        ("max", line.times.max_s),
    )
    return PerformanceRow(
        name=value.name,
        declared=_declared_time(report.run, name, value.declared_s),
        measured="not measured" if value.measured_s is None else f"{value.measured_s} s",
        spread=tuple(Fact(name, duration(time_s)) for name, time_s in spread),
        notes=tuple(_measuring_notes(line)),
        description=description,
    )


def _declared_time(run: RunResult, name: str, limit_s: float | None) -> Fact:
    section = declared(run, "performance")
    value = section.get(name) if isinstance(section, Mapping) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Fact(name, f"{value:g} s")
    if limit_s is None:
        return Fact(name, _UNDECLARED, f"pics.performance.{name}", True)
    return Fact(name, f"{limit_s:g} s", "limit of the run; no PICS value declared", True)


def _measuring_notes(line: ActionTimes) -> Iterator[str]:
    yield f"{line.times.count} of {line.count} requests measured"
    if line.unanswered:
        yield f"{line.unanswered} never answered, in no statistic"
    if line.late:
        yield f"{line.late} answered after the limit"
    if line.disturbed:
        yield f"{line.disturbed} left out: the tester itself lagged"


def duration(time_s: float | None) -> str:
    """Return a duration for people."""
    if time_s is None:
        return "–"  # noqa: RUF001  # a dash for nothing
    if time_s < 0.9995:
        return f"{time_s * 1000:.1f} ms"
    return f"{time_s:.2f} s"


def around(report: Report) -> tuple[Fact, ...]:
    """Return what else was measured: the network's share, and how long the CSMS waits for us."""
    facts = (
        ("Network (WebSocket ping)", report.performance.network, "round trips"),
        ("Answers of the charge point", report.performance.our_answers, "answers"),
    )
    return tuple(Fact(name, _times(times, what)) for name, times, what in facts)


def _times(times: Times, what: str) -> str:
    if times.max_s is None:
        return "not measured"
    return (
        f"median {duration(times.median_s)}, p95 {duration(times.p95_s)},"
        f" max {duration(times.max_s)} ({times.count} {what})"
    )


# --- the Test Configuration ----------------------------------------------------------------------


def configuration(report: Report) -> tuple[Fact, ...]:
    """Return the limits and settings of the run."""
    return tuple(_configuration(report))


def _configuration(report: Report) -> Iterator[Fact]:
    run, settings = report.run, report.run.settings
    sut = system_under_test(run)
    yield Fact("System under test", run.sut_name, str(sut.get("file") or ""))
    for url, profiles in _endpoints(sut).items():
        words = f", security profile {' and '.join(profiles)}" if profiles else ""
        yield Fact("Endpoint", f"{url}/<identity>", f"{_started_by(sut, settings)}{words}")
    yield Fact("Profiles declared", _profiles(run))
    if features := declared(run, "features"):
        yield Fact("Optional features", _mapping(features))
    if security := declared(run, "security_profiles"):
        yield Fact("Security profiles declared", _list(security))
    yield Fact(
        "Authentication", _yes(sut.get("basic_auth"), "HTTP Basic", "none") if sut else "unknown"
    )
    milliseconds = settings.get("milliseconds", sut.get("milliseconds"))
    yield Fact(
        "Milliseconds in time stamps",
        _yes(milliseconds, "yes, 2026-01-31T12:34:56.789Z", "no, 2026-01-31T12:34:56Z"),
    )
    budgets = sut.get("budgets")
    for name, budget in budgets.items() if isinstance(budgets, Mapping) else ():
        yield Fact(_BUDGET_NAMES.get(name, f"Limit {name}"), _budget(budget))
    if (seconds := settings.get("action_timeout_s", sut.get("action_timeout_s"))) is not None:
        yield Fact("Request of the operator within", _seconds(seconds))
    if (seconds := settings.get("settle_s")) is not None:
        yield Fact("Watched after each case", _seconds(seconds))
    yield Fact(
        "Unasked requests, missed targets",
        _yes(settings.get("strict"), "fail the case (strict)", "warn only (tolerant)"),
    )
    if driver := sut.get("driver"):
        yield Fact("Commanded by", str(driver))
    if isinstance(station := sut.get("station"), Mapping):
        yield Fact("Charge point played", _station(station))
    if (identities := sut.get("identities")) is not None:
        yield Fact("Identities", str(identities))
    if isinstance(tags := sut.get("id_tags"), Mapping):
        yield Fact("Id tags", _mapping(tags))
    if isinstance(variables := sut.get("variables"), Mapping) and variables:
        yield Fact("Variables", _mapping(variables))
    yield Fact("Cases at a time", _at_a_time(settings))
    yield Fact("Run", f"{run.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {_length(run)}")
    if report.known:
        yield Fact("Known failures", f"{len(report.known)}, counted as failures here")


def _started_by(sut: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    if not sut.get("started_by_us"):
        return "running already"
    each = ", one for each worker" if settings.get("workers", 1) not in (None, 1) else ""
    return f"started for the run{each}"


def _profiles(run: RunResult) -> str:
    profiles = declared_profiles(run)
    return "nothing declared: every case was asked" if profiles is None else _list(sorted(profiles))


def _yes(value: object, yes: str, no: str) -> str:
    return "unknown" if value is None else (yes if value else no)


def _budget(budget: object) -> str:
    if not isinstance(budget, Mapping):
        return str(budget)
    target = budget.get("target_s")
    words = _seconds(budget.get("limit_s"))
    return f"{words}, target {_seconds(target)}" if target is not None else words


def _seconds(value: object) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:g} s" if is_number else str(value)


def _station(station: Mapping[str, Any]) -> str:
    names = ("vendor", "model", "firmware_version")
    words = " ".join(str(station[name]) for name in names if station.get(name))
    connectors = station.get("connectors")
    return f"{words}, {connectors} connectors" if connectors else words


def _at_a_time(settings: Mapping[str, Any]) -> str:
    workers = settings.get("workers")
    if isinstance(workers, int) and workers > 1:
        return f"{workers}, in as many processes"
    return str(settings.get("concurrency", "unknown"))


def _length(run: RunResult) -> str:
    words = f"{run.duration_s:.1f} s"
    return f"{words}, broken off" if run.stopped else words


def _list(values: object) -> str:
    items = values if isinstance(values, list | tuple) else [values]
    return ", ".join(str(item) for item in items) or "none"


def _mapping(values: object) -> str:
    if not isinstance(values, Mapping):
        return _list(values)
    return ", ".join(f"{name} {_value(value)}" for name, value in values.items())


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def day_of(at: datetime) -> str:
    """Return the date in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d}"
