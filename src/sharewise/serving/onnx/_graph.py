"""A graph under construction: values by name, equal constants and equal nodes held once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Element = Literal[
    "double", "float", "float16", "int64", "int32", "int16", "int8", "uint64", "uint8", "bool", "string"
]
ELEMENTS: dict[Element, int] = {
    "double": TensorProto.DOUBLE,
    "float": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "int16": TensorProto.INT16,
    "int8": TensorProto.INT8,
    "uint64": TensorProto.UINT64,
    "uint8": TensorProto.UINT8,
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
        self._several: dict[bytes, list[str]] = {}
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
        made = helper.make_node(op, list(inputs), ["?"], domain=domain, **attributes)
        return self._kept(made)[0]

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

    def nodes(self, op: str, count: int, *inputs: str, domain: str = "", **attributes: Any) -> list[str]:
        """The names of the outputs of a node that has several."""
        made = helper.make_node(op, list(inputs), ["?"] * count, domain=domain, **attributes)
        return self._kept(made)

    def absorb(self, other: onnx.GraphProto, inputs: Sequence[str]) -> list[str]:
        """The outputs of another graph, whose nodes and constants become part of this one.

        Args:
            inputs: What its inputs are here, in order.
        """
        names = {entry.name: value for entry, value in zip(other.input, inputs, strict=True)}
        names[""] = ""
        for tensor in other.initializer:
            names[tensor.name] = self.constant(numpy_helper.to_array(tensor))
        for node in other.node:
            made = onnx.NodeProto()
            made.CopyFrom(node)
            made.name = made.doc_string = ""
            del made.metadata_props[:]
            _rename(made, names)
            outputs = list(made.output)
            made.output[:] = ["?" if name else "" for name in outputs]
            names |= zip(outputs, self._kept(made), strict=True)
        return [names[entry.name] for entry in other.output]

    def _kept(self, made: onnx.NodeProto) -> list[str]:
        """Outputs of a node, named; those of an equal node where there was one."""
        key = hashlib.sha256(made.SerializeToString(deterministic=True)).digest()
        if key not in self._several:
            self._several[key] = [self._fresh() if name else "" for name in made.output]
            made.output[:] = self._several[key]
            self._nodes.append(made)
        return self._several[key]

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
            if needed.intersection(node.output):
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


def _rename(node: onnx.NodeProto, names: Mapping[str, str]) -> None:
    """What a node reads, and what the graphs inside it (branches, loops) read from outside."""
    node.input[:] = [names.get(name, name) for name in node.input]
    for attribute in node.attribute:
        for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            own = {entry.name for entry in (*inner.input, *inner.initializer)}
            own.update(name for held in inner.node for name in held.output)
            outside = {name: value for name, value in names.items() if name not in own}
            for held in inner.node:
                _rename(held, outside)
            for entry in inner.output:
                entry.name = outside.get(entry.name, entry.name)
