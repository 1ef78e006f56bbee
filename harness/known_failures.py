"""The known-failures file: cases that may fail for now, and why.

    [[known]]
    pattern = "TC_0*_CSMS"            # case id, or a pattern with * and ?
    reason = "answers late under load"
    where = "https://tracker.example/ISSUE-7"

A listed case that fails is reported as known and does not fail the run. One that passes fails the
run, and so does a pattern that matches no case: the list can only shrink. An `error` is never
excused.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from harness.report.document import Known, is_excused
from harness.results import CaseResult, Verdict

_KEYS: Final = ("pattern", "reason", "where")


class KnownFailuresError(Exception):
    """The file cannot be used; the message says where and what would be right."""


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """One entry of the file."""

    pattern: str
    reason: str
    where: str

    def covers(self, case_id: str) -> bool:
        """Say whether the entry speaks of this case."""
        return fnmatchcase(case_id, self.pattern)


@dataclass(frozen=True, slots=True)
class KnownFailures:
    """All entries of a file, in its order."""

    file: str = ""
    entries: tuple[KnownFailure, ...] = ()

    def entry_for(self, case_id: str) -> KnownFailure | None:
        """Return the first entry that covers the case."""
        return next((entry for entry in self.entries if entry.covers(case_id)), None)

    def excuse(self, case: CaseResult) -> Known | None:
        """Return why the result is not held against the run, or None."""
        entry = self.entry_for(case.case_id)
        if entry is None or not is_excused(case.verdict):
            return None
        return Known(case.case_id, entry.pattern, entry.reason, entry.where)

    def problems(self, cases: Sequence[CaseResult], *, all_ids: Iterable[str]) -> list[str]:
        """Return what is wrong with the list itself after a run.

        Args:
            all_ids: every case that exists, whether it was selected or not.
        """
        names = set(all_ids)
        found = [
            f"{self.file}: {entry.pattern!r} matches no case; remove or correct the entry"
            for entry in self.entries
            if not any(entry.covers(name) for name in names)
        ]
        found += [
            f"{self.file}: {case.case_id} passes but is listed by {entry.pattern!r}"
            f" ({entry.reason}); remove the entry"
            for case in cases
            if case.verdict is Verdict.PASSED and (entry := self.entry_for(case.case_id))
        ]
        return found


def load(path: Path) -> KnownFailures:
    """Read a known-failures file.

    Raises:
        KnownFailuresError: unreadable, not TOML, or not of the shape above.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise KnownFailuresError(f"{path}: {exc.strerror or exc}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise KnownFailuresError(f"{path}: {exc}") from exc
    unknown = sorted(set(document) - {"known"})
    entries = document.get("known", [])
    if unknown or not isinstance(entries, list):
        what = f"unknown key {unknown[0]!r}" if unknown else "`known` is no list of tables"
        raise KnownFailuresError(f"{path}: {what}; write [[known]] tables with {_words()}")
    return KnownFailures(
        str(path), tuple(_entry(path, number, entry) for number, entry in enumerate(entries, 1))
    )


def _entry(path: Path, number: int, entry: Any) -> KnownFailure:
    if not isinstance(entry, dict):
        raise KnownFailuresError(f"{path}: entry {number} is no table; write [[known]]")
    unknown = sorted(set(entry) - set(_KEYS))
    if unknown:
        raise KnownFailuresError(
            f"{path}: entry {number} has the unknown key {unknown[0]!r}; it takes {_words()}"
        )
    for key in _KEYS:
        value = entry.get(key)
        if not isinstance(value, str) or not value.strip():
            raise KnownFailuresError(f"{path}: entry {number} needs `{key}`, a text")
    return KnownFailure(**entry)


def _words() -> str:
    return ", ".join(_KEYS[:-1]) + f" and {_KEYS[-1]}"
