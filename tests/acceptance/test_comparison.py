"""Real runs held against each other: what was planted is found, all of it and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.comparison.compare import Change, Comparison, compare
from harness.engine import Engine, RunOptions
from harness.loader import library_directory, load_tree
from harness.model import Scenario
from harness.report.directory import RunDirectory, read_report
from harness.report.document import make_report
from harness.results import Verdict
from tests.miniatures import Bend, Frames, Incoming, Link, Miniature, Order
from tests.proofs import system

pytestmark = pytest.mark.slow

CASES = (
    *("TC_003", "TC_004_1", "TC_005_1", "TC_010", "TC_011_1", "TC_012", "TC_013", "TC_018_1"),
    *("TC_021", "TC_023_1", "TC_023_2", "TC_023_3", "TC_024", "TC_028", "TC_032_1", "TC_046"),
    *("TC_048_4", "TC_051", "TC_053", "TC_064"),
)
AT_A_TIME = 4  # answers that a busy machine disturbed are no evidence
PAIRS = range(10)


class Regressed(Bend):
    """A release that broke one thing, slowed one down, and says one thing differently."""

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        if call.action == "Authorize":
            await asyncio.sleep(0.1)
        if call.action == "DataTransfer":  # both are right
            return [frame.replace("UnknownVendorId", "Rejected")]
        return [frame]

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        return [frame.replace('"Hard"', '"Soft"')]


def scenarios() -> list[Scenario]:
    """Return some of the shipped cases."""
    loaded = load_tree([library_directory() / name for name in ("core", "reservation")])
    chosen = [one for one in loaded.scenarios if one.id.removesuffix("_CSMS") in CASES]
    assert len(chosen) == len(CASES)
    return chosen


def made(folder: Path) -> Path:
    """Make a folder and return it."""
    folder.mkdir()
    return folder


async def run(folder: Path, chosen: Sequence[Scenario], bend: Bend, number: int) -> Path:
    """Run cases against a miniature and write the report; no two runs have the same numbers."""
    folder = made(folder)
    async with Miniature(bend=bend, first_transaction_id=1 + 1000 * number) as miniature:
        sut = system(miniature, folder, prefix=f"RUN{number}-", limit_s=20.0)
        options = RunOptions(run_dir=folder, settle_s=0.05, strict=True, concurrency=AT_A_TIME)
        async with Engine(sut, options) as engine:
            # Another order, so that other identities and cards are leased.
            turned = [*chosen[number % len(chosen) :], *chosen[: number % len(chosen)]]
            result = await engine.run(turned)
    RunDirectory(folder).write_report(make_report(result, version="1", exit_code=0))
    return folder


def hold(old: Path, new: Path) -> Comparison:
    """Compare two runs as they were written."""
    return compare(read_report(old), read_report(new))


@pytest.mark.parametrize("pair", PAIRS)
async def test_exactly_what_was_planted_is_found(tmp_path: Path, pair: int) -> None:
    """One verdict, one latency and one frame changed; a second run of the same changes nothing."""
    chosen = scenarios()
    old = await run(tmp_path / "old", chosen, Bend(), 3 * pair)
    same = await run(tmp_path / "same", chosen, Bend(), 3 * pair + 1)
    new = await run(tmp_path / "new", chosen, Regressed(), 3 * pair + 2)

    nothing, found = hold(old, same), hold(old, new)

    assert nothing.compared == found.compared == len(CASES)
    assert (nothing.worse, nothing.verdicts, nothing.frames) == ({}, (), ())
    assert (nothing.slower, nothing.new_findings, nothing.gone_findings) == ((), (), ())
    assert [(one.change, one.case_id, one.new) for one in found.verdicts] == [
        (Change.NEWLY_RED, "TC_013_CSMS", Verdict.FAILED)
    ]
    assert [one.action for one in found.slower] == ["Authorize"]
    assert [(one.frame, one.differences, one.case_ids) for one in found.frames] == [
        ("answer to DataTransfer", ('status: "UnknownVendorId" → "Rejected"',), ("TC_064_CSMS",))
    ]
    assert (found.new_findings, found.gone_findings, found.notes) == ((), (), ())
    assert found.worse == {"newly red": 1, "slower": 1, "changed frame": 1}


async def test_the_command_tells_ci(tmp_path: Path) -> None:
    """The exit code is 1 with something worse, 0 the other way round or when all is allowed."""
    chosen = scenarios()
    old = str(await run(tmp_path / "old", chosen, Bend(), 0))
    new = str(await run(tmp_path / "new", chosen, Regressed(), 1))

    def invoke(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["compare", *arguments])
        return result.exit_code, result.output

    code, text = invoke(old, new)
    assert code == 1
    assert "Newly red (1)" in text
    assert "Worse: 1 newly red, 1 slower, 1 changed frame. 20 cases compared." in text
    code, text = invoke(old, new, "--json")
    assert code == json.loads(text)["exit_code"] == 1
    code, text = invoke(new, old, "--allow", "frames")
    assert code == 0
    assert "Newly green (1)" in text
    assert invoke(old, old)[0] == 0
