"""Runs cases against bent secure miniatures, on the security profiles that a case can run on."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import count, cycle
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509

from harness import making, pki
from harness import sut as suts
from harness.drivers.driver import Credentials
from harness.engine import Engine, RunOptions
from harness.loader import library_directory, load_tree
from harness.model import Json, ProfileChoice, Scenario
from harness.results import CaseResult
from harness.sut import SystemUnderTest
from tests.miniature_pki import authority, folder, pem, written
from tests.miniatures import Bend
from tests.proofs import FIRMWARE, FIRMWARE_CONTENT, LIMIT_S
from tests.secure_miniature import SecureMiniature, Visit

PASSWORD: Final = bytes(range(0xF0, 0x100)) + b"1234"
ANY: Final = ProfileChoice(1)  # of a case that runs on any profile

SUT: Final = """\
name: Secure miniature
endpoints: {{0: "{plain}", 1: "{plain}", 2: "{tls}", 3: "{tls}"}}
identities:
  - {{identity: PLAIN, security_profile: 1, password: "{password}", password_is: hex}}
  - {{identity: TLS, security_profile: 2, password: "{password}", password_is: hex}}
  - {{identity: CERTIFICATE, security_profile: 3}}
  - {{identity: "EN/CO DED", role: encoded, security_profile: 1, password: "{password}",
     password_is: hex}}
  - {{identity: "EN%CO DÉD", role: encoded, security_profile: 2, password: "{password}",
     password_is: hex}}
id_tags: {{valid: [VALID]}}
tls:
  trust_anchors: ["{root}"]
driver:
  kind: http
  base_url: {commands}
  command: {{method: POST, path: /$identity/$action, body: $payload}}
  provision:
    identities:
      - method: POST
        path: /$identity/Provision
        body: {{profile: $security_profile, password: $password_hex, names: [$serial_number]}}
variables: {{whom_the_miniature_trusts: "${{pki:client_ca}}"}}
station: {{serial_number: "SN-{{identity}}"}}
budgets:
  ocpp_response_timeout: {{limit_s: {limit_s}, target_s: {limit_s}}}
action_timeout_s: {limit_s}
"""

_RUNS: Final = count(1)


def security_scenarios(folder_name: str = "security") -> list[Scenario]:
    """Return the shipped security cases: the official ones, or those beyond them."""
    loaded = load_tree([library_directory() / folder_name])
    assert loaded.problems == ()
    return [one for one in loaded.scenarios if one.profile.value == "Security"]


def choices(scenario: Scenario) -> list[ProfileChoice]:
    """Return the security profiles that a case can run on."""
    return list(scenario.security_profiles) or [ANY]


class SharedPki(pki.Pki):
    """The PKI of many runs."""

    def remove(self) -> None:
        """Keep it: another run may use it."""


@cache
def client_pki() -> SharedPki:
    """Return the PKI of all runs of this process: its keys are made once."""
    return SharedPki(folder() / "harness", hosts=["localhost"])


def client_root() -> x509.Certificate:
    """Return whom a miniature trusts for certificates of charge points, beside its own CA."""
    return x509.load_pem_x509_certificate(client_pki().text("client_ca").encode())


@pytest.fixture
def quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take key pairs from a few that are made once: hundreds of runs want new ones."""
    monkeypatch.setattr(making, "new_key", _next_key)


def _next_key(kind: str, *, bits: int = 2048) -> pki.PrivateKey:
    return next(_keys(kind, bits))


@cache
def _keys(kind: str, bits: int) -> Iterator[pki.PrivateKey]:
    return cycle([pki.new_key(kind, bits=bits) for _ in range(3)])


@dataclass(frozen=True)
class Observed:
    """A run, and what the miniature saw of its handshakes, with each whether it was let in."""

    result: CaseResult
    visits: tuple[tuple[Visit, bool], ...]


class SecureBench:
    """A secure miniature in which every run has a charge point, and so a bend, of its own."""

    def __init__(
        self, miniature: SecureMiniature, run_dir: Path, *, limit_s: float = LIMIT_S
    ) -> None:
        self._miniature = miniature
        self._run_dir = run_dir
        self.sut = described(miniature, run_dir, limit_s=limit_s)

    async def run(
        self,
        scenario: Scenario,
        bend: Bend,
        *,
        choice: ProfileChoice | None = None,
        **options: Any,
    ) -> Observed:
        """Run one case, on the first profile that it can run on unless a choice is given."""
        choice = choice or choices(scenario)[0]
        number = next(_RUNS)
        leased = self._leased(scenario, choice, f"RUN{number:05}")
        self._miniature.bends[leased.identity] = bend
        declaration = replace(self.sut.declaration, security_profiles=choice.all)
        sut = replace(self.sut, identities=(leased,), declaration=declaration)
        settings: dict[str, Any] = {"strict": True, "settle_s": 0.05, **options}
        async with Engine(sut, RunOptions(run_dir=self._run_dir, **settings)) as engine:
            result = await engine.run_case(scenario)
        return Observed(result, self._visits(leased.identity))

    def _leased(self, scenario: Scenario, choice: ProfileChoice, name: str) -> Credentials:
        """Return an identity of the profile that nobody had before."""
        like = next(
            one
            for one in self.sut.identities
            if one.security_profile == choice.start and one.role == scenario.role
        )
        if like.role:
            name = f"{like.identity} {name}"
        return replace(like, identity=name, serial_number=f"SN-{name}")

    def _visits(self, identity: str) -> tuple[tuple[Visit, bool], ...]:
        return tuple(
            (visit, (visit.identity, visit.number) in self._miniature.let_in)
            for visit in self._miniature.visits
            if visit.identity.removeprefix("nobody-") == identity
        )


def described(
    miniature: SecureMiniature, run_dir: Path, *, limit_s: float = LIMIT_S
) -> SystemUnderTest:
    """Describe a miniature as a vendor would, in a file; its PKI is that of all runs."""
    text = SUT.format(
        plain=miniature.url,
        tls=miniature.tls_url,
        password=PASSWORD.hex(),
        root=written("root.pem", pem(authority().root)),
        commands=miniature.command_url,
        limit_s=limit_s,
    )
    file = run_dir / f"secure-{next(_RUNS)}.yaml"
    file.write_text(text, encoding="utf-8")
    sut = suts.load(file, run_dir=run_dir)
    variables: dict[str, Json] = {
        "root_certificate": pem(authority("Root 1").root),
        "root_certificate_2": pem(authority("Root 2").root),
        "firmware_content": b64encode(FIRMWARE_CONTENT).decode(),
        "firmware_signing_certificate": pem(FIRMWARE.root),
        "firmware_signature": FIRMWARE.sign_content(FIRMWARE_CONTENT),
        "invalid_firmware_signature": FIRMWARE.sign_content(b"something else"),
        # A fault is derived from one run and planted in another: the same in both.
        "new_request_id": 7,
    }
    access = replace(sut.access, pki=client_pki())
    return replace(sut, access=access, variables={**sut.variables, **variables})
