"""Providers that falter: what is asked again, how often, when, and what of it is counted."""

import json
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from itertools import count, pairwise

import pytest
from langchain_core.language_models import FakeListChatModel

from piecework import Budget, Limit, MemoryStore, SyncRunner
from piecework.core.fact import Fact
from piecework.core.portal import run_blocking
from piecework.observe import AttemptFailed, Event
from piecework.report import BudgetSpentError, NothingWrittenError, report_generator, report_of, write_report
from piecework.report.models import Chat, ModelError, ModelWriter, Usage, open_model
from piecework.report.models.waits import told_wait
from tests.provider.script import Asked, Cut, Hang, Refuse, Reply, Script, Structured, Text, Together
from tests.provider.server import Provider

MODELS = ["anthropic:claude-sonnet-5-5", "openai:gpt-5-mini"]
SOON = {"retry-after": "0.02"}
SECTIONS = 5
_NUMBERS = count()
PLAN = {"sections": [{"name": f"Part {number}", "description": f"On {number}."} for number in range(1, SECTIONS + 1)]}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    """A model that no other test asks, since all who ask one share its limit."""
    return f"{request.param}-{next(_NUMBERS)}"


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Script], Provider]]:
    """Start a provider that the environment points to."""
    started: list[Provider] = []

    def start(script: Script) -> Provider:
        one = Provider(script)
        started.append(one.__enter__())
        for name, value in one.environment().items():
            monkeypatch.setenv(name, value)
        return one

    yield start
    for one in started:
        one.__exit__(None, None, None)


Serve = Callable[[Script], Provider]


class Heard:
    """Keeps the failures after which there was another attempt."""

    def __init__(self) -> None:
        self.failures: list[AttemptFailed] = []

    def on_event(self, event: Event) -> None:
        if isinstance(event, AttemptFailed):
            self.failures.append(event)


def planned(write: Script) -> Script:
    return lambda asked: Structured(PLAN) if asked.wanted is not None else write(asked)


def section_of(asked: Asked) -> int:
    text = "".join(said for _, said in asked.messages)
    return int(text.rpartition("Your section: ")[2].partition(".")[0])


def failing(times: int, reply: Reply, *, section: int) -> Script:
    """Return a script that writes, but gives `reply` to the first requests for one section."""
    return planned(lambda asked: reply if section_of(asked) == section and asked.repeats < times else Text("Fine."))


def calls(store: MemoryStore) -> dict[str, Fact]:
    """The last fact of each call, by address."""
    (info,) = run_blocking(store.runs())
    return {fact.address: fact for fact in run_blocking(store.read(info.run_id)) if fact.kind == "call"}


def test_all_wait_where_one_is_told_to_and_each_request_is_an_attempt_of_the_engine(serve: Serve, model: str) -> None:
    def write(asked: Asked) -> Reply:
        if asked.number <= 3:  # Two are under way together, of which one is refused.
            return Together(2, Refuse(429, "slow", {"retry-after": "0.3"}) if section_of(asked) == 1 else Text("Fine."))
        return Text("Fine.")

    provider, heard = serve(planned(write)), Heard()
    writer = ModelWriter(open_model(model))
    report = write_report("tides", writer, section_count=SECTIONS, max_concurrency=2, observers=[heard])
    assert len(report.sections) == SECTIONS
    assert len(provider.asked) == 1 + SECTIONS + 1
    at = [asked.at for asked in provider.asked]
    # One may begin when the other's answer is there and the refusal is still on its way; alone, all would.
    assert len([each for each in at[3:] if each - max(at[1:3]) < 0.3]) <= 1
    (failure,) = heard.failures
    assert (failure.call.target.name, failure.call.item) == ("write_section", 0)
    assert isinstance(failure.error, ModelError)
    assert (failure.error.status, failure.error.passing, failure.error.retry_after) == (429, True, 0.3)
    assert failure.error.reason.endswith(" limits how much may be asked (429: slow)")


def test_after_a_refusal_fewer_are_asked_at_once(serve: Serve, model: str) -> None:
    def write(asked: Asked) -> Reply:
        if asked.number <= 5:
            refuses = section_of(asked) == 1
            return Together(4, Refuse(429, "slow", {"retry-after": "0.1"}) if refuses else Text("Fine."))
        return Together(2, Text("Fine."))

    provider, chat = serve(planned(write)), open_model(model)
    assert chat.limit is not None
    chat.limit.update(max_concurrency=4)
    report = write_report("tides", ModelWriter(chat), section_count=SECTIONS)
    assert len(report.sections) == SECTIONS
    assert len(provider.asked) == 1 + SECTIONS + 1


def test_a_provider_that_fails_twice_is_asked_a_third_time(serve: Serve, model: str) -> None:
    provider, store = serve(failing(2, Refuse(500, "oh", SOON), section=2)), MemoryStore()
    writer = ModelWriter(open_model(model))
    write_report("tides", writer, section_count=SECTIONS, store=store)
    assert len(provider.asked) == 1 + SECTIONS + 2
    attempts = {address: fact.attempts for address, fact in calls(store).items()}
    assert [attempts.pop(address) for address in list(attempts) if "[1]" in address] == [3]
    assert set(attempts.values()) == {1}


def test_planning_is_tried_again_too(serve: Serve, model: str) -> None:
    def answer(asked: Asked) -> Reply:
        return Refuse(529, "busy", SOON) if asked.number <= 2 else planned(lambda _: Text("Fine."))(asked)

    provider = serve(answer)
    report = write_report("tides", ModelWriter(open_model(model)), section_count=SECTIONS)
    assert (len(report.sections), len(provider.asked)) == (SECTIONS, 3 + SECTIONS)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503, 529])
def test_what_may_pass_is_asked_four_times_in_all(serve: Serve, model: str, status: int) -> None:
    provider = serve(failing(99, Refuse(status, "not now", SOON), section=3))
    report = write_report("tides", ModelWriter(open_model(model)), section_count=SECTIONS)
    assert [gap.title for gap in report.gaps] == ["Part 3"]
    assert len(provider.asked) == 1 + SECTIONS - 1 + 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_what_stays_is_asked_once(serve: Serve, model: str, status: int) -> None:
    provider = serve(failing(99, Refuse(status, "never", SOON), section=3))
    report = write_report("tides", ModelWriter(open_model(model)), section_count=SECTIONS)
    assert [gap.title for gap in report.gaps] == ["Part 3"]
    assert len(provider.asked) == 1 + SECTIONS


@pytest.mark.parametrize("advice", ["true", "false"])
def test_a_provider_that_says_whether_to_ask_again_is_believed(serve: Serve, model: str, advice: str) -> None:
    status = 409 if advice == "true" else 503
    refusal = Refuse(status, "so", {**SOON, "x-should-retry": advice})
    provider = serve(failing(1, refusal, section=3))
    report = write_report("tides", ModelWriter(open_model(model)), section_count=SECTIONS)
    assert len(report.gaps) == (0 if advice == "true" else 1)
    assert len(provider.asked) == 1 + SECTIONS + (1 if advice == "true" else 0)


def test_a_connection_that_breaks_before_the_first_word_is_tried_again(serve: Serve, model: str) -> None:
    provider = serve(failing(1, Cut(), section=1))
    report = write_report("tides", ModelWriter(open_model(model)), section_count=SECTIONS)
    assert (len(report.sections), len(provider.asked)) == (SECTIONS, 1 + SECTIONS + 1)


def test_a_silent_provider_is_asked_three_times(serve: Serve, model: str) -> None:
    provider = serve(failing(99, Hang(), section=1))
    report = write_report("tides", ModelWriter(open_model(model, timeout=0.2)), section_count=SECTIONS)
    assert "gave no sign of life for 0.2 s" in report.gaps[0].reason
    assert len(provider.asked) == 1 + SECTIONS - 1 + 3


@pytest.mark.parametrize("header", ["number", "date"])
def test_nobody_waits_for_a_provider_that_wants_to_be_left_alone_for_long(
    serve: Serve, model: str, header: str
) -> None:
    later = "1200" if header == "number" else formatdate(time.time() + 1200, usegmt=True)
    provider = serve(failing(99, Refuse(429, "used up", {"retry-after": later}), section=1))
    writer = ModelWriter(open_model(model))
    report = write_report("tides", writer, section_count=SECTIONS, max_concurrency=1)
    assert len(report.sections) == SECTIONS - 1
    assert "(429: used up), and wants to be left alone for 20 minutes. Try again then." in report.gaps[0].reason
    assert len(provider.asked) == 1 + SECTIONS


def test_a_second_attempt_goes_on_where_the_first_one_failed(serve: Serve, model: str) -> None:
    def write(asked: Asked) -> Reply:
        if section_of(asked) != 1:
            return Text("Fine.")
        if "cut off" not in asked.text:
            return Text("The sea rises. It fal", stop="length")
        return Refuse(503, "busy", SOON) if asked.repeats < 2 else Text("falls.")

    provider = serve(planned(write))
    report = write_report("tides", ModelWriter(open_model(model)), section_count=SECTIONS)
    assert report.sections[0].body == ("The sea rises. It falls.",)
    assert report.sections[0].complete
    assert len(provider.asked) == 1 + SECTIONS + 3


def test_what_is_written_is_kept_when_the_last_attempt_fails_too(serve: Serve, model: str) -> None:
    def write(asked: Asked) -> Reply:
        if section_of(asked) != 1:
            return Text("Fine.")
        return Refuse(503, "busy", SOON) if "cut off" in asked.text else Text("The sea rises. It fal", stop="length")

    provider = serve(planned(write))
    report = write_report("tides", ModelWriter(open_model(model)), section_count=SECTIONS)
    assert (report.sections[0].body, report.sections[0].complete) == (("The sea rises.",), False)
    assert len(provider.asked) == 1 + SECTIONS + 4


def test_a_stream_that_breaks_is_gone_on_with_at_once(serve: Serve, model: str) -> None:
    def write(asked: Asked) -> Reply:
        if section_of(asked) != 1:
            return Text("Fine.")
        return Text("falls.") if "cut off" in asked.text else Cut("The sea rises. It fal")

    provider, heard = serve(planned(write)), Heard()
    report = write_report("tides", ModelWriter(open_model(model)), section_count=SECTIONS, observers=[heard])
    assert report.sections[0].body == ("The sea rises. It falls.",)
    assert (len(provider.asked), heard.failures) == (1 + SECTIONS + 1, [])


def test_an_overloaded_provider_that_says_so_in_mid_stream_is_asked_again(serve: Serve) -> None:
    def write(asked: Asked) -> Reply:
        return Refuse(529, "busy", after=" ") if asked.repeats == 0 and section_of(asked) == 1 else Text("Fine.")

    provider = serve(planned(write))
    report = write_report("tides", ModelWriter(open_model(MODELS[0])), section_count=SECTIONS)
    assert (len(report.sections), len(provider.asked)) == (SECTIONS, 1 + SECTIONS + 1)


def test_each_call_says_what_it_used_attempts_that_failed_included(serve: Serve, model: str) -> None:
    def write(asked: Asked) -> Reply:
        if section_of(asked) == 1 and "cut off" not in asked.text:
            return Text("The sea rises. It fal", stop="length")
        return Refuse(503, "busy", SOON) if section_of(asked) == 1 and asked.repeats < 2 else Text("falls.")

    serve(planned(write))
    store, writer = MemoryStore(), ModelWriter(open_model(model))
    write_report("tides", writer, section_count=SECTIONS, store=store)
    used = [fact.usage for fact in calls(store).values() if fact.usage is not None]
    assert sorted((one.input_tokens, one.output_tokens) for one in used) == [(11, 7)] * SECTIONS + [(22, 14)]
    answers = SECTIONS + 2
    assert writer.usage == Usage(requests=answers, input_tokens=11 * answers, output_tokens=7 * answers)


@pytest.mark.parametrize("first", [Structured(PLAN, stop="length"), Text("No idea.")])
def test_an_answer_that_is_of_no_use_was_used_all_the_same(serve: Serve, model: str, first: Reply) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.number == 1:
            return first
        return Text(json.dumps(PLAN)) if asked.number == 2 else Text("I cannot help.", stop="refusal")

    provider, store, writer = serve(answer), MemoryStore(), ModelWriter(open_model(model))
    with pytest.raises(NothingWrittenError):
        write_report("tides", writer, section_count=SECTIONS, store=store)
    used = {fact.address: fact.usage for fact in calls(store).values() if fact.usage is not None}
    planning = used.pop("report_generator/orchestrator")
    assert (planning.input_tokens, planning.output_tokens) == (22, 14)
    assert len(used) == SECTIONS
    assert writer.usage.input_tokens == 11 * len(provider.asked) == 11 * (2 + SECTIONS)


def test_a_spent_budget_stops_a_report_and_a_larger_one_writes_the_rest(serve: Serve, model: str) -> None:
    provider, store = serve(planned(lambda _: Text("Fine."))), MemoryStore()
    writer = ModelWriter(open_model(model))

    def write(tokens: int) -> int:
        report = write_report(
            "tides", writer, section_count=SECTIONS, max_concurrency=1, budget=Budget(max_tokens=tokens), store=store,
            run_id="mine",
        )  # fmt: skip
        return len(report.sections)

    with pytest.raises(BudgetSpentError, match="larger budget"):
        write(3 * 18)
    assert len(provider.asked) == 3
    assert run_blocking(store.runs())[0].status == "stopped"
    assert write(1000) == SECTIONS
    assert len(provider.asked) == 1 + SECTIONS


@pytest.mark.parametrize("kept", [True, False])
def test_a_budget_that_the_last_section_spends_costs_no_report(serve: Serve, model: str, kept: bool) -> None:
    provider = serve(planned(lambda _: Text("Fine.")))
    store = MemoryStore() if kept else None
    budget = Budget(max_tokens=18 * (1 + SECTIONS))
    report = write_report("tides", ModelWriter(open_model(model)), section_count=SECTIONS, budget=budget, store=store)
    assert (len(report.sections), len(provider.asked)) == (SECTIONS, 1 + SECTIONS)


def test_a_budget_that_the_plan_spends_lets_no_section_begin(serve: Serve, model: str) -> None:
    provider, store = serve(planned(lambda _: Text("Fine."))), MemoryStore()
    with pytest.raises(BudgetSpentError):
        write_report("tides", ModelWriter(open_model(model)), section_count=1, budget=Budget(max_tokens=1), store=store)
    assert len(provider.asked) == 1


def test_a_spent_budget_lets_a_section_that_failed_be_a_gap_no_more(serve: Serve, model: str) -> None:
    provider, store = serve(failing(1, Refuse(400, "no"), section=2)), MemoryStore()
    writer = ModelWriter(open_model(model))
    budget = Budget(max_tokens=18 * SECTIONS)
    with pytest.raises(BudgetSpentError):
        write_report("tides", writer, section_count=SECTIONS, budget=budget, store=store, run_id="mine")
    report = write_report("tides", writer, section_count=SECTIONS, store=store, run_id="mine")
    assert (report.gaps, len(provider.asked)) == ((), 1 + SECTIONS + 1)


def test_a_report_with_gaps_is_resumed_with_as_many_requests_as_there_are_gaps(serve: Serve, model: str) -> None:
    refused = {2, 4}
    provider = serve(planned(lambda asked: Refuse(400, "no") if section_of(asked) in refused else Text("Fine.")))
    store = MemoryStore()
    graph = report_generator(ModelWriter(open_model(model)))
    runner = SyncRunner(store=store)
    first = runner.run(graph, topic="tides", section_count=SECTIONS, run_id="mine")
    assert len(report_of(first).gaps) == 2
    refused.clear()
    before = len(provider.asked)
    second = report_of(runner.resume("mine", graph, failed="retry"))
    assert (second.gaps, len(provider.asked) - before) == ((), 2)
    assert "missing" not in second.text


def test_a_chat_may_be_asked_outside_of_a_workflow(serve: Serve, model: str) -> None:
    provider = serve(planned(lambda _: Text("Fine.")))
    chat = open_model(model)

    async def ask() -> str:
        return (await chat.ask([("human", "Your section: 1.")])).text

    assert run_blocking(ask()) == "Fine."
    assert (chat.usage.requests, len(provider.asked)) == (1, 1)


def test_all_chats_with_a_model_have_one_limit(serve: Serve, model: str) -> None:
    serve(planned(lambda _: Text("Fine.")))
    one, other = open_model(model), open_model(model)
    assert one.limit == other.limit == Limit(model, max_concurrency=8)


def test_a_chat_of_a_model_of_ones_own_has_the_limit_that_it_is_given() -> None:
    limit = Limit("my own", max_concurrency=3)
    assert ModelWriter(Chat(FakeListChatModel(responses=[]), limit=limit)).limit == limit
    assert ModelWriter(Chat(FakeListChatModel(responses=[]))).limit is None


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5", "retry-after-ms": "20"}, 0.02),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30", "date": "Wed, 21 Oct 2015 07:28:00"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT"}, 0.0),
    ],
)
def test_a_wait_is_read_in_all_its_forms(headers: dict[str, str], wait: float | None) -> None:
    assert told_wait(headers) == wait


def test_attempts_are_waited_for_in_growing_steps(serve: Serve) -> None:
    provider = serve(failing(2, Refuse(500, "oh"), section=1))
    write_report("tides", ModelWriter(open_model(MODELS[1])), section_count=1)
    times = [asked.at for asked in provider.asked if asked.wanted is None]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits[0] >= 0.25
    assert waits[1] >= 0.5
    assert sum(waits) < 3
