"""Commands a Central System over HTTP, as the templates of its system-under-test file say.

Nothing here knows any product: method, path, headers, body and what counts as done come from
the file. A command that was not answered is not repeated, because the Central System might have
acted on the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from harness.drivers.callbacks import Callbacks, Expected
from harness.drivers.conditions import holds
from harness.drivers.driver import (
    Credentials,
    DriverError,
    DriverOutcome,
    Operation,
    Outcome,
    ProvisioningError,
)
from harness.drivers.exchange import Answer, Exchange, ExchangeError, captured
from harness.drivers.http_spec import (
    CallbackSpec,
    CommandTemplate,
    HttpDriverSpec,
    RequestTemplate,
)
from harness.drivers.template import ABSENT, Absent, NoValue, UnknownName, Values, pick
from harness.masking import Masker
from harness.model import Json

_SOON: Final = timedelta(minutes=1)


class HttpDriver:
    """Sends the templates' requests."""

    is_patient = False

    def __init__(
        self, spec: HttpDriverSpec, *, timeout_s: float, masker: Masker | None = None
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            masker: knows the secrets of the run, and gets to know those of the login.
        """
        self._spec = spec
        self._masker = masker if masker is not None else Masker()
        self._shared: dict[str, Json] = {}  # captured by `setup`
        self._of_identity: dict[str, dict[str, Json]] = {}  # captured while registering it
        self._exchange = Exchange(
            spec,
            timeout_s=timeout_s if spec.timeout_s is None else spec.timeout_s,
            mask=self._masker.mask,
            on_secret=self._masker.add,
        )
        self._callbacks = Callbacks(spec.callback) if spec.callback else None

    def cannot(self, operation: Operation) -> str:
        """Return what the file alone tells to be out of reach."""
        return self._spec.cannot(operation)

    def remarks(self) -> Sequence[str]:
        """Return which callbacks were not believed."""
        return self._callbacks.remarks if self._callbacks is not None else ()

    async def prepare(
        self, identities: Sequence[Credentials], id_tags: Mapping[str, Sequence[str]]
    ) -> None:
        """Log in and provision: setup in order, then everything else side by side."""
        try:
            if self._callbacks is not None:
                await self._callbacks.start()
            await self._exchange.log_in()
        except (DriverError, ExchangeError) as error:
            raise ProvisioningError(str(error)) from error
        self._shared |= await self._provision(self._spec.setup, {}, "setup")
        slots = asyncio.Semaphore(self._spec.concurrency)

        async def register(credentials: Credentials) -> None:
            async with slots:
                await self._register(credentials, self._spec.identities)

        async def register_tag(role: str, index: int, tag: str) -> None:
            parents = id_tags.get("parent", ())
            values: dict[str, Json | Absent] = {"id_tag": tag, "role": role}
            # Of a tag without parent its place takes the member away.
            values["parent_id_tag"] = parents[index % len(parents)] if parents else ABSENT
            async with slots:
                await self._provision(self._spec.id_tags[role], values, f"{role} id tag {tag}")

        # Parents first: a Central System may want them to exist before a tag names them.
        wanted = {role: id_tags[role] for role in self._spec.id_tags if role in id_tags}
        parents = wanted.pop("parent", ())
        await _all(register_tag("parent", index, tag) for index, tag in enumerate(parents))
        tags = [(role, i, tag) for role, found in wanted.items() for i, tag in enumerate(found)]
        await _all([*(register(one) for one in identities), *(register_tag(*one) for one in tags)])

    async def restore(self, credentials: Credentials) -> bool:
        """Send the requests that put an identity back, or that registered it, once more."""
        requests = self._spec.identities if self._spec.restore is None else self._spec.restore
        if requests:
            await self._register(credentials, requests)
        return bool(requests)

    async def command(
        self, identity: str, operation: Operation, payload: Mapping[str, Json]
    ) -> DriverOutcome:
        """Send the command's requests and tell what their answers mean."""
        own: dict[str, Json] = {
            "identity": identity,
            "action": operation.value,
            "payload": dict(payload),
            "soon": _soon(),
        }
        values: dict[str, Json] = {**self._shared, **self._of_identity.get(identity, {}), **own}
        variants = self._spec.variants(operation)
        template = next((one for one in variants if holds(one.when, values)), None)
        if template is None:
            reason = self.cannot(operation) or (
                f"no variant of driver.actions.{operation} is for such a payload"
            )
            return DriverOutcome(Outcome.UNSUPPORTED, reason)
        if template.unsupported:
            return DriverOutcome(Outcome.UNSUPPORTED, template.unsupported)
        try:
            return await self._ask(template, values, f"{operation} of {identity}")
        except _NotAcceptedError as error:
            outcome = Outcome.REFUSED if error.answer.is_client_error else Outcome.FAILED
            return DriverOutcome(outcome, f"before it, {error}")
        except NoValue as error:
            summary = f"the interface cannot express it: table {error}"
            return DriverOutcome(Outcome.UNSUPPORTED, self._masker.mask(summary))
        except UnknownName as error:
            summary = f"${error.args[0]} was never captured; see `driver` in the file"
            return DriverOutcome(Outcome.FAILED, summary)
        except (ExchangeError, DriverError) as error:
            return DriverOutcome(Outcome.FAILED, str(error))

    async def close(self) -> None:
        """Close the HTTP connections, and listen no more."""
        if self._callbacks is not None:
            await self._callbacks.close()
        await self._exchange.close()

    # --- commands ---------------------------------------------------------------------------

    async def _ask(
        self, template: CommandTemplate, values: dict[str, Json], what: str
    ) -> DriverOutcome:
        for request in template.before:
            values = {**values, **await self._make(request, values)}
        if self._callbacks is None or self._spec.callback is None or not template.wants_callback:
            answer = await self._exchange.send(template, values)
            return self._outcome(template, answer)
        await self._callbacks.start()
        with self._callbacks.expect(what) as expected:
            asked = {**values, "callback_url": expected.url}
            answer = await self._exchange.send(template, asked)
            outcome = replace(self._outcome(template, answer), answer=None)
            if outcome.outcome in (Outcome.DONE, Outcome.PENDING):
                outcome = await self._await(expected, self._spec.callback, outcome)
        return outcome

    async def _await(
        self, expected: Expected, spec: CallbackSpec, outcome: DriverOutcome
    ) -> DriverOutcome:
        """Return the outcome with what the callback adds to it."""
        try:
            async with asyncio.timeout(spec.wait_s):
                body = await expected.body
        except TimeoutError:
            summary = f"{outcome.summary}; no callback came within {spec.wait_s:g} s"
            return replace(outcome, summary=summary)
        if spec.refused_if and holds(spec.refused_if, body):
            return DriverOutcome(Outcome.REFUSED, f"{outcome.summary}; its callback refused")
        return DriverOutcome(
            Outcome.DONE, f"{outcome.summary}; its callback came", pick(body, spec.answer)
        )

    def _outcome(self, template: CommandTemplate, answer: Answer) -> DriverOutcome:
        status, body, summary = answer.status, answer.body, self._exchange.said(answer)
        if template.refused_if and holds(template.refused_if, body):
            outcome = Outcome.REFUSED
        elif status in template.pending:
            outcome = Outcome.PENDING
        elif status in template.done or (
            answer.is_success and not template.done and status not in template.refused
        ):
            outcome = Outcome.DONE
            if template.pending_if and holds(template.pending_if, body):
                outcome = Outcome.PENDING
            elif not holds(template.done_if, body):
                outcome = Outcome.REFUSED
        elif status in template.refused or (answer.is_client_error and not template.refused):
            outcome = Outcome.REFUSED
        else:
            outcome = Outcome.FAILED
        said = pick(body, template.answer) if outcome is Outcome.DONE else None
        return DriverOutcome(outcome, summary, said)

    # --- provisioning -----------------------------------------------------------------------

    async def _register(
        self, credentials: Credentials, requests: Iterable[RequestTemplate]
    ) -> None:
        known = self._of_identity.get(credentials.identity, {})
        values = {**known, **_values_of(credentials)}
        found = await self._provision(requests, values, f"identity {credentials.identity}")
        self._of_identity[credentials.identity] = known | found

    async def _provision(
        self, templates: Iterable[RequestTemplate], values: Values, what: str
    ) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for template in templates:
            try:
                found |= await self._make(template, {**self._shared, **values, **found})
            except _NotAcceptedError as error:
                reason, remedy = str(error), "see `driver.provision` in the system-under-test file"
            except ExchangeError as error:
                reason, remedy = str(error), "is `driver.base_url` right and the interface up?"
            except NoValue as error:
                reason, remedy = f"table {error}", "complete the table"
            except UnknownName as error:
                reason, remedy = f"${error.args[0]} was never captured", "correct its `when`"
            else:
                continue
            message = f"{what} could not be registered: {reason}; {remedy}"
            raise ProvisioningError(self._masker.mask(message))
        return found

    async def _make(self, template: RequestTemplate, values: Values) -> dict[str, Json]:
        """Send a request that has to be accepted; return what it captured."""
        there = {name: one for name, one in values.items() if not isinstance(one, Absent)}
        if not holds(template.when, there):
            return {}
        answer = await self._exchange.send(template, values)
        is_accepted = answer.status in template.accept if template.accept else answer.is_success
        if not is_accepted:
            said = f"{template.method} {answer.url} answered {self._exchange.said(answer)}"
            raise _NotAcceptedError(self._masker.mask(said), answer)
        return captured(answer, template)


class _NotAcceptedError(Exception):
    """A request that had to be accepted was not."""

    def __init__(self, message: str, answer: Answer) -> None:
        super().__init__(message)
        self.answer = answer


def _soon() -> str:
    """Return a time for interfaces that take none of the past, as OCPP writes it."""
    return (datetime.now(UTC) + _SOON).strftime("%Y-%m-%dT%H:%M:%S.000Z")


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
