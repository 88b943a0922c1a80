"""The way in for synchronous code: Ctrl-C, forks, and loops that outlive whatever runs on them."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncGenerator

import pytest

from piecework import Graph, SyncRunner, node
from piecework.core.portal import iterate_blocking, run_blocking


def python(program: str, *, interrupt: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a program, interrupted as often as asked each time it says `ready`."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        for _ in range(interrupt):
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


INTERRUPTED = """
    import asyncio, threading
    from piecework import Graph, SyncRunner, node

    @node(output_name="a")
    async def waits():
        print("ready", flush=True)
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            print("closed", flush=True)

    @node(output_name="b")
    def hangs():
        threading.Event().wait()

    nodes = [waits, hangs] if {hanging} else [waits]
    runner = SyncRunner(grace={grace})
    try:
        runner.run(Graph(nodes))
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.parametrize("hanging", [False, True])
def test_ctrl_c_cancels_a_run_and_is_raised_when_its_finally_blocks_have_run(hanging: bool) -> None:
    ended = python(INTERRUPTED.format(hanging=hanging, grace=0.1), interrupt=1)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("closed\ninterrupted\n", "", 0)


def test_a_second_ctrl_c_does_not_wait_for_what_hangs() -> None:
    program = """
        import asyncio, os, signal, threading
        from piecework import Graph, SyncRunner, node

        @node(output_name="a")
        async def waits():
            print("ready", flush=True)
            try:
                await asyncio.sleep(60)
            finally:
                print("ready", flush=True)
                await asyncio.sleep(60)

        try:
            SyncRunner().run(Graph([waits]))
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    ended = python(program, interrupt=2)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("interrupted\n", "", 0)


def test_ctrl_c_ends_a_stream_and_its_runs() -> None:
    program = """
        import asyncio
        from piecework import Graph, SyncRunner, node

        @node(output_name="a")
        async def waits(x):
            if x == 0:
                return x
            print("ready", flush=True)
            try:
                await asyncio.sleep(60)
            finally:
                print("closed", flush=True)

        try:
            for _ in SyncRunner().map_iter(Graph([waits]), x=[0, 1], map_over="x"):
                pass
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    ended = python(program, interrupt=1)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("closed\ninterrupted\n", "", 0)


def test_ctrl_c_in_an_async_program_ends_the_run_too() -> None:
    program = """
        import asyncio
        from piecework import AsyncRunner, Graph, node

        @node(output_name="a")
        async def waits():
            print("ready", flush=True)
            try:
                for _ in range(600):  # A loop that sleeps for long may miss a signal: asyncio's own limit.
                    await asyncio.sleep(0.1)
            finally:
                print("closed", flush=True)

        try:
            asyncio.run(AsyncRunner().run(Graph([waits])))
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    ended = python(program, interrupt=1)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("closed\ninterrupted\n", "", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_after_a_fork_both_processes_can_run() -> None:
    program = """
        import os, warnings
        warnings.simplefilter("ignore")
        from piecework import Graph, SyncRunner, node

        @node(output_name="a")
        async def on_loop(x):
            return x

        @node(output_name="b")
        def on_thread(a):
            return a + 1

        graph = Graph([on_loop, on_thread])
        assert SyncRunner().run(graph, x=1)["b"] == 2
        child = os.fork()
        result = SyncRunner().run(graph, x=2)["b"]
        if child == 0:
            os._exit(0 if result == 3 else 1)
        _, status = os.waitpid(child, 0)
        print(result, status)
    """
    ended = python(program)
    assert (ended.stdout, ended.stderr) == ("3 0\n", "")


def test_a_run_in_flight_does_not_keep_the_process_alive() -> None:
    program = """
        import asyncio, threading
        from piecework import Graph, SyncRunner, node

        started = threading.Event()

        @node(output_name="a")
        async def waits():
            started.set()
            await asyncio.sleep(60)

        threading.Thread(target=lambda: SyncRunner().run(Graph([waits])), daemon=True).start()
        started.wait()
        print("end")
    """
    assert python(program).stdout == "end\n"


async def where() -> int:
    return threading.get_ident()


def test_coroutines_run_on_one_loop_of_our_own() -> None:
    threads = {run_blocking(where()) for _ in range(3)}
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_what_a_coroutine_raises_is_raised_here() -> None:
    async def fails() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run_blocking(fails())


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()])
def test_the_loop_outlives_an_exception_that_ends_programs(error: BaseException) -> None:
    async def fails() -> None:
        raise error

    async def fails_in_a_task_of_its_own() -> None:
        await asyncio.wait([asyncio.create_task(fails())])

    before = run_blocking(where())
    with pytest.raises(type(error)):
        run_blocking(fails())
    run_blocking(fails_in_a_task_of_its_own())
    assert run_blocking(where()) == before


def test_an_async_generator_is_iterated_on_one_loop_and_closed_with_its_iterator() -> None:
    threads: list[int] = []

    async def numbers() -> AsyncGenerator[int, None]:
        try:
            for number in range(5):
                threads.append(threading.get_ident())
                yield number
        finally:
            threads.append(threading.get_ident())

    assert list(iterate_blocking(numbers())) == [0, 1, 2, 3, 4]
    assert len(threads) == 6
    iterator = iterate_blocking(numbers())
    assert next(iterator) == 0
    iterator.close()  # type: ignore[attr-defined]
    assert len(threads) == 8
    assert len(set(threads)) == 1


def test_a_node_may_use_what_belongs_to_the_loop_in_every_run() -> None:
    loops: set[asyncio.AbstractEventLoop] = set()

    @node(output_name="out")
    async def work() -> None:
        loops.add(asyncio.get_running_loop())

    for _ in range(3):
        SyncRunner().run(Graph([work]))
    assert len(loops) == 1
