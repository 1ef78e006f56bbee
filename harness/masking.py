"""Keeps secrets out of everything that is written: reports, logs, messages, attachments.

A secret is masked in every form it is known to travel in: as text, hexadecimal, base64, percent
encoded and JSON escaped. What was never told to the masker is caught where its place gives it
away: in an Authorization header, in the block of a private key.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from os.path import commonprefix
from typing import Final, TypeVar
from urllib.parse import quote

MASK: Final = "***"

# Names of headers, variables and members whose values are secrets.
TELLS_SECRET: Final = re.compile(r"(?i)auth|token|secret|password|api.?key|cookie")

# Shorter texts occur by chance in ordinary words and numbers; masking them would spoil the report.
_LEAST_LENGTH: Final = 4

# Header lines and their JSON or Python forms. The scheme stays, it helps and tells nothing.
_AUTHORIZATION: Final = re.compile(
    r"(?i)((?:proxy-)?authorization[\"']?\s*[:=,]\s*(?:b(?=[\"']))?[\"']?\s*(?:(?:basic|bearer|digest|token)\s+)?)"
    r"(?!(?:basic|bearer|digest|token)\s)([^\s\"',;)\]}]+)"
)
_USER_INFO: Final = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^/\s:@\"']*:)([^/\s@\"']+)(@)", re.I)

# Line ends may be those of a text inside JSON.
_PRIVATE_KEY: Final = re.compile(
    r"(-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----).*?(?:(-----END (?:[A-Z]+ )*PRIVATE KEY-----)|\Z)",
    re.DOTALL,
)

Value = TypeVar("Value")


class Masker:
    """Knows the secrets of a run and takes them out of text."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, secret: str | bytes) -> None:
        """Mask `secret` from now on, in all of its forms."""
        raw = secret.encode() if isinstance(secret, str) else secret
        forms = {raw.hex(), raw.hex().upper(), *_base64_forms(raw)}
        if isinstance(secret, str):
            text: str | None = secret
        else:
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                text = None
            forms |= {raw.decode("latin-1"), repr(raw)[2:-1]}
        if text is not None:
            forms |= {text, quote(text, safe=""), json.dumps(text)[1:-1]}
            forms.add(json.dumps(text, ensure_ascii=False)[1:-1])
        self._forms |= {form for form in forms if len(form) >= _LEAST_LENGTH}
        self._pattern = None

    def add_key(self, key: str) -> None:
        """Mask an AuthorizationKey, and the bytes it stands for where it is hexadecimal text."""
        self.add(key)
        for written in (key.lower(), key.upper()):
            self.add(written)
        with suppress(ValueError):
            self.add(bytes.fromhex(key))

    def add_credentials(self, identity: str, password: bytes) -> None:
        """Mask a Basic auth password, alone and together with its user name."""
        self.add(password)
        pair = identity.encode() + b":" + password
        self._forms |= _base64_forms(pair)
        self._pattern = None

    def mask(self, text: str) -> str:
        """Return `text` without any secret."""
        if self._pattern is None and self._forms:
            self._pattern = re.compile(_any_of(self._forms))
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        if "PRIVATE KEY" in text:
            text = _PRIVATE_KEY.sub(rf"\g<1>{MASK}\g<2>", text)
        text = _AUTHORIZATION.sub(rf"\g<1>{MASK}", text)
        return _USER_INFO.sub(rf"\g<1>{MASK}\g<3>", text)

    def mask_json(self, value: Value) -> Value:
        """Return a copy of a JSON value with every text in it masked, keys included."""
        masked: object
        if isinstance(value, str):
            masked = self.mask(value)
        elif isinstance(value, Mapping):
            masked = {
                self.mask(key) if isinstance(key, str) else key: self.mask_json(item)
                for key, item in value.items()
            }
        elif isinstance(value, list | tuple):
            masked = [self.mask_json(item) for item in value]
        else:
            masked = value
        return masked  # type: ignore[return-value]  # same shape as what came in


def _any_of(texts: Iterable[str]) -> str:
    """Return a pattern that matches the longest of `texts`, shared beginnings written once.

    A plain list of some hundred alternatives would be tried one by one at every character.
    """
    groups: dict[str, set[str]] = {}
    for text in sorted(texts):
        groups.setdefault(text[0], set()).add(text)
    alternatives = []
    for group in groups.values():
        beginning = commonprefix(list(group))  # noqa: RUF071  # by characters is what is meant
        rest = {text[len(beginning) :] for text in group}
        longer = rest - {""}
        tail = f"(?:{_any_of(longer)}){'?' if '' in rest else ''}" if longer else ""
        alternatives.append(re.escape(beginning) + tail)
    return "|".join(alternatives)


def _base64_forms(raw: bytes) -> set[str]:
    # Without padding: the text may continue, and the end of it may be cut off.
    encoded = base64.b64encode(raw), base64.urlsafe_b64encode(raw)
    return {form.decode().rstrip("=") for form in encoded}
