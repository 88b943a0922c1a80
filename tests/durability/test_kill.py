"""Real processes, really killed: at each named write, and at random moments."""

import asyncio
import random
import signal
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from piecework import RunHeldError
from piecework.core.runs import RunStart
from piecework.stores.opening import open_store
from tests.durability.child import Boundary, Errand
from tests.durability.places import postgres_schema
from tests.durability.processes import (
    PATIENCE,
    begin,
    check_integrity,
    effects,
    kill_after,
    on_record,
    run,
    told,
    was_killed,
)

WORKERS = 300
WIDTH = 8


def total(items: int) -> int:
    return sum(item * item for item in range(items))


def at_both_moments(folder: Path, kill: Boundary, **options: Any) -> list[Errand]:
    errands = []
    for when in ("before", "after"):
        place = folder / when
        place.mkdir()
        errand = Errand(store=str(place / "runs.db"), lines=str(place / "lines"), durability="sync", **options)
        errands.append(msgspec.structs.replace(errand, kill=kill, when=when))
    return errands


async def recorded(errand: Errand) -> set[str]:
    with open_store(errand.store) as store:
        return await on_record(store)


@pytest.mark.parametrize("kill", ["claim", "input", "plan", "first item", "last item", "join", "end"])
async def test_a_process_killed_at_a_write_is_followed_by_one_that_does_the_rest(
    kill: Boundary, tmp_path: Path
) -> None:
    errands = at_both_moments(tmp_path, kill)
    for process in [begin(errand) for errand in errands]:
        was_killed(process)
    known = [await recorded(errand) for errand in errands]
    done = [effects(errand) for errand in errands]
    fresh = [begin(msgspec.structs.replace(errand, kill=None)) for errand in errands]
    for errand, process, before, lines in zip(errands, fresh, known, done, strict=True):
        answer = told(process)
        assert (answer["status"], answer["total"]) == ("completed", total(errand.items))
        assert not before & answer["ran"].keys()
        assert len(answer["ran"]) == errand.items + 2 - len(before)
        assert len(effects(errand)) == errand.items
        assert effects(errand).total() - errand.items <= len(lines.keys() - before) <= errand.width
        assert answer["tally"] == {"done": errand.items + 2, "failed": 0, "planned": errand.items + 2}
        check_integrity(Path(errand.store))
    assert len(known[1]) > len(known[0]) or kill in {"claim", "input", "plan", "end"}


@pytest.mark.parametrize("kill", ["question", "answer"])
async def test_a_question_and_its_answer_outlive_the_process(kill: Boundary, tmp_path: Path) -> None:
    errands = at_both_moments(tmp_path, kill, items=3, asks=True)
    if kill == "answer":
        for errand in errands:
            assert run(msgspec.structs.replace(errand, kill=None))["status"] == "paused"
            errand.answer = "yes"
    for process in [begin(errand) for errand in errands]:
        was_killed(process)
    for errand in errands:
        answered = kill == "answer" and errand.when == "after"
        errand.kill, errand.answer = None, None
        found = run(errand)
        assert found["status"] == ("completed" if answered else "paused")
        if not answered:
            found = run(msgspec.structs.replace(errand, answer="yes"))
        assert found["total"] == total(3)
        assert effects(errand) == {f"g/work[{item}]": 1 for item in range(3)}


async def killed_at_random(errand: Errand, kills: int, seed: int) -> int:
    """Kill a run again and again, then let it come to its end; returns how many workers ran again in all."""
    moments = random.Random(seed)  # noqa: S311 - an order that can be repeated, no secret
    known: set[str] = set()
    before = effects(errand)
    for _ in range(kills):
        kill_after(errand, moments.randint(1, 20))
        now, lines = await recorded(errand), effects(errand)
        assert known <= now, "what was on record is lost"
        assert all(lines[address] == before[address] for address in known), "what was on record ran again"
        if errand.durability == "sync":
            assert len(lines.keys() - now) <= WIDTH, "more was in flight than there are lanes"
        known, before = now, lines
    answer = run(errand)
    assert (answer["status"], answer["total"]) == ("completed", total(WORKERS))
    lines = effects(errand)
    assert lines.keys() == {f"g/work[{item}]" for item in range(WORKERS)}
    assert all(lines[address] == before[address] for address in known), "what was on record ran again"
    assert run(errand)["ran"] == {}
    return lines.total() - WORKERS


@pytest.mark.parametrize(
    ("kind", "runner", "durability", "seed"),
    [
        ("async", "async", "async", 1),
        ("async", "async", "sync", 2),
        ("blocking", "sync", "async", 3),
        ("blocking", "async", "sync", 4),
        ("graph", "sync", "sync", 5),
    ],
)
async def test_killed_at_random_moments_a_run_loses_nothing_and_repeats_only_what_was_in_flight(
    tmp_path: Path,
    kind: Literal["async", "blocking", "graph"],
    runner: Literal["async", "sync"],
    durability: Literal["async", "sync"],
    seed: int,
) -> None:
    kills, store = 6, tmp_path / "runs.db"
    errand = Errand(
        store=str(store),
        lines=str(tmp_path / "lines"),
        items=WORKERS,
        width=WIDTH,
        kind=kind,
        runner=runner,
        durability=durability,
        work=0.002,
    )
    again = await killed_at_random(errand, kills, seed)
    # With "sync" a lane waits for its commit; with "async" one may be a commit ahead.
    assert again <= kills * (WIDTH if durability == "sync" else 2 * WIDTH)
    check_integrity(store)


@pytest.mark.postgres
async def test_killed_at_random_moments_a_run_in_postgres_loses_nothing(tmp_path: Path) -> None:
    with postgres_schema() as dsn:
        errand = Errand(
            store=dsn, lines=str(tmp_path / "lines"), items=WORKERS, width=WIDTH, durability="sync", work=0.002
        )
        assert await killed_at_random(errand, 4, seed=6) <= 4 * WIDTH


async def test_a_run_in_another_process_is_held_by_it_until_it_is_killed(tmp_path: Path) -> None:
    errand = Errand(store=str(tmp_path / "runs.db"), lines=str(tmp_path / "lines"), finish=4, keep=100)
    process = begin(errand)
    assert process.stdout is not None
    assert process.stdout.read(4) == b"...."
    with open_store(errand.store) as store:
        with pytest.raises(RunHeldError, match=f"held by process {process.pid} on "):
            await store.claim(RunStart(run_id="run", name="g"))
        found = await store.find("run")
        assert found is not None
        assert found.status == "running"
        process.kill()
        was_killed(process)
        found = await store.find("run")
        assert found is not None
        assert found.status == "interrupted"
    errand.finish = None
    assert run(errand)["total"] == total(errand.items)


async def test_a_process_that_stood_still_too_long_is_taken_over_and_writes_nothing_more(
    tmp_path: Path,
) -> None:
    errand = Errand(store=str(tmp_path / "runs.db"), lines=str(tmp_path / "lines"), finish=4, keep=100, lease=0.4)
    process = begin(errand)
    assert process.stdout is not None
    assert process.stdout.read(4) == b"...."
    process.send_signal(signal.SIGSTOP)
    with open_store(errand.store) as store:
        with pytest.raises(RunHeldError) as held:
            await store.claim(RunStart(run_id="run", name="g"))
        await asyncio.sleep(held.value.seconds)  # The lease runs by the clock of the machine.
        errand.finish = None
        assert run(errand)["total"] == total(errand.items)
        facts = await store.read("run")
        process.send_signal(signal.SIGCONT)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1
        assert b"RunLostError: run 'run' was taken over by" in err
        assert await store.read("run") == facts
        found = await store.find("run")
        assert found is not None
        assert found.status == "completed"
