"""The HTTP side of the scripted provider: reads a request, asks the ledger what to say, and says it on the socket.

`server` starts it. It decides nothing. A client may hang up whenever it likes; that is no fault.
"""

import json
import socket
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal, cast

from tests.provider import completions, messages
from tests.provider.ledger import Ledger
from tests.provider.script import Asked, Cut, Garbage, Hang, Protocol, Refuse, Single
from tests.provider.spoken import Spoken

__all__ = ("KEY", "OPEN", "Connections", "Listener")

KEY: Final = "a-key-of-the-tests"
"""The only key that is let in."""

OPEN: Final = "/open"
"""Below this path no key is asked for, as on a server on the user's own machine."""

_JSON: Final = {"content-type": "application/json"}

Connections = Literal["closed", "kept"]
"""What becomes of a connection after an answer."""

_ROUTES: Final[dict[str, tuple[Protocol, Spoken]]] = {
    "/v1/messages": ("messages", messages),
    "/v1/chat/completions": ("completions", completions),
}


class Listener(ThreadingHTTPServer):
    """Accepts connections and serves each in a thread."""

    request_queue_size = 256

    def __init__(self, ledger: Ledger, connections: Connections) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.ledger = ledger
        self.connections = connections
        self._serving: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection in a thread of its own."""
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        with self._lock:
            self._serving[thread] = request
        thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Take down what went wrong, unless a client hung up."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.ledger.fault(f"a request could not be served: {error!r}")

    def hang_up(self, patience: float) -> None:
        """Close all connections and wait for their threads."""
        with self._lock:
            serving = dict(self._serving)
        for connection in serving.values():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in serving:
            thread.join(patience)
            if thread.is_alive():
                self.ledger.fault(f"a request was still being answered {patience} s after closing")

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._serving[threading.current_thread()]


class _Exchange(BaseHTTPRequestHandler):
    """One request and its answer."""

    protocol_version = "HTTP/1.1"
    _in_flight = False

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("content-length", "0")))
        path = self.path
        route = next((route for end, route in _ROUTES.items() if path.endswith(end)), None)
        if route is None:
            self._refuse(completions, Refuse(404, f"nothing is served at {path}"))
            return
        protocol, spoken = route
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not path.startswith(f"{OPEN}/") and spoken.key(headers) != KEY:
            self._refuse(spoken, Refuse(401, "invalid key"))
        else:
            body = json.loads(text)
            asked = self._listener.ledger.begin(
                protocol, path, headers=headers, body=body, read=spoken.read(body), wanted=spoken.wanted(body)
            )
            self._in_flight = True
            try:
                self._answer(spoken, asked, self._listener.ledger.decide(asked))
            finally:
                self._answered()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the standard library's
        """Say nothing."""

    @property
    def _listener(self) -> Listener:
        return cast("Listener", self.server)

    def _answer(self, spoken: Spoken, asked: Asked, reply: Single) -> None:
        match reply:
            case Garbage(body, content_type):
                self._send(200, body, {"content-type": content_type})
            case Refuse(after=after) if not (asked.stream and after):
                self._refuse(spoken, reply)
            case Refuse(after=after):
                self._stream([*spoken.beginning(after, asked), spoken.stream_error(reply)])
            case Hang(after) | Cut(after):
                self._leave_off(spoken, asked, after)
                if isinstance(reply, Hang):
                    self._wait_for_the_end()
            case _ if asked.stream:
                self._stream(spoken.stream(reply, asked))
            case _:
                self._send(200, json.dumps(spoken.whole(reply, asked)).encode(), _JSON)

    def _leave_off(self, spoken: Spoken, asked: Asked, after: str) -> None:
        """Send the part of an answer that holds the text `after`, without an end."""
        self.close_connection = True
        if after and asked.stream:
            self._stream(spoken.beginning(after, asked), ends=False)
        elif after:
            self._head(200, {**_JSON, "content-length": str(len(after) + 1000)})
            self.wfile.write(f'{{"{after}'.encode())

    def _refuse(self, spoken: Spoken, refusal: Refuse) -> None:
        self._send(refusal.status, json.dumps(spoken.error(refusal)).encode(), {**_JSON, **refusal.headers})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self._head(status, {**headers, "content-length": str(len(body))})
        self._answered()
        self.wfile.write(body)

    def _stream(self, events: Iterable[bytes], *, ends: bool = True) -> None:
        self._head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        for event in events:
            self.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        if ends:
            self._answered()
            self.wfile.write(b"0\r\n\r\n")

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self._listener.connections == "closed":
            self.send_header("connection", "close")
        self.end_headers()

    def _answered(self) -> None:
        # Said before the last bytes go out: a client that has them may ask again before this thread goes on.
        if self._in_flight:
            self._in_flight = False
            self._listener.ledger.end()

    def _wait_for_the_end(self) -> None:
        while self.connection.recv(4096):
            pass
