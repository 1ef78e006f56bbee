"""A system-under-test file as data: its closed shape, and errors that help.

Every problem carries the file and line and says what would have been right. What the values
mean is `harness.sut`'s business.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import jsonschema_rs

from harness.model import Json
from harness.yaml_source import Problem, ScenarioError, did_you_mean, read

Place: TypeAlias = Sequence[str | int]

# The patterns of the schema in words.
_MUST: Final = {
    r"^(wss?://|\$\{)": "must begin with ws:// or wss://",
    r"^(https?://|\$\{)": "must begin with http:// or https://",
    r"\{n(:0?[0-9]*d?)?\}": "must hold {n} or {n:04}, the place of the number",
    r"^[a-z][a-z0-9_]*$": "must be small letters, digits and _",
    ":": "must be host:port",
    "^/": "must be a JSON pointer, such as /status",
    "^(/|$)": "must be a JSON pointer, such as /status, or empty for the whole body",
}


class SutError(Exception):
    """The file cannot be used; one line for each problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SutFile:
    """A file whose shape is right, and the place of every value in it."""

    def __init__(self, path: Path, *, part: str = "") -> None:
        """Read and check `path`, or raise SutError.

        Args:
            part: definition of the schema that the file holds alone; empty: all of it.
        """
        self.path = path
        try:
            self._source = read(path)
        except ScenarioError as error:
            raise SutError(error.problems) from error
        found = _schema_problems(self._source.data, part)
        problems = [self.problem(place, message, hint) for place, message, hint in found]
        if problems:
            raise SutError(problems)
        self.content = cast("dict[str, Json]", self._source.data)

    def problem(self, place: Place, message: str, hint: str = "") -> Problem:
        """Return a problem at `place`, named by its keys."""
        name = ".".join(str(part) for part in place)
        position = self._source.key_at(*place)
        return Problem(position, f"{name}: {message}" if name else message, hint)

    def error(self, place: Place, message: str, hint: str = "") -> SutError:
        """Return an error for one problem at `place`."""
        return SutError([self.problem(place, message, hint)])


def schema_path() -> Path:
    """Return where the files' JSON Schema is, in the source tree or an installed wheel."""
    return suts_directory() / "schema.json"


def suts_directory() -> Path:
    """Return the folder of the files that are shipped."""
    here = Path(__file__).resolve().parent
    installed = here / "suts"
    return installed if installed.is_dir() else here.parent / "suts"


@cache
def _schema() -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(schema_path().read_text(encoding="utf-8")))


def _schema_for(part: str) -> dict[str, Any]:
    if not part:
        return _schema()
    return {"$ref": f"#/$defs/{part}", "$defs": _schema()["$defs"]}


def _schema_problems(content: Json, part: str) -> list[tuple[Place, str, str]]:
    """Return place, words and remedy of everything the schema does not allow."""
    found: dict[tuple[tuple[str | int, ...], str], str] = {}
    schema = _schema_for(part)
    for error in jsonschema_rs.validator_for(schema).iter_errors(content):
        for place, message, hint in _explain(error, schema):
            found.setdefault((tuple(place), message), hint)
    return [(place, message, hint) for (place, message), hint in found.items()]


def _explain(
    error: jsonschema_rs.ValidationError, schema: dict[str, Any]
) -> Iterator[tuple[Place, str, str]]:
    place = list(error.instance_path)
    facts = error.kind.as_dict()
    match error.kind.name:
        case "additionalProperties":
            for name in facts["unexpected"]:
                known = _known_keys(error, schema)
                yield [*place, name], "is not known here", did_you_mean(name, known)
        case "required":
            yield place, f"`{facts['property']}` is missing", "add it"
        case "enum":
            options = ", ".join(str(option) for option in facts["options"])
            yield place, f"{error.instance!r} is not one of those known", options
        case "type":
            types = " or ".join(facts["types"])
            yield place, f"{error.instance!r} must be of type {types}", ""
        case "pattern":
            rule = _MUST.get(facts["pattern"], f"must match {facts['pattern']}")
            yield place, f"{error.instance!r} {rule}", ""
        case "propertyNames":
            yield place, f"a name in it cannot be used: {error.message}", ""
        case _:
            yield place, error.message, ""


def _known_keys(error: jsonschema_rs.ValidationError, schema: dict[str, Any]) -> list[str]:
    """Return the keys the schema knows at the place of an `additionalProperties` error."""
    node: Any = schema
    for part in list(error.schema_path)[:-1]:
        if isinstance(node, dict) and "$ref" in node and part != "$defs":
            node = _schema()["$defs"][node["$ref"].rpartition("/")[2]]
        if part != "$ref":
            node = node[part]
    return list(node.get("properties", {}))
