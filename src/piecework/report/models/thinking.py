"""A model's answer without its thinking, where that is written into the text between tags such as `<think>`.

`Chat` calls it on every answer. It knows nothing of providers that return thinking apart; tags that an answer only
mentions, in code, stay.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Literal

__all__ = ("without_thinking",)

_TAG = (
    r"(?i:<(?P<end>/?)(?:think|thinking|thoughts?|reasoning)(?:\s[^<>]{0,200})?>)"
    r"|\u25c1(?P<end_>/?)think\u25b7"
    r"|\[(?P<_end>/?)THINK\]"
)
_ANY_TAG = re.compile(_TAG)
_EVENT = re.compile(rf"^[ \t>]{{0,12}}(?P<fence>`{{3,}}|~{{3,}})(?P<info>[^`\n]*)$|(?P<ticks>`+)|{_TAG}", re.MULTILINE)


def without_thinking(text: str) -> str:
    """Return what a model says, without what it thinks.

    Thinking stands between tags, which may be nested, or before a lone closing tag. What is not closed goes on to the
    last closing tag after it, or else to the end. A text without such tags is returned as it is.
    """
    if _ANY_TAG.search(text) is None:
        return text
    said: list[str] = []
    for piece in _answer(text, _end_of_lead(text)):
        whole = piece.lstrip(" ") if said and said[-1].endswith((" ", "\n")) else piece
        said += [whole] if whole else []
    answer = "".join(said)
    return answer if answer == text else answer.strip()


def _answer(text: str, start: int) -> Iterator[str]:
    """Yield the parts of the answer, which begins at `start`."""
    tags = _Tags(text, in_fences="none")
    done = start
    while (tag := tags.following(done)) is not None:
        yield text[done : tag.start()]
        done = tag.end() if _closes(tag) else _end_of_thinking(text, tag.end())
    yield text[done:]


def _end_of_lead(text: str) -> int:
    """Return where thinking ends that began before the text did."""
    tags = _Tags(text, in_fences="lone closers")
    closers: list[re.Match[str]] = []
    position = 0
    while (tag := tags.following(position)) is not None and _closes(tag):
        closers.append(tag)
        position = tag.end()
    # A model may speak of the tag while it thinks, or write it once more when it has said all.
    ends = [*(closer.start() for closer in closers[1:]), len(text)]
    spoken = [closer.end() for closer, end in zip(closers, ends, strict=False) if text[closer.end() : end].strip()]
    return spoken[-1] if spoken else position


def _end_of_thinking(text: str, start: int) -> int:
    """Return where thinking ends whose tag ends at `start`."""
    depth = 1
    last = len(text)
    for tag in _ANY_TAG.finditer(text, start):
        depth += -1 if _closes(tag) else 1
        last = tag.end() if _closes(tag) else last
        if not depth:
            break
    return last


def _closes(tag: re.Match[str]) -> bool:
    return "/" in {tag["end"], tag["end_"], tag["_end"]}


class _Tags:
    """Finds the tags of a text that stand outside of code."""

    def __init__(self, text: str, *, in_fences: Literal["none", "lone closers"]) -> None:
        """Take the `text`; `in_fences` is which tags count though they stand in fenced code.

        Thinking may leave a fence open, so before an answer begins, a closing tag alone on its line counts.
        """
        self._text = text
        self._in_fences = in_fences
        self._fence = ""
        self._shown = False
        """Whether the code shows thinking from its first tag on."""
        self._line_end = -1
        self._runs: dict[int, list[int]] = {}
        for run in re.finditer("`+", text):
            self._runs.setdefault(len(run[0]), []).append(run.start())

    def following(self, position: int) -> re.Match[str] | None:
        """Return the next tag from `position` on; each is asked for after the one before it."""
        while (event := _EVENT.search(self._text, position)) is not None:
            position = event.end()
            if event["fence"]:
                self._pass_fence(event["fence"], event["info"])
            elif event["ticks"]:
                position = position if self._fence else self._end_of_code(event)
            elif not self._fence or self._counts(event):
                return event
        return None

    def _counts(self, tag: re.Match[str]) -> bool:
        """Return whether a tag in fenced code is no part of it."""
        self._shown = self._shown or not _closes(tag)
        return self._in_fences == "lone closers" and not self._shown and self._is_alone(tag)

    def _pass_fence(self, fence: str, info: str) -> None:
        if not self._fence:
            self._fence, self._shown = fence, False
        elif fence.startswith(self._fence) and not info.strip():
            self._fence = ""

    def _end_of_code(self, ticks: re.Match[str]) -> int:
        """Return where code ends that begins with `ticks`: on the same line, or it is none."""
        start, end = ticks.span()
        if self._line_end < end:
            found = self._text.find("\n", end)
            self._line_end = len(self._text) if found < 0 else found
        runs = self._runs.get(end - start, [])
        place = bisect_left(runs, end)
        is_code = place < len(runs) and runs[place] < self._line_end
        return runs[place] + end - start if is_code else end

    def _is_alone(self, tag: re.Match[str]) -> bool:
        around = self._text[max(0, tag.start() - 1) : tag.start()] + self._text[tag.end() : tag.end() + 1]
        return not around.strip("\n")
