"""Connections of a case against real sockets: taken, refused, and told for what they were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from textwrap import dedent, indent

import pytest

from harness.access import Access, PasswordEncoding
from harness.drivers.driver import Credentials
from harness.drivers.http_spec import HttpDriverSpec, RequestTemplate
from harness.engine import Engine
from harness.loader import load_text
from harness.model import Json
from harness.results import CaseResult, Verdict
from harness.sut import SystemUnderTest
from simulator.trace import EventKind
from tests.harness.small_runs import options, rules, system
from tests.miniature_pki import ServerTls, authority, pem
from tests.secure_miniature import Ending, SecureBend, SecureMiniature, Station, Visit
from tests.secure_miniature import Verdict as Door
from tests.secure_proofs import client_pki, client_root

PASSWORD = b"a-good-password-16"
HEAD = "id: TC_900_CSMS\ntitle: T\nprofile: Security\nrequirement: mandatory\nstart: none\n"
ORDER = """\
- connect: {}
- operator: ChangeConfiguration
  payload: {key: AuthorizationKey, value: $new_password}
- receive: ChangeConfiguration
  payload: {value: {capture: key}}
  answer: {status: Accepted}
- disconnect: close
"""


@pytest.fixture
async def miniature() -> AsyncIterator[SecureMiniature]:
    async with SecureMiniature(tls=ServerTls(), client_roots=[client_root()]) as found:
        for profile in (1, 2, 3):
            password = PASSWORD if profile < 3 else None
            found.stations[f"CP{profile}"] = Station(
                profile=profile, password=password, names=frozenset({f"SN-CP{profile}"})
            )
        yield found


def described(miniature: SecureMiniature, tmp_path: Path, **changes: object) -> SystemUnderTest:
    root = tmp_path / "root.pem"
    root.write_text(pem(authority().root))
    access = Access(
        endpoints={1: miniature.url, 2: miniature.tls_url, 3: miniature.tls_url},
        pki=client_pki(),
        trust_anchors=(root,),
        has_own_client_ca=True,
    )
    credentials = tuple(
        Credentials(
            f"CP{profile}",
            PASSWORD if profile < 3 else None,
            security_profile=profile,
            serial_number=f"SN-CP{profile}",
            organization="Preflight",
        )
        for profile in (1, 2, 3)
    )
    sut = system(miniature, access=replace(access, **changes), identities=3)  # type: ignore[arg-type]
    return replace(sut, identities=credentials)


async def run(
    miniature: SecureMiniature,
    tmp_path: Path,
    steps: str,
    *,
    profile: int = 1,
    sut: SystemUnderTest | None = None,
) -> CaseResult:
    head = f"{HEAD}security_profiles: [{profile}]\nsteps:\n"
    scenario = load_text(head + indent(dedent(steps), "  "))
    async with Engine(sut or described(miniature, tmp_path), options(tmp_path)) as engine:
        return await engine.run_case(scenario)


def kinds(case: CaseResult) -> list[str]:
    """Return how each connection went, in order."""
    wanted = (EventKind.OPENED, EventKind.REFUSED)
    return [
        str(event.detail.get("kind") or event.kind.value)
        for event in case.events
        if event.kind in wanted
    ]


@pytest.mark.parametrize("profile", [1, 2, 3])
async def test_each_profile_shows_what_it_has(
    miniature: SecureMiniature, tmp_path: Path, profile: int
) -> None:
    """A password, a password over TLS, a certificate without a password."""
    case = await run(miniature, tmp_path, "- connect: {}\n", profile=profile)

    assert case.verdict is Verdict.PASSED
    (visit,) = miniature.visits
    assert visit.profile == profile
    assert visit.password == (PASSWORD if profile < 3 else None)
    assert (visit.certificate is not None) == (profile == 3)


@pytest.mark.parametrize(
    ("offer", "profile"),
    [
        ("{credentials: none}", 1),
        ("{credentials: wrong}", 2),
        ("{credentials: none, profile: 2}", 2),
        ("{identity: nobody}", 1),
        ("{subprotocols: [ocpp0.1]}", 1),
        ("{subprotocols: []}", 1),
        ("{certificate: none}", 3),
        ("{certificate: other_identity}", 3),
        ("{certificate: untrusted}", 3),
        ("{certificate: expired}", 3),
        ("{profile: 1}", 2),
        ('{tls: {versions: ["1.1"]}}', 2),
        ("{tls: {suites: [TLS_RSA_WITH_NULL_SHA256]}}", 2),
    ],
)
async def test_what_must_be_refused_is_seen_to_be(
    miniature: SecureMiniature, tmp_path: Path, offer: str, profile: int
) -> None:
    """A refusal passes; afterwards the charge point connects as it is."""
    steps = f"- connect: {offer}\n  refused: {{}}\n- connect: {{}}\n"
    case = await run(miniature, tmp_path, steps, profile=profile)

    assert (case.verdict, case.findings) == (Verdict.PASSED, ())
    assert kinds(case)[0] in ("http", "alert", "eof", "reset")
    assert kinds(case)[1] == "opened"


class _LetsIn(SecureBend):
    async def admits(self, visit: Visit, verdict: Door) -> Door:
        return None


class _Ends(SecureBend):
    def __init__(self, how: Door) -> None:
        self.how = how

    async def admits(self, visit: Visit, verdict: Door) -> Door:
        return self.how if visit.number == 0 else verdict


@pytest.mark.parametrize(
    ("offer", "profile"),
    [("{credentials: none}", 1), ("{credentials: wrong}", 2), ("{certificate: none}", 3)],
)
async def test_a_server_that_takes_everything_fails(
    miniature: SecureMiniature, tmp_path: Path, offer: str, profile: int
) -> None:
    """A connection that came about is no refusal, and is closed again by us."""
    miniature.bend = _LetsIn()
    steps = f"- connect: {offer}\n  refused: {{}}\n- connect: {{}}\n"
    case = await run(miniature, tmp_path, steps, profile=profile)

    assert case.verdict is Verdict.FAILED
    assert rules(case) == ["connection.not-refused"]
    assert kinds(case) == ["opened"]
    assert case.findings[0].event == 0


@pytest.mark.parametrize("steps", ["- connect: %s\n  refused: {}\n", "- connect: %s\n"])
async def test_what_we_cannot_offer_is_our_own_error(
    miniature: SecureMiniature, tmp_path: Path, steps: str
) -> None:
    """No byte left, so nobody refused anything: neither a pass nor a failure."""
    offer = "{tls: {suites: [TLS_RSA_WITH_RC4_128_SHA]}}"
    case = await run(miniature, tmp_path, steps % offer, profile=2)

    assert case.verdict is Verdict.ERROR
    assert rules(case) == ["harness.cannot-offer"]
    assert miniature.visits == []


@pytest.mark.parametrize("how", [HTTPStatus.UNAUTHORIZED, Ending.EOF, Ending.RESET])
async def test_a_connection_that_must_come_about_and_does_not_fails(
    miniature: SecureMiniature, tmp_path: Path, how: Door
) -> None:
    """However it was refused, the case fails, and what it was is kept."""
    miniature.bend = _Ends(how)
    case = await run(miniature, tmp_path, "- connect: {}\n")

    assert case.verdict is Verdict.FAILED
    assert rules(case) == ["handshake.refused"]
    assert kinds(case) == [how.name.lower() if isinstance(how, Ending) else "http"]


async def test_a_certificate_we_do_not_trust_is_the_servers_fault(
    miniature: SecureMiniature, tmp_path: Path
) -> None:
    """Our hanging up is no refusal, wanted or not."""
    sut = described(miniature, tmp_path, trust_anchors=())
    for steps in ("- connect: {}\n  refused: {}\n", "- connect: {}\n"):
        case = await run(miniature, tmp_path, steps, profile=2, sut=sut)

        assert case.verdict is Verdict.FAILED
        assert rules(case) == ["handshake.not-trusted"]


async def test_a_shut_port_counts_only_where_the_step_says_so(
    miniature: SecureMiniature, tmp_path: Path
) -> None:
    """Else nothing was refused: nobody was there."""
    shut = described(miniature, tmp_path)
    endpoints = {**shut.access.endpoints, 2: "wss://127.0.0.1:1/ocpp"}
    sut = replace(shut, access=replace(shut.access, endpoints=endpoints))
    plain = "- connect: {profile: 2}\n  refused: {}\n"
    warned = "- connect: {profile: 2}\n  refused: {unreachable: warning}\n"

    strict = await run(miniature, tmp_path, plain, sut=sut)
    lenient = await run(miniature, tmp_path, warned, sut=sut)

    assert (strict.verdict, rules(strict)) == (Verdict.INCONCLUSIVE, ["connection.unreachable"])
    assert (lenient.verdict, rules(lenient)) == (Verdict.PASSED, ["connection.unreachable"])


async def test_what_was_accepted_last_stays(miniature: SecureMiniature, tmp_path: Path) -> None:
    """A new password is kept; a refused attempt changes nothing."""
    steps = ORDER + (
        "- connect: {password: $key}\n- disconnect: close\n"
        "- connect: {credentials: wrong}\n  refused: {status: [401]}\n- connect: {}\n"
    )
    case = await run(miniature, tmp_path, steps)

    assert case.verdict is Verdict.PASSED
    assert case.variables["password_encoding"] == "raw_from_hex"
    passwords = [visit.password for visit in miniature.visits]
    assert passwords[1] == passwords[3] not in (PASSWORD, passwords[2])


async def test_no_password_is_in_a_result(miniature: SecureMiniature, tmp_path: Path) -> None:
    """A key that the CSMS sent is masked in frames, findings and variables."""
    steps = ORDER + "- connect: {password: $key}\n- send: Heartbeat\n  payload: {}\n"
    case = await run(miniature, tmp_path, steps)
    key = miniature.visits[1].password

    assert key is not None
    assert len(key) == 20
    assert key.hex() not in repr(case)
    assert "AuthorizationKey" in repr(case.events)


class _WantsText(SecureBend):
    """Takes the key's text for the password."""

    def settles(self, station: Station, key: str, value: str) -> None:
        station.password = value.encode()

    def ordered(self, station: Station, key: str, value: str) -> None:
        pass


async def test_a_password_in_the_other_form_is_told(
    miniature: SecureMiniature, tmp_path: Path
) -> None:
    """It fails as declared, and the report says what would have worked; declared so it passes."""
    miniature.bend = _WantsText()
    steps = ORDER + "- connect: {password: $key}\n"
    failed = await run(miniature, tmp_path, steps)
    miniature.stations["CP1"].password = PASSWORD
    text = described(miniature, tmp_path, password_encoding=PasswordEncoding.HEX_TEXT)
    passed = await run(miniature, tmp_path, steps, sut=text)

    assert failed.verdict is Verdict.FAILED
    assert set(rules(failed)) == {
        "handshake.refused",
        "connection.password-encoding",
        "cleanup.credentials",
    }
    assert "takes it as hex_text" in next(
        one.message for one in failed.findings if one.rule == "connection.password-encoding"
    )
    assert passed.verdict is Verdict.PASSED
    assert passed.variables["password_encoding"] == "hex_text"


async def test_a_changed_password_is_put_back_or_kept(
    miniature: SecureMiniature, tmp_path: Path
) -> None:
    """Registered anew where that can be done; else the next case uses what there is now."""
    scenario = load_text(
        f"{HEAD}security_profiles: [1]\nsteps:\n"
        + indent(ORDER + "- connect: {password: $key}\n", "  ")
    )
    sut = described(miniature, tmp_path)
    async with Engine(sut, options(tmp_path)) as engine:
        kept = [await engine.run_case(scenario) for _ in range(2)]

    assert [case.verdict for case in kept] == [Verdict.PASSED, Verdict.PASSED]
    assert [one.rule for one in kept[0].findings] == ["cleanup.credentials"]

    assert isinstance(sut.driver, HttpDriverSpec)
    body: dict[str, Json] = {
        "profile": "$security_profile",
        "password": "$password_hex",
        "names": [],
    }
    again = RequestTemplate(path="/$identity/Provision", body=body)
    driven = replace(sut, driver=replace(sut.driver, identities=(again,)))
    async with Engine(driven, options(tmp_path)) as engine:
        restored = [await engine.run_case(scenario) for _ in range(2)]

    assert [(case.verdict, case.findings) for case in restored] == [(Verdict.PASSED, ())] * 2


async def test_a_refused_twin_leaves_the_live_connection_alone(
    miniature: SecureMiniature, tmp_path: Path
) -> None:
    """Frames after it still go over the first connection, and numbers are not given twice."""
    steps = (
        "- connect: {}\n"
        "- connect: {credentials: wrong, beside: true}\n  refused: {}\n"
        "- send: Heartbeat\n  payload: {}\n- disconnect: close\n- connect: {}\n"
    )
    case = await run(miniature, tmp_path, steps)

    assert (case.verdict, case.findings) == (Verdict.PASSED, ())
    numbers = [
        event.connection
        for event in case.events
        if event.kind in (EventKind.OPENED, EventKind.REFUSED)
    ]
    assert numbers == [1, 2, 3]
    frames = {event.connection for event in case.events if event.kind is EventKind.FRAME}
    assert frames == {1}


async def test_a_certificate_without_its_key_cannot_be_used(
    miniature: SecureMiniature, tmp_path: Path
) -> None:
    """A chain that belongs to no request of the case is the fault of who sent it."""
    steps = "- connect: {certificate: $root_certificate}\n"
    case = await run(miniature, tmp_path, steps, profile=3)

    assert (case.verdict, rules(case)) == (Verdict.FAILED, ["connection.certificate"])


async def test_declared_but_not_provided_is_no_pass(
    miniature: SecureMiniature, tmp_path: Path
) -> None:
    """A declared profile without identities has not been seen; else the case does not apply."""
    sut = described(miniature, tmp_path)
    only = replace(sut, identities=sut.identities[:1])
    declared = replace(only, declaration=replace(only.declaration, security_profiles=(1, 2)))

    seen = await run(miniature, tmp_path, "- connect: {}\n", profile=2, sut=declared)
    other = await run(miniature, tmp_path, "- connect: {}\n", profile=2, sut=only)

    assert (seen.verdict, rules(seen)) == (Verdict.INCONCLUSIVE, ["sut.no-profile"])
    assert other.verdict is Verdict.NOT_APPLICABLE


async def test_the_model_goes_on_with_what_it_changed(
    miniature: SecureMiniature, tmp_path: Path
) -> None:
    """Where the model takes a new key by itself, a connection that names nothing uses it."""
    steps = """\
    - connect: {}
    - do: power_on
      calls: [{BootNotification: {expect: {status: Accepted}}}]
    - operator: ChangeConfiguration
      payload: {key: AuthorizationKey, value: $new_password}
    - receive: ChangeConfiguration
      payload: {value: {capture: key}}
    - disconnect: close
    - connect: {}
    """
    case = await run(miniature, tmp_path, steps)

    assert [step.outcome for step in case.steps] == ["passed"] * 6
    first, second = (visit.password for visit in miniature.visits)
    assert first == PASSWORD
    assert second not in (None, PASSWORD)
