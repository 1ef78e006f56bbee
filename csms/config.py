"""The settings of the Central System: each declared once, in `Settings`.

Precedence: flags > environment > file > defaults. The flags of `csms serve`, the names of the
environment variables, the keys of the TOML file and the example file all come from the one
declaration. Every error names the source, the value (unless it is a secret) and what would be
right. This module reads text; it opens no file and no environment by itself but in `load`.
"""

import difflib
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

ENVIRONMENT_PREFIX: Final = "CSMS_"
CONFIG_VARIABLE: Final = "CSMS_CONFIG"
MAX_INT: Final = 2**31 - 1  # OCPP integers are 32 bit for most charge points


class ConfigError(Exception):
    """A setting cannot be used; the message is for the person who set it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What values a setting takes; `read` makes one of text or TOML, or raises ValueError."""

    wants: str
    read: Callable[[object], Any]
    metavar: str


@dataclass(frozen=True, slots=True)
class Option:
    """How one setting is called and explained everywhere."""

    name: str
    kind: Kind
    help: str
    default: Any
    is_secret: bool
    section: str

    @property
    def shown_default(self) -> str:
        """The default as one would write it."""
        match self.default:
            case None:
                return "none"
            case bool():
                return str(self.default).lower()
            case float():
                return f"{self.default:g}"
            case tuple():
                return ",".join(self.default)
        return str(self.default)

    @property
    def variable(self) -> str:
        """The environment variable."""
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def flag(self) -> str | None:
        """The flag of `csms serve`; secrets have none, since every user can read a command line."""
        return None if self.is_secret else "--" + self.name.removesuffix("_s").replace("_", "-")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError
    return int(value)


def _whole(low: int, high: int, wants: str) -> Kind:
    def read(value: object) -> int:
        number = _integer(value)
        if not low <= number <= high:
            raise ValueError
        return number

    return Kind(wants, read, "N")


def _seconds(low: float, wants: str, *, high: float = 86_400.0) -> Kind:
    def read(value: object) -> float:
        number = _number(value)
        if not low <= number <= high:
            raise ValueError
        return number

    return Kind(wants, read, "SECONDS")


def _choice(*choices: str) -> Kind:
    def read(value: object) -> str:
        folded = {choice.casefold(): choice for choice in choices}
        try:
            return folded[_text(value).casefold()]
        except KeyError:
            raise ValueError from None

    return Kind("one of " + ", ".join(choices), read, "|".join(choices))


def _read_flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    try:
        return known[_text(value).casefold()]
    except KeyError:
        raise ValueError from None


def _read_token(value: object) -> str:
    token = _text(value)
    if len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError
    return token


def _read_public_url(value: object) -> str:
    url = _text(value).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError
    if parts.username is not None or not url.isascii() or any(map(str.isspace, url)):
        raise ValueError
    _ = parts.port  # raises where it is none
    return url


def _read_organisation(value: object) -> str:
    name = _text(value)
    if not name.isprintable() or len(name.encode()) > 64:  # RFC 5280 appendix A.1
        raise ValueError
    return name


def _read_names(value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list) else _text(value).split(",")
    return tuple(dict.fromkeys(_text(name) for name in names))


def _read_ports(value: object) -> range:
    first, dash, last = _text(value).partition("-")
    ports = range(int(first), int(last if dash else first) + 1)
    if not ports or ports[0] < 1024 or ports[-1] > 65_535:
        raise ValueError
    return ports


def _read_ipv4(value: object) -> str:
    return str(IPv4Address(_text(value)))


HOST: Final = Kind("a host name or an IP address", _text, "HOST")
PORT: Final = _whole(0, 65_535, "a port from 0 to 65535 (0: any free one)")
URL: Final = Kind("a database URL such as sqlite:///csms.sqlite3", _text, "URL")
FLAG: Final = Kind("true or false", _read_flag, "true|false")
TOKEN: Final = Kind("at least 16 printable ASCII characters without spaces", _read_token, "TOKEN")


PUBLIC_URL: Final = Kind(
    "a URL such as https://csms.example.com or http://10.0.0.5:8080", _read_public_url, "URL"
)
DIRECTORY: Final = Kind("a directory", _text, "DIRECTORY")
ORGANISATION: Final = Kind("1 to 64 printable characters", _read_organisation, "NAME")
PEM_FILE: Final = Kind("a PEM file", _text, "FILE")
NAMES: Final = Kind("host names or IP addresses, separated by commas", _read_names, "NAME,…")
PORTS: Final = Kind("ports from 1024 to 65535 such as 60000-60099", _read_ports, "FIRST-LAST")
IPV4: Final = Kind("an IPv4 address", _read_ipv4, "ADDRESS")
MEGABYTES: Final = _whole(1, 1_000_000, "a whole number from 1 to 1000000")


def _setting(
    default: object, kind: Kind, help: str, *, section: str = "", is_secret: bool = False
) -> Any:
    metadata = {"kind": kind, "help": help, "is_secret": is_secret, "section": section}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator can set."""

    ocpp_host: str = _setting(
        "127.0.0.1", HOST, "Where charge points connect.", section="Listeners"
    )
    ocpp_port: int = _setting(9000, PORT, "Port of the OCPP-J listener.")
    http_host: str = _setting("127.0.0.1", HOST, "Where operators and programs call the API.")
    http_port: int = _setting(8080, PORT, "Port of the HTTP API.")
    http_tls: bool = _setting(False, FLAG, "The HTTP API speaks TLS, with the certificates below.")

    tls_host: str = _setting(
        "127.0.0.1", HOST, "Where charge points connect over TLS.", section="TLS"
    )
    tls_port: int | None = _setting(
        None, PORT, "Port of the TLS listener for security profiles 2 and 3; by default none."
    )
    tls_certificate: str | None = _setting(
        None,
        PEM_FILE,
        "The server's RSA certificate with its chain; read again when it changes. By default the"
        " built-in CA makes an RSA and an EC certificate.",
    )
    tls_key: str | None = _setting(None, PEM_FILE, "The key of the RSA certificate.")
    tls_ec_certificate: str | None = _setting(
        None, PEM_FILE, "The server's EC certificate with its chain, beside the RSA one."
    )
    tls_ec_key: str | None = _setting(None, PEM_FILE, "The key of the EC certificate.")
    tls_names: tuple[str, ...] = _setting(
        ("localhost",),
        NAMES,
        "Names by which charge points reach us, for certificates of the built-in CA.",
    )
    tls_client_ca: str | None = _setting(
        None,
        PEM_FILE,
        "CA certificates that are trusted for charge points (profile 3) beside the built-in CA.",
    )

    ca_directory: str | None = _setting(
        None,
        DIRECTORY,
        "Where the built-in CA keeps its keys; by default beside the database. Back it up.",
        section="Certificates of charge points",
    )
    cpo_name: str | None = _setting(
        None,
        ORGANISATION,
        "Our organisation, as certificates and certificate requests name it; by default any.",
    )
    certificate_signature: str = _setting(
        "SHA256withRSA",
        _choice("SHA256withRSA", "SHA256withRSA-PSS", "SHA256withECDSA"),
        "How the built-in CA signs certificates of charge points, whatever their own keys are.",
    )
    certificate_days: int = _setting(
        365,
        _whole(1, 7300, "a whole number of days from 1 to 7300"),
        "How long certificates of charge points are valid.",
    )
    csr_names: str = _setting(
        "check",
        _choice("check", "any"),
        "Names in certificate requests: the identity, a serial number or the certificate name of"
        " the charge point and `cpo_name`, or any.",
    )

    database: str = _setting(
        "sqlite:///csms.sqlite3", URL, "Where all state is kept.", section="State"
    )
    message_log_days: float = _setting(
        14.0,
        Kind("a number of days from 0 to 3650", lambda v: _in(_number(v), 0, 3650), "DAYS"),
        "How long frames are kept in the message log (0: none is logged).",
    )
    message_log_megabytes: int = _setting(
        512, _whole(1, 1_000_000, "a whole number from 1 to 1000000"), "Size of the message log."
    )

    api_token: str | None = _setting(
        None,
        TOKEN,
        "A bearer token of the HTTP API beside those of `csms token add`.",
        section="Who may do what",
        is_secret=True,
    )
    unknown_charge_points: str = _setting(
        "refuse",
        _choice("refuse", "Accepted", "Pending", "Rejected"),
        "An identity nobody registered: refuse it (HTTP 404), or register it with this status.",
    )
    lowest_security_profile: int | None = _setting(
        None,
        _whole(0, 3, "a security profile from 0 to 3"),
        "Charge points with a lower security profile are refused; by default 0 while the plain"
        " OCPP-J listener is on loopback, 1 beyond.",
    )
    password_encoding: str = _setting(
        "either",
        _choice("raw_from_hex", "hex_text", "either"),
        "How charge points write an authorization key into Basic auth: its bytes, its hex digits.",
    )
    concurrent_transactions: str = _setting(
        "allow",
        _choice("allow", "refuse"),
        "A second transaction with the same id tag: allow it, or answer ConcurrentTx.",
    )

    heartbeat_interval_s: int = _setting(
        300,
        _whole(1, MAX_INT, "a whole number of seconds, 1 or more"),
        "Heartbeat interval given to accepted charge points.",
        section="OCPP",
    )
    boot_retry_interval_s: int = _setting(
        60,
        _whole(0, MAX_INT, "a whole number of seconds (0: the charge point chooses)"),
        "When a Pending or Rejected charge point may send its next BootNotification.",
    )
    response_timeout_s: float = _setting(
        30.0,
        _seconds(0.1, "a number of seconds from 0.1 to 86400"),
        "How long a command waits for the charge point's answer.",
    )
    subprotocol_mismatch: str = _setting(
        "reject",
        _choice("reject", "close"),
        "A charge point that does not offer ocpp1.6: HTTP 400, or 101 and close.",
    )
    max_frame_bytes: int = _setting(
        1_048_576,
        _whole(1024, 67_108_864, "a whole number from 1024 to 67108864"),
        "Longest message read from a charge point; a longer one closes with 1009.",
    )
    send_buffer_bytes: int = _setting(
        1_048_576,
        _whole(1024, 67_108_864, "a whole number from 1024 to 67108864"),
        "What may wait for a charge point that does not read, before it is closed.",
    )
    ping_interval_s: float = _setting(
        0.0,
        _seconds(0.0, "a number of seconds from 0 (no pings) to 86400"),
        "How often charge points are pinged (0: never).",
    )
    ping_timeout_s: float = _setting(
        20.0,
        _seconds(0.1, "a number of seconds from 0.1 to 86400"),
        "How long a ping may stay unanswered before the connection is closed.",
    )

    files_directory: str | None = _setting(
        None,
        DIRECTORY,
        "Where firmware and diagnostics are kept; by default beside the database.",
        section="Files",
    )
    public_url: str | None = _setting(
        None,
        PUBLIC_URL,
        "Where charge points reach the HTTP API's listener for files, if not at its own address.",
    )
    firmware_megabytes: int = _setting(1000, MEGABYTES, "Largest firmware file taken.")
    diagnostics_megabytes: int = _setting(200, MEGABYTES, "Largest diagnostics file taken.")
    transfer_window_s: float = _setting(
        86_400.0,
        _seconds(1.0, "a number of seconds from 1 to 2592000", high=2_592_000.0),
        "How long a charge point may fetch or send a file it was told to, retries not counted.",
    )
    ftp_host: str = _setting(
        "127.0.0.1", HOST, "Where charge points send diagnostics by FTP, while one is asked to."
    )
    ftp_port: int = _setting(2121, PORT, "Port of the FTP listener.")
    ftp_passive_ports: range | None = _setting(
        None, PORTS, "Ports of FTP data connections; by default any."
    )
    ftp_announced_address: str | None = _setting(
        None, IPV4, "What FTP tells charge points to connect to, where a router is in between."
    )

    log_level: str = _setting(
        "info",
        _choice("debug", "info", "warning", "error"),
        "What is written to standard error.",
        section="Logs",
    )


def _in(number: float, low: float, high: float) -> float:
    if not low <= number <= high:
        raise ValueError
    return number


def _options() -> tuple[Option, ...]:
    options = []
    section = ""
    for one in fields(Settings):
        section = one.metadata["section"] or section
        options.append(
            Option(
                name=one.name,
                kind=one.metadata["kind"],
                help=one.metadata["help"],
                default=one.default,
                is_secret=one.metadata["is_secret"],
                section=section,
            )
        )
    return tuple(options)


OPTIONS: Final[tuple[Option, ...]] = _options()
_BY_NAME: Final = {option.name: option for option in OPTIONS}


def load(
    *,
    flags: Mapping[str, str],
    environment: Mapping[str, str],
    config_file: Path | None = None,
) -> Settings:
    """Return the settings, each from the strongest source that has it.

    Args:
        flags: texts by setting name, as given on the command line.
        environment: the process environment.
        config_file: the TOML file; without it the one CSMS_CONFIG names, if any.

    Raises:
        ConfigError: a file that cannot be read, an unknown key, a value that cannot be used.
    """
    if config_file is None and environment.get(CONFIG_VARIABLE):
        config_file = Path(environment[CONFIG_VARIABLE])
    values = {} if config_file is None else _read_file(config_file)
    for option in OPTIONS:
        text = environment.get(option.variable)
        if text is not None:
            values[option.name] = _read(option, text, f"environment variable {option.variable}")
    for name, text in flags.items():
        values[name] = _read(_BY_NAME[name], text, f"flag {_BY_NAME[name].flag}")
    return Settings(**values)


def misspelt(environment: Mapping[str, str]) -> list[str]:
    """Return a warning for each variable that looks like a misspelt setting of ours.

    An unknown name is no error: others use the prefix too (Kubernetes sets CSMS_SERVICE_HOST).
    """
    known = {option.variable for option in OPTIONS} | {CONFIG_VARIABLE}
    warnings = []
    for name in sorted(environment):
        if name.startswith(ENVIRONMENT_PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            if close:
                warnings.append(f"environment variable {name} is ignored; did you mean {close[0]}?")
    return warnings


def example_file() -> str:
    """Return a TOML file that shows every setting with its default."""
    lines = [
        "# Settings of `csms serve`. Each can also be an environment variable (CSMS_HTTP_PORT)",
        "# or a flag (--http-port); a flag wins over the environment, that over this file.",
        "# What is commented out shows the default.",
    ]
    section = ""
    for option in OPTIONS:
        if option.section != section:
            section = option.section
            lines += ["", f"# --- {section} ---"]
        lines += [
            "",
            f"# {option.help}",
            f"# {option.kind.wants[0].upper()}{option.kind.wants[1:]}.",
        ]
        lines.append(f"# {option.name} = {_toml(option)}")
    return "\n".join(lines) + "\n"


def _toml(option: Option) -> str:
    match option.default:
        case None:
            return '"…"'
        case bool() as flag:
            return "true" if flag else "false"
        case str() | tuple():
            return f'"{option.shown_default}"'
        case number:
            return str(number)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"config file {path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file {path}: not TOML: {error}") from None
    values = {}
    for name, value in table.items():
        option = _BY_NAME.get(name)
        if option is None:
            close = difflib.get_close_matches(name, _BY_NAME, n=1)
            hint = f"did you mean {close[0]}?" if close else "`csms example-config` shows all keys"
            raise ConfigError(f"config file {path}: unknown setting {name!r}; {hint}")
        values[name] = _read(option, value, f"config file {path}: {name}")
    return values


def _read(option: Option, value: object, source: str) -> Any:
    try:
        return option.kind.read(value)
    except (ValueError, OverflowError):
        shown = "the value (not shown)" if option.is_secret else repr(value)
        raise ConfigError(f"{source}: {shown} is not {option.kind.wants}") from None
