"""Only a signature that is right, by a key that is good now, stands beside a firmware file."""

import base64
import hashlib
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from csms.pki.firmware_signatures import BadSignature, Signature, check_signature
from tests.csms.pki.material import AT, Key, certificate, ec_key, name, pem, root, rsa_key

FILE = b"firmware" * 1000
SHA256 = hashlib.sha256(FILE).hexdigest()


def sign(key: Key, content: bytes = FILE, *, way: str = "", salt: int | None = None) -> str:
    """Return a signature as it goes over the wire."""
    sha256 = hashes.SHA256()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        raw = key.sign(content, ec.ECDSA(sha256))
    elif way == "PSS":
        length = padding.PSS.MAX_LENGTH if salt is None else salt
        raw = key.sign(content, padding.PSS(padding.MGF1(sha256), length), sha256)
    else:
        raw = key.sign(content, padding.PKCS1v15(), sha256)
    return base64.b64encode(raw).decode()


def check(key: Key, signature: str, **changes: str) -> Signature:
    """Check a signature with a certificate of the key."""
    given = {
        "signature": signature,
        "signing_certificate": pem(certificate(name("Firmware"), key=key)),
    }
    return check_signature(SHA256, **(given | changes), at=AT)


@pytest.mark.parametrize(
    ("key", "way", "salt", "algorithm"),
    [
        (rsa_key, "", None, "SHA256withRSA"),
        (rsa_key, "PSS", 32, "SHA256withRSA-PSS"),
        (rsa_key, "PSS", 0, "SHA256withRSA-PSS"),
        (rsa_key, "PSS", None, "SHA256withRSA-PSS"),
        (ec_key, "", None, "SHA256withECDSA"),
    ],
)
def test_right_signature_is_known(key: object, way: str, salt: int | None, algorithm: str) -> None:
    """RSA in both paddings, with a salt of any length, and ECDSA."""
    private: Key = key()  # type: ignore[operator]  # made when the test runs
    signature = sign(private, way=way, salt=salt)

    checked = check(private, signature)

    assert (checked.signature, checked.algorithm) == (signature, algorithm)


@pytest.mark.parametrize("key", [rsa_key, ec_key])
@pytest.mark.parametrize("way", ["", "PSS"])
def test_signature_of_another_file_is_refused(key: object, way: str) -> None:
    """One byte more is another file."""
    private: Key = key()  # type: ignore[operator]

    with pytest.raises(BadSignature, match="none of this file") as raised:
        check(private, sign(private, FILE + b"x", way=way))

    assert raised.value.part == "signature"


@pytest.mark.parametrize("number", [1, 2])
def test_signature_of_another_key_is_refused(number: int) -> None:
    """Of the same kind or another."""
    other = ec_key(number) if number == 1 else rsa_key()

    with pytest.raises(BadSignature, match="none of this file"):
        check(ec_key(), sign(other))


def test_signature_with_another_hash_is_refused() -> None:
    """The standard wants SHA-256."""
    raw = rsa_key().sign(FILE, padding.PKCS1v15(), hashes.SHA512())

    with pytest.raises(BadSignature, match="SHA-256"):
        check(rsa_key(), base64.b64encode(raw).decode())


@given(st.binary(max_size=300))
def test_nonsense_is_refused(raw: bytes) -> None:
    """Whatever it is, it is not an error of ours."""
    for key in (rsa_key(), ec_key()):
        with pytest.raises(BadSignature):
            check(key, base64.b64encode(raw).decode())


@pytest.mark.parametrize(
    ("signature", "message"),
    [("not base64!", "not Base64"), ("YQ", "not Base64"), ("A" * 804, "more than 800")],
)
def test_text_that_is_no_signature_is_refused(signature: str, message: str) -> None:
    """With the reason."""
    with pytest.raises(BadSignature, match=message) as raised:
        check(ec_key(), signature)

    assert raised.value.part == "signature"


def test_lines_of_a_signature_are_joined() -> None:
    """As `openssl base64` writes it."""
    signature = sign(rsa_key())
    lines = "\n".join(signature[at : at + 64] for at in range(0, len(signature), 64))

    assert check(rsa_key(), f"{lines}\n").signature == signature


@pytest.mark.parametrize(
    "text", ["", "not PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_text_that_is_no_certificate_is_refused(text: str) -> None:
    """By the name of the field."""
    with pytest.raises(BadSignature) as raised:
        check(ec_key(), sign(ec_key()), signing_certificate=text)

    assert raised.value.part == "signing_certificate"


@pytest.mark.parametrize(
    ("begin_days", "end_days", "is_good"),
    [(-2, -1, False), (1, 2, False), (-1, 1, True), (0, 1, True), (-1, 0, True)],
)
def test_certificate_must_be_valid_now(begin_days: int, end_days: int, is_good: bool) -> None:
    """A charge point would refuse it."""
    text = pem(
        certificate(
            name("Firmware"),
            begin=AT + timedelta(days=begin_days),
            until=AT + timedelta(days=end_days),
        )
    )

    if is_good:
        check(ec_key(), sign(ec_key()), signing_certificate=text)
    else:
        with pytest.raises(BadSignature, match="expired or not valid yet"):
            check(ec_key(), sign(ec_key()), signing_certificate=text)


def test_weak_keys_are_refused() -> None:
    """Whatever they sign (A00.FR.503, 504)."""
    weak = rsa.generate_private_key(65_537, 1024)  # noqa: S505
    with pytest.raises(BadSignature, match="1024 bits"):
        check(weak, sign(weak))
    short = ec.generate_private_key(ec.SECP192R1())
    with pytest.raises(BadSignature, match="192 bits"):
        check(short, sign(short))


def test_key_of_another_kind_is_refused() -> None:
    """The standard knows RSA and ECDSA."""
    edwards = ed25519.Ed25519PrivateKey.generate()
    text = pem(certificate(name("Firmware"), key=edwards, issuer_key=ec_key()))  # type: ignore[arg-type]

    with pytest.raises(BadSignature, match="neither RSA nor EC"):
        check(ec_key(), sign(ec_key()), signing_certificate=text)


def test_certificate_is_kept_as_it_was_given() -> None:
    """With its issuers and its line ends: charge points and testers may compare texts."""
    leaf = certificate(name("Firmware"), issuer=root(key=ec_key(1)), issuer_key=ec_key(1))
    text = (pem(leaf) + pem(root(key=ec_key(1)))).replace("\n", "\r\n")

    checked = check(ec_key(), sign(ec_key()), signing_certificate=text)

    assert checked.signing_certificate == text


def test_line_ends_that_were_written_out_are_put_right() -> None:
    """A charge point could not read them."""
    text = pem(certificate(name("Firmware")))

    checked = check(ec_key(), sign(ec_key()), signing_certificate=text.replace("\n", "\\n"))

    assert checked.signing_certificate == text


def test_first_certificate_is_the_signers() -> None:
    """The others are its issuers."""
    text = pem(certificate(name("Firmware"))) + pem(root(key=ec_key(1)))

    check(ec_key(), sign(ec_key()), signing_certificate=text)
    with pytest.raises(BadSignature):
        check(ec_key(), sign(ec_key(1)), signing_certificate=text)


def test_chain_that_is_too_long_for_the_wire_is_refused() -> None:
    """A SignedUpdateFirmware could not carry it."""
    text = pem(certificate(name("Firmware"), key=rsa_key())) * 6

    with pytest.raises(BadSignature, match="more than 5500"):
        check(rsa_key(), sign(rsa_key()), signing_certificate=text)
