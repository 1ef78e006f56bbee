"""What scenario files say about payloads, held against the official schemas while loading.

Two things stand in files: payloads we send, which have to be right, and patterns the CSMS's
payloads have to match. Both may only name fields that exist, and values that could ever occur.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import jsonschema_rs

from harness.certificates import LEAST_KEY_BITS
from harness.expressions import STANDARD_VARIABLES, is_reference
from harness.grammar import NAME
from harness.matching import compiled
from harness.model import Check, Fields, Items, Json, Operator, Pattern, Value
from harness.schemas import Schema
from harness.yaml_source import Parts, Problem, Source, did_you_mean

_OPERATORS: Final = frozenset(operator.value for operator in Operator)
_ALONE: Final = frozenset({Operator.ABSENT, Operator.EMPTY_OR_ABSENT})
_FLAGS: Final = _ALONE | {Operator.PRESENT, Operator.VALID_PEM}
_WITH_PATTERN: Final = frozenset(
    {Operator.ABSENT_OR, Operator.EACH, Operator.FIRST, Operator.ONLY_CONTAINS}
)
_COMPARED: Final = frozenset({Operator.EQUALS, Operator.EQUALS_IGNORING_CASE, Operator.NOT_EQUALS})
_CONDITIONAL: Final = frozenset({Operator.PRESENT_IF, Operator.ABSENT_IF})


class PayloadReader:
    """Reads payloads and patterns of one file; collects what is wrong in `problems`."""

    def __init__(self, source: Source, problems: list[Problem]) -> None:
        self._source = source
        self._problems = problems
        self._whole: Schema = {}  # of the payload being read: conditions start from its root

    def payload(self, parts: Parts, schema: Schema, *, what: str) -> dict[str, Json]:
        """Read a payload we send; it must be complete and right as far as it is literal.

        Args:
            what: the message, for people, such as ``StartTransaction.req``.
        """
        data = self._source.get(*parts)
        self._literal(parts, schema, what)
        return data if isinstance(data, dict) else {}

    def absent_payload(self, parts: Parts, schema: Schema, *, what: str) -> dict[str, Json]:
        """Read a payload that is not written at all, which must then be allowed to be empty."""
        for name in schema.get("required", ()):
            self._problem(parts, f"{what} needs a payload with {name}")
        return {}

    def fields(
        self, parts: Parts, schema: Schema, *, what: str, may_capture: bool = True
    ) -> Fields:
        """Read a pattern for a whole payload."""
        self._whole = schema
        pattern = self._pattern(parts, schema, what)
        if not isinstance(pattern, Fields):
            self._problem(parts, "here stand the fields of the payload", "name a field first")
            return Fields({}, self._source.value_at(*parts))
        if not may_capture:
            self._refuse_captures(pattern)
        return pattern

    # --- payloads we send ------------------------------------------------------------------------

    def _literal(self, parts: Parts, schema: Schema, what: str) -> None:
        value = self._source.get(*parts)
        if is_reference(value):
            return
        if isinstance(value, dict) and schema.get("type") == "object":
            properties: Mapping[str, Any] = schema.get("properties", {})
            for name in value:
                if name in properties:
                    self._literal((*parts, name), properties[name], what)
                elif schema.get("additionalProperties") is False:
                    self._unknown_field((*parts, name), name, properties, what)
            for name in schema.get("required", ()):
                if name not in value:
                    self._problem(parts, f"{what} needs the field {name}")
        elif isinstance(value, list) and schema.get("type") == "array" and "items" in schema:
            for index in range(len(value)):
                self._literal((*parts, index), schema["items"], what)
            if len(value) < schema.get("minItems", 0):
                self._problem(parts, f"{what} needs at least {schema['minItems']} here")
        else:
            self._leaf(parts, value, schema)

    def _leaf(self, parts: Parts, value: Json, schema: Schema) -> None:
        """A value without references: it must be one its field can have."""
        for error in jsonschema_rs.Draft4Validator(dict(schema), validate_formats=True).iter_errors(
            value
        ):
            detail = error.kind.as_dict()
            match error.kind.name:
                case "enum":
                    hint = did_you_mean(str(value), [str(one) for one in detail["options"]])
                    self._problem(parts, f"{value!r} is no value of this field", hint)
                case "type":
                    types = " or ".join(detail["types"])
                    hint = "put it in quotes" if types == "string" else ""
                    self._problem(parts, f"{value!r} should be of type {types}", hint)
                case "maxLength":
                    limit = detail["limit"]
                    self._problem(parts, f"is longer than the {limit} characters of this field")
                case "format":
                    hint = "such as $now-60s" if detail["format"] == "date-time" else ""
                    self._problem(parts, f"{value!r} is no {detail['format']}", hint)
                case _:
                    self._problem(parts, f"is not right for this field: {error.message}")
            return

    # --- patterns --------------------------------------------------------------------------------

    def _pattern(self, parts: Parts, schema: Schema | None, what: str) -> Pattern:
        """Read any pattern; `schema` None where nothing is known about the place."""
        value = self._source.get(*parts)
        at = self._source.value_at(*parts)
        if isinstance(value, dict):
            operators = [key for key in value if key in _OPERATORS]
            if not operators:
                return self._object(parts, value, schema, what)
            for key in value:
                if key not in _OPERATORS:
                    self._problem(
                        (*parts, key),
                        f"the operator {operators[0]} and the field {key} cannot stand together",
                        did_you_mean(key, _OPERATORS)
                        if not _has_field(schema, key)
                        else "either operators or fields",
                        at_key=True,
                    )
            checks = tuple(
                self._operator((*parts, key), Operator(key), schema, what) for key in operators
            )
            alone = [check for check in checks if check.operator in _ALONE]
            if alone and len(checks) > 1:
                self._problem(
                    parts, f"{alone[0].operator} cannot hold together with another operator"
                )
            return Value(checks, at)
        if isinstance(value, list):
            items = (schema or {}).get("items") if schema else None
            self._expect_type(parts, schema, "array")
            return Items(
                tuple(self._pattern((*parts, index), items, what) for index in range(len(value))),
                at,
            )
        if value is None:
            self._problem(parts, "null is never right in OCPP", "absent: true says it is missing")
        self._compared(parts, schema)
        return Value((Check(Operator.EQUALS, value, at),), at)

    def _object(
        self, parts: Parts, value: Mapping[str, Json], schema: Schema | None, what: str
    ) -> Fields:
        self._expect_type(parts, schema, "object")
        fields: dict[str, Pattern] = {}
        for name in value:
            inner: Schema | None = None
            if schema is not None and "properties" in schema:
                inner = schema["properties"].get(name)
                if inner is None:
                    self._unknown_field((*parts, name), name, schema["properties"], what)
            elif schema is not None and schema.get("type") == "object":
                self._unknown_field((*parts, name), name, {}, what)
            fields[name] = self._pattern((*parts, name), inner, what)
        return Fields(fields, self._source.value_at(*parts))

    def _operator(
        self, parts: Parts, operator: Operator, schema: Schema | None, what: str
    ) -> Check:
        argument = self._source.get(*parts)
        at = self._source.key_at(*parts)
        pattern: Pattern | None = None
        if operator in _WITH_PATTERN:
            inner = schema
            if operator is not Operator.ABSENT_OR:
                self._expect_type(parts, schema, "array")
                inner = (schema or {}).get("items")
            pattern = self._pattern(parts, inner, what)
        elif operator in _COMPARED:
            self._compared(parts, schema)
        elif operator in _CONDITIONAL:
            self._conditions(parts, argument, what)
        elif operator in _FLAGS:
            self._require(parts, argument is True, f"{operator}: true is the only way to say it")
        else:
            _ARGUMENTS[operator](self, parts, argument, schema)
        return Check(operator, argument, at, pattern)

    def _compared(self, parts: Parts, schema: Schema | None) -> None:
        """A value the field is compared with must be one it can have."""
        if schema is None:
            return
        value = self._source.get(*parts)
        if isinstance(value, list) and schema.get("type") == "array":
            for index in range(len(value)):
                if not is_reference(value[index]):
                    self._leaf((*parts, index), value[index], schema.get("items", {}))
        elif not is_reference(value):
            self._leaf(parts, value, schema)

    def _conditions(self, parts: Parts, argument: Json, what: str) -> None:
        if not isinstance(argument, dict) or not argument:
            self._problem(parts, "a condition is a field and its value", "{path.to.field: value}")
            return
        for path in argument:
            schema: Schema | None = self._whole
            for part in path.split("."):
                if schema is None:
                    break
                if part.isdigit() and "items" in schema:
                    schema = schema["items"]
                elif part in schema.get("properties", {}):
                    schema = schema["properties"][part]
                else:
                    self._unknown_field((*parts, path), part, schema.get("properties", {}), what)
                    schema = None

    def _refuse_captures(self, pattern: Pattern) -> None:
        match pattern:
            case Fields():
                for inner in pattern.fields.values():
                    self._refuse_captures(inner)
            case Items():
                for inner in pattern.items:
                    self._refuse_captures(inner)
            case Value():
                for check in pattern.checks:
                    if check.operator is Operator.CAPTURE:
                        message = "nothing can be captured under warn, it may be missing"
                        hint = "capture it under payload or expect"
                        self._problems.append(Problem(check.position, message, hint))
                    if check.pattern is not None:
                        self._refuse_captures(check.pattern)

    # --- arguments of operators ------------------------------------------------------------------

    def _list_argument(self, parts: Parts, argument: Json, schema: Schema | None) -> None:
        is_list = isinstance(argument, list) and bool(argument)
        self._require(parts, is_list or is_reference(argument), "a list of values stands here")
        if isinstance(argument, list) and schema is not None:
            inner = schema.get("items", schema) if schema.get("type") == "array" else schema
            for index, value in enumerate(argument):
                if not is_reference(value):
                    self._leaf((*parts, index), value, inner)

    def _number_argument(self, parts: Parts, argument: Json, _schema: Schema | None) -> None:
        is_number = isinstance(argument, int | float) and not isinstance(argument, bool)
        self._require(parts, is_number or is_reference(argument), "a number stands here")

    def _time_argument(self, parts: Parts, argument: Json, _schema: Schema | None) -> None:
        is_right = (
            isinstance(argument, dict)
            and argument.keys() == {"time", "tolerance_s"}
            and isinstance(argument["time"], str)
            and (
                isinstance(argument["tolerance_s"], int | float)
                or is_reference(argument["tolerance_s"])
            )
        )
        self._require(parts, is_right, "a time and its tolerance stand here", _TIME_HINT)

    def _regular_expression(self, parts: Parts, argument: Json, _schema: Schema | None) -> None:
        if not isinstance(argument, str):
            self._problem(parts, "a regular expression stands here")
            return
        try:
            compiled(argument)
        except ValueError as error:
            self._problem(parts, str(error))

    def _lengths_argument(self, parts: Parts, argument: Json, _schema: Schema | None) -> None:
        is_right = (
            isinstance(argument, list)
            and len(argument) == 2
            and all(isinstance(one, int) and not isinstance(one, bool) for one in argument)
            and 0 <= int(str(argument[0])) <= int(str(argument[1]))
        )
        self._require(parts, is_right, "two lengths in bytes stand here", "[least, most]")

    def _name_argument(self, parts: Parts, argument: Json, _schema: Schema | None) -> None:
        is_name = isinstance(argument, str) and re.fullmatch(NAME, argument) is not None
        if not is_name:
            self._problem(parts, f"{argument!r} is no name", "small letters, digits, _")
        elif argument in STANDARD_VARIABLES or argument == "now":
            self._problem(parts, f"${argument} is given and cannot be captured", "another name")

    def _text_argument(self, parts: Parts, argument: Json, _schema: Schema | None) -> None:
        self._require(parts, isinstance(argument, str), "a text or a reference stands here")

    def _signature_argument(self, parts: Parts, argument: Json, _schema: Schema | None) -> None:
        is_right = isinstance(argument, str) or (
            isinstance(argument, dict)
            and argument.keys() == {"certificate", "content"}
            and all(isinstance(one, str) for one in argument.values())
        )
        self._require(parts, is_right, "a certificate and a content stand here", _SIGNED_HINT)

    def _certificate_argument(self, parts: Parts, argument: Json, _schema: Schema | None) -> None:
        if not isinstance(argument, dict) or not argument:
            self._problem(parts, "facts of a certificate stand here", "{common_name: …}")
            return
        for name, value in argument.items():
            at = (*parts, name)
            if name not in _CERTIFICATE_FACTS:
                hint = did_you_mean(name, _CERTIFICATE_FACTS)
                self._problem(at, f"a certificate has no {name} here", hint, at_key=True)
            elif name != "key_bits":
                self._require(at, isinstance(value, str), f"{name} is a text or a reference")
            elif not is_reference(value):
                is_right = isinstance(value, dict) and all(
                    kind in LEAST_KEY_BITS and isinstance(bits, int) and bits > 0
                    for kind, bits in value.items()
                )
                self._require(at, is_right, "bits by kind of key stand here", "{RSA: 2048}")

    # --- problems --------------------------------------------------------------------------------

    def _expect_type(self, parts: Parts, schema: Schema | None, wanted: str) -> None:
        known = (schema or {}).get("type")
        if known is not None and known != wanted:
            self._problem(parts, f"this field is of type {known}, not {wanted}")

    def _unknown_field(self, parts: Parts, name: str, known: Mapping[str, Any], what: str) -> None:
        message = f"{what} has no field {name} here"
        self._problem(parts, message, did_you_mean(name, known), at_key=True)

    def _require(self, parts: Parts, is_right: bool, message: str, hint: str = "") -> None:
        if not is_right:
            self._problem(parts, message, hint)

    def _problem(self, parts: Parts, message: str, hint: str = "", *, at_key: bool = False) -> None:
        place = self._source.key_at if at_key else self._source.value_at
        self._problems.append(Problem(place(*parts), message, hint))


_TIME_HINT: Final = "{time: $now+60s, tolerance_s: 5}"
_SIGNED_HINT: Final = "{certificate: $firmware_signing_certificate, content: $firmware_content}"
_CERTIFICATE_FACTS: Final = (
    "public_key_of",
    "signature_algorithm",
    "common_name",
    "organization",
    "key_bits",
)
_ARGUMENTS: Final[
    Mapping[Operator, Callable[[PayloadReader, Parts, Json, Schema | None], None]]
] = {
    Operator.ONE_OF: PayloadReader._list_argument,
    Operator.INCLUDES_ALL: PayloadReader._list_argument,
    Operator.GREATER_THAN: PayloadReader._number_argument,
    Operator.AT_LEAST: PayloadReader._number_argument,
    Operator.EQUALS_OR_ABSENT_IF_3: PayloadReader._number_argument,
    Operator.APPROXIMATELY: PayloadReader._time_argument,
    Operator.MATCHES: PayloadReader._regular_expression,
    Operator.DECODED_LENGTH_BETWEEN: PayloadReader._lengths_argument,
    Operator.CAPTURE: PayloadReader._name_argument,
    Operator.ALL_DIFFERENT: PayloadReader._name_argument,
    Operator.PEM_EQUALS: PayloadReader._text_argument,
    Operator.LEAF_CERTIFICATE: PayloadReader._certificate_argument,
    Operator.INVALID_SIGNATURE: PayloadReader._signature_argument,
}


def _has_field(schema: Schema | None, name: str) -> bool:
    return name in (schema or {}).get("properties", {})
