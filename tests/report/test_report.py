"""A whole report, as its reader gets it."""

from pathlib import Path

import pytest

from piecework.report import (
    EmptyTopicError,
    ExtractiveWriter,
    Library,
    OffTopicError,
    SectionCountError,
    read_library,
    write_report,
)
from tests.report.reading import CORPUS, bare, read

TOPIC = "LLM scaling laws"


@pytest.fixture(scope="module")
def library() -> Library:
    return read_library([CORPUS])


@pytest.fixture(scope="module")
def report(library: Library) -> str:
    return write_report(TOPIC, ExtractiveWriter(library)).text


def test_every_quotation_stands_in_its_source_on_the_cited_lines(report: str) -> None:
    content = read(report)
    entries = {entry.number: entry for entry in content.entries}
    assert len(content.quotations) > 12
    for text, number in content.quotations:
        entry = entries[number]
        lines = Path(entry.file).read_text(encoding="utf-8").split("\n")[entry.first - 1 : entry.last]
        assert bare(text) in bare("\n".join(lines))


def test_the_cited_lines_are_no_more_than_the_quotation_needs(report: str) -> None:
    content = read(report)
    entries = {entry.number: entry for entry in content.entries}
    for text, number in content.quotations:
        entry = entries[number]
        lines = Path(entry.file).read_text(encoding="utf-8").split("\n")
        assert bare(text) not in bare("\n".join(lines[entry.first : entry.last]))
        assert bare(text) not in bare("\n".join(lines[entry.first - 1 : entry.last - 1]))


def test_citation_numbers_are_dense_and_in_order_of_appearance(report: str) -> None:
    content = read(report)
    expected = list(range(1, len(content.entries) + 1))
    assert [entry.number for entry in content.entries] == expected
    assert list(dict.fromkeys(number for _, number in content.quotations)) == expected


def test_nothing_is_quoted_twice(report: str) -> None:
    content = read(report)
    assert len({text for text, _ in content.quotations}) == len(content.quotations)
    assert len({(entry.file, entry.first) for entry in content.entries}) == len(content.entries)


def test_the_same_input_gives_the_same_bytes(report: str) -> None:
    assert write_report(TOPIC, ExtractiveWriter(read_library([CORPUS]))).text == report


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 8, 12, 15])
def test_a_report_has_as_many_sections_as_asked_for(library: Library, count: int) -> None:
    report = write_report(TOPIC, ExtractiveWriter(library), section_count=count)
    assert len(report.titles) == len(set(report.titles)) == count
    assert list(read(report.text).sections) == list(report.titles)


def test_a_report_has_fewer_sections_where_the_sources_hold_no_more(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("Scaling laws relate the loss of a model to its size and its data.\n")
    report = write_report("scaling laws", ExtractiveWriter(read_library([tmp_path])), section_count=9)
    assert len(report.titles) == 1


def test_sections_go_from_the_general_to_the_limits(report: str) -> None:
    assert list(read(report).sections) == [
        "Power laws in model size, data and compute",
        "Compute-optimal training",
        "Inference-time scaling",
        "Scaling laws in practice",
        "Emergent abilities and their critics",
        "Limits of data",
    ]


def test_sections_are_of_comparable_length(report: str) -> None:
    lengths = [len(" ".join(paragraphs).split()) for paragraphs in read(report).sections.values()]
    assert min(lengths) > 150
    assert max(lengths) < 2 * min(lengths)


def test_the_introduction_tells_topic_sources_and_sections(report: str) -> None:
    content = read(report)
    assert content.title == TOPIC
    assert "six sources" in content.introduction
    assert all(f"*{title}*" in content.introduction for title in content.sections)


def test_no_paragraph_begins_with_a_word_that_points_back(report: str) -> None:
    leaning = {"This", "That", "These", "Those", "It", "They", "However", "But", "And", "Such", "Therefore"}
    for paragraphs in read(report).sections.values():
        assert not leaning & {paragraph.split()[0].rstrip(",") for paragraph in paragraphs}


def test_code_lists_tables_quotations_and_link_targets_are_not_quoted(report: str) -> None:
    body = report.split("\n\n## Sources", maxsplit=1)[0]
    assert not any(debris in body for debris in ("```", "http", "](", "|", "<", "- ", "def "))
    assert "easiest to overlook" not in body


def test_a_source_about_something_else_is_left_out(tmp_path: Path) -> None:
    bread = "Bread is made of flour, water, salt and yeast, and large loaves need more time than small ones. "
    (tmp_path / "bread.md").write_text("# Baking bread\n\n" + bread * 1 + "\n\n" + "Kneading takes a while. " * 30)
    report = write_report(TOPIC, ExtractiveWriter(read_library([CORPUS, tmp_path])))
    assert "bread" not in report.text


def test_text_that_stands_in_two_sources_is_quoted_once(tmp_path: Path) -> None:
    page = (CORPUS / "04-data-limits.md").read_text(encoding="utf-8")
    (tmp_path / "a.md").write_text(page, encoding="utf-8")
    (tmp_path / "b.md").write_text(page.replace("# Limits of data", "# How data runs out"), encoding="utf-8")
    content = read(write_report("limits of data", ExtractiveWriter(read_library([tmp_path]))).text)
    assert len({text for text, _ in content.quotations}) == len(content.quotations)


def test_plain_text_without_headings_is_divided_by_its_key_phrases(tmp_path: Path) -> None:
    subjects = ("solar panels", "wind turbines", "heat pumps")
    paragraphs = [
        f"{subject.capitalize()} lower the energy bill of a house in their own way, as study number {turn} found. "
        f"Most owners of {subject} say that the energy they save in year {turn} pays for the work. "
        f"Where {subject} fail, a technician called {['Ann', 'Bob', 'Cid', 'Dan'][turn]} has the energy back in days."
        for subject in subjects
        for turn in range(4)
    ]
    (tmp_path / "notes.txt").write_text("\n\n".join(paragraphs))
    report = write_report("energy at home", ExtractiveWriter(read_library([tmp_path])), section_count=3)
    assert {title.casefold() for title in report.titles} == set(subjects)


@pytest.mark.parametrize(
    "topic",
    [
        '"scaling laws"',
        "scaling AND NOT laws",
        "scaling* OR",
        "NEAR(scaling laws)",
        "body: scaling",
        "-laws^",
        "scaling' ; --",
    ],
)
def test_search_operators_in_a_topic_are_only_words(library: Library, topic: str) -> None:
    assert write_report(topic, ExtractiveWriter(library)).titles


def test_a_topic_in_any_script_is_searched_for(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "# \u6a19\u5ea6\u5f8b\n\n\u6a21\u578b\u7684\u640d\u5931\u96a8\u898f\u6a21\u4e0b\u964d\u3002"
        "\u9019\u662f\u4e00\u689d\u7c21\u55ae\u7684\u898f\u5f8b\u3002\n",
        encoding="utf-8",
    )
    (tmp_path / "b.md").write_text(
        "# Gr\u00f6\u00dfe\n\nDie Gr\u00f6\u00dfe des Modells z\u00e4hlt sehr viel.\n", encoding="utf-8"
    )
    assert "\u640d\u5931" in write_report("\u640d\u5931", ExtractiveWriter(read_library([tmp_path]))).text
    assert "z\u00e4hlt" in write_report("gr\u00f6\u00dfe \U0001f680", ExtractiveWriter(read_library([tmp_path]))).text


@pytest.mark.parametrize("topic", ["", "   ", "\n", '"', "***", "\ud800"])
def test_a_topic_without_words_is_refused(library: Library, topic: str) -> None:
    with pytest.raises(EmptyTopicError, match="no words"):
        write_report(topic, ExtractiveWriter(library))


def test_a_topic_the_sources_know_nothing_of_is_refused(library: Library) -> None:
    with pytest.raises(OffTopicError, match="zebra husbandry"):
        write_report("zebra husbandry", ExtractiveWriter(library))


def test_a_report_of_no_sections_is_refused(library: Library) -> None:
    with pytest.raises(SectionCountError, match="0 sections"):
        write_report(TOPIC, ExtractiveWriter(library), section_count=0)
