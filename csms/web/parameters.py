"""Parts of a path as values: each percent-decoded by itself, once (see csms.web.gate)."""

from typing import Annotated, Final
from urllib.parse import unquote

from fastapi import Path
from pydantic import BeforeValidator, StringConstraints

MAX_IDENTITY: Final = 255  # OCPP-J sets no bound; column and logs want one
MAX_ID_TAG: Final = 20  # OCPP 1.6 §7.28 IdToken


def decode_segment(segment: object) -> str:
    """Return the text of one path segment.

    Raises:
        ValueError: not percent-encoded UTF-8, or control characters in it.
    """
    try:
        text = unquote(str(segment), errors="strict")
    except UnicodeDecodeError:
        raise ValueError("is not percent-encoded UTF-8") from None
    if not text.isprintable():
        raise ValueError("has unprintable characters")
    return text


Identity = Annotated[
    str,
    BeforeValidator(decode_segment),
    StringConstraints(min_length=1, max_length=MAX_IDENTITY),
    Path(description="The charge point's identity, percent-encoded.", examples=["CP0001"]),
]
IdTagText = Annotated[
    str,
    BeforeValidator(decode_segment),
    StringConstraints(min_length=1, max_length=MAX_ID_TAG),
    Path(description="The id tag, percent-encoded; any case.", examples=["DEADBEEF"]),
]
FirmwareName = Annotated[
    str,
    BeforeValidator(decode_segment),
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$"),
    Path(description="Letters, digits and `._+-`.", examples=["wallbox-1.2.3.bin"]),
]
