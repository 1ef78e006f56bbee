"""Cards and charge points that the Central System does not know: excused, and when not."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from harness.drivers.http_spec import CommandTemplate, HttpDriverSpec, RequestTemplate
from harness.engine import Engine
from harness.model import Scenario
from harness.provisioning import ID_TAG, IDENTITY, Registry
from harness.report.directory import read_report
from harness.results import CaseResult, Finding, RunResult, Severity, Verdict
from harness.sut import SystemUnderTest
from tests.harness.small_runs import BOOT, CHARGE, options, rules, scenario, system
from tests.miniatures import Bend, Incoming, Link, Miniature

ROOT = Path(__file__).parents[2]
AUTHORIZE = BOOT + (
    "- send: Authorize\n  payload: {idTag: $valid_id_tag}\n"
    "  expect: {idTagInfo: {status: Accepted}}\n"
)
CHARGED = CHARGE.replace("{transactionId:", "{idTagInfo: {status: Accepted}, transactionId:")


def knows(*known: str) -> Callable[[str], dict[str, str]]:
    """Return what a Central System says that knows just these cards."""
    return lambda tag: {"status": "Accepted" if tag in known else "Invalid"}


def cases(tmp_path: Path, count: int, steps: str = AUTHORIZE) -> list[Scenario]:
    """Return the same case several times."""
    return [scenario(tmp_path, steps, case=f"TC_9{n:02}_CSMS") for n in range(count)]


async def run(tmp_path: Path, sut: SystemUnderTest, wanted: list[Scenario]) -> RunResult:
    """Run cases one after the other, so that each result stands before the next case begins."""
    async with Engine(sut, options(tmp_path, concurrency=1)) as engine:
        return await engine.run(wanted)


def told(result: RunResult) -> list[Finding]:
    """Return what the run says about provisioning."""
    return [one for one in result.findings if one.rule.startswith("provisioning.")]


def verdicts(result: RunResult) -> set[Verdict]:
    """Return the verdicts there are."""
    return {case.verdict for case in result.cases}


# --- cards -------------------------------------------------------------------------------------


async def test_a_role_nobody_registered_is_said_once(tmp_path: Path) -> None:
    """All cards of the role are Invalid everywhere: no case of them says anything, told once."""
    async with Miniature(accept_tag=knows()) as miniature:
        result = await run(tmp_path, system(miniature), cases(tmp_path, 4))

    assert verdicts(result) == {Verdict.INCONCLUSIVE}
    assert {rule for case in result.cases for rule in rules(case)} == {ID_TAG}
    (finding,) = told(result)
    assert "role 'valid' got Invalid" in finding.message
    asked = [call for call in miniature.calls if call.action == "Authorize"]
    assert len(asked) == 4 + 8  # once more for each card, not for each case


async def test_one_wrong_card_of_many_is_a_failure(tmp_path: Path) -> None:
    """The Central System knows the other cards of the role, so its answer is wrong."""
    good = [f"CARD{n}" for n in range(2, 9)]
    async with Miniature(accept_tag=knows(*good)) as miniature:
        result = await run(tmp_path, system(miniature), cases(tmp_path, 1))

    (case,) = result.cases
    assert (case.verdict, rules(case)) == (Verdict.FAILED, ["rule.Authorize.conf"])
    assert "Is id tag CARD1 (valid) provisioned" in case.reason


async def test_a_fault_of_one_charge_point_is_a_failure(tmp_path: Path) -> None:
    """The same cards are known when another charge point asks."""

    class Refusing(Bend):
        async def answers(self, link: Link, call: Incoming, frame: str) -> list[str | bytes]:
            return [frame.replace('"Accepted"}', '"Invalid"}') if "idTagInfo" in frame else frame]

    async with Miniature(bends={"CP1": Refusing()}) as miniature:
        result = await run(tmp_path, system(miniature), cases(tmp_path, 1))

    assert verdicts(result) == {Verdict.FAILED}


async def test_a_card_that_may_charge_is_known(tmp_path: Path) -> None:
    """Authorize says Invalid of every card, StartTransaction accepts them: that is a fault."""

    class Confused(Bend):
        async def answers(self, link: Link, call: Incoming, frame: str) -> list[str | bytes]:
            if call.action == "Authorize":
                return [frame.replace('"Accepted"', '"Invalid"')]
            return [frame]

    both = [*cases(tmp_path, 2), scenario(tmp_path, CHARGED, case="TC_999_CSMS")]
    async with Miniature(bend=Confused()) as miniature:
        result = await run(tmp_path, system(miniature), both)

    found = {case.case_id: case for case in result.cases}
    failed = [found["TC_900_CSMS"], found["TC_901_CSMS"]]
    assert [case.verdict for case in failed] == [Verdict.FAILED] * 2
    assert found["TC_999_CSMS"].verdict is Verdict.PASSED
    assert told(result) == []
    assert any("other cards of its role are known" in case.reason for case in failed)


@pytest.mark.parametrize("status", ["Blocked", "Expired", "ConcurrentTx"])
async def test_another_status_shows_that_the_card_is_known(tmp_path: Path, status: str) -> None:
    """Who says Blocked of a card knows it: a failure, with the question whether it was meant so."""
    async with Miniature(accept_tag=lambda _: {"status": status}) as miniature:
        result = await run(tmp_path, system(miniature), cases(tmp_path, 2))

    assert verdicts(result) == {Verdict.FAILED}
    (finding,) = told(result)
    assert (finding.severity, f"got {status}" in finding.message) == (Severity.WARNING, True)


async def test_cards_the_run_registered_excuse_nothing(tmp_path: Path) -> None:
    """The interface took the cards; a Central System that forgets them is wrong."""
    async with Miniature(accept_tag=knows()) as miniature:
        request = RequestTemplate(path="/CP1/Register", accept=(409, 404, 200, 500))
        driver = HttpDriverSpec(
            base_url=miniature.command_url,
            command=CommandTemplate(path="/$identity/$action"),
            id_tags={"valid": (request,)},
        )
        sut = system(miniature, driver=driver)
        result = await run(tmp_path, sut, cases(tmp_path, 2))

    assert verdicts(result) == {Verdict.FAILED}


async def test_cases_about_the_standing_of_a_card_are_never_excused(tmp_path: Path) -> None:
    """An expired card that is Invalid may be missing, but telling is the case's own matter."""
    steps = AUTHORIZE.replace("valid", "expired").replace("Accepted}}", "Expired}}")
    tags = {"valid": ("CARD1",), "expired": ("OLD1", "OLD2")}
    async with Miniature(accept_tag=knows("CARD1")) as miniature:
        sut = system(miniature, id_tags=tags)
        result = await run(tmp_path, sut, cases(tmp_path, 2, steps))

    assert verdicts(result) == {Verdict.FAILED}
    assert "role 'expired' got Invalid" in told(result)[0].message


async def test_whatever_else_is_wrong_stays_wrong(tmp_path: Path) -> None:
    """A missing card excuses what follows from it, not a field that is too long."""

    class Wordy(Bend):
        async def answers(self, link: Link, call: Incoming, frame: str) -> list[str | bytes]:
            return [frame.replace('"Invalid"', f'"Invalid", "parentIdTag": "{"X" * 21}"')]

    async with Miniature(bend=Wordy(), accept_tag=knows()) as miniature:
        result = await run(tmp_path, system(miniature), cases(tmp_path, 1))

    (case,) = result.cases
    assert case.verdict is Verdict.FAILED
    assert ID_TAG in rules(case)


async def test_a_central_system_that_does_not_answer_again_is_not_excused(tmp_path: Path) -> None:
    """Without a proper answer for each card in the fresh session nobody can say it is unknown."""

    class Falling(Bend):
        async def answers(self, link: Link, call: Incoming, frame: str) -> list[str | bytes]:
            is_again = link.identity != "CP1" and call.action == "Authorize"
            return [f'[4,"{call.message_id}","InternalError","",{{}}]'] if is_again else [frame]

    async with Miniature(bend=Falling(), accept_tag=knows()) as miniature:
        result = await run(tmp_path, system(miniature), cases(tmp_path, 1))

    assert verdicts(result) == {Verdict.FAILED}


# --- charge points -----------------------------------------------------------------------------


class Doors(Miniature):
    """Refuses some identities, for some time."""

    def __init__(self, refused: dict[str, list[HTTPStatus | None]]) -> None:
        """Take the answers to the handshakes of each identity; the last one stays."""
        super().__init__()
        self.refused = refused

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        answers = self.refused.get(request.path.rpartition("/")[2], [None])
        status = answers.pop(0) if len(answers) > 1 else answers[0]
        return None if status is None else connection.respond(status, "no")


@pytest.mark.parametrize("status", [HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND])
async def test_an_identity_nobody_registered_is_said_once(
    tmp_path: Path, status: HTTPStatus
) -> None:
    """Its cases say nothing; those of the others pass."""
    async with Doors({"CP1": [status], "CP2": [status]}) as miniature:
        sut = system(miniature, identities=3)
        result = await run(tmp_path, sut, cases(tmp_path, 3, BOOT))

    assert sorted(case.verdict for case in result.cases) == [
        Verdict.INCONCLUSIVE,
        Verdict.INCONCLUSIVE,
        Verdict.PASSED,
    ]
    (finding,) = told(result)
    assert (finding.rule, "CP1, CP2" in finding.message) == (IDENTITY, True)


async def test_an_identity_nobody_registered_takes_one_case_at_most(tmp_path: Path) -> None:
    """The other cases go to those that are let in, and the run goes on."""
    async with Doors({f"CP{n}": [HTTPStatus.NOT_FOUND] for n in range(2, 9)}) as miniature:
        wanted = cases(tmp_path, 20, BOOT)
        async with Engine(system(miniature), options(tmp_path)) as engine:
            result = await engine.run(wanted)

    counts = Counter(case.verdict for case in result.cases)
    assert counts == {Verdict.PASSED: 13, Verdict.INCONCLUSIVE: 7}
    assert result.stopped == ""


async def test_when_nobody_is_let_in_the_run_stops(tmp_path: Path) -> None:
    """All are refused: the run ends, and what was tried is excused alike."""
    async with Doors({f"CP{n}": [HTTPStatus.NOT_FOUND] for n in range(1, 4)}) as miniature:
        result = await run(tmp_path, system(miniature, identities=3), cases(tmp_path, 20, BOOT))

    counts = Counter(case.verdict for case in result.cases)
    assert counts.keys() == {Verdict.INCONCLUSIVE, Verdict.NOT_RUN}
    assert "answered nothing" in result.stopped


@pytest.mark.parametrize("status", [HTTPStatus.FORBIDDEN, HTTPStatus.BAD_GATEWAY])
async def test_other_refusals_are_failures(tmp_path: Path, status: HTTPStatus) -> None:
    """Only 401 and 404 say that somebody is not known."""
    async with Doors({"CP1": [status]}) as miniature:
        result = await run(tmp_path, system(miniature, identities=1), cases(tmp_path, 1, BOOT))

    assert verdicts(result) == {Verdict.FAILED}


async def test_who_is_let_in_the_next_time_was_known(tmp_path: Path) -> None:
    """Refused once with 401 and let in right after: that is a fault."""
    async with Doors({"CP1": [HTTPStatus.UNAUTHORIZED, None]}) as miniature:
        result = await run(tmp_path, system(miniature, identities=1), cases(tmp_path, 1, BOOT))

    assert verdicts(result) == {Verdict.FAILED}


async def test_who_is_let_in_later_takes_the_excuse_back(tmp_path: Path) -> None:
    """Refused twice, then let in by another case of the run: a failure in the end."""
    no = HTTPStatus.NOT_FOUND
    async with Doors({"CP1": [no, no, None]}) as miniature:
        result = await run(tmp_path, system(miniature, identities=1), cases(tmp_path, 2, BOOT))

    assert [case.verdict for case in result.cases] == [Verdict.FAILED, Verdict.PASSED]
    assert told(result) == []


async def test_refused_in_the_middle_is_a_failure(tmp_path: Path) -> None:
    """A charge point that was in and is refused when it comes back is registered."""
    steps = BOOT + "- disconnect: close\n- connect: {}\n"
    async with Doors({"CP1": [None, HTTPStatus.UNAUTHORIZED]}) as miniature:
        result = await run(tmp_path, system(miniature, identities=1), cases(tmp_path, 1, steps))

    assert verdicts(result) == {Verdict.FAILED}


@pytest.mark.parametrize(
    "more", ["security_profiles: [1]\n", "steps_with: credentials"], ids=["profiles", "step"]
)
async def test_cases_about_connecting_are_never_excused(tmp_path: Path, more: str) -> None:
    """Who tries the right password and is refused has found what the case looks for."""
    steps = BOOT
    if more.startswith("steps_with"):
        steps, more = BOOT.replace("connect: {}", "connect: {credentials: own}"), ""
    wanted = scenario(tmp_path, steps, more=more)
    async with Doors({"CP1": [HTTPStatus.UNAUTHORIZED]}) as miniature:
        result = await run(tmp_path, system(miniature, identities=1), [wanted])

    assert verdicts(result) == {Verdict.FAILED}


async def test_identities_the_run_registered_excuse_nothing(tmp_path: Path) -> None:
    """The interface took the charge point; refusing it is a fault."""
    async with Doors({"CP1": [HTTPStatus.NOT_FOUND]}) as miniature:
        request = RequestTemplate(path="/CP1/Register", accept=(404, 409, 200, 500))
        driver = HttpDriverSpec(
            base_url=miniature.command_url,
            command=CommandTemplate(path="/$identity/$action"),
            identities=(request,),
        )
        sut = system(miniature, identities=1, driver=driver)
        result = await run(tmp_path, sut, cases(tmp_path, 1, BOOT))

    assert verdicts(result) == {Verdict.FAILED}


# --- several workers ---------------------------------------------------------------------------


async def test_what_one_worker_excused_another_can_refute(tmp_path: Path) -> None:
    """Each worker sees its own cards; together they know that the role is known."""
    known = ["CARD2", "CARD4", "CARD6", "CARD8"]
    parts: list[CaseResult] = []
    async with Miniature(accept_tag=knows(*known)) as miniature:
        sut = system(miniature)
        for worker in range(2):
            chosen = options(tmp_path, worker=worker, workers=2)
            async with Engine(sut, chosen) as engine:
                case = scenario(tmp_path, AUTHORIZE, case=f"TC_90{worker}_CSMS")
                parts.append((await engine.run([case])).cases[0])
    assert [case.verdict for case in parts] == [Verdict.INCONCLUSIVE, Verdict.PASSED]

    judged, findings = Registry(sut, lambda _: "").judge(parts)

    assert [case.verdict for case in judged] == [Verdict.FAILED, Verdict.PASSED]
    assert findings == []


async def test_without_a_word_against_it_an_excuse_stays(tmp_path: Path) -> None:
    """Judged again as a whole, what all workers excused is excused and told once."""
    async with Miniature(accept_tag=knows()) as miniature:
        sut = system(miniature)
        parts = (await run(tmp_path, sut, cases(tmp_path, 2))).cases

    judged, findings = Registry(replace(sut), lambda _: "").judge(parts)

    assert judged == parts
    assert [one.rule for one in findings] == [ID_TAG]


@pytest.mark.slow
@pytest.mark.parametrize("known", [(), ("CARD2", "CARD4")], ids=["none", "half"])
async def test_xdist_comes_to_the_same(tmp_path: Path, known: tuple[str, ...]) -> None:
    """Two processes, each with its own cards: excused where all are unknown, else failed."""
    (tmp_path / "cases").mkdir()
    cases(tmp_path / "cases", 6)
    async with Miniature(accept_tag=knows(*known)) as miniature:
        (tmp_path / "sut.yaml").write_text(
            f"name: Small\nocpp_url: {miniature.url}\n"
            "identities: {pattern: 'CP{n}', count: 4}\n"
            "id_tags: {valid: {pattern: 'CARD{n}', count: 4}}\n"
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", ".", "--noconftest"),
            *("-p", "harness.plugin", "-p", "allure_pytest.plugin", "-p", "xdist.plugin"),
            *("--disable-plugin-autoload", "-n", "2", "--sut", "sut.yaml", "cases"),
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()

    # Nothing passed is a run that proves nothing.
    assert process.returncode == (1 if known else 2), output.decode()
    found = read_report(tmp_path / "reports" / "latest").run
    if known:
        assert verdicts(found) == {Verdict.FAILED, Verdict.PASSED}
        assert told(found) == []
    else:
        assert verdicts(found) == {Verdict.INCONCLUSIVE}
        assert [one.rule for one in told(found)] == [ID_TAG]
