"""The exceptions: their messages, their fields, their kinds, and that all of them survive pickling."""

import pickle
from collections.abc import Iterator

import pytest

from piecework import errors
from piecework.errors import (
    CacheKeyError,
    CodecError,
    Failure,
    Fault,
    GraphError,
    InputChangedError,
    InputConflictError,
    InternalError,
    ItemKeyError,
    LimitConflictError,
    MappingError,
    MissingInputError,
    NoCacheError,
    NodeCancelledError,
    NodeDefinitionError,
    NodeTimeoutError,
    NoStoreError,
    OutputMismatchError,
    OutsideRunError,
    PieceworkError,
    PolicyFunctionError,
    RenameError,
    RunCancelledError,
    RunChangedError,
    RunExistsError,
    RunHeldError,
    RunLostError,
    RunTimeoutError,
    StoredError,
    StoreError,
    StoreVersionError,
    UnknownGraphError,
    UnknownInputError,
    UnknownNodeError,
    UnknownOutputError,
    UnknownPriceError,
    UnknownQuestionError,
    UnknownRunError,
)
from piecework.wording import did_you_mean, listed, near_miss

FAULTS = (
    Fault("duplicate-name", "two nodes are called 'a'.", nodes=("a",)),
    Fault("cycle", "'b' waits for itself.", nodes=("b",), names=("x",)),
)

SAMPLES: tuple[PieceworkError, ...] = (
    PieceworkError("something"),
    GraphError(FAULTS, graph="report"),
    NodeDefinitionError(FAULTS[:1], node="a"),
    RenameError("no.", node="a", names=("x",), history=(".with_inputs(y='x')",)),
    MappingError("unequal.", node="a", parameters=("x", "y"), lengths={"x": 1, "y": 2}),
    MissingInputError("missing.", names=("x",), needed_by={"x": ("a", "b")}, graph="report"),
    UnknownInputError("unknown.", names=("x",), suggestions={"x": "y"}, produced_by={"z": ("a",)}, graph="g"),
    UnknownOutputError("unknown.", names=("x",), suggestions={"x": "y"}, graph="g"),
    InputConflictError(["topic"]),
    OutputMismatchError(node="a", expected=("x", "y"), got=(1, 2, 3)),
    NodeCancelledError(node="a"),
    CacheKeyError("cannot be told apart.", node="a"),
    LimitConflictError("two of that name.", name="models"),
    NoCacheError(["a", "b"]),
    NodeTimeoutError(node="a", seconds=1.5),
    PolicyFunctionError("retry_on", node="a", error=ZeroDivisionError("division by zero")),
    RunTimeoutError("r", seconds=60),
    UnknownPriceError("claude-sonnet-5"),
    CodecError("cannot be written.", path="sections[3].author"),
    InputChangedError(node="a", address="g/a[3]"),
    ItemKeyError(node="a", index=3, key="x", fault="is that of another item too"),
    NoStoreError("resume()"),
    OutsideRunError("no node runs here."),
    RunCancelledError("r"),
    RunChangedError("changed.", run_id="r", changes=("node 'a' was added",)),
    RunExistsError("r"),
    RunHeldError("r", held_by="process 7 on host", seconds=12.5),
    RunLostError("r", taken_by="process 7 on host"),
    StoreError("disk full.", store="runs.db"),
    StoreVersionError("too new.", store="runs.db"),
    StoredError("lost", kind="m.LostError", arguments=(1,)),
    UnknownGraphError("r", name="g"),
    UnknownNodeError("a", known=("b",), suggestion="b"),
    UnknownQuestionError("r", ("q",), waiting=("p",)),
    UnknownRunError("r", store="runs.db"),
    InternalError("the plan lost a call."),
)


def _all_classes(root: type[PieceworkError]) -> Iterator[type[PieceworkError]]:
    yield root
    for cls in root.__subclasses__():
        yield from _all_classes(cls)


def test_every_exception_of_the_module_has_a_sample_here() -> None:
    own = {cls for cls in _all_classes(PieceworkError) if cls.__module__ == errors.__name__}
    assert {type(sample) for sample in SAMPLES} == own


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_an_exception_survives_pickling(error: PieceworkError, protocol: int) -> None:
    restored = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - our own bytes
    assert type(restored) is type(error)
    assert str(restored) == str(error)
    assert vars(restored) == vars(error)


def test_notes_survive_pickling() -> None:
    error = GraphError(FAULTS)
    error.add_note("in node 'a'")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["in node 'a'"]  # noqa: S301 - our own bytes


class _DetailedError(MappingError):
    def __init__(self, *, detail: str) -> None:
        self.detail = detail
        super().__init__(f"detail: {detail}", node="a")


def test_a_subclass_with_a_constructor_of_its_own_survives_pickling() -> None:
    restored = pickle.loads(pickle.dumps(_DetailedError(detail="x")))  # noqa: S301 - our own bytes
    assert (restored.detail, restored.node, str(restored)) == ("x", "a", "detail: x")


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_a_message_is_shown_as_written(error: PieceworkError) -> None:
    assert str(error) == error.args[0]


def test_an_exception_without_a_message_has_an_empty_one() -> None:
    assert str(PieceworkError()) == ""


@pytest.mark.parametrize(
    ("cls", "also"),
    [
        (GraphError, ValueError),
        (NodeDefinitionError, ValueError),
        (RenameError, ValueError),
        (MappingError, ValueError),
        (MissingInputError, ValueError),
        (UnknownInputError, ValueError),
        (UnknownOutputError, KeyError),
        (InputConflictError, ValueError),
        (OutputMismatchError, ValueError),
        (NodeCancelledError, RuntimeError),
        (CacheKeyError, ValueError),
        (LimitConflictError, ValueError),
        (NoCacheError, ValueError),
        (NodeTimeoutError, TimeoutError),
        (PolicyFunctionError, RuntimeError),
        (RunTimeoutError, TimeoutError),
        (UnknownPriceError, LookupError),
        (CodecError, ValueError),
        (InternalError, RuntimeError),
    ],
)
def test_an_exception_is_also_the_builtin_a_user_would_catch(cls: type[PieceworkError], also: type[Exception]) -> None:
    assert issubclass(cls, also)


def test_several_faults_are_numbered() -> None:
    assert str(GraphError(FAULTS, graph="report")) == (
        "graph 'report' has 2 faults:\n  1. two nodes are called 'a'.\n  2. 'b' waits for itself."
    )


def test_a_single_fault_stands_alone() -> None:
    assert str(GraphError(FAULTS[:1])) == "the graph: two nodes are called 'a'."


def test_a_rename_error_tells_the_renames_before() -> None:
    error = RenameError("no.", node="a", history=(".with_inputs(x='y')", ".with_inputs(y='z')"))
    assert str(error) == "no. Renamed so far: .with_inputs(x='y') then .with_inputs(y='z')."


def test_an_input_conflict_names_all_inputs_given_twice() -> None:
    assert "'topic' is given" in str(InputConflictError(["topic"]))
    assert "'topic', 'style' are given" in str(InputConflictError(["topic", "style"]))


@pytest.mark.parametrize(
    ("got", "length", "said"),
    [
        ((1, 2, 3), 3, "a tuple of 3"),
        ([1], 1, "a list of 1"),
        (None, None, "one NoneType"),
        ("ab", None, "one str"),
        ({"x": 1, "y": 2}, None, "one dict"),
    ],
)
def test_an_output_mismatch_says_what_was_returned(got: object, length: int | None, said: str) -> None:
    error = OutputMismatchError(node="split", expected=("x", "y"), got=got)
    assert (error.got_length, error.got_type) == (length, type(got).__name__)
    assert f"node 'split' has 2 outputs ('x', 'y') but returned {said}." in str(error)


def test_an_output_mismatch_does_not_keep_the_value() -> None:
    value = object()
    assert value not in vars(OutputMismatchError(node="a", expected=("x", "y"), got=value)).values()


def test_an_internal_error_says_that_it_is_our_bug() -> None:
    assert "bug in piecework" in str(InternalError("the plan lost a call."))


def test_a_timeout_tells_the_time_that_was_given() -> None:
    assert str(NodeTimeoutError(node="a", seconds=90)).startswith("node 'a' took longer than 90 s.")
    assert str(NodeTimeoutError(node="a", seconds=0.5, idle=True)).startswith(
        "node 'a' gave no sign of life for 0.5 s. Let it do less at once, or call heartbeat() in it"
    )
    assert "run 'r' took longer than the 60 s" in str(RunTimeoutError("r", seconds=60))


def test_a_function_of_a_policy_that_raises_is_named_and_is_the_cause() -> None:
    cause = ZeroDivisionError("division by zero")
    error = PolicyFunctionError("retry_on", node="a", error=cause)
    assert str(error) == "the retry_on function of node 'a' raised ZeroDivisionError: division by zero"
    assert error.__cause__ is cause


def test_nodes_that_have_no_cache_are_named() -> None:
    assert str(NoCacheError(iter(["a", "b"]))).startswith("'a', 'b': a CachePolicy needs a cache")


@pytest.mark.parametrize(
    ("model", "said"),
    [("gpt-5", "no price for the model 'gpt-5'. Add it"), ("", "no price for a model whose name its result does not")],
)
def test_a_model_without_a_price_is_named(model: str, said: str) -> None:
    error = UnknownPriceError(model)
    assert said in str(error)
    assert f"prices={{{model!r}: Price(" in str(error)


def test_a_failure_is_falsy_so_that_filtering_by_truth_drops_it() -> None:
    results = ["a", Failure(ValueError("bad"), index=1), "c"]
    assert [result for result in results if result] == ["a", "c"]


def test_a_failure_shows_item_attempts_and_error() -> None:
    error = ValueError("bad")
    assert repr(Failure(error, index=4)) == "<Failure of item 4: ValueError('bad')>"
    assert repr(Failure(error, index=4, attempts=3)) == "<Failure of item 4 after 3 attempts: ValueError('bad')>"


def test_a_failure_survives_pickling() -> None:
    restored = pickle.loads(pickle.dumps(Failure(ValueError("bad"), index=4, attempts=2)))  # noqa: S301 - our own
    assert (repr(restored.error), restored.index, restored.attempts) == ("ValueError('bad')", 4, 2)


@pytest.mark.parametrize(("name", "meant"), [("sectoins", "sections"), ("Topic", "topic"), ("xyz", None), ("", None)])
def test_a_near_miss_is_found(name: str, meant: str | None) -> None:
    assert near_miss(name, ["topic", "sections", "content"]) == meant


def test_the_hint_is_a_sentence_or_nothing() -> None:
    assert did_you_mean("sectoins", ["sections"]) == " Did you mean 'sections'?"
    assert did_you_mean("xyz", ["sections"]) == ""


def test_a_long_list_of_names_is_cut() -> None:
    assert listed(("a", "b", "c"), limit=2) == "'a', 'b' and 1 more"
    assert listed(("a", "b")) == "'a', 'b'"
    assert listed(()) == "none"
