"""What can be wrong with a report.

The report package raises these; the command line shows them as one line. A `ReportError` means that something was asked
for wrongly, a `ReportFailedError` that it went wrong. Each class is one condition, and each message says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from piecework.errors import PieceworkError

__all__ = (
    "BudgetSpentError",
    "EmptyTopicError",
    "MissingExtraError",
    "MissingSourceError",
    "NothingReadableError",
    "NothingWrittenError",
    "OffTopicError",
    "ReportError",
    "ReportFailedError",
    "SectionCountError",
)

_WANTED = {"quote": "whole sentences in paragraphs", "read": "text"}


class ReportError(PieceworkError, ValueError):
    """A report cannot be written as asked."""


class ReportFailedError(PieceworkError, RuntimeError):
    """A report was asked for rightly, and yet could not be written."""


class NothingWrittenError(ReportFailedError):
    """All sections failed."""

    def __init__(self, sections: int, reason: str) -> None:
        """Count the `sections` and give the `reason` why the first one failed."""
        self.sections = sections
        """How many sections there are."""
        self.reason = reason
        """Why the first of them failed."""
        which = "the only section" if sections == 1 else f"all {sections} sections"
        super().__init__(f"{which} failed, so there is no report. {reason}")


class BudgetSpentError(ReportFailedError):
    """The budget was spent before the report was there."""

    def __init__(self) -> None:
        """Say how to go on."""
        super().__init__(
            "the budget is spent, and the report is not finished. Where it has a store and a run_id, what was written "
            "is kept: go on with a larger budget."
        )


class EmptyTopicError(ReportError):
    """The topic holds no word."""

    def __init__(self, topic: str) -> None:
        """Keep the `topic` as it was given."""
        self.topic = topic
        """The topic as it was given."""
        super().__init__('the topic has no words in it. Name one, such as "LLM scaling laws".')


class SectionCountError(ReportError):
    """The wanted number of sections is not a number of sections."""

    def __init__(self, count: int) -> None:
        """Keep the `count` as it was given."""
        self.count = count
        """The number that was asked for."""
        super().__init__(f"a report of {count} sections cannot be written. Ask for 1 or more.")


class MissingSourceError(ReportError):
    """A named source does not exist, or no source is named at all."""

    def __init__(self, path: Path | None) -> None:
        """Keep the `path` that is missing; None where no source is named."""
        self.path = path
        """The path that does not exist."""
        if path is None:
            super().__init__("no sources given. Name files or folders of .txt, .md or .html files with --source.")
        else:
            super().__init__(f"source {str(path)!r} does not exist. Name a file or folder that does.")


class NothingReadableError(ReportError):
    """The sources hold no text, or none that could be quoted where that is what they are for."""

    def __init__(self, names: Sequence[str], reasons: Sequence[str], *, purpose: Literal["quote", "read"]) -> None:
        """Keep the `names` of the sources, the `reasons` why files were skipped, and what the sources are for."""
        self.names = tuple(names)
        """The sources as the user named them."""
        self.reasons = tuple(reasons)
        """Why files were skipped, one sentence each."""
        self.purpose: Literal["quote", "read"] = purpose
        """What was to be done with the sources."""
        shown = "; ".join(self.reasons[:3])
        more = f"; and {len(self.reasons) - 3} more" if len(self.reasons) > len(self.reasons[:3]) else ""
        skipped = f" Skipped: {shown}{more}." if shown else ""
        super().__init__(
            f"nothing to {purpose} in {', '.join(self.names)}.{skipped} "
            f"Name text, Markdown or HTML files that hold {_WANTED[purpose]}."
        )


class OffTopicError(ReportError):
    """No passage of the sources has to do with the topic."""

    def __init__(self, topic: str, sources: int) -> None:
        """Keep the `topic`; `sources` is how many files were searched."""
        self.topic = topic
        """The topic as it was given."""
        searched = "the source" if sources == 1 else f"the {sources} sources"
        super().__init__(
            f"nothing in {searched} bears on the topic {topic!r}. Use words that occur there, or name other sources."
        )


class MissingExtraError(ReportError):
    """A package that only some kinds of source need is not installed."""

    def __init__(self, need: str, extra: str) -> None:
        """Say what the package is needed for and which `extra` brings it."""
        self.extra = extra
        """The extra to install."""
        super().__init__(f"{need} needs an extra: pip install 'piecework[{extra}]'.")
