"""The charge point's own certificate: asked for, signed, taken into use (A02, A03)."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from simulator.errors import LocalProtocolError
from simulator.frames import CallError
from simulator.outputs import Credential, Hangup, KeyType
from tests.simulator import pki
from tests.simulator.rig import FAILURE, Rig

AUTHORITY = pki.make_root()
EVENT = "Event InvalidChargePointCertificate"


def own() -> Credential:
    """Return a first certificate."""
    key = pki.ec_key()
    leaf = AUTHORITY.issue(key.public_key(), pki.name("SN-1"))
    return Credential(chain_pem=pki.pem(leaf), private_key_pem=pki.key_pem(key))


def ready(profile: int = 3, **options: Any) -> Rig:
    """Return an idle charge point."""
    keys = {"SecurityProfile": str(profile), "CpoName": "Preflight", **options.pop("keys", {})}
    defaults: dict[str, Any] = {"certificate": own(), "key_type": KeyType.ECDSA}
    rig = Rig(keys=keys, serial_number="SN-1", **{**defaults, **options})
    rig.dialogue()
    return rig


def asked(rig: Rig) -> str:
    """Let the charge point ask for a certificate; return its request."""
    rig.ask("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"})
    rig.make_csr()
    csr = str(rig.payload("SignCertificate")["csr"])
    rig.dialogue()
    return csr


def signed(rig: Rig, chain: str) -> list[str]:
    """Bring a certificate; return what came of it."""
    rig.dialogue()
    rig.ask("CertificateSigned", {"certificateChain": chain})
    return rig.dialogue()


@pytest.mark.parametrize("profile", [0, 1, 2, 3])
def test_new_certificate_is_shown_on_profile_3(profile: int) -> None:
    """Below that it is kept for the day the profile is raised."""
    rig = ready(profile, password=b"x", central_system_roots=[AUTHORITY.pem], certificate=None)
    chain = AUTHORITY.sign_csr(asked(rig))
    assert signed(rig, chain) == ["conf Accepted"]
    assert rig.hangups == ([Hangup()] if profile == 3 else [])
    if profile < 3:
        rig.ask("ChangeConfiguration", {"key": "SecurityProfile", "value": "3"})
    certificate = rig.credentials[-1].certificate
    assert certificate is not None
    assert certificate.chain_pem == chain


def test_serial_number_or_identity_is_asked_for() -> None:
    """The name of a charge point without serial number is its identity."""
    rig = ready()
    rig.charge_point.serial_number = ""
    rig.do("renew_certificate")
    assert rig.csr_orders[0].common_name == "CP1"


def test_without_organisation_nothing_is_asked_for() -> None:
    """CpoName must be set before (A02)."""
    rig = ready(keys={"CpoName": ""})
    answer = rig.ask("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"})
    assert answer == {"status": "Rejected"}
    with pytest.raises(LocalProtocolError, match="CpoName"):
        rig.do("renew_certificate")
    assert not rig.csr_orders


def test_organisation_that_no_name_can_hold() -> None:
    """Half a character is no text; there is no request then, and people are told."""
    rig = ready(keys={"CpoName": "\udcff"})
    rig.do("renew_certificate")
    rig.make_csr()
    assert rig.story() == []
    assert any("No request for a certificate" in notice for notice in rig.notices)


def test_certificate_for_the_present_key() -> None:
    """A CSMS may renew the certificate of the key there is."""
    rig = ready()
    present = rig.charge_point.security.access.certificate
    assert present is not None
    key = pki.public_key_of(present.private_key_pem)
    chain = pki.pem(AUTHORITY.issue(key, pki.name("SN-1"), serial_number=7))
    asked(rig)
    assert signed(rig, chain) == ["conf Accepted"]
    used = rig.credentials[-1].certificate
    assert used == Credential(chain_pem=chain, private_key_pem=present.private_key_pem)


@pytest.mark.parametrize("status", ["Rejected", "error"])
def test_request_the_csms_refuses(status: str) -> None:
    """What it refused to have signed is forgotten; it is not asked again."""
    rig = ready()
    answer = FAILURE if status == "error" else {"status": status}
    rig.answers["SignCertificate"] = lambda _: answer
    csr = asked(rig)
    rig.advance(1000)
    assert "SignCertificate" not in rig.story()
    assert signed(rig, AUTHORITY.sign_csr(csr)) == ["conf Rejected", EVENT]


def test_newer_request_replaces_the_earlier_one() -> None:
    """A certificate for the earlier key comes too late."""
    rig = ready()
    first, second = asked(rig), asked(rig)
    assert signed(rig, AUTHORITY.sign_csr(first)) == ["conf Rejected", EVENT]
    assert signed(rig, AUTHORITY.sign_csr(second)) == ["conf Accepted"]


def test_late_key_pair_of_an_earlier_request() -> None:
    """Only the newest request is sent."""
    rig = ready()
    rig.do("renew_certificate")
    rig.do("renew_certificate")
    rig.make_csr()
    assert rig.story() == []
    rig.make_csr()
    assert rig.story() == ["SignCertificate"]


def test_request_made_offline_waits() -> None:
    """It goes with the next connection, and again where its answer did not come."""
    rig = ready()
    rig.do("renew_certificate")
    rig.drop()
    rig.make_csr()
    assert rig.story() == []
    rig.holds_answers = True
    rig.connect()
    first = rig.payload("SignCertificate")
    rig.take()
    rig.drop()
    rig.holds_answers = False
    rig.connect()
    assert rig.payload("SignCertificate") == first
    assert signed(rig, AUTHORITY.sign_csr(first["csr"])) == ["conf Accepted"]


def test_certificate_after_a_request_nobody_answered() -> None:
    """A CSMS that does not answer in time may have it signed all the same."""
    rig = ready()
    rig.answers["SignCertificate"] = lambda _: None
    csr = asked(rig)
    rig.advance(60)
    assert signed(rig, AUTHORITY.sign_csr(csr)) == ["conf Accepted"]


def test_certificate_nobody_asked_for() -> None:
    """Without a request and for another key than ours it is refused."""
    rig = ready(certificate=None)
    chain = pki.pem(AUTHORITY.issue(pki.ec_key().public_key(), pki.name("SN-1")))
    assert signed(rig, chain) == ["conf Rejected", EVENT]


@pytest.mark.parametrize(
    "chain",
    ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"],
)
def test_what_is_no_certificate(chain: str) -> None:
    """It is refused, not answered with an error: the charge point has to read it to know."""
    rig = ready()
    asked(rig)
    assert signed(rig, chain) == ["conf Rejected", EVENT]


def test_chain_longer_than_allowed() -> None:
    """CertificateSignedMaxChainSize counts characters."""
    rig = ready()
    chain = AUTHORITY.sign_csr(asked(rig))
    size = str(len(chain) - 1)
    rig.charge_point.keys.set("CertificateSignedMaxChainSize", size)
    assert signed(rig, chain) == ["conf Rejected", EVENT]
    rig.charge_point.keys.set("CertificateSignedMaxChainSize", str(len(chain)))
    assert signed(rig, chain) == ["conf Accepted"]


@pytest.mark.parametrize("is_known", [True, False])
def test_issuer_may_have_to_be_known(is_known: bool) -> None:
    """With needs_known_issuer an installed root must have signed it."""
    roots = [AUTHORITY.pem if is_known else pki.make_root("Other").pem]
    rig = ready(needs_known_issuer=True, central_system_roots=roots)
    outcome = signed(rig, AUTHORITY.sign_csr(asked(rig)))
    assert outcome == (["conf Accepted"] if is_known else ["conf Rejected", EVENT])


def test_dates_go_by_the_clock_of_the_charge_point() -> None:
    """A certificate of tomorrow is not valid today."""
    rig = ready()
    chain = AUTHORITY.sign_csr(asked(rig))
    rig.charge_point.set_clock(-20 * 366 * 86_400)
    assert signed(rig, chain) == ["conf Rejected", EVENT]


def test_certificate_that_does_not_let_us_in_is_given_up() -> None:
    """After some refusals the old one is shown again (A02)."""
    rig = ready(central_system_roots=[AUTHORITY.pem])
    old = rig.charge_point.security.access.certificate
    signed(rig, AUTHORITY.sign_csr(asked(rig)))
    rig.drop()
    for _ in range(3):
        rig.refuse("alert", None, "unknown_ca")
    assert rig.credentials[-1].certificate == old


@pytest.mark.parametrize("is_active", [True, False])
def test_request_by_a_script(is_active: bool) -> None:
    """What a script sent by hand counts: the certificate is checked against its key."""
    rig = ready(certificate=None)
    rig.charge_point.is_active = is_active
    key = pki.ec_key()
    csr = x509.CertificateSigningRequestBuilder(pki.name("SN-1")).sign(key, hashes.SHA256())
    text = csr.public_bytes(serialization.Encoding.PEM).decode()
    rig.by_hand("SignCertificate", {"csr": text})
    stranger = pki.pem(AUTHORITY.issue(pki.ec_key().public_key(), pki.name("SN-1")))
    assert signed(rig, stranger)[0] == "conf Rejected"
    assert signed(rig, AUTHORITY.sign_csr(text)) == ["conf Accepted"]
    assert not rig.credentials  # the key is the script's


def test_nonsense_by_a_script_is_passed_over() -> None:
    """A script may send what it likes."""
    rig = ready()
    csr = asked(rig)
    rig.by_hand("SignCertificate", {"csr": "nonsense"})
    assert signed(rig, AUTHORITY.sign_csr(csr)) == ["conf Accepted"]


def test_silent_csms_does_not_stop_the_rest() -> None:
    """NotSupported from a CSMS without security ends the attempt."""
    rig = ready()
    rig.answers["SignCertificate"] = lambda _: CallError("", "NotSupported", "no")
    asked(rig)
    assert any("does not have our certificate signed" in notice for notice in rig.notices)


def test_late_refusal_of_an_earlier_request() -> None:
    """It says nothing about the newer one."""
    rig = ready()
    answers = iter(["Rejected", "Accepted"])
    rig.answers["SignCertificate"] = lambda _: {"status": next(answers)}
    rig.holds_answers = True
    asked(rig)
    rig.ask("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"})
    rig.make_csr()
    rig.holds_answers = False
    rig.release()
    csr = str(rig.payload("SignCertificate")["csr"])
    assert signed(rig, AUTHORITY.sign_csr(csr)) == ["conf Accepted"]


def test_request_by_a_script_replaces_our_own() -> None:
    """There is one request at a time, and our key does not fit the script's certificate."""
    rig = ready(certificate=None)
    asked(rig)
    key = pki.ec_key()
    csr = x509.CertificateSigningRequestBuilder(pki.name("SN-1")).sign(key, hashes.SHA256())
    text = csr.public_bytes(serialization.Encoding.PEM).decode()
    rig.by_hand("SignCertificate", {"csr": text})
    assert signed(rig, AUTHORITY.sign_csr(text)) == ["conf Accepted"]
    assert not rig.credentials
