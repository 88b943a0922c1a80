"""A durable store from the text that names it, as configurations and command lines have it."""

from __future__ import annotations

import os
import re

from piecework.errors import StoreError
from piecework.stores.postgres import PostgresStore
from piecework.stores.sqlite import SqliteStore
from piecework.wording import did_you_mean

__all__ = ("open_store",)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/")

_KEYWORDS = re.compile(r"(^|\s)(host|hostaddr|port|dbname|user|password|service)\s*=")
"""How the other form of PostgreSQL's addresses is known: `host=... dbname=...`."""

_POSSIBLE = (
    "Give the path of a file, sqlite:///relative/path, sqlite:////absolute/path, or "
    "postgresql://user:password@host:5432/database."
)


def open_store(url: str | os.PathLike[str]) -> SqliteStore | PostgresStore:
    """Return the store that a path or an URL names; it is opened when it is first used.

    Args:
        url: The path of a SQLite file, `sqlite:///relative/path`, `sqlite:////absolute/path`, or `postgresql://...`.

    Raises:
        StoreError: It names no store that there is.
    """
    text = os.fspath(url)
    if _KEYWORDS.search(text):
        return PostgresStore(text)
    found = _SCHEME.match(text)
    if found is None or len(found[1]) == 1:  # One letter is a drive of Windows.
        return SqliteStore(text)
    scheme = found[1].lower()
    if scheme in {"postgresql", "postgres"}:
        return PostgresStore(text)
    if scheme != "sqlite":
        raise StoreError(
            f"there is no store for {scheme}:// addresses.{did_you_mean(scheme, ('sqlite', 'postgresql'))} {_POSSIBLE}"
        )
    path = text.partition(":")[2].removeprefix("///")
    if not text.startswith("///", found.end() - 1) or not path:
        raise StoreError(f"{text!r} names no file. {_POSSIBLE}")
    if "?" in path:
        raise StoreError(f"{text!r} has options, which such an address cannot. Use SqliteStore(path, ...).")
    return SqliteStore(path)
