"""What a model wrote is made fit to stand in a report: its own furniture goes, what would reach beyond it is mended."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.report.models.blocks import read_blocks
from piecework.report.models.tidy import tidy


@pytest.mark.parametrize(
    "text",
    [
        "# Data\n\nText.",
        "## 2. Data\n\nText.",
        "### **Data:**\n\nText.",
        "Data\n====\n\nText.",
        "**Data**\n\nText.",
        "**Data**\nText.",
        "Data\n\nText.",
        "# Data [1]\n\nText.",
        "---\n\n## Data\n\n---\n\nText.",
        "## Section 2: Data\n### data\nText.",
        "\ufeff\r\n## Data\r\n\r\nText.\r\n",
        "```markdown\n## Data\n\nText.\n```",
        "```\nText.\n```",
    ],
)
def test_a_heading_that_repeats_the_title_is_dropped(text: str) -> None:
    assert tidy(text.lstrip("\ufeff"), title="Data") == "Text."


@pytest.mark.parametrize(
    "text", ["### Data sets\n\nText.", "Data is text.", "Text.\n\n### Data\n\nMore.", "`Data`: text."]
)
def test_other_words_than_the_title_stay(text: str) -> None:
    assert tidy(text, title="Data") == text


@pytest.mark.parametrize(
    "sources",
    [
        "## Sources\n\n1. notes.md\n2. Smith (2020)",
        "### References\n- [1] notes.md\n- [2] b.md",
        "**Sources:**\n\n- notes.md",
        "**Works cited**\n- Smith 2020",
        "Sources:\n[1] notes.md\n[2] b.md",
        "Sources: [1], [2]",
        "References: Smith et al.",
        "Bibliography:\n\n[1] Smith. http://x.org\n\n[2] Jones. http://y.org",
        "---\n\n## Sources\n\n| n | file |\n|---|---|\n| 1 | a.md |",
        "---\n[1] notes.md\n[2] b.md",
        "## Sources",
        "Sources:",
        "[1]: http://x.org\n[2]: http://y.org",
        "[^1]: notes.md, line 3\n[^2]: b.md",
        "## Sources\n\n[1]: http://x.org",
        "## Quellen\n\n1. notes.md",
        "## \u53c2\u8003\u6587\u732e\n\n1. notes.md",
    ],
)
def test_a_list_of_sources_at_the_end_is_dropped(sources: str) -> None:
    assert tidy(f"Text.\n\n{sources}\n\n---\n") == "Text."


@pytest.mark.parametrize(
    "text",
    [
        "### Sources\n\n- Solar\n- Wind",
        "### Sources\n\nSolar power is one source. Wind is another.",
        "Sources: they are many.",
        "### Sources\n\n1. a.md\n\n### More\n\nText.",
        "Sources of energy:\n\n- the sun, since 1954",
    ],
)
def test_what_only_sounds_like_a_list_of_sources_stays(text: str) -> None:
    assert tidy(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# A\n\nx\n\n## B\n\n#### C", "### A\n\nx\n\n#### B\n\n###### C"),
        ("## A", "### A"),
        ("#### A", "#### A"),
        ("A\n===\n\nB\n---", "### A\n\n#### B"),
        ("A\nb\n===", "### A b"),
        ("> # A", "> ### A"),
        ("- # A\n- b", "- ### A\n- b"),
        ("- A\n  ===", "- ### A"),
        ("# A #", "### A"),
        ("A #\n===", "### A \\#"),
        ("# \n\nx", "x"),
        ("x\n\n```\n# a\n```", "x\n\n```\n# a\n```"),
        ("    # a", "    # a"),
    ],
)
def test_headings_are_demoted_below_the_section(text: str, expected: str) -> None:
    assert tidy(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```py\nx = 1", "```py\nx = 1\n```"),
        ("a\n~~~~\nx\n~~~\n", "a\n~~~~\nx\n~~~\n~~~~"),
        ("Text.\n\n```", "Text.\n\n```\n```"),
        ("- a\n  ```\n  x", "- a\n  ```\n  x"),
        ("```\nx\n```", "x"),
    ],
)
def test_an_open_fence_is_closed(text: str, expected: str) -> None:
    assert tidy(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a <script>b</script>", "a \\<script>b\\</script>"),
        ("<div>\n\na\n\n</div>", "\\<div>\n\na\n\n\\</div>"),
        ("a <!-- open", "a \\<!-- open"),
        ("a\n<!-- note -->\nb", "a\nb"),
        ("a <!-- note --> b", "a \\<!-- note --> b"),
        ("a<br>b H<sub>2</sub>O <http://x.org>", "a<br>b H<sub>2</sub>O <http://x.org>"),
        ("<br>\na", "\\<br>\na"),
        ("a <sub>open", "a \\<sub>open"),
        ("`<b>` and 1 < 2", "`<b>` and 1 < 2"),
        ("$a<b$ is", "$a< b$ is"),
        ("$$\na<b\n$$", "$$\na< b\n$$"),
        ("| `a | <b>` |\n|---|---|", "| `a | \\<b>` |\n|---|---|"),
        ("`\n<b>`", "`\n\\<b>`"),
        ("\\<b>", "\\<b>"),
        (">" * 30 + " <b>", ">" * 30 + " \\<b>"),
    ],
)
def test_raw_html_becomes_text(text: str, expected: str) -> None:
    assert tidy(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](javascript:b)", "[a]\\(javascript:b)"),
        ("[a](JAVA\\SCRIPT:b)", "[a]\\(JAVA\\SCRIPT:b)"),
        ("[a](&#106;avascript:b)", "[a]\\(&#106;avascript:b)"),
        ("![a](data:b)", "![a]\\(data:b)"),
        ("[a]\n\n[a]: vbscript:b", "[a]\n\n\\[a]: vbscript:b"),
        ("[a](http://x.org 'b') [c](#d) [e](f/g.md)", "[a](http://x.org 'b') [c](#d) [e](f/g.md)"),
        ("[a]\n\n[a]: https://x.org", "[a]\n\n[a]: https://x.org"),
    ],
)
def test_links_to_programs_become_text(text: str, expected: str) -> None:
    assert tidy(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```markdown\nText.\n\n```py\nx\n```\n\nMore.\n```", "Text.\n\n```py\nx\n```\n\nMore."),
        ("```md\nText.", "Text."),
        ("```markdown\n# a\n```\n\nText.\n\n```py\nx\n```", "```markdown\n# a\n```\n\nText.\n\n```py\nx\n```"),
        ("```py\nx\n```", "```py\nx\n```"),
    ],
)
def test_a_fence_around_all_of_it_goes(text: str, expected: str) -> None:
    assert tidy(text) == expected


def test_nothing_left_is_nothing() -> None:
    assert (
        tidy("") == tidy(" \n\n") == tidy("## Data", title="Data") == tidy("---") == tidy("## Sources\n1. a.md") == ""
    )


def test_what_cannot_be_written_to_a_file_is_replaced() -> None:
    assert tidy("a \ud800 b\x00\x0c") == "a ? b"


PROSE = st.lists(st.sampled_from(["a", "Some words.", "*b*", "`c`", "d, e", "1 of 2"]), min_size=1, max_size=6).map(
    " ".join
)


@given(st.lists(PROSE, min_size=1, max_size=5))
def test_plain_paragraphs_stay_as_they_are(paragraphs: list[str]) -> None:
    text = "\n\n".join(paragraphs)
    assert tidy(text) == text


@given(st.text(alphabet="#=-`~<>![]()*|$ \n\tab1.:\\/"), st.text(max_size=3))
def test_no_fence_is_open_and_no_heading_is_high_whatever_is_written(text: str, title: str) -> None:
    page = read_blocks(tidy(text, title=title))
    assert page.open_fence == ""
    assert min((block.level for block in page.texts if block.kind == "heading"), default=3) >= 3
