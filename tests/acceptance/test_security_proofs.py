"""Every security case can fail: at its messages, at its doors, at the TLS before them."""

from __future__ import annotations

import copy
import ssl
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TypeAlias

import pytest

from harness.model import NEWEST_EDITION, ProfileChoice, Scenario
from harness.results import Verdict
from tests.faults import Planted, with_field
from tests.miniature_pki import SUITES, ServerTls, authority, charge_point_ca, key, pem
from tests.miniatures import Bend, Frames, Link, Order
from tests.proofs import (
    CALM_S,
    LIMIT_S,
    PATIENT_S,
    editions_of,
    is_found,
    obligations,
    red,
    side_by_side,
)
from tests.secure_faults import Admits, Agrees, LetsIn, Silent, connection_faults
from tests.secure_miniature import SecureBend, SecureMiniature
from tests.secure_proofs import (
    Observed,
    SecureBench,
    choices,
    client_root,
    quick_keys,
    security_scenarios,
)

__all__ = ["quick_keys"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_keys")]

Run: TypeAlias = tuple[Scenario, ProfileChoice, str]


def secure(tls: ServerTls | None = None) -> SecureMiniature:
    """Return a miniature that trusts the certificates of the charge points here."""
    return SecureMiniature(tls=tls or ServerTls(), client_roots=[client_root()])


def runs(scenarios: Sequence[Scenario]) -> list[Run]:
    """Return each case on each of its profiles, and in each edition that has its own steps."""
    return [
        (scenario, choice, edition)
        for scenario in scenarios
        for choice in choices(scenario)
        for edition in editions_of(scenario)
        if scenario.editions.includes(edition)
    ]


async def right_runs(bench: SecureBench, items: Sequence[Run]) -> list[Observed]:
    """Run cases against the right miniature, where nothing may be found."""

    async def one(item: Run) -> Observed:
        scenario, choice, edition = item
        observed = await bench.run(scenario, Bend(), choice=choice, edition=edition)
        result = observed.result
        assert result.verdict is Verdict.PASSED, (
            scenario.id,
            choice,
            result.reason,
            result.findings,
        )
        assert result.findings == (), (scenario.id, choice, result.findings)
        return observed

    return await side_by_side(one, items)


def to_prove(item: Run, right: Observed) -> list[Planted]:
    """Return the faults of a case: those of its messages on its first profile only."""
    scenario, choice, edition = item
    if edition != NEWEST_EDITION:
        return list(obligations(scenario, right.result, edition=edition).rules)
    faults = connection_faults(right.visits)
    if choice == choices(scenario)[0]:
        owed = obligations(scenario, right.result)
        faults += [*owed.faults(with_shared=False), *owed.rules]
    return faults


async def missed(
    miniature: SecureMiniature, run_dir: Path, planted: Sequence[tuple[Run, Planted]]
) -> tuple[list[object], Counter[str]]:
    """Plant each fault; return what was not found, and how many were in each case."""

    async def plant(item: tuple[Run, Planted], bench: SecureBench) -> Observed:
        (scenario, choice, _), fault = item
        bend = copy.deepcopy(fault.bend)  # some remember what they did
        return await bench.run(scenario, bend, choice=choice, edition=fault.edition)

    hasty = SecureBench(miniature, run_dir, limit_s=LIMIT_S)
    calm = SecureBench(miniature, run_dir, limit_s=CALM_S)
    results = await side_by_side(lambda one: plant(one, hasty), planted)
    found: Counter[str] = Counter()
    left: list[object] = []
    # On a busy machine a short limit may be met by what was merely slow: those run again.
    again = [one for one, seen in zip(planted, results, strict=True) if not is_proven(one[1], seen)]
    seen_again = dict(
        zip(map(id, again), await side_by_side(lambda one: plant(one, calm), again), strict=True)
    )
    for item, seen in zip(planted, results, strict=True):
        (scenario, choice, edition), fault = item
        result = seen_again.get(id(item), seen).result
        if is_proven(fault, seen_again.get(id(item), seen)):
            found[scenario.id] += 1
        else:
            about = (scenario.id, choice.start, edition, fault.name)
            left.append((*about, result.verdict, red(result), result.reason))
    return left, found


def is_proven(fault: Planted, seen: Observed) -> bool:
    """Say whether a run failed for the fault planted in it."""
    return seen.result.verdict is Verdict.FAILED and is_found(fault, seen.result.findings)


async def test_every_obligation_rule_and_handshake_is_proven(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each answer, request, rule and connection of the 15 cases, missed or broken, is found."""
    items = runs(security_scenarios())
    async with secure() as miniature:
        rights = await right_runs(SecureBench(miniature, tmp_path, limit_s=PATIENT_S), items)
        planted = [
            (item, fault)
            for item, right in zip(items, rights, strict=True)
            for fault in to_prove(item, right)
        ]
        left, found = await missed(miniature, tmp_path, planted)

    with capsys.disabled():  # the share proven is to be seen
        sys.stdout.write(f"\nsecurity: {sum(found.values())} of {len(planted)} faults found\n")
    assert not left, "\n".join(map(str, left))
    assert all(found[scenario.id] >= 3 for scenario in security_scenarios())


# --- findings of their own -----------------------------------------------------------------------


class SignsForSomebody(SecureBend):
    """The certificate that is handed out belongs to another key."""

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        if order.action != "CertificateSigned":
            return [frame]
        other = charge_point_ca().issue(key("EC", "somebody").public_key(), "SN-1")
        return with_field(["certificateChain"], pem(other))(frame)


OWN_RULES: dict[str, tuple[str, SecureBend, str]] = {
    "connection.undecided": ("TC_085_CSMS", Silent(0, seconds=2.5), NEWEST_EDITION),
    "connection.not-refused": ("TC_085_CSMS", Admits(0, None), NEWEST_EDITION),
    "connection.subprotocol": ("TC_088_CSMS", Agrees(1, "ocpp0.1"), NEWEST_EDITION),
    "handshake.refused": ("TC_085_CSMS", Admits(1, HTTPStatus.UNAUTHORIZED), NEWEST_EDITION),
    # Before 2025-02 there was no rule on the chain itself.
    "connection.certificate": ("TC_074_CSMS", SignsForSomebody(), "2024-04"),
}


@pytest.mark.parametrize("rule", OWN_RULES)
async def test_what_is_wrong_with_a_connection_is_named(tmp_path: Path, rule: str) -> None:
    """Each kind of failure has a finding of its own, and nothing else is said."""
    case, bend, edition = OWN_RULES[rule]
    scenario = next(one for one in security_scenarios() if one.id == case)
    async with secure() as miniature:
        bench = SecureBench(miniature, tmp_path, limit_s=LIMIT_S)
        seen = await bench.run(scenario, bend, edition=edition)

    assert seen.result.verdict is Verdict.FAILED, seen.result
    assert rule in red(seen.result)
    assert red(seen.result) <= {rule, "handshake.subprotocol"}


async def test_each_fact_of_a_certificate_is_named(tmp_path: Path) -> None:
    """TC_074: key, size, signature and name of a certificate are looked at one by one."""

    class SignsBadly(SecureBend):
        async def requests(self, link: Link, order: Order, frame: str) -> Frames:
            if order.action != "CertificateSigned":
                return [frame]
            bad = authority().issue(key("RSA-1024").public_key(), "somebody")
            return with_field(["certificateChain"], pem(bad))(frame)

    scenario = next(one for one in security_scenarios() if one.id == "TC_074_CSMS")
    async with secure() as miniature:
        seen = await SecureBench(miniature, tmp_path, limit_s=CALM_S).run(scenario, SignsBadly())

    facts = {one.expected.partition(")")[0] for one in seen.result.findings}
    assert facts == {
        f"$.certificateChain ({fact}"
        for fact in ("public key", "key size", "signature algorithm", "common name")
    }


# --- TLS -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WrongTls:
    """A TLS listener that is wrong in one way, and what is said of it.

    Attributes:
        about: words of the findings, one for each.
        ends: the connection itself does not come about.
    """

    tls: ServerTls
    rule: str
    about: tuple[str, ...] = ()
    ends: bool = False


EC_SUITES = tuple(name for name in SUITES if "ECDSA" in name)
RSA_SUITES = tuple(name for name in SUITES if "ECDSA" not in name)
OLD = ssl.TLSVersion.TLSv1_1
ANYTHING = "ALL:@SECLEVEL=0"

WRONG_TLS: dict[str, WrongTls] = {
    "RSA certificate only": WrongTls(ServerTls(keys=["RSA-2048"]), "tls.suite", EC_SUITES),
    "EC certificate only": WrongTls(ServerTls(keys=["EC"]), "tls.suite", RSA_SUITES),
    **{
        f"without {name}": WrongTls(
            ServerTls(suites=":".join(one for one in SUITES.values() if one != SUITES[name])),
            "tls.suite",
            (name,),
        )
        for name in SUITES
    },
    "TLS 1.3 only": WrongTls(ServerTls(oldest=ssl.TLSVersion.TLSv1_3), "tls.suite", tuple(SUITES)),
    "TLS 1.1 only": WrongTls(
        ServerTls(oldest=OLD, newest=OLD, suites=ANYTHING), "tls.version", ends=True
    ),
    "a short RSA key": WrongTls(
        ServerTls(keys=["RSA-1024", "EC"], suites=":".join(SUITES.values()) + ":@SECLEVEL=0"),
        "tls.key-size",
    ),
    "a short EC key": WrongTls(
        ServerTls(keys=["RSA-2048", "EC-192"], suites=":".join(SUITES.values()) + ":@SECLEVEL=0"),
        "tls.suite",  # no charge point can use such a key
        EC_SUITES,
    ),
    "an expired certificate": WrongTls(
        ServerTls(ends_in=-timedelta(hours=1)), "handshake.not-trusted", ends=True
    ),
    "a certificate of nobody": WrongTls(
        ServerTls(signer="Nobody"), "handshake.not-trusted", ends=True
    ),
    "a certificate of another host": WrongTls(
        ServerTls(name="csms.example", hosts=["csms.example"]), "handshake.not-trusted", ends=True
    ),
}
OF_THE_CERTIFICATE = {"tls.key-size"}  # 087 does not look at it


@pytest.mark.parametrize("name", WRONG_TLS)
@pytest.mark.parametrize("case", ["TC_086_CSMS", "TC_087_CSMS"])
async def test_wrong_tls_is_found(tmp_path: Path, case: str, name: str) -> None:
    """Each missing suite, version or soundness is named; the run goes on where it can."""
    wrong = WRONG_TLS[name]
    scenario = next(one for one in security_scenarios() if one.id == case)
    async with secure(wrong.tls) as miniature:
        seen = await SecureBench(miniature, tmp_path, limit_s=CALM_S).run(scenario, Bend())

    found = [one for one in seen.result.findings if one.rule == wrong.rule]
    if case == "TC_087_CSMS" and wrong.rule in OF_THE_CERTIFICATE:
        assert found == []
        return
    assert seen.result.verdict is Verdict.FAILED, seen.result
    assert found
    for words in wrong.about:
        assert sum(words in one.message + one.expected for one in found) == 1
    assert wrong.about == () or len(found) == len(wrong.about)
    # The charge point still connects, and boots.
    booted = [one for one in miniature.calls if one.action == "BootNotification"]
    assert len(booted) == (0 if wrong.ends else 1)


# --- whoever accepts everything ------------------------------------------------------------------

REFUSALS = {
    "TC_083_CSMS",
    "TC_085_CSMS",
    "TC_088_CSMS",
}


async def test_whoever_accepts_everything_fails_where_something_is_to_be_refused(
    tmp_path: Path,
) -> None:
    """No certificate is asked for, no password is looked at, any subprotocol will do."""

    class Anything(LetsIn):
        def chooses(self, visit: object, subprotocol: str | None) -> str | None:
            return subprotocol or ""

    async with secure(ServerTls(are_clients_verified=False)) as miniature:
        bench = SecureBench(miniature, tmp_path, limit_s=CALM_S)
        scenarios = security_scenarios()
        seen = await side_by_side(lambda one: bench.run(one, Anything()), scenarios)

    failed = {one.result.case_id for one in seen if one.result.verdict is Verdict.FAILED}
    assert failed == REFUSALS
    for one in seen:
        if one.result.case_id in REFUSALS:
            assert "connection.not-refused" in red(one.result)
        else:
            assert one.result.verdict is Verdict.PASSED
