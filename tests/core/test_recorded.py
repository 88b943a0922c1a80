"""A log read back: what counts of the facts of one address, and which calls may go on after an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.core.call import place
from piecework.core.fact import Fact, Status
from piecework.core.journal import Count
from piecework.core.recorded import Recorded, node_path, places


def call(address: str, status: Status = "done", *, attempts: int = 1, given: bytes = b"") -> Fact:
    return Fact("call", address, status, b"", attempts, given=given)


def question(name: str) -> Fact:
    return Fact("question", name, "paused", b"")


def answer(name: str) -> Fact:
    return Fact("answer", name, value=b"")


@pytest.mark.parametrize("before", ["failed", "paused", "cancelled"])
def test_a_fact_that_is_not_final_is_replaced(before: Status) -> None:
    done = call("g/a", attempts=2)
    assert Recorded([call("g/a", before), done]).calls == {"g/a": done}


@pytest.mark.parametrize("after", ["done", "failed", "paused", "cancelled"])
def test_a_call_that_is_done_stays_done(after: Status) -> None:
    done = call("g/a")
    assert Recorded([done, call("g/a", after, attempts=2)]).calls["g/a"] is done


def test_a_call_that_was_given_something_else_later_counts_as_it_was_then() -> None:
    later = call("g/a", "failed", given=b"2")
    assert Recorded([call("g/a", given=b"1"), later]).calls["g/a"] is later


def test_an_end_counts_only_while_nothing_comes_after_it() -> None:
    end = Fact("end", "")
    assert Recorded([call("g/a"), end]).end is end
    assert Recorded([end, call("g/a")]).end is None
    assert Recorded([end, answer("g/a?1")]).end is None


def test_a_question_is_open_until_it_is_answered_or_its_call_goes_on() -> None:
    facts = [call("g/a", "paused"), question("g/a?1"), call("g/b", "paused"), question("g/b?1")]
    assert [fact.address for fact in Recorded(facts).open_questions()] == ["g/a?1", "g/b?1"]
    assert [fact.address for fact in Recorded([*facts, answer("g/a?1")]).open_questions()] == ["g/b?1"]
    assert [fact.address for fact in Recorded([*facts, call("g/a")]).open_questions()] == ["g/b?1"]


def test_an_answer_lets_every_call_around_its_question_go_on() -> None:
    facts = [call("g/a/b[0]", "paused"), question("g/a/b[0]?1"), call("g/a", "paused"), call("g/c", "paused")]
    recorded = Recorded([*facts, question("g/c?1"), answer("g/a/b[0]?1")])
    assert [recorded.asked_in(address) for address in ("g/a", "g/a/b[0]")] == [[], []]
    assert [fact.address for fact in recorded.asked_in("g/c")] == ["g/c?1"]


def test_a_call_that_asked_again_waits_again() -> None:
    first = [call("g/a", "paused"), question("g/a?1"), answer("g/a?1")]
    again = Recorded([*first, call("g/a", "paused"), question("g/a?2")])
    assert [fact.address for fact in again.asked_in("g/a")] == ["g/a?2"]


def test_nodes_are_forgotten_with_all_that_is_inside_of_them() -> None:
    facts = [call("g/a"), call("g/ab"), call("g/b[1]/c@2"), call("g/b[1]/d"), Fact("plan", "g/b", value=b"")]
    recorded = Recorded(facts)
    recorded.forget_below({"a", "b"})
    assert (list(recorded.calls), recorded.plans) == (["g/ab"], {})


@pytest.mark.parametrize(
    ("address", "path"),
    [("g/a", "a"), ("g/a[3]", "a"), ("g/a[x%2Fy]@2/b[0]", "a/b"), ("batch/g[17]/a", "g/a"), ("g", "")],
)
def test_an_address_belongs_to_a_node(address: str, path: str) -> None:
    assert node_path(address) == path


def test_the_places_around_an_address_are_told_outermost_first() -> None:
    assert list(places("g/a[1]/b")) == ["g", "g/a[1]", "g/a[1]/b"]


@given(st.text(), st.text())
def test_keys_are_told_apart_and_stay_within_their_segment(one: str, other: str) -> None:
    assert (place("g/a", one) == place("g/a", other)) == (one == other)
    assert node_path(f"{place('g/a', one, 2)}/b") == "a/b"
    place("g/a", one).encode()


@given(st.text(), st.integers())
def test_a_key_that_is_text_is_no_number(text: str, number: int) -> None:
    assert place("g/a", text) != place("g/a", number)


def test_progress_counts_each_call_once_however_often_it_ran() -> None:
    count = Count(sizes={"g/a": 3})
    assert count.take([call("g/a[0]"), call("g/a[1]", "failed")]) == count.take([])
    tally = count.take([call("g/a[1]", attempts=2), call("g/b")])
    assert (tally.done, tally.failed, tally.planned) == (3, 0, 4)
