"""The part of the scenario files' shape that is about connections, TLS and certificates."""

from __future__ import annotations

from typing import Any, Final

from harness.access import VERSIONS
from harness.making import THINGS

CREDENTIALS: Final = ("own", "none", "wrong")
CERTIFICATES: Final = ("own", "none", "expired", "untrusted", "other_identity")

_NAME: Final = "^[a-z][a-z0-9_]*$"
_REFERENCE: Final = "^\\$[a-z][a-z0-9_]*([+-][0-9]+)?$"
_TEXT: Final = {"type": "string", "minLength": 1}
_STATUSES: Final = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "integer", "minimum": 100, "maximum": 599},
}

PROFILES: Final[dict[str, Any]] = {
    "type": "array",
    "minItems": 1,
    "uniqueItems": True,
    "items": {"enum": [0, 1, 2, 3]},
    "description": "Only where the case runs on one of these security profiles.",
}
PROFILE_CHOICES: Final[dict[str, Any]] = {
    "type": "array",
    "minItems": 1,
    "uniqueItems": True,
    "description": "Security profiles the case can run on, best first.",
    "items": {
        "if": {"type": "object"},
        "then": {
            "type": "object",
            "additionalProperties": False,
            "required": ["from", "to"],
            "properties": {"from": {"enum": [0, 1, 2]}, "to": {"enum": [1, 2, 3]}},
        },
        "else": {"enum": [0, 1, 2, 3]},
    },
}
_PROFILE: Final = {
    "if": {"type": "string"},
    "then": {"pattern": _REFERENCE},
    "else": {"enum": [0, 1, 2, 3]},
    "description": "Security profile whose endpoint and proof are used.",
}
_CERTIFICATE: Final = {
    "type": "string",
    "description": f"{', '.join(CERTIFICATES)}, or $name of a chain.",
    "if": {"pattern": "^\\$"},
    "then": {"pattern": _REFERENCE},
    "else": {"enum": list(CERTIFICATES)},
}
_TLS: Final = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "versions": {"type": "array", "minItems": 1, "items": {"enum": sorted(VERSIONS)}},
        "suites": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "pattern": "^TLS_[A-Za-z0-9_]+$"},
            "description": "IANA names.",
        },
    },
}


def connection_steps(repeat: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any], list[str]]]:
    """Return description, properties and required keys of these kinds of step.

    Args:
        repeat: the shape of `for_each`.
    """
    return {
        "connect": (
            "The same charge point connects again, and is accepted, or refused as it has to be.",
            {
                "connect": _offer(),
                "accepted": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"subprotocol": _TEXT},
                },
                "refused": _refused(),
                "for_each": repeat,
            },
            [],
        ),
        "probe_tls": (
            "TLS handshakes without a WebSocket show what the server can do.",
            {
                "probe_tls": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"profile": _PROFILE, "certificate": _CERTIFICATE},
                },
                "suites": {
                    **_TLS["properties"]["suites"],  # type: ignore[index]  # JSON Schema above
                    "description": "Each must be negotiable alone; the mandatory ones by default.",
                },
                "version": {"enum": sorted(VERSIONS), "description": "The least one."},
                "server_certificate": {"type": "boolean"},
                "refused": {**_TLS, "description": "None of these may be negotiable."},
            },
            [],
        ),
        "make": (
            "The charge point works out a value.",
            {
                "make": {"enum": sorted(THINGS)},
                "as": {"type": "string", "pattern": _NAME, "description": "The variable."},
                "with": {"type": "object", "propertyNames": {"pattern": _NAME}},
            },
            [],
        ),
    }


def _offer() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "beside": {
                "type": "boolean",
                "description": "The connection before is not closed first.",
            },
            "profile": _PROFILE,
            "identity": {**_TEXT, "description": "Another identity, in path and user name."},
            "credentials": {"enum": list(CREDENTIALS)},
            "password": {
                **_TEXT,
                "description": "Hexadecimal text of a key; the file says how it is written.",
            },
            "certificate": _CERTIFICATE,
            "subprotocols": {"type": "array", "uniqueItems": True, "items": _TEXT},
            "tls": _TLS,
        },
    }


def _refused() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "description": "The connection must not come about.",
        "properties": {
            "status": {**_STATUSES, "description": "What an HTTP refusal may say."},
            "warn": {
                "type": "object",
                "additionalProperties": False,
                "required": ["status"],
                "properties": {"status": {**_STATUSES, "description": "Any other one warns."}},
            },
            "unreachable": {
                "enum": ["warning"],
                "description": "A port on which nothing listens counts, with a warning.",
            },
        },
    }
