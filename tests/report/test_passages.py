"""Passages begin where a reader can begin, and say what they must follow."""

from pathlib import Path

from piecework.report import read_library
from piecework.report.passages import Passage


def passages(folder: Path, text: str) -> list[Passage]:
    (folder / "a.md").write_text(text)
    return list(read_library([folder]).passages)


def test_a_paragraph_that_leans_on_the_one_before_says_so(tmp_path: Path) -> None:
    first, second = passages(tmp_path, "Models learn from much text.\n\nThis is why they need it.\n")
    assert (first.needs, second.needs) == (None, first.number)


def test_a_leaning_sentence_after_a_gap_is_dropped(tmp_path: Path) -> None:
    text = "Models learn from much text.\n\n- a\n\nThis is why they need it. Data centers need power as well.\n"
    assert [one.text for one in passages(tmp_path, text)] == ["Models learn from much text."]
    text = "Models learn from much text.\n\n- a\n\nThis is why they need it. Power comes from the grid.\n"
    assert [one.text for one in passages(tmp_path, text)][1:] == ["Power comes from the grid."]


def test_a_leaning_sentence_below_a_heading_is_dropped(tmp_path: Path) -> None:
    text = "Models learn from much text.\n\n## Part\n\nThis is why they need it. Power comes from the grid.\n"
    assert [(one.text, one.needs) for one in passages(tmp_path, text)][1:] == [("Power comes from the grid.", None)]


def test_a_long_paragraph_is_cut_before_a_sentence_that_stands_alone(tmp_path: Path) -> None:
    own, leaning = "Large models learn from much text in many languages. ", "They need it for all of their many tasks. "
    cut = passages(tmp_path, (own + leaning) * 12)
    assert len(cut) > 1
    assert all(one.text.startswith("Large models") and one.words <= 110 for one in cut)


def test_no_passage_grows_without_end(tmp_path: Path) -> None:
    cut = passages(tmp_path, "Large models learn from text. " + "They need it for all of their many tasks. " * 60)
    assert all(one.words <= 150 for one in cut)
    assert [one.needs for one in cut] == [None, *range(len(cut) - 1)]


def test_reference_lists_are_not_quoted(tmp_path: Path) -> None:
    text = "Models learn from much text.\n\n## References\n\nDoe wrote a long book on it.\n"
    assert [one.text for one in passages(tmp_path, f"{text}\n## More\n\nText is made of many words.\n")] == [
        "Models learn from much text.",
        "Text is made of many words.",
    ]


def test_a_web_page_is_named_by_its_heading_and_not_by_the_site(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        "<title>Ownership - A Book</title><h1>A Book</h1><p>x</p><h1>Ownership</h1>"
        "<p>Values have one owner each.</p><h2>Moves</h2><p>Values can move to others.</p>"
    )
    library = read_library([tmp_path])
    assert [chapter.title for chapter in library.trail(library.passages[0].chapter)] == ["Ownership"]
    assert [chapter.title for chapter in library.trail(library.passages[1].chapter)] == ["Ownership", "Moves"]
