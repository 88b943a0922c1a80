"""Keeps what a user's module and nodes print out of standard output, which is for the result."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout

__all__ = ("printing_aside",)

_OUTPUT, _ERROR = 1, 2


@contextmanager
def printing_aside() -> Generator[None]:
    """Have everything that is printed go to standard error, also by processes that are started meanwhile."""
    sys.stdout.flush()
    kept = os.dup(_OUTPUT)
    os.dup2(_ERROR, _OUTPUT)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, _OUTPUT)
        os.close(kept)
