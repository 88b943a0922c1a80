"""A report whose writer waits to be told how to go on: `python scripted_report.py READ WRITE TITLES CONCURRENCY`.

It says `at NAME` on the file descriptor WRITE when it has come to a gate, and passes it when READ says `NAME WORD`.
`tests/cli/scripted_run.py` starts it and holds the other ends.
"""

import asyncio
import fcntl
import json
import os
import sys
import termios
import threading
from collections.abc import Sequence

from piecework import Failure
from piecework.cli.progress import choose_style, progress
from piecework.report import Section, WrittenSection, write_report
from piecework.report.document import render

INTERRUPTED = 130


class Gates:
    """Where the report waits for its script."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._words: dict[str, asyncio.Future[str]] = {}

    async def at(self, name: str) -> str:
        """Wait at a gate; return the word that opened it."""
        asyncio.get_running_loop().add_reader(self._reading, self._read)
        os.write(self._writing, f"at {name}\n".encode())
        return await self._word(name)

    def _word(self, name: str) -> asyncio.Future[str]:
        return self._words.setdefault(name, asyncio.get_running_loop().create_future())

    def _read(self) -> None:
        # The script says one line at a time, which arrives whole.
        said = os.read(self._reading, 4096).decode()
        for line in said.splitlines():
            name, _, word = line.rpartition(" ")
            self._word(name).set_result(word)
        if not said:
            asyncio.get_running_loop().remove_reader(self._reading)


class ScriptedWriter:
    """Writes what its script says."""

    def __init__(self, titles: Sequence[str], gates: Gates) -> None:
        self._titles = titles
        self._gates = gates

    async def plan(self, topic: str, section_count: int) -> list[Section]:
        if await self._gates.at("plan") == "fail":
            raise OSError("no idea")
        return [Section(str(index), title, topic) for index, title in enumerate(self._titles[:section_count])]

    async def write(self, section: Section) -> WrittenSection:
        try:
            word = await self._gates.at(f"write {section.id}")
        finally:
            if section.title == "Stubborn":
                await self._gates.at(f"give up {section.id}")
        if word == "fail":
            raise OSError("no ink\x1b[2J left")
        if word == "note":
            sys.stderr.write("a note\n")
        return WrittenSection(section.id, section.title, () if word == "nothing" else ("Two words. ",))

    async def join(self, topic: str, sections: Sequence[Section], content: Sequence[WrittenSection | Failure]) -> str:
        await self._gates.at("join")
        return render(topic, sections, content)


def main() -> None:
    """Write the report, and say on standard output what it has and which threads are left."""
    reading, writing, titles, concurrency = sys.argv[1:]
    if sys.stdin.isatty():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    listed = json.loads(titles)
    writer = ScriptedWriter(listed, Gates(int(reading), int(writing)))
    code = 0
    try:
        with progress(choose_style()) as shown:
            report = write_report(
                "x", writer, section_count=len(listed), max_concurrency=int(concurrency), observers=[shown]
            )
        sys.stdout.write(f"{len(report.sections)} written\n")
    except KeyboardInterrupt:
        code = INTERRUPTED
    except OSError as error:
        sys.stdout.write(f"{error}\n")
    left = {thread.name for thread in threading.enumerate()} - {"MainThread", "piecework-loop"}
    sys.stdout.write(f"threads left: {sorted(left)}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
