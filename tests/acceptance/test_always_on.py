"""Every check that is always on has a Central System that is wrong in just that way."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from harness.checks import CHECKS
from harness.engine import Engine, RunOptions
from harness.loader import load_file
from harness.model import Scenario
from harness.results import Verdict
from harness.sut import Budget
from tests.acceptance import test_security_beyond, test_security_odd, test_security_proofs
from tests.faults import (
    AnswerBent,
    Edit,
    EveryAnswerBent,
    RequestBent,
    Slow,
    Then,
    Unasked,
    call_error,
    misaddressed,
    nothing,
    twice,
    with_field,
    without_field,
)
from tests.miniatures import Bend, Frames, Incoming, Link, Miniature, Order
from tests.proofs import Bench, official_scenarios, system

pytestmark = pytest.mark.slow

# Checks that no Central System can trip, each with the place where it is proven instead.
ELSEWHERE = {
    "answer.unobserved": "the harness stopped looking: tests/harness/test_judge.py",
    "harness.invalid-call": "our own charge point is wrong: tests/harness/test_judge.py",
    "schema.unreadable": "the frame fails before its payload: tests/harness/test_judge_payloads.py",
    "schema.other": "no schema of OCPP 1.6 has such a keyword: tests/harness/test_schemas.py",
    "tls.certificate": "no TLS has a server without one: tests/harness/test_judge_handshakes.py",
    "tls.serial-number": "every X.509 has one: tests/harness/test_judge_handshakes.py",
}
# What goes wrong at doors that this miniature lacks is proven with one that has them.
AT_THE_DOORS = {
    *test_security_proofs.OWN_RULES,
    *(wrong.rule for wrong in test_security_proofs.WRONG_TLS.values()),
    *(rule for _, rule, _ in test_security_beyond.OTHER_TLS.values()),
    *(rule for faults in test_security_beyond.OWN.values() for _, rule in faults),
    *(rule for _, rules in test_security_odd.ODD_TLS.values() for rule in rules),
    *test_security_odd.BY_THEMSELVES,
}

OWN_CASES = {
    "HELD": """\
steps:
  - operator: ClearCache
    payload: {}
  - send: Heartbeat
    payload: {}
  - receive: ClearCache
    answer: {status: Accepted}
""",
    "IGNORED": """\
steps:
  - send_raw: '[9, "ignored", {}]'
    message_id: ignored
    answer: none
  - send: Heartbeat
    payload: {}
""",
    "FAULTY": """\
steps:
  - send_raw: '[2, "faulty", "Authorize", {}]'
    message_id: faulty
    answer: error
    codes: [ProtocolError, OccurenceConstraintViolation]
""",
}


@dataclass(frozen=True)
class Wrong:
    """A Central System that is wrong in one way, and a case in which that shows."""

    bend: Bend
    case: str = "TC_003_CSMS"
    target_s: float | None = None
    settle_s: float = 0.1


def boot(edit: Edit) -> Wrong:
    """Bend the answer to the BootNotification."""
    return Wrong(AnswerBent(0, edit))


def every(action: str, edit: Edit) -> Wrong:
    """Bend every answer to one action."""
    return Wrong(EveryAnswerBent(edit, action))


def unasked(action: str, **payload: Any) -> Wrong:
    """Send a request nobody asked for."""
    return Wrong(Unasked(1, action, payload))


def parts(change: Callable[[list[Any]], Any]) -> Edit:
    """Send the frame with its parts changed; a change may also return what to send instead."""

    def edit(frame: str) -> Frames:
        whole = json.loads(frame)
        changed = change(whole)
        return [json.dumps(whole if changed is None else changed)]

    return edit


def replaced(old: str, new: str) -> Edit:
    """Send the frame with some of its text replaced."""

    def edit(frame: str) -> Frames:
        assert old in frame, frame
        return [frame.replace(old, new)]

    return edit


def error(code: str) -> Edit:
    """Answer with a CALLERROR of this code."""
    return parts(lambda frame: [4, frame[1], code, "", {}])


def info(**fields: Any) -> Edit:
    """Set fields of idTagInfo."""

    def edit(frame: str) -> Frames:
        for name, value in fields.items():
            [frame] = with_field(["idTagInfo", name], value)(frame)  # type: ignore[assignment]
        return [frame]

    return edit


async def close(link: Link) -> None:
    await link.socket.close(1001)


async def cut(link: Link) -> None:
    link.socket.transport.abort()


async def answer_nobody(link: Link) -> None:
    await link.send(['[3, "nobody asked", {}]'])


async def break_websocket(link: Link) -> None:
    link.socket.transport.write(b"\xff\xff\xff\xff")  # reserved bits, an opcode that is none


async def keep_pongs(link: Link) -> None:
    protocol = link.socket.protocol
    send = protocol.send_frame

    def send_frame(frame: Frame) -> None:
        if frame.opcode is not Opcode.PONG:
            send(frame)

    protocol.send_frame = send_frame  # type: ignore[method-assign]


class Deaf(Bend):
    """Pings get no pong."""

    async def opened(self, link: Link) -> None:
        await keep_pongs(link)


class Unable(Bend):
    """The operator's interface knows no such charge point."""

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        raise LookupError


class EndsBadly(Bend):
    """After the last answer of TC_003 the connection is closed as if something had broken."""

    async def answered(self, link: Link, call: Incoming) -> None:
        if call.payload.get("status") == "Charging":
            await link.socket.close(1011)


class AnswersAll(Bend):
    """What must be ignored is answered too."""

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        return ['[3, "ignored", {}]', frame]


def charging_profile(periods: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a SetChargingProfile payload."""
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": list(periods)}
    return {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": schedule,
        },
    }


WRONG: dict[str, Wrong] = {
    "json.unreadable": boot(lambda frame: [frame[:-1]]),
    "json.duplicate-key": boot(replaced('"status"', '"status": "Pending", "status"')),
    "json.not-a-number": boot(replaced("300", "NaN")),
    "json.surrogate": every("Authorize", info(parentIdTag="\ud800")),
    "json.non-ascii": every("Authorize", info(parentIdTag="Größe")),
    "frame.binary": boot(lambda frame: [frame.encode()]),
    "frame.not-array": boot(lambda frame: ['{"status": "Accepted"}', frame]),
    "frame.message-type": boot(parts(lambda frame: ["3", *frame[1:]])),
    "frame.element-count": boot(parts(lambda frame: [*frame, {}])),
    "frame.message-id": boot(parts(lambda frame: [frame[0], 7, frame[2]])),
    "frame.action": Wrong(RequestBent(0, parts(lambda frame: [2, frame[1], 7, {}])), "TC_061_CSMS"),
    "error.shape": boot(parts(lambda frame: [4, frame[1], "InternalError", None, {}])),
    "error.code": boot(error("Nonsense")),
    "error.code-spelling": boot(error("FormatViolation")),
    "call.unknown-action": unasked("Nonsense"),
    "call.direction": unasked("Heartbeat"),
    "call.id-reused": Wrong(
        RequestBent(0, lambda frame: [frame, frame.replace("ClearCache", "GetLocalListVersion")]),
        "TC_061_CSMS",
    ),
    "call.repeated": Wrong(RequestBent(0, twice), "TC_061_CSMS"),
    "call.overlap": Wrong(
        RequestBent(0, lambda frame: [frame, '[2, "second", "ClearCache", {}]']), "HELD"
    ),
    "wire.unasked-call": unasked("GetConfiguration"),
    "answer.missing": every("Authorize", nothing),
    "answer.late": Wrong(Slow(lambda: 1.15, "Authorize")),
    "answer.call-error": every("Authorize", call_error),
    "answer.wrong-id": every("Authorize", misaddressed),
    "answer.twice": every("Authorize", twice),
    "answer.unsolicited": Wrong(Then(6, answer_nobody)),
    "answer.unexpected": Wrong(AnswersAll(), "IGNORED"),
    "answer.error-owed": Wrong(
        EveryAnswerBent(
            parts(lambda frame: [3, frame[1], {"idTagInfo": {"status": "Invalid"}}]), "Authorize"
        ),
        "FAULTY",
    ),
    "answer.error-code": Wrong(EveryAnswerBent(error("SecurityError"), "Authorize"), "FAULTY"),
    "response.target": Wrong(Slow(lambda: 0.2, "Authorize"), target_s=0.05),
    "schema.type": boot(with_field(["interval"], "300")),
    "schema.required": boot(without_field("interval")),
    "schema.additional-property": boot(with_field(["heartbeatInterval"], 300)),
    "schema.enum": boot(with_field(["status"], "accepted")),
    "schema.length": every("Authorize", info(parentIdTag="G" * 21)),
    "schema.item-count": unasked("SetChargingProfile", **charging_profile([])),
    "schema.multiple": unasked(
        "SetChargingProfile", **charging_profile([{"startPeriod": 0, "limit": 16.25}])
    ),
    "schema.uri": unasked("GetDiagnostics", location="over there"),
    "schema.null-payload": every("StatusNotification", parts(lambda frame: [3, frame[1], None])),
    "schema.connector-id": unasked("UnlockConnector", connectorId=0),
    "schema.empty-id-tag": unasked("RemoteStartTransaction", idTag=""),
    "schema.minimum": unasked("GetDiagnostics", location="ftp://127.0.0.1/", retries=-1),
    "schema.integer-32-bit": every("StartTransaction", with_field(["transactionId"], 2**31)),
    "schema.integer-64-bit": every("StartTransaction", with_field(["transactionId"], 2**63)),
    "time.format": boot(with_field(["currentTime"], "yesterday")),
    "time.no-zone": boot(lambda frame: [frame.replace("Z", "")]),
    "time.not-utc": boot(lambda frame: [frame.replace("Z", "+01:00")]),
    "time.form": boot(lambda frame: [frame.replace("Z", "+00:00")]),
    "time.clock": boot(with_field(["currentTime"], "2026-01-31T12:34:56.789Z")),
    "id-tag.concurrent-tx": every("Authorize", info(status="ConcurrentTx")),
    "id-tag.past-expiry": every("Authorize", info(expiryDate="2020-01-01T00:00:00Z")),
    "id-tag.unasked": Wrong(
        EveryAnswerBent(info(status="Accepted"), "StopTransaction"), "TC_012_CSMS"
    ),
    "boot.interval-negative": boot(with_field(["interval"], -1)),
    "boot.interval-zero": boot(with_field(["interval"], 0)),
    "transaction.id-not-positive": every("StartTransaction", with_field(["transactionId"], 0)),
    "close.during-case": Wrong(Then(2, close)),
    "close.abnormal": Wrong(EndsBadly()),
    "close.lost": Wrong(Then(2, cut)),
    "close.protocol-error": Wrong(Then(2, break_websocket)),
    "ping.unanswered": Wrong(Deaf(), settle_s=0.5),
    "request.missing": Wrong(RequestBent(0, nothing), "TC_061_CSMS"),
    "request.not-observed": Wrong(Unable(), "TC_061_CSMS"),
}

# Proven below, each by a test of its own.
BY_THEMSELVES = {
    "handshake.subprotocol",
    "handshake.refused",
    "handshake.unreachable",
    "run.transaction-id-reused",
    "run.transaction-id-shared",
    "run.message-id-reused",
}


def case(name: str, folder: Path) -> Scenario:
    """Return a shipped case, or one of our own."""
    if name in OWN_CASES:
        head = 'profile: Core\nrequirement: unconfirmed\nsection: "0"\npurpose: A test.\n'
        file = folder / f"{name}.yaml"
        file.write_text(f"id: {name}\ntitle: {name}\n{head}{OWN_CASES[name]}", encoding="utf-8")
        return load_file(file)
    return next(one for one in official_scenarios() if one.id == name)


def test_every_check_is_proven() -> None:
    """No check is left without a Central System that trips it."""
    found = set(WRONG) | BY_THEMSELVES | {one for one in AT_THE_DOORS if one in CHECKS}
    assert found | set(ELSEWHERE) == set(CHECKS)


@pytest.mark.parametrize("rule", WRONG)
async def test_a_wrong_csms_trips_the_check(tmp_path: Path, rule: str) -> None:
    """A Central System that is wrong in one way gives the finding of that way."""
    wrong = WRONG[rule]
    budget = Budget(limit_s=1.0, target_s=wrong.target_s)
    budgets = {"ocpp_response_timeout": budget, "authorize": budget}
    async with Miniature() as miniature:
        bench = Bench(miniature, tmp_path)
        result = await bench.run(
            case(wrong.case, tmp_path), wrong.bend, budgets=budgets, settle_s=wrong.settle_s
        )

    found = {one.rule: one.severity for one in result.findings}
    info = CHECKS[rule]
    assert found.get(rule) is (info.strict or info.severity), result.findings


@pytest.mark.parametrize("number", ["1", 1.0, True])
async def test_a_faulty_number_we_have_to_repeat_is_the_fault_of_the_csms(
    tmp_path: Path, number: object
) -> None:
    """A StopTransaction with the transactionId that the Central System gave is no error of ours."""
    bend = EveryAnswerBent(with_field(["transactionId"], number), "StartTransaction")
    async with Miniature() as miniature:
        result = await Bench(miniature, tmp_path).run(case("TC_012_CSMS", tmp_path), bend)

    assert result.verdict is Verdict.FAILED
    assert "schema.type" in {one.rule for one in result.findings}


async def test_a_missing_subprotocol_is_found(tmp_path: Path) -> None:
    """A Central System that agrees to no subprotocol is wrong (CS-WS-06)."""
    async with Miniature(subprotocols=None) as miniature:
        result = await Bench(miniature, tmp_path).run(official_scenarios()[0], Bend())

    assert "handshake.subprotocol" in {one.rule for one in result.findings}
    assert result.verdict is Verdict.FAILED


async def test_a_refused_handshake_is_found(tmp_path: Path) -> None:
    """A Central System that does not let the charge point in is wrong, whatever it knows of it."""
    async with Miniature(refuse=HTTPStatus.FORBIDDEN) as miniature:
        result = await Bench(miniature, tmp_path).run(official_scenarios()[0], Bend())

    assert "handshake.refused" in {one.rule for one in result.findings}


async def test_a_handshake_without_an_answer_is_found(tmp_path: Path) -> None:
    """A Central System whose listener says nothing could not be observed."""
    async with Miniature() as miniature:
        bench = Bench(miniature, tmp_path)
        bench.ocpp_url = miniature.command_url.replace("http", "ws")  # no WebSocket speaks here
        result = await bench.run(official_scenarios()[0], Bend())

    assert result.verdict is not Verdict.PASSED
    assert {"handshake.unreachable", "handshake.refused"} & {one.rule for one in result.findings}


class SameIds(Bend):
    """Every transaction gets the id 7, every request the message id "again"."""

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        if call.action == "StartTransaction":
            return with_field(["transactionId"], 7)(frame)
        return [frame]

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        kind, message_id, *rest = json.loads(frame)
        link.pending["again"] = link.pending.pop(message_id)
        return [json.dumps([kind, "again", *rest])]


@pytest.mark.parametrize(
    ("stations", "rules"),
    [
        (1, {"run.transaction-id-reused", "run.message-id-reused"}),
        (8, {"run.transaction-id-shared"}),
    ],
)
async def test_ids_given_twice_in_a_run_are_found(
    tmp_path: Path, stations: int, rules: set[str]
) -> None:
    """Transaction ids and message ids are compared over all cases of a run."""
    cases = [case(name, tmp_path) for name in ("TC_003_CSMS", "TC_010_CSMS", "TC_012_CSMS")]
    async with Miniature(bend=SameIds()) as miniature:
        sut = replace(system(miniature, tmp_path, count=stations))
        async with Engine(sut, RunOptions(run_dir=tmp_path, settle_s=0.05)) as engine:
            result = await engine.run(cases)

    found = {one.rule for one in result.findings}
    found |= {one.rule for run in result.cases for one in run.findings}
    assert rules <= found
