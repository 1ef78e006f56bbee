"""`preflight simulate`: a charge point to play with, in a terminal or by a script.

Lines come in, frames are shown as they go. Everything that waits, reconnects or reads standard
input is here; what a line means is in `commands`, what it looks like in `console`.
"""

from __future__ import annotations

import asyncio
import random
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from simulator.boot import Registration
from simulator.charge_point import DEFAULT_POWER_W, ChargePoint
from simulator.client import HandshakeRefused, Station
from simulator.commands import Command, CommandError, parse_line
from simulator.console import Display
from simulator.endpoint_options import WayIn, endpoint_options, read_way_in
from simulator.errors import CannotOffer, LocalProtocolError
from simulator.outputs import ScriptedAnswer
from simulator.persona import Persona, make_persona
from simulator.trace import Event
from simulator.transport import read_clock

RESTART_S: Final = 1.0  # what a restart takes until the charge point is back on the line
MAX_BACK_OFF_S: Final = 60.0

_ENDED = (Registration.ACCEPTED, Registration.PENDING, Registration.REJECTED, Registration.FAILED)


class Session:
    """One run: the station, its connection, and the lines that move it."""

    def __init__(
        self,
        charge_point: ChargePoint,
        way_in: WayIn,
        display: Display,
        persona: Persona,
        *,
        retries: bool,
        seed: int,
    ) -> None:
        self._display = display
        self._persona = persona
        self._retries = retries
        self._jitter = random.Random(seed)  # noqa: S311 - spreads reconnects, protects nothing
        self._may_connect = asyncio.Event()
        self._has_network = True
        self._was_let_in = False
        self.station = Station(
            charge_point,
            way_in.endpoint,
            record=self._record,
            is_active=True,
            on_notice=display.notice,
            endpoints=way_in.endpoints,
        )
        self.refused: HandshakeRefused | CannotOffer | None = None

    def _record(self, event: Event) -> None:
        self._display.event(event)

    async def run(self, lines: AsyncIterator[tuple[str, str]], *, is_interactive: bool) -> int:
        """Connect, do what the lines say, close; return the exit code.

        Args:
            lines: where each line stands (for messages) and the line.
        """
        await self.station.apply("power_on")
        keeper = asyncio.create_task(self._keep_connected())
        try:
            if not is_interactive and not await self._is_ready(keeper):
                return 1
            return await self._follow(lines, is_interactive=is_interactive)
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])
            await self.station.shut_down()

    async def _is_ready(self, keeper: asyncio.Task[None]) -> bool:
        """Wait until the CSMS answered our boot; False where there is no connection at all."""
        ready = asyncio.create_task(self.station.wait_until(self._has_booted))
        await asyncio.wait([ready, keeper], return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        return self.refused is None

    def _has_booted(self) -> bool:
        return self.station.charge_point.registration in _ENDED and (
            self.station.charge_point.is_idle
        )

    async def _follow(self, lines: AsyncIterator[tuple[str, str]], *, is_interactive: bool) -> int:
        async for position, line in lines:
            try:
                command = parse_line(line)
                if command is not None and not is_interactive:
                    self._display.echo(line)
                if command is not None and not await self._do(command):
                    return 0
            except (CommandError, LocalProtocolError) as exc:
                self._display.problem(f"{position}{exc}")
                if not is_interactive:
                    return 2 if isinstance(exc, CommandError) else 1
            if not is_interactive and self.station.is_connected:
                await self.station.wait_until_idle()
        return 0

    async def _do(self, command: Command) -> bool:
        """Carry one command out; say whether to go on."""
        station, arguments = self.station, command.arguments
        match command.name:
            case "apply":
                await station.apply(command.event, **arguments)
                self._may_connect.set()
            case "tag":
                tagged = {"id_tag": self._persona.id_tags[0], **arguments}
                await station.apply(command.event, **tagged)
            case "raw":
                if await station.send_text(str(arguments["text"])) is None:
                    raise LocalProtocolError("not connected")
            case "answer":
                action, what = str(arguments["action"]), str(arguments["what"])
                station.charge_point.script_answer(action, _scripted(what))
            case "clock":
                station.charge_point.set_clock(float(str(arguments["ahead_s"])))
            case "network_off":
                self._has_network = False
                station.drop()
                await station.wait_closed()
            case "network_on":
                self._has_network = True
                self._may_connect.set()
            case "wait":
                await asyncio.sleep(float(str(arguments["seconds"])))
            case "status":
                self._display.status(station.charge_point, read_clock())
            case "tags":
                self._display.tags(self._persona.id_tags)
            case "help":
                self._display.help()
            case "quit":
                return False
        return True

    async def _keep_connected(self) -> None:
        """Connect, and connect again whenever the connection ended, with growing pauses."""
        failures = 0
        while True:
            self._may_connect.clear()
            is_off = self.station.charge_point.registration is Registration.OFF
            if is_off or not self._has_network:
                await self._may_connect.wait()
                continue
            try:
                await self.station.connect()
            except (HandshakeRefused, CannotOffer) as exc:
                if isinstance(exc, CannotOffer):  # no event tells of it: nothing left
                    self._display.problem(str(exc))
                # A charge point that was let in once goes on: new credentials may be refused.
                if not self._retries and not self._was_let_in:
                    self.refused = exc
                    return
                failures += 1
                pause_s = min(MAX_BACK_OFF_S, 2.0 ** min(failures, 6))
                pause_s *= self._jitter.uniform(0.75, 1.25)
                self._display.notice(f"trying again in {pause_s:.0f} s")
                await asyncio.sleep(pause_s)
            else:
                self._was_let_in = True
                failures = 0
                await self.station.wait_closed()
                await asyncio.sleep(RESTART_S if self._has_network else 0)


def _scripted(what: str) -> ScriptedAnswer:
    """Return the answer that ``none``, ``error:CODE`` or a status stands for."""
    if what == "none":
        return ScriptedAnswer(is_silent=True)
    if what.startswith("error:"):
        return ScriptedAnswer(error_code=what.removeprefix("error:"))
    return ScriptedAnswer(payload={"status": what})


async def _typed_lines() -> AsyncIterator[tuple[str, str]]:
    """Yield what comes on standard input; a thread reads, so nothing here ever blocks."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody wants further lines
            for line in sys.stdin:
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    while (line := await lines.get()) is not None:
        yield "", line


async def _script_lines(path: str, text: str) -> AsyncIterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        yield f"{path}:{number}: ", line


def _read_keys(pairs: tuple[str, ...]) -> Mapping[str, str]:
    keys = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"expected NAME=VALUE, not {pair!r}", param_hint="--key")
        keys[name] = value
    return keys


def _check_script(path: Path) -> str:
    """Return the script's text once every line of it means something."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise click.UsageError(f"cannot read {path}: {exc}") from exc
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            parse_line(line)
        except CommandError as exc:
            raise click.UsageError(f"{path}:{number}: {exc}") from exc
    return text


@click.command()
@endpoint_options
@click.option("--id", "identity", help="Identity of the charge point; made up without.")
@click.option("--connectors", type=click.IntRange(1, 100), default=2, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Decides all made-up names.")
@click.option(
    "--script",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Take the commands from this file instead of standard input.",
)
@click.option("--key", "keys", multiple=True, metavar="NAME=VALUE", help="A configuration key.")
@click.option("--fixed-cable", is_flag=True, help="Cables hang on the charge point, without lock.")
@click.option("--power", type=float, default=DEFAULT_POWER_W, show_default=True, help="W of an EV.")
@click.option("--milliseconds/--seconds", default=True, help="Form of the time stamps.")
@click.option("--raw", "shows_raw", is_flag=True, help="Show frames as they are on the wire.")
@click.pass_context
def simulate(
    context: click.Context,
    /,
    *,
    identity: str | None,
    connectors: int,
    seed: int,
    script: Path | None,
    keys: tuple[str, ...],
    fixed_cable: bool,
    power: float,
    milliseconds: bool,
    shows_raw: bool,
    **where: Any,
) -> None:
    """Play a charge point: plug cables, present cards, break things, watch the frames.

    Commands come on standard input, one a line; `help` lists them. With --script, or when standard
    input is no terminal, each line waits until all answers are there, and the first line that
    cannot be done ends the run.
    """
    text = None if script is None else _check_script(script)
    persona = make_persona(seed)
    display = Display(Console(highlight=False), shows_raw=shows_raw)
    name = identity or persona.identity
    way_in = read_way_in(name, **where)
    try:
        charge_point = ChargePoint(
            name,
            connectors=connectors,
            serial_number=persona.serial_number,
            keys={"SecurityProfile": str(way_in.profile), **_read_keys(keys)},
            has_fixed_cable=fixed_cable,
            power_w=power,
            milliseconds=milliseconds,
            **way_in.security,
        )
    except LocalProtocolError as exc:
        raise click.UsageError(str(exc)) from exc
    is_interactive = text is None and sys.stdin.isatty()

    async def run() -> int:
        session = Session(charge_point, way_in, display, persona, retries=is_interactive, seed=seed)
        lines = _typed_lines() if text is None else _script_lines(str(script), text)
        display.welcome(charge_point, persona, gives_hints=is_interactive)
        return await session.run(lines, is_interactive=is_interactive)

    try:
        context.exit(asyncio.run(run()))
    except KeyboardInterrupt:
        context.exit(130)
