"""Reads what a vendor declares: the `pics` of a system-under-test file, or the file it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

from harness.declaration import FEATURE_OF, Declaration, Product, Switch
from harness.model import Json, Profile
from harness.sut_file import Place, SutError, SutFile

_PART: Final = "declaration"


def read_declaration(
    file: SutFile, *, fill: Callable[[str, Place], str], path_of: Callable[[str], Path]
) -> Declaration:
    """Return what is declared.

    Args:
        fill: fills the places ``${…}`` in.
        path_of: resolves a path against the folder of `file`.

    Raises:
        SutError: the file that is named, or what is declared, cannot be used.
    """
    section = file.content.get("pics", {})
    if isinstance(section, str):
        own = SutFile(path_of(fill(section, ("pics",))), part=_PART)

        def fill_own(text: str, place: Place) -> str:
            try:
                return fill(text, place)
            except SutError as error:  # it names the place, but of the other file
                here = own.problem(place, "").position
                raise SutError(replace(one, position=here) for one in error.problems) from error

        return _Reader(own, (), own.content, fill_own).read()
    return _Reader(file, ("pics",), cast("dict[str, Json]", section), fill).read()


class _Reader:
    def __init__(
        self,
        file: SutFile,
        place: Place,
        content: dict[str, Json],
        fill: Callable[[str, Place], str],
    ) -> None:
        self._file = file
        self._place = place
        self._content = content
        self._fill = fill

    def read(self) -> Declaration:
        content = self._content
        profiles = cast("list[str] | None", content.get("profiles"))
        security = cast("list[int] | None", content.get("security_profiles"))
        performance = cast("dict[str, float]", content.get("performance", {}))
        communication = cast(str, content.get("communication", ""))
        return Declaration(
            product=self._product(),
            communication=self._fill(communication, (*self._place, "communication")),
            profiles=None if profiles is None else frozenset(map(Profile, profiles)),
            security_profiles=None if security is None else tuple(sorted(security)),
            features=cast("dict[str, bool]", content.get("features", {})),
            cases=self._cases(),
            **{name: float(value) for name, value in performance.items()},
        )

    def _product(self) -> Product:
        section = cast("dict[str, str]", self._content.get("product", {}))
        place = (*self._place, "product")
        return Product(**{name: self._fill(text, (*place, name)) for name, text in section.items()})

    def _cases(self) -> dict[str, Switch]:
        features = cast("dict[str, bool]", self._content.get("features", {}))
        switches = {}
        for case, section in cast(
            "dict[str, dict[str, str]]", self._content.get("cases", {})
        ).items():
            ((way, reason),) = section.items()
            place = (*self._place, "cases", case)
            feature = FEATURE_OF.get(case, "")
            if way == "on" and features.get(feature) is False:
                message = f"is on, while {feature} is declared as missing; drop one of the two"
                raise self._file.error(place, message)
            switches[case] = Switch(way == "on", self._fill(reason, (*place, way)))
        return switches
