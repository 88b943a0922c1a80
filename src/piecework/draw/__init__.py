"""Pictures of graphs. What is drawn is an outline, so that every front end's graphs can be."""

from piecework.draw.mermaid import to_mermaid

__all__ = ("to_mermaid",)
