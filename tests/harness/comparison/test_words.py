"""The words that terminal and Markdown share."""

from __future__ import annotations

from dataclasses import replace

from harness.comparison.compare import Change, compare
from harness.comparison.frame_changes import FramePlace
from harness.comparison.words import (
    action_words,
    are_many_slower,
    case_words,
    last_words,
    ms,
    p_words,
    place_words,
    unjudged_words,
)
from harness.report.document import Report
from tests.harness.comparison.test_compare import report
from tests.harness.comparison.test_latency import changes
from tests.harness.report_samples import case, exchange, passed_case


def test_places_and_cases_are_cut() -> None:
    """Many places are counted, not listed."""
    places = [FramePlace(f"TC_{n}", "1" if n else "") for n in range(5)]

    assert place_words(places) == ("TC_0 outside the steps, TC_1 step 1, TC_2 step 1 and 2 more")
    assert case_words([]) == "the run"
    assert case_words([f"TC_{n}" for n in range(5)]) == "TC_0, TC_1, TC_2, TC_3 and 1 more"


def test_times_and_chances_are_short() -> None:
    """Milliseconds with what can be told of them."""
    assert (ms(None), ms(0.00042), ms(0.0123), ms(12.5)) == ("-", "0.42", "12.3", "12,500.0")
    assert (p_words(0.00001), p_words(0.0042)) == ("< 0.0001", "0.0042")


def test_only_what_took_longer_is_named_as_unjudged() -> None:
    """Few answers that took as long as before are not worth a word."""
    few = changes({"A": [0.01], "B": [0.01]}, {"A": [5.0], "B": [0.01]})

    assert unjudged_words(list(few.values())) == (
        "Longer, but too few answers to judge: A (1 and 1 answers: 10.0 → 5,000.0 ms)."
    )
    assert unjudged_words([few["B"]]) == ""


def test_the_budget_is_named_where_it_is_needed() -> None:
    """An action with two budgets has two lines that can be told apart."""
    (one,) = changes({"A": [0.01]}, {"A": [0.01]}).values()

    assert action_words(one, [one]) == "A"
    assert action_words(one, [one, one]) == "A (ocpp_response_timeout)"


def test_many_slower_actions_hint_at_the_machine() -> None:
    """Three of three actions at once may have one cause outside the CSMS."""

    def with_times(time_s: float, actions: str) -> Report:
        return report(
            case(exchanges=tuple(exchange(name, time_s) for name in actions for _ in range(9)))
        )

    old, all_new = with_times(0.01, "ABC"), with_times(1.0, "ABC")

    assert are_many_slower(compare(old, all_new))
    assert not are_many_slower(compare(old, old))


def test_the_outcome_counts_what_is_worse_and_what_is_allowed() -> None:
    """Nothing is hidden by being allowed."""
    calm, warned = report(replace(passed_case(), findings=())), report(passed_case())

    assert last_words(compare(calm, warned)) == "Worse: 1 new finding. 1 case compared."
    assert last_words(compare(calm, warned, allow=[Change.NEW_FINDING])) == (
        "Nothing is worse (allowed: 1 new finding). 1 case compared."
    )
