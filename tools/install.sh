#!/bin/sh
# Make .venv and install exactly what requirements.lock names, then this project itself.
# The Makefile calls it when the lock or pyproject.toml changed. PYTHON=... chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

find_python() {
    found=
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        if is_new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
        found="$found $candidate"
    done
    {
        if [ -n "$found" ]; then
            echo "error: Python 3.11 or newer is needed, but$found is older (or does not start)."
        else
            echo "error: Python 3.11 or newer is needed, and none was found${PYTHON:+ as $PYTHON}."
        fi
        echo "Install it (Debian, Ubuntu: python3 python3-venv; Fedora: python3), or name one:"
        echo "    make PYTHON=/path/to/python3.12 ..."
    } >&2
    return 1
}

make_environment() {
    python=$(find_python)
    if "$python" -c 'import venv, ensurepip' 2>/dev/null && "$python" -m venv --clear .venv; then
        return
    fi
    version=$(version_of "$python")
    rm -rf .venv  # a half-made environment would look like a whole one to the next run
    {
        echo "error: '$python -m venv' does not work: a part of Python is missing. Install it:"
        echo "    Debian, Ubuntu:  apt install python$version-venv"
        echo "    Fedora:          dnf install python3-libs python-pip-wheel"
        echo "    Alpine:          apk add python3 py3-pip"
    } >&2
    return 1
}

if ! { is_new_enough .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1; }; then
    make_environment
fi

echo "Installing into .venv (Python $(version_of .venv/bin/python)) from requirements.lock ..." >&2
pip() { .venv/bin/python -m pip --disable-pip-version-check --quiet "$@"; }
pip install --require-hashes -r requirements.lock
pip install --no-deps --no-build-isolation -e .
