"""Slower beyond noise: found when it is, and silent when chance will do."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from harness.comparison.latency import (
    ALPHA,
    ActionChange,
    _tests,
    _ways,
    action_changes,
    least_p_value,
    longer_p_value,
)
from tests.harness.report_samples import case, exchange


def changes(
    old: Mapping[str, Sequence[float]], new: Mapping[str, Sequence[float]]
) -> dict[str, ActionChange]:
    """Compare two runs of one case with these answers."""
    pair = [
        case(exchanges=tuple(exchange(name, one) for name, times in side.items() for one in times))
        for side in (old, new)
    ]
    return {one.action: one for one in action_changes([(pair[0], pair[1])])}


@pytest.mark.parametrize(("old", "new"), [(4, 3), (1, 5), (5, 1), (3, 3)])
def test_the_exact_distribution_is_that_of_all_orders(old: int, new: int) -> None:
    """Counting every order of the values gives the same numbers."""
    counted = Counter(
        sum(one > other for one in chosen for other in range(old + new) if other not in chosen)
        for chosen in itertools.combinations(range(old + new), new)
    )

    assert list(_ways(old, new)) == [counted[wins] for wins in range(old * new + 1)]


def test_known_values_of_the_test() -> None:
    """All longer is the least chance there is; all shorter is no evidence; equal counts against."""
    assert longer_p_value([1, 2, 3], [4, 5, 6]) == pytest.approx(1 / 20)
    assert longer_p_value([4, 5, 6], [1, 2, 3]) == 1
    assert longer_p_value([1] * 9, [1] * 9) == 1
    assert least_p_value(3, 3) == 1 / 20


def test_the_normal_distribution_takes_over_smoothly() -> None:
    """Just below and above the border both ways say nearly the same."""
    chance = random.Random(1)
    old, new = ([chance.gauss(mean, 1) for _ in range(50)] for mean in (0, 0.4))
    exact = longer_p_value(old, new)
    near = longer_p_value([*old, -9.0], new)  # 51 · 50 is beyond the border

    assert near == pytest.approx(exact, rel=0.25)


def test_an_action_that_became_slower_is_found_alone() -> None:
    """Eight answers that take 80 ms longer are enough; the others stay as they are."""
    chance = random.Random(2)
    fast = {name: [chance.uniform(0.001, 0.01) for _ in range(8)] for name in "ABCDEFGH"}
    slow = fast | {"C": [one + 0.08 for one in fast["C"]]}

    assert [name for name, one in changes(fast, slow).items() if one.is_slower] == ["C"]


@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_a_run_on_a_busier_machine_is_noise(factor: float) -> None:
    """In 200 pairs of runs that differ by the tolerance at most, not one alarm."""
    chance = random.Random(3)

    def run(stretch: float, more_s: float) -> dict[str, Sequence[float]]:
        return {
            name: [stretch * chance.lognormvariate(-4, 0.8) + more_s for _ in range(20)]
            for name in "ABCDEF"
        }

    alarms = [
        name
        for _ in range(200)
        for name, one in changes(run(1, 0), run(factor, 0.01)).items()
        if one.is_slower
    ]

    assert len(alarms) <= 200 * ALPHA


def test_few_answers_are_not_judged() -> None:
    """Three and three can show nothing, however long they took; that is said."""
    few = changes({"A": [0.01] * 3, "B": [0.01] * 20}, {"A": [9.0] * 3, "B": [0.01] * 20})

    assert (few["A"].is_judged, few["A"].is_slower, few["A"].is_longer) == (False, False, True)
    assert (few["B"].is_judged, few["B"].is_longer) == (True, False)


def test_disturbed_and_missing_answers_are_left_out() -> None:
    """Times that the tester spoilt itself are no evidence."""
    good = [exchange("A", 0.01) for _ in range(10)]
    bad = [exchange("A", 5.0, is_disturbed=True) for _ in range(10)]
    old = case(exchanges=tuple(good))
    new = case(exchanges=(*good, *bad, exchange("A", None)))
    (change,) = action_changes([(old, new)])

    assert (change.new.count, change.is_slower) == (10, False)


def test_actions_that_can_never_be_found_do_not_count_against_others() -> None:
    """Tarone's correction: the smallest k that at most k tests can reach."""
    assert _tests([]) == 1
    assert _tests([1e-9, 1e-9, 1e-9]) == 3
    assert _tests([1e-9, 0.5, 0.5, 0.5]) == 1
    assert _tests([0.009, 0.009]) == 2


def test_the_chance_is_corrected() -> None:
    """With two actions judged, a chance counts twice."""
    both = changes({"A": [0.0] * 8, "B": [0.0] * 8}, {"A": [1.0] * 8, "B": [0.0] * 8})

    assert both["A"].p_value == pytest.approx(2 / math.comb(16, 8))
