"""Known killers: what cost others their certificate, or their charge points, though no case asks.

Most of them only warn in a run, or show in the sets beyond the official cases. Found on the way,
each is worth a line of its own. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from harness.model import CaseSet
from harness.report.points import Place, Point, collect, is_failure, kinds, place_point
from harness.results import CaseResult, Exchange, Finding, RunResult, Severity, Verdict

# Half of the 30 s that charge points, and the official tool, are known to wait for an answer.
SLOW_ANSWER_S: Final = 15.0


# What shows how a CSMS behaves; the form of its messages is another matter.
_BEHAVIOUR: Final = ("answer.", "call.", "close.", "handshake.", "ping.", "request.", "rule.")


@dataclass(frozen=True, slots=True)
class Killer:
    """One known killer.

    Attributes:
        why: what it does in the field or in a laboratory.
        rules: ids of findings that show it, wherever they are.
        cases: ids of cases beyond the official list that show it by how the CSMS behaves there.
    """

    title: str
    why: str
    rules: frozenset[str] = frozenset()
    cases: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sighting:
    """A known killer that this run met, and where."""

    killer: Killer
    points: tuple[Point, ...]


SLOW: Final = Killer(
    "Answers so late that charge points give up",
    "Charge points and test tools wait about 30 s for an answer, many of them less. Then they"
    " close the connection or send the message again, and the CSMS books it twice.",
    frozenset({"answer.late"}),
)

CLAIMED: Final = Killer(
    "The interface says one thing, the wire another",
    "The operator reads that a command succeeded, and nothing happened, or something else. In the"
    " laboratory the tester waits for a message that does not come.",
    frozenset({"driver.differs"}),
)

KILLERS: Final = (
    Killer(
        "The CSMS does not survive the test",
        "A crash that needs a restart means testing again from the beginning.",
        frozenset({"sut.died", "sut.silent"}),
    ),
    Killer(
        "Requests that nobody asked for",
        "Legal, but the official tool expects the messages of the case and no other. Seen in real"
        " certifications: GetConfiguration right after connecting or after ChangeConfiguration.",
        frozenset({"wire.unasked-call"}),
    ),
    Killer(
        "A second connection orphans the live one",
        "After a loss of power the charge point is back before the CSMS noticed that it was gone."
        " When the end of the old socket takes the new one with it, the charge point is online and"
        " out of reach.",
        cases=frozenset({"BEYOND_SECOND_CONNECTION"}),
    ),
    SLOW,
    CLAIMED,
    Killer(
        "Whoever reconnects without a BootNotification is not served",
        "A mobile connection breaks many times a day, and no charge point boots for that.",
        cases=frozenset({"BEYOND_RECONNECT_WITHOUT_BOOT"}),
    ),
    Killer(
        "The CSMS stands still while it waits for an answer",
        "Many charge points act on a command first and report it, before they answer it.",
        frozenset({"call.overlap"}),
        frozenset({"BEYOND_CALL_BEFORE_ANSWER", "BEYOND_UNANSWERED_COMMAND"}),
    ),
    Killer(
        "A message that is sent again counts twice",
        "A charge point repeats a StartTransaction whose answer it missed. A second transaction for"
        " it is a session that never ends.",
        cases=frozenset({"BEYOND_RETRIED_START"}),
    ),
    Killer(
        "Transaction numbers that cannot be relied on",
        "A number that is given twice, or 0 or -1, makes a charge point stop the wrong session.",
        frozenset(
            {
                "run.transaction-id-reused",
                "run.transaction-id-shared",
                "transaction.id-not-positive",
            }
        ),
        frozenset({"BEYOND_REFUSED_START"}),
    ),
    Killer(
        "What was charged offline is lost",
        "A charge point delivers its queue in order and goes on only when each message is answered."
        " One refusal holds up the rest, or drops it.",
        cases=frozenset({"BEYOND_OFFLINE_QUEUE", "BEYOND_CLOCK_1970", "BEYOND_UNKNOWN_STOP"}),
    ),
    Killer(
        "Message ids that come again",
        "Whoever remembers ids answers from memory: the answer belongs to another message.",
        frozenset({"run.message-id-reused", "call.id-reused"}),
        frozenset({"BEYOND_RESTARTED_IDS"}),
    ),
    Killer(
        "Times that charge points misread",
        "The charge point sets its clock by them. Every meter value after that is wrong.",
        frozenset({"time.form", "time.clock", "time.no-zone", "time.not-utc", "time.format"}),
    ),
    Killer(
        "A heartbeat interval that leaves the charge point to guess",
        "Some then send no heartbeat at all, and the line is cut for silence.",
        frozenset({"boot.interval-zero"}),
    ),
    Killer(
        "Connections that end without a word",
        "The charge point learns of it only when its next message is lost.",
        frozenset({"close.lost", "ping.unanswered"}),
        frozenset({"BEYOND_SILENCE"}),
    ),
)
_BY_RULE: Final = {rule: killer for killer in KILLERS for rule in killer.rules}
_BY_CASE: Final = {case_id: killer for killer in KILLERS for case_id in killer.cases}


def is_killer(finding: Finding) -> bool:
    """Say whether a finding alone shows a known killer."""
    return finding.rule in _BY_RULE


def sightings(run: RunResult) -> tuple[Sighting, ...]:
    """Return the known killers that a run met, in the order of `KILLERS`."""
    found: dict[str, list[Point]] = {}
    for point in collect(run.cases, is_killer, run_findings=run.findings):
        found.setdefault(_BY_RULE[point.finding.rule].title, []).append(point)
    claimed = (replace(case, findings=_claimed(case)) for case in run.cases)
    for point in collect(claimed, is_failure):
        found.setdefault(CLAIMED.title, []).append(point)
    # What is wrong in the official cases too says nothing about what such a case is for.
    elsewhere = {
        kind
        for case in run.cases
        if case.case_set is CaseSet.OFFICIAL
        for kind in kinds(case).values()
    }
    for case in run.cases:
        killer = _BY_CASE.get(case.case_id)
        if killer is None or case.case_set is CaseSet.OFFICIAL:
            continue
        kind_of = kinds(case)
        for finding in filter(_shows_behaviour(case), case.findings):
            if kind_of[finding] not in elsewhere:
                found.setdefault(killer.title, []).append(place_point(Place(finding, case)))
    slow = _slowest(run.cases)
    if slow is not None and SLOW.title not in found:
        found[SLOW.title] = [slow]
    return tuple(
        Sighting(killer, tuple(found[killer.title])) for killer in KILLERS if killer.title in found
    )


def _claimed(case: CaseResult) -> tuple[Finding, ...]:
    """Return the requests that never came, though the interface said it had sent them."""
    done = tuple(f"{one.action} " for one in case.driver_reports if one.outcome == "done")
    return tuple(
        finding
        for finding in case.findings
        if finding.rule == "request.missing" and done and finding.message.startswith(done)
    )


def _shows_behaviour(case: CaseResult) -> Callable[[Finding], bool]:
    """Return which findings of a case tell how the CSMS behaved in it.

    Where the interface calls a charge point offline that is connected, the case is inconclusive,
    and yet this is what a connection looks like that the CSMS has lost.
    """
    meant: tuple[Severity, ...] = (Severity.FAILURE,)
    if case.verdict is Verdict.INCONCLUSIVE and any(
        report.outcome == "refused" for report in case.driver_reports
    ):
        meant = (Severity.FAILURE, Severity.INCONCLUSIVE)

    def shows(finding: Finding) -> bool:
        return (
            finding.severity in meant
            and finding.rule.startswith(_BEHAVIOUR)
            and not is_killer(finding)
            and case.verdict in (Verdict.FAILED, Verdict.INCONCLUSIVE)
        )

    return shows


def _slowest(cases: Iterable[CaseResult]) -> Point | None:
    """Return the slowest answer as a point, where it is slow enough to lose charge points."""
    slow: list[tuple[float, CaseResult, Exchange]] = [
        (exchange.duration_s, case, exchange)
        for case in cases
        for exchange in case.exchanges
        if exchange.duration_s is not None
        and exchange.duration_s >= SLOW_ANSWER_S
        and not exchange.is_late
        and not exchange.is_disturbed
    ]
    if not slow:
        return None
    duration_s, case, exchange = max(slow, key=lambda entry: entry[0])
    finding = Finding(
        "response.target",
        Severity.WARNING,
        f"{exchange.action} was answered after {duration_s:.1f} s.",
        requirement="our own",
        expected=f"an answer within {SLOW_ANSWER_S:g} s",
        actual=f"{duration_s:.1f} s",
        event=exchange.answer_event,
    )
    return place_point(Place(finding, case))
