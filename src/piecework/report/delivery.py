"""Where a finished report goes: a file, replaced whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

__all__ = ("write_whole",)


def write_whole(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8 so that the file holds all of it, or what it held before.

    A symbolic link is followed; a device or a pipe is simply written to.

    Raises:
        OSError: The file cannot be written; what it held before is still there.
    """
    data = text.encode("utf-8")
    # Asked of the path itself: a pipe among the links of /dev/fd leads to no path that could be opened.
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    target = Path(os.path.realpath(path))
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:100]}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(_mode(target))
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _mode(target: Path) -> int:
    """Return the permissions the file has, or would have had it been made the usual way."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
