"""The import table: which module may see which, as data.

Rows stand from top to bottom; a module sees the rows below its own, never its own row and never a row above.
`name.*` is a module with all it contains, and what it contains may import one another; a plain `name` is that
one file, for a package its `__init__`. The package's face is `piecework`; the rest is named without it.

A new file gets a place here, in the row where the order of the design puts it.
"""

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ("FACE", "INSTALLED", "NEVER", "OPTIONAL", "PACKAGE", "RE_EXPORTS_ONLY", "ROWS", "Row")

PACKAGE: Final = "piecework"

FACE: Final = PACKAGE


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    entries: tuple[str, ...]
    """The modules that stand in it."""

    siblings: Literal["apart", "together"] = "apart"
    """Whether they may import one another; where they may, there is still no cycle."""


ROWS: Final = (
    Row(("cli.*", "report.*", "__main__"), siblings="together"),
    Row((FACE,)),
    Row(("langgraph",)),
    Row(("dataflow.*", "stategraph.*", "functional", "server.*", "viewer.*", "testing.*")),
    Row(("threads", "streaming")),
    Row(("runner",)),
    Row(("resumption",)),
    Row(("stores.*", "executors.*", "observe.*", "draw.*")),
    Row(("core",)),
    Row(("core.children", "core.portal", "core.stream")),
    Row(("core.scheduler",)),
    Row(("core.lease",)),
    Row(("core.fanout",)),
    Row(("core.feed", "core.handle")),
    Row(("core.threads",)),
    Row(("core.lanes",)),
    Row(("core.run",)),
    Row(("core.invoke",)),
    Row(("core.attempts", "core.placing")),
    Row(("core.caching",)),
    Row(("core.deadline", "core.flight", "core.journal", "core.limits", "core.interrupts", "core.signs")),
    Row(("core.recall",)),
    Row(("core.ports",)),
    Row(("core.current", "core.events")),
    Row(("core.plan",)),
    Row(("core.call",)),
    Row(("core.recorded",)),
    Row(("core.runs",)),
    Row(("core.outcome", "core.fact")),
    Row(("core.backoff", "core.fingerprint")),
    Row(("core.policy", "core.codec", "core.waiting")),
    Row(("core.budget", "core.quota.*", "core.transient")),
    Row(("core.usage",)),
    Row(("core.guests", "core.raised")),
    Row(("core.records",)),
    Row(("core.kinds",)),
    Row(("errors.*", "outline"), siblings="together"),
    Row(("wording",)),
)

NEVER: Final = {
    # The report writer is a user of the public face.
    "report.*": ("core.*", "stores.*", "executors.*", "runner"),
}
"""What an entry may not see although it stands below."""

RE_EXPORTS_ONLY: Final = ("langgraph",)
"""Modules that give other modules' names and define nothing."""

INSTALLED: Final = ("msgspec", "typing_extensions")
"""What every installation has: free to import anywhere."""

OPTIONAL: Final = {
    "typer": ("cli.*",),
    "rich": ("cli.*", "observe.*"),
    "markdown_it": ("report.*",),
    "mdit_py_plugins": ("report.*",),
    "langchain_core": ("report.*",),
    "langchain_anthropic": ("report.*",),
    "langchain_openai": ("report.*",),
    "psycopg": ("stores.postgres",),
    "dask": ("executors.dask",),
    "distributed": ("executors.dask",),
    "ray": ("executors.ray",),
    "opentelemetry": ("observe.otel",),
    "starlette": ("server.*", "viewer.*"),
    "uvicorn": ("server.*", "viewer.*"),
    "pydantic": ("core.codec", "report.models.*"),
}
"""What an extra brings, and the adapters that may import it: nobody else, and nobody's annotations."""
