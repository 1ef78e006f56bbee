"""Reading certificates of strangers."""

from hashlib import new as new_hash

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from csms.domain.certificates import HashAlgorithm
from csms.pki import certificates
from csms.pki.certificates import BadCertificate
from tests.csms.pki import material


def test_facts_are_those_of_the_certificate() -> None:
    """Serial as OCPP writes it, fingerprint of the whole."""
    one = material.certificate(material.name("CP1"), key=material.rsa_key(), serial=0x0ABC)

    facts = certificates.facts(certificates.read_one(material.pem(one)))

    assert facts.serial == "abc"
    assert facts.subject == "CN=CP1,O=CPO"
    assert facts.key == "RSA 2048"
    assert facts.fingerprint == new_hash("sha256", one.public_bytes(Encoding.DER)).hexdigest()
    assert facts.not_after == one.not_valid_after_utc


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n", "\r\n"),
        ("\n", "\\n"),
        ("\n", "\\r\\n"),
        ("-----BEGIN", "  \n-----BEGIN"),
        ("-----END CERTIFICATE-----\n", "-----END CERTIFICATE-----"),
        ("-----\n", "-----\n\n"),
    ],
)
def test_line_ends_do_not_matter(old: str, new: str) -> None:
    """CRLF, line ends written out as text, blanks around."""
    one = material.root()

    assert certificates.read_one(material.pem(one).replace(old, new)) == one


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no PEM certificate"),
        ("no certificate", "no PEM certificate"),
        ("-----BEGIN CERTIFICATE-----\n", "not PEM"),
        ("-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----", "not PEM"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "cannot be read"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "PRIVATE KEY"),
        ("-----BEGIN A-----\nAAAA\n-----END B-----", "not PEM"),
        ("x" * 300_000, "too long"),
    ],
)
def test_what_is_no_certificate_is_refused(text: str, reason: str) -> None:
    """With a reason a person understands."""
    with pytest.raises(BadCertificate, match=reason):
        certificates.read_chain(text)


def test_one_means_one() -> None:
    """A chain is no root."""
    text = material.pem(material.root("A")) + material.pem(material.root("B"))

    assert len(certificates.read_chain(text)) == 2
    with pytest.raises(BadCertificate, match="one certificate is expected, not 2"):
        certificates.read_one(text)


def test_endless_chain_is_refused() -> None:
    """More certificates than any chain has."""
    with pytest.raises(BadCertificate, match="more than 10"):
        certificates.read_chain(material.pem(material.root()) * 11)


def test_trailing_bytes_are_refused() -> None:
    """DER with something behind it is not the certificate it claims to be."""
    data = material.root().public_bytes(Encoding.DER)

    with pytest.raises(BadCertificate):
        certificates.read_der(data + b"\0")


def test_strange_keys_are_readable() -> None:
    """A foreign root may have a key we would never sign."""
    key = ed25519.Ed25519PrivateKey.generate()
    one = (
        x509.CertificateBuilder()
        .subject_name(material.name("Root"))
        .issuer_name(material.name("Root"))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(material.AT)
        .not_valid_after(material.AT)
        .sign(key, None)
    )

    assert certificates.facts(one).key == "Ed25519"
    assert certificates.is_self_signed(one)


@pytest.mark.parametrize(
    ("key", "key_at"), [(material.rsa_key(), 24), (material.ec_key(), 26)], ids=["rsa", "ec"]
)
@pytest.mark.parametrize("algorithm", HashAlgorithm)
def test_hash_data_is_that_of_ocsp(
    key: material.Key, key_at: int, algorithm: HashAlgorithm
) -> None:
    """Name as in the certificate; key without algorithm and tag (RFC 6960 §4.1.1)."""
    root = material.root(key=key)
    leaf = material.certificate(material.name("CP1"), issuer=root, issuer_key=key, serial=0x0FF00)

    data = certificates.hash_data(leaf, root, algorithm)

    digest = algorithm.value.lower()
    info = root.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    # The content of the BIT STRING, which is the last element, without its count of unused bits.
    assert data.issuer_key_hash == new_hash(digest, info[key_at:]).hexdigest()
    name = root.subject.public_bytes()
    assert data.issuer_name_hash == new_hash(digest, name).hexdigest()
    assert data.serial_number == "ff00"


def test_issuer_is_proven_not_named() -> None:
    """A certificate that only claims its issuer's name was not issued by it."""
    root = material.root(key=material.ec_key(0))
    forged = material.certificate(material.name("CP1"), issuer=root, issuer_key=material.ec_key(1))
    genuine = material.certificate(material.name("CP1"), issuer=root, issuer_key=material.ec_key(0))

    assert certificates.is_issued_by(genuine, root)
    assert not certificates.is_issued_by(forged, root)
    assert certificates.is_self_signed(root)
    assert not certificates.is_self_signed(genuine)


def test_two_common_names_are_none() -> None:
    """One reader would see the first, another the last."""
    twice = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one) for one in ("CP1", "CP2")])

    assert certificates.common_name(twice) is None
    assert certificates.common_name(material.name(None)) is None
    assert certificates.common_name(material.name("CP1")) == "CP1"


def test_chain_has_line_feeds_only() -> None:
    """The official tool takes no carriage return."""
    text = certificates.write_chain([material.root(), material.root()])

    assert "\r" not in text
    assert text.endswith("-----END CERTIFICATE-----\n")
    assert text.count("BEGIN") == 2


_SOUND = material.root(key=material.ec_key()).public_bytes(Encoding.DER)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_order(data: bytes) -> None:
    """Nothing but BadCertificate comes out of bytes."""
    with pytest.raises(BadCertificate):
        certificates.read_der(data)


@given(st.integers(0, len(_SOUND) - 1), st.integers(1, 255), st.integers(0, 40))
def test_damaged_certificate_is_read_or_refused(at: int, flip: int, cut: int) -> None:
    """A byte that fell over ends in an answer, never in another error."""
    data = bytearray(_SOUND)
    data[at] ^= flip

    try:
        one = certificates.read_der(bytes(data[: len(data) - cut]))
        certificates.hash_data(one, one, HashAlgorithm.SHA256)
        certificates.is_self_signed(one)
    except BadCertificate:
        pass


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_read_or_refused(before: str, body: str) -> None:
    """Whatever stands in a field of text."""
    for text in (before, f"{before}-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----"):
        with pytest.raises(BadCertificate):
            certificates.read_chain(text)
