"""Keeping secrets out of what is written down.

Two kinds cross an OCPP wire: the AuthorizationKey in configuration messages (OCPP-J 1.6 §6.2.2;
never to be logged) and what opens a file transfer location: a password, a signed query, or the
random part of a path of ours.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

MASK: Final = "***"

_HIDDEN_CONFIGURATION_KEY: Final = "authorizationkey"
# The random part of our own paths, as `csms.web.files` knows them.
_OWN_TOKEN: Final = re.compile(r"(\\?/files\\?/[a-z]{1,20}\\?/)[0-9a-f]{40}(?![0-9a-f])")
_LOCATION_QUERY: Final = re.compile(r'("(?:location|remoteLocation)"\s{0,9}:\s{0,9}"[^"?]*\?)[^"]+')
_URL_PASSWORD: Final = re.compile(r"(:(?:\\?/){2}[^/\\\s:@\"]*):[^/\\\s\"]+@")


def mask_secrets(text: str) -> str:
    """Return a frame without its secrets; one that holds none comes back as it is."""
    if "://" in text or ":\\/" in text:
        text = _URL_PASSWORD.sub(rf"\1:{MASK}@", text)
        text = _OWN_TOKEN.sub(rf"\1{MASK}", text)
        text = _LOCATION_QUERY.sub(rf"\1{MASK}", text)
    is_named = _HIDDEN_CONFIGURATION_KEY in text.lower()
    if not is_named and "\\u00" not in text:  # letters may be escaped
        return text
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        hidden = f"(masked: {len(text)} characters that mention AuthorizationKey)"
        return hidden if is_named else text
    if not _mask(frame):
        return text
    return json.dumps(frame, separators=(",", ":"))


def mask_location(location: str) -> str:
    """Return where a file is or goes, without what opens it."""
    location = _URL_PASSWORD.sub(rf"\1:{MASK}@", location)
    address, mark, _ = _OWN_TOKEN.sub(rf"\1{MASK}", location).partition("?")
    return f"{address}?{MASK}" if mark else address


def _mask(frame: Any) -> bool:
    """Mask `value` of every object whose `key` is the secret one; say whether there was one."""
    is_masked = False
    pending = [frame]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            key = one.get("key")
            if (
                isinstance(key, str)
                and key.strip().lower() == _HIDDEN_CONFIGURATION_KEY
                and "value" in one
            ):
                one["value"] = MASK
                is_masked = True
            pending.extend(one.values())
        elif isinstance(one, list):
            pending.extend(one)
    return is_masked
