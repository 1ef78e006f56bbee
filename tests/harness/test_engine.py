"""Many cases at once: leases, stops, deaths and interruptions."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path

import pytest

from harness.declaration import Declaration
from harness.drivers.driver import Credentials
from harness.drivers.http_spec import HttpDriverSpec, RequestTemplate
from harness.engine import Engine, EngineError, RunOptions, new_event_loop
from harness.model import CaseSet, EditionRange, Profile, Requirement
from harness.results import Verdict
from harness.sut import Budget, StartSpec, SystemUnderTest
from tests.faults import EveryAnswerBent, Slow, nothing
from tests.harness.small_runs import BOOT, CHARGE, RESET, options, rules, scenario, system
from tests.miniatures import Bend, Incoming, Link, Miniature

# Answers its first handshake with its own end.
DIES = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("one last word, token=s3cret-token", flush=True)
while True:
    if server.accept()[0].recv(9):
        sys.exit(3)
"""


@dataclass
class Charging(Bend):
    """Tells when so many transactions have been started."""

    wanted: int = 1
    is_reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def answered(self, link: Link, call: Incoming) -> None:
        self.wanted -= call.action == "StartTransaction"
        if self.wanted == 0:
            self.is_reached.set()


def program(tmp_path: Path, code: str, port: int) -> StartSpec:
    """Return how to start a Python program that listens on a port."""
    script = tmp_path / "program.py"
    script.write_text(code)
    return StartSpec(
        command=(sys.executable, str(script), str(port)),
        environment={},
        directory=tmp_path,
        log=tmp_path / "run" / "logs" / "sut.log",
        ready_tcp=f"127.0.0.1:{port}",
        ready_timeout_s=10.0,
    )


async def test_cases_run_side_by_side(tmp_path: Path) -> None:
    """Cases that only wait for answers take as long as one of them."""
    async with Miniature(bend=Slow(lambda: 0.1)) as miniature:
        cases = [scenario(tmp_path, BOOT, case=f"TC_90{n}_CSMS") for n in range(8)]
        async with Engine(system(miniature), options(tmp_path)) as engine:
            started_s = time.monotonic()
            run = await engine.run(cases)

    assert time.monotonic() - started_s < 0.6
    assert [case.verdict for case in run.cases] == [Verdict.PASSED] * 8
    assert len({case.identity for case in run.cases}) == 8


async def test_running_cases_share_nothing(tmp_path: Path) -> None:
    """More cases than identities and cards: each has its own while it runs."""
    using: set[str] = set()
    shared: list[str] = []

    class Watch(Bend):
        async def opened(self, link: Link) -> None:
            shared.extend(using & {link.identity})
            using.add(link.identity)

        async def answers(self, link: Link, call: Incoming, frame: str) -> list[str | bytes]:
            tag = str(call.payload.get("idTag"))
            if call.action == "StartTransaction":
                shared.extend(using & {tag})
                using.add(tag)
            elif call.action == "StopTransaction":
                using.discard(tag)
            elif call.payload.get("status") == "Available":
                using.discard(link.identity)
            return [frame]

    sut_tags = {"valid": ("CARD1", "CARD2")}
    async with Miniature(bend=Watch()) as miniature:
        sut = system(miniature, identities=3, id_tags=sut_tags)
        cases = [scenario(tmp_path, CHARGE, case=f"TC_9{n:02}_CSMS") for n in range(6)]
        async with Engine(sut, options(tmp_path, settle_s=0.01)) as engine:
            run = await engine.run(cases)

    assert [case.verdict for case in run.cases] == [Verdict.PASSED] * 6
    assert shared == []


async def test_slot_is_free_while_a_case_settles(tmp_path: Path) -> None:
    """With one slot, the next case runs while the first one's connection is still watched."""
    async with Miniature() as miniature:
        cases = [scenario(tmp_path, BOOT, case=f"TC_90{n}_CSMS") for n in range(4)]
        run_options = options(tmp_path, concurrency=1, settle_s=0.2)
        async with Engine(system(miniature), run_options) as engine:
            started_s = time.monotonic()
            run = await engine.run(cases)

    assert [case.verdict for case in run.cases] == [Verdict.PASSED] * 4
    assert time.monotonic() - started_s < 0.6


async def test_one_slot_means_one_case_at_a_time(tmp_path: Path) -> None:
    """Steps of two cases never overlap when there is one slot."""
    async with Miniature(bend=Slow(lambda: 0.01)) as miniature:
        cases = [scenario(tmp_path, BOOT, case=f"TC_90{n}_CSMS") for n in range(3)]
        async with Engine(system(miniature), options(tmp_path, concurrency=1)) as engine:
            run = await engine.run(cases)

    times = sorted(
        (step.started_at, step.duration_s)
        for case in run.cases
        for step in case.steps
        if step.started_at is not None and step.duration_s is not None
    )
    for (began, lasted), (next_began, _) in pairwise(times):
        assert (next_began - began).total_seconds() >= lasted - 0.001


async def test_lag_of_our_own_is_not_held_against_anyone(tmp_path: Path) -> None:
    """While our own loop stood still, a missed target is shown and not judged."""

    class Blocking(Bend):
        async def answers(self, link: Link, call: Incoming, frame: str) -> list[str | bytes]:
            time.sleep(0.06)  # noqa: ASYNC251  # the miniature shares the loop of the harness
            return [frame]

    async with Miniature(bend=Blocking()) as miniature:
        budget = Budget(limit_s=5.0, target_s=0.03)
        budgets = {"ocpp_response_timeout": budget, "authorize": budget}
        sut = system(miniature, budgets=budgets)
        async with Engine(sut, options(tmp_path, strict=True)) as engine:
            case = await engine.run_case(scenario(tmp_path, BOOT))

    assert (rules(case), case.verdict) == ([], Verdict.PASSED)
    assert [one.is_disturbed for one in case.exchanges] == [True]


async def test_slow_answer_misses_its_target(tmp_path: Path) -> None:
    """A loop that does not lag holds answers to their targets."""
    async with Miniature(bend=Slow(lambda: 0.06)) as miniature:
        budget = Budget(limit_s=5.0, target_s=0.03)
        budgets = {"ocpp_response_timeout": budget, "authorize": budget}
        sut = system(miniature, budgets=budgets)
        async with Engine(sut, options(tmp_path, strict=True)) as engine:
            case = await engine.run_case(scenario(tmp_path, BOOT))

    assert (rules(case), case.verdict) == (["response.target"], Verdict.FAILED)


async def test_silent_system_stops_the_run(tmp_path: Path) -> None:
    """After five cases without any answer the rest is not run, and the reason is told once."""
    async with Miniature(bend=EveryAnswerBent(nothing)) as miniature:
        sut = system(miniature, limit_s=0.05)
        cases = [scenario(tmp_path, BOOT, case=f"TC_9{n:02}_CSMS") for n in range(12)]
        async with Engine(sut, options(tmp_path, concurrency=2, settle_s=0.01)) as engine:
            run = await engine.run(cases)

    verdicts = [case.verdict for case in run.cases]
    assert verdicts.count(Verdict.FAILED) in (5, 6)
    assert verdicts.count(Verdict.NOT_RUN) == 12 - verdicts.count(Verdict.FAILED)
    assert "answered nothing in 5 cases" in run.stopped
    assert "sent no message" in run.stopped


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (HTTPStatus.UNAUTHORIZED, "check the passwords under `identities`"),
        (HTTPStatus.NOT_FOUND, "check `ocpp_url`, and that the `identities` are registered"),
    ],
)
async def test_refusing_system_stops_the_run(
    tmp_path: Path, status: HTTPStatus, remedy: str
) -> None:
    """A system that refuses everybody is told with its status and the remedy."""
    async with Miniature(refuse=status) as miniature:
        cases = [scenario(tmp_path, BOOT, case=f"TC_9{n:02}_CSMS") for n in range(8)]
        async with Engine(system(miniature), options(tmp_path, concurrency=1)) as engine:
            run = await engine.run(cases)

    assert f"HTTP {status.value}" in run.stopped
    assert remedy in run.stopped
    assert [case.verdict for case in run.cases].count(Verdict.NOT_RUN) == 3


async def test_few_cases_without_an_answer_are_explained_too(tmp_path: Path) -> None:
    """A run too short to be stopped still tells why nothing was answered."""
    async with (
        Miniature(refuse=HTTPStatus.UNAUTHORIZED) as miniature,
        Engine(system(miniature), options(tmp_path)) as engine,
    ):
        run = await engine.run([scenario(tmp_path, BOOT)])

    unknown, silent = run.findings
    assert (unknown.rule, silent.rule) == ("provisioning.identity", "sut.silent")
    assert "check the passwords under `identities`" in silent.message
    assert run.stopped == ""


async def test_unreachable_system_is_told_before_any_case(tmp_path: Path) -> None:
    """Nothing listens: one message with the remedy instead of failed cases."""
    async with Miniature() as miniature:
        url = miniature.url
    sut = system(None, ocpp_url=url)

    with pytest.raises(EngineError, match=r"cannot be reached at ws://.*is it running"):
        async with Engine(sut, options(tmp_path)):
            pytest.fail("began")


async def test_death_of_the_program_ends_the_run(tmp_path: Path) -> None:
    """A program that dies in a case is said once, with its last words; nothing is held failed."""
    async with Miniature() as miniature:
        port = int(miniature.url.split(":")[2].split("/")[0])
    sut = system(
        None,
        ocpp_url=f"ws://127.0.0.1:{port}/ocpp",
        start=program(tmp_path, DIES, port),
        sensitive=("s3cret-token",),
    )
    cases = [scenario(tmp_path, BOOT, case=f"TC_9{n:02}_CSMS") for n in range(4)]
    async with Engine(sut, options(tmp_path, concurrency=1, settle_s=5.0)) as engine:
        run = await engine.run(cases)

    (finding,) = run.findings
    assert finding.rule == "sut.died"
    assert "exit code 3" in finding.message
    assert "TC_900_CSMS" in finding.message
    assert "one last word, token=***" in finding.message
    assert {case.verdict for case in run.cases} == {Verdict.NOT_RUN}
    assert "s3cret-token" not in (tmp_path / "run" / "logs" / "sut.log").read_text()


async def test_program_that_does_not_start_is_told(tmp_path: Path) -> None:
    """The message has the exit code and the last lines of the log."""
    spec = program(tmp_path, "print('no such flag'); raise SystemExit(2)", 1)
    sut = system(None, ocpp_url="ws://127.0.0.1:1/ocpp", start=spec)

    with pytest.raises(EngineError, match=r"exit code 2 before it was ready[\s\S]*no such flag"):
        async with Engine(sut, options(tmp_path)):
            pytest.fail("began")


async def test_interrupted_run_cleans_up_within_two_seconds(tmp_path: Path) -> None:
    """Cancelled in the middle: transactions are stopped, what was found is kept."""
    bend, has_result = Charging(2), asyncio.Event()
    async with Miniature(bend=bend) as miniature:
        steps = CHARGE + "- wait: 60\n"
        cases = [
            scenario(tmp_path, BOOT, case="TC_900_CSMS"),
            *(scenario(tmp_path, steps, case=f"TC_90{n}_CSMS") for n in range(1, 5)),
        ]
        sut = system(miniature, identities=3)
        async with Engine(sut, options(tmp_path)) as engine:
            task = asyncio.create_task(engine.run(cases, lambda _: has_result.set()))
            await asyncio.gather(bend.is_reached.wait(), has_result.wait())
            started_s = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            took_s = time.monotonic() - started_s
            run = engine.result()

    assert took_s < 2
    assert miniature.open_transactions == {}
    verdicts = {case.case_id: case.verdict for case in run.cases}
    assert verdicts.pop("TC_900_CSMS") is Verdict.PASSED
    assert set(verdicts.values()) == {Verdict.NOT_RUN}
    assert len(verdicts) == 4
    assert run.stopped == "interrupted"


@pytest.mark.slow
async def test_stop_ends_a_hanging_system_quickly(tmp_path: Path) -> None:
    """Even when the Central System answers nothing, a stopped case is gone within two seconds."""

    @dataclass
    class Mute(Charging):
        async def answers(self, link: Link, call: Incoming, frame: str) -> list[str | bytes]:
            return [] if self.is_reached.is_set() else [frame]

    bend = Mute()
    async with Miniature(bend=bend) as miniature:
        sut = system(miniature, limit_s=30.0)
        async with Engine(sut, options(tmp_path)) as engine:
            steps = CHARGE + "- send: Heartbeat\n  payload: {}\n"
            task = asyncio.create_task(engine.run_case(scenario(tmp_path, steps)))
            await bend.is_reached.wait()
            started_s = time.monotonic()
            engine.stop("enough")
            case = await task

    assert time.monotonic() - started_s < 2
    assert (case.verdict, case.reason) == (Verdict.NOT_RUN, "enough")
    assert "cleanup.incomplete" in rules(case)


@pytest.mark.slow
async def test_stop_while_cleaning_up_is_quick_and_keeps_the_verdict(tmp_path: Path) -> None:
    """A case that is done keeps its verdict, even when its clean-up is given up."""
    is_stopping = asyncio.Event()

    class Hanging(Bend):
        async def answers(self, link: Link, call: Incoming, frame: str) -> list[str | bytes]:
            if call.action != "StopTransaction":
                return [frame]
            is_stopping.set()
            return []

    case = scenario(tmp_path, CHARGE)
    async with (
        Miniature(bend=Hanging()) as miniature,
        Engine(system(miniature, limit_s=30.0), options(tmp_path)) as engine,
    ):
        task = asyncio.create_task(engine.run_case(case))
        await is_stopping.wait()
        started_s = time.monotonic()
        engine.stop("enough")
        result = await task

    assert time.monotonic() - started_s < 2
    assert (result.verdict, rules(result)) == (Verdict.PASSED, ["cleanup.incomplete"])


async def test_cancelled_case_cleans_up(tmp_path: Path) -> None:
    """Whoever cancels a single case leaves no transaction behind."""
    bend = Charging()
    case = scenario(tmp_path, CHARGE + "- wait: 60\n")
    async with (
        Miniature(bend=bend) as miniature,
        Engine(system(miniature), options(tmp_path)) as engine,
    ):
        task = asyncio.create_task(engine.run_case(case))
        await bend.is_reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert miniature.open_transactions == {}


async def test_leftovers_of_a_dead_run_are_stopped_first(tmp_path: Path) -> None:
    """What a killed run left open is ended before the first case, and told."""
    journal = tmp_path / "leftovers.jsonl"
    async with Miniature() as miniature:
        sut = system(miniature)
        miniature.open_transactions[42] = "CP2"
        left = {"identity": "CP2", "transaction_id": 42, "connector_id": 1, "id_tag": "CARD2"}
        entry = {
            "at": datetime.now(UTC).isoformat(),
            "url": miniature.url,
            "pid": 1,
            "born": "never",
            "open": {**left, "meter_start": 7},
        }
        journal.write_text(json.dumps(entry) + '\n{"half a li')
        async with Engine(sut, options(tmp_path, leftovers=journal)) as engine:
            assert miniature.open_transactions == {}
            run = await engine.run([scenario(tmp_path, CHARGE)])

    assert [finding.rule for finding in run.findings] == ["leftover.transaction"]
    assert "transaction 42 of CP2" in run.findings[0].message
    assert not journal.exists()


async def test_workers_clean_up_what_is_theirs(tmp_path: Path) -> None:
    """Of two workers, each stops the leftovers of its own identities; gone ones are told once."""
    journal = tmp_path / "leftovers.jsonl"
    async with Miniature() as miniature:
        sut = system(miniature, identities=2)
        lines = []
        for number, identity in enumerate(("CP1", "CP2", "GONE"), start=1):
            miniature.open_transactions[number] = identity
            left = {"identity": identity, "transaction_id": number, "connector_id": 1}
            entry = {"at": datetime.now(UTC).isoformat(), "url": miniature.url, "pid": 2**22 + 1}
            lines.append(json.dumps({**entry, "open": {**left, "id_tag": "", "meter_start": 0}}))
        journal.write_text("\n".join(lines) + "\n")
        told = []
        for worker in range(2):
            chosen = options(tmp_path, leftovers=journal, worker=worker, workers=2)
            async with Engine(replace(sut, id_tags={"valid": ("A", "B")}), chosen) as engine:
                told.append([finding.message for finding in engine.result().findings])

    assert miniature.open_transactions == {3: "GONE"}
    assert [len(one) for one in told] == [2, 1]
    assert "transaction 1 of CP1 open; it was stopped" in told[0][0]
    assert "not in the system-under-test file any more" in told[0][1]


async def test_roles_that_are_wrong_everywhere_are_told(tmp_path: Path) -> None:
    """Every card of a role gets the same unexpected status: probably nobody provisioned them."""
    steps = BOOT + (
        "- send: Authorize\n  payload: {idTag: $expired_id_tag}\n"
        "  expect: {idTagInfo: {status: Expired}}\n"
    )
    tags = {"valid": ("CARD1",), "expired": ("OLD1", "OLD2")}
    async with Miniature() as miniature:
        cases = [scenario(tmp_path, steps, case=f"TC_90{n}_CSMS") for n in range(2)]
        async with Engine(system(miniature, id_tags=tags), options(tmp_path)) as engine:
            run = await engine.run(cases)

    (finding,) = [one for one in run.findings if one.rule == "provisioning.id_tag"]
    assert "role 'expired' got Accepted" in finding.message


async def test_missing_role_is_the_files_fault(tmp_path: Path) -> None:
    """A case that needs a card the file does not list is an error with the remedy."""
    steps = BOOT + "- send: Authorize\n  payload: {idTag: $blocked_id_tag}\n"
    async with Miniature() as miniature, Engine(system(miniature), options(tmp_path)) as engine:
        case = await engine.run_case(scenario(tmp_path, steps))

    assert (case.verdict, rules(case)) == (Verdict.ERROR, ["harness.pool"])
    assert "id_tags: {blocked: [...]}" in case.reason


async def test_undeclared_cases_do_not_apply(tmp_path: Path) -> None:
    """Profile and edition decide, without touching the system."""
    async with Miniature() as miniature:
        sut = system(
            miniature, declaration=Declaration(profiles=frozenset({Profile.SMART_CHARGING}))
        )
        async with Engine(sut, options(tmp_path, edition="2025-02")) as engine:
            case = await engine.run_case(scenario(tmp_path, BOOT))
            newer = replace(scenario(tmp_path, BOOT), editions=EditionRange("2025-06"))
            other = await engine.run_case(newer)

    assert case.verdict is other.verdict is Verdict.NOT_APPLICABLE
    assert "profile Core is not declared" in case.reason
    assert "edition 2025-02" in other.reason
    assert miniature.calls == []


async def test_what_is_mandatory_applies_with_core(tmp_path: Path) -> None:
    """The certificate counts a mandatory case under Core, whichever profile it belongs to."""
    diagnostics = replace(
        scenario(tmp_path, BOOT),
        profile=Profile.FIRMWARE_MANAGEMENT,
        requirement=Requirement.MANDATORY,
    )
    firmware = replace(diagnostics, requirement=Requirement.CONDITIONAL)
    async with Miniature() as miniature:
        sut = system(miniature, declaration=Declaration(profiles=frozenset({Profile.CORE})))
        async with Engine(sut, options(tmp_path)) as engine:
            reasons = [engine.not_applicable(one) for one in (diagnostics, firmware)]

    assert reasons == ["", "profile FirmwareManagement is not declared (pics.profiles)"]


@pytest.mark.parametrize(
    ("interval_s", "slow", "reason"),
    [
        (1, False, ""),
        (60, False, "lets 120 s pass; runs with --slow"),
        (60, True, ""),
    ],
)
async def test_long_waits_beyond_the_official_cases_need_consent(
    tmp_path: Path, interval_s: int, slow: bool, reason: str
) -> None:
    """How long a case waits follows from what the system-under-test file declares."""
    official = scenario(tmp_path, BOOT + "- wait: $ping_interval_s\n- wait: $ping_interval_s\n")
    async with Miniature() as miniature:
        sut = system(miniature)
        sut = replace(sut, variables={**sut.variables, "ping_interval_s": interval_s})
        async with Engine(sut, options(tmp_path, slow=slow)) as engine:
            beyond = engine.not_applicable(replace(official, case_set=CaseSet.BEYOND))
            reasons = [engine.not_applicable(official), beyond]

    assert reasons == ["", reason]


async def test_a_cases_own_variables_are_told(tmp_path: Path) -> None:
    """A result names the variables of the case with the values of this run."""
    timed = replace(scenario(tmp_path, BOOT), variables={"offset_s": 3, "who": "$identity"})
    async with Miniature() as miniature:
        sut = replace(system(miniature), variables={"offset_s": 30})
        async with Engine(sut, options(tmp_path)) as engine:
            case = await engine.run_case(timed)

    assert case.variables == {"offset_s": 30, "who": case.identity}


async def test_nothing_secret_leaves_the_engine(tmp_path: Path) -> None:
    """Passwords are masked in frames, findings and everything else of a result."""

    class Chatty(Bend):
        async def opened(self, link: Link) -> None:
            await link.request("DataTransfer", {"vendorId": "x", "data": "password-1 told"})

    async with Miniature(bend=Chatty()) as miniature:
        sut = system(miniature, identities=1)
        async with Engine(sut, options(tmp_path)) as engine:
            run = await engine.run([scenario(tmp_path, BOOT + RESET)])

    assert "password-1" not in repr(run)
    assert "*** told" in repr(run)


async def test_a_password_among_the_variables_is_secret(tmp_path: Path) -> None:
    """A file may set the password that TC_073 gives; the settings of the run do not show it."""
    async with Miniature() as miniature:
        sut = system(miniature, variables={"new_password": "zig-zag-plain-77"})
        async with Engine(sut, options(tmp_path)) as engine:
            run = engine.result()
            told = [
                engine.masker.mask(text) for text in ("zig-zag-plain-77", "emlnLXphZy1wbGFpbi03Nw")
            ]

    assert "zig-zag-plain-77" not in repr(run)
    assert told == ["***", "***"]


async def test_workers_have_their_own_shares(tmp_path: Path) -> None:
    """Two workers never use the same identity or card, and families stay together."""
    async with Miniature() as miniature:
        sut = system(miniature, id_tags={"valid": ("A1", "A2"), "parent": ("P1", "P2")})
        seen = []
        for worker in range(2):
            engine = Engine(sut, options(tmp_path, worker=worker, workers=2))
            seen.append({one.identity for one in engine._identities})
            assert engine._id_tags["valid"][0][1] == engine._id_tags["parent"][0][1]

    assert seen[0] & seen[1] == set()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edition": "1999-01"}, "edition '1999-01' is not known"),
        ({"concurrency": 0}, "at least 1"),
        ({"worker": 8, "workers": 9}, "too few for 9 workers"),
    ],
)
def test_impossible_options_are_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    """Options that fit nothing are told before anything starts."""
    sut = system(None, ocpp_url="ws://127.0.0.1:1/ocpp")

    with pytest.raises(EngineError, match=message):
        Engine(sut, RunOptions(run_dir=tmp_path, **changes))  # type: ignore[arg-type]


async def test_refused_provisioning_stops_before_any_case(tmp_path: Path) -> None:
    """A system that registers nothing is told with the request it refused."""
    async with Miniature() as miniature:
        sut: SystemUnderTest = system(miniature)
        assert isinstance(sut.driver, HttpDriverSpec)
        driver = replace(sut.driver, identities=(RequestTemplate(path="/$identity/Reset"),))
        sut = replace(
            sut, driver=driver, identities=(Credentials("CP1", b"a-password", security_profile=1),)
        )
        with pytest.raises(EngineError, match="identity CP1 could not be registered"):
            async with Engine(sut, options(tmp_path)):
                pytest.fail("began")


def test_event_loop_is_uvloop_where_there_is_one() -> None:
    """The loop of the runs is the fast one."""
    loop = new_event_loop()
    name = type(loop).__module__
    loop.close()

    assert name.startswith("uvloop")
