"""The list of cases, and why each is in or out."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from harness.declaration import Declaration, Switch
from harness.drivers.driver import Credentials, Operation
from harness.drivers.http_spec import CommandTemplate, HttpDriverSpec
from harness.listing import Entry, entries, show, to_json
from harness.loader import library_directory, load_tree
from harness.model import Profile
from harness.sut import SystemUnderTest
from tests.harness.small_runs import system

SCENARIOS = load_tree([library_directory()]).scenarios
DECLARED = Declaration(
    profiles=frozenset({Profile.CORE, Profile.REMOTE_TRIGGER}),
    features={"authorization_cache": False, "read_all_keys": True},
    cases={
        "TC_010_CSMS": Switch(False, "no cable here"),
        "TC_046_CSMS": Switch(True, "asked for by a customer"),
    },
)


def sut(declaration: Declaration = DECLARED) -> SystemUnderTest:
    one = replace(system(None, ocpp_url="ws://x"), declaration=declaration)
    return replace(one, identities=(Credentials("CP1", security_profile=1),))


def listed(sut_: SystemUnderTest | None = None, edition: str = "2025-11") -> dict[str, Entry]:
    return {one.scenario.id: one for one in entries(SCENARIOS, sut_, edition=edition)}


def shown(width: int, *, why: bool = True) -> str:
    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None)
    show(list(listed(sut()).values()), console, why=why)
    return text.getvalue()


@pytest.mark.parametrize(
    ("case_id", "is_in", "words"),
    [
        ("TC_001_CSMS", True, "mandatory"),
        ("TC_005_1_CSMS", True, "unconfirmed"),
        ("TC_010_CSMS", False, "switched off (pics.cases): no cable here"),
        ("TC_019_1_CSMS", True, "conditional: read_all_keys is declared"),
        ("TC_046_CSMS", True, "switched on (pics.cases): asked for by a customer"),
        ("TC_047_CSMS", False, "profile Reservation is not declared"),
        ("TC_054_CSMS", True, "conditional: profile RemoteTrigger is declared"),
        ("TC_061_CSMS", False, "declared as missing: authorization_cache"),
        ("TC_073_CSMS", True, "mandatory; on security profile 1"),
        ("TC_074_CSMS", False, "profile Security is not declared"),
        ("TC_086_CSMS", False, "security profile 2 or 3 is not declared"),
        ("TC_080_CSMS", False, "profile FirmwareManagement is not declared"),
        ("BEYOND_UNITS", True, "--extended"),
    ],
)
def test_every_case_has_its_reason(case_id: str, is_in: bool, words: str) -> None:
    """The declaration, its switches and what the file provides decide together."""
    decision = listed(sut())[case_id].decision

    assert decision.is_in is is_in
    assert words in decision.reason


def test_a_case_switched_on_still_needs_an_identity() -> None:
    """A switch makes no security profile."""
    declaration = Declaration(cases={"TC_087_CSMS": Switch(True, "wanted")})

    decision = listed(sut(declaration))["TC_087_CSMS"].decision

    assert not decision.is_in
    assert "security profile 3 is not declared" in decision.reason


def test_a_declared_profile_that_nothing_is_provided_for_is_open() -> None:
    """The case applies, and will be inconclusive: the list says so before the run."""
    declaration = Declaration(security_profiles=(1, 2))

    entry = listed(sut(declaration))["TC_086_CSMS"]

    assert (entry.decision.is_in, entry.decision.ground.value) == (True, "not provided")
    assert "no endpoint or no identities" in entry.decision.reason


def test_what_the_driver_cannot_ask_for_is_said_before_the_run() -> None:
    """Those cases are in and will be inconclusive; a case that is out needs no driver."""
    spec = HttpDriverSpec(
        base_url="http://127.0.0.1:1",
        command=CommandTemplate(path="/$action"),
        unsupported={Operation.RESET: "there is no button"},
    )
    with_driver = listed(replace(sut(), driver=spec))
    without = listed(sut())

    assert dict(with_driver["TC_013_CSMS"].unsupported) == {"Reset": "there is no button"}
    assert with_driver["TC_013_CSMS"].reason == (
        "mandatory; the driver cannot ask for Reset: there is no button"
    )
    assert with_driver["TC_021_CSMS"].unsupported == {}
    assert "nobody can make the Central System send Reset" in without["TC_013_CSMS"].reason
    assert "driver" not in without["TC_047_CSMS"].reason
    assert without["TC_001_CSMS"].reason == "mandatory"


def test_without_a_system_nothing_is_declared() -> None:
    """Then every case of the edition is in."""
    out = {one.scenario.id for one in listed(None, "2024-04").values() if not one.decision.is_in}

    assert out == {"TC_083_CSMS", "TC_088_CSMS"}


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_keeps_to_the_width(width: int) -> None:
    """No line is cut off or longer than the terminal; the totals say what is in."""
    lines = shown(width).splitlines()

    assert max(len(line) for line in lines[:-1]) <= width
    assert any(line.strip().startswith("TC_047_CSMS") and " out " in line for line in lines)
    marks = [word for line in lines for word in line.split()[1:12] if word in ("in", "open", "out")]
    assert {"in", "open", "out"} <= set(marks)
    assert lines[-1].startswith("77 official cases, ")
    assert "out of the driver's reach" in lines[-1]


def test_machines_get_the_same_and_the_commands_needed() -> None:
    """One document with every case; an operator has to do what `commands` names."""
    document = json.loads(to_json(list(listed(sut()).values()), edition="2025-11"))

    cases = {one["id"]: one for one in document["cases"]}
    assert document["edition"] == "2025-11"
    assert set(cases) == {one.id for one in SCENARIOS}
    assert cases["TC_013_CSMS"]["commands"] == ["Reset"]
    assert cases["TC_001_CSMS"]["commands"] == []
    assert (cases["TC_047_CSMS"]["is_in"], cases["TC_047_CSMS"]["ground"]) == (
        False,
        "not declared",
    )
