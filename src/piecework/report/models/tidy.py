"""A section as a model wrote it, made fit to stand in a report: no title of its own, no list of sources, no raw HTML.

The citation gate calls it before it looks for markers. Words and code stay as they are; what would reach beyond the
section (an open fence, a comment without end, a heading above its own) is mended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from piecework.report.models.blocks import Block, Blocks, normalized, read_blocks
from piecework.report.models.headline import heads_sources, same_heading
from piecework.report.models.spans import is_safe, row_spans, spans

__all__ = ("tidy",)

_TOP_LEVEL = 3
"""The level of the highest heading inside a section, whose own is 2."""
_LOWEST_LEVEL = 6

_WRAPPER = re.compile(r"[ ]{0,3}(`{3,}|~{3,})[ \t]*(markdown|md|)[ \t]*", re.IGNORECASE)
_LABEL = re.compile(r"\^?\s*(?:source\s*)?\d[\d\s,;&\u2013-]*", re.IGNORECASE)
_DEFINITION = re.compile(r"[ >]{0,8}\[([^\[\]\n]{1,200})\]:(?:[ \t]+|$)(\S*)")
_HTML = re.compile(r"<(?=[A-Za-z/!?])")
_CLOSING_MARK = re.compile(r"(?:(?<=\s)|^)#+$")
_BLANK_START = re.compile(r"\A(?:[ \t]*\n)+")

_MOST_ENTRIES = 200
_LISTS = frozenset({"bullet_list", "ordered_list", "table", "hr"})
_ENTRY = re.compile(r"\s*(?:[-*+\u2022]\s|[\[\u3010(]?\^?\d+[\]\u3011).:]|\[|<?https?://)|.*https?://")
_EVIDENCE = re.compile(r"\d|://|\bet al\b|[\"\u201c\u00ab]|\w\.[a-z]{1,5}\b")
_MARKED = re.compile(r"\s*(?:[-*+]\s+)?[\[\u3010]\^?\d+[\]\u3011]")


def tidy(text: str, *, title: str = "") -> str:
    """Return the Markdown of one section, cleaned.

    A heading that repeats the section's title is dropped, with thematic breaks around the text, a list of sources at
    its end, and link definitions by number. Headings are demoted so that the highest is of level 3. An open fence is
    closed. Raw HTML becomes text, as do links to programs; line breaks, raised and lowered text stay.

    Args:
        text: What the model wrote, without its thinking.
        title: The section's title.

    Returns:
        The section, empty where nothing else is left.

    Raises:
        MissingExtraError: markdown-it-py is not installed.
    """
    page = read_blocks(_unwrapped(normalized(text)).rstrip())
    dropped = _dropped(page, title)
    kept = list(_rewritten(page, dropped))
    if page.open_fence and len(page.lines) - 1 not in dropped:
        kept.append(page.open_fence)
    return _BLANK_START.sub("", "\n".join(kept)).rstrip()


def _unwrapped(text: str) -> str:
    """Return `text` without the fence around all of it."""
    lines = text.strip("\n").rstrip().split("\n")
    wrapper = _WRAPPER.fullmatch(lines[0])
    if wrapper is None:
        return text
    fences = [line.strip() for line in lines[1:] if line.strip().startswith(wrapper[1])]
    bare = [not fence.strip(wrapper[1][0]) for fence in fences]
    ends = bool(fences) and lines[-1].strip() == fences[-1] and bare[-1]
    if not fences or (ends and len(fences) == 1):
        return "\n".join(lines[1 : len(lines) - ends])
    # A fence that opens inside of the first one shows that the first is around all; one that closes it, that it is not.
    if not wrapper[2] or bare[0]:
        return text
    return "\n".join(lines[1:-1] if ends and len(fences) % 2 else lines[1:])


def _dropped(page: Blocks, title: str) -> set[int]:
    """Return the lines that are left out."""
    dropped: set[int] = set()
    for one in page.definitions:
        if _LABEL.fullmatch(one.label) or not is_safe(one.target):
            dropped.update(range(one.start, one.end))
    tops = list(page.tops)
    while tops and (size := _title_lines(tops[0], title)):
        top = tops.pop(0)
        dropped.update(range(top.start, top.start + size))
        if size < top.end - top.start:
            break
    end = _end_of_text(page, tops)
    dropped.update(range(end, len(page.lines)))
    return dropped


def _title_lines(block: Block, title: str) -> int:
    """Return how many lines of the first block go: all of a thematic break, and what repeats the title."""
    if block.kind == "hr":
        return block.end - block.start
    if block.kind not in {"heading", "paragraph"}:
        return 0
    if same_heading(block.text, title):
        return block.end - block.start
    first, _, rest = block.text.partition("\n")
    is_bold = first.lstrip().startswith(("**", "__"))
    return 1 if rest and is_bold and block.kind == "paragraph" and same_heading(first, title) else 0


def _end_of_text(page: Blocks, tops: Sequence[Block]) -> int:
    """Return the line after the last that stays: before a list of sources, before thematic breaks."""
    end = len(page.lines)
    left = len(tops)
    for place in range(len(tops) - 1, max(-1, len(tops) - _MOST_ENTRIES), -1):
        block = tops[place]
        after = tops[place + 1 : left]
        if _begins_sources(page, block, after, end) or (block.kind == "hr" and not after):
            end, left = block.start, place
        elif block.kind not in _LISTS and block.kind != "paragraph":
            break
    return end


def _begins_sources(page: Blocks, block: Block, after: Sequence[Block], end: int) -> bool:
    """Return whether the section's own list of sources begins with `block`, and nothing else comes up to line `end`."""
    match block.kind:
        case "hr":
            marked = [_MARKED.match(line) for line in page.lines[block.end : end] if line.strip()]
            return bool(marked) and all(marked)
        case "heading":
            return heads_sources(block.text) and _are_sources(page, block.end, after, end)
        case "paragraph":
            first, *others = block.text.split("\n")
            label, colon, entry = first.partition(":")
            is_label = heads_sources(label) and (colon or first.lstrip().startswith(("**", "__")))
            entries = [line for line in (entry.strip(" *_"), *others) if line]
            return bool(is_label and all(map(_EVIDENCE.search, entries))) and _are_sources(page, block.end, after, end)
        case _:
            return False


def _are_sources(page: Blocks, start: int, blocks: Sequence[Block], end: int) -> bool:
    """Return whether what follows the heading of a list of sources is such a list."""
    for block in blocks:
        lines = page.lines[block.start : block.end]
        is_list = block.kind in _LISTS or (block.kind == "paragraph" and all(map(_ENTRY.match, lines)))
        if not is_list:
            return False
    text = "\n".join(page.lines[start:end])
    return not blocks or _EVIDENCE.search(text) is not None


def _rewritten(page: Blocks, dropped: set[int]) -> Iterator[str]:
    """Yield the lines that stay, headings demoted and HTML made text, with one blank line where there were several."""
    headings = {one.start: one for one in page.texts if one.kind == "heading" and one.start not in dropped}
    highest = min((one.level for one in headings.values()), default=_TOP_LEVEL)
    shift = max(0, _TOP_LEVEL - highest)
    gap, parted = True, False
    for kind, start, end in page.stretches():
        lines = [page.lines[number] for number in range(start, end) if number not in dropped]
        if not lines:
            parted = True
            continue
        if kind == "verbatim":
            whole = "\n".join(lines)
            text = _without_tags(whole) if lines[0].strip() == "$$" else whole
        elif start in headings:
            text = _demoted(headings[start], lines, shift)
        else:
            is_row = kind == "row"
            text = _harmless(lines[0] if is_row else _without_definitions(lines), is_row=is_row)
        if parted and not gap:
            # What was left out may have kept two blocks from being one.
            yield ""
            gap = True
        if text.strip() or not gap:
            yield text
        gap, parted = not text.strip(), False


def _demoted(heading: Block, lines: Sequence[str], shift: int) -> str:
    """Return a heading as one line, whichever way it was marked; empty where it says nothing."""
    said = " ".join(_harmless(heading.text, is_row=False).split())
    if not said:
        return ""
    first = lines[0]
    mark = first.find("#" if heading.markup.startswith("#") else heading.text.partition("\n")[0])
    level = min(_LOWEST_LEVEL, heading.level + shift)
    return f"{first[: max(mark, 0)]}{'#' * level} {_CLOSING_MARK.sub(_escaped, said)}"


def _without_definitions(lines: Sequence[str]) -> str:
    """Return the lines of a paragraph without link definitions and footnotes by number."""
    kept: list[str] = []
    in_definition = False
    for line in lines:
        definition = _DEFINITION.match(line)
        if definition is not None and _LABEL.fullmatch(definition[1]):
            in_definition = True
        elif not in_definition or not line.startswith("  "):
            in_definition = False
            is_program = definition is not None and not is_safe(definition[2])
            kept.append(line.replace("[", "\\[", 1) if is_program else line)
    return "\n".join(kept)


def _harmless(text: str, *, is_row: bool) -> str:
    """Return a paragraph without raw HTML and without links to programs."""
    pieces: list[str] = []
    done = 0
    for span in row_spans(text) if is_row else spans(text):
        start, end = span.start, span.end
        if span.kind in {"tag", "unsafe"}:
            pieces += [text[done:start], "\\"]
            done = start
        elif span.kind == "math":
            pieces += [text[done:start], _without_tags(text[start:end])]
            done = end
        elif span.kind == "comment":
            pieces.append(text[done:start])
            done = end + 1
    pieces.append(text[done:])
    return "".join(pieces).strip("\n")


def _without_tags(formula: str) -> str:
    """Return a formula in which no sign is the start of a tag; the space means nothing there."""
    return _HTML.sub("< ", formula)


def _escaped(mark: re.Match[str]) -> str:
    return "\\#" * len(mark[0])
