"""The `driver` section: what is wrong is told with its line and a remedy, before anything runs."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent, indent

import pytest

from harness.drivers.command import CommandDriver, CommandDriverSpec
from harness.drivers.driver import NoDriver, Operation, Outcome
from harness.drivers.http import HttpDriver
from harness.drivers.http_spec import HttpDriverSpec
from harness.drivers.kinds import DriverSpec, make_driver
from harness.drivers.python import PythonDriver, PythonDriverSpec
from harness.sut import SutError, load

LEAST = (
    "name: A CSMS\nocpp_url: ws://127.0.0.1:9000/ocpp\nidentities: [{identity: CP1}]\n"
    "id_tags: {valid: [TAG1]}\ndriver:\n"
)
HTTP = "kind: http\nbase_url: http://x\n"


def read(tmp_path: Path, driver: str, **environment: str) -> DriverSpec | None:
    """Return what a file with this driver says."""
    path = tmp_path / "sut.yaml"
    path.write_text(LEAST + indent(dedent(driver), "  "))
    return load(path, run_dir=tmp_path, environment=environment).driver


def http(tmp_path: Path, driver: str, **environment: str) -> HttpDriverSpec:
    """Return what a file with this driver of kind http says."""
    spec = read(tmp_path, HTTP + dedent(driver), **environment)
    assert isinstance(spec, HttpDriverSpec)
    return spec


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        ("kind: htpp", "driver.kind: 'htpp' is not one of those known"),
        (HTTP, "driver: nothing says how an action is asked for (add `command`, `actions`"),
        (HTTP + "comand: {path: /}", "driver.comand: is not known here (did you mean command?)"),
        (HTTP + "command: {pth: /}", "driver.command.pth: is not known here (did you mean path?)"),
        (
            HTTP + "actions: {Rest: {path: /}}",
            "driver.actions.Rest: is no operation of a Central System (did you mean Reset?)",
        ),
        (
            HTTP + "actions: {Reset: {body: {}}}",
            "driver.actions.Reset: has no `path`, and `driver.command` has none either",
        ),
        (
            HTTP + "actions: {Reset: [{path: /, whn: {/a: 1}}]}",
            "driver.actions.Reset.0.whn: is not known here (did you mean when?)",
        ),
        (
            HTTP + "command: {path: 'http://other/x'}",
            "driver.command.path: 'http://other/x' must begin with /, and goes on from `base_url`",
        ),
        (
            HTTP + "command: {path: /}\nprovision: {setup: [{path: x}]}",
            "driver.provision.setup.0.path: 'x' must begin with /",
        ),
        (
            HTTP + "command: {path: /$nobody}",
            "driver.command.path: $nobody is not known here; known are: $action, $identity, "
            "$payload, $soon",
        ),
        (
            HTTP + "command: {path: '/${action|kebabcase}'}",
            "driver.command.path: |kebabcase is neither built in nor a table under "
            "`driver.tables` (did you mean kebab_case?)",
        ),
        (
            HTTP + "command: {path: /, body: {a: ['${payload.x[}']}}",
            "driver.command.body.a.0: ${payload.x[} cannot be read; places are such as",
        ),
        (HTTP + "command: {path: / $ }", "driver.command.path: a lone $ in '/ $'; $$ stands for"),
        (
            HTTP + "command: {path: '/${evn:X}'}",
            "driver.command.path: ${evn:X} cannot be read",
        ),
        (
            HTTP + "command: {path: /$callback_url}",
            "driver.command.path: $callback_url needs a place to listen; add `driver.callback`",
        ),
        (
            HTTP + "command: {path: /}\ncallback: {}",
            "driver.callback: no request names $callback_url",
        ),
        (
            HTTP + "command: {path: '/$callback_url'}\ncallback: {port: x}",
            "driver.callback.port: 'x' must be a port",
        ),
        (
            HTTP + "command: {path: /}\ntables: {json: {a: b}}",
            "driver.tables.json: is the name of a form that is built in; choose another",
        ),
        (
            HTTP + "command: {path: /, done_if: {status: ok}}",
            "driver.command.done_if: a name in it cannot be used",
        ),
        (
            HTTP + "command: {path: /}\nheaders: {A: $token}",
            "driver.headers.A: $token is not known here; known are: none",
        ),
        (
            HTTP + "command: {path: /}\nlogin: {path: /, capture: {token: /t}, body: $token}",
            "driver.login.body: $token is not known here; known are: none",
        ),
        (
            HTTP + "command: {path: /}\nprovision: {identities: {unsuported: x}}",
            "driver.provision.identities.unsuported: is not known here",
        ),
        (
            HTTP + "command: {path: /}\nprovision: {id_tags: {expird: {unsupported: x}}}",
            "id_tags.expird: is no role that cases ask for (did you mean expired?)",
        ),
        (
            HTTP + "command: {path: /}\nbasic_auth: {user: 'a:b', password: c}",
            "driver.basic_auth.user: Basic auth cannot carry a colon in a user name",
        ),
        (
            "kind: http\nbase_url: ${env:URL}\ncommand: {path: /}",
            "driver.base_url: 'ftp://x' must begin with http:// or https://",
        ),
        ("kind: python", "driver: needs one of `class`, `path` and `entry_point`"),
        ("kind: python\nclass: package", "'package' names no class; write it as package.module:C"),
        ("kind: python\npath: own.py", "'own.py' names no class; write it as driver.py:Class"),
        ("kind: command", "driver: `command` is missing"),
        (
            "kind: command\ncommand: [x]\nunsupported: {Rest: y}",
            "driver.unsupported.Rest: is no operation of a Central System (did you mean Reset?)",
        ),
        ("kind: none\nbase_url: http://x", "driver.base_url: is not known here"),
    ],
)
def test_what_is_wrong_is_told_with_a_remedy(tmp_path: Path, driver: str, expected: str) -> None:
    """Each slip has its own words, at its place."""
    with pytest.raises(SutError) as told:
        read(tmp_path, driver, URL="ftp://x")

    assert expected in str(told.value)
    assert f"{tmp_path / 'sut.yaml'}:" in str(told.value)


def test_an_action_takes_over_what_it_does_not_say(tmp_path: Path) -> None:
    """Conditions, statuses and what comes before are those of `command`, `when` is its own."""
    spec = http(
        tmp_path,
        """
        command: {path: /a, done: [201], done_if: {/x: 1}, before: [{path: /first}], answer: /y}
        actions: {Reset: {path: /b, done: [200]}}
        """,
    )

    (reset,) = spec.actions["Reset"]
    assert (reset.path, reset.done, reset.done_if, reset.answer) == ("/b", (200,), {"/x": 1}, "/y")
    assert [one.path for one in reset.before] == ["/first"]
    assert reset.body == "$payload"


def test_values_of_the_environment_are_no_templates(tmp_path: Path) -> None:
    """A dollar sign of a password stays one; in tables and conditions, too."""
    spec = http(
        tmp_path,
        """
        command: {path: "/${env:X}", body: ["${env:X}"], headers: {A: "${env:X}"}}
        tables: {a: {b: "${env:X}"}}
        basic_auth: {user: u, password: "${env:X}"}
        """,
        X="$a$$b",
    )

    assert spec.command is not None
    assert spec.command.path == "/$$a$$$$b"
    assert spec.command.body == ["$$a$$$$b"]
    assert spec.tables == {"a": {"b": "$a$$b"}}
    assert spec.basic_auth == ("u", "$a$$b")


def test_secrets_are_found_by_their_names(tmp_path: Path) -> None:
    """In headers anywhere and in the login; ids of tags and tokens of bodies are none."""
    spec = http(
        tmp_path,
        """
        login: {path: /l, body: {user: u, password: "p$$1", deep: [{api_key: k}]}}
        headers: {X-Api-Key: "key-1", Accept: text}
        command: {path: /, body: {tokenType: ISO14443}, headers: {Cookie: "c=$identity"}}
        actions: {Reset: {headers: {Authorization: "Bearer b1"}}}
        basic_auth: {user: u, password: b2}
        """,
    )

    assert set(spec.secrets()) == {"p$1", "k", "key-1", "b1", "b2"}


def test_paths_of_programs_and_classes_are_beside_the_file(tmp_path: Path) -> None:
    """A bare name is looked for on PATH; anything else is relative to the file."""
    command = read(tmp_path, "kind: command\ncommand: [./drive.sh, '${env:X}']\n", X="a b")
    bare = read(tmp_path, "kind: command\ncommand: [drive]\nenv: {TOKEN: t, MODE: m}\n")
    own = read(tmp_path, "kind: python\npath: own.py:Own\noptions: {a: [1, '${env:X}']}", X="x")

    assert isinstance(command, CommandDriverSpec)
    assert command.command == (str(tmp_path / "./drive.sh"), "a b")
    assert command.directory == tmp_path
    assert isinstance(bare, CommandDriverSpec)
    assert bare.command == ("drive",)
    assert bare.secrets() == ("t",)
    assert isinstance(own, PythonDriverSpec)
    assert (own.path, own.name, own.options) == (tmp_path / "own.py", "Own", {"a": [1, "x"]})


async def test_each_kind_makes_its_driver(tmp_path: Path) -> None:
    """What a file says becomes a driver, and nothing is sent or started by that."""
    (tmp_path / "own.py").write_text(
        "class Own:\n    def __init__(self, options): pass\n    command = print\n"
    )
    kinds: list[tuple[str, type]] = [
        ("kind: none", NoDriver),
        (HTTP + "command: {path: /}", HttpDriver),
        ("kind: command\ncommand: [x]", CommandDriver),
        ("kind: python\npath: own.py:Own", PythonDriver),
    ]
    for text, kind in kinds:
        driver = make_driver(read(tmp_path, text), timeout_s=1.0)
        assert type(driver) is kind
        await driver.close()


def test_the_reference_shows_what_can_be_read(tmp_path: Path) -> None:
    """Every section of the reference's examples is one that a file may have."""
    page = (Path(__file__).parents[3] / "docs" / "reference" / "drivers.md").read_text()
    examples = re.findall(r"```yaml\ndriver:\n(.*?)```", page, re.DOTALL)
    tags = "id_tags: {valid: [TAG1], blocked: [TAG2]}\n"
    kinds = []
    for example in examples:
        path = tmp_path / "sut.yaml"
        path.write_text(LEAST.replace("id_tags: {valid: [TAG1]}\n", tags) + example)
        kinds.append(type(load(path, run_dir=tmp_path, environment={}).driver))

    assert kinds == [HttpDriverSpec, HttpDriverSpec, PythonDriverSpec, CommandDriverSpec]


async def test_the_class_of_the_reference_works(tmp_path: Path) -> None:
    """Its example is a driver as it stands."""
    page = (Path(__file__).parents[3] / "docs" / "reference" / "drivers.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "csms_driver.py").write_text(example)
    spec = read(tmp_path, "kind: python\npath: csms_driver.py:Csms\noptions: {url: x}")
    driver = make_driver(spec, timeout_s=1.0)
    told = [
        await driver.command("CP1", operation, {})
        for operation in (Operation.RESET, Operation.RESERVE_NOW)
    ]

    assert [one.outcome for one in told] == [Outcome.DONE, Outcome.UNSUPPORTED]
