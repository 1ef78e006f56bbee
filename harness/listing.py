"""`preflight list`: every case, and with a declaration whether it is asked and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import declaration, selection
from harness.awaited import leaves
from harness.declaration import OUT, Decision, Declaration, Ground
from harness.drivers.command import CommandDriverSpec
from harness.drivers.driver import COMMANDS, NoDriver, Operation
from harness.drivers.http_spec import HttpDriverSpec
from harness.model import CaseSet, OperatorStep, Scenario
from harness.sut import SystemUnderTest

WIDE: Final = 110  # below, the table shows only what there is room for
_SETS: Final = tuple(CaseSet)


@dataclass(frozen=True, slots=True)
class Entry:
    """A case and whether it is asked.

    Attributes:
        commands: what an operator has to make the Central System send.
        unsupported: those of them that the driver cannot ask for, and why.
    """

    scenario: Scenario
    decision: Decision
    commands: tuple[str, ...]
    unsupported: Mapping[str, str] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """Why it is in or out, and what leaves it open."""
        first = next(iter(self.unsupported.items()), None)
        if first is None or not self.decision.is_in:
            return self.decision.reason
        return f"{self.decision.reason}; the driver cannot ask for {first[0]}: {first[1]}"

    @property
    def editions(self) -> str:
        """The editions of the case list that have it."""
        first, last = self.scenario.editions.first, self.scenario.editions.last
        if first is None and last is None:
            return "all"
        return f"{first or ''}–{last or ''}"  # noqa: RUF001  # a dash between editions


def entries(
    scenarios: Iterable[Scenario], sut: SystemUnderTest | None, *, edition: str
) -> tuple[Entry, ...]:
    """Return the cases, official ones first, each with the decision about it.

    Args:
        sut: whose declaration decides; without one nothing is declared.
    """
    cannot = _cannot(sut)
    return tuple(
        Entry(
            one,
            _decide(one, sut, edition),
            commands := _commands(one),
            {name: why for name in commands if (why := cannot(name))},
        )
        for one in sorted(scenarios, key=lambda one: _SETS.index(one.case_set))
    )


def _decide(scenario: Scenario, sut: SystemUnderTest | None, edition: str) -> Decision:
    if sut is None:
        return declaration.decide(scenario, Declaration(), edition=edition)
    return selection.decide(scenario, sut, edition=edition)


def _cannot(sut: SystemUnderTest | None) -> Callable[[str], str]:
    """Return what tells why a request is out of the driver's reach, as far as the file says so."""
    if sut is None:
        return lambda name: ""

    def cannot(name: str) -> str:
        if name not in set(COMMANDS):
            return ""
        match sut.driver:
            case None:
                return NoDriver().cannot(Operation(name))
            case HttpDriverSpec():
                return sut.driver.cannot(Operation(name))
            case CommandDriverSpec():
                return sut.driver.unsupported.get(Operation(name), "")
            case _:
                return ""  # its own code, or a person, knows

    return cannot


def _commands(scenario: Scenario) -> tuple[str, ...]:
    found = (step.action for step in leaves(scenario.steps) if isinstance(step, OperatorStep))
    return tuple(dict.fromkeys(found))


def show(listed: Sequence[Entry], console: Console, *, why: bool) -> None:
    """Print the cases as a table, and how many there are.

    Args:
        why: with the reason for each case being in or out.
    """
    is_wide = console.width >= WIDE
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    names = ["Case", *(["Title"] if is_wide else []), "", "Why"] if why else _plain_names(is_wide)
    for name in names:
        table.add_column(name, no_wrap=name not in ("Title", "Why"))
    for entry in listed:
        style = None if entry.decision.is_in else "dim"
        row = _why_row(entry, is_wide) if why else _plain_row(entry, is_wide)
        table.add_row(*(one if isinstance(one, Text) else Text(one) for one in row), style=style)
    console.print(table)
    console.print(_totals(listed, why=why), highlight=False, soft_wrap=True)


def _plain_names(is_wide: bool) -> list[str]:
    return ["Case", "Profile", *(["Requirement", "Editions"] if is_wide else []), "Title"]


def _plain_row(entry: Entry, is_wide: bool) -> list[str]:
    scenario = entry.scenario
    middle = [scenario.requirement.value, entry.editions] if is_wide else []
    return [scenario.id, scenario.profile.value, *middle, scenario.title]


def _why_row(entry: Entry, is_wide: bool) -> list[str | Text]:
    decision = entry.decision
    mark = Text("in", style="green") if decision.is_in else Text("out")
    if decision.ground is Ground.NOT_PROVIDED or (decision.is_in and entry.unsupported):
        mark = Text("open", style="dark_orange")
    title = [entry.scenario.title] if is_wide else []
    return [entry.scenario.id, *title, mark, entry.reason]


def _totals(listed: Sequence[Entry], *, why: bool) -> str:
    official = [one for one in listed if one.scenario.case_set is CaseSet.OFFICIAL]
    words = f"{len(official)} official case{'s' * (len(official) != 1)}"
    if why and official:
        counts = Counter(one.decision.ground for one in official)
        parts = [
            ", ".join(
                f"{counts[one]} {one}" for one in Ground if counts[one] and (one in OUT) is out
            )
            for out in (False, True)
        ]
        asked = sum(one.decision.is_in for one in official)
        words += f", {asked} of them in{f' ({parts[0]})' if parts[0] else ''}"
        words += f", {len(official) - asked} out ({parts[1]})" if parts[1] else ""
        if open_ := sum(bool(one.unsupported) and one.decision.is_in for one in official):
            words += f", {open_} out of the driver's reach"
    if others := len(listed) - len(official):
        words += f", {others} beyond them (--extended runs those as well)"
    return words


def to_json(listed: Sequence[Entry], *, edition: str) -> str:
    """Return the cases as one JSON document, for machines."""
    cases = [
        {
            "id": entry.scenario.id,
            "title": entry.scenario.title,
            "profile": entry.scenario.profile.value,
            "requirement": entry.scenario.requirement.value,
            "case_set": entry.scenario.case_set.value,
            "section": entry.scenario.section,
            "first_edition": entry.scenario.editions.first,
            "last_edition": entry.scenario.editions.last,
            "is_in": entry.decision.is_in,
            "ground": entry.decision.ground.value,
            "reason": entry.decision.reason,
            "commands": list(entry.commands),
            "unsupported": dict(entry.unsupported),
        }
        for entry in listed
    ]
    return json.dumps({"edition": edition, "cases": cases}, ensure_ascii=False, indent=1)
