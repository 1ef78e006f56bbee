"""The examples of `docs/how-to/run-in-ci.md`: their shape, and their commands run as in CI."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "how-to" / "run-in-ci.md").read_text()
GITHUB, GITLAB = (
    YAML(typ="safe").load(text) for text in re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.M | re.S)
)
# What the two systems set, as far as programs look at it.
VARIABLES = {
    "GitHub": {"CI": "true", "GITHUB_ACTIONS": "true"},
    "GitLab": {"CI": "true", "GITLAB_CI": "true"},
}


def steps() -> list[dict[str, Any]]:
    (job,) = GITHUB["jobs"].values()
    found: list[dict[str, Any]] = job["steps"]
    return found


SCRIPTS: dict[str, list[str]] = {
    "GitHub": [step["run"] for step in steps() if "run" in step],
    "GitLab": GITLAB["ocpp-preflight"]["script"],
}


def test_the_github_example_has_the_keys_of_a_workflow() -> None:
    """Triggers, one job, and evidence that is kept of red runs, too."""
    (job,) = GITHUB["jobs"].values()

    assert set(GITHUB) == {"name", "on", "jobs"}  # YAML 1.2: `on` is no truth value
    assert set(job) == {"runs-on", "timeout-minutes", "permissions", "steps"}
    assert all(("uses" in step) != ("run" in step) for step in steps())
    upload = next(step for step in steps() if "upload-artifact" in step.get("uses", ""))
    assert upload["if"] == "always()"
    assert upload["with"]["path"] == "reports/runs"


def test_the_gitlab_example_keeps_what_the_commands_write() -> None:
    """The JUnit file has the name that the command gives it, and red runs keep theirs."""
    artifacts = GITLAB["ocpp-preflight"]["artifacts"]
    words = shlex.split(SCRIPTS["GitLab"][-1])

    assert artifacts["when"] == "always"
    assert artifacts["reports"]["junit"] == words[words.index("--junitxml") + 1]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["GitHub", "GitLab"])
def test_the_commands_work_as_printed(tmp_path: Path, where: str) -> None:
    """In a repository with a system-under-test file, on one case."""
    shutil.copy(ROOT / "suts" / "embedded.yaml", tmp_path / "my-csms.yaml")
    page = tmp_path / "page.md"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "CI"))
    }
    environment |= VARIABLES[where] | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PREFLIGHT_PASSWORD": "made up",
    }
    if where == "GitHub":
        environment |= {"GITHUB_STEP_SUMMARY": str(page), "GITHUB_WORKSPACE": str(tmp_path)}
    printed = ""
    for command in SCRIPTS[where]:
        words = shlex.split(command)
        if words[0] != "preflight":
            assert words[:2] in (["pip", "install"], ["git", "clone"]), command
            continue
        selection = ["-k", "TC_001"] if words[1] == "run" else []
        done = subprocess.run(
            [*words, *selection],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        printed += done.stdout

    assert "TC_001_CSMS" in printed
    suite = ET.parse(tmp_path / "junit.xml").getroot().find("testsuite")  # noqa: S314  # ours
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("1", "0")
    (run,) = (tmp_path / "reports" / "runs").iterdir()
    assert {"report.json", "preview.html", "summary.md"} <= {path.name for path in run.iterdir()}
    if where == "GitHub":
        assert page.read_text() == (run / "summary.md").read_text()
        assert "::stop-commands::" in printed
    else:
        assert "::" not in printed
