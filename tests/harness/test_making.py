"""What `make` steps make."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from harness.certificates import hash_data, read_chain, subject_of
from harness.making import CannotMake, Keyring, Maker
from harness.model import Json
from harness.pki import Pki

PKI = Pki(Path("nowhere"), hosts=["localhost"])


@pytest.fixture
def maker() -> Maker:
    return Maker(Keyring(), PKI, "SN-1", "Maker", "SN-2")


@pytest.mark.parametrize(
    ("arguments", "kind", "bits"),
    [
        ({}, rsa.RSAPublicKey, 2048),
        ({"key": "rsa", "bits": 1024}, rsa.RSAPublicKey, 1024),
        ({"key": "ec"}, ec.EllipticCurvePublicKey, 256),
    ],
)
def test_a_request_is_signed_by_a_key_of_its_own(
    maker: Maker, arguments: dict[str, Json], kind: type, bits: int
) -> None:
    """Each request has a new key that the case keeps, and the charge point's names."""
    text = str(maker.make("csr", arguments))
    request = x509.load_pem_x509_csr(text.encode())
    key = request.public_key()

    assert request.is_signature_valid
    assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    assert isinstance(key, kind)
    assert key.key_size == bits
    assert request.subject.rfc4514_string() == "O=Maker,CN=SN-1"
    assert maker.make("csr", arguments) != text
    assert len(maker.keyring.keys) == 2
    assert "PRIVATE" not in repr(maker)


def test_a_request_may_be_wrong_on_purpose(maker: Maker) -> None:
    """Other names, and a signature that proves nothing."""
    arguments: dict[str, Json] = {
        "key": "ec",
        "common_name": "Somebody",
        "organization": "Else",
        "broken": True,
    }
    request = x509.load_pem_x509_csr(str(maker.make("csr", arguments)).encode())

    assert not request.is_signature_valid
    assert request.subject.rfc4514_string() == "O=Else,CN=Somebody"


def test_a_certificate_is_found_with_its_key(maker: Maker) -> None:
    """A chain belongs to the key of a request or of a certificate made here, or to none."""
    made = str(maker.make("certificate", {"kind": "own"}))
    foreign = PKI.client("SN-9", organization="Maker").chain
    found = maker.keyring.certificate(made)

    assert found is not None
    assert found.chain == made
    assert "PRIVATE KEY" in found.key
    assert maker.keyring.certificate(foreign) is None


@pytest.mark.parametrize(
    ("kind", "name"), [("own", "SN-1"), ("other_identity", "SN-2"), ("expired", "SN-1")]
)
def test_certificates_are_made_out_to_whom_they_should(maker: Maker, kind: str, name: str) -> None:
    """That of another identity names the other."""
    (leaf,) = read_chain(maker.make("certificate", {"kind": kind}))

    assert subject_of(leaf, x509.NameOID.COMMON_NAME) == name


def test_hash_data_and_passwords(maker: Maker) -> None:
    """Hash data is that of the certificate; passwords are new, or the bytes that were given."""
    root = PKI.text("root_1")
    made = maker.make("certificate_hash_data", {"certificate": root, "algorithm": "SHA384"})

    assert made == hash_data(root, "SHA384")
    assert len(str(maker.make("password", {}))) == 40
    assert len(str(maker.make("password", {"bytes": 16}))) == 32
    assert maker.make("password", {}) != maker.make("password", {})
    assert maker.make("password", {"hex": "3A00ff"}) == "3a00ff"


@pytest.mark.parametrize(
    ("thing", "arguments"),
    [
        ("csr", {"bits": 512}),
        ("csr", {"key": "ec", "bits": 2048}),
        ("csr", {"key": "ec", "common_name": "x" * 65}),
        ("certificate_hash_data", {"certificate": "none", "algorithm": "SHA256"}),
        ("certificate_hash_data", {"certificate": PKI.text("root_1"), "algorithm": "MD5"}),
        ("password", {"hex": "xy"}),
        ("password", {"bytes": 0}),
    ],
)
def test_what_cannot_be_made_is_told(
    maker: Maker, thing: str, arguments: Mapping[str, Json]
) -> None:
    """Arguments that only showed while running to make no sense are no crash."""
    with pytest.raises(CannotMake, match=r"\w"):
        maker.make(thing, arguments)
