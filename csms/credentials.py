"""Verifiers of charge point credentials and API tokens; the secrets themselves are never kept.

`key` is an OCPP AuthorizationKey: 16 to 20 random bytes written as hex digits (OCPP-J 1.6 §6.2.2,
security whitepaper A00.FR.205). It has all the entropy it needs, so a salted HMAC is enough.
`password` was chosen by a person: argon2id, which costs 0.1 s and 64 MiB on purpose.

A verifier text is one or more space-separated entries; any of them may match. Two entries exist
while the change of a key is open (CS-WS-12). Nothing here logs, and no error repeats a secret.
"""

import asyncio
import base64
import contextlib
import hmac
import secrets
from collections import Counter, OrderedDict
from hashlib import sha256
from typing import Final, Literal, TypeAlias

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

KEY_BYTES: Final = range(16, 21)  # whitepaper A00.FR.205; OCPP-J 1.6 §6.2.2 has exactly 20
MAX_PASSWORD_BYTES: Final = 1024  # bounds the work an unknown peer can ask for
MAX_REMEMBERED: Final = 10_000  # proven pairs; 32 bytes each
MAX_SLOW_CHECKS: Final = 2  # at a time: each takes 64 MiB and a core
MAX_WAITING: Final = 64  # slow checks; some seconds' worth
MAX_WAITING_FROM: Final = 16  # of one address: nobody else waits for more than these

Encoding: TypeAlias = Literal["raw_from_hex", "hex_text", "either"]

_KEY_PREFIX: Final = "hmac-sha256"
_ARGON2_PREFIX: Final = "$argon2id$"
_hasher: Final = PasswordHasher()


class TooBusy(Exception):
    """Too many slow checks wait already; nothing was checked."""


class CredentialError(ValueError):
    """The secret cannot be used; the message says why without repeating it."""


def for_key(key_hex: str) -> str:
    """Return the verifier of an AuthorizationKey given as hex digits.

    Raises:
        CredentialError: not 32 to 40 hex digits.
    """
    try:
        key = bytes.fromhex(key_hex) if key_hex.isalnum() else b""
    except ValueError:
        key = b""
    if len(key) not in KEY_BYTES:
        raise CredentialError(
            "an authorization key is 16 to 20 random bytes written as 32 to 40 hex digits"
        )
    salt = secrets.token_bytes(16)
    return f"{_KEY_PREFIX}:{_encode(salt)}:{_encode(_key_digest(salt, key))}"


def for_password(password: str) -> str:
    """Return the verifier of a password chosen by a person; slow on purpose.

    Raises:
        CredentialError: empty or longer than 1024 bytes.
    """
    try:
        secret = password.encode()
    except UnicodeEncodeError:
        raise CredentialError("a password is Unicode text") from None
    if not 1 <= len(secret) <= MAX_PASSWORD_BYTES:
        raise CredentialError(f"a password has 1 to {MAX_PASSWORD_BYTES} bytes")
    return _hasher.hash(secret)


def both(verifier: str | None, other: str) -> str:
    """Return a verifier that accepts what either accepts; at most the two newest secrets."""
    return other if verifier is None else f"{newest(verifier)} {other}"


def newest(verifier: str) -> str:
    """Return the verifier without what it accepts only until a change is settled."""
    return verifier.split(" ")[-1]


def is_slow(verifier: str) -> bool:
    """Tell whether a check of this verifier must stay off the event loop."""
    return _ARGON2_PREFIX in verifier


def kind(verifier: str | None) -> Literal["none", "key", "password"]:
    """Return what may be told of a verifier."""
    if verifier is None:
        return "none"
    return "password" if is_slow(newest(verifier)) else "key"


def verify(verifier: str, password: bytes, *, encoding: Encoding = "either") -> bool:
    """Tell whether the password is the right one, in constant time for keys.

    A charge point may send its key as raw bytes, as the standard says, or as the hex digits
    it was configured with, as some do; `encoding` tells which is right.
    """
    if len(password) > MAX_PASSWORD_BYTES:
        return False
    return any(_matches(entry, password, encoding) for entry in verifier.split(" "))


def _matches(entry: str, password: bytes, encoding: Encoding) -> bool:
    if entry.startswith(_ARGON2_PREFIX):
        try:
            return _hasher.verify(entry, password)
        except (VerificationError, ValueError):  # wrong password, broken verifier
            return False
    prefix, _, rest = entry.partition(":")
    if prefix != _KEY_PREFIX:
        return False
    salt_text, _, digest_text = rest.partition(":")
    try:
        salt, digest = _decode(salt_text), _decode(digest_text)
    except ValueError:
        return False
    is_raw = hmac.compare_digest(_key_digest(salt, password), digest)
    is_hex = False
    with contextlib.suppress(ValueError):
        from_hex = bytes.fromhex(password.decode("ascii"))
        is_hex = hmac.compare_digest(_key_digest(salt, from_hex), digest)
    return (is_raw and encoding != "hex_text") or (is_hex and encoding != "raw_from_hex")


class CredentialChecker:
    """Checks credentials for an event loop: slow ones in threads, few at a time, proven ones once.

    A proven pair of verifier and password is remembered as a digest under a key that only this
    process has, so a fleet that reconnects costs one slow check for each charge point. A changed
    verifier is another pair: nothing has to be forgotten by hand.
    """

    def __init__(self, *, encoding: Encoding = "either") -> None:
        self._encoding = encoding
        self._waiting = 0
        self._waiting_from: Counter[str] = Counter()
        self._memory_key = secrets.token_bytes(32)
        self._proven: OrderedDict[bytes, None] = OrderedDict()
        self._slots = asyncio.Semaphore(MAX_SLOW_CHECKS)

    async def protect(self, password: str) -> str:
        """Return the verifier of a password chosen by a person.

        Raises:
            CredentialError: empty or longer than 1024 bytes.
        """
        async with self._slots:
            return await asyncio.to_thread(for_password, password)

    async def check(self, verifier: str, password: bytes, *, address: str = "") -> bool:
        """Tell whether the password is the right one.

        Args:
            verifier: of the charge point.
            password: as sent.
            address: who waits too often is told so before he delays others; empty for ourselves.

        Raises:
            TooBusy: it cannot be told now.
        """
        if not is_slow(verifier):
            return verify(verifier, password, encoding=self._encoding)
        pair = hmac.digest(self._memory_key, verifier.encode() + b"\0" + password, "sha256")
        if pair in self._proven:
            self._proven.move_to_end(pair)
            return True
        if self._waiting >= MAX_WAITING or self._waiting_from[address] >= MAX_WAITING_FROM:
            raise TooBusy
        self._waiting += 1
        if address:
            self._waiting_from[address] += 1
        try:
            async with self._slots:
                is_right = pair in self._proven or await asyncio.to_thread(
                    verify, verifier, password, encoding=self._encoding
                )
        finally:
            self._waiting -= 1
            if address:
                self._waiting_from[address] -= 1
            self._waiting_from = +self._waiting_from  # without zeros
        if is_right:
            self._proven[pair] = None
            if len(self._proven) > MAX_REMEMBERED:
                self._proven.popitem(last=False)
        return is_right


def new_api_token() -> str:
    """Return a fresh bearer token of the HTTP API: 256 random bits behind a mark to grep for."""
    return "csms_" + secrets.token_urlsafe(32)


def api_token_digest(token: str) -> str:
    """Return what is kept of a bearer token: random as it is, a plain digest hides it."""
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _key_digest(salt: bytes, key: bytes) -> bytes:
    return hmac.digest(salt, key, sha256)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
