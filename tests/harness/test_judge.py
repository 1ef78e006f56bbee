"""Calls and answers paired from raw text, and what is said about those that are wrong."""
# ruff: noqa: E501 -- a row of the tables below is one conversation

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks import CHECKS
from harness.model import Json, Position, SendRaw
from harness.results import ExchangeOutcome, Severity
from simulator.trace import Direction, EventKind
from tests.harness.wire_script import ACCEPTED, BOOT, Wire, booted

HEARTBEAT = {"currentTime": "2026-01-31T12:00:00Z"}
AT = Position("case.yaml", 9)


def raw(
    *answers: str,
    message_id: str = "r",
    codes: tuple[str, ...] = (),
    answer_ids: tuple[Json, ...] = (),
) -> SendRaw:
    return SendRaw(
        position=AT,
        text="",
        answers=frozenset(answers),
        message_id=message_id,
        codes=codes,
        answer_ids=answer_ids,
    )


Build = Callable[[], Wire]

# Every wrong conversation and its finding. What is right beside it stands in test_right below.
WRONG: list[tuple[str, Build]] = [
    ("answer.call-error", lambda: booted().call("1", "Heartbeat").error("1", "InternalError", "db")),
    ("answer.twice", lambda: booted().call("1", "Heartbeat").result("1", HEARTBEAT).result("1", HEARTBEAT)),
    ("answer.twice", lambda: booted().call("1", "Heartbeat").result("1", HEARTBEAT).error("1", "GenericError")),
    ("answer.unsolicited", lambda: booted().result("nobody", {})),
    ("answer.unsolicited", lambda: booted().error("nobody", "GenericError")),
    ("call.unknown-action", lambda: booted().csms_call("c", "reset", {"type": "Hard"}).csms_answered("c")),
    ("call.direction", lambda: booted().csms_call("c", "Heartbeat", {}).csms_answered("c")),
    ("call.id-reused", lambda: booted().csms_call("c", "ClearCache").csms_answered("c").csms_call("c", "Reset", {"type": "Hard"}).csms_answered("c")),
    ("call.id-reused", lambda: booted().csms_call("c", "ClearCache").csms_answered("c").csms_call("c", "ClearCache").csms_answered("c")),
    ("call.overlap", lambda: booted().csms_call("c", "ClearCache").csms_call("d", "ClearCache").csms_answered("c").csms_answered("d")),
    ("wire.unasked-call", lambda: booted().csms_call("c", "GetConfiguration", unasked=True).csms_answered("c", {})),
    ("frame.element-count", lambda: booted().call("1", "Heartbeat").received('[3,"1",{"currentTime":"2026-01-31T12:00:00Z"},1]')),
    ("frame.message-id", lambda: booted().csms_call(7, "ClearCache").csms_answered(7)),
    ("frame.message-id", lambda: booted().csms_call("x" * 37, "ClearCache").csms_answered("x" * 37)),
    ("frame.message-id", lambda: booted().csms_call("", "ClearCache").csms_answered("")),
    ("frame.action", lambda: booted().received('[2,"c",["x"],{}]')),
    ("frame.not-array", lambda: booted().received('{"a":1}')),
    ("frame.not-array", lambda: booted().received('"x"')),
    ("frame.message-type", lambda: booted().received('[5,"c",{}]')),
    ("frame.message-type", lambda: booted().received('["3","c",{}]')),
    ("frame.message-type", lambda: booted().received('[3.0,"c",{}]')),
    ("frame.message-type", lambda: booted().received("[]")),
    ("json.unreadable", lambda: booted().received("[3,")),
    ("json.unreadable", lambda: booted().received("")),
    ("json.unreadable", lambda: booted().received("[" * 100_000)),
    ("json.unreadable", lambda: booted().received("[" * 200 + "]" * 200)),
    ("json.duplicate-key", lambda: booted().call("1", "Heartbeat").received('[3,"1",{"currentTime":"2026-01-31T12:00:00Z","currentTime":"2026-01-31T12:00:00Z"}]')),
    ("schema.required", lambda: booted().call("1", "Heartbeat").result("1", {})),
    ("schema.additional-property", lambda: booted().call("1", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}).result("1", {"status": "ok"})),
    ("schema.connector-id", lambda: booted().csms_call("c", "UnlockConnector", {"connectorId": 0}).csms_answered("c", {"status": "Unlocked"})),
    ("time.not-utc", lambda: booted().call("1", "Heartbeat").result("1", {"currentTime": "2026-01-31T13:00:00+01:00"})),
    ("time.clock", lambda: booted().call("1", "Heartbeat").result("1", {"currentTime": "2026-01-31T12:01:00Z"})),
    ("harness.invalid-call", lambda: booted().call("1", "Authorize", {"idTag": "x" * 21}).result("1", {"idTagInfo": {"status": "Invalid"}})),
    ("harness.invalid-call", lambda: booted().call("1", "Reset", {"type": "Hard"}).result("1", {"status": "Accepted"})),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "build"), WRONG, ids=[f"{rule}-{n}" for n, (rule, _) in enumerate(WRONG)]
)
def test_wrong(rule: str, build: Build) -> None:
    """Each fault gives its finding and no other, placed at an event, with section and weight."""
    wire = build()

    findings = wire.judge().findings

    assert [one.rule for one in findings] == [rule]
    (found,) = findings
    assert found.severity is CHECKS[rule].severity
    assert found.requirement
    assert found.message
    assert found.event is not None


def start_answers(status: str) -> dict[str, object]:
    return {"transactionId": 5, "idTagInfo": {"status": status}}


START = {
    "connectorId": 1,
    "idTag": "a",
    "meterStart": 0,
    "timestamp": "2026-01-31T12:00:00Z",
}

RIGHT: list[tuple[str, Build]] = [
    ("an answered call", lambda: booted().call("1", "Heartbeat").result("1", HEARTBEAT)),
    ("another order of keys, and white space", lambda: booted().call("1", "BootNotification", BOOT).received(' [ 3 ,\n"1", {"interval":300 , "currentTime":"2026-01-31T12:00:00.000Z","status":"Accepted"} ]\n')),
    ("a request that crosses our call", lambda: booted().call("1", "Heartbeat").csms_call("c", "ClearCache").result("1", HEARTBEAT).csms_answered("c", {"status": "Accepted"})),
    ("an answer while the CSMS's own call is open", lambda: booted().csms_call("c", "ClearCache").call("1", "Heartbeat").result("1", HEARTBEAT).csms_answered("c", {"status": "Accepted"})),
    ("a call after our answer was on its way", lambda: booted().csms_call("c", "ClearCache").csms_answered("c").csms_call("d", "ClearCache").csms_answered("d")),
    ("a call after we kept silent for long", lambda: booted().csms_call("c", "ClearCache").wait(6).csms_call("d", "ClearCache").csms_answered("d")),
    ("ids like ours", lambda: booted().csms_call("b", "ClearCache").csms_answered("b").call("1", "Heartbeat").result("1", HEARTBEAT)),
    ("ids again on another connection", lambda: booted().csms_call("c", "ClearCache").csms_answered("c").closed("dropped", None).next_connection().csms_call("c", "Reset", {"type": "Hard"}).csms_answered("c")),
    ("optional fields", lambda: booted().call("1", "Authorize", {"idTag": "a"}).result("1", {"idTagInfo": {"status": "Accepted", "parentIdTag": "p", "expiryDate": "2030-01-31T12:00:00.000Z"}})),
    ("ConcurrentTx where it belongs", lambda: booted().call("1", "StartTransaction", START).result("1", start_answers("ConcurrentTx"))),
    ("a refusal of the card", lambda: booted().call("1", "StartTransaction", START).result("1", start_answers("Blocked"))),
    ("our own error answer", lambda: booted().csms_call("c", "ClearCache").sent('[4,"c","NotSupported","",{}]')),
    ("an id of 36 characters", lambda: booted().csms_call("x" * 36, "ClearCache").csms_answered("x" * 36)),
    ("free text beyond ASCII", lambda: booted().call("1", "DataTransfer", {"vendorId": "v"}).result("1", {"status": "Rejected", "data": "größe"})),
    ("refused vendor data", lambda: booted().call("1", "DataTransfer", {"vendorId": "v"}).result("1", {"status": "UnknownVendorId"})),
]  # fmt: skip


@pytest.mark.parametrize(("what", "build"), RIGHT, ids=[what for what, _ in RIGHT])
def test_right(what: str, build: Build) -> None:
    """What is odd but right gives no finding at all."""
    assert build().rules() == [], what


@pytest.mark.parametrize(
    ("time", "rule"),
    [
        ("2026-01-31T12:00:00+00:00", "time.form"),
        ("2026-01-31T12:00:00.123456Z", "time.form"),
    ],
)
def test_odd_forms_of_utc_only_warn(time: str, rule: str) -> None:
    """A time that is UTC in another form never fails a case."""
    judged = booted().call("1", "Heartbeat").result("1", {"currentTime": time}).judge(strict=True)

    assert [(one.rule, one.severity) for one in judged.findings] == [(rule, Severity.WARNING)]


# --- answers that never come, come late, or come wrong -------------------------------------------


def test_an_answer_that_never_comes_is_missing() -> None:
    """After the limit, with the connection open, silence is a failure of the call's own step."""
    judged = booted().call("1", "Heartbeat").judge(ended_after_s=40)

    (found,) = judged.findings
    assert (found.rule, found.severity, found.event, found.step) == (
        "answer.missing", Severity.FAILURE, 3, "3",
    )  # fmt: skip
    assert judged.exchanges[1].outcome is ExchangeOutcome.UNANSWERED
    assert judged.exchanges[1].duration_s is None


@pytest.mark.parametrize(
    ("by", "rule"),
    [
        ("csms", "answer.missing"),
        ("lost", "answer.missing"),
        ("charge_point", "answer.unobserved"),
        ("dropped", "answer.unobserved"),
    ],
)
def test_an_answer_cut_off_by_the_end_of_the_connection(by: str, rule: str) -> None:
    """Who ends the connection decides whether a missing answer is the CSMS's fault."""
    wire = booted().call("1", "Heartbeat").closed(by, 1001)

    assert rule in wire.rules()


def test_an_answer_nobody_waited_for_is_neither_green_nor_red() -> None:
    """Looking away before the limit makes the case inconclusive."""
    (found,) = booted().call("1", "Heartbeat").judge(ended_after_s=1).findings

    assert (found.rule, found.severity) == ("answer.unobserved", Severity.INCONCLUSIVE)


def test_an_answer_on_the_next_connection_answers_nothing() -> None:
    """Ids belong to their connection."""
    wire = booted().call("1", "Heartbeat").closed("dropped", None).next_connection()

    assert wire.result("1", HEARTBEAT).rules() == ["answer.unobserved", "answer.unsolicited"]


def test_a_wrong_id_is_told_from_a_missing_answer() -> None:
    """An answer under another id names the call that still waits."""
    judged = booted().call("1", "Heartbeat").result("2", HEARTBEAT).judge(ended_after_s=40)

    assert [one.rule for one in judged.findings] == ["answer.missing", "answer.wrong-id"]
    wrong = judged.findings[1]
    assert (wrong.expected, wrong.actual) == ("1", "2")


def test_an_id_of_another_type_is_a_wrong_id() -> None:
    """The number 1 is not the text "1"."""
    rules = booted().call("1", "Heartbeat").result(1, HEARTBEAT).rules(ended_after_s=40)

    assert rules == ["answer.missing", "frame.message-id", "answer.wrong-id"]


@pytest.mark.parametrize(
    ("waited_s", "lag_s", "rules"),
    [
        (29.8, 0.0, ["response.target"]),
        (30.5, 0.0, ["answer.late"]),
        (30.5, 0.1, ["answer.late"]),
        (30.2, 0.5, []),
        (2.0, 0.0, ["response.target"]),
        (2.0, 0.03, []),
        (2.0, 0.01, ["response.target"]),
        (0.5, 0.0, []),
    ],
)
def test_times_are_held_to_limit_and_target(
    waited_s: float, lag_s: float, rules: list[str]
) -> None:
    """Late and slow differ; our own lag excuses a target, and of a limit only what it explains."""
    wire = booted().call("1", "Heartbeat").wait(waited_s)
    time = f"2026-01-31T12:00:{int(waited_s):02}Z"
    judged = wire.result("1", {"currentTime": time}).judge(lag_s=lambda _a, _b: lag_s)

    assert [one.rule for one in judged.findings] == rules
    exchange = judged.exchanges[1]
    assert exchange.is_late is ("answer.late" in rules)
    assert exchange.is_disturbed is (lag_s > 0.02)
    assert exchange.duration_s == pytest.approx(waited_s + 0.1)
    assert (exchange.sent_event, exchange.answer_event) == (3, 4)


def test_a_call_has_the_budget_of_its_step() -> None:
    """Authorize is held to its own limit and target."""
    wire = booted().call("1", "Authorize", {"idTag": "a"}).wait(0.7)
    wire.result("1", {"idTagInfo": {"status": "Accepted"}})

    assert wire.rules() == []
    judged = wire.judge(budget_of={"1": "authorize"})
    assert [one.rule for one in judged.findings] == ["response.target"]
    assert judged.exchanges[1].budget == "authorize"


@pytest.mark.parametrize(
    ("strict", "severity"), [(False, Severity.WARNING), (True, Severity.FAILURE)]
)
def test_strict_runs_fail_what_else_only_warns(strict: bool, severity: Severity) -> None:
    """Missed targets and unasked calls weigh more in strict runs."""
    wire = (
        booted().call("1", "Heartbeat").wait(2).result("1", {"currentTime": "2026-01-31T12:00:02Z"})
    )
    wire.csms_call("c", "GetConfiguration", unasked=True).csms_answered("c")

    findings = wire.judge(strict=strict).findings

    assert [(one.rule, one.severity) for one in findings] == [
        ("response.target", severity),
        ("wire.unasked-call", severity),
    ]


def test_a_late_answer_after_the_next_call_is_still_that_calls_answer() -> None:
    """Ids tell answers apart, not their order."""
    wire = booted().call("1", "Heartbeat").call("2", "Heartbeat")
    judged = wire.result("2", HEARTBEAT).result("1", HEARTBEAT).judge()

    assert judged.findings == ()
    assert [one.answer_event for one in judged.exchanges] == [2, 6, 5]


# --- requests of the CSMS ------------------------------------------------------------------------


def test_a_request_repeated_before_we_answered_only_warns_beside_the_overlap() -> None:
    """Sending again what is still open is one call too many, but no new id for another thing."""
    wire = booted().csms_call("c", "ClearCache").wait(10).csms_call("c", "ClearCache", unasked=True)

    judged = wire.csms_answered("c").judge()

    assert [(one.rule, one.severity) for one in judged.findings] == [
        ("call.repeated", Severity.WARNING)
    ]


def test_how_long_the_csms_waited_for_us_is_kept_apart() -> None:
    """The CSMS's calls and our answers are paired too, unanswered ones included."""
    judged = (
        booted()
        .csms_call("c", "ClearCache")
        .wait(1)
        .csms_answered("c", {"status": "Accepted"})
        .csms_call("d", "Reset", {"type": "Soft"})
        .judge()
    )

    first, second = judged.csms_calls
    assert (first.action, first.message_id, first.answer_event) == ("ClearCache", "c", 4)
    assert first.waited_s == pytest.approx(1.1)
    assert (second.action, second.waited_s, second.answer_event) == ("Reset", None, None)


def test_binary_messages_fail_but_are_read() -> None:
    """A message in a binary frame is wrong, and still the answer it is."""
    wire = booted().call("1", "Heartbeat")
    text = json.dumps([3, "1", HEARTBEAT])
    wire.add(EventKind.BINARY, text.encode().hex(), Direction.RECEIVED)
    wire.add(EventKind.BINARY, "ff00", Direction.RECEIVED)

    assert wire.rules() == ["frame.binary", "frame.binary"]


# --- raw texts -----------------------------------------------------------------------------------

FAULTY = '[2,"r","Authorize",{}]'


@pytest.mark.parametrize(
    ("owed", "codes", "answer", "rules"),
    [
        ("none", (), None, []),
        ("none", (), [3, "r", {}], ["answer.unexpected"]),
        ("none", (), [4, "r", "GenericError", "", {}], ["answer.unexpected"]),
        ("error", (), [4, "r", "ProtocolError", "", {}], []),
        ("error", ("ProtocolError",), [4, "r", "ProtocolError", "", {}], []),
        ("error", ("ProtocolError",), [4, "r", "GenericError", "", {}], ["answer.error-code"]),
        ("error", (), [3, "r", {"idTagInfo": {"status": "Invalid"}}], ["answer.error-owed"]),
        ("result error", (), [3, "r", {"idTagInfo": {"status": "Invalid"}}], []),
        (
            "result error",
            ("ProtocolError",),
            [4, "r", "InternalError", "", {}],
            ["answer.error-code"],
        ),
        ("result", (), [3, "r", {"idTagInfo": {"status": "Invalid"}}], []),
        ("result", (), [4, "r", "InternalError", "", {}], ["answer.call-error"]),
        ("error", (), None, ["answer.missing"]),
        ("result error", (), None, ["answer.missing"]),
        ("result", (), None, ["answer.missing"]),
        ("none error", (), None, []),
        ("none error", (), [4, "r", "GenericError", "", {}], []),
        ("none error", ("ProtocolError",), [4, "r", "GenericError", "", {}], ["answer.error-code"]),
        ("none error", (), [3, "r", {}], ["answer.error-owed"]),
        ("none result", (), [4, "r", "GenericError", "", {}], ["answer.call-error"]),
        ("none result error", (), [3, "r", {}], ["schema.required"]),
        (
            "error",
            ("FormationViolation",),
            [4, "r", "FormatViolation", "", {}],
            ["error.code-spelling"],
        ),
    ],
)
def test_raw_texts_get_what_they_are_owed(
    owed: str, codes: tuple[str, ...], answer: object, rules: list[str]
) -> None:
    """A raw text says itself what may come back; it is never held against the harness."""
    wire = booted().raw(FAULTY, raw(*owed.split(), codes=codes))
    if answer is not None:
        wire.received(json.dumps(answer))

    assert wire.rules(ended_after_s=40) == rules


def test_raw_text_that_is_no_json_can_still_be_answered_by_id() -> None:
    """The id comes from the step, where the text itself has none that can be read."""
    wire = booted().raw('[2,"r","Heart', raw("none")).error("r", "GenericError")

    assert wire.rules() == ["answer.unexpected"]


@pytest.mark.parametrize("id_", ["-1", "", None, 17, ["a"]])
def test_raw_text_may_be_answered_under_ids_that_it_names(id_: Json) -> None:
    """Where no usable id can be read, a placeholder is taken, once, and is no fault itself."""
    answer = json.dumps([4, id_, "GenericError", "", {}])
    step = raw("none", "error", message_id="", answer_ids=(id_, "other"))
    wire = booted().raw("{", step).received(answer)

    assert wire.rules() == []
    assert "answer.unsolicited" in wire.received(answer).rules()


def test_another_id_than_those_named_is_not_taken() -> None:
    """A step takes what it names, and nothing else."""
    step = raw("none", "error", message_id="", answer_ids=("-1",))
    wire = booted().raw("{", step).error("-2", "GenericError")

    assert wire.rules() == ["answer.unsolicited"]


def test_bytes_are_owed_what_their_text_is_owed() -> None:
    """A binary message with a Heartbeat in it is answered like one, where the step takes that."""
    text = b'[2,"r","Heartbeat",{}]'.hex()
    wire = booted().raw(text, raw("result"), kind=EventKind.BINARY)

    assert wire.rules(ended_after_s=40) == ["answer.missing"]
    assert wire.result("r", HEARTBEAT).rules() == []


@pytest.mark.parametrize(("declared_s", "rules"), [(2.0, []), (4.0, ["call.overlap"])])
def test_a_csms_may_give_up_as_soon_as_it_declared(declared_s: float, rules: list[str]) -> None:
    """The next CALL after the declared timeout is no overlap; before it, it is one."""
    wire = booted().csms_call("a", "ClearCache", {}).wait(3.0).csms_call("b", "ClearCache", {})

    assert wire.rules(shortest_timeout_s=declared_s) == rules


def test_findings_stand_in_the_order_of_events_at_their_steps() -> None:
    """A finding on an answer belongs to the step of its call."""
    wire = booted().call("1", "Heartbeat").csms_call("c", "UnlockConnector", {"connectorId": 0})
    judged = wire.csms_answered("c").result("1", {}).judge()

    assert [(one.rule, one.event, one.step) for one in judged.findings] == [
        ("schema.connector-id", 4, "4"),
        ("schema.required", 6, "3"),
    ]


def test_boot_answers_are_checked_for_meaning() -> None:
    """Interval and clock of BootNotification are looked at, whatever the scenario says."""
    wire = Wire().opened().call("1", "BootNotification", BOOT)

    assert wire.result("1", {**ACCEPTED, "interval": 0}).rules() == ["boot.interval-zero"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
IDS: st.SearchStrategy[Any] = st.sampled_from(["b", "c", "1", "", 1, None, True, [], "x" * 40])
ACTIONS: st.SearchStrategy[Any] = st.sampled_from(
    ["Reset", "Heartbeat", "ClearCache", "reset", "", 5, None]
)
PAYLOADS = st.sampled_from([HEARTBEAT, ACCEPTED, {}, {"type": "Hard"}]) | JSON
RECEIVED = (
    st.tuples(st.just(2), IDS, ACTIONS, PAYLOADS)
    | st.tuples(st.just(3), IDS, PAYLOADS)
    | st.tuples(st.just(4), IDS, st.text(), st.text(), PAYLOADS)
    | st.lists(JSON, max_size=6)
).map(json.dumps) | st.text()


@pytest.mark.slow
@given(st.lists(RECEIVED, max_size=6), st.lists(st.booleans(), min_size=6, max_size=6))
def test_no_conversation_breaks_the_judge(frames: list[str], ours: list[bool]) -> None:
    """Whatever a CSMS says, in whatever order, is judged in words that can be written."""
    wire = booted()
    for number, (text, is_after_call) in enumerate(zip(frames, ours, strict=False)):
        if is_after_call:
            wire.call(str(number), "Heartbeat")
        wire.received(text)

    judged = wire.judge(ended_after_s=40)

    assert len(judged.exchanges) == 1 + sum(ours[: len(frames)])
    for found in judged.findings:
        assert found.rule in CHECKS
        assert len(f"{found.message}{found.expected}{found.actual}".encode()) < 10_000


def test_a_huge_frame_with_a_repeated_key_is_judged_soon() -> None:
    """The work grows with the length of a frame, not with its square."""
    members = ",".join(f'"k{number}":0' for number in range(200_000))
    wire = booted().received('[3,"x",{"k0":0,' + members + "}]")

    assert wire.rules() == ["json.duplicate-key", "answer.unsolicited"]
