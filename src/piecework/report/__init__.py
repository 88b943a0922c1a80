"""The report writer: an orchestrator-worker workflow that turns a topic and some sources into a cited report.

    library = read_library(["notes/"])
    report = write_report("LLM scaling laws", ExtractiveWriter(library))
    print(report.text)

`ExtractiveWriter` quotes whole sentences, each with file and lines, and uses no language model. `ModelWriter` asks one,
and reads all that the sources say, lists and tables included: `read_material`.
All of it is built on the public face of piecework alone.
"""

from __future__ import annotations

from piecework.report.errors import (
    BudgetSpentError,
    EmptyTopicError,
    MissingExtraError,
    MissingSourceError,
    NothingReadableError,
    NothingWrittenError,
    OffTopicError,
    ReportError,
    ReportFailedError,
    SectionCountError,
)
from piecework.report.excerpts import Excerpt
from piecework.report.extractive import ExtractiveWriter
from piecework.report.gaps import Gap
from piecework.report.library import Library, read_library
from piecework.report.material import Material, read_material
from piecework.report.workflow import (
    DEFAULT_CONCURRENCY,
    DEFAULT_SECTION_COUNT,
    Report,
    concurrency_of,
    joined,
    report_generator,
    report_of,
    write_report,
)
from piecework.report.writer import Citation, LimitedWriter, Section, Writer, WrittenSection

__all__ = (
    "DEFAULT_CONCURRENCY",
    "DEFAULT_SECTION_COUNT",
    "BudgetSpentError",
    "Citation",
    "EmptyTopicError",
    "Excerpt",
    "ExtractiveWriter",
    "Gap",
    "Library",
    "LimitedWriter",
    "Material",
    "MissingExtraError",
    "MissingSourceError",
    "NothingReadableError",
    "NothingWrittenError",
    "OffTopicError",
    "Report",
    "ReportError",
    "ReportFailedError",
    "Section",
    "SectionCountError",
    "Writer",
    "WrittenSection",
    "concurrency_of",
    "joined",
    "read_library",
    "read_material",
    "report_generator",
    "report_of",
    "write_report",
)
