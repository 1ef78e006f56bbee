"""Both servers start, take every workload, tell their costs, and end."""

from pathlib import Path

import psutil
import pytest

from benchmarks import servers
from benchmarks.__main__ import beside_bad_neighbours, run
from benchmarks.messages import WORKLOADS
from benchmarks.report import OURS, SILENT, TARGET_CONNECTIONS, THEIRS
from benchmarks.stations import Account, LoadError, Station


@pytest.mark.slow
@pytest.mark.usefixtures("few_stations")
async def test_a_whole_run_measures_every_server(tmp_path: Path) -> None:
    """A short run has figures for each workload and server."""
    loads, boots = await run(tmp_path, connections=(1, 2), rounds=1, window_s=0.1)

    measured = {(load.server, load.workload, load.connections) for load in loads}
    assert measured == {
        (server, workload, count)
        for workload in WORKLOADS
        for server, counts in ((OURS, (1, 2)), (THEIRS, (1, 2)), (SILENT, (2,)))
        for count in counts
    }
    assert all(load.cpu_us_per_message > 0 for load in loads if load.messages > 100)
    assert [boot.stations for boot in boots] == [2, 2]


@pytest.fixture
def few_stations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure with two stations instead of a hundred."""
    assert TARGET_CONNECTIONS == 100
    monkeypatch.setattr("benchmarks.__main__.TARGET_CONNECTIONS", 2)
    monkeypatch.setattr("benchmarks.__main__.WARM_UP_STATIONS", 1)
    monkeypatch.setattr("benchmarks.__main__.SETTLE_S", 0.05)


@pytest.mark.slow
async def test_every_bad_neighbour_is_measured(tmp_path: Path) -> None:
    """A short run has a time without and with each kind of bad station."""
    found = await beside_bad_neighbours(tmp_path, window_s=0.1)

    assert [one.kind for one in found] == ["500 frames/s", "1 MiB frames", "never reading"]
    assert all(one.quiet_p99_ms > 0 and one.noisy_p99_ms > 0 for one in found)


@pytest.mark.slow
async def test_only_registered_stations_get_in(tmp_path: Path) -> None:
    """Our CSMS runs with its defaults: a wrong key is refused, which the load generator reports."""
    async with servers.csms(1, tmp_path) as server:
        (account,) = server.accounts
        impostor = Account(account.port, account.path, account.identity, "TAG", b"wrong")
        with pytest.raises(LoadError, match="401"):
            await Station(impostor).open()

    assert not psutil.pid_exists(server.process.pid)


@pytest.mark.slow
async def test_a_server_that_does_not_start_is_named(tmp_path: Path) -> None:
    """What it wrote before it ended is in the error."""
    (tmp_path / "csms.sqlite3").mkdir()

    with pytest.raises(LoadError, match="ended at once"):
        async with servers.csms(1, tmp_path):
            pass
