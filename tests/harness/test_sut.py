"""System-under-test files: what they may say, and how they are told wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.model import NEWEST_EDITION, Profile
from harness.sut import SutError, SystemUnderTest, find_sut, load

LEAST = """\
name: A CSMS
ocpp_url: ws://127.0.0.1:9000/ocpp
identities: [{identity: CP1}]
id_tags: {valid: [TAG1]}
"""


def read(tmp_path: Path, text: str, **environment: str) -> SystemUnderTest:
    path = tmp_path / "sut.yaml"
    path.write_text(text)
    return load(path, run_dir=tmp_path / "run", environment=environment)


def problems(tmp_path: Path, text: str, **environment: str) -> str:
    with pytest.raises(SutError) as error:
        read(tmp_path, text, **environment)
    text = str(error.value).replace(str(tmp_path / "sut.yaml"), "FILE")
    return re.sub(r"FILE:(\d+):\d+:", r"FILE:\1:", text)


def test_least_file_has_the_defaults(tmp_path: Path) -> None:
    """Four lines are enough; everything else has the value of the reference declaration."""
    sut = read(tmp_path, LEAST)

    assert (sut.name, sut.ocpp_url) == ("A CSMS", "ws://127.0.0.1:9000/ocpp")
    assert (sut.start, sut.driver, sut.declaration.profiles) == (None, None, None)
    assert (sut.edition, sut.milliseconds, sut.action_timeout_s) == (NEWEST_EDITION, True, 30.0)
    assert (sut.budgets["authorize"].limit_s, sut.budgets["authorize"].target_s) == (30.0, 0.5)
    assert sut.variables["connection_timeout_s"] == 1


def test_shipped_file_loads(tmp_path: Path) -> None:
    """The file of our own CSMS is nothing but such a file."""
    sut = load(find_sut("embedded"), run_dir=tmp_path)

    assert sut.start is not None
    assert sut.start.environment["CSMS_API_TOKEN"] in sut.sensitive
    assert f":{sut.ports['ocpp']}/" in sut.ocpp_url
    passwords = [one.password for one in sut.identities if one.security_profile != 3]
    assert len(set(passwords)) == len(passwords) > 0
    assert {one.security_profile for one in sut.identities} == {1, 2, 3}
    assert "client_ca" in sut.pki_files


def test_places_are_filled_in(tmp_path: Path) -> None:
    """Ports, environment, secrets, folders and random values stand where they are named."""
    sut = read(
        tmp_path,
        LEAST.replace("9000", "${port:ocpp}")
        + """\
ports: [ocpp, http]
secrets: {token: "${random_hex:8}"}
start:
  command: [x, "${port:http}", "${secret:token}", "${env:NAME}", "${env:NONE:-or else}"]
  ready: {tcp: "127.0.0.1:${port:ocpp}"}
  directory: sub
  log: ${run_dir}/x.log
""",
        NAME="from outside",
    )

    assert sut.start is not None
    token = sut.start.command[2]
    assert re.fullmatch("[0-9a-f]{16}", token)
    assert sut.start.command == ("x", str(sut.ports["http"]), token, "from outside", "or else")
    assert sut.start.directory == tmp_path / "sub"
    assert sut.start.log == tmp_path / "run" / "x.log"
    assert len(set(sut.ports.values())) == 2
    assert token in sut.sensitive


def test_program_with_a_path_stands_beside_the_file(tmp_path: Path) -> None:
    """Relative paths mean the same wherever the run is started."""
    sut = read(tmp_path, LEAST + "start: {command: [./bin/csms, a/b], ready: {tcp: 'x:1'}}\n")

    assert sut.start is not None
    assert sut.start.command == (str(tmp_path / "bin" / "csms"), "a/b")


def test_generated_identities_have_their_own_passwords(tmp_path: Path) -> None:
    """A generator makes a new password for every identity, raw bytes where it says hex."""
    generator = (
        'identities: {pattern: "PF{n:03}", count: 3, password: "${random_hex:20}", '
        "password_is: hex}"
    )
    sut = read(tmp_path, LEAST.replace("identities: [{identity: CP1}]", generator))

    assert [one.identity for one in sut.identities] == ["PF001", "PF002", "PF003"]
    assert all(one.password is not None and len(one.password) == 20 for one in sut.identities)
    assert len({one.password for one in sut.identities}) == 3


def test_passwords_do_not_show_in_a_representation(tmp_path: Path) -> None:
    """A logged identity does not tell its password."""
    text = LEAST.replace("{identity: CP1}", "{identity: CP1, password: hunter22}")

    assert "hunter22" not in repr(read(tmp_path, text).identities)


def test_settings_hold_no_secret(tmp_path: Path) -> None:
    """What the report tells about the system has neither passwords nor tokens."""
    text = LEAST.replace("{identity: CP1}", "{identity: CP1, password: hunter22}") + (
        "driver: {kind: http, base_url: http://x, headers: {X-Api-Key: s3cret-key}, "
        "command: {path: /x}}\n"
    )
    sut = read(tmp_path, text)

    assert "hunter22" not in str(sut.settings())
    assert "s3cret-key" not in str(sut.settings())
    assert "s3cret-key" in sut.sensitive


def test_declared_profiles(tmp_path: Path) -> None:
    """The declaration selects profiles by the standard's names."""
    sut = read(tmp_path, LEAST + "pics: {profiles: [Core, SmartCharging]}\n")

    assert sut.declaration.profiles == frozenset({Profile.CORE, Profile.SMART_CHARGING})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("foo: 1", "FILE:5: foo: is not known here (known: action_timeout_s,"),
        ("budget: {}", "FILE:5: budget: is not known here (did you mean budgets?)"),
        ("edition: '2023-01'", "FILE:5: edition: '2023-01' is not one of those known (2024-04,"),
        ("action_timeout_s: soon", "FILE:5: action_timeout_s: 'soon' must be of type number"),
        ("start: {command: [x]}", "FILE:5: start: `ready` is missing (add it)"),
        (
            "driver: {kind: http, base_url: ftp://x, command: {path: /}}",
            "FILE:5: driver.base_url: 'ftp://x' must begin with http:// or https://",
        ),
        (
            "driver: {kind: http, base_url: http://x, command: {path: /$identiti}}",
            "FILE:5: driver.command.path: $identiti is not known here; known are: $action, ",
        ),
        (
            "driver: {kind: http, base_url: http://x, command: {path: /}, "
            "provision: {id_tags: {expired: []}}}",
            "FILE:5: driver.provision.id_tags.expired: no id tag has this role",
        ),
        (
            "start: {command: ['${port:web}'], ready: {tcp: 'x:1'}}",
            "FILE:5: start.command.0: port 'web' is not declared; add it to `ports`",
        ),
        (
            "start: {command: ['${env:NOPE}'], ready: {tcp: 'x:1'}}",
            "FILE:5: start.command.0: environment variable NOPE is not set (set it, or give",
        ),
        (
            "start: {command: ['${secret:key}'], ready: {tcp: 'x:1'}}",
            "FILE:5: start.command.0: secret 'key' is not declared",
        ),
        ("secrets: {a: '${random_hex:x}'}", "FILE:5: secrets.a: 'x' must be a number of bytes"),
        (
            "budgets: {authorize: {limit_s: 1, target_s: 2}}",
            "FILE:5: budgets.authorize.target_s: 2 is above limit_s 1",
        ),
        ("name: again", 'FILE:5: the key "name" stands here twice (first in line 1)'),
        ("name: [", "FILE:"),
    ],
)
def test_a_wrong_line_is_named_with_its_remedy(tmp_path: Path, line: str, expected: str) -> None:
    """Every problem tells file, line, place and what would have been right."""
    assert expected in problems(tmp_path, LEAST + line + "\n")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("ws://127", "http://127", "must begin with ws:// or wss://"),
        ("/ocpp", "/ocpp?x=1", "must not have a query"),
        ("[{identity: CP1}]", "[{identity: C}, {identity: C}]", "'C' stands there twice"),
        ("{identity: CP1}", "{identity: 'a:b', password: x}", "holds a colon"),
        (
            "{identity: CP1}",
            "{identity: A, password: xyz, password_is: hex}",
            "is not hexadecimal",
        ),
        ("[TAG1]", "[TAG1, tag1]", "'tag1' is a valid tag already"),
        ("{valid: [TAG1]}", "{valid: [A], blocked: [a]}", "'a' is a valid tag already"),
        ("[TAG1]", "[A23456789012345678901]", "is longer than 20 characters"),
        ("[{identity: CP1}]", "{pattern: X, count: 2}", "must hold {n} or {n:04}"),
        ("name: A CSMS\n", "", "`name` is missing (add it)"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """What the schema cannot see is refused all the same, before anything starts."""
    assert expected in problems(tmp_path, LEAST.replace(old, new))


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    """A file with three faults names three."""
    text = LEAST.replace("ws://", "tcp://") + "foo: 1\nedition: x\n"

    assert len(problems(tmp_path, text).splitlines()) == 3


def test_missing_file_is_a_problem_too(tmp_path: Path) -> None:
    """A path that leads nowhere is said in one line."""
    with pytest.raises(SutError, match="No such file"):
        load(tmp_path / "none.yaml", run_dir=tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"- a\n", b"", b"a: !!python/name:os.system x"])
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Bytes, lists, nothing and tags end in a SutError, never in another exception."""
    path = tmp_path / "sut.yaml"
    path.write_bytes(content)

    with pytest.raises(SutError):
        load(path, run_dir=tmp_path)
