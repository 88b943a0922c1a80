"""Who a process is, and whether it still lives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from piecework.core.runs import Owner
from piecework.stores import owner as module
from piecework.stores.owner import described, owner_alive, this_process

SAY_OWNER = """
import msgspec, sys
from piecework.stores.owner import this_process
print(msgspec.json.encode(this_process()).decode(), flush=True)
sys.stdin.read()
"""


def started() -> tuple[subprocess.Popen[str], Owner]:
    """Another process, alive until its input is closed, and what it calls itself."""
    import msgspec

    child = subprocess.Popen(
        [sys.executable, "-c", SAY_OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    return child, msgspec.json.decode(child.stdout.readline(), type=Owner)


def test_this_process_is_alive_and_always_the_same() -> None:
    assert this_process() == this_process()
    assert this_process().process == os.getpid()
    assert owner_alive(this_process()) is True
    assert described(this_process()) == "this process"


def test_another_process_is_alive_until_it_ends() -> None:
    child, owner = started()
    with child:
        assert owner.machine == this_process().machine
        assert owner_alive(owner) is True
        assert described(owner).startswith(f"process {owner.process} on ")
        child.kill()
        assert child.stdout is not None
        assert child.stdout.read() == ""  # It has ended, and nobody asked how: it is still in the table of processes.
        if sys.platform == "linux":
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            assert owner_alive(owner) is False
    assert owner_alive(owner) is False


def test_a_later_process_of_the_same_number_is_another_one() -> None:
    here = this_process()
    assert owner_alive(Owner(here.machine, here.process, "before")) is False
    child, owner = started()
    with child:
        assert owner_alive(Owner(owner.machine, owner.process, "before")) is not True
        child.communicate()


def test_processes_of_other_machines_cannot_be_told_about() -> None:
    other = Owner("elsewhere/6f1c/pid:[1]", this_process().process, this_process().born)
    assert owner_alive(other) is None
    assert described(other) == f"process {os.getpid()} on elsewhere"
    assert described(None) == "somebody else"


def test_a_process_is_another_one_after_a_fork() -> None:
    script = (
        "import os, sys, warnings; warnings.simplefilter('ignore')\n"
        "from piecework.stores.owner import owner_alive, this_process\n"
        "parent = this_process()\n"
        "if os.fork() == 0:\n"
        "    os._exit(0 if this_process() != parent and owner_alive(parent) else 1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.fixture
def no_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A system that tells nothing of its processes."""
    monkeypatch.setattr(module, "_PROCESSES", tmp_path)
    monkeypatch.setattr(module, "this_process", module.this_process.__wrapped__)


def test_where_the_system_tells_nothing_only_what_is_sure_is_said(no_proc: None) -> None:
    here = module.this_process()
    assert here.process == os.getpid()
    child, owner = started()
    with child:
        there = Owner(here.machine, owner.process, "token")
        assert owner_alive(there) is None  # There is a process of that number; which one cannot be said.
        child.communicate()
    assert owner_alive(there) is False


def test_a_process_of_another_user_may_be_alive(no_proc: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert owner_alive(Owner(module.this_process().machine, 1, "token")) is None


def test_no_signal_is_sent_where_that_would_be_heard(no_proc: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "name", "nt")
    monkeypatch.setattr(os, "kill", None)
    assert owner_alive(Owner(module.this_process().machine, os.getpid() + 1, "token")) is None
