"""Scenario files: what they become, and what is said about those that are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from harness import grammar
from harness.loader import library_directory, load_file, load_text, load_tree
from harness.model import CaseSet, EditionRange, Operator, Profile, Requirement, Wait
from harness.yaml_source import Problem, ScenarioError
from tests.harness.scenario_texts import BOOT, HEAD, problems, scenario, wrong_step


def test_a_scenario_has_what_its_file_says() -> None:
    """Every key of the head ends up in the scenario, with its place."""
    loaded = load_text(
        dedent(
            """\
            id: X_2
            title: Two words
            profile: Reservation
            requirement: conditional
            condition: reservation is declared
            section: "3.1"
            purpose: To see.
            editions: {from: "2024-04", until: "2025-06"}
            start: none
            configuration: {ConnectionTimeOut: "${connection_timeout_s}"}
            variables: {answer: 42}
            steps:
              - wait: $connection_timeout_s
            """
        ),
        file="x.yaml",
    )

    assert (loaded.id, loaded.title) == ("X_2", "Two words")
    assert loaded.profile is Profile.RESERVATION
    assert loaded.requirement is Requirement.CONDITIONAL
    assert (loaded.condition, loaded.section) == ("reservation is declared", "3.1")
    assert loaded.editions == EditionRange("2024-04", "2025-06")
    assert loaded.configuration == {"ConnectionTimeOut": "${connection_timeout_s}"}
    assert loaded.variables == {"answer": 42}
    assert (loaded.position.file, loaded.position.line) == ("x.yaml", 1)
    assert loaded.steps == (
        Wait(seconds="$connection_timeout_s", position=loaded.steps[0].position, path="1"),
    )


def test_everything_wrong_in_a_file_is_said_at_once() -> None:
    """One look shows all faults, in the order of lines."""
    found = wrong_step(
        "  - {sned: Heartbeat}\n"
        "  - {send: Authorize, payload: {idTag: 5, x: 1}}\n"
        "  - {use: Nowhere}\n",
        head=HEAD.replace("title: A case", "title: 5"),
    )

    lines = [int(one.split(":")[1]) for one in found]
    assert lines == sorted(lines)
    assert {2, 7, 8, 9} == set(lines)
    assert len(found) == 5


# --- any file at all ------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        *grammar.STEP_KINDS,
        *(operator.value for operator in Operator),
        *("payload", "expect", "warn", "answer", "for_each", "with", "editions", "calls"),
        *("error", "result", "status", "idTagInfo", "x", "state", "id", "$now", "$", "connectorId"),
    ]
)
# --- trees ---------------------------------------------------------------------------------------


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.slow
@given(st.data())
def test_no_file_breaks_the_loader(data: st.DataObject) -> None:
    """Whatever stands where in a file, it is loaded or its faults are said with their place."""
    names = ["TC_001_CSMS", "TC_010_CSMS", "TC_040_2_CSMS", "TC_064_CSMS"]
    path = library_directory() / "core" / f"{data.draw(st.sampled_from(names))}.yaml"
    written = YAML(typ="safe").load(path)
    for _ in range(data.draw(st.integers(1, 3))):
        written = changed(written, data)

    for said in faults(json.dumps(written, ensure_ascii=False)):
        assert said.position.line >= 1
        assert said.message


def faults(text: str) -> tuple[Problem, ...]:
    try:
        load_text(text, file="x.yaml")
    except ScenarioError as error:
        return error.problems
    return ()


def changed(value: Any, data: st.DataObject) -> Any:
    """Return a value with one of its parts replaced, removed or added."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 5)):
        key = data.draw(st.sampled_from(sorted(value)))
        if data.draw(st.integers(0, 5)) == 0:
            return {name: member for name, member in value.items() if name != key}
        if data.draw(st.integers(0, 5)) == 0:
            return {**value, data.draw(WORDS): data.draw(JSON)}
        return {**value, key: changed(value[key], data)}
    if isinstance(value, list) and value and data.draw(st.integers(0, 5)):
        index = data.draw(st.integers(0, len(value) - 1))
        return [*value[:index], changed(value[index], data), *value[index + 1 :]]
    return data.draw(JSON)


def test_bad_files_of_a_tree_never_hide_the_good_ones(tmp_path: Path) -> None:
    """Everything readable is loaded, everything else is reported, each file on its own."""
    good = HEAD + "steps:\n" + BOOT
    write(tmp_path, "a/good.yaml", good)
    write(tmp_path, "a/bad.yaml", good.replace("Core", "Kore").replace("X_1", "X_2"))
    write(tmp_path, "b/broken.yml", "a: [")
    write(tmp_path, "b/twin.yaml", good)
    write(tmp_path, ".hidden/x.yaml", "a: [")
    write(tmp_path, "notes.txt", "a: [")

    result = load_tree([tmp_path, tmp_path / "a" / "good.yaml", tmp_path / "none"])

    assert [one.id for one in result.scenarios] == ["X_1"]
    said = "\n".join(str(problem) for problem in result.problems)
    assert len(result.problems) == 4
    assert "none:1:1: does not exist" in said
    assert "bad.yaml:3:10: 'Kore'" in said
    assert "broken.yml:1:" in said
    assert "twin.yaml:1:5: the id X_1 is taken (by " in said


def test_a_tree_may_bring_states_of_its_own(tmp_path: Path) -> None:
    """A folder named states is read as states and may be used beside the shipped ones."""
    write(
        tmp_path,
        "states/mine.yaml",
        "{state: Mine, purpose: p, steps: [{send: Heartbeat, payload: {}}]}",
    )
    write(tmp_path, "cases/x.yaml", HEAD + "steps:\n  - use: Mine\n  - use: Authorized\n")

    whole = load_tree([tmp_path])
    beside = load_tree([tmp_path / "cases"])

    assert whole.problems == ()
    assert [step.path for step in whole.scenarios[0].steps] == ["Mine.1", "Authorized.1"]
    assert beside.problems == ()


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """A folder, a missing file and other encodings are said, not raised as they are."""
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"id: x\ntitle: caf\xe9\n")

    for path, said in ((tmp_path / "no.yaml", "cannot be read"), (latin, "is not UTF-8 text")):
        with pytest.raises(ScenarioError, match=said):
            load_file(path)


def test_the_shipped_library_is_found() -> None:
    """The folder of shipped scenarios exists and holds states."""
    assert (library_directory() / "states" / "connected.yaml").is_file()


SET = HEAD.replace(
    "requirement: mandatory\n", "set: beyond\nsection: J 1.6 §4\nreason: It happened.\n"
)
STEPS = "steps:\n  - connect: {}\n"


def test_a_case_beyond_the_official_ones_says_what_demands_it() -> None:
    """It belongs to a set, is demanded by no certificate, and has a source and a reason."""
    case = scenario("  - connect: {}\n", head=SET)

    assert (case.case_set, case.requirement) == (CaseSet.BEYOND, Requirement.ADDITIONAL)
    assert (case.source, case.reason) == ("J 1.6 §4", "It happened.")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (HEAD.replace("requirement: mandatory\n", ""), "needs the key requirement"),
        (f"{HEAD}reason: So.\n", "reason has no place here"),
        (f"{SET}requirement: mandatory\n", "requirement has no place here"),
        (SET.replace("reason: It happened.\n", ""), "needs the key reason"),
        (SET.replace("section: J 1.6 §4\n", ""), "needs the key section"),
        (SET.replace("beyond", "official"), "'official' is not known here"),
        (HEAD.replace("mandatory", "additional"), "'additional' is not known here"),
    ],
)
def test_official_cases_and_others_do_not_mix(head: str, said: str) -> None:
    """A requirement is for official cases, a reason for the others."""
    found = problems(head + STEPS)

    assert any(said in line for line in found), found
