"""Results: what a run came to, and a batch of them."""

import pytest

from piecework import Failure, MapResult, RunResult, UnknownOutputError
from piecework.core.outcome import Paused, Question
from piecework.dataflow.results import paused_result


def result(**values: object) -> RunResult:
    return RunResult(run_id="r1", status="completed", values=values, inputs={"topic": "tea", "both": "in"})


def test_a_result_answers_its_outputs_and_then_its_inputs() -> None:
    made = result(report="text", both="out")
    assert made["report"] == "text"
    assert made["topic"] == "tea"
    assert made["both"] == "out"


def test_only_outputs_are_in_a_result() -> None:
    made = result(report=None)
    assert "report" in made
    assert "topic" not in made
    assert 5 not in made
    assert made.get("report", "default") is None
    assert made.get("topic", "default") == "default"
    assert made.get("topic") is None
    assert dict(made.values) == {"report": None}


def test_an_unknown_name_is_refused_and_the_near_miss_named() -> None:
    with pytest.raises(UnknownOutputError, match="Did you mean 'report'") as caught:
        result(report=1)["raport"]
    assert caught.value.names == ("raport",)
    assert caught.value.suggestions == {"raport": "report"}
    with pytest.raises(KeyError):
        result()["zzz"]


def test_a_failed_result_says_so_where_a_value_is_asked_for() -> None:
    failed = RunResult(run_id="r", status="failed", values={}, inputs={}, error=LookupError("gone"))
    with pytest.raises(UnknownOutputError, match="gone"):
        failed["report"]
    assert "failed" in repr(failed)
    assert "gone" in repr(failed)


def test_the_repr_is_short_and_tells_status_and_outputs() -> None:
    text = repr(result(report="x" * 1000, other=5))
    assert "completed" in text
    assert "other=5" in text
    assert len(text) < 200
    assert "no outputs" in repr(result())
    asked = RunResult(run_id="r", status="paused", values={}, inputs={}, interrupts=(Question("1", "who?"),))
    assert "interrupts=1" in repr(asked)


def stopped(why: str = "budget") -> RunResult:
    return paused_result("r1", Paused((), stopped=why), {"topic": "tea"})


def test_a_stopped_result_says_why_and_how_to_go_on_where_a_value_is_asked_for() -> None:
    made = stopped()
    assert (made.status, made.stopped, made.interrupts) == ("stopped", "budget", ())
    assert made["topic"] == "tea"
    assert made.get("report") is None
    with pytest.raises(UnknownOutputError) as caught:
        made["report"]
    assert "The run was stopped since its budget is spent. Go on with resume('r1'), or" in str(caught.value)
    assert "on a runner that has a larger budget; without a store, start it again with a larger" in str(caught.value)
    assert "<RunResult stopped: no outputs>" in repr(made)


def test_a_result_stopped_for_another_reason_tells_that() -> None:
    with pytest.raises(UnknownOutputError, match=r"stopped \(tide\)\..* on a runner; without a store, start it again"):
        stopped("tide")["report"]


def test_a_result_that_waits_for_answers_is_not_stopped() -> None:
    made = paused_result("r1", Paused((Question("q", "who?"),)), {})
    assert (made.status, made.stopped, made.interrupts) == ("paused", "", (Question("q", "who?"),))
    both = paused_result("r1", Paused((Question("q", "who?"),), stopped="budget"), {})
    assert (both.status, both.stopped, both.interrupts) == ("stopped", "budget", (Question("q", "who?"),))


def test_a_stopped_batch_says_so() -> None:
    made = MapResult(run_id="r", results=(result(report=1), stopped()), outputs=("report",), stopped="budget")
    assert made["report"] == [1, None]
    assert repr(made) == "<MapResult of 2 runs, stopped by budget: report>"


def batch() -> MapResult:
    failed = RunResult(run_id="r", status="failed", values={}, inputs={"topic": "milk"}, error=LookupError("gone"))
    results = (result(report=1, both=1), failed, result(both=2))
    return MapResult(run_id="r", results=results, outputs=("report", "both"))


def test_a_batch_is_a_sequence_of_results() -> None:
    made = batch()
    assert len(made) == 3
    assert made[0]["report"] == 1
    assert [one.status for one in made] == ["completed", "failed", "completed"]
    part = made[1:]
    assert isinstance(part, MapResult)
    assert len(part) == 2
    assert part.run_id == "r"
    with pytest.raises(IndexError):
        made[3]


def test_a_batch_answers_an_output_of_all_its_runs() -> None:
    first, failure, none = batch()["report"]
    assert first == 1
    assert isinstance(failure, Failure)
    assert (failure.index, failure) == (1, failure)
    assert none is None


def test_a_batch_answers_an_input_of_all_its_runs() -> None:
    assert batch()["topic"] == ["tea", "milk", "tea"]


def test_an_output_that_a_batch_does_not_have_is_refused() -> None:
    with pytest.raises(UnknownOutputError):
        batch()["raport"]


def test_an_empty_batch_answers_every_output_with_an_empty_list() -> None:
    assert MapResult(run_id="r", results=(), outputs=("report",))["report"] == []


def test_the_repr_of_a_batch_counts_its_failures() -> None:
    assert "3 runs, 1 failed" in repr(batch())
    assert "failed" not in repr(batch()[:1])
