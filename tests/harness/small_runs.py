"""Small runs against a miniature Central System: tiny budgets, scenarios written in the test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent, indent

from harness.access import Access
from harness.drivers.driver import Credentials
from harness.drivers.http_spec import CommandTemplate, HttpDriverSpec
from harness.engine import Engine, RunOptions
from harness.loader import load_file
from harness.model import Scenario
from harness.pki import Pki
from harness.results import CaseResult
from harness.sut import Budget, SystemUnderTest
from tests.miniatures import Miniature

# A connected charge point, without the frames of the state Connected.
CONNECT = "- connect: {}"
BOOT = """\
- connect: {}
- send: BootNotification
  payload: {chargePointVendor: $vendor, chargePointModel: $model}
  expect: {status: Accepted}
"""
CHARGE = (
    BOOT
    + """\
- send: StatusNotification
  payload: {connectorId: 1, errorCode: NoError, status: Charging}
- send: StartTransaction
  payload: {connectorId: 1, idTag: $valid_id_tag, meterStart: 7, timestamp: $now}
  expect: {transactionId: {capture: transaction_id}}
"""
)
RESET = """\
- operator: Reset
  payload: {type: Soft}
- receive: Reset
  payload: {type: Soft}
"""


def scenario(tmp_path: Path, steps: str, *, case: str = "TC_900_CSMS", more: str = "") -> Scenario:
    """Return a scenario of these steps and nothing before them."""
    path = tmp_path / f"{case}.yaml"
    head = (
        f"id: {case}\ntitle: A test\nprofile: Core\nrequirement: mandatory\n"
        f"purpose: To test the runner.\nstart: none\n{dedent(more)}steps:\n"
    )
    path.write_text(head + indent(steps, "  "))
    return load_file(path)


def system(
    miniature: Miniature | None,
    *,
    limit_s: float = 2.0,
    identities: int = 8,
    command_path: str = "/$identity/$action",
    id_tags: Mapping[str, tuple[str, ...]] | None = None,
    **changes: object,
) -> SystemUnderTest:
    """Return a system-under-test file's content for a miniature."""
    numbers = range(1, identities + 1)
    fields: dict[str, object] = {
        "name": "miniature",
        "path": Path("suts/miniature.yaml"),
        "identities": tuple(
            Credentials(f"CP{n}", f"password-{n}".encode(), security_profile=1) for n in numbers
        ),
        "id_tags": id_tags or {"valid": tuple(f"CARD{n}" for n in numbers)},
        "budgets": {
            "ocpp_response_timeout": Budget(limit_s, None),
            "authorize": Budget(limit_s, None),
        },
        "action_timeout_s": 1.0,
    }
    if miniature is not None:
        command = CommandTemplate(path=command_path)
        fields["ocpp_url"] = miniature.url
        fields["driver"] = HttpDriverSpec(base_url=miniature.command_url, command=command)
    fields |= changes
    if "access" not in fields:
        url = str(fields["ocpp_url"])
        pki = Pki(Path("nowhere"), hosts=["127.0.0.1"])
        fields["access"] = Access(endpoints={0: url, 1: url}, pki=pki)
    return SystemUnderTest(**fields)  # type: ignore[arg-type]


def options(tmp_path: Path, **changes: object) -> RunOptions:
    """Return options that keep a run short."""
    fields: dict[str, object] = {"run_dir": tmp_path / "run", "settle_s": 0.05}
    return RunOptions(**{**fields, **changes})  # type: ignore[arg-type]


async def run_one(
    tmp_path: Path,
    miniature: Miniature,
    steps: str,
    *,
    strict: bool = False,
    more: str = "",
    **changes: object,
) -> CaseResult:
    """Run a case of these steps against a miniature."""
    sut = system(miniature, **changes)  # type: ignore[arg-type]
    async with Engine(sut, options(tmp_path, strict=strict)) as engine:
        return await engine.run_case(scenario(tmp_path, steps, more=more))


def rules(case: CaseResult) -> list[str]:
    """Return the rules of a case's findings, in order."""
    return [finding.rule for finding in case.findings]


def outcomes(case: CaseResult) -> list[str]:
    """Return what became of each step, in order."""
    return [step.outcome for step in case.steps]
