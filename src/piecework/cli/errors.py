"""What ends a command with one line on standard error; the class says with which exit code."""

from __future__ import annotations

__all__ = ("FailedError", "MisuseError")


class FailedError(Exception):
    """The command was right, but what it ran failed: exit code 1."""


class MisuseError(Exception):
    """The command cannot be done as it was given: exit code 2."""
