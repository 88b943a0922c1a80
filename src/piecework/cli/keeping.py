"""Where the command line keeps runs: `--store`, else `PIECEWORK_STORE`, else `.piecework/runs.db` in this folder.

Every command that starts or looks at runs opens its store here. A place that the user named must work; the default one
is given up with a warning where it cannot be written.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn

import typer

from piecework import Budget, StoreError, SyncRunner
from piecework.cli.disguise import check_name, disguised
from piecework.cli.errors import FailedError, MisuseError, StoppedError
from piecework.cli.streams import say
from piecework.core.portal import run_blocking
from piecework.core.ports import RunLog
from piecework.errors import (
    CodecError,
    MissingInputError,
    PieceworkError,
    RunChangedError,
    RunHeldError,
    UnknownQuestionError,
    UnknownRunError,
)
from piecework.observe import Observer
from piecework.report import ReportError
from piecework.stores.opening import open_store

__all__ = ("DEFAULT_STORE", "Keeping", "NoStore", "StoreUrl", "keeping", "reading")

VARIABLE: Final = "PIECEWORK_STORE"

DEFAULT_STORE: Final = Path(".piecework") / "runs.db"
"""Where runs are kept if nothing else is asked for."""

StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="Where runs are kept: the path of a file, sqlite:///PATH or postgresql://... By default "
        f"${VARIABLE}, else {DEFAULT_STORE.as_posix()} in the current folder.",
        show_default=False,
    ),
]
NoStore = Annotated[bool, typer.Option("--no-store", help="Keep nothing: the run cannot be resumed.")]

_REFUSALS = (
    MisuseError,
    MissingInputError,
    ReportError,
    RunChangedError,
    RunHeldError,
    UnknownQuestionError,
    UnknownRunError,
)
"""What a run is refused with before it begins, or will be refused with again."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where a command keeps its run."""

    store: RunLog | None
    """The store; None keeps nothing."""
    named: str | None = None
    """How the user named it, by `--store` or the variable; None for the default one in the current folder."""
    purpose: Literal["start", "look"] = "start"
    """Whether it is for a run that is started, or for what is there."""

    def runner(
        self,
        *,
        observers: Sequence[Observer],
        labels: Mapping[str, str],
        max_concurrency: int | None = None,
        budget: Budget | None = None,
    ) -> SyncRunner:
        """Return a runner whose runs are kept there."""
        return SyncRunner(
            store=self.store, observers=observers, labels=labels, max_concurrency=max_concurrency, budget=budget
        )

    def advice(self, run_id: str, *words: str) -> str:
        """Return the line that says how to go on with a run; `words` are what is to be typed besides its id."""
        # The variable may have been set for this one command only.
        given = () if self.named is None else ("--store", disguised(self.named))
        return f"resume with: {shlex.join(('piecework', 'resume', run_id, *words, *given))}"

    @contextmanager
    def advised(self, run_id: str | None, *words: str) -> Generator[None]:
        """Around a run: whatever ends it early is told with how to go on, if there is anything to go on with.

        Raises:
            StoppedError: It ended early, and can be resumed.
        """
        try:
            yield
        except typer.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:
            reason = error.__cause__ if isinstance(error, FailedError) else error
            if isinstance(reason, CodecError):
                self._tell_unkept(error, reason)
            if run_id is None or isinstance(reason, _REFUSALS) or not self._resumable(run_id):
                raise
            raise StoppedError(error, self.advice(run_id, *words)) from error

    def _tell_unkept(self, error: BaseException, reason: CodecError) -> NoReturn:
        """What ends with a value that cannot be kept would end so again, however often it is resumed."""
        if self.store is None or self.purpose == "look":
            raise error
        raise FailedError(f"{str(error).rstrip('.')}. Or run it without keeping anything: --no-store.") from reason

    def _resumable(self, run_id: str) -> bool:
        if self.store is None:
            return False
        with suppress(PieceworkError):  # A store that has failed cannot be resumed from.
            return run_blocking(self.store.find(run_id)) is not None
        return False


@contextmanager
def keeping(option: str | None, *, nothing: bool) -> Generator[Keeping]:
    """Open the store for a run, and close it after.

    Args:
        option: What was given by `--store`.
        nothing: Whether the run is not to be kept.

    Raises:
        MisuseError: What was named is no store.
        StoreError: What was named cannot be opened.
    """
    if nothing and option is not None:
        raise MisuseError("--store and --no-store are both given. Give one of them.")
    if nothing:
        yield Keeping(None)
        return
    named = _named(option)
    if named is not None:
        with _named_store(named) as store:
            run_blocking(store.runs(limit=1))
            yield Keeping(store, named)
        return
    with _default_store() as store:
        yield Keeping(store)


@contextmanager
def reading(option: str | None) -> Generator[Keeping]:
    """Open the store to look at runs that are there, or to go on with one; a file must be there already.

    Raises:
        MisuseError: What was named is no store, or there is none.
        StoreError: It cannot be opened.
    """
    named = _named(option)
    file = DEFAULT_STORE if named is None else _file(named)
    if file is not None and not file.exists():
        if named is None:
            raise MisuseError(
                f"no runs are kept here: there is no {file.as_posix()} in the current folder. Change the folder, or "
                "name the store with --store."
            )
        raise MisuseError(f"there is no store {disguised(named)!r}: the file does not exist.")
    with _named_store(str(file) if named is None else named) as store:
        yield Keeping(store, named, "look")


def _named(option: str | None) -> str | None:
    named = option if option is not None else os.environ.get(VARIABLE, "").strip() or None
    if named is not None:
        check_name(named)
    return named


@contextmanager
def _named_store(url: str) -> Generator[RunLog]:
    try:
        store = open_store(url)
    except StoreError as error:
        # Not from it: a traceback would show what it says.
        raise MisuseError(str(error).replace(repr(url), repr(disguised(url)))) from None
    with store:
        yield store


@contextmanager
def _default_store() -> Generator[RunLog | None]:
    store = None
    try:
        _make_folder(DEFAULT_STORE.parent)
        store = open_store(DEFAULT_STORE)
        run_blocking(store.prune())  # Removes nothing, but shows that the file can be written.
    except OSError as error:  # A StoreError is one too.
        why = str(error) if isinstance(error, PieceworkError) else f"{error.strerror}: {error.filename}"
        say(f"warning: the run is not kept, so it cannot be resumed: {why}")
        if store is not None:
            store.close()
        yield None
        return
    with store:
        yield store


def _make_folder(folder: Path) -> None:
    """Make the folder for runs, which hold what they were given: nobody else's eyes, and no version control."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def _file(url: str) -> Path | None:
    """The file that a store is in; None where it is in no file, or where the URL is for `open_store` to refuse."""
    if url.lower().startswith("sqlite:///"):
        return Path(url[len("sqlite:///") :])
    return Path(url) if "://" not in url else None
