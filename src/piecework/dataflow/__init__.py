"""The dataflow front end: functions joined into graphs by the names of what they take and make."""

from piecework.dataflow.graph import Graph, GraphNode
from piecework.dataflow.mapping import MapMode, MapSpec, OnError
from piecework.dataflow.node import FunctionNode, Node, node
from piecework.dataflow.validate import check_inputs
from piecework.dataflow.wiring import InputSpec

__all__ = (
    "FunctionNode",
    "Graph",
    "GraphNode",
    "InputSpec",
    "MapMode",
    "MapSpec",
    "Node",
    "OnError",
    "check_inputs",
    "node",
)
