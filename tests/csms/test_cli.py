"""The command line: results on standard output, one message and exit 2 for wrong use."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from csms import cli
from csms.config import OPTIONS
from csms.credentials import api_token_digest


def _run(*arguments: str, environment: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli.main, arguments, env=environment or {}, catch_exceptions=False)


@pytest.fixture
def database(tmp_path: Path) -> str:
    """The URL of a database nobody else uses."""
    return f"sqlite:///{tmp_path / 'csms.sqlite3'}"


def test_serve_help_shows_every_setting() -> None:
    """Flag, environment variable and default of each setting can be looked up."""
    text = " ".join(_run("serve", "--help").stdout.split())

    for option in OPTIONS:
        assert option.variable in text
        if option.flag is not None:
            assert f"{option.flag} " in text
            assert f"[{option.variable}; default: {option.shown_default}]" in text


def test_example_config_is_the_documented_one(tmp_path: Path) -> None:
    """The printed file can be used as it is."""
    path = tmp_path / "csms.toml"
    path.write_text(_run("example-config").stdout, encoding="utf-8")

    listed = _run("token", "list", "--config", str(path), "--database", f"sqlite:///{tmp_path}/x")

    assert listed.exit_code == 0


def test_version_is_printed() -> None:
    """One line with the version, as command and as option."""
    result = _run("version")
    option = _run("--version")

    assert result.exit_code == option.exit_code == 0
    assert result.stdout.strip()
    assert option.stdout == f"csms {result.stdout}"


def test_token_is_shown_once_and_kept_as_digest(database: str, tmp_path: Path) -> None:
    """The token goes to standard output; the database has its digest alone."""
    token = _run("token", "add", "ci", "--database", database).stdout.strip()
    listed = _run("token", "list", "--database", database).stdout

    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert token.startswith("csms_")
    assert token.encode() not in content
    assert api_token_digest(token).encode() in content
    assert listed.startswith("ci\tmanage\tmade 20")
    assert token not in listed


@pytest.mark.parametrize("scope", ["read", "operate", "manage"])
def test_token_has_the_scope_it_was_made_with(database: str, scope: str) -> None:
    """The list shows it."""
    _run("token", "add", "ci", "--scope", scope, "--database", database)

    assert _run("token", "list", "--database", database).stdout.startswith(f"ci\t{scope}\t")


def test_unknown_scope_is_refused(database: str) -> None:
    """With those there are."""
    result = _run("token", "add", "ci", "--scope", "all", "--database", database)

    assert result.exit_code == 2
    assert "'read', 'operate', 'manage'" in result.stderr


def test_token_is_revoked_once(database: str) -> None:
    """A revoked token stays listed as such, and cannot be revoked again."""
    _run("token", "add", "ci", "--database", database)

    first = _run("token", "revoke", "ci", "--database", database)
    second = _run("token", "revoke", "ci", "--database", database)

    assert (first.exit_code, second.exit_code) == (0, 2)
    assert "revoked 20" in _run("token", "list", "--database", database).stdout
    assert "no valid token called 'ci'" in second.stderr


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 101])
def test_unusable_token_name_is_refused(database: str, name: str) -> None:
    """A name must be something one can read in the list."""
    result = _run("token", "add", name, "--database", database)

    assert result.exit_code == 2
    assert "1 to 100 printable characters" in result.stderr


def test_taken_token_name_is_refused(database: str) -> None:
    """Two tokens of one name could not be told apart."""
    _run("token", "add", "ci", "--database", database)

    result = _run("token", "add", "ci", "--database", database)

    assert result.exit_code == 2
    assert "take another name" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "--http-port", "x"], ["flag --http-port", "'x'", "0 to 65535"]),
        (["serve", "--response-timeout", "0"], ["flag --response-timeout", "'0'"]),
        (["serve", "--config", "none.toml"], ["config file none.toml", "No such file"]),
        (["serve", "--database", "nonsense"], ["nonsense", "sqlite:///"]),
        (["serve", "--database", "mysql://h/d"], ["mysql", "sqlite:///"]),
        (["serve", "--database", "sqlite:////no/such/dir/x"], ["/no/such/dir", "not exist"]),
        (["serve", "--database", "sqlite:////proc/x"], ["/proc/x"]),
        (["serve", "--nonsense"], ["--nonsense"]),
        (["token", "list", "--database", "sqlite:////proc"], ["/proc", "directory"]),
    ],
)
def test_wrong_use_is_one_message_and_exit_2(arguments: list[str], words: list[str]) -> None:
    """What the operator can put right is said without a stack trace."""
    result = _run(*arguments)

    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
    assert result.stderr.count("Error:") == 1
    for word in words:
        assert word in result.stderr


def test_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    """Somebody's notes are not overwritten."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database\n" * 100)

    result = _run("serve", "--database", f"sqlite:///{path}")

    assert result.exit_code == 2
    assert str(path) in result.stderr
    assert "Traceback" not in result.stderr
    assert path.read_text() == "not a database\n" * 100


def test_environment_reaches_the_tokens_too(database: str) -> None:
    """CSMS_DATABASE is the same setting for every command."""
    _run("token", "add", "ci", environment={"CSMS_DATABASE": database})

    assert _run("token", "list", "--database", database).stdout.startswith("ci\t")
