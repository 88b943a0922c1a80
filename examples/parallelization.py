"""Fan out and in with no edge written: three writers take the same topic, one node takes what they made.

Nodes are joined by the names of their outputs and parameters. The writers wait a tenth of a second each, and since none
needs another, the run takes hardly longer than one of them.

Run it: python examples/parallelization.py
"""

import time

from piecework import Graph, SyncRunner, node


@node(output_name="joke")
def tell_joke(topic: str) -> str:
    """Tell a joke; it blocks, as many clients do, and so it runs on a thread."""
    time.sleep(0.1)
    return f"Why did the {topic} cross the road? Somebody had left it on the other side."


@node(output_name="story")
def tell_story(topic: str) -> str:
    """Tell a story."""
    time.sleep(0.1)
    return f"Once there was a {topic} that nobody had counted. One day somebody did."


@node(output_name="poem")
def write_poem(topic: str) -> str:
    """Write a poem."""
    time.sleep(0.1)
    return f"O {topic}, o {topic},\nyou rhyme with yourself."


@node(output_name="combined_output")
def aggregate(topic: str, joke: str, story: str, poem: str) -> str:
    """Put the three together."""
    return f"All about the {topic}\n\nJOKE\n{joke}\n\nSTORY\n{story}\n\nPOEM\n{poem}"


writers = Graph(nodes=[tell_joke, tell_story, write_poem, aggregate], name="writers")


def main() -> None:
    """Run the graph, and only a part of it."""
    started = time.perf_counter()
    result = SyncRunner().run(writers, topic="bicycle")
    taken = time.perf_counter() - started
    print(result["combined_output"])
    print(f"\nthree writers of 0.1 s each: {'side by side' if taken < 0.25 else 'slower than expected'}")

    poem_only = SyncRunner().run(writers.select("poem"), topic="lamp")
    print(f"\nselected: {', '.join(poem_only.values)}")


if __name__ == "__main__":
    main()
