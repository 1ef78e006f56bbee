"""Runs cases against bent miniatures, and derives from a case what can be bent.

The obligations of a case are read off a run against the right miniature: each CALL of the charge
point is owed an answer, each order of the operator is owed a request.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from harness import sut as suts
from harness.engine import Engine, RunOptions
from harness.loader import library_directory, load_tree
from harness.model import Fields, Operator, Pattern, Profile, Receive, Scenario, Send, Value
from harness.results import CaseResult, Severity
from harness.schemas import Kind, schema_of
from harness.sut import Budget, SystemUnderTest
from simulator.trace import Direction, EventKind
from tests.faults import (
    AnswerBent,
    Planted,
    RequestBent,
    answer_faults,
    request_faults,
    with_field,
)
from tests.miniatures import Bend, Miniature, Order

T = TypeVar("T")
R = TypeVar("R")

AT_A_TIME: Final = 24
LIMIT_S: Final = 1.0  # instead of 30 s: the miniature answers at once, or never

SUT: Final = """\
name: Miniature
ocpp_url: {url}
identities: {{pattern: "{prefix}{{n:04}}", count: {count}}}
id_tags:
  valid: {{pattern: "VALID{{n:04}}", count: {count}}}
  valid_2: {{pattern: "SECOND{{n:04}}", count: {count}}}
  parent: {{pattern: "GROUP{{n:04}}", count: {count}}}
  invalid: {{pattern: "INVALID{{n:04}}", count: {count}}}
  expired: {{pattern: "EXPIRED{{n:04}}", count: {count}}}
  blocked: {{pattern: "BLOCKED{{n:04}}", count: {count}}}
driver:
  kind: http
  base_url: {command_url}
  command: {{method: POST, path: /$identity/$action, body: $payload}}
variables: {{connection_timeout_s: 0}}
budgets:
  ocpp_response_timeout: {{limit_s: {limit_s}}}
  authorize: {{limit_s: {limit_s}}}
action_timeout_s: {limit_s}
"""


def core_scenarios() -> list[Scenario]:
    """Return the shipped Core cases."""
    loaded = load_tree([library_directory() / "core"])
    assert loaded.problems == ()
    return [one for one in loaded.scenarios if one.profile is Profile.CORE]


def system(
    miniature: Miniature,
    folder: Path,
    *,
    prefix: str = "PF",
    count: int = 40,
    limit_s: float = LIMIT_S,
) -> SystemUnderTest:
    """Describe a miniature as a vendor would: in a file."""
    text = SUT.format(
        url=miniature.url,
        command_url=miniature.command_url,
        prefix=prefix,
        count=count,
        limit_s=limit_s,
    )
    file = folder / f"{prefix}.yaml"
    file.write_text(text, encoding="utf-8")
    return suts.load(file, run_dir=folder)


class Bench:
    """One miniature in which every run has a charge point, and so a bend, of its own.

    Attributes:
        ocpp_url: where the charge points connect.
    """

    def __init__(self, miniature: Miniature, folder: Path) -> None:
        self._miniature = miniature
        self._sut = system(miniature, folder, count=1)
        self.ocpp_url = self._sut.ocpp_url
        self._folder = folder
        self._runs = 0

    async def run(
        self,
        scenario: Scenario,
        bend: Bend,
        *,
        budgets: Mapping[str, Budget] | None = None,
        **options: Any,
    ) -> CaseResult:
        """Run one case against a Central System that is bent in this way."""
        self._runs += 1
        identity = f"RUN{self._runs:05}"
        self._miniature.bends[identity] = bend
        [credentials] = self._sut.identities
        identities = (replace(credentials, identity=identity),)
        sut = replace(self._sut, ocpp_url=self.ocpp_url, identities=identities)
        if budgets is not None:
            sut = replace(sut, budgets=budgets)
        settings: dict[str, Any] = {"strict": True, "settle_s": 0.1, **options}
        engine = Engine(sut, RunOptions(run_dir=self._folder, **settings))
        async with engine:
            return await engine.run_case(scenario)


@dataclass(frozen=True)
class Obligations:
    """What a right run of a case showed to be owed, and the rules it was held against.

    Attributes:
        answers: number and action of each CALL that is owed an answer; clean-up not counted.
        requests: the requests that were due, as they came.
    """

    scenario: Scenario
    answers: tuple[tuple[int, str], ...]
    requests: tuple[Order, ...]
    rules: tuple[Planted, ...]

    def faults(self) -> list[Planted]:
        """Return every way in which one of them can be missed."""
        return [
            *(fault for number, action in self.answers for fault in answer_faults(number, action)),
            *(fault for order in self.requests for fault in request_faults(order.number, order)),
        ]


def obligations(scenario: Scenario, result: CaseResult) -> Obligations:
    """Read off a passed case what the CSMS owed in it."""
    frames = {
        index: json.loads(event.text)
        for index, event in enumerate(result.events)
        if event.kind is EventKind.FRAME
    }
    step_of = {index: step.path for step in result.steps for index in step.events}
    sent = _calls(result, frames, Direction.SENT)
    received = [index for index in _calls(result, frames, Direction.RECEIVED) if index in step_of]
    answers = {number: index for number, index in enumerate(sent) if index in step_of}
    rules: list[Planted] = []
    for step in scenario.steps:
        for number, index in answers.items():
            if isinstance(step, Send) and step_of[index] == step.path:
                _, message_id, action, _ = frames[index]
                answer = next(frame for frame in frames.values() if frame[:2] == [3, message_id])
                rule = f"rule.{action}.conf"
                for path, wrong in _violations(step.expect, answer[2], action, Kind.RESULT):
                    rules.append(
                        Planted(
                            f"{rule} {'.'.join(path)} = {wrong!r}",
                            AnswerBent(number, with_field(path, wrong)),
                            frozenset({rule}),
                        )
                    )
        for number, index in enumerate(received):
            if isinstance(step, Receive) and step_of[index] == step.path:
                _, _, action, payload = frames[index]
                rule = f"rule.{action}.req"
                for path, wrong in _violations(step.payload, payload, action, Kind.CALL):
                    rules.append(
                        Planted(
                            f"{rule} {'.'.join(path)} = {wrong!r}",
                            RequestBent(number, with_field(path, wrong)),
                            frozenset({rule}),
                        )
                    )
    return Obligations(
        scenario,
        tuple((number, frames[index][2]) for number, index in answers.items()),
        tuple(
            Order(number, result.identity, frames[index][2], frames[index][3])
            for number, index in enumerate(received)
        ),
        tuple(rules),
    )


def _calls(result: CaseResult, frames: Mapping[int, list[Any]], direction: Direction) -> list[int]:
    return [
        index
        for index, frame in frames.items()
        if frame[0] == 2 and result.events[index].direction is direction
    ]


def _violations(
    pattern: Pattern | None, value: Any, action: str, kind: Kind
) -> Iterator[tuple[list[str], object]]:
    """Yield, for each rule of a pattern, its field and a value that breaks it but no schema."""
    schema = schema_of(action, kind)
    yield from _wrong_values(pattern, value, schema, [])


def _wrong_values(
    pattern: Pattern | None, value: Any, schema: Mapping[str, Any], path: list[str]
) -> Iterator[tuple[list[str], object]]:
    if isinstance(pattern, Fields):
        for name, inner in pattern.fields.items():
            there = value.get(name) if isinstance(value, dict) else None
            of_field = schema.get("properties", {}).get(name, {})
            yield from _wrong_values(inner, there, of_field, [*path, name])
    elif pattern is not None and not _captures_only(pattern):
        yield path, _wrong(value, schema)


def _captures_only(pattern: Pattern) -> bool:
    return isinstance(pattern, Value) and all(
        check.operator is Operator.CAPTURE for check in pattern.checks
    )


def _wrong(value: Any, schema: Mapping[str, Any]) -> object:
    """Return another value of the same type; for an enumeration, one that no rule here allows."""
    if "enum" in schema:
        return next(one for one in _OTHERS if one in schema["enum"] and one != value)
    match value:
        case int():
            return value + 1
        case str():
            return "0" if value != "0" else "1"
        case None | list():
            return [*(value or []), "SomethingElse"]
        case _:
            raise AssertionError(f"no wrong value for {value!r}")


# Values of enumerations: whatever was not accepted now is, and the other way round.
_OTHERS: Final = ("Accepted", "ConcurrentTx", "Blocked", "Rejected", "Soft", "Hard")


def red(result: CaseResult) -> set[str]:
    """Return the rules that fail a case."""
    return {one.rule for one in result.findings if one.severity is not Severity.WARNING}


async def side_by_side(
    work: Callable[[T], Awaitable[R]], items: Iterable[T], *, at_a_time: int = AT_A_TIME
) -> list[R]:
    """Do `work` for every item, some at a time, and return the results in order."""
    slots = asyncio.Semaphore(at_a_time)

    async def one(item: T) -> R:
        async with slots:
            return await work(item)

    return await asyncio.gather(*(one(item) for item in items))
