"""Keys and certificates on disk: private to their owner, written whole or not at all."""

import os
import stat
from pathlib import Path
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from csms.pki.certificates import BadCertificate, read_chain

OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class PkiError(Exception):
    """Keys or certificates of ours cannot be used: the operator has to act."""


def private_directory(path: Path) -> None:
    """Make a directory that nobody else can look into, or check that it is one.

    Raises:
        PkiError: it cannot be made, or others may use it.
    """
    try:
        path.mkdir(mode=0o700, parents=False, exist_ok=True)
        mode = path.stat().st_mode
    except OSError as error:
        raise PkiError(f"the directory {path} cannot be used: {error.strerror or error}") from None
    if mode & OTHERS:
        raise PkiError(f"others can use the directory {path} of private keys: chmod 700 it")


def write_private(path: Path, data: bytes) -> None:
    """Write a file for its owner alone; after a crash it is there as a whole or not at all.

    Raises:
        PkiError: it cannot be written.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        scratch.unlink(missing_ok=True)
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(scratch, path)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
        _sync(path.parent)
    except OSError as error:
        raise PkiError(f"{path} cannot be written: {error.strerror or error}") from None


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_key(path: Path) -> PrivateKey | None:
    """Return a private key; None where there is no file.

    Raises:
        PkiError: it cannot be read, others can read it, or it is no key we use.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(65_536)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PkiError(f"{path} cannot be read: {error.strerror or error}") from None
    if mode & OTHERS:
        raise PkiError(f"others can read the private key {path}: chmod 600 it")
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise PkiError(f"{path} is not a private key in PEM without a password") from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise PkiError(f"{path} is neither an RSA key nor one on an elliptic curve")
    return key


def write_key(path: Path, key: PrivateKey) -> None:
    """Write a private key.

    Raises:
        PkiError: it cannot be written.
    """
    write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Return the certificates of a file, none where there is no file.

    Raises:
        PkiError: it cannot be read.
    """
    try:
        text = path.read_text("ascii")
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise PkiError(f"{path} is not PEM") from None
    except OSError as error:
        raise PkiError(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        return read_chain(text)
    except BadCertificate as error:
        raise PkiError(f"{path}: {error}") from None
