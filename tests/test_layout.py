"""The repository holds together: tests mirror sources, documents the code, the lock is clean."""

import ast
import json
import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from csms.cli import main as csms
from harness.cli import main as preflight
from harness.loader import load_tree
from harness.sut import load as load_sut
from tools import reference

ROOT = Path(__file__).parents[1]
PACKAGES = ("csms", "simulator", "harness", "benchmarks", "tools")

# Sources that no test imports, since they are tested from outside: by which test.
TESTED_ELSEWHERE: dict[str, str] = {
    "benchmarks/neighbours.py": "tests/benchmarks/test_servers.py",
    "benchmarks/reference_server.py": "tests/benchmarks/test_servers.py",
    "csms/storage/migrations/env.py": "tests/csms/storage/test_migrate.py",
    "csms/version.py": "tests/csms/test_cli.py",
    "csms/web/health.py": "tests/csms/web/test_gate.py",
    "csms/web/history.py": "tests/csms/web/test_transactions.py",
    "csms/web/models.py": "tests/csms/web/test_charge_points.py",
    "csms/web/parameters.py": "tests/csms/web/test_paging.py",
    "harness/background.py": "tests/harness/test_plugin.py",
    "harness/cleanup.py": "tests/harness/test_engine.py",
    "harness/evidence.py": "tests/harness/test_runner.py",
    "harness/report/recorder.py": "tests/harness/test_plugin.py",
    "harness/report/trace.py": "tests/harness/test_report_directory.py",
    "harness/system.py": "tests/harness/test_engine.py",
    "harness/terminal.py": "tests/harness/test_cli.py",
    "simulator/hearsay.py": "tests/simulator/test_smart_charging.py",
    "simulator/progress.py": "tests/simulator/test_firmware.py",
    "simulator/wire.py": "tests/simulator/test_client.py",
}

REGISTRIES = re.compile(
    r"https?://(?:[\w.-]*\b(?:pypi|pythonhosted|npmjs|npm|nexus|artifactory|devpi)\b[\w.-]*)", re.I
)
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:home|root|Users|work|mnt)/[\w.-]+")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")


# Output and what tools leave behind; git ignores it.
NOT_OURS = {
    ".git",
    ".idea",
    ".vscode",
    ".venv",
    "reports",
    "build",
    "dist",
    "node_modules",
    "__pycache__",
    ".hypothesis",
}


def texts() -> Iterator[Path]:
    """Yield every text file that is part of the project."""
    for folder, names, files in os.walk(ROOT):
        names[:] = [n for n in names if n not in NOT_OURS and not n.endswith("_cache")]
        yield from (Path(folder, name) for name in files if ".sqlite3" not in name)


def documents() -> list[Path]:
    """Return README and everything like it."""
    return [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Yield the fenced blocks of one language in all documents, with the document's name."""
    for document in documents():
        for found, text in FENCE.findall(document.read_text()):
            if found == language:
                yield str(document.relative_to(ROOT)), text


def sources() -> list[Path]:
    """Return the modules that need a test."""
    return [
        path.relative_to(ROOT)
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.name not in ("__init__.py", "__main__.py") and "versions" not in path.parts
    ]


def imported_by_tests() -> set[str]:
    """Return the dotted names of all modules that a test imports itself."""
    found = set()
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def has_test(source: Path, imported: set[str]) -> bool:
    """Say whether a module has a test of its place and name, or one that imports it."""
    mirrored = Path("tests") / source.parent / f"test_{source.name}"
    flat = Path("tests") / source.parts[0] / f"test_{'_'.join(source.parts[1:])}"
    dotted = ".".join(source.with_suffix("").parts)
    return (ROOT / mirrored).is_file() or (ROOT / flat).is_file() or dotted in imported


def test_every_module_has_a_test() -> None:
    """A module has its own test, a test imports it, or the list says which program run tests it."""
    imported = imported_by_tests()

    missing = [
        f"{source}: no tests/{source.parent}/test_{source.name}"
        for source in sources()
        if source.as_posix() not in TESTED_ELSEWHERE and not has_test(source, imported)
    ]

    assert not missing, "\n".join(missing)


def test_the_list_of_exceptions_is_short_and_true() -> None:
    """An entry for a module that is gone, or that has a test by now, goes."""
    imported = imported_by_tests()

    for source, elsewhere in TESTED_ELSEWHERE.items():
        assert (ROOT / source).is_file(), f"{source} is gone"
        assert (ROOT / elsewhere).is_file(), f"{elsewhere} is gone"
        assert not has_test(Path(source), imported), f"{source} has a test"


def test_no_file_names_a_machine_or_a_registry() -> None:
    """The project works on any machine and with any package index."""
    found = []
    for path in texts():
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            for pattern in (REGISTRIES, MACHINE_PATHS):
                if match := pattern.search(line):
                    found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}")

    assert not found, "\n".join(found)


def test_the_lock_has_hashes_and_no_addresses() -> None:
    """Every requirement is pinned and hashed; any index will do."""
    lock = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=\S)", lock.strip())

    assert "://" not in lock
    assert "--index" not in lock
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+==\S+( ; .+)? \\\n", entry), entry[:80]
        assert "--hash=sha256:" in entry


def test_the_lock_of_the_renderer_has_hashes_and_no_addresses() -> None:
    """Each npm package is pinned and hashed; no address stands in the lock, whatever it is for."""
    lock = (ROOT / "harness/report/npm/package-lock.json").read_text()
    packages = [one for name, one in json.loads(lock)["packages"].items() if name]

    assert "://" not in lock
    assert packages
    assert all(one["integrity"].startswith("sha512-") for one in packages)


def project() -> dict[str, list[str]]:
    """Return the names of the dependencies, and of those for development."""
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"run": metadata["dependencies"], "dev": metadata["optional-dependencies"]["dev"]}
    return {
        group: [re.match(r"[\w.-]+", one)[0] for one in lines]  # type: ignore[index]
        for group, lines in groups.items()
    }


def test_the_lock_has_every_dependency() -> None:
    """What pyproject.toml asks for is locked."""
    locked = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), re.M))
    wanted = {re.sub(r"[._]", "-", name.lower()) for names in project().values() for name in names}

    assert wanted <= locked


def test_the_design_says_why_each_dependency() -> None:
    """No dependency without a reason."""
    design = (ROOT / "docs/design.md").read_text()

    assert [n for names in project().values() for n in names if f"`{n}`" not in design] == []


def test_the_design_lists_every_deviation() -> None:
    """A file that deviates from the standard is in the table of the design."""
    design = (ROOT / "docs/design.md").read_text()
    deviating = {str(source) for source in sources() if "DEVIATION:" in (ROOT / source).read_text()}

    assert {name for name in deviating if f"`{name}`" not in design} == set()


@pytest.mark.parametrize("name", reference.PAGES)
def test_reference_pages_follow_the_code(name: str) -> None:
    """Commands, settings, API and checks in the documents are those of the code."""
    written = (reference.FOLDER / name).read_text()

    assert written == reference.page(name), "run `make reference`"


def test_what_calls_itself_pure_is_held_to_it() -> None:
    """A module of the harness that says so stands in the contract that forbids I/O."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    held = {module for one in linter["contracts"] for module in one.get("source_modules", ())}
    pure = {
        ".".join(source.with_suffix("").parts)
        for source in sources()
        if source.parts[0] == "harness"
        and re.search(r"\bPure\b", ast.get_docstring(ast.parse((ROOT / source).read_text())) or "")
    }

    assert pure
    assert pure - held == set()


def options(command: click.Command) -> Iterator[str]:
    """Yield every long option of a command and of those below it."""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield from (name for name in parameter.opts if name.startswith("--"))
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from options(below)


@pytest.mark.parametrize("program", [csms, preflight], ids=["csms", "preflight"])
def test_the_documents_mention_every_option(program: click.Command) -> None:
    """Nobody has to read the source to find an option."""
    texts = "\n".join(path.read_text() for path in documents())

    assert [name for name in options(program) if f"`{name}`" not in texts] == []


def test_links_lead_somewhere() -> None:
    """Every relative link in the documents has a target."""
    broken = []
    for document in documents():
        for target in LINK.findall(document.read_text()):
            path = target.partition("#")[0]
            if path and "://" not in path and not (document.parent / path).exists():
                broken.append(f"{document.relative_to(ROOT)}: {target}")

    assert broken == []


def test_commands_in_documents_are_understood() -> None:
    """Every command that a document shows exists, with these options."""
    makefile = (ROOT / "Makefile").read_text()
    for document, text in blocks("sh"):
        for line in filter(None, text.splitlines()):
            program, *arguments = shlex.split(line.partition("#")[0])
            if program == "make":
                assert re.search(rf"^{arguments[0]}:.*## ", makefile, re.M), f"{document}: {line}"
            elif program in (".venv/bin/preflight", ".venv/bin/csms"):
                group = preflight if program.endswith("preflight") else csms
                assert_parses(group, Path(program).name, arguments)
            else:
                assert program in ("cp", ".venv/bin/pytest"), f"{document}: {line}"


def assert_parses(command: click.Command, name: str, arguments: list[str]) -> None:
    """Let click read the arguments without running anything."""
    while isinstance(command, click.Group):
        context = command.make_context(name, list(arguments[:1]))
        name, *arguments = arguments
        found = command.get_command(context, name)
        assert found is not None, name
        command = found
    command.make_context(name, list(arguments))


def test_systems_under_test_in_documents_load(tmp_path: Path) -> None:
    """Whoever copies an example has a file that works."""
    examples = [text for _, text in blocks("yaml") if "ocpp_url:" in text]
    for number, text in enumerate(examples):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)

        assert load_sut(path, run_dir=tmp_path).name == "Example CSMS"
    assert len(examples) >= 3


def test_scenarios_in_documents_load(tmp_path: Path) -> None:
    """The scenarios that documents show are right."""
    (example,) = (text for _, text in blocks("yaml") if "\nsteps:" in text)
    (tmp_path / "TC_010_CSMS.yaml").write_text(example)

    loaded = load_tree([tmp_path])

    assert [str(problem) for problem in loaded.problems] == []
    assert [scenario.id for scenario in loaded.scenarios] == ["TC_010_CSMS"]
