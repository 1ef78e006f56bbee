"""Signing requests: what is refused before anybody signs."""

import base64
import contextlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from csms.pki.requests import RefusedRequest, read_request
from tests.csms.pki import material


@pytest.mark.parametrize(
    "key",
    [material.rsa_key(), material.ec_key(), ec.generate_private_key(ec.SECP521R1())],
    ids=["rsa", "p256", "p521"],
)
def test_sound_request_is_read(key: material.Key) -> None:
    """Names, key and digests are taken from it."""
    read = read_request(material.csr(key))

    assert (read.common_name, read.organisations) == ("CP1", ("CPO",))
    assert read.public_key == key.public_key()
    assert len(read.digest) == len(read.key_digest) == 64


def test_pss_request_is_read() -> None:
    """The whitepaper prescribes RSA-PSS."""
    text = material.pem(material.request(material.rsa_key(), is_pss=True))

    assert read_request(text).key == "RSA 2048"


def test_digests_tell_requests_and_keys_apart() -> None:
    """Same text, same request; same key in another request is the same key."""
    one = read_request(material.csr(material.rsa_key()))
    crlf = read_request(material.csr(material.rsa_key()).replace("\n", "\r\n"))
    other = read_request(material.csr(material.rsa_key(), organisation="Other"))
    signed_anew = [read_request(material.csr()).digest for _ in range(2)]
    foreign = read_request(material.csr(material.rsa_key(number=1)))

    assert one.digest == crlf.digest != other.digest
    assert signed_anew[0] == signed_anew[1]
    assert one.key_digest == other.key_digest != foreign.key_digest


def test_old_label_is_understood() -> None:
    """Some tools write NEW CERTIFICATE REQUEST."""
    text = material.csr().replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")

    assert read_request(text).common_name == "CP1"


def _refusal(text: str) -> str:
    with pytest.raises(RefusedRequest) as refused:
        read_request(text)
    return str(refused.value)


def test_broken_signature_is_refused() -> None:
    """Its sender does not hold the key."""
    assert "signature is broken" in _refusal(material.broken_csr())


def test_short_rsa_key_is_refused() -> None:
    """Below 2048 bits (A00.FR.502)."""
    assert "not 1024" in _refusal(material.csr(material.rsa_key(1024)))


def test_endless_rsa_key_is_refused() -> None:
    """Its signature is not even looked at: nobody may make us compute for long."""
    key = material.rsa_key()
    data = material.request(key).public_bytes(Encoding.DER)
    huge = _with_modulus(data, key.public_key().public_numbers().n, 16_384)

    assert "not 16384" in _refusal(huge)


def _with_modulus(request: bytes, modulus: int, bits: int) -> str:
    """A request with another, larger modulus; its signature is broken by that."""
    numbers = _Der(request).replaced(modulus, (1 << (bits - 1)) | 1)
    return material.pem(x509.load_der_x509_csr(numbers))


class _Der:
    """Just enough DER to replace an integer and put the lengths around it right."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def replaced(self, old: int, new: int) -> bytes:
        """The same with another integer."""
        return self._element(self._data, old, new)[0]

    def _element(self, data: bytes, old: int, new: int) -> tuple[bytes, bytes]:
        tag, length, start = data[0], data[1], 2
        if length & 0x80:
            count = length & 0x7F
            length, start = int.from_bytes(data[2 : 2 + count]), 2 + count
        content, rest = data[start : start + length], data[start + length :]
        if tag == 0x02 and int.from_bytes(content) == old:
            content = new.to_bytes(new.bit_length() // 8 + 1)
        elif tag & 0x20:
            parts = b""
            while content:
                part, content = self._element(content, old, new)
                parts += part
            content = parts
        elif tag == 0x03 and content[1:2] == b"\x30":  # the key inside its bit string
            with contextlib.suppress(IndexError):  # a signature may begin like it
                content = b"\0" + self._element(content[1:], old, new)[0]
        size = len(content)
        if size < 0x80:
            head = bytes([tag, size])
        else:
            octets = size.to_bytes((size.bit_length() + 7) // 8)
            head = bytes([tag, 0x80 | len(octets)]) + octets
        return head + content, rest


def test_huge_exponent_is_refused() -> None:
    """It would make every check of a signature slow."""
    data = material.request(material.rsa_key()).public_bytes(Encoding.DER)
    odd = material.pem(x509.load_der_x509_csr(_Der(data).replaced(65_537, (1 << 2000) | 1)))

    assert "strange" in _refusal(odd)


def test_weak_curve_is_refused() -> None:
    """Below 224 bits (A00.FR.503)."""
    key = ec.generate_private_key(ec.SECP192R1())

    assert "not supported" in _refusal(material.csr(key))


def test_other_kinds_of_keys_are_refused() -> None:
    """The four suites know RSA and ECDSA only."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(material.name())
    edwards = builder.sign(ed25519.Ed25519PrivateKey.generate(), None)
    digital = builder.sign(dsa.generate_private_key(2048), hashes.SHA256())

    assert "neither RSA" in _refusal(material.pem(edwards))
    assert "neither RSA" in _refusal(material.pem(digital))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_hash_is_refused() -> None:
    """SHA-1 proves nothing any more."""
    sha1 = _resigned_with_sha1()

    assert "SHA-256" in _refusal(sha1)


def _resigned_with_sha1() -> str:
    # sha256WithRSAEncryption 1.2.840.113549.1.1.11 to sha1WithRSAEncryption …1.5
    data = material.request(material.rsa_key()).public_bytes(Encoding.DER)
    old = bytes.fromhex("06092a864886f70d01010b")
    at = data.rindex(old)
    return material.pem(x509.load_der_x509_csr(data[: at + 10] + b"\x05" + data[at + 11 :]))


def test_extensions_are_not_looked_at() -> None:
    """A request to be a certification authority is an ordinary request."""
    wish = x509.BasicConstraints(ca=True, path_length=None)
    names = x509.SubjectAlternativeName([x509.DNSName("csms.example.com")])
    text = material.pem(material.request(extensions=[wish, names]))

    assert read_request(text).common_name == "CP1"


def test_strange_attributes_are_left_out() -> None:
    """An e-mail address in the subject is no reason to refuse, and none to certify it."""
    subject = x509.Name(
        [
            *material.name(),
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@example.com"),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "NL"),
        ]
    )

    read = read_request(material.pem(material.request(subject=subject)))

    assert {one.oid for one in read.subject} == {
        NameOID.ORGANIZATION_NAME,
        NameOID.COMMON_NAME,
        NameOID.COUNTRY_NAME,
    }


def _named(*values: tuple[x509.ObjectIdentifier, str]) -> str:
    subject = x509.Name(
        [x509.NameAttribute(kind, value, _validate=False) for kind, value in values]
    )
    return material.pem(material.request(subject=subject))


@pytest.mark.parametrize(
    "values",
    [
        (),
        ((NameOID.COMMON_NAME, "CP1"), (NameOID.COMMON_NAME, "CP2")),
        ((NameOID.COMMON_NAME, "CP1\0"),),
        ((NameOID.COMMON_NAME, "CP1\n"),),
        ((NameOID.COMMON_NAME, " CP1"),),
        ((NameOID.COMMON_NAME, "C" * 65),),
        ((NameOID.COMMON_NAME, "CP1"), (NameOID.ORGANIZATION_NAME, "O" * 65)),
        ((NameOID.COMMON_NAME, "CP1"), (NameOID.ORGANIZATION_NAME, "O\x07")),
    ],
)
@pytest.mark.filterwarnings("ignore:Attribute's length")
def test_odd_subject_is_refused(values: tuple[tuple[x509.ObjectIdentifier, str], ...]) -> None:
    """None or two common names, control characters, more than a certificate can have."""
    reason = _refusal(_named(*values))

    assert "subject" in reason or "common name" in reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "nothing else"),
        ("x", "nothing else"),
        ("-----BEGIN CERTIFICATE REQUEST-----\n\n-----END CERTIFICATE REQUEST-----", "read"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA", "not PEM"),
        ("x" * 20_000, "too long"),
    ],
)
def test_what_is_no_request_is_refused(text: str, reason: str) -> None:
    """Text that is none, cut off, endless."""
    assert reason in _refusal(text)


def test_certificate_or_two_requests_are_refused() -> None:
    """Exactly one request."""
    assert "nothing else" in _refusal(material.pem(material.root()))
    assert "nothing else" in _refusal(material.csr() * 2)


_SOUND = material.request(material.ec_key()).public_bytes(Encoding.DER)


@given(st.integers(0, len(_SOUND) - 1), st.integers(1, 255), st.integers(0, 40))
def test_damaged_request_is_refused(at: int, flip: int, cut: int) -> None:
    """Every byte is covered by structure or signature: nothing damaged passes."""
    data = bytearray(_SOUND)
    data[at] ^= flip
    body = base64.b64encode(bytes(data[: len(data) - cut])).decode()

    assert _refusal(
        f"-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n"
    )


@given(st.text(max_size=400))
def test_any_text_is_refused_in_order(text: str) -> None:
    """Nothing but RefusedRequest comes out of text."""
    assert _refusal(text)
