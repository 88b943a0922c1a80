"""Which process this is, and whether another one still lives.

Stores write the owner into a claim, and ask about it when somebody else wants the run. A process is told apart from a
later one of the same number by when it started. Nothing here waits, and no answer is guessed: a process of another
machine is one that cannot be told about.
"""

from __future__ import annotations

import os
import platform
import secrets
import uuid
from functools import cache
from pathlib import Path

from piecework.core.runs import Owner

__all__ = ("described", "give_up", "owner_alive", "this_process", "works_on")

_PROCESSES = Path("/proc")

_STATE, _STARTED = 0, 19
"""Where `stat` has a process's state and start, counted from behind its name."""

_ENDED = frozenset("ZXx")
"""States of a process that runs no more, though its parent has not asked how it ended."""


@cache
def this_process() -> Owner:
    """The process that asks."""
    stat = _stat(os.getpid())
    return Owner(_machine(), os.getpid(), stat[_STARTED] if stat else secrets.token_hex(8))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=this_process.cache_clear)


def owner_alive(owner: Owner) -> bool | None:
    """Whether that process still runs; None where that cannot be told from here."""
    here = this_process()
    if owner.machine != here.machine:
        return None
    if owner.process == here.process:
        return owner.born == here.born
    stat = _stat(owner.process)
    if stat:
        return stat[_STARTED] == owner.born and stat[_STATE] not in _ENDED
    return False if _gone(owner.process) else None


_GIVEN_UP: set[tuple[str, str, int]] = set()
"""Stores, runs and epochs that this process has claimed and works on no longer, though no store could be told."""


def give_up(store: str, run_id: str, epoch: int) -> None:
    """This process works on a run it has claimed no longer, though that could not be recorded."""
    _GIVEN_UP.add((store, run_id, epoch))


def works_on(owner: Owner, store: str, run_id: str, epoch: int) -> bool:
    """Whether the owner of a claim may still work on its run, as far as can be told."""
    if owner == this_process():
        return (store, run_id, epoch) not in _GIVEN_UP
    return owner_alive(owner) is not False


def described(owner: Owner | None) -> str:
    """An owner as messages call it."""
    if owner is None:
        return "somebody else"
    if owner == this_process():
        return "this process"
    return f"process {owner.process} on {owner.machine.partition('/')[0]}"


def _machine() -> str:
    """The host's name, and what tells its starts and its process namespaces apart."""
    try:
        boot = (_PROCESSES / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{platform.node()}/{boot}/{(_PROCESSES / 'self/ns/pid').readlink()}"
    except OSError:  # Not Linux. Two hosts may have one name, and their processes must not be taken for each other's.
        return f"{platform.node()}/{uuid.getnode():x}"


def _stat(process: int) -> list[str]:
    """What the system tells of a process, from its state on; empty where it tells nothing."""
    try:
        text = (_PROCESSES / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # Its name stands in brackets before, and may have any character.


def _gone(process: int) -> bool:
    """Whether there is surely no process of that number."""
    if os.name != "posix":
        return False  # Signal 0 is no question there.
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
