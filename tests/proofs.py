"""Runs cases against bent miniatures, and derives from a case what can be bent.

The obligations of a case are read off a run against the right miniature: each CALL of the charge
point is owed an answer, each order of the operator is owed a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from harness import sut as suts
from harness.engine import Engine, RunOptions
from harness.loader import library_directory, load_tree
from harness.model import (
    EDITIONS,
    NEWEST_EDITION,
    Check,
    Fields,
    Json,
    Operator,
    Pattern,
    Receive,
    Scenario,
    Send,
    Value,
)
from harness.results import CaseResult, Finding, Severity
from harness.schemas import Kind, schema_of
from harness.sut import Budget, SystemUnderTest
from simulator.trace import Direction, EventKind
from tests.faults import (
    MISSING,
    AnswerBent,
    Edit,
    Planted,
    RequestBent,
    answer_faults,
    changed,
    request_faults,
)
from tests.miniature_pki import PSS, authority, charge_point_ca, common_name, key, pem
from tests.miniatures import Bend, Miniature, Order, read_message

T = TypeVar("T")
R = TypeVar("R")

AT_A_TIME: Final = 24
EXPIRY_S: Final = 0.6  # of a reservation, instead of 3 s: TC_047 runs often here
LIMIT_S: Final = 1.0  # instead of 30 s: the miniature answers at once, or never
CALM_S: Final = 6.0
PATIENT_S: Final = 20.0  # where nothing is missing: a busy machine must not make it so

# What the operator of a miniature has: some firmware, and who signs it.
FIRMWARE: Final = authority("Firmware", "RSA-2048")
FIRMWARE_CONTENT: Final = b"firmware of the miniature"

OFFICIAL: Final = (
    "core",
    "firmware_management",
    "smart_charging",
    "reservation",
    "local_auth_list",
    "remote_trigger",
)

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
variables:
  connection_timeout_s: 0
  reservation_expiry_offset_s: {expiry_s}
  reservation_tolerance_s: {tolerance_s}
budgets:
  ocpp_response_timeout: {{limit_s: {limit_s}, target_s: {limit_s}}}
  authorize: {{limit_s: {limit_s}, target_s: {limit_s}}}
action_timeout_s: {limit_s}
"""


def official_scenarios() -> list[Scenario]:
    """Return the shipped cases of the official list."""
    loaded = load_tree([library_directory() / folder for folder in OFFICIAL])
    assert loaded.problems == ()
    return list(loaded.scenarios)


def system(
    miniature: Miniature,
    folder: Path,
    *,
    prefix: str = "PF",
    count: int = 40,
    limit_s: float = LIMIT_S,
    expiry_s: float = EXPIRY_S,
) -> SystemUnderTest:
    """Describe a miniature as a vendor would: in a file.

    Args:
        expiry_s: how long a reservation lasts that nobody uses.
    """
    text = SUT.format(
        url=miniature.url,
        command_url=miniature.command_url,
        prefix=prefix,
        count=count,
        limit_s=limit_s,
        expiry_s=expiry_s,
        tolerance_s=expiry_s / 3,
    )
    file = folder / f"{prefix}.yaml"
    file.write_text(text, encoding="utf-8")
    return suts.load(file, run_dir=folder)


_RUNS: Final = count(1)


class Bench:
    """One miniature in which every run has a charge point, and so a bend, of its own.

    Attributes:
        ocpp_url: where the charge points connect.
    """

    def __init__(
        self,
        miniature: Miniature,
        folder: Path,
        *,
        limit_s: float = LIMIT_S,
        expiry_s: float = EXPIRY_S,
    ) -> None:
        self._miniature = miniature
        self._sut = system(miniature, folder, count=1, limit_s=limit_s, expiry_s=expiry_s)
        # A fault is derived from one run and planted in another: numbers must be the same in both.
        self.declare({"new_reservation_id": 7})
        self.ocpp_url = self._sut.ocpp_url
        self._folder = folder

    def declare(self, variables: Mapping[str, Json]) -> None:
        """Add to what the system-under-test file says about this Central System."""
        self._sut = replace(self._sut, variables={**self._sut.variables, **variables})

    async def run(
        self,
        scenario: Scenario,
        bend: Bend,
        *,
        budgets: Mapping[str, Budget] | None = None,
        **options: Any,
    ) -> CaseResult:
        """Run one case against a Central System that is bent in this way."""
        identity = f"RUN{next(_RUNS):05}"
        self._miniature.bends[identity] = bend
        [credentials] = self._sut.identities
        identities = (replace(credentials, identity=identity),)
        access = self._sut.access
        access = replace(access, endpoints=dict.fromkeys(access.endpoints, self.ocpp_url))
        sut = replace(self._sut, access=access, identities=identities)
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
        shared: those of them that every case begins with.
        requests: the requests that were due, as they came.
    """

    scenario: Scenario
    answers: tuple[tuple[int, str], ...]
    shared: frozenset[int]
    requests: tuple[Order, ...]
    rules: tuple[Planted, ...]
    edition: str

    def faults(self, *, with_shared: bool = True) -> list[Planted]:
        """Return every way in which one of them can be missed."""
        answers = [one for one in self.answers if with_shared or one[0] not in self.shared]
        return [
            *(fault for number, action in answers for fault in answer_faults(number, action)),
            *(fault for order in self.requests for fault in request_faults(order.number, order)),
        ]


def editions_of(scenario: Scenario) -> list[str]:
    """Return one edition, the newest that has them, for each list of steps a case has."""
    newest = {
        tuple(step.path for step in scenario.steps if step.editions.includes(edition)): edition
        for edition in EDITIONS
    }
    return list(newest.values())


def obligations(
    scenario: Scenario, result: CaseResult, *, edition: str = NEWEST_EDITION
) -> Obligations:
    """Read off a passed case what the CSMS owed in it."""
    frames = {
        index: read_message(event.text)
        for index, event in enumerate(result.events)
        if event.kind is EventKind.FRAME
    }
    step_of = {index: step.path for step in result.steps for index in step.events}
    sent = _calls(result, frames, Direction.SENT)
    received = [index for index in _calls(result, frames, Direction.RECEIVED) if index in step_of]
    raw = {step.path for step in result.steps if step.kind == "send_raw"}
    answers = {
        number: index
        for number, index in enumerate(sent)
        if index in step_of and step_of[index] not in raw
    }
    reader = _Rules(edition)
    for step in scenario.steps:
        if isinstance(step, Send):
            for number, index in answers.items():
                if step_of[index] == step.path:
                    _, message_id, action, _ = frames[index]
                    answer = next(
                        one
                        for at, one in frames.items()
                        if at > index and one[:2] == [3, message_id]
                    )
                    answer_bent = partial(AnswerBent, number)
                    reader.read(step.expect, answer[2], action, Kind.RESULT, answer_bent)
        elif isinstance(step, Receive):
            for number, index in enumerate(received):
                if step_of[index] == step.path:
                    _, _, action, body = frames[index]
                    request_bent = partial(RequestBent, number)
                    reader.read(step.payload, body, action, Kind.CALL, request_bent)
    states = {step.path: step.state for step in scenario.steps}
    shared = [
        number
        for number, index in answers.items()
        if states[step_of[index]] in ("Connected", "Booted")
    ]
    return Obligations(
        scenario,
        tuple((number, frames[index][2]) for number, index in answers.items()),
        frozenset(shared),
        tuple(
            Order(number, result.identity, frames[index][2], frames[index][3])
            for number, index in enumerate(received)
        ),
        tuple(reader.faults),
        edition,
    )


def _calls(result: CaseResult, frames: Mapping[int, list[Any]], direction: Direction) -> list[int]:
    return [
        index
        for index, frame in frames.items()
        if frame[0] == 2 and result.events[index].direction is direction
    ]


Place: TypeAlias = tuple[str | int, ...]
Changes: TypeAlias = list[tuple[Place, object]]


class _Rules:
    """Turns the patterns of a case into faults: for each rule, payloads that break just it."""

    def __init__(self, edition: str) -> None:
        self.faults: list[Planted] = []
        self._edition = edition
        # Known before a case begins; what it captures comes besides.
        self._captured: dict[str, Json] = {
            "firmware_signature": FIRMWARE.sign_content(FIRMWARE_CONTENT)
        }
        self._gathered: dict[str, list[Json]] = {}

    def read(
        self,
        pattern: Fields | None,
        body: dict[str, Any],
        action: str,
        kind: Kind,
        bend: Callable[[Edit], Bend],
    ) -> None:
        """Add a fault for each way of breaking a pattern that `body` satisfies."""
        rule = f"rule.{action}.{kind}"
        schema = schema_of(action, kind)
        for path, changes in self._broken(pattern, body, schema, ()) if pattern else ():
            field = "$" + "".join(
                f"[{part}]" if isinstance(part, int) else f".{part}" for part in path
            )
            shown = ", ".join(f"{at[-1]} = {_shown(value)}" for at, value in changes)
            name = f"{rule} {field}: {shown} [{self._edition}]"
            fault = Planted(name, bend(changed(changes)), frozenset({rule}), field, self._edition)
            self.faults.append(fault)

    def _broken(
        self, pattern: Pattern, value: Any, schema: Mapping[str, Any], path: Place
    ) -> Iterator[tuple[Place, Changes]]:
        """Yield where each rule is and what breaks it, but no schema where that can be."""
        if isinstance(pattern, Fields):
            for name, inner in pattern.fields.items():
                there = value.get(name) if isinstance(value, dict) else None
                of_field = schema.get("properties", {}).get(name, {})
                yield from self._broken(inner, there, of_field, (*path, name))
            return
        checks = pattern.checks if isinstance(pattern, Value) else ()
        for check in checks:
            if check.operator in _LISTS:
                assert check.pattern is not None
                items = schema.get("items", {})
                yield from self._broken(check.pattern, value[0], items, (*path, 0))
            for changes in self._wrong(check, value, schema, path):
                yield path, changes

    def _wrong(
        self, check: Check, value: Any, schema: Mapping[str, Any], path: Place
    ) -> Iterator[Changes]:
        argument = check.argument
        if isinstance(argument, str) and argument.startswith("$"):
            argument = self._captured.get(argument.removeprefix("$"), argument)
        match check.operator:
            case Operator.CAPTURE:
                self._captured[str(argument)] = value
            case Operator.EQUALS_IGNORING_CASE if isinstance(value, dict):
                for name, inner in value.items():
                    of_field = schema["properties"][name]
                    yield [((*path, name), _other(inner, argument, of_field))]
            case Operator.EQUALS | Operator.EQUALS_IGNORING_CASE | Operator.ONE_OF:
                yield [(path, _other(value, argument, schema))]
            case Operator.MATCHES:
                yield [(path, value[:-1] + "!")]
                yield [(path, value + value)]
            case Operator.DECODED_LENGTH_BETWEEN:
                assert isinstance(argument, list)
                for length in (int(str(argument[0])) - 1, int(str(argument[1])) + 1):
                    yield [(path, "0f" * length)]
            case Operator.VALID_PEM:
                for text in ("no PEM", value.replace("CERTIFICATE", "PUBLIC KEY")):
                    yield [(path, text)]
            case Operator.PEM_EQUALS:
                somebody = pem(authority("Somebody").root)
                for text in (somebody, value + somebody, value[:-40]):
                    yield [(path, text)]
            case Operator.LEAF_CERTIFICATE:
                for chain in _wrong_leaves(value):
                    yield [(path, chain)]
            case Operator.INVALID_SIGNATURE:
                yield [(path, FIRMWARE.sign_content(FIRMWARE_CONTENT))]
                yield [(path, FIRMWARE.sign_content(FIRMWARE_CONTENT, is_pss=True))]
            case Operator.NOT_EQUALS | Operator.GREATER_THAN:
                yield [(path, argument)]
            case Operator.PRESENT:
                yield [(path, MISSING)]
            case Operator.ABSENT:
                yield [(path, _sample(schema))]
            case Operator.EMPTY_OR_ABSENT:
                yield [(path, ["SomethingElse"])]
            case Operator.PRESENT_IF | Operator.ABSENT_IF:
                assert isinstance(argument, dict)
                condition: Changes = [(tuple(at.split(".")), v) for at, v in argument.items()]
                is_owed = check.operator is Operator.PRESENT_IF
                yield [*condition, (path, MISSING if is_owed else _sample(schema))]
            case Operator.APPROXIMATELY:
                for minutes in (-1, 1):
                    at = datetime.fromisoformat(value) + timedelta(minutes=minutes)
                    yield [(path, at.isoformat().replace("+00:00", "Z"))]
            case Operator.EQUALS_OR_ABSENT_IF_3:
                yield [(path, 1)]
            case Operator.ALL_DIFFERENT:
                seen = self._gathered.setdefault(str(argument), [])
                for earlier in seen:
                    yield [(path, earlier)]
                seen.append(value)
            case Operator.ONLY_CONTAINS:
                yield [(path, [])]
                yield [(path, [*value, *value])]
                yield [(path, MISSING)]
            case Operator.EACH | Operator.FIRST:
                yield [(path, MISSING)]
            case _:
                raise AssertionError(f"no wrong value for {check.operator}")


_LISTS: Final = (Operator.EACH, Operator.FIRST, Operator.ONLY_CONTAINS)


def _wrong_leaves(chain: str) -> Iterator[str]:
    """Yield chains that differ in one thing from what the right miniature signed."""
    right = x509.load_pem_x509_certificate(chain.encode())
    name, ca = common_name(right), charge_point_ca()
    public = right.public_key()
    yield pem(ca.issue(key("EC", "somebody").public_key(), name))
    yield pem(ca.issue(public, name, rsa_padding=PSS))
    yield pem(ca.issue(public, name, signing_hash=hashes.SHA384()))
    yield pem(authority().issue(public, name))
    yield pem(ca.issue(public, f"not {name}"))
    yield pem(ca.issue(key("RSA-1024").public_key(), name))
    yield pem(ca.issue(key("EC-192").public_key(), name))
    yield pem(ca.root, right)  # the issuer first


def _other(value: Any, allowed: Json, schema: Mapping[str, Any]) -> object:
    """Return another value of the same type; for an enumeration, one that no rule here allows."""
    if "enum" in schema:
        taken = [value, *(allowed if isinstance(allowed, list) else [])]
        others = [one for one in [*_OTHERS, *schema["enum"]] if one in schema["enum"]]
        # Where the rule takes them all, some of them only with a warning.
        return next((one for one in others if one not in taken), others[0])
    match value:
        case int() | float():
            return value + 1
        case str():
            return "0" if value != "0" else "1"
        case list():
            return [*value, "SomethingElse"]
        case None:
            return ["SomethingElse"]
        case _:
            raise AssertionError(f"no wrong value for {value!r}")


def _sample(schema: Mapping[str, Any]) -> object:
    """Return a value the schema of a field allows."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") == "date-time":
        return "2026-01-31T12:00:00.000Z"
    return {"integer": 1, "number": 1.0, "string": "0"}[schema["type"]]


def _shown(value: object) -> str:
    return "nothing" if value is MISSING else repr(value)


# Values of enumerations: whatever was not accepted now is, and the other way round.
_OTHERS: Final = ("Accepted", "ConcurrentTx", "Blocked", "Rejected", "Soft", "Hard")


def is_found(fault: Planted, findings: Iterable[Finding]) -> bool:
    """Say whether one of the findings names the fault's rule and, where it has one, its field."""
    return any(one.rule in fault.rules and one.expected.startswith(fault.field) for one in findings)


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
