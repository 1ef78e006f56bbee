"""What people read: the summary of a run and the explanation of a case."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from harness.model import CaseSet
from harness.report.document import Known, make_report
from harness.report.failure import explain, headline
from harness.report.summary import print_summary
from harness.results import Finding, RunResult, Severity, Verdict
from tests.harness.report_samples import (
    RECEIVED,
    case,
    exchange,
    failed_case,
    frame,
    inconclusive_case,
    passed_case,
    run,
)


def summary(
    found: RunResult, *, known: tuple[Known, ...] = (), terminal: bool = False, width: int = 140
) -> str:
    """Return the printed summary of a run."""
    report = make_report(found, version="0", exit_code=1, known=known, problems=["a problem"])
    text = io.StringIO()
    colours = "truecolor" if terminal else "auto"
    console = Console(file=text, width=width, force_terminal=terminal, color_system=colours)  # type: ignore[arg-type]
    print_summary(report, console, reports="reports/runs/X")
    return text.getvalue()


def squeezed(text: str) -> list[str]:
    """Return the lines without their padding."""
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_summary_counts_per_profile() -> None:
    """Each profile has a line with every verdict that occurs."""
    lines = squeezed(summary(run()))

    head = next(line for line in lines if line.startswith("Profile"))
    assert head == ("Profile passed failed inconclusive error not applicable not run warnings")
    assert "Core 1 1 1 1 1 1 1" in lines


def test_extended_sets_are_counted_apart() -> None:
    """Their lines have their own names, and the last line keeps them from the official cases."""
    extra = replace(passed_case(), case_id="ROBUST_X", case_set=CaseSet.ROBUSTNESS)

    lines = squeezed(summary(replace(run(), cases=(passed_case(), extra))))

    assert any(line.startswith("Robustness 1 0 0 0 ") for line in lines)
    assert lines[-1].startswith("1 passed; extended sets: 1 passed in ")


def test_action_names_stay_whole_on_a_small_terminal() -> None:
    """A name goes on in the next line; none is cut."""
    lines = squeezed(summary(run(passed_case()), width=64))

    first = next(index for index, line in enumerate(lines) if line.startswith("BootNotif"))
    assert lines[first].split()[0] + lines[first + 1] == "BootNotification"


def test_the_summary_names_what_did_not_pass() -> None:
    """Failed, inconclusive and error cases have a line with their worst finding."""
    lines = squeezed(summary(run()))

    assert "TC_010_CSMS rule.Authorize.conf: Authorize was answered with another status." in lines
    assert "1 not run: interrupted" in lines
    assert any(line.startswith("TC_014_CSMS error: harness.fault") for line in lines)


def test_cases_that_failed_alike_share_a_line() -> None:
    """A wrong password does not fill the screen."""
    finding = Finding("handshake.refused", Severity.FAILURE, "HTTP 401")
    cases = [case(name, verdict=Verdict.FAILED, findings=(finding,)) for name in ("TC_1", "TC_2")]

    assert "TC_1, TC_2 handshake.refused: HTTP 401" in squeezed(summary(run(*cases)))


def test_warnings_of_passed_cases_are_shown() -> None:
    """A green case can carry a warning that people see without opening a report."""
    text = summary(run(passed_case()))

    assert "wire.unasked-call" in text
    assert "[TC_001_CSMS]" in text
    assert "2 open transactions were stopped.  [the run]" in text


def test_one_warning_in_many_cases_is_one_line() -> None:
    """Repeated warnings are gathered with the cases that have them."""
    finding = Finding("time.skew", Severity.WARNING, "The clock is off.")
    cases = [case(f"TC_{number}", findings=(finding,)) for number in range(5)]

    text = summary(run(*cases))

    assert text.count("time.skew") == 1
    assert "[TC_0, TC_1, TC_2 and 2 more]" in text


def test_the_performance_table_has_ms_and_the_certificates_seconds() -> None:
    """Milliseconds per action, then the whole seconds and how they came about."""
    lines = squeezed(summary(run()))

    assert "Authorize 1 0 0 430.0 430.0 430.0" in lines
    assert "StartTransaction 1 1 0 - - -" in lines
    assert "OCPP response timeout: PICS 30 s, measured 1 s (slowest answer, rounded up)" in lines
    assert any(
        line.startswith("Response time Authorize: PICS 30 s, measured 0 s") for line in lines
    )
    assert any(line.startswith("How long the CSMS waits for us: median 1.5 ms") for line in lines)
    assert any(line.startswith("Network share (WebSocket ping): median 0.40 ms") for line in lines)


def test_disturbed_answers_have_a_column_only_where_there_are_any() -> None:
    """A column that is always zero is not shown."""
    disturbed = case(exchanges=(exchange("Heartbeat", 0.1, is_disturbed=True),))

    assert "disturbed" not in summary(run())
    assert "disturbed" in summary(run(disturbed))


def test_known_failures_are_told_with_their_reason() -> None:
    """They are counted apart and keep their reason and place."""
    text = summary(run(), known=(Known("TC_010_CSMS", "TC_010*", "late", "ISSUE-7"),))

    assert "known: late (ISSUE-7)" in text
    assert "1 known" in squeezed(text)[-1]


def test_away_from_a_terminal_there_is_no_colour() -> None:
    """Logs and pipes get plain text; a terminal gets colour."""
    assert "\x1b[" not in summary(run())
    assert "\x1b[" in summary(run(), terminal=True)


def test_a_peer_cannot_steer_the_terminal_through_the_summary() -> None:
    """Escape sequences and rich markup in findings are shown as text."""
    finding = Finding("x", Severity.WARNING, "\x1b[2J[bold]boo[/bold]")

    text = summary(run(case(findings=(finding,))))

    assert "\x1b" not in text
    assert "\\u001b[2J[bold]boo[/bold]" in text


def test_a_message_of_several_lines_keeps_them() -> None:
    """The last lines of a program's log can be read as such."""
    finding = Finding("sut.died", Severity.FAILURE, "It ended:\nfirst\nlast \x1b[1m")

    result = case(verdict=Verdict.FAILED, findings=(finding,))

    assert "  It ended:\n  first\n  last \\u001b[1m\n" in explain(result) + "\n"
    assert "sut.died: It ended: first last" in headline(result)


def test_a_failure_is_explained_in_full() -> None:
    """Case, requirement, step with file and line, expected, actual, frames, how to repeat it."""
    text = explain(failed_case())

    for words in (
        "TC_010_CSMS  Remote start, cable plugged in first",
        "Core, unconfirmed",
        "FAILURE  rule.Authorize.conf  (TC_010_CSMS §3.4.1)",
        "step      3 send Authorize (scenarios/core/TC_010_CSMS.yaml:34)",
        'expected  "Accepted"',
        'actual    "Invalid"',
        '✗ 12:00:00.573  ← [3,"a1",{"idTagInfo":{"status":"Invalid"}}]',
        "Driver, RemoteStartTransaction: done, 200 OK: Accepted",
        "Reproduce with:\n  preflight run scenarios/core/TC_010_CSMS.yaml",
    ):
        assert words in text


def test_the_frames_shown_lead_to_what_is_wrong() -> None:
    """Clean-up after it does not push the evidence out of sight."""
    later = tuple(frame(5.0 + n, RECEIVED, f'[2,"late{n}","Reset",{{}}]') for n in range(30))
    result = replace(failed_case(), events=(*failed_case().events, *later))

    text = explain(result)

    assert "Frames up to there" in text
    assert '✗ 12:00:00.573  ← [3,"a1"' in text
    assert "late5" not in text


def test_the_worst_finding_comes_first() -> None:
    """Warnings do not hide what decided the verdict."""
    warning = Finding("a.warning", Severity.WARNING, "w")
    result = replace(failed_case(), findings=(warning, *failed_case().findings))

    text = explain(result)

    assert text.index("rule.Authorize.conf") < text.index("a.warning")
    assert headline(result).startswith("rule.Authorize.conf: ")


def test_the_headline_names_a_verdict_that_is_no_failure() -> None:
    """Inconclusive and error can be told apart in any list."""
    assert headline(inconclusive_case()).startswith("inconclusive: request.not-observed: ")


def test_an_explanation_is_safe_to_print_and_bounded() -> None:
    """Hostile and huge frames are shown in part, control characters as text."""
    events = tuple(frame(0.1, RECEIVED, "\x1b[31m" + "x" * 100_000) for _ in range(50))

    text = explain(case(verdict=Verdict.FAILED, events=events))

    assert "\x1b" not in text
    assert len(text) < 10_000


def test_one_warning_about_many_values_is_one_line() -> None:
    """The same words about another time or id are of the same kind."""
    findings = [
        Finding(
            "time.form", Severity.WARNING, f"currentTime is 2026-11-23T09:22:18.{digits}+00:00."
        )
        for digits in ("279972", "315283")
    ]
    cases = tuple(
        replace(passed_case(), case_id=name, findings=(finding,))
        for name, finding in zip(("TC_A", "TC_B"), findings, strict=True)
    )
    lines = squeezed(summary(replace(run(), cases=cases, findings=())))

    shown = [line for line in lines if line.startswith("time.form")]
    assert shown == ["time.form currentTime is 2026-11-23T09:22:18.279972+00:00. [TC_A, TC_B]"]
