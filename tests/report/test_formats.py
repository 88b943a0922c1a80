"""What each kind of file is read as: headings, paragraphs with their lines, and gaps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.report.formats import read_page
from piecework.report.prose import Gap, Heading, Paragraph


def shown(name: str, text: str) -> list[object]:
    """Return the blocks as plain values: level and text, text and lines, or None for a gap."""
    values: list[object] = []
    for block in read_page(name, text).blocks:
        if isinstance(block, Heading):
            values.append((block.level, block.text))
        elif isinstance(block, Paragraph):
            values.append((block.text, *block.lines(0, len(block.text))))
        else:
            values.append(None)
    return values


def test_markdown_markup_is_cleaned_and_lines_are_kept() -> None:
    text = (
        "---\ntitle: Far\n---\n# A *title*\n\nSome **bold** [link](http://x.org 'y') text[^1]\nwith `code`, $x_1$,\n"
        "![an image](i.png)a <b>tag</b> &amp; \\*.\n\n[^1]: A note.\n"
    )
    assert shown("a.md", text)[:2] == [
        (1, "A title"),
        ("Some bold link text with `code`, $x_1$, a tag & *.", 6, 8),
    ]
    assert read_page("a.md", text).title == "Far"


@pytest.mark.parametrize(
    "block", ["- a\n- b", "1. a\n2. b", "> quoted", "| a |\n|---|\n| b |", "```\nx\n```", "<div>\nx\n</div>", "***"]
)
def test_what_is_no_paragraph_in_markdown_is_a_gap(block: str) -> None:
    assert shown("a.md", f"One.\n\n{block}\n\nTwo.\n")[0] == ("One.", 1, 1)
    between = shown("a.md", f"One.\n\n{block}\n\nTwo.\n")[1:-1]
    assert between
    assert set(between) == {None}


def test_a_paragraph_whose_lines_are_unclear_counts_as_standing_on_all_of_them() -> None:
    assert shown("a.md", "\nOne `a\nb` two.\nThree.\n") == [("One `a b` two. Three.", 2, 4)]


def test_html_text_keeps_the_lines_of_the_file() -> None:
    text = (
        "<title>T\n</title>\n<h1>A\n title</h1>\n<p>One &amp; <b>two</b>\n"
        "three<sup>[4]</sup>, 10<sup>2</sup>.<br>Four.\n</p>"
    )
    assert shown("a.html", text) == [(1, "A title"), ("One & two three, 10^2. Four.", 5, 6)]
    assert read_page("a.html", text).title == "T"


def test_html_navigation_scripts_lists_and_code_are_left_out() -> None:
    text = "<nav>n</nav><script>s < t</script><p>One.</p><ul><li>l</ul><pre>c</pre><table><tr><td>d</table><p>Two.</p>"
    assert [value for value in shown("a.html", text) if value] == [("One.", 1, 1), ("Two.", 1, 1)]


def test_loose_html_text_is_a_paragraph() -> None:
    assert shown("a.htm", "<div>One\n<em>two</em>.</div>\nThree.") == [("One two.", 1, 2), ("Three.", 3, 3)]


def test_plain_text_shows_its_headings_by_its_layout() -> None:
    text = "A title\n\nOne\ntwo.\n\nUnderlined\n==========\n\n1.2 Numbered part\n\nThree.\n\n* a\n* b\n"
    assert shown("a.txt", text) == [
        (0, "A title"), ("One two.", 3, 4), (1, "Underlined"), (2, "1.2 Numbered part"), ("Three.", 11, 11), None
    ]  # fmt: skip


def test_a_long_line_of_plain_text_is_a_paragraph_of_its_own() -> None:
    line = "A sentence of some length. " * 8
    assert shown("a.txt", f"{line}\n{line}\n") == [(line.strip(), 1, 1), (line.strip(), 2, 2)]


def test_a_name_that_says_nothing_means_plain_text() -> None:
    assert shown("README", "*One* two.\n") == [("*One* two.", 1, 1)]


@given(st.text(st.characters(exclude_characters="\r")), st.sampled_from(["a.md", "a.html", "a.txt"]))
def test_no_text_is_too_broken_to_be_read(text: str, name: str) -> None:
    total = text.count("\n") + 1
    for block in read_page(name, text).blocks:
        if isinstance(block, Paragraph):
            first, last = block.lines(0, len(block.text))
            assert 1 <= first <= last <= total
        else:
            assert isinstance(block, (Heading, Gap))


@given(
    st.lists(
        st.sampled_from(["<![if", "<p>", "</p", "&#x0;", "&nope;", "<!--", "]]>", "<a b='", "\n", "x", "<ul>", "<sup>"])
    )
)
def test_no_html_is_too_broken_to_be_read(pieces: list[str]) -> None:
    read_page("a.html", "".join(pieces))
