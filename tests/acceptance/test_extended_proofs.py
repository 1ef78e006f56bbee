"""Every case beyond the official ones can fail, and a right Central System passes all of them."""

from __future__ import annotations

import asyncio
import copy
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.loader import library_directory, load_tree
from harness.model import CaseSet, Disconnect, Profile, Scenario, SendRaw, Wait
from harness.report.directory import read_report
from harness.results import CaseResult, Verdict
from simulator.trace import Direction, EventKind
from tests.faults import (
    AnswerBent,
    EveryAnswerBent,
    Planted,
    RequestBent,
    answer_faults,
    call_error,
    request_faults,
    with_field,
    without_field,
)
from tests.miniatures import Bend, Frames, Incoming, Link, Miniature, Order, read_message
from tests.proofs import (
    CALM_S,
    LIMIT_S,
    PATIENT_S,
    Bench,
    is_found,
    obligations,
    red,
    side_by_side,
)

pytestmark = pytest.mark.slow

# Time that a case lets pass is nobody's gain here: csms_timeout_s and a second more make 0.1 s.
SHORT = {"csms_timeout_s": -0.9, "ping_interval_s": 0.1}
FOLDERS = [library_directory() / "beyond", library_directory() / "robustness"]
LOADED = load_tree(FOLDERS)
# Those of the security profile need doors: test_security_beyond.py.
SCENARIOS = {
    scenario.id: scenario
    for scenario in LOADED.scenarios
    if scenario.profile is not Profile.SECURITY
}


def bench_of(miniature: Miniature, folder: Path, *, limit_s: float) -> Bench:
    """Return a bench whose system under test declares short times."""
    bench = Bench(miniature, folder, limit_s=limit_s)
    bench.declare(SHORT)
    return bench


# --- faults upon raw texts -----------------------------------------------------------------------


@dataclass
class UponMessage(Bend):
    """Something happens upon the `number`-th message that is one of the charge point's own."""

    number: int
    act: Callable[[Link], Any]
    is_muted: bool = False  # from then on nothing leaves any more
    seen: int = -1

    async def _arrived(self, link: Link, frames: Frames) -> Frames:
        self.seen += 1
        if self.seen == self.number:
            return list(await self.act(link) or []) if not self.is_muted else []
        return [] if self.is_muted and self.seen > self.number else frames

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        return await self._arrived(link, [frame])

    async def strange(self, link: Link, text: str | bytes) -> Frames:
        return await self._arrived(link, [])

    async def replied(self, link: Link, frame: list[Any]) -> None:
        for one in await self._arrived(link, []):
            await link.send([one])


def sends(*frames: object) -> Callable[[Link], Any]:
    """Return an act that answers with these frames."""

    async def act(link: Link) -> Frames:
        return [json.dumps(frame) for frame in frames]

    return act


async def closes(link: Link) -> Frames:
    """Close the connection, as if the message were the end of all talk."""
    await link.socket.close(1000, "no")
    return []


async def does_nothing(link: Link) -> Frames:
    """Leave the message without an answer."""
    return []


def raw_faults(scenario: Scenario, result: CaseResult) -> Iterator[Planted]:
    """Yield, for each raw text of a passed case, every kind of answer that it does not take."""
    numbers = own_messages(result)
    number_of = {
        step.path: numbers[min(step.events)] for step in result.steps if step.kind == "send_raw"
    }
    steps = [step for step in scenario.steps if not isinstance(step, Wait)]
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if not isinstance(step, SendRaw):
            continue
        number, at = number_of[step.path], f"raw text {step.path}"
        message_id = step.message_id or "nobody"
        wrong = [4, message_id, "SecurityError", "", {}]
        unwanted = {"answer.unexpected", "answer.unsolicited", "answer.wrong-id"}

        def planted(
            name: str, act: Callable[[Link], Any], *rules: str, mute: bool = False, at: str = at
        ) -> Planted:
            bend = UponMessage(number, act, is_muted=mute)  # noqa: B023 - used at once
            return Planted(f"{at} {name}", bend, frozenset(rules))

        if not isinstance(following, Disconnect):
            yield planted("closes", closes, "close.during-case", "answer.missing")
            yield planted("is the last", does_nothing, "answer.missing", mute=True)
        if "none" not in step.answers:
            yield planted("unanswered", does_nothing, "answer.missing")
        if "result" not in step.answers:
            act = sends([3, message_id, {}])
            yield planted("gets a result", act, "answer.error-owed", *unwanted)
        if "error" not in step.answers:
            yield planted("gets an error", sends(wrong), "answer.call-error", *unwanted)
        elif step.codes:
            codes = {"answer.error-code", *(unwanted if not step.message_id else ())}
            yield planted("gets an error of another kind", sends(wrong), *codes)
        if step.message_id and "error" in step.answers:
            code = step.codes[0] if step.codes else "GenericError"
            error = [4, message_id, code, "", {}]
            yield planted("answered twice", sends(error, error), "answer.twice")
        act = sends([4, "somebody else", "GenericError", "", {}])
        yield planted("answered under another id", act, *unwanted)


def own_messages(result: CaseResult) -> dict[int, int]:
    """Return which message of the charge point an event is, answers to commands not counted."""
    asked: set[object] = set()
    numbers: dict[int, int] = {}
    for index, event in enumerate(result.events):
        frame = read_message(event.text) if event.kind is EventKind.FRAME else [None]
        if event.direction is Direction.RECEIVED and frame[0] == 2:
            asked.add(frame[1])
        elif event.direction is Direction.SENT and not (
            frame[0] in (3, 4) and frame[1] in asked and isinstance(frame[1], str)
        ):
            numbers[index] = len(numbers)
    return numbers


# --- faults of single cases ----------------------------------------------------------------------


@dataclass
class CommandsToTheFirst(Bend):
    """Commands go to the connection that was there first."""

    first: Link | None = None

    async def opened(self, link: Link) -> None:
        self.first = self.first or link

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        assert self.first is not None
        await self.first.send([frame])
        return []


@dataclass
class FirstOnly(Bend):
    """The second connection of an identity is closed at once."""

    links: int = 0

    async def opened(self, link: Link) -> None:
        self.links += 1
        if self.links > 1:
            await link.socket.close(1008, "connected already")


@dataclass
class Impatient(Bend):
    """A connection without a message for a while is closed."""

    timer: asyncio.TimerHandle | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        if self.timer is not None:
            self.timer.cancel()

        def close() -> None:
            self.tasks.add(asyncio.create_task(link.socket.close(1000, "silence")))

        self.timer = asyncio.get_running_loop().call_later(0.15, close)
        return [frame]


class BusyWaiting(Bend):
    """Nothing is answered while a command is open."""

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        return [] if link.pending else [frame]


class NeverGivesUp(Bend):
    """No command leaves while an earlier one has no answer."""

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        return [frame] if len(link.pending) == 1 else []


@dataclass
class AnswersAnswers(Bend):
    """A late answer is told off with a CALLERROR."""

    async def replied(self, link: Link, frame: list[Any]) -> None:
        await link.send([json.dumps([4, frame[1], "ProtocolError", "too late", {}])])


@dataclass
class BootFirst(Bend):
    """A connection without a BootNotification is refused everything."""

    booted: set[int] = field(default_factory=set)

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        if call.action == "BootNotification":
            self.booted.add(id(link))
        return [frame] if id(link) in self.booted else call_error(frame)


@dataclass
class RemembersAnswers(Bend):
    """What was answered under an id before is answered again, whatever the message says."""

    answered_before: dict[str, str] = field(default_factory=dict)

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        return [self.answered_before.setdefault(call.message_id, frame)]


def edits(action: str, path: list[str], value: object) -> Bend:
    """Return a bend that sets a field in every answer to an action."""
    return EveryAnswerBent(with_field(path, value), action)


@dataclass
class RefusesPayloads(Bend):
    """Calls with this text in their payload are refused."""

    word: str

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        return call_error(frame) if self.word in json.dumps(call.payload) else [frame]


@dataclass
class NeverSameNumber(Bend):
    """Every StartTransaction begins a transaction, one that comes again too."""

    number: int = 70_000

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        if call.action != "StartTransaction":
            return [frame]
        self.number += 1
        return with_field(["transactionId"], self.number)(frame)


@dataclass
class RefusesNumbers(Bend):
    """A StopTransaction under such a number is refused."""

    number: int

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        is_it = call.payload.get("transactionId") == self.number
        return call_error(frame) if is_it and call.action == "StopTransaction" else [frame]


START = "rule.StartTransaction.conf"
NUMBERED = ("BEYOND_OFFLINE_QUEUE", "BEYOND_REFUSED_START")
PROFILE = "rule.SetChargingProfile.req"

OWN: dict[str, list[tuple[Callable[[], Bend], str]]] = {
    "BEYOND_RETRIED_START": [
        (NeverSameNumber, START),
        (lambda: AnswerBent(5, with_field(["idTagInfo", "status"], "ConcurrentTx")), START),
    ],
    "BEYOND_UNKNOWN_STOP": [
        (lambda: RefusesNumbers(-1), "answer.call-error"),
        (lambda: RefusesNumbers(0), "answer.call-error"),
        (lambda: RefusesNumbers(2147480001), "answer.call-error"),
    ],
    "BEYOND_REFUSED_START": [
        (lambda: edits("StartTransaction", ["transactionId"], 7), START),
        (lambda: AnswerBent(5, with_field(["transactionId"], 0)), START),
        (lambda: AnswerBent(5, with_field(["transactionId"], -1)), START),
    ],
    "BEYOND_OFFLINE_QUEUE": [
        (lambda: edits("StartTransaction", ["transactionId"], 7), START),
        (lambda: RefusesPayloads("meterStart"), "answer.call-error"),
    ],
    "BEYOND_RECONNECT_WITHOUT_BOOT": [(BootFirst, "answer.call-error")],
    "BEYOND_SECOND_CONNECTION": [
        (CommandsToTheFirst, "request.missing"),
        (CommandsToTheFirst, "wire.unasked-call"),
        (FirstOnly, "close.during-case"),
    ],
    "BEYOND_SILENCE": [(Impatient, "close.during-case")],
    "BEYOND_TAG_LETTER_CASE": [
        (
            lambda: AnswerBent(4, with_field(["idTagInfo", "status"], "Invalid")),
            "rule.Authorize.conf",
        ),
    ],
    "BEYOND_UNITS": [
        (lambda: RefusesPayloads("Celcius"), "answer.call-error"),
        (lambda: RefusesPayloads("Celsius"), "answer.call-error"),
        (lambda: RefusesPayloads("Hertz"), "answer.call-error"),
    ],
    "BEYOND_CALL_BEFORE_ANSWER": [(BusyWaiting, "answer.missing")],
    "BEYOND_RESTARTED_IDS": [(RemembersAnswers, "schema.required")],
    "BEYOND_PROFILE_STACK": [
        (lambda: RequestBent(1, without_field("csChargingProfiles", "recurrencyKind")), PROFILE),
        (lambda: RequestBent(2, with_field(["connectorId"], 0)), PROFILE),
        (lambda: RequestBent(3, with_field(["csChargingProfiles", "stackLevel"], 0)), PROFILE),
    ],
    "BEYOND_CLOCK_1970": [(lambda: RefusesPayloads("1970"), "answer.call-error")],
    "BEYOND_UNANSWERED_COMMAND": [
        (NeverGivesUp, "request.missing"),
        (AnswersAnswers, "answer.unsolicited"),
        (BusyWaiting, "answer.missing"),
    ],
}


# --- the proofs ----------------------------------------------------------------------------------


def test_all_files_are_good_and_named_by_their_ids() -> None:
    """Each file is in the folder of its set, says what demands it, and why it is there."""
    assert [str(problem) for problem in LOADED.problems] == []
    for scenario in LOADED.scenarios:
        path = Path(scenario.position.file)
        assert (path.stem, path.parent.name) == (scenario.id, scenario.case_set.value)
        assert scenario.case_set is not CaseSet.OFFICIAL
        assert scenario.section
        assert scenario.reason.endswith(".")
        assert scenario.purpose.endswith(".")


def test_every_case_beyond_has_a_fault_of_its_own() -> None:
    """For each need seen in the field there is a Central System that does not meet it."""
    beyond = {one.id for one in SCENARIOS.values() if one.case_set is CaseSet.BEYOND}

    assert set(OWN) == beyond


@pytest.mark.parametrize("group", [CaseSet.BEYOND, CaseSet.ROBUSTNESS])
async def test_every_case_passes_and_can_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], group: CaseSet
) -> None:
    """Whatever a case owes or takes, a Central System that does otherwise fails it."""
    scenarios = [one for one in SCENARIOS.values() if one.case_set is group]
    async with Miniature() as miniature:
        patient = bench_of(miniature, tmp_path, limit_s=PATIENT_S)
        rights = await side_by_side(lambda one: patient.run(one, Bend()), scenarios)
        for right in rights:
            assert right.verdict is Verdict.PASSED, (right.case_id, right.reason, right.findings)
            assert right.findings == (), (right.case_id, right.findings)
        planted = [
            (scenario, fault)
            for scenario, right in zip(scenarios, rights, strict=True)
            for fault in faults(scenario, right)
        ]
        results = await run_all(bench_of(miniature, tmp_path, limit_s=LIMIT_S), planted)
        # On a busy machine a short limit may be met by what was merely slow: those run again.
        again = [at for at, one in enumerate(planted) if not is_proven(one, results[at])]
        calm = await run_all(
            bench_of(miniature, tmp_path, limit_s=CALM_S), [planted[at] for at in again]
        )
        for at, result in zip(again, calm, strict=True):
            results[at] = result

    missed = []
    reds: Counter[str] = Counter()
    for (scenario, fault), result in zip(planted, results, strict=True):
        if is_proven((scenario, fault), result):
            reds[scenario.id] += 1
        else:
            missed.append((scenario.id, fault.name, result.verdict, red(result), result.reason))
    with capsys.disabled():  # the share proven is to be seen
        sys.stdout.write(f"\n{group}: {sum(reds.values())} of {len(planted)} faults found\n")
    assert not missed, "\n".join(str(one) for one in missed)
    assert all(reds[scenario.id] >= 3 for scenario in scenarios)


async def run_all(bench: Bench, planted: Sequence[tuple[Scenario, Planted]]) -> list[CaseResult]:
    """Run each case against the miniature with its fault; bends remember what they did."""

    async def run(item: tuple[Scenario, Planted]) -> CaseResult:
        scenario, fault = item
        return await bench.run(scenario, copy.deepcopy(fault.bend))

    return await side_by_side(run, planted)


def is_proven(item: tuple[Scenario, Planted], result: CaseResult) -> bool:
    """Say whether the run of a case failed for the fault planted in it."""
    _, fault = item
    return result.verdict is Verdict.FAILED and is_found(fault, result.findings)


def faults(scenario: Scenario, right: CaseResult) -> Iterator[Planted]:
    """Yield every fault planted into a case."""
    owed = obligations(scenario, right)
    # What every case begins with is proven with the official cases.
    answers = [one for one in owed.answers if one[0] not in owed.shared]
    for number, action in answers:
        yield from answer_faults(number, action)
    for order in owed.requests:
        if scenario.id != "BEYOND_UNANSWERED_COMMAND" or order.number == 1:
            yield from request_faults(order.number, order)
    for fault in owed.rules:
        # Numbers of transactions differ from run to run: OWN has what gives the same one twice.
        if scenario.id not in NUMBERED or fault.field != "$.transactionId":
            yield fault
    yield from raw_faults(scenario, right)
    for make, rule in OWN.get(scenario.id, ()):
        yield Planted(f"{make} ({rule})", make(), frozenset({rule}))


def test_our_own_csms_passes_all_of_them(tmp_path: Path) -> None:
    """Started as its file says, in a strict run, nothing but passes."""
    preflight = Path(sys.executable).with_name("preflight")
    command = [str(preflight), "run", *map(str, FOLDERS), "--sut", "embedded", "--strict"]
    done = subprocess.run(
        [*command, "--reports", str(tmp_path)], capture_output=True, text=True, check=False
    )

    report = read_report(tmp_path / "latest")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {one.case_id: one.verdict for one in report.run.cases} == {
        scenario.id: Verdict.PASSED for scenario in LOADED.scenarios
    }
