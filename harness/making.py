"""What a `make` step makes: requests for certificates, hash data, passwords, certificates.

The keys stay here, with the case that made them; scenarios see public texts only.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from harness.certificates import HASH_ALGORITHMS, Unreadable, hash_data, public_key_of
from harness.model import Json
from harness.pki import KeyAndChain, Kind, Pki, key_text, new_key, request_text


class CannotMake(Exception):
    """The arguments of a `make` step make no sense together; the message says why."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing that can be made.

    Attributes:
        arguments: names of what may be given, with the values of those that are enumerated.
        required: what must be given.
    """

    arguments: Mapping[str, tuple[str, ...]]
    required: frozenset[str] = frozenset()


_KEYS: Final = ("rsa", "ec")

THINGS: Final[Mapping[str, Thing]] = {
    "csr": Thing(
        {"key": _KEYS, "bits": (), "common_name": (), "organization": (), "broken": ()},
    ),
    "certificate_hash_data": Thing(
        {"certificate": (), "algorithm": HASH_ALGORITHMS}, frozenset({"certificate", "algorithm"})
    ),
    "password": Thing({"bytes": (), "hex": ()}),
    "certificate": Thing(
        {
            "kind": tuple(kind.value for kind in Kind),
            "key": _KEYS,
            "common_name": (),
            "organization": (),
        }
    ),
}


@dataclass(slots=True)
class Keyring:
    """The keys of one case, found by the certificates that belong to them."""

    keys: dict[bytes, str] = field(default_factory=dict, repr=False)

    def add(self, key: str, public_text: str) -> None:
        """Keep a key for the public key of a request or certificate."""
        self.keys[public_key_of(public_text)] = key

    def certificate(self, chain: object) -> KeyAndChain | None:
        """Return a chain with its key; None where the case has none for it.

        Raises:
            Unreadable: the text is no chain.
        """
        key = self.keys.get(public_key_of(chain))
        return KeyAndChain(str(chain), key) if key is not None else None


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes things for one charge point.

    Attributes:
        common_name: what its certificates are made out to.
        other_name: the same of another charge point.
    """

    keyring: Keyring
    pki: Pki
    common_name: str
    organization: str
    other_name: str

    def make(self, thing: str, arguments: Mapping[str, Json]) -> Json:
        """Return a new thing; may take some hundredths of a second for keys.

        Raises:
            CannotMake: the arguments make no sense.
        """
        match thing:
            case "csr":
                return self._csr(arguments)
            case "certificate_hash_data":
                return _hash_data(arguments)
            case "password":
                return _password(arguments)
            case "certificate":
                return self._certificate(arguments)
            case _:
                raise AssertionError(f"no such thing: {thing}")

    def client(
        self, kind: Kind, *, key: str = "ec", name: str = "", organization: str = ""
    ) -> KeyAndChain:
        """Return a client certificate of the run's PKI."""
        common_name = name or (self.other_name if kind is Kind.OTHER_IDENTITY else self.common_name)
        organization = organization or self.organization
        return self.pki.client(common_name, organization=organization, kind=kind, key=key)

    def _csr(self, arguments: Mapping[str, Json]) -> str:
        kind, bits = str(arguments.get("key", "rsa")), arguments.get("bits")
        if bits is not None and (kind != "rsa" or not isinstance(bits, int) or bits < 1024):
            raise CannotMake(f"bits: {bits!r} is no size of an RSA key")
        private = new_key(kind, bits=bits) if isinstance(bits, int) else new_key(kind)
        try:
            text = request_text(
                private,
                common_name=str(arguments.get("common_name", self.common_name)),
                organization=str(arguments.get("organization", self.organization)),
                is_broken=arguments.get("broken") is True,
            )
        except ValueError as error:  # an empty name, or one too long for its field
            raise CannotMake(str(error)) from error
        self.keyring.add(key_text(private), text)
        return text

    def _certificate(self, arguments: Mapping[str, Json]) -> str:
        made = self.client(
            Kind(str(arguments.get("kind", Kind.OWN.value))),
            key=str(arguments.get("key", "ec")),
            name=str(arguments.get("common_name", "")),
            organization=str(arguments.get("organization", "")),
        )
        self.keyring.add(made.key, made.chain)
        return made.chain


def _hash_data(arguments: Mapping[str, Json]) -> Json:
    try:
        return hash_data(arguments["certificate"], str(arguments["algorithm"]))
    except Unreadable as error:
        raise CannotMake(f"there is no hash data of this certificate: {error}") from error


def _password(arguments: Mapping[str, Json]) -> str:
    given, size = arguments.get("hex"), arguments.get("bytes", 20)
    if given is not None:
        try:
            return bytes.fromhex(str(given)).hex()
        except ValueError as error:
            raise CannotMake(f"{given!r} is no hexadecimal text") from error
    if not isinstance(size, int) or not 1 <= size <= 1024:
        raise CannotMake(f"bytes: {size!r} is no length of a password")
    return secrets.token_hex(size)
