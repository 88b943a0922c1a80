"""What a removal goes by."""

from piecework.core.runs import Batch, Tally
from tests.stores.durable import Open, start


async def test_pruning_with_nothing_to_go_by_removes_nothing(opened: Open) -> None:
    store = opened()
    claim = await store.claim(start())
    await store.append(Batch(claim=claim, first=0, facts=(), tally=Tally(), status="completed"))
    assert list(await store.prune()) == []
    assert list(await store.prune(keep=0)) == ["run"]
