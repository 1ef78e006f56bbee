"""Whether what went wrong is that the Central System does not know what the file names.

Cards and charge points that somebody had to register by hand may be missing there. Then the cases
that need them say nothing about the Central System. But an excuse too many hides a fault, so:

- What the run's own driver registered is there; nothing is excused.
- A card is unknown only where its whole role is: every card of it gets Invalid, in the case, in a
  fresh session on another charge point, and wherever else the run showed one. Of the roles only
  those that have to be accepted: whether an expired card is told from an unknown one is what the
  cases with other roles are about.
- A charge point is unknown only where it is refused with 401 or 404 from the first moment on, again
  when it asks once more, and in the whole run, in cases that are not about connecting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from harness.awaited import leaves
from harness.drivers.driver import ROLES, Credentials, Operation
from harness.judge_frames import MessageType, read_frame
from harness.model import Connect, Scenario
from harness.results import CaseResult, Finding, Severity, Verdict, verdict_of
from harness.sut import SystemUnderTest
from simulator.trace import Direction, EventKind

ID_TAG: Final = "provisioning.id_tag"
IDENTITY: Final = "provisioning.identity"

_UNKNOWN: Final = "Invalid"  # what OCPP has for a card nobody knows, OCPP 1.6 ed. 2 §7.2
_ACCEPTED_ROLES: Final = frozenset({"valid", "valid_2"})
_ACTIONS: Final = frozenset({"Authorize", "StartTransaction", "StopTransaction"})
_STATUS: Final = "$.idTagInfo.status"
_NOT_LET_IN: Final = frozenset({401, 404})
_ASKED: Final = 8  # cards of a role that are asked about again
_NAMED: Final = 5  # charge points named in one sentence


@dataclass(frozen=True, slots=True)
class Told:
    """What the Central System said about a card, and where."""

    event: int
    id_tag: str
    status: str


class Registry:
    """What a run needs to be registered, and whether the run did so itself. Pure."""

    def __init__(self, sut: SystemUnderTest, cannot: Callable[[Operation], str]) -> None:
        """Take the file and what its driver cannot register."""
        self._role_of = {tag.casefold(): role for role, tags in sut.id_tags.items() for tag in tags}
        self._by_hand = {
            role for role in _ACCEPTED_ROLES & sut.id_tags.keys() if cannot(ROLES[role])
        }
        self._identities_by_hand = bool(cannot(Operation.STATION))

    def role_of(self, id_tag: str) -> str:
        """Return the role of a card, empty where the file has no such card."""
        return self._role_of.get(id_tag.casefold(), "")

    def doubtful_cards(self, case: CaseResult) -> dict[str, str]:
        """Return roles that a case may have failed for, each with a card that showed it."""
        return {
            role: told.id_tag
            for told in _wrong(case)
            if told.status == _UNKNOWN and (role := self.role_of(told.id_tag)) in self._by_hand
        }

    def is_doubtful(self, scenario: Scenario, case: CaseResult) -> bool:
        """Whether a case may have failed because its charge point is not registered."""
        return (
            self._identities_by_hand
            and not is_about_connecting(scenario)
            and case.verdict is Verdict.FAILED
            and case.identity not in _opened([case])
            and bool(_refusals(case))
        )

    def known_roles(self, cases: Sequence[CaseResult]) -> frozenset[str]:
        """Return the roles of which the Central System knew a card."""
        return frozenset(
            self.role_of(told.id_tag)
            for case in cases
            for told in what_was_told(case)
            if told.status != _UNKNOWN
        )

    def judge(self, cases: Sequence[CaseResult]) -> tuple[tuple[CaseResult, ...], list[Finding]]:
        """Hold excuses against the whole run: take back what it refutes, say once what stays."""
        known, opened = self.known_roles(cases), _opened(cases)
        judged = tuple(self._refuted(case, known, opened) for case in cases)
        return judged, [*self._roles(judged), *_identities(judged)]

    def _refuted(
        self, case: CaseResult, known: frozenset[str], opened: frozenset[str]
    ) -> CaseResult:
        tags = {told.event: told.id_tag for told in what_was_told(case)}
        findings = list(case.findings)
        for at, one in enumerate(findings):
            if one.severity is not Severity.INCONCLUSIVE or one.event is None:
                continue
            if one.rule == ID_TAG and self.role_of(tags.get(one.event, "")) in known:
                words = f"{tags[one.event]} is refused, but other cards of its role are known."
            elif one.rule == IDENTITY and case.identity in opened:
                words = f"{case.identity} is refused here, but was let in in another case."
            else:
                continue
            findings[at] = replace(one, severity=Severity.FAILURE, message=words)
        return _with(case, findings) if findings != list(case.findings) else case

    def _roles(self, cases: Sequence[CaseResult]) -> Iterator[Finding]:
        """Name the roles whose cards got the same unexpected status wherever they were shown."""
        statuses: dict[str, set[str]] = {}
        expected: set[str] = set()
        for case in cases:
            wrong = {told.event for told in _wrong(case)}
            for told in what_was_told(case):
                role = self.role_of(told.id_tag)
                statuses.setdefault(role, set()).add(told.status)
                if told.event not in wrong:
                    expected.add(role)
        for role, found in sorted(statuses.items()):
            if role and role not in expected and len(found) == 1:
                message = (
                    f"Every id tag of role {role!r} got {found.pop()} wherever it was shown. "
                    f"Are the tags under `id_tags.{role}` provisioned in the Central System?"
                )
                yield Finding(ID_TAG, Severity.WARNING, message)


def is_unknown(case: CaseResult) -> bool:
    """Whether a case was excused because its charge point is not registered."""
    return any(
        one.rule == IDENTITY and one.severity is Severity.INCONCLUSIVE for one in case.findings
    )


def is_about_connecting(scenario: Scenario) -> bool:
    """Whether a case is about who is let in, so that a refusal is its own matter."""
    return bool(scenario.security_profiles or scenario.role) or any(
        isinstance(step, Connect)
        and (
            step.refused is not None
            or step.profile is not None
            or any((step.identity, step.credentials, step.password, step.certificate))
        )
        for step in leaves(scenario.steps)
    )


def what_was_told(case: CaseResult) -> Iterator[Told]:
    """Yield what the Central System said about cards in a case."""
    asked: dict[tuple[int, str], str] = {}
    for index, event in enumerate(case.events):
        if event.kind is not EventKind.FRAME:
            continue
        frame, _ = read_frame(event.text)
        if not isinstance(frame.payload, dict) or not isinstance(frame.message_id, str):
            continue
        key = (event.connection, frame.message_id)
        if event.direction is Direction.SENT:
            id_tag = frame.payload.get("idTag")
            if frame.type is MessageType.CALL and frame.action in _ACTIONS and id_tag:
                asked[key] = str(id_tag)
        elif frame.type is MessageType.CALL_RESULT and key in asked:
            info = frame.payload.get("idTagInfo")
            if isinstance(info, dict) and "status" in info:
                yield Told(index, asked.pop(key), str(info["status"]))


def excuse_cards(case: CaseResult, roles: Mapping[str, str]) -> CaseResult:
    """Make inconclusive what a case says about unknown cards; all else stays.

    Args:
        roles: by card, in small letters: those whose role is unknown.
    """
    wrong = {
        told.event: told.id_tag
        for told in _wrong(case)
        if told.status == _UNKNOWN and told.id_tag.casefold() in roles
    }
    findings = [
        replace(
            one,
            rule=ID_TAG,
            severity=Severity.INCONCLUSIVE,
            message=(
                f"The Central System knows no id tag of role {roles[wrong[one.event].casefold()]!r}"
                f", {wrong[one.event]} among them: register them, or let the driver do so."
            ),
        )
        if one.rule.startswith("rule.")
        and one.event in wrong
        and one.expected.startswith("$.idTagInfo")
        else one
        for one in case.findings
    ]
    return _with(case, findings)


def excuse_identity(case: CaseResult) -> CaseResult:
    """Make inconclusive that a charge point was not let in."""
    refusals = _refusals(case)
    message = (
        f"The Central System does not let {case.identity} in ({{}}): is it registered there, with "
        "this password? Register it, or let the driver do so."
    )
    findings = [
        replace(
            one,
            rule=IDENTITY,
            severity=Severity.INCONCLUSIVE,
            message=message.format(f"HTTP {refusals[one.event]}"),
        )
        if one.event in refusals and one.severity is Severity.FAILURE
        else one
        for one in case.findings
    ]
    return _with(case, findings)


class Doubts:
    """Asks the Central System once more, before a case is excused."""

    def __init__(
        self,
        registry: Registry,
        id_tags: Mapping[str, Sequence[str]],
        *,
        ask_cards: Callable[[Sequence[str]], Awaitable[Mapping[str, str]]],
        is_let_in: Callable[[Credentials], Awaitable[bool]],
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            id_tags: of this worker.
            ask_cards: returns the status by card, of those it got one for.
            is_let_in: tries a charge point once more.
        """
        self._registry = registry
        self._id_tags = id_tags
        self._ask_cards = ask_cards
        self._is_let_in = is_let_in
        self._unknown: dict[str, asyncio.Task[bool]] = {}

    async def look_at_identity(
        self,
        scenario: Scenario,
        case: CaseResult,
        credentials: Credentials,
        *,
        earlier: Sequence[CaseResult],
    ) -> CaseResult:
        """Return the case, excused where its charge point is not registered."""
        if not self._registry.is_doubtful(scenario, case) or case.identity in _opened(earlier):
            return case
        return case if await self._is_let_in(credentials) else excuse_identity(case)

    async def look_at_cards(self, case: CaseResult, *, earlier: Sequence[CaseResult]) -> CaseResult:
        """Return the case, excused where it needs cards that are not registered."""
        if case.verdict is not Verdict.FAILED:
            return case
        doubtful = self._registry.doubtful_cards(case)
        known = self._registry.known_roles((*earlier, case)) if doubtful else frozenset()
        roles: dict[str, str] = {}
        for role, shown in doubtful.items():
            if role not in known and await self._is_unknown(role, shown):
                roles |= {tag.casefold(): role for tag in self._id_tags.get(role, ())}
        return excuse_cards(case, roles) if roles else case

    async def _is_unknown(self, role: str, shown: str) -> bool:
        """Ask about cards of a role, once for all cases."""
        task = self._unknown.get(role)
        if task is None:
            task = asyncio.create_task(self._ask(role, shown), name=f"cards of role {role}")
            self._unknown[role] = task
        return await asyncio.shield(task)

    async def _ask(self, role: str, shown: str) -> bool:
        tags = self._id_tags.get(role, ())
        stride = max(1, -(-len(tags) // _ASKED))
        wanted = list(dict.fromkeys((shown, *tags[::stride], *tags[-1:])))
        answers = await self._ask_cards(wanted)
        return all(answers.get(tag) == _UNKNOWN for tag in wanted)


def _wrong(case: CaseResult) -> Iterator[Told]:
    """Yield what was told about cards where the case expected another status."""
    places = {one.event for one in case.findings if one.expected.startswith(_STATUS)}
    return (told for told in what_was_told(case) if told.event in places)


def _opened(cases: Sequence[CaseResult]) -> frozenset[str]:
    return frozenset(
        event.identity for case in cases for event in case.events if event.kind is EventKind.OPENED
    )


def _refusals(case: CaseResult) -> dict[int | None, int]:
    """Return the events at which the case's own charge point was not let in, with the status."""
    return {
        index: status
        for index, event in enumerate(case.events)
        if event.kind is EventKind.REFUSED
        and event.identity == case.identity
        and isinstance(status := event.detail.get("status"), int)
        and status in _NOT_LET_IN
    }


def _identities(cases: Sequence[CaseResult]) -> Iterator[Finding]:
    refused = sorted({case.identity for case in cases if is_unknown(case)})
    if refused:
        more = f" and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
        message = (
            f"The Central System does not let {', '.join(refused[:_NAMED])}{more} in, whatever "
            "they are for. Are they registered there, and are the passwords under `identities` "
            "right?"
        )
        yield Finding(IDENTITY, Severity.WARNING, message)


def _with(case: CaseResult, findings: Sequence[Finding]) -> CaseResult:
    """Return the case with other findings, and the verdict and reason that follow from them."""
    verdict = verdict_of(findings)
    reason = next(one.message for one in findings if verdict_of([one]) is verdict)
    return replace(case, findings=tuple(findings), verdict=verdict, reason=reason)
