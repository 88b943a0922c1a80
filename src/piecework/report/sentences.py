"""Sentences: where they end, whether they can be quoted, and whether they lean on the sentence before them.

Rules and word lists for English, with the full stops of other scripts understood. `passages` is the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from piecework.report.words import STOPWORDS, words

__all__ = ("Footing", "footing", "is_quotable", "sentence_spans")

Footing = Literal["own", "soft", "leaning"]
"""Whether a sentence stands on its own, may need the one before it, or surely does."""

_END = re.compile(r"""[.!?\u2026]+["'\u2019\u201d)\]]*(?=\s|$)|[\u3002\uff01\uff1f]+[\u201d\u300d\u300f\uff09]*""")
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)|\$[^$\s][^$]*\$")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\u201c\"'])(?:[A-Za-z]|e\.g|i\.e|et al|vs|cf|figs?|eqs?|secs?|chs?|nos?|vols?|pp?|dr|mrs?|ms"
    r"|prof|st|approx|resp|ca|viz|al|u\.s|u\.k|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.$",
    re.IGNORECASE,
)
_MAY_END = re.compile(r"(?:^|\s)(?:etc|inc|ltd|co|corp|jr|sr|a\.m|p\.m)\.$", re.IGNORECASE)
_ENUMERATOR = re.compile(r"\(?(?:\d{1,3}|[A-Za-z])[.)]$")
_OPENERS, _CLOSERS = "([\u201c\u00ab", ")]\u201d\u00bb"
_LONGEST_ASIDE = 400

_FEWEST_WORDS = 4
_MOST_WORDS = 90
_LETTER_SHARE = 0.55
_WHOLE_END = re.compile(r"""[.!?\u2026\u3002\uff01\uff1f][\"'\u2019\u201d)\]\u300d\u300f\uff09`]*$""")
_LISTED = re.compile(r"\(?(?:\d{1,3}|[A-Za-z])[.)]\s|[-*(\u2022|#>]\s?|https?:")
_POINTING = re.compile(
    r"\b(?:figures?|figs?\.|tables?|listings?|equations?|eqs?\.|sections?|chapters?|appendix)"
    r"\s+\(?(?:\d|[A-Z]\b)"
    r"|\b(?:table|figure|list|code|example|snippet|diagram|chart|plot|section|formula|equation)s?"
    r"\s+(?:below|above)\b"
    r"|\b(?:see|as|shown|described|discussed|listed|mentioned|noted)\s+(?:above|below|earlier|later)\b"
    r"|\b(?:the|as) follow(?:s|ing)\b"
    r"|\b(?:this|next|previous|last) (?:page|section|chapter|article|table|figure|list)\b"
    r"|\b(?:click|read more|sign up|log in|subscribe)\b",
    re.IGNORECASE,
)
_LEANING_START = re.compile(
    r"""["'\u201c(]*(?:
      and|but|or|nor|so|yet|then|thus|hence|therefore|however|moreover|furthermore|besides|also|instead
    | rather|still|otherwise|similarly|likewise|conversely|consequently|accordingly|meanwhile|nevertheless
    | nonetheless|again|too
    | this|that|these|those|such|it|its|they|their|them|he|she|his|her|here|there\ too|both|neither
    | either|another|what\ is\ more|as\ a\ (?:result|consequence)|by\ contrast|in\ contrast
    | in\ other\ words|in\ short|in\ turn
    | in\ particular|in\ addition|for\ (?:example|instance|that\ reason|the\ same\ reason)
    | on\ the\ (?:other|contrary)
    | indeed|in\ fact|of\ course|(?:un)?fortunately|luckily|even\ (?:so|then)|that\ said
    | all\ (?:the\ same|two|three|four|five|of\ (?:this|these|them))
    | at\ the\ same\ time|put\ differently
    | (?:the|a|an)\ (?:same|other|second|third|fourth|last|former|latter|opposite|converse|reverse|rest)
    | first(?:ly)?(?=,)|(?:second|secondly|third|thirdly|finally|lastly|next)(?=[\s,])
    | (?:one|two|three|some|most|many|none|each|all|several|any|half|part)\ of\ (?:this|these|those|them)
    | (?:to|for|with|without|from|in|on|at|under|by|of|after|before|like|as|given|because\ of|beyond|despite)
      \ (?:all\ )?(?:this|that|these|those|it|them|such)
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_LEANING_INSIDE = re.compile(
    r"\b(?:the (?:latter|former)|these|those (?!who|that|which|of|with|in|at|from|on)|"
    r"this (?!is\b|paper\b|report\b|document\b|guide\b))",
    re.IGNORECASE,
)
_SOFT_INSIDE = re.compile(
    r"\b(?:also|too[.,;]|as well[.,;]|here|again|the (?:code|program|snippet|output)\b"
    r"|the (?:first|second|third|fourth|other|previous|earlier) \w)",
    re.IGNORECASE,
)
_SOFT_START = re.compile(r"(?:The|One|Two|Three|Now|Let|Recall|Others|Some|In practice)\b")
"""A definite "the" may mean something that was just spoken of."""


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end offset of each sentence of a paragraph, in order.

    A full stop inside code, a formula, brackets or curly quotation marks does not end a sentence, nor one
    that belongs to an abbreviation or an enumerator.
    """
    code = [match.span() for match in _CODE.finditer(text)]
    start, depth, opened, scanned, passed = 0, 0, 0, 0, 0
    for match in _END.finditer(text):
        while passed < len(code) and code[passed][1] <= match.start():
            passed += 1
        in_code = passed < len(code) and code[passed][0] < match.start()
        for offset in range(scanned, match.end()):
            if text[offset] in _OPENERS:
                opened, depth = (offset if depth == 0 else opened), depth + 1
            elif text[offset] in _CLOSERS:
                depth = max(0, depth - 1)
        scanned = match.end()
        aside = depth > 0 and match.end() - opened < _LONGEST_ASIDE
        if in_code or aside or not _ends_here(text, start, match):
            continue
        yield start, match.end()
        depth, start = 0, match.end()
        while start < len(text) and text[start].isspace():
            start += 1
    if start < len(text):
        yield start, len(text)


def _ends_here(text: str, start: int, match: re.Match[str]) -> bool:
    following = text[match.end() : match.end() + 3].lstrip()
    if not following:
        return True
    so_far = text[max(start, match.start() - 12) : match.start() + 1]
    if match[0] == ".":
        if _ABBREVIATION.search(so_far) or _ENUMERATOR.fullmatch(text[start : match.end()]):
            return False
        if _MAY_END.search(so_far):
            return following[0].isupper()
    return not following[0].islower()


def is_quotable(sentence: str, *, first: bool) -> bool:
    """Return whether `sentence` is a whole sentence of prose that can be read away from its page.

    `first` says that it opens its paragraph, where even a lower-case word (a name, say) may begin a sentence.
    """
    count = len(words(sentence))
    if not _FEWEST_WORDS <= count <= _MOST_WORDS or not _WHOLE_END.search(sentence):
        return False
    opening = sentence.lstrip("\"'\u201c\u2018([`$")[:1]
    if _LISTED.match(sentence) or (opening.islower() and not _may_start_small(sentence, first=first)):
        return False
    visible = [character for character in _CODE.sub("", sentence) if not character.isspace()]
    letters = sum(character.isalpha() for character in visible)
    if not visible or letters < _LETTER_SHARE * len(visible):
        return False
    return _is_balanced(sentence) and not _POINTING.search(sentence)


def _may_start_small(sentence: str, *, first: bool) -> bool:
    """Return whether the small first letter can be a name's or a symbol's."""
    return sentence.startswith(("`", "$")) or (first and words(sentence)[0] not in STOPWORDS)


def _is_balanced(sentence: str) -> bool:
    bare = _CODE.sub("", sentence)
    pairs = all(bare.count(opener) == bare.count(closer) for opener, closer in ("()", "[]", "\u201c\u201d"))
    return pairs and bare.count('"') % 2 == 0


def footing(sentence: str) -> Footing:
    """Return whether `sentence` can open a quotation by what its own words point back to."""
    if _LEANING_START.match(sentence) or _LEANING_INSIDE.search(sentence):
        return "leaning"
    return "soft" if _SOFT_START.match(sentence) or _SOFT_INSIDE.search(sentence) else "own"
