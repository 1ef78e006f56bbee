"""Request templates of the http driver: texts and bodies with places. Pure, and no code in them.

A place is `$name`, `$payload.field`, or in braces, where it may do more:

    ${payload.localAuthorizationList[].idTag}          of every element the field
    ${payload.localAuthorizationList[idTagInfo].idTag} only of those that have this field
    ${payload.localAuthorizationList[!idTagInfo]}      only those that have it not
    ${payload.type|reset_types}                        by a table of the file
    ${action|kebab_case}                               in another form

`$$` is a dollar sign. A text that is one place only keeps the value's type; in a body, a place
whose field is absent takes its member or element away, and the member `$merge` stands for all
members of an object: `{stationId: $identity, $merge: $payload}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias
from urllib.parse import quote

from harness.model import Json

Tables: TypeAlias = Mapping[str, Mapping[str, Json]]

MERGE: Final = "$merge"

_PLACE: Final = re.compile(r"\$(?:\$|(\w+(?:\.\w+)*)|\{([^{}]*)\})")
_STEP: Final = re.compile(r"\.(\w+)|\[(!?)(\w*)\]")
_INSIDE: Final = re.compile(r"(\w+)((?:\.\w+|\[(?:!?\w+)?\])*)((?:\s*\|\s*\w+)*)")
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


class TemplateError(ValueError):
    """A place cannot be read; the message says how it would be right."""


class UnknownName(LookupError):
    """A template names a value that nobody gives."""


class NoValue(Exception):
    """A table has nothing for a value: the interface cannot express it."""


class Absent:
    """The value of what is not there: a payload field, a password."""


ABSENT: Final = Absent()

Values: TypeAlias = "Mapping[str, Json | Absent]"


@dataclass(frozen=True, slots=True)
class Step:
    """One step from a value to a part of it.

    Attributes:
        name: of the field; of a selection, the field that an element must have, or any.
        is_selection: takes elements of a list.
        is_without: takes those that have the field not.
    """

    name: str
    is_selection: bool = False
    is_without: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a template: a value, the way into it, and what is made of it."""

    name: str
    steps: tuple[Step, ...] = ()
    forms: tuple[str, ...] = ()


def places(template: Json) -> Iterator[Place]:
    """Yield every place of a template, or raise TemplateError."""
    if isinstance(template, str):
        rest = _PLACE.sub("", template)
        if "$" in rest:
            raise TemplateError(f"a lone $ in {template!r}; $$ stands for a dollar sign")
        for match in _PLACE.finditer(template):
            if match[0] != "$$":
                yield _place(match[1] if match[2] is None else match[2])
    elif isinstance(template, dict):
        for value in template.values():
            yield from places(value)
    elif isinstance(template, list):
        for value in template:
            yield from places(value)


def escape(text: str) -> str:
    """Return the template that stands for this text."""
    return text.replace("$", "$$")


def fill(template: Json, values: Values, tables: Tables | None = None) -> Json:
    """Return `template` with every place filled; a template that is absent as a whole is None.

    Raises:
        NoValue: a table has nothing for a value.
    """
    filled = _fill(template, values, tables or {})
    return None if isinstance(filled, Absent) else filled


def fill_path(template: str, values: Values, tables: Tables | None = None) -> str:
    """Return a path or query text with every value percent-encoded, slashes included."""
    return _fill_text(template, values, tables or {}, lambda text: quote(text, safe=""))


def fill_text(template: str, values: Values, tables: Tables | None = None) -> str:
    """Return a text with every value put in as it is."""
    return _fill_text(template, values, tables or {}, str)


def value_of(place: Place, values: Values, tables: Tables) -> Json | Absent:
    """Return what stands at a place."""
    if place.name not in values:
        raise UnknownName(place.name)
    value = values[place.name]
    for step in place.steps:
        if isinstance(value, Absent):
            return ABSENT
        value = _take(value, step)
    for form in place.forms:
        if isinstance(value, Absent):
            return ABSENT
        table = tables.get(form)
        value = FORMS[form](value) if table is None else _look_up(value, form, table)
    return value


def pick(value: Json, pointer: str) -> Json:
    """Return the value at a JSON pointer (RFC 6901), or None where nothing is."""
    found = find(value, pointer)
    return None if isinstance(found, Absent) else found


def find(value: Json, pointer: str) -> Json | Absent:
    """Return the value at a JSON pointer (RFC 6901), or ABSENT."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif (
            isinstance(value, list)
            and key.isascii()
            and key.isdecimal()
            and len(key) < 10
            and int(key) < len(value)
        ):
            value = value[int(key)]
        else:
            return ABSENT
    return value


# --- inside ---------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _place(text: str) -> Place:
    match = _INSIDE.fullmatch(text.strip())
    if match is None:
        raise TemplateError(
            f"${{{text}}} cannot be read; places are such as ${{payload.type}}, "
            "${payload.list[].field}, ${payload.list[!field]} and ${payload.type|table}"
        )
    steps = []
    for step in _STEP.finditer(match[2]):
        field, without, selected = step.groups()
        if field is not None:
            steps.append(Step(field))
        else:
            steps.append(Step(selected, is_selection=True, is_without=bool(without)))
    forms = [form.strip() for form in match[3].split("|")[1:]]
    return Place(match[1], tuple(steps), tuple(forms))


def _take(value: Json, step: Step) -> Json | Absent:
    if step.is_selection:
        if not isinstance(value, list):
            return ABSENT
        if not step.name:
            return value
        return [
            one
            for one in value
            if isinstance(one, dict) and (step.name in one) is not step.is_without
        ]
    if isinstance(value, list):
        return [one[step.name] for one in value if isinstance(one, dict) and step.name in one]
    if isinstance(value, dict) and step.name in value:
        return value[step.name]
    return ABSENT


def _look_up(value: Json, name: str, table: Mapping[str, Json]) -> Json:
    if isinstance(value, list):
        return [_look_up(one, name, table) for one in value]
    key = _text(value)
    if key not in table:
        known = ", ".join(table) or "nothing"
        raise NoValue(f"{name!r} has nothing for {key!r} (it has {known})")
    return table[key]


def _fill(template: Json, values: Values, tables: Tables) -> Json | Absent:
    if isinstance(template, dict):
        filled = {key: _fill(value, values, tables) for key, value in template.items()}
        merged = filled.pop(MERGE, None)
        if isinstance(merged, dict):
            filled = {**merged, **filled}
        return {key: value for key, value in filled.items() if not isinstance(value, Absent)}
    if isinstance(template, list):
        items = [_fill(value, values, tables) for value in template]
        return [value for value in items if not isinstance(value, Absent)]
    if not isinstance(template, str):
        return template
    whole = _PLACE.fullmatch(template)
    if whole and whole[0] != "$$":
        return value_of(_place(whole[1] if whole[2] is None else whole[2]), values, tables)
    return fill_text(template, values, tables)


def _fill_text(template: str, values: Values, tables: Tables, encode: Callable[[str], str]) -> str:
    def text_at(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        value = value_of(_place(match[1] if match[2] is None else match[2]), values, tables)
        return "" if isinstance(value, Absent) else encode(_text(value))

    return _PLACE.sub(text_at, template)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _each(change: Callable[[str], str]) -> Callable[[Json], Json]:
    """Return a form that changes a text, or every text of a list."""

    def form(value: Json) -> Json:
        if isinstance(value, list):
            return [form(one) for one in value]
        return change(_text(value))

    return form


def _commas(value: Json) -> Json:
    return ",".join(map(_text, value)) if isinstance(value, list) else _text(value)


def _camel_case(text: str) -> str:
    words: list[str] = _WORDS.findall(text) or [text]
    return words[0].lower() + "".join(words[1:])


FORMS: Final[Mapping[str, Callable[[Json], Json]]] = {
    "camel_case": _each(_camel_case),
    "kebab_case": _each(lambda text: "-".join(_WORDS.findall(text)).lower()),
    "upper_snake_case": _each(lambda text: "_".join(_WORDS.findall(text)).upper()),
    "comma_separated": _commas,
    "json": lambda value: json.dumps(value, ensure_ascii=False),
}
