"""Names of stores without the passwords in them: whatever is printed of a store that the user named goes through here.

A name in which it is not certain where the password ends is refused before anybody connects, so that no error of a
library can tell a piece of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote

from piecework.cli.errors import MisuseError

__all__ = ("check_name", "disguised", "disguised_urls")

_BLANK: Final = "***"
"""What stands in place of a password."""

_PARAMETERS: Final = (
    "application_name|channel_binding|client_encoding|connect_timeout|dbname|fallback_application_name|gssencmode|host"
    "|hostaddr|keepalives|keepalives_count|keepalives_idle|keepalives_interval|krbsrvname|load_balance_hosts|options"
    "|passfile|password|port|requiressl|require_auth|service|sslcert|sslcompression|sslkey|sslmode|sslpassword"
    "|sslrootcert|target_session_attrs|tcp_user_timeout|user"
)
"""What libpq takes: with one of these, and with nothing else, a password surely has ended."""

_SECRET = re.compile(r"passw|passphrase|secret|token")
_KEY = re.compile(r"(?:(?<=[?&\s])|^)([^\s&?=]+)\s*=\s*")
_NEXT = re.compile(rf"[\s&]+(?:{_PARAMETERS})\s*=", re.IGNORECASE)
_QUOTED = re.compile(r"'(?:\\.|[^'\\])*(?:'|$)", re.DOTALL)
_KEYWORDS = re.compile(rf"\s*(?:{_PARAMETERS})\s*=", re.IGNORECASE)
_PATH = re.compile(r"[./\\~]|[A-Za-z]:[/\\]|sqlite:/", re.IGNORECASE)
_POSTGRES = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:/|[^\s:/]*:[^@]*/).*", re.DOTALL)


def disguised(name: str) -> str:
    """Return the name of a store with `***` for each password; rather too much of it goes than too little."""
    return _blanked(name, [*_credentials(name), *_values(name)])


def disguised_urls(text: str) -> str:
    """Return a line with `***` for the passwords in an address that it tells."""
    return _URL.sub(lambda found: disguised(found[0]), _blanked(text, _values(text)))


def _blanked(text: str, places: Iterable[tuple[int, int]]) -> str:
    parts: list[str] = []
    told = 0
    for begin, end in sorted(places):  # They may overlap: no piece of one may be left because another begins inside it.
        if begin >= told:
            parts += text[told:begin], _BLANK
        told = max(told, end)
    return "".join([*parts, text[told:]])


def check_name(name: str) -> None:
    """See that nobody can mistake which part of a store's name is the password.

    Raises:
        MisuseError: One can; or there is `***` for the password, as in what is printed.
    """
    told = disguised(name)
    if told == name and _BLANK in name and (_POSTGRES.match(name) or not _PATH.match(name)):
        raise MisuseError(f"store {told!r} has *** where its password was. Write the password there.")
    if _POSTGRES.match(name):
        if name.count("@") > 1 or ("/" in name.partition("://")[2].partition("@")[0] and "@" in name):
            raise MisuseError(
                f"store {told!r} cannot be read: there is an @ or a / too many in it. In a user's name, a password or "
                "an option write %40 for @ and %2F for /."
            )
    elif _KEYWORDS.match(name) or (told != name and not _PATH.match(name) and "://" not in name):
        raise MisuseError(
            f"{told!r} names no store. Write postgresql://user:password@host:5432/database, or, if it is the name of a "
            "file, ./ before it."
        )


def _credentials(name: str) -> Iterator[tuple[int, int]]:
    """Yield where the password of a user is: between the first colon, but for that of a scheme, and the last @."""
    if not _PATH.match(name):
        scheme = _SCHEME.match(name)  # Another :// may be a piece of the password.
        colon = name.find(":", 0 if scheme is None else scheme.end())
        at = name.rfind("@")
        if -1 < colon < at:
            yield colon + 1, at


def _values(name: str) -> Iterator[tuple[int, int]]:
    """Yield where the values are of what is called a password, as `?password=...` or `password='...'`."""
    for found in _KEY.finditer(name):
        if _SECRET.search(unquote(found[1]).lower()) is not None:
            quoted = _QUOTED.match(name, found.end())
            following = _NEXT.search(name, found.end() if quoted is None else quoted.end())
            yield found.end(), len(name) if following is None else following.start()
