"""Operator steps: when a driver's word counts, how long it may take, what it is held against."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest

from harness.commands import Command
from harness.drivers.driver import DriverOutcome, Outcome
from harness.drivers.http_spec import CommandTemplate, HttpDriverSpec
from harness.drivers.python import PythonDriverSpec
from harness.model import Json, OperatorStep, Position
from harness.results import Verdict
from tests.harness.small_runs import BOOT, RESET, rules, run_one
from tests.miniatures import Miniature


def python_driver(tmp_path: Path, body: str) -> PythonDriverSpec:
    """Return a driver of a class with this body."""
    path = tmp_path / "own.py"
    head = "import asyncio\n\nclass Own:\n    def __init__(self, options): pass\n"
    path.write_text(head + "".join(f"    {line}\n" for line in dedent(body).splitlines()))
    return PythonDriverSpec(name="Own", path=path)


async def test_what_a_driver_cannot_ask_for_is_not_waited_for(tmp_path: Path) -> None:
    """The case ends inconclusive at once: neither the time for the request nor for its word."""
    driver = HttpDriverSpec(
        base_url="http://127.0.0.1:1",
        actions={"Reset": (CommandTemplate(unsupported="it has no resets"),)},
    )
    async with Miniature() as miniature:
        began_s = time.monotonic()
        case = await run_one(tmp_path, miniature, BOOT + RESET, driver=driver, action_timeout_s=30)

    assert (rules(case), case.verdict) == (["request.not-observed"], Verdict.INCONCLUSIVE)
    assert "the driver cannot do it: it has no resets" in case.reason
    assert case.driver_reports[0].outcome == "unsupported"
    assert time.monotonic() - began_s < 2


@pytest.mark.slow
async def test_a_patient_driver_has_no_deadline(tmp_path: Path) -> None:
    """The time for the request begins when the step was carried out."""
    driver = python_driver(
        tmp_path,
        """
        is_patient = True

        async def command(self, identity, operation, payload):
            await asyncio.sleep(0.3)
        """,
    )
    async with Miniature() as miniature:
        case = await run_one(tmp_path, miniature, BOOT + RESET, driver=driver, action_timeout_s=0.1)

    assert rules(case) == ["request.missing", "driver.claims"]
    assert case.driver_reports[0].outcome == "done"
    assert (case.driver_reports[0].duration_s or 0) >= 0.3


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("'Rejected'", ["driver.differs"]),
        ("'REJECTED'", ["driver.differs"]),
        ("{'status': 'Rejected'}", ["driver.differs"]),
        ("'ACCEPTED'", []),
        ("{'status': 'Accepted'}", []),
        ("{'status': 'ok'}", []),
        ("{'status': 1}", []),
        ("{}", []),
    ],
)
async def test_only_an_answer_is_held_against_the_answer(
    tmp_path: Path, said: str, found: list[str]
) -> None:
    """Other spellings are the same answer; what no charge point answers is no answer."""
    async with Miniature() as miniature:
        driver = python_driver(
            tmp_path,
            f"""
            async def command(self, identity, operation, payload):
                import urllib.request, json
                from harness.drivers.driver import DriverOutcome, Outcome
                url = f"{miniature.command_url}/{{identity}}/{{operation}}"
                request = urllib.request.Request(url, json.dumps(payload).encode())
                await asyncio.to_thread(lambda: urllib.request.urlopen(request).close())
                return DriverOutcome(Outcome.DONE, "done", {said})
            """,
        )
        case = await run_one(tmp_path, miniature, BOOT + RESET, driver=driver)

    assert (rules(case), case.verdict) == (found, Verdict.PASSED)


OTHER_KEY = {"key": "HeartbeatInterval", "value": "60"}
CHANGE = """\
- operator: ChangeConfiguration
  payload: {key: ConnectionTimeOut, value: "5"}
- receive: ChangeConfiguration
"""


@pytest.mark.parametrize(
    ("body", "words", "found", "verdict"),
    [
        (OTHER_KEY, "refused", ["driver.differs", "request.not-observed"], Verdict.INCONCLUSIVE),
        ("$payload", "refused", ["driver.differs"], Verdict.PASSED),
        (OTHER_KEY, "done", [], Verdict.PASSED),
    ],
)
async def test_what_comes_by_itself_is_no_order_that_was_refused(
    tmp_path: Path, body: Json, words: str, found: list[str], verdict: Verdict
) -> None:
    """Where a step takes anything, what came must show the order, or the driver have done it."""
    command = CommandTemplate(path="/$identity/$action", body=body, **{words: (200,)})  # type: ignore[arg-type]
    async with Miniature() as miniature:
        driver = HttpDriverSpec(base_url=miniature.command_url, command=command)
        case = await run_one(tmp_path, miniature, BOOT + CHANGE, driver=driver)

    assert (sorted(rules(case)), case.verdict) == (found, verdict)


@pytest.mark.parametrize(
    ("words", "found", "verdict"),
    [
        ("refused", {"request.not-observed", "wire.unasked-call"}, Verdict.INCONCLUSIVE),
        ("pending", {"request.not-observed", "wire.unasked-call"}, Verdict.INCONCLUSIVE),
        ("done", {"rule.ChangeConfiguration.req"}, Verdict.FAILED),
    ],
)
async def test_what_comes_by_itself_fails_no_order_that_was_refused(
    tmp_path: Path, words: str, found: set[str], verdict: Verdict
) -> None:
    """What does not fit is held against the step only if the order was carried out."""
    steps = BOOT + CHANGE.rstrip() + "\n  payload: {key: ConnectionTimeOut}\n"
    command = CommandTemplate(path="/$identity/$action", body=OTHER_KEY, **{words: (200,)})  # type: ignore[arg-type]
    async with Miniature() as miniature:
        driver = HttpDriverSpec(base_url=miniature.command_url, command=command)
        case = await run_one(tmp_path, miniature, steps, driver=driver)

    assert (set(rules(case)), case.verdict) == (found, verdict)


PROFILE: Json = {"stackLevel": 0, "kind": "Absolute", "schedule": {"unit": "A", "periods": [6.0]}}


@pytest.mark.parametrize(
    ("order", "came", "is_in"),
    [
        ({}, {"key": ["any"]}, True),
        ({"type": "Hard"}, {"type": "Hard"}, True),
        ({"type": "Hard"}, {"type": "Soft"}, False),
        ({"type": "Hard"}, ["no object"], False),
        # The same value of another key is no sign of an order.
        ({"key": "Interval", "value": "0"}, {"key": "Period", "value": "0"}, False),
        ({"key": "Interval", "value": "0"}, {"key": "Interval", "value": "1"}, True),
        # Ids of its own, and what is left out, hide no order.
        (
            {"connectorId": 1, "idTag": "X", "id": 7},
            {"connectorId": 1, "idTag": "X", "id": 8},
            True,
        ),
        ({"connectorId": 1, "profile": PROFILE}, {"connectorId": 1, "profile": PROFILE}, True),
        ({"connectorId": 1, "profile": PROFILE}, {"connectorId": 1}, False),
        (
            {"connectorId": 1, "profile": PROFILE},
            {"connectorId": 1, "profile": {"stackLevel": 0, "schedule": {"unit": "A"}}},
            False,
        ),
        (
            {"connectorId": 1, "profile": PROFILE},
            {
                "profile": {"stackLevel": 0, "kind": "Absolute", "schedule": {"unit": "A"}},
                "connectorId": 1,
            },
            True,
        ),
    ],
)
async def test_an_order_is_known_by_most_of_its_values(
    order: dict[str, Json], came: Json, is_in: bool
) -> None:
    """However deep they are."""
    task = asyncio.create_task(asyncio.sleep(0, DriverOutcome(Outcome.DONE, "")))
    step = OperatorStep(position=Position("x", 1, 1), action="Reset", payload=order)
    command = Command(step, order, datetime.now(UTC), 0.0, 0, task)

    assert command.is_in(came) is is_in
    await task
