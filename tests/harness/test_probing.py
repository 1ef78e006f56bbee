"""TLS handshakes without a WebSocket, against real servers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.results import CaseResult, Severity, Verdict
from simulator.trace import EventKind
from tests.harness.small_runs import rules
from tests.harness.test_connections import miniature, run
from tests.miniature_pki import ServerTls
from tests.secure_miniature import SecureMiniature

__all__ = ["miniature"]


async def test_a_server_that_takes_weak_tls_fails(tmp_path: Path) -> None:
    """It is the server that is asked, not our own library."""
    tls = ServerTls(suites="ALL:eNULL:@SECLEVEL=0")
    steps = "- probe_tls: {}\n  refused: {suites: [TLS_RSA_WITH_NULL_SHA256]}\n"
    async with SecureMiniature(tls=tls) as miniature:
        case = await run(miniature, tmp_path, steps, profile=2)

    assert rules(case) == ["tls.weak"]


async def test_probes_are_among_the_events(miniature: SecureMiniature, tmp_path: Path) -> None:
    """Six handshakes: all that is usual, four suites, TLS 1.3; each with what it came to."""
    case = await run(miniature, tmp_path, "- probe_tls: {}\n- connect: {}\n", profile=2)
    probed = [event for event in case.events if event.kind is EventKind.PROBED]

    assert case.verdict is Verdict.PASSED
    assert [one.severity for one in case.findings if one.rule != "tls.common-name"] == []
    assert {one.severity for one in case.findings} <= {Severity.WARNING}
    assert len(probed) == 6
    assert case.steps[0].events == tuple(range(6))
    suites: Sequence[object] = [event.detail["offered"]["suites"] for event in probed[1:5]]  # type: ignore[index]
    assert len({str(one) for one in suites}) == 4


@pytest.mark.parametrize(
    ("tls", "rule", "times"),
    [
        (ServerTls(keys=["RSA-2048"]), "tls.suite", 2),
        (ServerTls(signer="Nobody"), "handshake.not-trusted", 2),  # once here, once to connect
    ],
)
async def test_the_case_goes_on_whatever_is_found(
    tmp_path: Path, tls: ServerTls, rule: str, times: int
) -> None:
    """What is missing is named, each thing once, and the next step still runs."""
    async with SecureMiniature(tls=tls) as miniature:
        case = await _probed(miniature, tmp_path)

    assert case.verdict is Verdict.FAILED
    assert [one for one in rules(case) if one == rule] == [rule] * times
    assert [step.outcome != "not_run" for step in case.steps] == [True, True]


async def _probed(miniature: SecureMiniature, tmp_path: Path) -> CaseResult:
    return await run(miniature, tmp_path, "- probe_tls: {}\n- connect: {}\n", profile=2)


async def test_there_must_be_tls_to_probe(miniature: SecureMiniature, tmp_path: Path) -> None:
    """A scenario that probes a plain endpoint is wrong itself."""
    case = await run(miniature, tmp_path, "- probe_tls: {}\n", profile=1)

    assert (case.verdict, rules(case)) == (Verdict.ERROR, ["harness.step"])
