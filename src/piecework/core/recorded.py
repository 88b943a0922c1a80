"""A run's log, read back: for each address what stands there now.

Whoever resumes a run folds its log once and hands the fold to the journal, which answers calls from it. A fold of a log
is pure: it reads facts and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from msgspec import msgpack

from piecework.core.fact import Fact

__all__ = ("Recorded", "node_path", "places")

DIGEST = 16
"""Bytes of a digest."""


class Recorded:
    """What a log says; later facts count more than earlier ones, but for a call that is done."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        """Fold the facts of a run, which are in the order they were recorded."""
        self.input: Fact | None = None
        """What the run was given."""
        self.end: Fact | None = None
        """How it ended, if nothing was recorded after that."""
        self.shape: dict[str, str] | None = None
        """What the workflow was made of when the run was last resumed with another; None where it never was."""
        self.calls: dict[str, Fact] = {}
        """The last fact of each call, by address; a done one stays unless the call's arguments were others later."""
        self.plans: dict[str, Fact] = {}
        """The plans of fan-outs, by address."""
        self.pulled: dict[str, dict[int, bytes]] = {}
        """For fan-outs over sources of unknown size: what stands for each item that was pulled, by its number."""
        self.questions: dict[str, Fact] = {}
        """Questions that were asked, by id."""
        self.answers: dict[str, Fact] = {}
        """Answers, by the question's id."""
        self._news: set[str] = set()
        """Addresses of calls that hold a question which was answered since they paused."""
        self._open: dict[str, list[Fact]] | None = None
        calls = self.calls
        for fact in facts:
            if fact.kind != "call":
                self._take(fact)
                continue
            self.end = None
            known = calls.setdefault(fact.address, fact)
            if known is not fact:
                self._replace(known, fact)

    def _take(self, fact: Fact) -> None:
        self.end = None
        match fact.kind:
            case "plan":
                self._take_plan(fact)
            case "question":
                self.questions[fact.address] = fact
                self.answers.pop(fact.address, None)  # An answer from before was to something else.
                self._open = None
            case "answer":
                self.answered(fact)
            case "input":
                self.input = fact
            case "end":
                self.end = fact
            case "update":
                self.shape, gone = msgpack.decode(fact.value or b"", type=tuple[dict[str, str], list[str]])
                self.forget_below(gone)
            case _:
                pass  # Of no concern for what is run again.

    def _replace(self, known: Fact, fact: Fact) -> None:
        """A call has another fact: it counts more, unless it is of a call that is done and was given the same."""
        if known.status != "done" or (known.inputs, known.given) != (fact.inputs, fact.given):
            self.calls[fact.address] = fact
            self._news.discard(fact.address)

    def _take_plan(self, fact: Fact) -> None:
        if not fact.address.endswith(":]"):
            self.plans[fact.address] = fact
            return
        address, _, first = fact.address[:-2].rpartition("[")
        known, digests = self.pulled.setdefault(address, {}), fact.value or b""
        for number, at in enumerate(range(0, len(digests), DIGEST), int(first)):
            known[number] = digests[at : at + DIGEST]

    def answered(self, fact: Fact) -> None:
        """Take an answer in: every call around its question may go on."""
        self.answers[fact.address] = fact
        self._news.update(places(fact.address.rpartition("?")[0]))
        self._open = None

    def open_questions(self) -> list[Fact]:
        """The questions that calls wait for, in the order they were asked."""
        return [
            fact
            for question, fact in self.questions.items()
            if question not in self.answers and self._waits(question.rpartition("?")[0])
        ]

    def asked_in(self, address: str) -> list[Fact]:
        """The open questions of a paused call, its children's included; none once one of them was answered."""
        if address in self._news:
            return []
        if self._open is None:
            self._open = {}
            for fact in self.open_questions():
                for place in places(fact.address.rpartition("?")[0]):
                    self._open.setdefault(place, []).append(fact)
        return self._open.get(address, [])

    def _waits(self, address: str) -> bool:
        call = self.calls.get(address)
        return call is not None and call.status == "paused"

    def forget_below(self, paths: Collection[str]) -> None:
        """Take what is recorded of some nodes, and of all inside them, as not recorded, so that they run again."""
        if not paths:
            return
        for kept in (self.calls, self.plans, self.pulled, self.questions, self.answers):
            for address in tuple(kept):
                if any(place in paths for place in places(node_path(address))):
                    del kept[address]
        self._open = None

    def waited_for(self) -> Iterator[Fact]:
        """The questions that may be answered: those that are open, and those whose call failed with the answer."""
        for question, fact in self.questions.items():
            call = self.calls.get(question.rpartition("?")[0])
            if call is not None and (
                call.status == "failed" or (call.status == "paused" and question not in self.answers)
            ):
                yield fact


_PLACES = re.compile(r"\[[^\[\]/]*\]|@\d+")


def node_path(address: str) -> str:
    """The path of the node that an address or a question belongs to: without the run's name, items and rounds."""
    return _PLACES.sub("", address.partition("/")[2]).partition("?")[0]


def places(address: str) -> Iterator[str]:
    """An address and all that it is inside of, outermost first."""
    at = address.find("/")
    while at >= 0:
        yield address[:at]
        at = address.find("/", at + 1)
    yield address
