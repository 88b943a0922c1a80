"""The plan as a model is asked to fill it in: pydantic models, whose descriptions are part of the question.

Imported with the writer only, since pydantic comes with the `models` extra.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

__all__ = ("PlannedSection", "Sections")


class PlannedSection(BaseModel):
    """One section of the report."""

    name: str = Field(description="The section's heading: a few words, without a number.")
    """The section's heading."""
    description: str = Field(description="What the section is to tell, in one or two sentences.")
    """What the section is to tell."""


class Sections(BaseModel):
    """The sections of the report, in reading order."""

    sections: list[PlannedSection] = Field(description="The sections, in reading order.")
    """The sections, in reading order."""
