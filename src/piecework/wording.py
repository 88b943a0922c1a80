"""Words that messages share: how names are listed, which one was probably meant, how a graph is called.

Every error composes its message with these; they take text and return text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

__all__ = ("did_you_mean", "graph_label", "listed", "near_miss")


def near_miss(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `name` was probably meant to be, if one is close."""
    by_folded = {candidate.casefold(): candidate for candidate in candidates}
    close = get_close_matches(name.casefold(), by_folded, n=1)
    return by_folded[close[0]] if close else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return a sentence, with a leading space, that names the near miss; empty where there is none."""
    close = near_miss(name, candidates)
    return f" Did you mean {close!r}?" if close is not None else ""


def listed(names: Collection[str], *, limit: int = 8) -> str:
    """Return names quoted and joined for a message, at most `limit` of them."""
    shown = [repr(name) for name in names][:limit]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "") if shown else "none"


def graph_label(name: str | None) -> str:
    """Return how a message calls a graph of this name."""
    return f"graph {name!r}" if name is not None else "the graph"
