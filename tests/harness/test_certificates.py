"""What PEM texts say."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from harness import pki
from harness.certificates import (
    Unreadable,
    differences,
    hash_data,
    key_of,
    public_key_of,
    read_chain,
    same_pem,
    signature_of,
    verifies,
)
from harness.model import Json
from harness.pki import Pki

RUN = Pki(Path("nowhere"), hosts=["csms.example"])
LEAF = RUN.client("SN-1", organization="Maker").chain
ROOT = RUN.text("root_1")


@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
def test_hash_data_follows_from_the_certificates_own_bytes(algorithm: str) -> None:
    """Name and key are hashed as RFC 6960 says: the name's DER, the key's bits without a tag."""
    root = x509.load_pem_x509_certificate(ROOT.encode())
    digest = getattr(hashlib, algorithm.lower())
    bits = root.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)

    found = hash_data(ROOT.replace("\n", "\r\n"), algorithm)

    assert found == {
        "hashAlgorithm": algorithm,
        "issuerNameHash": digest(root.issuer.public_bytes()).hexdigest(),
        "issuerKeyHash": digest(bits).hexdigest(),
        "serialNumber": f"{root.serial_number:x}",
    }
    assert len(str(found["serialNumber"])) <= 20


def test_hash_data_of_no_certificate_is_refused() -> None:
    """Texts that are none, and algorithms that are not in the list, are told."""
    with pytest.raises(Unreadable, match="MD5"):
        hash_data(ROOT, "MD5")
    with pytest.raises(Unreadable):
        hash_data("none", "SHA256")


@pytest.mark.parametrize(
    ("expected", "what"),
    [
        ({"common_name": "SN-2"}, "common name"),
        ({"organization": "Other"}, "organization"),
        ({"signature_algorithm": "SHA256withRSA"}, "signature algorithm"),
        ({"key_bits": {"RSA": 2048}}, "key"),
        ({"key_bits": {"EC": 384}}, "key size"),
        ({"public_key_of": ROOT}, "public key"),
        ({"public_key_of": "none"}, "public key"),
    ],
)
def test_each_fact_that_differs_is_named(expected: Mapping[str, Json], what: str) -> None:
    """A certificate that is wrong in one way gives one difference."""
    found = list(differences(expected, LEAF))

    assert [one.what for one in found] == [what]
    assert found[0].expected != found[0].actual


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_a_request_and_its_certificate_have_one_key(kind: str) -> None:
    """The public key of a request is found again, and is not that of another request."""
    key = pki.new_key(kind)
    text = pki.request_text(key, common_name="SN-1", organization="Maker")
    other = pki.request_text(pki.new_key(kind), common_name="SN-1", organization="Maker")
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    assert public_key_of(text) == public != public_key_of(other)


def test_a_broken_request_is_read_but_not_proven() -> None:
    """A request whose own signature is wrong is one all the same."""
    key = pki.new_key("ec")
    text = pki.request_text(key, common_name="SN-1", organization="", is_broken=True)

    assert not x509.load_pem_x509_csr(text.encode()).is_signature_valid
    assert public_key_of(text)


def test_signatures_in_every_form_are_seen() -> None:
    """RSA with either padding, and ECDSA, are right; over other bytes they are wrong."""
    content = b64encode(b"firmware").decode()
    private = rsa.generate_private_key(65537, 2048)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
    curve = ec.generate_private_key(ec.SECP256R1())
    signed: list[tuple[pki.PrivateKey, bytes]] = [
        (private, private.sign(b"firmware", padding.PKCS1v15(), hashes.SHA256())),
        (private, private.sign(b"firmware", pss, hashes.SHA256())),
        (curve, curve.sign(b"firmware", ec.ECDSA(hashes.SHA256()))),
    ]

    for key, signature in signed:
        text = b64encode(signature).decode()
        certificate = _certificate(key)

        assert verifies(text, certificate=certificate, content=content)
        assert not verifies(text, certificate=certificate, content=b64encode(b"x").decode())
        assert not verifies("###", certificate=certificate, content=content)


def test_signature_algorithms_have_their_java_names() -> None:
    """Both forms of RSA are told apart."""
    leaf, root = read_chain(LEAF)[0], read_chain(ROOT)[0]
    pss = x509.load_pem_x509_certificate(
        _certificate(rsa.generate_private_key(65537, 2048), pss=True).encode()
    )

    assert [signature_of(one) for one in (leaf, root, pss)] == [
        "SHA256withECDSA",
        "SHA256withRSA",
        "SHA256withRSA-PSS",
    ]
    assert [key_of(leaf), key_of(root)] == [("EC", 256), ("RSA", 2048)]


@given(st.text() | st.text().map(lambda text: LEAF[:80] + text + LEAF[80:]))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever comes is a chain or is told to be none."""
    with suppress(Unreadable):
        assert read_chain(text)
    assert same_pem(text, text)


def _certificate(key: pki.PrivateKey, *, pss: bool = False) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "firmware")])
    begin = read_chain(LEAF)[0].not_valid_before_utc
    builder = (
        x509.CertificateBuilder(name, name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(read_chain(LEAF)[0].not_valid_after_utc)
    )
    form = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if pss else None
    certificate = builder.sign(key, hashes.SHA256(), rsa_padding=form)
    return certificate.public_bytes(Encoding.PEM).decode()
