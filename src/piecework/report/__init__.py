"""The report writer: an orchestrator-worker workflow that turns a topic and some sources into a cited report.

    library = read_library(["notes/"])
    report = write_report("LLM scaling laws", library)
    print(report.text)

The writer that comes with it is extractive: it quotes whole sentences, each with file and lines, and uses no
language model. It is built on the public face of piecework alone.
"""

from __future__ import annotations

from piecework.report.errors import (
    EmptyTopicError,
    MissingExtraError,
    MissingSourceError,
    NothingReadableError,
    OffTopicError,
    ReportError,
    SectionCountError,
)
from piecework.report.extractive import ExtractiveWriter
from piecework.report.library import Library, read_library
from piecework.report.workflow import DEFAULT_SECTION_COUNT, Report, report_generator, write_report
from piecework.report.writer import Quotation, Section, Writer, WrittenSection

__all__ = (
    "DEFAULT_SECTION_COUNT",
    "EmptyTopicError",
    "ExtractiveWriter",
    "Library",
    "MissingExtraError",
    "MissingSourceError",
    "NothingReadableError",
    "OffTopicError",
    "Quotation",
    "Report",
    "ReportError",
    "Section",
    "SectionCountError",
    "Writer",
    "WrittenSection",
    "read_library",
    "report_generator",
    "write_report",
)
