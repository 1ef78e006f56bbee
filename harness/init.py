"""The commented system-under-test file that `preflight init` writes for a CSMS nobody knows yet."""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from urllib.parse import quote, urlsplit

DEFAULT_URL: Final = "ws://127.0.0.1:9000/ocpp"


class DriverKind(StrEnum):
    """How the CSMS is to be commanded."""

    NONE = "none"
    HTTP = "http"
    PYTHON = "python"
    COMMAND = "command"


class BadUrl(ValueError):
    """The address cannot be one of a CSMS; the message names cause and remedy."""


def write_text(ocpp_url: str, kind: DriverKind) -> str:
    """Return the file's text. It loads once the environment variables it names are set.

    Raises:
        BadUrl: charge points cannot connect to such an address.
    """
    host = _host_of(ocpp_url)
    is_secure = ocpp_url.startswith("wss:")
    return _FILE.format(
        name=_quoted(f"CSMS at {host}"),
        url=_quoted(ocpp_url),
        tls=_TLS if is_secure else _NO_TLS,
        driver=_DRIVERS[kind],
        provision=_PROVISIONED if kind is DriverKind.HTTP else "",
    )


def _host_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a port out of range shows only when it is read
    except ValueError as error:
        raise BadUrl(f"{url!r} is no address: {error}") from error
    if parts.scheme not in ("ws", "wss") or not host:
        raise BadUrl(f"{url!r} must be like ws://csms.example:9000/ocpp, or wss://…")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise BadUrl(f"{url!r} must not have a query: the identity is appended as last segment")
    if parts.username or parts.password:
        raise BadUrl("an address must not hold a password; passwords stand under `identities`")
    return host


def _quoted(text: str) -> str:
    """Return a YAML scalar that stands for `text` and for no place of the file's own."""
    if "${" in text:
        text = quote(text, safe=":/[]@!&'()*+,;=-._~%")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_FILE: Final = """\
# A system under test for OCPP Preflight, made by `preflight init`.
# Every key: docs/reference/sut.md. How to fill it in: docs/how-to/test-your-csms.md.
#
# Secrets stay in the environment. Before `check` and `run`, set at least
#   PREFLIGHT_PASSWORD   password of the charge points below
{provision}\
# then look before you run:
#   preflight check --sut THIS_FILE
#   preflight run --sut THIS_FILE

name: {name}

# Where charge points connect; the identity is appended as the last segment of the path.
ocpp_url: {url}

{tls}
# The charge points this run may use. They have to be registered in the CSMS, with this password,
# before the run, unless the driver does so. Use none that is a real charge point: while a case
# runs, the identity is taken from whoever else uses it. Each case that runs takes one, so eight
# of them mean up to eight cases at a time.
identities:
  - {{pattern: "PREFLIGHT-{{n:02}}", count: 8, password: "${{env:PREFLIGHT_PASSWORD}}"}}
  # Without a password (security profile 0): leave `password` out.
  # Named one by one:
  # - {{identity: CP-LAB-1, password: "${{env:PREFLIGHT_PASSWORD}}"}}

# The cards, by what the CSMS has to say about them. They have to be there before the run, too.
# Places belong together: the first of `valid` and the first of `valid_2` have the first `parent`.
id_tags:
  valid: {{pattern: "PFVALID{{n:02}}", count: 8}}      # Accepted
  valid_2: {{pattern: "PFSECOND{{n:02}}", count: 8}}   # Accepted, with the same parent
  parent: {{pattern: "PFGROUP{{n:02}}", count: 8}}     # that parent (group)
  expired: [PFEXPIRED]                             # Expired
  blocked: [PFBLOCKED]                             # Blocked
  invalid: [PFNOBODY]                              # Invalid: must NOT be in the CSMS

{driver}
# What the vendor declares; other cases do not apply. Take out what you do not have.
pics:
  profiles:
    - Core
    - FirmwareManagement
    - SmartCharging
    - Reservation
    - LocalAuthListManagement
    - RemoteTrigger
    # - Security        # certificates, signed firmware, logs, passwords changed by command

# Whether charge points send fractions of seconds.
timestamps: {{milliseconds: true}}

# How long the CSMS may take. Above the limit a case fails; above the target it is warned about.
budgets:
  ocpp_response_timeout: {{limit_s: 30, target_s: 1}}
  authorize: {{limit_s: 30, target_s: 0.5}}

# How long a request that was asked for through the driver may take to reach the charge point.
action_timeout_s: 30

# How gently the CSMS has to be treated. Remove the # to keep to it.
# limits: {{max_connections: 8, max_messages_per_second: 20}}
"""

_NO_TLS: Final = """\
# With TLS as well? Name the address of each security profile in place of `ocpp_url`, and give
# identities `security_profile: 2` (password) or 3 (client certificate):
# endpoints: {1: "ws://csms.example/ocpp", 2: "wss://csms.example/ocpp"}
# tls:
#   trust_anchors: [ca.pem]     # whom charge points trust; default: this machine's own
"""

_TLS: Final = """\
# Whom charge points trust. Without: this machine's own certificate authorities.
# tls:
#   trust_anchors: [ca.pem]     # PEM files beside this one
#   server_name: csms.example   # whom the certificate must name, where it is not the address
"""

_PROVISIONED: Final = """\
#   PREFLIGHT_API_URL    address of the CSMS's HTTP interface for operators
#   PREFLIGHT_API_TOKEN  what that interface wants to see
"""

_DRIVERS: Final = {
    DriverKind.NONE: """\
# Nobody makes the CSMS act: cases in which it has to send a request stay inconclusive.
driver: {kind: none}
""",
    DriverKind.HTTP: """\
# What an operator would click, as HTTP requests. $identity is the charge point, $action the name
# of the OCPP request, $payload its fields, $payload.connectorId one of them.
driver:
  kind: http
  base_url: "${env:PREFLIGHT_API_URL}"
  headers: {Authorization: "Bearer ${env:PREFLIGHT_API_TOKEN}"}
  # One request for all actions. Where yours differ, name them under `actions`.
  command:
    method: POST
    path: /stations/$identity/commands
    body: {command: $action, parameters: $payload}
    done: [200, 202]          # it went to the charge point
    refused: [404, 409]       # unknown, or not connected
    # HTTP 200 that means no? Say by what: done_if: {/success: true}
  # actions:
  #   RemoteStartTransaction:
  #     path: /stations/$identity/start
  #     body: {tag: $payload.idTag, connector: $payload.connectorId}
  #   UnlockConnector: {unsupported: "the interface has no unlocking"}
  # Remove the # where the interface can register charge points and cards; else do so by hand.
  # provision:
  #   identities:
  #     - {method: PUT, path: /stations/$identity, body: {password: $password}}
  #   id_tags:
  #     valid: [{method: PUT, path: /cards/$id_tag, body: {group: $parent_id_tag}}]
  #     valid_2: [{method: PUT, path: /cards/$id_tag, body: {group: $parent_id_tag}}]
  #     expired: [{method: PUT, path: /cards/$id_tag, body: {state: expired}}]
  #     blocked: [{method: PUT, path: /cards/$id_tag, body: {state: blocked}}]
""",
    DriverKind.PYTHON: """\
# What an operator would click, as a class of yours: `command(identity, operation, payload)`.
# docs/reference/drivers.md tells what it gets and returns.
driver:
  kind: python
  path: driver.py:Driver      # a file beside this one; or `class: package.module:Class`
  options: {}                 # handed to the class
""",
    DriverKind.COMMAND: """\
# What an operator would click, as a program of yours, started for each operation: JSON on its
# standard input, exit code 0 done, 89 not supported. docs/reference/drivers.md tells more.
driver:
  kind: command
  command: ["./driver.sh"]    # beside this file
  # env: {API_TOKEN: "${env:PREFLIGHT_API_TOKEN}"}
""",
}
