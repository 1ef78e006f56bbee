"""`make bench`: measure both servers in turn, write reports/benchmark.json, print a table.

Exit code 0: all targets met; 1: one was missed; 2: it could not be measured.
"""

import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import click
import httpx
import uvloop

from benchmarks import doors, report
from benchmarks.messages import WORKLOADS
from benchmarks.neighbours import OTHERS, measure_neighbours
from benchmarks.report import TARGET_CONNECTIONS
from benchmarks.servers import Server, csms, reference
from benchmarks.stations import LoadError, Station, Window, boot_all, measure

WARM_UP_STATIONS = 20
SETTLE_S = 1.0


def fsync_ms(folder: Path) -> float:
    """Return how long this disk takes to make a small write durable, in milliseconds (median)."""
    times = []
    with (folder / "fsync").open("wb") as file:
        for _ in range(50):
            started_s = time.perf_counter()
            file.write(bytes(512))
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - started_s)
    return round(statistics.median(times) * 1e3, 3)


def machine(folder: Path) -> dict[str, object]:
    """Return what one must know to read the figures."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "loop": f"uvloop {version('uvloop')}",
        "websockets": version("websockets"),
        "ocpp": version("ocpp"),
        "fsync_ms": fsync_ms(folder),
    }


async def boot(server: Server, stations: Sequence[Station]) -> report.Boot:
    """Let all stations connect and boot at once; measure time, processor time and memory."""
    warm_up = [Station(account) for account in server.accounts[:WARM_UP_STATIONS]]
    await boot_all(warm_up)
    for station in warm_up:
        station.close()
    await asyncio.sleep(SETTLE_S)
    memory, cpu_s, started_s = server.memory_bytes(), server.cpu_s(), time.perf_counter()
    durations_s = await boot_all(stations)
    duration_s = time.perf_counter() - started_s
    await asyncio.sleep(SETTLE_S)
    count = len(stations)
    return report.Boot(
        server=server.name,
        stations=count,
        duration_s=round(duration_s, 3),
        cpu_ms_per_station=round((server.cpu_s() - cpu_s) / count * 1e3, 3),
        p50_ms=round(report.percentile(durations_s, 0.5) * 1e3, 1),
        p99_ms=round(report.percentile(durations_s, 0.99) * 1e3, 1),
        memory_kib_per_connection=round((server.memory_bytes() - memory) / count / 1024, 2),
    )


async def run(
    folder: Path, *, connections: Sequence[int], rounds: int, window_s: float
) -> tuple[list[report.Load], list[report.Boot]]:
    """Measure every workload at every number of connections, the servers taking turns."""
    most = max(connections)
    windows: dict[tuple[str, str, int], list[Window]] = {}
    async with (
        csms(most, folder) as ours,
        reference(most, folder) as theirs,
        reference(TARGET_CONNECTIONS, folder, "--silent") as silent,
    ):
        stations = {
            server.name: [Station(account) for account in server.accounts]
            for server in (ours, theirs, silent)
        }
        boots = [await boot(server, stations[server.name]) for server in (ours, theirs)]
        await boot_all(stations[silent.name])
        for workload, script in WORKLOADS.items():
            for count in connections:
                turns = [ours, theirs, silent] if count == TARGET_CONNECTIONS else [ours, theirs]
                for _ in range(rounds):
                    for server in turns:
                        window = await measure(
                            stations[server.name][:count],
                            script,
                            cpu_s=server.cpu_s,
                            warm_up_s=window_s / 4,
                            duration_s=window_s,
                        )
                        windows.setdefault((server.name, workload, count), []).append(window)
                print(f"measured {workload}, {count} connections", file=sys.stderr)
        for group in stations.values():
            for station in group:
                station.close()
    loads = [report.load(*key, rounds_seen) for key, rounds_seen in windows.items()]
    return loads, boots


async def beside_bad_neighbours(folder: Path, *, window_s: float) -> list[report.Neighbour]:
    """Measure what others notice of a station that behaves badly, on a server of its own."""
    async with csms(OTHERS + 1, folder) as server:
        return await measure_neighbours(server.accounts, duration_s=4 * window_s)


async def at_the_doors(
    folder: Path, *, basic: int = doors.BASIC_STATIONS, over_tls: int = doors.TLS_STATIONS
) -> tuple[list[report.Fleet], report.Guessing]:
    """Measure fleets that come back, and a guesser, on a server of their own."""
    passwords = range(doors.OTHERS, doors.OTHERS + doors.PASSWORDS)
    async with csms(basic, folder, over_tls=over_tls) as server:
        fleets = await doors.fleets_return(server)
    (folder / "guessing").mkdir()
    count = doors.OTHERS + doors.VICTIMS
    async with csms(count, folder / "guessing", passwords=passwords) as server:
        return fleets, await doors.guessing(server)


@click.command()
@click.option("--output", type=click.Path(path_type=Path), default=Path("reports/benchmark.json"))
@click.option("--window", "window_s", default=1.0, show_default=True, help="Seconds per round.")
@click.option("--rounds", default=3, show_default=True, help="Rounds per point; the median counts.")
def main(output: Path, window_s: float, rounds: int) -> None:
    """Measure the CSMS beside the ocpp package's documented server (about three minutes)."""
    output.parent.mkdir(parents=True, exist_ok=True)
    connections = (1, TARGET_CONNECTIONS, 500)
    # Beside the report, since a temporary folder may be in memory, where fsync costs nothing.
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=output.parent) as name:
        folder = Path(name)
        try:
            loads, boots = uvloop.run(
                run(folder, connections=connections, rounds=rounds, window_s=window_s)
            )
            (folder / "beside").mkdir()
            neighbours = uvloop.run(beside_bad_neighbours(folder / "beside", window_s=window_s))
            (folder / "doors").mkdir()
            fleets, guessing = uvloop.run(at_the_doors(folder / "doors"))
        except (LoadError, httpx.HTTPError, OSError, TimeoutError) as exc:
            reason = str(exc) or type(exc).__name__
            sys.stderr.write(f"error: the benchmark could not be run: {reason}\n")
            sys.exit(2)
        result = report.document(
            machine=machine(folder),
            settings={"rounds": rounds, "window_s": window_s, "connections": connections},
            loads=loads,
            boots=boots,
            neighbours=neighbours,
            fleets=fleets,
            guessing=guessing,
        )
    output.write_text(json.dumps(result, indent=2) + "\n")
    print(report.table(result))
    print(f"\nWritten to {output}")
    sys.exit(0 if all(target["is_met"] for target in result["targets"]) else 1)


if __name__ == "__main__":
    main()
