"""The local web page as a face: on loopback, behind a random token in its address.

Pages are rendered here; a few lines of script swap what Server-Sent Events bring. Runs on a thread
and event loop of its own, so that drawing never holds up the loop that measures answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
import threading
from collections.abc import AsyncIterator
from importlib import resources
from typing import Final

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, StreamingResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pydantic import BaseModel, Field

from harness.operator.desk import Desk, View
from harness.operator.table import KEYS, NEEDS_REASON, Act, Phase
from harness.operator.words import span_words
from harness.report.diagram import draw_inline, live_style
from harness.wire import monotonic_s

_START_S: Final = 10.0
_KEEP_ALIVE_S: Final = 15.0
_QUIET_S: Final = 0.08  # frames that come closer together are drawn together
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_STYLES: Final = "text/css; charset=utf-8"
_SCRIPT: Final = "text/javascript; charset=utf-8"


class Word(BaseModel):
    """What the person said on the page; `version` is that of the view it was said about."""

    act: Act
    reason: str = Field("", max_length=2000)
    version: int | None = None


class Page:
    """Serves one desk."""

    def __init__(self, desk: Desk, *, port: int = 0) -> None:
        """Prepare.

        Args:
            port: 0 takes a free one.
        """
        self._desk = desk
        self._port = port
        self._token = secrets.token_urlsafe(24)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed: set[asyncio.Event] = set()
        self._closing = threading.Event()
        self._templates = Environment(
            loader=PackageLoader("harness.operator", "web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def start(self) -> str:
        """Serve, and return the address.

        Raises:
            OSError: the port is taken.
        """
        self._socket = socket.create_server(("127.0.0.1", self._port))
        self._port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            self._app(), log_config=None, access_log=False, lifespan="off", ws="none",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._serve,
            args=(self._server, self._socket),
            name="operator page",
            daemon=True,
        )
        self._thread.start()
        self._desk.subscribe(self._note)
        return f"http://127.0.0.1:{self._port}/{self._token}/"

    def stop(self) -> None:
        """End."""
        self._desk.unsubscribe(self._note)
        self._closing.set()
        self._note(self._desk.view)
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(timeout=_START_S)
        if self._socket is not None:
            self._socket.close()

    def _serve(self, server: uvicorn.Server, listening: socket.socket) -> None:
        loop = asyncio.new_event_loop()
        self._loop = loop
        try:
            loop.run_until_complete(server.serve(sockets=[listening]))
        finally:
            self._loop = None
            loop.close()

    def _note(self, view: View) -> None:
        """Wake everyone who looks; from any thread."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for one in self._changed:
            one.set()

    # --- requests --------------------------------------------------------------------------------

    def _app(self) -> FastAPI:
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

        @app.middleware("http")
        async def guard(request: Request, call_next):  # type: ignore[no-untyped-def]
            if request.headers.get("host", "") not in self._hosts:
                response: Response = PlainTextResponse("wrong host", 421)
            else:
                response = await call_next(request)
            response.headers.update(_HEADERS)
            return response

        knows = [Depends(self._check_token)]
        base = "/{token}"
        app.get(f"{base}/", dependencies=knows, response_class=HTMLResponse)(self._home)
        app.get(f"{base}/page.css", dependencies=knows)(self._style)
        app.get(f"{base}/page.js", dependencies=knows)(self._script)
        app.get(f"{base}/events", dependencies=knows)(self._events)
        app.get(f"{base}/files/{{name}}", dependencies=knows)(self._file)
        app.post(f"{base}/say", dependencies=knows)(self._say)
        return app

    @property
    def _hosts(self) -> tuple[str, ...]:
        return (f"127.0.0.1:{self._port}", f"localhost:{self._port}")

    def _check_token(self, token: str) -> None:
        if not secrets.compare_digest(token.encode(), self._token.encode()):
            raise HTTPException(404)

    async def _home(self) -> str:
        return self._templates.get_template("page.html").render(
            view=self._desk.view, **await self._parts()
        )

    async def _style(self) -> Response:
        return Response(_read("page.css") + live_style(), media_type=_STYLES)

    async def _script(self) -> Response:
        return Response(_read("page.js"), media_type=_SCRIPT)

    async def _file(self, name: str) -> Response:
        instruction = self._desk.view.instruction
        files = instruction.files if instruction is not None else ()
        file = next((one for one in files if one.name == name), None)
        if file is None:
            raise HTTPException(404)
        disposition = {"Content-Disposition": f'attachment; filename="{file.name}"'}
        return PlainTextResponse(file.text, headers=disposition)

    async def _say(self, request: Request, word: Word) -> Response:
        origin = request.headers.get("origin")
        if origin is not None and origin not in {f"http://{host}" for host in self._hosts}:
            raise HTTPException(403)
        trouble = await asyncio.to_thread(
            self._desk.say, word.act, word.reason, version=word.version
        )
        return PlainTextResponse(trouble, 409 if trouble else 200)

    async def _events(self) -> Response:
        return StreamingResponse(
            self._stream(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    async def _stream(self) -> AsyncIterator[str]:
        changed = asyncio.Event()
        self._changed.add(changed)
        sent: dict[str, str] = {}
        try:
            while True:
                changed.clear()
                view = self._desk.view
                parts = {name: str(html) for name, html in (await self._parts()).items()}
                news: dict[str, object] = {
                    name: html for name, html in parts.items() if sent.get(name) != html
                }
                sent = parts
                if news:
                    news["asks"] = view.phase in (Phase.ASKED, Phase.WRONG, Phase.PREPARE)
                    news["case"] = view.case_id
                    news["over"] = view.phase is Phase.ENDED
                    yield f"data: {json.dumps(news)}\n\n"
                if self._closing.is_set() or view.phase is Phase.ENDED:
                    return
                try:
                    async with asyncio.timeout(_KEEP_ALIVE_S):
                        await changed.wait()
                    await asyncio.sleep(_QUIET_S)
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            self._changed.discard(changed)

    # --- rendering -------------------------------------------------------------------------------

    async def _parts(self) -> dict[str, Markup]:
        view = self._desk.view
        case = await asyncio.to_thread(self._desk.sequence)
        diagram = Markup("")
        if case is not None:
            label = "running" if view.phase is not Phase.ENDED else "ended"
            diagram = Markup(  # noqa: S704  # escaped where it is drawn
                draw_inline(case, sut_name=view.sut_name, label=label)
            )
        left_s = None if view.deadline_s is None else max(0.0, view.deadline_s - monotonic_s())
        # Rounded: else the same question would be sent anew with every frame.
        values = {
            "view": view,
            "deadline": None if left_s is None else round(_epoch_s() + left_s),
            "acts": [(act, *KEYS[act], act in NEEDS_REASON) for act in view.choices],
            "time": span_words(view.time_s),
            "phases": Phase,
        }
        return {
            "now": Markup(self._templates.get_template("now.html").render(values)),  # noqa: S704
            "cases": Markup(  # noqa: S704
                self._templates.get_template("cases.html").render(values)
            ),
            "sequence": diagram,
        }


def _epoch_s() -> float:
    from datetime import UTC, datetime

    return datetime.now(UTC).timestamp()


def _read(name: str) -> str:
    return resources.files("harness.operator").joinpath("web", name).read_text("utf-8")
