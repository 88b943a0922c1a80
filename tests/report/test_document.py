"""The document: numbering, and text that shows as it is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from piecework import Failure
from piecework.report import Citation, NothingWrittenError, Section, WrittenSection
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


ONE, TWO = Citation("a.md", (1, 2)), Citation("a.md", (4, 4))
A, B = Section("1", "A", "topic"), Section("2", "B", "topic")


def written(section: Section, *body: str | Citation) -> WrittenSection:
    return WrittenSection(section.id, section.title, body)


def test_what_is_cited_again_keeps_its_number() -> None:
    report = render("topic", [A, B], [written(A, "One. ", ONE, " Two. ", TWO), written(B, "One. ", ONE)])
    assert re.findall(r"(\w+)\. \[(\d)\]", report) == [("One", "1"), ("Two", "2"), ("One", "1")]
    assert report.endswith("## Sources\n\n1. a.md, lines 1-2\n2. a.md, line 4\n")


def test_an_empty_section_is_left_out() -> None:
    report = render("topic", [A, B], [written(A), written(B, "One. ", ONE)])
    assert "## A" not in report
    assert "## B\n\nOne. [1]\n" in report


def test_sections_stand_in_the_order_of_the_plan_whatever_the_order_of_the_content() -> None:
    report = render("topic", [A, B], [written(B, "Two."), written(A, "One.")])
    assert report == "# Topic\n\n## A\n\nOne.\n\n## B\n\nTwo.\n"


def test_sections_of_one_name_are_told_apart_by_their_ids() -> None:
    twin = Section("2", "A", "topic")
    report = render("topic", [A, twin], [written(A, "One."), written(twin, "Two.")])
    assert report == "# Topic\n\n## A\n\nOne.\n\n## A\n\nTwo.\n"


def test_a_failed_section_is_a_marked_gap_that_names_the_error() -> None:
    report = render("topic", [A, B], [Failure(OSError("the *line*\nis dead"), 0), written(B, "Two.")])
    told = "> **This section is missing.** It could not be written: OSError: the \\*line\\* is dead"
    assert report == f"# Topic\n\n## A\n\n{told}\n\n## B\n\nTwo.\n"


def test_without_any_section_there_is_no_report() -> None:
    with pytest.raises(NothingWrittenError, match=r"^all 2 sections failed.*OSError: first$") as caught:
        render("topic", [A, B], [Failure(OSError("first"), 0), Failure(OSError("second"), 1)])
    assert caught.value.sections == 2


def test_the_title_begins_with_a_capital_and_fits_one_line() -> None:
    assert render("my\ntopic #", [B], [written(B, "One.")]).startswith("# My topic \\#\n")


def test_opening_and_closing_stand_around_all_else() -> None:
    report = render("topic", [B], [written(B, "One. ", ONE)], opening="First.", closing="Last.")
    assert report.startswith("# Topic\n\nFirst.\n\n## B\n")
    assert report.endswith("1. a.md, lines 1-2\n\nLast.\n")
