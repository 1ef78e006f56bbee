"""New keys and the requests to certify them."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from simulator.key_pairs import make_csr
from simulator.outputs import KeyType, MakeCsr
from tests.simulator import pki


def order(key_type: KeyType, organisation: str = "Preflight") -> MakeCsr:
    """Return what a charge point asks for."""
    return MakeCsr(number=1, key_type=key_type, common_name="SN-1", organisation=organisation)


@pytest.mark.parametrize("key_type", KeyType)
def test_request_is_as_asked_for(key_type: KeyType) -> None:
    """RSA 2048 or P-256, named as asked, signed by itself with SHA-256."""
    end = make_csr(order(key_type))
    csr = x509.load_pem_x509_csr(end.csr_pem.encode())
    key = csr.public_key()
    assert key == pki.public_key_of(end.private_key_pem)
    match key_type:
        case KeyType.RSA:
            assert isinstance(key, rsa.RSAPublicKey)
            assert key.key_size == 2048
        case KeyType.ECDSA:
            assert isinstance(key, ec.EllipticCurvePublicKey)
            assert key.curve.name == "secp256r1"
    assert csr.is_signature_valid
    assert csr.signature_hash_algorithm is not None
    assert csr.signature_hash_algorithm.name == "sha256"
    assert csr.subject.rfc4514_string() == "CN=SN-1,O=Preflight"
    assert "\r" not in end.csr_pem
    assert len(end.csr_pem) < 5500


def test_every_key_is_a_new_one() -> None:
    """Two requests are never for the same key."""
    keys = {make_csr(order(KeyType.ECDSA)).private_key_pem for _ in range(5)}
    assert len(keys) == 5


def test_name_that_cannot_be() -> None:
    """There is no request then, but words."""
    end = make_csr(order(KeyType.ECDSA, "\udcff"))
    assert end.problem
    assert not end.csr_pem


def test_private_key_is_not_shown() -> None:
    """Not in representations."""
    assert "PRIVATE" not in repr(make_csr(order(KeyType.ECDSA)))
