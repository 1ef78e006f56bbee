"""Verifiers of charge point credentials."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms import credentials
from csms.credentials import CredentialChecker, CredentialError, Encoding, TooBusy

KEY_HEX = "0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF"  # test vector of OCPP-J 1.6 §6.2.2
KEY = bytes.fromhex(KEY_HEX)


def test_key_matches_its_raw_bytes() -> None:
    """The Basic auth password of a key is its raw bytes (CS-WS-10)."""
    verifier = credentials.for_key(KEY_HEX)

    assert credentials.verify(verifier, KEY)
    assert not credentials.verify(verifier, KEY[:-1])
    assert not credentials.verify(verifier, KEY + b"\0")
    assert not credentials.verify(verifier, b"")


def test_key_matches_its_hex_digits_sent_as_text() -> None:
    """Some charge points send the hex digits they were configured with."""
    verifier = credentials.for_key(KEY_HEX)

    assert credentials.verify(verifier, KEY_HEX.encode())
    assert credentials.verify(verifier, KEY_HEX.lower().encode())
    assert not credentials.verify(verifier, KEY_HEX[:-2].encode() + b"FE")


def test_verifier_does_not_show_the_secret() -> None:
    """Neither form of the key can be found in the verifier, and two verifiers differ (salt)."""
    first, second = credentials.for_key(KEY_HEX), credentials.for_key(KEY_HEX)

    assert first != second
    assert KEY_HEX.lower() not in first.lower()


@pytest.mark.parametrize(
    "key_hex",
    [
        "",
        "00" * 15,
        "00" * 21,
        "0" * 39,
        "zz" * 20,
        "00 " * 16,
        " " + "00" * 16,
        "\uff10\uff10" * 16,
    ],
)
def test_unusable_keys_are_refused_without_repeating_them(key_hex: str) -> None:
    """Anything but 32 to 40 hex digits is refused, and the message has no secret in it."""
    with pytest.raises(CredentialError) as caught:
        credentials.for_key(key_hex)

    assert "hex digits" in str(caught.value)
    assert len(key_hex) < 3 or key_hex not in str(caught.value)


@pytest.mark.slow
def test_password_matches_only_itself() -> None:
    """A password is checked with argon2id, byte for byte."""
    verifier = credentials.for_password("pässword: 1")

    assert verifier.startswith("$argon2id$")
    assert credentials.verify(verifier, "pässword: 1".encode())
    assert not credentials.verify(verifier, b"password: 1")


@pytest.mark.parametrize("password", ["", "x" * 1025, "\ud800"])
def test_unusable_passwords_are_refused(password: str) -> None:
    """An empty password and one that is longer than we are willing to hash are refused."""
    with pytest.raises(CredentialError):
        credentials.for_password(password)


@given(
    st.text() | st.text().map("hmac-sha256:".__add__) | st.text().map("$argon2id$".__add__),
    st.binary(max_size=64),
)
def test_any_verifier_text_is_answered(verifier: str, password: bytes) -> None:
    """A text that is no verifier matches nothing and never raises."""
    assert not credentials.verify(verifier, password)


def test_both_accepts_the_old_and_the_new_secret() -> None:
    """While a key change is open both keys are right, and only the two newest (CS-WS-12)."""
    keys = [bytes([n]) * 20 for n in range(3)]
    verifiers = [credentials.for_key(key.hex()) for key in keys]

    two = credentials.both(verifiers[0], verifiers[1])
    three = credentials.both(two, verifiers[2])

    assert [credentials.verify(two, key) for key in keys] == [True, True, False]
    assert [credentials.verify(three, key) for key in keys] == [False, True, True]
    assert credentials.both(None, verifiers[0]) == verifiers[0]
    assert credentials.newest(two) == credentials.newest(verifiers[1]) == verifiers[1]


@pytest.mark.parametrize(
    ("encoding", "is_raw_right", "is_hex_right"),
    [("either", True, True), ("raw_from_hex", True, False), ("hex_text", False, True)],
)
async def test_password_encoding_tells_how_a_key_is_written(
    encoding: Encoding, is_raw_right: bool, is_hex_right: bool
) -> None:
    """An operator who knows his charge points takes keys in one form only."""
    checker = CredentialChecker(encoding=encoding)
    verifier = credentials.for_key(KEY_HEX)

    assert await checker.check(verifier, KEY) == is_raw_right
    assert await checker.check(verifier, KEY_HEX.encode()) == is_hex_right
    assert await checker.check(verifier, KEY_HEX.lower().encode()) == is_hex_right


async def test_checker_answers_keys() -> None:
    """A key is checked without a thread."""
    checker = CredentialChecker()
    verifier = credentials.for_key(KEY_HEX)

    assert await checker.check(verifier, KEY)
    assert not await checker.check(verifier, b"wrong")


@pytest.mark.slow
async def test_checker_remembers_what_was_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second check of a proven password costs no argon2id; a wrong one always does."""
    checker = CredentialChecker()
    verifier = credentials.for_password("secret")
    checked: list[bytes] = []
    really_verify = credentials.verify

    def counting_verify(verifier: str, password: bytes, **options: Any) -> bool:
        checked.append(password)
        return really_verify(verifier, password, **options)

    monkeypatch.setattr(credentials, "verify", counting_verify)

    answers = await asyncio.gather(*(checker.check(verifier, b"secret") for _ in range(6)))
    assert answers == [True] * 6
    assert 1 <= len(checked) <= credentials.MAX_SLOW_CHECKS
    checked.clear()
    assert await checker.check(verifier, b"secret")
    assert not await checker.check(verifier, b"wrong")
    assert not await checker.check(verifier, b"wrong")
    assert checked == [b"wrong", b"wrong"]


async def test_slow_checks_beyond_a_bound_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guesses must not pile up; those that wait are answered, keys never wait."""
    go_on = asyncio.Event()

    async def slow(function: object, *arguments: object, **options: object) -> bool:
        await go_on.wait()
        return False

    monkeypatch.setattr(credentials, "MAX_WAITING", 3)
    monkeypatch.setattr(asyncio, "to_thread", slow)
    checker = CredentialChecker()
    verifier = "$argon2id$v=19$made-up"
    waiting = [asyncio.create_task(checker.check(verifier, bytes([n]))) for n in range(3)]
    await asyncio.sleep(0)

    with pytest.raises(TooBusy):
        await checker.check(verifier, b"one more")
    assert await checker.check(credentials.for_key(KEY_HEX), KEY)
    go_on.set()
    assert await asyncio.gather(*waiting) == [False] * 3
    assert not await checker.check(verifier, b"one more")


async def test_one_address_does_not_fill_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who guesses at many charge points delays those of others by a few checks only."""
    go_on = asyncio.Event()

    async def slow(function: object, *arguments: object, **options: object) -> bool:
        await go_on.wait()
        return True

    monkeypatch.setattr(credentials, "MAX_WAITING_FROM", 2)
    monkeypatch.setattr(asyncio, "to_thread", slow)
    checker = CredentialChecker()
    verifier = "$argon2id$v=19$made-up"

    def come(password: bytes, address: str) -> asyncio.Task[bool]:
        return asyncio.create_task(checker.check(verifier, password, address=address))

    waiting = [come(b"1", "192.0.2.1"), come(b"2", "192.0.2.1"), come(b"3", "192.0.2.2")]
    await asyncio.sleep(0)

    with pytest.raises(TooBusy):
        await come(b"4", "192.0.2.1")
    go_on.set()
    assert await asyncio.gather(*waiting) == [True] * 3
    assert await come(b"4", "192.0.2.1")
    assert not checker._waiting_from


def test_api_tokens_are_random_and_kept_as_digests() -> None:
    """No two tokens are alike, and the digest does not contain the token."""
    first, second = credentials.new_api_token(), credentials.new_api_token()

    assert first != second
    assert len(first) > 40
    assert credentials.api_token_digest(first) == credentials.api_token_digest(first)
    assert credentials.api_token_digest(first) != credentials.api_token_digest(second)
    assert first not in credentials.api_token_digest(first)
