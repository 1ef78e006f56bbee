"""What a charge point says of itself when it connects: identity and password. Pure.

Spec: OCPP-J 1.6 §3.1.1, §6.2.2 (CS-WS-03, CS-WS-10).
"""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

SUBPROTOCOL: Final = "ocpp1.6"
MAX_IDENTITY: Final = 255  # characters; the standard names no limit

_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def identity_of(target: str) -> str | None:
    """Return the identity in a request target, None where there is none.

    It is the last segment of the path, percent-decoded once, so that ``%2F`` stays inside it. What
    stands before it is free; a query is ignored, and neither tells the OCPP version (CS-WS-07).
    """
    segment = target.partition("?")[0].rpartition("/")[2]
    if _BROKEN_ESCAPE.search(segment):
        return None
    try:
        identity = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        return None
    if not 0 < len(identity) <= MAX_IDENTITY or not identity.isprintable():
        return None
    return identity


def password_of(authorization: Sequence[str], identity: str) -> bytes | None:
    """Return the password of HTTP Basic credentials for this identity, else None.

    The password is raw bytes, any of them. The user name must be the decoded identity; since it is
    known, a colon inside it does no harm.

    Args:
        authorization: the values of all Authorization headers.
        identity: who the charge point says it is.
    """
    if len(authorization) != 1:
        return None
    scheme, _, encoded = authorization[0].strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        credentials = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        return None
    user = identity.encode() + b":"
    # The identity is no secret: it stands in the URL. The password is compared elsewhere.
    return credentials[len(user) :] if credentials.startswith(user) else None
