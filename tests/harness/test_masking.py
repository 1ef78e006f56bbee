"""Secrets leave no trace in text, in any form they travel in."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.masking import MASK, Masker

KEY = bytes(range(200, 220))


def masker_of(*secrets: str | bytes) -> Masker:
    masker = Masker()
    for secret in secrets:
        masker.add(secret)
    return masker


@pytest.mark.parametrize(
    "form",
    [
        KEY.hex(),
        KEY.hex().upper(),
        base64.b64encode(KEY).decode(),
        base64.urlsafe_b64encode(KEY).decode().rstrip("="),
        KEY.decode("latin-1"),
        repr(KEY)[2:-1],
    ],
)
def test_raw_key_is_masked_in_every_form(form: str) -> None:
    """A key of raw bytes shows in no notation."""
    masked = masker_of(KEY).mask(f"before {form} after")

    assert masked.replace("=", "") == f"before {MASK} after"


def test_text_is_masked_in_every_form() -> None:
    """A password of text shows neither plainly nor percent-encoded nor JSON-escaped."""
    secret = 'p "ä\\ss/word'

    for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
        assert masker_of(secret).mask(f"[{form}]") == f"[{MASK}]"


def test_basic_credentials_are_masked_as_a_pair() -> None:
    """The pair of Basic auth is masked wherever it stands, even without its header's name."""
    masker = Masker()
    masker.add_credentials("CP 1", b"open sesame")
    pair = base64.b64encode(b"CP 1:open sesame").decode()

    assert pair not in masker.mask(f"sent {pair} to nobody")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Bearer abc.def-1", f"Authorization: Bearer {MASK}"),
        ('{"authorization": "Basic Zm9vOmJhcg=="}', f'{{"authorization": "Basic {MASK}"}}'),
        ("b'Authorization', b'Token xyz'", f"b'Authorization', b'Token {MASK}'"),
        ("ws://user:hunter2@host/ocpp", f"ws://user:{MASK}@host/ocpp"),
        ("authorization failed for CP1", "authorization failed for CP1"),
    ],
)
def test_headers_and_urls_give_secrets_away_by_their_place(text: str, masked: str) -> None:
    """A secret nobody told us of is masked where its place tells that it is one."""
    assert Masker().mask(text) == masked


def test_longer_secret_goes_first() -> None:
    """A secret that begins with another one does not keep its tail."""
    assert masker_of("abcd", "abcdefgh").mask("abcdefgh") == MASK


def test_short_texts_are_left_alone() -> None:
    """What occurs by chance in any number would spoil the report."""
    assert masker_of("123").mask("1234") == "1234"


def test_json_values_are_masked_throughout() -> None:
    """Keys, members and elements are masked; numbers and shapes stay."""
    value = {"a": ["secret!", 1, None], "secret!": {"b": "xsecret!x"}}

    assert masker_of("secret!").mask_json(value) == {
        "a": [MASK, 1, None],
        MASK: {"b": f"x{MASK}x"},
    }


@given(st.lists(st.text("abc", min_size=4, max_size=9), max_size=9), st.text("abc ", max_size=40))
def test_many_secrets_are_found_together(secrets: list[str], text: str) -> None:
    """However secrets overlap, none is left whole, and nothing else is touched."""
    masked = masker_of(*secrets).mask(text)

    assert not any(secret in masked for secret in secrets)
    if not any(secret in text for secret in secrets):
        assert masked == text


@given(st.binary(min_size=8, max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_form_of_a_key_survives(key: bytes, before: str, after: str) -> None:
    """Whatever stands around it, a key's hexadecimal and base64 forms are gone."""
    masker = masker_of(key)

    for form in (key.hex(), base64.b64encode(key).decode()):
        assert form not in masker.mask(before + form + after)


@pytest.mark.parametrize("key", ["3a00ff41aabbccdd", "3A00FF41AABBCCDD", "a key that is no hex"])
def test_a_key_is_masked_as_text_and_as_bytes(key: str) -> None:
    """An AuthorizationKey shows neither as it was sent nor as Basic auth has it."""
    masker = Masker()
    masker.add_key(key)
    raw = bytes.fromhex(key) if "no" not in key else key.encode()

    for form in (key, key.upper(), key.lower(), base64.b64encode(raw).decode().rstrip("=")):
        assert form not in masker.mask(f"[{form}]")


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "ENCRYPTED "])
def test_private_keys_are_masked_wherever_they_stand(kind: str) -> None:
    """Nobody told of them, as text or inside JSON, whole or cut off."""
    key = f"-----BEGIN {kind}PRIVATE KEY-----\nTUlJ\nRXZ3\n-----END {kind}PRIVATE KEY-----\n"
    certificate = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n"

    for text in (key, json.dumps({"key": key}), key[:50]):
        assert "TUlJ" not in Masker().mask(f"before {text}")
    assert Masker().mask(certificate + key + certificate).count("TUlJ") == 2
