"""From measured windows to figures, ratios, targets and the printed table. No I/O."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.stations import Window

SCHEMA_VERSION = 1
OURS, THEIRS, SILENT = "csms", "ocpp package", "ocpp package, silent"

TARGET_CONNECTIONS = 100


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of all values do not exceed."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    """Return the middle value; of an even number the lower one."""
    return percentile(values, 0.5)


@dataclass(frozen=True, slots=True)
class Load:
    """What one server did with one workload at one number of connections.

    Rates and processor time are the median of the rounds; percentiles are over all answers.
    """

    server: str
    workload: str
    connections: int
    messages: int
    cpu_us_per_message: float
    messages_per_s: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Boot:
    """How one server took many stations that connect and boot at once, and what each costs idle."""

    server: str
    stations: int
    duration_s: float
    cpu_ms_per_station: float
    p50_ms: float
    p99_ms: float
    memory_kib_per_connection: float


@dataclass(frozen=True, slots=True)
class Neighbour:
    """What fifty stations notice of one that behaves badly, beside a quiet time just before."""

    kind: str
    quiet_p99_ms: float
    noisy_p99_ms: float

    @property
    def ratio(self) -> float:
        """How much slower the others' slowest answers became."""
        return self.noisy_p99_ms / self.quiet_p99_ms


@dataclass(frozen=True, slots=True)
class Fleet:
    """How long many stations took to come back and boot, all at once."""

    name: str
    duration_s: float
    limit_s: float


@dataclass(frozen=True, slots=True)
class Guessing:
    """What somebody who guesses passwords does to Authorize of others, and to memory.

    Attributes:
        memory_growth: resident memory after the attempts, divided by that before.
    """

    attempts: int
    duration_s: float
    quiet_median_ms: float
    noisy_median_ms: float
    memory_growth: float


@dataclass(frozen=True, slots=True)
class Target:
    """One demand on a ratio: our figure to theirs, to a quiet time, or to the time allowed."""

    name: str
    limit: float
    ratio: float

    @property
    def is_met(self) -> bool:
        """Whether the ratio keeps the limit."""
        return self.ratio <= self.limit


def load(server: str, workload: str, connections: int, windows: Sequence[Window]) -> Load:
    """Sum up the rounds of one point."""
    counts = [len(window.latencies_s) for window in windows]
    if not all(counts):
        raise ValueError(f"{server}: no answer to {workload} within a whole round")
    latencies = [latency for window in windows for latency in window.latencies_s]
    cpu = [window.cpu_s / count for window, count in zip(windows, counts, strict=True)]
    rates = [count / window.duration_s for window, count in zip(windows, counts, strict=True)]
    return Load(
        server=server,
        workload=workload,
        connections=connections,
        messages=sum(counts),
        cpu_us_per_message=round(median(cpu) * 1e6, 1),
        messages_per_s=round(median(rates), 1),
        p50_ms=round(percentile(latencies, 0.5) * 1e3, 3),
        p99_ms=round(percentile(latencies, 0.99) * 1e3, 3),
    )


def targets(
    loads: Sequence[Load],
    boots: Sequence[Boot],
    neighbours: Sequence[Neighbour],
    fleets: Sequence[Fleet],
    guessing: Guessing,
) -> list[Target]:
    """Return what is demanded, with the ratio that was measured."""
    at = {(load.server, load.workload, load.connections): load for load in loads}

    def cpu(workload: str) -> float:
        ours, theirs = (at[server, workload, TARGET_CONNECTIONS] for server in (OURS, THEIRS))
        return ours.cpu_us_per_message / theirs.cpu_us_per_message

    single_ours, single_theirs = (at[server, "MeterValues", 1] for server in (OURS, THEIRS))
    memory = {boot.server: boot.memory_kib_per_connection for boot in boots}
    return [
        Target("Heartbeat: CPU per message, 100 stations", 0.4, cpu("Heartbeat")),
        Target("MeterValues: CPU per message, 100 stations", 0.15, cpu("MeterValues")),
        Target("MeterValues: p50, 1 station", 1.0, single_ours.p50_ms / single_theirs.p50_ms),
        Target("Memory per idle connection", 1.0, memory[OURS] / memory[THEIRS]),
        *(Target(f"p99 of 50 others beside {one.kind}", 2.0, one.ratio) for one in neighbours),
        *(
            Target(f"{one.name}, back within {one.limit_s:g} s", 1.0, one.duration_s / one.limit_s)
            for one in fleets
        ),
        Target(
            f"Authorize beside {guessing.attempts} wrong passwords, median",
            2.0,
            guessing.noisy_median_ms / guessing.quiet_median_ms,
        ),
        Target(f"Memory after {guessing.attempts} wrong passwords", 1.1, guessing.memory_growth),
    ]


def document(
    *,
    machine: Mapping[str, Any],
    settings: Mapping[str, Any],
    loads: Sequence[Load],
    boots: Sequence[Boot],
    neighbours: Sequence[Neighbour],
    fleets: Sequence[Fleet],
    guessing: Guessing,
) -> dict[str, Any]:
    """Return the content of benchmark.json."""
    return {
        "schema_version": SCHEMA_VERSION,
        "machine": dict(machine),
        "settings": dict(settings),
        "loads": [asdict(load) for load in loads],
        "boots": [asdict(boot) for boot in boots],
        "neighbours": [asdict(one) for one in neighbours],
        "fleets": [asdict(one) for one in fleets],
        "guessing": asdict(guessing),
        "targets": [
            {**asdict(target), "is_met": target.is_met}
            for target in targets(loads, boots, neighbours, fleets, guessing)
        ],
    }


def table(result: Mapping[str, Any]) -> str:
    """Return benchmark.json as text; a ratio is our processor time to that of the row's server."""
    lines = [", ".join(f"{key} {value}" for key, value in result["machine"].items()), ""]
    lines.append(
        f"{'workload':<12}{'stations':>8}  {'server':<21}"
        f"{'CPU µs/message':>15}{'ratio':>7}{'messages/s':>12}{'p50 ms':>9}{'p99 ms':>9}"
    )
    cpu = {
        (row["server"], row["workload"], row["connections"]): row["cpu_us_per_message"]
        for row in result["loads"]
    }
    for row in result["loads"]:
        ratio = cpu[OURS, row["workload"], row["connections"]] / row["cpu_us_per_message"]
        lines.append(
            f"{row['workload']:<12}{row['connections']:>8}  {row['server']:<21}"
            f"{row['cpu_us_per_message']:>15.1f}{ratio:>7.2f}{row['messages_per_s']:>12.0f}"
            f"{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}"
        )
    lines.append("")
    for boot in result["boots"]:
        lines.append(
            f"{boot['server']}: {boot['stations']} stations connected and booted in "
            f"{boot['duration_s']:.2f} s (p50 {boot['p50_ms']:.0f} ms, "
            f"p99 {boot['p99_ms']:.0f} ms, CPU {boot['cpu_ms_per_station']:.2f} ms each), "
            f"{boot['memory_kib_per_connection']:.1f} KiB per idle connection"
        )
    for one in result["neighbours"]:
        lines.append(
            f"{OURS}: p99 of 50 stations {one['quiet_p99_ms']:.2f} ms, beside one with "
            f"{one['kind']} {one['noisy_p99_ms']:.2f} ms"
        )
    for one in result["fleets"]:
        lines.append(f"{OURS}: {one['name']}, came back and booted in {one['duration_s']:.2f} s")
    guessing = result["guessing"]
    lines.append(
        f"{OURS}: Authorize of 50 stations {guessing['quiet_median_ms']:.2f} ms (median), beside "
        f"{guessing['attempts']} wrong passwords in {guessing['duration_s']:.1f} s "
        f"{guessing['noisy_median_ms']:.2f} ms"
    )
    lines.append("")
    for target in result["targets"]:
        verdict = "met" if target["is_met"] else "MISSED"
        lines.append(
            f"{verdict:<7}{target['name']}: ratio {target['ratio']:.2f}, "
            f"limit {target['limit']:.2f}"
        )
    return "\n".join(lines)
