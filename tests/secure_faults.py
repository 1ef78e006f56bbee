"""Faults at the doors of a Central System, each as a bend of the secure miniature.

`connection_faults` turns the handshakes of a right run into faults: each that was let in may be
refused, or agree to the wrong subprotocol; each that was refused may be let in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from tests.faults import Planted
from tests.miniatures import Link
from tests.secure_miniature import Ending, SecureBend, Station, Verdict, Visit


@dataclass(frozen=True)
class Admits(SecureBend):
    """The `number`-th handshake ends in this way."""

    number: int
    verdict: Verdict

    async def admits(self, visit: Visit, verdict: Verdict) -> Verdict:
        return self.verdict if visit.number == self.number else verdict


@dataclass(frozen=True)
class Agrees(SecureBend):
    """The `number`-th handshake is let in and agrees to this subprotocol, "" for none."""

    number: int
    subprotocol: str

    def chooses(self, visit: Visit, subprotocol: str | None) -> str | None:
        return self.subprotocol if visit.number == self.number else subprotocol


@dataclass(frozen=True)
class RefusesBy(SecureBend):
    """Every refusal takes this form."""

    ending: HTTPStatus | Ending

    async def admits(self, visit: Visit, verdict: Verdict) -> Verdict:
        return self.ending if verdict is not None else None


@dataclass(frozen=True)
class LetsIn(SecureBend):
    """Whom a rule of its own says is let in, whatever the others say."""

    whom: Callable[[Visit], bool] = lambda visit: True

    async def admits(self, visit: Visit, verdict: Verdict) -> Verdict:
        return None if self.whom(visit) else verdict


@dataclass
class LocksOut(SecureBend):
    """After so many wrong attempts nobody is let in under the identity."""

    after: int
    wrong: int = 0

    async def admits(self, visit: Visit, verdict: Verdict) -> Verdict:
        if self.wrong >= self.after:
            return HTTPStatus.TOO_MANY_REQUESTS
        self.wrong += verdict is not None
        return verdict


@dataclass
class GivesIn(SecureBend):
    """After so many wrong attempts the next one is let in."""

    after: int
    wrong: int = 0

    async def admits(self, visit: Visit, verdict: Verdict) -> Verdict:
        self.wrong += verdict is not None
        return None if self.wrong > self.after else verdict


@dataclass
class CutsOff(SecureBend):
    """The connection that is there ends before the password of a new one is looked at."""

    link: Link | None = None

    async def opened(self, link: Link) -> None:
        self.link = link

    async def admits(self, visit: Visit, verdict: Verdict) -> Verdict:
        if self.link is not None and verdict is not None:
            await self.link.socket.close(1008, "connected again")
        return verdict


class BelievesItself(SecureBend):
    """What was ordered is taken for done, whatever the charge point says."""

    def ordered(self, station: Station, key: str, value: str) -> None:
        self.settles(station, key, value)

    def hears(self, station: Station, key: str, value: str, status: str) -> None:
        """Nothing more happens: it happened already."""


class KeepsOld(SecureBend):
    """An accepted key has no effect."""

    def settles(self, station: Station, key: str, value: str) -> None:
        """Nothing happens."""


class ForgetsOrders(SecureBend):
    """A key counts when its answer came, not before."""

    def ordered(self, station: Station, key: str, value: str) -> None:
        """Nothing happens."""


class RaisesAtOnce(SecureBend):
    """The old profile is shut as soon as the higher one was accepted."""

    def settles(self, station: Station, key: str, value: str) -> None:
        super().settles(station, key, value)
        if key == "SecurityProfile" and station.target is not None:
            station.profile, station.target = station.target, None


class NeverShuts(SecureBend):
    """Every profile goes on working, and every password that ever did."""

    async def admits(self, visit: Visit, verdict: Verdict) -> Verdict:
        has_proof = visit.password is not None or visit.certificate is not None
        return None if has_proof else verdict


@dataclass(frozen=True)
class Silent(SecureBend):
    """The `number`-th handshake gets no answer at all, for so long."""

    number: int
    seconds: float

    async def admits(self, visit: Visit, verdict: Verdict) -> Verdict:
        if visit.number == self.number:
            await asyncio.sleep(self.seconds)
        return verdict


def connection_faults(visits: Iterable[tuple[Visit, bool]]) -> list[Planted]:
    """Return the ways in which each handshake of a run can go wrong.

    Args:
        visits: with each whether it became a connection.
    """
    faults = []

    def plant(name: str, bend: Any, *rules: str) -> None:
        faults.append(Planted(name, bend, frozenset(rules)))

    for visit, is_let_in in visits:
        at, number = f"handshake {visit.number}", visit.number
        if is_let_in:
            plant(f"{at} gets 401", Admits(number, HTTPStatus.UNAUTHORIZED), "handshake.refused")
            # Who never answered anything may simply not be there.
            for ending in Ending if number else ():
                lost = ("handshake.refused", "handshake.unreachable")
                plant(f"{at} ends in {ending.name}", Admits(number, ending), *lost)
            nothing = ("handshake.subprotocol", "connection.subprotocol")
            plant(f"{at} agrees to nothing", Agrees(number, ""), *nothing)
            others = [one for one in visit.offered if one != "ocpp1.6"]
            for other in others:
                plant(f"{at} agrees to {other}", Agrees(number, other), *nothing)
        elif visit.offered and "ocpp1.6" not in visit.offered:
            for agreed in ("", visit.offered[0]):
                name = f"{at} is let in and agrees to {agreed or 'nothing'}"
                plant(name, Agrees(number, agreed), "connection.not-refused")
        else:
            plant(f"{at} is let in", Admits(number, None), "connection.not-refused")
    return faults
