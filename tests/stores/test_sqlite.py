"""The store in a file: what it makes, and what it says and keeps when the file, the disk or a process fails."""

# ruff: noqa: ASYNC220, ASYNC240 - a test waits for files and processes, and nothing else runs on its loop

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Coroutine, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pytest

from piecework.core.fact import Fact
from piecework.core.runs import Batch, Claim, RunStart, RunStatus, Tally
from piecework.errors import StoreError
from piecework.stores import sqlite as module
from piecework.stores.database import Database
from piecework.stores.sqlite import SqliteStore
from piecework.stores.writer import Action

PRELUDE = """
import asyncio, os, resource, sys, threading
from piecework.core.fact import Fact
from piecework.core.runs import Batch, RunStart, Tally
from piecework.errors import RunHeldError, StoreError
from piecework.stores.sqlite import SqliteStore

def batch(claim, first, size=1, status="running"):
    facts = [Fact("call", str(first + number)) for number in range(size)]
    return Batch(claim=claim, first=first, facts=facts, tally=Tally(), status=status)
"""


def start(run_id: str = "run") -> RunStart:
    return RunStart(run_id=run_id, name="graph")


def batch(claim: Claim, first: int, size: int = 1, value: bytes = b"", status: RunStatus = "running") -> Batch:
    facts = [Fact("call", str(first + number), value=value) for number in range(size)]
    return Batch(claim=claim, first=first, facts=facts, tally=Tally(), status=status)


def run(script: str, *arguments: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PRELUDE + script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout


def assert_sound(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def execute(store: SqliteStore, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement of the test's own on the store's connection."""

    def perform(database: Database, _: Sequence[None]) -> list[list[tuple[Any, ...]]]:
        return [database.rows(statement)]

    return await store._ask(Action(perform, writes=False), None)


async def attempt(job: Coroutine[Any, Any, None]) -> BaseException | None:
    """What a job raises."""
    return (await asyncio.gather(job, return_exceptions=True))[0]


async def filled(path: Path) -> None:
    """A store with some large rows."""
    with SqliteStore(path) as store:
        claim = await store.claim(start())
        for turn in range(10):
            await store.append(batch(claim, turn * 100, 100, value=bytes(1000)))
        await store.append(batch(claim, 1000, 0, status="completed"))


async def test_a_new_file_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "runs.db") as store:
        await store.claim(start())
        modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(tmp_path)}
    assert modes == {"runs.db": 0o600, "runs.db-wal": 0o600, "runs.db-shm": 0o600}


async def test_a_file_of_somebody_else_keeps_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs AS SELECT 7 AS a")
    with SqliteStore(path) as store:
        await store.claim(start())
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT a FROM theirs").fetchall() == [(7,)]


async def test_the_path_is_that_of_when_the_store_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with SqliteStore("runs.db") as store:
        monkeypatch.chdir("/")
        await store.claim(start())
    assert os.listdir(tmp_path) == ["runs.db"]


@pytest.mark.parametrize(("synchronous", "level"), [("NORMAL", 1), ("FULL", 2)])
async def test_how_commits_wait_for_the_disk_can_be_chosen(
    tmp_path: Path, synchronous: Literal["NORMAL", "FULL"], level: int
) -> None:
    with SqliteStore(tmp_path / "runs.db", synchronous=synchronous, timeout=3) as store:
        assert repr(store) == f"SqliteStore({str(tmp_path / 'runs.db')!r}, synchronous={synchronous!r}, timeout=3)"
        told = await execute(store, "PRAGMA synchronous") + await execute(store, "PRAGMA journal_mode")
    assert told == [(level,), ("wal",)]


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="'NORMAL' or 'FULL'"):
        SqliteStore(tmp_path / "runs.db", synchronous="OFF")  # type: ignore[arg-type]
    with pytest.raises(StoreError, match=r"MemoryStore\(\)"):
        SqliteStore(":memory:")


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    with pytest.raises(StoreError, match=r"needs 3\.35"):
        SqliteStore(tmp_path / "runs.db")


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "nowhere" / "runs.db") as store:
        with pytest.raises(StoreError, match=r"there is no folder '.*nowhere'\. Make it first") as caught:
            await store.claim(start())
        assert isinstance(caught.value.__cause__, FileNotFoundError)
        os.mkdir(tmp_path / "nowhere")
        await store.claim(start())


async def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with SqliteStore(tmp_path) as store, pytest.raises(StoreError, match="is a folder"):
        await store.claim(start())


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    text = b"Dear reader, this is no database at all. " * 100
    path.write_bytes(text)
    with SqliteStore(path) as store:
        with pytest.raises(StoreError, match=r"letter.txt' is no SQLite database") as caught:
            await store.runs()
        assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)
    assert path.read_bytes() == text


async def test_a_file_without_shared_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = module.SqliteDatabase.rows

    def refuse(self: module.SqliteDatabase, statement: str, parameters: tuple[object, ...] = ()) -> object:
        return [("delete",)] if "journal_mode" in statement else rows(self, statement, parameters)

    monkeypatch.setattr(module.SqliteDatabase, "rows", refuse)
    with SqliteStore(tmp_path / "runs.db") as store, pytest.raises(StoreError, match="network file system"):
        await store.claim(start())


async def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    await filled(path)
    data = bytearray(path.read_bytes())
    data[8192:-4096] = b"\xa5" * (len(data) - 12288)
    path.write_bytes(data)
    with SqliteStore(path) as store:
        with pytest.raises(StoreError, match="is damaged"):
            await store.read("run")
        with pytest.raises(StoreError, match="is damaged"):
            await store.claim(start())


async def test_a_file_that_was_removed_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with SqliteStore(path) as store:
        claim = await store.claim(start())
        await store.append(batch(claim, 0))
        for entry in os.listdir(tmp_path):
            os.rename(tmp_path / entry, tmp_path / f"{entry}.moved")
        for _ in range(2):
            with pytest.raises(StoreError, match="was removed or replaced"):
                await store.append(batch(claim, 1))
        for entry in os.listdir(tmp_path):
            os.rename(tmp_path / entry, tmp_path / entry.removesuffix(".moved"))
        await store.append(batch(claim, 1))
        assert len(await store.read("run")) == 2


async def test_a_full_disk_is_told_and_the_store_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTINGS", (*module.SETTINGS, "PRAGMA max_page_count = 100"))
    with SqliteStore(tmp_path / "runs.db") as store:
        claim, written = await store.claim(start()), 0
        while (result := await attempt(store.append(batch(claim, written, value=bytes(5000))))) is None:
            written += 1
        assert isinstance(result, StoreError)
        assert "is full" in str(result)
        assert "Make room" in str(result)
        assert isinstance(result.__cause__, sqlite3.OperationalError)
        assert len(await store.read("run")) == written > 10
        await execute(store, "PRAGMA max_page_count = 10000")
        await store.append(batch(claim, written, value=bytes(5000)))
        assert len(await store.read("run")) == written + 1
    assert_sound(tmp_path / "runs.db")


def test_a_quota_is_told(tmp_path: Path) -> None:
    run(
        """
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
async def main():
    with SqliteStore(sys.argv[1]) as store:
        claim, written = await store.claim(RunStart(run_id="run", name="graph")), 0
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        try:
            for written in range(0, 100_000, 100):
                await store.append(batch(claim, written, 100))
        except StoreError as error:
            assert "has room" in str(error) or "Make room" in str(error), error
        else:
            raise AssertionError("it was not full")
        assert len(await store.read("run")) == written > 0
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await store.append(batch(claim, written, 100, status="completed"))
        assert len(await store.read("run")) == written + 100
asyncio.run(main())
""",
        tmp_path / "runs.db",
    )
    assert_sound(tmp_path / "runs.db")


READ_ONLY = """
from piecework.stores.owner import this_process
this_process()  # What this imports may be out of reach after.
if os.geteuid() == 0:
    os.seteuid(65534)
async def main():
    with SqliteStore(sys.argv[1]) as store:
        try:
            await store.claim(RunStart(run_id="other", name="graph"))
        except StoreError as error:
            words = ("can only be read", "cannot be opened", "cannot be made")
            assert any(some in str(error) for some in words), error
            assert error.__cause__ is not None
        else:
            raise AssertionError("it was written")
asyncio.run(main())
"""


@pytest.mark.parametrize(("file", "folder"), [(0o444, 0o777), (0o444, 0o555), (0o666, 0o555), (0, 0o777)])
async def test_a_file_or_folder_that_may_only_be_read_is_told(tmp_path: Path, file: int, folder: int) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    path = inside / "runs.db"
    await filled(path)
    for above in (tmp_path, *tmp_path.parents[:2]):
        if above.owner() == inside.owner():
            above.chmod(above.stat().st_mode | 0o111)
    path.chmod(file)
    inside.chmod(folder)
    try:
        run(READ_ONLY, path)
        if folder == 0o555:
            run(READ_ONLY, inside / "new.db")
    finally:
        inside.chmod(0o755)
        path.chmod(0o600)
    with SqliteStore(path) as store:
        assert len(await store.read("run")) == 1000


async def test_a_store_waits_for_another_process_that_writes(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with SqliteStore(path, timeout=20) as store, closing(sqlite3.connect(path, check_same_thread=False)) as other:
        claim = await store.claim(start())
        other.execute("BEGIN IMMEDIATE")
        asyncio.get_running_loop().call_later(2, other.rollback)
        await store.append(batch(claim, 0))
        assert not other.in_transaction
        assert len(await store.read("run")) == 1


async def test_a_store_that_is_locked_too_long_says_so_and_goes_on_after(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with SqliteStore(path, timeout=0.1) as store, closing(sqlite3.connect(path)) as other:
        claim = await store.claim(start())
        await store.append(batch(claim, 0, 3))
        other.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(
            store.append(batch(claim, 3)), store.claim(start("other")), store.read("run"), return_exceptions=True
        )
        for refused in results[:2]:
            assert isinstance(refused, StoreError)
            assert "is locked: another process has been writing for more than 0.1 s" in str(refused)
            assert isinstance(refused.__cause__, sqlite3.OperationalError)
        assert not isinstance(results[2], BaseException)
        assert len(results[2]) == 3  # Reading needs no lock.
        other.rollback()
        await store.append(batch(claim, 3))
        assert [fact.address for fact in await store.read("run")] == ["0", "1", "2", "3"]


async def test_a_process_that_is_killed_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    script = """
async def write(store, name):
    claim = await store.claim(RunStart(run_id=name, name="graph"))
    for first in range(0, 10**9, 7):
        await store.append(batch(claim, first, 7))
        print(name, first + 7, flush=True)
async def main():
    store = SqliteStore(sys.argv[1])
    await asyncio.gather(*(write(store, name) for name in "abc"))
asyncio.run(main())
"""
    for kill in range(4):
        run_path = tmp_path / f"runs{kill}.db" if kill % 2 else path
        child = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + script, str(run_path)], stdout=subprocess.PIPE, text=True
        )
        with child:
            assert child.stdout is not None
            acknowledged: dict[str, int] = {}
            for _, line in zip(range(30 + 50 * kill), child.stdout, strict=False):
                acknowledged[line.split()[0]] = int(line.split()[1])
            child.send_signal(signal.SIGKILL)
            for line in child.stdout:
                if line.endswith("\n"):
                    acknowledged[line.split()[0]] = int(line.split()[1])
        assert set(acknowledged) == set("abc")
        with SqliteStore(run_path) as store:
            for name, count in acknowledged.items():
                facts = await store.read(name)
                assert len(facts) >= count
                assert [fact.address for fact in facts] == [str(number) for number in range(len(facts))]
                info = await store.find(name)
                assert info is not None
                assert (info.status, info.facts) == ("interrupted", len(facts))
                claim = await store.claim(start(name))  # At once: its process is gone.
                assert claim.facts == len(facts)
                await store.append(batch(claim, len(facts), status="completed"))
            await store.delete(list("abc"))
        assert_sound(run_path)


async def test_processes_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    script = """
async def main():
    sys.stdin.read()
    with SqliteStore(sys.argv[1]) as store:
        claim = await store.claim(RunStart(run_id=str(os.getpid()), name="graph"))
        for first in range(50):
            await store.append(batch(claim, first))
        await store.append(batch(claim, 50, 0, "completed"))
asyncio.run(main())
"""
    path = tmp_path / "runs.db"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", "print(flush=True)" + PRELUDE + script, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    for child in children:
        assert child.stdin is not None
        child.stdin.close()
    for child in children:
        with child:
            assert child.wait(20) == 0
    with SqliteStore(path) as store:
        assert sorted((info.status, info.facts) for info in await store.runs()) == [("completed", 50)] * 4
    assert_sound(path)


def test_a_store_works_on_both_sides_of_a_fork(tmp_path: Path) -> None:
    run(
        """
store = SqliteStore(sys.argv[1])
async def write(name, count):
    claim = await store.claim(RunStart(run_id=name, name="graph"))
    for first in range(count):
        await store.append(batch(claim, first))
    await store.append(batch(claim, count, 0, "completed"))
asyncio.run(write("before", 3))
busy = threading.Thread(target=lambda: asyncio.run(write("beside", 400)))
busy.start()
children = []
for number in range(10):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            asyncio.run(write(f"child{number}", 20))
            assert len(asyncio.run(store.read("before"))) == 3
            store.close()
            status = 0
        finally:
            os._exit(status)
    children.append(child)
    asyncio.run(write(f"parent{number}", 5))
busy.join()
for child in children:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
infos = asyncio.run(store.runs())
assert len(infos) == 22 and all(info.status == "completed" for info in infos), infos
store.close()
""",
        tmp_path / "runs.db",
    )
    assert_sound(tmp_path / "runs.db")


def test_a_run_of_the_parent_is_held_against_the_child_of_a_fork(tmp_path: Path) -> None:
    run(
        """
store = SqliteStore(sys.argv[1])
start = RunStart(run_id="run", name="graph")
asyncio.run(store.claim(start))
child = os.fork()
if child == 0:
    try:
        asyncio.run(store.claim(start))
    except RunHeldError as error:
        os._exit(0 if str(os.getppid()) in error.held_by else 2)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
""",
        tmp_path / "runs.db",
    )


def test_a_store_that_was_left_open_is_closed_at_the_end(tmp_path: Path) -> None:
    script = """
store = SqliteStore(sys.argv[1])
asyncio.run(store.claim(RunStart(run_id="run", name="graph")))
"""
    run(script, tmp_path / "runs.db")
    assert os.listdir(tmp_path) == ["runs.db"]


async def test_a_removal_makes_the_file_smaller(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with SqliteStore(path) as store:
        for run_id in ("one", "two"):
            claim = await store.claim(start(run_id))
            await store.append(batch(claim, 0, 500, value=bytes(4000), status="completed"))
            await store.claim(start(f"{run_id} more"))
        await asyncio.to_thread(store.close)
    before = os.path.getsize(path)
    with SqliteStore(path) as store:
        await store.delete(["one"])
        assert os.path.getsize(path) < 0.6 * before
        assert len(await store.read("two")) == 500
    assert_sound(path)


async def test_threads_with_loops_of_their_own_share_a_store(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "runs.db") as store:

        async def write(name: str) -> None:
            claim = await store.claim(start(name))
            for first in range(20):
                await store.append(batch(claim, first))

        threads = [threading.Thread(target=lambda name=name: asyncio.run(write(name))) for name in "abcdef"]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        assert [info.facts for info in await store.runs()] == [20] * 6
