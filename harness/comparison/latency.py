"""Which answers of the CSMS became slower, beyond what chance and a busy machine explain. Pure.

For each action and budget the answers of two runs are held against each other with the one-sided
Mann-Whitney test, which asks nothing of the shape of their distributions. The hypothesis to be
refuted is not "as fast as before" but "at most a tolerance slower": two runs of the same system
on the same machine differ by that much. Answers of one run that are slow together for one
reason, such as a stalled disk, are no independent evidence; the tolerance is for those as well.

Several actions are tested at once. Tarone's correction keeps the chance of even one false alarm
below `ALPHA`: it is Bonferroni's, without counting actions with too few answers ever to be found.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from harness.report.measures import Times, times_of
from harness.results import CaseResult

ALPHA: Final = 0.01  # chance of a false alarm in a whole comparison
# From 10 pairs of runs of one system on one machine: their medians differed by up to +80 %, +7 ms.
TOLERANCE_FACTOR: Final = 1.5
TOLERANCE_S: Final = 0.020
_LARGEST_EXACT: Final = 2500  # product of the counts; beyond it the normal distribution is close

NOISE: Final = (
    f"Noise: an action is slower when the one-sided Mann-Whitney test shows its answers to take"
    f" longer than {TOLERANCE_FACTOR:g} times the earlier ones + {TOLERANCE_S * 1000:g} ms, with"
    f" at most a {ALPHA:.0%} chance of any false alarm over all actions (Tarone); answers"
    f" disturbed by the tester and cases that did not run both times are left out."
)


@dataclass(frozen=True, slots=True)
class ActionChange:
    """How the answers to one action came in two runs.

    Attributes:
        p_value: the chance of such a difference within the tolerance, corrected for the number
            of actions tested; 1 where there are too few answers to tell.
        is_judged: there are enough answers to tell.
    """

    action: str
    budget: str
    old: Times
    new: Times
    p_value: float
    is_judged: bool

    @property
    def is_longer(self) -> bool:
        """Whether the median grew by more than the tolerance, be it by chance."""
        if self.old.median_s is None or self.new.median_s is None:
            return False
        return self.new.median_s > _tolerated([self.old.median_s])[0]

    @property
    def is_slower(self) -> bool:
        """Whether it is slower beyond noise."""
        return self.is_judged and self.p_value <= ALPHA


def action_changes(pairs: Iterable[tuple[CaseResult, CaseResult]]) -> tuple[ActionChange, ...]:
    """Return how the answers to each action changed, by action and budget.

    Args:
        pairs: the cases that ran both times, as they were and as they are now.
    """
    times: dict[tuple[str, str], tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for pair in pairs:
        for case, side in zip(pair, (0, 1), strict=True):
            for one in case.exchanges:
                if one.duration_s is not None and not one.is_disturbed:
                    times[one.action, one.budget][side].append(one.duration_s)
    tested = {key: both for key, both in sorted(times.items()) if both[0] and both[1]}
    count = _tests([least_p_value(len(old), len(new)) for old, new in tested.values()])
    changes = []
    for (action, budget), (old, new) in tested.items():
        is_judged = least_p_value(len(old), len(new)) <= ALPHA / count
        p_value = min(1.0, count * longer_p_value(_tolerated(old), new)) if is_judged else 1.0
        changes.append(
            ActionChange(action, budget, times_of(old), times_of(new), p_value, is_judged)
        )
    return tuple(changes)


def _tolerated(durations_s: Sequence[float]) -> list[float]:
    return [TOLERANCE_FACTOR * one + TOLERANCE_S for one in durations_s]


def _tests(least: Sequence[float]) -> int:
    """Return by how much to correct: the smallest k for which at most k tests can reach ALPHA/k.

    Tarone, Biometrics 46 (1990), 515-522.
    """
    return next(k for k in range(1, len(least) + 2) if sum(one <= ALPHA / k for one in least) <= k)


def least_p_value(old: int, new: int) -> float:
    """Return the smallest p-value that so many values can ever give."""
    return 1 / math.comb(old + new, new)


def longer_p_value(old: Sequence[float], new: Sequence[float]) -> float:
    """Return the one-sided p-value of the Mann-Whitney test that `new` is longer than `old`.

    Equal values count as not longer, which errs on the side of no alarm.
    """
    wins = sum(one > other for one in new for other in old)
    pairs = len(old) * len(new)
    if pairs <= _LARGEST_EXACT:
        ways = _ways(len(old), len(new))
        return sum(ways[wins:]) / math.comb(len(old) + len(new), len(new))
    mean, deviation = pairs / 2, math.sqrt(pairs * (len(old) + len(new) + 1) / 12)
    return 0.5 * math.erfc((wins - 0.5 - mean) / deviation / math.sqrt(2))


@cache
def _ways(old: int, new: int) -> tuple[int, ...]:
    """Return in how many orders of the values `new` wins 0, 1, 2 … of the pairs.

    They are the coefficients of the Gaussian binomial: the product of (1-q^(old+i)) / (1-q^i).
    """
    ways = [1] + [0] * (old * new)
    for factor in range(1, new + 1):
        for power in range(len(ways) - 1, old + factor - 1, -1):
            ways[power] -= ways[power - old - factor]
        for power in range(factor, len(ways)):
            ways[power] += ways[power - factor]
    return tuple(ways)
