"""Fleets that come back are timed; a guesser is measured, and never let in."""

from pathlib import Path

import pytest

from benchmarks import doors, servers
from benchmarks.__main__ import at_the_doors
from benchmarks.stations import LoadError


@pytest.mark.slow
async def test_fleets_and_a_guesser_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short run has a time for both security profiles, and what guessing does."""
    monkeypatch.setattr("benchmarks.doors.OTHERS", 2)
    monkeypatch.setattr("benchmarks.doors.VICTIMS", 4)
    monkeypatch.setattr("benchmarks.doors.PASSWORDS", 1)
    monkeypatch.setattr("benchmarks.doors.ATTEMPTS", 100)

    fleets, guessing = await at_the_doors(tmp_path, basic=3, over_tls=2)

    assert [one.name for one in fleets] == [
        "3 stations, security profile 1",
        "2 stations, security profile 2",
    ]
    assert all(0 < one.duration_s < one.limit_s for one in fleets)
    assert guessing.attempts == 100
    assert guessing.quiet_median_ms > 0
    assert guessing.noisy_median_ms > 0


@pytest.mark.slow
async def test_a_guess_that_comes_in_ends_the_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that lets a wrong password in must not be praised for its speed."""
    monkeypatch.setattr("benchmarks.doors.OTHERS", 1)
    monkeypatch.setattr("benchmarks.doors.ATTEMPTS", 1)

    async with servers.csms(2, tmp_path) as server:
        right = server.accounts[1].password
        monkeypatch.setattr("benchmarks.doors.wrong_password", lambda: right)
        with pytest.raises(LoadError, match="BENCH0001 was answered 101"):
            await doors.guessing(server)
