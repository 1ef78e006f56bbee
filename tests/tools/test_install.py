"""`make` on a machine that lacks something says what to install, and leaves nothing half made."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "install.sh"

# Interpreters as install.sh asks them: is it new enough, has it venv and pip, what is its version?
TOO_OLD = '#!/bin/sh\ncase "$2" in *sys.exit*) exit 1 ;; esac\n'
WITHOUT_VENV = """#!/bin/sh
case "$*" in
*ensurepip*) exit 1 ;;
*%d.%d*) echo 3.12 ;;
esac
"""
HALF_WAY = """#!/bin/sh
case "$*" in
*"-m venv"*) mkdir -p .venv/bin; exit 1 ;;
*%d.%d*) echo 3.12 ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with nothing but the script and a place for fake interpreters."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(SCRIPT, tmp_path / "tools")
    return tmp_path


def install(project: Path, interpreter: str | None) -> subprocess.CompletedProcess[str]:
    """Run the script where `fakepython` is the only interpreter it may use."""
    if interpreter is not None:
        fake = project / "bin" / "fakepython"
        fake.write_text(interpreter)
        fake.chmod(0o755)
    return subprocess.run(
        [project / "tools" / "install.sh"],
        env={"PATH": f"{project / 'bin'}:{os.defpath}", "PYTHON": "fakepython"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_no_python_is_said(project: Path) -> None:
    """Without an interpreter the message names the version and what to do."""
    done = install(project, None)

    assert done.returncode == 1
    assert "Python 3.11 or newer is needed, and none was found as fakepython" in done.stderr
    assert "make PYTHON=" in done.stderr


def test_an_old_python_is_said(project: Path) -> None:
    """An interpreter that is too old is named."""
    done = install(project, TOO_OLD)

    assert done.returncode == 1
    assert "Python 3.11 or newer is needed, but fakepython is older" in done.stderr


@pytest.mark.parametrize("interpreter", [WITHOUT_VENV, HALF_WAY])
def test_a_python_without_venv_names_the_package(project: Path, interpreter: str) -> None:
    """Debian splits venv off; the message names its package for this very version."""
    done = install(project, interpreter)

    assert done.returncode == 1
    assert "apt install python3.12-venv" in done.stderr
    assert "dnf install" in done.stderr
    assert not (project / ".venv").exists()


def test_nothing_needs_root_or_a_shell_but_posix() -> None:
    """The script starts with a plain shell and never asks for rights."""
    text = SCRIPT.read_text()

    assert text.startswith("#!/bin/sh\n")
    assert "sudo" not in text
