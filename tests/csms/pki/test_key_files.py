"""Keys and certificates on disk."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from csms.pki.key_files import (
    PkiError,
    private_directory,
    read_certificates,
    read_key,
    write_key,
    write_private,
)
from tests.csms.pki import material


def test_written_key_is_private_and_read_again(tmp_path: Path) -> None:
    """0600, whatever the umask is."""
    path = tmp_path / "a.key"

    write_key(path, material.ec_key())

    found = read_key(path)
    assert isinstance(found, ec.EllipticCurvePrivateKey)
    assert found.public_key() == material.ec_key().public_key()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["a.key"]


def test_replaced_file_is_private_again(tmp_path: Path) -> None:
    """What stood there with other rights is gone; so is what a sudden end left."""
    path = tmp_path / "a.pem"
    path.write_text("old")
    path.chmod(0o644)

    write_private(path, b"new")

    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_there_after_a_failure(tmp_path: Path) -> None:
    """A directory in the way, or none at all."""
    (tmp_path / "a.pem").mkdir()

    for path in (tmp_path / "a.pem", tmp_path / "no" / "b.pem"):
        with pytest.raises(PkiError, match="cannot be written"):
            write_private(path, b"new")

    assert [one.name for one in tmp_path.iterdir()] == ["a.pem"]


def test_missing_files_are_none(tmp_path: Path) -> None:
    """They are made when needed."""
    assert read_key(tmp_path / "a.key") is None
    assert read_certificates(tmp_path / "a.pem") == []


@pytest.mark.parametrize("kind", ["text", "password", "edwards"])
def test_key_that_cannot_be_used_is_told(tmp_path: Path, kind: str) -> None:
    """With its path, and without its content."""
    key = material.ec_key()
    data = {
        "text": b"secret text",
        "password": key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
        ),
        "edwards": ed25519.Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
    }[kind]
    write_private(tmp_path / "a.key", data)

    with pytest.raises(PkiError, match=r"a\.key") as told:
        read_key(tmp_path / "a.key")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("data", [b"nonsense", "ü".encode(), b""])
def test_certificate_file_that_cannot_be_used_is_told(tmp_path: Path, data: bytes) -> None:
    """With its path."""
    (tmp_path / "a.pem").write_bytes(data)

    with pytest.raises(PkiError, match=r"a\.pem"):
        read_certificates(tmp_path / "a.pem")


def test_directory_of_others_is_refused(tmp_path: Path) -> None:
    """Also one that only a group can look into; a file is none."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o750)
    (tmp_path / "file").touch()

    with pytest.raises(PkiError, match="chmod 700"):
        private_directory(shared)
    with pytest.raises(PkiError, match="cannot be used"):
        private_directory(tmp_path / "file")
    private_directory(tmp_path / "own")
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700
