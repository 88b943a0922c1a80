"""What a report was ordered as: kept as the labels of its run, so that it can be known again and gone on with.

No key and no address of a provider is ever in it. Sources keep the names that the user typed, and the folder in which
they were typed, since these names stand in the report's citations.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from piecework.cli.budget import Allowance, read_labels
from piecework.cli.errors import MisuseError
from piecework.report import Library, Material

__all__ = ("EXTRACTIVE", "ReportOrder", "fingerprint", "read_order")

EXTRACTIVE: Final = "extractive"
"""What stands for no model."""

_COMMAND: Final = "report"


@dataclass(frozen=True, slots=True)
class ReportOrder:
    """A report as it was asked for."""

    topic: str
    """What it is about."""
    model: str
    """Who writes: `PROVIDER:NAME`, or `extractive`."""
    sources: tuple[str, ...]
    """The files and folders, as they were typed."""
    folder: str
    """The folder in which they were typed."""
    fingerprint: str
    """Stands for what the sources held; empty where there are none."""
    sections: int
    """How many sections are wanted."""
    output: str | None
    """The file that it goes to, by its absolute path."""
    timeout: float
    """Seconds that a model may be silent."""
    allowance: Allowance
    """What it may use up."""

    def labels(self) -> dict[str, str]:
        """Return it as the labels of a run."""
        told = {
            "command": _COMMAND,
            "topic": self.topic,
            "model": self.model,
            "sources": json.dumps(self.sources),
            "folder": self.folder,
            "fingerprint": self.fingerprint,
            "sections": str(self.sections),
            "output": self.output or "",
            "timeout": f"{self.timeout:g}",
            **self.allowance.labels(),
        }
        # A word of the command line that is not UTF-8 has half surrogates, which no store keeps.
        return {name: text.encode("utf-8", "replace").decode() for name, text in told.items() if text}


def read_order(labels: Mapping[str, str]) -> ReportOrder | None:
    """Return the order that stands in the labels of a run; None where the run is no report.

    Raises:
        MisuseError: It is one, but its labels are not ours.
    """
    if labels.get("command") != _COMMAND:
        return None
    try:
        return ReportOrder(
            topic=labels["topic"],
            model=labels["model"],
            sources=tuple(map(str, cast("list[object]", json.loads(labels["sources"])))),
            folder=labels["folder"],
            fingerprint=labels.get("fingerprint", ""),
            sections=int(labels["sections"]),
            output=labels.get("output") or None,
            timeout=float(labels["timeout"]),
            allowance=read_labels(labels),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise MisuseError(
            f"the run says that it is a report, but not which ({error!r}): it cannot be resumed from here."
        ) from error


def fingerprint(read: Library | Material) -> str:
    """Return what stands for the text that was read: sections refer to it by number, so it must not change."""
    parts: Sequence[tuple[str, tuple[int, int]]]
    if isinstance(read, Library):
        parts = [(passage.text, passage.lines) for passage in read.passages]
    else:
        parts = [(excerpt.text, excerpt.lines) for excerpt in read.excerpts]
    digest = hashlib.blake2b(digest_size=8)
    for text, (first, last) in parts:
        digest.update(f"{first}-{last} {len(text)} ".encode())
        digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
