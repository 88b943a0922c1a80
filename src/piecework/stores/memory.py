"""Facts kept in this process's memory, gone with it.

For tests and for programs that want a run's log without a file. The same port as the durable stores.
"""

from __future__ import annotations

from collections.abc import Sequence

from piecework.core.fact import Fact

__all__ = ("MemoryStore",)


class MemoryStore:
    """A run log in memory; safe to share between runs and threads."""

    def __init__(self) -> None:
        """Make an empty store."""
        self._runs: dict[str, list[Fact]] = {}

    def __repr__(self) -> str:
        """Say how much it holds."""
        facts = sum(map(len, self._runs.values()))
        return f"MemoryStore({len(self._runs)} runs, {facts} facts)"

    async def append(self, run_id: str, facts: Sequence[Fact]) -> None:
        """Add facts to a run's log, in order."""
        self._runs.setdefault(run_id, []).extend(facts)

    async def read(self, run_id: str) -> Sequence[Fact]:
        """All facts of a run, in order; empty for a run nobody recorded."""
        return tuple(self._runs.get(run_id, ()))
