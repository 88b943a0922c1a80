"""Full-text search over passages or excerpts: an SQLite FTS5 table in memory, English endings ignored, ranked by bm25.

Shared by all workers of a report, so each search holds a lock. Whatever a user writes is searched for as
words; nothing in it is understood as a search operator.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable

from piecework.report.words import spread_ideographs, words

__all__ = ("PassageIndex",)

_MOST_TERMS = 48
_TRAIL_WEIGHT = 0.5
"""How much a word in the headings above a passage counts, beside 1 for a word in the passage."""


class PassageIndex:
    """Finds the passages that have most to do with some words."""

    def __init__(self, entries: Iterable[tuple[int, str, str]]) -> None:
        """Index `entries`: a passage's number, the headings above it, and its text."""
        self._lock = threading.Lock()
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.execute(
            "CREATE VIRTUAL TABLE passage USING fts5(trail, body, tokenize = 'porter unicode61 remove_diacritics 2')"
        )
        self._database.executemany(
            "INSERT INTO passage (rowid, trail, body) VALUES (?, ?, ?)",
            ((number, spread_ideographs(trail), spread_ideographs(body)) for number, trail, body in entries),
        )

    def search(self, terms: Iterable[str]) -> dict[int, float]:
        """Return how well each passage that has any of `terms` fits them: 1 for the best, down towards 0.

        Args:
            terms: Words or phrases, as text; a term of several words is searched for as a phrase.

        Returns:
            Scores by passage number, best first; equal ones in the order of the sources.
        """
        phrases = dict.fromkeys(" ".join(words(term)) for term in terms)
        quoted = [f'"{phrase}"' for phrase in phrases if phrase][:_MOST_TERMS]
        if not quoted:
            return {}
        with self._lock:
            rows: list[tuple[int, float]] = self._database.execute(
                "SELECT rowid, -bm25(passage, ?, 1.0) AS score FROM passage WHERE passage MATCH ?"
                " ORDER BY score DESC, rowid",
                (_TRAIL_WEIGHT, " OR ".join(quoted)),
            ).fetchall()
        best = max((score for _, score in rows), default=0.0)
        # bm25 gives words that stand in more than half of all passages a weight near zero, or none: such hits
        # still are hits, all alike.
        return {number: (score / best if best > 0 else 1.0) for number, score in rows}
