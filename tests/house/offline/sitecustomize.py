"""Cuts a Python process and its children off the network: only this machine can be reached.

Loaded by every interpreter that has this folder on PYTHONPATH.
"""

import sys


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in {"socket.connect", "socket.sendto"} and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    if name not in {"localhost", "::1", "0.0.0.0", "::", "None"} and not name.startswith("127."):  # noqa: S104
        message = f"no network here: something reached for {name}"
        raise PermissionError(message)


sys.addaudithook(_refuse)
