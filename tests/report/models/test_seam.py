"""A text that was cut off is clipped to whole words, joined without repeating, and ended at a whole sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.report.models.seam import clipped, joined, whole_sentences

WORDS = st.lists(st.sampled_from(["alpha", "beta,", "gamma", "delta.", "[1]", "12"]), min_size=1, max_size=30)
ANY = st.lists(
    st.sampled_from(["a ", "Some words", ". ", "\n", "\n\n", "- b", "```\n", "# ", "[1", "]", "| c |", "\u53bb", "..."])
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The model sca", "The model "),
        ("The model ", "The model "),
        ("The end.\n\n", "The end.\n\n"),
        ("as shown [1, 2", "as shown "),
        ("as shown [12", "as shown "),
        ("as shown \u301012", "as shown "),
        ("see [the long te", "see "),
        ("- [ ] ta", "- [ ] "),
        ("\u6211\u4eec\u4eca\u5929\u53bb", "\u6211\u4eec\u4eca\u5929"),
        ("a " + "\u0e01" * 80, "a " + "\u0e01" * 79),
        ("a\n```py\nx = 1\nretu", "a\n```py\nx = 1\n"),
        ("a\n```py", "a\n"),
        ("a\n```\nb\n```", "a\n```\nb\n```"),
        ("word", "word"),
        ("[1", "[1"),
        ("", ""),
    ],
)
def test_a_text_is_clipped_to_the_last_word_that_is_surely_whole(text: str, expected: str) -> None:
    assert clipped(text) == expected


@pytest.mark.parametrize(
    ("first", "second", "whole"),
    [
        ("The model ", "scales.", "The model scales."),
        ("The model", " scales.", "The model scales."),
        ("The model", "scales.", "The model scales."),
        ("The model ", ", which", "The model, which"),
        ("The model ", "[1] is", "The model [1] is"),
        ("the dog", "'s tail", "the dog's tail"),
        ("A (", "see", "A (see"),
        ("**bold ", "text** is", "**bold text** is"),
        ("**bold", "** is", "**bold** is"),
        ("The model ", "...and then", "The model and then"),
        ("\u6211\u4eec", "\u4eca\u5929", "\u6211\u4eec\u4eca\u5929"),
        ("a ", "", "a "),
        ("", "b", "b"),
    ],
)
def test_one_space_joins_words_and_none_comes_before_punctuation(first: str, second: str, whole: str) -> None:
    assert joined(first, second) == whole


@pytest.mark.parametrize(
    ("first", "second", "whole"),
    [
        ("One. The model ", "The model scales.", "One. The model scales."),
        ("One. The model ", "One. The model scales.", "One. The model scales."),
        ("of the ", "the model", "of the model"),
        ("of the ", "therapy", "of the therapy"),
        ("a line\nbroken ", "a line broken here", "a line\nbroken here"),
        ("It is so [1]. It ", "It is\n\nNext.", "It is so [1]. It is\n\nNext."),
        ("in 10 ", "10 days", "in 10 10 days"),
    ],
)
def test_what_is_said_twice_is_there_once(first: str, second: str, whole: str) -> None:
    assert joined(first, second) == whole


@pytest.mark.parametrize(
    ("first", "second", "whole"),
    [
        ("The end.\n\n", "Next.", "The end.\n\nNext."),
        ("The end.", "\n\nNext.", "The end.\n\nNext."),
        ("The end. ", "## Next", "The end.\n\n## Next"),
        ("The end.", "- a\n- b", "The end.\n\n- a\n- b"),
        ("- a ", "- b", "- a\n- b"),
        ("1. a\n", "2. b", "1. a\n2. b"),
        ("- a\n", "  - b", "- a\n  - b"),
        ("| a | ", "| b |", "| a |\n| b |"),
        ("costs ", "- say - 3", "costs - say - 3"),
        ("The end.", "```\nx\n```", "The end.\n\n```\nx\n```"),
    ],
)
def test_a_new_block_begins_on_a_new_line(first: str, second: str, whole: str) -> None:
    assert joined(first, second) == whole


@pytest.mark.parametrize(
    ("second", "whole"),
    [
        ("y = 2\n```\nEnd.", "```py\nx = 1\ny = 2\n```\nEnd."),
        ("    y = 2\n```", "```py\nx = 1\n    y = 2\n```"),
        ("```py\ny = 2\n```\nEnd.", "```py\nx = 1\ny = 2\n```\nEnd."),
        ("```\ny = 2\n```\nEnd.", "```py\nx = 1\ny = 2\n```\nEnd."),
        ("```\nEnd.", "```py\nx = 1\n```\nEnd."),
        ("x = 1\ny = 2\n```", "```py\nx = 1\ny = 2\n```"),
    ],
)
def test_code_goes_on_line_by_line(second: str, whole: str) -> None:
    assert joined("```py\nx = 1\n", second) == whole


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One is here. Two is", "One is here."),
        ("One is here.", "One is here."),
        ("One is here. [1] Two is", "One is here. [1]"),
        ("One is here.[1][2] Two is", "One is here.[1][2]"),
        ("One is here [1]. Two is", "One is here [1]."),
        ('He said: "One is here." Two', 'He said: "One is here."'),
        ("One cites Doe et al. and th", ""),
        ("\u4e00\u53e5\u8bdd\u3002\u53c8\u4e00\u53e5\u3002\u7b2c", "\u4e00\u53e5\u8bdd\u3002\u53c8\u4e00\u53e5\u3002"),
        ("- one\n- two\n- thr", "- one\n- two\n"),
        ("- one\n- Two is here. Thr", "- one\n- Two is here."),
        ("One is here.\n\nThere are three:\n\n- fir", "One is here."),
        ("One is here.\n\n## Two", "One is here."),
        ("One is here.\n\n```py\nx", "One is here."),
        ("```py\nx = 1\ny", "```py\nx = 1\n"),
        ("One is here.\n\n```\nx\n```", "One is here.\n\n```\nx\n```"),
        ("One is here.\n\n| a |\n|---|\n| b", "One is here.\n\n| a |\n|---|\n"),
        ("no sentence at all", ""),
        ("", ""),
    ],
)
def test_a_text_without_an_end_ends_with_a_whole_sentence(text: str, expected: str) -> None:
    assert whole_sentences(text) == expected


@given(WORDS, st.data())
def test_a_model_that_goes_on_with_the_next_word_loses_nothing(words: list[str], data: st.DataObject) -> None:
    unlike = [f"w{number}{word}" for number, word in enumerate(words)]
    text = " ".join([*unlike, "end."])
    first = clipped(text[: data.draw(st.integers(1, len(text)))])
    if " " in first:
        assert joined(first, text[len(first) :]).split() == text.split()


@given(WORDS, st.integers(1, 5))
def test_a_model_that_begins_again_a_few_words_back_repeats_nothing(words: list[str], back: int) -> None:
    unlike = [f"{word}{number}" for number, word in enumerate(["start", *words])]
    again = ["w", *unlike][-back:]
    if any(word[0].isalpha() for word in again) and len(again) <= len(unlike):
        assert joined(" ".join(unlike) + " ", " ".join([*again, "end"])) == " ".join([*unlike, "end"])


@given(ANY.map("".join))
def test_clipping_and_ending_only_take_away(text: str) -> None:
    assert text.startswith(clipped(text))
    assert clipped(text).strip() or not text.strip()
    ended = whole_sentences(text)
    assert text.startswith(ended)
    assert whole_sentences(ended) == ended


@given(ANY.map("".join), ANY.map("".join))
def test_joining_adds_no_word(first: str, second: str) -> None:
    letters = [one for one in joined(first, second) if not one.isspace()]
    left = iter(first + second)
    assert all(letter in left for letter in letters)


@given(st.text(), st.text())
def test_any_texts_can_be_joined(first: str, second: str) -> None:
    whole_sentences(joined(clipped(first), second))


@pytest.mark.parametrize(
    "unit", ["[", "a", "a ", "a. ", "- a\n", "# a\n", "```\n", "\u3002", "|", "a.[1]", "\u0301", "***"]
)
def test_a_long_text_is_no_trouble(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    whole_sentences(joined(clipped(text), text))
