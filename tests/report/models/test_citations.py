"""Markers become citations of what the model was given, or are taken out and counted; code is left alone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from piecework.report.models.blocks import read_blocks
from piecework.report.models.citations import Checked, check_citations
from piecework.report.models.tidy import tidy
from piecework.report.writer import Citation

KNOWN = tuple(Citation(f"s{number}.md", (number, number)) for number in range(1, 6))

WRITTEN = st.lists(
    st.sampled_from(
        [
            *"[]()0123456789,;-`$\\<>#*_|:!.= \n\n",
            "[1]",
            "[9]",
            "[2, 3]",
            "【1】",
            "(Source 2)",
            "[1](u)",
            "```",
            "- ",
            "1. ",
            "a",
            "word ",
            "Sources:",
            "http://x.org",
            "<!--",
            "-->",
            "<b>",
            "[x]: y",
            "[1]: z",
            "\n---\n",
            "\n===\n",
            "> ",
        ]
    ),
    max_size=40,
).map("".join)
"""What a bad writer might write."""


def shown(checked: Checked) -> str:
    """Return the body with each citation as its number in braces, which are no Markdown."""
    return "".join(piece if isinstance(piece, str) else f"{{{piece.lines[0]}}}" for piece in checked.body)


def rendered(checked: Checked) -> str:
    """Return the body as it stands in a report, its citations numbered from 101."""
    return "".join(piece if isinstance(piece, str) else f"[{piece.lines[0] + 100}]" for piece in checked.body)


def check(text: str, title: str = "") -> tuple[str, int]:
    checked = check_citations(text, KNOWN, title=title)
    return shown(checked), checked.removed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A [1].", "A {1}."),
        ("A.[1] B.", "A.{1} B."),
        ("A. [1] B.", "A. {1} B."),
        ("A [1, 2] b.", "A {1}{2} b."),
        ("A [1,2;3].", "A {1}{2}{3}."),
        ("A [1, 2 and 3].", "A {1}{2}{3}."),
        ("A [1-3].", "A {1}{2}{3}."),
        ("A [1\u20133, 5].", "A {1}{2}{3}{5}."),
        ("A [1][2].", "A {1}{2}."),
        ("A [1] [2], [3].", "A {1}{2}{3}."),
        ("As [1] and [2] say.", "As {1} and {2} say."),
        ("A [^1].", "A {1}."),
        ("A\u30101\u3011\u3002", "A{1}\u3002"),
        ("A\u30101\u2020source\u3011.", "A{1}."),
        ("A\u30102\u2020L10-L15\u3011.", "A{2}."),
        ("A [Source 1].", "A {1}."),
        ("A [source: 1, 2].", "A {1}{2}."),
        ("A [Source 1, Source 2].", "A {1}{2}."),
        ("A [Source 1: notes.md].", "A {1}."),
        ("A (Source 1).", "A {1}."),
        ("A (Sources: 1, 2).", "A {1}{2}."),
        ("A [P1, P2].", "A {1}{2}."),
        ("A [#1].", "A {1}."),
        ("A \\[1] and \\[2\\].", "A {1} and {2}."),
        ("A [1, p. 5].", "A {1}."),
        ("A [1, lines 3-4].", "A {1}."),
        ("A [[1]] [[2], [3]].", "A {1} {2}{3}."),
        ("A [1](http://x.org/y).", "A {1}."),
        ("A [[1]](http://x.org/y).", "A {1}."),
        ("A <sup>[1]</sup>.", "A <sup>{1}</sup>."),
        ("([1]) A (see [2]).", "({1}) A (see {2})."),
        ("[1] opens a line.", "{1} opens a line."),
        ("A [1](and more).", "A {1} (and more)."),
        ("### Data [1]", "### Data {1}"),
        ("| a [1] | b |\n|---|---|\n| c | d [2] |", "| a {1} | b |\n|---|---|\n| c | d {2} |"),
    ],
)
def test_every_form_of_a_marker_becomes_a_citation(text: str, expected: str) -> None:
    assert check(text) == (expected, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A [1][1].", "A {1}."),
        ("A [1] [1, 2].", "A {1}{2}."),
        ("A [1] and [1].", "A {1}."),
        ("A [1]. B [1].", "A {1}. B {1}."),
    ],
)
def test_a_passage_is_cited_once_in_one_place(text: str, expected: str) -> None:
    assert check(text) == (expected, 0)


@pytest.mark.parametrize(
    ("text", "expected", "removed"),
    [
        ("A [9].", "A.", 1),
        ("A. [9]", "A.", 1),
        ("A. [9].", "A.", 1),
        ("A, [9].", "A.", 1),
        ("A [9] b.", "A b.", 1),
        ("a[9]b", "a b", 1),
        ("[9] A.", "A.", 1),
        ("A [0] b.", "A b.", 1),
        ("In [2020] it was so.", "In it was so.", 1),
        ("A [1, 9].", "A {1}.", 1),
        ("A [8, 9].", "A.", 2),
        ("A [1] and [9] b.", "A {1} b.", 1),
        ("A [9] and [1] b.", "A {1} b.", 1),
        ("A [3-9].", "A {3}{4}{5}.", 1),
        ("A [3-1].", "A.", 1),
        ("A [1-100000].", "A.", 1),
        ("A [1990-2020].", "A.", 1),
        ("A [99999999999999999999].", "A.", 1),
        ("A ([9]) b (see [9]).", "A b.", 2),
        ("A [9](http://x.org) b.", "A b.", 1),
        ("A [9]  \nb.", "A  \nb.", 1),
        ("A\n[9]\nb.", "A\nb.", 1),
        ("A.\n\n[9]\n\nB.", "A.\n\n\nB.", 1),
        ("- a\n- [9]\n- b", "- a\n- b", 1),
        ("### [9]\n\nA.", "A.", 1),
        ("| [9] | b |\n|---|---|\n| c | d |", "| | b |\n|---|---|\n| c | d |", 1),
    ],
)
def test_a_marker_of_nothing_is_taken_out_and_leaves_no_trace(text: str, expected: str, removed: int) -> None:
    assert check(text) == (expected, removed)


@pytest.mark.parametrize(
    "text",
    [
        "Call `f[1]` and ``a ` [2]``.",
        "A.\n\n    x[1] = 2\n\nB.",
        "```py\nx[1] = 2\n```",
        "- a\n\n  ```\n  x[1]\n  ```",
        "Let $x[1]$ and $$y[2]$$ be \\(z[3]\\).",
        "$$\nx[1]\n+ y[2]\n$$",
        "- [ ] a\n- [x] b",
        "![1](figure.png)",
        "[text](http://x.org/[1]) and <http://x.org/[1]>",
        "The interval [0, 1] and the digits [0-9].",
        "At [12:30] it was [1.5] or [1/2], as [-1] and [a] and [].",
        "[a]\n\n[a]: http://x.org",
        "Nothing (of note) is [here].",
    ],
)
def test_what_is_no_marker_stays(text: str) -> None:
    assert check(text) == (text, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[9] # A", "_# A"),
        ("#[9] A", "#_ A"),
        ("[9] - a", "_- a"),
        ("[9] 1. a", "_1. a"),
        ("[9] > a", "_> a"),
        ("[9] ```", "_```"),
        ("- [9] # a", "- _# a"),
        ("- -[9]\n---\nb", "- -_\n---\nb"),
        ("A\n--- [9]", "A\n---_"),
        ("A\n[9] ===", "A\n_==="),
        ("[9]\n    a", "a"),
        ("[9]\n[9]\n2. a", "_2. a"),
        ("- [9]\n  a", "- _\n  a"),
        ("A\n- [9]\n---\nb", "A\n\n---\nb"),
        ("[1]\n:x", "{1}\n:x"),
        ("A [1]: b", "A {1}: b"),
        ("[1][2]: b", "{1}{2}\\: b"),
    ],
)
def test_a_line_without_its_marker_does_not_turn_into_something_else(text: str, expected: str) -> None:
    assert check(text)[0].replace("\u200b", "_") == expected


def test_with_nothing_known_every_marker_is_taken_out() -> None:
    checked = check_citations("A [1]. B [2, 3].", ())
    assert checked == Checked(("A. B.",), 3)


def test_citations_stand_between_the_texts_around_them() -> None:
    one, two, *_ = KNOWN
    assert check_citations("A [1][2], b [1].", KNOWN).body == ("A ", one, two, ", b ", one, ".")
    assert check_citations("[1]", KNOWN).body == (one,)
    assert check_citations(" \n\n", KNOWN).body == ()
    assert check_citations("[9]", KNOWN) == Checked((), 1)


def test_numbers_that_mean_the_same_place_are_one_citation() -> None:
    same = (Citation("a.md", (1, 2)), Citation("a.md", (1, 2)))
    assert check_citations("A [1][2].", same).body == ("A ", same[0], ".")


def test_the_title_and_the_list_of_sources_go_with_their_markers() -> None:
    text = "## 2. Data [1]\n\nA [2].\n\n## Sources\n\n[2] notes.md\n[7] b.md"
    assert check(text, "Data") == ("A {2}.", 0)


@given(WRITTEN)
def test_only_what_is_known_is_cited_whatever_is_written(text: str) -> None:
    checked = check_citations(text, KNOWN[:2])
    assert {piece for piece in checked.body if isinstance(piece, Citation)} <= set(KNOWN[:2])
    assert all(piece for piece in checked.body)
    assert not any(
        isinstance(a, str) and isinstance(b, str) for a, b in zip(checked.body, checked.body[1:], strict=False)
    )


@given(WRITTEN)
def test_no_marker_is_left_in_prose(text: str) -> None:
    page = read_blocks(shown(check_citations(text, KNOWN)))
    prose = "\n".join(block.text for block in page.texts)
    for found in re.finditer(r"(?<!\\)(?<!\w)\[([1-9]\d*)\](?!\()", prose):
        # Where backticks, dollars, brackets or backslashes stand around it, it may be code, a formula or an address.
        assert set("`$\\()<>!") & set(prose), found[0]


@given(WRITTEN)
def test_a_checked_section_reaches_no_further_than_itself(text: str) -> None:
    report = f"{rendered(check_citations(text, KNOWN))}\n\n## Next\n\nThe end.\n"
    tokens = MarkdownIt("commonmark").enable("table").parse(report)
    headings = [
        (token.tag, tokens[place + 1].content) for place, token in enumerate(tokens) if token.type == "heading_open"
    ]
    assert ("h2", "Next") in headings
    assert [tag for tag, content in headings if content != "Next" and tag in {"h1", "h2"}] == []
    inline = [child for token in tokens for child in token.children or ()]
    html = [token.content for token in [*tokens, *inline] if token.type in {"html_block", "html_inline"}]
    assert [one for one in html if not re.fullmatch(r"<br ?/?>|</?(?:sub|sup|kbd)>", one)] == []


@given(WRITTEN)
def test_a_text_without_brackets_is_only_tidied(text: str) -> None:
    plain = re.sub(r"[\[\]()\u3010\u3011]", "", text)
    checked = check_citations(plain, KNOWN)
    assert ("".join(map(str, checked.body)), checked.removed) == (tidy(plain), 0)


@given(st.text())
def test_any_text_can_be_checked(text: str) -> None:
    check_citations(text, KNOWN, title=text[:10])


@pytest.mark.parametrize(
    "unit",
    [
        "[",
        "]",
        "[1",
        "[1,",
        "1,",
        "(",
        "a [9] ",
        "` `` ",
        "$a",
        "<!--",
        "<a",
        "](a(",
        "![",
        "\\[",
        "[[1]",
        "[1](",
        "> ",
    ],
)
def test_a_very_long_line_is_no_trouble(unit: str) -> None:
    check_citations(unit * (150_000 // len(unit)), KNOWN)


@pytest.mark.parametrize(
    "line", ["- [9]", "# a", "a [1]\n", "---\n\na\n", "$$", "|a|", "a\n===", "[1]: x", "<!--", "1. a"]
)
def test_thousands_of_lines_are_no_trouble(line: str) -> None:
    check_citations(f"{line}\n" * 5_000, KNOWN, title="a")


def test_an_escaped_marker_is_one_to_its_reader_and_so_it_is_checked() -> None:
    assert check("A \\[1\\] and \\[2]. B \\[9].") == ("A {1} and {2}. B.", 1)
