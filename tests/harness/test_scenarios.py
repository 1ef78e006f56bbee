"""The shipped scenarios against the official list of cases and rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import pytest
from ruamel.yaml import YAML

from harness import flow, schemas
from harness.expressions import connector_variables, references, resolve, scope
from harness.loader import library_directory, load_tree
from harness.matching import match
from harness.model import (
    EDITIONS,
    NEWEST_EDITION,
    AnyOrder,
    Fields,
    Json,
    OperatorStep,
    Receive,
    Scenario,
    Send,
    Step,
    Wait,
)

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT.parent / "shared" / "octt" / "catalogue.yaml"
NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)

LOADED = load_tree([library_directory()])
SCENARIOS = {scenario.id: scenario for scenario in LOADED.scenarios}
VARIABLES: dict[str, Json] = {
    **connector_variables(),
    "identity": "PF0001",
    "vendor": "Vendor",
    "model": "Model",
    "serial_number": "1",
    "connection_timeout_s": 1,
    "unknown_vendor_id": "org.example",
    **{
        name: name.removesuffix("_id_tag")
        for name in (
            "valid_id_tag",
            "valid_id_tag_2",
            "parent_id_tag",
            "invalid_id_tag",
            "expired_id_tag",
            "blocked_id_tag",
        )
    },
}


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


@dataclass(frozen=True, slots=True)
class Rule:
    """One official rule of a case."""

    case: str
    message: str
    field: str
    rule: str
    value: Json
    allowed: tuple[Json, ...] = ()
    until: str | None = None

    def __str__(self) -> str:
        return f"{self.case}-{self.message}-{self.field}-{self.until or ''}"


def listed_rules(listed: Sequence[dict[str, Any]]) -> Iterator[Rule]:
    for case in listed:
        for rule in case["rules"]:
            yield Rule(
                case["id"],
                rule["message"],
                rule["field"],
                rule["rule"],
                rule.get("value"),
                tuple(rule.get("allowed", ())),
                rule.get("until"),
            )


LISTED: list[dict[str, Any]] = read_yaml(library_directory() / "case-list.yaml")["cases"]
RULES = [rule for rule, _ in groupby(sorted(listed_rules(LISTED), key=str))]


def steps_of(scenario: Scenario, edition: str = NEWEST_EDITION) -> list[Step]:
    """Return the steps of an edition, those inside `any_order` too."""
    flat: list[Step] = []
    for step in scenario.steps:
        flat += step.steps if isinstance(step, AnyOrder) else [step]
    return [step for step in flat if step.editions.includes(edition)]


def written_flow(scenario: Scenario) -> list[str]:
    """Return a scenario's messages as the case list writes them, equal neighbours once."""
    words: list[str] = []
    for step in steps_of(scenario):
        if step.state in ("Connected", "Booted") and scenario.steps.index(step) < 5:
            continue  # every case but the first starts there
        if isinstance(step, Receive):
            words.append(step.action)
        elif isinstance(step, Send):
            detail = step.payload.get("status", step.payload.get("reason", ""))
            words.append(f"{step.action} {detail}".strip())
    return [word for word, _ in groupby(words)]


def patterns_for(
    rule: Rule, scenario: Scenario, edition: str
) -> list[tuple[Fields, Fields | None]]:
    """Return what a scenario expects, and warns of, in the messages a rule is about."""
    action, _, kind = rule.message.partition(".")
    found: list[tuple[Fields, Fields | None]] = []
    for step in steps_of(scenario, edition):
        if isinstance(step, Send) and (step.action, "conf") == (action, kind) and step.expect:
            found.append((step.expect, step.warn))
        if isinstance(step, Receive) and (step.action, "req") == (action, kind) and step.payload:
            found.append((step.payload, step.warn))
    return found


def payload_with(field: str, value: Json) -> Json:
    """Return a payload that has one field, given by its dotted path."""
    payload: Json = value
    for part in reversed(field.split(".")):
        payload = {part: payload}
    return payload


def breaks(pattern: Fields, field: str, payload: Json) -> bool:
    """Say whether a pattern complains about a field of a payload."""
    result = match(pattern, payload, variables=VARIABLES, now=NOW)
    return any(one.path == f"$.{field}" for one in result.mismatches)


def right_and_wrong(rule: Rule) -> tuple[list[Json], list[Json]]:
    """Return payloads that a rule must take, and those it must refuse."""

    def with_field(value: Json) -> Json:
        return payload_with(rule.field, value)

    match rule.rule:
        case "equals":
            wrong: list[Json] = ["Other", "", ["Other"], [], 1, None]
            return [with_field(rule.value)], [with_field(one) for one in wrong] + [{}]
        case "one_of":
            right = [*cast("list[Json]", rule.value), *rule.allowed]
            return [with_field(one) for one in right], [with_field("Other"), {}]
        case "empty_or_absent":
            return [{}, with_field([])], [with_field(["Key"]), with_field("")]
        case _:
            raise AssertionError(f"no test for the rule {rule.rule}")


# --- files and list ------------------------------------------------------------------------------


def test_every_file_loads() -> None:
    """Nothing is wrong with any shipped file."""
    assert [str(problem) for problem in LOADED.problems] == []


def test_cases_and_files_are_the_same() -> None:
    """No case is without a file, no file without a case, each file named by its id."""
    assert set(SCENARIOS) == {case["id"] for case in LISTED}
    for scenario in SCENARIOS.values():
        assert Path(scenario.position.file).stem == scenario.id
    assert len(LISTED) == len({case["id"] for case in LISTED}) == 34


@pytest.mark.parametrize("listed", LISTED, ids=lambda case: str(case["id"]))
def test_a_case_is_filed_as_the_list_has_it(listed: dict[str, Any]) -> None:
    """Profile, requirement, section and order of messages agree; words for people are there."""
    scenario = SCENARIOS[listed["id"]]

    assert scenario.profile.value == listed["profile"]
    assert scenario.requirement.value == listed["requirement"]
    assert scenario.section == listed["section"]
    assert written_flow(scenario) == [word for word, _ in groupby(listed["flow"])]
    assert scenario.title
    assert scenario.purpose.endswith(".")


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_case_stands_in_every_edition(edition: str) -> None:
    """In each edition every case has steps, and nothing is used that the edition does not set."""
    for scenario in SCENARIOS.values():
        assert scenario.editions.includes(edition)
        assert steps_of(scenario, edition)
        assert flow.check(scenario, {}) == []


# --- rules ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_every_rule_is_checked_and_can_fail(rule: Rule) -> None:
    """What a rule takes passes, what it refuses fails, in each edition that has the rule."""
    scenario = SCENARIOS[rule.case]
    right, wrong = right_and_wrong(rule)
    editions = [one for one in EDITIONS if rule.until is None or one <= rule.until]

    for edition in editions:
        found = patterns_for(rule, scenario, edition)
        assert found, f"nothing is expected of {rule.message}"
        for payload in right:
            assert not any(breaks(pattern, rule.field, payload) for pattern, _ in found)
        for payload in wrong:
            assert all(breaks(pattern, rule.field, payload) for pattern, _ in found)
        for value in rule.allowed:
            payload = payload_with(rule.field, value)
            assert all(warn and breaks(warn, rule.field, payload) for _, warn in found)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.until], ids=str)
def test_a_rule_ends_with_its_edition(rule: Rule) -> None:
    """Later editions take what an older one refused."""
    _, wrong = right_and_wrong(rule)

    for edition in (one for one in EDITIONS if rule.until is not None and one > rule.until):
        for pattern, _ in patterns_for(rule, SCENARIOS[rule.case], edition):
            assert not any(breaks(pattern, rule.field, payload) for payload in wrong)


def demanded(fields: Fields, path: str = "") -> Iterator[str]:
    for name, inner in fields.fields.items():
        if isinstance(inner, Fields):
            yield from demanded(inner, f"{path}{name}.")
        elif any(check.operator.value != "capture" for check in getattr(inner, "checks", ())):
            yield f"{path}{name}"


def test_nothing_fails_a_case_but_its_rules() -> None:
    """Every expectation but a capture is a rule of the list, or the boot before the case."""
    known = {(rule.case, rule.message, rule.field) for rule in RULES}
    for scenario in SCENARIOS.values():
        for step in steps_of(scenario):
            if isinstance(step, Send):
                pattern, kind = step.expect, "conf"
            elif isinstance(step, Receive):
                pattern, kind = step.payload, "req"
            else:
                continue
            if step.state == "Booted" or pattern is None:
                continue
            for field in demanded(pattern):
                assert (scenario.id, f"{step.action}.{kind}", field) in known


# --- what the charge point sends -----------------------------------------------------------------


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.id)
def test_what_is_sent_is_right_once_resolved(scenario: Scenario) -> None:
    """Every payload with its variables filled in satisfies the official schema."""
    captured: dict[str, Json] = {"transaction_id": 1, "id_tag": "CARD"}
    variables = {**VARIABLES, **captured}
    for edition in EDITIONS:
        for step in steps_of(scenario, edition):
            values = scope(variables, step.bindings, now=NOW, milliseconds=False)
            if isinstance(step, Send | OperatorStep):
                payload = resolve(step.payload, values, now=NOW, milliseconds=False)
                problems = schemas.validate_payload(step.action, schemas.Kind.CALL, payload)
                assert problems == [], step.position
            if isinstance(step, Wait):
                assert resolve(step.seconds, values, now=NOW, milliseconds=False) == 1


def test_authorize_has_its_own_budget() -> None:
    """The certificate measures Authorize apart, so every Authorize is held to that budget."""
    budgets = {
        (step.action == "Authorize", step.budget)
        for scenario in SCENARIOS.values()
        for step in steps_of(scenario)
        if isinstance(step, Send)
    }

    assert budgets == {(True, "authorize"), (False, "ocpp_response_timeout")}


def test_remote_starts_go_on_with_the_card_the_csms_named() -> None:
    """Authorize and StartTransaction use the idTag of RemoteStartTransaction.req."""
    for case in ("TC_010_CSMS", "TC_011_1_CSMS", "TC_011_2_CSMS"):
        cards = [
            step.payload["idTag"]
            for step in steps_of(SCENARIOS[case])
            if isinstance(step, Send) and "idTag" in step.payload
        ]
        assert set(cards) == {"$id_tag"}


def test_offline_transactions_lie_in_the_past() -> None:
    """What began offline has an earlier time, and the charge point does not boot again."""
    for case in ("TC_037_1_CSMS", "TC_037_3_CSMS", "TC_039_CSMS"):
        steps = [step for step in steps_of(SCENARIOS[case]) if not step.state]
        sends = [step for step in steps if isinstance(step, Send)]
        assert sends[0].payload["timestamp"] == "$now-120s"
        assert "BootNotification" not in [step.action for step in sends]


# --- files for people ----------------------------------------------------------------------------


def yaml_files() -> list[Path]:
    return sorted(library_directory().rglob("*.yaml"))


def test_every_file_names_its_schema() -> None:
    """The first line of each file makes editors complete it."""
    for path in yaml_files():
        if path.name == "case-list.yaml":
            continue
        first = path.read_text().splitlines()[0]
        assert first == "# yaml-language-server: $schema=../schema.json"
        assert (path.parent / "../schema.json").resolve().is_file()


def test_no_variable_is_left_without_a_value() -> None:
    """Configuration refers only to what is set before a case."""
    for scenario in SCENARIOS.values():
        for text in scenario.configuration.values():
            assert set(references(text)) <= set(VARIABLES)


# --- the catalogue, where it is at hand ----------------------------------------------------------


@pytest.mark.skipif(not CATALOGUE.exists(), reason="the catalogue is not part of the project")
def test_the_list_has_every_rule_of_the_catalogue() -> None:
    """Each Core case of the catalogue is listed with its section, level and rules."""
    cases = [case for case in read_yaml(CATALOGUE)["test_cases"] if case["profile"] == "Core"]
    listed = {case["id"]: case for case in LISTED}
    rules = {(rule.case, rule.message, rule.field, rule.rule): rule for rule in RULES}

    assert {case["id"] for case in cases} == set(listed)
    for case in cases:
        assert listed[case["id"]]["section"] == case["document_section"]
        assert listed[case["id"]]["requirement"] == case["requirement"]["level"]
        for rule in case.get("csms_validations", []):
            ours = rules[case["id"], rule["message"], rule["field"], rule["rule"]]
            assert ours.value == rule.get("value")
            assert list(ours.allowed) == rule.get("warn_values", [])
