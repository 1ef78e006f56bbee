"""The wheel alone, without the source tree, runs all cases against the CSMS it brings along."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CASES = sorted(path.stem for path in (ROOT / "scenarios").glob("*/TC_*.yaml"))

# What makes the source tree visible in the environment the tests run in.
OURS = ("ocpp_preflight", "_editable_impl_ocpp_preflight", "csms", "simulator", "harness")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as a release does, with the build tools that are installed."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    run([sys.executable, *build], folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment that has its dependencies and no source tree.

    The dependencies are links to those of this environment: no network, and nothing else.
    """
    folder = tmp_path_factory.mktemp("environment")
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if not package.name.startswith(OURS) and package.name != "__pycache__":
            (packages / package.name).symlink_to(package)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
    run([*pip, "--quiet", "--no-index", "--no-deps", str(wheel)], folder)
    return folder


def run(
    command: Sequence[str], folder: Path, *, expected: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a program from an empty folder, in an environment that names no place of ours."""
    clean = {name: os.environ[name] for name in ("HOME", "TMPDIR", "LANG") if name in os.environ}
    done = subprocess.run(
        command,
        cwd=folder,
        env=clean | {"PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == expected, done.stdout + done.stderr
    return done


@pytest.mark.slow
def test_the_wheel_holds_what_the_program_reads(wheel: Path) -> None:
    """Scenarios, systems under test, schemas and migrations are inside; tests are not."""
    names = zipfile.ZipFile(wheel).namelist()

    for wanted in (
        "harness/scenarios/schema.json",
        "harness/scenarios/core/TC_001_CSMS.yaml",
        "harness/suts/embedded.yaml",
        "harness/suts/schema.json",
        "harness/scenarios/security/TC_073_CSMS.yaml",
        "harness/suts/evtivity.yaml",
        "harness/operator/web/cases.html",
        "harness/operator/web/now.html",
        "harness/operator/web/page.css",
        "harness/operator/web/page.html",
        "harness/operator/web/page.js",
        "harness/report/report.schema.json",
        "harness/report/templates/preview.css",
        "harness/report/templates/preview.html",
        "harness/report/npm/package-lock.json",
    ):
        assert wanted in names
    assert any(name.startswith("csms/storage/migrations/versions/") for name in names)
    assert not [name for name in names if name.split("/")[0] in ("tests", "benchmarks", "tools")]


@pytest.mark.slow
def test_the_source_tree_is_out_of_sight(environment: Path, tmp_path: Path) -> None:
    """Otherwise the next test would prove nothing."""
    code = "import csms, harness, simulator; print(csms.__file__, harness.__file__)"
    places = run([str(environment / "bin" / "python"), "-c", code], tmp_path).stdout.split()

    assert all(Path(place).is_relative_to(environment) for place in places)


@pytest.mark.slow
def test_all_cases_pass_from_an_empty_folder(environment: Path, tmp_path: Path) -> None:
    """`preflight run` finds its cases, starts `csms`, and writes its reports where it stands."""
    run([str(environment / "bin" / "preflight"), "run", "--sut", "embedded"], tmp_path)

    report = json.loads((tmp_path / "reports" / "latest" / "report.json").read_text())
    verdicts = {case["case_id"]: case["verdict"] for case in report["run"]["cases"]}
    assert verdicts == dict.fromkeys(CASES, "passed")
    assert len(CASES) >= 62
