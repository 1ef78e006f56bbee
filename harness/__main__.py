"""`python -m harness` is `preflight`."""

from harness.cli import main

main(prog_name="preflight")
