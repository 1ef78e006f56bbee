"""Scenario files to scenarios: reads, checks, expands, and says everything that is wrong at once.

Reading is the only I/O here. What a file may say is in `harness.grammar`; what its payloads may say
in `harness.patterns`; what must hold across steps in `harness.flow`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from harness import flow, structure
from harness.connection_reading import read_profile_choices
from harness.expansion import Expander, StateFile, read_editions, uses_in
from harness.expressions import CONNECTORS, STANDARD_VARIABLES, connector_variables
from harness.model import (
    ALL_EDITIONS,
    CaseSet,
    Json,
    Position,
    Profile,
    Requirement,
    Scenario,
)
from harness.yaml_source import (
    Problem,
    ScenarioError,
    Source,
    did_you_mean,
    parse,
    read,
    shown_path,
)

__all__ = [
    "LoadResult",
    "Problem",
    "ScenarioError",
    "States",
    "library_directory",
    "load_file",
    "load_text",
    "load_tree",
]

START_STATE: Final = "Connected"
_NOT_SCENARIOS: Final = frozenset({"case-list.yaml"})
_STATES: Final = "states"
_SKIPPED: Final = frozenset({"node_modules", "__pycache__"})


def library_directory() -> Path:
    """Return the folder of the shipped scenarios, in a source tree or an installed package."""
    packaged = Path(__file__).parent / "scenarios"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "scenarios"


@dataclass(frozen=True, slots=True)
class States:
    """The reusable states that scenarios may use, and what is wrong with their files."""

    files: Mapping[str, StateFile] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @classmethod
    def load(cls, *directories: Path) -> States:
        """Read every state file in the folders; bad ones end up in `problems`."""
        sources: list[Source] = []
        problems: list[Problem] = []
        for path in _yaml_files(directories):
            try:
                sources.append(read(path))
            except ScenarioError as error:
                problems += error.problems
        return cls.of(sources, problems)

    @classmethod
    def of(cls, sources: Iterable[Source], problems: Iterable[Problem] = ()) -> States:
        """Make states of files already read."""
        found = list(problems)
        files: dict[str, StateFile] = {}
        for source in sources:
            wrong, broken = structure.check(source)
            data = source.data if isinstance(source.data, dict) else {}
            name = data.get("state")
            if not isinstance(name, str):
                wrong = wrong or [Problem(Position(source.file, 1), "is no state", "state: Name")]
                found += wrong
                continue
            if name in files:
                first = files[name].source.file
                message = f"the state {name} exists already"
                found.append(Problem(source.value_at("state"), message, f"in {first}"))
                continue
            parameters = data.get("parameters", {})
            files[name] = StateFile(
                name,
                source,
                parameters if isinstance(parameters, dict) else {},
                frozenset(broken),
                is_usable=not wrong,
            )
            found += wrong
        states = dict(files)
        for name, state in files.items():
            wrong = []
            Expander(files, lists=_lists(CONNECTORS, 1)).state(state, wrong)
            if wrong:
                found += wrong
                states[name] = StateFile(
                    name, state.source, state.parameters, state.broken, is_usable=False
                )
        return cls(states, tuple(found))


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a set of files gave: the good scenarios, and everything wrong with the others."""

    scenarios: tuple[Scenario, ...]
    problems: tuple[Problem, ...]


def load_file(
    path: Path,
    *,
    states: States | None = None,
    connectors: int = CONNECTORS,
    connector_id: int = 1,
) -> Scenario:
    """Load one scenario.

    Args:
        states: the states it may use; the shipped ones by default.
        connectors: how many connectors the simulated charge point has.
        connector_id: the connector in use.

    Raises:
        ScenarioError: everything that is wrong with the file.
    """
    return _scenario(read(path), states or _shipped_states(), _lists(connectors, connector_id))


def load_text(
    text: str,
    *,
    file: str = "scenario.yaml",
    states: States | None = None,
    connectors: int = CONNECTORS,
    connector_id: int = 1,
) -> Scenario:
    """Load one scenario from its text; see `load_file`."""
    source = parse(text, file=file)
    return _scenario(source, states or _shipped_states(), _lists(connectors, connector_id))


def load_tree(
    paths: Sequence[Path],
    *,
    states: States | None = None,
    connectors: int = CONNECTORS,
    connector_id: int = 1,
) -> LoadResult:
    """Load every scenario at or below `paths`; a bad file never hides a good one.

    Folders named ``states`` hold states, not scenarios; those below `paths` may be used besides the
    shipped ones.
    """
    problems = [
        Problem(Position(shown_path(path), 1), "does not exist", "a scenario file or a folder")
        for path in paths
        if not path.exists()
    ]
    if states is None:
        states = states_for(paths)
    problems += states.problems
    lists = _lists(connectors, connector_id)
    scenarios: dict[str, Scenario] = {}
    for path in _yaml_files(paths):
        if path.name in _NOT_SCENARIOS or path.parent.name == _STATES:
            continue
        try:
            scenario = _scenario(read(path), states, lists)
        except ScenarioError as error:
            problems += error.problems
            continue
        if scenario.id in scenarios:
            first = scenarios[scenario.id].position
            message = f"the id {scenario.id} is taken"
            problems.append(Problem(scenario.position, message, f"by {first}"))
            continue
        scenarios[scenario.id] = scenario
    return LoadResult(tuple(scenarios.values()), tuple(problems))


def _yaml_files(paths: Iterable[Path]) -> list[Path]:
    """Return the YAML files at or below `paths`, each once, in the order people expect."""
    found: dict[Path, Path] = {}
    for path in paths:
        inside = [
            folder / name
            for folder, names in _walk(path)
            for name in names
            if name.endswith((".yaml", ".yml")) and not name.startswith(".")
        ]
        for file in inside if path.is_dir() else [path] * path.exists():
            found.setdefault(file.resolve(), file)
    return list(found.values())


def states_for(paths: Sequence[Path]) -> States:
    """Return the shipped states and those in folders named ``states`` below or beside `paths`."""
    folders = [library_directory() / _STATES]
    for path in paths:
        base = path if path.is_dir() else path.parent
        folders += [folder for folder, _ in _walk(base) if folder.name == _STATES]
        folders.append(base.parent / _STATES)
    return States.load(*(folder for folder in folders if folder.is_dir()))


def _walk(path: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield folders and their files, sorted; what nobody keeps scenarios in is left out."""
    for folder, inner, names in os.walk(path):
        inner[:] = sorted(name for name in inner if name not in _SKIPPED and name[0] != ".")
        yield Path(folder), sorted(names)


@cache
def _shipped_states() -> States:
    return States.load(library_directory() / _STATES)


def _lists(connectors: int, connector_id: int) -> dict[str, Json]:
    """Return what a `for_each` may walk."""
    variables = connector_variables(connectors, connector_id)
    return {name: value for name, value in variables.items() if isinstance(value, list)}


def _scenario(source: Source, states: States, lists: Mapping[str, Json]) -> Scenario:
    problems, broken = structure.check(source)
    data = source.data
    if not isinstance(data, dict) or "state" in data:
        problems = problems or [
            Problem(source.value_at(), "is a state, not a scenario", "move it to states/")
        ]
        raise ScenarioError(problems)
    expander = Expander(states.files, lists=lists)
    start = data.get("start", START_STATE)
    if start != "none":
        at = ("start",) if "start" in data else ("id",)
        expander.start(str(start), source, at, problems)
    expander.scenario(source, broken, problems)
    steps_were_read = not problems
    configuration = _mapping(data.get("configuration"))
    scenario = Scenario(
        id=str(data.get("id", "")),
        title=str(data.get("title", "")),
        profile=_profile(data.get("profile")),
        requirement=(
            Requirement.ADDITIONAL if "set" in data else _requirement(data.get("requirement"))
        ),
        position=source.value_at("id"),
        purpose=str(data.get("purpose", "")),
        condition=str(data.get("condition", "")),
        section=str(data.get("section", "")),
        case_set=_case_set(data.get("set")),
        reason=str(data.get("reason", "")),
        editions=(
            read_editions(source, ("editions",), problems) if "editions" in data else ALL_EDITIONS
        ),
        configuration={key: str(value) for key, value in configuration.items()},
        variables=_mapping(data.get("variables")),
        security_profiles=read_profile_choices(source, ("security_profiles",), problems),
        with_profile=_profile(data["with_profile"]) if "with_profile" in data else None,
        role=str(data.get("station", "")),
        steps=tuple(expander.expanded.steps),
    )
    problems += _own_values(source, scenario)
    # Across broken steps everything would look unset or unasked for.
    if steps_were_read:
        problems += flow.check(scenario, expander.expanded.uses)
    if problems:
        raise ScenarioError(sorted(problems, key=_order))
    return scenario


def _own_values(source: Source, scenario: Scenario) -> list[Problem]:
    """Check what `configuration` and `variables` refer to: only what is there before the case."""
    problems: list[Problem] = []
    data = source.data if isinstance(source.data, dict) else {}
    for key in ("variables", "configuration"):
        if key not in data:
            continue
        known = set(STANDARD_VARIABLES)
        if key == "configuration":
            known |= set(scenario.variables)
        for use in uses_in(source, (key,), problems):
            if use.name not in known:
                hint = did_you_mean(use.name, known)
                message = f"there is no variable ${use.name} before the case starts"
                problems.append(Problem(use.position, message, hint))
    return problems


def _order(problem: Problem) -> tuple[str, int, int]:
    return problem.position.file, problem.position.line, problem.position.column


def _mapping(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _profile(value: Json) -> Profile:
    # A wrong one was found by the grammar; the scenario is not returned then.
    return Profile(value) if value in list(Profile) else Profile.CORE


def _case_set(value: Json) -> CaseSet:
    return CaseSet(value) if value in list(CaseSet) else CaseSet.OFFICIAL


def _requirement(value: Json) -> Requirement:
    return Requirement(value) if value in list(Requirement) else Requirement.UNCONFIRMED
