"""Request templates: places are filled, types kept, absent fields left out."""

from __future__ import annotations

import pytest

from harness.drivers.template import UnknownName, fill, fill_path, fill_text, names, pick
from harness.model import Json

VALUES: dict[str, Json] = {
    "identity": "CP/1 ä",
    "payload": {"connectorId": 1, "idTag": "A", "deep": {"x": [1]}},
}


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
    }

    assert fill(template, VALUES) == {"b": ["A"], "c": None}


def test_places_inside_text() -> None:
    """Values stand inside longer texts; two dollar signs are one."""
    assert fill("${identity}: $payload.idTag costs $$5", VALUES) == "CP/1 ä: A costs $5"
    assert fill_text("n=$payload.connectorId", VALUES) == "n=1"


def test_paths_are_percent_encoded() -> None:
    """A slash of an identity does not become a path of its own."""
    assert fill_path("/cp/$identity/x", VALUES) == "/cp/CP%2F1%20%C3%A4/x"


def test_unknown_name_is_an_error() -> None:
    """A name nobody gives is not silently empty."""
    with pytest.raises(UnknownName):
        fill("$nobody", VALUES)


def test_names_of_a_template() -> None:
    """All names of a template can be told before it is used."""
    assert set(names({"a": "$x/${y.z}", "b": ["$$no", 3]})) == {"x", "y"}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [("", {"a": [{"b~/": 1}]}), ("/a/0/b~0~1", 1), ("/a/1", None), ("/x/y", None), ("/a/z", None)],
)
def test_pick_follows_json_pointers(pointer: str, value: object) -> None:
    """RFC 6901, with None where nothing is."""
    assert pick({"a": [{"b~/": 1}]}, pointer) == value
