"""What a heading says, once Markdown, numbering and quotation marks are off, and whether it heads a list of sources.

The plan's lint and the cleaning of sections ask here. Models write `## 1. **Data**:` where they mean `Data`.
"""

from __future__ import annotations

import re
import unicodedata

from piecework.report.words import words

__all__ = ("heads_contents", "heads_sources", "plain_heading", "same_heading")

_LONGEST_READ = 1000
_LONGEST_TITLE = 500

_LEADING = re.compile(
    r"""^(?:
      \#{1,6}\s+ | [-*+\u2022>]\s+
    | (?:section|chapter|part|step)\s+(?:\d{1,3}|[ivxlc]{1,6})\s*[.:)\-\u2013\u2014]+\s*
    | \(?\d{1,2}[.:)]+\s+ | \d{1,2}(?:\.\d{1,2})+[.:)]?\s+ | \d{1,2}\s+[-\u2013\u2014]\s+
    | (?-i:[IVXL]{1,5})[.)]\s+(?-i:(?=[^\Wa-z\d_]))
    )+(?=\S)""",
    re.IGNORECASE | re.VERBOSE,
)
_NUMBER_ALONE = re.compile(r"\(?\d{1,2}[.:)]+")
_TRAILING = " :;,\uff1a\u2013\u2014"
_LINK = re.compile(r"!?\[([^\[\]]+)\]\([^()\s]*\)")
_PAIRS = (
    ("***", "***"),
    ("**", "**"),
    ("__", "__"),
    ("*", "*"),
    ("_", "_"),
    ("`", "`"),
    ('"', '"'),
    ("'", "'"),
    ("\u201c", "\u201d"),
    ("\u2018", "\u2019"),
    ("\u00ab", "\u00bb"),
    ("\u201e", "\u201c"),
    ("\u300c", "\u300d"),
    ("\u300a", "\u300b"),
)
_MARKER = re.compile(r"[\[\u3010]\^?\d[^\[\]\u3010\u3011]*[\]\u3011]")

_SOURCES = frozenset(
    """
    sources|references|bibliography|citations|works cited|sources cited|cited sources|cited works|source list
    |reference list|list of sources|list of references|sources used|sources and references|references and sources
    |footnotes|endnotes|literature cited
    |quellen|quellenverzeichnis|literaturverzeichnis|einzelnachweise|referenzen
    |références|bibliographie|fuentes|referencias|bibliografía|fonti|riferimenti|bibliografia|fontes|referências
    |bronnen|referenties|källor|källförteckning|kilder|lähteet|źródła|zdroje|kaynaklar|источники|список литературы
    |参考文献|参考资料|来源|出典|参考資料|参考|참고문헌|참고 문헌|출처
    """.replace("\n", "")
    .replace("    ", "")
    .split("|")
)
_CONTENTS = frozenset({"table of contents", "contents", "toc", "title", "title page"})


def plain_heading(heading: str) -> str:
    """Return what a heading says, on one line; empty where it says nothing."""
    plain = _visible(heading[:_LONGEST_READ])
    while (stripped := _stripped(plain)) != plain:
        plain = stripped
    return plain if any(map(str.isalnum, plain)) and not _NUMBER_ALONE.fullmatch(plain) else ""


def same_heading(heading: str, title: str) -> bool:
    """Return whether a heading says the title and no more, whatever stands around it."""
    if len(heading) > _LONGEST_TITLE:
        return False
    said, wanted = words(plain_heading(_MARKER.sub("", heading))), words(plain_heading(title))
    return bool(wanted) and said in (wanted, words(title))


def heads_sources(heading: str) -> bool:
    """Return whether a heading announces a list of sources, in one of a few languages."""
    return len(heading) <= _LONGEST_TITLE and plain_heading(heading).casefold() in _SOURCES


def heads_contents(heading: str) -> bool:
    """Return whether a heading announces a table of contents or a title page."""
    return len(heading) <= _LONGEST_TITLE and plain_heading(heading).casefold() in _CONTENTS


def _visible(text: str) -> str:
    """Return `text` on one line, without characters that do not show."""
    spaced = "".join(" " if unicodedata.category(one) in {"Cc", "Zl", "Zp"} else one for one in text)
    # A joiner is part of the letter or the emoji it stands in.
    shown = (one for one in spaced if one in "\u200c\u200d" or unicodedata.category(one) not in {"Cf", "Cs", "Cn"})
    return " ".join("".join(shown).split())


def _stripped(text: str) -> str:
    text = _LINK.sub(r"\1", text)
    text = _LEADING.sub("", text, count=1)
    text = text.rstrip(_TRAILING)
    for mark in "#-":
        bare = text.rstrip(mark)
        text = bare if bare.endswith(" ") else text
    for opener, closer in _PAIRS:
        size = len(opener)
        inside = text[size : -len(closer)]
        if text.startswith(opener) and text.endswith(closer) and inside.strip() and opener not in inside:
            text = inside
            break
    return " ".join(text.replace("**", "").split())
