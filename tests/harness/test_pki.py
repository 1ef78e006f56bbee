"""The throw-away PKI of a run."""

from __future__ import annotations

import ssl
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from harness.certificates import key_of, read_chain, subject_of
from harness.pki import FILES, Kind, Pki


@pytest.fixture
def run(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki", hosts=["csms.example", "127.0.0.1"])


def test_files_are_their_owners_alone_and_go_again(run: Pki) -> None:
    """Every file is written with 0600 in a folder of 0700, and nothing is left."""
    run.write(FILES)

    assert run.directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in run.directory.iterdir()} == {0o600}
    assert {path.stem for path in run.directory.iterdir()} == set(FILES)

    run.remove()

    assert not run.directory.exists()


def test_a_folder_that_others_can_see_is_not_used(run: Pki) -> None:
    """Temporary folders are shared: whoever made this one first may read what is in it."""
    run.directory.mkdir(mode=0o755)

    with pytest.raises(PermissionError):
        run.write(["server_key"])

    assert list(run.directory.iterdir()) == []


@pytest.mark.parametrize(("name", "kind"), [("server", ("RSA", 2048)), ("server_ec", ("EC", 256))])
def test_server_certificates_serve(run: Pki, name: str, kind: tuple[str, int]) -> None:
    """Both are good for the hosts, with their keys, and follow from the root."""
    run.write(FILES)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(run.path(f"{name}_certificate"), run.path(f"{name}_key"))
    certificate = read_chain(run.text(f"{name}_certificate"))[0]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    certificate.verify_directly_issued_by(read_chain(run.text("root"))[0])
    assert key_of(certificate) == kind
    assert names.get_values_for_type(x509.DNSName) == ["csms.example"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert subject_of(certificate, x509.NameOID.COMMON_NAME) == "csms.example"


def test_client_certificates_are_wrong_in_one_way_each(run: Pki) -> None:
    """An own one is good; the others have run out, or come from somewhere else."""
    authority = read_chain(run.text("client_ca"))[0]
    own, expired, untrusted = (
        read_chain(run.client("SN-1", organization="Maker", kind=kind).chain)[0]
        for kind in (Kind.OWN, Kind.EXPIRED, Kind.UNTRUSTED)
    )
    now = datetime.now(UTC)

    own.verify_directly_issued_by(authority)
    expired.verify_directly_issued_by(authority)
    with pytest.raises(ValueError, match="issuer"):
        untrusted.verify_directly_issued_by(authority)
    assert own.not_valid_before_utc < now < own.not_valid_after_utc
    assert expired.not_valid_after_utc < now
    assert {subject_of(one, x509.NameOID.COMMON_NAME) for one in (own, expired, untrusted)} == {
        "SN-1"
    }


def test_one_client_has_one_certificate(run: Pki) -> None:
    """What was made once stays, and nobody else gets it."""
    first = run.client("SN-1", organization="Maker")

    assert run.client("SN-1", organization="Maker") is first
    assert run.client("SN-2", organization="Maker").key != first.key
    assert "PRIVATE" not in repr(first)


def test_the_firmware_is_signed_once_rightly_once_not(run: Pki) -> None:
    """Both signatures are real ones of the signing key; one belongs to other bytes."""
    variables = {name: str(value) for name, value in run.variables().items()}
    certificate = read_chain(variables["firmware_signing_certificate"])[0]
    key = certificate.public_key()
    content = b64decode(variables["firmware_content"])
    assert isinstance(key, rsa.RSAPublicKey)

    key.verify(
        b64decode(variables["firmware_signature"]), content, padding.PKCS1v15(), hashes.SHA256()
    )
    with pytest.raises(InvalidSignature):
        key.verify(
            b64decode(variables["invalid_firmware_signature"]),
            content,
            padding.PKCS1v15(),
            hashes.SHA256(),
        )
    certificate.verify_directly_issued_by(read_chain(variables["root_certificate"])[0])
    assert variables["root_certificate"] != variables["root_certificate_2"]
    for root in (variables["root_certificate"], variables["root_certificate_2"]):
        read_chain(root)[0].verify_directly_issued_by(read_chain(root)[0])
        assert len(root) <= 5500
