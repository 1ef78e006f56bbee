"""The shape of scenario and state files as one JSON Schema, closed.

`scenarios/schema.json` is this schema written out, with hints about payloads added so that editors
complete them; `python -m harness.grammar` prints it. The loader uses it without the hints: what a
payload may hold it checks itself, with better words.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, Final

from harness import schemas
from harness.connection_grammar import PROFILE_CHOICES, PROFILES, connection_steps
from harness.model import EDITIONS, CaseSet, Operator, Profile, Requirement

VERSION: Final = 1
BUDGETS: Final = ("ocpp_response_timeout", "authorize")
ERROR_CODES: Final = (
    "NotImplemented",
    "NotSupported",
    "InternalError",
    "ProtocolError",
    "SecurityError",
    "FormationViolation",
    "PropertyConstraintViolation",
    "OccurenceConstraintViolation",
    "TypeConstraintViolation",
    "GenericError",
)
ANSWERS: Final = ("none", "result", "error")
NAME: Final = "^[a-z][a-z0-9_]*$"

_TEXT: Final = {"type": "string", "minLength": 1}
_PATTERN: Final = {"type": "object", "description": "Fields and what is expected of each."}
_EXPRESSION: Final = {"type": "string", "pattern": "^\\$"}


def scenario_schema(*, hints: bool) -> dict[str, Any]:
    """Return the schema of a scenario or state file.

    Args:
        hints: add which fields and values each action's payload has.
    """
    kinds = _step_kinds(hints=hints)
    definitions: dict[str, Any] = {
        "scenario": _scenario(),
        "state": _state(),
        "editions": {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "properties": {
                "from": {"enum": list(EDITIONS), "description": "First edition, included."},
                "until": {"enum": list(EDITIONS), "description": "Last edition, included."},
            },
        },
        "steps": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/step"}},
        "step": {
            "type": "object",
            "minProperties": 1,
            "anyOf": [{"required": [kind]} for kind in kinds],
            "allOf": [
                {"if": {"required": [kind]}, "then": {"$ref": f"#/definitions/{kind}_step"}}
                for kind in kinds
            ],
        },
        "operators": {"enum": [operator.value for operator in Operator]},
    }
    for kind, (description, properties, required) in kinds.items():
        definitions[f"{kind}_step"] = {
            "type": "object",
            "description": description,
            "additionalProperties": False,
            "required": [kind, *required],
            "properties": {
                **properties,
                "note": {**_TEXT, "description": "What happens in the world just before."},
                "editions": {"$ref": "#/definitions/editions"},
                "security_profiles": PROFILES,
            },
            **({"allOf": _payload_hints(kind)} if hints and kind in _HINTED else {}),
        }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": f"https://ocpp-preflight.example/scenario-{VERSION}.json",
        "title": "OCPP Preflight scenario",
        "type": "object",
        "if": {"required": ["state"]},
        "then": {"$ref": "#/definitions/state"},
        "else": {"$ref": "#/definitions/scenario"},
        "definitions": definitions,
    }


STEP_KINDS: Final = (
    "send",
    "send_raw",
    "do",
    "operator",
    "receive",
    "respond",
    "use",
    "wait",
    "disconnect",
    "connect",
    "probe_tls",
    "make",
    "any_order",
)


def _scenario() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["id", "title", "profile", "steps"],
        "if": {"required": ["set"]},
        "then": {"required": ["section", "reason"], "properties": {"requirement": False}},
        "else": {"required": ["requirement"], "properties": {"reason": False}},
        "properties": {
            "id": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$", "maxLength": 60},
            "title": _TEXT,
            "profile": {"enum": [profile.value for profile in Profile]},
            "set": {
                "enum": [one.value for one in CaseSet if one is not CaseSet.OFFICIAL],
                "description": "Which set beyond the official cases it belongs to.",
            },
            "reason": {**_TEXT, "description": "What was seen in the field."},
            "requirement": {
                "enum": [one.value for one in Requirement if one is not Requirement.ADDITIONAL]
            },
            "condition": {**_TEXT, "description": "What makes a conditional case apply."},
            "section": {
                **_TEXT,
                "description": "Section of the official case document, or what else demands it.",
            },
            "purpose": _TEXT,
            "editions": {"$ref": "#/definitions/editions"},
            "start": {
                **_TEXT,
                "description": "State to start from; Connected by default, or none.",
            },
            "security_profiles": PROFILE_CHOICES,
            "with_profile": {
                "enum": [profile.value for profile in Profile],
                "description": "Another profile that the system must declare, too.",
            },
            "station": {
                "type": "string",
                "pattern": NAME,
                "description": "Role of the identity the case needs (system-under-test file).",
            },
            "configuration": {
                "type": "object",
                "description": "Configuration keys the charge point starts with.",
                "additionalProperties": {"type": "string"},
            },
            "variables": {"type": "object", "propertyNames": {"pattern": NAME}},
            "steps": {"$ref": "#/definitions/steps"},
        },
    }


def _state() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["state", "purpose", "steps"],
        "properties": {
            "state": {"type": "string", "pattern": "^[A-Z][A-Za-z0-9]*$"},
            "purpose": _TEXT,
            "parameters": {
                "type": "object",
                "description": "Names a case may set with `with`, and their defaults.",
                "propertyNames": {"pattern": NAME},
            },
            "steps": {"$ref": "#/definitions/steps"},
        },
    }


def _step_kinds(*, hints: bool) -> dict[str, tuple[str, dict[str, Any], list[str]]]:
    """Return description, properties and required keys of every kind of step."""
    sent = {"enum": sorted(schemas.CP_ACTIONS)} if hints else _TEXT
    received = {"enum": sorted(schemas.CSMS_ACTIONS)} if hints else _TEXT
    budget = {"enum": list(BUDGETS)} if hints else _TEXT
    repeat = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "propertyNames": {"pattern": NAME},
        "additionalProperties": {"anyOf": [{"type": "array"}, _EXPRESSION]},
    }
    return {
        "send": (
            "The charge point sends this CALL and is owed a CALLRESULT.",
            {
                "send": sent,
                "payload": {"type": "object"},
                "expect": _PATTERN,
                "warn": _PATTERN,
                "budget": budget,
                "message_id": _TEXT,
                "for_each": repeat,
            },
            [],
        ),
        "send_raw": (
            "The charge point sends this text, or these bytes, as they stand.",
            {
                "send_raw": {"type": "string"},
                "binary": {"type": "boolean", "description": "The text is hexadecimal."},
                "answer": {
                    "description": "What may come back: one of none, result, error, or several.",
                    "if": {"type": "array"},
                    "then": {"items": {"enum": list(ANSWERS)}, "minItems": 1},
                    "else": {"enum": [*ANSWERS, "any"]},
                },
                "message_id": {"type": "string"},
                "answer_ids": {
                    "type": "array",
                    "minItems": 1,
                    "description": "Ids that an answer may have besides message_id.",
                },
                "codes": {"type": "array", "items": {"enum": list(ERROR_CODES)}, "minItems": 1},
            },
            ["answer"],
        ),
        "do": (
            "Something happens to the charge point; its model decides what to send.",
            {
                "do": {"type": "string", "pattern": NAME},
                "arguments": {"type": "object", "propertyNames": {"pattern": NAME}},
                "calls": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "minProperties": 1,
                        "maxProperties": 1,
                        "additionalProperties": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {
                                "payload": _PATTERN,
                                "expect": _PATTERN,
                                "warn": _PATTERN,
                            },
                        },
                    },
                },
            },
            [],
        ),
        "operator": (
            "The operator makes the CSMS send a request.",
            {"operator": received, "payload": {"type": "object"}, "for_each": repeat},
            [],
        ),
        "receive": (
            "The CSMS's CALL is awaited, judged and answered.",
            {
                "receive": received,
                "payload": _PATTERN,
                "warn": _PATTERN,
                "answer": _answer("model", "none", "later"),
                "optional": {"type": "boolean"},
                "for_each": repeat,
            },
            [],
        ),
        "respond": (
            "The CSMS's CALL that was received with `answer: later` is answered now.",
            {"respond": received, "answer": _answer("model")},
            [],
        ),
        "use": (
            "The steps of a reusable state stand here.",
            {
                "use": _TEXT,
                "with": {"type": "object", "propertyNames": {"pattern": NAME}},
            },
            [],
        ),
        "wait": (
            "Seconds the charge point itself lets pass.",
            {"wait": {"anyOf": [{"type": "number", "minimum": 0}, _EXPRESSION]}},
            [],
        ),
        "disconnect": (
            "The connection ends: in order (close) or without a word (drop).",
            {"disconnect": {"enum": ["close", "drop"]}},
            [],
        ),
        **connection_steps(repeat),
        "any_order": (
            "Steps whose frames may come in any order.",
            {"any_order": {"$ref": "#/definitions/steps"}},
            [],
        ),
    }


def _answer(*words: str) -> dict[str, Any]:
    named = ", ".join(words)
    return {
        "description": f"{named}, a payload, {{result: …}} or {{error: …}}; model by default.",
        "if": {"type": "string"},
        "then": {"enum": list(words)},
        "else": {
            "type": "object",
            "if": {"required": ["error"]},
            "then": {
                "additionalProperties": False,
                "properties": {
                    "error": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["code"],
                        "properties": {
                            "code": {"enum": list(ERROR_CODES)},
                            "description": {"type": "string"},
                            "details": {"type": "object"},
                        },
                    },
                    "delay_s": {"type": "number", "minimum": 0},
                },
            },
            "else": {
                "if": {"required": ["result"]},
                "then": {
                    "additionalProperties": False,
                    "properties": {
                        "result": {"type": "object"},
                        "delay_s": {"type": "number", "minimum": 0},
                    },
                },
            },
        },
    }


# --- hints for editors ---------------------------------------------------------------------------

_HINTED: Final = frozenset({"send", "operator", "receive"})


def _payload_hints(kind: str) -> list[dict[str, Any]]:
    """Say for each action which fields its payload has, and the values of the enumerated ones."""
    actions = schemas.CP_ACTIONS if kind == "send" else schemas.CSMS_ACTIONS
    return [
        {
            "if": {"properties": {kind: {"const": action}}},
            "then": {"properties": {"payload": _fields(action, matchers=kind == "receive")}},
        }
        for action in sorted(actions)
    ]


def _fields(action: str, *, matchers: bool) -> dict[str, Any]:
    schema = schemas.schema_of(action, schemas.Kind.CALL)
    return {
        "additionalProperties": False,
        "properties": {
            name: {} if matchers else _field(inner)
            for name, inner in schema.get("properties", {}).items()
        },
    }


def _field(schema: Mapping[str, Any]) -> dict[str, Any]:
    if "enum" in schema:
        return {"anyOf": [{"enum": list(schema["enum"])}, _EXPRESSION]}
    return {}


def written() -> str:
    """Return the text of `scenarios/schema.json`."""
    return json.dumps(scenario_schema(hints=True), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(written())
