"""Classes of other libraries in the log: messages and arrays, of libraries that the program has imported."""

import subprocess
import sys
from typing import Any

import pytest

from piecework import CodecError
from piecework.core.codec import Codec

CODEC = Codec()


def back(value: Any) -> Any:
    return CODEC.decode(CODEC.encode(value))


def test_messages_of_language_models_need_no_registering_and_no_import_is_made_for_them() -> None:
    messages = pytest.importorskip("langchain_core.messages")
    call = {"name": "f", "args": {"x": [1]}, "id": "1", "type": "tool_call"}
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    sent = [
        messages.SystemMessage("s"),
        messages.HumanMessage([{"type": "text", "text": "\ud83d"}], name="n"),
        messages.AIMessage("a", tool_calls=[call], usage_metadata=usage, response_metadata={"model": "m"}),
        messages.ToolMessage("t", tool_call_id="1", artifact=(1, 2)),
        messages.AIMessageChunk("c", id="run-1"),
        messages.RemoveMessage("gone"),
    ]
    again = back(sent)
    assert again == sent
    assert [type(one) for one in again] == [type(one) for one in sent]
    assert again[1].model_fields_set == sent[1].model_fields_set
    script = (
        "import sys; from piecework.core.codec import Codec; from piecework import CodecError\n"
        f"try: Codec().decode({CODEC.encode(sent[0])!r})\n"
        "except CodecError as error: print(error)\n"
        "assert not [name for name in sys.modules if name.startswith(('langchain', 'pydantic', 'numpy'))]"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "import langchain_core.messages" in printed


def test_a_subclass_of_a_message_is_no_message_of_the_table() -> None:
    messages = pytest.importorskip("langchain_core.messages")

    human: Any = messages.HumanMessage
    names = {"__module__": human.__module__, "__qualname__": "HumanMessage"}
    mine: Any = type(human)("HumanMessage", (human,), names)
    with pytest.raises(CodecError, match="cannot be stored"):
        CODEC.encode(mine("x"))


def test_arrays_come_back_with_dtype_shape_and_order() -> None:
    np = pytest.importorskip("numpy")
    for array in [
        np.arange(6, dtype=">i4").reshape(2, 3),
        np.asfortranarray(np.ones((2, 3))),
        np.array(5.0),
        np.array(["a", "bc"]),
        np.zeros((0, 4)),
        np.array(["2020-01-01"], "M8[ns]"),
        np.arange(10)[::2],
    ]:
        again = back(array)
        assert (again.dtype, again.shape, again.tolist()) == (array.dtype, array.shape, array.tolist())
        assert again.flags.writeable
    for scalar in [np.float64(1.5), np.int8(-3), np.bool_(True), np.str_("x"), np.str_(""), np.float32("nan")]:
        assert (type(back(scalar)), str(back(scalar))) == (type(scalar), str(scalar))
    for refused in [np.array([object()]), np.zeros(2, "i4,f8"), np.ma.array([1])]:
        with pytest.raises(CodecError):
            CODEC.encode([refused])
