"""Whether a scenario or state file has the shape of `harness.grammar`, said in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import jsonschema_rs

from harness.grammar import STEP_KINDS, scenario_schema
from harness.yaml_source import Parts, Problem, Source, did_you_mean


def check(source: Source) -> tuple[list[Problem], set[Parts]]:
    """Return what is wrong with a file's shape, and the steps that cannot be read because of it."""
    problems: dict[tuple[int, int, str], Problem] = {}
    broken: set[Parts] = set()
    for error in _validator().iter_errors(source.data):
        parts: Parts = tuple(error.instance_path)
        steps = [index for index in range(1, len(parts)) if parts[index - 1] in _STEP_LISTS]
        broken.update(parts[: index + 1] for index in steps if isinstance(parts[index], int))
        for problem in _problems(source, parts, error):
            at = problem.position
            problems[at.line, at.column, problem.message] = problem
    return [problems[key] for key in sorted(problems)], broken


_STEP_LISTS = frozenset({"steps", "any_order"})


@cache
def _schema() -> dict[str, Any]:
    return scenario_schema(hints=False)


@cache
def _validator() -> jsonschema_rs.Draft7Validator:
    return jsonschema_rs.Draft7Validator(_schema())


def _problems(source: Source, parts: Parts, error: jsonschema_rs.ValidationError) -> list[Problem]:
    at = source.value_at(*parts)
    detail = error.kind.as_dict()
    value = error.instance
    if len(parts) > 1 and parts[-2] in _STEP_LISTS and isinstance(value, dict):
        kinds = [kind for kind in STEP_KINDS if kind in value]
        if len(kinds) != 1:
            return [_kind_problem(source, parts, value, kinds)]
    match error.kind.name:
        case "additionalProperties":
            known = _known_keys(error.schema_path)
            return [
                Problem(
                    source.key_at(*parts, name),
                    f"{_owner(parts, value)} has no key {name}",
                    did_you_mean(name, known),
                )
                for name in detail["unexpected"]
            ]
        case "required":
            return [Problem(at, f"{_owner(parts, value)} needs the key {detail['property']}")]
        case "enum":
            options = [str(option) for option in detail["options"]]
            return [Problem(at, f"{value!r} is not known here", did_you_mean(str(value), options))]
        case "type":
            wanted = " or ".join(detail["types"])
            hint = "put it in quotes" if wanted == "string" and _is_scalar(value) else ""
            return [Problem(at, f"{_named(parts)} should be of type {wanted}", hint)]
        case "pattern":
            return [Problem(at, f"{value!r} is no name that fits here", str(detail["pattern"]))]
        case "propertyNames":
            inner = detail.get("error")
            name = str(getattr(inner, "instance", ""))
            message = f"{name!r} is no name that fits here"
            return [Problem(source.key_at(*parts, name), message, "small letters, digits and _")]
        case "minLength" | "minItems" | "minProperties":
            return [Problem(at, f"{_named(parts)} is empty")]
        case "maxProperties":
            return [Problem(at, f"{_named(parts)} has more keys than it may")]
        case "falseSchema":
            message = f"{_named(parts)} has no place here"
            hint = "a case has a requirement, or a set with section and reason"
            return [Problem(source.key_at(*parts), message, hint)]
        case "anyOf":
            return [Problem(at, f"{_named(parts)} should be a value of the right type or $name")]
        case _:
            return [Problem(at, f"{_named(parts)}: {error.message}")]


def _kind_problem(
    source: Source, parts: Parts, step: Mapping[str, object], kinds: Sequence[str]
) -> Problem:
    if kinds:
        message = f"a step does one thing, this one says {' and '.join(kinds)}"
        return Problem(source.key_at(*parts, kinds[1]), message, "make it two steps")
    if not step:
        return Problem(source.value_at(*parts), "this step is empty", "say what it does")
    unknown = [key for key in step if key not in _step_keys()]  # not a note, nor a payload
    first = next(iter(unknown or step))
    hint = did_you_mean(first, STEP_KINDS)
    return Problem(source.key_at(*parts, first), f"{first} is no kind of step", hint)


@cache
def _step_keys() -> frozenset[str]:
    """Return every key that a step of some kind may have."""
    definitions = _schema()["definitions"]
    return frozenset(
        key for kind in STEP_KINDS for key in definitions[f"{kind}_step"].get("properties", {})
    )


def _known_keys(schema_path: Sequence[str | int]) -> list[str]:
    """Return the keys allowed where `additionalProperties` was broken."""
    schema: Any = _schema()
    for part in schema_path[:-1]:
        try:
            schema = schema[part]
        except (KeyError, IndexError, TypeError):
            return []
    properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
    return list(properties)


def _owner(parts: Parts, value: object) -> str:
    if not parts:
        is_state = isinstance(value, dict) and "state" in value
        return "a state file" if is_state else "a scenario"
    if len(parts) > 1 and parts[-2] in _STEP_LISTS:
        kind = next((kind for kind in STEP_KINDS if isinstance(value, dict) and kind in value), "")
        return f"a step of kind {kind}" if kind else "a step"
    return _named(parts)


def _named(parts: Parts) -> str:
    names = [part for part in parts if isinstance(part, str)]
    return names[-1] if names else "the file"


def _is_scalar(value: object) -> bool:
    return not isinstance(value, dict | list)
