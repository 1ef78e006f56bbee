"""Connection steps as files write them, and how they are told wrong."""

from __future__ import annotations

import pytest

from harness.model import Connect, Make, ProbeTls, ProfileChoice, Refusal, TlsChoice
from simulator.tls_names import MANDATORY_SUITES
from tests.harness.scenario_texts import BOOT, HEAD, problems, scenario, wrong_step

SUITE = "TLS_RSA_WITH_AES_128_GCM_SHA256"


def one(step: str) -> object:
    return scenario(f"  - {step}\n").steps[0]


def test_a_plain_connection_offers_what_is_usual() -> None:
    """Nothing is forced that the file does not name."""
    step = one("connect: {}")

    assert isinstance(step, Connect)
    assert (step.profile, step.tls, step.refused, step.subprotocols) == (None, None, None, None)


def test_everything_a_connection_may_say_is_read() -> None:
    """Each key has its place."""
    step = one(
        "{connect: {profile: $higher_security_profile, identity: X, credentials: own, "
        "password: 00ff, certificate: expired, subprotocols: [a, b], "
        f'tls: {{versions: ["1.1"], suites: [{SUITE}]}}, beside: true}}, '
        "refused: {status: [401], warn: {status: [403]}, unreachable: warning}}"
    )

    assert isinstance(step, Connect)
    assert (step.profile, step.identity) == ("$higher_security_profile", "X")
    assert (step.credentials, step.password, step.certificate) == ("own", "00ff", "expired")
    assert (step.subprotocols, step.beside) == (("a", "b"), True)
    assert step.tls == TlsChoice(("1.1",), (SUITE,))
    assert step.refused == Refusal((401,), (403,), takes_unreachable=True)


def test_no_subprotocol_at_all_can_be_offered() -> None:
    """An empty list is not the same as none being named."""
    step = one("{connect: {subprotocols: []}, accepted: {subprotocol: ocpp1.6}}")

    assert isinstance(step, Connect)
    assert (step.subprotocols, step.agreed) == ((), "ocpp1.6")


def test_a_probe_wants_the_mandatory_suites() -> None:
    """What is not named is what every CSMS owes."""
    step = one("probe_tls: {}")

    assert isinstance(step, ProbeTls)
    assert (step.suites, step.version, step.looks_at_certificate) == (
        MANDATORY_SUITES,
        "1.2",
        True,
    )


def test_what_is_made_has_its_own_name() -> None:
    """The variable is named after the thing, or as the file says."""
    steps = scenario("  - make: csr\n  - {make: password, as: other, with: {bytes: 16}}\n").steps

    assert [step.name for step in steps if isinstance(step, Make)] == ["csr", "other"]


def test_attempts_can_be_repeated() -> None:
    """`for_each` repeats a connection; each has its own path."""
    steps = scenario("  - {connect: {credentials: wrong}, refused: {}, for_each: {n: [1, 2, 3]}}\n")

    assert [step.path for step in steps.steps] == ["1.1", "1.2", "1.3"]


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ("{connect: {}, refused: {}, accepted: {}}", "accepted or refused, not both"),
        ("connect: {profle: 1}", "has no key profle (did you mean profile?)"),
        ("connect: {profile: 4}", "4 is not known here"),
        ("connect: {credentials: right}", "'right' is not known here"),
        ("connect: {certificate: mine}", "'mine' is not known here"),
        ("connect: {certificate: $nobody}", "there is no variable $nobody"),
        ("connect: {password: xyz}", "a password is hexadecimal text"),
        ("connect: {password: 00ff, credentials: none}", "no meaning with credentials: none"),
        ("{connect: {}, refused: {status: [99]}}", "99 is less than"),
        ("{connect: {}, refused: {unreachable: failure}}", "'failure' is not known here"),
        ("connect: {tls: {}}", "tls is empty"),
        ('connect: {tls: {versions: ["2.0"]}}', "'2.0' is not known here"),
        (
            "connect: {tls: {suites: [TLS_RSA_WITH_AES_128_GCM_SHA25]}}",
            "no cipher suite is called TLS_RSA_WITH_AES_128_GCM_SHA25 "
            "(did you mean TLS_RSA_WITH_AES_128_GCM_SHA256?)",
        ),
        (
            "{probe_tls: {}, suites: [TLS_AES_128_GCM_SHA256]}",
            "is of TLS 1.3, whose suites are not chosen one by one",
        ),
        (
            '{probe_tls: {}, refused: {versions: ["1.0"]}, version: "1.2"}',
            "version is not looked at where nothing may be negotiated",
        ),
        ("make: cheese", "'cheese' is not known here"),
        ("{make: csr, with: {kye: rsa}}", "csr has no argument kye (did you mean key?)"),
        ("{make: csr, with: {key: dsa}}", "'dsa' is not known here"),
        ("{make: certificate_hash_data, with: {algorithm: SHA256}}", "needs the argument certi"),
        ("{make: csr, as: identity}", "$identity is given and cannot be made"),
    ],
)
def test_what_is_wrong_with_such_a_step_is_said(step: str, problem: str) -> None:
    """Every problem is at line 7 and says what would be right."""
    found = wrong_step(f"  - {step}\n")

    assert any(problem in one for one in found), found
    assert all(one.startswith("x.yaml:7:") for one in found)


def test_profiles_of_a_case_are_read() -> None:
    """A number, or where an upgrade begins and ends."""
    head = HEAD + "security_profiles: [{from: 1, to: 2}, 3]\n"
    case = scenario(
        f"{BOOT}  - {{send: Heartbeat, payload: {{}}, security_profiles: [3]}}\n", head=head
    )

    assert case.security_profiles == (ProfileChoice(1, 2), ProfileChoice(3))
    assert [step.security_profiles for step in case.steps] == [(), (3,)]


@pytest.mark.parametrize(
    ("head", "steps", "problem"),
    [
        ("security_profiles: [{from: 2, to: 1}]", BOOT, "from 2 to 1 is no upgrade"),
        ("security_profiles: [4]", BOOT, "4 is not known here"),
        ("security_profiles: []", BOOT, "security_profiles is empty"),
        ("station: A b", BOOT, "'A b' is no name that fits here"),
        (
            "security_profiles: [1]",
            "  - {wait: 1, security_profiles: [2]}\n",
            "this never runs: the case is not for these security profiles",
        ),
    ],
)
def test_what_is_wrong_with_profiles_is_said(head: str, steps: str, problem: str) -> None:
    """Profiles that make no sense, and steps that never run, are told."""
    found = problems(f"{HEAD}{head}\nsteps:\n{steps}")

    assert any(problem in one for one in found), found


def test_a_variable_is_there_only_where_its_step_runs() -> None:
    """What one profile makes, another cannot use."""
    head = HEAD + "security_profiles: [1, 2]\n"
    steps = (
        "  - {make: csr, security_profiles: [1]}\n"
        "  - {send: SignCertificate, payload: {csr: $csr}, security_profiles: [%s]}\n"
    )

    assert scenario(steps % 1, head=head)
    assert any("$csr" in one for one in problems(f"{head}steps:\n{steps % 2}"))
