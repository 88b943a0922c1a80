"""A model provider on loopback: a real HTTP server that says what a test's script says, in two providers' protocols.

Tests point real clients at it, by `url` or by `environment()`, and read afterwards what it was asked.
"""

import threading
from types import TracebackType
from typing import Self

from tests.provider.ledger import Ledger
from tests.provider.script import Asked, Script, report
from tests.provider.serving import KEY, OPEN, Connections, Listener

__all__ = ("Provider",)


class Provider:
    """A provider, there from `with` to the end of the block; no thread of it is left then.

    The block ends with an `AssertionError` if the script failed, or if requests that were to come together never did.

    Args:
        script: What to answer, called in the thread that serves the request; by default a report of four sections.
        patience: Seconds to wait for requests to come.
        connections: Whether a connection is kept open after an answer, as providers do. The clients keep theirs in
            pools that outlive a test's event loop, where an open one is a leak: hence `closed` by default.
    """

    def __init__(
        self, script: Script | None = None, *, patience: float = 3.0, connections: Connections = "closed"
    ) -> None:
        self._patience = patience
        self._ledger = Ledger(script or report(), patience)
        self._listener = Listener(self._ledger, connections)
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()
        self._ledger.close()
        self._listener.hang_up(self._patience)
        told = "\n".join(self._ledger.faults)
        if told and error is None:
            raise AssertionError(told)
        if told and error is not None:
            error.add_note(told)

    @property
    def url(self) -> str:
        """Where it is: the base URL of Anthropic's client."""
        return f"http://127.0.0.1:{self._listener.server_port}"

    @property
    def openai_url(self) -> str:
        """The base URL of OpenAI's client."""
        return f"{self.url}/v1"

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every request that was let in, in order of arrival."""
        return self._ledger.asked

    @property
    def most_in_flight(self) -> int:
        """The highest number of requests that were being answered at once."""
        return self._ledger.most_in_flight

    def wait_for(self, count: int) -> None:
        """Return once `count` requests were let in.

        Raises:
            TimeoutError: They did not come in time.
        """
        self._ledger.wait_for(count)

    def environment(self) -> dict[str, str]:
        """Return the variables that point a child process here, past any proxy."""
        return {
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_API_URL": self.url,  # wins over the next one
            "ANTHROPIC_BASE_URL": self.url,
            "OPENAI_API_KEY": KEY,
            "OPENAI_API_BASE": self.openai_url,  # wins over the next one
            "OPENAI_BASE_URL": self.openai_url,
            "OLLAMA_HOST": f"{self.url}{OPEN}",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
