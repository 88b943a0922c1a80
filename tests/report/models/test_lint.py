"""A plan as a model proposed it becomes sections that can be told apart, with headings that are plain text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.report.models.headline import plain_heading
from piecework.report.models.lint import Proposal, lint


def names(*proposals: str | tuple[str, str], topic: str = "tides", most: int = 20) -> list[str]:
    pairs = [(one, "") if isinstance(one, str) else one for one in proposals]
    return [one.name for one in lint(pairs, topic, most)]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("## Data", "Data"),
        ("**Data**", "Data"),
        ("## 1. **Data**:", "Data"),
        ("1.2 Data", "Data"),
        ("(3) Data", "Data"),
        ("IV. Data", "Data"),
        ("Section 2: Data", "Data"),
        ("Chapter IV - Data", "Data"),
        ("Part 2 \u2014 Data", "Data"),
        ('"Data"', "Data"),
        ("\u201cData\u201d", "Data"),
        ("- Data", "Data"),
        ("[Data](#data)", "Data"),
        ("  Data \n and\tcode ", "Data and code"),
        ("Data\u200b\x00", "Data"),
        ("2020: the year", "2020: the year"),
        ("7 habits", "7 habits"),
        ("Part 2 of it", "Part 2 of it"),
        ("C. elegans", "C. elegans"),
        ("C#", "C#"),
        ("*a* and *b*", "*a* and *b*"),
        ("What is it?", "What is it?"),
        ("\u6570\u636e\uff1a", "\u6570\u636e"),
    ],
)
def test_a_name_is_plain_text(name: str, plain: str) -> None:
    assert names(name) == [plain]


def test_a_section_without_a_name_is_named_after_its_description_or_numbered() -> None:
    assert names("A", ("", "Tells of the sea. And more.")) == ["A", "Tells of the sea"]
    assert names(("**", "one two three four five six seven eight nine ten")) == [
        "one two three four five six seven eight"
    ]
    assert names("A", ("", "- " * 9 + "x"), ("---", "- " * 9 + "y"), "B") == ["A", "Section 2", "Section 3", "B"]


def test_a_section_that_is_nothing_is_dropped() -> None:
    assert names(("", ""), "A", (" \n", "\u2026"), ("##", "-")) == ["A"]
    assert lint([], "tides", 3) == lint([("", "")], "tides", 3) == []


def test_names_are_told_apart() -> None:
    assert names("Data", "data ", "Data (2)", "Data") == ["Data", "data (3)", "Data (2)", "Data (4)"]


def test_a_long_name_is_cut_at_a_word() -> None:
    assert names("word " * 50) == [" ".join(["word"] * 24)]
    assert names("a" * 300, "a" * 300) == ["a" * 120, "a" * 116 + " (2)"]


def test_what_the_report_makes_itself_is_dropped() -> None:
    proposals = (
        "Tides",
        "Title",
        "Table of Contents",
        "A",
        "## References:",
        "Sources",
        "Bibliography",
        "Works Cited",
        "B",
    )
    assert names(*proposals) == ["A", "B"]
    assert names("Literaturverzeichnis", "A") == ["A"]
    assert names("Sources of energy", ("Tides", "What they are.")) == ["Sources of energy", "Tides"]


def test_what_the_report_makes_itself_stays_where_there_is_nothing_else() -> None:
    assert names("Sources", "Sources") == ["Sources", "Sources (2)"]
    assert names("Tides") == ["Tides"]


def test_too_many_sections_are_cut() -> None:
    assert names("", "A", "Sources", "B", "C", most=2) == ["A", "B"]
    assert names("A", most=0) == []


def test_sections_are_numbered_in_order() -> None:
    assert lint([("A", "x\n y"), ("B", "")], "tides", 5) == [Proposal("1", "A", "x y"), Proposal("2", "B", "")]


def test_half_a_character_is_none() -> None:
    assert lint([("A\ud800", "b\ud800")], "tides", 5) == [Proposal("1", "A", "b?")]


PARTS = [
    "Data",
    "data",
    "(2)",
    "Section",
    "2",
    "1.",
    ":",
    "**",
    "##",
    '"',
    "Sources",
    "Tides",
    " ",
    "-",
    "IV.",
    "\u2019",
    "_",
    "a" * 70,
]
NAMES = st.text(max_size=40) | st.lists(st.sampled_from(PARTS), max_size=6).map(" ".join) | st.sampled_from(PARTS)
PLANS = st.lists(st.tuples(NAMES, NAMES), max_size=12)


@given(PLANS, st.sampled_from(["tides", "Data", "Data (2)", ""]), st.integers(-1, 12))
def test_any_plan_becomes_sections_that_can_be_told_apart(plan: list[tuple[str, str]], topic: str, most: int) -> None:
    sections = lint(plan, topic, most)
    assert [section.id for section in sections] == [str(number) for number in range(1, len(sections) + 1)]
    assert len(sections) <= max(0, most)
    assert len({section.name.casefold() for section in sections}) == len(sections)
    for section in sections:
        assert 0 < len(section.name) <= 120
        assert section.name == " ".join(section.name.split())
        section.name.encode()
        section.brief.encode()


@given(PLANS, st.sampled_from(["tides", "Data", "Data (2)", ""]), st.integers(0, 12))
def test_a_plan_without_faults_stays_as_it_is(plan: list[tuple[str, str]], topic: str, most: int) -> None:
    sections = lint(plan, topic, most)
    assert lint([(section.name, section.brief) for section in sections], topic, most) == sections


@given(st.lists(st.sampled_from(["Alpha", "Beta", "Gamma", "Delta"]), unique=True))
def test_the_order_is_kept(plan: list[str]) -> None:
    assert names(*plan) == plan


@pytest.mark.parametrize("unit", ["- ", "**", "#", '"', "1. ", "x:", " -", "[a](", "(", "I. ", "_", "a "])
def test_a_long_name_is_no_trouble(unit: str) -> None:
    assert len(plain_heading(unit * 100_000)) <= 1000
    lint([(unit * 100_000, unit * 100_000)] * 3, unit * 1000, 5)
