"""Response times of a run and where its time went. Pure statistics over exchanges.

The certificate prints whole seconds and never judges them; ours are in milliseconds, and say how
the whole seconds come about.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.results import CaseResult, Exchange, Verdict

RESPONSE_BUDGET: Final = "ocpp_response_timeout"
AUTHORIZE_BUDGET: Final = "authorize"


@dataclass(frozen=True, slots=True)
class Times:
    """What a set of durations comes to, in seconds; None where nothing was measured."""

    count: int
    median_s: float | None
    p95_s: float | None
    max_s: float | None


@dataclass(frozen=True, slots=True)
class ActionTimes:
    """How the CSMS answered one action.

    Attributes:
        count: CALLs sent.
        unanswered: CALLs that never got an answer; they are in no statistic.
        late: answers after the limit, still part of the statistics.
        disturbed: answers whose time is not trusted, because the harness itself lagged; left out.
    """

    action: str
    count: int
    unanswered: int
    late: int
    disturbed: int
    times: Times


@dataclass(frozen=True, slots=True)
class CertificateValue:
    """One line of the certificate's performance table, in whole seconds.

    Attributes:
        declared_s: the declared limit (PICS), where the run knew one.
        measured_s: None where nothing was measured.
        basis: how the whole seconds were made from the measured times.
    """

    name: str
    declared_s: float | None
    measured_s: int | None
    basis: str


@dataclass(frozen=True, slots=True)
class TimeSplit:
    """Where the time of all cases together went, in seconds.

    Attributes:
        answers_s: our CALLs were waiting for the CSMS.
        own_timers_s: times the charge point itself let pass.
        settle_s: connections held open to see that nothing more came.
        other_s: waiting for requests of the CSMS, connecting, and the harness itself.
        cases_s: all cases added up; many ran side by side.
    """

    answers_s: float
    own_timers_s: float
    settle_s: float
    other_s: float
    cases_s: float


@dataclass(frozen=True, slots=True)
class Performance:
    """The whole performance table of a run.

    Attributes:
        our_answers: how long the CSMS waited for our answers to its CALLs.
        network: WebSocket ping round trips, the network's share of every answer.
    """

    actions: tuple[ActionTimes, ...]
    all_actions: ActionTimes
    certificate: tuple[CertificateValue, ...]
    our_answers: Times
    network: Times
    split: TimeSplit


def times_of(durations_s: Iterable[float]) -> Times:
    """Return count, median, 95th percentile (nearest rank) and maximum."""
    ordered = sorted(durations_s)
    if not ordered:
        return Times(0, None, None, None)
    rank = math.ceil(0.95 * len(ordered))
    return Times(len(ordered), statistics.median(ordered), ordered[rank - 1], ordered[-1])


def trusted_s(exchanges: Iterable[Exchange]) -> list[float]:
    """Return the times that statistics are made of: answered, and not disturbed by ourselves."""
    return [
        exchange.duration_s
        for exchange in exchanges
        if exchange.duration_s is not None and not exchange.is_disturbed
    ]


def action_times(action: str, exchanges: Sequence[Exchange]) -> ActionTimes:
    """Return the line of the performance table for these exchanges."""
    return ActionTimes(
        action=action,
        count=len(exchanges),
        unanswered=sum(exchange.duration_s is None for exchange in exchanges),
        late=sum(exchange.is_late for exchange in exchanges),
        disturbed=sum(
            exchange.is_disturbed and exchange.duration_s is not None for exchange in exchanges
        ),
        times=times_of(trusted_s(exchanges)),
    )


def measured(cases: Iterable[CaseResult]) -> list[CaseResult]:
    """Return the cases whose times count: those that were broken off measured nothing."""
    return [case for case in cases if case.verdict is not Verdict.NOT_RUN]


def measure(
    cases: Sequence[CaseResult], *, limits_s: Mapping[str, float] | None = None
) -> Performance:
    """Return the performance table of these cases.

    Args:
        limits_s: the declared limits by budget, in seconds.
    """
    limits_s = limits_s or {}
    cases = measured(cases)
    by_action: dict[str, list[Exchange]] = defaultdict(list)
    for case in cases:
        for exchange in case.exchanges:
            by_action[exchange.action].append(exchange)
    every = [exchange for case in cases for exchange in case.exchanges]
    return Performance(
        actions=tuple(action_times(name, by_action[name]) for name in sorted(by_action)),
        all_actions=action_times("all", every),
        certificate=_certificate(every, by_action["Authorize"], limits_s),
        our_answers=times_of(
            call.waited_s for case in cases for call in case.csms_calls if call.waited_s is not None
        ),
        network=times_of(trip for case in cases for trip in case.ping_round_trips_s),
        split=_split(cases),
    )


def _certificate(
    every: Sequence[Exchange], authorize: Sequence[Exchange], limits_s: Mapping[str, float]
) -> tuple[CertificateValue, ...]:
    slowest_s = action_times("", every).times.max_s
    median_s = action_times("", authorize).times.median_s
    return (
        CertificateValue(
            name="OCPP response timeout",
            declared_s=limits_s.get(RESPONSE_BUDGET),
            measured_s=None if slowest_s is None else math.ceil(slowest_s),
            basis="slowest answer, rounded up",
        ),
        CertificateValue(
            name="Response time Authorize",
            declared_s=limits_s.get(AUTHORIZE_BUDGET),
            measured_s=None if median_s is None else math.floor(median_s + 0.5),
            basis="median Authorize, rounded to nearest",
        ),
    )


def _split(cases: Sequence[CaseResult]) -> TimeSplit:
    answers_s = sum(exchange.duration_s or 0.0 for case in cases for exchange in case.exchanges)
    own_timers_s = sum(case.own_timers_s for case in cases)
    settle_s = sum(case.settle_s for case in cases)
    cases_s = sum(case.duration_s for case in cases)
    other_s = max(0.0, cases_s - answers_s - own_timers_s - settle_s)
    return TimeSplit(answers_s, own_timers_s, settle_s, other_s, cases_s)
