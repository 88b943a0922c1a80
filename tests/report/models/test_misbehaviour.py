"""What a model, a provider or an environment must not be able to do to a report."""

import random
import re
from collections.abc import Callable, Iterator

import pytest
from markdown_it import MarkdownIt

from piecework.report import write_report
from piecework.report.document import render
from piecework.report.models import ModelError, ModelWriter, open_model
from piecework.report.models.citations import check_citations
from piecework.report.writer import Citation, Section, WrittenSection
from tests.provider.script import Asked, Refuse, Reply, Structured, Text
from tests.provider.server import Provider

Script = Callable[[Asked], Reply]

PLAN = {"sections": [{"name": "First", "description": "The one."}, {"name": "Second", "description": "The other."}]}
KNOWN = tuple(Citation(f"f{number}.md", (number, number)) for number in (1, 2, 3))
FRAGMENTS = (
    "[1]", "[2]", "[9]", "[1, 2]", "[^1]", "text", "# ", "## Sources", "\n", "\n\n", "```", "~~~", "```py\n", "<!--",
    "-->", "<div>", "<pre>", "</pre>", "<script>", "]]>", "<?", "---", "===", "- ", "1. ", "> ", "    ", "\t",
    "|a|b|\n|---|---|\n", "|", "![", "](", "](http://x)", "`", "``", "*", "**", "_", "& ", "&lt;", "[", "]", "First",
    ":", " ", "\u3000", "\u200b", "  \n", '<a href="', '">', "<x", "{", "[^1]: note", "**Sources**\n", "\x00", "\r",
)  # fmt: skip


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Provider], Provider]]:
    """Enter a provider that the environment points to."""
    entered: list[Provider] = []

    def enter(provider: Provider) -> Provider:
        entered.append(provider.__enter__())
        for name, value in provider.environment().items():
            monkeypatch.setenv(name, value)
        return provider

    yield enter
    for one in entered:
        one.__exit__(None, None, None)


@pytest.mark.parametrize("seed", range(10))
def test_no_section_reaches_into_the_next_whatever_it_is_made_of(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same sections every time
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    for _ in range(40):
        bodies = ["".join(chance.choices(FRAGMENTS, k=chance.randint(1, 14))) for _ in range(2)]
        checked = [check_citations(body, KNOWN, title=f"T{place}") for place, body in enumerate(bodies)]
        content = [WrittenSection(str(place), f"T{place}", one.body) for place, one in enumerate(checked)]
        content.append(WrittenSection("2", "T2", ("Last ", KNOWN[2], ".")))
        text = render("topic", [Section(str(place), f"T{place}", "topic") for place in range(3)], content)
        tokens = parser.parse(text)
        tops = [
            tokens[place + 1].content
            for place, token in enumerate(tokens)
            if token.type == "heading_open" and token.tag in {"h1", "h2"}
        ]
        assert tops == ["Topic", *(one.title for one in content if one.body), "Sources"], bodies
        assert not [token for token in tokens if token.type == "html_block"], bodies
        cited = list(dict.fromkeys(citation for one in content for citation in one.citations))
        listed = text.rpartition("## Sources\n\n")[2].splitlines()
        assert listed == [f"{n}. {one.source}, line {one.lines[0]}" for n, one in enumerate(cited, 1)], bodies
        shown = "".join(child.content for token in tokens for child in token.children or () if child.type == "text")
        assert {int(number) for number in re.findall(r"\[(\d+)\]", shown)} <= set(range(1, len(cited) + 1)), bodies


@pytest.mark.parametrize("text", ["It is so \\[9].", "It is so \\[9\\]."])
def test_an_escaped_marker_claims_no_passage_either(text: str) -> None:
    checked = check_citations(text, KNOWN)
    assert (checked.body, checked.removed) == (("It is so.",), 1)


@pytest.mark.parametrize("mark", ["", "- ", "1. ", "> "])
def test_citations_side_by_side_make_no_definition_of_a_link(mark: str) -> None:
    checked = check_citations(f"{mark}[1]: http://x[1, 2]", KNOWN)
    text = render("x", [Section("1", "T", "x")], [WrittenSection("1", "T", checked.body)])
    environment: dict[str, object] = {}
    MarkdownIt("commonmark").parse(text, environment)
    assert not environment.get("references")


def test_a_key_of_a_letter_or_two_does_not_eat_messages(
    serve: Callable[[Provider], Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(Provider(lambda _: Refuse(401, "no")))
    monkeypatch.setenv("OPENAI_API_KEY", "a")
    with pytest.raises(ModelError, match="openai refuses the key") as caught:
        write_report("tides", ModelWriter(open_model("openai:x")))
    assert "***" not in str(caught.value)


@pytest.mark.parametrize("key", ["abc\ndef-secret", "\u043a\u043b\u044e\u0447-secret"])
def test_a_key_that_cannot_be_sent_is_not_shown(
    serve: Callable[[Provider], Provider], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    asked_of = serve(Provider())
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(Exception, match="OPENAI_API_KEY") as caught:
        write_report("tides", ModelWriter(open_model("openai:x")))
    assert "secret" not in str(caught.value)
    assert asked_of.asked == ()


def test_a_refused_section_is_a_gap(serve: Callable[[Provider], Provider]) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.wanted is not None:
            return Structured(PLAN)
        return Text("I cannot help.", stop="refusal") if "Your section: 1." in asked.text else Text("Fine.")

    serve(Provider(answer))
    written = write_report("tides", ModelWriter(open_model("anthropic:x")), section_count=2)
    assert [gap.title for gap in written.gaps] == ["First"]


@pytest.mark.parametrize("rest", [Text(""), Refuse(400, "no more")])
def test_what_is_written_outlives_a_continuation_that_does_not_come(
    serve: Callable[[Provider], Provider], rest: Reply
) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.wanted is not None:
            return Structured(PLAN)
        return rest if "cut off" in asked.text else Text("The sea rises. It fal", stop="length")

    serve(Provider(answer))
    written = write_report("tides", ModelWriter(open_model("openai:x")), section_count=2)
    assert [section.body for section in written.sections] == [("The sea rises.",)] * 2
    assert not any(section.complete for section in written.sections)
