"""Exceptions in the log: what is told of one, and as what it comes back."""

from typing import Any

import pytest

from piecework import CodecError, Failure, StoredError
from piecework.core.codec import Codec


class KnownError(Exception):
    def __init__(self, message: str, *, code: int) -> None:
        self.code = code
        super().__init__(message)


class UnknownError(Exception):
    pass


CODEC = Codec()
CODEC.register(KnownError)


def back(value: Any) -> Any:
    return CODEC.decode(CODEC.encode(value))


def raised(error: BaseException) -> Any:
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no", 5),
        OSError(2, "gone", "file.txt"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        KeyError(("a", 1)),
        KnownError("known", code=5),
        CodecError("ours", path="a.b"),
        ExceptionGroup("two", [ValueError(1), KnownError("in", code=1)]),
    ],
)
def test_an_exception_comes_back_with_its_class_text_notes_trace_and_cause(error: Any) -> None:
    error.add_note("a note")
    error.__cause__ = TypeError("why")
    again = back(raised(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert repr(again.args) == repr(error.args)
    assert again.__notes__ == ["a note"]
    assert (type(again.__cause__), str(again.__cause__)) == (TypeError, "why")
    assert "raise error" in again.__stored_traceback__
    assert getattr(again, "code", None) == getattr(error, "code", None)
    assert getattr(again, "filename", None) == getattr(error, "filename", None)
    assert CODEC.encode(again) == CODEC.encode(error)
    assert CODEC.digest(again) == CODEC.digest(error)


def test_an_exception_of_a_class_that_is_not_registered_says_what_it_was() -> None:
    again = back(raised(UnknownError("lost", object())))
    assert type(again) is StoredError
    assert (again.kind, again.arguments) == (f"{__name__}.UnknownError", None)
    assert "lost" in str(again)
    assert back(again).kind == again.kind
    assert back(UnknownError("kept", 1)).arguments == ("kept", 1)


def test_what_an_exception_holds_that_cannot_be_kept_is_left_out_of_it() -> None:
    error = KnownError("held", code=3)
    error.response = object()  # type: ignore[attr-defined]
    again = back(error)
    assert (again.code, hasattr(again, "response")) == (3, False)


def test_a_failure_comes_back() -> None:
    again = back([Failure(ValueError("no"), 4, 2)])[0]
    assert type(again) is Failure
    assert (str(again.error), again.index, again.attempts) == ("no", 4, 2)


def test_what_an_unknown_exception_said_is_the_same_value_when_it_is_stored_again() -> None:
    error = raised(UnknownError("lost", 5))
    error.code = 7
    once = CODEC.decode(CODEC.encode(error))
    assert isinstance(once, StoredError)
    again = CODEC.decode(CODEC.encode(once))
    assert isinstance(again, StoredError)
    assert (again.kind, again.arguments, str(again)) == (once.kind, once.arguments, str(once))
    assert CODEC.digest(error) == CODEC.digest(once) == CODEC.digest(again)
