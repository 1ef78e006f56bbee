"""What is read from a server's certificate, and whose it is."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from simulator.server_certificate import CertificateFacts, names_host, read_certificate
from tests import miniature_pki as pki


def test_facts_of_a_certificate() -> None:
    """Names, key, signature, serial number and dates are as they were written."""
    key = pki.key("EC-384", "server").public_key()
    certificate = pki.authority().issue(
        key, "csms.example", hosts=("a.example", "10.0.0.1"), serial=0x0A0B
    )
    facts = read_certificate(certificate.public_bytes(Encoding.DER))

    assert facts.pem == pki.pem(certificate)
    assert facts.problem == ""
    assert facts.common_names == ("csms.example",)
    assert facts.organizations == ("Preflight",)
    assert facts.dns_names == ("a.example",)
    assert facts.ip_addresses == ("10.0.0.1",)
    assert facts.issuer == "O=Preflight,CN=Miniature root"
    assert facts.serial == "a0b"
    assert (facts.key_kind, facts.key_bits) == ("EC", 384)
    assert facts.signature == "ecdsa-with-SHA256"
    assert facts.not_after_at == certificate.not_valid_after_utc


def test_rsa_and_other_keys() -> None:
    """A key is named by its kind, also one that nobody expects."""
    rsa = pki.authority().issue(pki.key("RSA-2048", "server").public_key(), "x")
    odd = pki.authority().issue(ed25519.Ed25519PrivateKey.generate().public_key(), "x")
    facts = [read_certificate(one.public_bytes(Encoding.DER)) for one in (rsa, odd)]

    assert [(one.key_kind, one.key_bits) for one in facts] == [("RSA", 2048), ("Ed25519", 0)]


def test_facts_are_json() -> None:
    """A report takes the facts as they are."""
    certificate = pki.authority().issue(pki.key("EC", "server").public_key(), "x")
    detail = read_certificate(certificate.public_bytes(Encoding.DER)).as_detail()

    assert json.loads(json.dumps(detail)) == detail
    assert str(detail["not_after_at"]).endswith("Z")


@given(st.binary(max_size=300))
def test_bytes_that_are_no_certificate_say_so(data: bytes) -> None:
    """Whatever a server sends for a certificate, we read on."""
    facts = read_certificate(data)

    assert facts.problem
    assert not names_host(facts, "csms.example")


def test_damaged_certificate_says_so() -> None:
    """Every byte that is cut off or changed is survived."""
    certificate = pki.authority().issue(pki.key("EC", "server").public_key(), "x", hosts=("y",))
    der = certificate.public_bytes(Encoding.DER)
    for at in range(len(der)):
        assert read_certificate(der[:at]).problem
        read_certificate(der[:at] + bytes([der[at] ^ 0xFF]) + der[at + 1 :]).as_detail()


@pytest.mark.parametrize(
    ("pattern", "host", "is_covered"),
    [
        ("csms.example", "csms.example", True),
        ("CSMS.Example.", "csms.example", True),
        ("csms.example", "CSMS.EXAMPLE.", True),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("*.example.org", "a.example.org", True),
        ("*.example.org", "a.b.example.org", False),
        ("*.example.org", "example.org", False),
        ("*.example.org", ".example.org", False),
        ("*.org", "example.org", False),
        ("*", "localhost", False),
        ("a*.example.org", "ab.example.org", False),
        ("csms.example", "csms.example.org", False),
        ("", "", False),
        ("", "csms.example", False),
        ("my_csms", "my_csms", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.2", "127.0.0.1", False),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("*.0.0.1", "127.0.0.1", False),
        ("csms.example", "127.0.0.1", False),
    ],
)
@pytest.mark.parametrize("kind", ["common_names", "dns_names"])
def test_names(pattern: str, host: str, is_covered: bool, kind: str) -> None:
    """A name covers itself in any spelling; a wildcard covers one label below two others."""
    facts = CertificateFacts(pem="", **{kind: (pattern,)})  # type: ignore[arg-type]

    assert names_host(facts, host) is is_covered


def test_address_of_a_server() -> None:
    """An address is compared as one."""
    facts = CertificateFacts(pem="", ip_addresses=("2001:db8::1",))

    assert names_host(facts, "2001:DB8:0::1")
    assert not names_host(facts, "2001:db8::2")
    assert not names_host(facts, "csms.example")
