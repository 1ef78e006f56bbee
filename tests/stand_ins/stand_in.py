"""What all stand-ins have in common: the OCPP side of the miniature, cards, orders, troubles."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Any, ClassVar, Self

from cryptography import x509
from websockets.protocol import State

from tests.secure_miniature import SecureBend, SecureMiniature, Station
from tests.stand_ins.web import Reply, Request, WebServer


class Trouble(Enum):
    """What goes wrong between the command API and the charge point."""

    OFFLINE = "says that the charge point is not connected"
    TIMED_OUT = "says that the charge point did not answer; no request left"
    REFUSED = "says that the request failed; none left"
    NO_FRAME = "says that all is well, but no request left"
    ANSWER_LOST = "the request left and was answered, but the API does not know"
    ANSWER_FALSE = "the request left and was answered, but the API tells another answer"


class Told(Enum):
    """What an order came to, as the API knows it."""

    ANSWERED = "answered"
    ERROR = "answered by a CALLERROR"
    OFFLINE = "not connected"
    TIMED_OUT = "not answered in time"
    REFUSED = "not sent"


@dataclass(frozen=True, slots=True)
class Done:
    """The end of an order; `payload` is the answer, or code and description of the error."""

    told: Told
    payload: Any = None


@dataclass(frozen=True, slots=True)
class Card:
    """What the Central System knows of an id tag."""

    status: str = "Accepted"
    parent: str | None = None

    @property
    def info(self) -> dict[str, str]:
        """The IdTagInfo that a charge point is told."""
        return {"status": self.status} | ({"parentIdTag": self.parent} if self.parent else {})


class StandIn:
    """A Central System with a command API; subclasses are the dialects.

    Attributes:
        ocpp: the side of the charge points.
        cards: by id tag in lower case: id tags ignore case.
        requests: every request of the API, with the status it was answered by.
        trouble: None where all is well.
        answer_timeout_s: how long an order waits for the charge point.
    """

    known_troubles: ClassVar[frozenset[Trouble]] = frozenset(Trouble)

    def __init__(
        self, *, bend: SecureBend | None = None, client_roots: Sequence[x509.Certificate] = ()
    ) -> None:
        """Prepare; `client_roots` are whom certificates of charge points may come from."""
        self.ocpp = SecureMiniature(
            bend=bend or SecureBend(), accept_tag=self._standing, client_roots=client_roots
        )
        self.cards: dict[str, Card] = {}
        self.requests: list[tuple[Request, int]] = []
        self.trouble: Trouble | None = None
        self.answer_timeout_s = 5.0
        self._orders: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._background: set[asyncio.Task[None]] = set()
        self._web = WebServer(self._take)

    async def __aenter__(self) -> Self:
        await self.ocpp.__aenter__()
        await self._web.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._web.__aexit__(kind, error, trace)
        await self.ocpp.__aexit__(kind, error, trace)

    @property
    def api_url(self) -> str:
        """Where the command API listens, without a path."""
        return self._web.url

    async def handle(self, request: Request) -> Reply:
        """Answer a request of the API."""
        raise NotImplementedError

    # --- what exists without the API ---------------------------------------------------------

    def add_station(
        self, identity: str, *, profile: int = 0, password: bytes | None = None
    ) -> None:
        """Let a charge point in, as by the web pages or the database of the product."""
        self.ocpp.stations[identity] = Station(profile=profile, password=password)

    def add_card(self, id_tag: str, card: Card | None = None) -> None:
        """Make a card known, as by the web pages or the database of the product."""
        self.cards[id_tag.casefold()] = card or Card()

    def _standing(self, id_tag: str) -> dict[str, str]:
        card = self.cards.get(id_tag.casefold())
        return card.info if card is not None else {"status": "Invalid"}

    # --- orders ------------------------------------------------------------------------------

    def is_online(self, identity: str) -> bool:
        """Say whether a charge point is connected."""
        link = self.ocpp.links.get(identity)
        return link is not None and link.socket.state is State.OPEN

    async def order(self, identity: str, action: str, payload: dict[str, Any]) -> Done:
        """Send a request when its turn has come, unless there is trouble."""
        match self.trouble:
            case Trouble.OFFLINE:
                return Done(Told.OFFLINE)
            case Trouble.TIMED_OUT:
                return Done(Told.TIMED_OUT)
            case Trouble.REFUSED:
                return Done(Told.REFUSED)
            case Trouble.NO_FRAME:
                return Done(Told.ANSWERED, {"status": "Accepted"})
        done = await self.send(identity, action, payload)
        if done.told is Told.ANSWERED and self.trouble is Trouble.ANSWER_LOST:
            return Done(Told.TIMED_OUT)
        if done.told is Told.ANSWERED and self.trouble is Trouble.ANSWER_FALSE:
            true = done.payload.get("status")
            false = "Rejected" if true != "Rejected" else "Accepted"
            return Done(Told.ANSWERED, {"status": false})
        return done

    async def send(self, identity: str, action: str, payload: dict[str, Any]) -> Done:
        """Send a request after those before it were answered (OCPP-J 1.6 §4.1.1)."""
        async with self._orders[identity]:
            if not self.is_online(identity):
                return Done(Told.OFFLINE)
            try:
                async with asyncio.timeout(self.answer_timeout_s):
                    frame = await self.ocpp.command(identity, action, payload)
            except TimeoutError:
                return Done(Told.TIMED_OUT)
            except ConnectionAbortedError:
                return Done(Told.OFFLINE)
        if frame[0] == 4:
            return Done(Told.ERROR, frame[2:4])
        return Done(Told.ANSWERED, frame[2])

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside, to the end of the stand-in at most."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _take(self, request: Request) -> Reply:
        reply = Reply(400, {"error": "what is needed is missing"})
        with contextlib.suppress(_Bad):
            reply = await self.handle(request)
        self.requests.append((request, reply.status))
        return reply


class _Bad(Exception):
    """A request lacks what it must have."""


def needed(fields: dict[str, Any], name: str) -> Any:
    """Return a field of a request; without it the request is answered 400."""
    if fields.get(name) in (None, ""):
        raise _Bad(name)
    return fields[name]
