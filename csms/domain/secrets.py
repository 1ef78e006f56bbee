"""Keeping secrets out of what is written down.

Two kinds cross an OCPP wire: the AuthorizationKey in configuration messages (OCPP-J 1.6 §6.2.2;
never to be logged) and passwords inside file transfer URLs.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

MASK: Final = "***"

_HIDDEN_CONFIGURATION_KEY: Final = "authorizationkey"
_URL_PASSWORD: Final = re.compile(r"(:(?:\\?/){2}[^/\\\s:@\"]*):[^/\\\s\"]+@")


def mask_secrets(text: str) -> str:
    """Return a frame without its secrets; one that holds none comes back as it is."""
    if "://" in text or ":\\/" in text:
        text = _URL_PASSWORD.sub(rf"\1:{MASK}@", text)
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
