"""What calls use up: tokens and money.

The door counts it where a run has a budget or a limit on tokens; facts keep it. Results of the common clients are read
by the shape of what they report, without importing any of them.
"""

from __future__ import annotations

from msgspec import Struct

__all__ = ("Usage",)


class Usage(Struct, frozen=True, array_like=True, gc=False):
    """What was used up."""

    input_tokens: int = 0
    """Tokens read."""

    output_tokens: int = 0
    """Tokens written."""

    cost: float = 0.0
    """What that cost, in the currency of the budget's prices."""

    def __add__(self, other: Usage) -> Usage:
        """Both together."""
        return Usage(
            self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens, self.cost + other.cost
        )

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens
