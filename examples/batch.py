"""One graph over many inputs: all results at once with `map`, or each as it is ready with `map_iter`.

A graph that sorts a message to a desk and answers it runs over a list, where a failed run keeps its place, and then
over a generator without end, which is left as soon as enough has been read.

Run it: python examples/batch.py
"""

import itertools
from collections.abc import Iterator

from piecework import Graph, SyncRunner, node

DESKS = {"invoice": "billing", "broken": "repairs", "password": "accounts"}


@node(output_name="desk")
def classify(message: str) -> str:
    """Find the desk that a message is for."""
    for word, desk in DESKS.items():
        if word in message.lower():
            return desk
    raise LookupError(f"no desk for {message!r}")


@node(output_name="answer")
async def reply(message: str, desk: str, signature: str = "the office") -> str:
    """Answer a message."""
    return f"'{message}' went to {desk}. Yours, {signature}"


office = Graph(nodes=[classify, reply], name="office")


def messages() -> Iterator[str]:
    """Yield messages without end."""
    for number in itertools.count(1):
        yield f"Invoice {number} is wrong"


def main() -> None:
    """Answer a list of messages, then some of an endless number."""
    runner = SyncRunner(max_concurrency=8)
    mail = ["My invoice is wrong", "What time is it?", "The door is broken"]

    results = runner.map(office, inputs={"message": mail}, map_over="message", on_error="keep")
    print(results)
    for result in results:
        print(f"  {result['message']}: {result.get('desk', result.error)}")
    print(f"  all desks: {results['desk']}")

    print("\nas they are ready:")
    batch = runner.map_iter(office, message=messages(), signature="the night shift", map_over="message")
    for answered, (_, result) in enumerate(batch, start=1):
        if answered == 1000:
            print(f"  {answered} answered, the last one by {result['signature']}; the rest is left")
            break


if __name__ == "__main__":
    main()
