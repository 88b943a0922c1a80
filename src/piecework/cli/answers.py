"""`--answer`: answers to the questions that a paused run waits for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from piecework.cli.errors import MisuseError
from piecework.cli.inputs import read_value
from piecework.core.portal import run_blocking
from piecework.core.ports import RunLog
from piecework.core.recorded import Recorded
from piecework.wording import did_you_mean, listed

__all__ = ("read_answers",)

_BLANKS = frozenset({"VALUE", "ID=VALUE"})
"""What the line that says how to resume has in place of an answer."""

_ID = re.compile(r"([^=]*\?\d+)=")


def read_answers(store: RunLog, run_id: str, words: Sequence[str]) -> dict[str, object]:
    """Return answers by the id of their question, out of words of the form `id=value` or `value`.

    Raises:
        MisuseError: The run waits for no such answer, or it is not said which question is answered.
    """
    if not words:
        return {}
    facts = run_blocking(store.read(run_id, values=False))
    waiting = [fact.address for fact in Recorded(facts).open_questions()]
    if not waiting:
        raise MisuseError(f"run {run_id!r} waits for no answer. Leave --answer out.")
    answers: dict[str, object] = {}
    for word in words:
        question, text = _parted(run_id, word, waiting)
        if text in _BLANKS:
            raise MisuseError(
                f"--answer {word} is the line as it was printed. Write the answer to {question} in place of VALUE; for "
                "the very text VALUE, '\"VALUE\"'."
            )
        if question in answers:
            raise MisuseError(f"--answer for {question} is given twice. Give it once.")
        answers[question] = read_value(f"--answer {question}", text)
    return answers


def _parted(run_id: str, word: str, waiting: Sequence[str]) -> tuple[str, str]:
    """A word as a question's id and the answer to it."""
    for question in sorted(waiting, key=len, reverse=True):
        if word.startswith(f"{question}="):
            return question, word[len(question) + 1 :]
    named = _ID.match(word)
    if named is not None:
        near = did_you_mean(named[1], waiting)
        raise MisuseError(f"run {run_id!r} waits for no answer to {named[1]!r}; it waits for {listed(waiting)}.{near}")
    if len(waiting) > 1:
        raise MisuseError(
            f"run {run_id!r} waits for {len(waiting)} answers: {listed(waiting)}. Say which one is answered: "
            "--answer ID=VALUE."
        )
    return waiting[0], word
