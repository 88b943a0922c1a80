"""The document: numbering, and text that shows as it is."""

import re

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from piecework.report import Quotation, WrittenSection
from piecework.report.document import escape, render

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def visible(markdown: str) -> str:
    """Return what a reader sees of one paragraph."""
    (opening, inline, closing) = PARSER.parse(markdown)
    assert (opening.type, closing.type) == ("paragraph_open", "paragraph_close")
    kinds = {child.type for child in inline.children or ()}
    assert kinds <= {"text"}
    return "".join(child.content for child in inline.children or ())


@given(st.text(alphabet="a1 .-+*_#>[](){}<>!&;:~|=\\\u00e9/\"'x", min_size=1))
def test_text_is_escaped_so_that_it_shows_as_it_is(text: str) -> None:
    squeezed = " ".join(text.split())
    if squeezed:
        assert visible(escape(squeezed)) == squeezed


def test_text_without_markup_is_not_changed() -> None:
    for text in ("N * D = 6 with a_b in it.", "Costs [12] rise (see x), 5 < 6 & 7.", "`a * b_ <i>` and $x_1*y_2$."):
        assert escape(text) == text


def test_code_stays_code_and_a_lone_backtick_is_no_code() -> None:
    assert escape("Use `a*b` and `c") == "Use `a*b` and \\`c"


def test_a_quotation_cited_again_keeps_its_number() -> None:
    one, two = Quotation("One.", "a.md", (1, 2)), Quotation("Two.", "a.md", (4, 4))
    report = render("topic", [WrittenSection("A", ((one, two),)), WrittenSection("B", ((one,),))])
    assert re.findall(r"(\w+)\. \[(\d)\]", report) == [("One", "1"), ("Two", "2"), ("One", "1")]
    assert report.endswith("## Sources\n\n1. a.md, lines 1-2\n2. a.md, line 4\n")


def test_an_empty_section_is_left_out() -> None:
    one = Quotation("One.", "a.md", (1, 2))
    report = render("topic", [WrittenSection("A", ()), WrittenSection("B", ((one,),))])
    assert "## A" not in report
    assert "one source says about topic, in one section: *B*." in report


def test_the_title_begins_with_a_capital_and_fits_one_line() -> None:
    one = Quotation("One.", "a.md", (1, 2))
    assert render("my\ntopic #", [WrittenSection("B", ((one,),))]).startswith("# My topic \\#\n")
