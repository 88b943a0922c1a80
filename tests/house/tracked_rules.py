"""Looks for what ties a file to one machine: package indexes, absolute paths of a machine, lock files."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

__all__ = ("tracked_faults", "tracked_files")

LOCK_FILES: Final = (
    "Pipfile.lock",
    "package-lock.json",
    "pdm.lock",
    "pnpm-lock.yaml",
    "poetry.lock",
    "pylock.toml",
    "uv.lock",
    "yarn.lock",
)

INDEX: Final = re.compile(
    r"https?://[^/\s\"']+/(?:simple|packages)/|\bpypi\.org|\bpythonhosted\.org|\bregistry\.npmjs\.|--(?:extra-)?index-url"
)

MACHINE_PATH: Final = re.compile(
    r"(?<![\w.~/$}-])/(?:home|Users|root|work|workspace|workspaces|mnt|opt|srv)/[\w.]|\b[A-Z]:\\+Users\\",
)


def tracked_files(root: Path) -> list[Path]:
    """Return the files git tracks below `root`.

    Raises:
        FileNotFoundError: There is no git.
        subprocess.CalledProcessError: `root` is not in a work tree.
    """
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True, text=True)  # noqa: S607
    return [root / name for name in listed.stdout.split("\0") if name and (root / name).is_file()]


def tracked_faults(root: Path, files: Iterable[Path], own_paths: Iterable[Path]) -> list[str]:
    """Return what ties one of the files to a machine; `own_paths` are folders of this one."""
    own = [f"{path.as_posix()}/" for path in own_paths if len(path.parts) > 1]
    faults: list[str] = []
    for path in files:
        name = path.relative_to(root).as_posix()
        if path.name in LOCK_FILES:
            faults.append(f"{name}: a lock file carries the addresses of an index")
        faults += (f"{name}:{fault}" for fault in _text_faults(path, own))
    return faults


def _text_faults(path: Path, own: list[str]) -> Iterator[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return
    for number, line in enumerate(lines, start=1):
        if INDEX.search(line):
            yield f"{number} names a package index"
        if MACHINE_PATH.search(line) or any(folder in line for folder in own):
            yield f"{number} names a path of one machine"
