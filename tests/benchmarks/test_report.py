"""Figures, ratios and targets are computed rightly, and a missed target is said."""

from collections.abc import Sequence

import pytest

from benchmarks import report
from benchmarks.report import OURS, SILENT, THEIRS
from benchmarks.stations import Window


def loads(ours_us: float) -> list[report.Load]:
    """Return a complete set of figures; theirs is 100 µs everywhere."""
    return [
        report.Load(server, workload, connections, 1000, cpu_us, 5000.0, cpu_us / 100, 9.0)
        for workload in ("Heartbeat", "MeterValues")
        for connections in (1, 100)
        for server, cpu_us in ((OURS, ours_us), (THEIRS, 100.0), (SILENT, 50.0))
    ]


BOOTS = [
    report.Boot(OURS, 500, 1.0, 0.5, 100.0, 200.0, 16.0),
    report.Boot(THEIRS, 500, 1.0, 0.5, 100.0, 200.0, 20.0),
]


NEIGHBOURS = [report.Neighbour("1 MiB frames", 2.0, 5.0)]
FLEETS = [report.Fleet("1000 stations", 9.0, 10.0)]
GUESSING = report.Guessing(10_000, 20.0, 0.5, 0.75, 1.01)


def are_met(
    ours_us: float = 10.0,
    boots: Sequence[report.Boot] = BOOTS,
    neighbours: Sequence[report.Neighbour] = (),
    fleets: Sequence[report.Fleet] = (),
    guessing: report.Guessing = GUESSING,
) -> list[bool]:
    """Return which targets are met, in their order."""
    found = report.targets(loads(ours_us), boots, neighbours, fleets, guessing)
    return [target.is_met for target in found]


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1), (0.0, 1)]
)
def test_percentile_is_the_nearest_rank(share: float, expected: int) -> None:
    """Of 1 … 100 the p-th percentile is p."""
    assert report.percentile(list(range(100, 0, -1)), share) == expected


def test_percentile_of_nothing_is_refused() -> None:
    """No value, no percentile."""
    with pytest.raises(ValueError, match="no values"):
        report.percentile([], 0.5)


def test_load_takes_the_median_round_and_all_latencies() -> None:
    """One disturbed round does not decide the processor time."""
    windows = [
        Window(1.0, 0.001, (0.001,) * 10),
        Window(1.0, 0.002, (0.002,) * 10),
        Window(2.0, 0.900, (0.009,) * 10),
    ]

    load = report.load(OURS, "Heartbeat", 1, windows)

    assert load.cpu_us_per_message == 200.0
    assert load.messages_per_s == 10.0
    assert (load.p50_ms, load.p99_ms) == (2.0, 9.0)
    assert load.messages == 30


def test_a_round_without_answers_is_an_error() -> None:
    """A server that stands still has no cost per message."""
    with pytest.raises(ValueError, match="no answer"):
        report.load(OURS, "Heartbeat", 1, [Window(1.0, 0.1, ())])


@pytest.mark.parametrize(("ours_us", "expected"), [(14.0, [True] * 4), (39.0, [1, 0, 1, 1])])
def test_targets_follow_the_ratio_within_the_run(ours_us: float, expected: list[bool]) -> None:
    """Each target holds our figure against theirs, not against a number of another machine."""
    assert are_met(ours_us)[:4] == expected


def test_memory_is_a_target() -> None:
    """A CSMS that needs more memory for an idle connection misses."""
    greedy = [report.Boot(OURS, 500, 1.0, 0.5, 100.0, 200.0, 21.0), BOOTS[1]]

    assert are_met(boots=greedy)[3] is False


def test_a_bad_neighbour_is_a_target() -> None:
    """Others may become twice as slow beside a bad station, not more."""
    limits = [report.Neighbour("flood", 2.0, 4.0), *NEIGHBOURS]

    assert are_met(neighbours=limits)[4:6] == [True, False]


def test_a_fleet_that_comes_back_has_a_time_limit() -> None:
    """It is met as long as no more than the limit was needed."""
    slow = report.Fleet("300 stations", 15.1, 15.0)

    assert are_met(fleets=[*FLEETS, slow])[4:6] == [True, False]


@pytest.mark.parametrize(
    ("noisy_median_ms", "memory_growth", "expected"),
    [(1.0, 1.1, [True, True]), (1.1, 1.0, [False, True]), (0.5, 1.2, [True, False])],
)
def test_guessing_costs_others_little_and_no_memory(
    noisy_median_ms: float, memory_growth: float, expected: list[bool]
) -> None:
    """Authorize may take twice as long, and memory stays."""
    guessing = report.Guessing(10_000, 20.0, 0.5, noisy_median_ms, memory_growth)

    assert are_met(guessing=guessing)[-2:] == expected


def test_table_shows_every_row_and_verdict() -> None:
    """What the document holds, a person can read."""
    result = report.document(
        machine={"cores": 2},
        settings={"rounds": 1},
        loads=loads(39.0),
        boots=BOOTS,
        neighbours=NEIGHBOURS,
        fleets=FLEETS,
        guessing=GUESSING,
    )

    text = report.table(result)

    assert text.count("Heartbeat  ") == 6
    assert "MISSED MeterValues: CPU per message, 100 stations: ratio 0.39, limit 0.15" in text
    assert "met    Heartbeat: CPU per message, 100 stations: ratio 0.39, limit 0.40" in text
    assert "16.0 KiB per idle connection" in text
    assert "1000 stations, came back and booted in 9.00 s" in text
    assert "beside 10000 wrong passwords in 20.0 s 0.75 ms" in text
    assert "cores 2" in text
