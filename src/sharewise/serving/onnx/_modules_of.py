"""Fitted torch networks as nodes: their inputs as `_encode` makes them, then the networks themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.families._module_nets import ModuleNets, name_of
from sharewise.families.pictures._build import read
from sharewise.families.pictures._model import PictureNets
from sharewise.families.pictures._predict import rebuilt
from sharewise.families.texts._inputs import TextInputs
from sharewise.families.texts._networks import TextNets
from sharewise.families.texts._pretrained import _loaded
from sharewise.serving._program_modules import nets_of, refuse_boxes
from sharewise.serving._program_trace import EXAMPLES
from sharewise.serving.onnx._committee import Committee, Member, Picked, emit_members
from sharewise.serving.onnx._encode import encode, text_inputs
from sharewise.serving.onnx._graph import Graph
from sharewise.serving.onnx._module import emit_module
from sharewise.serving.onnx._rows import Rows
from sharewise.serving.onnx._vocabulary import ids_of
from sharewise.serving.onnx._wordpieces import NOTE, tokens_of
from sharewise.tasks import MaskRows
from sharewise.tasks.dense import to_size

MOST_TRIED = 400
"""Words and pieces that texts are drawn from."""


def emit_networks(graph: Graph, nets: ModuleNets, rows: Rows) -> list[str]:
    """Predictions ``(n, W)`` in double, a value a target."""
    if nets.encoder is None:
        return _over(graph, nets, tensor_of(rows), np.zeros(nets.shape, dtype=nets.dtype), rows)
    X = graph.cast(encode(graph, nets.encoder, rows), "float")
    return _over(graph, nets, X, np.zeros(nets.shape, dtype=np.float32), rows)


def emit_text_networks(graph: Graph, model: TextNets, rows: Rows) -> list[str]:
    """Predictions ``(n, W)`` in double, a value a target."""
    of = model.inputs
    columns = text_inputs(graph, rows)
    joined = columns[0]
    for more in columns[1:]:
        joined = graph.node("StringConcat", joined, graph.node("StringConcat", graph.constant([" | "]), more))
    if of.vocabulary is None:
        row = np.zeros(len(of.mean) + of.numbers, dtype=np.float32)
        blocks = [_frozen(graph, of, joined, rows)]
    else:
        for place in range(len(columns)):
            rows.try_texts(place, [*of.vocabulary.words[:MOST_TRIED], *of.vocabulary.pieces[:MOST_TRIED]])
        row = np.zeros(of.vocabulary.length + of.numbers, dtype=np.float32)
        blocks = [graph.cast(ids_of(graph, of.vocabulary, joined), "float")]
    if of.others is not None:
        others = replace(rows, texts=(), words=rows.words[: len(rows.categories)])
        blocks.append(graph.cast(encode(graph, of.others, others), "float"))
    return _over(graph, nets_of(model), graph.columns(blocks), row, rows)


def emit_picture_networks(graph: Graph, nets: PictureNets, rows: Rows) -> list[str]:
    """Predictions ``(n, W)`` in double, or ``(n, classes, H, W)`` in float of masks; a value a target."""
    design = nets.design
    refuse_boxes(nets)
    shared, networks = rebuilt(nets)
    examples = [torch.zeros((EXAMPLES, *design.shape), dtype=torch.uint8)]
    inputs = [tensor_of(rows)]
    if shared is not None:
        first = Picked(shared, lambda backbone, given: backbone(read(design, given[0]))).eval()
        inputs = emit_module(graph, first, examples, inputs)
        with torch.no_grad():
            examples = list(first(*examples))

    def said(network: nn.Module, given: tuple[Tensor, ...], cells: tuple[int, ...]) -> tuple[Tensor, ...]:
        maps = network.backbone(read(design, given[0])) if shared is None else given  # type: ignore[operator]
        raw = network(maps)
        masks = {cell for cell in cells if isinstance(design.kind(cell), MaskRows)}
        return tuple(
            to_size(raw[cell], *design.shape[1:]).softmax(1) if cell in masks else raw[cell] for cell in cells
        )

    members = []
    for network in networks:
        cells = network.cells
        picked = Picked(network, lambda module, given, cells=cells: said(module, given, cells))  # type: ignore[misc]
        members.append(Member(cells, picked.eval()))
    masks = [isinstance(kind, MaskRows) for kind in design.kinds]
    constant = tuple(held[None] if mask else held for held, mask in zip(nets.constant, masks, strict=True))
    committee = Committee(design.kinds, nets.serves, nets.mean, nets.spread, constant)
    return committee.emit(graph, emit_members(graph, members, examples, inputs), rows)


def tensor_of(rows: Rows) -> str:
    """The one column of tensors."""
    if len(rows.tensors) != 1:
        raise OptionError(
            f"a model of tensors reads one column of them; got {len(rows.tensors)}. Use model.save and sw.load."
        )
    return rows.tensors[0]


def _frozen(graph: Graph, of: TextInputs, texts: str, rows: Rows) -> str:
    """Standardised features ``(n, F)`` in float of texts ``(n,)``, by the pretrained encoder."""
    tokens, encoder = _loaded(of.pretrained)
    rows.notes.append(NOTE)
    examples = [torch.ones((EXAMPLES, tokens.length), dtype=torch.int64)]
    (raw,) = emit_module(graph, encoder, examples, [tokens_of(graph, tokens, texts)])
    centred = graph.node("Sub", raw, graph.constant(of.mean[None]))
    return graph.node("Div", centred, graph.constant(of.spread[None]))


def _over(graph: Graph, nets: ModuleNets, X: str, row: NDArray[np.generic], rows: Rows) -> list[str]:
    """What networks say of inputs.

    Args:
        X: ``(n, …)``.
        row: One row of such inputs.
    """
    members = []
    for snapshot, network in zip(nets.snapshots, nets._networks(), strict=True):
        names = tuple(map(name_of, snapshot.cells))

        def pick(
            module: nn.Module, given: tuple[Tensor, ...], names: tuple[str, ...] = names
        ) -> tuple[Tensor, ...]:
            raw = module(given[0])
            return tuple(raw[name] for name in names)

        members.append(Member(snapshot.cells, Picked(network, pick).eval()))
    committee = Committee(nets.kinds, nets.serves, nets.mean, nets.spread, nets.constant)
    examples = [torch.from_numpy(np.stack([row] * EXAMPLES))]
    return committee.emit(graph, emit_members(graph, members, examples, [X]), rows)
