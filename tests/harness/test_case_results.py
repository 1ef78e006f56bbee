"""Results of cases that did not run, and what a result may tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from harness.case_results import broken, is_cut_off, masked, not_provided, silence, without_run
from harness.masking import Masker
from harness.results import Finding, Severity, Verdict
from simulator.trace import Event, EventKind
from tests.harness.scenario_texts import BOOT, scenario


def event(what: EventKind, /, **detail: object) -> Event:
    return Event(what, "CP", 1, datetime.now(UTC), 0.0, detail=detail)


def test_what_did_not_run_says_why() -> None:
    """The verdict is never a pass, and the reason is that of its finding."""
    case = scenario(BOOT)

    assert without_run(case, Verdict.NOT_RUN, "stopped").verdict is Verdict.NOT_RUN
    assert broken(case, "harness.error", "oh").verdict is Verdict.ERROR
    missing = not_provided(case, "no endpoint")
    assert (missing.verdict, missing.reason) == (Verdict.INCONCLUSIVE, "No endpoint.")
    assert missing.findings[0].rule == "sut.no-profile"


@pytest.mark.parametrize(
    ("last", "is_like_death"),
    [
        (event(EventKind.CLOSED, by="lost"), True),
        (event(EventKind.CLOSED, by="csms"), False),
        (event(EventKind.REFUSED, kind="reset"), True),
        (event(EventKind.REFUSED, kind="closed_port"), True),
        (event(EventKind.REFUSED, kind="http", status=401), False),
        (event(EventKind.REFUSED, kind="alert"), False),
        (event(EventKind.REFUSED, kind="not_trusted"), False),
    ],
)
def test_a_dying_program_is_told_from_one_that_refuses(last: Event, is_like_death: bool) -> None:
    """Only what a kernel does to the sockets of a dead process counts."""
    assert is_cut_off([last]) is is_like_death


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        ({"status": 401}, "passwords"),
        ({"status": 404}, "registered"),
        ({"status": 500}, "ocpp_url"),
        ({"status": None}, "still running"),
    ],
)
def test_silence_has_a_remedy(refused: dict[str, object], words: str) -> None:
    """Who gets no answer is told where to look."""
    assert words in silence([event(EventKind.REFUSED, reason="no", **refused)], "ws://x")
    assert "sent no message" in silence([event(EventKind.OPENED)], "ws://x")


def test_nothing_in_a_result_tells_a_secret() -> None:
    """Findings, frames, details, logs and reasons are masked alike."""
    secret = "a-very-good-secret"
    masker = Masker()
    masker.add(secret)
    told = replace(
        without_run(scenario(BOOT), Verdict.FAILED, secret),
        findings=(Finding("x", Severity.FAILURE, secret, expected=secret, actual=secret),),
        events=(replace(event(EventKind.REFUSED, reason=secret), text=secret),),
        variables={"key": [secret]},
        sut_log=secret,
        reproduce=secret,
    )

    assert secret in repr(told)
    assert secret not in repr(masked(told, masker))
