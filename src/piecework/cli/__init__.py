"""The command line: reports and graphs run and drawn, and runs that are kept resumed, shown, cancelled and removed.

Thin: it reads options and calls the library. Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

try:
    from piecework.cli.app import main
except ModuleNotFoundError as error:
    if error.name not in {"typer", "rich"}:
        raise
    message = "piecework: error: the command line needs an extra: pip install 'piecework[cli]'"
    raise SystemExit(message) from error

__all__ = ("main",)
