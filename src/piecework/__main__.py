"""`python -m piecework`: the command line."""

from __future__ import annotations

from piecework.cli import main

if __name__ == "__main__":
    main()
