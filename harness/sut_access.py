"""The part of a system-under-test file about connections: endpoints, identities, TLS.

Reading only; nothing is made or opened. Places in texts are filled by who calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias, cast
from urllib.parse import urlsplit

from harness.access import (
    WITH_CERTIFICATE,
    WITH_PASSWORD,
    WITH_TLS,
    Access,
    CertificateFiles,
    PasswordEncoding,
)
from harness.drivers.driver import Credentials
from harness.model import Json
from harness.pki import Kind, Pki
from harness.sut_file import Place, SutFile

Fill: TypeAlias = Callable[[str, Place], str]

_NUMBER: Final = re.compile(r"\{n(?::(0?[0-9]*)d?)?\}")
_MAX_SERIAL: Final = 25  # OCPP 1.6 §6.3, chargePointSerialNumber


def numbered(pattern: str, number: int) -> str:
    """Return `pattern` with its ``{n}`` or ``{n:04}`` replaced by the number."""
    return _NUMBER.sub(lambda match: format(number, f"{match[1] or ''}d"), pattern)


def endpoints_of(content: Mapping[str, Json]) -> dict[str, tuple[str, Place]]:
    """Return the texts of all endpoints as written, with their places; by profile, or ``""``."""
    found: dict[str, tuple[str, Place]] = {}
    if "ocpp_url" in content:
        found[""] = cast(str, content["ocpp_url"]), ("ocpp_url",)
    for profile, text in cast("dict[str, str]", content.get("endpoints", {})).items():
        found[profile] = text, ("endpoints", profile)
    return found


def hosts_of(urls: Sequence[str]) -> list[str]:
    """Return the hosts that server certificates have to name, those of TLS endpoints first."""
    secure_first = sorted(urls, key=lambda url: not url.startswith("wss:"))
    hosts = [urlsplit(url).hostname or "" for url in secure_first]
    return list(dict.fromkeys(host for host in hosts if host))


class AccessReader:
    """Reads these sections of one file."""

    def __init__(self, file: SutFile, fill: Fill, path_of: Callable[[str], Path]) -> None:
        """Take the file, what fills places, and what resolves relative paths."""
        self._file = file
        self._content = file.content
        self._fill = fill
        self._path_of = path_of

    def endpoints(self) -> dict[int, str]:
        """Return the address by security profile."""
        given = endpoints_of(self._content)
        if not given:
            raise self._file.error((), "`ocpp_url` is missing", "add it, or `endpoints`")
        urls = {profile: self._url(*where) for profile, where in given.items()}
        general = urls.pop("", "")
        found: dict[int, str] = {}
        for profile in range(4):
            if str(profile) in urls:
                found[profile] = urls[str(profile)]
                self._check_scheme(profile, found[profile])
            elif general and (profile in WITH_TLS) == general.startswith("wss:"):
                found[profile] = general
        return found

    def access(self, pki: Pki, endpoints: Mapping[int, str], used: frozenset[str]) -> Access:
        """Return all that is said about connections.

        Args:
            used: names of the PKI's files that stand somewhere in the file.
        """
        section = cast("dict[str, Json]", self._content.get("tls", {}))
        anchors = [
            self._path_of(self._fill(text, ("tls", "trust_anchors", index)))
            for index, text in enumerate(cast("list[str]", section.get("trust_anchors", [])))
        ]
        if not anchors and used & {"server_certificate", "server_ec_certificate"}:
            anchors = [pki.path("root")]
        return Access(
            endpoints=endpoints,
            pki=pki,
            trust_anchors=tuple(anchors),
            has_own_client_ca="client_ca" in used,
            client_certificates=self._client_certificates(section),
            server_name=self._fill(
                cast(str, section.get("server_name", "")), ("tls", "server_name")
            ),
            password_encoding=PasswordEncoding(
                cast(str, self._content.get("password_encoding", "raw_from_hex"))
            ),
        )

    def identities(
        self, access: Access, serial_number: str, organization: str
    ) -> tuple[Credentials, ...]:
        """Return every identity of the file, in its order."""
        section = self._content["identities"]
        pools = section if isinstance(section, list) else [section]
        found: list[Credentials] = []
        for index, entry in enumerate(cast("list[dict[str, Json]]", pools)):
            place: Place = ("identities", index) if isinstance(section, list) else ("identities",)
            found += self._pool(entry, place, access, serial_number, organization)
        seen: set[str] = set()
        for credentials in found:
            if credentials.identity in seen:
                message = f"{credentials.identity!r} stands there twice; every case needs its own"
                raise self._file.error(("identities",), message)
            seen.add(credentials.identity)
        return tuple(found)

    # --- inside -----------------------------------------------------------------------------

    def _url(self, text: str, place: Place) -> str:
        url = self._fill(text, place)
        if not url.startswith(("ws://", "wss://")):
            raise self._file.error(place, f"{url!r} must begin with ws:// or wss://")
        if "?" in url or "#" in url:
            message = "must not have a query: the identity is appended as last segment"
            raise self._file.error(place, message)
        return url.rstrip("/")

    def _check_scheme(self, profile: int, url: str) -> None:
        wanted = "wss://" if profile in WITH_TLS else "ws://"
        if not url.startswith(wanted):
            message = f"security profile {profile} is spoken over {wanted}, not {url}"
            raise self._file.error(("endpoints", str(profile)), message)

    def _client_certificates(self, section: Mapping[str, Json]) -> dict[Kind, CertificateFiles]:
        found = {}
        given = cast("dict[str, dict[str, str]]", section.get("client_certificates", {}))
        for kind, files in given.items():
            paths = [
                str(
                    self._path_of(self._fill(files[key], ("tls", "client_certificates", kind, key)))
                )
                for key in ("certificate", "key")
            ]
            found[Kind(kind)] = CertificateFiles(*paths)
        return found

    def _pool(
        self,
        entry: Mapping[str, Json],
        place: Place,
        access: Access,
        serial_number: str,
        organization: str,
    ) -> list[Credentials]:
        if "pattern" in entry:
            pattern = self._fill(cast(str, entry["pattern"]), (*place, "pattern"))
            count = cast(int, entry["count"])
            names = [numbered(pattern, number) for number in range(1, count + 1)]
        else:
            names = [self._fill(cast(str, entry["identity"]), (*place, "identity"))]
        profile = self._profile(entry, place, access)
        found = []
        for name in names:
            serial = serial_number.replace("{identity}", name)
            if len(serial) > _MAX_SERIAL:
                message = f"{serial!r} is longer than {_MAX_SERIAL} characters; shorten it"
                raise self._file.error(("station", "serial_number"), message)
            found.append(
                Credentials(
                    name,
                    self._password(name, entry, place),
                    security_profile=profile,
                    role=cast(str, entry.get("role", "")),
                    serial_number=serial,
                    organization=organization,
                )
            )
        return found

    def _profile(self, entry: Mapping[str, Json], place: Place, access: Access) -> int:
        has_password = "password" in entry
        if "security_profile" in entry:
            profile = cast(int, entry["security_profile"])
            at = (*place, "security_profile")
            if profile in WITH_PASSWORD and not has_password:
                raise self._file.error(at, f"profile {profile} needs a `password`")
            if profile == WITH_CERTIFICATE and not access.has_client_certificates:
                message = "profile 3 needs client certificates"
                hint = "give the CSMS ${pki:client_ca}, or list tls.client_certificates.own"
                raise self._file.error(at, message, hint)
        else:
            # Without TLS 0 and 1; where there is TLS alone, 2.
            profile = int(has_password)
            if profile not in access.endpoints and 2 in access.endpoints:
                profile = 2
        if profile not in access.endpoints:
            message = f"there is no endpoint for security profile {profile}"
            raise self._file.error(place, message, "add it to `endpoints`")
        return profile

    def _password(self, identity: str, entry: Mapping[str, Json], place: Place) -> bytes | None:
        if "password" not in entry:
            return None
        if ":" in identity:
            message = f"{identity!r} holds a colon, which Basic auth cannot carry; rename it"
            raise self._file.error(place, message)
        text = self._fill(cast(str, entry["password"]), (*place, "password"))
        if entry.get("password_is") != "hex":
            return text.encode()
        try:
            return bytes.fromhex(text)
        except ValueError as error:
            message = "is not hexadecimal; correct it, or set `password_is: text`"
            raise self._file.error((*place, "password"), message) from error
