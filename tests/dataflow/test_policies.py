"""What is said of calls at nodes and mappings: what is refused, what is kept, and what it compiles to."""

import asyncio
import copy
import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework import (
    Graph,
    Limit,
    LimitConflictError,
    MappingError,
    MemoryStore,
    NodeDefinitionError,
    RateLimit,
    node,
)
from piecework.core.call import Target
from piecework.core.policy import CachePolicy, CallPolicy, RetryPolicy, TimeoutPolicy
from piecework.core.quota import Share
from piecework.dataflow import Node
from piecework.dataflow.blueprint import Blueprint, all_calls, blueprint, compile_node
from piecework.dataflow.node import FunctionNode
from piecework.dataflow.policies import merged


class Bound:
    """A limit that is never asked."""

    @property
    def free(self) -> int:
        raise NotImplementedError

    def when_free(self, loop: asyncio.AbstractEventLoop, watcher: Callable[[], None]) -> None:
        raise NotImplementedError

    def share(self, loop: asyncio.AbstractEventLoop, arguments: Mapping[str, object]) -> Share:
        raise NotImplementedError


ONCE, TWICE = RetryPolicy(max_attempts=1), RetryPolicy(max_attempts=2)
HOUR = CachePolicy(ttl=3600)
MODEL, DISK = Bound(), Bound()

ALL: dict[str, Any] = {"retry": TWICE, "timeout": 5, "cache": HOUR, "limits": MODEL, "max_concurrency": 3}
ALL_AS_POLICY = CallPolicy(
    retry=(TWICE,), timeout=TimeoutPolicy(run_timeout=5), cache=HOUR, limits=(MODEL,), max_concurrency=3
)


def work(x: int, y: int = 0) -> int:
    return x + y


@node(output_name="out", retry=TWICE, timeout=2.5, cache=HOUR, max_concurrency=3)
def declared(x: int) -> int:
    return x


def instead(x: int, error: Exception) -> int:
    return x


plain = node(work, output_name="out")
full = node(work, output_name="out", **ALL, error_handler=instead)


def target(made: Node, around: CallPolicy | None = None) -> Target:
    body = compile_node(made, around).body
    assert isinstance(body, Target)
    return body


def inside(graph: Blueprint, *path: str) -> Target:
    """The target of a node, by its way through graphs."""
    for name in path:
        body = next(step.body for step in graph.steps if step.name == name)
        if isinstance(body, Target):
            return body
        graph = body
    raise AssertionError(path)


# What may be said, and how it is kept.


def test_a_node_of_which_nothing_is_said_has_no_policy() -> None:
    assert plain.policy is None
    assert node(work, output_name="out", retry=None, timeout=None, limits=None).policy is None


def test_what_is_said_is_the_nodes_policy() -> None:
    assert full.policy == ALL_AS_POLICY
    assert declared.policy == CallPolicy(
        retry=(TWICE,), timeout=TimeoutPolicy(run_timeout=2.5), cache=HOUR, max_concurrency=3
    )


@pytest.mark.parametrize(
    ("option", "given", "kept"),
    [
        ("retry", (), ()),
        ("retry", TWICE, (TWICE,)),
        ("retry", [ONCE, TWICE], (ONCE, TWICE)),
        ("timeout", 1, TimeoutPolicy(run_timeout=1)),
        ("timeout", 0.5, TimeoutPolicy(run_timeout=0.5)),
        ("timeout", math.inf, TimeoutPolicy(run_timeout=math.inf)),
        ("timeout", timedelta(minutes=1), TimeoutPolicy(run_timeout=timedelta(minutes=1))),
        ("timeout", TimeoutPolicy(idle_timeout=1), TimeoutPolicy(idle_timeout=1)),
        ("cache", CachePolicy(), CachePolicy()),
        ("limits", MODEL, (MODEL,)),
        ("limits", [MODEL, DISK], (MODEL, DISK)),
        ("limits", (), ()),
        ("max_concurrency", 1, 1),
    ],
)
def test_each_option_may_be_said_in_these_ways(option: str, given: object, kept: object) -> None:
    options: dict[str, Any] = {option: given}
    assert getattr(node(work, output_name="out", **options).policy, option) == kept
    assert getattr(plain.with_policy(**options).policy, option) == kept
    if option != "max_concurrency":
        mapping = plain.map_over("x", **options).mapping
        assert mapping is not None
        assert getattr(mapping.policy, option) == kept


WRONG: list[tuple[str, object, str]] = [
    ("retry", 3, "retry=3 is no RetryPolicy. For 3 attempts in all write retry=RetryPolicy(max_attempts=3)."),
    ("retry", True, "retry=True is no RetryPolicy. Write retry=RetryPolicy(),"),
    ("retry", False, "retry=False is no RetryPolicy. Write retry=() to never try again."),
    ("retry", 0, "retry=0 is no RetryPolicy. Write retry=RetryPolicy(), several of them in a list, or () to never"),
    ("retry", OSError, "is no RetryPolicy. Write retry=RetryPolicy(retry_on=OSError)."),
    ("retry", RetryPolicy, "is no RetryPolicy. Write retry=RetryPolicy(),"),
    ("retry", "often", "retry='often' is no RetryPolicy."),
    ("retry", [ONCE, 3], "is no RetryPolicy."),
    ("timeout", 0, "timeout=0 must be above 0 seconds."),
    ("timeout", -1.5, "timeout=-1.5 must be above 0 seconds."),
    ("timeout", math.nan, "timeout=nan must be above 0 seconds."),
    ("timeout", timedelta(0), "timeout=datetime.timedelta(0) must be above 0 seconds."),
    ("timeout", True, "timeout=True is no time. Give seconds, or a timedelta."),
    ("timeout", "5s", "timeout='5s' is no time. Give seconds, or a timedelta. For one that also counts signs of life"),
    ("cache", True, "cache=True is no CachePolicy. Write cache=CachePolicy()."),
    ("cache", CachePolicy, "is no CachePolicy. Write cache=CachePolicy()."),
    ("cache", False, "cache=False is no CachePolicy. Leave it out"),
    ("cache", 3600, "cache=3600 is no CachePolicy. For a value that counts so many seconds write"),
    ("cache", MemoryStore(), "where values are kept is for the runner to say: AsyncRunner(cache=...)."),
    ("limits", 5, "limits=5 is no limit. Write limits=Limit('model', max_concurrency=5), a RateLimit,"),
    ("limits", True, "limits=True is no limit. Write limits=Limit('model', max_concurrency=10), a RateLimit,"),
    ("limits", "model", "limits='model' is no limit."),
    ("limits", Bound, "is no limit."),
    ("limits", [MODEL, 5], "is no limit."),
    ("max_concurrency", 0, "max_concurrency=0 must be at least 1, or None for no limit of its own."),
    ("max_concurrency", 2.5, "max_concurrency=2.5 must be a whole number, or None for no limit of its own."),
    ("max_concurrency", True, "max_concurrency=True must be a whole number"),
]


@pytest.mark.parametrize(("option", "given", "message"), WRONG)
def test_what_cannot_be_said_is_refused_and_told_what_to_write(option: str, given: object, message: str) -> None:
    options: dict[str, Any] = {option: given}
    ways: list[Callable[[], object]] = [
        lambda: node(work, output_name="out", **options),
        lambda: plain.with_policy(**options),
    ]
    for declare in ways:
        with pytest.raises(NodeDefinitionError) as caught:
            declare()
        assert message in str(caught.value)
        assert str(caught.value).startswith("node 'work': ")
        assert [fault.kind for fault in caught.value.faults] == [f"bad-{option.replace('_', '-')}"]
    if option != "max_concurrency":
        with pytest.raises(MappingError) as refused:
            plain.map_over("x", **options)
        assert message in str(refused.value)
        assert str(refused.value).startswith("node 'work': map_over(): ")


def test_all_that_is_wrong_is_told_at_once() -> None:
    several: dict[str, Any] = {"retry": 3, "timeout": 0, "error_handler": 5}
    with pytest.raises(NodeDefinitionError) as caught:
        node(work, output_name="not a name", **several)
    assert [fault.kind for fault in caught.value.faults] == [
        "bad-output",
        "bad-retry",
        "bad-timeout",
        "bad-error-handler",
    ]
    with pytest.raises(NodeDefinitionError) as caught:
        plain.with_policy(**several)
    assert len(caught.value.faults) == 3
    with pytest.raises(MappingError, match="3 faults"):
        plain.map_over("x", **several)


def test_a_fault_of_the_function_alone_is_told_as_before() -> None:
    with pytest.raises(NodeDefinitionError) as caught:
        node(work, output_name="not a name", retry=TWICE)
    assert [fault.kind for fault in caught.value.faults] == ["bad-output"]


# Copies.


def test_with_policy_changes_what_is_given_and_leaves_the_rest() -> None:
    changed = full.with_policy(retry=(), timeout=None)
    assert changed.policy == CallPolicy(retry=(), cache=HOUR, limits=(MODEL,), max_concurrency=3)
    assert changed.handler == full.handler
    assert full.policy == ALL_AS_POLICY
    assert type(changed) is FunctionNode
    assert changed.with_policy(error_handler=None).handler is None
    assert full.with_policy().policy == full.policy


def test_with_policy_can_take_all_away() -> None:
    none: dict[str, Any] = dict.fromkeys(ALL)
    assert full.with_policy(**none).policy is None


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made.with_name("other"),
        lambda made: made.with_inputs(x="z"),
        lambda made: made.with_outputs(out="z"),
        lambda made: made.map_over("x"),
        copy.copy,
        copy.deepcopy,
    ],
)
def test_policies_are_kept_in_every_copy(change: Callable[[Node], Node]) -> None:
    made = node(work, output_name="out", retry=TWICE, timeout=5, error_handler=instead)
    copied = change(made)
    assert isinstance(copied, FunctionNode)
    assert copied.policy == made.policy
    assert copied.handler == made.handler


def test_policies_survive_pickling() -> None:
    mapped = declared.map_over("x", retry=(), error_handler=instead)
    for original in (declared, declared.with_policy(error_handler=instead), mapped):
        restored = pickle.loads(pickle.dumps(original))  # noqa: S301 - our own bytes
        assert restored.policy == original.policy
        assert restored.handler == original.handler
        assert restored.mapping == original.mapping
    graph = Graph([Graph([declared], name="g").as_node().map_over("x", timeout=7)])
    restored = pickle.loads(pickle.dumps(graph))  # noqa: S301 - our own bytes
    assert inside(blueprint(restored), "g").policy == inside(blueprint(graph), "g").policy


def test_policies_of_one_node_are_no_other_nodes() -> None:
    assert plain.with_policy(retry=TWICE).policy is not None
    assert plain.policy is None


def test_a_repr_tells_which_policies_there_are() -> None:
    assert repr(plain) == "<FunctionNode 'work': (x, y) -> out>"
    assert repr(full) == (
        "<FunctionNode 'work': (x, y) -> out with retry, timeout, cache, limits, max_concurrency=3, error_handler>"
    )
    assert repr(plain.map_over("x", retry=(), error_handler=instead)) == (
        "<FunctionNode 'work': (x, y) -> out, map_over x with retry=(), error_handler>"
    )
    graph = Graph([full], name="g").as_node().map_over("x", timeout=1)
    assert repr(graph) == "<GraphNode 'g': (x, y) -> out, map_over x with timeout>"


def test_a_graph_has_no_policies_and_says_where_to_put_them() -> None:
    graph = Graph([plain], name="g").as_node()
    with pytest.raises(NodeDefinitionError) as caught:
        graph.with_policy(retry=TWICE, timeout=5)
    assert str(caught.value).startswith("node 'g': it is a graph, which has no policies of its own.")
    assert "Write .with_policy(retry=..., timeout=...) after a node inside it." in str(caught.value)
    assert "in map_over(...) of the graph, or to the runner." in str(caught.value)


@pytest.mark.parametrize(
    ("first", "other", "advice"),
    [
        ({"requests_per_minute": 60}, {"requests_per_minute": 30}, "limit.update(requests_per_minute=30)."),
        ({"requests_per_minute": 60}, {"requests_per_minute": 60, "window": 1}, "declare it with the same window "),
        (
            {"requests_per_minute": 60, "window": 1, "floor": 0.5},
            {"requests_per_minute": 30},
            "declare it with the same requests_per_minute and window and floor wherever",
        ),
        (
            {"requests_per_minute": 60, "tokens_per_minute": 9},
            {"requests_per_minute": 60},
            "declare it with the same tokens_per_minute wherever it is named.",
        ),
    ],
)
def test_a_rate_of_two_minds_is_told_to_update_only_what_can_be(
    first: dict[str, Any], other: dict[str, Any], advice: str
) -> None:
    kept = RateLimit(f"of two minds: {advice}", **first)
    with pytest.raises(LimitConflictError) as caught:
        RateLimit(kept.name, **other)
    assert advice in str(caught.value)
    assert ("update(" in str(caught.value)) is ("update(" in advice)


def test_a_limit_of_two_minds_is_told_all_that_update_needs() -> None:
    kept = Limit("also of two minds", max_concurrency=8)
    with pytest.raises(LimitConflictError, match=r"limit\.update\(max_concurrency=8, min_concurrency=2\)"):
        Limit(kept.name, max_concurrency=8, min_concurrency=2)
    kept.update(max_concurrency=8, min_concurrency=2)
    assert Limit(kept.name, max_concurrency=8, min_concurrency=2) == kept


# What they compile to.


def test_a_call_of_which_nothing_is_said_stays_plain() -> None:
    made = target(plain)
    assert made.policy is None
    assert made.handler is None
    assert target(plain.map_over("x")).policy is None
    assert target(Graph([plain], name="g").as_node().map_over("x")).policy is None


def test_a_target_has_the_policy_of_its_node() -> None:
    assert target(full).policy == ALL_AS_POLICY
    assert target(full.map_over("x")).policy == ALL_AS_POLICY
    assert target(full.with_name("other").with_inputs(x="z")).policy == ALL_AS_POLICY


def test_what_the_mapping_of_a_function_says_counts_more_than_the_node() -> None:
    made = target(full.map_over("x", retry=(), timeout=1, max_concurrency=9))
    assert made.policy == CallPolicy(
        retry=(), timeout=TimeoutPolicy(run_timeout=1), cache=HOUR, limits=(MODEL,), max_concurrency=3
    )


def test_a_collapsed_graph_has_the_policy_of_its_function() -> None:
    graph = Graph([full], name="g")
    assert target(graph.as_node()).policy == ALL_AS_POLICY
    assert target(graph.as_node().map_over("x")).policy == ALL_AS_POLICY


def test_what_the_mapping_of_a_graph_says_counts_less_than_the_nodes_inside() -> None:
    after = node(work, output_name="end", name="after").with_inputs(x="out")
    one = Graph([declared], name="one").as_node()
    assert target(one.map_over("x", retry=ONCE, limits=MODEL)).policy == CallPolicy(
        retry=(TWICE,), timeout=TimeoutPolicy(run_timeout=2.5), cache=HOUR, max_concurrency=3, limits=(MODEL,)
    )
    two = Graph([declared, after], name="two").as_node().map_over("x", retry=ONCE, limits=MODEL)
    body = compile_node(two).body
    assert isinstance(body, Blueprint)
    assert inside(body, "after").policy == CallPolicy(retry=(ONCE,), limits=(MODEL,))
    assert inside(body, "declared").policy == target(one.map_over("x", retry=ONCE, limits=MODEL)).policy


def test_what_an_inner_mapping_says_counts_more_than_an_outer_one() -> None:
    second = node(work, output_name="end", name="second").with_inputs(x="out")
    inner = Graph([plain, second], name="inner").as_node().map_over("x", timeout=1)
    middle = Graph([inner, node(work, output_name="z", name="beside")], name="middle").as_node()
    outer = Graph([middle.map_over("x", timeout=2, retry=ONCE)])
    compiled = blueprint(outer)
    assert inside(compiled, "middle", "inner", "work").policy == CallPolicy(
        timeout=TimeoutPolicy(run_timeout=1), retry=(ONCE,)
    )
    assert inside(compiled, "middle", "beside").policy == CallPolicy(
        timeout=TimeoutPolicy(run_timeout=2), retry=(ONCE,)
    )
    assert inside(blueprint(Graph([middle])), "middle", "beside").policy is None


def test_a_function_mapped_inside_a_mapped_graph_takes_all_three() -> None:
    mapped = node(work, output_name="out", timeout=3, max_concurrency=3).map_over("x", timeout=2)
    graph = Graph([mapped, node(work, output_name="z", name="beside")], name="g")
    body = compile_node(graph.as_node().map_over("y", timeout=1, retry=ONCE)).body
    assert isinstance(body, Blueprint)
    assert inside(body, "work").policy == CallPolicy(
        timeout=TimeoutPolicy(run_timeout=2), retry=(ONCE,), max_concurrency=3
    )


def test_merged_is_none_where_nobody_says_anything() -> None:
    assert merged() is None
    assert merged(None, None) is None
    assert merged(None, ALL_AS_POLICY, None) == ALL_AS_POLICY


def test_a_graph_knows_what_of_it_is_to_be_cached() -> None:
    cached = node(work, output_name="a", name="cached", cache=HOUR)
    other = node(work, output_name="b", name="other")
    both = Graph([cached, other], name="both")
    one = Graph([node(work, output_name="c", name="only", cache=HOUR)], name="one")
    assert blueprint(both).cached == ("cached",)
    assert blueprint(Graph([both.as_node(), one.as_node()])).cached == ("both/cached", "one/only")
    mapped = Graph([both.as_node().map_over("x", cache=HOUR), other.map_over("x").with_outputs(b="bs")])
    assert blueprint(mapped).cached == ("both/cached", "both/other")
    assert blueprint(Graph([other.map_over("x", cache=HOUR)])).cached == ("other",)
    assert blueprint(Graph([other])).cached == ()
    assert all_calls(blueprint(Graph([both.as_node(), one.as_node()]))) == ("both/cached", "both/other", "one/only")


# Policies say nothing of what a workflow is.

retries = st.none() | st.just(()) | st.just(TWICE) | st.just([ONCE, TWICE])
said = st.fixed_dictionaries(
    {},
    optional={
        "retry": retries,
        "timeout": st.none() | st.floats(0.1, 10),
        "cache": st.none() | st.just(HOUR),
        "limits": st.none() | st.just(MODEL) | st.just([MODEL, DISK]),
        "error_handler": st.none() | st.just(instead),
    },
)
bounded = st.fixed_dictionaries({}, optional={"max_concurrency": st.none() | st.integers(1, 9)})


def nested(first: FunctionNode[..., Any], second: FunctionNode[..., Any], over: Mapping[str, Any]) -> Graph:
    """A node, a mapped one, a collapsed graph that is mapped, and a graph of two."""
    graph = Graph([first, second.with_name("second").with_inputs(x="out").with_outputs(out="end")], name="g")
    plain_over = {option: value for option, value in over.items() if option != "error_handler"}
    nodes: Sequence[Node] = [
        first,
        second.with_name("m").with_outputs(out="ms").map_over("x", **over),
        Graph([second], name="one").as_node().with_outputs(out="ones").map_over("x", **over),
        graph.as_node().with_outputs(out="gs", end="ends").with_inputs(x="many").map_over("many", **plain_over),
    ]
    return Graph([each.with_inputs(x=f"x{index}") if "x" in each.inputs else each for index, each in enumerate(nodes)])


@given(one=said, other=said, over=said, bound=bounded)
def test_policies_never_change_signature_or_shape(
    one: dict[str, Any], other: dict[str, Any], over: dict[str, Any], bound: dict[str, Any]
) -> None:
    first, second = node(work, output_name="out", **one, **bound), plain.with_policy(**other, **bound)
    for made in (first, second):
        assert made.signature == plain.signature
    bare, ruled = nested(plain, plain, {}), nested(first, second, over)
    assert blueprint(ruled).shape == blueprint(bare).shape
    assert (ruled.inputs.all, ruled.outputs) == (bare.inputs.all, bare.outputs)
    for with_policy, without in zip(ruled.nodes, bare.nodes, strict=True):
        assert (with_policy.name, with_policy.inputs, with_policy.outputs, with_policy.signature.mapped) == (
            without.name,
            without.inputs,
            without.outputs,
            without.signature.mapped,
        )


@given(one=said, over=said)
def test_a_target_with_a_handler_has_a_policy_too(one: dict[str, Any], over: dict[str, Any]) -> None:
    made = target(plain.with_policy(**one).map_over("x", **over))
    assert made.policy is not None or made.handler is None
