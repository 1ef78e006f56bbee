"""The 15 security cases against the official list: connections, TLS, and the catalogue's rules."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from harness.model import (
    EDITIONS,
    NEWEST_EDITION,
    Connect,
    Disconnect,
    Json,
    Make,
    ProbeTls,
    Profile,
    Scenario,
    Step,
)
from tests.harness.test_scenarios import (
    ALL_RULES,
    CATALOGUE,
    LISTED,
    SCENARIOS,
    Rule,
    is_preparation,
    read_yaml,
    steps_of,
)
from tests.miniature_pki import SUITES

SECURITY = [one for one in SCENARIOS.values() if one.profile is Profile.SECURITY]
CONNECTION_RULES = [rule for rule in ALL_RULES if "." not in rule.message]


def ways(scenario: Scenario) -> list[int]:
    """Return the security profiles that a case can begin on; 1 stands for any."""
    return [choice.start for choice in scenario.security_profiles] or [1]


def own_steps(scenario: Scenario, edition: str, profile: int) -> list[Step]:
    """Return the steps of an edition on a profile, without the boot before the case."""
    return [
        step
        for step in steps_of(scenario, edition)
        if not is_preparation(step, scenario)
        and (not step.security_profiles or profile in step.security_profiles)
    ]


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("rule", CONNECTION_RULES, ids=str)
def test_every_rule_on_connections_is_in_its_case(rule: Rule, edition: str) -> None:
    """Each connection is accepted or refused as the list has it, and TLS is looked at."""
    scenario = SCENARIOS[rule.case]
    if not (rule.editions.includes(edition) and scenario.editions.includes(edition)):
        return
    for profile in ways(scenario):
        steps = own_steps(scenario, edition, profile)
        if rule.message == "TLS":
            [probe] = [step for step in steps if isinstance(step, ProbeTls)]
            assert probe.refused is None
            held: dict[str, Json] = {
                "version": probe.version,
                "suites": list(probe.suites or SUITES),
                "server certificate": None if probe.looks_at_certificate else "not looked at",
            }
            assert held[rule.field] == rule.value
            continue
        assert rule.nth is not None
        connect = [step for step in steps if isinstance(step, Connect)][rule.nth - 1]
        if rule.field == "subprotocol":
            assert connect.agreed == rule.value
        else:
            assert (connect.refused is not None) is (rule.rule == "refused")


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("scenario", SECURITY, ids=lambda scenario: scenario.id)
def test_nothing_fails_a_connection_but_its_rules(scenario: Scenario, edition: str) -> None:
    """What has to be refused, and every look at TLS, is a rule of the edition."""
    if not scenario.editions.includes(edition):
        return
    rules = {
        (rule.message, rule.nth, rule.rule)
        for rule in CONNECTION_RULES
        if rule.case == scenario.id and rule.editions.includes(edition)
    }
    for profile in ways(scenario):
        steps = own_steps(scenario, edition, profile)
        connects = [step for step in steps if isinstance(step, Connect)]
        for number, step in enumerate(connects, start=1):
            if step.refused is not None:
                assert ("connection", number, "refused") in rules
                assert step.refused.statuses == ()
        if any(isinstance(step, ProbeTls) for step in steps):
            assert ("TLS", None, "includes_all") in rules


@pytest.mark.parametrize("scenario", SECURITY, ids=lambda scenario: scenario.id)
def test_no_connection_is_opened_beside_another(scenario: Scenario) -> None:
    """The official charge point has one connection at a time."""
    for edition in filter(scenario.editions.includes, EDITIONS):
        for profile in ways(scenario):
            is_open = scenario.steps[0].state == "Connected"
            for step in own_steps(scenario, edition, profile):
                if isinstance(step, Disconnect):
                    is_open = False
                elif isinstance(step, Connect):
                    assert not is_open
                    assert not step.beside
                    is_open = step.refused is None


# --- the catalogue, where it is at hand ----------------------------------------------------------

# How our list says what the catalogue says in a sentence: field and rule.
SAME_RULES = {
    ("leaf public key", "equals"): ("certificateChain", "leaf_public_key"),
    ("leaf signature algorithm", "equals"): ("certificateChain", "leaf_signature_algorithm"),
    ("leaf subject commonName", "equals"): ("certificateChain", "leaf_common_name"),
    ("leaf key size", "at_least"): ("certificateChain", "leaf_key_bits"),
    ("certificate", "equals"): ("certificate", "pem_equals"),
    ("firmware.signingCertificate", "equals"): ("firmware.signingCertificate", "pem_equals"),
    ("websocket upgrade", "accepted"): ("upgrade", "accepted"),
    ("websocket upgrade", "refused"): ("upgrade", "refused"),
    ("Sec-WebSocket-Protocol", "equals"): ("subprotocol", "equals"),
    ("protocol version", "at_least"): ("version", "at_least"),
    ("supported cipher suites", "includes_all"): ("suites", "includes_all"),
    ("server certificate", "is"): ("server certificate", "judged"),
    ("server certificate key size", "at_least"): ("server certificate", "judged"),
    ("server certificate serial number", "present"): ("server certificate", "judged"),
    ("server certificate subject commonName", "equals"): ("server certificate", "judged"),
    **{
        (f"certificateHashData.{name}", "equals"): ("certificateHashData", "hash_data")
        for name in ("hashAlgorithm", "issuerNameHash", "issuerKeyHash", "serialNumber")
    },
}
SAME_VALUES: dict[str, Json] = {
    "hexadecimal, at most 40 characters": "[0-9A-Fa-f]{0,40}",
    "public key of the CSR from step 3": "$csr",
    "{cfg.signature_algorithm}": "$certificate_signature",
    "{cfg.security_profile} + 1": "${higher_security_profile}",
}
# What follows from a rule of the catalogue without being one: hash data is of a certificate.
IMPLIED = {("TC_076_CSMS", "InstallCertificate.req", "certificate", "valid_pem")}
SAME_MESSAGES = {
    "(connection accepted)": "connection",
    "(connection refused)": "connection",
    "(TLS ServerHello)": "TLS",
}
# Rules of one word, and what the catalogue spells out where our list names the thing.
UNVALUED = {"accepted", "refused", "judged", "valid_pem", "invalid_signature", "present", "absent"}


def same_value(rule: dict[str, Any]) -> Json:
    """Return the value of a rule of the catalogue as our list writes it."""
    value: Json = rule.get("value")
    if isinstance(value, dict):  # key sizes: ours are named by the key, theirs by the algorithm
        return {{"ECDSA": "EC"}.get(name, name): bits for name, bits in value.items()}
    if not isinstance(value, str) or value in SAME_VALUES:
        return SAME_VALUES[value] if isinstance(value, str) else value
    return f"${value[5:-1]}" if value.startswith("{cfg.") else value


@pytest.mark.skipif(not CATALOGUE.exists(), reason="the catalogue is not part of the project")
def test_the_list_has_every_security_rule_of_the_catalogue() -> None:
    """Each security case is listed with its section, level and rules, and with no other rules."""
    listed = {case["id"]: case for case in LISTED if case["profile"] == "Security"}
    cases = [case for case in read_yaml(CATALOGUE)["test_cases"] if case["profile"] == "Security"]
    assert {case["id"] for case in cases} == set(listed)
    assert len(cases) == 15
    for case in cases:
        assert listed[case["id"]]["section"] == case["document_section"]
        assert listed[case["id"]]["requirement"] == case["requirement"]["level"]
        ours = {
            (one.message, one.field, one.rule): one.value
            for one in ALL_RULES
            if one.case == case["id"]
            and one.editions.includes(NEWEST_EDITION)
            and (one.case, one.message, one.field, one.rule) not in IMPLIED
        }
        theirs = {}
        for rule in case.get("csms_validations", []):
            about = (rule["field"], rule["rule"])
            field, name = SAME_RULES.get(about, about)
            message = SAME_MESSAGES.get(rule["message"], rule["message"])
            value = None if name in {*UNVALUED, "hash_data"} else same_value(rule)
            theirs[message, field, name] = value
        assert {
            key: None if key[2] == "hash_data" else value for key, value in ours.items()
        } == theirs


def test_the_hash_algorithms_come_one_after_the_other() -> None:
    """TC_076: three rounds from 2025-02 on, one before."""
    scenario = SCENARIOS["TC_076_CSMS"]
    for edition in EDITIONS:
        algorithms = [
            step.bindings["hash_algorithm"]
            for step in steps_of(scenario, edition)
            if isinstance(step, Make)
        ]
        assert algorithms == ["SHA256", "SHA384", "SHA512"][: 1 if edition == "2024-04" else 3]


def test_both_kinds_of_key_are_certified() -> None:
    """TC_074: once with an RSA key and once with an EC key."""
    keys = Counter(
        step.arguments["key"]
        for step in steps_of(SCENARIOS["TC_074_CSMS"])
        if isinstance(step, Make) and step.thing == "csr"
    )
    assert keys == {"rsa": 1, "ec": 1}
