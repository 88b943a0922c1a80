"""The material: everything that the sources say, once, and where it stands."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.report import Excerpt, MissingSourceError, NothingReadableError, read_material
from piecework.report.excerpts import cut
from piecework.report.formats import read_page
from tests.report.made_pages import PAGES, MadePage
from tests.report.reading import CORPUS, bare

FULL = 120
"""Words that an excerpt has at most, where sentences end."""


def excerpts(text: str, name: str = "a.md") -> list[Excerpt]:
    return list(cut(read_page(name, text), name, 0))


def texts(text: str, name: str = "a.md") -> list[str]:
    return [excerpt.text for excerpt in excerpts(text, name)]


def test_blocks_under_one_heading_are_put_together() -> None:
    text = (
        "# Sea\n\nTides rise:\n\n- at noon\n- at *night*\n\n## Salt\n\nIt is salty.\n\n> It is.\n\n```py\nx = 1\n```\n"
    )
    first, second = excerpts(text)
    assert (first.trail, first.lines) == (("Sea",), (3, 6))
    assert first.text == "Tides rise:\n\n- at noon\n- at *night*"
    assert (second.trail, second.lines, second.number) == (("Sea", "Salt"), (10, 16), 1)
    assert second.text == "It is salty.\n\n> It is.\n\n```py\nx = 1\n```"
    assert second.place == "a.md > Sea > Salt"


def test_a_long_paragraph_is_cut_where_sentences_end() -> None:
    cut_up = texts("Seven words are in this one sentence. " * 40)
    assert len(cut_up) > 1
    assert all(re.fullmatch(r"(Seven words are in this one sentence\. ?)+", text) for text in cut_up)


def test_a_long_list_is_cut_between_items() -> None:
    cut_up = texts("".join(f"- Item {n} has\n  two lines here.\n" for n in range(60)))
    assert len(cut_up) > 1
    assert all(re.fullmatch(r"(- Item \d+ has\n  two lines here\.\n?)+", text) for text in cut_up)


def test_a_long_table_is_cut_between_rows_and_names_its_columns_again() -> None:
    head = "| name | size |\n|---|---|\n"
    found = excerpts("Sizes.\n\n" + head + "".join(f"| row {n} | {n} |\n" for n in range(90)))
    assert len(found) > 1
    assert all(re.fullmatch(r"(\| row \d+ \| \d+ \|\n?)+", one.text.split(head)[1]) for one in found)
    assert [found[0].lines[0], found[-1].lines[1]] == [1, 94]
    assert all(before.lines[1] + 1 == after.lines[0] for before, after in pairwise(found))


def test_long_code_is_cut_between_lines_and_stays_code() -> None:
    cut_up = texts("```py\n" + "".join(f"x{n} = call({n}, {n})\n\n" for n in range(90)) + "```\n")
    assert len(cut_up) > 1
    assert all(re.fullmatch(r"```py\n(x\d+ = call\(\d+, \d+\)\n*)+```", text) for text in cut_up)


def test_a_line_with_a_colon_goes_with_what_it_announces() -> None:
    found = texts("Word after word. " * 30 + "\n\nThe steps are:\n\n" + "- a step of a few words\n" * 10)
    assert found[1].startswith("The steps are:\n\n- a step")


@pytest.mark.parametrize("text", ["word " * 3000, "QUJD" * 4000, "a=b;c(d){e.f};" * 900, "\u4e2d\u6587" * 2000])
@pytest.mark.parametrize("frame", ["{}", "- {}", "| {} |\n|---|\n| x |", "```\n{}\n```", "# {}"])
def test_what_has_no_end_is_cut_all_the_same(text: str, frame: str) -> None:
    found = excerpts(frame.format(text.strip()))
    assert all(one.words <= 250 and len(one.text) <= 1600 and len(one.place) <= 200 for one in found)
    assert bare(text) in bare("".join(one.text for one in found))


def test_an_excerpt_costs_more_than_its_words_where_they_are_long() -> None:
    assert excerpts("Bread is good.")[0].words == 3
    assert excerpts("QUJD" * 100)[0].words > 50


def test_headings_with_nothing_below_them_are_text() -> None:
    (sea, land) = excerpts("# Sea\n\n## Tides\n\n## Salt\n\n# Land\n\nDust.\n")
    assert (sea.trail, sea.text, sea.lines) == (("Sea",), "Tides\n\nSalt", (3, 5))
    assert (land.trail, land.text) == (("Land",), "Dust.")
    assert [(one.trail, one.text) for one in excerpts("Buy milk\n", "a.txt")] == [((), "Buy milk")]
    assert texts("Buy milk\n\nCall Bob\n\nMend the roof\n", "a.txt") == ["Call Bob\n\nMend the roof"]


def test_a_title_apart_from_the_headings_stands_above_them() -> None:
    matter = "---\ntitle: Far\n---\n\n"
    assert [one.trail for one in excerpts(f"{matter}Text.\n\n# One\n\nMore.\n\n# Two\n\nMost.\n")] == [
        ("Far",),
        ("Far", "One"),
        ("Far", "Two"),
    ]
    assert excerpts("<title>Ownership - A Book</title><h1>Ownership</h1><p>Text.", "a.html")[0].trail == ("Ownership",)


def test_only_the_number_before_a_heading_is_dropped() -> None:
    assert excerpts("# 2.1 Llama 3 in practice\n\nText.\n")[0].trail == ("Llama 3 in practice",)


def test_what_stands_before_the_title_is_not_under_it() -> None:
    assert [(one.trail, one.text) for one in excerpts("> Draft.\n\n# Sea\n\nText.\n")] == [
        ((), "> Draft."),
        (("Sea",), "Text."),
    ]


def test_lists_of_references_and_contents_are_left_out() -> None:
    page = "# Contents\n\n- Sea\n\n# Sea\n\nText.\n\n## References\n\n- Doe\n\n### Books\n\n- Roe\n\n## Salt\n\nMore.\n"
    assert texts(page) == ["Text.", "More."]
    assert texts("# Sea\n\n## Contents\n\n- Salt\n\n### Salt\n\nMore.\n") == ["More."]
    html = "<title>Sea</title><h2>Contents</h2><ul><li>Salt</ul><h1>Sea</h1><p>Text.<h2>Salt</h2><p>More."
    assert texts(html, "a.html") == ["Text.", "More."]


def test_footnotes_stand_where_they_are_written() -> None:
    notes = "[^1]: A note\n    of two lines.\n[^2]: Unused."
    first, second = excerpts(f"# One\n\nSaid[^1] and^[in *passing*] gone.\n\n{notes}\n\n# Two\n\nMore.\n")
    assert first.text == f"Said and gone.\n\nin passing\n\n{notes}"
    assert (first.lines, second.text) == ((3, 7), "More.")


def test_markup_in_markdown_is_read_as_a_web_page() -> None:
    markup = "<!-- no -->\n\n<details><summary>Sum</summary>\n<h2>Head</h2>\n<ul><li>one</ul></details>"
    (only,) = excerpts(f"Text.\n\n{markup}\n\n![Alt](x.png)\n")
    assert only.text == "Text.\n\nSum\n\nHead\n\n- one\n\nAlt"
    assert only.lines == (1, 9)


def test_the_example_corpus_is_read_whole() -> None:
    material = read_material([CORPUS])
    assert [excerpt.number for excerpt in material.excerpts] == list(range(len(material.excerpts)))
    assert len(material.sources) == 6
    assert all(excerpt.words <= FULL for excerpt in material.excerpts)
    text = "\n".join(excerpt.text for excerpt in material.excerpts)
    assert all(part in text for part in ("| tokens D |", "def loss_ratio", "> The amount", "- answering questions"))
    assert "```\ntotal = 6 * N" in text
    for excerpt in material.excerpts:
        first, last = excerpt.lines
        lines = Path(excerpt.source).read_text(encoding="utf-8").split("\n")
        if not excerpt.source.endswith(".html"):
            assert bare(excerpt.text) == bare("\n".join(lines[first - 1 : last]))


def test_bulleted_notes_without_a_sentence_are_material(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Trip\n\n- pack the tent\n- buy gas\n")
    (tmp_path / "b.txt").write_text("* call Ann\n* ask for the map\n")
    (tmp_path / "c.md").write_text("---\ntitle: None\n---\n")
    material = read_material([tmp_path])
    assert [excerpt.text for excerpt in material.excerpts] == [
        "- pack the tent\n- buy gas",
        "* call Ann\n* ask for the map",
    ]
    assert [Path(source).name for source in material.sources] == ["a.md", "b.txt"]
    assert [str(skip) for skip in material.skipped] == [f"{tmp_path.as_posix()}/c.md holds no text to read"]
    assert list(material.index.search(["tent"])) == [0]
    assert list(material.index.search(["trips"])) == [0]


def test_sources_without_any_text_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("***\n")
    with pytest.raises(NothingReadableError, match=r"^nothing to read in .*a\.md holds no text to read\. Name text,"):
        read_material([tmp_path])
    with pytest.raises(NothingReadableError, match="files that hold text"):
        read_material([tmp_path], leave_out=[tmp_path / "a.md"])
    with pytest.raises(MissingSourceError):
        read_material([])


@given(PAGES)
def test_every_word_is_in_one_excerpt_in_order_and_on_its_lines(page: MadePage) -> None:
    text = page.text
    found = excerpts(text, page.name)
    body = [re.findall(r"\bw\d+n\d+", one.text) for one in found]
    assert [word for words in body for word in words] == re.findall(r"\bw\d+n\d+", text)
    shown = " ".join(" ".join((*one.trail, one.text)) for one in found)
    assert set(re.findall(r"\b[th]\d+\w+", text)) == set(re.findall(r"\b[th]\d+\w+", shown))
    line_of = {word: number for number, line in enumerate(text.split("\n"), 1) for word in re.findall(r"\w+", line)}
    for one in found:
        assert one.words <= 2 * FULL
        stands = [line_of[word] for word in re.findall(r"\b[wt]\d+n\d+", one.text)]
        assert one.lines[0] <= min(stands) <= one.lines[0] + 2
        assert one.lines[1] - 2 <= max(stands) <= one.lines[1]


@given(
    st.text(st.characters(exclude_characters="\r")) | st.text("ab1 .:-*#>|`<ul>/\n[^]$"),
    st.sampled_from(["a.md", "a.html", "a.txt"]),
)
def test_no_text_is_too_broken_to_be_material(text: str, name: str) -> None:
    found = excerpts(text, name)
    assert [one.number for one in found] == list(range(len(found)))
    for one in found:
        assert one.text.strip()
        assert 1 <= one.lines[0] <= one.lines[1] <= text.count("\n") + 1
