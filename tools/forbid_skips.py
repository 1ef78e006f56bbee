"""Fail when a test run skipped something; prints the totals of a JUnit file.

CI installs every system part a test may need, so a skip there hides a check that did not run. Only
what compares the project with something outside of it may be skipped where that is not at hand.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

OUTSIDE = "not part of the project"


def skipped_tests(junit: Path) -> list[str]:
    """Return one line for each skipped test: its name and the reason."""
    root = ElementTree.parse(junit).getroot()  # noqa: S314 -- written by our own pytest run
    return [
        f"{case.get('classname')}::{case.get('name')}: {skip.get('message')}"
        for case in root.iter("testcase")
        for skip in case.iter("skipped")
        if OUTSIDE not in skip.get("message", "")
    ]


def totals(junit: Path) -> str:
    """Return the counts of a run, as pytest names them."""
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in ElementTree.parse(junit).getroot().iter("testsuite"):  # noqa: S314 -- our own
        for key in counts:
            counts[key] += int(suite.get(key, "0"))
    return ", ".join(f"{count} {key}" for key, count in counts.items())


def main(junit: Path) -> int:
    """Print the totals and every skip; 1 if there was one or no results are there, else 0."""
    if not junit.is_file():
        sys.stderr.write(f"no test results: {junit} was not written\n")
        return 1
    sys.stdout.write(f"== pytest: {totals(junit)}\n")
    skips = skipped_tests(junit)
    for line in skips:
        sys.stderr.write(f"skipped in CI: {line}\n")
    return 1 if skips else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
