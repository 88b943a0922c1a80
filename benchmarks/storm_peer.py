"""The storm of `storm.py` through LangGraph, in an interpreter that has it: its `Send` fan-out and its retries.

Run by `storm.py --peer`, not by hand. It reads one JSON object a line, `{"url": ..., "requests": ..., ...}`, storms,
and writes one back: how many workers succeeded, and what was raised if that ended it.
"""

from __future__ import annotations

import asyncio
import json
import operator
import sys
from importlib.metadata import version
from typing import Annotated, Any, TypedDict

import httpx
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy, Send


class State(TypedDict):
    """What the graph works on."""

    items: list[int]
    values: Annotated[list[int], operator.add]


class Piece(TypedDict):
    """What one worker is given."""

    item: int


def spread_out(state: State) -> list[Send]:
    return [Send("work", {"item": item}) for item in state["items"]]


async def storm(url: str, requests: int, at_once: int, attempts: int) -> dict[str, Any]:
    done: list[int] = []
    pool = httpx.Limits(max_connections=requests, max_keepalive_connections=requests)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=pool, trust_env=False) as client:

        async def work(piece: Piece) -> dict[str, list[int]]:
            response = await client.get(f"/jobs/{piece['item']}")
            response.raise_for_status()
            done.append(piece["item"])
            return {"values": [piece["item"]]}

        builder = StateGraph(State)
        builder.add_node("work", work, retry_policy=RetryPolicy(max_attempts=attempts, retry_on=httpx.HTTPStatusError))
        builder.add_conditional_edges(START, spread_out, ["work"])
        builder.add_edge("work", END)
        graph = builder.compile()
        try:
            await graph.ainvoke({"items": list(range(requests)), "values": []}, {"max_concurrency": at_once})
        except httpx.HTTPStatusError as error:
            return {"done": len(done), "error": str(error)}
    return {"done": len(done), "error": None}


def main() -> None:
    print(json.dumps({"peer": f"LangGraph {version('langgraph')}"}), flush=True)
    for line in sys.stdin:
        print(json.dumps(asyncio.run(storm(**json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
