"""The order in which a person meets the cases."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.operator.order import in_order, switches

SCREENS = st.sampled_from("ABCD")
CASES = st.lists(st.lists(SCREENS, min_size=0, max_size=3), max_size=6)


@settings(max_examples=150, deadline=None)
@given(CASES)
def test_no_order_has_fewer_switches(cases: list[list[str]]) -> None:
    """The order is the best of all, with every case once and those without a step first."""
    order = in_order(cases)
    assert sorted(order) == list(range(len(cases)))
    alone = [at for at, own in enumerate(cases) if not own]
    assert order[: len(alone)] == alone
    with_steps = [own for own in cases if own]
    best = min((switches(one) for one in permutations(with_steps)), default=0)
    assert switches([cases[at] for at in order]) == best


def test_cases_on_one_screen_stand_together_in_their_own_order() -> None:
    """What is alike stays as it stood."""
    assert in_order([["A"], ["B"], ["A"], [], ["B"]]) == [3, 0, 2, 1, 4]
