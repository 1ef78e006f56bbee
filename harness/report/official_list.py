"""The official case list as the report needs it: which cases there are, and how surely each counts.

A run may leave cases out, by selection or by accident. Whoever says that nothing stands in the way
of a certificate has to know what was not asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from ruamel.yaml import YAML

from harness.loader import library_directory
from harness.model import ALL_EDITIONS, EditionRange, Profile, Requirement

_FILE: Final = "case-list.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCase:
    """One case of the official list.

    Attributes:
        section: of the official case document.
    """

    case_id: str
    profile: Profile
    requirement: Requirement
    section: str
    editions: EditionRange = ALL_EDITIONS


@cache
def official_list() -> tuple[ListedCase, ...]:
    """Return every case of the shipped list, in its order."""
    text = (library_directory() / _FILE).read_text("utf-8")
    listed: list[dict[str, Any]] = YAML(typ="safe").load(text)["cases"]
    return tuple(
        ListedCase(
            case_id=entry["id"],
            profile=Profile(entry["profile"]),
            requirement=Requirement(entry["requirement"]),
            section=str(entry.get("section", "")),
            editions=EditionRange(entry.get("from"), entry.get("until")),
        )
        for entry in listed
    )
