"""The order of a whole run, and what of it goes on."""

from __future__ import annotations

from harness.loader import library_directory, load_tree
from harness.model import NEWEST_EDITION, CaseSet
from harness.operator.order import switches
from harness.operator.session import operations, ordered

CASES = load_tree([library_directory()]).scenarios


def test_official_cases_come_first_and_those_for_nobody_before_the_others() -> None:
    """The person has nothing to do at first, then everything of one screen at a time."""
    places = ordered(CASES, NEWEST_EDITION)
    assert sorted(places) == list(range(len(CASES)))
    inner = [CASES[at] for at in places if CASES[at].case_set is CaseSet.OFFICIAL]
    asks = [bool(operations(one, NEWEST_EDITION)) for one in inner]
    assert asks == sorted(asks)


def test_screens_are_switched_less_than_in_the_order_of_the_list() -> None:
    """The order is worth its while."""
    official = [one for one in CASES if one.case_set is CaseSet.OFFICIAL]
    own = [operations(one, NEWEST_EDITION) for one in official]
    places = ordered(official, NEWEST_EDITION)
    assert switches([own[at] for at in places]) < switches(own)
