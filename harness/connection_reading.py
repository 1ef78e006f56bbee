"""Steps about connections, TLS and certificates, read from files that have the right shape."""

from __future__ import annotations

from collections.abc import Mapping

from harness.expressions import STANDARD_VARIABLES, is_reference
from harness.making import THINGS
from harness.model import Connect, Json, Make, ProbeTls, ProfileChoice, Refusal, TlsChoice
from harness.yaml_source import Parts, Problem, Source, did_you_mean
from simulator.tls_names import MANDATORY_SUITES, SUITES, TLS_1_3_SUITES


class ConnectionReader:
    """Reads such steps of one file; collects what is wrong in `problems`."""

    def __init__(self, source: Source, problems: list[Problem], parts: Parts) -> None:
        """Read the step at `parts`."""
        self._source = source
        self._problems = problems
        self._parts = parts
        step = source.get(*parts)
        self._step: Mapping[str, Json] = step if isinstance(step, dict) else {}

    def connect(self, **shared: object) -> Connect:
        """Read a `connect` step."""
        offer = _mapping(self._step.get("connect"))
        refused = self._step.get("refused")
        if refused is not None and "accepted" in self._step:
            self._problem(("refused",), "a connection is accepted or refused, not both")
        subprotocols = offer.get("subprotocols")
        return Connect(
            beside=offer.get("beside") is True,
            profile=offer.get("profile"),
            identity=str(offer.get("identity", "")),
            credentials=str(offer.get("credentials", "")),
            password=self._password(offer),
            certificate=str(offer.get("certificate", "")),
            subprotocols=_texts(subprotocols) if subprotocols is not None else None,
            tls=self._tls(("connect", "tls")) if "tls" in offer else None,
            agreed=str(_mapping(self._step.get("accepted")).get("subprotocol", "")),
            refused=_refusal(_mapping(refused)) if refused is not None else None,
            **shared,  # type: ignore[arg-type]  # what every step has
        )

    def probe(self, **shared: object) -> ProbeTls:
        """Read a `probe_tls` step."""
        offer = _mapping(self._step.get("probe_tls"))
        refused = None
        if "refused" in self._step:
            refused = self._tls(("refused",), is_alone=True)
            for key in ("suites", "version", "server_certificate"):
                if key in self._step:
                    self._problem((key,), f"{key} is not looked at where nothing may be negotiated")
        self._check_suites(("suites",), _texts(self._step.get("suites")))
        return ProbeTls(
            profile=offer.get("profile"),
            certificate=str(offer.get("certificate", "")),
            suites=_texts(self._step.get("suites")) or MANDATORY_SUITES,
            version=str(self._step.get("version", "1.2")),
            looks_at_certificate=self._step.get("server_certificate", True) is True,
            refused=refused,
            **shared,  # type: ignore[arg-type]  # what every step has
        )

    def make(self, **shared: object) -> Make:
        """Read a `make` step."""
        thing = str(self._step["make"])
        arguments = _mapping(self._step.get("with"))
        self._check_arguments(thing, arguments)
        name = str(self._step.get("as", thing))
        if name in STANDARD_VARIABLES or name == "now":
            message = f"${name} is given and cannot be made"
            self._problem(("as",) if "as" in self._step else ("make",), message, "as: another name")
        return Make(
            thing=thing,
            name=name,
            arguments=dict(arguments),
            **shared,  # type: ignore[arg-type]  # what every step has
        )

    # --- parts of them -----------------------------------------------------------------------

    def _password(self, offer: Mapping[str, Json]) -> str:
        password = str(offer.get("password", ""))
        if password and "credentials" in offer and offer["credentials"] != "own":
            message = f"a password has no meaning with credentials: {offer['credentials']}"
            self._problem(("connect", "password"), message)
        if password and not is_reference(password):
            try:
                bytes.fromhex(password)
            except ValueError:
                message = "a password is hexadecimal text, as an AuthorizationKey is"
                self._problem(("connect", "password"), message, "$new_password")
        return password

    def _tls(self, at: Parts, *, is_alone: bool = False) -> TlsChoice:
        written = _mapping(self._source.get(*self._parts, *at))
        versions, suites = _texts(written.get("versions")), _texts(written.get("suites"))
        if suites and not is_alone and versions == ("1.3",):
            self._problem((*at, "suites"), "suites are chosen up to TLS 1.2 only")
        self._check_suites((*at, "suites"), suites)
        return TlsChoice(versions, suites)

    def _check_suites(self, at: Parts, suites: tuple[str, ...]) -> None:
        for index, name in enumerate(suites):
            if name in TLS_1_3_SUITES:
                message = f"{name} is of TLS 1.3, whose suites are not chosen one by one"
                self._problem((*at, index), message, 'versions: ["1.3"]')
            elif name not in SUITES:
                hint = did_you_mean(name, SUITES)
                self._problem((*at, index), f"no cipher suite is called {name}", hint)

    def _check_arguments(self, thing: str, arguments: Mapping[str, Json]) -> None:
        known = THINGS[thing]
        for name, value in arguments.items():
            at: Parts = ("with", name)
            choices = known.arguments.get(name)
            if choices is None:
                hint = did_you_mean(name, known.arguments)
                self._problem(at, f"{thing} has no argument {name}", hint, at_key=True)
            elif choices and not is_reference(value) and value not in choices:
                hint = did_you_mean(str(value), choices)
                self._problem(at, f"{value!r} is not known here", hint)
        for name in sorted(known.required - arguments.keys()):
            self._problem((), f"{thing} needs the argument {name}")

    def _problem(self, at: Parts, message: str, hint: str = "", *, at_key: bool = False) -> None:
        place = self._source.key_at if at_key else self._source.value_at
        self._problems.append(Problem(place(*self._parts, *at), message, hint))


def read_profile_choices(
    source: Source, parts: Parts, problems: list[Problem]
) -> tuple[ProfileChoice, ...]:
    """Read the security profiles a case can run on; none where the file names none."""
    owner = source.get(*parts[:-1])
    written = owner.get(str(parts[-1])) if isinstance(owner, dict) else None
    found = []
    for index, one in enumerate(written if isinstance(written, list) else []):
        if isinstance(one, dict):
            start, target = one.get("from"), one.get("to")
            if isinstance(start, int) and isinstance(target, int):
                if target <= start:
                    message = f"from {start} to {target} is no upgrade"
                    problems.append(Problem(source.value_at(*parts, index), message))
                found.append(ProfileChoice(start, target))
        elif isinstance(one, int):
            found.append(ProfileChoice(one))
    return tuple(found)


def read_profiles(source: Source, parts: Parts) -> tuple[int, ...]:
    """Read the security profiles of the case on which a step runs."""
    written = source.get(*parts)
    listed = written if isinstance(written, list) else []
    return tuple(one for one in listed if isinstance(one, int))


def _refusal(written: Mapping[str, Json]) -> Refusal:
    return Refusal(
        statuses=_numbers(written.get("status")),
        natural=_numbers(_mapping(written.get("warn")).get("status")),
        takes_unreachable=written.get("unreachable") == "warning",
    )


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, list) else ()


def _numbers(value: Json) -> tuple[int, ...]:
    listed = value if isinstance(value, list) else []
    return tuple(one for one in listed if isinstance(one, int))
