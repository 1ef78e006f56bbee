"""Which frames are told to have changed, and in what words."""

from __future__ import annotations

import pytest

from harness.comparison.frame_changes import frame_changes
from harness.results import CaseResult
from tests.harness.comparison.test_normal_form import of_case
from tests.harness.report_samples import RECEIVED, SENT, frame

CALL = '[2,"a","Authorize",{}]'


def answered(text: str | None, *, step: str = "1") -> CaseResult:
    """Return a case whose one CALL was answered like this."""
    events = [frame(0, SENT, CALL), *([frame(1, RECEIVED, text)] if text else [])]
    return of_case(*events, steps={step: (0, 1)} if step else {})


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ('[3,"a",{"s":"A"}]', '[3,"a",{"s":"B"}]', 's: "A" → "B"'),
        ('[3,"a",{"i":{"s":1}}]', '[3,"a",{"i":{}}]', "i.s: 1 → absent"),
        ('[3,"a",{}]', '[3,"a",{"s":null}]', "s: absent → null"),
        ('[3,"a",{"l":[1,2]}]', '[3,"a",{"l":[1,3]}]', "l[1]: 2 → 3"),
        ('[3,"a",{"l":[1]}]', '[3,"a",{"l":[1,3]}]', "l: [1] → [1, 3]"),
        ('[3,"a",{"n":1}]', '[3,"a",{"n":1.0}]', "n: 1 → 1.0"),
        ('[3,"a",{"n":1}]', '[3,"a",{"n":true}]', "n: 1 → true"),
        ('[3,"a",{}]', None, "no longer sent: {}"),
        (None, '[3,"a",{"s":1}]', 'newly sent: {"s": 1}'),
    ],
)
def test_each_difference_is_named(old: str | None, new: str | None, difference: str) -> None:
    """A line says which member was what, and what it is now."""
    (change,) = frame_changes([(answered(old), answered(new))])

    assert (change.frame, change.differences) == ("answer to Authorize", (difference,))


def test_a_result_that_became_an_error_is_told_whole() -> None:
    """There are no members to hold against each other."""
    error = '[4,"a","InternalError","",{}]'
    (change,) = frame_changes([(answered('[3,"a",{}]'), answered(error))])

    assert change.differences[0].startswith("result {} → error ")


def test_the_same_change_in_many_cases_is_one() -> None:
    """One cause is one row, with all its places."""
    old, new = answered('[3,"a",{"s":1}]'), answered('[3,"a",{"s":2}]')
    (change,) = frame_changes([(old, new), (old, new), (answered(None), answered(None))])

    assert change.case_ids == ("TC_001_CSMS",)


def test_what_the_charge_point_did_differently_is_no_change() -> None:
    """A CALL made in one run only, and a clean-up cut short, say nothing about the CSMS."""
    assert frame_changes([(of_case(), answered('[3,"a",{}]'))]) == ()
    assert frame_changes([(answered('[3,"a",{}]', step=""), answered(None, step=""))]) == ()


def test_how_often_something_unasked_came_is_left_to_chance() -> None:
    """Only another kind of it is a change."""
    once = of_case(frame(0, RECEIVED, '[2,"x","GetConfiguration",{}]'))
    twice = of_case(*once.events, frame(1, RECEIVED, '[2,"y","GetConfiguration",{}]'))
    other = of_case(frame(0, RECEIVED, '[2,"x","GetConfiguration",{"key":["A"]}]'))

    assert frame_changes([(once, twice)]) == ()
    assert [one.differences for one in frame_changes([(once, other)])] == [('key: absent → ["A"]',)]
    assert [one.differences for one in frame_changes([(of_case(), other)])] == [
        ('newly sent: {"key": ["A"]}',)
    ]


def test_a_request_that_is_missing_or_new_is_told() -> None:
    """Requests are held against each other step by step."""
    with_it = of_case(frame(0, RECEIVED, '[2,"x","Reset",{"type":"Hard"}]'), steps={"1": (0,)})

    assert frame_changes([(with_it, of_case())])[0].differences == (
        'no longer sent: {"type": "Hard"}',
    )


def test_many_differences_are_cut() -> None:
    """A frame that is wholly different does not fill the screen."""
    many = ",".join(f'"k{n}":1' for n in range(50))
    (change,) = frame_changes([(answered('[3,"a",{}]'), answered(f'[3,"a",{{{many}}}]'))])

    assert len(change.differences) == 8
    assert change.differences[-1] == "… and 43 more differences"
