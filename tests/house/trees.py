"""Small made-up source trees to try the checkers on."""

from collections.abc import Mapping
from pathlib import Path

from tests.house.table import PACKAGE

__all__ = ("plant",)


def plant(root: Path, files: Mapping[str, str]) -> Path:
    """Write files of a made-up package below `root`, and give back `root`."""
    for name, text in files.items():
        path = root / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root
