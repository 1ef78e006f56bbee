"""Commands a Central System through a Python class of the vendor's.

The class is made with the `options` of the file and needs one method, `command(identity,
operation, payload)`. It may have all others of `Driver`. Methods may be `async` or not; one that
is not runs in a thread of its own, so that it cannot hold up the cases.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, cast

from harness.drivers.driver import (
    Credentials,
    DriverError,
    DriverOutcome,
    Operation,
    Outcome,
    ProvisioningError,
)
from harness.masking import Masker
from harness.model import Json

GROUP: Final = "ocpp_preflight.drivers"
_ENDING_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonDriverSpec:
    """The `driver` section of a system-under-test file, of kind ``python``.

    Attributes:
        name: ``package.module:Class``, ``Class`` of `path`, or the name of an entry point.
        path: the file with the class.
        is_entry_point: of group ``ocpp_preflight.drivers``.
        options: handed to the class as they are.
        timeout_s: for one operation; None: as the run says.
    """

    name: str
    path: Path | None = None
    is_entry_point: bool = False
    options: Mapping[str, Json] = field(default_factory=dict)
    timeout_s: float | None = None

    @property
    def description(self) -> str:
        """What a report calls it."""
        return f"python {self.path or ''}{':' if self.path else ''}{self.name}"

    def secrets(self) -> Sequence[str]:
        """Return nothing: what the file declares under `secrets` is known already."""
        return ()


class PythonDriver:
    """Adapts an instance of the class."""

    def __init__(
        self, spec: PythonDriverSpec, *, timeout_s: float, masker: Masker | None = None
    ) -> None:
        """Find the class and make one of it.

        Raises:
            DriverError: there is no such class, or it fails, or it lacks `command`.
        """
        self._spec = spec
        self._masker = masker if masker is not None else Masker()
        self._timeout_s = timeout_s if spec.timeout_s is None else spec.timeout_s
        kind = _find(spec)
        try:
            self._own: Any = kind(dict(spec.options))
        except Exception as error:
            raise DriverError(
                f"driver {spec.name} cannot be made with its options: {_words(error)}"
            ) from error
        if not callable(getattr(self._own, "command", None)):
            raise DriverError(
                f"driver {spec.name} has no method `command`; give it "
                "`command(self, identity, operation, payload)`"
            )

    @property
    def is_patient(self) -> bool:
        """What the class says of itself."""
        return bool(getattr(self._own, "is_patient", False))

    def cannot(self, operation: Operation) -> str:
        """Return what the class says; one that says nothing can do every command."""
        ask = getattr(self._own, "cannot", None)
        if callable(ask):
            try:
                return str(ask(operation) or "")
            except Exception as error:
                return f"driver {self._spec.name} failed when asked for it: {_words(error)}"
        if not operation.is_command and not callable(getattr(self._own, "prepare", None)):
            return f"driver {self._spec.name} has no method `prepare`"
        return ""

    def remarks(self) -> Sequence[str]:
        """Return what the class noticed."""
        ask = getattr(self._own, "remarks", None)
        return tuple(map(str, ask())) if callable(ask) else ()

    async def prepare(
        self, identities: Sequence[Credentials], id_tags: Mapping[str, Sequence[str]]
    ) -> None:
        """Let the class register all."""
        await self._provision("prepare", identities, id_tags)

    async def restore(self, credentials: Credentials) -> bool:
        """Let the class register one identity anew."""
        return bool(await self._provision("restore", credentials))

    async def command(
        self, identity: str, operation: Operation, payload: Mapping[str, Json]
    ) -> DriverOutcome:
        """Let the class act, and put what it returns or raises into words."""
        if reason := self.cannot(operation):
            return DriverOutcome(Outcome.UNSUPPORTED, reason)
        deadline_s = None if self.is_patient else self._timeout_s
        try:
            async with asyncio.timeout(deadline_s) as deadline:
                told = await _call(self._own.command, identity, operation, dict(payload))
        except NotImplementedError as error:
            words = str(error) or f"driver {self._spec.name} does not implement it"
            return DriverOutcome(Outcome.UNSUPPORTED, self._masker.mask(words))
        except Exception as error:
            words = _words(error)
            if isinstance(error, TimeoutError) and deadline.expired():
                words = f"driver {self._spec.name} was not done within {deadline_s:g} s"
            return DriverOutcome(Outcome.FAILED, self._masker.mask(words))
        match told:
            case DriverOutcome():
                return told
            case None:
                return DriverOutcome(Outcome.DONE, "done")
            case dict():
                return DriverOutcome(Outcome.DONE, "done", cast(Json, told))
        kind = type(told).__name__
        summary = (
            f"driver {self._spec.name} returned a {kind}; return a DriverOutcome, dict or None"
        )
        return DriverOutcome(Outcome.FAILED, summary)

    async def close(self) -> None:
        """Let the class end, for a while."""
        method = getattr(self._own, "close", None)
        if callable(method):
            with suppress(Exception):
                async with asyncio.timeout(_ENDING_S):
                    await _call(method)

    async def _provision(self, name: str, *arguments: object) -> object:
        method = getattr(self._own, name, None)
        if not callable(method):
            return False
        try:
            return await _call(method, *arguments)
        except NotImplementedError:
            return False
        except ProvisioningError as error:
            raise ProvisioningError(self._masker.mask(str(error))) from error
        except Exception as error:
            message = f"driver {self._spec.name} failed in `{name}`: {_words(error)}"
            raise ProvisioningError(self._masker.mask(message)) from error


def _find(spec: PythonDriverSpec) -> Callable[[dict[str, Json]], object]:
    if spec.is_entry_point:
        found = entry_points(group=GROUP)
        if spec.name not in found.names:
            known = ", ".join(sorted(found.names)) or "none"
            raise DriverError(
                f"no installed package has a driver {spec.name!r} (group {GROUP}); known: {known}"
            )
        load, name = found[spec.name].load, ""
    elif spec.path is not None:
        path, name = spec.path, spec.name
        load = lambda: _module(path)  # noqa: E731  # read below, where its errors are caught
    else:
        module, _, name = spec.name.partition(":")
        load = lambda: importlib.import_module(module)  # noqa: E731  # as above
    try:
        thing: Any = load()
    except Exception as error:
        where = spec.path or spec.name
        raise DriverError(f"driver {where} cannot be loaded: {_words(error)}") from error
    for part in filter(None, name.split(".")):
        if not hasattr(thing, part):
            raise DriverError(f"{spec.description}: there is no {part!r} in it")
        thing = getattr(thing, part)
    if not callable(thing):
        raise DriverError(f"{spec.description} is no class")
    return cast("Callable[[dict[str, Json]], object]", thing)


def _module(path: Path) -> object:
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    spec = importlib.util.spec_from_file_location(f"preflight_driver_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def _call(method: Callable[..., object], *arguments: object) -> object:
    if inspect.iscoroutinefunction(method):
        return await method(*arguments)
    told = await _in_thread(method, *arguments)
    return await told if inspect.isawaitable(told) else told


async def _in_thread(method: Callable[..., object], *arguments: object) -> object:
    """Run a function in a thread that nobody waits for at the end, should it hang."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[object] = loop.create_future()

    def deliver(result: object, error: BaseException | None) -> None:
        if not future.done():
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    def work() -> None:
        result: object = None
        failure: BaseException | None = None
        try:
            result = method(*arguments)
        except StopIteration:  # no future can hold it
            failure = RuntimeError("StopIteration")
        except BaseException as error:
            failure = error
        with suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
            loop.call_soon_threadsafe(deliver, result, failure)

    threading.Thread(target=work, name="driver", daemon=True).start()
    return await future


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
