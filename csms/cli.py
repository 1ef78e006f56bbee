"""The command `csms`: reads what the operator wants, says what went wrong, exits 0, 1 or 2.

Results go to standard output, logs and errors to standard error. Wrong use (a bad setting, a
taken port, a database from a newer version) is one message and exit 2, never a stack trace.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from sqlalchemy import Connection

from csms import app, config
from csms.config import OPTIONS, ConfigError, Settings
from csms.credentials import api_token_digest, new_api_token
from csms.domain.scopes import Scope
from csms.storage import api_tokens
from csms.storage.errors import StorageError
from csms.storage.store import Store
from csms.version import version as installed_version

EXIT_WRONG_USE: Final = 2
LOG_FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"

T = TypeVar("T")


class WrongUse(click.ClickException):
    """Something the operator can put right; shown as one message."""

    exit_code = EXIT_WRONG_USE


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(installed_version(), prog_name="csms", message="%(prog)s %(version)s")
def main() -> None:
    """A Central System (CSMS) for OCPP 1.6-J."""


def _with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add a flag for each setting; the texts are judged by csms.config, not by click."""
    for option in reversed(OPTIONS):
        if option.flag is not None:
            command = click.option(
                option.flag,
                option.name,
                metavar=option.kind.metavar,
                help=f"{option.help} [{option.variable}; default: {option.shown_default}]",
            )(command)
    return _with_config(command)


def _with_config(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help=f"Settings as TOML; `csms example-config` prints one. [{config.CONFIG_VARIABLE}]",
    )(command)


@main.command(epilog="A flag wins over its environment variable, that over the config file.")
@_with_settings
def serve(config_file: Path | None, **flags: str | None) -> None:
    """Serve charge points and the HTTP API until SIGTERM or SIGINT.

    The HTTP API wants a bearer token: CSMS_API_TOKEN, or one of `csms token add`.
    """
    settings = _load(config_file, flags)
    _configure_logging(settings.log_level)
    for warning in config.misspelt(os.environ):
        logging.getLogger("csms").warning(warning)
    try:
        app.run(settings, announce=_announce)
    except (app.CannotStart, StorageError) as error:
        raise WrongUse(str(error)) from None


def _configure_logging(level: str) -> None:
    """Log to standard error, in UTC; libraries only say what is wrong unless we debug."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter(LOG_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level != "debug":
        for library in ("alembic", "pyftpdlib", "uvicorn", "websockets"):
            logging.getLogger(library).setLevel(logging.WARNING)


def _announce(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


@main.command("example-config")
def example_config() -> None:
    """Print a config file that shows every setting with its default."""
    click.echo(config.example_file(), nl=False)


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(installed_version())


@main.group()
def token() -> None:
    """Bearer tokens of the HTTP API."""


def _with_database(command: Callable[..., Any]) -> Callable[..., Any]:
    return _with_config(
        click.option("--database", metavar="URL", help="The database of the CSMS. [CSMS_DATABASE]")(
            command
        )
    )


@token.command("add")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in Scope]),
    default=Scope.MANAGE.value,
    show_default=True,
    help="read: look; operate: also command charge points and issue tags; manage: also decide who"
    " is let in, with what, and what runs on charge points.",
)
@_with_database
def add_token(name: str, scope: str, config_file: Path | None, database: str | None) -> None:
    """Make a token called NAME and print it; it cannot be shown again."""
    if not name.strip() or not name.isprintable() or len(name) > 100:
        raise WrongUse(f"{name!r} is no name for a token: 1 to 100 printable characters")
    fresh = new_api_token()
    is_added = _in_database(
        _load(config_file, {"database": database}),
        partial(
            api_tokens.add,
            name=name,
            digest=api_token_digest(fresh),
            at=datetime.now(UTC),
            scope=Scope(scope),
        ),
    )
    if not is_added:
        raise WrongUse(f"there is or was a token called {name!r}; take another name")
    click.echo(fresh)


@token.command("list")
@_with_database
def list_tokens(config_file: Path | None, database: str | None) -> None:
    """List the tokens: name, scope, when made, when revoked."""
    for one in _in_database(_load(config_file, {"database": database}), api_tokens.everything):
        end = "" if one.revoked_at is None else f"\trevoked {one.revoked_at:{TIME_FORMAT}}"
        click.echo(f"{one.name}\t{one.scope}\tmade {one.created_at:{TIME_FORMAT}}{end}")


@token.command("revoke")
@click.argument("name")
@_with_database
def revoke_token(name: str, config_file: Path | None, database: str | None) -> None:
    """Make the token called NAME worthless, at once, for a running CSMS too."""
    is_revoked = _in_database(
        _load(config_file, {"database": database}),
        partial(api_tokens.revoke, name=name, at=datetime.now(UTC)),
    )
    if not is_revoked:
        raise WrongUse(f"there is no valid token called {name!r}; `csms token list` shows all")


def _load(config_file: Path | None, flags: dict[str, str | None]) -> Settings:
    given = {name: text for name, text in flags.items() if text is not None}
    try:
        return config.load(flags=given, environment=os.environ, config_file=config_file)
    except ConfigError as error:
        raise WrongUse(str(error)) from None


def _in_database(settings: Settings, operation: Callable[[Connection], T]) -> T:
    """Run one operation in the database, committed when this returns."""

    async def run() -> T:
        store = Store.open(settings.database)
        try:
            return await store.write(operation)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except StorageError as error:
        raise WrongUse(str(error)) from None
