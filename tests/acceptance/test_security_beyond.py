"""Every security case beyond the official ones can fail, and a right Central System passes it."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import pytest

from harness.model import Scenario
from harness.results import Verdict
from tests.acceptance.test_security_proofs import (
    missed,
    quick_keys,
    right_runs,
    runs,
    secure,
    to_prove,
)
from tests.faults import Planted, call_error
from tests.miniature_pki import ServerTls
from tests.miniatures import Bend, Frames, Incoming, Link
from tests.proofs import CALM_S, PATIENT_S, red
from tests.secure_faults import (
    Admits,
    BelievesItself,
    CutsOff,
    ForgetsOrders,
    GivesIn,
    LetsIn,
    LocksOut,
    NeverShuts,
    RaisesAtOnce,
)
from tests.secure_miniature import SecureBend, Visit
from tests.secure_miniature import Verdict as Door
from tests.secure_proofs import SecureBench, security_scenarios

__all__ = ["quick_keys"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_keys")]

SCENARIOS = {one.id: one for one in security_scenarios("beyond")}


@dataclass(frozen=True)
class Refuses(SecureBend):
    """Whom this says is refused, though he is right."""

    whom: Callable[[Visit], bool]
    status: HTTPStatus = HTTPStatus.UNAUTHORIZED

    async def admits(self, visit: Visit, verdict: Door) -> Door:
        return self.status if verdict is None and self.whom(visit) else verdict


def is_text(password: bytes | None) -> bool:
    """Say whether a password is UTF-8."""
    try:
        (password or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


@dataclass
class RefusesPayloads(Bend):
    """Calls that this says of are answered by an error."""

    which: Callable[[Incoming], bool]

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        return call_error(frame) if self.which(call) else [frame]


def has_no_request(call: Incoming) -> bool:
    """Say whether a status belongs to no request."""
    return "StatusNotification" in call.action and call.payload.get("status") == "Idle"


NOT_REFUSED = "connection.not-refused"
REFUSED = "handshake.refused"
ERROR = "answer.call-error"

OWN: dict[str, list[tuple[Callable[[], Bend], str]]] = {
    "BEYOND_CERTIFICATE_OF_ANOTHER": [(LetsIn, NOT_REFUSED)],
    "BEYOND_CERTIFICATE_MISSING": [(LetsIn, NOT_REFUSED)],
    "BEYOND_BRUTE_FORCE": [
        (lambda: LocksOut(5), REFUSED),
        (lambda: LocksOut(12), REFUSED),
        (lambda: GivesIn(3), NOT_REFUSED),
        (lambda: GivesIn(11), NOT_REFUSED),
        (CutsOff, "close.during-case"),
        (lambda: Admits(3, HTTPStatus.NOT_FOUND), "connection.status"),
        (lambda: Admits(3, HTTPStatus.INTERNAL_SERVER_ERROR), "connection.status"),
    ],
    "BEYOND_WRONG_TWIN": [(CutsOff, "close.during-case"), (LetsIn, NOT_REFUSED)],
    "BEYOND_PASSWORD_BYTES": [
        (lambda: Refuses(lambda visit: b":" in (visit.password or b"")), REFUSED),
        (lambda: Refuses(lambda visit: b"\0" in (visit.password or b"")), REFUSED),
        (
            lambda: Refuses(
                lambda visit: visit.number > 0 and not is_text(visit.password),
                HTTPStatus.INTERNAL_SERVER_ERROR,
            ),
            REFUSED,
        ),
    ],
    "BEYOND_OLD_PASSWORD": [(NeverShuts, NOT_REFUSED)],
    "BEYOND_PASSWORD_REFUSED": [
        (BelievesItself, NOT_REFUSED),
        (NeverShuts, NOT_REFUSED),
    ],
    "BEYOND_PASSWORD_ANSWER_LOST": [(ForgetsOrders, REFUSED)],
    "BEYOND_PASSWORD_ORDER_LOST": [(BelievesItself, REFUSED)],
    "BEYOND_ENCODED_IDENTITY": [
        (lambda: Refuses(lambda visit: b" " in (visit.username or b"")), REFUSED),
        (LetsIn, NOT_REFUSED),
    ],
    "BEYOND_UNKNOWN_IDENTITY": [(LetsIn, NOT_REFUSED)],
    "BEYOND_LOWER_PROFILE": [(NeverShuts, NOT_REFUSED)],
    "BEYOND_PROFILE_TO_CERTIFICATES": [(NeverShuts, NOT_REFUSED)],
    "BEYOND_PROFILE_NOT_REACHED": [(RaisesAtOnce, REFUSED)],
    "BEYOND_PROFILE_REFUSED": [(BelievesItself, NOT_REFUSED)],
    "BEYOND_SECURITY_EVENTS": [
        (lambda: RefusesPayloads(lambda call: "org." in call.payload.get("type", "")), ERROR),
        (lambda: RefusesPayloads(lambda call: "1970" in call.payload.get("timestamp", "")), ERROR),
        (lambda: RefusesPayloads(lambda call: call.payload.get("techInfo") == ""), ERROR),
    ],
    "BEYOND_LOG_STATUSES": [
        (lambda: RefusesPayloads(has_no_request), ERROR),
        (lambda: RefusesPayloads(lambda call: call.payload.get("requestId", 0) > 7), ERROR),
    ],
}
# What is wrong with these is that something is signed: the rules on the answers are broken.
BY_RULES = {"BEYOND_BAD_CSR"}

NO_CLIENTS = ServerTls(are_clients_verified=False)
ANYTHING = ServerTls(oldest=ssl.TLSVersion.TLSv1, suites="ALL:eNULL:@SECLEVEL=0")
OTHER_TLS: dict[str, tuple[ServerTls, str, int]] = {
    "BEYOND_CERTIFICATE_EXPIRED": (NO_CLIENTS, NOT_REFUSED, 1),
    "BEYOND_CERTIFICATE_UNTRUSTED": (NO_CLIENTS, NOT_REFUSED, 1),
    "BEYOND_CERTIFICATE_OF_ANOTHER": (NO_CLIENTS, NOT_REFUSED, 1),
    "BEYOND_CERTIFICATE_MISSING": (NO_CLIENTS, NOT_REFUSED, 1),
    "BEYOND_WEAK_TLS": (ANYTHING, "tls.weak", 5),
}


def test_every_case_has_a_fault_of_its_own() -> None:
    """For each need there is a Central System that does not meet it."""
    assert set(OWN) | set(OTHER_TLS) | BY_RULES == set(SCENARIOS)


async def test_every_case_passes_and_can_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a case owes, a Central System that does otherwise fails it."""
    items = runs(list(SCENARIOS.values()))
    async with secure() as miniature:
        rights = await right_runs(SecureBench(miniature, tmp_path, limit_s=PATIENT_S), items)
        planted = [
            (item, fault)
            for item, right in zip(items, rights, strict=True)
            for fault in few(item[0], to_prove(item, right))
        ]
        planted += [
            (item, Planted(f"{item[0].id} {rule} {number}", make(), frozenset({rule})))
            for item in items
            for number, (make, rule) in enumerate(OWN.get(item[0].id, ()))
        ]
        left, found = await missed(miniature, tmp_path, planted)

    with capsys.disabled():  # the share proven is to be seen
        total = sum(found.values())
        sys.stdout.write(f"\nsecurity, beyond: {total} of {len(planted)} faults found\n")
    assert not left, "\n".join(map(str, left))
    assert set(found) | set(OTHER_TLS) == set(SCENARIOS)


def few(scenario: Scenario, faults: list[Planted]) -> list[Planted]:
    """Return the faults of a case; of many alike, one kind after the other around the list."""
    if scenario.id in ("BEYOND_SECURITY_EVENTS", "BEYOND_LOG_STATUSES"):
        answers = [one for one in faults if one.name.startswith("answer")]
        return answers[::5]  # four kinds for each answer: every kind, at other answers
    return faults


@pytest.mark.parametrize("case", OTHER_TLS)
async def test_a_listener_that_takes_anything_is_found(tmp_path: Path, case: str) -> None:
    """No certificate is asked for, or TLS as it was long ago is spoken."""
    tls, rule, times = OTHER_TLS[case]
    async with secure(tls) as miniature:
        seen = await SecureBench(miniature, tmp_path, limit_s=CALM_S).run(SCENARIOS[case], LetsIn())

    assert seen.result.verdict is Verdict.FAILED
    assert [one.rule for one in seen.result.findings] == [rule] * times
    assert red(seen.result) == {rule}
