"""Made-up pages for property tests: every word occurs once, so that each can be found again.

Words of headings are called t, words that name the columns of a table h, all others w.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

__all__ = ("PAGES", "MadePage")

Words = list[str]
Render = Callable[[Words, int], str]


@dataclass(frozen=True, slots=True)
class MadePage:
    """A page of some format."""

    name: str
    text: str


def rows(words: Words, wide: int) -> list[Words]:
    """Return `words` in rows of `wide` words."""
    return [words[start : start + wide] for start in range(0, len(words), wide)]


def lines(words: Words, wide: int, joint: str) -> str:
    """Return `words` as lines of `wide` words, with `joint` between them."""
    return joint.join(" ".join(row) for row in rows(words, wide))


def markdown_table(words: Words, place: int) -> str:
    """Return a table of three columns."""
    head = f"| h{place}a | h{place}b | h{place}c |\n|---|---|---|\n"
    return head + "\n".join(f"| {' | '.join(row)} |" for row in rows(words, 3))


def html_table(words: Words, place: int) -> str:
    """Return a table of three columns."""
    head = f"<table><tr><th>h{place}a<th>h{place}b<th>h{place}c\n"
    return head + "\n".join("<tr><td>" + "<td>".join(row) for row in rows(words, 3)) + "</table>"


def nested(words: Words, mark: str) -> str:
    """Return a list with lists in it."""
    return "\n".join(("  " if number % 3 else "") + mark + " ".join(row) for number, row in enumerate(rows(words, 5)))


KINDS: Mapping[str, Mapping[str, Render]] = {
    "a.md": {
        "heading": lambda words, _: "# " + " ".join(words),
        "deep heading": lambda words, _: "### " + " ".join(words),
        "paragraph": lambda words, _: lines(words, 11, ".\n"),
        "list": lambda words, _: nested(words, "- "),
        "long items": lambda words, _: "1. " + lines(words, 7, "\n   "),
        "table": markdown_table,
        "code": lambda words, _: f"```\n{lines(words, 4, chr(10))}\n```",
        "indented code": lambda words, _: "    " + lines(words, 4, "\n    "),
        "quotation": lambda words, _: "> " + lines(words, 9, "\n> "),
        "footnote": lambda words, place: f"[^{place}]: " + lines(words, 9, "\n    "),
        "markup": lambda words, _: f"<div>\n{lines(words, 9, chr(10))}\n</div>",
    },
    "a.html": {
        "heading": lambda words, _: f"<h1>{' '.join(words)}</h1>",
        "deep heading": lambda words, _: f"<h3>{' '.join(words)}</h3>",
        "paragraph": lambda words, _: f"<p>{lines(words, 11, '.' + chr(10))}</p>",
        "list": lambda words, _: f"<ul>\n<li>{lines(words, 5, chr(10) + '<li><p>')}\n</ul>",
        "terms": lambda words, _: f"<dl><dt>{lines(words, 5, chr(10) + '<dd>')}</dl>",
        "table": html_table,
        "code": lambda words, _: f"<pre>{lines(words, 4, chr(10))}</pre>",
        "quotation": lambda words, _: f"<blockquote><p>{lines(words, 9, chr(10))}</blockquote>",
    },
    "a.txt": {
        "heading": lambda words, _: " ".join(words) + "\n====",
        "deep heading": lambda words, _: " ".join(words) + "\n----",
        "paragraph": lambda words, _: lines(words, 11, ".\n") + ".",
        "long line": lambda words, _: " ".join(words) + ".",
        "list": lambda words, _: nested(words, "* "),
    },
}


def made_page(name: str, blocks: list[tuple[str, int]]) -> MadePage:
    """Return a page of `blocks`, each a kind and how many words it has."""
    parts: list[str] = []
    for place, (kind, count) in enumerate(blocks):
        heads = "heading" in kind
        words = [f"{'t' if heads else 'w'}{place}n{number}" for number in range(min(count, 8) if heads else count)]
        parts.append(KINDS[name][kind](words, place))
    return MadePage(name, "\n\n".join(parts))


def pages_of(name: str) -> st.SearchStrategy[MadePage]:
    """Return pages of one format."""
    block = st.tuples(st.sampled_from(sorted(KINDS[name])), st.integers(1, 300))
    return st.lists(block, max_size=8).map(lambda blocks: made_page(name, blocks))


PAGES = st.one_of([pages_of(name) for name in KINDS])
"""Pages of all formats."""
