"""The system under test: what its file says, with every place filled in.

Loading finds the free ports, makes the random values and resolves relative paths; it starts
nothing and sends nothing.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, cast

from harness.access import Access
from harness.declaration import Declaration
from harness.declaration_file import read_declaration
from harness.drivers import template
from harness.drivers.driver import Credentials
from harness.drivers.kinds import DriverSpec
from harness.drivers.reading import DriverReader
from harness.masking import TELLS_SECRET
from harness.model import NEWEST_EDITION, Json
from harness.pacing import Limits
from harness.pki import FILES, Pki
from harness.sut_access import AccessReader, hosts_of, numbered
from harness.sut_file import Place, SutError, SutFile, suts_directory

__all__ = ["Budget", "Credentials", "StartSpec", "StationSpec", "SutError", "SystemUnderTest"]

# What the declaration of the reference certificate says, and what we aim at.
_DEFAULT_BUDGETS: Final = {"ocpp_response_timeout": (30.0, 1.0), "authorize": (30.0, 0.5)}

_DEFAULT_VARIABLES: Final[dict[str, Json]] = {
    "connection_timeout_s": 1,
    "csms_timeout_s": 30,  # how long the CSMS waits for the answer of a charge point
    "ping_interval_s": 60,  # how often the CSMS pings
    "unknown_vendor_id": "org.example.preflight.unknown",
    "unknown_connector_id": 99,
    "certificate_signature": "SHA256withRSA",  # of the certificates that the CSMS has signed
}

_PLACE: Final = re.compile(r"\$\{(?:(port|env|secret|random_hex|pki):([^}]*)|(run_dir|sut_dir))\}")
_MAX_ID_TAG: Final = 20  # OCPP 1.6 ed. 2 §7.15, CiString20


@dataclass(frozen=True, slots=True)
class Budget:
    """How long an answer may take: above `limit_s` it fails, above `target_s` it warns."""

    limit_s: float
    target_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StationSpec:
    """What the simulated charge points are.

    Attributes:
        serial_number: ``{identity}`` in it stands for the charge point's.
        cpo_name: the organisation in their certificates.
    """

    connectors: int = 2
    vendor: str = "Preflight"
    model: str = "Virtual AC 22"
    serial_number: str = "PF-0001"
    firmware_version: str = "1.0.0"
    cpo_name: str = "Preflight"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSpec:
    """How the program is started, seen to be ready, and stopped.

    Attributes:
        ready_http: started when this URL answers 2xx; else `ready_tcp`, ``host:port``, accepts.
        directory: working directory, the run's own folder unless the file says otherwise.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    log: Path
    ready_http: str = ""
    ready_tcp: str = ""
    ready_timeout_s: float = 30.0
    stop: str = "SIGTERM"
    stop_timeout_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemUnderTest:
    """One Central System: how to start, reach, provision and command it.

    Attributes:
        id_tags: by role. Tags at the same place of ``valid``, ``valid_2`` and ``parent`` belong
            together: both cards have that parent.
        ocpp_url: where the first identity of the file connects.
        pki_files: what the program reads of the run's PKI when it starts.
        driver: None when nobody can make the Central System act.
        declaration: what the vendor says about the product; selects the cases.
        sensitive: what must not be written anywhere, besides the passwords.
    """

    name: str
    path: Path
    ocpp_url: str
    access: Access
    identities: tuple[Credentials, ...]
    id_tags: Mapping[str, tuple[str, ...]]
    start: StartSpec | None = None
    ports: Mapping[str, int] = field(default_factory=dict)
    driver: DriverSpec | None = None
    milliseconds: bool = True
    edition: str = NEWEST_EDITION
    station: StationSpec = field(default_factory=StationSpec)
    variables: Mapping[str, Json] = field(default_factory=dict)
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    action_timeout_s: float = 30.0
    limits: Limits = field(default_factory=Limits)
    declaration: Declaration = field(default_factory=Declaration)
    pki_files: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()

    def settings(self) -> dict[str, object]:
        """Return what a report may tell about the system: JSON values, no secrets."""
        return {
            "name": self.name,
            "file": str(self.path),
            "ocpp_url": self.ocpp_url,
            "endpoints": {str(profile): url for profile, url in self.access.endpoints.items()},
            "password_encoding": self.access.password_encoding.value,
            "started_by_us": self.start is not None,
            "identities": len(self.identities),
            "basic_auth": any(one.password is not None for one in self.identities),
            "id_tags": {role: len(tags) for role, tags in self.id_tags.items()},
            "driver": self.driver.description if self.driver else "none",
            "milliseconds": self.milliseconds,
            "station": asdict(self.station),
            "variables": dict(self.variables),
            "budgets": {name: asdict(budget) for name, budget in self.budgets.items()},
            "action_timeout_s": self.action_timeout_s,
            "limits": asdict(self.limits),
            "pics": self.declaration.settings(),
        }


def find_sut(name_or_path: str) -> Path:
    """Return the file of a system under test, named by path or as one that is shipped."""
    path = Path(name_or_path)
    if path.is_file():
        return path
    shipped = suts_directory() / path.with_suffix(".yaml").name
    return shipped if shipped.is_file() else path


def load(
    path: Path, *, run_dir: Path, environment: Mapping[str, str] | None = None
) -> SystemUnderTest:
    """Return the system that `path` describes.

    Args:
        run_dir: the folder of this run, for ``${run_dir}``; need not exist yet.
        environment: for ``${env:NAME}``; the process's own by default.

    Raises:
        SutError: the file is missing, malformed or contradicts itself.
    """
    file = SutFile(path)
    return _Reader(file, run_dir, os.environ if environment is None else environment).read()


class _Reader:
    """Turns a checked file into a SystemUnderTest."""

    def __init__(self, file: SutFile, run_dir: Path, environment: Mapping[str, str]) -> None:
        self._file = file
        self._content = file.content
        self._run_dir = run_dir.absolute()
        self._sut_dir = file.path.absolute().parent
        self._environment = environment
        self._ports = _free_ports(cast("list[str]", self._content.get("ports", [])))
        self._check_environment()
        self._pki_used: set[str] = set()
        # Not below the run's folder: that is what people archive, and a killed run leaves it.
        self._pki_directory = Path(tempfile.gettempdir()) / f"preflight-{secrets.token_hex(8)}"
        self._secrets: dict[str, str] = {}
        for name, text in self._mapping("secrets").items():
            self._secrets[name] = self._fill(cast(str, text), ("secrets", name))

    def read(self) -> SystemUnderTest:
        content = self._content
        declaration = read_declaration(self._file, fill=self._fill, path_of=self._path)
        station = cast("dict[str, Json]", self._fill_all(content.get("station", {}), ("station",)))
        variables = self._fill_all(content.get("variables", {}), ("variables",))
        start = self._start() if "start" in content else None
        driver = self._driver()
        filled = StationSpec(**station)  # type: ignore[arg-type]  # the schema holds it
        reader = AccessReader(self._file, self._fill, self._path)
        endpoints = reader.endpoints()
        pki = Pki(self._pki_directory, hosts=hosts_of(list(endpoints.values())))
        access = reader.access(pki, endpoints, frozenset(self._pki_used))
        identities = reader.identities(access, filled.serial_number, filled.cpo_name)
        return SystemUnderTest(
            name=self._text("name"),
            path=self._file.path,
            ocpp_url=endpoints[identities[0].security_profile],
            access=access,
            start=start,
            ports=self._ports,
            identities=identities,
            id_tags=self._id_tags(),
            driver=driver,
            milliseconds=cast(bool, self._mapping("timestamps").get("milliseconds", True)),
            edition=cast(str, content.get("edition", NEWEST_EDITION)),
            station=filled,
            variables=_defaults(declaration) | cast("dict[str, Json]", variables),
            budgets=self._budgets(),
            action_timeout_s=float(cast(float, content.get("action_timeout_s", 30.0))),
            limits=Limits(**self._mapping("limits")),  # type: ignore[arg-type]  # as the schema says
            declaration=declaration,
            pki_files=tuple(
                name for name in FILES if name in self._pki_used | {"root"} and self._pki_used
            ),
            sensitive=self._sensitive(start, driver),
        )

    # --- sections ---------------------------------------------------------------------------

    def _start(self) -> StartSpec:
        section = self._mapping("start")
        filled = cast("dict[str, Json]", self._fill_all(section, ("start",)))
        ready = cast("dict[str, str]", filled["ready"])
        tcp = ready.get("tcp", "")
        if tcp and not tcp.rpartition(":")[2].isdecimal():
            raise self._file.error(("start", "ready", "tcp"), f"{tcp!r} must be host:port")
        program, *arguments = cast("list[str]", filled["command"])
        if os.sep in program:
            program = str(self._path(program))
        log = cast(str, filled.get("log", "")) or str(self._run_dir / "logs" / "sut.log")
        return StartSpec(
            command=(program, *arguments),
            environment=cast("dict[str, str]", filled.get("env", {})),
            directory=self._path(cast(str, filled.get("directory", str(self._run_dir)))),
            log=self._path(log),
            ready_http=ready.get("http", ""),
            ready_tcp=tcp,
            ready_timeout_s=float(cast(float, filled.get("ready_timeout_s", 30.0))),
            stop=cast(str, filled.get("stop", "SIGTERM")),
            stop_timeout_s=float(cast(float, filled.get("stop_timeout_s", 10.0))),
        )

    def _id_tags(self) -> dict[str, tuple[str, ...]]:
        roles: dict[str, tuple[str, ...]] = {}
        owner: dict[str, str] = {}
        for role, section in self._mapping("id_tags").items():
            place = ("id_tags", role)
            if isinstance(section, list):
                tags = [
                    self._fill(cast(str, tag), (*place, index)) for index, tag in enumerate(section)
                ]
            else:
                generator = cast("dict[str, str]", section)
                pattern = self._fill(generator["pattern"], (*place, "pattern"))
                count = int(generator["count"])
                tags = [numbered(pattern, number) for number in range(1, count + 1)]
            for tag in tags:
                if len(tag) > _MAX_ID_TAG:
                    message = f"{tag!r} is longer than {_MAX_ID_TAG} characters; shorten it"
                    raise self._file.error(place, message)
                if tag.casefold() in owner:  # id tags ignore case
                    message = f"{tag!r} is a {owner[tag.casefold()]} tag already; name it once"
                    raise self._file.error(place, message)
                owner[tag.casefold()] = role
            roles[role] = tuple(tags)
        return roles

    def _driver(self) -> DriverSpec | None:
        return DriverReader(
            self._file,
            fill=self._fill,
            fill_template=self._fill_template,
            path_of=self._path,
            roles=self._mapping("id_tags"),
        ).read()

    def _budgets(self) -> dict[str, Budget]:
        budgets = {name: Budget(*times) for name, times in _DEFAULT_BUDGETS.items()}
        for name, section in self._mapping("budgets").items():
            times = cast("dict[str, float | None]", section)
            limit_s = float(cast(float, times["limit_s"]))
            default = min(_DEFAULT_BUDGETS.get(name, (0.0, limit_s))[1], limit_s)
            target_s = times.get("target_s", default)
            if target_s is not None and target_s > limit_s:
                message = f"{target_s:g} is above limit_s {limit_s:g}; a target is what is aimed at"
                raise self._file.error(("budgets", name, "target_s"), message)
            budgets[name] = Budget(limit_s, None if target_s is None else float(target_s))
        return budgets

    def _sensitive(self, start: StartSpec | None, driver: DriverSpec | None) -> tuple[str, ...]:
        """Gather what looks like a secret by its name, besides what was declared as one."""
        found = list(self._secrets.values())
        if start is not None:
            found += [
                value for name, value in start.environment.items() if TELLS_SECRET.search(name)
            ]
        if driver is not None:
            found += driver.secrets()
        return tuple(text for text in found if text)

    def _check_environment(self) -> None:
        """Name all variables that are missing at once, not one at a time."""
        problems = [
            self._file.problem(place, *_unset(match[2]))
            for text, place in _texts(self._content, ())
            for match in _PLACE.finditer(text)
            if match[1] == "env" and self._is_unset(match[2])
        ]
        if problems:
            raise SutError(problems)

    def _is_unset(self, argument: str) -> bool:
        name, has_default, _ = argument.partition(":-")
        return not has_default and not self._environment.get(name)

    # --- values -----------------------------------------------------------------------------

    def _mapping(self, key: str) -> dict[str, Json]:
        return cast("dict[str, Json]", self._content.get(key, {}))

    def _text(self, key: str) -> str:
        return self._fill(cast(str, self._content[key]), (key,))

    def _path(self, text: str) -> Path:
        """Resolve a relative path against the folder of the file."""
        return self._sut_dir / text

    def _fill_all(self, value: Json, place: Place) -> Json:
        if isinstance(value, dict):
            return {key: self._fill_all(item, (*place, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._fill_all(item, (*place, index)) for index, item in enumerate(value)]
        return self._fill(value, place) if isinstance(value, str) else value

    def _fill(self, text: str, place: Place) -> str:
        return _PLACE.sub(lambda match: self._place_value(match, place), text)

    def _fill_template(self, text: str, place: Place) -> str:
        """Fill a text that is a template besides: no value is taken for a place of its own."""
        return _PLACE.sub(lambda match: template.escape(self._place_value(match, place)), text)

    def _place_value(self, match: re.Match[str], place: Place) -> str:
        kind, argument = match[1], match[2]
        if kind is None:
            return str(self._run_dir if match[3] == "run_dir" else self._sut_dir)
        give: dict[str, Callable[[str, Place], str]] = {
            "port": self._port,
            "env": self._env,
            "secret": self._secret,
            "random_hex": self._random_hex,
            "pki": self._pki,
        }
        return give[kind](argument, place)

    def _port(self, name: str, place: Place) -> str:
        if name not in self._ports:
            raise self._file.error(place, f"port {name!r} is not declared; add it to `ports`")
        return str(self._ports[name])

    def _env(self, argument: str, place: Place) -> str:
        name, _, default = argument.partition(":-")
        if self._is_unset(argument):
            raise self._file.error(place, *_unset(name))
        return self._environment.get(name) or default

    def _secret(self, name: str, place: Place) -> str:
        if name not in self._secrets:
            message = f"secret {name!r} is not declared (above its use); add it to `secrets`"
            raise self._file.error(place, message)
        return self._secrets[name]

    def _pki(self, name: str, place: Place) -> str:
        if name != "directory" and name not in FILES:
            known = ", ".join(("directory", *FILES))
            raise self._file.error(
                place, f"{name!r} is no file of the run's PKI", f"known: {known}"
            )
        self._pki_used.add(name)
        return str(Pki(self._pki_directory, hosts=()).path(name))

    def _random_hex(self, argument: str, place: Place) -> str:
        if not argument.isdecimal() or not 1 <= int(argument) <= 1024:
            message = f"{argument!r} must be a number of bytes, such as ${{random_hex:20}}"
            raise self._file.error(place, message)
        return secrets.token_hex(int(argument))


def _defaults(declaration: Declaration) -> dict[str, Json]:
    """Return the variables a file need not name; what it declares is one of them."""
    if declaration.ocpp_response_timeout_s is None:
        return _DEFAULT_VARIABLES
    return _DEFAULT_VARIABLES | {"csms_timeout_s": declaration.ocpp_response_timeout_s}


def _unset(name: str) -> tuple[str, str]:
    return (
        f"environment variable {name} is not set",
        f"set it, or give a default: ${{env:{name}:-default}}",
    )


def _texts(value: Json, place: Place) -> Iterator[tuple[str, Place]]:
    if isinstance(value, str):
        yield value, place
    elif isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _texts(item, (*place, key))


def _free_ports(names: Sequence[str]) -> dict[str, int]:
    """Return one free loopback port for each name, all different."""
    held = [socket.socket() for _ in names]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return {name: one.getsockname()[1] for name, one in zip(names, held, strict=True)}
    finally:
        for one in held:
            one.close()
