"""Search: by words, whatever the user wrote."""

from hypothesis import given
from hypothesis import strategies as st

from piecework.report.index import PassageIndex

INDEX = PassageIndex(
    [(0, "Loss", "Scaling laws tell how the loss falls."), (1, "", "Bread needs flour."), (2, "", "A law is a law.")]
)


def test_the_ending_of_a_word_does_not_matter() -> None:
    assert set(INDEX.search(["scale", "laws"])) == {0, 2}


def test_the_best_passage_scores_one_and_comes_first() -> None:
    found = INDEX.search(["flour", "law"])
    assert next(iter(found)) == 1
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert max(found.values()) == 1


def test_the_headings_above_a_passage_are_searched_too() -> None:
    assert list(INDEX.search(["loss"])) == [0]


def test_a_term_of_several_words_is_a_phrase() -> None:
    assert set(INDEX.search(["scaling laws"])) == {0}
    assert not INDEX.search(["laws scaling"])


@given(st.lists(st.text()))
def test_any_text_can_be_searched_for(terms: list[str]) -> None:
    assert all(0 < score <= 1 for score in INDEX.search(terms).values())


def test_very_many_words_can_be_searched_for() -> None:
    assert set(INDEX.search(["law", *(f"w{number}" for number in range(100_000))])) == {0, 2}
