"""Secure Central Systems that are odd but right pass; what nobody could offer is our own error."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from harness.access import PasswordEncoding
from harness.loader import load_file
from harness.model import Profile, ProfileChoice
from harness.results import Severity, Verdict
from tests.acceptance.test_security_proofs import quick_keys, secure
from tests.faults import Edit, changed, with_field
from tests.miniature_pki import SUITES, ServerTls, authority, pem
from tests.miniatures import Bend, Frames, Link, Order
from tests.proofs import CALM_S, PATIENT_S, red, side_by_side
from tests.secure_faults import LetsIn, RefusesBy
from tests.secure_miniature import Ending, SecureBend, SecureMiniature, Station
from tests.secure_proofs import SecureBench, security_scenarios

__all__ = ["quick_keys"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_keys")]

# Findings that tests here are about, each by itself.
BY_THEMSELVES = {"connection.password-encoding", "connection.unreachable", "tls.common-name"}

CASES = {one.id: one for one in [*security_scenarios(), *security_scenarios("beyond")]}


@dataclass(frozen=True)
class Requests(SecureBend):
    """Every request of an action leaves in another form."""

    action: str
    edit: Edit

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        return self.edit(frame) if order.action == self.action else [frame]


def payload(path: Sequence[str], change: Callable[[Any], object]) -> Edit:
    """Change what stands at a place of the payload."""

    def edit(frame: str) -> Frames:
        value = json.loads(frame)[3]
        for name in path:
            value = value[name]
        return with_field(path, change(value))(frame)

    return edit


def crlf(text: str) -> str:
    """Write a text with the line ends of another system."""
    return text.replace("\n", "\r\n")


def upper(hash_data: dict[str, str]) -> dict[str, str]:
    """Write hexadecimal texts in capitals."""
    return {
        name: text if name == "hashAlgorithm" else text.upper() for name, text in hash_data.items()
    }


def leaf_only(chain: str) -> str:
    """Return the first certificate of a chain."""
    return chain[: chain.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n"


def longer(chain: str) -> str:
    """Return a chain with more than its issuer."""
    return chain + pem(authority("Root of roots").root)


@dataclass
class ChoosesKeys(SecureBend):
    """The Central System makes its passwords itself, whatever the operator typed."""

    key: str

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        return with_field(["value"], self.key)(frame)

    def settles(self, station: Station, key: str, value: str) -> None:
        station.take(key, self.key)


class ListsAgain(SecureBend):
    """After a certificate was deleted the list of them is read again."""

    async def replied(self, link: Link, frame: list[Any]) -> None:
        if isinstance(self.deleted, str) and frame[1] == self.deleted:
            kind = "CentralSystemRootCertificate"
            await link.request("GetInstalledCertificateIds", {"certificateType": kind})

    deleted: str | None = None

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        self.deleted = json.loads(frame)[1] if order.action == "DeleteCertificate" else None
        return [frame]


CHAIN = ("certificateChain",)
FIRMWARE = ("firmware", "signingCertificate")
NOW = "2026-01-31T12:00:00.000Z"

ODD: list[tuple[str, Bend, set[str]]] = [
    ("TC_073_CSMS", ChoosesKeys("0a" * 16), set()),
    ("TC_073_CSMS", ChoosesKeys("FF" * 20), set()),
    ("TC_073_CSMS", ChoosesKeys("aB" * 18), set()),
    ("TC_074_CSMS", Requests("CertificateSigned", payload(CHAIN, leaf_only)), set()),
    ("TC_074_CSMS", Requests("CertificateSigned", payload(CHAIN, longer)), set()),
    ("TC_074_CSMS", Requests("CertificateSigned", payload(CHAIN, crlf)), set()),
    ("TC_074_CSMS", Requests("CertificateSigned", payload(CHAIN, str.strip)), set()),
    ("TC_075_1_CSMS", Requests("InstallCertificate", payload(["certificate"], crlf)), set()),
    ("TC_075_2_CSMS", Requests("InstallCertificate", payload(["certificate"], str.strip)), set()),
    ("TC_078_CSMS", Requests("InstallCertificate", payload(["certificate"], crlf)), set()),
    (
        "TC_076_CSMS",
        Requests("DeleteCertificate", payload(["certificateHashData"], upper)),
        {"rule.DeleteCertificate.req"},
    ),
    ("TC_076_CSMS", ListsAgain(), set()),
    (
        "TC_076_CSMS",  # another root than the one in the file: it is the one to be deleted
        Requests("InstallCertificate", with_field(["certificate"], pem(authority("Third").root))),
        set(),
    ),
    ("TC_077_CSMS", Requests("CertificateSigned", with_field(CHAIN, "anything")), set()),
    (
        "TC_079_CSMS",
        Requests(
            "GetLog",
            changed(
                [
                    (["log", "oldestTimestamp"], NOW),
                    (["log", "latestTimestamp"], NOW),
                    (["retries"], 3),
                    (["retryInterval"], 0),
                ]
            ),
        ),
        set(),
    ),
    ("TC_079_CSMS", Requests("GetLog", with_field(["requestId"], 0)), set()),
    (
        "TC_080_CSMS",
        Requests(
            "SignedUpdateFirmware",
            changed(
                [
                    (["firmware", "installDateTime"], NOW),
                    (["firmware", "retrieveDateTime"], NOW),
                    (["retries"], 3),
                ]
            ),
        ),
        set(),
    ),
    ("TC_080_CSMS", Requests("SignedUpdateFirmware", payload(FIRMWARE, crlf)), set()),
    (
        "TC_081_CSMS",
        Requests("SignedUpdateFirmware", with_field(["firmware", "signature"], "bm9uc2Vuc2U=")),
        set(),
    ),
    (
        "TC_081_CSMS",  # there is no rule on it
        Requests("SignedUpdateFirmware", payload(FIRMWARE, leaf_only)),
        set(),
    ),
]


@pytest.mark.parametrize("number", range(len(ODD)))
async def test_what_is_odd_but_right_passes(tmp_path: Path, number: int) -> None:
    """Line ends, chains, optional fields, another word for the same: none of it fails a case."""
    case, bend, warned = ODD[number]
    async with secure() as miniature:
        seen = await SecureBench(miniature, tmp_path, limit_s=PATIENT_S).run(CASES[case], bend)

    assert seen.result.verdict is Verdict.PASSED, (seen.result.reason, seen.result.findings)
    assert {one.rule for one in seen.result.findings} == warned


# Status codes and endings that are a refusal as good as 401.
ENDINGS: list[HTTPStatus | Ending] = [
    *(HTTPStatus(code) for code in (301, 400, 403, 404, 429, 500, 503)),
    Ending.EOF,
    Ending.RESET,
]
# This one is about how it is refused, too.
STATUSES = {"BEYOND_BRUTE_FORCE", "BEYOND_UNKNOWN_IDENTITY"}


async def test_a_refusal_is_one_in_any_form(tmp_path: Path) -> None:
    """Nothing says by which status, or by which end of the connection, a CSMS refuses."""
    refusing = [
        one
        for one in CASES.values()
        if one.id not in STATUSES and any(getattr(step, "refused", None) for step in one.steps)
    ]
    assert len(refusing) > 12
    # Each case with two of the forms, each form in many cases.
    items = [
        (scenario, ENDINGS[(number * 2 + shift) % len(ENDINGS)])
        for number, scenario in enumerate(refusing)
        for shift in (0, 1)
    ]
    async with secure() as miniature:
        bench = SecureBench(miniature, tmp_path, limit_s=PATIENT_S)
        seen = await side_by_side(lambda one: bench.run(one[0], RefusesBy(one[1])), items)

    for (scenario, ending), one in zip(items, seen, strict=True):
        about = (scenario.id, ending, one.result.reason, one.result.findings)
        assert one.result.verdict is Verdict.PASSED, about
        assert one.result.findings == (), about


# --- TLS that is odd -----------------------------------------------------------------------------

MORE_SUITES = ":".join([*SUITES.values(), "ECDHE-RSA-AES256-GCM-SHA384", "AES128-SHA"])
ODD_TLS: dict[str, tuple[ServerTls, set[str]]] = {
    "more suites": (ServerTls(suites=MORE_SUITES), set()),
    "TLS 1.2 alone": (ServerTls(newest=ssl.TLSVersion.TLSv1_2), {"tls.version-1-3"}),
    "a longer EC key": (ServerTls(keys=["RSA-2048", "EC-384"]), set()),
    "an RSA key of 3072 bits": (ServerTls(keys=["RSA-3072", "EC"]), set()),
    "another name for the loopback address": (
        ServerTls(name="csms.example", hosts=["localhost"]),
        {"tls.common-name"},
    ),
}


@pytest.mark.parametrize("name", ODD_TLS)
async def test_odd_tls_passes(tmp_path: Path, name: str) -> None:
    """What is beyond the demands, and what cannot be checked, fails nothing."""
    tls, warned = ODD_TLS[name]
    async with secure(tls) as miniature:
        bench = SecureBench(miniature, tmp_path, limit_s=PATIENT_S)
        seen = await bench.run(CASES["TC_086_CSMS"], Bend())

    assert seen.result.verdict is Verdict.PASSED, seen.result.findings
    assert {one.rule for one in seen.result.findings} == warned


async def test_an_endpoint_may_demand_a_certificate_of_everybody(tmp_path: Path) -> None:
    """Who has none, or a wrong one, then ends in the TLS handshake."""
    about_certificates = [
        one for one in CASES.values() if {choice.start for choice in one.security_profiles} == {3}
    ]
    assert len(about_certificates) >= 8
    async with secure(ServerTls(is_client_demanded=True)) as miniature:
        bench = SecureBench(miniature, tmp_path, limit_s=PATIENT_S)
        seen = await side_by_side(lambda one: bench.run(one, Bend()), about_certificates)

    for one in seen:
        assert one.result.verdict is Verdict.PASSED, (one.result.case_id, one.result.findings)
        assert one.result.findings == (), one.result.findings


@pytest.fixture
def csms_example(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a host name that leads here, as a real one would."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        return resolve("127.0.0.1" if host == "csms.example" else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return "csms.example"


@pytest.mark.parametrize("name", ["csms.example", "another.example"])
async def test_the_common_name_is_the_host(tmp_path: Path, csms_example: str, name: str) -> None:
    """Where the address has a real name, the certificate has it as its common name (TC_086)."""
    async with secure(ServerTls(name=name, hosts=[csms_example])) as miniature:
        bench = SecureBench(miniature, tmp_path, limit_s=PATIENT_S)
        access = bench.sut.access
        url = access.endpoints[2].replace("localhost", csms_example)
        bench.sut = replace(bench.sut, access=replace(access, endpoints={2: url}))
        seen = await bench.run(CASES["TC_086_CSMS"], Bend())

    is_right = name == csms_example
    assert seen.result.verdict is (Verdict.PASSED if is_right else Verdict.FAILED)
    assert red(seen.result) == (set() if is_right else {"tls.common-name"})
    assert miniature.calls[0].action == "BootNotification"


# --- passwords and profiles ----------------------------------------------------------------------


class HexText(SecureBend):
    """A password is the hexadecimal text itself."""

    def ordered(self, station: Station, key: str, value: str) -> None:
        """Nothing counts before the answer."""

    def settles(self, station: Station, key: str, value: str) -> None:
        station.password = value.encode()


async def test_the_encoding_of_passwords_is_as_declared(tmp_path: Path) -> None:
    """Where the system wants the other one the report says so, and the case stays failed."""
    async with secure() as miniature:
        bench = SecureBench(miniature, tmp_path, limit_s=CALM_S)
        raw = await bench.run(CASES["TC_073_CSMS"], HexText())
        access = replace(bench.sut.access, password_encoding=PasswordEncoding.HEX_TEXT)
        bench.sut = replace(bench.sut, access=access)
        text = await bench.run(CASES["TC_073_CSMS"], HexText())

    assert raw.result.verdict is Verdict.FAILED
    assert "connection.password-encoding" in red(raw.result)
    assert text.result.verdict is Verdict.PASSED, text.result.findings


@dataclass
class ShutsThePlainDoor(SecureBend):
    """The plain listener ends when a charge point was raised beyond it."""

    miniature: SecureMiniature
    visits: list[int] = field(default_factory=list)

    async def opened(self, link: Link) -> None:
        self.visits.append(self.miniature.visits[-1].profile)
        if self.visits[-1] == 2:
            self.miniature.close_plain()


async def test_a_port_that_was_shut_counts_with_a_warning(tmp_path: Path) -> None:
    """TC_083: no source says whether it does, so it passes and is told."""
    async with secure() as miniature:
        bench = SecureBench(miniature, tmp_path, limit_s=PATIENT_S)
        seen = await bench.run(CASES["TC_083_CSMS"], ShutsThePlainDoor(miniature))

    assert seen.result.verdict is Verdict.PASSED, seen.result.findings
    [found] = seen.result.findings
    assert (found.rule, found.severity) == ("connection.unreachable", Severity.WARNING)


# --- our own side --------------------------------------------------------------------------------

UNABLE = """\
id: UNABLE
title: UNABLE
set: beyond
profile: Security
section: "0"
reason: A test.
purpose: A test.
security_profiles: [2]
start: none
steps:
"""
WAYS = {
    "a suite that nobody here has": """\
  - connect: {tls: {versions: ["1.2"], suites: [TLS_RSA_WITH_RC4_128_SHA]}}
    refused: {}
""",
    "an old version with a new suite": """\
  - connect: {tls: {versions: ["1.1"], suites: [TLS_RSA_WITH_AES_128_GCM_SHA256]}}
    refused: {}
""",
    "a handshake that nobody here can make": """\
  - probe_tls: {}
    refused: {suites: [TLS_RSA_WITH_RC4_128_SHA]}
""",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_right", [True, False])
async def test_what_we_cannot_offer_is_our_error(tmp_path: Path, way: str, is_right: bool) -> None:
    """A server that accepts everything, or nothing, is not judged by what never left."""
    file = tmp_path / "UNABLE.yaml"
    file.write_text(UNABLE + WAYS[way], encoding="utf-8")
    tls = (
        ServerTls()
        if is_right
        else ServerTls(
            oldest=ssl.TLSVersion.TLSv1, suites="ALL:@SECLEVEL=0", are_clients_verified=False
        )
    )
    async with secure(tls) as miniature:
        bench = SecureBench(miniature, tmp_path, limit_s=CALM_S)
        seen = await bench.run(load_file(file), SecureBend() if is_right else LetsIn())

    assert seen.result.verdict is Verdict.ERROR, seen.result
    assert miniature.visits == []


async def test_profiles_that_are_not_declared_do_not_apply(tmp_path: Path) -> None:
    """A system without security profiles is not failed for them."""
    async with secure() as miniature:
        bench = SecureBench(miniature, tmp_path)
        seen = [
            await bench.run(one, Bend(), choice=ProfileChoice(1))
            for one in CASES.values()
            if all(1 not in choice.all for choice in one.security_profiles)
            and one.security_profiles
        ]

    assert seen
    assert {one.result.verdict for one in seen} == {Verdict.NOT_APPLICABLE}
    assert all("profile" in one.result.reason for one in seen)


@pytest.mark.parametrize("case", ["TC_080_CSMS", "TC_081_CSMS"])
@pytest.mark.parametrize("has_firmware", [True, False])
async def test_signed_firmware_needs_the_firmware_profile(
    tmp_path: Path, case: str, has_firmware: bool
) -> None:
    """Both cases are mandatory, but only for those who have Firmware Management."""
    profiles = {Profile.CORE, *([Profile.FIRMWARE_MANAGEMENT] if has_firmware else [])}
    async with secure() as miniature:
        bench = SecureBench(miniature, tmp_path, limit_s=PATIENT_S)
        declaration = replace(bench.sut.declaration, profiles=frozenset(profiles))
        bench.sut = replace(bench.sut, declaration=declaration)
        seen = await bench.run(CASES[case], Bend())

    assert seen.result.verdict is (Verdict.PASSED if has_firmware else Verdict.NOT_APPLICABLE)
    assert ("FirmwareManagement" in seen.result.reason) is not has_firmware
