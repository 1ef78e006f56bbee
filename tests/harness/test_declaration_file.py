"""What a file declares, and how a slip in it is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.declaration import FEATURES, Declaration, Product, Switch
from harness.model import Profile
from harness.sut import load
from harness.sut_file import SutError, schema_path

LEAST = """\
name: Example CSMS
ocpp_url: ws://127.0.0.1:9000/ocpp
identities: [{identity: CP1}]
id_tags: {valid: [CARD1]}
"""
PICS = """\
product: {vendor: Example, name: Grid, version: "${env:VERSION:-4.2}"}
communication: mobile network
profiles: [Reservation, Core]
security_profiles: [2, 1]
features: {authorization_cache: false, read_all_keys: true}
performance: {ocpp_response_timeout_s: 20, authorize_s: 1.5}
cases:
  TC_083_CSMS: {off: no second endpoint}
  TC_010_CSMS: {on: a customer asks for it}
"""
MEANT = Declaration(
    product=Product(vendor="Example", name="Grid", version="4.2"),
    communication="mobile network",
    profiles=frozenset({Profile.CORE, Profile.RESERVATION}),
    security_profiles=(1, 2),
    features={"authorization_cache": False, "read_all_keys": True},
    ocpp_response_timeout_s=20.0,
    authorize_s=1.5,
    cases={
        "TC_083_CSMS": Switch(False, "no second endpoint"),
        "TC_010_CSMS": Switch(True, "a customer asks for it"),
    },
)


def read(folder: Path, pics: str) -> Declaration:
    """Read a system-under-test file with this `pics` section."""
    (folder / "sut.yaml").write_text(LEAST + pics)
    return load(folder / "sut.yaml", run_dir=folder, environment={}).declaration


def inline(text: str) -> str:
    return "pics:\n" + "".join(f"  {line}\n" for line in text.splitlines())


def test_a_declaration_stands_in_the_file_or_beside_it(tmp_path: Path) -> None:
    """Both ways mean the same."""
    (tmp_path / "pics.yaml").write_text(PICS)

    assert read(tmp_path, inline(PICS)) == MEANT
    assert read(tmp_path, "pics: pics.yaml\n") == MEANT


def test_nothing_declared_is_nothing_declared(tmp_path: Path) -> None:
    """An absent section says nothing about anything."""
    assert read(tmp_path, "") == Declaration()


def test_the_declared_timeout_is_what_scenarios_wait_for(tmp_path: Path) -> None:
    """A case about commands that nobody answers lets as much time pass as the product says."""
    declared = inline("performance: {ocpp_response_timeout_s: 20}")

    def wait_s(more: str) -> object:
        (tmp_path / "sut.yaml").write_text(LEAST + more)
        return load(tmp_path / "sut.yaml", run_dir=tmp_path).variables["csms_timeout_s"]

    assert wait_s("") == 30
    assert wait_s(declared) == 20
    assert wait_s(declared + "variables: {csms_timeout_s: 3}\n") == 3


@pytest.mark.parametrize(
    ("pics", "words"),
    [
        (
            "features: {authorisation_cache: true}",
            "authorisation_cache: is not known here",
        ),
        ("features: {expired_tags: maybe}", "'maybe' must be of type boolean"),
        ("profiles: [Cor]", "'Cor' is not one of those known"),
        ("security_profiles: [4]", "4 is not one of those known"),
        ("cases: {TC_083_CSMS: off}", "'off' must be of type object"),
        ("cases: {TC_083_CSMS: {off: ''}}", "cases.TC_083_CSMS.off"),
        ("cases: {TC_083_CSMS: {of: why}}", "of: is not known here"),
        ("performance: {authorize_s: 0}", "performance.authorize_s"),
        ("product: {vendor: '${env:NOBODY}'}", "environment variable NOBODY is not set"),
        (
            "features: {authorization_cache: false}\ncases: {TC_061_CSMS: {on: why}}",
            "is on, while authorization_cache is declared as missing",
        ),
    ],
)
def test_a_slip_is_named_with_its_line(tmp_path: Path, pics: str, words: str) -> None:
    """The same words for both places, each with the file in which it stands."""
    (tmp_path / "pics.yaml").write_text(pics)

    with pytest.raises(SutError) as inside:
        read(tmp_path, inline(pics))
    with pytest.raises(SutError) as beside:
        read(tmp_path, "pics: pics.yaml\n")

    assert words in str(inside.value)
    assert "sut.yaml:" in str(inside.value)
    assert words in str(beside.value)
    assert "pics.yaml:" in str(beside.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Not the file that names it, but the one that is not there."""
    with pytest.raises(SutError, match=r"nowhere\.yaml:1:1: cannot be read"):
        read(tmp_path, "pics: nowhere.yaml\n")


def test_the_schema_knows_the_features_of_the_code() -> None:
    """Editors complete what the loader understands, with the same questions."""
    schema = json.loads(schema_path().read_text())
    features = schema["$defs"]["declaration"]["properties"]["features"]["properties"]

    assert {name: one["description"] for name, one in features.items()} == {
        name: feature.question for name, feature in FEATURES.items()
    }
