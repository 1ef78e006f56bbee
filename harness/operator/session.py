"""A run with a person, from the side of pytest: its desk, its faces, its journal, its order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from harness.awaited import leaves
from harness.model import OperatorStep, Scenario
from harness.operator.desk import CaseLine, Desk
from harness.operator.journal import Earlier, Journal
from harness.operator.order import in_order
from harness.operator.preparation import enough
from harness.operator.spec import DEADLINE_S, OperatorSpec
from harness.operator.terminal import TerminalFace
from harness.results import CaseResult, RunResult
from harness.sut import SystemUnderTest

# What a resumed run takes over of the command line.
KEPT_OPTIONS: Final = (
    "sut", "edition", "ocpp_strict", "settle", "extended", "slow", "known_failures",
    "keyword", "markexpr", "reports", "may_test_public",
)  # fmt: skip


def is_with_person(option: Any, sut: SystemUnderTest) -> bool:
    """Say whether a person is to act."""
    return bool(option.operator) or isinstance(sut.driver, OperatorSpec)


class OperatorSession:
    """Everything a run with a person has beyond any other run."""

    def __init__(
        self,
        sut: SystemUnderTest,
        option: Any,
        *,
        directory: Path,
        arguments: Sequence[str],
        earlier: Earlier | None,
    ) -> None:
        """Prepare; `begin` opens the faces.

        Args:
            arguments: the files and folders of the command line.
            earlier: the part of this run that was before.
        """
        spec = sut.driver if isinstance(sut.driver, OperatorSpec) else None
        self.sut = self._fitting(sut, earlier)
        self.desk = Desk(
            deadline_s=option.deadline or (spec.deadline_s if spec else DEADLINE_S),
            action_timeout_s=sut.action_timeout_s,
            sut_name=sut.name,
        )
        self._earlier = earlier
        self._done = {case.case_id: case for case in earlier.cases} if earlier else {}
        self._option = option
        self._arguments = list(arguments)
        self._journal = Journal(directory)
        self._directory = directory
        self._faces: list[Callable[[], None]] = []  # how to close them

    @property
    def earlier(self) -> tuple[CaseResult, ...]:
        """The results of the earlier part."""
        return tuple(self._done.values())

    def done(self, case_id: str) -> CaseResult | None:
        """Return the result of a case that the earlier part ran."""
        return self._done.get(case_id)

    def begin(self, scenarios: Sequence[Scenario]) -> None:
        """Open the faces and the journal."""
        lines = [CaseLine(one.id, one.title) for one in scenarios]
        self.desk.list_cases(lines)
        for case in self._done.values():
            self.desk.note_result(case)
        if self._earlier is None:
            settings = {name: getattr(self._option, name) for name in KEPT_OPTIONS}
            settings["arguments"] = self._arguments
            self._journal.begin(started_at=datetime.now(UTC), settings=settings)
        url = ""
        if not self._option.no_page:
            from harness.operator.page import Page

            page = Page(self.desk, port=self._option.page_port)
            url = page.start()
            self._faces.append(page.stop)
        face = TerminalFace(self.desk, out=sys.stderr, keys=sys.stdin, url=url)
        face.start()
        self._faces.append(face.stop)

    def add(self, case: CaseResult) -> None:
        """Keep a result. On the thread that runs the cases."""
        self._journal.add(case)
        self.desk.note_result(case)

    def end(self) -> None:
        """Close the faces."""
        self.desk.over()
        for close in reversed(self._faces):
            close()
        self._faces.clear()

    def whole(self, found: RunResult) -> RunResult:
        """Return a run with its earlier part; times count from where it began."""
        settings = {**found.settings, "operator": True}
        if self._earlier is None:
            return replace(found, settings=settings)
        return replace(
            found,
            started_at=self._earlier.started_at,
            duration_s=self._earlier.duration_s + found.duration_s,
            settings={**settings, "resumed_at": found.started_at.isoformat()},
        )

    def how_to_go_on(self) -> str:
        """Return the command that goes on with this run."""
        return f"preflight run --resume {self._directory}"

    @staticmethod
    def _fitting(sut: SystemUnderTest, earlier: Earlier | None) -> SystemUnderTest:
        """Ask a person for no more than one case at a time needs; leave out what is used up."""
        if sut.driver is not None and not isinstance(sut.driver, OperatorSpec):
            return sut
        identities, id_tags = enough(sut.identities, sut.id_tags)
        spent = {
            case.identity
            for case in (earlier.cases if earlier else ())
            if any(finding.rule == "cleanup.credentials" for finding in case.findings)
        }
        left = tuple(one for one in identities if one.identity not in spent)
        return replace(sut, identities=left or identities, id_tags=id_tags)


def operations(scenario: Scenario, edition: str) -> list[str]:
    """Return what a person does in a case, in order."""
    return [
        step.action
        for step in _of_edition(scenario.steps, edition)
        if isinstance(step, OperatorStep)
    ]


def ordered(scenarios: Sequence[Scenario], edition: str) -> list[int]:
    """Return the places of cases in the order for a person; sets stay apart."""
    found: list[int] = []
    for case_set in dict.fromkeys(one.case_set for one in scenarios):
        places = [at for at, one in enumerate(scenarios) if one.case_set is case_set]
        own = [operations(scenarios[at], edition) for at in places]
        found += [places[at] for at in in_order(own)]
    return found


def _of_edition(steps: Sequence[Any], edition: str) -> Iterator[Any]:
    return (step for step in leaves(steps) if step.editions.includes(edition))
