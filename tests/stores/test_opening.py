"""Stores by the texts that name them."""

from pathlib import Path

import pytest

from piecework.errors import StoreError
from piecework.stores.opening import open_store


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///runs.db", "runs.db"),
        ("sqlite:////var/runs.db", "/var/runs.db"),
        ("SQLite:///runs.db", "runs.db"),
        ("runs.db", "runs.db"),
        ("/var/my runs.db", "/var/my runs.db"),
        (Path("some") / "runs.db", "some/runs.db"),
        ("C:/runs.db", "C:/runs.db"),
        ("a:b", "a:b"),
    ],
)
def test_paths_and_sqlite_addresses_name_files(url: str | Path, path: str) -> None:
    assert repr(open_store(url)) == f"SqliteStore({path!r}, synchronous='NORMAL', timeout=30.0)"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_postgresql_addresses_name_databases(scheme: str) -> None:
    pytest.importorskip("psycopg")
    store = open_store(f"{scheme}://me:secret@db.example:6432/runs?sslmode=require")
    assert repr(store) == "PostgresStore('postgresql://me@db.example:6432/runs', timeout=30.0)"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://host/runs", "mysql:// addresses"),
        ("postgre://host/runs", "Did you mean 'postgres"),
        ("sqlite://runs.db", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///runs.db?mode=ro", "SqliteStore(path, ...)"),
        ("sqlite:///:memory:", "MemoryStore()"),
        (":memory:", "MemoryStore()"),
        ("", "MemoryStore()"),
    ],
)
def test_other_texts_are_refused_and_told_what_is_possible(url: str, words: str) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert words in str(caught.value)
