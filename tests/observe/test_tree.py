"""The tree of a run, out of facts made by hand."""

from collections.abc import Mapping, Sequence

import pytest

from piecework.core.codec import Codec
from piecework.core.fact import Fact, Status
from piecework.core.recorded import Recorded
from piecework.core.runs import RunStart
from piecework.observe.tree import Place, node_path, read_tree

END = Fact("end", "")


def call(address: str, status: Status = "done", attempts: int = 1) -> Fact:
    return Fact("call", address, status, attempts=attempts)


def planned(address: str, size: int | None) -> Fact:
    return Fact("plan", address, value=Codec().encode({"size": size, "calls": True, "shared": None}))


def tree(facts: Sequence[Fact], shape: Mapping[str, str] | None = None) -> Place:
    return read_tree(RunStart(run_id="x", name="w", shape=shape or {}), Recorded(facts))


def drawn(place: Place, depth: int = 0) -> list[str]:
    size = "" if place.kind != "fan-out" else f" of {place.size}"
    lines = [f"{'  ' * depth}{place.name} {place.kind}{size} {place.state}"]
    return lines + [line for inner in place.inner for line in drawn(inner, depth + 1)]


def test_nodes_stand_in_the_order_of_their_graph_also_those_that_wait() -> None:
    shape = {"first": "f ()", "second": "g ()", "third": "h ()"}
    assert drawn(tree([call("w/second"), call("w/first", "failed")], shape)) == [
        "w run failed",
        "  first call failed",
        "  second call done",
        "  third call waiting",
    ]


def test_what_a_completed_run_did_not_need_is_skipped() -> None:
    assert drawn(tree([call("w/a"), END], {"a": "f ()", "b": "g ()"})) == [
        "w run done",
        "  a call done",
        "  b call skipped",
    ]


def test_a_later_fact_of_a_call_replaces_one_that_failed() -> None:
    found = tree([call("w/a", "failed"), call("w/a", attempts=2)])
    assert found.inner[0].state == "done"
    assert found.inner[0].fact is not None
    assert found.inner[0].fact.attempts == 2


def test_items_of_a_function_are_counted_in_the_order_of_their_numbers() -> None:
    facts = [planned("w/write", 60), call("w/write[10]"), call("w/write[2]", "failed"), call("w/write[1]", "paused")]
    found = tree(facts, {"write": "f ()"})
    assert drawn(found)[1:] == [
        "  write fan-out of 60 failed",
        "    write[1] call paused",
        "    write[2] call failed",
        "    write[10] call done",
    ]
    assert +found.inner[0].counts == {"done": 1, "failed": 1, "paused": 1, "waiting": 57}


def test_a_graph_of_one_node_is_left_out_between_an_item_and_its_call() -> None:
    found = tree([planned("w/writer", 2), call("w/writer[0]/write"), call("w/writer[1]/write")], {"writer": "write ()"})
    assert drawn(found) == [
        "w run done",
        "  writer fan-out of 2 done",
        "    writer[0]/write call done",
        "    writer[1]/write call done",
    ]
    assert found.inner[0].inner[1].address == "w/writer[1]/write"


def test_a_graph_of_one_node_stands_where_its_node_is_in_the_order() -> None:
    shape = {"cut": "f ()", "writer/write": "g ()", "join": "h ()"}
    found = tree([call("w/join"), planned("w/writer", 1), call("w/writer[0]/write"), call("w/cut")], shape)
    assert [(place.name, place.kind, place.tail) for place in found.inner] == [
        ("cut", "call", ""),
        ("writer", "fan-out", "write"),
        ("join", "call", ""),
    ]


def test_nested_graphs_say_what_of_them_is_left() -> None:
    shape = {"outer": "graph ()", "outer/inner": "graph ()", "outer/inner/a": "f ()", "outer/inner/b": "g ()"}
    found = tree([planned("w/outer/inner", 2), call("w/outer/inner[0]/a"), call("w/outer/inner[0]/b"),
                  call("w/outer/inner[1]/a")], shape)  # fmt: skip
    assert drawn(found) == [
        "w run begun",
        "  outer graph begun",
        "    inner fan-out of 2 begun",
        "      inner[0] graph done",
        "        a call done",
        "        b call done",
        "      inner[1] graph begun",
        "        a call done",
        "        b call waiting",
    ]


def test_a_fan_out_inside_an_item_of_a_fan_out() -> None:
    shape = {"a": "graph ()", "a/b": "f ()", "a/c": "g ()"}
    facts = [planned("w/a", 1), planned("w/a[0]/b", 2), call("w/a[0]/b[1]"), call("w/a[0]/b[0]"), call("w/a[0]/c")]
    assert drawn(tree(facts, shape)) == [
        "w run done",
        "  a fan-out of 1 done",
        "    a[0] graph done",
        "      b fan-out of 2 done",
        "        b[0] call done",
        "        b[1] call done",
        "      c call done",
    ]


def test_items_of_a_fan_out_may_have_the_same_after_their_keys() -> None:
    found = tree([call("w/a[0]/b"), call("w/a[1]/b"), call("w/c[0]"), call("w/d[0]/e"), call("w/d[1]/f")])
    assert [place.tail for place in found.inner] == ["b", "", ""]


def test_keys_that_are_text_stay_in_the_order_in_which_they_came() -> None:
    found = tree([call("w/write[zebra]"), call("w/write[%2F ant]"), call("w/write[3]")])
    assert [item.name for item in found.inner[0].inner] == ["write[3]", "write[zebra]", "write[%2F ant]"]


def test_children_stand_below_the_call_that_started_them() -> None:
    assert drawn(tree([call("w/a/load"), call("w/a/ask[0]"), call("w/a/ask[1]"), call("w/a")], {"a": "f ()"})) == [
        "w run done",
        "  a call done",
        "    load call done",
        "    ask fan-out of None begun",
        "      ask[0] call done",
        "      ask[1] call done",
    ]


def test_rounds_of_a_cycle_are_calls_of_their_own() -> None:
    facts = [call("w/draft@1"), call("w/judge@1"), call("w/draft@2", "failed")]
    assert drawn(tree(facts, {"draft": "f ()", "judge": "g ()"})) == [
        "w run failed",
        "  draft@1 call done",
        "  draft@2 call failed",
        "  judge@1 call done",
    ]


def test_items_of_a_round_are_apart_from_those_of_another() -> None:
    found = tree([call("w/a[0]@1"), call("w/a[1]@1"), call("w/a[0]@2")])
    assert [(place.name, len(place.inner)) for place in found.inner] == [("a@1", 2), ("a@2", 1)]


def test_a_source_of_unknown_size_has_as_many_items_as_were_pulled() -> None:
    facts = [planned("w/a", None), Fact("plan", "w/a[0:]", value=b"x" * 48), call("w/a[0]")]
    assert tree(facts).inner[0].size == 3


def test_kept_failures_are_none_of_the_graph_around_them() -> None:
    facts = [planned("w/g/a", 1), call("w/g/a[0]", "failed"), call("w/g/b"), END]
    shape = {"g": "graph ()", "g/a": "f ()", "g/b": "g ()"}
    assert drawn(tree(facts, shape))[1:3] == ["  g graph done", "    a fan-out of 1 failed"]


def test_a_run_of_which_nothing_is_recorded_waits() -> None:
    assert drawn(tree([], {"a": "f ()"})) == ["w run waiting", "  a call waiting"]
    assert drawn(tree([])) == ["w run begun"]


def test_a_walk_goes_from_outside_in() -> None:
    found = tree([call("w/a[0]/b"), call("w/c")])
    assert [place.address for place in found.walk()] == ["w", "w/a", "w/a[0]/b", "w/c"]


@pytest.mark.parametrize(
    ("address", "path"),
    [("w/a/b[3]/c", "a/b/c"), ("w", ""), ("w/a[x y]@2/b@11", "a/b"), ("batch/g[0]/a", "g/a")],
)
def test_a_node_path_is_an_address_without_its_items_and_rounds(address: str, path: str) -> None:
    assert node_path(address) == path
