"""Settings: where they come from, who wins, and what is said about a bad one."""

import tomllib
from pathlib import Path

import pytest

from csms import config
from csms.config import OPTIONS, ConfigError, Settings, load


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "csms.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_are_loopback() -> None:
    """Without any source both listeners are reachable from this machine only."""
    settings = load(flags={}, environment={})

    assert settings == Settings()
    assert settings.ocpp_host == settings.http_host == "127.0.0.1"


def test_flags_win_over_environment_over_file(tmp_path: Path) -> None:
    """Each setting comes from the strongest source that has it."""
    path = _file(tmp_path, "http_port = 1\nocpp_port = 1\nresponse_timeout_s = 1\n")

    settings = load(
        flags={"http_port": "3"},
        environment={"CSMS_HTTP_PORT": "2", "CSMS_OCPP_PORT": "2", "OCPP_PORT": "9"},
        config_file=path,
    )

    assert (settings.http_port, settings.ocpp_port, settings.response_timeout_s) == (3, 2, 1.0)


def test_environment_may_name_the_file(tmp_path: Path) -> None:
    """CSMS_CONFIG names the file where no flag does."""
    path = _file(tmp_path, "heartbeat_interval_s = 7")

    assert load(flags={}, environment={"CSMS_CONFIG": str(path)}).heartbeat_interval_s == 7


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("http_port", "0", 0),
        ("http_tls", "YES", True),
        ("http_tls", "0", False),
        ("lowest_security_profile", "2", 2),
        ("password_encoding", "HEX_TEXT", "hex_text"),
        (
            "tls_names",
            "csms.example.com, 10.0.0.5,csms.example.com",
            ("csms.example.com", "10.0.0.5"),
        ),
        ("unknown_charge_points", "accepted", "Accepted"),
        ("ping_interval_s", "0.5", 0.5),
        ("database", " sqlite:///x.db ", "sqlite:///x.db"),
    ],
)
def test_texts_are_read(name: str, text: str, expected: object) -> None:
    """Text from flags and environment becomes the setting's type."""
    assert getattr(load(flags={name: text}, environment={}), name) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("http_port", "65536"),
        ("http_port", "-1"),
        ("http_port", "http"),
        ("http_host", " "),
        ("heartbeat_interval_s", "0"),
        ("heartbeat_interval_s", "1.5"),
        ("response_timeout_s", "nan"),
        ("response_timeout_s", "0"),
        ("response_timeout_s", "1e999"),
        ("http_tls", "maybe"),
        ("lowest_security_profile", "4"),
        ("tls_names", "a,,b"),
        ("log_level", "loud"),
        ("message_log_days", "-1"),
        ("max_frame_bytes", "1"),
    ],
)
def test_bad_value_names_source_value_and_remedy(name: str, text: str) -> None:
    """An error tells where the value came from, what it was, and what would be right."""
    option = next(option for option in OPTIONS if option.name == name)

    with pytest.raises(ConfigError) as by_flag:
        load(flags={name: text}, environment={})
    with pytest.raises(ConfigError) as by_variable:
        load(flags={}, environment={option.variable: text})

    assert str(by_flag.value) == f"flag {option.flag}: {text!r} is not {option.kind.wants}"
    assert option.variable in str(by_variable.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http_prot = 1", ["unknown setting 'http_prot'", "did you mean http_port?"]),
        ("colour = 1", ["unknown setting 'colour'", "csms example-config"]),
        ("http_port = true", ["http_port: True is not a port"]),
        ("http_port = 'x'", ["http_port: 'x' is not a port"]),
        ("http_tls = 1", ["http_tls: 1 is not true or false"]),
        ("log_level = 5", ["log_level: 5 is not one of"]),
        ("\nhttp_port = x", ["not TOML", "line 2"]),
        ("[http]\nport = 1", ["unknown setting 'http'"]),
    ],
)
def test_bad_file_is_explained(tmp_path: Path, text: str, words: list[str]) -> None:
    """A key or value of the file that cannot be used is named with the file."""
    path = _file(tmp_path, text)

    with pytest.raises(ConfigError) as caught:
        load(flags={}, environment={}, config_file=path)

    assert str(path) in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_missing_and_undecodable_files_are_explained(tmp_path: Path) -> None:
    """A file that is not there or not text gives a message, not another exception."""
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigError, match="No such file"):
        load(flags={}, environment={}, config_file=tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="not TOML"):
        load(flags={}, environment={}, config_file=binary)
    with pytest.raises(ConfigError, match="config file"):
        load(flags={}, environment={}, config_file=tmp_path)


def test_secret_is_not_repeated() -> None:
    """A token that cannot be used is not shown, and there is no flag that would show it."""
    with pytest.raises(ConfigError) as caught:
        load(flags={}, environment={"CSMS_API_TOKEN": "tooshort"})

    assert "tooshort" not in str(caught.value)
    assert [option.name for option in OPTIONS if option.flag is None] == ["api_token"]


def test_example_file_shows_every_setting(tmp_path: Path) -> None:
    """Uncommented, the example is a file that means the defaults."""
    text = config.example_file()
    lines = [line.removeprefix("# ") for line in text.splitlines() if " = " in line]
    names = [line.partition(" = ")[0] for line in lines]
    assert names == [option.name for option in OPTIONS]

    with_values = "\n".join(line for line in lines if not line.endswith('"…"'))
    assert load(flags={}, environment={}, config_file=_file(tmp_path, with_values)) == Settings()
    assert tomllib.loads(text) == {}


def test_misspelt_variable_is_pointed_out() -> None:
    """A near miss is warned about; foreign variables with the same prefix are left alone."""
    environment = {"CSMS_HTTP_PROT": "1", "CSMS_SERVICE_HOST": "10.0.0.1", "CSMS_HTTP_PORT": "1"}

    (warning,) = config.misspelt(environment)

    assert "CSMS_HTTP_PROT" in warning
    assert "did you mean CSMS_HTTP_PORT?" in warning
