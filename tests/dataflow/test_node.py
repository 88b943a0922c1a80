"""`node` and what a function node is: callable, immutable, compared by identity, picklable."""

import copy
import inspect
import pickle
from collections.abc import AsyncIterator, Iterator
from dataclasses import FrozenInstanceError
from typing import assert_type

import pytest

from piecework.dataflow.node import FunctionNode, Node, node
from piecework.errors import NodeDefinitionError, RenameError


@node(output_name="doubled")
def double(x: int) -> int:
    """Double it."""
    return 2 * x


@node(output_name=("head", "tail"))
async def split(text: str, at: int = 1) -> tuple[str, str]:
    return text[:at], text[at:]


def plain(x: int) -> int:
    return x + 1


plain_node = node(plain, output_name="more", name="increment")
renamed = double.with_name("twice").with_inputs(x="sections").with_outputs(doubled="content").map_over("x")


class Holder:
    @staticmethod
    @node(output_name="y")
    def inside(x: int) -> int:
        return x


def test_a_bare_node_is_run_for_its_effect() -> None:
    @node
    def notify(message: str) -> None: ...

    assert (notify.name, notify.inputs, notify.outputs) == ("notify", ("message",), ())


def test_output_name_names_the_result() -> None:
    assert (double.name, double.inputs, double.outputs) == ("double", ("x",), ("doubled",))


def test_a_tuple_of_output_names_makes_several_outputs() -> None:
    assert split.outputs == ("head", "tail")
    assert split.inner_outputs == ("head", "tail")


def test_name_sets_the_nodes_name() -> None:
    assert plain_node.name == "increment"


def test_a_lambda_with_a_name_is_a_node() -> None:
    increment = node(lambda x: x + 1, output_name="y", name="increment")
    assert (increment.name, increment.inputs, increment(1)) == ("increment", ("x",), 2)


def test_an_undecorated_node_shows_its_inner_names_unchanged() -> None:
    assert dict(split.inner_inputs) == {"text": "text", "at": "at"}
    assert split.mapping is None


def test_parameter_defaults_are_the_nodes_defaults() -> None:
    assert dict(split.defaults) == {"at": 1}


def test_a_node_stays_callable() -> None:
    assert double(5) == 10
    assert double(x=5) == 10
    assert_type(double(5), int)


def test_func_is_the_function_itself() -> None:
    assert plain_node.func is plain


def test_a_mapped_and_renamed_node_still_calls_the_function_itself() -> None:
    assert renamed(x=5) == 10


async def test_an_async_node_is_called_as_its_function_is() -> None:
    assert await split("abc", at=2) == ("ab", "c")


def test_a_node_has_the_signature_of_its_function() -> None:
    assert list(inspect.signature(split).parameters) == ["text", "at"]


@pytest.mark.parametrize("kind", ["async", "blocking", "async_generator", "generator"])
def test_the_kinds_of_function_are_told_apart(kind: str) -> None:
    async def coroutine(x: int) -> int:
        return x

    def blocking(x: int) -> int:
        return x

    async def async_generator(x: int) -> AsyncIterator[int]:
        yield x

    def generator(x: int) -> Iterator[int]:
        yield x

    functions: dict[str, FunctionNode[..., object]] = {
        "async": node(coroutine),
        "blocking": node(blocking),
        "async_generator": node(async_generator),
        "generator": node(generator),
    }
    assert functions[kind].kind == kind


def test_a_call_is_recorded_unless_told_otherwise() -> None:
    @node(record=False)
    def glance(x: int) -> None: ...

    assert double.record
    assert not glance.record
    assert not glance.with_name("look").record


def test_a_node_of_a_node_is_refused() -> None:
    with pytest.raises(NodeDefinitionError, match="it is a node already") as caught:
        node(double)
    assert caught.value.node == "double"


def test_every_method_returns_a_new_node_and_leaves_the_old_one_alone() -> None:
    before = (double.name, double.inputs, double.outputs, double.mapping)
    made: list[Node] = [
        double.with_name("other"),
        double.with_inputs(x="y"),
        double.with_outputs(doubled="z"),
        double.map_over("x"),
    ]
    assert all(one is not double and type(one) is FunctionNode for one in made)
    assert (double.name, double.inputs, double.outputs, double.mapping) == before


def test_renaming_keeps_the_nodes_type() -> None:
    assert_type(double.with_name("other")(1), int)


def test_nothing_of_a_node_can_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        double.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        split.defaults["at"] = 2  # type: ignore[index]
    with pytest.raises(TypeError):
        split.inner_inputs["at"] = "x"  # type: ignore[index]


def test_nodes_are_compared_by_identity() -> None:
    same = double.with_name("double")
    assert same != double
    assert len({double, same, double}) == 2


def test_renaming_an_input_keeps_its_default() -> None:
    assert dict(split.with_inputs(at="place").defaults) == {"place": 1}


def test_a_renamed_input_keeps_its_inner_name() -> None:
    assert dict(renamed.inner_inputs) == {"sections": "x"}
    assert renamed.inner_outputs == ("doubled",)


def test_a_mapped_input_has_no_default_since_a_collection_is_wanted() -> None:
    assert dict(split.map_over("at").defaults) == {}
    assert dict(split.map_over("text").defaults) == {"at": 1}


def test_an_input_called_self_can_be_renamed() -> None:
    def method(self: int, x: int) -> None: ...

    assert node(method).with_inputs(self="owner", x="self").inputs == ("owner", "self")


@pytest.mark.parametrize("name", ["", "  ", "a/b", "a[0]", "a@1", "a:branch", "a\nb"])
def test_a_name_that_addresses_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(RenameError, match="the name must"):
        double.with_name(name)


def test_the_repr_shows_names_renames_and_mapping() -> None:
    assert repr(split) == "<FunctionNode 'split': (text, at) -> head, tail>"
    assert repr(renamed) == "<FunctionNode 'twice': (x=sections) -> content, map_over x>"


@pytest.mark.parametrize("original", [double, split, plain_node, renamed, Holder.inside], ids=repr)
def test_a_node_survives_pickling_where_its_function_does(original: FunctionNode[..., object]) -> None:
    restored = pickle.loads(pickle.dumps(original))  # noqa: S301 - our own bytes
    assert restored.func is original.func
    assert restored.signature == original.signature
    assert dict(restored.defaults) == dict(original.defaults)
    assert (restored.kind, restored.record) == (original.kind, original.record)


def test_a_node_of_a_local_function_survives_cloudpickle() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    offset = 3

    @node(output_name="y", record=False)
    def shift(x: int, by: int = 1) -> int:
        return x + by + offset

    restored = pickle.loads(cloudpickle.dumps(shift))  # noqa: S301 - our own bytes
    assert (restored(1), restored.name, dict(restored.defaults), restored.record) == (
        5,
        "shift",
        {"by": 1},
        False,
    )


def test_a_copied_node_is_the_same_declaration() -> None:
    assert copy.deepcopy(renamed).signature == renamed.signature
