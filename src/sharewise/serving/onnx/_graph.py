"""A graph under construction: values by name, equal constants and equal nodes held once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Element = Literal["double", "float", "int64", "bool", "string"]
ELEMENTS: dict[Element, int] = {
    "double": TensorProto.DOUBLE,
    "float": TensorProto.FLOAT,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
}
TREES, OWN = "ai.onnx.ml", "com.microsoft"
OPSETS = {"": 21, TREES: 5, OWN: 1}
IR_VERSION = 10
MOST_BYTES = 2**31 - 2**20
"""One protobuf message, which a file is, holds less than 2 GiB."""


class Graph:
    """Collects nodes; `build` leaves out what no output needs."""

    def __init__(self, reserved: Iterable[str]) -> None:
        self._reserved = set(reserved)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._known: dict[bytes, str] = {}
        self._count = 0

    def constant(self, values: object) -> str:
        """The name of a constant array; bool, int64, float32, float64 or strings."""
        array = np.asarray(values)
        if array.dtype.kind in "OU":
            words: list[Any] = [str(cell).encode("utf-8", "surrogatepass") for cell in array.ravel()]
            tensor = helper.make_tensor("", TensorProto.STRING, array.shape, words)
        else:
            tensor = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape))
        key = hashlib.sha256(tensor.SerializeToString()).digest()
        if key not in self._known:
            tensor.name = self._known[key] = self._fresh()
            self._constants[tensor.name] = tensor
        return self._known[key]

    def node(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """The name of the one output of a node."""
        made = helper.make_node(op, list(inputs), [""], domain=domain, **attributes)
        key = hashlib.sha256(made.SerializeToString(deterministic=True)).digest()
        if key not in self._known:
            made.output[0] = self._known[key] = self._fresh()
            self._nodes.append(made)
        return self._known[key]

    def cast(self, value: str, element: Element) -> str:
        return self.node("Cast", value, to=ELEMENTS[element])

    def reshape(self, value: str, *shape: int) -> str:
        return self.node("Reshape", value, self.constant(np.array(shape, dtype=np.int64)))

    def gather(self, table: object, code: str, axis: int = 0) -> str:
        """Entries of a constant table at codes ``(n,)`` along an axis."""
        return self.node("Gather", self.constant(table), code, axis=axis)

    def columns(self, values: Iterable[str]) -> str:
        """Blocks ``(n, ·)`` side by side."""
        blocks = list(values)
        return blocks[0] if len(blocks) == 1 else self.node("Concat", *blocks, axis=1)

    def total(self, value: str, axis: int, *, keep: bool = False) -> str:
        """The sum along an axis."""
        axes = self.constant(np.array([axis], dtype=np.int64))
        return self.node("ReduceSum", value, axes, keepdims=int(keep))

    def build(
        self,
        inputs: Mapping[str, tuple[Element, tuple[int | str, ...]]],
        outputs: Mapping[str, tuple[str, Element, tuple[int | str, ...]]],
    ) -> onnx.ModelProto:
        """The model with these inputs (element, shape) and outputs (value, element, shape)."""
        ends = [helper.make_node("Identity", [value], [name]) for name, (value, _, _) in outputs.items()]
        needed = {name for end in ends for name in end.input}
        kept = []
        for node in reversed(self._nodes):
            if node.output[0] in needed:
                kept.append(node)
                needed.update(node.input)
        graph = helper.make_graph(
            [*reversed(kept), *ends],
            "sharewise",
            [helper.make_tensor_value_info(n, ELEMENTS[kind], shape) for n, (kind, shape) in inputs.items()],
            [
                helper.make_tensor_value_info(n, ELEMENTS[kind], shape)
                for n, (_, kind, shape) in outputs.items()
            ],
            [tensor for name, tensor in self._constants.items() if name in needed],
        )
        used = {node.domain for node in kept} | {""}
        opsets = [
            helper.make_opsetid(domain, version) for domain, version in OPSETS.items() if domain in used
        ]
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="sharewise"
        )

    def _fresh(self) -> str:
        while True:
            self._count += 1
            name = f"v{self._count}"
            if name not in self._reserved:
                return name


def array_of(values: NDArray[Any], element: type[np.generic]) -> NDArray[Any]:
    """Values in the given element type, laid out row by row."""
    return np.ascontiguousarray(values, dtype=element)
