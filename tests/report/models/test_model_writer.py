"""Reports by a model: the real clients, asked over HTTP on loopback, and all that models do wrong."""

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from langchain_core.language_models import FakeListChatModel

from piecework.report import (
    EmptyTopicError,
    NothingWrittenError,
    OffTopicError,
    Report,
    SectionCountError,
    read_material,
    write_report,
)
from piecework.report.models import Chat, ModelError, ModelWriter, PlanError, RefusedAnswerError, Usage, open_model
from tests.provider.script import Asked, Cut, Hang, Refuse, Reply, Structured, Text, Together
from tests.provider.server import Provider
from tests.report.reading import CORPUS

Script = Callable[[Asked], Reply]

PLAN = {"sections": [{"name": "First", "description": "The one."}, {"name": "Second", "description": "The other."}]}
TIMEOUT = 1.0


@pytest.fixture(params=["anthropic:claude-sonnet-5-5", "openai:gpt-5-mini"])
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


Ask = Callable[[Script], tuple[Report, Provider]]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, model: str) -> Ask:
    """Write a report of two sections with each kind of model, as a script answers."""

    def write(script: Script) -> tuple[Report, Provider]:
        with Provider(script) as provider:
            for name, value in provider.environment().items():
                monkeypatch.setenv(name, value)
            writer = ModelWriter(open_model(model, timeout=TIMEOUT))
            return write_report("tides", writer, section_count=2), provider

    return write


def is_plan(asked: Asked) -> bool:
    return "Plan exactly 2 sections." in "".join(text for _, text in asked.messages)


def planned(write: Script) -> Script:
    return lambda asked: Structured(PLAN) if is_plan(asked) else write(asked)


def once(first: Reply, then: Reply) -> Script:
    """Return a script that gives `first` to each new request and `then` to one that is asked again."""
    return lambda asked: then if asked.repeats else first


def written(report: Report) -> list[str]:
    return ["".join(piece for piece in section.body if isinstance(piece, str)) for section in report.sections]


def test_a_plan_comes_as_structured_output_and_sections_side_by_side(ask: Ask) -> None:
    report, provider = ask(planned(lambda _: Together(2, Text("It is so."))))
    assert provider.asked[0].wanted is not None
    assert provider.asked[0].wanted.name in {"Sections", None}
    assert [asked.stream for asked in provider.asked] == [False, True, True]
    assert report.titles == ("First", "Second")
    assert written(report) == ["It is so.", "It is so."]


@pytest.mark.parametrize(
    "answer",
    [
        f"<think>Two, I say: [1, 2]. {{</think>{json.dumps(PLAN)}",
        f"Here it is:\n```json\n{json.dumps(PLAN, indent=1)}\n```\nShall I go on?",
        '{"sections": [{"title": "First"}, {"title": "Second"},]}',
        '["First", "Second"]',
    ],
)
def test_a_plan_is_found_in_what_a_weak_model_says(ask: Ask, answer: str) -> None:
    report, provider = ask(lambda asked: Text(answer) if is_plan(asked) else Text("Fine."))
    assert report.titles == ("First", "Second")
    assert len(provider.asked) == 3


def test_a_model_that_takes_no_schema_is_asked_for_json(ask: Ask) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.wanted is not None:
            return Refuse(400, "no schemas here")
        return Text(json.dumps(PLAN)) if is_plan(asked) else Text("Fine.")

    report, provider = ask(answer)
    assert report.titles == ("First", "Second")
    assert '{"sections": [' in provider.asked[1].text


@pytest.mark.parametrize("first", [Text("I would rather not."), Text(""), Structured({"sections": []})])
def test_what_is_no_plan_is_told_to_the_model_once(ask: Ask, first: Reply) -> None:
    def answer(asked: Asked) -> Reply:
        if not is_plan(asked):
            return Text("Fine.")
        return Text(json.dumps(PLAN)) if "not a plan I can read" in asked.text else first

    report, provider = ask(answer)
    assert report.titles == ("First", "Second")
    assert len(provider.asked) == 4


def test_a_plan_that_was_cut_off_is_asked_for_again(ask: Ask) -> None:
    def answer(asked: Asked) -> Reply:
        if not is_plan(asked):
            return Text("Fine.")
        return Text(json.dumps(PLAN)) if "cut off" in asked.text else Structured(PLAN, stop="length")

    report, _ = ask(answer)
    assert report.titles == ("First", "Second")


def test_without_a_plan_there_is_a_clear_error(ask: Ask, model: str) -> None:
    with pytest.raises(PlanError, match="made no plan, also when asked again") as caught:
        ask(lambda _: Text("I would rather not."))
    assert caught.value.model == model


def test_sections_of_one_name_are_told_apart_and_surplus_ones_left_out(ask: Ask) -> None:
    many = {"sections": [{"name": name, "description": ""} for name in ("Data", "**Data**", "More")]}
    report, _ = ask(lambda asked: Structured(many) if is_plan(asked) else Text("Fine."))
    assert report.titles == ("Data", "Data (2)")


def test_a_worker_gets_its_section_and_the_whole_outline(ask: Ask) -> None:
    _, provider = ask(planned(lambda _: Text("Fine.")))
    for asked in provider.asked[1:]:
        assert "1. First: The one." in asked.text
        assert "2. Second: The other." in asked.text
        assert "Topic of the report: tides" in asked.text
    assert {asked.text.partition("Your section: ")[2][:8] for asked in provider.asked[1:]} == {"1. First", "2. Secon"}


def test_an_answer_that_reached_its_length_is_continued(ask: Ask) -> None:
    def write(asked: Asked) -> Reply:
        if asked.messages[-2:-1] and asked.messages[-2][0] == "assistant":
            assert asked.messages[-2][1] == "The sea rises and"
            return Text("falls twice a day.")
        return Text("The sea rises and fal", stop="length")

    report, _ = ask(planned(write))
    assert written(report) == ["The sea rises and falls twice a day."] * 2
    assert all(section.complete for section in report.sections)


@pytest.mark.parametrize("fault", [Cut("The sea rises. It fal"), Hang("The sea rises. It fal")])
def test_an_answer_that_breaks_off_on_the_way_is_continued(ask: Ask, fault: Reply) -> None:
    def write(asked: Asked) -> Reply:
        return Text("Sure, here is the rest: falls.") if "cut off" in asked.text else fault

    report, _ = ask(planned(write))
    assert written(report) == ["The sea rises. It falls."] * 2


def test_an_error_in_the_middle_of_an_answer_is_continued(ask: Ask) -> None:
    def write(asked: Asked) -> Reply:
        return Text("falls.") if "cut off" in asked.text else Refuse(529, "overloaded", after="The sea rises. It fal")

    report, _ = ask(planned(write))
    assert written(report) == ["The sea rises. It falls."] * 2


@pytest.mark.parametrize("fault", [Refuse(400, "no more"), Text(""), Text("No.", stop="refusal")])
def test_what_is_written_stays_where_the_rest_cannot_be_had(ask: Ask, fault: Reply) -> None:
    def write(asked: Asked) -> Reply:
        return fault if "cut off" in asked.text else Text("The sea rises. And then it fal", stop="length")

    report, _ = ask(planned(write))
    assert written(report) == ["The sea rises."] * 2
    assert not any(section.complete for section in report.sections)


def test_an_answer_without_end_ends_with_a_whole_sentence(ask: Ask) -> None:
    counts: dict[str, int] = {}

    def write(asked: Asked) -> Reply:
        place = asked.messages[0][1]
        counts[place] = counts.get(place, 0) + 1
        return Text(f"Wave number {counts[place]} comes in. And then the nex", stop="length")

    report, provider = ask(planned(write))
    assert len(provider.asked) == 1 + 2 * 5
    for section, text in zip(report.sections, written(report), strict=True):
        assert not section.complete
        assert text.endswith("Wave number 5 comes in.")


def test_an_empty_answer_is_asked_for_again(ask: Ask) -> None:
    report, _ = ask(planned(once(Text(""), Text("Fine."))))
    assert written(report) == ["Fine.", "Fine."]


def test_two_empty_answers_are_a_gap(ask: Ask, model: str) -> None:
    def write(asked: Asked) -> Reply:
        return Text("") if "Your section: 2." in asked.text else Text("Fine.")

    report, _ = ask(planned(write))
    assert [(gap.id, gap.title) for gap in report.gaps] == [("2", "Second")]
    assert report.gaps[0].reason.startswith(f"{model} gave no text to read.")


def test_an_answer_that_is_only_a_heading_or_a_citation_is_a_gap(ask: Ask) -> None:
    report, _ = ask(planned(lambda asked: Text("## Second" if "Your section: 2." in asked.text else "Fine.")))
    assert "gave no text to read" in report.gaps[0].reason


def test_a_refusal_is_a_gap_that_tells_it(ask: Ask) -> None:
    def write(asked: Asked) -> Reply:
        refused = Text("I cannot speak of that.", stop="refusal")
        return refused if "Your section: 2." in asked.text else Text("Fine.")

    report, _ = ask(planned(write))
    assert "refuses to answer: I cannot speak of that. Word the topic otherwise" in report.gaps[0].reason


def test_a_refusal_to_plan_is_told_at_once(ask: Ask) -> None:
    with pytest.raises(RefusedAnswerError, match="refuses to answer"):
        ask(lambda _: Text("No.", stop="refusal"))


def test_an_answer_that_never_ends_is_not_read_to_its_end(ask: Ask) -> None:
    endless = f"The sea {'rises and ' * 20}falls. ".replace(" and ", "-and-") * 400
    report, provider = ask(planned(lambda _: Text(endless)))
    assert len(provider.asked) == 3
    for section, text in zip(report.sections, written(report), strict=True):
        assert len(text) < 90_000
        assert text.endswith("falls.")
        assert not section.complete


def test_an_answer_that_is_all_thinking_is_a_gap_that_says_so(ask: Ask) -> None:
    def write(asked: Asked) -> Reply:
        thought = Text("<think>Hmm, let me see whether", stop="length")
        return thought if "Your section: 2." in asked.text else Text("Fine.")

    report, _ = ask(planned(write))
    assert "spent its whole answer on thinking" in report.gaps[0].reason


def test_thinking_is_no_part_of_the_report(ask: Ask) -> None:
    report, _ = ask(planned(lambda _: Text("It is so.", thinking="Hmm, what do I say?")))
    assert written(report) == ["It is so.", "It is so."]


def test_a_rate_limit_is_waited_for_as_long_as_it_says(ask: Ask) -> None:
    limited = Refuse(429, "slow down", {"retry-after": "0.3"})
    report, provider = ask(planned(once(limited, Text("Fine."))))
    assert report.gaps == ()
    for section in ("1", "2"):
        times = [asked.at for asked in provider.asked if f"Your section: {section}." in asked.text]
        assert len(times) == 2
        assert all(later - earlier >= 0.3 for earlier, later in pairwise(times))


def test_a_server_error_is_asked_again(ask: Ask) -> None:
    report, _ = ask(planned(once(Refuse(500, "oh", {"retry-after": "0.05"}), Text("Fine."))))
    assert written(report) == ["Fine.", "Fine."]


def test_a_section_that_fails_leaves_the_others(ask: Ask) -> None:
    def write(asked: Asked) -> Reply:
        return Refuse(400, "too rude") if "Your section: 1." in asked.text else Text("Fine.")

    report, _ = ask(planned(write))
    assert [gap.title for gap in report.gaps] == ["First"]
    assert "(400: too rude)" in report.gaps[0].reason
    assert report.titles == ("Second",)
    assert report.text.index("## First") < report.text.index("## Second")


def test_a_report_of_which_all_sections_fail_is_an_error(ask: Ask) -> None:
    with pytest.raises(NothingWrittenError, match=r"all 2 sections failed.*too rude"):
        ask(planned(lambda _: Refuse(400, "too rude")))


def test_a_provider_that_fails_while_planning_is_an_error_with_its_status(ask: Ask) -> None:
    with pytest.raises(ModelError, match=r"refuses the key \(401: bad key\)") as caught:
        ask(lambda _: Refuse(401, "bad key"))
    assert caught.value.status == 401


def test_without_sources_every_citation_is_taken_out(ask: Ask, model: str) -> None:
    report, _ = ask(planned(lambda _: Text("It is so [1], says [2].")))
    assert written(report) == ["It is so, says."] * 2
    assert [section.removed for section in report.sections] == [2, 2]
    assert model in report.text.splitlines()[-1]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Script], Provider]]:
    """Start a provider that the environment points to."""
    started: list[Provider] = []

    def start(script: Script) -> Provider:
        one = Provider(script)
        one.__enter__()
        started.append(one)
        for name, value in one.environment().items():
            monkeypatch.setenv(name, value)
        return one

    yield start
    for one in started:
        one.__exit__(None, None, None)


def test_sections_are_written_from_their_passages_and_cited_over_the_whole_report(
    provider: Callable[[Script], Provider], tmp_path: Path
) -> None:
    (tmp_path / "a.md").write_text("# Tides\n\nThe moon pulls the sea.\n\n## Height\n\n- Bays make tides higher.\n")
    (tmp_path / "b.md").write_text("# Bread\n\nYeast makes the dough rise.\n")

    def write(asked: Asked) -> Reply:
        numbers = {
            told: line[1 : line.index("]")]
            for line in asked.text.splitlines()
            for told in ("moon", "Bays", "Yeast")
            if line.startswith("[") and told in line
        }
        first = "Your section: 1." in asked.text
        cited = [numbers["Bays"], numbers["moon"]] if first else [numbers["moon"], "99"]
        return Text(f"So [{cited[0]}] and so [{cited[1]}].")

    asked_of = provider(planned(write))
    writer = ModelWriter(open_model("openai:gpt-5-mini"), read_material([tmp_path]))
    report = write_report("tides", writer, section_count=2)
    assert "Bays make tides higher." in asked_of.asked[0].text
    assert [section.removed for section in report.sections] == [0, 1]
    body, _, listed = report.text.partition("## Sources\n\n")
    assert "So [1] and so [2]." in body
    assert "So [2] and so.\n" in body
    assert listed == f"1. {tmp_path}/a.md, line 7\n2. {tmp_path}/a.md, line 3\n"


def test_no_more_sections_are_written_at_once_than_allowed(provider: Callable[[Script], Provider]) -> None:
    plan = {"sections": [{"name": f"Part {number}", "description": ""} for number in range(6)]}
    asked_of = provider(lambda asked: Structured(plan) if asked.wanted else Together(2, Text("Fine.")))
    report = write_report("x", ModelWriter(open_model("openai:gpt-5-mini")), section_count=6, max_concurrency=2)
    assert len(report.sections) == 6
    assert asked_of.most_in_flight == 2


def test_what_was_used_is_counted_also_of_failed_sections(provider: Callable[[Script], Provider]) -> None:
    provider(planned(lambda asked: Text("") if "Your section: 2." in asked.text else Text("Fine.")))
    writer = ModelWriter(open_model("openai:gpt-5-mini"))
    write_report("x", writer, section_count=2)
    assert writer.usage == Usage(requests=4, input_tokens=44, output_tokens=28)


def test_a_topic_that_the_sources_do_not_bear_on_is_told_before_anything_is_asked(
    provider: Callable[[Script], Provider],
) -> None:
    asked_of = provider(lambda _: Text("No."))
    writer = ModelWriter(open_model("openai:gpt-5-mini"), read_material([CORPUS]))
    with pytest.raises(OffTopicError):
        write_report("zebra husbandry", writer)
    with pytest.raises(EmptyTopicError):
        write_report(" ?! ", writer)
    with pytest.raises(SectionCountError):
        write_report("scaling", writer, section_count=0)
    assert asked_of.asked == ()


def test_any_langchain_model_can_write() -> None:
    model = FakeListChatModel(responses=[json.dumps(PLAN), "It is so.", "It is so."])
    report = write_report("tides", ModelWriter(Chat(model)), section_count=2)
    assert written(report) == ["It is so.", "It is so."]
    assert "FakeListChatModel" in report.text.splitlines()[-1]
