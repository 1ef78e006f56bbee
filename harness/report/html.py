"""Renders a run's Allure results as one HTML file, with Allure 3 from npm.

Allure is a Node.js program: its version is pinned in `harness/report/npm`, by a lock with hashes
and without addresses, and installed on first use into the user's cache folder. Nothing of it runs
where Node.js is missing; `CannotRender` then says in one line what to do.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path
from typing import Final

from harness.report.allure import CATEGORIES
from harness.report.directory import ALLURE_RESULTS, read_report
from harness.report.document import Report, UnreadableReport

HTML: Final = "allure"
_HISTORY: Final = "allure-history.jsonl"
_FILES: Final = ("package.json", "package-lock.json")
_LEAST_NODE: Final = 20
_INSTALL_TIMEOUT_S: Final = 300
_RENDER_TIMEOUT_S: Final = 300


class CannotRender(Exception):
    """There is no HTML; the message says in one line why and what to do."""


def render(run: Path) -> Path:
    """Return the HTML file of the run in this folder, rendered anew.

    Raises:
        CannotRender: no Node.js, no results, or a step that failed.
    """
    run = run.resolve()
    try:
        report = read_report(run)
    except UnreadableReport as exc:
        raise CannotRender(f"there is no run in {run}: {exc}") from exc
    node, npm = _find_node()
    program = _install(npm)
    output = run / HTML
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "allurerc.json"
        config.write_text(json.dumps(_config(report, run, output)), "utf-8")
        shutil.rmtree(output, ignore_errors=True)
        said = _call(
            [node, str(program), "generate", "--config", str(config), str(run / ALLURE_RESULTS)],
            directory=Path(folder),
            timeout_s=_RENDER_TIMEOUT_S,
        )
    page = output / "index.html"
    if not page.is_file():
        words = [line.strip() for line in said.splitlines() if "Error" in line] or [
            "no reason given"
        ]
        raise CannotRender(f"Allure wrote no {page}: {words[0]}")
    return page


def _config(report: Report, run: Path, output: Path) -> dict[str, object]:
    """Return Allure's configuration for this run."""
    name = f"{report.run.sut_name} · OCPP 1.6 case list {report.run.edition}"
    return {
        "name": name,
        "output": str(output),
        "historyPath": str(run.parent.parent / _HISTORY),
        "historyLimit": 20,
        "categories": {"rules": [*CATEGORIES]},
        "hideLabels": ["host", "language", "framework", "parentSuite", "suite", "thread"],
        "plugins": {
            "awesome": {
                "options": {
                    "reportName": name,
                    "singleFile": True,
                    "reportLanguage": "en",
                    "groupBy": ["parentSuite", "suite"],
                    "defaultSortBy": "name,asc",
                }
            }
        },
    }


def _find_node() -> tuple[str, str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    how = f"install Node.js {_LEAST_NODE} or newer with npm, then run: preflight html"
    if node is None or npm is None:
        raise CannotRender(f"{'Node.js' if node is None else 'npm'} is not here; {how}")
    version = _call([node, "--version"], directory=Path.cwd(), timeout_s=30).strip()
    major = version.removeprefix("v").partition(".")[0]
    if not major.isdecimal() or int(major) < _LEAST_NODE:
        raise CannotRender(f"Node.js is {version}; {how}")
    return node, npm


def _install(npm: str) -> Path:
    """Return Allure's program, installed as the lock says; a second call installs nothing."""
    shipped = resources.files("harness.report").joinpath("npm")
    texts = {name: shipped.joinpath(name).read_text("utf-8") for name in _FILES}
    digest = hashlib.sha256("".join(texts.values()).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ocpp-preflight"
    target = cache / f"allure-{digest}"
    program = target / "node_modules" / "allure" / "cli.js"
    if program.is_file():
        return program
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # Made beside its place and moved there whole, so that no half installation is ever used.
        folder = Path(tempfile.mkdtemp(dir=cache, prefix="new-"))
    except OSError as exc:
        raise CannotRender(f"cannot write {cache}: {exc.strerror}; set XDG_CACHE_HOME") from exc
    try:
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
        _call(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            directory=folder,
            timeout_s=_INSTALL_TIMEOUT_S,
        )
        if not target.exists():
            folder.rename(target)
    except OSError as exc:
        if not program.is_file():  # else another process was faster
            raise CannotRender(f"cannot install Allure into {cache}: {exc}") from exc
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not program.is_file():
        raise CannotRender(f"the npm package allure has no {program.name}")
    return program


def _call(command: list[str], *, directory: Path, timeout_s: float) -> str:
    name = " ".join(Path(part).name for part in command[:3])
    try:
        done = subprocess.run(  # noqa: S603  # our own arguments
            command, cwd=directory, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise CannotRender(f"{name} took longer than {timeout_s:.0f} s") from exc
    except OSError as exc:
        raise CannotRender(f"{name}: {exc}") from exc
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise CannotRender(f"{name} failed: {words[-1] if words else done.returncode}")
    return done.stdout + done.stderr
