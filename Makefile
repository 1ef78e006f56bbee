# Everything runs in .venv, made on first use: no root rights, nothing installed twice.
# PYTHON=python3.12 chooses the interpreter, SUT=my-csms.yaml the system under test.

SUT ?= suts/embedded.yaml
INSTALLED := .venv/.installed

export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help certify test check bench reference lock clean

help:  ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' Makefile

certify: $(INSTALLED)  ## Run all cases, the official ones first, against our CSMS (or SUT=file)
	@preflight run --sut "$(SUT)" --strict --extended --html

test: $(INSTALLED)  ## Run the tests
	@pytest -n logical --maxprocesses 4 --dist load --maxschedchunk 4 $(PYTEST_ARGS)

check: $(INSTALLED)  ## Lint, format, types, import rules
	ruff check .
	ruff format --check .
	mypy
	lint-imports

bench: $(INSTALLED)  ## Measure our CSMS beside the ocpp package's server
	@python -m benchmarks

reference: $(INSTALLED)  ## Write docs/reference/ anew from the code
	@python -m tools.reference

lock:  ## Write requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header --no-annotate --all-extras --upgrade pyproject.toml -o requirements.lock

clean:  ## Remove the environment and all caches (reports stay)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist

$(INSTALLED): requirements.lock pyproject.toml tools/install.sh
	@tools/install.sh
	@touch $@
