"""The writer that asks a language model: for the plan, and for each section.

It gives a worker its section, the whole outline and the excerpts retrieved for it, and lets nothing stand in the
report that a citation pretends: what names no passage is taken out and counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from piecework import Failure, Limit
from piecework.report.document import escape, render
from piecework.report.errors import EmptyTopicError, OffTopicError, SectionCountError
from piecework.report.material import Material
from piecework.report.models.chat import Chat, Message, Usage
from piecework.report.models.citations import check_citations
from piecework.report.models.composing import Composed, Draft, compose
from piecework.report.models.errors import EmptyAnswerError, PlanError
from piecework.report.models.lint import lint
from piecework.report.models.planning import propose
from piecework.report.models.prompts import cited_passages, planning, surveyed, writing
from piecework.report.models.retrieval import digest, excerpts_for
from piecework.report.patience import will_try_again
from piecework.report.words import words
from piecework.report.writer import Citation, Section, WrittenSection

__all__ = ("ModelWriter",)

_EXCERPT_WORDS = 800
"""Words of the sources that the planner sees beside their headings."""


class ModelWriter:
    """Writes reports with a language model, from some material or from what the model knows."""

    def __init__(self, chat: Chat, material: Material | None = None) -> None:
        """Choose who writes.

        Args:
            chat: The model, such as `open_model("anthropic:NAME")`, or `Chat(model)` of any LangChain chat model.
            material: What the sources say; without it the model writes from what it knows, and the report says so.
        """
        self._chat = chat
        self._material = material
        self._drafts: dict[Section, Draft] = {}
        """Sections whose last attempt failed, and will be tried again."""

    @property
    def limit(self) -> Limit | None:
        """What asking the model counts under."""
        return self._chat.limit

    @property
    def usage(self) -> Usage:
        """What was asked of the model so far."""
        return self._chat.usage

    async def plan(self, topic: str, section_count: int) -> list[Section]:
        """Return the sections, each with the excerpts that bear on it.

        Raises:
            EmptyTopicError: The topic has no words.
            OffTopicError: Nothing in the material bears on it.
            SectionCountError: `section_count` is below 1.
            PlanError: The model made no plan that can be read.
            ModelError: The provider fails.
        """
        if section_count < 1:
            raise SectionCountError(section_count)
        subject = " ".join(topic.encode("utf-8", "replace").decode("utf-8").split())
        if not words(subject):
            raise EmptyTopicError(topic)
        proposals = await propose(self._chat, self._request_for_plan(subject, section_count))
        planned = lint(proposals, subject, section_count)
        if not planned:
            raise PlanError(self._chat.name, "none of its sections has a name or a description")
        outline = tuple(f"{one.id}. {one.name}" + (f": {one.brief}" if one.brief else "") for one in planned)
        return [
            Section(
                id=one.id,
                title=one.name,
                topic=subject,
                brief=one.brief,
                outline=outline,
                passages=self._passages(f"{one.name} {one.brief}", subject),
            )
            for one in planned
        ]

    async def write(self, section: Section) -> WrittenSection:
        """Return the section as the model writes it, its citations checked.

        A second attempt goes on where the first one failed in the middle of the text.

        Raises:
            EmptyAnswerError: The model wrote nothing.
            ModelError: The provider fails.
        """
        material = self._material
        passages = None if material is None else cited_passages(section.passages, material)
        composed = await self._compose(section, writing(section, passages))
        known = () if material is None else tuple(_citation(number, material) for number in section.passages)
        checked = check_citations(composed.text, known, title=section.title)
        if not any(isinstance(piece, str) and piece.strip() for piece in checked.body):
            raise EmptyAnswerError(self._chat.name, thought=False)
        return WrittenSection(section.id, section.title, checked.body, checked.removed, composed.complete)

    def join(self, topic: str, sections: Sequence[Section], content: Sequence[WrittenSection | Failure]) -> str:
        """Return the report as Markdown.

        Raises:
            NothingWrittenError: All sections failed.
        """
        unsourced = f"*{escape(self._chat.name)} wrote this report from what it knows, without sources.*"
        return render(topic, sections, content, closing=unsourced if self._material is None else "")

    async def _compose(self, section: Section, request: Sequence[Message]) -> Composed:
        draft = self._drafts.pop(section, None) or Draft()
        draft.tried += 1
        try:
            return await compose(self._chat, request, draft)
        except Exception as error:
            if will_try_again(error, draft.tried):
                self._drafts[section] = draft
            raise

    def _request_for_plan(self, topic: str, count: int) -> list[Message]:
        material = self._material
        if material is None:
            return planning(topic, count, None)
        excerpts = excerpts_for(material, topic, most_words=_EXCERPT_WORDS)
        if not excerpts:
            raise OffTopicError(topic, len(material.sources))
        return planning(topic, count, surveyed(digest(material), cited_passages(excerpts, material)))

    def _passages(self, *queries: str) -> tuple[int, ...]:
        return () if self._material is None else excerpts_for(self._material, *queries)


def _citation(number: int, material: Material) -> Citation:
    excerpt = material.excerpts[number]
    return Citation(excerpt.source, excerpt.lines)
