"""Request templates: places are filled, types kept, absent fields left out, nothing evaluated."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.drivers.driver import COMMANDS
from harness.drivers.template import (
    FORMS,
    NoValue,
    Place,
    TemplateError,
    UnknownName,
    escape,
    fill,
    fill_path,
    fill_text,
    pick,
    places,
)
from harness.model import Json

VALUES: dict[str, Json] = {
    "identity": "CP/1 ä",
    "action": "GetInstalledCertificateIds",
    "payload": {
        "connectorId": 1,
        "idTag": "A",
        "deep": {"x": [1]},
        "list": [
            {"idTag": "A", "idTagInfo": {"status": "Accepted"}},
            {"idTag": "B"},
            {"idTag": "C", "idTagInfo": None},
        ],
    },
}
TABLES: dict[str, dict[str, Json]] = {
    "cards": {"A": "first", "B": 2, "C": True},
    "numbers": {"1": "one", "true": "yes"},
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_whole_place_keeps_its_type() -> None:
    """A text that is one place only becomes the value itself."""
    assert fill("$payload", VALUES) == VALUES["payload"]
    assert fill({"connector": "$payload.connectorId"}, VALUES) == {"connector": 1}
    assert fill("${payload.deep.x}", VALUES) == [1]


def test_absent_field_takes_its_member_away() -> None:
    """An optional OCPP field that is not there is not sent as null."""
    template: Json = {
        "a": "$payload.reservationId",
        "b": ["$payload.none", "$payload.idTag"],
        "c": None,
        "d": "${payload.none[].idTag|cards}",
        "e": "${payload.idTag[].x}",
    }

    assert fill(template, VALUES, TABLES) == {"b": ["A"], "c": None}


def test_places_inside_text() -> None:
    """Values stand inside longer texts; two dollar signs are one."""
    assert fill("${identity}: $payload.idTag costs $$5", VALUES) == "CP/1 ä: A costs $5"
    assert fill_text("n=$payload.connectorId", VALUES) == "n=1"
    assert fill_text("[$payload.none]", VALUES) == "[]"
    assert fill("$$payload", VALUES) == "$payload"


def test_paths_are_percent_encoded() -> None:
    """A slash of an identity does not become a path of its own."""
    assert fill_path("/cp/$identity/x", VALUES) == "/cp/CP%2F1%20%C3%A4/x"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("${payload.list[].idTag}", ["A", "B", "C"]),
        ("${payload.list[idTagInfo].idTag}", ["A", "C"]),
        ("${payload.list[!idTagInfo].idTag}", ["B"]),
        ("${payload.list[!idTagInfo]}", [{"idTag": "B"}]),
        ("${payload.list[].idTagInfo.status}", ["Accepted"]),
        ("${payload.list[].idTag|cards}", ["first", 2, True]),
        ("${ payload.list[].idTag | comma_separated }", "A,B,C"),
        ("${payload.connectorId|numbers}", "one"),
        ("${payload.deep|json}", '{"x": [1]}'),
        ("${action|kebab_case}", "get-installed-certificate-ids"),
        ("${action|camel_case}", "getInstalledCertificateIds"),
        ("${action|upper_snake_case}", "GET_INSTALLED_CERTIFICATE_IDS"),
    ],
)
def test_forms_and_selections(place: str, value: Json) -> None:
    """What a place in braces may do besides naming a value."""
    assert fill(place, VALUES, TABLES) == value


def test_a_table_without_the_value_is_told() -> None:
    """Nothing is guessed for a value that the interface has no name for."""
    with pytest.raises(NoValue, match="'cards' has nothing for 'CP/1 ä'"):
        fill({"x": "${identity|cards}"}, VALUES, TABLES)


def test_members_of_an_object_can_be_merged() -> None:
    """What stands beside `$merge` goes before what it brings."""
    template: Json = {"stationId": "$identity", "idTag": "other", "$merge": "$payload.deep"}
    assert fill(template, VALUES) == {"stationId": "CP/1 ä", "idTag": "other", "x": [1]}
    assert fill({"a": 1, "$merge": "$payload.none"}, VALUES) == {"a": 1}
    assert fill({"x": "own", "$merge": "$payload.deep"}, VALUES) == {"x": "own"}


def test_unknown_name_is_an_error() -> None:
    """A name nobody gives is not silently empty."""
    with pytest.raises(UnknownName):
        fill("$nobody", VALUES)


def test_places_of_a_template() -> None:
    """All places of a template can be told before it is used."""
    found = list(places({"a": "$x/${y.z|json}", "b": ["$$no", 3], "$merge": "$m"}))

    assert [(one.name, one.forms) for one in found] == [("x", ()), ("y", ("json",)), ("m", ())]
    assert Place("x") in found


@pytest.mark.parametrize(
    "text",
    ["${}", "${a b}", "${a.}", "${a|}", "${a[b}", "${a.b()}", "${env:X}", "a $ b", "${a", "$-"],
)
def test_what_is_no_place_is_told(text: str) -> None:
    """A slip of the pen does not become a text that is sent."""
    with pytest.raises(TemplateError, match=r"cannot be read|a lone \$"):
        list(places(text))


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", {"a": [{"b~/": 1}]}),
        ("/a/0/b~0~1", 1),
        ("/a/1", None),
        ("/x/y", None),
        ("/a/z", None),
        ("/a/-1", None),
        ("/a/\u0660", None),
    ],
)
def test_pick_follows_json_pointers(pointer: str, value: object) -> None:
    """RFC 6901, with None where nothing is."""
    assert pick({"a": [{"b~/": 1}]}, pointer) == value


@given(st.text())
def test_any_text_survives_as_a_template(text: str) -> None:
    """An environment's value is put in as it is, whatever looks like a place in it."""
    template = escape(text)

    assert list(places(template)) == []
    assert fill_text(template, {}) == fill(template, {}) == text


@given(json_values)
def test_a_whole_place_gives_the_value_itself(value: Json) -> None:
    """Values come through unchanged: places in them are not filled again."""
    assert fill("$value", {"value": value}) == value
    assert fill({"a": ["${value}"]}, {"value": value}) == {"a": [value]}


@given(st.text(min_size=1))
def test_a_value_stays_inside_its_segment_of_a_path(value: str) -> None:
    """No value can reach another path, query or host."""
    path = fill_path("/a/$value/b", {"value": value.encode("utf-8", "ignore").decode()})

    assert path.count("/") == 3
    assert not set(path) & set("?#\\ \r\n")
    assert unquote(path[3:-2]) == value.encode("utf-8", "ignore").decode()


@given(st.text(alphabet="$ab.{}[]!|_ 0", max_size=20))
def test_a_template_is_read_or_refused(text: str) -> None:
    """Whatever a file says, it is either filled or told to be wrong; nothing else happens."""
    try:
        found = list(places(text))
    except TemplateError:
        return
    values: dict[str, Json] = {one.name: {"a": [{"b": "c"}]} for one in found}
    tables: dict[str, dict[str, Json]] = {form: {} for one in found for form in one.forms}
    try:
        fill(text, values, tables)
    except NoValue:
        assert any(one.forms for one in found)


@given(json_values, st.sampled_from(sorted(FORMS)))
def test_forms_take_any_value(value: Json, form: str) -> None:
    """A payload of an odd type does not break a form."""
    fill(f"${{value|{form}}}", {"value": value})


def test_every_action_has_a_form_of_its_own() -> None:
    """No two actions become the same in any form of names."""
    for form in ("kebab_case", "camel_case", "upper_snake_case"):
        assert len({FORMS[form](one.value) for one in COMMANDS}) == len(COMMANDS)
