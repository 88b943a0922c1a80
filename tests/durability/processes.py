"""Starting the processes that are killed, and reading what they left."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from piecework.core.ports import RunLog
from tests.durability.child import Errand

ROOT = Path(__file__).parents[2]

PATIENCE = 20
"""Seconds after which a process counts as hanging."""


def begin(errand: Errand) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "error", "-m", "tests.durability.child", msgspec.json.encode(errand).decode()]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def told(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What a process says that came to its end."""
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err.decode()
    assert not err, err.decode()
    answer: dict[str, Any] = json.loads(out.splitlines()[-1])
    return answer


def run(errand: Errand) -> dict[str, Any]:
    return told(begin(errand))


def was_killed(process: subprocess.Popen[bytes]) -> None:
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL, err.decode()


def kill_after(errand: Errand, effects: int) -> None:
    """Start a process and kill it as soon as so many of its workers have done what they do."""
    process = begin(errand)
    assert process.stdout is not None
    seen = 0
    while seen < effects:
        read = os.read(process.stdout.fileno(), 1 << 16)
        assert b"\n" not in read, "it ended before it could be killed"
        assert read, process.communicate()[1].decode()
        seen += len(read)
    process.kill()
    was_killed(process)


def effects(errand: Errand) -> Counter[str]:
    """How often each worker did what it does, in all processes together, by address."""
    try:
        lines = Path(errand.lines).read_text(encoding="ascii")
    except FileNotFoundError:
        return Counter()
    assert lines.endswith("\n") or not lines
    return Counter(f"g/work[{line}]" for line in lines.splitlines())


async def on_record(store: RunLog) -> set[str]:
    """The addresses of the calls that are done."""
    facts = await store.read("run")
    done = [fact.address for fact in facts if fact.kind == "call" and fact.status == "done"]
    assert len(done) == len(set(done)), "a call is on record twice"
    return {address.removesuffix("/work") for address in done}


def check_integrity(path: Path) -> None:
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()
