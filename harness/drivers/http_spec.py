"""What a system-under-test file says about a Central System that is commanded over HTTP. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.drivers.conditions import Condition
from harness.drivers.driver import Operation
from harness.drivers.template import (
    NoValue,
    Tables,
    TemplateError,
    fill_text,
    places,
    value_of,
)
from harness.masking import TELLS_SECRET
from harness.model import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTemplate:
    """One request that registers something or makes what a command needs.

    Attributes:
        when: it is sent only when this holds of the values that templates may use.
        accept: the statuses that will do; empty: any 2xx.
        capture: names for values of the answer, by JSON pointer.
    """

    path: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Json = None
    when: Condition = field(default_factory=dict)
    accept: tuple[int, ...] = ()
    capture: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandTemplate:
    """How one action is asked for, and which answers mean what.

    Without `done`, `refused`, `pending`: 2xx is done, 202 included; 4xx refused; the rest failed.

    Attributes:
        path: empty only where `unsupported` says why.
        when: the variant is for payloads of which this holds.
        before: what must exist first.
        refused_if, pending_if: hold of bodies that mean so, whatever the status; the latter only
            of what would be done.
        done_if: holds of the body of all that is done.
        answer: JSON pointer to the charge point's own answer.
        unsupported: why the interface has no such operation.
    """

    path: str = ""
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Json = "$payload"
    when: Condition = field(default_factory=dict)
    before: tuple[RequestTemplate, ...] = ()
    done: tuple[int, ...] = ()
    refused: tuple[int, ...] = ()
    pending: tuple[int, ...] = ()
    done_if: Condition = field(default_factory=dict)
    refused_if: Condition = field(default_factory=dict)
    pending_if: Condition = field(default_factory=dict)
    answer: str = ""
    unsupported: str = ""

    @property
    def wants_callback(self) -> bool:
        """Whether the Central System is told where to bring the answer."""
        texts: list[Json] = [self.path, self.body, dict(self.headers)]
        return any(place.name == "callback_url" for text in texts for place in places(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginTemplate:
    """How to log in.

    Attributes:
        lifetime_s: after this it is done anew; None: only when a request is refused for it.
        renew_on: statuses that mean the login is not valid any more.
    """

    request: RequestTemplate
    lifetime_s: float | None = None
    renew_on: tuple[int, ...] = (401,)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackSpec:
    """Where the charge point's answers are brought.

    Attributes:
        listen: address of this machine.
        port: 0 takes a free one.
        url: how the Central System reaches it, without path; ``$port`` stands for the port.
        wait_s: how long one may take after the command was accepted.
        answer: JSON pointer to the charge point's answer in what is brought.
        refused_if: holds of what means that the command came to nothing.
    """

    listen: str = "127.0.0.1"
    port: int = 0
    url: str = ""
    wait_s: float = 10.0
    answer: str = ""
    refused_if: Condition = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpDriverSpec:
    """The `driver` section of a system-under-test file, of kind ``http``.

    Attributes:
        command: for every action that `actions` does not name; None: there are no others.
        actions: by action, variants in order: the first whose `when` holds is used.
        basic_auth: user and password.
        trust_anchors: PEM files of whom to trust besides the authorities that everybody trusts.
        restore: requests that put an identity back; None: those of `identities`.
        unsupported: why stations, or tags of a role, cannot be registered.
        timeout_s: for one request; None: as the run says.
    """

    base_url: str
    command: CommandTemplate | None = None
    actions: Mapping[str, tuple[CommandTemplate, ...]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    basic_auth: tuple[str, str] | None = None
    trust_anchors: tuple[Path, ...] = ()
    tables: Tables = field(default_factory=dict)
    login: LoginTemplate | None = None
    callback: CallbackSpec | None = None
    setup: tuple[RequestTemplate, ...] = ()
    identities: tuple[RequestTemplate, ...] = ()
    restore: tuple[RequestTemplate, ...] | None = None
    id_tags: Mapping[str, tuple[RequestTemplate, ...]] = field(default_factory=dict)
    unsupported: Mapping[str, str] = field(default_factory=dict)
    concurrency: int = 8
    timeout_s: float | None = None

    @property
    def description(self) -> str:
        """What a report calls it."""
        return f"http {self.base_url}"

    def variants(self, operation: Operation) -> tuple[CommandTemplate, ...]:
        """Return how an action may be asked for, in the order in which they are tried."""
        found = self.actions.get(operation, (self.command,) if self.command else ())
        return tuple(one for one in found if one.path or one.unsupported)

    def cannot(self, operation: Operation) -> str:
        """Return why an operation is out of reach, as far as the file alone tells; else ""."""
        if operation in self.unsupported:
            return self.unsupported[operation]
        if operation is Operation.STATION:
            return "" if self.identities else "nothing registers it (driver.provision.identities)"
        if operation.role:
            known = operation.role in self.id_tags
            return "" if known else f"nothing registers it (driver.provision.{operation})"
        variants = self.variants(operation)
        if not variants:
            return f"the file has no request for it (driver.actions.{operation})"
        reasons = [one.unsupported or self._unnamed(one, operation) for one in variants]
        return reasons[0] if all(reasons) else ""

    def _unnamed(self, template: CommandTemplate, operation: Operation) -> str:
        """Return which table has nothing for the action itself."""
        try:
            for place in places([template.path, template.body, dict(template.headers)]):
                if place.name == "action":
                    value_of(place, {"action": operation.value}, self.tables)
        except NoValue as error:
            return f"table {error}"
        return ""

    def secrets(self) -> Iterator[str]:
        """Yield what looks like a secret by its name or place; it must not be written anywhere."""
        if self.basic_auth:
            yield self.basic_auth[1]
        yield from _telling(dict(self.headers))
        for request in self._requests():
            yield from _telling(dict(request.headers))
        if self.login:
            yield from _telling(self.login.request.body)

    def _requests(self) -> Iterator[CommandTemplate | RequestTemplate]:
        commands = [*([self.command] if self.command else [])]
        commands += [one for variants in self.actions.values() for one in variants]
        for command in commands:
            yield command
            yield from command.before
        if self.login:
            yield self.login.request
        yield from (*self.setup, *self.identities, *(self.restore or ()))
        for requests in self.id_tags.values():
            yield from requests


_SCHEME = re.compile(r"(?i)(?:basic|bearer|digest|token|apikey)\s+")


def _telling(value: Json, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _telling(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _telling(item, name)
    elif isinstance(value, str) and TELLS_SECRET.search(name):
        try:
            is_plain = not any(places(value))
        except TemplateError:
            return
        if is_plain:
            yield _SCHEME.sub("", fill_text(value, {}), count=1)
