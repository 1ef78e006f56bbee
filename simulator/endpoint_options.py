"""The options of `preflight simulate` that say where, as whom, and how securely to connect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, ParamSpec, TypeVar
from urllib.parse import urlsplit

import click

from simulator.access import PasswordEncoding
from simulator.errors import CannotOffer, LocalProtocolError
from simulator.outputs import Credential, KeyType
from simulator.security import SecurityOptions
from simulator.tls import Engine, TlsOffer, TlsVersion
from simulator.transport import Endpoint

PASSWORD_VARIABLE: Final = "PREFLIGHT_PASSWORD"  # noqa: S105 - the variable's name, not a secret

P = ParamSpec("P")
T = TypeVar("T")

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_VERSIONS: Final = {version.removeprefix("TLSv"): version for version in TlsVersion}
_VERSIONS["1.0"] = _VERSIONS.pop("1")
_OPTIONS: Final = (
    click.option("--url", required=True, help="Address of the CSMS, without the identity."),
    click.option(
        "--tls-url",
        metavar="URL",
        help="Where to go when the CSMS raises the security profile to 2 or 3.",
    ),
    click.option(
        "--security-profile",
        type=click.IntRange(0, 3),
        help="0 shows nothing, 1 a password, 2 a password over TLS, 3 a certificate. Without: what "
        "address, password and certificate amount to.",
    ),
    click.option(
        "--password",
        envvar=PASSWORD_VARIABLE,
        show_envvar=True,
        help="For Basic authentication; hex:00ff… for raw bytes. Better given in the environment.",
    ),
    click.option(
        "--password-encoding",
        type=click.Choice([one.value for one in PasswordEncoding]),
        default=PasswordEncoding.RAW_FROM_HEX.value,
        show_default=True,
        help="How an AuthorizationKey that the CSMS sets becomes the password.",
    ),
    click.option(
        "--trust",
        type=_FILE,
        multiple=True,
        help="PEM file with root certificates that the server's must lead to. Without: those of "
        "this machine.",
    ),
    click.option(
        "--server-name",
        default="",
        help="Whom the server's certificate must name, if not the host.",
    ),
    click.option(
        "--certificate",
        type=_FILE,
        help="PEM file with the charge point's certificate and its issuers, for profile 3.",
    ),
    click.option(
        "--certificate-key",
        type=_FILE,
        help="PEM file with its private key, not encrypted. Without: the certificate's own file.",
    ),
    click.option(
        "--key-type",
        type=click.Choice([one.value for one in KeyType]),
        default=KeyType.RSA.value,
        show_default=True,
        help="Of the keys it makes when a new certificate is wanted.",
    ),
    click.option(
        "--min-tls", type=click.Choice(sorted(_VERSIONS)), help="Lowest version; without, 1.2."
    ),
    click.option(
        "--max-tls", type=click.Choice(sorted(_VERSIONS)), help="Highest version; without, 1.3."
    ),
    click.option(
        "--suite",
        "suites",
        multiple=True,
        metavar="NAME",
        help="Offer this cipher suite and no others, by its IANA name; may be repeated.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WayIn:
    """What the options come to.

    Attributes:
        profile: the security profile it begins with.
        endpoints: by security profile.
        security: options of `ChargePoint`.
    """

    profile: int
    endpoints: Mapping[int, Endpoint]
    security: SecurityOptions

    @property
    def endpoint(self) -> Endpoint:
        """Where it connects first."""
        return self.endpoints[self.profile]


def endpoint_options(command: Callable[P, T]) -> Callable[P, T]:
    """Give a command all of these options; `read_way_in` takes their values."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_way_in(
    identity: str,
    *,
    url: str,
    tls_url: str | None,
    security_profile: int | None,
    password: str | None,
    password_encoding: str,
    trust: tuple[Path, ...],
    server_name: str,
    certificate: Path | None,
    certificate_key: Path | None,
    key_type: str,
    min_tls: str | None,
    max_tls: str | None,
    suites: tuple[str, ...],
) -> WayIn:
    """Return where and how a charge point connects.

    Raises:
        click.UsageError: the options do not fit together, or cannot be carried out here.
    """
    _check_url(url, ("ws", "wss"), "--url")
    if tls_url is not None:
        _check_url(tls_url, ("wss",), "--tls-url")
    is_secure = urlsplit(url).scheme == "wss"
    secret = _read_password(password)
    credential = _read_credential(certificate, certificate_key)
    profile = _profile(security_profile, is_secure=is_secure, secret=secret, credential=credential)
    roots = tuple(_read_text(path, "--trust") for path in trust)
    try:
        plain = TlsOffer(
            # Roots are the charge point's to delete: nothing is trusted beside them.
            trust_anchors_pem="" if roots else None,
            installed_roots_pem=roots,
            min_version=None if min_tls is None else _VERSIONS[min_tls],
            max_version=None if max_tls is None else _VERSIONS[max_tls],
            suites=suites,
            server_name=server_name,
        )
    except LocalProtocolError as exc:
        raise click.UsageError(str(exc)) from exc
    secure_url = tls_url or (url if is_secure else None)
    endpoints = {}
    if not is_secure:
        endpoints = {
            0: Endpoint(url, identity),
            1: Endpoint(url, identity, secret),
        }
    elif profile == 0:
        endpoints = {0: Endpoint(url, identity, tls=plain)}
    if secure_url is not None:
        shown = _with_certificate(plain, credential)
        endpoints |= {
            2: Endpoint(secure_url, identity, secret, tls=plain),
            3: Endpoint(secure_url, identity, tls=shown),
        }
        _try_out(plain, secure_url)
        _try_out(shown, secure_url)
    return WayIn(
        profile=profile,
        endpoints=endpoints,
        security=SecurityOptions(
            password=secret,
            password_encoding=password_encoding,
            certificate=credential,
            central_system_roots=roots,
            security_profiles=tuple(endpoints),
            key_type=KeyType(key_type),
        ),
    )


def _profile(
    wanted: int | None, *, is_secure: bool, secret: bytes | None, credential: Credential | None
) -> int:
    """Return the security profile, and see that there is what it needs."""
    if wanted is None:
        if credential is not None and is_secure:
            return 3
        return 0 if secret is None else 1 + is_secure
    needs = {
        0: (),
        1: (("a ws:// address", not is_secure), ("--password", secret is not None)),
        2: (("a wss:// address", is_secure), ("--password", secret is not None)),
        3: (("a wss:// address", is_secure), ("--certificate", credential is not None)),
    }
    for what, is_there in needs[wanted]:
        if not is_there:
            raise click.BadParameter(
                f"security profile {wanted} needs {what}", param_hint="--security-profile"
            )
    return wanted


def _check_url(url: str, schemes: tuple[str, ...], option: str) -> None:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        expected = "ws://host:port/path or wss://…" if "ws" in schemes else "wss://host:port/path"
        raise click.BadParameter(f"expected {expected}, not {url!r}", param_hint=option)


def _read_password(text: str | None) -> bytes | None:
    """Return the bytes of a password; ``hex:`` marks hexadecimal digits."""
    if text is None:
        return None
    if not text.startswith("hex:"):
        return text.encode(errors="surrogateescape")
    try:
        return bytes.fromhex(text.removeprefix("hex:"))
    except ValueError as exc:
        message = "after hex: come hexadecimal digits"
        raise click.BadParameter(message, param_hint="--password") from exc


def _read_credential(certificate: Path | None, key: Path | None) -> Credential | None:
    if certificate is None:
        if key is not None:
            raise click.UsageError("--certificate-key needs --certificate")
        return None
    chain_pem = _read_text(certificate, "--certificate")
    key_pem = chain_pem if key is None else _read_text(key, "--certificate-key")
    return Credential(chain_pem=chain_pem, private_key_pem=key_pem)


def _read_text(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        raise click.BadParameter(f"{path}: {exc.strerror}", param_hint=option) from exc
    except UnicodeDecodeError as exc:
        message = f"{path} is no PEM file: `openssl x509 -inform der` makes one of DER"
        raise click.BadParameter(message, param_hint=option) from exc


def _with_certificate(offer: TlsOffer, credential: Credential | None) -> TlsOffer:
    if credential is None:
        return offer
    return replace(
        offer,
        certificate_chain_pem=credential.chain_pem,
        private_key_pem=credential.private_key_pem,
    )


def _try_out(offer: TlsOffer, url: str) -> None:
    """See that our own TLS can do this, before anything is shown or sent."""
    try:
        Engine(offer, urlsplit(url).hostname or "")
    except CannotOffer as exc:
        raise click.UsageError(f"This cannot be offered: {exc}") from exc
