"""Error handlers: what may be one, what it takes, and what it compiles to."""

import functools
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from piecework import Graph, MappingError, NodeDefinitionError, node
from piecework.core.call import Handler, Target
from piecework.core.policy import RetryPolicy
from piecework.dataflow import Node
from piecework.dataflow.annotations import annotated_types
from piecework.dataflow.blueprint import compile_node
from piecework.dataflow.handlers import ErrorHandler

GONE = LookupError("gone")


@node(output_name="content")
async def write(section: str, style: str = "plain") -> str:
    return section + style


def instead(section: str, error: Exception) -> str:
    return f"{section}: {error}"


async def async_instead(*, error: Exception) -> str:
    return str(error)


@node(output_name="content")
async def spare(style: str, error: Exception) -> str:
    return style


def target_of(made: Node) -> Target:
    body = compile_node(made).body
    assert isinstance(body, Target)
    return body


def handler_of(made: Node) -> Handler:
    handler = target_of(made).handler
    assert handler is not None
    return handler


def arguments(made: Node, **given: object) -> dict[str, object]:
    return dict(handler_of(made).arguments(given, GONE))


def test_a_handler_compiles_to_a_call_of_its_own() -> None:
    handled = handler_of(write.with_policy(error_handler=instead)).target
    assert (handled.name, handled.function, handled.kind) == ("write:handler", instead, "blocking")
    assert (handled.record, handled.effect, handled.policy, handled.handler) == (True, False, None, None)
    assert handler_of(write.with_policy(error_handler=async_instead)).target.kind == "async"


def test_the_handler_of_a_node_without_outputs_is_called_for_its_effect() -> None:
    @node(error_handler=async_instead)
    def notify(message: str) -> None: ...

    assert handler_of(notify).target.effect


def test_a_renamed_node_names_its_handler_after_itself() -> None:
    made = write.with_policy(error_handler=instead).with_name("draft").with_inputs(section="topic")
    assert handler_of(made).target.name == "draft:handler"
    assert arguments(made, section="tea", style="plain") == {"section": "tea", "error": GONE}


def test_a_handler_takes_what_it_names_and_the_exception() -> None:
    given: dict[str, object] = {"section": "tea", "style": "plain"}

    def nothing() -> str:
        return ""

    def everything(**all_of_it: object) -> str:
        return ""

    def optional(style: str = "x", other: str = "y") -> str:
        return ""

    def any_arguments(*args: object, **kwargs: object) -> str:
        return ""

    assert arguments(write.with_policy(error_handler=instead), **given) == {"section": "tea", "error": GONE}
    assert arguments(write.with_policy(error_handler=async_instead), **given) == {"error": GONE}
    assert arguments(write.with_policy(error_handler=nothing), **given) == {}
    assert arguments(write.with_policy(error_handler=everything), **given) == {**given, "error": GONE}
    assert arguments(write.with_policy(error_handler=any_arguments), **given) == {**given, "error": GONE}
    assert arguments(write.with_policy(error_handler=optional), **given) == {"style": "plain"}


def test_a_node_as_handler_stands_for_its_function() -> None:
    handled = handler_of(write.with_policy(error_handler=spare)).target
    assert (handled.function, handled.kind) == (spare.func, "async")
    made = node(write.func, output_name="content", error_handler=spare)
    assert handler_of(made).target.function is spare.func
    mapped = write.map_over("section", error_handler=spare.with_name("other"))
    assert handler_of(mapped).target.function is spare.func


def test_a_handler_may_be_a_partial_function_or_a_method() -> None:
    def filled(section: str, error: Exception, prefix: str) -> str:
        return prefix

    class Rescue:
        def __call__(self, section: str) -> str:
            return section

    assert arguments(write.with_policy(error_handler=functools.partial(filled, prefix="x")), section=1, style=2) == {
        "section": 1,
        "error": GONE,
    }
    assert arguments(write.with_policy(error_handler=Rescue()), section=1, style=2) == {"section": 1}


def _generator(error: Exception) -> Iterator[str]:
    yield ""


async def _async_generator(error: Exception) -> AsyncIterator[str]:
    yield ""


def _positional(section: str, /) -> str:
    return section


def _starred(*args: object) -> str:
    return ""


def _typo(sectoin: str) -> str:
    return sectoin


REFUSED: list[tuple[Any, str]] = [
    (5, "error_handler=5 is no function. Give one that takes what it needs of the node's inputs, and 'error' for the"),
    ("keep", "error_handler='keep' is no function. What a failed item does is said to map_over: on_error='keep'."),
    ([], "error_handler=[] is no function."),
    (Graph([write]), "is no function."),
    (_generator, "error_handler '_generator' is a generator. It must return what the node would have returned."),
    (_async_generator, "error_handler '_async_generator' is a generator."),
    (_positional, "takes 'section' by position only, but all is passed by name. Remove the '/'."),
    (_starred, "takes *args, but all is passed by name. Name what it takes, or write **args."),
    (_typo, "takes 'sectoin', which is no input of the node; it may take 'section', 'style', 'error'. Did you mean"),
    (dict, "the parameters of error_handler 'dict' cannot be read."),
]


@pytest.mark.parametrize(("handler", "message"), REFUSED)
def test_what_cannot_be_a_handler_is_refused_when_it_is_declared(handler: Any, message: str) -> None:
    ways: list[Callable[[], object]] = [
        lambda: node(write.func, output_name="content", error_handler=handler),
        lambda: write.with_policy(error_handler=handler),
    ]
    for declare in ways:
        with pytest.raises(NodeDefinitionError) as caught:
            declare()
        assert message in str(caught.value)
        assert [fault.kind for fault in caught.value.faults] == ["bad-error-handler"]
    with pytest.raises(MappingError) as refused:
        write.map_over("section", error_handler=handler)
    assert message in str(refused.value)


def test_every_parameter_that_is_no_input_is_told() -> None:
    def two(sectoin: str, styl: str) -> str:
        return ""

    with pytest.raises(NodeDefinitionError) as caught:
        write.with_policy(error_handler=two)
    assert [fault.names for fault in caught.value.faults] == [("sectoin",), ("styl",)]


def test_a_handler_names_inputs_as_the_function_does() -> None:
    def outer(topic: str) -> str:
        return topic

    with pytest.raises(NodeDefinitionError, match="'topic', which is no input"):
        write.with_inputs(section="topic").with_policy(error_handler=outer)


def test_an_input_called_error_and_the_exception_are_not_confused() -> None:
    def takes_all(**given: object) -> str:
        return ""

    def takes_error(error: object = None) -> str:
        return ""

    def takes_none() -> str:
        return ""

    @node(output_name="out")
    def explain(error: str) -> str:
        return error

    for handler in (takes_all, takes_error):
        with pytest.raises(NodeDefinitionError, match="would be given two things as 'error'"):
            explain.with_policy(error_handler=handler)
    assert arguments(explain.with_policy(error_handler=takes_none), error="input") == {}
    renamed = write.with_inputs(section="error").with_policy(error_handler=takes_all)
    assert arguments(renamed, section="s", style="t") == {"section": "s", "style": "t", "error": GONE}


def test_the_handler_of_a_mapped_function_counts_more_than_the_nodes() -> None:
    own = write.with_policy(error_handler=async_instead)
    assert handler_of(own.map_over("section")).target.function is async_instead
    assert handler_of(own.map_over("section", error_handler=instead)).target.function is instead


def test_a_collapsed_graph_has_the_handler_of_its_function() -> None:
    graph = Graph([write.with_policy(error_handler=instead)], name="writer")
    for made in (graph.as_node(), graph.as_node().map_over("section")):
        assert handler_of(made).target.name == "write:handler"


def test_the_handler_of_a_mapped_one_call_graph_takes_the_graphs_inputs() -> None:
    def in_the_graph(topic: str, error: Exception) -> str:
        return topic

    graph = Graph([write.with_inputs(section="topic")], name="writer")
    made = graph.as_node().with_inputs(topic="topics").map_over("topics", error_handler=in_the_graph)
    assert handler_of(made).target.name == "write:handler"
    assert arguments(made, section="tea", style="plain") == {"topic": "tea", "error": GONE}
    with pytest.raises(MappingError, match="'section', which is no input"):
        graph.as_node().map_over("topic", error_handler=instead)


def test_the_functions_own_handler_counts_more_than_that_of_its_mapped_graph() -> None:
    graph = Graph([write.with_policy(error_handler=instead)], name="writer")
    made = graph.as_node().map_over("section", error_handler=async_instead)
    assert handler_of(made).target.function is instead


def test_a_mapped_graph_of_several_calls_has_no_handler_of_its_own() -> None:
    shorten = node(output_name="short", name="shorten")(lambda content: content)
    inner = Graph([write.map_over("section")], name="inner")
    for graph in (Graph([write, shorten], name="writer"), inner):
        with pytest.raises(MappingError, match="more than one call") as caught:
            graph.as_node().map_over("section", error_handler=async_instead)
        assert "with_policy(error_handler=...)" in str(caught.value)
        assert caught.value.node == graph.name


def test_a_target_that_has_a_handler_has_a_policy() -> None:
    assert target_of(write.with_policy(error_handler=instead)).policy is not None


def test_handlers_survive_pickling_where_their_functions_do() -> None:
    for function in (instead, spare, functools.partial(instead)):
        made = write.with_policy(error_handler=function, retry=RetryPolicy())
        restored = pickle.loads(pickle.dumps(made))  # noqa: S301 - our own bytes
        assert isinstance(restored.handler, ErrorHandler)
        assert restored.handler.takes == made.handler.takes if made.handler is not None else False
        assert dict(handler_of(restored).arguments({"section": 1, "style": 2}, GONE))["error"] is GONE
        if not isinstance(function, functools.partial):
            assert restored.handler == made.handler


def test_what_a_handler_returns_can_be_stored_too() -> None:
    class ExcuseError(Exception):
        pass

    def excused(error: Exception) -> ExcuseError:
        return ExcuseError()

    def section(section: str) -> "ReasonError":
        return ReasonError()

    graph = Graph(
        [
            write.with_policy(error_handler=excused),
            write.with_name("other")
            .with_outputs(content="others")
            .map_over("section", error_handler=section)
            .with_inputs(section="sections"),
        ]
    )
    assert set(annotated_types(graph)) == {Exception, ExcuseError, ReasonError}


class ReasonError(Exception):
    pass
