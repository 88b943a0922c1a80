"""What a section may draw on, out of little and of much material."""

from pathlib import Path

import pytest

from piecework.report import Material, read_material
from piecework.report.models.prompts import cited_passages
from piecework.report.models.retrieval import MOST_WORDS, digest, excerpts_for
from piecework.report.pieces import length
from tests.report.reading import CORPUS

FILLER = "\n\n".join(
    f"## Part {n}\n\nPart{n} tells of things like{n} and thing{n} that nobody asks for." for n in range(90)
)


@pytest.fixture(scope="module")
def corpus() -> Material:
    return read_material([CORPUS])


def material_of(folder: Path, *texts: str) -> Material:
    for number, text in enumerate(texts):
        (folder / f"{number}.md").write_text(text, encoding="utf-8")
    return read_material([folder])


def texts_of(material: Material, numbers: tuple[int, ...]) -> list[str]:
    return [material.excerpts[number].text for number in numbers]


def test_little_material_is_given_whole_whatever_is_asked(tmp_path: Path) -> None:
    material = material_of(tmp_path, "# Tides\n\nThe moon pulls.\n", "# Bread\n\n- yeast\n- flour\n")
    assert excerpts_for(material, "quantum gravity") == (0, 1)


def test_of_much_material_the_excerpts_fit_the_words_and_the_bound(corpus: Material) -> None:
    assert sum(excerpt.words for excerpt in corpus.excerpts) > MOST_WORDS
    chosen = excerpts_for(corpus, "the exponent of the power law for data", "scaling laws", most_words=400)
    assert list(chosen) == sorted(set(chosen))
    best = next(iter(corpus.index.search(["exponent", "power", "law", "data"])))
    assert best in chosen


@pytest.mark.parametrize("most_words", [0, 150, 400, MOST_WORDS])
def test_a_request_holds_no_more_words_than_it_may(tmp_path: Path, corpus: Material, most_words: int) -> None:
    tiny = material_of(tmp_path, "# A heading of quite some words for this\n\n" + FILLER)
    for material in (corpus, tiny):
        chosen = excerpts_for(material, "things that parts of a model tell", most_words=most_words)
        assert sum(excerpt.words for excerpt in (material.excerpts[number] for number in chosen)) <= most_words
        assert length(cited_passages(chosen, material)) <= 1.1 * most_words + 2 * len(chosen)
        assert bool(chosen) == (most_words > 0)


def test_a_later_query_only_fills_what_an_earlier_one_left(corpus: Material) -> None:
    alone = excerpts_for(corpus, "learning rate schedule", most_words=300)
    both = excerpts_for(corpus, "learning rate schedule", "scaling laws", most_words=300)
    assert set(alone) <= set(both)


def test_without_a_common_word_there_is_no_excerpt(corpus: Material) -> None:
    assert excerpts_for(corpus, "zebra husbandry") == ()


def test_words_that_say_little_are_searched_for_where_there_are_no_others(corpus: Material) -> None:
    assert excerpts_for(corpus, "how to use it")


def test_what_goes_on_beside_a_good_excerpt_comes_before_what_fits_badly(tmp_path: Path) -> None:
    steps = "\n".join(f"- turn handle number {n} to the left until it clicks" for n in range(18))
    mounting = f"# Mounting\n\nThe keel of a boat is mounted so:\n\n{steps}\n"
    material = material_of(tmp_path, mounting, f"# Rest\n\n{FILLER.replace('asks', 'asks when the keel is far away')}")
    assert [excerpt.trail for excerpt in material.excerpts[:3]] == [("Mounting",), ("Mounting",), ("Rest", "Part 0")]
    assert excerpts_for(material, "keel of a boat", most_words=300)[:2] == (0, 1)


def test_what_stands_under_a_heading_with_the_words_is_found(tmp_path: Path) -> None:
    material = material_of(tmp_path, "# Keel\n\n- lead\n- iron\n", f"# Rest\n\n{FILLER}")
    assert texts_of(material, excerpts_for(material, "keel", most_words=100)) == ["- lead\n- iron"]


def test_what_is_said_twice_is_given_once(tmp_path: Path) -> None:
    said = "The keel of a boat keeps it upright in strong winds from the side."
    material = material_of(tmp_path, f"# One\n\n{said}\n", f"# Two\n\n{said}\n", f"# Rest\n\n{FILLER}\n")
    assert texts_of(material, excerpts_for(material, "keel of a boat", most_words=200)) == [said]


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("\u6a21\u578b\u7684\u640d\u5931\u96a8\u898f\u6a21\u4e0b\u964d\u3002", "\u640d\u5931"),
        ("Die Gr\u00f6\u00dfe des Modells z\u00e4hlt.", "Gr\u00f6\u00dfe"),
        (
            "\u0420\u0430\u0437\u043c\u0435\u0440 \u043c\u043e\u0434\u0435\u043b\u0438.",
            "\u0440\u0430\u0437\u043c\u0435\u0440",
        ),
        ("\ubaa8\ub378 \ud06c\uae30.", "\ubaa8\ub378"),
    ],
)
def test_words_of_any_script_are_searched_for(tmp_path: Path, said: str, query: str) -> None:
    material = material_of(tmp_path, said, f"# Rest\n\n{FILLER}")
    assert texts_of(material, excerpts_for(material, query, most_words=200)) == [said]


def test_the_digest_shows_headings_as_they_are_nested(tmp_path: Path) -> None:
    material = material_of(tmp_path, "# Sea\n\n## Tides\n\nThe moon pulls.\n\n## Salt\n\n- a list\n\n# Land\n\nDust.\n")
    assert digest(material) == ("- Sea", "  - Tides", "  - Salt", "- Land")


def test_a_source_without_headings_is_in_the_digest_by_its_title_or_name(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("* one\n* two\n")
    material = material_of(tmp_path, "---\ntitle: Far\n---\nText.\n")
    assert digest(material) == ("- Far", f"- {tmp_path.as_posix()}/b.txt")


def test_the_digest_of_many_headings_shows_the_outer_ones(tmp_path: Path) -> None:
    chapters = "".join(f"## Chapter {n}\n\nIt is told here what chapter {n} holds.\n\n" for n in range(40))
    material = material_of(tmp_path, f"# First\n\n{chapters}", f"# Second\n\n{chapters}")
    assert digest(material) == ("- First", "- Second")


def test_the_digest_of_very_many_sources_is_bounded(tmp_path: Path) -> None:
    assert len(digest(material_of(tmp_path, *("# Note\n\nText.\n" for _ in range(200))))) == 60


def test_a_request_tells_where_each_excerpt_stands(tmp_path: Path) -> None:
    material = material_of(tmp_path, "Text.\n", "# Sea\n\n## Salt\n\n- one\n- two\n")
    assert cited_passages((1, 0), material) == (
        f"[1] ({tmp_path.as_posix()}/1.md > Sea > Salt)\n- one\n- two\n\n[2] ({tmp_path.as_posix()}/0.md) Text."
    )
