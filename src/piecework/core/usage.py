"""What calls use up: tokens and money.

The door counts it where a run has a budget or a limit on tokens; facts keep it. Results of the common clients are read
by the shape of what they report, without importing any of them; reading never raises, whatever a node returned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, cast

from msgspec import Struct

__all__ = ("Reported", "Usage", "total", "usage_reported")

_DEEPEST: Final = 3
"""How far into lists, tuples and dicts messages are looked for."""

_MOST: Final = 1000
"""How many objects are looked at."""

_PLAIN: Final = frozenset({bool, bytes, complex, float, int, str, type(None)})
"""What can neither report usage nor hold what does."""

_READ: Final = ("input_tokens", "prompt_tokens")

_WRITTEN: Final = ("output_tokens", "completion_tokens")

_CACHED: Final = ("cache_creation_input_tokens", "cache_read_input_tokens")
"""Tokens read that Anthropic counts apart from `input_tokens`; nobody else has these names."""


class Usage(Struct, frozen=True, array_like=True, gc=False):
    """What was used up."""

    input_tokens: int = 0
    """Tokens read."""

    output_tokens: int = 0
    """Tokens written."""

    cost: float = 0.0
    """What that cost, in the currency of the budget's prices."""

    def __add__(self, other: Usage) -> Usage:
        """Both together."""
        return Usage(
            self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens, self.cost + other.cost
        )

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens


class Reported(Struct, frozen=True):
    """What one answer of a language model says it has used up."""

    model: str
    """The model; empty where the answer does not say."""

    input_tokens: int
    """Tokens read, those from a cache and those put into one included."""

    output_tokens: int
    """Tokens written."""

    id: str = ""
    """What the answer is known by; empty where it does not say."""

    answer: object = None
    """The answer itself."""


def total(told: Iterable[Reported]) -> Usage:
    """Several reports together; what they cost is not known yet."""
    reports = tuple(told)
    return Usage(sum(each.input_tokens for each in reports), sum(each.output_tokens for each in reports))


def usage_reported(value: object) -> list[Reported]:
    """What the answers of language models report that are found in a value.

    Knows LangChain's messages and `LLMResult`, Anthropic's `Message`, OpenAI's `ChatCompletion` and `Response`, and the
    same as plain dicts; alone, and in tuples, lists and the values of dicts, three levels deep and among the first
    thousand objects. An object that is there twice is counted once.
    """
    reports: list[Reported] = []
    # Objects are kept until the end, so that no other can come by the identity of one that was seen.
    seen: dict[int, object] = {}
    waiting: deque[tuple[object, int]] = deque([(value, 0)])
    while waiting and len(seen) < _MOST:
        one, depth = waiting.popleft()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        inside = _inside(one, seen, reports)
        if depth < _DEEPEST:
            waiting.extend((held, depth + 1) for held in inside[: _MOST - len(waiting)])
    return reports


def _inside(one: object, seen: dict[int, object], reports: list[Reported]) -> list[object]:
    """What is inside of an object that reports nothing itself."""
    try:
        return list(islice(_look(one, seen, reports), _MOST))
    except Exception:
        # Attributes of a value may do anything. What cannot be read reports nothing.
        return []


def _look(one: object, seen: dict[int, object], reports: list[Reported]) -> Iterable[object]:
    """Take down what an object reports itself, or return what is inside of it."""
    if type(one) in _PLAIN:
        return ()
    answers = list(islice(_answers(one), _MOST))
    total = _total(one) if all(id(answer) not in seen for answer in answers) else None
    if total is not None:
        # It speaks for its answers, each of which may repeat the whole where several were asked for at once.
        seen.update((id(answer), answer) for answer in answers)
    report = total or _report(one)
    if report is not None:
        reports.append(report)
        return ()
    if isinstance(one, Mapping):
        return cast("Mapping[object, object]", one).values()
    return cast("Iterable[object]", one) if isinstance(one, list | tuple) else answers


def _report(answer: object) -> Reported | None:
    """What one answer reports."""
    metadata = _field(answer, "response_metadata")
    for usage, told_by in ((_field(answer, "usage_metadata"), metadata), (_field(answer, "usage"), answer)):
        report = _counted(usage, told_by, answer)
        if report is not None:
            return report
    return None


def _total(result: object) -> Reported | None:
    """What a LangChain result reports for all of its answers."""
    output = _field(result, "llm_output")
    return _counted(_field(output, "token_usage"), output, result)


def _answers(result: object) -> Iterator[object]:
    """The messages of a LangChain result."""
    prompts = _field(result, "generations")
    if isinstance(prompts, list):
        for several in cast("list[object]", prompts):
            for one in cast("list[object]", several) if isinstance(several, list) else (several,):
                message = _field(one, "message")
                if message is not None:
                    yield message


def _counted(usage: object, told_by: object, answer: object) -> Reported | None:
    """The counts of a usage record, with the model that something else tells; None where they are no counts."""
    counts = [_count(usage, _READ), _count(usage, _WRITTEN), *(_count(usage, (name,)) for name in _CACHED)]
    if counts[:2] == [None, None] or any(count is not None and count < 0 for count in counts):
        return None
    read, written, made, reused = (count or 0 for count in counts)
    return Reported(_model(told_by), read + made + reused, written, _id(answer) or _id(told_by), answer)


def _count(usage: object, names: tuple[str, ...]) -> int | None:
    """The first of some fields that is there; -1 where it is no count."""
    for name in names:
        value = _field(usage, name)
        if value is not None:
            return int(value) if isinstance(value, int) and not isinstance(value, bool) else -1
    return None


def _id(told_by: object) -> str:
    """What an answer is known by, wherever it is passed on to; empty where it has no id."""
    own = _field(told_by, "id")
    return own if isinstance(own, str) else ""


def _model(told_by: object) -> str:
    for name in ("model_name", "model"):
        model = _field(told_by, name)
        if isinstance(model, str):
            return model
    return ""


def _field(holder: object, name: str) -> object:
    """A field of a dict, or an attribute; None where there is none, or where reading it fails."""
    try:
        if isinstance(holder, Mapping):
            return cast("Mapping[object, object]", holder).get(name)
        return getattr(holder, name, None)
    except Exception:
        return None
