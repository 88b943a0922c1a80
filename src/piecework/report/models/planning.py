"""From a model's answer to a plan, by whatever way works: a filled schema, JSON in the text, a second try.

Weak models fail at each of these; only when all have failed is there an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import cast

from piecework.report.models.chat import Chat, Message, Structured
from piecework.report.models.errors import PlanError
from piecework.report.models.jsontext import find_json
from piecework.report.models.prompts import AS_JSON, not_a_plan
from piecework.report.models.sections import Sections

__all__ = ("propose", "read_proposals")

_LISTS = ("sections", "outline", "plan", "chapters", "parts")
_NAMES = ("name", "title", "heading", "section", "section_name", "section_title")
_DESCRIPTIONS = ("description", "brief", "summary", "content")
_MARK = re.compile(r"\s*\[\^?\d[\d\s,;\u2013-]{0,40}\]")
_DEEPEST = 2
"""How deep in other objects the sections may be."""


async def propose(chat: Chat, request: Sequence[Message]) -> list[tuple[str, str]]:
    """Return the sections a model plans, as pairs of name and description; at least one.

    Raises:
        PlanError: Neither its answer nor the corrected one is a plan.
        ModelError: The provider fails.
    """
    asked = list(request)
    filled = await chat.ask_for(asked, Sections.model_json_schema())
    if filled is None:
        asked.append(("human", AS_JSON))
        answer = await chat.ask(asked)
        filled = Structured(None, answer.text, cut_off=answer.end == "cut off")
    try:
        # A schema may be filled with the beginning of an answer that was cut off.
        if filled.cut_off:
            raise ValueError("the answer was cut off before its end; be brief")
        return read_proposals(filled.text if filled.value is None else filled.value)
    except ValueError as error:
        reason = str(error)
    said: list[Message] = [("ai", filled.text)] if filled.text.strip() else []
    second = await chat.ask([*asked, *said, ("human", not_a_plan(reason))])
    try:
        return read_proposals(second.text)
    except ValueError as error:
        raise PlanError(chat.name, str(error)) from error


def read_proposals(answer: object) -> list[tuple[str, str]]:
    """Read a plan out of a model's answer: data of some such form, or words with JSON anywhere in them.

    Raises:
        ValueError: There is none, or it has no sections.
    """
    if answer == "":
        raise ValueError("the answer is empty")
    pairs = _entries(find_json(answer) if isinstance(answer, str) else answer)
    proposals = [(name, description) for name, description in pairs if name or description]
    if not proposals:
        raise ValueError("the plan has no sections")
    return proposals


def _entries(value: object, depth: int = 0) -> list[tuple[str, str]]:
    """Return name and description of each section in data that a model made, in whatever form."""
    if isinstance(value, list):
        return [_pair(entry) for entry in cast("list[object]", value)]
    if not isinstance(value, dict) or depth > _DEEPEST:
        raise ValueError("the answer is not a list of sections")
    fields = cast("dict[str, object]", value)
    inner = {key: cast("object", field) for key, field in fields.items() if isinstance(field, list | dict)}
    held = next((inner[key] for key in _LISTS if key in inner), None)
    if held is None and len(inner) == 1:
        held = next(iter(inner.values()))
    if held is not None:
        return _inside(held, depth + 1)
    if not inner and _text(fields, _NAMES) and _text(fields, _DESCRIPTIONS):
        return [_pair(fields)]
    if inner and all(isinstance(field, dict) for field in fields.values()):
        return _keyed(fields)
    raise ValueError("the JSON has no list called sections")


def _inside(held: object, depth: int) -> list[tuple[str, str]]:
    """Return the sections in what should hold them: a list, an object around a list, or an object of sections."""
    try:
        return _entries(held, depth)
    except ValueError:
        if not isinstance(held, dict) or not held or depth > _DEEPEST:
            raise
        return _keyed(cast("dict[str, object]", held))


def _keyed(fields: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return sections that are numbered, or called, by their keys."""
    pairs: list[tuple[str, str]] = []
    for key, entry in fields.items():
        name, description = ("", _unmarked(entry)) if isinstance(entry, str) else _pair(entry)
        if not name and not description:
            raise ValueError("the JSON has no list called sections")
        pairs.append((name or ("" if key.strip().isdecimal() else _unmarked(key)), description))
    return pairs


def _pair(entry: object) -> tuple[str, str]:
    if isinstance(entry, str):
        return _unmarked(entry), ""
    if not isinstance(entry, dict):
        return "", ""
    fields = cast("dict[str, object]", entry)
    return _text(fields, _NAMES), _text(fields, _DESCRIPTIONS)


def _text(fields: Mapping[str, object], keys: Sequence[str]) -> str:
    return next((text for key in keys if isinstance(value := fields.get(key), str) and (text := _unmarked(value))), "")


def _unmarked(text: str) -> str:
    """Return `text` without citations: those of the planner mean nothing to anyone else."""
    return _MARK.sub("", text).strip()
