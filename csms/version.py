"""Which version of the program runs."""

from importlib import metadata
from typing import Final

DISTRIBUTION: Final = "ocpp-preflight"


def version() -> str:
    """Return the installed version; a source tree that was not installed has none."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0+uninstalled"
