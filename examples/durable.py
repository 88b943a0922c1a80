"""A fan-out that is interrupted by a failing worker, and then resumed: what finished is not done again.

The first process asks a service that goes away in the middle. The second one, which stands for the same program started
later, has a runner and a store of its own, and goes on with the run by its name.

Run it: python examples/durable.py
"""

import tempfile
from collections import Counter
from pathlib import Path

from piecework import Graph, RunInfo, SqliteStore, SyncRunner, node

PARTS = ("history", "methods", "data", "limits", "costs", "outlook")


class Service:
    """Something that costs money, and that can be away."""

    def __init__(self, *, answers: int) -> None:
        """Make one that goes away after so many answers."""
        self.asked = Counter[str]()
        self._answers = answers

    async def write(self, section: str) -> str:
        """Write one section."""
        if self.asked.total() >= self._answers:
            raise ConnectionError("the service is away")
        self.asked[section] += 1
        return f"## {section}"


@node(output_name="sections")
def plan(topic: str) -> list[str]:
    """Say which sections there are to be."""
    return [f"{topic}: {part}" for part in PARTS]


@node(output_name="content")
async def write_section(section: str, service: Service) -> str:
    """Have one section written; the service cannot be stored, so a resumed run is given it again."""
    return await service.write(section)


@node(output_name="report")
def join(content: list[str]) -> str:
    """Join the sections."""
    return "\n".join(content)


report = Graph(
    nodes=[plan, write_section.with_inputs(section="sections").map_over("sections", max_concurrency=2), join],
    name="report",
)


def told(info: RunInfo) -> str:
    """How a run stands, in a line."""
    return f"{info.run_id} is {info.status}: {info.tally.done} of {info.tally.planned} calls done"


def first(path: Path) -> Counter[str]:
    """Start the run; the service goes away after four sections."""
    service = Service(answers=4)
    with SqliteStore(path) as store:
        runner = SyncRunner(store=store)
        try:
            runner.run(report, topic="Tides", service=service, run_id="tides")
        except ConnectionError as error:
            print(f"failed: {error}")
        print(told(runner.get("tides")))
    return service.asked


def second(path: Path) -> Counter[str]:
    """Go on with it; the service is there again."""
    service = Service(answers=100)
    with SqliteStore(path) as store:
        runner = SyncRunner(store=store)
        result = runner.resume("tides", report, inputs={"service": service})
        print(told(runner.get("tides")))
        print(result["report"])
    return service.asked


def main() -> None:
    """Interrupt a run, go on with it, and count what was asked."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        before, after = first(path), second(path)
    print(f"sections written: {before.total()} before, {after.total()} after, twice: {len(before & after)}")


if __name__ == "__main__":
    main()
