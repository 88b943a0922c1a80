"""What ends a command with one line on standard error; the class says with which exit code."""

from __future__ import annotations

__all__ = ("FailedError", "MisuseError", "StoppedError")


class FailedError(Exception):
    """The command was right, but what it ran failed: exit code 1."""


class MisuseError(Exception):
    """The command cannot be done as it was given: exit code 2."""


class StoppedError(Exception):
    """A run stopped early and can be resumed; why it stopped, and with it the exit code, is `error` to tell."""

    def __init__(self, error: BaseException, advice: str) -> None:
        """Keep why it stopped, and the line that says how to go on."""
        self.error = error
        """Why it stopped."""
        self.advice = advice
        """How to go on."""
        super().__init__(advice)
