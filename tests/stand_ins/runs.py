"""Runs the official cases against stand-ins, through the files that are shipped for the products.

Only environment variables tell a file that its product is elsewhere; what a product has no
interface for (cards of CitrineOS, say) is put into the stand-in as somebody would into a database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from harness import sut as suts
from harness.engine import Engine, RunOptions
from harness.loader import library_directory, load_tree
from harness.model import CaseSet, Scenario
from harness.results import CaseResult, RunResult
from harness.sut import SystemUnderTest
from tests.stand_ins.stand_in import Card, StandIn

PATIENT_S: Final = 20.0  # where nothing is missing: a busy machine must not make it so

# What a card of each role is, where the operator has to see to it.
CARDS: Final = {
    "valid": "Accepted",
    "valid_2": "Accepted",
    "parent": "Accepted",
    "expired": "Expired",
    "blocked": "Blocked",
}


@dataclass(frozen=True)
class Product:
    """A product that a file is shipped for.

    Attributes:
        make: makes its stand-in.
        environment: the variables that lead the file to a stand-in.
        cards: the roles whose cards are in its database already.
        has_stations: charge points are in its database already.
    """

    file: str
    make: Callable[[], StandIn]
    environment: Callable[[Any], Mapping[str, str]]
    cards: frozenset[str] = frozenset()
    has_stations: bool = False

    def load(
        self, stand_in: StandIn, run_dir: Path, changed: Mapping[str, str] | None = None
    ) -> SystemUnderTest:
        """Return the shipped file, led to a stand-in in which is what has to be there."""
        environment = {**self.environment(stand_in), **(changed or {})}
        sut = suts.load(suts.find_sut(self.file), run_dir=run_dir, environment=environment)
        if self.has_stations:
            for one in sut.identities:
                password = one.password if one.security_profile in (1, 2) else None
                stand_in.add_station(one.identity, profile=one.security_profile, password=password)
        for role in self.cards & sut.id_tags.keys():
            parents = sut.id_tags.get("parent", ())
            for index, id_tag in enumerate(sut.id_tags[role]):
                parent = parents[index] if role in ("valid", "valid_2") and parents else None
                stand_in.add_card(id_tag, Card(CARDS[role], parent))
        return sut


@cache
def official_cases() -> tuple[Scenario, ...]:
    """Return every case of the official list, security included."""
    loaded = load_tree([library_directory()])
    assert loaded.problems == ()
    return tuple(one for one in loaded.scenarios if one.case_set is CaseSet.OFFICIAL)


async def run(
    sut: SystemUnderTest,
    run_dir: Path,
    cases: Iterable[Scenario],
    *,
    action_timeout_s: float = PATIENT_S,
    **options: Any,
) -> RunResult:
    """Run cases as a vendor would, all at once."""
    settings: dict[str, Any] = {"settle_s": 0.1, "concurrency": 24, **options}
    settings["action_timeout_s"] = action_timeout_s
    async with Engine(sut, RunOptions(run_dir=run_dir, **settings)) as engine:
        return await engine.run(cases)


# The official cases in which no operator acts: what becomes of orders does not touch them.
UNOPERATED: Final = frozenset(
    f"TC_{number}_CSMS"
    for number in "001 003 004_1 004_2 005_1 007 023_1 023_2 023_3 024 032_1".split()  # noqa: SIM905
    + "037_1 037_3 039 064 085 086 087 088".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Expected:
    """What a run is to come to: each case in one place.

    Attributes:
        inconclusive, not_applicable: cases by words of their reason.
    """

    passed: str = ""
    failed: Mapping[str, str] = field(default_factory=dict)
    inconclusive: Mapping[str, str] = field(default_factory=dict)
    not_applicable: Mapping[str, str] = field(default_factory=dict)

    def by_case(self) -> dict[str, tuple[str, str]]:
        """Return verdict and words of the reason of each case."""
        found: dict[str, tuple[str, str]] = {}
        kinds: list[tuple[str, Mapping[str, str]]] = [
            ("passed", {"": self.passed}),
            ("failed", self.failed),
            ("inconclusive", self.inconclusive),
            ("not_applicable", self.not_applicable),
        ]
        for verdict, reasons in kinds:
            for words, cases in reasons.items():
                for number in cases.split():
                    case_id = f"TC_{number}_CSMS"
                    assert case_id not in found, f"{case_id} stands in two places"
                    found[case_id] = verdict, words
        return found

    def instead(self, verdict: str, words: str, *, also: str = "") -> Expected:
        """Return what it comes to where no order is carried out as it should.

        Args:
            also: cases that do not pass in any case, but begin with an order.
        """
        orders = {one for one in self.passed.split() if f"TC_{one}_CSMS" not in UNOPERATED}
        orders |= set(also.split())
        left = {one for number in self.by_case() if (one := number[3:-5]) not in orders}
        others = self.only(" ".join(left))
        reasons = {"failed": others.failed, "inconclusive": others.inconclusive}
        reasons[verdict] = {**reasons[verdict], words: " ".join(orders)}
        return Expected(others.passed, not_applicable=others.not_applicable, **reasons)

    def only(self, cases: str) -> Expected:
        """Return what some of the cases come to."""
        wanted = set(cases.split())

        def kept(numbers: str) -> str:
            return " ".join(one for one in numbers.split() if one in wanted)

        def all_kept(reasons: Mapping[str, str]) -> Mapping[str, str]:
            return {words: kept(numbers) for words, numbers in reasons.items()}

        return Expected(
            kept(self.passed),
            all_kept(self.failed),
            all_kept(self.inconclusive),
            all_kept(self.not_applicable),
        )

    def differences(self, results: Iterable[CaseResult]) -> list[str]:
        """Return what came out otherwise."""
        wanted = self.by_case()
        found = []
        for one in results:
            verdict, words = wanted.pop(one.case_id, ("not in the table", ""))
            if one.verdict.value != verdict or words not in one.reason:
                rules = sorted({finding.rule for finding in one.findings})
                found.append(
                    f"{one.case_id}: {one.verdict.value} ({one.reason}) {rules}; "
                    f"expected: {verdict} ({words})"
                )
        return sorted(found) + [f"{case_id} was not run" for case_id in wanted]
