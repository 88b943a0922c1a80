"""Ids of runs on the command line: short ones for runs it starts, and any unique beginning for those that are there."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from difflib import get_close_matches

from piecework import RunInfo
from piecework.cli.errors import MisuseError
from piecework.core.portal import run_blocking
from piecework.core.ports import RunLog
from piecework.wording import listed

__all__ = ("find_run", "new_run_id")

_LONGEST = 40
_DIGITS = 4
"""How many bytes of an id are made at random."""


def new_run_id(store: RunLog, name: str) -> str:
    """Return an id for a new run, such as `report-7f3a9c21`, that no run in the store has."""
    slug = re.sub(r"[^A-Za-z0-9_.]+", "-", name)[:_LONGEST].strip("-.") or "run"
    while True:
        run_id = f"{slug}-{secrets.token_hex(_DIGITS)}"
        if run_blocking(store.find(run_id)) is None:
            return run_id


def find_run(store: RunLog, typed: str) -> RunInfo:
    """Return the run of that id, or the only one whose id begins so.

    Raises:
        MisuseError: There is none, or several.
    """
    found = run_blocking(store.find(typed)) if typed else None
    if found is not None:
        return found
    infos = run_blocking(store.runs())
    beginning = [info for info in infos if info.run_id.startswith(typed)]
    if typed and len(beginning) == 1:
        return beginning[0]
    ids = [info.run_id for info in beginning]
    if typed and ids:
        raise MisuseError(f"{typed!r} is the beginning of {len(ids)} runs: {listed(ids)}. Type more of it.")
    raise MisuseError(f"there is no run {typed!r}.{_near(typed, [info.run_id for info in infos])}")


def _near(typed: str, ids: Sequence[str]) -> str:
    if not ids:
        return " No runs are kept there."
    # Of ids that are made here, the end says nothing: who mistypes one is helped by those of the same workflow.
    names = get_close_matches(_stem(typed), {_stem(one) for one in ids}, n=1)
    close = get_close_matches(typed, ids, n=3) or [one for one in ids if _stem(one) in names][:3]
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else " List them: piecework runs."


def _stem(run_id: str) -> str:
    return run_id.rpartition("-")[0] or run_id
