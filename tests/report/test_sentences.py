"""Where sentences end, which can be quoted, and which lean on the one before."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.report.sentences import Footing, footing, is_quotable, sentence_spans


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["One is here.", "Two is there!", "Is three?"],
        ["Dr. J. Doe et al. wrote it in Jan. 2020, e.g. for the U.S. market, cf. fig. 3."],
        ["It cost 3.5 million.", "Then it rose."],
        ["Tools, paper etc. are there.", "We use glue, paper etc.", "Glue sticks."],
        ["A note (see the end. It is long.) goes on.", "Next."],
        ["He said \u201cYes. No.\u201d and left.", "She stayed."],
        ["Call `a.b. C` first.", "Then stop."],
        ["So... what now?", "Nothing\u2026"],
        ["\u4e00\u53e5\u8bdd\u3002", "\u53c8\u4e00\u53e5\u3002"],
        ["No stop at the end"],
    ],
)
def test_a_text_is_cut_at_the_ends_of_its_sentences(sentences: list[str]) -> None:
    joiner = "" if sentences[0].endswith("\u3002") else " "
    assert split(joiner.join(sentences)) == sentences


@given(st.text(alphabet="aA.!? ()\u201c\u201d`$1\n\u3002"))
def test_sentences_are_in_order_and_lose_nothing_but_space(text: str) -> None:
    spans = list(sentence_spans(text.strip()))
    assert "".join("".join(text.strip()[a:b].split()) for a, b in spans) == "".join(text.split())
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_a_line_of_a_megabyte_is_cut_quickly() -> None:
    assert len(split("This is a sentence (of some kind). " * 30_000)) == 30_000
    assert len(split("word " * 200_000)) == 1
    assert len(split(". " * 200_000)) > 1


@pytest.mark.parametrize(
    "sentence",
    [
        "and so half a sentence begins.",
        "These are the steps:",
        "Too short.",
        "Figure 3 shows the result in full.",
        "The table below lists the numbers in full.",
        "1. Wash the dishes after the meal.",
        "See above for all of the details.",
        "The bracket (is never closed in this one.",
        "x1 = 3; y2 = 4; z3 = 5; w4 = 6; v5 = 7.",
        "No stop ends this row of words",
    ],
)
def test_what_is_no_whole_sentence_or_points_at_the_page_is_not_quotable(sentence: str) -> None:
    assert not is_quotable(sentence, first=False)


@pytest.mark.parametrize(
    "sentence", ["Models learn from text.", "`run` waits for the result.", "In 2020, GPT-3 had 175 billion parameters."]
)
def test_a_whole_sentence_is_quotable(sentence: str) -> None:
    assert is_quotable(sentence, first=False)


def test_a_name_in_small_letters_may_begin_a_paragraph() -> None:
    assert is_quotable("piecework is a library for workflows.", first=True)
    assert not is_quotable("with a library for many workflows.", first=True)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("This is why it works.", "leaning"),
        ("However, the loss fell.", "leaning"),
        ("First, notice the change.", "leaning"),
        ("With these corrected, the studies agree.", "leaning"),
        ("The first method is better.", "soft"),
        ("Repetition helps too.", "soft"),
        ("The estimate leaves out much.", "soft"),
        ("Theories differ.", "own"),
        ("Models learn from text.", "own"),
    ],
)
def test_a_sentence_tells_by_its_words_whether_it_stands_alone(sentence: str, expected: Footing) -> None:
    assert footing(sentence) == expected
