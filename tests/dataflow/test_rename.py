"""Renaming: keyed by the current name, all at once, refused with the way that led to the current names."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.dataflow.node import FunctionNode, node
from piecework.dataflow.rename import Rename, address_fault, value_fault
from piecework.errors import RenameError


@node(output_name=("x", "y"))
def work(a: int, b: int, c: int = 3) -> tuple[int, int]:
    return a + b, c


def test_a_rename_is_a_copy_under_the_new_name() -> None:
    after = work.with_inputs(a="first")
    assert (after.inputs, work.inputs) == (("first", "b", "c"), ("a", "b", "c"))


def test_a_rename_is_keyed_by_the_current_name() -> None:
    assert work.with_inputs(a="first").with_inputs(first="second").inputs == ("second", "b", "c")


def test_a_rename_is_not_keyed_by_an_older_name() -> None:
    with pytest.raises(RenameError, match="with_inputs renames 'a', but its inputs are 'first', 'b', 'c'"):
        work.with_inputs(a="first").with_inputs(a="second")


def test_renames_are_applied_in_parallel_so_that_a_swap_works() -> None:
    swapped = work.with_inputs(a="b", b="a")
    assert swapped.inputs == ("b", "a", "c")
    assert dict(swapped.inner_inputs) == {"b": "a", "a": "b", "c": "c"}
    assert work.with_outputs(x="y", y="x").outputs == ("y", "x")


def test_a_name_that_is_freed_in_the_same_call_may_be_taken() -> None:
    assert work.with_inputs(a="b", b="d").inputs == ("b", "d", "c")


def test_renaming_to_the_same_name_changes_nothing() -> None:
    assert work.with_inputs(a="a").inputs == work.inputs


def test_a_rename_of_nothing_leaves_no_trace() -> None:
    assert work.with_inputs().signature == work.signature
    assert work.with_outputs().signature == work.signature


def test_the_name_of_the_node_can_be_changed() -> None:
    assert work.with_name("worker").name == "worker"


def test_an_unknown_name_is_told_with_its_near_miss() -> None:
    with pytest.raises(RenameError, match="Did you mean 'section'") as caught:
        work.with_inputs(a="section").with_inputs(secton="sections")
    assert (caught.value.node, caught.value.names) == ("work", ("secton",))


def test_an_error_shows_the_renames_before() -> None:
    node_so_far = work.with_inputs(a="first", b="second").with_name("worker").with_outputs(x="sum")
    with pytest.raises(RenameError) as caught:
        node_so_far.with_inputs(a="other")
    assert caught.value.history == (
        ".with_inputs(a='first', b='second')",
        ".with_name('worker')",
        ".with_outputs(x='sum')",
    )
    assert str(caught.value).endswith(
        "Renamed so far: .with_inputs(a='first', b='second') then .with_name('worker') then .with_outputs(x='sum')."
    )


@pytest.mark.parametrize("renames", [{"a": "b"}, {"a": "d", "b": "d"}, {"a": "c", "c": "b"}])
def test_two_inputs_of_one_name_are_refused(renames: Mapping[str, str]) -> None:
    with pytest.raises(RenameError, match="to swap two, rename both in one call") as caught:
        work.with_inputs(**renames)
    assert len(caught.value.names) == 2


def test_two_outputs_of_one_name_are_refused() -> None:
    with pytest.raises(RenameError, match=r"with_outputs\(x='y'\) would call 'x', 'y' all 'y'"):
        work.with_outputs(x="y")


@pytest.mark.parametrize("new", ["1st", "final report", "", "class", "a-b"])
def test_an_invalid_new_name_is_refused(new: str) -> None:
    with pytest.raises(RenameError, match="the new name must"):
        work.with_outputs(x=new)


def test_a_new_name_that_is_no_string_is_refused() -> None:
    with pytest.raises(RenameError, match="must be a string, not 3"):
        work.with_inputs(a=3)  # type: ignore[arg-type]


def test_outputs_renamed_the_wrong_way_round_are_told_to_swap() -> None:
    with pytest.raises(RenameError, match=r"Write \.with_outputs\(x='content'\)"):
        work.with_outputs(content="x")


def test_only_the_pairs_that_are_the_wrong_way_round_are_turned() -> None:
    with pytest.raises(RenameError, match=r"Write \.with_outputs\(x='sum', y='rest'\)"):
        work.with_outputs(sum="x", y="rest")


def test_inputs_renamed_the_wrong_way_round_are_told_to_swap() -> None:
    with pytest.raises(RenameError, match=r"Write \.with_inputs\(a='sections'\)"):
        work.with_inputs(sections="a")


def test_turning_round_is_not_advised_where_it_would_not_help() -> None:
    with pytest.raises(RenameError, match="with_outputs renames 'content', 'other', but") as caught:
        work.with_outputs(content="x", other="another")
    assert "wrong way round" not in str(caught.value)


def test_renames_are_written_as_the_calls_that_made_them() -> None:
    assert str(Rename("with_inputs", (("a", "b"), ("b", "a")))) == ".with_inputs(a='b', b='a')"
    assert str(Rename("with_name", (("old", "new"),))) == ".with_name('new')"


@pytest.mark.parametrize("name", ["x", "_x", "größe", "x1"])
def test_an_identifier_can_name_a_value(name: str) -> None:
    assert value_fault(name) is None


@pytest.mark.parametrize("name", ["work", "my report, v1.0", "a.b", "größe"])
def test_printable_text_can_name_a_node(name: str) -> None:
    assert address_fault(name) is None


NAMES = st.sampled_from([f"n{i}" for i in range(8)])


@st.composite
def permutations_of_names(draw: st.DrawFn, current: tuple[str, ...]) -> dict[str, str]:
    """Draw a valid rename: some of the current names, to names that stay apart."""
    new = draw(st.lists(NAMES, min_size=len(current), max_size=len(current), unique=True))
    return dict(zip(current, new, strict=True))


@given(st.data())
def test_a_sequence_of_renames_is_the_composition_of_its_steps(data: st.DataObject) -> None:
    renamed: FunctionNode[..., object] = work
    expected = {name: name for name in work.inputs}
    for _ in range(data.draw(st.integers(0, 5))):
        step = data.draw(permutations_of_names(renamed.inputs))
        renamed = renamed.with_inputs(**step)
        expected = {inner: step[outer] for inner, outer in expected.items()}
    assert {inner: outer for outer, inner in renamed.inner_inputs.items()} == expected
    assert tuple(renamed.inner_inputs.values()) == work.inputs


@given(st.data())
def test_the_inverse_of_a_rename_restores_the_names(data: st.DataObject) -> None:
    inputs = data.draw(permutations_of_names(work.inputs))
    outputs = data.draw(permutations_of_names(work.outputs))
    there = work.with_inputs(**inputs).with_outputs(**outputs)
    back = there.with_inputs(**{new: old for old, new in inputs.items()}).with_outputs(
        **{new: old for old, new in outputs.items()}
    )
    assert (back.inputs, back.outputs) == (work.inputs, work.outputs)
    assert (back.inner_inputs, back.inner_outputs) == (work.inner_inputs, work.inner_outputs)


@given(st.permutations(["a", "b", "c"]))
def test_a_permutation_made_in_one_call_equals_its_swaps_made_one_by_one(order: list[str]) -> None:
    at_once = work.with_inputs(**dict(zip(work.inputs, order, strict=True)))
    stepwise: FunctionNode[..., object] = work
    for place, wanted in enumerate(order):
        present = stepwise.inputs[place]
        if present != wanted:
            stepwise = stepwise.with_inputs(**{present: wanted, wanted: present})
    assert stepwise.inner_inputs == at_once.inner_inputs
