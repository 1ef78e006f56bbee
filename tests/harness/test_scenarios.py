"""The shipped scenarios against the official list of cases and rules."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from ruamel.yaml import YAML

from harness import flow, schemas
from harness.expressions import connector_variables, format_time, references, resolve, scope
from harness.loader import library_directory, load_tree
from harness.matching import is_equal, match
from harness.model import (
    ALL_EDITIONS,
    EDITIONS,
    NEWEST_EDITION,
    AnyOrder,
    CaseSet,
    Connect,
    EditionRange,
    Fields,
    Items,
    Json,
    Operator,
    OperatorStep,
    Pattern,
    ProbeTls,
    Profile,
    Receive,
    ResultAnswer,
    Scenario,
    Send,
    Step,
    Value,
    Wait,
)
from tests.miniature_pki import PSS, authority, csr, key, pem

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT.parent / "shared" / "octt" / "catalogue.yaml"
NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)

LOADED = load_tree([library_directory()])
SCENARIOS = {one.id: one for one in LOADED.scenarios if one.case_set is CaseSet.OFFICIAL}
FIRMWARE = authority("Firmware", "RSA-2048")
VARIABLES: dict[str, Json] = {
    **connector_variables(),
    "identity": "PF0001",
    "vendor": "Vendor",
    "model": "Model",
    "serial_number": "1",
    "new_reservation_id": 4242,
    "new_request_id": 4242,
    "security_profile": 1,
    "higher_security_profile": 2,
    "cpo_name": "Operator",
    "new_password": "00112233445566778899aabbccddeeff00112233",
    "root_certificate": pem(authority("Root 1").root),
    "root_certificate_2": pem(authority("Root 2").root),
    "certificate_signature": "SHA256withRSA",
    "firmware_content": b64encode(b"firmware").decode(),
    "firmware_signature": FIRMWARE.sign_content(b"firmware"),
    "invalid_firmware_signature": FIRMWARE.sign_content(b"something else"),
    "firmware_signing_certificate": pem(FIRMWARE.root),
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

CAPTURED: dict[str, Json] = {
    "transaction_id": 5,
    "id_tag": "CARD",
    "initial_list_version": 6,
    "reservation_id": 7,
    "profile_id": 8,
    "disabled_connector_id": 1,
    "password": "00112233445566778899aabbccddeeff",
    "csr": csr("1", "Operator"),
    "certificate_chain": "a chain",
    "request_id": 9,
    "hash_data": {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": "0a1b",
        "issuerKeyHash": "2c3d",
        "serialNumber": "4e5f",
    },
}


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


@dataclass(frozen=True, slots=True)
class Rule:
    """One official rule of a case; `nth` is None where every message of the kind is meant."""

    case: str
    message: str
    field: str
    rule: str
    value: Json
    nth: int | None = None
    allowed: tuple[Json, ...] = ()
    editions: EditionRange = ALL_EDITIONS

    def __str__(self) -> str:
        nth, last = self.nth or "", self.editions.last or ""
        return f"{self.case}-{self.message}{nth}-{self.field}-{self.rule}-{last}"


def listed_rules(listed: Sequence[dict[str, Any]]) -> Iterator[Rule]:
    for case in listed:
        for rule in case["rules"]:
            yield Rule(
                case["id"],
                rule["message"],
                rule["field"],
                rule["rule"],
                rule.get("value"),
                rule.get("nth"),
                tuple(rule.get("allowed", ())),
                EditionRange(rule.get("from"), rule.get("until")),
            )


LISTED: list[dict[str, Any]] = read_yaml(library_directory() / "case-list.yaml")["cases"]
ALL_RULES = [rule for rule, _ in groupby(sorted(listed_rules(LISTED), key=str))]
RULES = [rule for rule in ALL_RULES if "." in rule.message]  # the others: test_connection_rules.py
BOUNDED = [rule for rule in RULES if rule.editions != ALL_EDITIONS]


def steps_of(scenario: Scenario, edition: str = NEWEST_EDITION) -> list[Step]:
    """Return the steps of an edition, those inside `any_order` too."""
    flat: list[Step] = []
    for step in scenario.steps:
        flat += step.steps if isinstance(step, AnyOrder) else [step]
    return [step for step in flat if step.editions.includes(edition)]


def is_preparation(step: Step, scenario: Scenario) -> bool:
    """Say whether a step brings about the state from which every case but the first starts."""
    return step.state in ("Connected", "Booted") and scenario.steps.index(step) < 5


def written_flow(scenario: Scenario, edition: str) -> list[str]:
    """Return a scenario's messages as the case list writes them, equal neighbours once."""
    words: list[str] = []
    for step in steps_of(scenario, edition):
        if is_preparation(step, scenario):
            continue
        if isinstance(step, Receive):
            words.append(step.action)
        elif isinstance(step, Send):
            detail = step.payload.get("status", step.payload.get("reason", ""))
            words.append(f"{step.action} {detail}".strip())
        elif isinstance(step, ProbeTls):
            words.append("TLS handshakes")
        elif isinstance(step, Connect) and scenario.profile is Profile.SECURITY:
            words.append(f"connection {'refused' if step.refused else 'accepted'}")
    return [word for word, _ in groupby(words)]


def patterns_for(
    rule: Rule, scenario: Scenario, edition: str
) -> list[tuple[Fields | None, Fields | None]]:
    """Return what a scenario expects, and warns of, in the messages a rule is about."""
    action, _, kind = rule.message.partition(".")
    found: list[tuple[Fields | None, Fields | None]] = []
    for step in steps_of(scenario, edition):
        if isinstance(step, Send) and (step.action, "conf") == (action, kind):
            found.append((step.expect, step.warn))
        if isinstance(step, Receive) and (step.action, "req") == (action, kind):
            found.append((step.payload, step.warn))
    if rule.nth is not None:
        return found[rule.nth - 1 : rule.nth]
    return [(expect, warn) for expect, warn in found if expect]


def values_of(scenario: Scenario) -> dict[str, Json]:
    """Return the variables as they are at the end of a case, captures included."""
    return {**VARIABLES, **scenario.variables, **CAPTURED}


def payload_with(field: str, *values: Json, beside: Mapping[str, Json] | None = None) -> Json:
    """Return a payload that has one field, given by its path, and others `beside` it.

    Without a value the field is missing, but what it stands in is there. `[0]` in the path makes a
    list whose second element has nothing; `[*]` one whose elements are all alike.
    """
    payload: dict[str, Json] = {}
    for path, inner in [*(beside or {}).items(), *((field, value) for value in values)]:
        put(payload, path.split("."), inner)
    if not values:
        put(payload, field.split(".")[:-1], {})
    return payload


def put(payload: dict[str, Json], parts: Sequence[str], value: Json) -> None:
    """Set the field at a path, making what it stands in."""
    if not parts:
        return
    name, _, index = parts[0].partition("[")
    if not parts[1:] and not index:
        present = payload.get(name)
        both = isinstance(present, dict) and isinstance(value, dict)
        payload[name] = {**present, **value} if both else value  # type: ignore[dict-item]
        return
    inner: dict[str, Json] = {}
    if not index:
        inner = payload.setdefault(name, inner)  # type: ignore[assignment]
    if parts[1:]:
        put(inner, parts[1:], value)
    if index:
        payload[name] = [inner, {}] if index == "0]" else [inner, dict(inner)]


def breaks(
    pattern: Fields | None,
    field: str,
    payload: Json,
    variables: Mapping[str, Json],
    gathered: Mapping[str, Sequence[Json]] | None = None,
) -> bool:
    """Say whether a pattern complains about a field of a payload, or of what it stands in."""
    if pattern is None:
        return False
    result = match(pattern, payload, variables=variables, now=NOW, gathered=gathered)
    wanted = "$." + field.replace("[*]", "[0]")
    return any(
        one.path == wanted
        or one.path.startswith((f"{wanted}.", f"{wanted}[", f"{wanted} ("))
        or wanted.startswith(f"{one.path}[")
        for one in result.mismatches
    )


def right_and_wrong(rule: Rule) -> tuple[list[Json], list[Json]]:
    """Return payloads that a rule must take, and those it must refuse."""
    value = resolve(rule.value, values_of(SCENARIOS[rule.case]), now=NOW, milliseconds=True)
    missing = payload_with(rule.field)

    def fields(*values: Json, **beside: Json) -> list[Json]:
        return [payload_with(rule.field, one, beside=beside) for one in values]

    match rule.rule:
        case "equals":
            odd: list[Json] = ["Other", "", ["Other"], [], 1, 0, True, None]
            wrong = [one for one in odd if not is_equal(one, value)]
            return fields(value), [*fields(*wrong), missing, {}]
        case "one_of":
            right = [*cast("list[Json]", value), *rule.allowed]
            return fields(*right), [*fields("Other", 1), missing, {}]
        case "not_equals":
            return fields(17, "17"), [*fields(value), missing, {}]
        case "empty_or_absent":
            return [{}, *fields([])], fields(["Key"], "")
        case "present":
            return fields("x", 0, {}), [missing, {}]
        case "absent":
            return [missing, {}], fields("x", 0, None)
        case "present_if" | "absent_if":
            [(kind, when)] = cast("dict[str, Json]", value).items()
            # No rule of the other kind, present_if beside absent_if, may speak in between.
            there = payload_with(rule.field, "x", beside={kind: when})
            gone = payload_with(rule.field, beside={kind: when})
            free = [
                payload_with(rule.field, "x", beside={kind: "Recurring"}),
                payload_with(rule.field, beside={kind: "Recurring"}),
            ]
            if rule.rule == "present_if":
                return [there, *free], [gone]
            return [gone, *free], [there]
        case "greater_than":
            assert isinstance(value, int)
            return fields(value + 1, value + 0.5), [*fields(value, value - 1, "9"), missing, {}]
        case "approximately":
            at = datetime.fromisoformat(str(value))
            shifts = (0, 1, -1, 1.1, -1.1, 3600)
            times = [
                format_time(at + timedelta(seconds=shift), milliseconds=True) for shift in shifts
            ]
            return fields(*times[:3]), [*fields(*times[3:], "soon", 3), missing, {}]
        case "equals_or_absent_if_3":
            assert value == 3
            return [*fields(3), missing], fields(1, 2, "3", None)
        case "only_contains":
            assert isinstance(value, dict)
            other = {**value, "idTag": "OTHER"}
            bare = {"idTag": value["idTag"]}
            wrong = [[], [value, other], [other], [bare], value]
            return fields([value]), [*fields(*wrong), missing]
        case "matches":
            odd = ["0g" * 16, " " + "00" * 16, "00" * 16 + "\n", 7, None]
            if "40" in str(value):
                odd.append("0" * 41)
            return fields("0f" * 16, "0F" * 18, "0" * 40), [*fields(*odd), missing]
        case "decoded_length_between":
            lengths = {length: "0f" * length for length in (0, 15, 16, 20, 21)}
            right = fields(lengths[16], lengths[20])
            return right, [*fields(lengths[0], lengths[15], lengths[21], "0" * 33, 7), missing]
        case "valid_pem" | "pem_equals":
            # One that satisfies the other rules of the field, too.
            text = str(leaves("leaf_common_name")[0][1] if value is None else value)
            crlf = text.replace("\n", "\r\n")
            wrong = ["", "no PEM", text.replace("CERTIFICATE", "KEY"), text[:-40], 7]
            if rule.rule == "pem_equals":
                wrong += [pem(authority("Somebody").root), text + text]
            return fields(text, crlf, text.rstrip()), [*fields(*wrong), missing]
        case "hash_data":
            assert isinstance(value, dict)
            louder = {**value, "issuerNameHash": "0A1B"}
            wrong = [{**value, name: "SHA384" if "hashA" in name else "00"} for name in value]
            wrong += [{one: inner for one, inner in value.items() if one != name} for name in value]
            return fields(value, louder), [*fields(*wrong, "0a1b"), missing]
        case "invalid_signature":
            of_another = authority("Somebody", "RSA-2048").sign_content(b"firmware")
            right = ["", "bm9uc2Vuc2U=", FIRMWARE.sign_content(b"something else"), of_another]
            valid = [FIRMWARE.sign_content(b"firmware", is_pss=is_pss) for is_pss in (False, True)]
            return fields(*right), [*fields(*valid, 7), missing]
        case _ if rule.rule.startswith("leaf_"):
            right, wrong = leaves(rule.rule)
            return fields(*right), [*fields(*wrong, "no PEM"), missing]
        case _:
            raise AssertionError(f"no test for the rule {rule.rule}")


def leaves(rule: str) -> tuple[list[Json], list[Json]]:
    """Return chains that a rule on the certificate of a charge point takes, and that it refuses."""
    rsa, ec = authority("CSMS", "RSA-2048"), authority("CSMS")
    public = x509.load_pem_x509_csr(str(CAPTURED["csr"]).encode()).public_key()
    good = rsa.issue(public, "1")
    right: list[Json] = [
        pem(good),
        pem(good, rsa.root),
        pem(rsa.issue(public, "1", organization=None)),
    ]
    match rule:
        case "leaf_public_key":
            wrong = [rsa.issue(key("EC", "another").public_key(), "1")]
        case "leaf_signature_algorithm":
            wrong = [
                ec.issue(public, "1"),
                rsa.issue(public, "1", rsa_padding=PSS),
                rsa.issue(public, "1", signing_hash=hashes.SHA384()),
            ]
        case "leaf_common_name":
            wrong = [rsa.issue(public, "2"), rsa.issue(public, ""), rsa.issue(public, "1 ")]
        case "leaf_key_bits":
            small = (key("EC-192"), key("RSA-1024"))
            wrong = [rsa.issue(one.public_key(), "1") for one in small]
        case _:
            raise AssertionError(f"no test for the rule {rule}")
    return right, [pem(one) for one in wrong]


# --- files and list ------------------------------------------------------------------------------


def test_every_file_loads() -> None:
    """Nothing is wrong with any shipped file."""
    assert [str(problem) for problem in LOADED.problems] == []


def test_cases_and_files_are_the_same() -> None:
    """No case is without a file, no file without a case, each file named by its id."""
    assert set(SCENARIOS) == {case["id"] for case in LISTED}
    for scenario in SCENARIOS.values():
        assert Path(scenario.position.file).stem == scenario.id
    assert len(LISTED) == len({case["id"] for case in LISTED}) == 77


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("listed", LISTED, ids=lambda case: str(case["id"]))
def test_a_case_is_filed_as_the_list_has_it(listed: dict[str, Any], edition: str) -> None:
    """Profile, requirement, section and order of messages agree; words for people are there."""
    scenario = SCENARIOS[listed["id"]]
    earlier = listed.get("earlier", {"until": ""})
    flow_of = earlier if edition <= earlier["until"] else listed

    assert scenario.profile.value == listed["profile"]
    assert scenario.requirement.value == listed["requirement"]
    assert scenario.section == listed["section"]
    assert scenario.editions.first == listed.get("from")
    if scenario.editions.includes(edition):
        assert written_flow(scenario, edition) == [word for word, _ in groupby(flow_of["flow"])]
    assert scenario.title
    assert scenario.purpose.endswith(".")
    if scenario.profile is not Profile.CORE and listed["requirement"] != "mandatory":
        assert scenario.condition


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_case_has_steps_in_each_of_its_editions(edition: str) -> None:
    """In each edition a case has steps, and nothing is used that the edition does not set."""
    younger = {"2024-04": 2, "2025-02": 1, "2025-06": 1}.get(edition, 0)
    there = [one for one in SCENARIOS.values() if one.editions.includes(edition)]
    assert len(there) == 77 - younger
    for scenario in there:
        assert steps_of(scenario, edition)
        assert flow.check(scenario, {}) == []


# --- rules ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.rule != "all_different"], ids=str)
def test_every_rule_is_checked_and_can_fail(rule: Rule) -> None:
    """What a rule takes passes, what it refuses fails, in each edition that has the rule."""
    scenario = SCENARIOS[rule.case]
    right, wrong = right_and_wrong(rule)
    values = values_of(scenario)

    for edition in filter(rule.editions.includes, filter(scenario.editions.includes, EDITIONS)):
        found = patterns_for(rule, scenario, edition)
        assert found, f"nothing is expected of {rule.message}"
        for payload in right:
            assert not any(breaks(one, rule.field, payload, values) for one, _ in found)
        for payload in wrong:
            assert all(breaks(one, rule.field, payload, values) for one, _ in found)
        for value in rule.allowed:
            payload = payload_with(rule.field, value)
            assert all(breaks(warn, rule.field, payload, values) for _, warn in found)


@pytest.mark.parametrize("rule", BOUNDED, ids=str)
def test_a_rule_holds_in_its_editions_only(rule: Rule) -> None:
    """Other editions take what these refuse, unless they have another rule for the field."""
    _, wrong = right_and_wrong(rule)
    if rule.case in ("TC_073_CSMS", "TC_074_CSMS"):  # what the reconnect needs has to be there
        wrong.remove(payload_with(rule.field))
    values = values_of(SCENARIOS[rule.case])
    others = [
        one
        for one in RULES
        if one != rule
        and (one.case, one.message, one.field) == (rule.case, rule.message, rule.field)
        and (one.nth in (None, rule.nth) or rule.nth is None)
    ]

    for edition in EDITIONS:
        if rule.editions.includes(edition) or any(one.editions.includes(edition) for one in others):
            continue
        for pattern, _ in patterns_for(rule, SCENARIOS[rule.case], edition):
            assert not any(breaks(pattern, rule.field, payload, values) for payload in wrong)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.rule == "all_different"], ids=str)
def test_values_of_several_messages_differ(rule: Rule) -> None:
    """A value that an earlier message had is refused; the first may have any."""
    scenario = SCENARIOS[rule.case]
    values = values_of(scenario)
    for edition in filter(rule.editions.includes, EDITIONS):
        patterns = [pattern for pattern, _ in patterns_for(rule, scenario, edition)]
        assert len(patterns) == 3
        payload = payload_with(rule.field, 1)
        first = match(cast(Fields, patterns[0]), payload, variables=values, now=NOW)
        assert not breaks(patterns[0], rule.field, payload, values)
        [(name, value)] = first.gathered.items()
        for pattern in patterns[1:]:
            for number, is_broken in ((1, True), (2, False)):
                seen = breaks(
                    pattern, rule.field, payload_with(rule.field, number), values, {name: [value]}
                )
                assert seen is is_broken


def demanded(pattern: Pattern, path: str = "") -> Iterator[str]:
    """Yield the paths of the fields a pattern demands anything of but to be remembered."""
    match pattern:
        case Fields():
            for name, inner in pattern.fields.items():
                yield from demanded(inner, f"{path}.{name}".removeprefix("."))
        case Value():
            for check in pattern.checks:
                if check.operator in LISTS and check.pattern is not None:
                    yield from demanded(check.pattern, path + LISTS[check.operator])
                elif check.operator is not Operator.CAPTURE:
                    yield path
        case Items():
            yield path


LISTS = {Operator.FIRST: "[0]", Operator.EACH: "[*]"}


@pytest.mark.parametrize("edition", EDITIONS)
def test_nothing_fails_a_case_but_its_rules(edition: str) -> None:
    """Every expectation but a capture is a rule of the edition, or the boot before the case."""
    known = {
        (rule.case, rule.message, nth, rule.field)
        for rule in RULES
        if rule.editions.includes(edition)
        for nth in ([rule.nth] if rule.nth else range(1, 10))
    }
    for scenario in SCENARIOS.values():
        counts: Counter[str] = Counter()
        for step in steps_of(scenario, edition):
            if isinstance(step, Send):
                pattern, message = step.expect, f"{step.action}.conf"
            elif isinstance(step, Receive):
                pattern, message = step.payload, f"{step.action}.req"
            else:
                continue
            if is_preparation(step, scenario):
                continue
            counts[message] += 1
            for field in demanded(pattern) if pattern else ():
                assert (scenario.id, message, counts[message], field) in known


def test_the_expiry_of_a_reservation_can_be_told_apart() -> None:
    """TC_047: the tolerance is at most a third of the offset, and both can be set."""
    variables = SCENARIOS["TC_047_CSMS"].variables
    offset_s, tolerance_s = (
        variables[name] for name in ("reservation_expiry_offset_s", "reservation_tolerance_s")
    )

    assert isinstance(offset_s, int)
    assert isinstance(tolerance_s, int)
    assert offset_s == 3
    assert tolerance_s * 3 <= offset_s


def test_phases_may_be_left_out_only_where_there_are_three() -> None:
    """TC_056: another number of phases than 3 has to be said."""
    scenario = SCENARIOS["TC_056_CSMS"]
    [rule] = [one for one in RULES if one.rule == "equals_or_absent_if_3"]
    [(pattern, _)] = patterns_for(rule, scenario, NEWEST_EDITION)
    values = {**values_of(scenario), "number_phases": 1}

    assert not breaks(pattern, rule.field, payload_with(rule.field, 1), values)
    for payload in (payload_with(rule.field), payload_with(rule.field, 3)):
        assert breaks(pattern, rule.field, payload, values)


# --- what the charge point sends -----------------------------------------------------------------


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.id)
def test_what_is_sent_is_right_once_resolved(scenario: Scenario) -> None:
    """Every payload with its variables filled in satisfies the official schema."""
    variables = values_of(scenario)
    for edition in EDITIONS:
        for step in steps_of(scenario, edition):
            values = scope(variables, step.bindings, now=NOW, milliseconds=False)
            if isinstance(step, Send | OperatorStep):
                payload = resolve(step.payload, values, now=NOW, milliseconds=False)
                problems = schemas.validate_payload(step.action, schemas.Kind.CALL, payload)
                assert problems == [], step.position
            if isinstance(step, Receive) and isinstance(step.answer, ResultAnswer):
                payload = resolve(step.answer.payload, values, now=NOW, milliseconds=False)
                problems = schemas.validate_payload(step.action, schemas.Kind.RESULT, payload)
                assert problems == [], step.position
            if isinstance(step, Wait):
                seconds = resolve(step.seconds, values, now=NOW, milliseconds=False)
                assert seconds == (3 if scenario.id == "TC_047_CSMS" else 1)


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
    for case in ("TC_010_CSMS", "TC_011_1_CSMS", "TC_011_2_CSMS", "TC_059_CSMS"):
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


STATE_RULES = {
    (message, None, "idTagInfo.status", "equals")
    for message in ("Authorize.conf", "StartTransaction.conf")
}

# The catalogue's words for values that a case takes from its variables or from earlier messages.
SAME: dict[Any, Json] = {
    "{cfg.local_list_id_tag_2} with idTagInfo": {
        "idTag": "$valid_id_tag_2",
        "idTagInfo": {"status": "Accepted"},
    },
    "initial listVersion": "$initial_list_version",
    "connectorId from step 1": "$disabled_connector_id",
    "reservationId from step 1": "$reservation_id",
    "transactionId from Charging": "$transaction_id",
    "chargingProfileId of profile 1": "$profile_id",
    "now + {cfg.reservation_expiry_offset}": "$now+${reservation_expiry_offset_s}s",
}


def catalogue_value(rule: dict[str, Any]) -> Json:
    """Return the value of a rule of the catalogue as our list writes it."""
    value: Json = rule.get("value")
    if rule["rule"] in ("present_if", "absent_if"):
        field, _, wanted = str(value).partition(" = ")
        return {f"{rule['field'].partition('.')[0]}.{field}": wanted}
    if isinstance(value, str) and (found := re.fullmatch(r"\{cfg\.(\w+)\}", value)):
        return f"${found[1]}"
    return SAME.get(value, value) if isinstance(value, str) else value


def place_of(rule: dict[str, Any], case: dict[str, Any]) -> int | None:
    """Return which of the messages of its kind a rule is about; None where it is the only one."""
    steps = [str(step["n"]) for step in case["steps"] if step.get("message") == rule["message"]]
    before = 1 if "InitialLocalListFull" in case.get("memory_states", ()) else 0
    if "across" in rule or len(steps) + before < 2 or str(rule["step"]) not in steps:
        return None
    return steps.index(str(rule["step"])) + 1 + before


@pytest.mark.skipif(not CATALOGUE.exists(), reason="the catalogue is not part of the project")
def test_the_list_has_every_rule_of_the_catalogue() -> None:
    """Each case of the catalogue is listed with its profile, section, level and rules."""
    cases = [case for case in read_yaml(CATALOGUE)["test_cases"] if case["profile"] != "Security"]
    listed = {case["id"]: case for case in LISTED if case["profile"] != "Security"}
    newest = [
        rule for rule in RULES if rule.case in listed and rule.editions.includes(NEWEST_EDITION)
    ]
    rules = {(one.case, one.message, one.nth, one.field, one.rule): one for one in newest}
    seen = set()

    assert {case["id"] for case in cases} == set(listed)
    for case in cases:
        assert listed[case["id"]]["profile"] == case["profile"]
        assert listed[case["id"]]["section"] == case["document_section"]
        assert listed[case["id"]]["requirement"] == case["requirement"]["level"]
        for rule in case.get("csms_validations", []):
            about = (case["id"], rule["message"])
            key = (*about, place_of(rule, case), rule["field"], rule["rule"])
            if key not in rules:  # equal for all messages of the kind
                key = (*about, None, rule["field"], rule["rule"])
            seen.add(key)
            assert rules[key].value == catalogue_value(rule)
            assert list(rules[key].allowed) == rule.get("warn_values", [])
    # What is left are the rules of the states a case starts from; the catalogue has them there.
    assert {key[1:] for key in set(rules) - seen} <= STATE_RULES
