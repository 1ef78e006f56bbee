"""Figures, ratios and targets are computed rightly, and a missed target is said."""

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


@pytest.mark.parametrize(("ours_us", "are_met"), [(14.0, [True] * 4), (39.0, [1, 0, 1, 1])])
def test_targets_follow_the_ratio_within_the_run(ours_us: float, are_met: list[bool]) -> None:
    """Each target holds our figure against theirs, not against a number of another machine."""
    assert [target.is_met for target in report.targets(loads(ours_us), BOOTS, [])] == are_met


def test_memory_is_a_target() -> None:
    """A CSMS that needs more memory for an idle connection misses."""
    greedy = [report.Boot(OURS, 500, 1.0, 0.5, 100.0, 200.0, 21.0), BOOTS[1]]

    assert [target.is_met for target in report.targets(loads(10.0), greedy, NEIGHBOURS)][3] is False


def test_a_bad_neighbour_is_a_target() -> None:
    """Others may become twice as slow beside a bad station, not more."""
    limits = [report.Neighbour("flood", 2.0, 4.0), *NEIGHBOURS]
    found = report.targets(loads(10.0), BOOTS, limits)

    assert [target.is_met for target in found][4:] == [True, False]


def test_table_shows_every_row_and_verdict() -> None:
    """What the document holds, a person can read."""
    result = report.document(
        machine={"cores": 2},
        settings={"rounds": 1},
        loads=loads(39.0),
        boots=BOOTS,
        neighbours=NEIGHBOURS,
    )

    text = report.table(result)

    assert text.count("Heartbeat  ") == 6
    assert "MISSED MeterValues: CPU per message, 100 stations: ratio 0.39, limit 0.15" in text
    assert "met    Heartbeat: CPU per message, 100 stations: ratio 0.39, limit 0.40" in text
    assert "16.0 KiB per idle connection" in text
    assert "cores 2" in text
