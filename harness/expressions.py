"""References inside scenario values: `$name`, `$level+1`, `${name}` in text, `$now-120s`, `$$`.

Pure: values, variables and the time come in, values go out. There is nothing to evaluate but names
and shifts of numbers and of the present, so a scenario cannot run code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from harness.model import Json

CONNECTORS: Final = 2

# What the engine sets for every case; a case may capture or bring more.
STANDARD_VARIABLES: Final = frozenset(
    {
        "connector_id",
        "next_connector_id",
        "connectors",
        "all_connectors",
        "other_connectors",
        "unknown_connector_id",
        "identity",
        "vendor",
        "model",
        "serial_number",
        "cpo_name",
        "security_profile",
        "higher_security_profile",
        "new_password",
        "wrong_password",
        "root_certificate",
        "root_certificate_2",
        "firmware_content",
        "firmware_signature",
        "invalid_firmware_signature",
        "firmware_signing_certificate",
        "certificate_signature",
        "new_reservation_id",
        "new_request_id",
        "valid_id_tag",
        "valid_id_tag_2",
        "valid_id_tag_other_case",
        "parent_id_tag",
        "invalid_id_tag",
        "expired_id_tag",
        "blocked_id_tag",
        "connection_timeout_s",
        "csms_timeout_s",
        "ping_interval_s",
        "unknown_vendor_id",
    }
)

_MAX_OFFSET_S: Final = 10**9
_NAME = r"[a-z][a-z0-9_]*"
_NOW = r"now(?:[+-][0-9]{1,9}(?:\.[0-9]{1,3})?s)?"
_LATER = rf"\$now(?P<sign>[+-])\$\{{(?P<offset>{_NAME})\}}s"
_WHOLE: Final = re.compile(
    rf"\$(?P<now>{_NOW})|{_LATER}|\$(?!now[+-])(?P<name>{_NAME})(?P<shift>[+-][0-9]{{1,9}})?"
)
_INSIDE: Final = re.compile(
    rf"\$\$|\$\{{(?P<now>{_NOW})\}}|\$\{{(?P<name>{_NAME})\}}|(?P<stray>\$)"
)


class UnknownVariable(Exception):
    """A reference to a variable that has no value.

    Attributes:
        name: the variable, without the dollar sign.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"the variable ${name} has no value")
        self.name = name


class BadExpression(ValueError):
    """A text with a dollar sign that is not a reference."""


def connector_variables(connectors: int = CONNECTORS, connector_id: int = 1) -> dict[str, Json]:
    """Return the variables that follow from the number of connectors and the one in use."""
    numbers: list[Json] = list(range(1, connectors + 1))
    return {
        "connector_id": connector_id,
        "next_connector_id": connectors + 1,
        "connectors": numbers,
        "all_connectors": [0, *numbers],
        "other_connectors": [number for number in numbers if number != connector_id],
        "unknown_connector_id": connectors + 1,
    }


def format_time(at: datetime, *, milliseconds: bool) -> str:
    """Write a time as a charge point would: UTC, `Z`, three digits of fraction or none."""
    timespec = "milliseconds" if milliseconds else "seconds"
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


def resolve(
    value: Json, variables: Mapping[str, Json], *, now: datetime, milliseconds: bool
) -> Json:
    """Replace every reference in `value`, at any depth; keys of objects are left alone.

    A text that is nothing but `$name` becomes the variable's value with its type, `$name+1` that
    number and one more, `$now+${name}s` a time so many seconds from now; `${name}` inside a longer
    text becomes its text.

    Raises:
        UnknownVariable: a name has no value.
        BadExpression: a dollar sign stands alone (`$$` writes one), or a shift is no number.
    """
    if isinstance(value, dict):
        return {
            key: resolve(member, variables, now=now, milliseconds=milliseconds)
            for key, member in value.items()
        }
    if isinstance(value, list):
        return [resolve(member, variables, now=now, milliseconds=milliseconds) for member in value]
    if not isinstance(value, str) or "$" not in value:
        return value
    if whole := _WHOLE.fullmatch(value):
        if whole["now"]:
            return _shifted(whole["now"], now, milliseconds=milliseconds)
        if whole["offset"]:
            offset_s = _number(whole["offset"], variables)
            if abs(offset_s) > _MAX_OFFSET_S:
                raise BadExpression(f"${whole['offset']} is {offset_s:g} s, too far from now")
            seconds = -offset_s if whole["sign"] == "-" else offset_s
            return format_time(now + timedelta(seconds=seconds), milliseconds=milliseconds)
        if whole["shift"]:
            return _number(whole["name"], variables) + int(whole["shift"])
        return _lookup(whole["name"], variables)

    def replaced(found: re.Match[str]) -> str:
        if found["now"]:
            return _shifted(found["now"], now, milliseconds=milliseconds)
        if found["name"]:
            return _as_text(_lookup(found["name"], variables))
        if found["stray"]:
            raise BadExpression(_stray(value))
        return "$"

    return _INSIDE.sub(replaced, value)


def scope(
    variables: Mapping[str, Json],
    bindings: Mapping[str, Json],
    *,
    now: datetime,
    milliseconds: bool,
) -> dict[str, Json]:
    """Return the variables one step sees: those of the case, and its own bindings over them."""
    own = {
        name: resolve(value, variables, now=now, milliseconds=milliseconds)
        for name, value in bindings.items()
    }
    return {**variables, **own}


def substitute(value: Json, bindings: Mapping[str, Json]) -> Json:
    """Replace references to the names in `bindings` by their unresolved values; leave others.

    Used while states are expanded, so that what a step is bound to never hangs on another binding.

    Raises:
        BadExpression: what is bound cannot stand inside a text, or cannot be shifted.
    """
    if isinstance(value, dict):
        return {key: substitute(member, bindings) for key, member in value.items()}
    if isinstance(value, list):
        return [substitute(member, bindings) for member in value]
    if not isinstance(value, str) or "$" not in value:
        return value
    if whole := _WHOLE.fullmatch(value):
        bound = bindings.get(whole["name"] or whole["offset"], value)
        if bound is value or not (whole["shift"] or whole["offset"]):
            return bound
        inner = _WHOLE.fullmatch(bound) if isinstance(bound, str) else None
        if inner and inner["name"] and not inner["shift"]:
            return value.replace(whole["name"] or whole["offset"], inner["name"])
        if isinstance(bound, int | float) and not isinstance(bound, bool):
            if whole["shift"]:
                return bound + int(whole["shift"])
            return f"$now{whole['sign']}{bound}s"
        raise BadExpression(f"{value} needs a number, or a variable that holds one, not {bound!r}")

    def replaced(found: re.Match[str]) -> str:
        name = found["name"]
        if name not in bindings:
            return found[0]
        bound = bindings[name]
        if isinstance(bound, str) and (inner := _WHOLE.fullmatch(bound)):
            if inner["shift"] or inner["offset"]:
                raise BadExpression(f"{bound} cannot stand inside a text; capture or set it first")
            return f"${{{inner['now'] or inner['name']}}}"
        return bound if isinstance(bound, str) else _as_text(bound).replace("$", "$$")

    return _INSIDE.sub(replaced, value)


def references(value: Json) -> Iterator[str]:
    """Yield the names of the variables `value` refers to; `now` is not one.

    Raises:
        BadExpression: a dollar sign stands alone.
    """
    if isinstance(value, dict):
        for member in value.values():
            yield from references(member)
    elif isinstance(value, list):
        for member in value:
            yield from references(member)
    elif isinstance(value, str) and "$" in value:
        whole = _WHOLE.fullmatch(value)
        for found in [whole] if whole else _INSIDE.finditer(value):
            if not whole and found["stray"]:
                raise BadExpression(_stray(value))
            name = found["name"] or (whole["offset"] if whole else None)
            if name:
                yield name


def is_reference(value: object) -> bool:
    """Say whether `value` is a text that is replaced before it is used."""
    return isinstance(value, str) and "$" in value


def _lookup(name: str, variables: Mapping[str, Json]) -> Json:
    try:
        return variables[name]
    except KeyError:
        raise UnknownVariable(name) from None


def _number(name: str, variables: Mapping[str, Json]) -> float:
    value = _lookup(name, variables)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadExpression(f"${name} is {value!r}, where a number is needed")
    return value


def _shifted(expression: str, now: datetime, *, milliseconds: bool) -> str:
    seconds = float(expression.removeprefix("now").removesuffix("s") or "0")
    return format_time(now + timedelta(seconds=seconds), milliseconds=milliseconds)


def _as_text(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise BadExpression(f"{value!r} cannot stand inside a text; only texts and numbers can")


def _stray(value: str) -> str:
    return f'"{value}" holds a lone "$"; write $name, ${{name}} inside a text, or $$ for a dollar'
