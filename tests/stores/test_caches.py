"""Every cache of ours keeps what caches promise; what the one in memory forgets, and what the one in a file says."""

import asyncio
import gc
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from piecework.core.ports import Cache
from piecework.core.runs import RunStart
from piecework.errors import StoreError, StoreVersionError
from piecework.stores import caches, sqlite_cache
from piecework.stores.caches import MemoryCache
from piecework.stores.sqlite import SqliteStore
from piecework.stores.sqlite_cache import SqliteCache
from piecework.testing import ConformanceError
from piecework.testing.caches import CACHE_CHECKS, CacheCheck, Clock, OpenCache, check_cache

PRELUDE = """
import asyncio, os, sys, threading
from piecework.errors import StoreError
from piecework.stores.sqlite_cache import SqliteCache
"""


def start(script: str, *arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PRELUDE + script, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run(script: str, *arguments: str | Path) -> str:
    child = start(script, *arguments)
    told, _ = child.communicate(timeout=30)
    assert child.returncode == 0, told
    return told


def assert_sound(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


@pytest.fixture(params=["memory", "sqlite"])
def open_cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenCache]:
    """Opens a cache of one kind, the same place each time."""
    memory: list[MemoryCache] = []
    opened: list[SqliteCache] = []

    def open_memory(clock: Callable[[], float]) -> Cache:
        memory[:] = memory or [MemoryCache(clock=clock)]
        return memory[0]

    def open_sqlite(clock: Callable[[], float]) -> Cache:
        opened.append(SqliteCache(tmp_path / "cache.db", clock=clock))
        return opened[-1]

    yield open_memory if request.param == "memory" else open_sqlite
    for cache in opened:
        cache.close()


@pytest.mark.parametrize("check", CACHE_CHECKS, ids=lambda check: check.__name__)
async def test_our_caches_keep_what_caches_promise(check: CacheCheck, open_cache: OpenCache) -> None:
    await check(open_cache)


async def test_all_promises_can_be_checked_in_one_place(tmp_path: Path) -> None:
    opened: list[SqliteCache] = []

    async def open_again(clock: Callable[[], float]) -> SqliteCache:
        opened.append(SqliteCache(tmp_path / "cache.db", clock=clock))
        return opened[-1]

    await check_cache(open_again)
    for cache in opened:
        cache.close()


def test_each_promise_is_said_in_a_sentence() -> None:
    assert all((check.__doc__ or "").endswith(".") for check in CACHE_CHECKS)
    assert len({check.__name__ for check in CACHE_CHECKS}) == len(CACHE_CHECKS)


class Careless(MemoryCache):
    """Keeps values for good and in part, and all of them under no node's name."""

    async def put(self, key: bytes, value: bytes, *, node: str, ttl: float | None) -> None:
        await super().put(key, value[:1000], node="", ttl=None)

    async def clear(self, nodes: Collection[str] | None = None) -> int:
        return await super().clear()


async def test_broken_promises_are_all_told() -> None:
    cache = Careless()
    with pytest.raises(ConformanceError) as caught:
        await check_cache(lambda _: cache)
    told = str(caught.value)
    for name in (
        "bytes_come_back_as_they_were",
        "a_value_counts_until_its_time_is_over",
        "a_value_that_is_put_again_has_its_own_time",
        "what_some_nodes_made_is_cleared",
    ):
        assert name in told
    assert "many_calls_use_it_at_once" not in told
    assert f"of {len(CACHE_CHECKS)} promises are broken" in told


async def test_a_full_cache_in_memory_forgets_what_was_not_used_for_longest() -> None:
    cache = MemoryCache(max_items=3)
    for key in (b"a", b"b", b"c"):
        await cache.put(key, key, node="node", ttl=None)
    await cache.get(b"a")
    await cache.put(b"b", b"B", node="node", ttl=None)
    await cache.put(b"d", b"d", node="node", ttl=None)
    assert [await cache.get(key) for key in (b"a", b"b", b"c", b"d")] == [b"a", b"B", None, b"d"]
    assert repr(cache) == "MemoryCache(3 values, max_items=3)"


def test_a_cache_of_no_items_is_refused() -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        MemoryCache(max_items=0)


async def test_values_that_nobody_asks_for_again_do_not_stay_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "SWEEP", 10)
    clock = Clock()
    cache = MemoryCache(clock=clock)
    for number in range(1000):
        await cache.put(str(number).encode(), b"", node="node", ttl=1.5)
        clock.now += 1
    assert len(cache._values) <= 10


async def test_values_that_nobody_asks_for_again_do_not_stay_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_cache, "EXPIRED", 7)
    clock = Clock()
    with SqliteCache(tmp_path / "cache.db", clock=clock) as cache:
        for number in range(20):
            await cache.put(str(number).encode(), b"", node="node", ttl=1.0)
        await cache.put(b"good", b"", node="node", ttl=None)
        clock.now += 2
        left = []
        for _ in range(4):
            await cache.put(b"new", b"", node="node", ttl=100.0)
            left += rows(tmp_path / "cache.db", "SELECT count(*) FROM piecework_cache")
    assert left == [(15,), (8,), (2,), (2,)]  # No transaction removes more than it may.


async def test_a_new_file_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    with SqliteCache(tmp_path / "cache.db") as cache:
        assert os.listdir(tmp_path) == []
        await cache.get(b"key")
        modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(tmp_path)}
    assert modes == {"cache.db": 0o600, "cache.db-wal": 0o600, "cache.db-shm": 0o600}


@pytest.mark.parametrize("path", ["", ":memory:", "a\0b"])
def test_a_path_that_names_no_file_is_refused(path: str) -> None:
    with pytest.raises(StoreError, match=r"a cache in memory is MemoryCache\(\)"):
        SqliteCache(path)


async def test_a_cache_and_a_store_may_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "both.db"
    with SqliteCache(path) as cache, SqliteStore(path) as store:
        await cache.put(b"key", b"value", node="node", ttl=None)
        await store.claim(RunStart(run_id="run", name="graph"))
        await cache.put(b"other", b"value", node="node", ttl=None)
        assert await cache.get(b"key") == b"value"
        assert await store.find("run") is not None
        assert await cache.clear() == 2
        assert await store.find("run") is not None


async def test_the_file_of_a_cache_alone_has_no_tables_of_a_store(tmp_path: Path) -> None:
    with SqliteCache(tmp_path / "cache.db") as cache:
        await cache.get(b"key")
    tables = rows(tmp_path / "cache.db", "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    assert tables == [("piecework_cache",), ("piecework_cache_version",)]
    assert rows(tmp_path / "cache.db", "PRAGMA journal_mode") == [("wal",)]


async def test_a_file_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    with SqliteCache(path) as cache:
        await cache.put(b"key", b"value", node="node", ttl=None)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE piecework_cache_version SET version = 9")
    with SqliteCache(path) as cache, pytest.raises(StoreVersionError, match="is of version 9"):
        await cache.put(b"key", b"other", node="node", ttl=None)
    assert rows(path, "SELECT value FROM piecework_cache") == [(b"value",)]


async def test_an_older_table_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cache.db"
    with SqliteCache(path) as cache:
        await cache.put(b"key", b"value", node="node", ttl=None)
    monkeypatch.setattr(sqlite_cache, "STEPS", (*sqlite_cache.STEPS, ("ALTER TABLE piecework_cache ADD COLUMN more",)))
    for _ in range(2):
        with SqliteCache(path) as cache:
            assert await cache.get(b"key") == b"value"
    assert rows(path, "SELECT version, more FROM piecework_cache_version, piecework_cache") == [(2, None)]


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with SqliteCache(tmp_path / "nowhere" / "cache.db") as cache:
        with pytest.raises(StoreError, match=r"cache '.*cache.db' cannot be made: there is no folder") as caught:
            await cache.get(b"key")
        assert caught.value.store == str(tmp_path / "nowhere" / "cache.db")
        os.mkdir(tmp_path / "nowhere")
        assert await cache.get(b"key") is None


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    text = b"Dear reader, this is no database at all. " * 100
    path.write_bytes(text)
    with SqliteCache(path) as cache, pytest.raises(StoreError, match=r"letter.txt' is no SQLite database"):
        await cache.get(b"key")
    assert path.read_bytes() == text


async def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    with SqliteCache(path) as cache:
        for number in range(50):
            await cache.put(str(number).encode(), bytes(5000), node="node", ttl=None)
    data = bytearray(path.read_bytes())
    data[8192:-4096] = b"\xa5" * (len(data) - 12288)
    path.write_bytes(data)
    with SqliteCache(path) as cache, pytest.raises(StoreError, match="is damaged"):
        await asyncio.gather(*(cache.get(str(number).encode()) for number in range(50)))


async def test_a_cache_that_is_locked_too_long_says_so_and_goes_on_after(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    with SqliteCache(path, timeout=0.1) as cache, closing(sqlite3.connect(path)) as other:
        await cache.put(b"key", b"value", node="node", ttl=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"is locked.*SqliteCache\(\.\.\., timeout="):
            await cache.put(b"key", b"other", node="node", ttl=None)
        assert await cache.get(b"key") == b"value"  # Reading needs no lock.
        other.rollback()
        await cache.put(b"key", b"other", node="node", ttl=None)
        assert await cache.get(b"key") == b"other"


async def test_the_loop_goes_on_while_the_cache_waits_for_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    with SqliteCache(path) as cache, closing(sqlite3.connect(path)) as other:
        await cache.put(b"key", b"value", node="node", ttl=None)
        other.execute("BEGIN IMMEDIATE")
        putting = asyncio.ensure_future(cache.put(b"key", b"other", node="node", ttl=None))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not putting.done()
        other.rollback()
        await putting


READ_ONLY = """
if os.geteuid() == 0:
    os.seteuid(65534)
async def main():
    with SqliteCache(sys.argv[1]) as cache:
        try:
            await cache.put(b"key", b"other", node="node", ttl=None)
        except StoreError as error:
            words = ("can only be read", "cannot be opened", "cannot be made")
            assert any(some in str(error) for some in words), error
        else:
            raise AssertionError("it was written")
asyncio.run(main())
"""


async def test_a_file_that_may_only_be_read_is_told(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    path = inside / "cache.db"
    with SqliteCache(path) as cache:
        await cache.put(b"key", b"value", node="node", ttl=None)
    for above in (tmp_path, *tmp_path.parents[:2]):
        if above.owner() == inside.owner():
            above.chmod(above.stat().st_mode | 0o111)
    path.chmod(0o444)
    inside.chmod(0o555)
    try:
        run(READ_ONLY, path)
    finally:
        inside.chmod(0o755)
    assert rows(path, "SELECT value FROM piecework_cache") == [(b"value",)]


async def test_a_closed_cache_cannot_be_used(tmp_path: Path) -> None:
    async with SqliteCache(tmp_path / "cache.db", timeout=3) as cache:
        assert repr(cache) == f"SqliteCache({str(tmp_path / 'cache.db')!r}, timeout=3)"
        await cache.put(b"key", b"value", node="node", ttl=None)
    with pytest.raises(StoreError, match="is closed"):
        await cache.get(b"key")
    assert os.listdir(tmp_path) == ["cache.db"]


async def test_a_cache_that_nobody_closed_ends_its_thread_when_it_is_collected(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path / "cache.db")
    await cache.get(b"key")
    thread, alive = cache._thread._thread, weakref.ref(cache)
    assert thread is not None
    del cache
    gc.collect()
    assert alive() is None
    thread.join(5)
    assert not thread.is_alive()


def test_a_process_that_is_killed_while_it_writes_leaves_a_sound_file(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    script = """
async def write(cache, name):
    for number in range(10**9):
        await cache.put(f"{name} {number}".encode(), f"{name} {number}".encode() * 500, node=name, ttl=None)
        print(name, number, flush=True)
async def main():
    cache = SqliteCache(sys.argv[1])
    await asyncio.gather(*(write(cache, name) for name in "abc"))
asyncio.run(main())
"""
    for kill in range(2):
        acknowledged: list[str] = []
        with start(script, path) as child:
            assert child.stdout is not None
            for _, line in zip(range(20 + 80 * kill), child.stdout, strict=False):
                acknowledged.append(line.rstrip())
            child.send_signal(signal.SIGKILL)
            acknowledged += [line.rstrip() for line in child.stdout if line.endswith("\n")]
        assert len(acknowledged) >= 20

        async def read(asked: list[str]) -> list[bytes | None]:
            with SqliteCache(path) as cache:
                return [await cache.get(key.encode()) for key in asked]

        assert asyncio.run(read(acknowledged)) == [key.encode() * 500 for key in acknowledged]
        assert_sound(path)


def test_processes_may_use_a_new_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    script = """
async def main():
    sys.stdin.read()
    with SqliteCache(sys.argv[1]) as cache:
        for number in range(50):
            await cache.put(str(number).encode(), str(number).encode() * 300, node=sys.argv[2], ttl=None)
            await cache.put(f"{sys.argv[2]} {number}".encode(), b"own", node=sys.argv[2], ttl=None)
            assert await cache.get(str(number).encode()) == str(number).encode() * 300
asyncio.run(main())
"""
    children = [start("print(flush=True)" + script, path, name) for name in "ab"]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    for child in children:
        assert child.stdin is not None
        child.stdin.close()
    for child in children:
        with child:
            assert child.wait(20) == 0
    assert rows(path, "SELECT count(*) FROM piecework_cache") == [(150,)]
    assert_sound(path)


def test_a_cache_works_on_both_sides_of_a_fork(tmp_path: Path) -> None:
    run(
        """
cache = SqliteCache(sys.argv[1])
async def use(name):
    await cache.put(name, name, node="node", ttl=None)
    assert await cache.get(name) == name
    assert await cache.get(b"before") == b"before"
asyncio.run(use(b"before"))
child = os.fork()
if child == 0:
    status = 1
    try:
        asyncio.run(use(b"child"))
        cache.close()
        status = 0
    finally:
        os._exit(status)
asyncio.run(use(b"parent"))
assert os.waitpid(child, 0)[1] == 0
assert asyncio.run(cache.get(b"child")) == b"child"
cache.close()
""",
        tmp_path / "cache.db",
    )
    assert rows(tmp_path / "cache.db", "SELECT count(*) FROM sqlite_master WHERE name = 'piecework_run'") == [(0,)]
