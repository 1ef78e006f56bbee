"""Commands a Central System over HTTP, as the templates of its system-under-test file say.

Nothing here knows any product: method, path, headers, body and what counts as done come from
the file. Requests are sent once; a command that was not answered is not repeated, because the
Central System might have acted on the first.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final, cast

import httpx

from harness.drivers.driver import (
    Credentials,
    DriverOutcome,
    Operation,
    Outcome,
    ProvisioningError,
)
from harness.drivers.template import ABSENT, Absent, fill, fill_path, fill_text, pick
from harness.model import Json

_SUMMARY_LENGTH: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandTemplate:
    """How one action is asked for, and which answers mean what.

    Without `done`, `refused`, `pending`: 2xx is done, 202 included; 4xx refused; the rest failed.
    """

    path: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Json = "$payload"
    done: tuple[int, ...] = ()
    refused: tuple[int, ...] = ()
    pending: tuple[int, ...] = ()
    done_if: Mapping[str, Json] = field(default_factory=dict)
    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTemplate:
    """One request that registers something; without `accept` any 2xx will do."""

    path: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Json = None
    accept: tuple[int, ...] = ()
    capture: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpDriverSpec:
    """The `driver` section of a system-under-test file, of kind ``http``."""

    base_url: str
    command: CommandTemplate
    actions: Mapping[str, CommandTemplate] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    setup: tuple[RequestTemplate, ...] = ()
    identities: tuple[RequestTemplate, ...] = ()
    id_tags: Mapping[str, tuple[RequestTemplate, ...]] = field(default_factory=dict)
    concurrency: int = 8


def read_spec(section: Mapping[str, Json]) -> HttpDriverSpec:
    """Return the spec of a `driver` section that the file's schema has accepted."""
    command = cast("dict[str, Json]", section["command"])
    actions = cast("dict[str, dict[str, Json]]", section.get("actions", {}))
    provision = cast("dict[str, Json]", section.get("provision", {}))
    id_tags = cast("dict[str, list[Json]]", provision.get("id_tags", {}))
    return HttpDriverSpec(
        base_url=cast(str, section["base_url"]),
        headers=cast("dict[str, str]", section.get("headers", {})),
        command=_command(command),
        actions={name: _command(command | changed) for name, changed in actions.items()},
        setup=_requests(provision.get("setup", [])),
        identities=_requests(provision.get("identities", [])),
        id_tags={role: _requests(requests) for role, requests in id_tags.items()},
        concurrency=cast(int, provision.get("concurrency", 8)),
    )


@cache
def tls_context() -> ssl.SSLContext:
    """Return the one context of all HTTP clients: reading the certificates takes 50 ms."""
    return httpx.create_ssl_context(trust_env=False)


class HttpDriver:
    """Sends the templates' requests."""

    def __init__(self, spec: HttpDriverSpec, *, timeout_s: float) -> None:
        self._spec = spec
        self._timeout_s = timeout_s
        self._shared: dict[str, Json] = {}  # captured by `setup`
        self._of_identity: dict[str, dict[str, Json]] = {}  # captured while registering it
        # trust_env off: a proxy of the machine must not stand between us and the CSMS.
        self._http = httpx.AsyncClient(
            base_url=spec.base_url.rstrip("/"),
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 10.0)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
            trust_env=False,
            verify=tls_context(),
        )

    is_patient = False

    def cannot(self, operation: Operation) -> str:
        """Return what nothing in the file asks for."""
        if operation is Operation.STATION and not self._spec.identities:
            return "nothing registers stations (driver.provision.identities)"
        if operation.role and operation.role not in self._spec.id_tags:
            return f"nothing registers these tags (driver.provision.id_tags.{operation.role})"
        return ""

    def remarks(self) -> Sequence[str]:
        """Notice nothing."""
        return ()

    async def prepare(
        self, identities: Sequence[Credentials], id_tags: Mapping[str, Sequence[str]]
    ) -> None:
        """Send the provisioning requests: setup in order, then everything else side by side."""
        self._shared |= await self._provision(self._spec.setup, {}, "setup")
        slots = asyncio.Semaphore(self._spec.concurrency)

        async def register(credentials: Credentials) -> None:
            async with slots:
                await self._register(credentials)

        async def register_tag(role: str, index: int, tag: str) -> None:
            parents = id_tags.get("parent", ())
            values: dict[str, Json | Absent] = {"id_tag": tag, "role": role}
            values["parent_id_tag"] = parents[index % len(parents)] if parents else ""
            async with slots:
                await self._provision(self._spec.id_tags[role], values, f"{role} id tag {tag}")

        # Parents first: a Central System may want them to exist before a tag names them.
        wanted = {role: id_tags[role] for role in self._spec.id_tags if role in id_tags}
        parents = wanted.pop("parent", ())
        await _all(register_tag("parent", index, tag) for index, tag in enumerate(parents))
        tags = [(role, i, tag) for role, found in wanted.items() for i, tag in enumerate(found)]
        await _all([*(register(one) for one in identities), *(register_tag(*one) for one in tags)])

    async def restore(self, credentials: Credentials) -> bool:
        """Send the requests that registered an identity once more."""
        if self._spec.identities:
            await self._register(credentials)
        return bool(self._spec.identities)

    async def command(
        self, identity: str, operation: Operation, payload: Mapping[str, Json]
    ) -> DriverOutcome:
        """Send the command's request and tell what its answer means."""
        template = self._spec.actions.get(operation, self._spec.command)
        values = self._shared | self._of_identity.get(identity, {})
        values |= {"identity": identity, "action": operation.value, "payload": dict(payload)}
        try:
            response = await self._send(template, values)
        except httpx.HTTPError as error:
            url = f"{self._spec.base_url}{template.path}"
            return DriverOutcome(Outcome.FAILED, f"{template.method} {url}: {_cause(error)}")
        return _outcome(template, response)

    async def close(self) -> None:
        """Close the HTTP connections."""
        await self._http.aclose()

    async def _register(self, credentials: Credentials) -> None:
        self._of_identity[credentials.identity] = await self._provision(
            self._spec.identities, _values_of(credentials), f"identity {credentials.identity}"
        )

    async def _provision(
        self, templates: Iterable[RequestTemplate], values: Mapping[str, Json | Absent], what: str
    ) -> dict[str, Json]:
        captured: dict[str, Json] = {}
        for template in templates:
            try:
                response = await self._send(template, {**self._shared, **values, **captured})
            except httpx.HTTPError as error:
                raise ProvisioningError(
                    f"{what} could not be registered: {template.method} "
                    f"{self._spec.base_url}{template.path}: {_cause(error)}; "
                    "is `driver.base_url` right and the interface up?"
                ) from error
            accepted = (
                response.status_code in template.accept if template.accept else response.is_success
            )
            if not accepted:
                raise ProvisioningError(
                    f"{what} could not be registered: {template.method} {response.url} answered "
                    f"{_said(response)}; see `driver.provision` in the system-under-test file"
                )
            for name, pointer in template.capture.items():
                captured[name] = pick(_json(response), pointer)
        return captured

    async def _send(
        self, template: CommandTemplate | RequestTemplate, values: Mapping[str, Json | Absent]
    ) -> httpx.Response:
        named = {**self._spec.headers, **template.headers}
        headers = {name: fill_text(text, values) for name, text in named.items()}
        body = fill(template.body, values) if template.body is not None else None
        content = None
        if body is not None and template.method != "GET":
            content = json.dumps(body, ensure_ascii=False).encode()
            headers.setdefault("Content-Type", "application/json")
        # One deadline for the whole exchange: httpx only bounds the gaps between bytes.
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._http.request(
                    template.method,
                    fill_path(template.path, values),
                    headers=headers,
                    content=content,
                )
        except TimeoutError as error:
            raise httpx.ReadTimeout(f"no answer within {self._timeout_s:g} s") from error


def _outcome(template: CommandTemplate, response: httpx.Response) -> DriverOutcome:
    status = response.status_code
    body = _json(response)
    unmet = [at for at, wanted in template.done_if.items() if pick(body, at) != wanted]
    if status in template.pending:
        outcome = Outcome.PENDING
    elif status in template.done or (
        response.is_success and not template.done and status not in template.refused
    ):
        outcome = Outcome.REFUSED if unmet else Outcome.DONE
    elif status in template.refused or (response.is_client_error and not template.refused):
        outcome = Outcome.REFUSED
    else:
        outcome = Outcome.FAILED
    answer = pick(body, template.answer) if outcome is Outcome.DONE else None
    return DriverOutcome(outcome, _said(response), answer)


def _said(response: httpx.Response) -> str:
    """Return status and body of a response in one line."""
    text = " ".join(response.text.split())
    if len(text) > _SUMMARY_LENGTH:
        text = text[:_SUMMARY_LENGTH] + "…"
    return f"HTTP {response.status_code} {text}".rstrip()


def _json(response: httpx.Response) -> Json:
    try:
        return cast(Json, json.loads(response.content))
    except ValueError:
        return None


def _cause(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__


def _values_of(credentials: Credentials) -> dict[str, Json | Absent]:
    values: dict[str, Json | Absent] = {
        "identity": credentials.identity,
        "security_profile": credentials.security_profile,
        "serial_number": credentials.serial_number,
        "cpo_name": credentials.organization,
        # Of an identity without a password these take their members away.
        "password": ABSENT,
        "password_hex": ABSENT,
    }
    if credentials.password is not None:
        values["password_hex"] = credentials.password.hex()
        values["password"] = credentials.password.decode("utf-8", errors="replace")
    return values


async def _all(jobs: Iterable[object]) -> None:
    """Run jobs side by side; the first failure ends the others and is raised alone."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)  # type: ignore[arg-type]  # coroutines, all of them
    except ExceptionGroup as errors:  # not except*: Python 3.11.2 raises a group from that, too
        refused = errors.subgroup(ProvisioningError)
        if refused is None:
            raise
        raise _first(refused) from None


def _first(errors: BaseExceptionGroup[ProvisioningError]) -> ProvisioningError:
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return cast(ProvisioningError, found)


def _command(section: Mapping[str, Json]) -> CommandTemplate:
    template = CommandTemplate(path=cast(str, section["path"]))
    return replace(template, **_converted(section))  # type: ignore[arg-type]


def _requests(sections: Json) -> tuple[RequestTemplate, ...]:
    found = cast("list[dict[str, Json]]", sections)
    return tuple(
        replace(RequestTemplate(path=cast(str, one["path"])), **_converted(one))  # type: ignore[arg-type]
        for one in found
    )


def _converted(section: Mapping[str, Json]) -> dict[str, object]:
    """Return a section's members with lists of statuses as tuples."""
    statuses = {"done", "refused", "pending", "accept"}
    return {
        name: tuple(cast("list[int]", value)) if name in statuses else value
        for name, value in section.items()
    }
