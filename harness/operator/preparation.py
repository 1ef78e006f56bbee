"""What has to exist in a Central System before a person tests it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from harness.drivers.driver import Credentials

_IDENTITIES: Final = 3  # of each kind: a case may leave one with another password or profile
_TAGS: Final = 2  # of each role

_ROLE_WORDS: Final = {
    "valid": "valid, may charge",
    "valid_2": "valid, of the same group",
    "parent": "the group (parent) of the valid ones",
    "invalid": "not known, or invalid",
    "expired": "expired",
    "blocked": "blocked",
}
_PROFILE_WORDS: Final = {
    0: "no password",
    1: "password",
    2: "password, over TLS",
    3: "client certificate",
}


@dataclass(frozen=True, slots=True)
class StationLine:
    """A charge point to be made; the password is shown only when asked for."""

    identity: str
    words: str
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class TagLine:
    """Id tags to be made, and what they are."""

    role: str
    words: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Preparation:
    """All that has to be there."""

    stations: tuple[StationLine, ...]
    tags: tuple[TagLine, ...]


def preparation_of(
    identities: Sequence[Credentials], id_tags: Mapping[str, Sequence[str]]
) -> Preparation:
    """Return what the person is told to make."""
    return Preparation(
        tuple(
            StationLine(
                one.identity,
                f"security profile {one.security_profile}: "
                f"{_PROFILE_WORDS.get(one.security_profile, '')}",
                password_text(one.password),
            )
            for one in identities
        ),
        tuple(
            TagLine(role, _ROLE_WORDS.get(role, role), tuple(tags))
            for role, tags in id_tags.items()
            if tags
        ),
    )


def password_text(password: bytes | None) -> str:
    """Return a password as a person can type it: text, or hexadecimal where it is none."""
    if password is None:
        return ""
    text = password.decode("ascii", errors="replace")
    return text if text.isprintable() and text.isascii() else f"hexadecimal {password.hex()}"


def enough(
    identities: Iterable[Credentials], id_tags: Mapping[str, Sequence[str]]
) -> tuple[tuple[Credentials, ...], dict[str, tuple[str, ...]]]:
    """Return as many identities and tags as a run of one case at a time needs."""
    kept: list[Credentials] = []
    for one in identities:
        like = [
            other
            for other in kept
            if (other.security_profile, other.role) == (one.security_profile, one.role)
        ]
        if len(like) < _IDENTITIES:
            kept.append(replace(one))
    return tuple(kept), {role: tuple(tags[:_TAGS]) for role, tags in id_tags.items()}
