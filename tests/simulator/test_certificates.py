"""Certificates, hash data, chains and signatures; each check can fail (A00, M03, L01)."""

from __future__ import annotations

import hashlib
import ssl
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from simulator.certificates import (
    BadCertificate,
    HashAlgorithm,
    check_own,
    check_path,
    check_root,
    find_issuer,
    hash_data,
    is_issued_by,
    is_signature_right,
    public_key,
    read_chain,
    read_csr_key,
    read_one,
)
from tests.simulator import pki

NOW = datetime(2026, 1, 31, tzinfo=UTC)
SHA256 = hashlib.sha256(pki.FIRMWARE).hexdigest()


def own(authority: pki.Authority, **more: object) -> tuple[x509.Certificate, pki.PrivateKey]:
    """Return a charge point's certificate and its key."""
    key = pki.ec_key()
    options = {"subject": pki.name("SN-1"), **more}
    return authority.issue(key.public_key(), **options), key  # type: ignore[arg-type]


def check(chain: list[x509.Certificate], key: pki.PrivateKey, **more: object) -> None:
    """Check a charge point's certificate."""
    options = {
        "keys": [key.public_key()],
        "common_name": "SN-1",
        "organisation": "Preflight",
        "anchors": None,
        **more,
    }
    check_own(chain, NOW, **options)  # type: ignore[arg-type]


# --- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_chain_is_read_in_its_order(line_end: str) -> None:
    """All certificates of a text, whatever its line ends."""
    root = pki.make_root("Root")
    leaf, _ = own(root)
    text = (pki.pem(leaf) + root.pem).replace("\n", line_end)
    assert read_chain(text) == (leaf, root.certificate)


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\udcff"],
)
def test_what_is_no_certificate(text: str) -> None:
    """Anything else is refused in words."""
    with pytest.raises(BadCertificate, match="not a certificate"):
        read_chain(text)
    with pytest.raises(BadCertificate, match="not a certificate signing request"):
        read_csr_key(text)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4))
def test_broken_certificates_never_surprise(noise: list[tuple[int, int]]) -> None:
    """Whatever stands in the place of a certificate's bytes, nothing but BadCertificate comes."""
    der = bytearray(_DER)
    for place, byte in noise:
        der[place % len(der)] = byte
    text = ssl_pem(bytes(der))
    try:
        chain = read_chain(text)
        check_path(chain, NOW, list(chain))
        hash_data(chain[0], chain[0], HashAlgorithm.SHA256)
    except BadCertificate:
        pass


def ssl_pem(der: bytes) -> str:
    """Return bytes as a PEM text, whatever they are."""
    return ssl.DER_cert_to_PEM_cert(der)


_KEY = ec.derive_private_key(2026, ec.SECP256R1())
_DER = pki.make_root("Root", _KEY, serial_number=1).certificate.public_bytes(
    serialization.Encoding.DER
)


def test_one_is_not_several() -> None:
    """Where one certificate is wanted, a chain is refused."""
    root = pki.make_root()
    assert read_one(root.pem) == root.certificate
    with pytest.raises(BadCertificate, match="2 certificates"):
        read_one(root.pem * 2)


def test_keys_have_their_least_length() -> None:
    """RSA from 2048 bits on, EC from 224 bits on, no other kind (A00.FR.501-502)."""
    root = pki.make_root()
    for key in (pki.rsa_key(2048), ec.generate_private_key(ec.SECP224R1())):
        leaf = root.issue(key.public_key(), pki.name("S"))
        assert public_key(leaf) == key.public_key()
    for short in (pki.rsa_key(1024), ec.generate_private_key(ec.SECP192R1())):
        with pytest.raises(BadCertificate, match="too short"):
            public_key(root.issue(short.public_key(), pki.name("S")))
    other = ed25519.Ed25519PrivateKey.generate()
    csr = x509.CertificateSigningRequestBuilder(pki.name("S")).sign(other, None)
    with pytest.raises(BadCertificate, match="neither an RSA nor an EC key"):
        public_key(csr)


def test_request_is_signed_with_its_own_key() -> None:
    """A request somebody else signed is refused."""
    key = pki.ec_key()
    csr = x509.CertificateSigningRequestBuilder(pki.name("S")).sign(key, hashes.SHA256())
    der = bytearray(csr.public_bytes(serialization.Encoding.DER))
    text = csr.public_bytes(serialization.Encoding.PEM).decode()
    assert read_csr_key(text) == key.public_key()
    der[-1] ^= 1
    broken = ssl_pem(bytes(der)).replace("CERTIFICATE", "CERTIFICATE REQUEST")
    with pytest.raises(BadCertificate):
        read_csr_key(broken)


# --- hash data -----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", HashAlgorithm)
@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_hash_data_is_that_of_ocsp(algorithm: HashAlgorithm, kind: str) -> None:
    """Name as DER, key as the bits of the BIT STRING, serial number without zeros in front."""
    key = pki.rsa_key() if kind == "RSA" else pki.ec_key()
    root = pki.make_root("Röt", key, serial_number=0x0A0B)
    found = hash_data(root.certificate, root.certificate, algorithm)
    name = root.certificate.subject.public_bytes()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        encoding, form = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    else:
        encoding, form = serialization.Encoding.DER, serialization.PublicFormat.PKCS1
    bits = key.public_key().public_bytes(encoding, form)
    digest = getattr(hashlib, algorithm.value.lower())
    assert found.issuer_name_hash == digest(name).hexdigest()
    assert found.issuer_key_hash == digest(bits).hexdigest()
    assert found.serial_number == "a0b"
    assert found.hash_algorithm is algorithm


# --- chains --------------------------------------------------------------------------------------


def test_issuer_is_found() -> None:
    """Itself for a root, a candidate for what it signed, else nobody."""
    root, other = pki.make_root("Same"), pki.make_root("Same")
    leaf, _ = own(root)
    assert find_issuer(root.certificate, []) == root.certificate
    assert find_issuer(leaf, [other.certificate, root.certificate]) == root.certificate
    assert find_issuer(leaf, [other.certificate]) is None


def test_leaf_cannot_issue() -> None:
    """A certificate that is of no authority signs nobody (RFC 5280 §6.1.4)."""
    root = pki.make_root()
    leaf, key = own(root)
    child, _ = own(pki.Authority(leaf, key))
    assert not is_issued_by(child, leaf)
    with pytest.raises(BadCertificate, match="is not signed by"):
        check_path([child, leaf], NOW, None)


def test_path_leads_to_an_anchor() -> None:
    """Directly, over an intermediate, or with the anchor itself at the end."""
    root, other = pki.make_root("Root"), pki.make_root("Other")
    middle = root.sub_authority("Middle")
    leaf, _ = own(middle)
    path = [leaf, middle.certificate]
    check_path(path, NOW, [other.certificate, root.certificate])
    check_path([*path, root.certificate], NOW, [root.certificate])
    check_path([leaf], NOW, [middle.certificate])
    check_path(path, NOW, None)
    with pytest.raises(BadCertificate, match="nobody we trust"):
        check_path(path, NOW, [other.certificate])
    with pytest.raises(BadCertificate, match="nobody we trust"):
        check_path([leaf], NOW, [root.certificate])
    with pytest.raises(BadCertificate, match="is not signed by"):
        check_path([leaf, root.certificate], NOW, [root.certificate])


@pytest.mark.parametrize("place", ["leaf", "middle", "anchor"])
@pytest.mark.parametrize("is_early", [True, False])
def test_every_certificate_is_in_force(place: str, is_early: bool) -> None:
    """One that is over, or not yet valid, breaks the chain wherever it stands."""
    begin, end = (NOW + pki.DAY, pki.END) if is_early else (pki.BEGIN, NOW - pki.DAY)
    root = pki.make_root(
        begin=begin if place == "anchor" else pki.BEGIN, end=end if place == "anchor" else pki.END
    )
    key = pki.ec_key()
    middle = root.issue(
        key.public_key(),
        pki.name("Middle"),
        is_authority=True,
        begin=begin if place == "middle" else pki.BEGIN,
        end=end if place == "middle" else pki.END,
    )
    leaf, _ = own(
        pki.Authority(middle, key),
        begin=begin if place == "leaf" else pki.BEGIN,
        end=end if place == "leaf" else pki.END,
    )
    words = "not valid before" if is_early else "expired"
    with pytest.raises(BadCertificate, match=words):
        check_path([leaf, middle], NOW, [root.certificate])


def test_root_is_of_an_authority_and_in_force() -> None:
    """Anything else is not installed."""
    check_root(pki.make_root().certificate, NOW)
    with pytest.raises(BadCertificate, match="certificate authority"):
        check_root(pki.make_root(is_authority=False).certificate, NOW)
    with pytest.raises(BadCertificate, match="expired"):
        check_root(pki.make_root(end=NOW - pki.DAY).certificate, NOW)


# --- the charge point's own ----------------------------------------------------------------------


def test_own_certificate_is_accepted() -> None:
    """Right key, name and organisation; for TLS clients, or without a word about that."""
    root = pki.make_root()
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    for more in ({}, {"extensions": (usage,)}, {"subject": pki.name("SN-1", None)}):
        leaf, key = own(root, **more)
        check([leaf], key)
        check([leaf, root.certificate], key, anchors=[root.certificate])


@pytest.mark.parametrize(
    ("more", "options", "words"),
    [
        ({"subject": pki.name("SN-2")}, {}, "not for SN-1"),
        ({"subject": x509.Name([])}, {}, "not for SN-1"),
        ({"subject": pki.name("SN-1", "Other")}, {}, "as organisation"),
        ({"end": NOW - pki.DAY}, {}, "expired"),
        (
            {"extensions": (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),)},
            {},
            "TLS clients",
        ),
        ({}, {"keys": []}, "another key"),
        ({}, {"keys": [pki.ec_key().public_key()]}, "another key"),
        ({}, {"anchors": []}, "nobody we trust"),
    ],
)
def test_own_certificate_is_refused(
    more: dict[str, object], options: dict[str, object], words: str
) -> None:
    """Each thing that is wrong is found."""
    leaf, key = own(pki.make_root(), **more)
    with pytest.raises(BadCertificate, match=words):
        check([leaf], key, **options)


# --- signatures of firmware ----------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["PKCS1v15", "PSS", "ECDSA"])
def test_right_signatures(scheme: str) -> None:
    """RSA in both paddings and ECDSA verify, over this content and with this key alone."""
    key = pki.ec_key() if scheme == "ECDSA" else pki.rsa_key()
    certificate = pki.make_root("Signer", key).certificate
    signature = pki.sign(key, scheme=scheme)
    assert is_signature_right(certificate, signature, SHA256)
    assert is_signature_right(certificate, signature[:20] + "\n" + signature[20:], SHA256.upper())
    assert not is_signature_right(certificate, pki.sign(key, b"other", scheme=scheme), SHA256)
    assert not is_signature_right(certificate, signature, hashlib.sha256(b"other").hexdigest())
    stranger = pki.ec_key() if scheme == "ECDSA" else pki.rsa_key(2048, number=1)
    assert not is_signature_right(pki.make_root("Signer", stranger).certificate, signature, SHA256)


@pytest.mark.parametrize("signature", ["", "AAAA", "not base64", "ä", "A" * 800, "===="])
@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_what_is_no_signature(signature: str, kind: str) -> None:
    """Anything else is wrong, and no error."""
    key = pki.rsa_key() if kind == "RSA" else pki.ec_key()
    certificate = pki.make_root("Signer", key).certificate
    assert not is_signature_right(certificate, signature, SHA256)


@pytest.mark.parametrize("digest", ["", "00", "nonsense", "00" * 31, "00" * 64])
def test_digest_of_another_length_matches_nothing(digest: str) -> None:
    """Without the SHA-256 of what came there is nothing to verify."""
    key = pki.ec_key()
    certificate = pki.make_root("Signer", key).certificate
    assert not is_signature_right(certificate, pki.sign(key), digest)
