"""Statistics and the certificate's whole seconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.measures import measure, times_of
from harness.results import CsmsCall, Verdict
from tests.harness.report_samples import case, exchange


def test_an_action_counts_what_was_sent_and_what_went_wrong() -> None:
    """Unanswered, late and disturbed CALLs are counted apart."""
    exchanges = (
        exchange("Heartbeat", 0.010),
        exchange("Heartbeat", 31.0, is_late=True),
        exchange("Heartbeat", None),
        exchange("Heartbeat", 9.0, is_disturbed=True),
    )

    (line,) = measure([case(exchanges=exchanges)]).actions

    assert (line.count, line.unanswered, line.late, line.disturbed) == (4, 1, 1, 1)
    assert (line.times.count, line.times.max_s) == (2, 31.0)


def test_without_an_answer_nothing_was_measured() -> None:
    """A table without answers shows no numbers instead of zeros."""
    performance = measure([case(exchanges=(exchange("Authorize", None),))])

    assert performance.all_actions.times.max_s is None
    assert [value.measured_s for value in performance.certificate] == [None, None]


@pytest.mark.parametrize(("slowest_s", "printed_s"), [(0.004, 1), (1.0, 1), (1.001, 2), (29.2, 30)])
def test_the_response_timeout_is_the_slowest_answer_rounded_up(
    slowest_s: float, printed_s: int
) -> None:
    """The certificate's whole seconds never look better than the slowest answer."""
    exchanges = (exchange("Heartbeat", 0.001), exchange("BootNotification", slowest_s))

    value = measure([case(exchanges=exchanges)]).certificate[0]

    assert value.measured_s == printed_s


@pytest.mark.parametrize(("median_s", "printed_s"), [(0.4999, 0), (0.5, 1), (1.5, 2), (2.5, 3)])
def test_authorize_is_its_median_rounded_to_nearest(median_s: float, printed_s: int) -> None:
    """Halves go up; other actions and outliers do not count."""
    exchanges = (
        exchange("Authorize", 0.0),
        exchange("Authorize", median_s),
        exchange("Authorize", 20.0),
        exchange("Heartbeat", 9.0),
    )

    value = measure([case(exchanges=exchanges)], limits_s={"authorize": 30.0}).certificate[1]

    assert (value.measured_s, value.declared_s) == (printed_s, 30.0)


def test_the_time_is_split_without_counting_anything_twice() -> None:
    """CSMS, own timers, settling and the rest add up to the time of the cases."""
    cases = [
        case(exchanges=(exchange("Heartbeat", 0.2),), duration_s=2.0, own_timers_s=1.0),
        case("TC_2", duration_s=0.75),
    ]

    split = measure(cases).split

    assert split.other_s == pytest.approx(0.55)
    assert split.cases_s == pytest.approx(
        split.answers_s + split.own_timers_s + split.settle_s + split.other_s
    )


def test_our_own_answers_and_the_network_are_lines_of_their_own() -> None:
    """How long the CSMS waits for us never mixes with how long we wait for it."""
    calls = (CsmsCall("Reset", "1", 0.003, 0, 1), CsmsCall("Reset", "2", None, 2, None))

    performance = measure([case(csms_calls=calls, ping_round_trips_s=(0.0005,))])

    assert (performance.our_answers.count, performance.our_answers.max_s) == (1, 0.003)
    assert performance.network.median_s == 0.0005
    assert performance.all_actions.count == 0


def test_a_case_that_was_broken_off_measures_nothing() -> None:
    """A CALL whose answer we did not wait for is not held against the CSMS."""
    broken_off = case(verdict=Verdict.NOT_RUN, exchanges=(exchange("Heartbeat", None),))

    assert measure([broken_off]).all_actions.unanswered == 0


@given(st.lists(st.floats(min_value=0, max_value=1e4), min_size=1))
def test_statistics_are_ordered(durations_s: list[float]) -> None:
    """Median, 95th percentile and maximum never cross, and the last two were really measured."""
    times = times_of(durations_s)

    assert times.median_s is not None
    assert times.p95_s in durations_s
    assert times.max_s == max(durations_s)
    assert min(durations_s) <= times.median_s <= times.p95_s <= times.max_s
