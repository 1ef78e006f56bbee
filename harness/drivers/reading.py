"""The `driver` section of a system-under-test file, read and checked. Nothing is made or sent."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias, cast

from harness.drivers import template
from harness.drivers.command import CommandDriverSpec
from harness.drivers.driver import COMMANDS, ROLES, Operation
from harness.drivers.http_spec import (
    CallbackSpec,
    CommandTemplate,
    HttpDriverSpec,
    LoginTemplate,
    RequestTemplate,
)
from harness.drivers.kinds import DriverSpec
from harness.drivers.python import PythonDriverSpec
from harness.model import Json
from harness.operator.spec import DEADLINE_S, OperatorSpec
from harness.sut_file import Place, SutFile
from harness.yaml_source import did_you_mean

Section: TypeAlias = Mapping[str, Json]
# Fills the places of the file's own (`${env:…}`) in a text; the second makes a template of it.
Fill: TypeAlias = Callable[[str, Place], str]

# Names that templates may use, by what they are for.
_COMMAND_NAMES: Final = frozenset({"identity", "action", "payload", "soon"})
_IDENTITY_NAMES: Final = frozenset(
    {"identity", "password", "password_hex", "security_profile", "serial_number", "cpo_name"}
)
_TAG_NAMES: Final = frozenset({"id_tag", "role", "parent_id_tag"})
_CALLBACK: Final = "callback_url"


class DriverReader:
    """Reads this section of one file."""

    def __init__(
        self,
        file: SutFile,
        *,
        fill: Fill,
        fill_template: Fill,
        path_of: Callable[[str], Path],
        roles: Collection[str],
    ) -> None:
        """Take the file and what resolves its texts.

        Args:
            fill: fills the file's own places with values.
            fill_template: the same in a template: no value is taken for a template.
            path_of: resolves a relative path.
            roles: of the file's id tags.
        """
        self._file = file
        self._fill = fill
        self._fill_template = fill_template
        self._path_of = path_of
        self._roles = roles
        self._tables: template.Tables = {}

    def read(self) -> DriverSpec | None:
        """Return what the section says; None where nobody acts.

        Raises:
            SutError: it contradicts itself.
        """
        section = cast("Section", self._file.content.get("driver", {}))
        match section.get("kind", "none"):
            case "http":
                return self._http(section)
            case "python":
                return self._python(section)
            case "command":
                return self._command_kind(section)
            case "operator":
                deadline_s = float(cast(float, section.get("deadline_s", DEADLINE_S)))
                return OperatorSpec(deadline_s=deadline_s)
        return None

    # --- python and command -----------------------------------------------------------------

    def _python(self, section: Section) -> PythonDriverSpec:
        given = [key for key in ("class", "path", "entry_point") if key in section]
        if len(given) != 1:
            message = "needs one of `class`, `path` and `entry_point`"
            raise self._file.error(("driver",), message)
        key = given[0]
        at: Place = ("driver", key)
        text = self._fill(cast(str, section[key]), at)
        options = cast("Section", self._filled(section.get("options", {}), ("driver", "options")))
        timeout_s = _seconds(section)
        if key == "entry_point":
            return PythonDriverSpec(
                name=text, is_entry_point=True, options=options, timeout_s=timeout_s
            )
        where, colon, name = text.rpartition(":")
        if not (where and colon and name):
            example = "package.module:Class" if key == "class" else "driver.py:Class"
            raise self._file.error(at, f"{text!r} names no class; write it as {example}")
        if key == "class":
            return PythonDriverSpec(name=text, options=options, timeout_s=timeout_s)
        path = self._path_of(where)
        return PythonDriverSpec(name=name, path=path, options=options, timeout_s=timeout_s)

    def _command_kind(self, section: Section) -> CommandDriverSpec:
        at: Place = ("driver", "command")
        program, *arguments = cast("list[str]", self._filled(section["command"], at))
        if os.sep in program:
            program = str(self._path_of(program))
        directory = self._fill(cast(str, section.get("directory", ".")), ("driver", "directory"))
        environment = self._filled(section.get("env", {}), ("driver", "env"))
        unsupported = cast("dict[str, str]", section.get("unsupported", {}))
        self._check_known(unsupported, ("driver", "unsupported"), [one.value for one in Operation])
        return CommandDriverSpec(
            command=(program, *arguments),
            directory=self._path_of(directory),
            environment=cast("dict[str, str]", environment),
            unsupported=unsupported,
            concurrency=cast(int, section.get("concurrency", 8)),
            timeout_s=_seconds(section),
        )

    # --- http -------------------------------------------------------------------------------

    def _http(self, section: Section) -> HttpDriverSpec:
        self._tables = cast(
            "template.Tables", self._filled(section.get("tables", {}), ("driver", "tables"))
        )
        for name in self._tables:
            if name in template.FORMS:
                message = "is the name of a form that is built in; choose another"
                raise self._file.error(("driver", "tables", name), message)
        base_url = self._fill(cast(str, section["base_url"]), ("driver", "base_url"))
        if not base_url.startswith(("http://", "https://")):
            message = f"{base_url!r} must begin with http:// or https://"
            raise self._file.error(("driver", "base_url"), message)
        login, of_login = self._login(section)
        headers = self._headers(section, ("driver", "headers"), of_login)
        provision = cast("Section", section.get("provision", {}))
        unsupported: dict[str, str] = {}
        at: Place = ("driver", "provision")
        setup, known = self._requests(provision.get("setup", []), (*at, "setup"), of_login)
        identities, of_identity = self._requests(
            self._or_reason(provision.get("identities", []), Operation.STATION, unsupported),
            (*at, "identities"),
            known | _IDENTITY_NAMES,
        )
        restore = None
        if "restore" in provision:
            restore, _ = self._requests(
                provision["restore"], (*at, "restore"), of_identity | _IDENTITY_NAMES
            )
        id_tags = self._id_tags(cast("Section", provision.get("id_tags", {})), known, unsupported)
        callback = self._callback(section)
        names = (of_identity - _IDENTITY_NAMES) | _COMMAND_NAMES
        if callback is not None:
            names |= {_CALLBACK}
        command, actions = self._commands(section, names)
        spec = HttpDriverSpec(
            base_url=base_url,
            command=command,
            actions=actions,
            headers=headers,
            basic_auth=self._basic_auth(section),
            trust_anchors=tuple(map(self._path_of, self._anchors(section))),
            tables=self._tables,
            login=login,
            callback=callback,
            setup=setup,
            identities=identities,
            restore=restore,
            id_tags=id_tags,
            unsupported=unsupported,
            concurrency=cast(int, provision.get("concurrency", 8)),
            timeout_s=_seconds(section),
        )
        self._check_callback(spec)
        return spec

    def _commands(
        self, section: Section, names: frozenset[str]
    ) -> tuple[CommandTemplate | None, dict[str, tuple[CommandTemplate, ...]]]:
        if "command" not in section and "actions" not in section:
            message = "nothing says how an action is asked for"
            raise self._file.error(("driver",), message, "add `command`, `actions`, or both")
        shared = cast("Section", section.get("command", {}))
        command = None
        if "command" in section:
            command = self._command(shared, ("driver", "command"), names, {})
        actions = cast("Section", section.get("actions", {}))
        self._check_known(actions, ("driver", "actions"), [one.value for one in COMMANDS])
        found = {}
        for action, given in actions.items():
            at: Place = ("driver", "actions", action)
            variants = (
                [((*at, index), one) for index, one in enumerate(given)]
                if isinstance(given, list)
                else [(at, given)]
            )
            found[action] = tuple(
                self._command(cast("Section", one), where, names, shared) for where, one in variants
            )
        return command, found

    def _command(
        self, own: Section, at: Place, names: frozenset[str], shared: Section
    ) -> CommandTemplate:
        """Read one form of a command; what it does not say itself is as in `shared`."""
        if "unsupported" in own:
            return CommandTemplate(
                unsupported=self._fill(cast(str, own["unsupported"]), (*at, "unsupported")),
                when=self._condition(own, "when", at),
            )

        def place(key: str) -> tuple[Section, Place]:
            return (own, at) if key in own else (shared, ("driver", "command"))

        def given(key: str, default: Json) -> Json:
            return place(key)[0].get(key, default)

        def condition(key: str) -> dict[str, Json]:
            section, where = place(key)
            return self._condition(section, key, where)

        section, where = place("before")
        before, captured = self._requests(
            section.get("before", []), (*where, "before"), names - {_CALLBACK}
        )
        names = names | captured
        section, where = place("body")
        body = self._template(section.get("body", "$payload"), (*where, "body"), names)
        section, where = place("path")
        path = ""
        if "path" in section:
            path = self._url_path(section["path"], (*where, "path"), names)
        section, where = place("headers")
        headers = self._headers(section, (*where, "headers"), names)
        if own is not shared and not path and at != ("driver", "command"):
            message = "has no `path`, and `driver.command` has none either"
            raise self._file.error(at, message, "add it, or `unsupported: reason`")
        return CommandTemplate(
            path=path,
            method=cast(str, given("method", "POST")),
            headers=headers,
            body=body,
            when=self._condition(own, "when", at),
            before=before,
            done=_statuses(given("done", [])),
            refused=_statuses(given("refused", [])),
            pending=_statuses(given("pending", [])),
            done_if=condition("done_if"),
            refused_if=condition("refused_if"),
            pending_if=condition("pending_if"),
            answer=cast(str, given("answer", "")),
        )

    def _requests(
        self, requests: Json, at: Place, names: frozenset[str]
    ) -> tuple[tuple[RequestTemplate, ...], frozenset[str]]:
        """Read requests in order; return them and all names known after them."""
        found = []
        for index, one in enumerate(cast("list[Section]", requests)):
            where: Place = (*at, index)
            found.append(self._request(one, where, names))
            names |= frozenset(cast("Section", one.get("capture", {})))
        return tuple(found), names

    def _request(self, one: Section, at: Place, names: frozenset[str]) -> RequestTemplate:
        return RequestTemplate(
            path=self._url_path(one["path"], (*at, "path"), names),
            method=cast(str, one.get("method", "POST")),
            headers=self._headers(one, (*at, "headers"), names),
            body=self._template(one.get("body"), (*at, "body"), names),
            when=self._condition(one, "when", at),
            accept=_statuses(one.get("accept", [])),
            capture=cast("dict[str, str]", one.get("capture", {})),
        )

    def _login(self, section: Section) -> tuple[LoginTemplate | None, frozenset[str]]:
        if "login" not in section:
            return None, frozenset()
        given = cast("Section", section["login"])
        request = self._request(given, ("driver", "login"), frozenset())
        lifetime_s = given.get("lifetime_s")
        return (
            LoginTemplate(
                request=request,
                lifetime_s=None if lifetime_s is None else float(cast(float, lifetime_s)),
                renew_on=_statuses(given.get("renew_on", [401])),
            ),
            frozenset(request.capture),
        )

    def _id_tags(
        self, section: Section, names: frozenset[str], unsupported: dict[str, str]
    ) -> dict[str, tuple[RequestTemplate, ...]]:
        found = {}
        for role, given in section.items():
            at: Place = ("driver", "provision", "id_tags", role)
            if isinstance(given, dict):
                if role not in ROLES:
                    hint = did_you_mean(role, ROLES)
                    raise self._file.error(at, "is no role that cases ask for", hint)
                self._or_reason(given, ROLES[role], unsupported)
                continue
            if role not in self._roles:
                message = "no id tag has this role; name it under the top-level `id_tags`"
                raise self._file.error(at, message)
            found[role], _ = self._requests(given, at, names | _TAG_NAMES)
        return found

    def _or_reason(self, given: Json, operation: Operation, unsupported: dict[str, str]) -> Json:
        """Return requests; where there is a reason in their place, note it and return none."""
        if not isinstance(given, dict):
            return given
        at = ("driver", "provision", *operation.value.split("."))
        unsupported[operation] = self._fill(cast(str, given["unsupported"]), at)
        return []

    def _callback(self, section: Section) -> CallbackSpec | None:
        if "callback" not in section:
            return None
        at: Place = ("driver", "callback")
        given = cast("Section", section["callback"])
        # A variable of the environment may hold the whole of it, $port included.
        url = self._fill(cast(str, given.get("url", "")), (*at, "url"))
        self._check_template(url, (*at, "url"), frozenset({"port"}))
        port_text = self._fill(str(given.get("port", 0)), (*at, "port"))
        if not port_text.isdecimal() or int(port_text) > 65535:
            raise self._file.error((*at, "port"), f"{port_text!r} must be a port")
        return CallbackSpec(
            listen=self._fill(cast(str, given.get("listen", "127.0.0.1")), (*at, "listen")),
            port=int(port_text),
            url=url,
            wait_s=float(cast(float, given.get("wait_s", 10.0))),
            answer=cast(str, given.get("answer", "")),
            refused_if=self._condition(given, "refused_if", at),
        )

    def _check_callback(self, spec: HttpDriverSpec) -> None:
        """Refuse a place for answers that nobody is told of."""
        if spec.callback is None:
            return
        commands = [*([spec.command] if spec.command else [])]
        commands += [one for variants in spec.actions.values() for one in variants]
        if not any(one.wants_callback for one in commands):
            message = "no request names $callback_url; put it where the interface expects it"
            raise self._file.error(("driver", "callback"), message)

    def _basic_auth(self, section: Section) -> tuple[str, str] | None:
        if "basic_auth" not in section:
            return None
        at: Place = ("driver", "basic_auth")
        given = cast("dict[str, str]", section["basic_auth"])
        user = self._fill(given["user"], (*at, "user"))
        if ":" in user:
            raise self._file.error((*at, "user"), "Basic auth cannot carry a colon in a user name")
        return user, self._fill(given["password"], (*at, "password"))

    def _anchors(self, section: Section) -> list[str]:
        given = section.get("trust_anchors", [])
        return cast("list[str]", self._filled(given, ("driver", "trust_anchors")))

    # --- values -----------------------------------------------------------------------------

    def _url_path(self, text: Json, at: Place, names: frozenset[str]) -> str:
        path = cast(str, self._template(text, at, names))
        if not path.startswith("/"):  # an address would take the credentials to another server
            message = f"{path!r} must begin with /, and goes on from `base_url`"
            raise self._file.error(at, message)
        return path

    def _headers(self, section: Section, at: Place, names: frozenset[str]) -> dict[str, str]:
        filled = self._template(section.get("headers", {}), at, names)
        return cast("dict[str, str]", filled)

    def _condition(self, section: Section, key: str, at: Place) -> dict[str, Json]:
        return cast("dict[str, Json]", self._filled(section.get(key, {}), (*at, key)))

    def _template(self, value: Json, at: Place, names: Collection[str]) -> Json:
        """Return a template with the file's own places filled, and every other one checked."""
        filled = self._filled(value, at, self._fill_template)
        self._check_template(filled, at, names)
        return filled

    def _check_template(self, value: Json, at: Place, names: Collection[str]) -> None:
        for text, where in _texts(value, at):
            try:
                found = list(template.places(text))
            except template.TemplateError as error:
                raise self._file.error(where, str(error)) from error
            for place in found:
                self._check_place(place, where, names)

    def _check_place(self, place: template.Place, at: Place, names: Collection[str]) -> None:
        if place.name not in names:
            if place.name == _CALLBACK:
                message = "$callback_url needs a place to listen; add `driver.callback`"
                raise self._file.error(at, message)
            known = ", ".join(f"${one}" for one in sorted(names)) or "none"
            message = f"${place.name} is not known here; known are: {known}"
            raise self._file.error(at, message)
        for form in place.forms:
            if form not in template.FORMS and form not in self._tables:
                hint = did_you_mean(form, [*template.FORMS, *self._tables])
                message = f"|{form} is neither built in nor a table under `driver.tables`"
                raise self._file.error(at, message, hint)

    def _filled(self, value: Json, at: Place, fill: Fill | None = None) -> Json:
        fill = fill or self._fill
        if isinstance(value, dict):
            return {key: self._filled(item, (*at, key), fill) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item, (*at, index), fill) for index, item in enumerate(value)]
        return fill(value, at) if isinstance(value, str) else value

    def _check_known(self, given: Iterable[str], at: Place, known: Collection[str]) -> None:
        for name in given:
            if name not in known:
                message = "is no operation of a Central System"
                raise self._file.error((*at, name), message, did_you_mean(name, known))


def _texts(value: Json, at: Place) -> Iterator[tuple[str, Place]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*at, index))
    elif isinstance(value, str):
        yield value, at


def _statuses(value: Json) -> tuple[int, ...]:
    return tuple(cast("list[int]", value))


def _seconds(section: Section) -> float | None:
    given = section.get("timeout_s")
    return None if given is None else float(cast(float, given))
